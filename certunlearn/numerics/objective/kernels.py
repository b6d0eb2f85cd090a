"""The sums over rows, each written once: see `certunlearn.numerics.rows.fold`.

``table`` maps a row's original class to its column (0 for classes no longer there, whose rows
weigh nothing); it is None for real targets.  W and V have shape (p, K).  Rows outside the training
set have s = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..losses.margins import TINY, Loss, Softmax
from ..losses.namespace import Namespace, Values
from ..losses.slopes import counted, slopes
from ..rows.fold import Added, Block


@dataclass(frozen=True)
class OfLoss(Added):
    """A sum over rows of what a loss makes of their margins."""

    loss: Loss

    @property
    def columns(self) -> int:
        return self.loss.columns


@dataclass(frozen=True)
class Measure(OfLoss):
    """Value, gradient, its errors, largest range of X step and of margin error.

    ``unit`` and ``total`` are the relative errors of a margin and of a sum over rows.  The errors
    are (p, 2K): those of the sum, and of the margins pushed through the slope; and a bound on the
    latter in the norm of the inverse Hessian.
    """

    maxima = 2

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        zero, K = xp.zeros(()), self.loss.columns
        return zero, xp.zeros((p, K)), xp.zeros((p, 2 * K)), zero, zero, zero

    def __call__(
        self,
        xp: Namespace[Values],
        block: Block[Values],
        table: Values | None,
        W: Values,
        step: Values,
        unit: float,
        total: float,
    ) -> tuple[Values, ...]:
        loss, s, y, size = self.loss, block.weight, block.labels(table), block.size()
        # Margins of rows that weigh nothing are set to zero where curvature has no bound: 0 times
        # infinity is no number.
        Z = counted(loss, block.margins(W), s)
        # rho of proofs/measure.md: how far each margin may be off.
        found = slopes(loss, Z, y, unit * size.margins(xp.abs(W)), total)
        # One product for both errors: what evaluating a slope costs, and what the margins' errors
        # push.
        both = xp.concatenate([found.evaluated, found.pushed], axis=1)
        return (
            xp.sum(s * loss.value(Z, y)),
            block.combined(s[:, None] * found.slope),
            size.combined(s[:, None] * both),
            xp.sum(found.along(loss, s)),
            xp.max(xp.where(s > 0, loss.margin_range(block.margins(step)), 0.0)),
            xp.max(xp.where(s > 0, found.margin_range, 0.0)),
        )


@dataclass(frozen=True)
class Coarse(OfLoss):
    """What `Measure` returns, the errors to be multiplied with the columns' largest numbers.

    ``error`` (1, K) is at least that of any row's margins.  The errors are (2K,), as a row of ones
    would have them: the rows are read for margins and gradient alone.  Where it is ``bordered``,
    for losses of columns that are not coupled, ``sum s l'' x`` stands beside the gradient, (p, 2K).
    """

    bordered: bool = False
    maxima = 1

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        zero, K = xp.zeros(()), self.loss.columns
        return zero, xp.zeros((p, 2 * K if self.bordered else K)), xp.zeros(2 * K), zero, zero

    def __call__(
        self,
        xp: Namespace[Values],
        block: Block[Values],
        table: Values | None,
        W: Values,
        step: Values,
        error: Values,
        total: float,
    ) -> tuple[Values, ...]:
        loss, s, y = self.loss, block.weight, block.labels(table)
        Z = counted(loss, block.margins(W), s)
        found = slopes(loss, Z, y, error, total)
        both = xp.concatenate([found.evaluated, found.pushed], axis=1)
        slope = found.slope
        if self.bordered:
            slope = xp.concatenate([slope, found.curvature], axis=1)
        return (
            xp.sum(s * loss.value(Z, y)),
            block.combined(s[:, None] * slope),
            s @ both,
            xp.sum(found.along(loss, s)),
            xp.max(xp.where(s > 0, loss.margin_range(block.margins(step)), 0.0)),
        )


def coupled_pairs(loss: Loss) -> list[tuple[int, int]]:
    """Return the pairs of columns k < l that share a curvature: of softmax all of them."""
    columns = range(loss.columns if loss.coupled else 0)
    return [(k, m) for k in columns for m in columns if k < m]


@dataclass(frozen=True)
class Hessian(OfLoss):
    """Curvature sums: diagonal blocks, and p_k p_l x x' for all pairs of classes k < l.

    One after the other, (K + pairs, p, p), the pairs as in `coupled_pairs`.
    """

    quadratic = True

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return (xp.zeros((self.loss.columns + len(coupled_pairs(self.loss)), p, p)),)

    def __call__(
        self, xp: Namespace[Values], block: Block[Values], table: Values | None, W: Values
    ) -> tuple[Values, ...]:
        loss, s = self.loss, block.weight
        Z = counted(loss, block.margins(W), s)
        curvatures = [loss.diagonal(Z, block.labels(table)) * s[:, None]]
        if isinstance(loss, Softmax):
            # p_k p_l for k < l; the assembly puts them in with a minus, transposed below the
            # diagonal.
            P = loss.probability(Z)
            for k, m in coupled_pairs(loss):
                curvatures.append((P[:, k] * P[:, m] * s)[:, None])
        return (block.grams(xp.concatenate(curvatures, axis=1)),)


@dataclass(frozen=True)
class HessianProduct(OfLoss):
    """Hessian-vector product of the data term, shape of V."""

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return (xp.zeros((p, self.loss.columns)),)

    def __call__(
        self,
        xp: Namespace[Values],
        block: Block[Values],
        table: Values | None,
        W: Values,
        V: Values,
    ) -> tuple[Values, ...]:
        loss, s = self.loss, block.weight
        Z = counted(loss, block.margins(W), s)
        U = loss.curve(Z, block.labels(table), block.margins(V))
        return (block.combined(s[:, None] * U),)


@dataclass(frozen=True)
class Couplings(OfLoss):
    """Sum of s p p', (K, K), p the probabilities at W, and kappa; or else of s times the curvature
    of each column, as a diagonal, and the largest curvature of a row."""

    maxima = 1

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        K, loss = self.loss.columns, self.loss
        return xp.zeros((K, K)), xp.zeros(()) + (loss.kappa if loss.coupled else 0.0)

    def __call__(
        self, xp: Namespace[Values], block: Block[Values], table: Values | None, W: Values
    ) -> tuple[Values, ...]:
        loss, s = self.loss, block.weight
        Z = counted(loss, block.margins(W), s)
        if isinstance(loss, Softmax):
            P = loss.probability(Z)
            return (P * s[:, None]).T @ P, xp.zeros(())
        c = loss.diagonal(Z, block.labels(table))
        largest = xp.max(xp.where(s[:, None] > 0, c, 0.0))
        return xp.diag(xp.sum(s[:, None] * c, axis=0)), largest


@dataclass(frozen=True)
class Gram(Added):
    """Sum of s x x', shape (1, p, p)."""

    quadratic = True

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return (xp.zeros((1, p, p)),)

    def __call__(self, xp: Namespace[Values], block: Block[Values]) -> tuple[Values, ...]:
        return (block.grams(block.weight[:, None]),)


