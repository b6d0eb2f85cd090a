"""A factor of the Hessian in single precision, for proposals, and when one pays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from ..._common.arrays import Array
from ..._common.interrupts import checkpoint
from ..._common.replaced import replace
from ..losses.slopes import counted
from ..objective.contribution import Contribution
from ..objective.objective import Objective
from ..objective.products import Products, Single

#: Rows that are multiplied with one another at a time.
_TOGETHER = 1 << 12
#: The sum of squares costs a pass for so many coefficients (measured: 27 to 28, whatever n is).
_A_PASS = 28
#: Removals that a model is made for, and the part of the gradient that each has to get rid of.
_REMOVALS, _PART = 20, 1e-5
#: Rows that leave less of some direction are not corrected for.
_LEFT = 0.02
#: A factor may cost so many times what descents of a fit cost without one.
_DEARER = 8
#: Passes of a removal with a factor of its own Hessian, which are not counted against it.
_FRESH = 1
#: Rows that have gone are corrected for up to so many, which cost as much as a part of a pass.
_APART = 256


@dataclass(frozen=True)
class SingleFactor:
    """X with X'X nearly the inverse of a Hessian H, and rows that have left H since, if few.

    About what it answers nothing is claimed.

    Attributes
    ----------
    inverse : ndarray of shape (p, p), float32
        X, the inverse of H's lower factor.
    root : ndarray of shape (p, m), float32
        ``root root'`` is what has left H.
    solved : ndarray of shape (p, m), float32
        ``X'X root``.
    inner : ndarray of shape (m, m)
        ``I - root' solved``.
    """

    inverse: Single
    root: Single
    solved: Single
    inner: Array

    @classmethod
    def of(cls, inverse: Single) -> SingleFactor:
        """Return one that no row has left yet."""
        none = np.zeros((len(inverse), 0), np.float32)
        return cls(inverse, none, none, np.zeros((0, 0)))

    def solve(self, V: Array) -> Array:
        """Return nearly the inverse of what is left of H times V, of V (p, 1)."""
        v = V[:, 0].astype(np.float32)
        out = (self.inverse @ v) @ self.inverse
        if len(self.inner):
            # Woodbury: (H - U U')^{-1} = H^{-1} + H^{-1} U (I - U' H^{-1} U)^{-1} U' H^{-1}.
            out = out + self.solved @ np.linalg.solve(self.inner, out @ self.root)
        return np.asarray(out, np.float64)[:, None]

    def white(self, V: Array) -> Array:
        """Return nearly L^{-1} V, of V (p, 1)."""
        return np.asarray(self.inverse @ V[:, 0].astype(np.float32), np.float64)[:, None]

    def without(self, share: Contribution) -> SingleFactor:
        """Return the same once rows have gone: as it is if they are many, or too much of it.

        Where there would be too many the earlier ones are no longer corrected for: the step that
        comes next is along those that go now.
        """
        new = share.root.T.astype(np.float32)
        if not 0 < new.shape[1] <= _APART:
            return self
        solved = self.inverse.T @ (self.inverse @ new)
        root = new
        if self.root.shape[1] + new.shape[1] <= _APART:
            root, solved = np.hstack([self.root, new]), np.hstack([self.solved, solved])
        inner = np.eye(root.shape[1]) - root.T @ solved
        definite = np.isfinite(inner).all() and np.linalg.eigvalsh(inner)[0] > _LEFT
        return SingleFactor(self.inverse, root, solved, inner) if definite else self


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
    lower, info = lapack.spotrf(H.T, lower=1, overwrite_a=1, clean=1)
    if info == 0:
        # Two products with the inverse take a tenth of what solving with the factor does.
        inverse, info = lapack.strtri(lower, lower=1, overwrite_c=1)
    return SingleFactor.of(np.ascontiguousarray(inverse)) if info == 0 else None


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

    def without(self, share: Contribution) -> Metric:
        """Return the same once rows have gone."""
        return self if self.factor is None else replace(self, factor=self.factor.without(share))

    def after(self, passes: int) -> Metric:
        """Return the same once a descent has made so many passes."""
        return replace(self, spent=self.spent + max(passes - _FRESH, 0))


def price(objective: Objective) -> float:
    """Return the passes that a factor costs; inf where it would be larger than the rows."""
    rows = objective.rows
    if rows.sparse or objective.loss.columns > 1 or rows.p > rows.n:
        return math.inf
    return rows.p / _A_PASS
