"""Descents of separate columns, all at once and each by itself, in a metric of a matrix a column.

Held for proposals alone: no number of theirs enters a claim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas

from ..._common.arrays import AnyArray, Array
from ..objective.column_changes import ColumnChanges
from ..objective.objective import Objective
from ..objective.products import Single
from .class_blocks import Counting, Shared, inverse_of
from .descent import Outlook

#: Products of rows with rows cost a pass over all columns for so many coefficients.
_A_PASS = 4
#: Pairs of steps and gradients that are kept of a column.
_PAIRS = 8


@dataclass(frozen=True)
class ColumnMetric:
    """What stands for the inverses of the columns' Hessians.

    Attributes
    ----------
    shared : Shared
        Of all columns, for those without matrices of their own.
    inverses : ndarray of shape (K, p, p), float32, or None
        Of the Hessians, where there is room for them.
    least : float
        Of `column_survey`.
    scale : Outlook or None
        What distance would be certified for a gradient.
    rate : float
        What a short step has left of a gradient.
    fresh : bool
        Whether it is made of the training set as it is.
    spent : float
        Passes over all columns since it was made.
    """

    shared: Shared
    inverses: Single | None = None
    least: float = 0.0
    scale: Outlook | None = None
    rate: float = 1.0
    fresh: bool = False
    spent: float = 0.0

    def price(self, objective: Objective) -> float:
        """Return how many passes it costs to make the matrices afresh."""
        return objective.rows.p / _A_PASS

    def solve(self, G: Array, columns: AnyArray) -> Array:
        """Return the inverses times the gradients G (p, m) of some columns."""
        if self.inverses is not None:
            out = np.empty_like(G)
            for j, k in enumerate(columns):
                out[:, j] = self.inverses[k] @ G[:, j].astype(np.float32)
            return out
        basis = self.shared.basis
        return np.asarray(basis @ ((basis.T @ G) / self.shared.inner(columns)))


def curvature_of(base: ColumnChanges) -> tuple[Array, float]:
    """Return the mean curvature of each column where ``base`` is, (K,), positive.

    And what a row has to curve every column to be counted in a floor, as `Counting` has it.
    """
    total, counting = np.zeros(base.objective.loss.columns), Counting(base.objective.alpha)
    for x, c in base.curvatures():
        total += c.sum(axis=0, dtype=np.float64)
        counting.add(x, c.min(axis=1))
    return np.maximum(total / base.objective.weight_sum, 1e-12), counting.least


def inverses_at(base: ColumnChanges, alpha: Array, columns: int) -> Single:
    """Return the inverses of the columns' Hessians where ``base`` is, (K, p, p).

    Raises
    ------
    numpy.linalg.LinAlgError
        If one cannot be factored.
    """
    p = len(alpha)
    out = np.zeros((columns, p, p), np.float32)
    for x, curvature in base.curvatures():
        roots = np.sqrt(np.ascontiguousarray(curvature.T))
        for k in range(columns):
            part = x * roots[k][:, None]
            blas.ssyrk(1.0, part.T, beta=1.0, c=out[k].T, overwrite_c=1, lower=1)
    for k in range(columns):
        # The transpose that BLAS has filled.
        out[k] = inverse_of(out[k].T.astype(np.float64), alpha)
    return out


class ColumnDescent:
    """L-BFGS with unit steps, each column by pairs of its own.

    Parameters
    ----------
    metric : ColumnMetric
        In which.
    shape : tuple of int
        (p, K).

    References
    ----------
    Nocedal & Wright (2006), Numerical Optimization, Algorithm 7.4.
    """

    def __init__(self, metric: ColumnMetric, shape: tuple[int, int]) -> None:
        self.metric, self._shape = metric, shape
        #: Steps, changes of the gradient, and one over their products, zero where there is none.
        self._pairs: list[tuple[Array, Array, Array]] = []

    def learn(self, s: Array, y: Array, columns: AnyArray) -> None:
        """Learn that along the steps s (p, m) of some columns the gradients changed by y."""
        if not len(columns):
            return
        steps, changes, inverse = (
            np.zeros(self._shape),
            np.zeros(self._shape),
            np.zeros(self._shape[1]),
        )
        steps[:, columns], changes[:, columns] = s, y
        product = np.einsum("pk,pk->k", s, y)
        # Curvature along a step has to be positive; rounding alone breaks it.
        inverse[columns] = np.where(product > 0, 1.0 / np.maximum(product, 1e-300), 0.0)
        self._pairs = [*self._pairs[1 - _PAIRS :], (steps, changes, inverse)]

    def direction(self, g: Array, columns: AnyArray) -> Array:
        """Return steps against the gradients g (p, m) of some columns."""
        pairs = [(s[:, columns], y[:, columns], r[columns]) for s, y, r in self._pairs]
        v, used = g.copy(), []
        for s, y, r in reversed(pairs):
            used.append(np.einsum("pk,pk->k", s, v) * r)
            v -= used[-1] * y
        v = self.metric.solve(v, columns)
        for (s, y, r), a in zip(pairs, reversed(used), strict=True):
            v += (a - np.einsum("pk,pk->k", y, v) * r) * s
        return -v
