"""What has been asked of a model so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import Positions
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
        Those of them that had not been overwritten when the last request came.
    """

    releases: int = 1
    since_removal: int = 0
    forgotten: int = 0
    named: Positions = field(default_factory=lambda: NO_ROWS)

    def followed_by(self, positions: Positions, scrubbed: NDArray[np.bool_]) -> RequestCount:
        """Count one more request, which names rows at ``positions``."""
        return RequestCount(
            self.releases + 1,
            self.since_removal + 1,
            self.forgotten + len(positions),
            np.concatenate([self.pending(scrubbed), positions]),
        )

    def pending(self, scrubbed: NDArray[np.bool_]) -> Positions:
        """Return the rows named that have still not been overwritten."""
        out: Positions = self.named[~scrubbed[self.named]]
        return out

    def released_again(self) -> RequestCount:
        """Count one more release without a request."""
        since = self.since_removal + int(self.since_removal > 0)
        return replace(self, releases=self.releases + 1, since_removal=since)
