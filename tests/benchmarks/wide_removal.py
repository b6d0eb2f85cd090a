"""Wide models: forgetting one row, and one in a hundred, against scikit-learn's warm refit.

Binary rows of length one in float32, as embeddings come, and ten classes.  CPU seconds, one thread
of linear algebra on both sides, requests and refits in turns.  A warm refit starts where our model
stood before the request.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from certunlearn import CertifiedLogReg

from . import data
from .report import Report, cpu, ratio, spread

TOL = 1e-8
#: Rows, features and requests of a kind.
SIZES = {"full": (20_000, (768, 1536), 256, 3), "small": (600, (24,), 12, 2)}


def embeddings(n, d):
    """Float32 rows of length one with binary labels of a linear model."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = (X @ rng.normal(size=d) * 3 + rng.logistic(size=n) > 0).astype(int)
    return X.astype(np.float32), y


def mixture(n, d, K=10):
    """Ten overlapping clouds in features whose spectrum falls like a frozen extractor's."""
    rng = np.random.default_rng(0)
    centres, y = rng.normal(size=(K, d)), rng.integers(0, K, size=n)
    spectrum = np.arange(1, d + 1) ** -0.8
    X = (0.1 * (16 / np.sqrt(d)) * centres[y] + rng.normal(size=(n, d))) * spectrum
    return X @ np.linalg.qr(rng.normal(size=(d, d)))[0] * np.sqrt(d / np.sum(spectrum**2)), y


def refit_from(W, classes, solver, tol, warm):
    """Scikit-learn's estimator, at W unless it starts cold."""
    peer = LogisticRegression(tol=tol, solver=solver, warm_start=warm, max_iter=5000)
    if not warm:
        return peer.set_params(max_iter=100)
    peer.coef_, peer.intercept_, peer.classes_ = W[:-1].T.copy(), W[-1].copy(), classes
    return peer


def compared(problem, count, peer, repeats, fresh):
    """Requests for ``count`` rows in turns with refits; one line of the table.

    With ``fresh`` every request meets a model that was just fitted, else the one before.
    """
    name, X, y = problem
    ours, theirs, tiers, passes, apart, claimed = [], [], [], [], [], []
    model, order = None, np.random.default_rng(count).permutation(len(y))
    # The first turn pays for compilation, and is not counted.
    for turn in range(repeats + 1):
        if model is None or fresh:
            model, kept = CertifiedLogReg(view="release", random_state=0), np.arange(len(y))
            fit = cpu(model.fit, X, y)
        gone, order = order[:count], order[count:]
        kept = np.setdiff1d(kept, gone)
        refit = refit_from(model._fitted.model.W, model.classes_, *peer)
        spent = cpu(model.forget, rows=gone)
        again = cpu(lambda r=refit, kept=kept: r.fit(X[kept], y[kept]))
        if turn == 0:
            continue
        W = np.vstack([refit.coef_.T, refit.intercept_])
        W = W - W.mean(axis=1, keepdims=True) if W.shape[1] > 1 else W
        ours.append(spent)
        theirs.append(again)
        tiers.append(model.certificate_.tier)
        passes.append(model.certificate_.passes)
        claimed.append(model.certificate_.distance)
        apart.append(model._fitted.model.gram.geometry.norm(model._fitted.model.W - W))
    return {
        "problem": name,
        "features": X.shape[1],
        "rows": len(X),
        "forget": count,
        "fit": fit,
        "seconds": spread(ours),
        "refit": f"{'warm' if peer[2] else 'cold'} {peer[0]}, tol {peer[1]:.0e}",
        "refit over forget": ratio(theirs, ours),
        "tiers": ", ".join(f"{tiers.count(t)} {t}" for t in dict.fromkeys(tiers)),
        "passes": spread(passes),
        "certified": spread(claimed),
        "ours to the refit": spread(apart),
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("wide_removal", out, small=small)
    n, widths, d, repeats = SIZES["small" if small else "full"]
    rows, cut = [], slice(500 if small else None)
    X, y = data.ten_digits()
    digits = "digits", 16 * X[cut], y[cut]
    few = len(digits[2]) // 100
    exact, newton, default = (
        ("lbfgs", TOL, True),
        ("newton-cholesky", TOL, True),
        ("lbfgs", 1e-4, False),
    )
    tasks = [(digits, m, peer, True) for m in (few, 10 * few) for peer in (newton, default)]
    for wide in (*(("embeddings", *embeddings(n, p)) for p in widths), ("mixture", *mixture(n, d))):
        tasks += [(wide, m, exact, False) for m in (1, n // 100)]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for problem, count, peer, fresh in tasks:
            rows.append(compared(problem, count, peer, repeats, fresh))
            report.table("One row, and one in a hundred or more", rows)
    report.save()
