"""Sparse rows that stay in files: summed part by part, here or in other processes."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.sparse import csr_array

from ..._common.arrays import AnyArray, MatrixLike, Positions
from .filed import Filed
from .files import RowFiles
from .sparse import BLOCK, SparseRows
from .sparse_block import canonical

#: Entries that are read at a time.
TOGETHER = 1 << 21


class SparseFileRows(Filed, SparseRows):
    """Sparse rows that stay in files.

    Parameters
    ----------
    files : RowFiles
        Where they lie.
    labels : ndarray of shape (n,) or (n, K)
        Integer class codes, or real targets.
    intercept : bool
        Whether every row is followed by a one.
    """

    def __init__(self, files: RowFiles, labels: AnyArray, *, intercept: bool) -> None:
        self.d, self.block = files.d, BLOCK
        self._open(files, labels, intercept=intercept)

    @property
    def blocks(self) -> int:
        """Length of what `laid_out` returns."""
        return self._all.last

    @property
    def nnz(self) -> int:
        """Stored entries, as many as there were when the files were written."""
        return self.files.entries

    @property
    def _step(self) -> int:
        return max(1, TOGETHER // (self.block * max(1, self.files.entries // max(self.n, 1))))

    def parts(self) -> Iterator[tuple[slice, csr_array]]:
        """Yield consecutive rows as CSR arrays."""
        self.files.check()
        for here in self._all.cut(self._step):
            rows = slice(here.rows.start, min(here.rows.stop, self.n))
            yield rows, self.files.sparse_rows(rows)

    def features(self, positions: Positions) -> csr_array:
        """Return a CSR copy of the features of rows, without the column of ones, (m, d)."""
        self.files.check()
        self.reads += len(positions)
        return self.files.take_sparse(positions)

    def append(self, X: MatrixLike, labels: AnyArray) -> None:
        """Put rows (m, d), sparse or dense, after those there are; as `Filed.append`."""
        super().append(canonical(X), labels)

    def sweep(self, times: int = 1) -> None:
        """Count so many reads of every row."""
        SparseRows.sweep(self, times)
