"""How softmax curves its free intercept, and how that is coupled to the slopes.

Of the Hessian's blocks those in the row of the intercept: K^2 numbers of every coordinate, which
are few where there are few classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import gamma
from .objective import Objective

#: Multiplications that are made for all this, those of some milliseconds; a weight costs so many.
#: Or such a part of what a Gram matrix of the rows takes, which need not be summed then.
_FEW, _WEIGHT, _PART = 50_000_000, 16, 0.5


class InterceptSums(NamedTuple):
    """Blocks of the data's Hessian in the row of the intercept, the last class's row left out.

    Attributes
    ----------
    own : ndarray of shape (K - 1, K)
        ``sum s C``, C = diag p - p p' of a row.
    slopes : ndarray of shape (K - 1, K, p - 1)
        ``sum s C x`` of the other coordinates.
    error : float
        How far each sum may be off, relative to the sum of its terms' sizes; all terms of a sum
        of ``own`` have one sign.
    """

    own: Array
    slopes: Array
    error: float


def few_pairs(objective: Objective) -> bool:
    """Whether the intercept alone is free, and so little is to be summed that it is worth that."""
    rows, K, free = objective.rows, objective.loss.columns, objective.alpha == 0
    each = (rows.p + _WEIGHT) * (K * (K - 1) // 2)
    few = rows.n * each <= _FEW or each <= _PART * rows.p**2
    alone = rows.intercept and rows.p > 1 and bool(free[-1]) and not free[:-1].any()
    return bool(few and alone and objective.gauge[-1] > 0)


def intercept_sums(objective: Objective, pairs: Array) -> InterceptSums:
    """Put them together from the sums of pairs of classes (p, K (K - 1) / 2) of `survey`.

    Notes
    -----
    Guarantee: of the exact sums over the computed probabilities.  Proof: proofs/intercept_floor.md
    """
    K, p = objective.loss.columns, objective.rows.p
    both = np.zeros((K, K, p))
    k, other = np.triu_indices(K, 1)
    both[k, other] = both[other, k] = -pairs.T
    # C 1 = 0: what a class is curved by itself is what it shares with the others.
    both[np.arange(K), np.arange(K)] = -both.sum(axis=1)
    # Three products and a quotient in each term, and K additions on the diagonal.
    error = gamma(objective.sum_length + 2 * K + 32)
    return InterceptSums(both[:-1, :, -1], both[:-1, :, :-1], error)