@dataclass(frozen=True)
class GramDiagonal(Added):
    """Sum of s x_j^2, shape (p, 1)."""

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return (xp.zeros((p, 1)),)

    def __call__(self, xp: Namespace[Values], block: Block[Values]) -> tuple[Values, ...]:
        return (block.squared().combined(block.weight[:, None]),)


@dataclass(frozen=True)
class Magnified(Added):
    """At least ``sum_i s_i |x_ij| (sum_k |x_ik| u_k)`` but for relative rounding, u >= 0, (p, 1).

    Underflow is paid for upwards at every product.
    """

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return (xp.zeros((p, 1)),)

    def __call__(
        self, xp: Namespace[Values], block: Block[Values], u: Values
    ) -> tuple[Values, ...]:
        size = block.size()
        # TINY at every product: what underflows is put back before anything can magnify it.
        return (size.combined(block.weight[:, None] * (size.margins(u) + TINY) + TINY),)


@dataclass(frozen=True)
class Leverage(Added):
    """Largest sum over rows of the ``pairs`` largest ||inverses[k] x||^2."""

    pairs: int
    maxima = 1
    quadratic = True

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return (xp.zeros(()),)

    def __call__(
        self, xp: Namespace[Values], block: Block[Values], inverses: Values
    ) -> tuple[Values, ...]:
        white = [block.margins(inverse.T) for inverse in inverses]
        squares = [xp.where(block.weight > 0, xp.einsum("ij,ij->i", N, N), 0.0) for N in white]
        # The largest classes of each row, summed: which they are differs from row to row.
        top = xp.sort(xp.stack(squares), axis=0)[-self.pairs :]
        return (xp.max(xp.sum(top, axis=0)),)


@dataclass(frozen=True)
class Length(Added):
    """Largest sum of (x_j root_j)^2 of a row of positive weight."""

    maxima = 1

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        return (xp.zeros(()),)

    def __call__(
        self, xp: Namespace[Values], block: Block[Values], root: Values
    ) -> tuple[Values, ...]:
        squares = block.scaled(root).squared().margins(xp.ones_like(root)[:, None])[:, 0]
        return (xp.max(xp.where(block.weight > 0, squares, 0.0)),)
