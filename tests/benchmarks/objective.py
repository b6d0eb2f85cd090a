"""The penalised logistic risk in plain NumPy: what the baselines work on, and the exact optimum.

    sum_i log-loss(x_i W, y_i) + 1/2 sum_j alpha_j ||W_j||^2

Two classes have one column of coefficients, K of them K columns, flattened one class after the
other.  Nothing of certunlearn is imported here: distances are measured by other hands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logsumexp, softmax


@dataclass
class Objective:
    """Rows (n, p) with a column of ones last, labels 0 ... classes - 1, penalty (p,)."""

    X: np.ndarray
    y: np.ndarray
    alpha: np.ndarray
    classes: int

    @classmethod
    def of(cls, X, y, C=1.0):
        A = np.hstack([X, np.ones((len(X), 1))])
        alpha = np.r_[np.full(X.shape[1], 1.0 / C), 0.0]
        return cls(A, y, alpha, int(y.max()) + 1)

    def without(self, gone):
        keep = np.ones(len(self.X), dtype=bool)
        keep[gone] = False
        return Objective(self.X[keep], self.y[keep], self.alpha, self.classes)

    @property
    def columns(self):
        return 1 if self.classes == 2 else self.classes

    @cached_property
    def penalty(self):
        """Matrix of the penalty; free intercepts of many classes are held at a sum of zero."""
        P = np.diag(np.tile(self.alpha, self.columns))
        if self.columns > 1:
            last = np.arange(len(self.alpha) - 1, len(P), len(self.alpha))
            P[np.ix_(last, last)] += len(self.X) / self.columns**2
        return P

    def matrix(self, w):
        """Coefficients as (p, columns)."""
        return w.reshape(self.columns, -1).T

    def chances(self, w, rows=slice(None)):
        """Probability of class 1, (m, 1), or of every class, (m, K)."""
        Z = self.X[rows] @ self.matrix(w)
        return expit(Z) if self.columns == 1 else softmax(Z, axis=1)

    def slopes(self, w, rows=slice(None)):
        """Derivative of every row's loss in its margins."""
        P, y = self.chances(w, rows), self.y[rows]
        if self.columns == 1:
            return P - y[:, None]
        P[np.arange(len(y)), y] -= 1
        return P

    def share(self, rows, w):
        """Gradient of the rows' loss."""
        return (self.X[rows].T @ self.slopes(w, rows)).T.ravel()

    def shares(self, rows, w):
        """The same row by row, (m, coefficients)."""
        S = self.slopes(w, rows)
        return (S[:, :, None] * self.X[rows][:, None, :]).reshape(len(S), -1)

    def gradient(self, w):
        return self.share(slice(None), w) + self.penalty @ w

    def roots(self, rows, w):
        """For every row a matrix whose Gram matrix is its Hessian, (m, columns, coefficients)."""
        P, X = self.chances(w, rows), self.X[rows]
        if self.columns == 1:
            return (np.sqrt(P * (1 - P)) * X)[:, None, :]
        R = np.sqrt(P)[:, :, None] * (np.eye(self.columns) - P[:, None, :])
        return (R[:, :, :, None] * X[:, None, None, :]).reshape(len(X), self.columns, -1)

    def curvature(self, rows, w):
        """Hessian of the rows' loss."""
        U = self.roots(rows, w)
        U = U.reshape(-1, U.shape[2])
        return U.T @ U

    def hessian(self, w):
        return self.curvature(slice(None), w) + self.penalty

    def value(self, w):
        Z = self.X @ self.matrix(w)
        if self.columns == 1:
            loss = np.logaddexp(0, Z[:, 0]) - self.y * Z[:, 0]
        else:
            loss = logsumexp(Z, axis=1) - Z[np.arange(len(Z)), self.y]
        return loss.sum() + w @ self.penalty @ w / 2

    @cached_property
    def gram(self):
        """kappa X'X + diag(alpha): bounds the Hessian of each class everywhere."""
        kappa = 0.25 if self.columns == 1 else 0.5
        return kappa * (self.X.T @ self.X) + np.diag(self.alpha)

    def length(self, v):
        """Norm in the Gram matrix, classes added up."""
        V = self.matrix(v)
        return float(np.sqrt(np.sum(V * (self.gram @ V))))

    def optimum(self, start=None):
        """Newton's method to the last digit, halved where the loss would rise."""
        w, last = np.zeros(len(self.penalty)) if start is None else start.copy(), np.inf
        for _ in range(100):
            g = self.gradient(w)
            step = cho_solve(cho_factor(self.hessian(w)), g)
            size, length = np.sqrt(g @ step), 1.0
            if size < 1e-9 and size > 0.5 * last:
                return w
            while size > 1e-6 and self.value(w - length * step) > self.value(w):
                length /= 2
            w, last = w - length * step, size
        raise RuntimeError(f"no optimum within 100 steps, decrement {size:.2g}")
