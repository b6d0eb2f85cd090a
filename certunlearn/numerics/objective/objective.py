"""The regularised empirical risk over rows, swept block by block under jit in float64.

The one convention, stated once::

    F(W) = sum_i s_i loss(x_i W, y_i) + 1/2 sum_j alpha_j ||W_j||^2 + 1/2 sum_j rho_j (sum_k W_jk)^2

``W`` has shape (p, K), the intercept (if any) in its last row.  Vectors of length p K are
class-major: ``W.T.ravel()``.  The gauge rho is positive at least for the unpenalised coordinates
of softmax, where adding one number to every class changes nothing.  It moves no optimum: summed
over the classes the gradient is alpha_j sum_k W_jk, so penalised rows of an optimum sum to zero,
and the optimum whose other rows do so too is the only one with a gauge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray
from ..._common.cached import cached_property
from ..._common.rounding import GUARD, UNIT_ROUNDOFF, gamma
from ...exceptions import AssumptionError
from ...linalg.norms import norm
from ..losses.margins import Loss
from ..rows.fold import NUMPY, Sums, meant
from ..rows.stored import Rows
from ..rows.weights import Weights
from .contribution import Contribution
from .curvature import Curvature
from .kernels import (
    Coarse,
    Couplings,
    Gram,
    Hessian,
    HessianProduct,
    Length,
    Leverage,
    Measure,
    coupled_pairs,
)
from .measurement import Border, Spare
from .measurement import Measurement as Measurement

Array = NDArray[np.float64]
_TINY = 1e-290
_OVERFLOW = "overflows float64: rescale the features or the weights"


def flat(W: Array) -> Array:
    """Return W (p, K) as a class-major vector (p K,)."""
    return W.T.ravel()


def folded(v: Array, p: int) -> Array:
    """Return a class-major vector (p K,) as (p, K)."""
    return np.ascontiguousarray(v.reshape(-1, p).T)


@dataclass(frozen=True)
class Objective:
    """The risk over ``rows`` under ``weight``.

    Parameters
    ----------
    rows : DenseRows or SparseRows
        Where the rows live.
    loss : Columnwise or Softmax
        Of a row's margins.
    table : ndarray of int, or of shape (K,), or None
        Column of each original class code; where labels are several real targets a row, what they
        are multiplied by to get the one that is meant; None for all of them.
    weights : Weights
        Effective weights s_i of this training set (0 for rows outside it).
    alpha, gauge : ndarray of shape (p,)
        L2 penalty and rho of each coordinate.
    l1 : ndarray of shape (p,) or None
        L1 penalty of each coordinate, which no method here counts: F is the smooth part alone.
    spare : Spare or None
        What a measurement's allowances may be without harm; None wants them as small as they are.
    """

    rows: Rows
    loss: Loss
    table: AnyArray | None
    weights: Weights
    alpha: Array
    gauge: Array
    l1: Array | None = None
    spare: Spare | None = None

    @property
    def weight(self) -> Array:
        """Effective weights, shape (n,)."""
        return self.weights.array

    @property
    def blocked(self) -> Array:
        """Effective weights as the rows' blocks are, shape (blocks, block)."""
        known: Array | None = self.__dict__.get("_laid_out")
        if known is None or len(known) != self.rows.blocks:
            # The store may have grown since.
            known = self.__dict__["_laid_out"] = self.rows.laid_out(self.weights)
        return known

    @cached_property
    def weight_sum(self) -> float:
        """Sum of the weights."""
        return self.weights.total

    @property
    def sum_length(self) -> int:
        """Longest chain of additions a sum over rows may form (any order inside a block)."""
        return self.rows.chain + 8

    def measure(self, W: Array, W_ref: Array) -> Measurement:
        """Sweep the rows once at ``W``; see `Measurement`.

        Notes
        -----
        Guarantee: |gradient - exact gradient at W| <= allowance, componentwise.
        Proof: proofs/measure.md
        """
        if self.spare is not None and self.spare.asked:
            m = self._coarse(W, W_ref, self.spare)
            if self.spare.covers(m):
                return m
        sums = self.rows.fold(
            Measure(self.loss), self.blocked, self.table, W, W - W_ref, self._unit, self._chain
        )
        return self._measured(W, W_ref, sums)

    @property
    def _unit(self) -> float:
        """Of a margin: p products and additions, its |x||W| and softmax's subtraction."""
        return gamma(self.rows.p + 4)

    @property
    def _chain(self) -> float:
        """Of the gradient: two products, additions over rows, and spare for the slopes' sums."""
        return gamma(self.sum_length + self.loss.columns + 8)

    def _coarse(self, W: Array, W_ref: Array, spare: Spare) -> Measurement:
        """Sweep the rows for the sums of `Measure`, errors by the columns' largest numbers."""
        pair, step, K = 2.0 if self.loss.coupled else 1.0, W - W_ref, W.shape[1]
        error, far = self._unit * self._most(W)[None, :], pair * float(np.max(self._most(step)))
        # Where that is known well enough no product is taken with the step.
        enough = self.loss.R * far <= spare.moved
        step, far = (np.zeros_like(step), far) if enough else (step, 0.0)
        kernel = Coarse(self.loss, spare.bordered)
        value, sums, wrong, shaken, moved = self.rows.fold(
            kernel, self.blocked, self.table, W, step, error, self._chain
        )
        wrong, worst = self.rows.column_max[:, None] * wrong, np.asarray(pair * np.max(error))
        found = value, sums[:, :K], wrong, shaken, np.maximum(moved, far), worst
        m = self._measured(W, W_ref, found)
        if not spare.bordered:
            return m
        lost = _TINY * (1.0 + self.weight_sum + self.rows.n)
        chain = self.sum_length + int(self.loss.ulps) + 64
        return m._replace(border=Border.of(sums[:, K:], chain, m.margin_error, lost))

    def _most(self, V: Array) -> Array:
        """At least |x||V| of every row, (K,): the smaller of two bounds."""
        with np.errstate(over="ignore", invalid="ignore"):
            columns, length = self.rows.column_max @ np.abs(V), np.sqrt(np.sum(V**2, axis=0))
            # fmin: a length of infinity times zero says nothing.
            return np.asarray(np.fmin(columns, self.rows.longest * length * GUARD + _TINY))

    def _measured(self, W: Array, W_ref: Array, sums: Sums) -> Measurement:
        """Add the penalty to the sums of `Measure`, and what it and underflow may cost."""
        value, grad, wrong, shaken, moved, worst = sums
        if not (np.isfinite(grad).all() and np.isfinite(wrong).all()):
            raise AssumptionError(f"the gradient {_OVERFLOW}")
        regular, total, penalised = self.penalised(W, grad)
        K = W.shape[1]
        rounding = 1.001 * (wrong[:, :K] + penalised) + self.vanished
        # The exact W - W_ref differs from the computed one by half a unit a coordinate.
        slack = 0.0
        if (W != W_ref).any():
            size = np.abs(W) + np.abs(W_ref)
            slack = 4 * self._unit * float(np.max(self.rows.column_max @ size))
        return Measurement(
            float(value) + regular,
            total,
            rounding + 1.001 * wrong[:, K:],
            self.loss.R * (float(moved) * (1 + 1e-12) + slack),
            1.001 * self.loss.R * float(worst),
            rounding,
            1.001 * float(shaken),
        )

    @property
    def vanished(self) -> Array:
        """What underflow may take from a gradient: from slopes, or products with s or x; (p, 1)."""
        with np.errstate(over="ignore"):
            most = (self.weight_sum + self.rows.n) * self.rows.column_max
        return np.asarray(_TINY * (1.0 + most)[:, None])

    def pull(self, V: Array) -> Array:
        """Return the penalty's gradient at V, shape (p, K): alpha V, and rho times its sums."""
        return np.asarray(self.alpha[:, None] * V + (self.gauge * V.sum(axis=1))[:, None])

    def penalised(self, W: Array, grad: Array) -> tuple[float, Array, Array]:
        """Return the penalty at W, ``grad`` with its gradient, and a bound on that sum's rounding.

        Underflow is not counted.  Proof: proofs/measure.md
        """
        pull, size = self.pull(W), np.abs(W)
        # alpha W one rounding, the gauge K, the two additions two: gamma(K + 8) of their sizes.
        rounding = gamma(W.shape[1] + 8) * (self.pull(size) + np.abs(grad))
        return 0.5 * float(np.sum(pull * W)), grad + pull, rounding

    def gram(self) -> Curvature:
        """Return G = kappa sum s x x' + diag(alpha), shape (p, p), intercept included.

        Notes
        -----
        Guarantee: the error bound of `Curvature`.  Proof: proofs/gram.md
        """
        (sums,) = self.rows.fold(Gram(), self.blocked)
        G = self.loss.kappa * sums[0] + np.diag(self.alpha)
        if not np.isfinite(G).all():
            raise AssumptionError(f"the Gram matrix {_OVERFLOW}")
        return Curvature(0.5 * (G + G.T), np.diag(G).copy(), self.gram_error)

    @property
    def gram_error(self) -> float:
        """Entrywise error of any Gram matrix accumulated afresh over these rows."""
        return gamma(self.sum_length + 8)

    def hessian(self, W: Array) -> Curvature:
        """Return H at W, shape (pK, pK), gauge included.

        Notes
        -----
        Guarantee: the error bound of `Curvature`.  Proof: proofs/gram.md
        """
        (blocks,) = self.rows.fold(Hessian(self.loss), self.blocked, self.table, W)
        return self._assembled(blocks, gamma(self.sum_length + 8) + self._ulps)

    @property
    def _ulps(self) -> float:
        """Relative error of a computed curvature at given margins."""
        return self.loss.ulps * UNIT_ROUNDOFF

    def labels(self, positions: NDArray[np.int64]) -> AnyArray:
        """Return what the loss takes as labels of the rows at ``positions``."""
        return self.meant(self.rows.labels[positions])

    def meant(self, labels: AnyArray) -> AnyArray:
        """Return what the loss takes for labels of the store, (m,) or (m, K)."""
        return np.asarray(meant(NUMPY, labels, self.table))

    def contribution(self, positions: NDArray[np.int64], W: Array, W_ref: Array) -> Contribution:
        """Return what the rows at ``positions`` contribute: gradient at W, Hessian at W_ref."""
        X, y = self.rows.gather(positions), self.labels(positions)
        with np.errstate(over="ignore", invalid="ignore"):
            share = Contribution.of(self.loss, X, y, self.weights.at(positions), W, W_ref)
        if not (np.isfinite(share.diagonal).all() and np.isfinite(share.gradient).all()):
            raise AssumptionError(f"the rows' Hessian {_OVERFLOW}")
        return share

    def hessian_at_zero(self, gram: Curvature) -> Curvature | None:
        """Return the Hessian at W = 0 from the Gram already at hand: no sweep.

        None where the curvature there depends on the targets.
        """
        K, at_zero = self.loss.columns, self.loss.at_zero
        if not at_zero:
            return None
        # Z = (G - diag alpha) / kappa; the diagonal blocks are l''(0) Z, the others -Z / K^2.
        raw = (gram.matrix - np.diag(self.alpha)) / self.loss.kappa
        # At W = 0 the curvature is at most kappa, so the entries' errors are at most the Gram's.
        error = gram.error + (16 + self.loss.ulps) * UNIT_ROUNDOFF
        pairs = len(coupled_pairs(self.loss))
        blocks = [raw * at_zero] * K + [raw / K**2] * pairs
        return self._assembled(np.stack(blocks), error)

    def _assembled(self, blocks: Array, error: float) -> Curvature:
        """Put the blocks together; diagonal ones hold p (1 - p), so that nothing cancels.

        ``blocks`` are those of the columns, followed by those of `coupled_pairs`.
        """
        K, p = self.loss.columns, self.rows.p
        H = np.zeros((K * p, K * p))
        classes = H.reshape(K, p, K, p)
        for k in range(K):
            classes[k, :, k] = blocks[k]
        for block, (k, m) in zip(blocks[K:], coupled_pairs(self.loss), strict=True):
            classes[k, :, m], classes[m, :, k] = -block, -block.T
        diagonal = np.concatenate([np.diag(f) for f in blocks[:K]])
        diagonal = diagonal + np.tile(self.alpha + self.gauge, K)
        H[np.diag_indices(K * p)] += np.tile(self.alpha, K)
        # rho_j couples coordinate j of all classes: (sum_k W_jk)^2.
        for j in np.flatnonzero(self.gauge):
            same = np.arange(j, K * p, p)
            H[np.ix_(same, same)] += self.gauge[j]
        if not np.isfinite(H).all():
            raise AssumptionError(f"the Hessian {_OVERFLOW}")
        return Curvature(0.5 * (H + H.T), diagonal, error)

    def hvp(self, W: Array, V: Array) -> Array:
        """Return the Hessian at W applied to V, shape (p, K), without forming it."""
        (out,) = self.rows.fold(HessianProduct(self.loss), self.blocked, self.table, W, V)
        return np.asarray(out + self.pull(V))

    def couplings(self, W: Array) -> tuple[Array, float, float]:
        """Return how strongly the margins' curvature couples the classes, its error and its size.

        Returns
        -------
        edges : ndarray of shape (K, K)
            ``sum_i s_i p_ik p_il`` for k != l: the curvature of a shift b of the margins, one
            number a class, is ``sum_{k<l} edges_kl (b_k - b_l)^2``.  Columns that are not coupled
            have sum s l'' on the diagonal.
        error : float
            Relative error of every entry against the same sum at margins that are off by at most
            the margin error of the measurement at W, but for `_TINY` a unit of weight.
        largest : float
            At least the curvature of any row at such margins, with the same relative error.

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/intercept_curvature.md
        """
        edges, largest = self.rows.fold(Couplings(self.loss), self.blocked, self.table, W)
        error = gamma(self.sum_length + 2 * self.loss.columns + int(self.loss.ulps) + 4096)
        return edges, error, float(largest)

    @property
    def _pairs(self) -> int:
        """Columns whose margins a direction can move apart: two classes, or one column."""
        return 2 if self.loss.coupled else 1

    def box_leverage(self, inverse: Array, slack: float) -> float:
        """Upper bound on R max_i ||x_i||_{B^{-1}} from the columns' maxima: no row is read.

        Parameters
        ----------
        inverse : ndarray of shape (q, q)
            X with ``||X L - I|| <= slack``, ``B = L L'``.

        Notes
        -----
        Guarantee: for coupled classes, of ``||(e_k - e_l) (x) x_i||`` for every pair k < l; for
        other columns, of ``||e_k (x) x_i||``.  Proof: proofs/leverage.md
        """
        p = self.rows.p
        # A column that underflowed where its maximum was taken is below this.
        box = self.rows.column_max + _TINY
        with np.errstate(over="ignore"):
            pieces = [norm(np.abs(inverse[:, k : k + p]) @ box) for k in range(0, len(inverse), p)]
        if len(pieces) < self._pairs:
            # The factor of G is that of every class.
            pieces = pieces * self._pairs
        # A pair is at most as long as both its classes together; uncoupled columns need the largest
        # alone.
        top = sum(sorted(pieces)[-self._pairs :])
        return self.loss.R * top / (1.0 - slack) * GUARD

    def leverage(self, inverse: Array, slack: float) -> float:
        """Upper bound on the same quantity as `box_leverage`, from one sweep over the rows.

        With the factor of G, (p, p), it is R max_i ||x_i||_{G^{-1}}, times sqrt(2) where there
        are coupled classes: ``R margin_range(x_i V) <= leverage ||V||_G`` for every V of
        shape (p, K).

        Notes
        -----
        Guarantee: as `box_leverage`.  Proof: proofs/leverage.md
        """
        p, pairs = self.rows.p, self._pairs
        pieces = np.stack([inverse[:, k : k + p] for k in range(0, len(inverse), p)])
        # The sweep's X x is off by gamma(p + 4)|X||x|, which the box bounds in every block.
        rounding = gamma(p + 4) * self.box_leverage(inverse, slack)
        (found,) = self.rows.fold(Leverage(pairs), self.blocked, pieces)
        # ||a - b||^2 <= 2 (||a||^2 + ||b||^2), over the two largest classes of each row.
        top = float(np.sqrt(pairs * (float(found) + _TINY)))
        return self.loss.R * top / (1.0 - slack) * GUARD + 2 * rounding

    def longest(self, root: Array) -> float:
        """Upper bound on R max_i ||x_i|| in the norm of diag(root)^2, from one sweep.

        Over pairs of classes where they are coupled, as in `box_leverage`.

        Notes
        -----
        Guarantee: as stated, of roots right to eight units.  Proof: proofs/leverage.md
        """
        (found,) = self.rows.fold(Length(), self.blocked, root)
        # p squares with their roots' eight units, without cancellation: gamma(p + 40).
        square = float(found) + _TINY
        return self.loss.R * math.sqrt(self._pairs * square * (1 + gamma(self.rows.p + 40))) * GUARD
