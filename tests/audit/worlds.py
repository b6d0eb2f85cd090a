"""Worlds that audits are tried on: exact optima, releases of the claimed law, planted faults."""

from functools import cache

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from certunlearn.audit import Law, weights
from certunlearn.audit.weights import design

SIGMA = 0.1


def newton(D, y, alpha, weight=None, steps=60):
    """Exact optimum of an L2-penalised logistic regression, the last column unpenalised."""
    s = np.ones(len(D)) if weight is None else weight
    penalty = np.full(D.shape[1], alpha)
    penalty[-1] = 0.0
    w = np.zeros(D.shape[1])
    for _ in range(steps):
        p = expit(D @ w)
        g = D.T @ (s * (p - y)) + penalty * w
        H = (D * (s * p * (1 - p))[:, None]).T @ D + np.diag(penalty)
        step = np.linalg.solve(H, g)
        w = w - step
        if np.abs(step).max() < 1e-13:
            break
    return w


def head(w):
    """Weights (p,) as a fitted model of labels 0 and 1, the intercept last."""
    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_ = np.array([0.0, 1.0]), w[None, :-1], w[-1:]
    return model


def many(model, count):
    """Weights of a fitted model (count, p, K), released again and again."""
    out = [weights(model)]
    for _ in range(count - 1):
        out.append(weights(model.release()))
    return np.array(out)


def gram(D, alpha):
    penalty = np.full(D.shape[1], alpha)
    penalty[-1] = 0.0
    return 0.25 * D.T @ D + np.diag(penalty)


class World:
    """Rows of a logistic regression, and one of them, far from the others, that is forgotten."""

    def __init__(self, d=4, n=120, alpha=1.0, seed=0, far=12.0):
        rng = np.random.default_rng(seed)
        self.X = rng.normal(size=(n, d))
        w = rng.normal(size=d)
        self.y = (rng.random(n) < expit(self.X @ w)).astype(float)
        self.X[0] = far * w / np.linalg.norm(w)
        self.y[0] = 0.0
        D = design(self.X)
        self.full = newton(D, self.y, alpha)[:, None]
        self.kept = newton(D[1:], self.y[1:], alpha)[:, None]
        self.law = Law(gram(D[1:], alpha), np.array([SIGMA]), 0.0)
        self.stale_law = Law(gram(D, alpha), np.array([SIGMA]), 0.0)


@cache
def world(d=4):
    return World(d)
