"""Many classes told one from the rest: one row, and one in a hundred, against scikit-learn's refit.

CPU seconds, one thread of linear algebra on both sides, requests and refits in turns.  Logistic
regressions are refitted class by class by lbfgs from the old optimum, a sample of the classes
standing for all of them.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from threadpoolctl import threadpool_limits

from certunlearn import CertifiedLogReg, CertifiedRidgeClassifier

from .report import Report, cpu, ratio, spread

#: Of ridge and of logistic regression: rows, features, classes; single requests, refits, classes
#: that are refitted.
SIZES = {
    "full": ((20_000, 256, 10, 15, 5, 10), (50_000, 384, 100, 9, 3, 4)),
    "small": ((600, 8, 4, 3, 2, 4), (600, 8, 4, 3, 2, 2)),
}


def clouds(n, d, K):
    """Rows of length one about K centres, and the labels of their clouds."""
    rng = np.random.default_rng(0)
    centres, y = rng.normal(size=(K, d)), np.arange(n) % K
    X = centres[y] + 1.5 * rng.normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


class Ridge:
    """scikit-learn's refit of all classes, which has no warm start to make."""

    def __init__(self, X, y, refitted):
        self.X, self.y = X, y
        self.fit = self.refit([])

    def refit(self, gone):
        keep = np.setdiff1d(np.arange(len(self.y)), gone)
        X, y = self.X[keep], self.y[keep]
        return cpu(RidgeClassifier().fit, X, y)


class Logistic:
    """Binary refits from the old optimum, of some classes, counted for all."""

    def __init__(self, X, y, refitted):
        self.X, self.y, self.K = X, y, len(np.unique(y))
        self.models = [
            LogisticRegression(tol=1e-8, max_iter=2000, warm_start=True) for _ in range(refitted)
        ]
        self.fit = self.refit([])

    def refit(self, gone):
        keep = np.setdiff1d(np.arange(len(self.y)), gone)
        X, y = self.X[keep], self.y[keep]
        spent = sum(cpu(model.fit, X, y == k) for k, model in enumerate(self.models))
        return spent * self.K / len(self.models)


def measured(model, peer, size):
    n, d, K, singles, refits, refitted = size
    X, y = clouds(n, d, K)
    other = peer(X, y, refitted)
    fit = cpu(model.fit, X, y)
    model.forget([n - 1])
    ours, tiers, theirs = [], [], []
    for i in range(singles):
        ours.append(cpu(model.forget, [i]))
        tiers.append(model.certificate_.tier)
        if i < refits:
            theirs.append(other.refit(np.arange(i + 1)))
    batch = np.arange(singles, singles + n // 100)
    once = cpu(model.forget, batch)
    return {
        "model": type(model).__name__,
        "rows": n,
        "features": d,
        "classes": K,
        "our fit": fit,
        "its fit over ours": other.fit / fit,
        "one row": spread(ours),
        "of them without a pass": tiers.count("downdate"),
        "a refit over one row": ratio(theirs, [float(np.median(ours))] * len(theirs)),
        "one in a hundred": once,
        "a refit over one in a hundred": other.refit(np.arange(singles + n // 100)) / once,
        "tier": model.certificate_.tier,
        "certified": model.certificate_.distance,
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("columns", out, small=small)
    ridge, logistic = SIZES["small" if small else "full"]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        rows = [
            measured(CertifiedRidgeClassifier(), Ridge, ridge),
            measured(CertifiedLogReg(multi_class="ovr"), Logistic, logistic),
        ]
    report.table("One row and one in a hundred, each class from the rest", rows)
    report.save()
