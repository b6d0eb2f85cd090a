"""How softmax curves its free intercept, and how that is coupled to the slopes, in one pass.

Of the Hessian's blocks those in the row of the intercept: K^2 numbers of every coordinate, which
are few where there are few classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import gamma
from ..losses.margins import Softmax
from ..losses.namespace import Namespace, Values
from ..rows.fold import Block
from .kernels import OfLoss
from .objective import Objective
from .survey import LEAST

#: Multiplications that are made for all this, those of some milliseconds; a weight costs so many.
_FEW, _WEIGHT = 50_000_000, 16


@dataclass(frozen=True)
class Pairs(OfLoss):
    """``sum s (diag p - p p')_kl x`` (p, K (K + 1) / 2), pairs k <= l; the argument is W."""

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        K = self.loss.columns
        return (xp.zeros((p, K * (K + 1) // 2)),)

    def __call__(
        self, xp: Namespace[Values], block: Block[Values], table: Values | None, W: Values
    ) -> tuple[Values, ...]:
        assert isinstance(self.loss, Softmax)
        P = self.loss.probability(block.margins(W))
        P = xp.where(P > LEAST, P, 0.0)
        # Nothing cancels: one less a probability is the sum of the others.
        K = self.loss.columns
        both = xp.concatenate([-P, P @ (1.0 - np.eye(K))], axis=1)
        k, other = np.triu_indices(K)
        weight = P[:, k] * both[:, np.where(k == other, K + k, other)]
        return (block.combined(block.weight[:, None] * weight),)


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
    few = rows.n * (rows.p + _WEIGHT) * (K * (K + 1) // 2) <= _FEW
    alone = rows.intercept and rows.p > 1 and bool(free[-1]) and not free[:-1].any()
    return bool(few and alone and objective.gauge[-1] > 0)


def intercept_sums(objective: Objective, W: Array) -> InterceptSums:
    """Sum them at W (p, K).

    Notes
    -----
    Guarantee: of the exact sums over the computed probabilities.  Proof: proofs/intercept_floor.md
    """
    K, p = W.shape[1], objective.rows.p
    (sums,) = objective.rows.fold(Pairs(objective.loss), objective.blocked, objective.table, W)
    both = np.empty((K, K, p))
    for pair, column in zip(zip(*np.triu_indices(K), strict=True), sums.T, strict=True):
        both[pair] = both[pair[::-1]] = column
    # A weight is right to K + 2 units for the sum of probabilities it stands for, K of the others'
    # sum, and a few.
    error = gamma(objective.sum_length + 2 * K + 32)
    return InterceptSums(both[:-1, :, -1], both[:-1, :, :-1], error)
