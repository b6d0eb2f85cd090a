"""Refresh of many separate columns: descents in single precision, one measurement to show it.

All columns share the products with the rows.  Each descends by itself, in a metric of its own that
is held from one request to the next, and is left out of the products once it is there; errors of
metrics and of single precision cost passes and change no claim.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import Array
from ...exceptions import AssumptionError
from ...linalg.diagonal import Diagonal
from ...linalg.norms import norm
from ...numerics.objective.column_changes import ColumnChanges, shape_of
from ...numerics.objective.column_survey import column_survey
from ...numerics.objective.objective import Objective
from ...numerics.solvers.class_blocks import Shared, room_for_blocks
from ...numerics.solvers.column_blocks import (
    ColumnDescent,
    ColumnMetric,
    curvature_of,
    inverses_at,
)
from ..distances.column_floor import column_distance
from ..distances.gram import Gram
from ..distances.reached import Goal, Reached
from .task import Task

#: A descent aims at this part of what is allowed, and counts on its last step, which is not
#: measured, to be at most so much worse than the one before.
_ROOM, _WORSE = 0.6, 1.5
#: Beyond this gain single precision tells nothing.
_FINEST = 1e-6
#: Most passes of a descent, and of the first of a fit; in so many descents columns share a matrix.
_MOST, _FIRST, _EARLY = 40, 8, 2
#: A step is short whose length in the metric is no more: what it leaves is the metric's error.
_SHORT = 0.03
#: A step along which the slope turns to more than this part of what it was has gone too far, and is
#: made shorter, by so much at most.
_OVERSHOT, _LEAST = 0.5, 0.1
#: A measured gradient that is not so much smaller than the one before ends all this.
_WORTH = 0.5
#: Beyond so many coefficients a column no matrix of that size is factored.
_WIDEST = 4096


def columnwise(objective: Objective) -> bool:
    """Whether `refresh_columns` can be tried."""
    free = objective.alpha == 0
    return (
        ColumnChanges.possible(objective.loss, objective.rows)
        and objective.rows.p <= _WIDEST
        and objective.l1 is None
        and not free[:-1].any()
        and not objective.gauge.any()
    )


def refresh_columns(objective: Objective, task: Task) -> tuple[Reached | Array, int]:
    """Minimise from W until the distance measured at the iterate meets the goal.

    About the metric of the task nothing is assumed.

    Returns
    -------
    reached : Reached or ndarray
        What was certified, or the best iterate for another method to start from.
    iterations : int
        How many descents it took.
    """
    gram, W, goal = task.gram, task.W, task.goal
    tier, known, progress = task.tier, task.known, task.progress
    metric = task.metric if isinstance(task.metric, ColumnMetric) else None
    geometry, size, value = gram.geometry, math.inf, math.inf
    gradient, best = None if known is None else known.measurement.gradient, W
    if gradient is None and not W.any():
        best = W = _at_the_mean(objective, W)
    for iteration in range(task.max_iter + 1):
        try:
            if gradient is not None:
                base, fits_to = ColumnChanges(objective, best), iteration if tier == "fit" else 0
                metric = _metric(objective, gram, base, metric, fits_to)
                allowed = goal.allowed(geometry, best)
                most = _FIRST if fits_to == 1 else _MOST
                W, passes, rate = _descended(base, best, gradient, metric, allowed, goal, most)
                metric = replace(metric, rate=rate, spent=metric.spent + passes)
            least = 0.0 if metric is None or tier == "fit" else metric.least
            found = column_survey(objective, W, _diagonal(gram), least)
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
        allowed = goal.allowed(geometry, best)
        bound = column_distance(objective, geometry, found, allowed)
        if metric is not None:
            # A step that nobody has measured was trusted too far: the next ones are measured.
            metric = replace(metric, scale=bound.scale, rate=1.0)
        flat_enough = np.max(np.abs(gradient)) <= goal.tol * objective.weight_sum
        if flat_enough and bound.distance <= allowed:
            kept = None if metric is None else replace(metric, rate=rate)
            return Reached(best, bound.distance, None, tier, best, m, None, kept), iteration
        if iteration > 2 and not size < _WORTH * before:
            break
    return best, task.max_iter


def _at_the_mean(objective: Objective, W: Array) -> Array:
    """Return W = 0 with intercepts at the optimum of the intercepts alone, or near it."""
    labels, K = objective.meant(objective.rows.labels), W.shape[1]
    if not objective.rows.intercept:
        return W
    if labels.ndim == 2:
        mass = np.asarray(objective.weight @ (labels > 0), dtype=np.float64)
    else:
        mass = np.bincount(labels, weights=objective.weight, minlength=K)[:K].astype(np.float64)
    share = np.clip(mass / objective.weight_sum, 1e-6, 1 - 1e-6)
    W = W.copy()
    # Of a hinge those of least squares.
    offset, _ = shape_of(objective.loss)
    W[-1] = 2 * share - 1 if offset else np.log(share / (1 - share))
    return W


def _metric(
    objective: Objective,
    gram: Gram,
    base: ColumnChanges,
    metric: ColumnMetric | None,
    descent: int,
) -> ColumnMetric:
    """Return the metric to descend in from ``base``.

    In the first descents of a fit, and where there is none, it is one matrix for all columns.
    Columns get matrices of their own, if there is room for them, in a later ``descent`` of a fit, 0
    of a removal, and anew once passes have cost as much.
    """
    starts = 0 < descent <= _EARLY
    due = descent == _EARLY + 1
    if metric is not None and not starts and not due and metric.spent <= metric.price(objective):
        return metric
    curvature, least = curvature_of(base)
    shared = Shared.of(gram.squares(objective), objective.alpha, curvature)
    scale = None if metric is None else metric.scale
    new = ColumnMetric(shared, least=least, scale=scale, fresh=True)
    if metric is None or starts or not room_for_blocks(objective):
        return new
    inverses = inverses_at(base, objective.alpha, objective.loss.columns)
    return replace(new, inverses=inverses)


def _descended(
    base: ColumnChanges,
    W: Array,
    measured: Array,
    metric: ColumnMetric,
    allowed: float,
    goal: Goal,
    most: int,
) -> tuple[Array, float, float]:
    """Descend from W, of the ``measured`` gradient, until enough should be certified.

    Return where to, after how many passes over all columns, and what short steps have left of a
    gradient.
    """
    K, flat = W.shape[1], goal.tol * base.objective.weight_sum
    descent, enough = ColumnDescent(metric, W.shape), (_ROOM * allowed) ** 2
    V, g, v = np.zeros_like(W), measured.copy(), np.zeros_like(W)
    first, size, rate = np.full(K, np.nan), np.zeros(K), np.ones(K)
    short, active = np.zeros(K, dtype=bool), np.arange(K)
    spent, short_rate = 0.0, metric.rate
    for passes in range(most):
        anew = active[~short[active]]
        v[:, anew] = descent.direction(g[:, anew], anew)
        down = -np.einsum("pk,pk->k", v[:, active], g[:, active])
        now, before = np.sqrt(np.maximum(down, 0.0)), size[active]
        if passes == 0:
            # What a step leaves: the metric's error, and what curvature changes by on the way.
            first, rate = now, np.minimum(metric.rate + now, 1.0)
        else:
            moved = ~short[active] & (before > 0)
            ratio = now / np.where(moved, before, 1.0)
            rate[active] = np.where(moved, np.minimum(_WORSE * ratio, 1.0), 1.0)
            moved &= first[active] <= _SHORT
            if passes == 1 and moved.any():
                short_rate = float(np.median(np.maximum(ratio[moved] - before[moved], 0.0)))
        size[active] = now
        left = _left(metric, g[:, active]) * rate[active]
        steep = np.max(np.abs(g[:, active]), axis=0) * rate[active]
        # The distances' squares add up: columns that are nearest go without a measurement first.
        last, enough = _nearest(left, (steep <= flat) & ~short[active], enough)
        # Of others single precision sees no more.
        blurred = ~(down > 0) | (now <= _FINEST * first[active])
        V[:, active[last & ~blurred]] += v[:, active[last & ~blurred]]
        active = active[~(last | blurred)]
        if not len(active):
            break
        spent += len(active) / K
        step, down = v[:, active], size[active] ** 2
        new = measured[:, active] + base.gradient(V[:, active] + step, active)
        beyond = np.einsum("pk,pk->k", new, step) / down
        good = beyond <= _OVERSHOT
        # To where the slope would be zero if it changed evenly.
        part = np.where(np.isfinite(beyond), 1.0 / (1.0 + np.maximum(beyond, 0.0)), 0.0)
        v[:, active] = np.where(good, step, np.maximum(part, _LEAST) * step)
        short[active] = ~good
        kept = active[good]
        descent.learn(step[:, good], new[:, good] - g[:, kept], kept)
        V[:, kept] += step[:, good]
        g[:, kept] = new[:, good]
    return W + V, spent, short_rate


def _nearest(
    left: Array, ready: NDArray[np.bool_], enough: float
) -> tuple[NDArray[np.bool_], float]:
    """Return which columns may stop, those with least left first, and what else may be left.

    ``enough`` is the square of what all of them may leave together.
    """
    order = np.argsort(np.where(ready, left, math.inf), kind="stable")
    squares = np.cumsum(left[order] ** 2)
    count = int(np.count_nonzero((squares <= enough) & ready[order]))
    last = np.zeros(len(left), dtype=bool)
    last[order[:count]] = True
    return last, enough - (float(squares[count - 1]) if count else 0.0)


def _left(metric: ColumnMetric, g: Array) -> Array:
    """Return the distance that would be certified for gradients (p, m), column by column."""
    if metric.scale is None:
        return np.full(g.shape[1], math.inf)
    out: Array = np.sqrt(np.sum(metric.scale.seen(g) ** 2, axis=0))
    return out


def _diagonal(gram: Gram) -> Array:
    """Return at least the diagonal of G as it is."""
    known = gram.known
    error = 0.0 if isinstance(known, Diagonal) else known.error
    return known.diagonal * (1.0 + error)
