"""Descents of separate columns, all at once and each by itself, in a metric of a matrix a column.

Held for proposals alone: no number of theirs enters a claim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, eigh, lapack

from ..._common.arrays import AnyArray, Array
from ..objective.column_changes import ColumnChanges
from ..objective.objective import Objective

Single = NDArray[np.float32]
#: Added to every diagonal, relative to its mean, so that it can be factored.
_RIDGE = 1e-7
#: Matrices of columns may take up this share of what the rows do, or so many bytes in any case.
_SHARE, _FEW = 0.75, 1 << 26
#: Products of rows with rows cost a pass over all columns for so many coefficients.
_A_PASS = 4
#: Pairs of steps and gradients that are kept of a column.
_PAIRS = 8


@dataclass(frozen=True)
class ColumnMetric:
    """What stands for the inverses of the columns' Hessians.

    Without matrices of their own columns are ``w_k S + diag(alpha)`` of one matrix S, which is
    diagonal in one basis.

    Attributes
    ----------
    basis : ndarray of shape (p, p)
        U with ``U' S U = diag(size)`` and ``U' diag(alpha) U = diag(1 - size)``.
    size : ndarray of shape (p,)
        In [0, 1].
    weight : ndarray of shape (K,)
        The columns' w.
    inverses : ndarray of shape (K, p, p), float32, or None
        Of the Hessians, where there is room for them.
    least : float
        Of `column_survey`.
    scale : ndarray of shape (p, p) or None
        ``||scale g||`` is about the distance that would be certified for a gradient g (p, K).
    rate : float
        What a short step has left of a gradient.
    fresh : bool
        Whether it is made of the training set as it is.
    spent : float
        Passes over all columns since it was made.
    """

    basis: Array
    size: Array
    weight: Array
    inverses: Single | None = None
    least: float = 0.0
    scale: Array | None = None
    rate: float = 1.0
    fresh: bool = False
    spent: float = 0.0

    @classmethod
    def shared(cls, gram: Array, alpha: Array, curvature: Array) -> Self:
        """Take S = ``gram`` = ``sum s x x'``, and the columns' mean curvatures (K,) for weights."""
        mean = float(curvature.mean())
        S = gram * mean
        total = S + np.diag(alpha)
        total[np.diag_indices(len(S))] += _RIDGE * np.trace(total) / len(S)
        size, basis = eigh(S, total)
        return cls(basis, np.clip(size, 0.0, 1.0), curvature / mean)

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
        inner = self.size[:, None] * self.weight[columns] + (1.0 - self.size)[:, None]
        return np.asarray(self.basis @ ((self.basis.T @ G) / inner))


def fits(objective: Objective) -> bool:
    """Whether there is room for a matrix a column."""
    rows = objective.rows
    most = max(_SHARE * 8 * rows.n * rows.p, _FEW)
    return 4 * objective.loss.columns * rows.p**2 <= most


def curvature_of(base: ColumnChanges, share: float) -> tuple[Array, float]:
    """Return the mean curvature of each column where ``base`` is, (K,), positive.

    And a power of two that about this ``share`` of the rows reach in every column.
    """
    total, smallest = np.zeros(base.objective.loss.columns), []
    for _, c in base.curvatures():
        total += c.sum(axis=0, dtype=np.float64)
        smallest.append(c.min(axis=1))
    least = float(np.quantile(np.concatenate(smallest), 1 - share))
    power = 2.0 ** math.floor(math.log2(least)) if least > 0 else 0.0
    return np.maximum(total / base.objective.weight_sum, 1e-12), power


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
        A = out[k].T.astype(np.float64)
        A[np.diag_indices(p)] += alpha + _RIDGE * np.trace(A) / p
        lower, info = lapack.dpotrf(A, lower=1, clean=1)
        if info == 0:
            inverse, info = lapack.dpotri(lower, lower=1, overwrite_c=1)
        if info != 0:
            raise np.linalg.LinAlgError("a column's Hessian is not numerically positive definite")
        out[k] = np.tril(inverse) + np.tril(inverse, -1).T
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
