"""What a few rows contribute to the gradient, the Hessian and the Gram matrix: host arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..._common.arrays import AnyArray, Array
from ..._common.cached import cached_property
from ..._common.rounding import GUARD, UNIT_ROUNDOFF, gamma
from ...linalg.cholesky import Factor, whitened_norm
from ...linalg.norms import norm, spectral_norm
from ..losses.margins import TINY, Loss, Softmax
from ..losses.slopes import slopes
from .measurement import Border

#: Rows of a root whose shares are bounded together: the price grows with the square.
_MOST_AT_ONCE = 512
#: A share that is bounded by more is bounded again, all rows together.
_ENOUGH = 0.5
#: Rows that together have so small a share are counted by their trace.
_SLIGHT = 0.01


@dataclass(frozen=True)
class Contribution:
    """The contribution of m rows.

    Attributes
    ----------
    X : ndarray of shape (m, p)
        The rows.
    weight : ndarray of shape (m,)
        Effective weights.
    loss : Loss
        Whose.
    gradient, allowance : ndarray of shape (p, K)
        ``sum s l'(x W) x'``, and a bound on its rounding.
    labels : ndarray of shape (m,) or (m, K)
        Their labels.
    reference : ndarray of shape (m, K)
        Margins at W_ref.
    diagonal : ndarray of shape (q,)
        Its diagonal before any subtraction.
    error : float
        Relative entrywise error of ``root' root`` against any other evaluation of this Hessian,
        in the sense of `certunlearn.linalg.cholesky`.
    """

    X: Array
    weight: Array
    loss: Loss
    gradient: Array
    allowance: Array
    labels: AnyArray
    reference: Array
    diagonal: Array
    error: float

    @classmethod
    def of(
        cls, loss: Loss, X: Array, y: AnyArray, weight: Array, W: Array, W_ref: Array
    ) -> Contribution:
        """Evaluate the rows' share.

        Parameters
        ----------
        X, y, weight
            Rows (m, p), their labels (m,) or (m, K), their effective weights (m,).
        W, W_ref : ndarray of shape (p, K)
            Where the gradient and the Hessian are meant.

        Notes
        -----
        Guarantee: ``gradient`` is within ``allowance`` of the exact sum; ``error`` as stated.
        Proof: proofs/contribution.md
        """
        # As in the sweep over all rows (proofs/measure.md), here with m of them.
        unit = gamma(X.shape[1] + 4)
        absX = np.abs(X)
        with np.errstate(over="ignore"):
            Z, reference = X @ W, X @ W_ref
            found = slopes(loss, Z, y, unit * (absX @ np.abs(W)), gamma(len(X) + 8))
            wrong = found.evaluated + found.pushed
        s = weight[:, None]
        # Two evaluations, the sweep's and this one: each off by at most worst / R in its margins.
        margin = unit * (absX @ np.abs(W_ref))
        worst = loss.R * float(margin.max(initial=0.0)) * (2 if loss.coupled else 1)
        # e^{2 worst} - 1 entrywise relative to g g'; 2.02 for the rounding of worst, capped where
        # expm1 would overflow.
        error = 2 * loss.ulps * UNIT_ROUNDOFF + math.expm1(min(2.02 * worst, 50.0))
        return cls(
            X,
            weight,
            loss,
            X.T @ (s * found.slope),
            # Error terms are sums of non-negative ones: 1.001 is more than they round by.
            1.001 * (absX.T @ (s * wrong)) + TINY,
            y,
            reference,
            _diagonal(loss, X, y, weight, reference),
            error,
        )

    @cached_property
    def root(self) -> Array:
        """A matrix (r, q), r = m or m K, whose Gram matrix is the rows' Hessian at W_ref."""
        # Row j of half_i (x) x_i': sqrt(s p_j)(delta_jk - p_k) x, or sqrt(s l'') x.
        blocks = self._half[:, :, :, None] * self.X[:, None, None, :]
        return np.ascontiguousarray(blocks.reshape(-1, self.reference.shape[1] * self.X.shape[1]))

    @cached_property
    def _half(self) -> Array:
        """Matrices (m, K, K) whose Gram matrices are the curvatures of the rows' margins."""
        return _half(self.loss, self.labels, self.weight, self.reference)

    def hessian_share(self, factor: Factor) -> float:
        """Largest eigenvalue of the rows' Hessian at W_ref relative to M = L L', rounded up.

        Notes
        -----
        Guarantee: as stated, of `root` as computed.  Proof: proofs/contribution.md
        """
        m, p = self.X.shape
        half, q = self._half, factor.size
        K = half.shape[2]
        # L^{-1} root' class by class: K times fewer products than with the root itself.
        white = (factor.inverse.reshape(q * K, p) @ self.X.T).reshape(q, K, m)
        root = np.matmul(half, white.transpose(2, 1, 0)).reshape(m * K, q)
        absolute = np.abs(self.X) @ factor.reach.reshape(K, p).T
        # Both sums and the entries of half; || |X| a || <= sum_j a_j ||X e_j|| for |X||root'|.
        wrong = gamma(p + 5 * K + 40) * norm(np.abs(half) @ absolute[:, :, None])
        # Longest first: shares of groups add up, and those that hardly count are only summed.
        if len(root) == 1:
            return ((norm(root) + wrong) / (1.0 - factor.slack) * GUARD) ** 2
        squares = np.einsum("iq,iq->i", root, root)
        order = np.argsort(-squares)
        counted = int(np.sum(np.cumsum(squares[order[::-1]]) > _SLIGHT))
        tail = float(np.sum(squares[order[counted:]])) * GUARD
        for together in (_MOST_AT_ONCE, counted):
            total = tail
            for first in range(0, counted, max(together, 1)):
                group = root[order[first : min(first + together, counted)]]
                # The largest eigenvalue of a sum is at most the sum of the largest, group by group.
                total += (norm(group) if len(group) == 1 else spectral_norm(group)) ** 2
            if together >= counted or total < _ENOUGH:
                break
        # ||L^{-1} root'|| <= (||X root'|| + wrong) / (1 - slack).
        return ((math.sqrt(total) + wrong) / (1.0 - factor.slack) * GUARD) ** 2

    def border(self) -> Border:
        """Return ``sum s l''(x W_ref) x`` of columns that are not coupled."""
        # Margins' own errors, as `error` counts them: worst / R is at most log(1 + error) / 2.
        weighted = self.weight[:, None] * self.loss.diagonal(self.reference, self.labels)
        chain = len(self.X) + int(self.loss.ulps) + 64
        return Border.of(self.X.T @ weighted, chain, self.error, TINY * (1.0 + len(self.X)))

    @cached_property
    def gram(self) -> Array:
        """kappa sum s x x', shape (p, p)."""
        out: Array = self.loss.kappa * (self.X * self.weight[:, None]).T @ self.X
        return out

    @property
    def hessian(self) -> Array:
        """The rows' Hessian at W_ref, shape (q, q)."""
        out: Array = self.root.T @ self.root
        return out

    @property
    def gram_size(self) -> float:
        """Largest eigenvalue of kappa sum s x x', rounded up."""
        return (spectral_norm(self.scaled) * GUARD) ** 2

    @property
    def scaled(self) -> Array:
        """The rows times (kappa s)^{1/2}, whose Gram matrix is ``gram``, shape (m, p)."""
        out: Array = np.sqrt(self.loss.kappa * self.weight)[:, None] * self.X
        return out

    def range_of(self, V: Array) -> float:
        """R max_i margin_range(x_i V), rounded up."""
        # Each margin is off by gamma(p + 2)|x||V|, a range by twice that.
        wrong = 2 * gamma(V.shape[0] + 2) * float(np.max(np.abs(self.X) @ np.abs(V), initial=0))
        most = float(self.loss.margin_range(self.X @ V).max(initial=0.0))
        return self.loss.R * (most + wrong) * (1 + 1e-12)

    def leverage(self, factor: Factor) -> float:
        """R max ||x_i||_{M^{-1}} for M = L L' of any number of class blocks, rounded up.

        Over pairs of classes where the loss couples them, as in `Objective.leverage`.
        """
        p, u = self.X.shape[1], gamma(self.X.shape[1] + 4)
        pairs = 2 if self.loss.coupled else 1
        squares = []
        for k in range(0, len(factor.inverse), p):
            block = factor.inverse[:, k : k + p]
            # ||(e_k - e_l) (x) x||_{M^{-1}} = ||L_k^{-1} x - L_l^{-1} x||: the two largest classes
            # of each row.
            size = np.abs(block @ self.X.T) + u * (np.abs(block) @ np.abs(self.X).T)
            squares.append(np.sum(size**2, axis=0))
        top = np.sort(np.stack(squares), axis=0)[-pairs:].sum(axis=0).max(initial=0.0)
        # Squares may underflow.
        return self.loss.R * math.sqrt(pairs * (float(top) + TINY)) / (1.0 - factor.slack) * GUARD

    def gram_share(self, factor: Factor) -> float:
        """Largest eigenvalue of the rows' Gram share in every class, relative to M = L L'."""
        p = self.X.shape[1]
        A, blocks = self.scaled.T, range(0, factor.size, p)
        # In every class the same: the sum of the blocks' squares, that is a wider matrix.
        return sum(whitened_norm(factor, A, first=k) ** 2 for k in blocks) * GUARD


def _half(loss: Loss, y: AnyArray, weight: Array, Z: Array) -> Array:
    """Return matrices (m, K, K) whose Gram matrices are the rows' curvatures at margins Z."""
    own = np.eye(Z.shape[1])[None]
    if isinstance(loss, Softmax):
        # rest = 1 - p without cancellation.
        P, rest = loss.rest(Z)
        # diag(p) - p p' = (I - p 1') diag(p) (I - 1 p').
        half = np.sqrt(P)[:, :, None] * (own * rest[:, None, :] - (1 - own) * P[:, None, :])
    else:
        half = own * np.sqrt(loss.diagonal(Z, y))[:, :, None]
    out: Array = half * np.sqrt(weight)[:, None, None]
    return out


def _diagonal(loss: Loss, X: Array, y: AnyArray, weight: Array, Z: Array) -> Array:
    """Return sum s c x_j^2 class by class, c the diagonal of the curvature, shape (q,)."""
    out: Array = ((X * X).T @ (weight[:, None] * loss.diagonal(Z, y))).T.ravel()
    return out
