"""Damped Newton with a Cholesky factor that is kept while it still describes the curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..factor import norm
from ..model import QuadraticModel, model_at
from ..objective import Measurement, Objective, flat, folded

Array = NDArray[np.float64]
#: Keep the factor while no margin moved further than this since it was made.
STALE = 0.15
_ARMIJO = 1e-4
_SHORTEST = 2.0**-40


class Solution(NamedTuple):
    """Where the solver stopped, what was measured there, and why it stopped."""

    W: Array
    measurement: Measurement
    model: QuadraticModel
    iterations: int
    reason: str  # "accepted", "floor", "stuck" or "max_iter"


def at_floor(model: QuadraticModel, m: Measurement) -> bool:
    """Whether the gradient is indistinguishable from its own rounding."""
    X = model.factor.inverse
    return norm(X @ flat(m.gradient)) <= norm(np.abs(X) @ flat(m.allowance))


def newton(
    objective: Objective,
    W: Array,
    model: QuadraticModel | None,
    accept: Callable[[Array, Measurement, QuadraticModel], bool],
    *,
    max_iter: int,
    progress: Callable[[int, float], None] | None = None,
) -> Solution:
    """Minimise until ``accept``; globally convergent by backtracking on value or decrement.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    W : ndarray of shape (p, K)
        Start.
    model : QuadraticModel or None
        First model of the curvature; None takes it at W.
    accept : callable
        ``accept(W, measurement, model)`` says whether to stop.
    max_iter : int
        Most steps.
    progress : callable, optional
        Called with the iteration and the decrement after each step.
    """
    m = objective.measure(W, W if model is None else model.W)
    if model is None:
        model = model_at(objective, W, m.margin_error)
    for iteration in range(max_iter + 1):
        if accept(W, m, model):
            return Solution(W, m, model, iteration, "accepted")
        fresh = model.W is W
        if not fresh and (m.moved > STALE or at_floor(model, m)):
            model, fresh = model_at(objective, W, m.margin_error), True
            m = m._replace(moved=0.0)
            if accept(W, m, model):
                return Solution(W, m, model, iteration, "accepted")
        if at_floor(model, m):
            return Solution(W, m, model, iteration, "floor")
        if iteration == max_iter:
            break
        moved = _line_search(objective, W, m, model)
        if moved is None and not fresh:
            model = model_at(objective, W, m.margin_error)
            m = m._replace(moved=0.0)
            moved = _line_search(objective, W, m, model)
        if moved is None:
            return Solution(W, m, model, iteration, "stuck")
        W, m = moved
        if progress is not None:
            progress(iteration + 1, model.factor.whitened(flat(m.gradient)))
    return Solution(W, m, model, max_iter, "max_iter")


def _line_search(
    objective: Objective, W: Array, m: Measurement, model: QuadraticModel
) -> tuple[Array, Measurement] | None:
    """Halve the step until the value or the decrement falls; None if neither ever does."""
    gradient = flat(m.gradient)
    v = -model.factor.solve(gradient)
    slope, size = float(gradient @ v), norm(model.factor.inverse @ gradient)
    direction, length = folded(v, W.shape[0]), 1.0
    while length >= _SHORTEST and slope < 0:
        trial = W + length * direction
        t = objective.measure(trial, model.W)
        lower = t.value <= m.value + _ARMIJO * length * slope
        if lower or norm(model.factor.inverse @ flat(t.gradient)) <= 0.9 * size:
            return trial, t
        length *= 0.5
    return None
