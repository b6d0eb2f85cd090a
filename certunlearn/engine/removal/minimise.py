"""Minimise with the solver a problem has, and refuse what misses the distance to be shown."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

from ..._common.arrays import Progress
from ..._common.replaced import replace
from ...exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from ...numerics.losses.margins import stronger
from ...numerics.losses.pointwise import Squared
from ...numerics.objective.objective import Objective
from ...numerics.objective.quadratic import QuadraticModel
from ...numerics.solvers.class_blocks import ClassMetric
from ...numerics.solvers.column_blocks import ColumnMetric
from ...numerics.solvers.metric import Metric
from ..distances.gram import Gram
from ..distances.known import Known
from ..distances.matrix_free import without_pass
from ..distances.reached import Goal, Reached
from ..distances.ruler import Array
from ..distances.spare import spare_of
from .refresh import refresh
from .refresh_classes import classwise, refresh_classes
from .refresh_columns import columnwise, refresh_columns
from .refresh_composite import refresh_composite
from .refresh_matrix_free import refresh_matrix_free
from .separation import refuse_separable


def minimised(
    objective: Objective,
    gram: Gram,
    W: Array,
    goal: Goal,
    *,
    solver: str,
    max_iter: int,
    fit: bool = False,
    model: QuadraticModel | None = None,
    known: Known | None = None,
    metric: Metric | ClassMetric | ColumnMetric | None = None,
    progress: Progress = None,
) -> tuple[Reached, int]:
    """Minimise from W; return what was reached, within the goal, and the number of Newton steps.

    Parameters
    ----------
    solver : {"newton-cholesky", "newton-cg", "lbfgs"}
        How; the last two show the distance without a factored Hessian.
    model : QuadraticModel, optional
        First model of the curvature, for "newton-cholesky".
    known : Known, optional
        What is known at W, for the others.
    metric : Metric, optional
        What steps were proposed with so far.

    Raises
    ------
    NotCertifiedError
        If the distance cannot be shown.
    ConvergenceError, AssumptionError
        If there is nothing to converge to, or nothing to show the distance with.
    """
    tier = "fit" if fit else "refresh"
    if objective.l1 is not None and solver != "newton-cholesky":
        raise AssumptionError(
            'an L1 penalty needs a factored Hessian: use solver="newton-cholesky", or l1_ratio=0'
        )

    done = 0
    other = metric if isinstance(metric, Metric) else None
    if solver == "newton-cg" and classwise(objective, gram):
        held = metric if isinstance(metric, ClassMetric) else None
        by_classes, metric, done = _by_classes(
            objective, gram, W, goal, max_iter, tier, known, held, progress
        )
        if isinstance(by_classes, Reached):
            return by_classes, done
        # From there as if there were few classes.
        known, W = known if by_classes is W else None, by_classes
    if solver == "newton-cg" and columnwise(objective):
        # Rows may have gone since it was made.
        own = replace(metric, fresh=False) if isinstance(metric, ColumnMetric) else None
        by_columns, done = refresh_columns(
            objective,
            gram,
            W,
            goal,
            max_iter=max_iter,
            known=known,
            metric=own,
            tier=tier,
            progress=progress,
        )
        if isinstance(by_columns, Reached):
            return by_columns, done
        known, W = known if by_columns is W else None, by_columns

    def found(objective: Objective) -> tuple[Reached, int]:
        return _by_solver(
            objective, gram, W, goal, solver, max_iter, tier, model, known, other, progress
        )

    reached, iterations = _sparing(objective, gram, goal, found)
    _demand(objective, gram.geometry.norm(reached.W), reached, goal)
    if isinstance(metric, ClassMetric):
        reached = reached._replace(metric=metric)
    return reached, done + iterations


def _by_solver(
    objective: Objective,
    gram: Gram,
    W: Array,
    goal: Goal,
    solver: str,
    max_iter: int,
    tier: str,
    model: QuadraticModel | None,
    known: Known | None,
    metric: Metric | None,
    progress: Progress,
) -> tuple[Reached, int]:
    """Minimise with the solver, whatever the distance is then."""
    if objective.l1 is not None:
        # An L1 penalty has a path of its own, whatever the tier.
        return refresh_composite(
            objective, gram.geometry, W, goal, max_iter=max_iter, tier=tier, progress=progress
        )
    if solver != "newton-cholesky":
        return refresh_matrix_free(
            objective,
            gram,
            W,
            goal,
            solver=solver,
            max_iter=max_iter,
            known=known,
            metric=metric,
            tier=tier,
            progress=progress,
        )
    return refresh(
        objective,
        gram.geometry,
        W,
        goal,
        max_iter=max_iter,
        model=model,
        tier=tier,
        progress=progress,
    )


def _by_classes(
    objective: Objective,
    gram: Gram,
    W: Array,
    goal: Goal,
    max_iter: int,
    tier: str,
    known: Known | None,
    metric: ClassMetric | None,
    progress: Progress,
) -> tuple[Reached | Array, ClassMetric | None, int]:
    """Minimise by a metric of the classes, unless what is known without a pass is enough."""
    if metric is not None:
        # Rows may have gone since it was made.
        metric = replace(metric, fresh=False)
    if not goal.relative and without_pass(objective, gram, known, goal)[0] <= goal.distance:
        return W, metric, 0
    found, done = refresh_classes(
        objective,
        gram,
        W,
        goal,
        max_iter=max_iter,
        known=known,
        metric=metric,
        tier=tier,
        progress=progress,
    )
    return found, metric, done


def _sparing(
    objective: Objective,
    gram: Gram,
    goal: Goal,
    found: Callable[[Objective], tuple[Reached, int]],
) -> tuple[Reached, int]:
    """Minimise by measurements whose rounding nobody reads the rows for, if that does."""
    spare = None
    if objective.l1 is None and not goal.relative:
        spare = spare_of(objective, gram.geometry, goal.distance, goal.tol)
    if spare is not None:
        try:
            out = found(replace(objective, spare=spare))
            if out[0].distance <= goal.distance or not spare.used:
                return out
        except ConvergenceError:
            if not spare.used:
                raise
    return found(objective)


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
        if reached.quadratic is None and objective.l1 is None and not objective.rows.sparse:
            ways.append('use solver="newton-cholesky"')
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
    raise NotCertifiedError(
        f"certified distance {reached.distance:.3g} to the exact optimum, but epsilon, delta and "
        f"noise allow {goal.distance:.3g}: use larger noise, larger delta or epsilon, "
        f"{stronger(objective.loss)}, or better scaled features in float64",
        reason="distance",
        distance=reached.distance,
        target=goal.distance,
    )
