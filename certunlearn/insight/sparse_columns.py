"""What a search for look-alikes needs of sparse rows, without writing them out.

Where none of the rows looked for has an entry, a difference is the entry itself: those columns
come down to one number a row, a length, and the others are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .._common.arrays import MatrixLike
from ..exceptions import AssumptionError

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
#: Numbers that the rows looked for may come to when written out in the columns they use.
_MOST_WRITTEN_OUT = 1 << 26
#: In the place of a length that underflows.
_TINY = 1e-150


class MatrixStore(Protocol):
    """Sparse rows that can be read in parts."""

    def features(self, positions: Positions) -> MatrixLike:
        """Return rows, sparse, of shape (m, d)."""

    def parts(self) -> Iterator[tuple[slice, MatrixLike]]:
        """Yield where some rows lie, and the rows."""


def units(largest: Array) -> Array:
    """Return for each column the power of two up to which its largest entry reaches; 1/2 for none.

    What a column is divided by: exactly.
    """
    out: Array = np.ldexp(1.0, np.frexp(largest)[1] - 1)
    return out


def moments(rows: MatrixStore, counted: Positions) -> tuple[Array, Array, Array]:
    """Return of the rows at ``counted`` powers of two above every column, means, and deviations.

    All of shape (d,), the last two in units of the first.  Zeros enter as many at a time, so that
    nothing cancels.
    """
    X = rows.features(counted)
    n, d = X.shape
    largest = np.zeros(d)
    np.maximum.at(largest, X.indices, np.abs(X.data))
    unit = units(largest)
    z = X.data / unit[X.indices]
    mean = np.bincount(X.indices, weights=z, minlength=d) / n
    stored = np.bincount(X.indices, minlength=d)
    far = (z - mean[X.indices]) ** 2
    # Zeros that are not stored are all as far from the mean: as many at a time.
    squares = np.bincount(X.indices, weights=far, minlength=d) + (n - stored) * mean**2
    return unit, mean, np.sqrt(squares / n)


def second_moments(X: MatrixLike, mean: Array) -> Array:
    """Return ``Z Z' / m`` for the rows Z of X (m, d) less their ``mean``, shape (m, m)."""
    shift = (X @ mean)[:, None]
    # (X - 1 m')(X - 1 m')' without writing a dense matrix out: products of sparse rows, and shifts.
    products: Array = (X @ X.T).toarray() - shift - shift.T + float(mean @ mean)
    out: Array = products / X.shape[0]
    return out


class Reduced:
    """Sparse rows in the columns that given rows use, and the length of what lies outside.

    Parameters
    ----------
    rows : SparseRows
        All rows.
    targets : ndarray of int
        The given ones.
    unit, scale : ndarray of shape (d,)
        What an entry outside is divided by, and then multiplied with: 0 where columns do not count.

    Attributes
    ----------
    columns : ndarray of int
        Those that are kept; the length, which is 0 in the given rows, follows them.
    targets : ndarray of shape (m, len(columns) + 1)
        The given rows.
    """

    def __init__(self, rows: MatrixStore, targets: Positions, unit: Array, scale: Array) -> None:
        given = rows.features(targets)
        self.columns = np.unique(given.indices)
        if len(targets) * len(self.columns) > _MOST_WRITTEN_OUT:
            raise AssumptionError(
                f"{len(targets)} sparse rows with entries in {len(self.columns)} columns are too "
                "many to look for at once: name fewer rows"
            )
        self.rows, self._unit, self._scale = rows, unit, scale.copy()
        # Columns that are kept are compared entry by entry: they must not count in the length as
        # well.
        self._scale[self.columns] = 0.0
        self._outside = np.ones(len(scale))
        self._outside[self.columns] = 0.0
        self.targets = self._written(given)

    def _written(self, part: MatrixLike) -> Array:
        out = np.zeros((part.shape[0], len(self.columns) + 1))
        out[:, :-1] = part[:, self.columns].toarray()
        at = part.indices
        length = self._lengths(part, part.data / self._unit[at] * self._scale[at])
        # Rows with an entry outside differ, however small it is.
        outside = self._lengths(part, self._outside[at])
        out[:, -1] = np.where(outside > 0, np.maximum(length, _TINY), 0.0)
        return out

    def _lengths(self, part: MatrixLike, data: Array) -> Array:
        squares = csr_array((data * data, part.indices, part.indptr), shape=part.shape)
        out: Array = np.sqrt(squares @ np.ones(part.shape[1]))
        return out

    def chunks(self, numbers: int) -> Iterator[tuple[int, Array]]:
        """Yield (position of the first row, rows) in order, about so many numbers at a time."""
        step = max(1, numbers // (len(self.columns) + 1))
        for here, part in self.rows.parts():
            for first in range(0, part.shape[0], step):
                yield here.start + first, self._written(part[first : first + step])
