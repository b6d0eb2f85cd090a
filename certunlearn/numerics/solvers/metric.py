"""A factor of the Hessian in single precision, for proposals, and when one pays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ..._common.arrays import Array
from ..._common.interrupts import checkpoint
from ..losses.slopes import counted
from ..objective.objective import Objective
from ..objective.products import Products

#: Rows that are multiplied with one another at a time.
_TOGETHER = 1 << 12
#: The sum of squares costs a pass for so many coefficients (measured: 27 to 28, whatever n is).
_A_PASS = 28
#: Removals that a model is made for, and the part of the gradient that each has to get rid of.
_REMOVALS, _PART = 20, 1e-5
#: A factor may cost so many times what descents of a fit cost without one.
_DEARER = 8
#: Passes of a removal with a factor of its own Hessian, which are not counted against it.
_FRESH = 3


@dataclass(frozen=True)
class SingleFactor:
    """L with L L' nearly the Hessian: about what it answers nothing is claimed.

    Attributes
    ----------
    lower : ndarray of shape (p, p), float32
        L, in Fortran's order.
    """

    lower: NDArray[np.float32]

    def solve(self, V: Array) -> Array:
        """Return nearly H^{-1} V, of V (p, K)."""
        return np.asarray(lapack.spotrs(self.lower, V.astype(np.float32), lower=1)[0], np.float64)

    def white(self, V: Array) -> Array:
        """Return nearly L^{-1} V, of V (p, K)."""
        return np.asarray(lapack.strtrs(self.lower, V.astype(np.float32), lower=1)[0], np.float64)


def single_factor(objective: Objective, W: Array) -> SingleFactor | None:
    """Factor the Hessian of one column at W (p, 1); None where single precision does not do."""
    products, loss = Products.of(objective), objective.loss
    X, p = products.X, objective.rows.p
    if loss.columns > 1 or not isinstance(X, np.ndarray):
        return None
    objective.rows.sweep()
    Z = counted(loss, products.margins(W), products.weight[:, 0])
    root = np.sqrt(products.weight * loss.diagonal(Z, products.labels)).astype(np.float32)
    H = np.zeros((p, p), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(X), _TOGETHER):
            checkpoint()
            part = X[start : start + _TOGETHER] * root[start : start + _TOGETHER]
            H += part.astype(np.float32, copy=False).T @ part.astype(np.float32, copy=False)
        H[np.diag_indices(p)] += objective.alpha.astype(np.float32)
    if not np.isfinite(H).all():
        return None
    lower, info = lapack.spotrf(H.T, lower=1, overwrite_a=1)
    return SingleFactor(lower) if info == 0 else None


@dataclass(frozen=True)
class Metric:
    """What steps are proposed with besides the Gram matrix's diagonal, and what that has cost.

    A factor is made once the passes that one would have saved have cost as much: at most twice the
    optimal number (Karlin, Manasse, Rudolph and Sleator 1988).  Of whatever rows it was, it only
    proposes.

    Attributes
    ----------
    factor : SingleFactor or None
        Of the Hessian somewhere near.
    spent : float
        Passes that a fresh one would have saved by now.
    """

    factor: SingleFactor | None = None
    spent: float = 0.0

    def foreseen(self, objective: Objective, passes: int, left: float, enough: float) -> Metric:
        """Count what a fit and removals are going to cost by how its first descent went.

        So many passes left a part ``left`` of the gradient; ``enough`` of it is to be left.
        """
        if not 0 < left < 1:
            return self
        rate = passes / -math.log(left)
        to_come, cost = rate * max(-math.log(enough / left), 0.0), price(objective)
        saved = to_come + _REMOVALS * (rate * -math.log(_PART) - _FRESH)
        worth = saved >= cost and cost <= _DEARER * (passes + to_come)
        return replace(self, spent=cost) if worth else self

    def renewed(self, objective: Objective, W: Array) -> Metric:
        """Return one with a factor at W, if it is time for that."""
        if self.spent < price(objective):
            return self
        factor = single_factor(objective, W)
        return Metric(factor, 0.0 if factor is not None else -math.inf)

    def after(self, passes: int) -> Metric:
        """Return the same once a descent has made so many passes."""
        return replace(self, spent=self.spent + max(passes - _FRESH, 0))


def price(objective: Objective) -> float:
    """Return the passes that a factor costs; inf where it would be larger than the rows."""
    rows = objective.rows
    if rows.sparse or objective.loss.columns > 1 or rows.p > rows.n:
        return math.inf
    return rows.p / _A_PASS
