"""Norms and eigenvalues, bounded from above."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .._common.rounding import gamma

Array = NDArray[np.float64]


_GUARD = 1.0 + 1e-9


def norm(v: Array) -> float:
    """Return ||v||_2 (Frobenius for a matrix), rounded up; squares neither under- nor overflow."""
    largest = float(np.max(np.abs(v), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.sum(np.square(v / largest)))) * _GUARD


def largest_eigenvalue(C: Array) -> float:
    """Upper bound on the largest eigenvalue of a symmetric positive semidefinite C.

    ``lambda_max(C) <= ||C^8||_F^{1/8}``, at most ``q^{1/16}`` times the truth: matrix products
    only, and never below, unlike an iterative estimate.

    Notes
    -----
    Guarantee: at least lambda_max(C).  Proof: proofs/largest_eigenvalue.md
    """
    size = norm(C)
    if size == 0 or not math.isfinite(size):
        return size
    power, exponent, log_scale = C / size, 1.0, math.log(size)
    for _ in range(3):
        power = power @ power
        exponent *= 2
        # ||fl(P^2) - P^2||_F <= gamma ||P||_F^2, and ||P||_F <= 1 here.
        s = norm(power) + gamma(len(C) + 2)
        log_scale += math.log(s) / exponent
        power = power / s
    return min(size, math.exp(log_scale) * (1.0 + 1e-6))


def spectral_norm(N: Array) -> float:
    """Upper bound on ||N||_2, whatever the scale of N.

    Notes
    -----
    Guarantee: at least ||N||_2.  Proof: proofs/largest_eigenvalue.md
    """
    size = norm(N)
    if size == 0 or not math.isfinite(size):
        return size
    # Both products have the same norm: the smaller one is formed.
    scaled = (N if N.shape[1] <= len(N) else N.T) / size
    return (
        size
        * math.sqrt(largest_eigenvalue(scaled.T @ scaled) + gamma(len(scaled) + 4))
        * (1 + 1e-9)
    )
