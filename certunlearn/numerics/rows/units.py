"""The unit of the noise: exact sums over the training set, and the number made of them.

``sigma = noise * tau``, tau a function of the retained rows alone.  What a row adds to a sum is a
function of that row alone, a sum of such numbers is exact, and tau is rounded once: whatever was
removed, added and corrected on the way, tau is that of a fit on the rows that stay, to the last
bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy.sparse import issparse

from ..._common.arrays import AnyArray, Array, MatrixLike
from ...exceptions import AssumptionError
from ..losses.margins import Columnwise, Loss
from ..losses.pointwise import LogCosh, Poisson, PseudoHuber, Squared
from .weights import exact_sum

#: Losses whose unit is one of the targets.
_TARGETED = (Squared, PseudoHuber, LogCosh, Poisson)
_SMALLEST = float(np.finfo(np.float64).tiny)


def squared_lengths(X: MatrixLike, *, intercept: bool) -> Array:
    """Return ``||x_i||^2`` of rows (m, d), dense or CSR, to float64 accuracy, shape (m,).

    Squares rounded once, then summed from left to right, each row by itself: the same bits
    whatever rows stand beside it.
    """
    if issparse(X):
        entries, counts = X.data, np.diff(X.indptr)
    else:
        entries, counts = np.ravel(X), np.full(len(X), X.shape[1])
    # bincount adds into the place of each row from left to right: no other row enters, nor where it
    # lies.
    row = np.repeat(np.arange(X.shape[0]), counts)
    with np.errstate(over="ignore"):
        squares = np.bincount(row, weights=entries * entries, minlength=X.shape[0])
    out: Array = squares + np.float64(intercept)
    return out


@dataclass(frozen=True)
class Sums:
    """Exact sums over rows that the unit of the noise is made of.

    Attributes
    ----------
    targets, lengths : bool
        Whether sums of targets and of squared lengths are wanted.
    intercept : bool
        Whether every row is followed by a one.
    mass : Fraction
        ``sum s``.
    first, second : tuple of Fraction
        ``sum s y`` and ``sum s y^2``, one a column of targets.
    length : Fraction
        ``sum s ||x||^2``.
    """

    targets: bool
    lengths: bool
    intercept: bool
    mass: Fraction = Fraction(0)
    first: tuple[Fraction, ...] = ()
    second: tuple[Fraction, ...] = ()
    length: Fraction = Fraction(0)

    @property
    def needed(self) -> bool:
        """Whether the unit is a function of the rows at all, or else one."""
        return self.targets or self.lengths

    def over(self, parts: Iterable[tuple[MatrixLike, AnyArray | None, Array]]) -> Sums:
        """Return the same sums over other rows.

        Parameters
        ----------
        parts : iterable of (X, y, weight)
            Features (m, d) where lengths are wanted, targets (m,) or (m, K) where targets are, and
            weights (m,); rows of weight zero are left out.

        Raises
        ------
        AssumptionError
            If a squared length overflows.
        """
        out = replace(self, mass=Fraction(0), first=(), second=(), length=Fraction(0))
        for X, y, weight in parts:
            out = out + self._part(X, y, weight)
        return out

    def _part(self, X: MatrixLike, y: AnyArray | None, weight: Array) -> Sums:
        # Rows of no weight are not of the training set.
        live = weight > 0
        weight = weight[live]
        first: list[Fraction] = []
        second: list[Fraction] = []
        length = Fraction(0)
        if self.targets and y is not None:
            # Exact rational sums: what a row added is what is subtracted for it, to the last bit.
            for column in np.atleast_2d(y[live].T):
                first.append(exact_sum(weight, column))
                second.append(exact_sum(weight, column, column))
        if self.lengths:
            square = squared_lengths(X[live], intercept=self.intercept)
            if not np.isfinite(square).all():
                raise AssumptionError("the length of a row overflows float64: rescale the features")
            length = exact_sum(weight, square)
        return replace(
            self, mass=exact_sum(weight), first=tuple(first), second=tuple(second), length=length
        )

    def __add__(self, other: Sums) -> Sums:
        if not self.mass:
            return other
        if not other.mass:
            return self
        return replace(
            self,
            mass=self.mass + other.mass,
            first=tuple(a + b for a, b in zip(self.first, other.first, strict=True)),
            second=tuple(a + b for a, b in zip(self.second, other.second, strict=True)),
            length=self.length + other.length,
        )

    def __sub__(self, other: Sums) -> Sums:
        return self + replace(
            other,
            mass=-other.mass,
            first=tuple(-a for a in other.first),
            second=tuple(-a for a in other.second),
            length=-other.length,
        )


def wanted(loss: object, mechanism: str, classed: bool, intercept: bool) -> Sums:
    """Return empty sums of what the unit of the noise needs.

    ``loss`` is that of a margin; None stands for logistic regression.
    """
    targets = not classed and isinstance(loss, _TARGETED)
    return Sums(targets, mechanism != "gram", intercept)


def units(sums: Sums, loss: Loss, mechanism: str, p: int, alpha: float) -> tuple[float, ...]:
    """Return tau: what the noise of each column is relative to; one number where all are alike.

    With "gram" it is that of the targets alone: their root mean square about the mean (about 0
    where all are alike and no intercept takes care of that), at most the threshold of a robust
    loss, or for counts their mean to the power -1/2.  "isotropic" multiplies
    it with ``g^{-1/2} / 2`` and "objective" with ``(g / sum s)^{1/2}``, g a mean curvature,
    ``kappa sum s ||x||^2 / min(p, sum s) + alpha``.

    Parameters
    ----------
    p : int
        Coordinates of a column.
    alpha : float
        L2 penalty.

    Raises
    ------
    AssumptionError
        If targets are constant, or all rows zero.

    Notes
    -----
    Guarantee: a function of the rows in ``sums``, the same to the bit in whatever order and by
    whatever edits they were summed.  Proof: proofs/noise_scale.md
    """
    if not sums.mass > 0:
        raise AssumptionError("no row has positive weight: there is nothing to train on")
    squares = _targets(sums, loss)
    if mechanism != "gram":
        if not sums.length > 0:
            raise AssumptionError(
                "the rows are zero, or so small that their squares vanish, so they set no scale "
                'for the noise: rescale the features, or use mechanism="gram"'
            )
        # g = kappa Q / min(p, m) + alpha: a mean curvature, in rationals.
        g = Fraction(loss.kappa) * sums.length / min(Fraction(p), sums.mass) + Fraction(alpha)
        # Half the size: rows not trained on meet noise in directions that no training row has.
        squares = [s / (4 * g) if mechanism == "isotropic" else s * g / sums.mass for s in squares]
    return tuple(root(square) for square in squares)


def _targets(sums: Sums, loss: Loss) -> list[Fraction]:
    """Return the square of the targets' unit, one a column; 1 for losses that have none."""
    each = loss.each if isinstance(loss, Columnwise) else None
    if not sums.targets:
        return [Fraction(1)]
    out = []
    for k, (first, second) in enumerate(zip(sums.first, sums.second, strict=True)):
        mean = first / sums.mass
        if isinstance(each, Poisson):
            if not mean > 0:
                raise AssumptionError("all targets are zero: Poisson regression has no optimum")
            out.append(1 / mean)
            continue
        # mean(y^2) - mean(y)^2, without cancellation as both are exact.
        square = second / sums.mass - mean * mean
        if not (square > 0 or sums.intercept):
            square = mean * mean
        if not square > 0:
            column = f" in column {k}" if len(sums.first) > 1 else ""
            raise AssumptionError(
                f"the targets{column} are constant (n_samples = 1, or all alike), so they set no "
                "scale for the noise: predict the constant, or use noise=0"
            )
        most = {PseudoHuber: getattr(each, "threshold", 1.0), LogCosh: 1.0}.get(type(each))
        out.append(square if most is None else min(square, Fraction(most) ** 2))
    return out


def root(square: Fraction) -> float:
    """Return the square root of a positive rational number, within one unit in the last place.

    A function of the number alone; multiplied by four it gives twice as much.

    Raises
    ------
    AssumptionError
        If it is outside the normal numbers of float64.
    """
    # k = 64 - floor((bits(num) - bits(den)) / 2): the integer root below has 63 bits or more, so
    # one rounding counts.
    up = 64 - (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    scaled = square * Fraction(4) ** up
    try:
        out = math.ldexp(float(math.isqrt(scaled.numerator // scaled.denominator)), -up)
    except OverflowError:
        out = math.inf
    if not _SMALLEST <= out < math.inf:
        raise AssumptionError(
            "the scale of the noise is beyond the numbers of float64: rescale targets and features"
        )
    return out
