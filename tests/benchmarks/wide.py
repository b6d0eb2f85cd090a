"""Wide features: a fit, one row and one in a hundred, as "auto" does them, against lbfgs.

CPU seconds, one thread on both sides, in turns.  scikit-learn gets the rows as float64, as its
lbfgs does not come near 1e-8 on float32, and starts a refit at its own optimum to 1e-8.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

from . import data
from .matrix_free import problem
from .report import Report, cpu, ratio
from .wide_removal import refit_from

#: Tolerances of a refit; the first that comes as near as the removal counts.
TOLERANCES = (1e-5, 1e-6, 1e-7, 1e-8)


def widened(X, d, seed=0):
    """Rows through a fixed random layer of d columns with a ramp, of length one."""
    rng = np.random.default_rng(seed)
    out = np.maximum(X @ rng.normal(size=(X.shape[1], d)), 0.0)
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


class Peer:
    """scikit-learn's lbfgs on the same rows."""

    def __init__(self, X, y):
        self.X, self.y = X.astype(np.float64), y
        self.full = LogisticRegression(tol=1e-8, max_iter=5000)

    def fit(self):
        self.full.fit(self.X, self.y)

    def refit(self, keep, tol):
        W = np.vstack([self.full.coef_.T, self.full.intercept_])
        model = refit_from(W, self.full.classes_, "lbfgs", tol, warm=True)
        X, y = self.X[keep], self.y[keep]
        seconds = cpu(model.fit, X, y)
        return seconds, np.append(model.coef_[0], model.intercept_)


def truth(X, y, start):
    """The optimum to rounding, by Newton steps with conjugate gradients in double precision."""
    from scipy.sparse.linalg import LinearOperator, cg

    w, alpha = start.copy(), np.append(np.ones(X.shape[1]), 0.0)

    def combined(c):
        return np.append(c @ X, c.sum())

    for _ in range(2):
        p = expit(X @ w[:-1] + w[-1])
        g, c = combined(p - y) + alpha * w, p * (1 - p)

        def product(v, c=c):
            return combined(c * (X @ v[:-1] + v[-1])) + alpha * v

        H = LinearOperator((len(w), len(w)), matvec=product)
        # The intercept's curvature is far from the others'.
        M = LinearOperator(H.shape, matvec=lambda v, c=c: np.append(v[:-1], v[-1] / c.sum()))
        w = w - cg(H, g, rtol=1e-4, maxiter=200, M=M)[0]
    return w


def contest(X, y, turns):
    """The lines of one data set."""
    rng, n = np.random.default_rng(1), len(X)
    mine, theirs, lines = [], [], []
    for _ in range(turns):
        peer, model = Peer(X, y), CertifiedLogReg(random_state=0, mechanism="auto")
        mine.append(cpu(model.fit, X, y))
        theirs.append(cpu(peer.fit))
    order = rng.permutation(n)
    lines.append(line("fit", mine, theirs, model, None))
    left = order
    for what, m in (("one row", 1), ("one in a hundred", n // 100)):
        mine, theirs = [], []
        for _ in range(turns):
            gone, left = left[:m], left[m:]
            mine.append(cpu(model.forget, np.sort(gone)))
            keep, W = np.sort(left), model._fitted.model.W[:, 0]
            exact = truth(peer.X[keep], y[keep], W)
            length = model._fitted.model.gram.geometry.norm
            near = length((W - exact)[:, None])
            for tol in TOLERANCES:
                seconds, w = peer.refit(keep, tol)
                if length((w - exact)[:, None]) <= near:
                    break
            theirs.append(seconds)
        lines.append(line(what, mine, theirs, model, near))
    return lines


def line(what, mine, theirs, model, near):
    """One line: seconds, their ratio, and what is certified."""
    c = model.certificate_
    return {
        "work": what,
        "solver": f"{model.solver_}, {c.mechanism}",
        "seconds": float(np.median(mine)),
        "lbfgs over ours": ratio(theirs, mine),
        "passes": c.passes,
        "tier": c.tier,
        "certified": float(c.distance),
        "certified over true": "" if near is None else float(c.distance / near),
    }


def main(small=False, out="tests/benchmarks/results"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measured(small, out)


def measured(small, out):
    report = Report("wide", out, small=small)
    n, widths, turns = (1_000, (1500,), 1) if small else (20_000, (768, 1536, 3072), 5)
    for d in widths:
        X, y = problem(2, d, n)
        X = X.astype(np.float32)
        # What compiles does so before it is timed.
        CertifiedLogReg(random_state=0).fit(X, y).forget([0]).forget(np.arange(1, 1 + n // 100))
        name = f"unit rows, {n} x {d}"
        report.table(name, contest(X, y, turns))
    found = data.reviews(500 if small else None)
    if found is not None:
        plain, y = found[0].astype(np.float32), found[1]
        for d in (1500,) if small else (None, 1024, 2048):
            X = plain if d is None else widened(plain, d)
            name = f"film reviews{'' if d is None else ', widened'}, {X.shape[0]} x {X.shape[1]}"
            report.table(name, contest(X, y, turns))
    report.save()
