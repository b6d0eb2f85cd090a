"""Many classes: forgetting one row in a hundred against scikit-learn's warm refit by lbfgs.

newton-cholesky would factor a Hessian of (classes x features)^2 entries, which does not fit.  The
refit is stopped after so many iterations: where it has not converged by then the ratio is a lower
bound.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

from . import matrix_free
from .report import Report

SIZES = {"full": (100, 384, 50_000), "small": (5, 10, 2_000)}
TOL, MOST = 1e-8, 200


def compared(K, d, n, unit):
    """Fit, forget and refit once; one line of the table."""
    X, y = matrix_free.problem(K, d, n, unit=unit)
    gone = np.arange(2 * K, 2 * K + n // 100)
    model = CertifiedLogReg().fit(X, y)
    peer = LogisticRegression(tol=TOL, max_iter=MOST, warm_start=True)
    peer.coef_, peer.intercept_ = (
        model._fitted.model.W[:-1].T.copy(),
        model._fitted.model.W[-1].copy(),
    )
    peer.classes_ = model.classes_
    clock = time.perf_counter()
    model.forget(rows=gone)
    forgotten = time.perf_counter()
    kept = np.delete(X, gone, axis=0), np.delete(y, gone)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(*kept)
    refit = time.perf_counter() - start
    W = np.vstack([peer.coef_.T, peer.intercept_ - peer.intercept_.mean()])
    norm = model._fitted.model.gram.geometry.norm
    return {
        "rows of length": 1 if unit else f"sqrt({d})",
        "classes": K,
        "features": d,
        "rows": n,
        "solver": model.solver_,
        "tier": model.certificate_.tier,
        "passes": model.certificate_.passes,
        "certified distance": model.certificate_.distance,
        "warm refit over forget": refit / (forgotten - clock),
        "refit's iterations": int(peer.n_iter_[0]),
        "refit converged": bool(peer.n_iter_[0] < MOST),
        "ours to the refit": norm(model._fitted.model.W - W),
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("softmax", out, small=small)
    size = SIZES["small" if small else "full"]
    rows = [compared(*size, unit) for unit in (True, False)]
    report.table("One row in a hundred of many classes", rows)
    report.save()
