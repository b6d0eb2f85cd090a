"""Training rows that are mostly zeros: a private canonical CSR copy, never written out densely."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..._common.arrays import AnyArray, Array, MatrixLike, Positions
from ..._common.interrupts import checkpoint
from ...exceptions import AssumptionError
from .dense import CHUNK
from .fold import Argument, Kernel, Sums, folded
from .sparse_block import SparseBlock, canonical
from .store import Store

#: Rows that are summed at a time: keeps temporaries small and chains of additions short.
BLOCK = 4096
#: Numbers that `SparseRows.gather` will write out.
MOST_WRITTEN_OUT = 1 << 26


class SparseRows(Store):
    """Rows held once as CSR on the host, always a copy; the column of ones is not stored.

    It has the interface of `DenseRows` as far as fits and removals without a factored Hessian use
    it.  A forgotten row leaves neither values nor column numbers behind: what follows closes up.

    Parameters
    ----------
    X : sparse or ndarray of shape (n, d)
        Features.
    labels : ndarray of shape (n,) or (n, K)
        Integer class codes, or real targets.
    intercept : bool
        Whether every row is followed by a one.

    Attributes
    ----------
    reads : int
        Rows read so far, by sweeps and by position.
    """

    sparse = True
    #: How the rows lie does not depend on what was removed.
    as_fitted = True

    def __init__(self, X: MatrixLike, labels: AnyArray, *, intercept: bool) -> None:
        X = canonical(X)
        self.n, self.d = int(X.shape[0]), int(X.shape[1])
        self.p, self.intercept = self.d + int(intercept), intercept
        # Column numbers at half the size wherever they fit.
        kind = np.int32 if self.d <= np.iinfo(np.int32).max else np.int64
        self._data: Array = X.data
        self._indices: NDArray[np.int32] | NDArray[np.int64] = X.indices.astype(kind, copy=False)
        self._indptr: Positions = X.indptr.astype(np.int64)
        self._labels = np.array(labels, copy=True)
        self._scrubbed = np.zeros(self.n, dtype=bool)
        self._extent: tuple[Array, float] | None = None
        self.reads = 0

    @property
    def blocks(self) -> int:
        """Length of what `blocked` returns."""
        return self.n

    @property
    def chain(self) -> int:
        """Longest chain of additions of a sum over rows, here or in a fit on any part of them."""
        return min(BLOCK, self.n) + -(-self.n // BLOCK)

    @property
    def nnz(self) -> int:
        """Stored entries."""
        return int(self._indptr[-1])

    def blocked(self, weight: Array) -> Array:
        """Return ``weight`` followed by zeros for rows put in since, shape (n,)."""
        return np.concatenate([weight, np.zeros(self.n - len(weight))])

    def sweep(self, times: int = 1) -> None:
        """Count so many reads of every row."""
        checkpoint()
        self.reads += times * self.n

    def fold(self, kernel: Kernel, weights: Array, *args: Argument) -> Sums:
        """Return a sum over all rows, each read once: as `DenseRows.fold`.

        Parameters
        ----------
        weights : ndarray of shape (n,)
            Of the rows, as `blocked` lays them out.
        """
        self.sweep()
        blocks = (
            SparseBlock(part, self.intercept, self._labels[here], weights[here])
            for here, part in self.parts()
        )
        return folded(kernel, blocks, self.p, args)

    def parts(self) -> Iterator[tuple[slice, csr_array]]:
        """Yield consecutive rows as CSR arrays that share this store's memory."""
        for first in range(0, self.n, BLOCK):
            last = min(first + BLOCK, self.n)
            yield slice(first, last), self._cut(first, last)

    def _cut(self, first: int, last: int) -> csr_array:
        at = self._indptr[first : last + 1]
        here = slice(int(at[0]), int(at[-1]))
        # Pointers of a part start at 0, and are 32 bits where scipy takes them so.
        few = here.stop - here.start <= np.iinfo(np.int32).max
        pointers = (at - at[0]).astype(self._indices.dtype if few else np.int64)
        parts = self._data[here], self._indices[here], pointers
        return csr_array(parts, shape=(last - first, self.d))

    def features(self, positions: Positions) -> csr_array:
        """Return a CSR copy of the features of rows, without the column of ones, (m, d)."""
        self.reads += len(positions)
        return self._cut(0, self.n)[positions]

    def gather(self, positions: Positions) -> Array:
        """Return a few rows written out, shape (m, p)."""
        if len(positions) * self.p > MOST_WRITTEN_OUT:
            raise AssumptionError(f"{len(positions)} sparse rows are too many to be written out")
        out = np.ones((len(positions), self.p))
        out[:, : self.d] = self.features(positions).toarray()
        return out

    def compact(self, keep: NDArray[np.bool_]) -> SparseRows:
        """Return new rows holding only ``keep`` (n,)."""
        kept = np.flatnonzero(keep)
        return SparseRows(self.features(kept), self._labels[kept], intercept=self.intercept)

    def thinned(self, stride: int) -> NoReturn:
        """Refuse: only a factored Hessian starts from a part of the rows."""
        raise AssumptionError("sparse rows are not thinned")

    def append(self, X: MatrixLike, labels: AnyArray) -> None:
        """Put rows (m, d), sparse or dense, after those there are."""
        X = canonical(X)
        start, stop = self.nnz, self.nnz + int(X.nnz)
        if stop > len(self._data):
            # An eighth more at a time, as for dense rows.
            more = max(stop, start + start // 8) - len(self._data)
            self._data = np.concatenate([self._data, np.zeros(more)])
            self._indices = np.concatenate([self._indices, np.zeros(more, self._indices.dtype)])
        self._data[start:stop], self._indices[start:stop] = X.data, X.indices
        self._indptr = np.concatenate([self._indptr, start + X.indptr[1:].astype(np.int64)])
        self._labels = np.concatenate([self._labels, labels])
        self._scrubbed = np.concatenate([self._scrubbed, np.zeros(X.shape[0], dtype=bool)])
        self.n += int(X.shape[0])
        self._extent = None

    def withdraw(self, count: int) -> None:
        """Overwrite and drop the last ``count`` rows, as if they had never been put in."""
        self.scrub(np.arange(self.n - count, self.n))
        self.n -= count
        self._indptr = self._indptr[: self.n + 1].copy()
        self._labels, self._scrubbed = self._labels[: self.n].copy(), self._scrubbed[: self.n]

    def scrub(self, positions: Positions) -> None:
        """Drop all entries of the rows at ``positions`` and overwrite where they were."""
        if not len(positions):
            return
        gone, used = np.unique(positions), self.nnz
        to = int(self._indptr[gone[0]])
        for row, following in zip(gone, [*gone[1:], self.n], strict=True):
            to = self._closed_up(int(self._indptr[row + 1]), int(self._indptr[following]), to)
        # What closed up leaves its last entries behind: they are overwritten.
        self._data[to:used], self._indices[to:used] = 0.0, 0
        lengths = np.diff(self._indptr)
        lengths[gone] = 0
        self._indptr[1:] = np.cumsum(lengths)
        self._labels[gone], self._scrubbed[gone] = 0, True
        # Columns that only these rows had would tell of them.
        self._extent = None

    def _closed_up(self, first: int, last: int, to: int) -> int:
        """Move entries to the left, a piece at a time; return where they end."""
        # A piece at a time: source and destination overlap, and a copy of all would double the
        # memory.
        for at in range(first, last, CHUNK):
            size = min(CHUNK, last - at)
            for array in (self._data, self._indices):
                array[to : to + size] = array[at : at + size]
            to += size
        return to

    def still(self) -> SparseRows:
        """Return the same rows, as they are now whatever happens to these."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, object]:
        state = dict(self.__dict__)
        used = self.nnz
        state.update(_data=self._data[:used], _indices=self._indices[:used], _extent=None)
        return state
