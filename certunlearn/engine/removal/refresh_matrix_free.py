"""Certified distances where nothing of size (p K)^2 may be held: no Hessian, no factor of one.

A diagonal D below the Hessian takes the place of its factor.  It is crude, but everything it
multiplies is a measured gradient, which can be driven to rounding level: crude costs another
Newton step, not more noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..._common.rounding import UNIT_ROUNDOFF, down, gamma, up
from ...claims.bounds import distance_from_decrement
from ...claims.noise import Geometry
from ...exceptions import AssumptionError
from ...linalg.cholesky import factorise
from ...linalg.diagonal import Diagonal
from ...linalg.norms import largest_eigenvalue, norm, spectral_norm
from ...numerics.losses.margins import positive
from ...numerics.objective.curvature import Curvature
from ...numerics.objective.objective import Measurement, Objective
from ...numerics.solvers.newton_cg import at_floor, newton_cg
from ..distances.gram import Gram
from ..distances.reached import Goal, Reached
from ..distances.ruler import Array
from .separation import no_convergence

#: What underflow may have added to a sum of probabilities' products, a unit of weight.
_TINY = 1e-290
_GUARD = 1.0 + 1e-9


def intercept_curvature(objective: Objective, W: Array, margin_error: float) -> tuple[float, float]:
    """Lower bound on the curvature that a shift of the margins alone meets at W.

    Parameters
    ----------
    W : ndarray of shape (p, K)
        Where.
    margin_error : float
        Of the measurement there.

    Returns
    -------
    mu : float
        The smallest eigenvalue of ``sum_i s_i (diag p_i - p_i p_i')`` on vectors that sum to zero
        is at least mu; ``sum s l'' >= mu`` for each column if they are not coupled; 0 if nothing
        can be shown.
    largest : float
        At least the curvature of any row at W; kappa where that bounds it.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/intercept_curvature.md
    """
    edges, error, largest = objective.couplings(W)
    largest = up(largest * (1.0 + error) * math.exp(min(margin_error, 600.0)) * _GUARD)
    if objective.loss.bounded:
        largest = objective.loss.kappa
    # What underflow rounded up comes off; what it rounded down errs on the safe side.
    edges = np.maximum(
        np.minimum(edges, edges.T) * (1.0 - error) - _TINY * objective.weight_sum, 0.0
    )
    if not margin_error < 600:
        return 0.0, largest
    shrunk = math.exp(-margin_error * _GUARD) / _GUARD
    K = len(edges)
    if not objective.loss.coupled:
        return float(np.diag(edges).min()) * shrunk, largest
    edges = edges - np.diag(np.diag(edges))
    laplacian = np.diag(edges.sum(axis=1)) - edges
    # A multiple of 1 1' leaves vectors that sum to zero alone, and makes it definite.
    pinned = laplacian + float(np.trace(laplacian)) / K**2
    if not np.trace(laplacian) > 0:
        return 0.0, largest
    try:
        f = factorise(pinned, np.diag(pinned).copy(), gamma(K + 8))
    except np.linalg.LinAlgError:
        return 0.0, largest
    if not f.theta < math.inf:
        return 0.0, largest
    square = spectral_norm(f.inverse) ** 2
    return (1.0 - f.slack) ** 2 * math.exp(-f.theta) / square * shrunk / _GUARD, largest


def curvature_floor(
    objective: Objective, gram: Curvature | Diagonal, W: Array, margin_error: float
) -> Array:
    """Diagonal lower bound on the Hessian at W, gauge included.

    Parameters
    ----------
    gram : Curvature or Diagonal
        G of the same rows, or its diagonal with a bound on its size.
    W : ndarray of shape (p, K)
        Where.
    margin_error : float
        Of the measurement there.

    Returns
    -------
    D : ndarray of shape (p,)
        ``V' H(W) V >= sum_j D_j ||V_j||^2`` for every V of shape (p, K).  It is alpha where every
        coordinate is penalised.  With a free intercept it is alpha / 2 for the others, and
        ``mu / (1 + 2 lambda)`` for the intercept, mu as in `intercept_curvature` and lambda the
        largest eigenvalue of the others' ``c sum s x x'`` relative to alpha, c at least the
        curvature of any row at W.  Zero where nothing can be shown.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/curvature_floor.md

    References
    ----------
    Boehning (1992), Multinomial logistic regression algorithm (for kappa).
    """
    alpha, free = objective.alpha, objective.alpha == 0
    if not free.any():
        return alpha.copy()
    D = np.where(free, 0.0, alpha / 2.0)
    if free[:-1].any() or not objective.rows.intercept:
        return D
    mu, largest = intercept_curvature(objective, W, margin_error)
    size = _relative_size(gram, alpha[:-1])
    ratio = up(size * max(largest / objective.loss.kappa, 0.0) * _GUARD)
    D[-1] = mu / (1.0 + 2.0 * ratio) / _GUARD
    if objective.loss.coupled:
        # Along equal intercepts the gauge alone acts, rho K of it.
        D[-1] = min(D[-1], down(float(objective.gauge[-1]) * objective.loss.columns))
    return D


def _relative_size(gram: Curvature | Diagonal, alpha: Array) -> float:
    """Upper bound on the largest eigenvalue of G less the penalty alpha, relative to it.

    The last row and column of G, which are the intercept's, are left out.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/curvature_floor.md
    """
    if isinstance(gram, Diagonal):
        return gram.largest
    root = np.sqrt(alpha)
    scaled = gram.matrix[:-1, :-1] / np.outer(root, root)
    # Every entry is off by at most error * g_i g_j / (root_i root_j): a matrix of rank one.
    wrong = (gram.error + 8 * UNIT_ROUNDOFF) * float(np.sum(gram.diagonal[:-1] / alpha))
    total = up(largest_eigenvalue(scaled) + wrong * _GUARD) if len(root) else 1.0
    # The penalty itself is the identity in these units.
    return max(up(total - 1.0), 0.0)


def transfer(geometry: Geometry, D: Array) -> float:
    """Upper bound on ``||V||_A / (sum_j D_j ||V_j||^2)^{1/2}`` over all V of shape (p, K).

    Notes
    -----
    Guarantee: as stated, A made of the geometry's computed factor.
    Proof: proofs/matrix_free_distance.md
    """
    if not (D > 0).all():
        return math.inf
    root = 1.0 / np.sqrt(D)
    if geometry.mechanism == "isotropic":
        return float(root.max()) * _GUARD
    lower = geometry.gram.lower
    N, size, unit = lower.T * root, np.abs(lower.T) * root, gamma(4)
    if geometry.mechanism == "objective":
        N, size, unit = lower @ N, np.abs(lower) @ size, gamma(len(lower) + 8)
    return up((spectral_norm(N) + unit * norm(size)) * _GUARD)


def matrix_free_distance(
    objective: Objective, geometry: Geometry, D: Array, m: Measurement
) -> float:
    """Bound the distance to the exact optimum by a gradient and a diagonal below the Hessian.

    ``||W - W*||_A <= c r`` with r of Theorem 1 for ``nu = ||g||_{D^{-1}}`` and
    ``L = R max ||x_i||_{D^{-1}}`` (over pairs of classes where they are coupled).

    Parameters
    ----------
    D : ndarray of shape (p,)
        From `curvature_floor`, at the measured W.
    m : Measurement
        At W.

    Returns
    -------
    float
        ``inf`` where no bound follows.

    Notes
    -----
    Guarantee: as stated, for every mechanism.  Proof: proofs/matrix_free_distance.md
    """
    c = transfer(geometry, D)
    if not c < math.inf:
        return math.inf
    root = 1.0 / np.sqrt(D)
    pairs = math.sqrt(2.0) if objective.loss.coupled else 1.0
    L = objective.loss.R * pairs * norm(objective.rows.column_max * root) * _GUARD
    g, scale = np.abs(m.gradient), root[:, None]
    crude = norm((g + m.allowance) * scale) * _GUARD
    # The margins' errors push along rows, where the Hessian has those rows' curvature.
    along = up(m.slope_error * _GUARD)
    nu = min(crude, up(norm((g + m.rounding) * scale) * _GUARD + along))
    if not nu * L < 0.5:
        L = min(L, objective.longest(root))
    return up(c * distance_from_decrement(nu, up(L))[0])


def refresh_matrix_free(
    objective: Objective,
    gram: Gram,
    W: Array,
    goal: Goal,
    *,
    max_iter: int,
    tier: str = "refresh",
    progress: Callable[[int, float], None] | None = None,
) -> tuple[Reached, int]:
    """Minimise from W until the distance measured at the iterate meets the goal.

    Returns what was reached (its distance may miss the goal: rounding has the last word) and the
    number of Newton steps.

    Raises
    ------
    AssumptionError
        If more than the intercept is unpenalised, or nothing is and the classes are separable.
    ConvergenceError
        If the steps run out.
    """
    free = objective.alpha == 0
    if free[:-1].any() or (free[-1] and not objective.rows.intercept):
        factored = "" if objective.rows.sparse else ' or solver="newton-cholesky"'
        raise AssumptionError(
            "without a factored Hessian the distance to the optimum is bounded by the penalty, and "
            f"there is none: use {positive(objective.loss)}{factored}"
        )
    geometry, reached = gram.geometry, [math.inf]

    def measured(W: Array, m: Measurement) -> float:
        D = curvature_floor(objective, gram.known, W, m.margin_error)
        reached[0] = matrix_free_distance(objective, geometry, D, m)
        return reached[0]

    def accept(W: Array, m: Measurement) -> bool:
        flat_enough = np.max(np.abs(m.gradient)) <= goal.tol * objective.weight_sum
        if not (flat_enough or at_floor(geometry.known, m)):
            return False
        return measured(W, m) <= goal.distance * (geometry.norm(W) if goal.relative else 1.0)

    s = newton_cg(objective, W, geometry.known, accept, max_iter=max_iter, progress=progress)
    if s.reason == "max_iter":
        raise no_convergence(objective, s.W, s.measurement, max_iter)
    if s.reason != "accepted":
        measured(s.W, s.measurement)
    return Reached(s.W, reached[0], None, tier, s.W, s.measurement), s.iterations
