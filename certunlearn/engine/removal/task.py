"""What a minimisation is given, whichever solver takes it."""

from __future__ import annotations

from typing import NamedTuple

from ..._common.arrays import Array, Progress
from ...numerics.objective.quadratic import QuadraticModel
from ..distances.gram import Gram
from ..distances.known import Known
from ..distances.reached import AnyMetric, Goal


class Task(NamedTuple):
    """What to minimise from, how, and how far.

    Attributes
    ----------
    gram : Gram
        Of the rows.
    W : ndarray of shape (p, K)
        Where to start.
    goal : Goal
        What to reach.
    solver : {"newton-cholesky", "newton-cg", "lbfgs"}
        How; the last two show the distance without a factored Hessian.
    max_iter : int
        Most Newton steps.
    tier : {"fit", "refresh"}
        What for.
    model : QuadraticModel, optional
        First model of the curvature, for "newton-cholesky".
    known : Known, optional
        What is known at W, for the others.
    metric : Metric, ClassMetric or ColumnMetric, optional
        What steps were proposed with so far.
    factors : bool
        Whether the Hessian is factored where a metric of classes was not enough.
    progress : callable, optional
        Told of every step.
    """

    gram: Gram
    W: Array
    goal: Goal
    solver: str
    max_iter: int
    tier: str
    model: QuadraticModel | None = None
    known: Known | None = None
    metric: AnyMetric | None = None
    factors: bool = False
    progress: Progress = None
