"""How close chance alone brings rows that have nothing to do with one another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import bisect

Array = NDArray[np.float64]
#: A copy with one per cent of noise is at 0.01 (1 + small): five times that loses none of them.
THRESHOLD = 0.05
#: Pairs of unrelated rows that a search at the default threshold may be expected to list.
CHANCE = 0.01


def default_threshold(pairs: float, spread: Array) -> float:
    """Return the distance at which so many pairs of Gaussian rows list `CHANCE` at most.

    At most `THRESHOLD`; ``spread`` are the eigenvalues of the covariance of a row.
    """
    if expected_pairs(pairs, spread, THRESHOLD) <= CHANCE:
        return THRESHOLD
    # Expected numbers of zero have no logarithm; less than 1e-9 is rounding, not distance.
    if expected_pairs(pairs, spread, 1e-9) > CHANCE:
        return 0.0

    def excess(log: float) -> float:
        return math.log(expected_pairs(pairs, spread, math.exp(log)) / CHANCE)

    return math.exp(float(bisect(excess, math.log(1e-9), math.log(THRESHOLD), xtol=1e-6)))


def expected_pairs(pairs: float, spread: Array, distance: float) -> float:
    """Bound the expected number of pairs of Gaussian rows within a distance.

    The squared distance is ``sum_i w_i chi^2_1`` with ``w = 2 spread``, and by Chernoff's bound
    ``log P(. <= t^2) <= theta t^2 - 1/2 sum_i log(1 + 2 theta w_i)`` for every theta >= 0.
    """
    # The difference of two independent rows has twice the covariance of one.
    w, square = 2.0 * spread[spread > 0], distance * distance
    if not len(w) or square >= w.sum():
        return pairs
    if square == 0:
        return 0.0

    def slope(log: float) -> float:
        return float(np.sum(w / (1.0 + 2.0 * math.exp(log) * w))) - square

    # Between these the slope changes its sign: every term is at most 1 / (2 theta).
    top = math.log(len(w) / square)
    # The exponent is convex in theta: its minimum is where the slope vanishes, and any theta gives
    # a bound.
    theta = math.exp(float(bisect(slope, top - 90.0, top))) if slope(top - 90.0) > 0 else 0.0
    return pairs * math.exp(theta * square - 0.5 * float(np.sum(np.log1p(2.0 * theta * w))))
