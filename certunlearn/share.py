"""What a few rows contribute to the gradient, the Hessian and the Gram matrix: host arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ._rounding import UNIT_ROUNDOFF, gamma
from .factor import Factor, spectral_norm, whitened_norm
from .losses import Loss

Array = NDArray[np.float64]
_TINY = 1e-290


@dataclass(frozen=True)
class Share:
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
    reference : ndarray of shape (m, K)
        Margins at W_ref.
    diagonal : ndarray of shape (q,)
        Its diagonal before any subtraction.
    error : float
        Relative entrywise error of ``root' root`` against any other evaluation of this Hessian,
        in the sense of `certunlearn.factor`.
    """

    X: Array
    weight: Array
    loss: Loss
    gradient: Array
    allowance: Array
    reference: Array
    diagonal: Array
    error: float

    @classmethod
    def of(
        cls, loss: Loss, X: Array, y: NDArray[np.int64], weight: Array, W: Array, W_ref: Array
    ) -> Share:
        """Evaluate the rows' share.

        Parameters
        ----------
        X, y, weight
            Rows (m, p), their columns (m,), their effective weights (m,).
        W, W_ref : ndarray of shape (p, K)
            Where the gradient and the Hessian are meant.

        Notes
        -----
        Guarantee: ``gradient`` is within ``allowance`` of the exact sum; ``error`` as stated.
        Proof: proofs/share.md
        """
        K, unit = W.shape[1], gamma(X.shape[1] + 4)
        absX = np.abs(X)
        slope, curvature = _slope(X @ W, y)
        rho = unit * (absX @ np.abs(W))
        if K > 1:
            rho = 2 * rho.max(axis=1, keepdims=True)
        with np.errstate(over="ignore"):
            wrong = np.exp(rho) * rho * (curvature + _TINY)
        wrong = wrong + (gamma(len(X) + 8) + 64 * K * 2.0**-53) * np.abs(slope)
        s, reference = weight[:, None], X @ W_ref
        margin = unit * (absX @ np.abs(W_ref))
        worst = loss.R * float(margin.max(initial=0.0)) * (1 if K == 1 else 2)
        error = 512 * K * UNIT_ROUNDOFF + math.expm1(min(2.02 * worst, 50.0))
        return cls(
            X,
            weight,
            loss,
            X.T @ (s * slope),
            1.001 * (absX.T @ (s * wrong)) + _TINY,
            reference,
            _diagonal(X, weight, reference),
            error,
        )

    @cached_property
    def root(self) -> Array:
        """A matrix (r, q), r = m or m K, whose Gram matrix is the rows' Hessian at W_ref."""
        return _root(self.X, self.weight, self.reference)

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
        return (spectral_norm(self._scaled) * (1 + 1e-9)) ** 2

    @property
    def _scaled(self) -> Array:
        out: Array = np.sqrt(self.loss.kappa * self.weight)[:, None] * self.X
        return out

    def range_of(self, V: Array) -> float:
        """R max_i range(x_i V), rounded up."""
        Z = self.X @ V
        wrong = 2 * gamma(V.shape[0] + 2) * float(np.max(np.abs(self.X) @ np.abs(V), initial=0))
        spread = np.abs(Z[:, 0]) if V.shape[1] == 1 else Z.max(axis=1) - Z.min(axis=1)
        return self.loss.R * (float(spread.max(initial=0.0)) + wrong) * (1 + 1e-12)

    def leverage(self, factor: Factor) -> float:
        """R max ||x_i||_{M^{-1}} for M = L L' of any number of class blocks, rounded up.

        Over pairs of classes where the loss has several, as in `Objective.leverage`.
        """
        p, K, u = self.X.shape[1], self.loss.columns, gamma(self.X.shape[1] + 4)
        squares = []
        for k in range(0, len(factor.inverse), p):
            block = factor.inverse[:, k : k + p]
            size = np.abs(block @ self.X.T) + u * (np.abs(block) @ np.abs(self.X).T)
            squares.append(np.sum(size**2, axis=0))
        top = np.sort(np.stack(squares), axis=0)[-2:].sum(axis=0).max(initial=0.0)
        pairs = 1.0 if K == 1 else 2.0
        return self.loss.R * math.sqrt(pairs * float(top)) / (1.0 - factor.slack) * (1 + 1e-9)

    def gram_share(self, factor: Factor) -> float:
        """Largest eigenvalue of the rows' Gram share in every class, relative to M = L L'."""
        p = self.X.shape[1]
        blocks = [factor.inverse[:, k : k + p] for k in range(0, len(factor.inverse), p)]
        # In every class the same: the sum of the blocks' squares, that is a wider matrix.
        parts = [replace(factor, inverse=block) for block in blocks]
        return sum(whitened_norm(part, self._scaled.T) ** 2 for part in parts) * (1 + 1e-9)


def _slope(Z: Array, y: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the slope and the curvature's diagonal, both (m, K), to a few units relatively."""
    if Z.shape[1] == 1:
        sign = (1.0 - 2.0 * y)[:, None]
        return sign * expit(sign * Z), expit(Z) * expit(-Z)
    P, rest = _softmax(Z)
    own = np.eye(Z.shape[1])[y]
    others = (P * (1 - own)).sum(axis=1, keepdims=True)
    slope: Array = P * (1 - own) - own * others
    return slope, P * rest


def _softmax(Z: Array) -> tuple[Array, Array]:
    """Return p and 1 - p, both (m, K), without cancellation."""
    P = np.exp(Z - Z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    # 1 - p of the likeliest class is what the others hold; elsewhere p is at most 1/2.
    top = np.eye(Z.shape[1])[P.argmax(axis=1)]
    return P, np.where(top > 0, (P * (1 - top)).sum(axis=1, keepdims=True), 1 - P)


def _root(X: Array, weight: Array, Z: Array) -> Array:
    """Return a matrix whose Gram is the Hessian of the rows at margins Z."""
    if Z.shape[1] == 1:
        t = np.exp(-np.abs(Z[:, 0]))
        out: Array = X * (np.sqrt(weight * t) / (1 + t))[:, None]
        return out
    P, rest = _softmax(Z)
    # diag(p) - p p' = (I - p 1') diag(p) (I - 1 p').
    own = np.eye(Z.shape[1])[None]
    half = np.sqrt(P)[:, :, None] * (own * rest[:, None, :] - (1 - own) * P[:, None, :])
    half = half * np.sqrt(weight)[:, None, None]
    blocks = half[:, :, :, None] * X[:, None, None, :]
    return np.ascontiguousarray(blocks.reshape(len(X) * Z.shape[1], Z.shape[1] * X.shape[1]))


def _diagonal(X: Array, weight: Array, Z: Array) -> Array:
    """Return sum s c x_j^2 class by class, c the diagonal of the curvature, shape (q,)."""
    if Z.shape[1] == 1:
        c = expit(Z) * expit(-Z)
    else:
        P, rest = _softmax(Z)
        c = P * rest
    out: Array = ((X * X).T @ (weight[:, None] * c)).T.ravel()
    return out
