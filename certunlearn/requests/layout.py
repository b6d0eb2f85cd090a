"""Where the row of each position lies in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import Place, Position
from .._common.cached import cached_property
from .runs import followed_by


@dataclass(frozen=True)
class _Run:
    """Positions of the rows at consecutive places, from ``first`` on."""

    first: int
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def followed(self, other: _Run) -> _Run:
        """Return this run and the one behind it as one."""
        return _Run(self.first, np.concatenate([self.positions, other.positions]))

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """The positions in order, and where each stands; None where they stand in order."""
        if (np.diff(self.positions) > 0).all():
            return self.positions, None
        order = np.argsort(self.positions, kind="stable")
        return self.positions[order], order

    def find(self, positions: Position, places: NDArray[np.int64]) -> None:
        """Write into ``places`` where the last row of each position lies, if one does here."""
        known, order = self._sorted
        # The last one: a row that was corrected lies further back once more.
        at = np.searchsorted(known, positions, side="right") - 1
        here = (at >= 0) & (known[at] == positions)
        found = at[here]
        places[here] = self.first + (found if order is None else order[found])

    def __getstate__(self) -> dict[str, object]:
        return {"first": self.first, "positions": self.positions}


@dataclass(frozen=True)
class Layout:
    """Which position lies at each place of the store; a place may have been left for a later one.

    Positions are given once and never shift; places close up when the store is compacted.

    Attributes
    ----------
    runs : tuple
        Of consecutive places.
    """

    runs: tuple[_Run, ...] = ()

    @classmethod
    def of(cls, positions: NDArray[np.int64]) -> Self:
        """Return the layout of rows of these positions at places 0, 1, 2, ..."""
        return cls((_Run(0, positions),))

    def __len__(self) -> int:
        return self.runs[-1].first + len(self.runs[-1]) if self.runs else 0

    def followed(self, positions: NDArray[np.int64]) -> Layout:
        """Return the layout with rows behind all others; they may have lain elsewhere before."""
        new = _Run(len(self), positions)
        return Layout(followed_by(self.runs, new, _Run.followed))

    def places(self, positions: Position) -> Place:
        """Return where the rows of positions lie by now; -1 where the store has no trace of one."""
        out = np.full(len(positions), -1, dtype=np.int64)
        for run in self.runs:
            # A row that was moved is found once more, further back.
            run.find(positions, out)
        return Place(out)

    def positions(self, places: Place) -> Position:
        """Return the position of the row at each place, -1 where a row has moved away."""
        firsts = np.array([run.first for run in self.runs])
        which = np.searchsorted(firsts, places, side="right") - 1
        out = np.zeros(len(places), dtype=np.int64)
        for k in np.unique(which).tolist():
            out[which == k] = self.runs[k].positions[places[which == k] - self.runs[k].first]
        # Where a position is found elsewhere by now, this place has been left.
        out[self.places(Position(out)) != places] = -1
        return Position(out)
