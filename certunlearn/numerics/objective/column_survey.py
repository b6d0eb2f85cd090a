"""A gradient of separate columns and a matrix below all their curvatures, in one pass.

As `survey` does for softmax: two products with the rows, errors bounded by lengths of the rows'
columns (Cauchy-Schwarz), and a Gram matrix of rows weighted by their smallest curvature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import GUARD, UNIT_ROUNDOFF, gamma
from ...linalg.norms import norm
from ..losses.margins import Columnwise
from ..losses.namespace import Namespace, Values
from ..rows.fold import Block
from .column_changes import shape_of
from .kernels import OfLoss
from .objective import Measurement, Objective
from .survey import (
    FAR,
    ROOT,
    Surveyed,
    counted_weight,
    floor_of,
    refuse_overflow,
)


@dataclass(frozen=True)
class ColumnSurvey(OfLoss):
    """Value and gradient, what bounds its errors, and a Gram matrix of weighted rows.

    The arguments are W and the least weight of a row that is counted in the matrix.  A row weighs s
    times its smallest curvature there.  The sums are the value (), the gradient (p, K), ``sum s
    l'^2``, ``sum s e^2`` and ``sum s l''`` (3, K), the matrix (1, p, p), the weighted sum (p, 1) of
    the rows that are not counted, and its weight (); e is what the slope's rounding is more than 64
    units of itself, in units.
    """

    quadratic = True

    def start(self, xp: Namespace[Values], p: int, /) -> tuple[Values, ...]:
        K = self.loss.columns
        zero, gram, pooled = xp.zeros(()), xp.zeros((1, p, p)), xp.zeros((p, 1))
        return zero, xp.zeros((p, K)), xp.zeros((3, K)), gram, pooled, zero

    def __call__(
        self,
        xp: Namespace[Values],
        block: Block[Values],
        table: Values | None,
        W: Values,
        least: float,
    ) -> tuple[Values, ...]:
        loss, s = self.loss, block.weight
        assert isinstance(loss, Columnwise)
        offset, T = shape_of(loss)
        Z = block.margins(W)
        t = loss.targets(Z, block.labels(table))
        # As the losses themselves do, with one exponential for value, slope and curvature.
        a = (offset - t * Z) / T
        small = xp.exp(-xp.abs(a))
        total = 1.0 + small
        slope = -t * (xp.where(a >= 0, 1.0, small) / total)
        curvature = small / total**2 / T
        value = T * xp.sum(xp.maximum(a, 0.0) + xp.log1p(small), axis=1)
        # (1 - t z) / T loses digits where there is an offset.
        more = s @ (4.0 * T * xp.abs(a) * curvature) ** 2 if offset else xp.zeros(W.shape[1])
        counted, pooled = counted_weight(xp, s, curvature, least)
        return (
            xp.sum(s * value),
            block.combined(s[:, None] * slope),
            xp.stack([s @ (slope * slope), more, s @ curvature]),
            block.grams(counted[:, None]),
            block.combined(pooled[:, None]),
            xp.sum(pooled),
        )


def column_survey(objective: Objective, W: Array, diagonal: Array, least: float = 0.0) -> Surveyed:
    """Measure the gradient at W, and a matrix below the curvature of every column.

    Parameters
    ----------
    objective : Objective
        Of a loss of `shape_of`, without a gauge.
    W : ndarray of shape (p, K)
        Where.
    diagonal : ndarray of shape (p,)
        At least ``kappa sum s x_j^2``, as the diagonal of G is but for rounding.
    least : float
        Rows whose weight times smallest curvature is less are not counted in the matrix one by
        one; all of them together stand for one row, their mean.

    Raises
    ------
    AssumptionError
        If the gradient overflows.

    Notes
    -----
    Guarantee: as `Surveyed` says, for every V of shape (p, K).  Proof: proofs/column_survey.md
    """
    rows, loss = objective.rows, objective.loss
    chain = gamma(objective.sum_length)
    value, grad, sums, gram, pooled, weight = rows.fold(
        ColumnSurvey(loss), objective.blocked, objective.table, W, least
    )
    refuse_overflow(grad, sums)
    regular, total, penalised = objective.penalised(W, grad)
    # rho: what any margin may be off by, as the lengths of its row and column have it.
    longest = max(norm(column) for column in W.T)
    rho = gamma(rows.p + 4) * longest * min(rows.longest, norm(rows.column_max) + ROOT) * GUARD
    far = not loss.R * rho < FAR
    lost = ROOT * math.sqrt(objective.weight_sum)
    slopes, more, curved = np.sqrt(sums) + lost
    lengths = np.sqrt(diagonal / loss.kappa * GUARD)[:, None] + lost
    rounded = UNIT_ROUNDOFF * (64.0 * slopes + more)
    # Margins moved by rho change a slope by at most rho e^{R rho} l'', and l''^2 <= kappa l''.
    moved = math.inf if far else rho * math.exp(loss.R * rho)
    summed = 1.001 * (chain * lengths * slopes + penalised) + objective.vanished
    rounding = summed + 1.001 * lengths * rounded
    pushed = 1.001 * moved * lengths * math.sqrt(loss.kappa) * curved
    # Rows together: an error of margins is seen through the roots of their curvatures.
    along = 1.001 * moved * norm(curved)
    measurement = Measurement(
        float(value) + regular, total, rounding + pushed, 0.0, loss.R * rho, rounding, along
    )
    # Curvatures are right to so many units and at margins that are off by the worst.
    right = 1.0 - gamma(int(loss.ulps) + 8)
    shrunk = 0.0 if far else math.exp(-loss.R * rho) * right / GUARD
    below = floor_of(objective, shrunk, gram, pooled, float(weight))
    return Surveyed(measurement, below, summed, 1.001 * norm(rounded) + lost)
