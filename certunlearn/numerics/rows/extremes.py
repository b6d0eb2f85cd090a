"""The largest and smallest numbers of columns, whatever rows have gone."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: So many a column are kept, so that few removals have to look for the next.
_KEPT = 32


@dataclass(frozen=True)
class Largest:
    """Some of the largest numbers of each column.

    Attributes
    ----------
    listed : tuple of lists
        By column, ascending; none of the others is larger than any of them.
    least : ndarray of shape (d,)
        At least every number that is not listed, and at most every one that is.
    """

    listed: tuple[list[float], ...]
    least: Array

    @classmethod
    def of(cls, X: Array) -> Largest:
        """Look through finite rows (m, d)."""
        k = min(_KEPT, len(X))
        # The k largest of each column; `least` is at least all that are not listed.
        top = np.sort(np.partition(X, len(X) - k, axis=0)[len(X) - k :], axis=0)
        least = top[0].copy() if k < len(X) else np.full(X.shape[1], -np.inf)
        return cls(tuple(column.tolist() for column in top.T), least)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of which columns the largest number is known; of others the rows have to be asked."""
        return np.array([len(column) > 0 for column in self.listed])

    @property
    def values(self) -> Array:
        """The largest numbers, shape (d,)."""
        return np.array([column[-1] for column in self.listed])

    def without(self, X: Array) -> Largest:
        """Return those of other rows than ``X`` (m, d), which are among these."""
        listed, least = list(self.listed), self.least.copy()
        for j, values in self._listed(X):
            column = list(listed[j])
            for v in values:
                # Among equal numbers any will do: the list is of numbers, not of rows.
                at = bisect.bisect_left(column, v)
                # Of equal ones at the threshold some are not listed.
                if at < len(column) and column[at] == v:
                    column.pop(at)
            listed[j] = column
            # Not the number of a row that has gone.
            least[j] = column[0] if column else np.inf
        return Largest(tuple(listed), least)

    def including(self, X: Array) -> Largest:
        """Return those of these rows and the rows of ``X`` (m, d)."""
        listed = list(self.listed)
        for j, values in self._listed(X):
            # The list may grow beyond its first length: what comes is known in any case.
            listed[j] = sorted([*listed[j], *values])
        return Largest(tuple(listed), self.least)

    def refound(self, which: NDArray[np.bool_], X: Array) -> Largest:
        """Return these with the columns ``which``, (d,), looked up in all rows, given with them."""
        found, listed, least = Largest.of(X), list(self.listed), self.least.copy()
        for place, j in enumerate(np.flatnonzero(which).tolist()):
            listed[j] = found.listed[place]
        least[which] = found.least
        return Largest(tuple(listed), least)

    def _listed(self, X: Array) -> Iterator[tuple[int, list[float]]]:
        """Yield columns and which of their numbers in X belong on the list, where any do."""
        rows, columns = np.nonzero(X >= self.least)
        for j in np.unique(columns).tolist():
            yield j, X[rows[columns == j], j].tolist()
