"""Wide models: forgetting one row, and one in a hundred, against scikit-learn's warm refit.

Binary rows of length one in float32, as embeddings come, and ten classes.  CPU seconds, one thread
of linear algebra on both sides, requests and refits in turns; every refit starts at the refit
before.  The requests follow each other on one model.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from certunlearn import CertifiedLogReg

from . import data
from .report import Report, ratio, spread

TOL = 1e-8
#: Rows, features and requests of a kind.
SIZES = {"full": (20_000, (768, 1536), 256, 5), "small": (600, (24,), 12, 2)}


def embeddings(n, d):
    """Float32 rows of length one with binary labels of a linear model."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = (X @ rng.normal(size=d) * 3 + rng.logistic(size=n) > 0).astype(int)
    return X.astype(np.float32), y


def mixture(n, d, K=10):
    """Ten overlapping clouds, whose labels four rows in five tell."""
    rng = np.random.default_rng(0)
    centres, y = rng.normal(size=(K, d)), rng.integers(0, K, size=n)
    return 0.08 * (16 / np.sqrt(d)) * centres[y] + rng.normal(size=(n, d)), y


def timed(action):
    """CPU seconds an action takes."""
    clock = time.process_time()
    action()
    return time.process_time() - clock


def compared(name, X, y, batches, repeats, peer, view):
    """One line of the table for every size of a request."""
    model = CertifiedLogReg(view=view, random_state=0)
    fit = timed(lambda: model.fit(X, y))
    W, order = model._model.W, np.random.default_rng(1).permutation(len(y))
    # Shapes that JAX meets for the first time are compiled: not a matter of a removal.
    for count in batches:
        model.forget(rows=order[:count])
        order = order[count:]
    refit = LogisticRegression(tol=peer[1], solver=peer[0], warm_start=True, max_iter=5000)
    refit.coef_, refit.intercept_ = W[:-1].T.copy(), W[-1].copy()
    refit.classes_ = model.classes_
    for count in batches:
        ours, theirs, tiers, passes, apart, claimed = [], [], [], [], [], []
        refit.fit(X[order], y[order])
        for _ in range(repeats):
            gone, order = order[:count], order[count:]
            ours.append(timed(lambda gone=gone: model.forget(rows=gone)))
            theirs.append(timed(lambda rows=order: refit.fit(X[rows], y[rows])))
            tiers.append(model.certificate_.tier)
            passes.append(model.certificate_.passes)
            W = np.vstack([refit.coef_.T, refit.intercept_])
            W = W - W.mean(axis=1, keepdims=True) if W.shape[1] > 1 else W
            apart.append(model._model.gram.geometry.norm(model._model.W - W))
            claimed.append(model.certificate_.distance)
        yield {
            "problem": name,
            "features": X.shape[1],
            "rows": len(X),
            "forget": count,
            "fit": fit,
            "seconds": spread(ours),
            "refit by": peer[0],
            "refit over forget": ratio(theirs, ours),
            "tiers": ", ".join(f"{tiers.count(t)} {t}" for t in dict.fromkeys(tiers)),
            "passes": spread(passes),
            "certified": spread(claimed),
            "ours to the refit": spread(apart),
        }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("wide_removal", out, small=small)
    n, widths, d, repeats = SIZES["small" if small else "full"]
    rows = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problems = [
            ("embeddings", *embeddings(n, width), (1, n // 100), ("lbfgs", TOL)) for width in widths
        ]
        digits = data.ten_digits()
        cut = slice(None) if not small else slice(500)
        digits = digits[0][cut] * 16, digits[1][cut]
        few = len(digits[1]) // 100
        problems += [
            ("digits", *digits, (1, few), ("newton-cholesky", TOL)),
            ("digits", *digits, (few, 8 * few), ("lbfgs", 1e-4)),
            ("mixture", *mixture(n, d), (1, n // 100), ("lbfgs", TOL)),
        ]
        for name, X, y, batches, peer in problems:
            rows += compared(name, X, y, batches, repeats, peer, "release")
            report.table("One row, and one in a hundred", rows)
    report.save()
