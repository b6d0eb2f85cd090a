"""Refresh of softmax with many classes: descents in single precision, one measurement to show it.

The metric is a matrix a class, or one shared by all, held from one request to the next; its
errors, those of stale matrices and those of single precision cost passes and change no claim.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..._common.arrays import Array, Progress
from ...claims.noise import Geometry
from ...exceptions import AssumptionError
from ...linalg.diagonal import Diagonal
from ...linalg.norms import norm
from ...numerics.objective.differences import Differences
from ...numerics.objective.objective import Objective
from ...numerics.objective.survey import Surveyed, survey
from ...numerics.solvers.class_blocks import ClassMetric, Shared, Whole
from ...numerics.solvers.descent import Descent
from ..distances.class_floor import Bound, class_distance
from ..distances.gram import Gram
from ..distances.known import Known
from ..distances.matrix_free import Floors, matrix_free_distance
from ..distances.reached import Goal, Reached

#: A descent aims at this part of what is allowed, and counts on its last step, which is not
#: measured, to be at most so much worse than the one before.
_ROOM, _WORSE = 0.4, 1.5
#: Beyond this gain single precision tells little, and nothing beyond that.
_FINE, _FINEST = 1e-5, 1e-7
#: Most passes of a descent, and how many may pass without halving the gradient.
_MOST, _PATIENCE = 40, 4
#: From zero so many, by a matrix that all classes share; then each gets its own.
_FIRST = 8
#: After a descent of so many passes a fit, which all removals build on, makes a metric afresh; so
#: many times a request, more where the whole Hessian is small.
_LONG, _BUILT, _BUILT_SMALL = 10, 2, 5
#: A step along which the slope turns to more than this part of what it was has gone too far; how
#: often it is made shorter, and by how much at most.
_OVERSHOT, _SHORTER, _LEAST = 0.5, 5, 0.1
#: A measured gradient that is not so much smaller than the one before ends all this.
_WORTH = 0.5
#: What pairs of steps and gradients may take up, out of what the rows do.
_PAIRS_SHARE = 0.1
#: Beyond so many coefficients a column no matrix of that size is factored.
_WIDEST = 4096


def classwise(objective: Objective, gram: Gram) -> bool:
    """Whether `refresh_classes` can be tried."""
    free = objective.alpha == 0
    return (
        Differences.possible(objective)
        and objective.rows.p <= _WIDEST
        and not free[:-1].any()
        and bool((objective.alpha + objective.gauge > 0).all())
    )


def refresh_classes(
    objective: Objective,
    gram: Gram,
    W: Array,
    goal: Goal,
    *,
    max_iter: int,
    known: Known | None = None,
    metric: ClassMetric | None = None,
    tier: str = "refresh",
    progress: Progress = None,
) -> tuple[Reached | Array, int]:
    """Minimise from W until the distance measured at the iterate meets the goal.

    Parameters
    ----------
    known : Known, optional
        What is known at W.
    metric : ClassMetric, optional
        From before; about any nothing is assumed.

    Returns
    -------
    reached : Reached or ndarray
        What was certified, or the best iterate for another method to start from.
    iterations : int
        How many descents it took.
    """
    geometry, size, slow, stuck, built = gram.geometry, math.inf, False, False, 0
    here, first = metric is None and bool(W.any()), metric is None
    metric = _initial(objective, gram) if metric is None else metric
    gradient, best = None if known is None else known.measurement.gradient, W
    fits, spent, descent = tier == "fit", 0, _descent(objective, metric)
    value = math.inf if known is None else known.measurement.value
    for iteration in range(max_iter + 1):
        try:
            if gradient is not None:
                if here or slow and built < (_BUILT_SMALL if Whole.fit(objective) else _BUILT):
                    # Where W stands, or the metric is not good enough.
                    base, S = Differences(objective, best), _gram(objective, gram)
                    metric, here, built = metric.built(base, S, best), False, built + 1
                    descent = _descent(objective, metric)
                most, first = _FIRST if first and not built else _MOST, False
                patience = _PATIENCE if fits else _MOST
                W, passes, stuck = _descended(
                    objective, best, gradient, metric, descent, goal, geometry, most, patience
                )
                spent += passes
                if fits:
                    slow = stuck or most < _MOST or passes > _LONG
                else:
                    slow = spent > metric.price(objective)
            found = survey(objective, W, 0.0 if tier == "fit" else metric.least)
        except (AssumptionError, FloatingPointError, np.linalg.LinAlgError):
            if gradient is None:
                raise
            break
        m = found.measurement
        before, size = size, norm(geometry.known.white(m.gradient))
        if progress is not None and iteration:
            progress(iteration, size)
        if not (size < before or m.value < value):
            break
        best, gradient, value = W, m.gradient, m.value
        allowed = _allowed(goal, geometry, best)
        bound, shift = _bound(objective, gram, best, found, allowed)
        metric = replace(metric, scale=bound.scale)
        flat_enough = np.max(np.abs(gradient)) <= goal.tol * objective.weight_sum
        if flat_enough and bound.distance <= allowed:
            kept = None if first else metric
            return Reached(best, bound.distance, None, tier, best, m, shift, kept), iteration
        if not (size < _WORTH * before or slow or stuck):
            break
    return best, max_iter


def _allowed(goal: Goal, geometry: Geometry, W: Array) -> float:
    """Return the distance that may be certified at W."""
    return goal.distance * (geometry.norm(W) if goal.relative else 1.0)


def _gram(objective: Objective, gram: Gram) -> Array:
    """Return ``sum s x x'``, (p, p)."""
    known = objective.gram() if isinstance(gram.known, Diagonal) else gram.known
    out: Array = known.matrix - np.diag(objective.alpha)
    return out / objective.loss.kappa


