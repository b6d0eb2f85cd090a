"""Losses of a row's margins: one margin a column, or the classes of softmax together.

Margins ``Z`` have shape (n, K); labels are integer columns, shape (n,), or real targets, shape
(n,) or (n, K).  Everything works on NumPy and on JAX arrays alike.  A loss is generalised
self-concordant with constant R: |l'''| <= R l'' along every direction U, measured by
``margin_range(U)``; kappa bounds its curvature where ``bounded``.  Proof: proofs/gsc_constants.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from . import pointwise
from .namespace import Values, namespace
from .pointwise import Pointwise

#: Added to every curvature: what underflow may have taken away.
TINY = 1e-290


class Loss(Protocol):
    """What the objective needs to know of a loss (slope = first derivative in the margin).

    ``coupled`` says whether the columns share a curvature, as the classes of softmax do.
    """

    @property
    def columns(self) -> int: ...

    @property
    def coupled(self) -> bool: ...

    @property
    def R(self) -> float: ...

    @property
    def kappa(self) -> float: ...

    @property
    def bounded(self) -> bool: ...

    @property
    def ulps(self) -> float: ...

    @property
    def at_zero(self) -> float: ...

    def value(self, Z: Values, y: Values) -> Values: ...

    def slope(self, Z: Values, y: Values) -> Values: ...

    def slope_ulps(self, Z: Values, y: Values, slope: Values) -> Values: ...

    def diagonal(self, Z: Values, y: Values) -> Values: ...

    def curve(self, Z: Values, y: Values, U: Values) -> Values: ...

    def margin_range(self, U: Values) -> Values: ...


@dataclass(frozen=True)
class Columnwise:
    """The sum over columns of a loss of one margin each.

    Parameters
    ----------
    each : Pointwise
        The loss of a column.
    columns : int
        How many.
    coded : bool
        Whether labels are integer columns: a target is then 1 in its own column and -1 elsewhere,
        and with a single column 1 for label 1 and -1 for label 0.
    """

    each: Pointwise
    columns: int = 1
    coded: bool = False
    coupled: bool = False

    @property
    def R(self) -> float:
        return self.each.R

    @property
    def kappa(self) -> float:
        return self.each.kappa

    @property
    def bounded(self) -> bool:
        return self.each.bounded

    @property
    def ulps(self) -> float:
        return self.each.ulps

    @property
    def at_zero(self) -> float:
        return self.each.at_zero

    def targets(self, Z: Values, y: Values) -> Values:
        """Return the targets, shape (n, K)."""
        if not self.coded:
            return y.reshape(Z.shape)
        xp = namespace(Z)
        # With a single column label 1 stands for the target 1.
        own = y[:, None] == (xp.arange(self.columns) if self.columns > 1 else 1)
        return xp.where(own, 1.0, -1.0)

    def value(self, Z: Values, y: Values) -> Values:
        """Loss of each row, shape (n,)."""
        return namespace(Z).sum(self.each.value(Z, self.targets(Z, y)), axis=1)

    def slope(self, Z: Values, y: Values) -> Values:
        """Derivative in the margins, shape (n, K)."""
        return self.each.slope(Z, self.targets(Z, y))

    def slope_ulps(self, Z: Values, y: Values, slope: Values) -> Values:
        """Rounding of the slope as computed at given margins, in units of roundoff, (n, K)."""
        return self.each.slope_ulps(Z, self.targets(Z, y), slope)

    def diagonal(self, Z: Values, y: Values) -> Values:
        """Second derivative in each margin, shape (n, K)."""
        return self.each.curvature(Z, self.targets(Z, y))

    def curve(self, Z: Values, y: Values, U: Values) -> Values:
        """Curvature applied to a direction U of shape (n, K)."""
        return self.diagonal(Z, y) * U

    def margin_range(self, U: Values) -> Values:
        """Largest |u| of each row, shape (n,)."""
        xp = namespace(U)
        return xp.abs(U[:, 0]) if self.columns == 1 else xp.max(xp.abs(U), axis=1)


def Logistic() -> Columnwise:
    """Binary logistic loss, labels 0 and 1."""
    return Columnwise(pointwise.Logistic(), coded=True)


@dataclass(frozen=True)
class Softmax:
    """Multinomial logistic loss over ``columns`` classes; labels are integer columns.

    The curvature matrix is ``diag(p) - p p'`` (at most 1/2: Boehning 1992); its third
    derivative is bounded by the range of the direction over the classes, so R = 1.
    """

    columns: int
    R: float = 1.0
    kappa: float = 0.5
    coupled: bool = True
    bounded: bool = True

    @property
    def ulps(self) -> float:
        return 256.0 * self.columns

    @property
    def at_zero(self) -> float:
        return (self.columns - 1) / self.columns**2

    def _own(self, Z: Values, y: Values) -> Values:
        """Indicator of each row's own class, shape (n, K)."""
        own = y[:, None] == namespace(Z).arange(self.columns)
        indicator: Values = own.astype(Z.dtype)
        return indicator

    def value(self, Z: Values, y: Values) -> Values:
        """Loss of each row, shape (n,)."""
        xp = namespace(Z)
        # The largest margin becomes 0: no exponential overflows, and the sum is at least 1.
        Z = Z - xp.max(Z, axis=1, keepdims=True)
        return xp.log(xp.sum(xp.exp(Z), axis=1)) - xp.sum(self._own(Z, y) * Z, axis=1)

    def probability(self, Z: Values) -> Values:
        """Probabilities of the classes, shape (n, K)."""
        xp = namespace(Z)
        # p_k <= 1 whatever the margins: those far below underflow to zero.
        E = xp.exp(Z - xp.max(Z, axis=1, keepdims=True))
        return E / xp.sum(E, axis=1, keepdims=True)

    def slope(self, Z: Values, y: Values) -> Values:
        """Probabilities minus the one-hot label, shape (n, K), without cancellation."""
        p, own = self.probability(Z), self._own(Z, y)
        # p_k - 1 of the own class is minus what the others hold: no difference of nearly equal
        # numbers.
        others = namespace(Z).sum(p * (1.0 - own), axis=1, keepdims=True)
        return p * (1.0 - own) - own * others

    def slope_ulps(self, Z: Values, y: Values, slope: Values) -> Values:
        """Rounding of the slope as computed at given margins, in units of roundoff, (n, K)."""
        # A sum of K exponentials and a quotient: a few units a term, 64 K allowed.
        return 64.0 * self.columns * namespace(Z).abs(slope)

    def rest(self, Z: Values) -> tuple[Values, Values]:
        """Return p and 1 - p, both (n, K), without cancellation."""
        xp, p = namespace(Z), self.probability(Z)
        top = (p.argmax(axis=1)[:, None] == xp.arange(self.columns)).astype(Z.dtype)
        # 1 - p of the likeliest class is what the others hold; elsewhere p is at most 1/2.
        others = xp.sum(p * (1.0 - top), axis=1, keepdims=True)
        return p, xp.where(top > 0, others, 1.0 - p)

    def diagonal(self, Z: Values, y: Values) -> Values:
        """Diagonal ``p (1 - p)`` of the curvature, shape (n, K), without cancellation."""
        p, rest = self.rest(Z)
        return p * rest

    def curve(self, Z: Values, y: Values, U: Values) -> Values:
        """Curvature applied to a direction U of shape (n, K)."""
        p = self.probability(Z)
        # (diag(p) - p p') u = p (u - p.u).
        return p * (U - namespace(Z).sum(p * U, axis=1, keepdims=True))

    def margin_range(self, U: Values) -> Values:
        """Range over the classes of each row, shape (n,)."""
        xp = namespace(U)
        return xp.max(U, axis=1) - xp.min(U, axis=1)


def endless(loss: Loss) -> bool:
    """Whether a row's loss falls for ever as its margin grows: logistic losses and hinges."""
    each = getattr(loss, "each", loss)
    return isinstance(each, Softmax | pointwise.Logistic | pointwise.SoftplusHinge)


def stronger(loss: Loss) -> str:
    """Advice: what makes the penalty stronger; estimators of endless losses state its inverse."""
    return "lower C" if endless(loss) else "raise alpha"


def positive(loss: Loss) -> str:
    """Advice: what makes the penalty positive."""
    return "a finite C" if endless(loss) else "an alpha > 0"
