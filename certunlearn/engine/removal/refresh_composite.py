"""Certified distances where an L1 penalty makes the objective bend: elastic net.

Every removal minimises afresh from where the iterate stands.  No model of the curvature is kept,
so there is neither a carryover nor a chord step.
"""

from __future__ import annotations

import math

import numpy as np

from ..._common.rounding import UNIT_ROUNDOFF, up
from ...claims.bounds import distance_remainder
from ...exceptions import AssumptionError
from ...numerics.objective.objective import Measurement, Objective, flat
from ...numerics.objective.quadratic import QuadraticModel, model_at, unfactored
from ...numerics.solvers.proximal import least_subgradient, proximal_newton
from ..distances.reached import Reached
from ..distances.ruler import Array, Ruler, Rulers
from .separation import no_convergence
from .task import Task


def subgradient_within(
    gradient: Array, allowance: Array, W: Array, lam: Array
) -> tuple[Array, Array]:
    """Return v and e: some ``g + xi`` is within e of v, for all g within ``allowance``.

    xi is a subgradient of ``sum_jk lam_j |W_jk|`` at W, chosen for the exact g.

    Parameters
    ----------
    gradient, allowance, W : ndarray of shape (p, K)
        Computed gradient, its error, and where.
    lam : ndarray of shape (p,)
        Penalties.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/composite_distance.md
    """
    lam = lam[:, None]
    # xi = lam sign(W) where W is not zero; elsewhere the one that makes |g + xi| least: soft(g,
    # lam).
    v = least_subgradient(gradient, W, lam)
    # Where W is zero, g may be inside [-lam, lam] altogether: then xi = -g, and no error is left.
    # g + lam sign(W), |g| - lam and |g| + allowance - lam: 2u of the sum of the moduli each.
    rounding = 4 * UNIT_ROUNDOFF * (np.abs(gradient) + allowance + lam)
    beyond = np.maximum(np.abs(gradient) + allowance - lam + rounding, 0.0)
    # soft is 1-Lipschitz, so within allowance, and |soft(g)| <= beyond.
    wrong = np.where(W != 0, allowance, np.minimum(allowance, beyond))
    # |gradient| + allowance <= lam: soft(g) = 0 for every g that is possible.
    surely = (W == 0) & (np.abs(gradient) + allowance + rounding <= lam)
    return v, np.where(surely, 0.0, wrong + rounding)


def composite_distance(ruler: Ruler, W: Array, m: Measurement, lam: Array) -> float:
    """Bound the distance of W to the exact optimum, in the norm of the noise.

    Parameters
    ----------
    ruler : Ruler
        Of the smooth part, at a model of its curvature.
    W : ndarray of shape (p, K)
        Where ``m`` was measured.
    lam : ndarray of shape (p,)
        L1 penalties.

    Returns
    -------
    float
        ``inf`` where no bound follows.

    Notes
    -----
    Guarantee: at least ||W - W*||_A, for every mechanism.  Proof: proofs/composite_distance.md
    """
    T = ruler.model.mismatch(ruler.objective, m.moved)
    if not (T < math.inf and ruler.transfer.c < math.inf):
        return math.inf
    f = ruler.model.factor

    def decrement(allowance: Array) -> float:
        v, wrong = subgradient_within(m.gradient, allowance, W, lam)
        return f.whitened(flat(v), flat(wrong))

    # Any subgradient serves: xi chosen for g within rounding, the margins' errors added along rows.
    nu = min(decrement(m.allowance), up(decrement(m.rounding) + ruler.along(T, m)))
    # Its second number rests on Theorem 1 alone, which holds with an L1 penalty; the first is of a
    # step that is not made here.
    return up(ruler.transfer.c * distance_remainder(nu, ruler.leverage, T)[1])


def refresh_composite(objective: Objective, task: Task) -> tuple[Reached, int]:
    """Minimise from W until the distance measured at the iterate meets the goal.

    Returns what was reached (its distance may miss the goal: rounding has the last word) and the
    number of steps.  Zeros of the iterate are exact.

    Raises
    ------
    AssumptionError
        If a coordinate has an L1 penalty and no L2 penalty.
    ConvergenceError
        If the curvature cannot be factored or the steps run out.
    """
    lam, geometry, goal = objective.l1, task.gram.geometry, task.goal
    assert lam is not None
    if ((lam > 0) & ~(objective.alpha > 0)).any():
        raise AssumptionError(
            "a pure L1 penalty is not strongly convex: the optimum may not be unique and its "
            "distance cannot be bounded; use l1_ratio < 1"
        )
    reached, rulers = [math.inf], Rulers(objective, geometry)

    def bounded(W: Array, m: Measurement, model: QuadraticModel, sweep: bool = False) -> float:
        reached[0] = composite_distance(rulers.of(model, sweep=sweep), W, m, lam)
        return reached[0]

    def accept(W: Array, m: Measurement, model: QuadraticModel) -> bool:
        v = least_subgradient(m.gradient, W, lam[:, None])
        # Below the gradient's own rounding nothing flatter can be asked for.
        if (np.abs(v) > np.maximum(goal.tol * objective.weight_sum, m.allowance)).any():
            return False
        return bounded(W, m, model) <= goal.allowed(geometry, W)

    try:
        s = proximal_newton(
            objective, task.W, lam, accept, max_iter=task.max_iter, progress=task.progress
        )
        if s.reason == "floor":
            model = s.model
            if model.W is not s.W:
                model = model_at(objective, s.W, s.measurement.margin_error)
            # The model is at the iterate now: no margin has moved since it was taken.
            bounded(s.W, s.measurement._replace(moved=0.0), model, True)
    except np.linalg.LinAlgError as error:
        raise unfactored(objective, error) from error
    if s.reason == "max_iter":
        raise no_convergence(objective, s.W, s.measurement, task.max_iter)
    return Reached(s.W, reached[0], None, task.tier, s.W, s.measurement), s.iterations
