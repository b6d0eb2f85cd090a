"""Refresh: Newton steps from where the iterate stands, with the curvature measured afresh."""

from __future__ import annotations

import math

import numpy as np

from ...numerics.objective.objective import Measurement, Objective
from ...numerics.objective.quadratic import QuadraticModel, model_at, unfactored
from ...numerics.solvers.newton import Verdict, at_floor, newton
from ..distances.reached import Reached
from ..distances.ruler import Array, Distance, Rulers
from .separation import no_convergence, refuse_separable
from .task import Task

#: The unmeasured part of the bound may be this share of the measured one, so that the bound is at
#: most (1 + 0.19) / (1 - 0.19) < 1.5 times the truth.
TIGHT = 0.19


def refresh(objective: Objective, task: Task) -> tuple[Reached, int]:
    """Minimise from W until the distance measured at the iterate meets the goal.

    Returns what was reached (its distance may miss the goal: rounding has the last word) and the
    number of Newton steps.

    Raises
    ------
    ConvergenceError
        If the curvature cannot be factored or the steps run out.
    """
    geometry, goal = task.gram.geometry, task.goal
    # What the solver's callbacks see last, for whoever has to say what was reached.
    rulers, reached, last = Rulers(objective, geometry), [math.inf], [task.W]

    def bounded(W: Array, m: Measurement, model: QuadraticModel, sweep: bool) -> Distance:
        d = rulers.of(model, sweep=sweep).distance(W, m)
        reached[0] = d.here
        return d

    def judge(W: Array, m: Measurement, model: QuadraticModel) -> Verdict:
        last[0] = W
        flat_enough = np.max(np.abs(m.gradient)) <= goal.tol * objective.weight_sum
        # No sweep for the leverage while the iterate is obviously not there.
        if not (flat_enough or at_floor(model, m)):
            return "step"
        d = bounded(W, m, model, False)
        if not d.here <= goal.allowed(geometry, W):
            return "step"
        tight = d.floor or d.loose <= TIGHT * (d.here - d.loose)
        # Steps shrink both parts alike: only a fresh model changes their ratio.
        return "accept" if tight else "refactor"

    try:
        s = newton(
            objective,
            task.W,
            task.model,
            judge,
            max_iter=task.max_iter,
            progress=task.progress,
        )
        if s.reason in ("floor", "stuck"):
            # Rounding stopped the descent: see what can be claimed here, leverage measured.
            model = s.model
            if model.W is not s.W:
                # A model at the iterate itself has moved = 0, so T is the rounding alone.
                model = model_at(objective, s.W, s.measurement.margin_error)
            s = s._replace(model=model, measurement=s.measurement._replace(moved=0.0))
            bounded(s.W, s.measurement, model, True)
    except np.linalg.LinAlgError as error:
        refuse_separable(objective, last[0])
        raise unfactored(objective, error) from error
    if s.reason == "max_iter":
        raise no_convergence(objective, s.W, s.measurement, task.max_iter)
    return Reached(s.W, reached[0], s.model, task.tier, s.W, s.measurement), s.iterations
