"""Dense rows in the host's memory: NumPy and BLAS sum them, or JAX where that is faster.

Measured on one core (``python -m tests.benchmarks sums``): products of rows with rows by BLAS are
twice as fast as JAX's at any size, products with one vector half as fast again; of what is summed
by margins JAX does ten numbers a row at once, which pays where rows are short, or have several
columns of margins, and are so many that compiling no longer counts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import blas

from ..._common.arrays import Array
from ..._common.columns import extremes
from .fold import NUMPY, Argument, DenseBlock, Kernel, Sums, folded

#: Up to so many numbers (n p) rows stay on the host, and nobody asks for an accelerator: JAX,
#: which takes as long to import as all this takes to fit, is not even imported.
SMALL = 1 << 22
#: From so many numbers (n p K) on margins are summed by compiled code ...
COMPILED = 1 << 23
#: ... where rows are shorter than this: the arithmetic of longer ones is all in their products.
SHORT = 512
#: Of a single column BLAS's products with vectors are as fast from shorter rows on.
SHORTER = 32
#: Numbers of rows whose margins are summed at a time: what fits a cache.
TOGETHER = 1 << 19
#: Products with rows are summed into one p x p matrix for at least so many times p rows; more at a
#: time would leave the cache.
LONG = 2
#: And for at least so many, or calls cost more than what they do.
MANY = 1 << 10


def on_accelerator(numbers: int) -> bool:
    """Whether rows of so many numbers go to an accelerator: many of them, where there is one."""
    return numbers > SMALL and _accelerated()


@functools.cache
def _accelerated() -> bool:
    """Whether JAX computes on an accelerator, which does not change in a process."""
    import jax

    return bool(jax.default_backend() != "cpu")


def compiled(kernel: Kernel, n: int, p: int) -> bool:
    """Whether JAX folds a kernel over n rows of p coordinates on the host faster than NumPy."""
    if kernel.quadratic or not n * p * kernel.columns > COMPILED:
        return False
    return p < (SHORT if kernel.columns > 1 else SHORTER)


def aligned(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[np.float64 | np.float32]:
    """Return zeros that begin where a line of cache does: JAX reads such arrays without a copy."""
    # 64 bytes are a line of cache, and what JAX wants a shared array to begin at.
    size = math.prod(shape) * np.dtype(kind).itemsize
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(kind).reshape(shape)


#: Numbers of an array from which on NumPy asks for pages of 2 MB, each of which is mapped at once:
#: a thousand small ones take longer than a product with them.
_HUGE = 1 << 20
#: Up to so many columns are multiplied one by one: BLAS repacks the rows for a product of matrices.
FEW = 4


class Room:
    """Memory for one array after the other, taken where it is first asked for."""

    def __init__(self) -> None:
        self._all = np.empty(0)

    def of(self, shape: tuple[int, ...]) -> Array:
        """Return an array of this shape over what the last one lay in."""
        size = math.prod(shape)
        if size > len(self._all):
            self._all = np.empty(max(size, _HUGE))
        return self._all[:size].reshape(shape)


class HostBlock(DenseBlock[Array]):
    """Whole blocks of rows, one after the other; each is summed by itself and then added.

    Parameters
    ----------
    X, y, weight
        As in `DenseBlock`; rows may be float32 for kernels that multiply them with one another.
    rows : int
        How many make a block.
    scratch : Room
        Where rows are put: fresh memory for every block costs more than the arithmetic.
    """

    def __init__(self, X: Array, y: Array, weight: Array, rows: int, scratch: Room) -> None:
        super().__init__(NUMPY, X, y, weight)
        self.rows, self.scratch = rows, scratch

    def size(self) -> HostBlock:
        return self._of(np.abs(self.X, out=self.scratch.of(self.X.shape)))

    def squared(self) -> HostBlock:
        # Widened first: in single precision the squares of small numbers are zero.
        return self._of(np.square(self.X, dtype=np.float64))

    def largest(self) -> Array:
        low, high = extremes(self.X)
        return np.maximum(high, -low)

    def _of(self, X: Array) -> HostBlock:
        return HostBlock(X, self.y, self.weight, self.rows, self.scratch)

    def margins(self, W: Array) -> Array:
        if not W.any():
            # Nobody has moved: no product is needed to say so.
            return np.zeros((len(self.X), W.shape[1]))
        times = _by_triangle if _is_triangle(W) else np.matmul
        if self.X.dtype == np.float64:
            if 1 < W.shape[1] <= FEW:
                columns = [self.X @ np.ascontiguousarray(w) for w in W.T]
                return np.stack(columns, axis=1)
            return times(self.X, W)
        # Widened block by block: all at once would be a second copy of the rows.
        widened = (self.X[here].astype(np.float64) for here in self._blocks())
        return np.concatenate([times(X, W) for X in widened])

    def combined(self, c: Array) -> Array:
        # Each block's product by itself, then added: the chain of additions that `block_shape`
        # keeps short.
        parts = self.X.reshape(-1, self.rows, self.X.shape[1])
        factors = np.ascontiguousarray(c.T).reshape(c.shape[1], -1, 1, self.rows)
        if c.shape[1] <= FEW:
            return np.stack([np.matmul(f, parts).sum(axis=0)[0] for f in factors], axis=1)
        together = factors[:, :, 0].swapaxes(0, 1)
        out: Array = np.matmul(together, parts).sum(axis=0).T
        return out

    def grams(self, c: Array) -> Array:
        return np.stack([self._gram(np.sqrt(column)) for column in c.T])

    def _gram(self, root: Array) -> Array:
        p = self.X.shape[1]
        lower = np.zeros((p, p), order="F")
        if not root.any():
            return lower
        for here in self._blocks():
            if self.X.dtype == np.float64 and (root[here] == 1.0).all():
                part = self.X[here]
            elif np.count_nonzero(root[here]) > len(root[here]) // 2:
                room = self.scratch.of(self.X[here].shape)
                part = np.multiply(self.X[here], root[here, None], out=room)
            else:
                # Rows that weigh nothing are left out: that costs less than their products.
                some = np.flatnonzero(root[here])
                part = self.X[here][some] * root[here][some, None]
            if not len(part):
                continue
            # sqrt(s c) x with itself: half the multiplications of a general product, and symmetric
            # to the bit.
            lower = blas.dsyrk(1.0, part.T, beta=1.0, c=lower, overwrite_c=1, lower=1)
        out: Array = lower + lower.T
        # lower + lower' counts the diagonal twice; halving is exact.
        out[np.diag_indices(p)] *= 0.5
        return out

    def _blocks(self) -> Iterator[slice]:
        for first in range(0, len(self.X), self.rows):
            yield slice(first, first + self.rows)


def _is_triangle(W: Array) -> bool:
    """Whether W, (p, p), is an upper triangle, as the inverse of a factor is when transposed."""
    return len(W) == W.shape[1] > FEW and not np.tril(W, -1).any()


def _by_triangle(X: Array, W: Array) -> Array:
    """Return X W of an upper triangle by half the multiplications."""
    # As (W' X')': neither has to be copied into another order.
    return np.asarray(blas.dtrmm(1.0, W, X.T, trans_a=1)).T


def _together(p: int) -> int:
    """Return how many rows of p coordinates are summed by margins at a time."""
    # Of few rows at a time the calls cost as much as the sums: then twice as many.
    return max(TOGETHER // p, min(MANY, 2 * TOGETHER // p))


def folded_by_blocks(
    kernel: Kernel, X: Array, y: Array, s: Array, args: tuple[Argument, ...]
) -> Sums:
    """Fold a kernel over dense rows by NumPy.

    Parameters
    ----------
    X, y, s : ndarray of shape (blocks, block, ...)
        Rows, labels, weights; rows of padding weigh nothing.  X may be float32, which is widened
        exactly.
    """
    count, rows, p = X.shape
    # Blocks taken together, so that one product is long enough for BLAS, or short enough for the
    # cache.
    together = max(LONG * p, MANY) if kernel.quadratic else _together(p)
    group = max(1, -(-together // rows) if kernel.quadratic else together // rows)

    scratch, widened = Room(), Room()

    def blocks() -> Iterator[HostBlock]:
        for first in range(0, count, group):
            part, labels, weight = (
                a[first : first + group].reshape(-1, *a.shape[2:]) for a in (X, y, s)
            )
            if X.dtype == np.float32 and not kernel.quadratic:
                wide = widened.of(part.shape)
                wide[...] = part
                part = wide
            yield HostBlock(part, labels, weight, rows, scratch)

    return folded(kernel, blocks(), p, args)
