"""Refresh of softmax with many classes: descents in single precision, one measurement to show it.

The metric is the whole Hessian's where that is small, a matrix a class, or one shared by all, held
from one request to the next; its errors, those of stale matrices and those of single precision cost
passes and change no claim.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..._common.arrays import Array
from ...exceptions import AssumptionError
from ...linalg.norms import norm
from ...numerics.objective.differences import Differences
from ...numerics.objective.gauge import centred
from ...numerics.objective.objective import Objective
from ...numerics.objective.survey import Surveyed
from ...numerics.solvers.class_blocks import ClassMetric, Shared, Whole
from ...numerics.solvers.descent import Descent
from ..distances.class_bounds import shown, surveyed
from ..distances.gram import Gram
from ..distances.reached import Reached
from .task import Task

#: A descent aims at this part of what is allowed, and counts on its last step, which is not
#: measured, to be at most so much worse than the mean of so many before.
_ROOM, _WORSE, _MEAN = 0.6, 1.5, 4
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
#: A measured gradient that is not so much smaller than the one before ends all this, or a little
#: where a distance is so close to being certified.
_WORTH, _LITTLE, _CLOSE = 0.5, 0.9, 10.0
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


def refresh_classes(objective: Objective, task: Task) -> tuple[Reached | Array, int]:
    """Minimise from W until the distance measured at the iterate meets the goal.

    About the metric of the task nothing is assumed.

    Returns
    -------
    reached : Reached or ndarray
        What was certified, or the best iterate for another method to start from.
    iterations : int
        How many descents it took.
    """
    search, known, fits = _Search(objective, task), task.known, task.tier == "fit"
    if known is not None:
        search.knows(None, known.measurement.gradient, known.measurement.value)
    for iteration in range(task.max_iter + 1):
        try:
            # A fit starts far off; where else nothing is known, W may be near enough.
            claim = not fits if search.gradient is None else search.descended()
            going = search.looked(claim)
        except (AssumptionError, FloatingPointError, np.linalg.LinAlgError):
            if search.gradient is None:
                raise
            break
        if task.progress is not None and iteration:
            task.progress(iteration, search.size)
        if search.reached is not None:
            kept = search.metric if search.passes else None
            return search.reached._replace(tier=task.tier, metric=kept), iteration
        if not going:
            break
    return search.best, task.max_iter


class _Search:
    """Descents in a metric that is made better where it is too slow, and what they have led to.

    Attributes
    ----------
    W : ndarray of shape (p, K)
        Where the last descent has led.
    best : ndarray of shape (p, K)
        Where the gradient was smallest.
    base, gradient, value, size
        What is known there: changes of the gradient, the gradient, its value and its length.
    reached : Reached or None
        What was certified.
    """

    def __init__(self, objective: Objective, task: Task) -> None:
        self.objective, self.gram, self.goal = objective, task.gram, task.goal
        self.fits, W, metric = task.tier == "fit", task.W, task.metric
        if isinstance(metric, ClassMetric):
            self.metric, self.due, self.starts = metric, False, False
        else:
            # Where W stands, or where all classes curve alike.
            self.metric, self.due = _initial(objective, task.gram), bool(W.any())
            self.starts = not self.due
        self.descent = _descent(objective, self.metric)
        self.W = self.best = W
        self.base: Differences | None = None
        self.gradient: Array | None = None
        self.value = self.size = math.inf
        self.reached: Reached | None = None
        #: Whether a distance has been claimed at ``best`` is ``tried``.
        self.stuck = self.late = self.leads = self.gains = self.tried = False
        #: Passes, metrics made, and passes when the last one was.
        self.passes = self.built = self.since = 0
        #: How far the distance was from being certified, pass by pass.
        self.left: list[float] = []

    @property
    def allowed(self) -> float:
        """The distance that may be certified where ``best`` is."""
        return self.goal.allowed(self.gram.geometry, self.best)

    @property
    def flat(self) -> float:
        """The largest entry that a gradient may have."""
        return self.goal.tol * self.objective.weight_sum

    def knows(self, base: Differences | None, gradient: Array, value: float) -> bool:
        """Take over what was measured at W, unless that is no nearer, and say whether it is."""
        before, size = self.size, norm(self.gram.geometry.known.white(gradient))
        if not (size < before or value < self.value):
            return False
        self.best, self.base, self.gradient, self.tried = self.W, base, gradient, False
        self.value, self.size, self.leads = value, size, size < _WORTH * before
        self.gains = size < _LITTLE * before
        return True

    def looked(self, claim: bool) -> bool:
        """Measure at W, to ``claim`` a distance or to go on from there; whether that leads on."""
        if claim:
            found = self.surveyed(self.W)
            m = found.measurement
            nearer = self.knows(None, m.gradient, m.value)
            if nearer or self.W is self.best:
                self.claimed(found)
        else:
            nearer = self.knows(*Differences.measured(self.objective, self.W))
        if not (nearer and self.going) and self.reached is None and not self.tried:
            # Nothing leads on from here, where no distance has been claimed yet.
            self.claimed(self.surveyed(self.best))
        return nearer and self.going and self.reached is None

    def surveyed(self, W: Array) -> Surveyed:
        """Survey W; nobody waits for a fit, which finds out which way of two serves best."""
        least, last = self.metric.least, self.metric.scale
        return surveyed(self.objective, W, least, last, both=self.fits)

    @property
    def going(self) -> bool:
        """Whether another descent may lead nearer."""
        return self.leads or self.due or self.stuck

    def claimed(self, found: Surveyed) -> None:
        """Certify ``best`` by what a survey has found there, if that is enough."""
        m, allowed, self.tried = found.measurement, self.allowed, True
        expected = _left(self.metric, centred(m.gradient))
        # What serves best at a fit is tried first from then on.
        last, both = self.metric.scale, self.fits
        bound, shift = shown(self.objective, self.gram, self.best, found, allowed, last, both=both)
        # Where that was taken for something else it is worth another descent, as where it is close.
        self.leads |= expected < _WORTH * bound.least < math.inf
        self.leads |= self.gains and bound.least < _CLOSE * allowed
        self.metric = replace(self.metric, scale=bound.scale)
        if np.max(np.abs(m.gradient)) <= self.flat and bound.distance <= allowed:
            self.reached = Reached(self.best, bound.distance, None, "", self.best, m, shift)
        # Steps came less near than they were expected to: how near the next ones do is not known.
        self.left = []

    def descended(self) -> bool:
        """Descend from ``best``, and say whether enough should be certified where that led."""
        objective, before = self.objective, self.passes
        base = self.base or Differences(objective, self.best)
        if self.due:
            S = self.gram.squares(objective)
            self.metric, self.built = self.metric.built(base, S, self.best), self.built + 1
            self.since = self.passes
            # What was learned, and how fast it went, was with the one before.
            self.descent, self.left = _descent(objective, self.metric), []
        V = self._steps(base, _FIRST if self.starts else _MOST)
        self.W = centred(self.best + V)
        if self.fits:
            slow = self.stuck or self.starts or self.passes - before > _LONG
            if self.metric.whole(objective):
                # Once as many passes have been made as it costs, as for a refresh (`worth`).
                slow = slow and self.passes - self.since >= self.metric.price(objective)
        else:
            slow = self.late or self.passes > self.metric.price(objective)
        most = _BUILT_SMALL if Whole.fit(objective) else _BUILT
        self.due, self.starts = slow and self.built < most, False
        if self.due and not V.any():
            # No step is worth its price: there is nothing new to measure, but a better metric.
            return self.descended()
        unknown = self.metric.scale is None and not self.due
        return unknown or self.left[-1] * _rate(self.left) <= self.allowed

    def _to_come(self) -> float:
        """Return how many passes there are still to come at the rate of the last ones."""
        if len(self.left) <= _MEAN or not math.isfinite(self.left[-1]):
            return 0.0
        rate, enough = _rate(self.left) / _WORSE, _ROOM * self.allowed
        return math.log(max(self.left[-1] / enough, 1.0)) / max(-math.log(rate), 1e-3)

    def _steps(self, base: Differences, most: int) -> Array:
        """Return which way leads to enough."""
        measured = self.gradient
        assert measured is not None
        V, g, sizes = np.zeros_like(self.best), centred(measured), []
        patience = _PATIENCE if self.fits else _MOST
        self.stuck = False
        # In place of what single precision has told of it.
        self.left[-1:] = [_left(self.metric, g)]
        for _ in range(most):
            v = self.descent.direction(g)
            down = -float(np.vdot(v, g))
            if not down > 0:
                break
            sizes.append(math.sqrt(down))
            rate = _rate(self.left)
            left = self.left[-1] * rate
            last = left <= _ROOM * self.allowed and np.max(np.abs(g)) * rate <= self.flat
            if last or _blurred(sizes, left * rate > _ROOM * self.allowed):
                return V + v if rate < 1 or not V.any() else V
            self.late = not self.fits and self._to_come() > self.metric.price(self.objective)
            if self.late:
                break
            self.stuck = len(sizes) > patience and sizes[-1] > 0.5 * sizes[-1 - patience]
            if self.stuck and most > _FIRST:
                break
            v, new = _stepped(base, measured, V, v, down)
            self.passes += 1
            self.descent.learn(v, new - g)
            V, g = V + v, new
            self.left.append(_left(self.metric, g))
        return V


def _initial(objective: Objective, gram: Gram) -> ClassMetric:
    """Return the metric at W = 0, where all classes curve alike."""
    K, S = objective.loss.columns, gram.squares(objective)
    return ClassMetric(Shared.of(S, objective.alpha, np.full(K, objective.loss.at_zero)))


def _descent(objective: Objective, metric: ClassMetric) -> Descent:
    """Return a descent in a metric, which has not learned anything."""
    return Descent(metric.model.solve, metric.pinned, _memory(objective))


def _memory(objective: Objective) -> int:
    """Return how many pairs of steps and gradients may be held."""
    rows = objective.rows
    return int(np.clip(_PAIRS_SHARE * rows.n / (2 * objective.loss.columns), 3, _MOST))


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
        new = centred(measured + base.gradient(V + v))
        over = float(np.vdot(new, v))
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
    known = [one for one in left[-_MEAN - 1 :] if math.isfinite(one)]
    if len(known) < 2 or not known[0] > 0:
        return 1.0
    mean = float((known[-1] / known[0]) ** (1.0 / (len(known) - 1)))
    return min(_WORSE * mean, 1.0)


def _blurred(sizes: list[float], distant: bool) -> bool:
    """Whether another measurement should come before another pass in single precision.

    ``distant`` says that two passes more would not be enough.
    """
    gained = sizes[-1] / max(sizes)
    return not gained > _FINEST or gained < _FINE and distant


def _left(metric: ClassMetric, g: Array) -> float:
    """Return the distance that would be certified for a gradient, if that is known."""
    return math.inf if metric.scale is None else norm(metric.scale.seen(g))
