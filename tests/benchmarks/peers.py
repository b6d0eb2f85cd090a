"""Other ways to take rows out of a binary logistic regression, as published and as short as can be.

All of them see a `Problem`: rows with a column of ones, the exact optimum, and whatever a method
may have kept from training.  What each certifies is in `PEERS`; mostly it is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.special import expit


@dataclass
class Problem:
    """Rows (n, p), labels 0 or 1, penalty (p,), and the exact optimum on all of them."""

    X: np.ndarray
    y: np.ndarray
    alpha: np.ndarray
    w: np.ndarray

    @classmethod
    def of(cls, X, y, C=1.0):
        A = np.hstack([X, np.ones((len(X), 1))])
        alpha = np.r_[np.full(X.shape[1], 1.0 / C), 0.0]
        return cls(A, y, alpha, optimum(A, y, alpha))

    def share(self, rows, w):
        """Gradient of the rows' loss at w."""
        return self.X[rows].T @ (expit(self.X[rows] @ w) - self.y[rows])

    def root(self, rows, w):
        """A matrix whose Gram matrix is the rows' Hessian at w."""
        p = expit(self.X[rows] @ w)
        return self.X[rows] * np.sqrt(p * (1 - p))[:, None]

    @cached_property
    def hessian(self):
        """Of all rows at the optimum."""
        return hessian(self.X, self.w, self.alpha)

    @cached_property
    def inverse(self):
        return np.linalg.inv(self.hessian)

    def without(self, gone):
        keep = np.ones(len(self.X), dtype=bool)
        keep[gone] = False
        return self.X[keep], self.y[keep]


def hessian(X, w, alpha):
    p = expit(X @ w)
    return (X * (p * (1 - p))[:, None]).T @ X + np.diag(alpha)


def gradient(X, y, w, alpha):
    return X.T @ (expit(X @ w) - y) + alpha * w


def optimum(X, y, alpha, start=None):
    """Newton's method to the last digit, halved where the loss would rise."""
    w = np.zeros(X.shape[1]) if start is None else start.copy()

    def value(w):
        z = X @ w
        return np.sum(np.logaddexp(0, z) - y * z) + 0.5 * alpha @ w**2

    last = np.inf
    for _ in range(100):
        g = gradient(X, y, w, alpha)
        step = cho_solve(cho_factor(hessian(X, w, alpha)), g)
        size, length = np.sqrt(g @ step), 1.0
        if size < 1e-9 and size > 0.5 * last:
            break
        while size > 1e-6 and value(w - length * step) > value(w):
            length /= 2
        w, last = w - length * step, size
    return w


def newton(problem, gone):
    """One Newton step on the rows that stay, their Hessian formed afresh."""
    X, y = problem.without(gone)
    H = hessian(X, problem.w, problem.alpha)
    return problem.w + np.linalg.solve(H, problem.share(gone, problem.w))


def influence(problem, gone):
    """A step with the Hessian of all rows, the removed ones included."""
    return problem.w + problem.inverse @ problem.share(gone, problem.w)


def rescaled_influence(problem, gone):
    """The same, with the removed rows' leverage taken out of the Hessian by Woodbury's identity."""
    g, U = problem.share(gone, problem.w), problem.root(gone, problem.w)
    step, V = problem.inverse @ g, problem.inverse @ U.T
    return problem.w + step + V @ np.linalg.solve(np.eye(len(U)) - U @ V, U @ step)


def subtracted_newton(problem, gone):
    """One Newton step, the removed rows' Hessian subtracted from the one of training."""
    U = problem.root(gone, problem.w)
    H = problem.hessian - U.T @ U
    return problem.w + np.linalg.solve(H, problem.share(gone, problem.w))


def fisher(problem, gone, noise=0.1):
    """One Newton step and noise of covariance noise^2 F^{-1/2}, F the Hessian that is left."""
    U = problem.root(gone, problem.w)
    values, vectors = eigh(problem.hessian - U.T @ U)
    z = np.random.default_rng(0).normal(size=len(values))
    return subtracted_newton(problem, gone) + noise * vectors @ (values**-0.25 * z)


