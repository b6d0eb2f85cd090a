"""Certified distances about the mean row, where the intercept alone is free and no factor is held.

The Hessian's column that is the intercept's tells by how much features are to be shifted so that
intercept and slopes part: then the penalty alone is below the slopes' curvature, all of it, and
the intercept keeps its own.
"""

from __future__ import annotations

import math

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import GUARD, UNIT_ROUNDOFF, up
from ...claims.bounds import distance_from_decrement
from ...claims.noise import Geometry
from ...linalg.norms import norm
from ...numerics.objective.measurement import Border, Measurement
from ...numerics.objective.objective import Objective

_TINY = 1e-290
#: Part of the intercept's curvature that pays for how inexactly the mean row is known.
_PART = 1e-6


def free_intercept(objective: Objective) -> bool:
    """Whether the intercept alone is free, and columns are not coupled."""
    free = objective.alpha == 0
    held = not free[:-1].any() and not objective.loss.coupled
    return bool(objective.rows.intercept and objective.rows.p > 1 and free[-1] and held)


def centred_distance(
    objective: Objective, geometry: Geometry, m: Measurement
) -> tuple[float, float]:
    """Bound the distance to the exact optimum by a gradient and the Hessian's border.

    Returns
    -------
    distance, least : float
        As `matrix_free_distance`; both ``inf`` where no bound follows from the border.

    Notes
    -----
    Guarantee: as stated, for isotropic noise.  Proof: proofs/centred_distance.md
    """
    if m.border is None or geometry.mechanism != "isotropic" or not free_intercept(objective):
        return math.inf, math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        return _about_mean(objective, m, *floor_about_mean(objective, m.border))


def _about_mean(
    objective: Objective, m: Measurement, mean: Array, slopes: Array, mass: Array
) -> tuple[float, float]:
    """Bound the distance by what `floor_about_mean` tells."""
    if not (np.isfinite(mean).all() and slopes.min() > 0 and mass.min() > 0):
        return math.inf, math.inf
    # c: ||v||^2 + (b' - z'v)^2 against slopes ||v||^2 + mass b'^2, by the trace of a 2 x 2 matrix.
    shift = np.sum(mean**2, axis=0) * GUARD
    c = math.sqrt(float(np.max((1.0 + shift) / slopes.min(axis=0) + 1.0 / mass))) * GUARD
    crude = _white(m.gradient, m.allowance, mean, slopes, mass)
    fine = _white(m.gradient, m.rounding, mean, slopes, mass) + up(m.slope_error * GUARD)
    nu = min(crude, up(fine))
    # ||x||_{N^{-1}}: features about the mean, by the columns' largest numbers or the longest row.
    box = objective.rows.column_max[:-1, None] + np.abs(mean)
    boxed = np.sum(box**2 / slopes, axis=0)
    length = (objective.rows.longest + np.sqrt(shift)) ** 2 / slopes.min(axis=0)
    L = objective.loss.R * math.sqrt(float(np.max(np.fmin(boxed, length) + 1.0 / mass))) * GUARD
    return up(c * distance_from_decrement(nu, up(L))[0]), c * nu


def floor_about_mean(objective: Objective, border: Border) -> tuple[Array, Array, Array]:
    """Return z (p - 1, K), and what is below the curvature about it.

    With b' = b + z'v of a column's step (v, b) the Hessian is at least
    ``sum_j slopes_j v_j^2 + mass b'^2``; slopes (p - 1, K), mass (K,).

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/centred_distance.md
    """
    sums, alpha = border.sums, objective.alpha[:-1, None]
    # The mass is sum s l'', whose largest number is one.
    mass = sums[-1] - border.error * GUARD
    if not mass.min() > 0:
        return sums[:-1], np.zeros_like(sums[:-1]), np.zeros_like(mass)
    mean = sums[:-1] / sums[-1]
    size = objective.rows.column_max[:-1, None]
    # e = h - mu z: both sums' errors, and the quotient's half a unit.
    apart = border.error * (size + np.abs(mean)) + 2 * UNIT_ROUNDOFF * np.abs(sums[:-1])
    square = np.sum(apart**2, axis=0) * GUARD
    # 2 |b'| |e||v| <= part mass b'^2 + |e|^2 / (part mass) |v|^2.
    slopes = alpha - square / (_PART * mass) * GUARD
    return mean, slopes * (1.0 - 1e-9), mass * (1.0 - 2 * _PART)


def _white(g: Array, allowance: Array, mean: Array, slopes: Array, mass: Array) -> float:
    """At least the length in N^{-1} of every gradient within ``allowance`` of g."""
    first, last = np.abs(g[:-1] - mean * g[-1]), np.abs(g[-1]) + allowance[-1]
    # The product and the difference round; so does what the allowance adds.
    wrong = allowance[:-1] + np.abs(mean) * allowance[-1]
    wrong = wrong + 2 * UNIT_ROUNDOFF * (np.abs(g[:-1]) + 2 * np.abs(mean * g[-1]))
    parts = np.sum((first + wrong) ** 2 / slopes, axis=0) + last**2 / mass
    # What underflow may have taken from squares is put back.
    return up(norm(np.sqrt(parts + _TINY)) * GUARD)
