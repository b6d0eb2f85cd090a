"""Minimise with the solver a problem has, and refuse what misses the distance to be shown."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

from ..._common.arrays import Array
from ..._common.replaced import replace
from ...exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from ...numerics.losses.margins import stronger
from ...numerics.losses.pointwise import Squared
from ...numerics.objective.objective import Objective
from ...numerics.solvers.class_blocks import ClassMetric
from ...numerics.solvers.column_blocks import ColumnMetric
from ..distances.matrix_free import without_pass
from ..distances.reached import Goal, Reached
from ..distances.spare import spare_of
from .refresh import refresh
from .refresh_classes import classwise, refresh_classes
from .refresh_columns import columnwise, refresh_columns
from .refresh_composite import refresh_composite
from .refresh_matrix_free import refresh_matrix_free
from .separation import refuse_separable
from .task import Task


def minimised(objective: Objective, task: Task) -> tuple[Reached, int]:
    """Minimise from W; return what was reached, within the goal, and the number of Newton steps.

    Raises
    ------
    NotCertifiedError
        If the distance cannot be shown.
    ConvergenceError, AssumptionError
        If there is nothing to converge to, or nothing to show the distance with.
    """
    gram, goal = task.gram, task.goal
    if objective.l1 is not None and task.solver != "newton-cholesky":
        raise AssumptionError(
            'an L1 penalty needs a factored Hessian: use solver="newton-cholesky", or l1_ratio=0'
        )

    done = 0
    if isinstance(task.metric, ClassMetric | ColumnMetric):
        # Rows may have gone since it was made.
        task = task._replace(metric=replace(task.metric, fresh=False))
    descend = _all_columns_at_once(objective, task)
    if descend is not None:
        found, done = descend(objective, task)
        if isinstance(found, Reached):
            return found, done
        # From there as if there were few columns.
        task = task._replace(W=found, known=task.known if found is task.W else None)
        if task.factors and objective.loss.coupled:
            task = task._replace(solver="newton-cholesky")
    reached, iterations = _sparing(objective, task)
    _demand(objective, gram.geometry.norm(reached.W), reached, goal)
    if isinstance(task.metric, ClassMetric) and reached.quadratic is None:
        reached = reached._replace(metric=task.metric)
    return reached, done + iterations


def _all_columns_at_once(
    objective: Objective, task: Task
) -> Callable[[Objective, Task], tuple[Reached | Array, int]] | None:
    """Return how many columns descend in single precision, None where they do not, or need not."""
    if task.solver != "newton-cg":
        return None
    if classwise(objective, task.gram):
        return None if _enough(objective, task) else refresh_classes
    return refresh_columns if columnwise(objective) else None


def _enough(objective: Objective, task: Task) -> bool:
    """Whether what is known without a pass is enough."""
    known = without_pass(objective, task.gram, task.known, task.goal)[0]
    return not task.goal.relative and known <= task.goal.distance


def _by_solver(objective: Objective, task: Task) -> tuple[Reached, int]:
    """Minimise with the solver, whatever the distance is then."""
    if objective.l1 is not None:
        # An L1 penalty has a path of its own, whatever the tier.
        return refresh_composite(objective, task)
    how = refresh if task.solver == "newton-cholesky" else refresh_matrix_free
    return how(objective, task)


def _sparing(objective: Objective, task: Task) -> tuple[Reached, int]:
    """Minimise by measurements whose rounding nobody reads the rows for, if that does."""
    spare, goal, done = None, task.goal, 0
    if objective.l1 is None and not goal.relative:
        spare = spare_of(objective, task.gram.geometry, goal.distance, goal.tol)
    if spare is not None:
        try:
            reached, done = _by_solver(replace(objective, spare=spare), task)
            if reached.distance <= goal.distance or not spare.used:
                return reached, done
            # What is missing is how well it is measured, not how near it is.
            task = task._replace(W=reached.W, model=None, known=None)
        except ConvergenceError:
            if not spare.used:
                raise
    reached, iterations = _by_solver(objective, task)
    return reached, done + iterations


def _demand(objective: Objective, size: float, reached: Reached, goal: Goal) -> None:
    """Refuse what misses its goal; ``size`` is the norm of the iterate.

    Without noise there is no claim to miss, but no bound at all says that nothing is known, as does
    one that a factored Hessian leaves larger than the iterate.  Others are too crude to tell.
    """
    allowed = goal.distance
    if goal.relative:
        # Without a factor a bound may be large where the iterate is good: only infinity tells.
        crude = reached.quadratic is None
        allowed = sys.float_info.max if crude else size + math.sqrt(objective.weight_sum)
    if reached.distance <= allowed:
        return
    dense = objective.l1 is None and not objective.rows.sparse
    factoring = ['use solver="newton-cholesky"'] if reached.quadratic is None and dense else []
    if goal.relative or math.isinf(reached.distance):
        refuse_separable(objective, reached.W)
        m = reached.measurement
        # In units of a row's weight, as `tol` is.
        slope = float(np.max(np.abs(m.gradient))) / objective.weight_sum
        # A gradient beyond its own rounding that no step lowers: not a question of conditioning.
        if goal.relative and slope > goal.tol and (np.abs(m.gradient) > m.allowance).any():
            raise ConvergenceError(
                f"no step lowers the objective (max |mean gradient| {slope:.3g}): rescale the "
                f"features or the targets, take a smoother loss, or {stronger(objective.loss)}"
            )
        # What helps against flat directions, the nearest at hand first.
        ways = [stronger(objective.loss), "drop collinear columns", "rescale the features"]
        ways += factoring
        if isinstance(getattr(objective.loss, "each", None), Squared):
            ways.append("use CertifiedMinNorm for fewer rows than features")
        raise NotCertifiedError(
            f"certified distance {reached.distance:.3g} to the exact optimum: as far as float64 "
            "can tell the rows do not determine the coefficients (collinear columns, or hardly any "
            "penalty or curvature), so there is nothing to be close to: "
            f"{', '.join(ways[:-1])} or {ways[-1]}",
            reason="curvature",
            distance=reached.distance,
            target=goal.distance,
        )
    ways = ["use larger noise, larger delta or epsilon", stronger(objective.loss), *factoring]
    raise NotCertifiedError(
        f"certified distance {reached.distance:.3g} to the exact optimum, but epsilon, delta and "
        f"noise allow {goal.distance:.3g}: {', '.join(ways)}, or better scaled features in float64",
        reason="distance",
        distance=reached.distance,
        target=goal.distance,
    )