def _initial(objective: Objective, gram: Gram) -> ClassMetric:
    """Return the metric at W = 0, where all classes curve alike."""
    K, S = objective.loss.columns, _gram(objective, gram)
    return ClassMetric(Shared.of(S, objective.alpha, np.full(K, objective.loss.at_zero)))


def _descent(objective: Objective, metric: ClassMetric) -> Descent:
    """Return a descent in a metric, which has not learned anything."""
    return Descent(metric.model.solve, metric.pinned, _memory(objective))


def _memory(objective: Objective) -> int:
    """Return how many pairs of steps and gradients may be held."""
    rows = objective.rows
    return int(np.clip(_PAIRS_SHARE * rows.n / (2 * objective.loss.columns), 3, _MOST))


def _bound(
    objective: Objective,
    gram: Gram,
    W: Array,
    found: Surveyed,
    allowed: float,
) -> tuple[Bound, tuple[float, float] | None]:
    """Bound the distance by what was measured; by the penalty where rows are too sure for that.

    And return what that rests on, as `Floors` has it.
    """
    bound, m = class_distance(objective, gram.geometry, W, found, allowed), found.measurement
    if bound.distance <= allowed:
        return bound, None
    floors = Floors(objective, gram.known)
    D = floors.at(W, m.margin_error)
    distance, least = matrix_free_distance(objective, gram.geometry, D, m, allowed)
    if not least < bound.least:
        return bound, None
    root = 1.0 / np.sqrt(D)
    c = least / max(norm(m.gradient * root[:, None]), 1e-300)
    return Bound(distance, least, np.diag(c * root)), floors.shift


def _descended(
    objective: Objective,
    W: Array,
    measured: Array,
    metric: ClassMetric,
    descent: Descent,
    goal: Goal,
    geometry: Geometry,
    most: int,
    patience: int,
) -> tuple[Array, int, bool]:
    """Descend from W, of the ``measured`` gradient, until enough should be certified.

    Return where to, after how many passes, and whether these hardly led any further at last.
    """
    base = Differences(objective, W)
    flat_enough, allowed = goal.tol * objective.weight_sum, _allowed(goal, geometry, W)
    V, g = np.zeros_like(W), _centred(measured)
    left, sizes, stuck = [_left(metric, g)], [], False
    for _ in range(most):
        v = descent.direction(g)
        down = -float(np.sum(v * g))
        if not down > 0:
            break
        sizes.append(math.sqrt(down))
        rate = _rate(left)
        last = left[-1] * rate <= _ROOM * allowed and np.max(np.abs(g)) * rate <= flat_enough
        if last or _blurred(sizes, left[-1] * rate**2 > _ROOM * allowed):
            V = V + v if rate < 1 else V
            break
        stuck = len(sizes) > patience and sizes[-1] > 0.5 * sizes[-1 - patience]
        if stuck and most > _FIRST:
            break
        v, new = _stepped(base, measured, V, v, down)
        descent.learn(v, new - g)
        V, g = V + v, new
        left.append(_left(metric, g))
    W = W + V
    W = W - W.mean(axis=1, keepdims=True)
    return W, len(sizes), stuck


def _stepped(
    base: Differences, measured: Array, V: Array, v: Array, down: float
) -> tuple[Array, Array]:
    """Return a step along v from V that does not go too far, and the gradient there.

    Along v the value falls by ``down`` at first.

    Raises
    ------
    FloatingPointError
        If that is no number however short it is.
    """
    for shorter in range(_SHORTER):
        new = _centred(measured + base.gradient(V + v))
        over = float(np.sum(new * v))
        if not over > _OVERSHOT * down and math.isfinite(over):
            return v, new
        if shorter + 1 < _SHORTER:
            # To where the slope would be zero if it changed evenly.
            part = down / (down + over) if math.isfinite(over) else 0.0
            part = max(part, _LEAST)
            v, down = part * v, part * down
    if not math.isfinite(over):
        raise FloatingPointError
    return v, new


def _rate(left: list[float]) -> float:
    """Return what part of a distance the next step should leave."""
    if len(left) < 2 or not math.isfinite(left[-2]):
        return 1.0
    return min(_WORSE * left[-1] / left[-2], 1.0)


def _blurred(sizes: list[float], distant: bool) -> bool:
    """Whether another measurement should come before another pass in single precision.

    ``distant`` says that two passes more would not be enough.
    """
    gained = sizes[-1] / max(sizes)
    return not gained > _FINEST or gained < _FINE and distant


def _left(metric: ClassMetric, g: Array) -> float:
    """Return the distance that would be certified for a gradient, if that is known."""
    return math.inf if metric.scale is None else norm(metric.scale @ g)


def _centred(g: Array) -> Array:
    """Return a gradient without what all classes have in common, which is rounding."""
    out: Array = g - g.mean(axis=1, keepdims=True)
    return out
