"""The frame in which rows behind a scaler are held, and the map from it to what is released.

Rows x are held as ``z = (x - origin) / unit``, with units that are powers of two and origins that
are subtracted without rounding; the model is one of ``x' = R (x - centre) / spread``, R orthogonal.
With a free intercept both have the same optimum: ``u . x' + b = v . z + c`` for

    v = (unit / spread) R'u,    c = b - sum_j v_j (centre_j - origin_j) / unit_j,

and the penalty ``alpha ||u||^2`` is ``sum_j alpha (spread_j / unit_j)^2 v_j^2``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .._common.columns import extremes
from .._common.rounding import GUARD, up
from ..exceptions import AssumptionError
from ..linalg.cholesky import Factor

Array = NDArray[np.float64]
#: Means up to so many deviations stay in the rows as they are held.
_NEAR = 8.0
#: How far a unit may be from the deviation it was chosen for.
_FAR = 2.0**20
_BLOCK = 1 << 11


class StaleFrame(Exception):
    """The frame of the rows is not that of a fit, and what is claimed needs it to be."""


@dataclass(frozen=True)
class Frame:
    """Where rows are held, and where the model lives.

    Attributes
    ----------
    origin, unit : ndarray of shape (d,)
        Of the rows as they are held; units are powers of two.
    centre, spread : ndarray of shape (d,)
        Of the model: functions of the training set alone.
    about : ndarray of shape (d,)
        What a fit on the training set would put its origins near; a function of it as well.
    low, high : ndarray of shape (d,)
        At most and at least what the columns hold, of few bits: a number of a row is no business
        of those who see the rows that stay.
    rotation : ndarray of shape (d, d), optional
        R, orthogonal but for rounding.
    own : bool
        Whether origins and units are those of a fit on the training set.
    """

    origin: Array
    unit: Array
    centre: Array
    spread: Array
    about: Array
    low: Array
    high: Array
    rotation: Array | None = None
    own: bool = True

    @classmethod
    def of(
        cls,
        centre: Array,
        spread: Array,
        about: Array,
        X: Array,
        rotation: Array | None = None,
    ) -> Frame:
        """Choose origins and units for a training set of rows (n, d)."""
        # A power of two: dividing by it, and squaring spread / unit, round as for the spread alone.
        unit = _unit(spread)
        near = _near(about, spread, unit)
        low, high = extremes(X)
        # Zero where the subtraction would round: the rows are then held as they came.
        origin = np.where(_leaves(near, X, low, high), near, 0.0)
        return cls(origin, unit, centre, spread, about, _below(low), -_below(-high), rotation)

    def moved(
        self, centre: Array, spread: Array, about: Array, rotation: Array | None, come: Array
    ) -> Frame:
        """Return the frame once the training set has changed, and rows (m, d) have come.

        Rows are held where they were.
        """
        low, high = self.low, self.high
        if len(come):
            # Bounds on all rows ever held since: they only widen, and have six bits.
            low = np.minimum(low, _below(come.min(axis=0)))
            high = np.maximum(high, -_below(-come.max(axis=0)))
        return Frame(self.origin, self.unit, centre, spread, about, low, high, rotation, own=False)

    def held(self, X: Array) -> Array:
        """Return rows (m, d) as they are held, exactly.

        Raises
        ------
        StaleFrame
            If rows are too far from the origins for that.
        AssumptionError
            If the numbers of a column are too far apart for float64.
        """
        if len(X) and not self._leaves(X):
            raise StaleFrame
        out, exact = np.empty(X.shape), np.ones(X.shape[1], dtype=bool)
        moved, back = np.empty((2, min(_BLOCK, len(X)), X.shape[1]))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            # A block at a time, which stays in the cache.
            for start in range(0, len(X), _BLOCK):
                part = X[start : start + _BLOCK]
                there = np.subtract(part, self.origin, out=moved[: len(part)])
                here = np.divide(there, self.unit, out=out[start : start + _BLOCK])
                # Division by a power of two is exact unless the quotient is subnormal or infinite:
                # asked, not assumed.
                same = np.multiply(here, self.unit, out=back[: len(part)]) == there
                if not same.all():
                    exact &= same.all(axis=0)
        if not exact.all():
            raise AssumptionError(
                f"the numbers of column {int(np.argmin(exact))} are too far apart for float64: "
                "rescale it, or take its largest or smallest values out"
            )
        return out

    def _leaves(self, X: Array) -> bool:
        """Whether origins are subtracted from all rows (n, d), n > 0, exactly."""
        far = np.flatnonzero(self.origin)
        if not len(far):
            return True
        X = np.ascontiguousarray(X[:, far])
        return bool(_leaves(self.origin[far], X, *extremes(X)).all())

    def raw(self, Z: Array) -> Array:
        """Return rows as they were given, exactly."""
        out: Array = Z * self.unit + self.origin
        return out

    @property
    def offset(self) -> Array:
        """Where the model's centre is among the rows as they are held, shape (d,)."""
        return (self.centre - self.origin) / self.unit

    def penalty(self, alpha: Array) -> Array:
        """Return the penalties (p,) of a model in coordinates of the rows as they are held.

        That of u_j is ``fl(alpha fl(spread_j^2)) / spread_j^2``, whatever the unit.

        Raises
        ------
        StaleFrame
            If the unit has become so wrong that this would not be so.
        """
        # P_j = fl(alpha fl(t_j^2)) / h_j^2, as (t / h)^2 rounds as t^2 does.
        ratio, out = self.spread / self.unit, alpha.copy()
        out[: len(ratio)] *= ratio * ratio
        if not self.own and not ((ratio < _FAR) & (ratio > 1 / _FAR)).all():
            raise StaleFrame
        return out

    def released(self, V: Array) -> Array:
        """Return weights (p, K), held coordinates, as those of the model: u and below it b."""
        d = len(self.unit)
        # u = R (t / h) v and b = c + v . (m - o) / h.
        U = V[:d] * (self.spread / self.unit)[:, None]
        if self.rotation is not None:
            U = self.rotation @ U
        return np.vstack([U, V[d:] + self.offset @ V[:d]])

    def inside(self, U: Array) -> Array:
        """Return the model's weights (p, K) in held coordinates, to float64 accuracy."""
        d = len(self.unit)
        V = U[:d] if self.rotation is None else self.rotation.T @ U[:d]
        # v = (h / t) R'u and c = b - v . (m - o) / h.
        V = V * (self.unit / self.spread)[:, None]
        return np.vstack([V, U[d:] - self.offset @ V])

    def deviations(self, factor: Factor) -> Array:
        """Return the standard deviations (p,) of the model's weights under noise G^{-1}."""
        d = len(self.unit)
        # b = (offset, 1) . (v, c): its variance is ||L^{-1} (offset, 1)||^2.
        last = lapack.dtrtrs(factor.lower, np.append(self.offset, 1.0), lower=1)[0]
        ratio = self.spread / self.unit
        if self.rotation is None:
            # u_j = (t_j / h_j) v_j, variances those of G^{-1}.
            variance = ratio**2 * factor.variance[:d]
        else:
            # Row j of R diag(t / h) L^{-T}: its length is what a standard normal vector moves u_j
            # by.
            variance = np.sum((factor.inverse[:, :d] * ratio @ self.rotation.T) ** 2, axis=0)
        out: Array = np.sqrt(np.append(variance, float(last @ last)))
        return out

    def spread_of(self, factor: Factor) -> float:
        """Bound ``max g_o'|x_o| / ||L'x||`` where a fit on the training set would hold the rows.

        ``factor``, L, is that of G in held coordinates; x_o are x's coordinates there and g_o is
        the root of the diagonal of G.

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/frame.md
        """
        if self.own:
            return factor.spread
        # o' = near or 0, functions of the training set: where a fit on it would put its origin.
        near = _near(self.about, self.spread, _unit(self.spread))
        # k_j = |o'_j - o_j| / h_j.
        apart = np.abs(near - self.origin)
        # Rows that have gone may be why a fit on the others could choose another origin.
        unsure = ~_subtracts(near, self.low, self.high)
        apart = np.where(unsure, np.maximum(apart, np.abs(self.origin)), apart) / self.unit
        g = factor.diagonal_root
        # g_o'|x_o| <= (1 + 2 max_j k_j g_d / g_j) g'|x|, g_d that of the intercept, g'|x| <= spread
        # ||L'x||.
        most = float(np.max(apart * (g[-1] / g[:-1]), initial=0.0))
        return up(factor.spread * (1.0 + 2.0 * most) * GUARD)


