"""Many classes: fits, one row, one in a hundred, against scikit-learn's refits.

CPU seconds, one thread of linear algebra on both sides, in turns.  A warm refit starts where our
model stood before the request and stops at a mean gradient of 1e-8; how far it then is from the
optimum is in the table, beside what we certify and how far we are.  By default, 1000 requests being
covered together, we certify ten and more times nearer than such a refit comes with any tolerance;
where 30 are, "as near", about as near as it comes.  Digits are compared with a warm newton-cholesky
refit and with a default one as well; elsewhere newton-cholesky would factor a Hessian of (classes x
features)^2 entries, which is slower or does not fit.
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

from . import data, matrix_free, wide_removal
from .report import Report, cpu, ratio, spread

#: Classes, features, rows; rows and features of images; turns of fits and of requests.
SIZES = {"full": (100, 384, 50_000, 20_000, 256, 2, 3), "small": (5, 10, 2_000, 600, 12, 1, 2)}
UNIT, NORMAL = "rows of length one", "standard normal rows"
CLOTHES = "clothes, features of a frozen extractor, scaled"
#: Turns of one row where rows differ much in what they weigh.
SINGLE = {CLOTHES: 11, UNIT: 5, NORMAL: 5}
#: Requests to be covered together for which we certify as near as the refit comes.
ALIKE = {"horizon": 30}
TOL, MOST = 1e-8, 3000
WARM = ("lbfgs", TOL, True)
#: Descents from a gradient in float64, and their passes: together far below what is certified.
#: So many in the norm of the Gram matrix, where there is no metric of classes.
_ROUNDS, _PASSES = 3, 10


def optimum(model):
    """Where the objective of a fitted model is least, to far better than its certificate."""
    held = model._fitted.model
    objective, W, metric = held.objective, held.reached.W, held.reached.metric
    with numerics():
        for _ in range(1 if metric else _ROUNDS):
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


def refit(X, y, W, classes, peer=WARM):
    """scikit-learn's weights from W on, and its CPU seconds and iterations."""
    solver, tol, warm = peer
    most = MOST if tol <= TOL else 100
    theirs = LogisticRegression(solver=solver, tol=tol, max_iter=most, warm_start=warm)
    if warm and W is not None:
        theirs.coef_, theirs.intercept_, theirs.classes_ = W[:-1].T.copy(), W[-1].copy(), classes
    spent = cpu(theirs.fit, X, y)
    W = np.vstack([theirs.coef_.T, theirs.intercept_])
    return W - W.mean(axis=1, keepdims=True), spent, int(theirs.n_iter_[0])


def request(model, X, y, kept, gone, peer):
    """Forget rows in turn with a refit: what both take, and how far both are then."""
    before = model._fitted.model.W.copy()
    ours = cpu(model.forget, rows=gone)
    kept = np.setdiff1d(kept, gone)
    W, theirs, steps = refit(X[kept], y[kept], before, model.classes_, peer)
    best, norm = optimum(model), model._fitted.model.gram.geometry.norm
    c, over = model.certificate_, norm(model._fitted.model.W - best)
    found = {"ours": ours, "theirs": theirs, "steps": steps, "passes": c.passes, "tier": c.tier}
    return kept, {**found, "certified": c.distance, "true": over, "its": norm(W - best)}


def fitted(X, y, settings):
    """A model and what its fit took."""
    model = CertifiedLogReg(random_state=0, **settings)
    return model, cpu(model.fit, X, y)


def fit_turn(X, y, settings):
    """A fit in turn with one of scikit-learn's."""
    model, ours = fitted(X, y, settings)
    W, theirs, steps = refit(X, y, None, None)
    best, norm = optimum(model), model._fitted.model.gram.geometry.norm
    c, over = model.certificate_, norm(model._fitted.model.W - best)
    found = {"ours": ours, "theirs": theirs, "steps": steps, "passes": c.passes, "tier": c.tier}
    return {**found, "certified": c.distance, "true": over, "its": norm(W - best)}


