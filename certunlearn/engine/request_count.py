"""What has been asked of a model so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import Positions
from .._common.replaced import replace
from ..numerics.rows.weights import NO_ROWS


@dataclass(frozen=True)
class RequestCount:
    """What has been asked of a model so far.

    Attributes
    ----------
    releases, since_removal : int
        Releases drawn, and since the oldest removal, this one included.
    forgotten : int
        Rows that a request has named.
    named : ndarray of int
        Where those of them lie that had not been overwritten when the last request came.
    dropped : int
        Rows named that the store has no place for any more.
    """

    releases: int = 1
    since_removal: int = 0
    forgotten: int = 0
    named: Positions = field(default_factory=lambda: NO_ROWS)
    dropped: int = 0

    @property
    def stale(self) -> int:
        """Places of the store that rows named so far take up."""
        return self.forgotten - self.dropped

    def condensed(self) -> RequestCount:
        """Return the same of a store that has no such places."""
        return replace(self, named=NO_ROWS, dropped=self.forgotten)

    def followed_by(self, positions: Positions, scrubbed: NDArray[np.bool_]) -> RequestCount:
        """Count one more request, which names rows at ``positions``."""
        return RequestCount(
            self.releases + 1,
            self.since_removal + 1,
            self.forgotten + len(positions),
            # Rows of an earlier request that was interrupted before they were overwritten are still
            # owed.
            np.concatenate([self.pending(scrubbed), positions]),
            self.dropped,
        )

    def pending(self, scrubbed: NDArray[np.bool_]) -> Positions:
        """Return the rows named that have still not been overwritten."""
        out: Positions = self.named[~scrubbed[self.named]]
        return out

    def released_again(self) -> RequestCount:
        """Count one more release without a request."""
        # Releases before the oldest removal tell nothing of it: they do not count.
        since = self.since_removal + int(self.since_removal > 0)
        return replace(self, releases=self.releases + 1, since_removal=since)