class Replay:
    """Gradient descent whose path is kept and replayed, gradients of rows that stay approximated.

    At the first steps and then at every fifth the exact gradient is taken and gives a pair for the
    quasi-Newton Hessian; in between it stands for the change of the gradient along the way.
    """

    STEPS, BURN, EVERY, PAIRS = 60, 10, 5, 4

    def __init__(self, problem):
        X, y, alpha = problem.X, problem.y, problem.alpha
        self.rate = 1 / (0.25 * np.linalg.norm(X, 2) ** 2 + alpha.max())
        self.path, w = [], np.zeros(X.shape[1])
        for _ in range(self.STEPS):
            g = gradient(X, y, w, alpha)
            self.path.append((w, g))
            w = w - self.rate * g

    def __call__(self, problem, gone):
        w, pairs = self.path[0][0].copy(), []
        for t, (then, g) in enumerate(self.path):
            if t < self.BURN or t % self.EVERY == 0:
                full = gradient(problem.X, problem.y, w, problem.alpha)
                d, change = w - then, full - g
                if d @ change > 1e-12:
                    pairs = [*pairs, (d, change)][-self.PAIRS :]
            else:
                full = g + _quasi_hessian(pairs, w - then)
            w = w - self.rate * (full - problem.share(gone, w))
        return w


def _quasi_hessian(pairs, v):
    """The BFGS matrix of (step, change of gradient) pairs applied to v."""
    if not pairs:
        return 0 * v
    d, c = pairs[-1]
    size, terms = (c @ c) / (d @ c), []
    for d, c in pairs:
        Bd = size * d + sum(s * u * (u @ d) for s, u in terms)
        terms += [(1.0, c / np.sqrt(c @ d)), (-1.0, Bd / np.sqrt(d @ Bd))]
    return size * v + sum(s * u * (u @ v) for s, u in terms)


def newton_epsilon(problem, gone, noise, delta):
    """The published epsilon of one Newton removal under objective perturbation of scale ``noise``.

    Guo et al. (2020), Corollary 2 and Theorem 3, whose proof treats a residual that depends on the
    perturbation as if it did not.
    """
    X, _ = problem.without(gone)
    step = newton(problem, gone) - problem.w
    bound = 0.25 * np.linalg.norm(X, 2) * np.linalg.norm(step) * np.linalg.norm(X @ step)
    return bound * np.sqrt(2 * np.log(1.5 / delta)) / noise


def sekhari_noise(problem, gone, epsilon, delta):
    """Standard deviation that Sekhari et al. (2021), Algorithm 1, adds to every coefficient."""
    n, m = len(problem.X), len(gone)
    size = np.linalg.norm(problem.X, axis=1).max()
    # Of the mean loss; an intercept without penalty has no strong convexity: the slopes' is taken.
    strong, lipschitz, third = problem.alpha.max() / n, 2 * size, size**3 / (6 * np.sqrt(3))
    shift = 2 * third * m**2 * lipschitz**2 / (strong**3 * n**2)
    return shift / epsilon * np.sqrt(2 * np.log(1.25 / delta))


#: name: (function, source, what is certified).
PEERS = {
    "Newton removal": (newton, "Guo et al. 2020, Eq. 3", "(epsilon), proof has a gap"),
    "influence": (influence, "Koh & Liang 2017, Eq. 1", "nothing"),
    "rescaled influence": (rescaled_influence, "Pregibon 1981, Sec. 5", "nothing"),
    "Newton, noise by constants": (subtracted_newton, "Sekhari et al. 2021, Thm 3", "(epsilon)"),
    "Newton and Fisher noise": (fisher, "Golatkar et al. 2020, Prop. 2", "nothing"),
    "replay": (Replay, "Wu et al. 2020 (DeltaGrad), Alg. 1", "nothing"),
}
