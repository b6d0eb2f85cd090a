"""Convex losses of one margin, with the constants their certificates need.

Each gives value, slope and curvature in the margin z for a target t, elementwise, on NumPy and on
JAX arrays alike.  R and kappa: ``|l'''| <= R l''``, and ``l'' <= kappa`` where ``bounded``;
where the curvature has no bound kappa is 1, and only scales the noise.
Proof: proofs/gsc_constants.md
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .namespace import Values, namespace


class Pointwise(Protocol):
    """What is needed of a loss of one margin.

    ``slope_ulps`` bounds the rounding of a slope as computed at a margin, in units of roundoff;
    ``ulps`` that of a computed curvature, relatively.  ``at_zero`` is the curvature at z = 0 where
    it is the same for every target, else 0.
    """

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

    def value(self, z: Values, t: Values) -> Values: ...

    def slope(self, z: Values, t: Values) -> Values: ...

    def curvature(self, z: Values, t: Values) -> Values: ...

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values: ...


def sigmoid(z: Values) -> Values:
    """Return 1 / (1 + exp(-z)), to a few units relatively, and without overflow."""
    xp = namespace(z)
    # exp of what is not positive: at most 1, so that nothing overflows.
    small = xp.exp(-xp.abs(z))
    return xp.where(z >= 0, 1.0, small) / (1.0 + small)


def _softplus(z: Values) -> Values:
    """Return log(1 + exp(z)) without overflow: by functions that NumPy evaluates many at once."""
    xp = namespace(z)
    # log(1 + e^z) = max(z, 0) + log(1 + e^{-|z|}).
    return xp.maximum(z, 0.0) + xp.log1p(xp.exp(-xp.abs(z)))


def _bell(z: Values) -> Values:
    """Return the derivative of the sigmoid, to a few units relatively."""
    xp = namespace(z)
    small = xp.exp(-xp.abs(z))
    # e / (1 + e)^2 with e = exp(-|z|): symmetric in z, positive terms all.
    return small / (1.0 + small) ** 2


@dataclass(frozen=True)
class Logistic:
    """``log(1 + exp(-t z))``, t = 1 or -1."""

    R: float = 1.0
    kappa: float = 0.25
    bounded: bool = True
    ulps: float = 256.0
    at_zero: float = 0.25

    def value(self, z: Values, t: Values) -> Values:
        return _softplus(-t * z)

    def slope(self, z: Values, t: Values) -> Values:
        return -t * sigmoid(-t * z)

    def curvature(self, z: Values, t: Values) -> Values:
        return _bell(z)

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values:
        return 64.0 * namespace(z).abs(slope)


@dataclass(frozen=True)
class Squared:
    """``(z - t)^2 / 2``."""

    R: float = 0.0
    kappa: float = 1.0
    bounded: bool = True
    ulps: float = 256.0
    at_zero: float = 1.0

    def value(self, z: Values, t: Values) -> Values:
        return 0.5 * (z - t) ** 2

    def slope(self, z: Values, t: Values) -> Values:
        return z - t

    def curvature(self, z: Values, t: Values) -> Values:
        return namespace(z).ones_like(z)

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values:
        return 64.0 * namespace(z).abs(slope)


@dataclass(frozen=True)
class Poisson:
    """``exp(z) - t z``, t >= 0: Poisson deviance with a log link, up to a constant, halved."""

    R: float = 1.0
    kappa: float = 1.0
    bounded: bool = False
    ulps: float = 256.0
    at_zero: float = 1.0

    def value(self, z: Values, t: Values) -> Values:
        return namespace(z).exp(z) - t * z

    def slope(self, z: Values, t: Values) -> Values:
        return namespace(z).exp(z) - t

    def curvature(self, z: Values, t: Values) -> Values:
        return namespace(z).exp(z)

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values:
        # A difference: units of both its terms, not of what is left.
        return 64.0 * (namespace(z).exp(z) + t)


@dataclass(frozen=True)
class Gamma:
    """``z + t exp(-z)``, t > 0: Gamma deviance with a log link, up to a constant, halved."""

    R: float = 1.0
    kappa: float = 1.0
    bounded: bool = False
    ulps: float = 256.0
    at_zero: float = 0.0

    def value(self, z: Values, t: Values) -> Values:
        return z + t * namespace(z).exp(-z)

    def slope(self, z: Values, t: Values) -> Values:
        return 1.0 - t * namespace(z).exp(-z)

    def curvature(self, z: Values, t: Values) -> Values:
        return t * namespace(z).exp(-z)

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values:
        # A difference, as for Poisson.
        return 64.0 * (1.0 + t * namespace(z).exp(-z))


@dataclass(frozen=True)
class PseudoHuber:
    """``b^2 (sqrt(1 + (r / b)^2) - 1)``, r = z - t: quadratic near 0, slope at most b.

    References
    ----------
    Charbonnier et al. (1994), Two deterministic half-quadratic regularization algorithms.
    """

    threshold: float = 1.0
    kappa: float = 1.0
    bounded: bool = True
    ulps: float = 256.0
    at_zero: float = 0.0

    @property
    def R(self) -> float:
        # max of (3 / b)|x| / (1 + x^2), attained at |x| = 1.
        return 1.5 / self.threshold

    def _root(self, r: Values) -> Values:
        return namespace(r).hypot(namespace(r).ones_like(r), r / self.threshold)

    def value(self, z: Values, t: Values) -> Values:
        r = z - t
        # b^2 (root - 1) without the cancellation: r^2 / (1 + root).
        return r * (r / (1.0 + self._root(r)))

    def slope(self, z: Values, t: Values) -> Values:
        r = z - t
        return r / self._root(r)

    def curvature(self, z: Values, t: Values) -> Values:
        return self._root(z - t) ** -3.0

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values:
        return 64.0 * namespace(z).abs(slope)


@dataclass(frozen=True)
class LogCosh:
    """``log cosh(z - t)``."""

    R: float = 2.0
    kappa: float = 1.0
    bounded: bool = True
    ulps: float = 4096.0
    at_zero: float = 0.0

    def value(self, z: Values, t: Values) -> Values:
        xp, r = namespace(z), namespace(z).abs(z - t)
        # log cosh r = |r| + log(1 + e^{-2|r|}) - log 2.
        return r + xp.log1p(xp.exp(-2.0 * r)) - math.log(2.0)

    def slope(self, z: Values, t: Values) -> Values:
        return namespace(z).tanh(z - t)

    def curvature(self, z: Values, t: Values) -> Values:
        small = namespace(z).exp(-2.0 * namespace(z).abs(z - t))
        # sech^2 r = 4 e / (1 + e)^2 with e = exp(-2|r|).
        return small * (2.0 / (1.0 + small)) ** 2

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values:
        return 64.0 * namespace(z).abs(slope)


@dataclass(frozen=True)
class SoftplusHinge:
    """``T log(1 + exp((1 - t z) / T))``, t = 1 or -1: the hinge loss, smoothed at temperature T.

    It is at most T log 2 above the hinge loss.
    """

    temperature: float = 0.5
    bounded: bool = True
    ulps: float = 4096.0

    @property
    def R(self) -> float:
        return 1.0 / self.temperature

    @property
    def kappa(self) -> float:
        return 0.25 / self.temperature

    @property
    def at_zero(self) -> float:
        return float(self.curvature(np.zeros(1), np.ones(1))[0])

    def _lack(self, z: Values, t: Values) -> Values:
        return (1.0 - t * z) / self.temperature

    def value(self, z: Values, t: Values) -> Values:
        return self.temperature * _softplus(self._lack(z, t))

    def slope(self, z: Values, t: Values) -> Values:
        return -t * sigmoid(self._lack(z, t))

    def curvature(self, z: Values, t: Values) -> Values:
        return _bell(self._lack(z, t)) / self.temperature

    def slope_ulps(self, z: Values, t: Values, slope: Values) -> Values:
        lack = namespace(z).abs(self._lack(z, t))
        # a = (1 - t z) / T is off by 2u |a|, which moves p by 2u |a| p (1 - p); twice that is
        # taken.
        pushed = 4.0 * lack * self.curvature(z, t) * self.temperature
        return 64.0 * namespace(z).abs(slope) + pushed
