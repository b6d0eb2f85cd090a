"""Certified distances where nothing of size (p K)^2 may be held: no Hessian, no factor of one.

A diagonal D below the Hessian takes the place of its factor.  It is crude, but everything it
multiplies is a measured gradient, which can be driven to rounding level: crude costs another
Newton step, not more noise.
"""

from __future__ import annotations

import math

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import GUARD, UNIT_ROUNDOFF, down, gamma, up
from ...claims.bounds import distance_from_decrement
from ...claims.noise import Geometry
from ...linalg.cholesky import factorise
from ...linalg.diagonal import Diagonal
from ...linalg.norms import largest_eigenvalue, norm, spectral_norm
from ...numerics.objective.curvature import Curvature
from ...numerics.objective.objective import Measurement, Objective
from .centred import centred_distance
from .gram import Gram
from .known import Known
from .reached import Goal

#: What underflow may have added to a sum of probabilities' products, a unit of weight.
_TINY = 1e-290


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
    # E_kl = sum_i s_i p_ik p_il: b'(sum s C) b = sum_{k<l} E_kl (b_k - b_l)^2, a graph's Laplacian.
    edges, error, largest = objective.couplings(W)
    # (4a), row by row: curvature at the exact margins is within e^{+-margin_error} of that
    # computed.
    largest = up(largest * (1.0 + error) * math.exp(min(margin_error, 600.0)) * GUARD)
    if objective.loss.bounded:
        largest = objective.loss.kappa
    # What underflow rounded up comes off; what it rounded down errs on the safe side.
    edges = np.maximum(
        np.minimum(edges, edges.T) * (1.0 - error) - _TINY * objective.weight_sum, 0.0
    )
    if not margin_error < 600:
        return 0.0, largest
    # The same factor downwards; beyond 600 it would vanish in any case.
    shrunk = math.exp(-margin_error * GUARD) / GUARD
    K = len(edges)
    if not objective.loss.coupled:
        return float(np.diag(edges).min()) * shrunk, largest
    # A Laplacian grows with every edge: lower bounds on the edges give one on it.
    edges = edges - np.diag(np.diag(edges))
    laplacian = np.diag(edges.sum(axis=1)) - edges
    # A multiple of 1 1' leaves vectors that sum to zero alone, and makes it definite.
    pinned = laplacian + float(np.trace(laplacian)) / K**2
    if not np.trace(laplacian) > 0:
        return 0.0, largest
    try:
        # Entries take at most K + 2 additions, and both |c - E_kl| and c are below the diagonal's.
        f = factorise(pinned, np.diag(pinned).copy(), gamma(K + 8))
    except np.linalg.LinAlgError:
        return 0.0, largest
    if not f.theta < math.inf:
        return 0.0, largest
    # lambda_min(L L') = 1 / ||L^{-1}||^2 and ||L^{-1}|| <= ||X|| / (1 - slack).
    square = spectral_norm(f.inverse) ** 2
    return (1.0 - f.slack) ** 2 * math.exp(-f.theta) / square * shrunk / GUARD, largest


