"""Norms and eigenvalues, bounded from above."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack
from scipy.sparse.linalg import ArpackError, eigsh

from .._common.rounding import GUARD, gamma, up

Array = NDArray[np.float64]


#: The squares of so many numbers are added right to a ninth of the guard, in any order ...
_AT_ONCE = 1_000_000
#: ... and lose nothing to underflow or overflow where their root is between these.
_LEAST, _MOST = 1e-125, 1e125
#: Enlargements of a guess that are tried in turn; the first nearly always does.
_MARGINS = (1 + 1e-3, 1 + 1e-2, 1.1, 2.0)
#: Up to this size eigenvalues are found outright.
_SMALL = 128


def norm(v: Array) -> float:
    """Return ||v||_2 (Frobenius for a matrix), rounded up; squares neither under- nor overflow."""
    flat = v.ravel(order="K")
    if 0 < len(flat) <= _AT_ONCE:
        # One call, whatever it does about numbers whose squares are none.
        length = float(blas.dnrm2(flat))
        if _LEAST < length < _MOST:
            return length * GUARD
    largest = float(np.max(np.abs(v), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    size = math.sqrt(np.sum(np.square(v / largest)))
    # Of subnormal numbers the guard is less than a unit.
    return up(largest * size * GUARD, 2)


def largest_eigenvalue(C: Array) -> float:
    """Upper bound on the largest eigenvalue of a symmetric positive semidefinite C.

    A guess from below, a little enlarged, is *shown* to be above: by a Cholesky factorisation of
    ``mu I - C`` that runs to completion, its own backward error added.  A third of a matrix
    product, and never below the truth, unlike the guess.

    Notes
    -----
    Guarantee: at least lambda_max(C).  Proof: proofs/largest_eigenvalue.md

    References
    ----------
    Rump (2006), Verification of positive definiteness, Theorem 2.3.
    """
    size, q = norm(C), len(C)
    if size == 0 or not math.isfinite(size):
        return size
    # Entries of at most one, whatever the scale of C; the symmetric part has C's quadratic form.
    P = C / size
    P = 0.5 * (P + P.T)
    guess = _from_below(P)
    for mu in (guess * margin for margin in _MARGINS):
        # ||C||_F is a bound already: nothing is gained from here on.
        if not mu < 1:
            break
        shifted = -P
        # mu I - P rounds on the diagonal alone, by u (mu + |P_ii|).
        shifted[np.diag_indices(q)] += mu
        # Transposed it is what Fortran overwrites in place, and symmetric, so the same matrix.
        _, info = lapack.dpotrf(shifted.T, lower=1, clean=0, overwrite_a=1)
        if info == 0:
            # Higham's Theorem 10.3: what was factored is off by gamma times its trace at most.
            wrong = 2 * gamma(q + 4) * (q * mu + float(np.abs(np.trace(P)))) + 1e-290
            return min(size, size * (mu + wrong) * GUARD)
    return size


def _from_below(P: Array) -> float:
    """Return nearly the largest eigenvalue of a symmetric P; nothing is claimed for it."""
    q = len(P)
    if q > _SMALL:
        # A start without symmetry, the same in every run.
        start = 1.0 + np.modf(np.arange(q) * 0.6180339887498949)[0]
        try:
            # Lanczos, from below; an error here is found out by the factorisation.
            found = eigsh(P, k=1, which="LA", v0=start, tol=1e-3, return_eigenvectors=False)
            return float(found[0])
        except ArpackError:
            pass
    return float(np.linalg.eigvalsh(P)[-1])


def spectral_norm(N: Array) -> float:
    """Upper bound on ||N||_2, whatever the scale of N.

    Notes
    -----
    Guarantee: at least ||N||_2.  Proof: proofs/largest_eigenvalue.md
    """
    size = norm(N)
    # A single row or column has its length for its norm.
    if 1 in N.shape or size == 0 or not math.isfinite(size):
        return size
    # Both products have the same norm: the smaller one is formed.
    scaled = (N if N.shape[1] <= len(N) else N.T) / size
    return (
        size
        # M'M as computed is off by gamma(q + 2) ||M||_F^2 = gamma(q + 2).
        * math.sqrt(largest_eigenvalue(scaled.T @ scaled) + gamma(len(scaled) + 4))
        * GUARD
    )