def _unit(spread: Array) -> Array:
    """Return the powers of two below ``spread``, at least half of it."""
    out: Array = np.ldexp(1.0, np.frexp(spread)[1] - 1)
    return out


def _below(x: Array) -> Array:
    """Return numbers of six bits at most ``x``."""
    mantissa, exponent = np.frexp(x)
    with np.errstate(over="ignore"):
        out: Array = np.ldexp(np.floor(np.ldexp(mantissa, 6)), exponent - 6)
    return out


def _near(about: Array, spread: Array, unit: Array) -> Array:
    """Return multiples of the units near ``about``; zero where that is not far away."""
    near = np.rint(about / unit) * unit
    out: Array = np.where(np.abs(about) > _NEAR * spread, near, 0.0)
    return out


def _subtracts(origin: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    """Whether origins are subtracted from all of [low, high] exactly (Sterbenz 1974)."""
    # o / 2 <= x <= 2 o: x - o is a float (Sterbenz 1974); mirrored at 0 for negative ones.
    above = (origin > 0) & (low >= origin / 2) & (high <= 2 * origin)
    below = (origin < 0) & (high <= origin / 2) & (low >= 2 * origin)
    out: NDArray[np.bool_] = above | below | (origin == 0)
    return out


def _leaves(origin: Array, X: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    """Whether origins are subtracted from all rows (n, d), whose extremes are known, exactly."""
    out = _subtracts(origin, low, high)
    for j in np.flatnonzero(~out).tolist():
        x, o = X[:, j], origin[j]
        with np.errstate(over="ignore", invalid="ignore"):
            moved = x - o
            back = moved - x
            # What the subtraction has rounded off (Knuth's TwoSum).
            lost = (x - (moved - back)) - (o + back)
        out[j] = not lost.any()
    return out
