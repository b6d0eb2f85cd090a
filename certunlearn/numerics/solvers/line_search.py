"""One line search for Newton and proximal Newton: neither may raise the value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...exceptions import AssumptionError
from ..objective.objective import Measurement, Objective

Array = NDArray[np.float64]


_ARMIJO = 1e-4


#: Shortest part of a step that is tried.
SHORTEST = 2.0**-40


#: Changes of the value smaller than this, relative to its size, may be rounding.
_BLUR = 1e-9


def backtracked(
    objective: Objective,
    W: Array,
    m: Measurement,
    v: Array,
    W_ref: Array,
    size: Callable[[Array], float],
    *,
    shortest: float = SHORTEST,
) -> tuple[Array, Measurement] | None:
    """Search along the step v, as `searched`; None if it is no direction of descent.

    Parameters
    ----------
    W, v : ndarray of shape (p, K)
        Where ``m`` was measured, and the full step.
    W_ref : ndarray of shape (p, K)
        What later measurements are to be referred to.
    size : callable
        A fixed norm of a gradient (p, K).
    shortest : float
        As in `searched`.
    """
    slope = float(np.sum(m.gradient * v))
    if not slope < 0:
        return None

    def score(_: Array, t: Measurement) -> tuple[float, float]:
        return t.value, size(t.gradient)

    return searched(objective, (W, m), lambda s: W + s * v, slope, score, W_ref, shortest=shortest)


def searched(
    objective: Objective,
    start: tuple[Array, Measurement],
    along: Callable[[float], Array],
    slope: float,
    score: Callable[[Array, Measurement], tuple[float, float]],
    W_ref: Array,
    *,
    shortest: float = SHORTEST,
) -> tuple[Array, Measurement] | None:
    """Halve a step until the value falls, or the gradient's size while the value does not rise.

    None if neither ever does.  Were the value free to rise, steps could go round in circles.

    Parameters
    ----------
    start : (ndarray of shape (p, K), Measurement)
        From where.
    along : callable
        Where a part of the step, in (0, 1], leads.
    slope : float
        How the value changes with it; only a negative one asks for its part of that.
    score : callable
        The value at a measured iterate, and a size of its gradient.
    W_ref : ndarray of shape (p, K)
        What later measurements are to be referred to.
    shortest : float
        Shortest part; 1 allows the full step only, and only if the gradient's size falls.
    """
    (value, size), length = score(*start), 1.0
    # Near the optimum the value is all rounding: it may not rise by more than that, and the
    # gradient decides.
    blur = _BLUR * (abs(value) + objective.weight_sum)
    while length >= shortest:
        trial = along(length)
        try:
            t = objective.measure(trial, W_ref)
        except AssumptionError:
            # So far out that not even the margins' errors are numbers.
            length *= 0.5
            continue
        now, left = score(trial, t)
        # Armijo's condition (Nocedal & Wright 2006, (3.4)).
        lower = shortest < 1 and slope < 0 and now <= value + _ARMIJO * length * slope
        level = shortest == 1 or now <= value + blur
        # A tenth off the gradient: less would let steps creep.
        if lower or (level and left <= 0.9 * size):
            return trial, t
        length *= 0.5
    return None
