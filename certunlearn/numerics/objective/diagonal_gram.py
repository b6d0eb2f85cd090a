"""What stands for the Gram matrix where p x p numbers are too many."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..._common.rounding import GUARD, gamma, up
from ...exceptions import AssumptionError
from ...linalg.diagonal import Diagonal
from .contribution import Contribution
from .kernels import GramDiagonal, Magnified
from .objective import Objective

Array = NDArray[np.float64]
_TINY = 1e-290
#: Power steps: each is a pass over the rows and sharpens the bound.
_STEPS = 4
#: Least entry of the vector, out of its largest.
_LEAST = 1e-8


def diagonal_of(objective: Objective) -> Diagonal:
    """Return diag(G), and how large G is where the certificate of a free intercept asks for it.

    Raises
    ------
    AssumptionError
        If it overflows.
    """
    rows, alpha = objective.rows, objective.alpha
    (sums,) = rows.fold(GramDiagonal(), objective.blocked)
    squares = objective.loss.kappa * sums[:, 0]
    diagonal = np.maximum(squares + alpha, _TINY)
    if not np.isfinite(diagonal).all():
        raise AssumptionError("the Gram matrix overflows float64: rescale the features")
    # A column that is empty and not penalised: any positive number will do.
    needed = rows.intercept and alpha[-1] == 0 and bool((alpha[:-1] > 0).all())
    if not needed:
        return Diagonal(diagonal, math.inf)
    if rows.sparse:
        return Diagonal(diagonal, largest_relative(objective))
    # Signs cancel in dense rows, where Collatz's bound sees nothing of it: the trace is the better
    # one.
    return Diagonal(diagonal, _trace(squares[:-1], alpha[:-1], objective.sum_length))


def regrouped(
    known: Diagonal, alpha: Array, added: Contribution | None, penalty: Array | None
) -> Diagonal:
    """Return a diagonal that does for other rows: without some of them, and with those ``added``.

    Parameters
    ----------
    known : Diagonal
        Before; its entries stay as they are where rows have only gone.
    alpha : ndarray of shape (p,)
        Penalty afterwards.
    added : Contribution or None
        Rows that come.
    penalty : ndarray of shape (p,) or None
        Change of the penalty.

    Notes
    -----
    Guarantee: ``largest`` is an upper bound as `Diagonal` says.  Proof: proofs/largest_relative.md
    """
    diagonal, largest, free = known.diagonal, known.largest, alpha == 0
    if penalty is not None:
        diagonal = np.maximum(diagonal + penalty, _TINY)
        # M scales by a congruence: lambda_max grows by at most max alpha_j / alpha'_j, and is kept
        # where that is below 1.
        before = alpha[~free] - penalty[~free]
        largest = up(largest * float(np.max(before / alpha[~free], initial=1.0)) * GUARD)
    if added is not None:
        squares = added.loss.kappa * np.sum(added.weight[:, None] * added.X**2, axis=0)
        diagonal = diagonal + squares
        largest = up(largest + _trace(squares[~free], alpha[~free], len(added.X)))
    return Diagonal(diagonal, largest)


def _trace(squares: Array, alpha: Array, chain: int) -> float:
    """Upper bound on ``sum_j squares_j / alpha_j``, the former sums of ``chain`` squares each.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/largest_relative.md
    """
    # What underflow may have taken from the squares is put back.
    total = float(np.sum((squares + _TINY) / alpha))
    return up(total * (1.0 + gamma(len(alpha) + chain + 32)) * GUARD)


def largest_relative(objective: Objective, steps: int = _STEPS) -> float:
    """Upper bound on the largest eigenvalue of ``kappa sum s x x'`` relative to diag(alpha).

    The column of ones is left out; every other alpha must be positive.

    Notes
    -----
    Guarantee: as stated, for any number of steps.  Proof: proofs/largest_relative.md

    References
    ----------
    Collatz (1942), Einschliessungssatz fuer die charakteristischen Zahlen von Matrizen; Horn &
    Johnson (2013), Matrix Analysis, theorem 8.1.26.
    """
    rows, kappa = objective.rows, objective.loss.kappa
    d = rows.p - int(rows.intercept)
    if d == 0:
        return 0.0
    root, v, best = np.sqrt(objective.alpha[:d]), np.ones(d), math.inf
    for _ in range(steps):
        with np.errstate(over="ignore", invalid="ignore"):
            u = np.zeros((rows.p, 1))
            # The intercept's coordinate is 0: the column of ones adds exact zeros.
            u[:d, 0] = v / root + _TINY
            (sums,) = rows.fold(Magnified(), objective.blocked, u)
            moved = kappa * (sums[:d, 0] + _TINY) + _TINY
            moved = moved / root + _TINY
            # (B v)_j / v_j: its maximum bounds the spectral radius of B >= 0 for every positive v
            # (Collatz 1942).
            top = float(np.max(moved / v))
        if not top < math.inf:
            break
        # Every v gives a bound, so the smallest of all is one.
        best = min(best, top)
        # A power step brings v near the leading eigenvector, which makes the bound sharp.
        v = np.maximum(moved / float(moved.max()), _LEAST)
    return up(best * (1.0 + gamma(rows.p + objective.sum_length + 32)) * GUARD)


#: Of sparse rows with more coefficients a class the Gram matrix is not formed.
MOST_FORMED = 3_000
