"""Fit against scikit-learn's newton-cholesky, both to a mean gradient of 1e-8.

The two take turns in one process; the first fit, which compiles, is reported apart.
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

from . import data
from .report import Report, ratio, turns

TOL = 1e-8


def mean_gradient(X, y, coef, intercept):
    """Largest absolute entry of the gradient of the objective over n, C = 1."""
    residual = 1 / (1 + np.exp(-(X @ coef + intercept))) - y
    return float(max(np.abs(X.T @ residual + coef).max(), abs(residual.sum())) / len(y))


def compared(n, d, repeats):
    """One row of the table."""
    X, y = data.synthetic(n, d)
    fitted = {}

    def ours():
        fitted["ours"] = CertifiedLogReg(tol=TOL).fit(X, y)

    def theirs():
        fitted["theirs"] = LogisticRegression(solver="newton-cholesky", tol=TOL).fit(X, y)

    clock = time.perf_counter()
    ours()
    first = time.perf_counter() - clock
    seconds = turns({"ours": ours, "theirs": theirs}, repeats)
    W, peer = fitted["ours"]._fitted.model.W, fitted["theirs"]
    return {
        "rows": n,
        "features": d,
        "ours over newton-cholesky": ratio(seconds["ours"], seconds["theirs"]),
        "first fit over later": first / float(np.median(seconds["ours"])),
        "mean gradient, ours": mean_gradient(X, y, W[:-1, 0], W[-1, 0]),
        "theirs": mean_gradient(X, y, peer.coef_[0], peer.intercept_[0]),
        "certified distance": fitted["ours"].certificate_.distance,
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("fit", out, small=small)
    sizes = (
        ((2_000, 10),) if small else ((100_000, 50), (100_000, 100), (100_000, 300), (10**6, 100))
    )
    rows = [compared(n, d, 7 if n < 10**6 else 3) for n, d in sizes]
    report.table("Fit to a mean gradient of 1e-8, certificate state included", rows)
    report.save()
