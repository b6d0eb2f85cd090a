"""L-BFGS on differences of single-precision gradients: proposals, about which nothing is claimed.

It descends from a point where the gradient g was measured in double precision.  At W + V the
gradient is g + X'[s l'(Z + X V) - s l'(Z)] + alpha V: single precision rounds the difference
alone, so that a few digits of g can be gained before the next measurement.

Margins are linear in the step, so a line search reads no row: with the step's margins at hand it
finds the minimiser along it.  On a quadratic these are the iterates of conjugate gradients
preconditioned by the metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...linalg.norms import norm
from ..losses.slopes import counted
from ..objective.objective import Objective
from ..objective.products import Products
from .descent import Descent

Array = NDArray[np.float64]
#: Pairs of steps and changes of the gradient that are kept.
MEMORY = 30
#: Give up when the gradient has not become smaller for so many steps: rounding stops the descent.
_PATIENCE = 6
#: Steps of unit length are taken as long as the gradient's square falls to this part, and so many.
_QUICK, _UNIT_STEPS = 0.1, 6
#: Along a step the slope is to fall to this part of what it was, in so many evaluations.
_FLAT, _EVALUATIONS = 0.02, 20


class Metric(Protocol):
    """What stands for the inverse of the Hessian."""

    def solve(self, V: Array, /) -> Array: ...

    def white(self, V: Array, /) -> Array: ...


class Descended(NamedTuple):
    """A step (p, K), the passes it took, and the part of the gradient it should leave."""

    step: Array
    passes: int
    left: float


def lbfgs(
    objective: Objective,
    W: Array,
    gradient: Array | None,
    metric: Metric,
    *,
    enough: float,
    max_iter: int,
) -> Descended:
    """Find a step V from W, (p, K), after which the gradient should be ``enough`` times as long.

    Parameters
    ----------
    objective : Objective
        What to minimise, over dense rows.
    W : ndarray of shape (p, K)
        Start.
    gradient : ndarray of shape (p, K) or None
        As measured there; None takes it in the rows' precision.
    metric : Metric
        First model of the inverse Hessian; gradients are measured in its norm.
    enough : float
        In (0, 1); it need not be reached.
    max_iter : int
        Most steps, each a pass over the rows.

    References
    ----------
    Liu & Nocedal (1989), On the limited memory BFGS method for large scale optimization.
    """
    products = Products.of(objective)
    loss, s, y = objective.loss, products.weight, products.labels
    pull, descent = objective.pull, Descent(metric.solve, memory=MEMORY)

    def slope(Z: Array) -> Array:
        out: Array = s * loss.slope(counted(loss, Z, s[:, 0]), y)
        return out

    Z = products.margins(W)
    here = there = slope(Z)
    if gradient is None:
        objective.rows.sweep()
        gradient = products.combined(there) + pull(W)
    V, g, first = np.zeros_like(W), gradient, norm(metric.white(gradient))
    best, least, since, passes = V, first, 0, 0
    while passes < max_iter:
        passes += 1
        v = descent.direction(g)
        down = float(np.sum(g * v))
        if not down < 0:
            break
        objective.rows.sweep()
        dz = products.margins(v)
        ridge = float(np.sum(v * pull(v)))

        def along(t: float) -> tuple[float, float]:
            """First and second derivative at a part t of the step."""
            at = counted(loss, Z + t * dz, s[:, 0])  # noqa: B023
            bent = float(np.sum(s * dz * loss.curve(at, y, dz)))  # noqa: B023
            return float(np.sum((slope(at) - here) * dz)) + down + t * ridge, bent + ridge  # noqa: B023

        t = _flattest(along, down)
        if not t > 0:
            break
        V, Z = V + t * v, Z + t * dz
        here = slope(Z)
        new = gradient + products.combined(here - there) + pull(V)
        descent.learn(t * v, new - g)
        g, size, since = new, norm(metric.white(new)), since + 1
        if size < least:
            best, least, since = V, size, 0
        if least <= enough * first or since > _PATIENCE or not math.isfinite(size):
            break
    return Descended(best, passes, least / first if first > 0 else 0.0)


def unit_steps(
    objective: Objective, W: Array, gradient: Array, metric: Metric, *, enough: float
) -> Descended:
    """Find such a step without line searches, as long as every one gets rid of most of the rest.

    Parameters
    ----------
    objective, W, gradient, enough
        As in `lbfgs`, but that the gradient is known.
    metric : Metric
        Close to the inverse Hessian.

    Returns
    -------
    Descended
        Its step is one further than the last pass; what that should leave is by how the one
        before went.
    """
    products, loss = Products.of(objective), objective.loss
    descent, V, g = Descent(metric.solve), np.zeros_like(W), gradient
    held: list[tuple[Array, Array]] = []

    def changed(V: Array) -> Array:
        """Return what the sum of slopes changes by from W to W + V."""
        out = np.zeros_like(V)
        for k, part in enumerate(products.parts()):
            if k == len(held):
                Z = counted(loss, part.margins(W), part.weight[:, 0])
                held.append((Z, loss.slope(Z, part.labels)))
            Z, before = held[k]
            Z = counted(loss, Z + part.margins(V), part.weight[:, 0])
            out += part.combined(part.weight * (loss.slope(Z, part.labels) - before))
        return out

    v = descent.direction(g)
    first = size = -float(np.sum(v * g))
    for passes in range(1, _UNIT_STEPS + 1):
        objective.rows.sweep()
        new = gradient + changed(V + v) + objective.pull(V + v)
        descent.learn(v, new - g)
        V, g, before = V + v, new, size
        v = descent.direction(g)
        # Squares of lengths in the metric.
        size = -float(np.sum(v * g))
        if not 0 <= size < _QUICK * before:
            break
        left = math.sqrt(size / first * size / before)
        if left <= enough:
            return Descended(V + v, passes, left)
    return Descended(np.zeros_like(W), passes, math.inf)


def _flattest(along: Callable[[float], tuple[float, float]], down: float) -> float:
    """Return where a convex function that starts with slope ``down`` < 0 is flat, roughly.

    Newton's method inside a bracket; 0 where no step was found that goes down.
    """
    t, low, high = 1.0, 0.0, math.inf
    for _ in range(_EVALUATIONS):
        slope, bent = along(t)
        if not (math.isfinite(slope) and math.isfinite(bent)):
            high, t = t, 0.5 * (low + t)
            continue
        if abs(slope) <= _FLAT * abs(down):
            return t
        low, high = (t, high) if slope < 0 else (low, t)
        # Newton on the slope; outside of the bracket halve it, or go four times as far where
        # nothing bounds it.
        t = t - slope / bent if bent > 0 else math.inf
        if not low < t < high:
            t = 0.5 * (low + high) if high < math.inf else 4.0 * low
    return low
