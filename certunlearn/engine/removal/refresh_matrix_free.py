"""Refresh without a factored Hessian: steps are proposed, measured, and taken until certified."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ...exceptions import AssumptionError
from ...linalg.cholesky import Factor
from ...linalg.diagonal import Diagonal
from ...numerics.losses.margins import positive
from ...numerics.objective.objective import Measurement, Objective
from ...numerics.solvers.lbfgs import Descended, lbfgs, unit_steps
from ...numerics.solvers.metric import Metric
from ...numerics.solvers.newton_cg import at_floor, newton_cg
from ..distances.centred import centred_distance
from ..distances.gram import Gram
from ..distances.known import Known
from ..distances.matrix_free import Floors, matrix_free_distance, without_pass
from ..distances.reached import Goal, Reached
from ..distances.ruler import Array
from .separation import no_convergence
from .task import Task

#: A first descent in the rows' precision leaves so much of the gradient.
_START = 1e-5
#: By how it came so far, what there is to come is foreseen.
_FIRST = 1e-3
#: Most passes of a descent between two measurements.
_MOST_PASSES = 300


@dataclass
class _Judge:
    """Says how far measured gradients are from the goal, and remembers the last distance."""

    objective: Objective
    gram: Gram
    goal: Goal
    known: Known | None
    distance: float = math.inf
    floors: Floors = field(init=False)

    def __post_init__(self) -> None:
        shift = None if self.known is None else self.known.shift
        self.floors = Floors(self.objective, self.gram.known, shift)

    def measured(self, W: Array, m: Measurement, worth: float = math.inf) -> float:
        """Bound the distance of W; where no bound follows return what it is at least."""
        geometry = self.gram.geometry
        self.distance, least = centred_distance(self.objective, geometry, m)
        if not self.distance < math.inf:
            D = self.floors.at(W, m.margin_error)
            self.distance, least = matrix_free_distance(self.objective, geometry, D, m, worth)
        return self.distance if self.distance < math.inf else least

    def excess(self, W: Array, m: Measurement) -> float:
        """Return how many times too long the gradient is, infinite where that is not known."""
        goal, geometry = self.goal, self.gram.geometry
        allowed = goal.allowed(geometry, W)
        # The measurement says how far margins have moved since the iterate before, which `Floors`
        # adds up.
        self.floors.move(m.moved)
        if self.known is not None and m is self.known.measurement:
            # Of rows that stay none has been read.
            self.distance, found = without_pass(self.objective, self.gram, self.known, goal)
            found = min(found, self.distance)
        else:
            flat_enough = np.max(np.abs(m.gradient)) <= goal.tol * self.objective.weight_sum
            # No bound is worked out while the gradient is obviously too long: the solver steps in
            # any case.
            if not (flat_enough or at_floor(geometry.known, m)):
                return math.inf
            found = self.measured(W, m, allowed)
        # Where no bound follows the decrement tells how much is missing.
        return found / allowed if self.distance < math.inf else max(found / allowed, 2.0)


@dataclass
class _Proposer:
    """Proposes steps by L-BFGS, and remembers what that cost."""

    objective: Objective
    diagonal: Factor | Diagonal
    metric: Metric

    def start(self, W: Array) -> Array:
        """Return where descents in the rows' own precision lead to."""
        first = self._descent(W, None, _FIRST)
        self.metric = self.metric.foreseen(self.objective, first.passes, first.left, _START)
        W = W + first.step
        return W + self(W, None, min(_START / first.left, 1.0) if first.left > 0 else 1.0)

    def __call__(self, W: Array, gradient: Array | None, enough: float) -> Array:
        """Return a step that should leave so much of the gradient."""
        self.metric = self.metric.renewed(self.objective, W)
        return self._descent(W, gradient, enough).step

    def _descent(self, W: Array, gradient: Array | None, enough: float) -> Descended:
        by, passes = self.metric.factor, 0
        if by is not None and gradient is not None:
            # In a factor's metric steps have the length that is right.
            out = unit_steps(self.objective, W, gradient, by, enough=enough)
            passes = out.passes
        if not passes or out.left > enough:
            out = lbfgs(
                self.objective,
                W,
                gradient,
                by or self.diagonal,
                enough=enough,
                max_iter=_MOST_PASSES,
            )
            passes += out.passes
        self.metric = self.metric.after(passes)
        return out


def refresh_matrix_free(objective: Objective, task: Task) -> tuple[Reached, int]:
    """Minimise from W until the distance measured at the iterate meets the goal.

    Returns what was reached (its distance may miss the goal: rounding has the last word) and the
    number of Newton steps.  Where what is known at W meets the goal no row is read, and the tier is
    "downdate".

    Raises
    ------
    AssumptionError
        If more than the intercept is unpenalised, or nothing is and the classes are separable.
    ConvergenceError
        If the steps run out.
    """
    gram, W, known, tier = task.gram, task.W, task.known, task.tier
    free = objective.alpha == 0
    if free[:-1].any() or (free[-1] and not objective.rows.intercept):
        factored = "" if objective.rows.sparse else ' or solver="newton-cholesky"'
        raise AssumptionError(
            "without a factored Hessian the distance to the optimum is bounded by the penalty, and "
            f"there is none: use {positive(objective.loss)}{factored}"
        )
    diagonal, judge = gram.geometry.known, _Judge(objective, gram, task.goal, known)
    propose = None
    if task.solver == "lbfgs":
        held = task.metric if isinstance(task.metric, Metric) else Metric()
        propose = _Proposer(objective, diagonal, held)
        # A first descent in the rows' own precision, before anything is measured in float64.
        if known is None and tier == "fit":
            W = propose.start(W)
    # First from what is known without a pass; measured at the start if that leads nowhere.
    for m in (None, None) if known is None else (known.measurement, None):
        s = newton_cg(
            objective,
            W,
            diagonal,
            judge.excess,
            max_iter=task.max_iter,
            measured=m,
            propose=propose,
            progress=task.progress,
        )
        if m is None or s.iterations or s.reason == "accepted":
            break
        # Otherwise too little was known to step from there.
    if s.reason == "max_iter":
        raise no_convergence(objective, s.W, s.measurement, task.max_iter)
    if s.reason != "accepted":
        judge.measured(s.W, s.measurement)
    elif known is not None and not s.iterations and s.measurement is known.measurement:
        tier = "downdate"
    reached = Reached(s.W, judge.distance, None, tier, s.W, s.measurement, judge.floors.shift)
    if propose is not None:
        reached = reached._replace(metric=propose.metric)
    return reached, s.iterations