def floor_above(
    objective: Objective, gram: Curvature | Diagonal, shift: tuple[float, float]
) -> Array:
    """Diagonal lower bound on the Hessian at W, gauge included.

    Parameters
    ----------
    gram : Curvature or Diagonal
        G of the same rows, or its diagonal with a bound on its size.
    shift : tuple of float
        Bounds as those of `intercept_curvature` at W.

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
    # Half of the penalty stays with its own coordinates; tau = 1 / (1 + 2 lambda) of the
    # intercept's curvature is what the other half leaves.
    D = np.where(free, 0.0, alpha / 2.0)
    if free[:-1].any() or not objective.rows.intercept:
        return D
    mu, largest = shift
    size = _relative_size(gram, alpha[:-1])
    # lambda = (c / kappa) lambda_max(M), c the largest curvature of a row at W.
    ratio = up(size * max(largest / objective.loss.kappa, 0.0) * GUARD)
    D[-1] = mu / (1.0 + 2.0 * ratio) / GUARD
    if objective.loss.coupled:
        # Along equal intercepts the gauge alone acts, rho K of it.
        D[-1] = min(D[-1], down(float(objective.gauge[-1]) * objective.loss.columns))
    return D


class Floors:
    """Diagonals below the Hessian at one iterate after the other; rows are read for the first.

    From there on the curvature of an intercept is at least e^-T of what it was, T what the margins
    have moved by since.
    """

    #: Margins that have moved by more are worth a pass.
    STALE = 2.0

    def __init__(
        self,
        objective: Objective,
        gram: Curvature | Diagonal,
        shift: tuple[float, float] | None = None,
    ) -> None:
        self.objective, self.gram, self.shift, self.T = objective, gram, shift, 0.0

    def move(self, moved: float) -> None:
        """Count how far margins have moved, at most, from the iterate before."""
        self.T = up(self.T + moved)

    def at(self, W: Array, margin_error: float) -> Array:
        """Return the diagonal at W, the iterate last moved to; see `floor_above`.

        Notes
        -----
        Guarantee: as `floor_above`.  Proof: proofs/edited_measurement.md
        """
        if not (self.objective.alpha == 0).any():
            return self.objective.alpha.copy()
        if self.shift is None or not self.T <= self.STALE:
            self.shift, self.T = intercept_curvature(self.objective, W, margin_error), 0.0
        mu, largest = self.shift
        if self.T > 0:
            grown = math.exp(self.T) * GUARD
            # Margins moved by at most T: every row's curvature is within e^{+-T} of what it was.
            mu = down(mu / grown)
            largest = largest if self.objective.loss.bounded else up(largest * grown)
            self.shift, self.T = (mu, largest), 0.0
        return floor_above(self.objective, self.gram, self.shift)


def _relative_size(gram: Curvature | Diagonal, alpha: Array) -> float:
    """Upper bound on the largest eigenvalue of G less the penalty alpha, relative to it.

    The last row and column of G, which are the intercept's, are left out.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/curvature_floor.md
    """
    if isinstance(gram, Diagonal):
        return gram.largest
    # In the units of alpha^{1/2} the matrix G less its last row and column is I + M.
    root = np.sqrt(alpha)
    scaled = gram.matrix[:-1, :-1] / np.outer(root, root)
    # Every entry is off by at most error * g_i g_j / (root_i root_j): a matrix of rank one.
    wrong = (gram.error + 8 * UNIT_ROUNDOFF) * float(np.sum(gram.diagonal[:-1] / alpha))
    total = up(largest_eigenvalue(scaled) + wrong * GUARD) if len(root) else 1.0
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
        return float(root.max()) * GUARD
    lower = geometry.gram.lower
    # half D^{-1/2} with half = L_G': root, quotient and product are within gamma(4).
    N, size, unit = lower.T * root, np.abs(lower.T) * root, gamma(4)
    if geometry.mechanism == "objective":
        # half = L_G L_G', applied factor by factor.
        N, size, unit = lower @ N, np.abs(lower) @ size, gamma(len(lower) + 8)
    return up((spectral_norm(N) + unit * norm(size)) * GUARD)


def decrement(objective: Objective, D: Array, m: Measurement) -> float:
    """At least ``||g||_{H^{-1}}`` of the exact gradient and Hessian where m was measured, H >= D.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/matrix_free_distance.md
    """
    g, scale = np.abs(m.gradient), (1.0 / np.sqrt(D))[:, None]
    # ||exact g||_{H^{-1}} <= || |g| + allowance ||_{D^{-1}}, as H >= D.
    crude = norm((g + m.allowance) * scale) * GUARD
    # The margins' errors push along rows, where the Hessian has those rows' curvature.
    along = up(m.slope_error * GUARD)
    return min(crude, up(norm((g + m.rounding) * scale) * GUARD + along))


def matrix_free_distance(
    objective: Objective,
    geometry: Geometry,
    D: Array,
    m: Measurement,
    worth: float = math.inf,
) -> tuple[float, float]:
    """Bound the distance to the exact optimum by a gradient and a diagonal below the Hessian.

    ``||W - W*||_A <= c r`` with r of Theorem 1 for ``nu = ||g||_{D^{-1}}`` and
    ``L = R max ||x_i||_{D^{-1}}`` (over pairs of classes where they are coupled).

    Parameters
    ----------
    D : ndarray of shape (p,)
        From `floor_above`, at the measured W.
    m : Measurement
        At W.
    worth : float
        Rows are read, for a smaller L, only if the distance could be as small as this.

    Returns
    -------
    distance, least : float
        ``inf`` where no bound follows; and ``c nu``, below which no such bound is.

    Notes
    -----
    Guarantee: as stated, for every mechanism.  Proof: proofs/matrix_free_distance.md
    """
    c = transfer(geometry, D)
    if not c < math.inf:
        return math.inf, math.inf
    root, nu = 1.0 / np.sqrt(D), decrement(objective, D, m)
    # ||(e_k - e_l) (x) x||_{D^{-1}} = sqrt(2) ||x||_{D^{-1}}.
    pairs = math.sqrt(2.0) if objective.loss.coupled else 1.0
    L = objective.loss.R * pairs * norm(objective.rows.column_max * root) * GUARD
    # The box of the columns' maxima first; rows are read only where it is what stands in the way.
    if not nu * L < 0.5 and c * nu <= worth:
        L = min(L, objective.longest(root))
    return up(c * distance_from_decrement(nu, up(L))[0]), c * nu


def without_pass(
    objective: Objective, gram: Gram, known: Known | None, goal: Goal
) -> tuple[float, float]:
    """Return `matrix_free_distance` by what is known, ``inf`` where that is too little."""
    if known is None:
        return math.inf, math.inf
    m = known.measurement
    distance, least = centred_distance(objective, gram.geometry, m)
    if not distance < math.inf:
        if known.shift is None and (objective.alpha == 0).any():
            return math.inf, math.inf
        shift = known.shift
        D = objective.alpha if shift is None else floor_above(objective, gram.known, shift)
        distance, least = matrix_free_distance(objective, gram.geometry, D, m, worth=0.0)
    # A removal also promises a small gradient, as a fit does.
    if not np.max(np.abs(m.gradient)) <= goal.tol * objective.weight_sum:
        distance = math.inf
    return distance, least
