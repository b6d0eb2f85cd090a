"""Sparse rows in a sum: products of CSR blocks on the host.

Proof of the errors: proofs/sparse_sums.md
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, hstack, issparse

from ..._common.arrays import Array, MatrixLike
from .fold import NUMPY, meant


def canonical(X: MatrixLike) -> csr_array:
    """Return a CSR copy of X (sparse or dense) without duplicates or stored zeros, sorted."""
    if issparse(X):
        X = X.tocsr()
        out = csr_array((X.data, X.indices, X.indptr), shape=X.shape, dtype=np.float64, copy=True)
    else:
        out = csr_array(np.asarray(X, dtype=np.float64))
    with np.errstate(over="ignore"):
        # Entries given twice for one place are one number from here on, rounded once, for every
        # model alike.
        out.sum_duplicates()
    if not np.isfinite(out.data).all():
        raise ValueError("entries given more than once for the same place add up to infinity")
    # A stored zero would tell that the row had been touched, and makes sums longer for nothing.
    out.eliminate_zeros()
    return out


class SparseBlock:
    """A `Block` of CSR rows; the column of ones is not stored.

    Parameters
    ----------
    part : csr_array of shape (m, d)
        Features.
    intercept : bool
        Whether every row is followed by a one.
    y : ndarray of shape (m,) or (m, K)
        Class codes or targets.
    weight : ndarray of shape (m,)
        Effective weights.
    one : float
        What stands in the column of ones: a scaled row has another number there.
    """

    def __init__(
        self, part: csr_array, intercept: bool, y: Array, weight: Array, one: float = 1.0
    ) -> None:
        self.part, self.intercept, self.y, self.weight = part, intercept, y, weight
        self.one = one

    def _of(self, data: Array, one: float) -> SparseBlock:
        part = csr_array((data, self.part.indices, self.part.indptr), shape=self.part.shape)
        return SparseBlock(part, self.intercept, self.y, self.weight, one)

    def labels(self, table: Array | None) -> Array:
        return meant(NUMPY, self.y, table)

    def margins(self, W: Array) -> Array:
        if not W.any():
            # Nobody has moved: no product is needed to say so.
            return np.zeros((self.part.shape[0], W.shape[1]))
        # The column of ones is not stored: its product is one addition, and the product with 1
        # exact.
        Z: Array = self.part @ W[: self.part.shape[1]]
        return Z + self.one * W[-1] if self.intercept else Z

    def combined(self, c: Array) -> Array:
        out: Array = self.part.T @ c
        # NumPy adds the column in pairs, which only shortens the chain that is counted.
        return np.vstack([out, self.one * c.sum(axis=0)]) if self.intercept else out

    def grams(self, c: Array) -> Array:
        return np.stack([self._gram(c[:, k : k + 1]) for k in range(c.shape[1])])

    def _gram(self, c: Array) -> Array:
        X = self.part
        if self.intercept:
            # Written out for products of rows with rows alone, where it meets every other column.
            X = csr_array(hstack([X, np.full((X.shape[0], 1), self.one)]))
        # (s x_ij) x_ik over rows: two products and a chain (proofs/sparse_sums.md).
        out: Array = (X.multiply(c).tocsr().T @ X).toarray()
        return out

    def size(self) -> SparseBlock:
        return self._of(np.abs(self.part.data), abs(self.one))

    def squared(self) -> SparseBlock:
        return self._of(self.part.data**2, self.one**2)

    def scaled(self, root: Array) -> SparseBlock:
        return self._of(self.part.data * root[self.part.indices], self.one * float(root[-1]))

    def largest(self) -> Array:
        out = np.zeros(self.part.shape[1] + int(self.intercept))
        if self.intercept:
            out[-1] = abs(self.one)
        # Unbuffered: a column may occur in many rows of the block.
        np.maximum.at(out, self.part.indices, np.abs(self.part.data))
        return out
