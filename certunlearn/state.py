"""The state of a model before anything is released: solved afresh, or with rows taken out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from .factor import factorise
from .losses import Logistic, Loss, Softmax
from .model import QuadraticModel, model_of
from .noise import Geometry
from .objective import Curvature, Objective, gauge_weights
from .removal.chord import chord
from .removal.distance import Reached, Ruler
from .removal.refresh import Goal, refresh
from .rows import DenseRows
from .solvers.subsample import subsampled_start
from .tradeoff import Budget, calibrate

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
Progress = Callable[[int, float], None] | None
#: Relative distance to the optimum aimed at when there is no noise and nothing is claimed.
UNNOISED = 1e-9


@dataclass(frozen=True)
class Settings:
    """What the user chose; ``class_weight`` is None, "balanced" or one number a class code."""

    C: float
    fit_intercept: bool
    class_weight: None | str | Array
    epsilon: float
    delta: float
    noise: float
    mechanism: str
    tol: float
    max_iter: int
    seed: int | None


@dataclass(frozen=True)
class Gram:
    """The Gram matrix of the retained rows and how it came about."""

    curvature: Curvature
    geometry: Geometry
    same_program: bool


@dataclass(frozen=True)
class State:
    """A secret iterate with its certified distance, and everything both depend on.

    Attributes
    ----------
    settings : Settings
        What the user chose.
    rows : DenseRows
        The store, which later and earlier states share.
    sample_weight : ndarray of shape (n,)
        0 for rows outside the training set.
    classes : ndarray of int
        Class codes among the retained rows.
    objective : Objective
        Of the retained rows.
    gram : Gram
        Of the retained rows.
    budget : Budget or None
        None without noise.
    reached : Reached
        The secret iterate, what was shown for it, and with which model of the curvature.
    iterations : int
        Newton steps of the last fit or refresh.
    """

    settings: Settings
    rows: DenseRows
    sample_weight: Array
    classes: NDArray[np.int64]
    objective: Objective
    gram: Gram
    budget: Budget | None
    reached: Reached
    iterations: int


def classes_of(rows: DenseRows, sample_weight: Array) -> NDArray[np.int64]:
    """Return the class codes among the retained rows."""
    live = np.unique(rows.codes[sample_weight > 0])
    if len(live) < 2:
        raise AssumptionError(
            f"the rows of positive weight hold {len(live)} class{'' if len(live) == 1 else 'es'}:"
            " this classifier needs samples of at least 2 classes"
        )
    return live


def _effective(settings: Settings, rows: DenseRows, sample_weight: Array) -> Array:
    """Return s_i = sample weight times class weight, "balanced" over the retained rows."""
    if settings.class_weight is None:
        return sample_weight
    count = int(rows.codes.max()) + 1
    if isinstance(settings.class_weight, str):
        total = np.bincount(rows.codes, weights=sample_weight, minlength=count)
        live = total > 0
        per_class = np.zeros(count)
        per_class[live] = math.fsum(total[live]) / (live.sum() * total[live])
    else:
        per_class = settings.class_weight
    out: Array = sample_weight * per_class[rows.codes]
    return out


def _gram(
    settings: Settings, objective: Objective, budget: Budget | None, was: Curvature | None
) -> Gram:
    """Factor G; ``was`` is a downdated matrix, or None to accumulate as a fit would.

    A downdated G that has drifted past the cap is accumulated afresh, row for row as a fit on the
    retained rows would; only if that alone cannot be charged is the same program assumed.
    """

    def geometry(curvature: Curvature) -> Geometry:
        factor = factorise(curvature.matrix, curvature.diagonal, curvature.error)
        return Geometry(settings.mechanism, factor)

    def charged(geometry: Geometry) -> bool:
        return budget is None or geometry.drift(objective.gram_error) <= budget.drift_cap

    if was is not None:
        try:
            downdated = geometry(was)
        except np.linalg.LinAlgError:
            pass
        else:
            if charged(downdated):
                return Gram(was, downdated, False)
    fresh = _accumulated(objective)
    try:
        afresh = geometry(fresh)
    except np.linalg.LinAlgError as error:
        raise NotCertifiedError(
            "the Gram matrix of the retained rows is not numerically positive definite, so its "
            "noise cannot be drawn: rescale the features, lower C, or drop collinear columns",
            reason="gram",
        ) from error
    return Gram(fresh, afresh, not charged(afresh))


def _accumulated(objective: Objective) -> Curvature:
    """Accumulate G exactly as a fit on the retained rows alone would, layout included."""
    keep = objective.weight > 0
    if keep.all():
        return objective.gram()
    rows = objective.rows.compact(keep)
    return replace(objective, rows=rows, weight=objective.weight[keep]).gram()


def solved(
    settings: Settings,
    rows: DenseRows,
    sample_weight: Array,
    *,
    before: State | None = None,
    progress: Progress = None,
) -> State:
    """Solve for the rows of positive weight: a fit, or a refresh after a class has gone.

    Parameters
    ----------
    before : State, optional
        What to start from, trained on these rows and on those of classes now gone.

    Raises
    ------
    NotCertifiedError, ConvergenceError, AssumptionError
        If the distance cannot be shown, or there is nothing to converge to.
    """
    classes = classes_of(rows, sample_weight)
    K = 1 if len(classes) == 2 else len(classes)
    loss: Loss = Logistic() if K == 1 else Softmax(K)
    table = np.zeros(int(rows.codes.max()) + 1, dtype=np.int64)
    table[classes] = np.arange(len(classes))
    alpha = np.full(rows.p, 1.0 / settings.C if settings.C < math.inf else 0.0)
    if settings.fit_intercept:
        alpha[-1] = 0.0
    weight = _effective(settings, rows, sample_weight)
    gauge = gauge_weights(alpha, loss, float(weight.sum()), rows.column_max)
    objective = Objective(rows, loss, table, weight, alpha, gauge)
    budget = _budget(settings, rows.p * K)
    gram = _gram(settings, objective, budget, None)
    W, start = np.zeros((rows.p, K)), None
    if before is not None and K > 1:
        W = before.reached.W[:, np.isin(before.classes, classes)]
        W[gauge > 0] -= W[gauge > 0].mean(axis=1, keepdims=True)
    else:
        start = _model_at_zero(objective, gram, W)
        near = subsampled_start(objective, W, start)
        if near is not W:
            W, start = near, None
    goal = _goal(settings, budget, fit=before is None)
    reached, iterations = refresh(
        objective,
        gram.geometry,
        W,
        goal,
        max_iter=settings.max_iter,
        model=start,
        tier="fit" if before is None else "refresh",
        progress=progress,
    )
    _demand(reached, goal, gram.geometry)
    return State(
        settings, rows, sample_weight, classes, objective, gram, budget, reached, iterations
    )


def _model_at_zero(objective: Objective, gram: Gram, W: Array) -> QuadraticModel:
    """Model the curvature at W = 0 by the Gram matrix, without a sweep."""
    try:
        return model_of(objective, W, 0.0, objective.hessian_at_zero(gram.curvature))
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(
            f"the Hessian cannot be factored ({error}): rescale the features or lower C"
        ) from error


def removed(
    state: State, sample_weight: Array, gone: Positions, *, progress: Progress = None
) -> State:
    """Remove rows while the classes stay: chord steps if they suffice, a refresh otherwise.

    Parameters
    ----------
    sample_weight : ndarray of shape (n,)
        Without the rows that go.
    gone : ndarray of int
        Their positions; all have positive weight in ``state``.

    Raises
    ------
    NotCertifiedError, ConvergenceError
        If the distance cannot be shown.
    """
    settings, before, budget = state.settings, state.objective, state.budget
    weight = _effective(settings, state.rows, sample_weight)
    objective = replace(before, weight=weight)
    was = None
    if not isinstance(settings.class_weight, str):
        was = before.without(
            state.gram.curvature, before.gram_of(gone), len(gone), margin_error=0.0
        )
    gram = _gram(settings, objective, budget, was)
    goal, W = _goal(settings, budget, fit=False), state.reached.W
    try:
        downdated = state.reached.model.without(before, gone)
    except np.linalg.LinAlgError:
        downdated = None
    if downdated is not None:
        ruler = Ruler.of(objective, gram.geometry, downdated)
        target = goal.distance * (gram.geometry.norm(W) if goal.relative else 1.0)
        out = chord(ruler, W, target, most=_passes_worth_a_refresh(objective))
        if isinstance(out, Reached):
            return replace(
                state, sample_weight=sample_weight, objective=objective, gram=gram, reached=out
            )
        W = out
    gauge = gauge_weights(
        objective.alpha, objective.loss, objective.weight_sum, state.rows.column_max
    )
    objective = replace(objective, gauge=gauge)
    reached, iterations = refresh(
        objective, gram.geometry, W, goal, max_iter=settings.max_iter, progress=progress
    )
    _demand(reached, goal, gram.geometry)
    return replace(
        state,
        sample_weight=sample_weight,
        objective=objective,
        gram=gram,
        reached=reached,
        iterations=iterations,
    )


def _passes_worth_a_refresh(objective: Objective) -> int:
    """Gradient passes that cost as much arithmetic as one Hessian sweep and factorisation."""
    p, K = objective.rows.p, objective.loss.columns
    q, n = p * K, objective.rows.n
    sweep = n * (p * p * K + (q * q if K > 1 else 0))
    # A pass is memory-bound: about eight times slower an operation than a matrix product.
    return int(np.clip((sweep + 4 * q**3) / (8 * 6 * n * q), 3, 30))


def _budget(settings: Settings, dimension: int) -> Budget | None:
    if settings.noise == 0:
        return None
    return calibrate(
        settings.epsilon,
        settings.delta,
        settings.noise,
        dimension=dimension,
        drifts=settings.mechanism != "isotropic",
    )


def _goal(settings: Settings, budget: Budget | None, *, fit: bool) -> Goal:
    if budget is None:
        return Goal(UNNOISED, True, settings.tol)
    return Goal(budget.fit_distance if fit else budget.distance_target, False, settings.tol)


def _demand(reached: Reached, goal: Goal, geometry: Geometry) -> None:
    """Refuse what misses its goal; without noise there is no claim to miss."""
    if goal.relative or reached.distance <= goal.distance:
        return
    raise NotCertifiedError(
        f"certified distance {reached.distance:.3g} to the exact optimum, but epsilon, delta and "
        f"noise allow {goal.distance:.3g}: use larger noise, larger delta or epsilon, a smaller "
        "C, or better scaled features in float64",
        reason="distance" if math.isfinite(reached.distance) else "curvature",
        distance=reached.distance,
        target=goal.distance,
    )
