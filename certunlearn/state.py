"""The state of a model before anything is released: solved afresh, or with rows taken out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ._rounding import UNIT_ROUNDOFF
from .exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from .gram import Gram, gram_of
from .losses import Logistic, Loss, Softmax
from .model import QuadraticModel, model_of
from .objective import Objective, gauge_weights, without
from .removal.chord import chord
from .removal.distance import Reached, Ruler
from .removal.downdate import Ledger, Leverages
from .removal.matrix_free import gram_without
from .removal.minimise import minimised
from .removal.refresh import Goal
from .rows import DenseRows
from .solvers.choice import chosen
from .solvers.subsample import subsampled_start
from .tradeoff import Budget, Caps, calibrate

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
    view: str = "release"
    solver: str = "auto"


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
    ledger : Ledger or None
        What lets the next removal leave every retained row alone; None where nothing can.
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
    ledger: Ledger | None = None

    @property
    def solver(self) -> str:
        """Return "newton-cholesky" or "newton-cg": what fits, refreshes and removals use."""
        return chosen(self.settings.solver, self.rows.p * self.objective.loss.columns)


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


def solved(
    settings: Settings,
    rows: DenseRows,
    sample_weight: Array,
    *,
    before: State | None = None,
    t: int = 1,
    progress: Progress = None,
) -> State:
    """Solve for the rows of positive weight: a fit, or a refresh after a class has gone.

    Parameters
    ----------
    before : State, optional
        What to start from, trained on these rows and on those of classes now gone.
    t : int
        Which release since the oldest removal this is for.

    Raises
    ------
    NotCertifiedError, ConvergenceError, AssumptionError
        If the distance cannot be shown, or there is nothing to converge to.
    """
    classes = classes_of(rows, sample_weight)
    K = 1 if len(classes) == 2 else len(classes)
    solver = chosen(settings.solver, rows.p * K)
    loss: Loss = Logistic() if K == 1 else Softmax(K)
    table = np.zeros(int(rows.codes.max()) + 1, dtype=np.int64)
    table[classes] = np.arange(len(classes))
    alpha = np.full(rows.p, 1.0 / settings.C if settings.C < math.inf else 0.0)
    if settings.fit_intercept:
        alpha[-1] = 0.0
    weight = _effective(settings, rows, sample_weight)
    objective = Objective(rows, loss, table, weight, alpha, np.zeros_like(alpha))
    # A larger dimension means smaller caps: earlier releases with more classes count as well.
    widest = 0 if before is None or before.budget is None else before.budget.dimension
    budget = budget_of(settings, max(rows.p * K, widest))
    caps = None if budget is None else budget.caps(t)
    gram = gram_of(settings.mechanism, objective, caps, None)
    W = np.zeros((rows.p, K))
    if before is not None and K > 1:
        W = before.reached.W[:, np.isin(before.classes, classes)]
        W = W - W.mean(axis=1, keepdims=True)
    goal = _goal(settings, caps, fit=before is None)
    objective, reached, iterations = _gauged(
        settings, objective, gram, W, goal, solver, before is None, progress
    )
    state = State(
        settings, rows, sample_weight, classes, objective, gram, budget, reached, iterations
    )
    return _opened(state, None)


def _gauged(
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


def removed(
    state: State, sample_weight: Array, gone: Positions, *, t: int = 1, progress: Progress = None
) -> State:
    """Remove rows while the classes stay, by the cheapest tier that meets the target.

    Parameters
    ----------
    sample_weight : ndarray of shape (n,)
        Without the rows that go.
    gone : ndarray of int
        Their positions; all have positive weight in ``state``.
    t : int
        Which release since the oldest removal this is for.

    Raises
    ------
    NotCertifiedError, ConvergenceError
        If the distance cannot be shown.
    """
    settings, before, ledger, W = state.settings, state.objective, state.ledger, state.reached.W
    objective = replace(before, weight=_effective(settings, state.rows, sample_weight))
    was, reweighed = None, isinstance(settings.class_weight, str)
    caps = None if state.budget is None else state.budget.caps(t)
    if state.solver == "newton-cg":
        if not reweighed:
            was = gram_without(before, state.gram.curvature, gone)
        gram = gram_of(settings.mechanism, objective, caps, was)
        state = replace(state, sample_weight=sample_weight, objective=objective, gram=gram)
        return _refreshed(state, W, caps, progress)
    at, ref = (W, W) if ledger is None else (ledger.base, ledger.origin.W)
    share = before.share(gone, at, ref)
    if not reweighed:
        was = without(state.gram.curvature, share.gram, len(gone), 16 * UNIT_ROUNDOFF)
    gram = gram_of(settings.mechanism, objective, caps, was)
    model = None
    if ledger is None:
        try:
            model = state.reached.model.without(before, gone)
        except np.linalg.LinAlgError:
            pass
    state = replace(
        state,
        sample_weight=sample_weight,
        objective=objective,
        gram=gram,
        ledger=None if ledger is None else ledger.edited(share),
    )
    return _settled(state, model, caps, progress)


def tightened(state: State, *, t: int, progress: Progress = None) -> State:
    """Return the state within the caps of release t, improved only where it is not.

    Raises
    ------
    NotCertifiedError, ConvergenceError
        If the distance cannot be shown.
    """
    if state.budget is None:
        return state
    caps = state.budget.caps(t)
    drift = state.gram.geometry.drift(state.objective.gram_error)
    if not (drift <= caps.drift or state.gram.same_program):
        gram = gram_of(state.settings.mechanism, state.objective, caps, None)
        state = replace(state, gram=gram, ledger=None)
    elif state.reached.distance <= caps.target:
        return state
    return _settled(state, None, caps, progress)


def _settled(
    state: State, model: QuadraticModel | None, caps: Caps | None, progress: Progress
) -> State:
    """Reach the target on the rows of ``state``: no pass, chord passes, or a refresh."""
    objective, gram, ledger = state.objective, state.gram, state.ledger
    W, goal = state.reached.W, _goal(state.settings, caps, fit=False)
    if state.solver == "newton-cg":
        return _refreshed(state, W, caps, progress)
    target = goal.distance * (gram.geometry.norm(W) if goal.relative else 1.0)
    passes = _passes_worth_a_refresh(objective)
    if ledger is not None:
        stepped, distance = ledger.step(gram.geometry)
        if distance <= target:
            reached = state.reached._replace(W=stepped, distance=distance, tier="downdate")
            return replace(state, reached=reached)
        W = stepped if math.isfinite(distance) else W
    if ledger is None or ledger.capacity(target) <= 1 + passes:
        out = _chorded(state, model, W, target, passes)
        if isinstance(out, Reached):
            refreshed = None if ledger is None else ledger.refreshed
            return _opened(replace(state, reached=out), refreshed)
        W = out
    return _refreshed(state, W, caps, progress)


def _refreshed(state: State, W: Array, caps: Caps | None, progress: Progress) -> State:
    """Minimise afresh from W, the gauge renewed."""
    goal = _goal(state.settings, caps, fit=False)
    objective, reached, iterations = _gauged(
        state.settings, state.objective, state.gram, W, goal, state.solver, False, progress
    )
    state = replace(state, objective=objective, reached=reached, iterations=iterations)
    return _opened(state, None)


def _chorded(
    state: State, model: QuadraticModel | None, W: Array, target: float, most: int
) -> Reached | Array:
    """Take chord steps from W on the downdated model; return W where they do not suffice."""
    objective, geometry, ledger = state.objective, state.gram.geometry, state.ledger
    leverages = math.inf, math.inf
    if ledger is not None:
        try:
            model = ledger.model(objective)
        except np.linalg.LinAlgError:
            return W
        known = ledger.refreshed.towards(objective, model.factor, geometry.gram)
        leverages = known.in_hessian, known.in_gram
    if model is None:
        return W
    ruler = Ruler.of(objective, geometry, model, leverages=leverages)
    return chord(ruler, W, target, most=most)


def _opened(state: State, refreshed: Leverages | None) -> State:
    """Open the ledger of tier 1, which the next removal starts from."""
    if isinstance(state.settings.class_weight, str) or state.solver == "newton-cg":
        # "balanced" reweighs every row at every removal: nothing can stay untouched.  Nor can
        # anything without a factor of the Hessian.
        return replace(state, ledger=None)
    ledger = Ledger.opened(state.objective, state.gram.geometry, state.reached, refreshed)
    return replace(state, ledger=ledger)


def _passes_worth_a_refresh(objective: Objective) -> int:
    """Gradient passes that cost as much arithmetic as one Hessian sweep and factorisation."""
    p, K = objective.rows.p, objective.loss.columns
    q, n = p * K, objective.rows.n
    sweep = n * (p * p * K + (q * q if K > 1 else 0))
    # A pass is memory-bound: about eight times slower an operation than a matrix product.
    return int(np.clip((sweep + 4 * q**3) / (8 * 6 * n * q), 3, 30))


@lru_cache(maxsize=8)
def _calibrated(
    epsilon: float, delta: float, noise: float, dimension: int, drifts: bool, view: str
) -> Budget:
    return calibrate(epsilon, delta, noise, dimension=dimension, drifts=drifts, view=view)


def budget_of(settings: Settings, dimension: int) -> Budget | None:
    """Return the budget of a release of ``dimension`` coordinates; None without noise."""
    if settings.noise == 0:
        return None
    drifts = settings.mechanism != "isotropic"
    return _calibrated(
        settings.epsilon, settings.delta, settings.noise, dimension, drifts, settings.view
    )


def _goal(settings: Settings, caps: Caps | None, *, fit: bool) -> Goal:
    if caps is None:
        return Goal(UNNOISED, True, settings.tol)
    return Goal(caps.fit if fit else caps.target, False, settings.tol)