def compared(name, X, y, fits, turns, peer=WARM, single=0, settings=None):
    """Fit, forget rows one by one, then one in a hundred; lines of the table.

    One row takes ``single`` turns if these are more.
    """
    n, K, settings = len(y), len(np.unique(y)), settings or {}
    first = [fit_turn(X, y, settings) for _ in range(fits)]
    order = np.random.default_rng(1).permutation(np.arange(2 * K, n))
    about = {"problem": name, "classes": K, "features": X.shape[1], "rows": n}
    model, kept = fitted(X, y, settings)[0], np.arange(n)
    lines = [_line(about, "fit", WARM, first)]
    for what, count in (("one row", 1), ("one in a hundred", n // 100)):
        found = []
        for _ in range(max(turns, single) if count == 1 else turns):
            gone, order = order[:count], order[count:]
            kept, one = request(model, X, y, kept, gone, peer)
            found.append(one)
        lines.append(_line(about, what, peer, found))
    return lines


def digits(turns, cut=None):
    """One in a hundred and a tenth of the digits, each from a model just fitted."""
    X, y = data.ten_digits()
    X, y = 16 * X[:cut], y[:cut]
    about = {"problem": "digits", "classes": 10, "features": X.shape[1], "rows": len(y)}
    lines = [_line(about, "fit", WARM, [fit_turn(X, y, {}) for _ in range(turns)])]
    for what, count in (("one in a hundred", len(y) // 100), ("a tenth", len(y) // 10)):
        for peer in (("newton-cholesky", TOL, True), ("lbfgs", 1e-4, False)):
            found = []
            for turn in range(turns):
                gone = np.random.default_rng(turn).permutation(len(y))[:count]
                model, _ = fitted(X, y, {})
                found.append(request(model, X, y, np.arange(len(y)), gone, peer)[1])
            lines.append(_line(about, what, peer, found))
    return lines


def _line(about, what, peer, found):
    def column(name):
        return [one[name] for one in found]

    over = [c / max(t, 1e-300) for c, t in zip(column("certified"), column("true"), strict=True)]
    tiers = column("tier")
    return {
        **about,
        "request": what,
        "tiers": ", ".join(f"{tiers.count(t)} {t}" for t in dict.fromkeys(tiers)),
        "passes": float(np.median(column("passes"))),
        "seconds": spread(column("ours")),
        "refit": f"{'warm' if peer[2] and what != 'fit' else 'cold'} {peer[0]}, tol {peer[1]:.0e}",
        "refit over ours": ratio(column("theirs"), column("ours")),
        "its iterations": float(np.median(column("steps"))),
        "certified": float(np.median(column("certified"))),
        "certified over true": spread(over),
        "its distance": float(np.median(column("its"))),
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("softmax", out, small=small)
    K, d, n, images, features, *turns = SIZES["small" if small else "full"]
    problems = {
        UNIT: lambda: matrix_free.problem(K, d, n, unit=True),
        NORMAL: lambda: matrix_free.problem(K, d, n, unit=False),
        "ten clouds, spectrum of a frozen extractor": lambda: wide_removal.mixture(
            images, features
        ),
        "pixels": lambda: None if small else data.pixels(),
        CLOTHES: lambda: None if small else data.clothes(images, features),
        "clothes, a frozen extractor, length one": lambda: None if small else data.embedded(images),
    }
    rows = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows += digits(turns[-1], 500 if small else None)
        for name, found in problems.items():
            if (problem := found()) is not None:
                single = SINGLE.get(name, 0)
                rows += compared(name, *problem, *turns, single=single)
                if name in (UNIT, NORMAL):
                    rows += compared(
                        f"{name}, as near", *problem, *turns, single=single, settings=ALIKE
                    )
                report.table("Many classes: fit, one row, one in a hundred", rows)
    report.save()
