"""Training afresh: a fit, or a refresh once the classes have changed or the gauge is renewed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import AnyArray, Array, Progress
from .._common.replaced import replace
from ..claims.budget import allowed
from ..claims.frame import Frame
from ..exceptions import ConvergenceError, NotCertifiedError
from ..linalg.cholesky import Factor
from ..linalg.diagonal import Diagonal
from ..numerics.losses.margins import Columnwise, Logistic, Loss, Softmax
from ..numerics.losses.pointwise import Logistic as Signs
from ..numerics.losses.pointwise import Squared
from ..numerics.objective.gauge import centred, gauge_weights
from ..numerics.objective.objective import Objective
from ..numerics.objective.quadratic import QuadraticModel, model_of, unfactored
from ..numerics.rows.stored import Rows
from ..numerics.solvers.choice import AUTO, reason
from ..numerics.solvers.newton_cg import newton_cg
from .columns import allotted, column, joined, separable
from .distances.carryover import Carryover
from .distances.gram import Gram, gram_of
from .distances.known import Known
from .distances.reached import AnyMetric, Goal, Reached
from .members import Members
from .removal.minimise import minimised
from .removal.subsample import subsampled_start
from .removal.task import Task
from .settings import Settings, budget_of
from .state import State, effective, goal_of, penalty_of, scale_of, sharing, solver_of

#: Newton steps of least squares by conjugate gradients, each at least ten times nearer.
_STEPS_TO_START = 5


def solved(
    settings: Settings,
    rows: Rows,
    members: Members,
    *,
    before: State | None = None,
    warm: bool = True,
    t: int = 1,
    frame: Frame | None = None,
    progress: Progress = None,
) -> State:
    """Solve for the training set: a fit, or a refresh after a class has come or gone.

    Parameters
    ----------
    before : State, optional
        What there was, trained on a set with other classes or with other features.
    warm : bool
        Whether to start from where that stands.
    t : int
        Which release since the oldest removal this is for.
    frame : Frame, optional
        In which the rows are held.

    Raises
    ------
    NotCertifiedError, ConvergenceError, AssumptionError
        If the distance cannot be shown, or there is nothing to converge to.
    """
    classes = members.classes
    loss = loss_of(settings, rows, len(classes))
    K = loss.columns
    table: AnyArray | None = None
    apart = separable(settings, rows, loss)
    solver = "newton-cholesky" if apart else solver_of(settings, loss, rows)
    if members.classed:
        # Codes of classes that have gone stand for column 0: their rows weigh nothing.
        table = np.zeros(int(rows.labels.max()) + 1, dtype=np.int64)
        table[classes] = np.arange(len(classes))
    elif members.marked and K < len(members.counts):
        # Unit vectors: of all columns of signs those that are fitted.
        unit = np.eye(len(members.counts))
        table = unit[:, classes] if K > 1 else unit[classes[0]]
    # Functions of the training set alone: both worlds have the same floats (3 of
    # proofs/certified_removal.md).
    alpha = penalty_of(settings, frame, rows.p, members.mass)
    weights = effective(settings, rows, members)
    l1 = settings.lasso(rows.p, members.mass)
    objective = Objective(rows, loss, table, weights, alpha, np.zeros_like(alpha), l1)
    scale = scale_of(settings, loss, members, rows.p, alpha)
    budget = budget_of(settings, rows.p * K, scale)
    caps = allowed(budget, t)
    # First the norm of the noise, then the iterate: every distance is in it.
    gram = gram_of(settings.mechanism, objective, caps, None, frame, solver)
    W = _start(objective, gram.geometry.known, before if warm else None, classes, frame)
    # Every column has a goal of its own, of which all together make the one.
    columns = [column(objective, k) for k in range(K)] if apart else [objective]
    shares = allotted(caps, len(columns), scale)
    parts: list[State] = []
    for k, each in enumerate(columns):
        goal = goal_of(settings, shares[k], fit=before is None)
        start = W[:, k : k + 1] if apart else W
        # The curvature of squares is the same in every column.
        model = parts[0].reached.quadratic if parts and loss.R == 0 else None
        each, reached, steps = gauged(
            settings, each, gram, start, goal, solver, before is None, progress, model=model
        )
        state = State(settings, rows, members, classes, each, gram, budget, reached, steps)
        plan = _plan(settings, solver, rows.p, K, sharing(settings, loss, rows))
        state = replace(state, scale=scale, frame=frame, plan=plan)
        parts.append(opened(state, beside=parts[0] if parts else None))
    if not apart:
        return parts[0]
    return joined(replace(parts[0], objective=objective, carryover=None, parts=tuple(parts)), parts)


def _plan(settings: Settings, solver: str, p: int, columns: int, shared: int) -> str:
    """Say how the model was trained, and why so where that was left open."""
    why = f"; {reason(solver, p, columns, shared)}" if settings.solver == "auto" else ""
    return f"trained afresh{why}"


def _start(
    objective: Objective,
    gram: Factor | Diagonal,
    before: State | None,
    classes: NDArray[np.int64],
    frame: Frame | None = None,
) -> Array:
    """Return where to start: where another state stands, if that is known; else afresh.

    Afresh is zero, the mean's logarithm, or least squares: where the curvature has no bound margins
    are logarithms; robust losses are flat far from their targets, and sharp hinges at zero.
    """
    rows, loss = objective.rows, objective.loss
    if before is not None and len(before.reached.W) == rows.p:
        W = before.reached.W
        if before.frame is not frame:
            # Out of the old coordinates and into the new ones: the same function of the rows as
            # they were given.
            W = W if before.frame is None else before.frame.released(W)
            W = W if frame is None else frame.inside(W)
        if np.array_equal(classes, before.classes):
            return W
        if loss.columns > 1 and np.isin(classes, before.classes).all():
            W = W[:, np.isin(before.classes, classes)]
            # Adding one number to every class moves nothing; the gauge wants their sum to be zero.
            return centred(W) if loss.coupled else W
    W = np.zeros((rows.p, loss.columns))
    told = rows.classed or isinstance(getattr(loss, "each", None), Signs)
    if loss.R == 0 or (told and loss.R <= 1):
        return W
    if loss.bounded:
        squared = Columnwise(Squared(), loss.columns, coded=rows.classed)
        squares = replace(objective, loss=squared)
        if isinstance(gram, Diagonal):
            # No factor solves this at once; a few steps get as near as a start needs.
            return newton_cg(squares, W, gram, lambda *_: math.inf, max_iter=_STEPS_TO_START).W
        # G counts every row kappa times.
        return np.asarray(gram.solve(-loss.kappa * squares.measure(W, W).gradient))
    if rows.intercept:
        parts = (float(s @ rows.labels[here]) for here, s in objective.weights.slices())
        mean = sum(parts) / objective.weight_sum
        W[-1] = math.log(mean) if mean > 0 else 0.0
    return W


def loss_of(settings: Settings, rows: Rows, classes: int) -> Loss:
    """Return the loss of a row: of as many columns as there are targets, or classes to tell."""
    if not rows.classed:
        if settings.loss is None:
            raise ValueError("real targets need a loss")
        columns = 1 if rows.labels.ndim == 1 else rows.labels.shape[1]
        # Signs of several labels: only those that are to be told from others are fitted.
        return Columnwise(settings.loss, classes if isinstance(settings.loss, Signs) else columns)
    if settings.loss is not None:
        return Columnwise(settings.loss, 1 if classes == 2 else classes, coded=True)
    return Logistic() if classes == 2 else Softmax(classes)


def gauged(
    settings: Settings,
    objective: Objective,
    gram: Gram,
    W: Array,
    goal: Goal,
    solver: str,
    fit: bool,
    progress: Progress,
    known: Known | None = None,
    model: QuadraticModel | None = None,
    metric: AnyMetric | None = None,
) -> tuple[Objective, Reached, int]:
    """Choose the gauge and minimise; where one gauge spoils the rounding, try the smaller one.

    What is ``known`` at W holds for the gauge there is; ``model`` is one of the curvature to begin
    with, and ``metric`` is as in `minimised`.
    """
    # With an L1 penalty the classes do not sum to zero, and its own solver takes any start.
    dense = solver == "newton-cholesky" and objective.l1 is None
    # On every coordinate first: classes moved together meet no curvature but the penalty
    # (`gauge_weights`).
    for everywhere in (True, False) if dense and objective.loss.coupled else (False,):
        gauge = objective.gauge
        if known is None:
            gauge = gauge_weights(
                objective.alpha, objective.loss, gram.diagonal, everywhere=everywhere
            )
        gauged, start, near = replace(objective, gauge=gauge), model, W
        if dense and model is None and not W.any():
            start = _model_at_zero(gauged, gram, W)
            # From a part of the rows first: a pass over them costs a fraction of one over all.
            near = W if start is None else subsampled_start(gauged, gram.geometry, W, start)
            start = start if near is W else None
        try:
            task = Task(
                gram,
                near,
                goal,
                solver,
                settings.max_iter,
                "fit" if fit else "refresh",
                model=start,
                known=known,
                metric=metric,
                factors=settings.solver == "auto" and W.size <= AUTO,
                progress=progress,
            )
            reached, iterations = minimised(gauged, task)
            break
        except (NotCertifiedError, ConvergenceError):
            if not everywhere:
                raise
    return gauged, reached, iterations


def _model_at_zero(objective: Objective, gram: Gram, W: Array) -> QuadraticModel | None:
    """Model the curvature at W = 0 by the Gram matrix, without a sweep; None if it does not do."""
    curvature = objective.hessian_at_zero(gram.curvature)
    if curvature is None:
        return None
    try:
        return model_of(objective, W, 0.0, curvature)
    except np.linalg.LinAlgError as error:
        raise unfactored(objective, error) from error


def opened(state: State, beside: State | None = None) -> State:
    """Open the carryover, which the next edit starts from, after a fit or a refresh.

    ``beside`` is another column of the same rows, whose carryover is open.
    """
    reached, known = state.reached, None
    if reached.quadratic is None and state.objective.l1 is None:
        known = Known(reached.measurement, reached.shift)
    plan = state.plan
    if reached.quadratic is not None and state.solver == "newton-cg":
        plan += "; blocks of classes did not certify, so the Hessian was factored"
    state = replace(state, known=known, plan=plan)
    if isinstance(state.settings.class_weight, str) or reached.quadratic is None:
        # "balanced" reweighs every row at every removal: nothing can stay untouched.  Nor can
        # anything without a factor of the Hessian, as under an L1 penalty.
        return replace(state, carryover=None)
    other, in_gram = None if beside is None else beside.carryover, None
    if other is not None:
        in_gram = other.now.in_gram
        # One Hessian for both columns: only gradients and margins are this one's own.
        if other.origin.factor is reached.quadratic.factor:
            own = other.measured(reached.measured, reached.measurement, 0)
            return replace(state, carryover=own)
    carryover = Carryover.opened(state.objective, state.gram.geometry, state.reached, in_gram)
    return replace(state, carryover=carryover)
