"""Damped Newton with a Cholesky factor that is kept while it still describes the curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import Progress
from ...linalg.norms import norm
from ..objective.objective import Measurement, Objective, flat, folded
from ..objective.quadratic import QuadraticModel, model_at
from .line_search import SHORTEST, backtracked

Array = NDArray[np.float64]
#: Keep the factor while no margin moved further than this since it was made.
STALE = 0.15
Verdict = Literal["accept", "step", "refactor"]


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
    judge: Callable[[Array, Measurement, QuadraticModel], Verdict],
    *,
    max_iter: int,
    progress: Progress = None,
) -> Solution:
    """Minimise until ``judge`` accepts; globally convergent by backtracking on value or decrement.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    W : ndarray of shape (p, K)
        Start.
    model : QuadraticModel or None
        First model of the curvature; None takes it at W.
    judge : callable
        ``judge(W, measurement, model)`` says whether to stop, to step, or to take the curvature
        afresh because with this model nothing better can be shown.
    max_iter : int
        Most steps.
    progress : callable, optional
        Called with the iteration and the decrement after each step.
    """
    m = objective.measure(W, W if model is None else model.W)
    if model is None:
        model = model_at(objective, W, m.margin_error)
    for iteration in range(max_iter + 1):
        verdict, fresh = judge(W, m, model), model.W is W
        # Curvature may have changed by e^{moved} since the factor was made.
        stale = m.moved > STALE or verdict == "refactor" or at_floor(model, m)
        if verdict != "accept" and not fresh and stale:
            model, fresh = model_at(objective, W, m.margin_error), True
            m = m._replace(moved=0.0)
            verdict = judge(W, m, model)
        if verdict == "accept":
            return Solution(W, m, model, iteration, "accepted")
        if iteration == max_iter:
            break
        # The allowance is a worst case: below it a full step may still improve, or nothing does.
        floor = at_floor(model, m)
        moved = _line_search(objective, W, m, model, shortest=1.0 if floor else SHORTEST)
        if floor and moved is None:
            return Solution(W, m, model, iteration, "floor")
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
    objective: Objective,
    W: Array,
    m: Measurement,
    model: QuadraticModel,
    *,
    shortest: float = SHORTEST,
) -> tuple[Array, Measurement] | None:
    """Take the model's step, halved where it must be."""
    # The chord step -B^{-1} g of the model in use, not always that of the iterate.
    v = folded(-model.factor.solve(flat(m.gradient)), W.shape[0])
    X = model.factor.inverse
    return backtracked(objective, W, m, v, model.W, lambda g: norm(X @ flat(g)), shortest=shortest)
