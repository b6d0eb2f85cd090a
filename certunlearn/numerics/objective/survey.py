"""A gradient of softmax and a matrix below its curvature, in one pass of two products.

`Objective.measure` bounds the rounding of every entry by products of absolute values, which cost
as much again.  Where a gradient has to be known to a few digits only, lengths of rows and columns
bound it as well (Cauchy-Schwarz).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import GUARD, gamma
from ...exceptions import AssumptionError
from ...linalg.norms import norm
from ..losses.namespace import Namespace, Values
from ..rows.fold import Block
from .curvature import Curvature
from .kernels import OfLoss
from .objective import Measurement, Objective

#: Curvatures below this may have been rounded up by underflow: they count as zero.
LEAST = 1e-280
#: Rows that weigh less together, or whose rounding could matter by more than this beside the
#: penalty, are left out.
_LIGHTEST, _SLIGHT = 1e-200, 1e-6
#: What underflow may have taken from a root of squares.
ROOT = 1e-150
#: Margins that are off by more tell nothing.
FAR = 300.0


@dataclass(frozen=True)
class Survey(OfLoss):
    """Value and gradient, what bounds its errors, and a Gram matrix of weighted rows.

    The arguments are W, the relative error of a margin, the length of W's longest column, and the
    least weight of a row that is counted in the matrix.  A row weighs s times its smallest
    probability there.  The sums are the value (), the gradient (p, K), ``sum s x_j^2`` (p, 1),
    ``sum s l'^2`` and ``sum s rho^2 e^{2 rho} p`` (2, K), the matrix (1, p, p), the weighted sum
    (p, 1) of the rows that are not counted and its weight (), ``sum s p_k p_l x`` (p, pairs) of the
    pairs of classes k < l, if they are asked for, and the largest rho: what a row's margins may
    have been moved by, in range.

    Attributes
    ----------
    pairs : bool
        Whether pairs are asked for.
    """

    pairs: bool = False
    maxima = 1
    quadratic = True

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        zero, one, K = xp.zeros(()), xp.zeros((p, 1)), self.loss.columns
        gram = xp.zeros((1, p, p))
        sums: list[Values] = [zero, xp.zeros((p, K)), one, xp.zeros((2, K)), gram, one, zero]
        if self.pairs:
            sums.append(xp.zeros((p, K * (K - 1) // 2)))
        sums.append(zero)
        return tuple(sums)

    def __call__(
        self,
        xp: Namespace[Values],
        block: Block[Values],
        table: Values | None,
        W: Values,
        unit: float,
        longest: float,
        least: float,
    ) -> tuple[Values, ...]:
        s, squared = block.weight, block.squared()
        own = block.labels(table)[:, None] == xp.arange(self.loss.columns)
        Z = block.margins(W)
        top = xp.max(Z, axis=1, keepdims=True)
        E = xp.exp(Z - top)
        size = xp.sum(E, axis=1, keepdims=True)
        P = E / size
        value = xp.log(size[:, 0]) + top[:, 0] - xp.sum(xp.where(own, Z, 0.0), axis=1)
        rest = xp.where(own, 0.0, P)
        slope = xp.where(own, -xp.sum(rest, axis=1, keepdims=True), rest)
        lengths = xp.sqrt(squared.margins(xp.ones_like(W[:, :1]))[:, 0]) + ROOT
        rho = 2 * unit * longest * lengths
        moved = s * rho * rho * xp.exp(2 * rho)
        counted, pooled = counted_weight(xp, s, P, least)
        sums: list[Values] = [
            xp.sum(s * value),
            block.combined(s[:, None] * slope),
            squared.combined(s[:, None]),
            xp.stack([s @ (slope * slope), moved @ P]),
            block.grams(counted[:, None]),
            block.combined(pooled[:, None]),
            xp.sum(pooled),
        ]
        if self.pairs:
            k, other = np.triu_indices(self.loss.columns, 1)
            Q = xp.where(P > LEAST, P, 0.0)
            sums.append(block.combined(s[:, None] * Q[:, k] * Q[:, other]))
        sums.append(xp.max(xp.where(s > 0, rho, 0.0)))
        return tuple(sums)


class Surveyed(NamedTuple):
    """What `survey` finds.

    Attributes
    ----------
    measurement : Measurement
        As `Objective.measure` returns at ``W_ref = W``, with wider allowances.
    below : Curvature
        Of shape (p, p): a computed matrix that stands for an exact D, with
        ``V' H(W) V >= sum_k V_k' D V_k`` for every V of shape (p, K) whose rows sum to zero.
    summed : ndarray of shape (p, K)
        Bounds on what additions, penalty and gauge have added to the gradient's error, entry by
        entry.
    evaluated : float
        What the slopes' evaluation has added to it is ``X' S E`` with ``||S^{1/2} E||`` at most
        this, S the weights.  What the margins' errors have added is at most ``slope_error``.
    pairs : ndarray of shape (p, K (K - 1) / 2) or None
        Sums of weights, two probabilities and rows, for pairs of classes, as computed.
    """

    measurement: Measurement
    below: Curvature
    summed: Array
    evaluated: float
    pairs: Array | None = None


def survey(objective: Objective, W: Array, least: float = 0.0, *, pairs: bool = False) -> Surveyed:
    """Measure the gradient of softmax at W, and a matrix below its curvature.

    Parameters
    ----------
    W : ndarray of shape (p, K)
        Where.
    least : float
        Rows whose weight times smallest probability is less are not counted in the matrix one by
        one; all of them together stand for one row, their mean.
    pairs : bool
        Whether pairs of classes are summed as well.

    Raises
    ------
    AssumptionError
        If the gradient overflows.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/survey.md
    """
    rows, K = objective.rows, W.shape[1]
    unit, chain = gamma(rows.p + 4), gamma(objective.sum_length)
    longest = max(norm(column) for column in W.T)
    kernel = Survey(objective.loss, pairs)
    value, grad, squares, errors, gram, pooled, weight, *paired, worst = rows.fold(
        kernel, objective.blocked, objective.table, W, unit, longest, least
    )
    refuse_overflow(grad, errors, squares)
    regular, total, penalised = objective.penalised(W, grad)
    # A slope is right to so many units of itself: a sum of K probabilities, each right to K + 24.
    units, lost = gamma(4 * K + 64), ROOT * math.sqrt(objective.weight_sum)
    (sizes, moves), lengths = np.sqrt(errors) + lost, np.sqrt(squares) + lost
    summed = 1.001 * (chain * lengths * sizes + penalised) + objective.vanished
    rounding = summed + 1.001 * units * lengths * sizes
    pushed = 1.001 * lengths * moves
    # Rows together: an error of margins is seen through the roots of their curvatures.
    reach = 1.001 * float(worst)
    along = 0.5 * norm(moves) * math.exp(0.5 * reach) if reach < FAR else math.inf
    measurement = Measurement(
        float(value) + regular,
        total,
        rounding + pushed,
        0.0,
        reach,
        rounding,
        1.001 * along,
    )
    below = floor_of(objective, curvature_kept(reach, K), gram, pooled, float(weight))
    evaluated = 1.001 * units * norm(sizes) + lost
    return Surveyed(measurement, below, summed, evaluated, *paired)


def curvature_kept(reach: float, K: int) -> float:
    """At most what part of softmax's curvature as computed a row has at its exact margins.

    ``reach`` is at least the range of what these are off by.
    """
    # Probabilities are right to gamma(4 K + 64) and at margins that are off by the worst.
    return math.exp(-reach) * (1.0 - gamma(4 * K + 64)) / GUARD if reach < FAR else 0.0


def refuse_overflow(*sums: Array) -> None:
    """Refuse sums of a gradient that are no numbers.

    Raises
    ------
    AssumptionError
        If there are such.
    """
    if not all(np.isfinite(each).all() for each in sums):
        raise AssumptionError("the gradient overflows float64: rescale the features or the weights")


def counted_weight(
    xp: Namespace[Values], s: Values, curvature: Values, least: float
) -> tuple[Values, Values]:
    """Return what rows weigh in a matrix below the curvature: s (m,) times the smallest of theirs.

    ``curvature`` is (m, K).  First the rows that are counted one by one, then the others, which
    weigh less than ``least``.
    """
    smallest = xp.min(curvature, axis=1)
    weight = s * xp.where(smallest > LEAST, smallest, 0.0)
    return xp.where(weight >= least, weight, 0.0), xp.where(weight >= least, 0.0, weight)


def floor_of(
    objective: Objective, shrunk: float, gram: Array, pooled: Array, weight: float
) -> Curvature:
    """Return a matrix below the curvature, with its error.

    It is ``shrunk`` times the computed matrix (1, p, p) of the rows that were counted and the
    square of the mean of the others, and the penalty; ``pooled`` (p, 1) is these rows' weighted
    sum.
    """
    alpha = objective.alpha
    D, error = shrunk * gram[0] + np.diag(alpha), objective.gram_error + gamma(4)
    diagonal = np.diag(D).copy()
    # At least their sum of squares: what the rounding of their sums is relative to.
    most = shrunk * weight * (objective.rows.column_max + ROOT) ** 2 * GUARD
    chain, slopes = gamma(3 * objective.sum_length + 8), alpha > 0
    if weight > _LIGHTEST and chain * float(np.sum(most[slopes] / alpha[slopes])) < _SLIGHT:
        # Their squares are at least the mean's (Cauchy-Schwarz).
        D += shrunk * np.outer(pooled, pooled / weight)
        diagonal, error = diagonal + most, error + chain
    return Curvature(0.5 * (D + D.T), diagonal, error)
