"""Lower bounds on smallest singular values, and the distances to least squares that follow.

Rows are scaled to a length of at most one beforehand, so that no bound here sees how long a row
was.  The floor of a matrix never falls when rows are taken out: nothing need be measured anew.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .._common.rounding import GUARD, gamma, up
from ..linalg.norms import norm, spectral_norm

Array = NDArray[np.float64]
#: More than all products that underflow can add up to.
_TINY = 1e-300


def singular_floor(A: Array, upper: Array) -> float:
    """Lower bound on the smallest singular value of A, at most one a row long.

    Parameters
    ----------
    A : ndarray of shape (r, d)
        Rows, d >= r >= 1.
    upper : ndarray of shape (r, r)
        Upper triangular R with ``A' = Q R``, nearly: a poor R makes a poor bound, not a wrong one.

    Returns
    -------
    float
        At most sigma_r(A); 0 if nothing can be shown.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/singular_floor.md
    """
    r, d = A.shape
    # T is taken as the float matrix it is: whether it inverts R does not matter.
    T, info = lapack.dtrtri(upper)
    if info != 0 or not np.isfinite(T).all():
        return 0.0
    # N = A'T should be orthonormal: ||N'N - I|| says by how much it is not, so that sigma_r(A) is
    # at least sqrt(1 - lost) / ||T||, less what rounding takes.
    T = np.triu(T)
    N = A.T @ T
    defect = N.T @ N
    defect[np.diag_indices(r)] -= 1.0
    size = norm(N)
    # The computed N'N is off by gamma(d) ||N||_F^2; four to spare, and what underflows.
    lost = norm(defect) * GUARD + gamma(d + 4) * size * size * GUARD + _TINY
    # R was poor, or A has no full rank that float64 could show.
    if not lost < 1.0:
        return 0.0
    # N as computed differs from A'T by gamma(r) ||A||_F ||T||_F.
    wrong = gamma(r + 2) * norm(A) * norm(T) * GUARD + _TINY
    left = (math.sqrt(1.0 - lost) / GUARD - wrong) / GUARD
    # ||A'v|| = ||N u|| >= sigma_min(N) ||v|| / ||T||_2 for v = T u.
    return left / (spectral_norm(T) * GUARD) if left > 0 else 0.0


def appended_floor(floor: float, c: Array, left: Array, against: Array) -> float:
    """Lower bound on the smallest singular value of A with one more row a, at most one long.

    Parameters
    ----------
    floor : float
        At most sigma_r(A), rows of A (r, d) at most one long.
    c : ndarray of shape (r,)
        Any coefficients; those of the best approximation ``A' c`` of a make the bound sharp.
    left, against : ndarray of shape (d,) and (r,)
        The computed ``a - A' c`` and ``A left``.

    Returns
    -------
    float
        At most sigma_{r+1} of [A; a]; 0 if nothing can be shown.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/appended_floor.md
    """
    r, d = len(c), len(left)
    if not floor > 0:
        return 0.0
    # What a - A'c was rounded by, and what of it lies within the span of A.
    wrong = gamma(r + 4) * (1.0 + math.sqrt(r) * norm(c)) * GUARD + _TINY
    # ||P E'|| <= ||A E'|| / floor, and fl(A E') is off by gamma(d) ||E'|| in each of r rows.
    inside = (norm(against) + math.sqrt(r) * gamma(d + 2) * norm(left) + _TINY) / floor * GUARD
    # ||(I - P) a|| >= ||E'|| - ||P E'|| - ||E' - E||; `norm` rounds up, so it is divided twice.
    rho = norm(left) / (GUARD * GUARD) - (inside + wrong) * GUARD
    if not rho > 0:
        return 0.0
    # [A; a]^+ is at most as long as the matrix [[1/floor, 0], [kappa/rho, 1/rho]].
    # c* = c + (A')^+ P E are the coefficients of P a.
    kappa = norm(c) + (inside + wrong) / floor * GUARD
    p, q = 1.0 / floor, 1.0 / rho
    half = 0.5 * (p * p + kappa * kappa * q * q - q * q)
    # The larger eigenvalue of M'M, M = [[p, 0], [kappa q, q]].
    largest = half + q * q + math.hypot(half, kappa * q * q)
    # half may be negative: what cancels is at most q^2, a part of the result.
    out = 1.0 / (math.sqrt(largest) * GUARD)
    return out if math.isfinite(largest) else 0.0


def min_norm_distance(W: Array, c: Array, residual: Array, wrong: Array, floor: float) -> float:
    """Upper bound on the distance of W to the shortest interpolant of ``A w = b``.

    Parameters
    ----------
    W : ndarray of shape (d, K)
        The computed ``A' c``.
    c : ndarray of shape (r, K)
        Coefficients.
    residual : ndarray of shape (r, K)
        The computed ``b - A W``.
    wrong : ndarray of shape (r, K)
        How far the computed targets b may be from those meant, entrywise.
    floor : float
        At most the smallest singular value of A (r, d), rows at most one long.

    Returns
    -------
    float
        At least ``||W - A^+ b||_F``.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/min_norm_distance.md
    """
    if not len(c):
        return norm(W)
    if not floor > 0:
        return math.inf
    # W is A' c up to rounding, so hardly anything of it lies outside of the rows' span.
    # Split the error in two: across the rows' span, and inside it, where A has a floor.
    # (I - P) W = (I - P)(W - A'c): at most gamma(r) sum_i |c_ik| in column k, rows at most one
    # long.
    outside = gamma(len(c) + 2) * norm(np.sum(np.abs(c), axis=0)) * GUARD + _TINY
    # The computed b - A W is off by gamma(d) ||a_i|| ||W|| a row, and by the targets' own error.
    rounding = math.sqrt(len(c)) * gamma(W.shape[0] + 2) * norm(W) + norm(wrong) + _TINY
    inside = (norm(residual) + rounding) * GUARD / floor
    # Across the span and inside it are orthogonal: ||W - W*||^2 is the sum of both squares.
    distance = up(math.hypot(outside, inside) * GUARD)
    return distance if math.isfinite(distance) else math.inf


def least_squares_distance(
    B: Array,
    b: Array,
    V: Array,
    residual: Array,
    slope: Array,
    floor: float,
    stretch: float = 1.0,
) -> float:
    """Upper bound on the distance of V to the least squares solution of ``B v = b``.

    Parameters
    ----------
    B, b : ndarray of shape (n, d) and (n, K)
        Weighted rows and targets, known to three units in every entry; n >= d.
    V : ndarray of shape (d, K)
        Any point.
    residual, slope : ndarray of shape (n, K) and (d, K)
        The computed ``b - B V`` and ``B' residual``.
    floor : float
        At most the smallest singular value of B as it stands.
    stretch : float
        The largest factor by which a coefficient is multiplied afterwards.

    Returns
    -------
    float
        At least ``||D (V - B^+ b)||_F`` for the B and b meant and every diagonal D of entries of
        at most ``stretch``.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/least_squares_distance.md
    """
    n, d = B.shape
    size = norm(B)
    # B as it is meant differs from B as it stands by three units an entry.
    sigma = floor / GUARD - gamma(4) * size
    if not sigma > 0:
        return math.inf
    # The residual is off by gamma(d + 5)(|b| + |B||V|), the errors of b and B included.
    wrong = gamma(d + 10) * (norm(b) + size * norm(V)) * GUARD + _TINY
    # ||V - V*|| <= ||B'(b - B V)|| / sigma^2, with what the residual and the slope round by.
    gradient = norm(slope) + size * (wrong + gamma(n + 8) * norm(residual)) * GUARD + _TINY
    distance = up(stretch * gradient * GUARD / (sigma * sigma)) + _TINY
    return distance if math.isfinite(distance) else math.inf
