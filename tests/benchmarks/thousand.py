"""A thousand classes: peak memory beyond X, and one row and one in a hundred against lbfgs.

Ours runs in a process of its own, whose high-water mark is read after imports, the data and a small
model, as in `memory`.  A refit by scikit-learn starts where our model stood before the request; it
stops at a mean gradient of 1e-8, or after so many iterations that waiting for more tells nothing:
then the ratio is at least what is stated.  CPU seconds, one thread of linear algebra on both sides.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from . import matrix_free
from .memory import high_water, in_subprocess, load_jax, lowered
from .report import Report, cpu

#: Classes, features, rows; iterations that a refit may take.
SIZES = {"full": (1_000, 384, 50_000, 25), "small": (12, 8, 1_500, 25)}
TOL = 1e-8


def ours(size, folder):
    """Fit and forget; seconds, peaks over X, and the weights before each request in ``folder``."""
    from certunlearn import CertifiedLogReg

    K, d, n, _ = SIZES[size]
    X, y = matrix_free.problem(K, d, n, unit=True)
    load_jax()
    CertifiedLogReg(solver="newton-cg").fit(X[: 4 * K], np.arange(4 * K) % 3).forget(1)
    base, model, found = lowered(), CertifiedLogReg(random_state=0), []

    def noted(request, seconds):
        c = model.certificate_
        found.append(
            {
                "request": request,
                "tier": c.tier,
                "passes": c.passes,
                "seconds": seconds,
                "certified": c.distance,
                "allowed": c.distance_target,
                "peak so far over X": (high_water() - base) / X.nbytes,
            }
        )

    noted("fit", cpu(model.fit, X, y))
    for request, rows in requests(n, K):
        np.save(Path(folder, request), model._fitted.model.W)
        noted(request, cpu(model.forget, rows=rows))
    return found


def requests(n, K):
    """What goes, in this order, by name."""
    order = np.random.default_rng(1).permutation(np.arange(2 * K, n))
    return ("one row", order[:1]), ("one in a hundred", order[1 : 1 + n // 100])


def theirs(size, folder):
    """Seconds and iterations of scikit-learn's refit after each request."""
    K, d, n, most = SIZES[size]
    X, y = matrix_free.problem(K, d, n, unit=True)
    kept, found = np.arange(n), {}
    for request, rows in requests(n, K):
        kept = np.setdiff1d(kept, rows)
        W = np.load(Path(folder, request + ".npy"))
        peer = LogisticRegression(tol=TOL, max_iter=most, warm_start=True)
        peer.coef_, peer.intercept_, peer.classes_ = W[:-1].T.copy(), W[-1].copy(), np.unique(y)
        found[request] = cpu(peer.fit, X[kept], y[kept]), int(peer.n_iter_[0])
    return found


def main(small=False, out="tests/benchmarks/results"):
    report, size = Report("thousand", out, small=small), "small" if small else "full"
    K, d, n, most = SIZES[size]
    with tempfile.TemporaryDirectory() as folder:
        rows = in_subprocess("tests.benchmarks.thousand", size, folder)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peers = theirs(size, folder)
    for row in rows:
        seconds, iterations = peers.get(row["request"], (np.nan, 0))
        row["lbfgs over ours"] = seconds / row["seconds"]
        row["its iterations"] = f"{iterations} and more" if iterations >= most else iterations
    report.table(f"{K} classes, {n} rows of length one, {d} features", rows)
    report.save()


if __name__ == "__main__":
    with threadpool_limits(1):
        print(json.dumps(ours(*sys.argv[1:])))
