"""Fit against scikit-learn's newton-cholesky, both to a mean gradient of 1e-8.

n = 100 000, d = 100; the two take turns in one process; the first fit, which compiles, is
reported apart.
"""

import time

import numpy as np
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

N, D, TOL, TURNS = 100_000, 100, 1e-8, 7


def mean_gradient(X, y, coef, intercept):
    """Largest absolute entry of the gradient of the objective over n, C = 1."""
    residual = 1 / (1 + np.exp(-(X @ coef + intercept))) - y
    return max(np.abs(X.T @ residual + coef).max(), abs(residual.sum())) / len(y)


def timed(action):
    clock = time.perf_counter()
    result = action()
    return time.perf_counter() - clock, result


def main():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D))
    y = (rng.random(N) < 1 / (1 + np.exp(-0.3 * X @ rng.normal(size=D)))).astype(int)
    first, _ = timed(lambda: CertifiedLogReg(tol=TOL).fit(X, y))
    ratios = []
    for _ in range(TURNS):
        ours, model = timed(lambda: CertifiedLogReg(tol=TOL).fit(X, y))
        peer = LogisticRegression(solver="newton-cholesky", tol=TOL)
        theirs, peer = timed(lambda p=peer: p.fit(X, y))
        ratios.append(ours / theirs)
    W = model._model.W
    print(f"fit, n = {N}, d = {D}: ours / newton-cholesky, {TURNS} turns")
    print(
        f"  ratio    min {min(ratios):.2f}  median {np.median(ratios):.2f}  max {max(ratios):.2f}"
    )
    print(f"  first fit in the process, compilation included: {first / ours:.1f} later fits")
    print(f"  mean gradient: ours {mean_gradient(X, y, W[:-1, 0], W[-1, 0]):.1e}, ", end="")
    print(f"theirs {mean_gradient(X, y, peer.coef_[0], peer.intercept_[0]):.1e}")
    print(f"  certified distance {model.certificate_.distance:.1e}")
