"""Training afresh: a fit, or a refresh once the classes have changed or the gauge is renewed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .exceptions import ConvergenceError, NotCertifiedError
from .gram import Gram, gram_of
from .losses import Logistic, Loss, Softmax
from .model import QuadraticModel, model_of
from .objective import Objective, gauge_weights
from .removal.distance import Reached
from .removal.downdate import Ledger, Leverages
from .removal.minimise import minimised
from .removal.refresh import Goal
from .rows import DenseRows
from .solvers.choice import chosen
from .solvers.subsample import subsampled_start
from .state import Array, Members, Progress, Settings, State, budget_of, effective, goal_of


def solved(
    settings: Settings,
    rows: DenseRows,
    members: Members,
    *,
    before: State | None = None,
    t: int = 1,
    progress: Progress = None,
) -> State:
    """Solve for the training set: a fit, or a refresh after a class has come or gone.

    Parameters
    ----------
    before : State, optional
        What to start from, trained on a set with other classes or with other features.
    t : int
        Which release since the oldest removal this is for.

    Raises
    ------
    NotCertifiedError, ConvergenceError, AssumptionError
        If the distance cannot be shown, or there is nothing to converge to.
    """
    classes = members.classes
    K = 1 if len(classes) == 2 else len(classes)
    solver = chosen(settings.solver, rows.p * K)
    loss: Loss = Logistic() if K == 1 else Softmax(K)
    table = np.zeros(int(rows.codes.max()) + 1, dtype=np.int64)
    table[classes] = np.arange(len(classes))
    alpha = np.full(rows.p, 1.0 / settings.C if settings.C < math.inf else 0.0)
    if settings.fit_intercept:
        alpha[-1] = 0.0
    weights = effective(settings, rows, members)
    objective = Objective(rows, loss, table, weights, alpha, np.zeros_like(alpha))
    # A larger dimension means smaller caps: earlier releases with more classes count as well.
    widest = 0 if before is None or before.budget is None else before.budget.dimension
    budget = budget_of(settings, max(rows.p * K, widest))
    caps = None if budget is None else budget.caps(t)
    gram = gram_of(settings.mechanism, objective, caps, None)
    W = _start(before, classes, rows.p, K)
    goal = goal_of(settings, caps, fit=before is None)
    objective, reached, iterations = gauged(
        settings, objective, gram, W, goal, solver, before is None, progress
    )
    state = State(settings, rows, members, classes, objective, gram, budget, reached, iterations)
    return opened(state, None)


def _start(before: State | None, classes: NDArray[np.int64], p: int, K: int) -> Array:
    """Return where to start from, shape (p, K): where another state stands, if that is known."""
    if before is not None and len(before.reached.W) == p:
        if np.array_equal(classes, before.classes):
            return before.reached.W
        if K > 1 and np.isin(classes, before.classes).all():
            W = before.reached.W[:, np.isin(before.classes, classes)]
            W -= W.mean(axis=1, keepdims=True)
            return W
    return np.zeros((p, K))


def gauged(
    settings: Settings,
    objective: Objective,
    gram: Gram,
    W: Array,
    goal: Goal,
    solver: str,
    fit: bool,
    progress: Progress,
) -> tuple[Objective, Reached, int]:
    """Choose the gauge and minimise; where one gauge spoils the rounding, try the smaller one."""
    dense = solver == "newton-cholesky"
    for everywhere in (True, False) if dense and W.shape[1] > 1 else (False,):
        gauge = gauge_weights(
            objective.alpha, objective.loss, gram.curvature, everywhere=everywhere
        )
        gauged, start, near = replace(objective, gauge=gauge), None, W
        if dense and not W.any():
            start = _model_at_zero(gauged, gram, W)
            near = subsampled_start(gauged, gram.geometry, W, start)
            start = start if near is W else None
        try:
            reached, iterations = minimised(
                gauged,
                gram,
                near,
                goal,
                solver=solver,
                max_iter=settings.max_iter,
                fit=fit,
                model=start,
                progress=progress,
            )
            break
        except (NotCertifiedError, ConvergenceError):
            if not everywhere:
                raise
    return gauged, reached, iterations


def _model_at_zero(objective: Objective, gram: Gram, W: Array) -> QuadraticModel:
    """Model the curvature at W = 0 by the Gram matrix, without a sweep."""
    try:
        return model_of(objective, W, 0.0, objective.hessian_at_zero(gram.curvature))
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(
            f"the Hessian cannot be factored ({error}): rescale the features or lower C"
        ) from error


def opened(state: State, refreshed: Leverages | None, spent: int = 0) -> State:
    """Open the ledger of tier 1, which the next edit starts from."""
    if isinstance(state.settings.class_weight, str) or state.reached.quadratic is None:
        # "balanced" reweighs every row at every removal: nothing can stay untouched.  Nor can
        # anything without a factor of the Hessian.
        return replace(state, ledger=None)
    ledger = Ledger.opened(state.objective, state.gram.geometry, state.reached, refreshed, spent)
    return replace(state, ledger=ledger)
