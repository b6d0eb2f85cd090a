"""What a sum may ask of some rows: products with them, and nothing else about how they lie.

A sum over rows is a `Kernel`, written once over a `Block` and an array namespace.  A store folds
it over its blocks by `Rows.fold`; stores that are joined fold theirs and join what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import Array
from ..losses.namespace import Namespace, Values

NUMPY = cast("Namespace[Array]", np)
Sums = tuple[Array, ...]
#: What a kernel is given beside a block.
Argument = Array | NDArray[np.int64] | float | None


class Block(Protocol[Values]):
    """Some consecutive rows x_i, (m, p) with the column of ones, their weights and labels.

    Attributes
    ----------
    weight : array of shape (m,)
        Effective weights s_i.
    """

    @property
    def weight(self) -> Values: ...

    def labels(self, table: Values | None) -> Values:
        """Labels (m,) or (m, K): of codes what they stand for in ``table``; of targets the one that
        it is the indicator of.  All as they are without one.
        """

    def margins(self, W: Values) -> Values:
        """X W of W (p, K), shape (m, K)."""

    def combined(self, c: Values) -> Values:
        """X' c of c (m, K), shape (p, K)."""

    def grams(self, c: Values) -> Values:
        """X' diag(c_k) X for every column of c >= 0, (m, K); shape (K, p, p)."""

    def size(self) -> Block[Values]:
        """The rows of |x_ij|."""

    def squared(self) -> Block[Values]:
        """The rows of x_ij^2."""

    def scaled(self, root: Values) -> Block[Values]:
        """The rows of x_ij root_j."""

    def largest(self) -> Values:
        """Largest |x_ij| of each column, shape (p,)."""


def meant(xp: Namespace[Values], y: Values, table: Values | None) -> Values:
    """Return what labels stand for by a ``table``; see `Block.labels`."""
    if table is None:
        return y
    # Of finite targets only the one that is multiplied by 1 counts.
    return y @ table if y.ndim == 2 else xp.take(table, y)


class Kernel(Protocol):
    """A sum over rows, written once.

    It is hashed where it is compiled: what it holds is what its code depends on.  Arrays come as
    arguments.

    Attributes
    ----------
    columns : int
        Columns of the margins it works on.
    quadratic : bool
        Whether it multiplies rows with rows, and costs n p^2.
    maxima : int
        How many of what it returns, the last ones, are maxima and not sums.
    """

    @property
    def maxima(self) -> int: ...

    @property
    def columns(self) -> int: ...

    @property
    def quadratic(self) -> bool: ...

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        """The sum over no rows of p coordinates."""

    # Each sum has arguments of its own: to a type checker these two lines say "any".
    def __call__(
        self, xp: Namespace[Values], block: Block[Values], /, *args: Any, **named: Any
    ) -> tuple[Values, ...]:
        """The sum over one block."""

    def join(
        self, xp: Namespace[Values], a: tuple[Values, ...], b: tuple[Values, ...], /
    ) -> tuple[Values, ...]:
        """The sum over two disjoint sets of rows, from the sums over each."""


class Added:
    """How most sums join: by addition, the last ``maxima`` of them by the larger one."""

    maxima = 0
    quadratic = False

    @property
    def columns(self) -> int:
        """Columns of the margins it works on."""
        return 1

    def join(
        self, xp: Namespace[Values], a: tuple[Values, ...], b: tuple[Values, ...], /
    ) -> tuple[Values, ...]:
        """The sum over two disjoint sets of rows, from the sums over each."""
        # Sums first, maxima last: a maximum rounds nothing, so only sums lengthen a chain.
        added = len(a) - self.maxima
        return tuple(
            x + y if i < added else xp.maximum(x, y)
            for i, (x, y) in enumerate(zip(a, b, strict=True))
        )


class DenseBlock(Generic[Values]):
    """Rows written out, NumPy's or JAX's.

    Parameters
    ----------
    X : array of shape (m, p)
        Rows, float64.
    y : array of shape (m,) or (m, K)
        Class codes or targets.
    weight : array of shape (m,)
        Effective weights.
    """

    xp: Namespace[Values]
    X: Values
    y: Values
    weight: Values

    def __init__(self, xp: Namespace[Values], X: Values, y: Values, weight: Values) -> None:
        self.xp, self.X, self.y, self.weight = xp, X, y, weight

    def _of(self, X: Values) -> DenseBlock[Values]:
        return type(self)(self.xp, X, self.y, self.weight)

    def labels(self, table: Values | None) -> Values:
        return meant(self.xp, self.y, table)

    def margins(self, W: Values) -> Values:
        # One column as dot products of rows, which are twice as fast.
        return (W[:, 0] @ self.X.T)[:, None] if W.shape[1] == 1 else self.X @ W

    def combined(self, c: Values) -> Values:
        return (c[:, 0] @ self.X)[:, None] if c.shape[1] == 1 else self.X.T @ c

    def grams(self, c: Values) -> Values:
        columns = range(c.shape[1])
        # X' diag(c) X with the weights on one side: c >= 0 need not have a root.
        return self.xp.stack([(self.X * c[:, k : k + 1]).T @ self.X for k in columns])

    def size(self) -> DenseBlock[Values]:
        return self._of(self.xp.abs(self.X))

    def squared(self) -> DenseBlock[Values]:
        return self._of(self.X**2)

    def scaled(self, root: Values) -> DenseBlock[Values]:
        return self._of(self.X * root)

    def largest(self) -> Values:
        return self.xp.max(self.xp.abs(self.X), axis=0)


class Extent(Added):
    """Largest |x_ij| of each column and largest ||x_i||^2, whatever the rows weigh: ((p,), ())."""

    maxima = 2

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return xp.zeros(p), xp.zeros(())

    def __call__(self, xp: Namespace[Values], block: Block[Values], /) -> tuple[Values, ...]:
        largest = block.largest()
        squares = block.squared().margins(xp.ones_like(largest)[:, None])
        return largest, xp.max(squares)


def folded(
    kernel: Kernel, blocks: Iterable[Block[Array]], p: int, args: tuple[Argument, ...]
) -> Sums:
    """Fold a kernel over blocks on the host, one after the other."""
    out: Sums = kernel.start(NUMPY, p)
    with np.errstate(all="ignore"):
        # One join a block: the chain that proofs/measure.md counts.
        for block in blocks:
            out = kernel.join(NUMPY, out, kernel(NUMPY, block, *args))
    return tuple(np.asarray(a) for a in out)
