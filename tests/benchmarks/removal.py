"""One row, and one in a hundred: what removal costs, how near it comes, and what it certifies.

Every method takes the same rows out of the same model, in turns; the distance is to a retraining
to the last digit, before noise, in the norm of the Gram matrix, where noise of 0.1 standard errors
has length 0.1 sqrt(d).  Accuracy and AUC are those of the weights a method would publish, noise
included, on a fifth of the rows that no method sees.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from certunlearn import CertifiedLogReg

from . import biased, data
from .objective import Objective
from .peers import DELTA, EPSILON, NOISE, PEERS, Removal, Replay
from .report import Report, axes, ratio, turns

OURS = "certunlearn"
MOST = 2_000
#: Seconds after which a method sits out: lbfgs takes a thousand iterations on one-hot columns.
PATIENCE = 60


class Contest:
    """One data set and one request."""

    def __init__(self, X, y, m):
        held = len(X) // 5
        self.test = X[:held], y[:held]
        self.X, self.y = X[held:], y[held:]
        gone = np.sort(np.random.default_rng(1).permutation(len(self.X))[:m])
        full = Objective.of(self.X, self.y)
        self.removal = Removal(full, full.optimum(), gone)
        self.removal.prepare()
        self.truth = self.removal.kept.optimum(self.removal.w)
        self.kept = np.delete(self.X, gone, axis=0), np.delete(self.y, gone)
        self.results, self.iterations = {}, {}

    def refit(self, name, solver, warm):
        """A function that retrains with scikit-learn and takes its own time."""

        def run():
            model = LogisticRegression(solver=solver, tol=1e-8, max_iter=MOST, warm_start=warm)
            if warm:
                W = self.removal.full.matrix(self.removal.w)
                model.coef_, model.intercept_ = W[:-1].T.copy(), W[-1].copy()
                model.classes_ = np.unique(self.y)
            clock = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(*self.kept)
            spent = time.perf_counter() - clock
            self.iterations[name] = int(model.n_iter_[0])
            w = np.hstack([model.coef_, model.intercept_[:, None]]).ravel()
            self.results[name] = w, w
            return spent

        return run

    def peer(self, name, method):
        """A function that runs a peer."""

        def run():
            self.results[name] = method(self.removal)

        return run

    def forget(self):
        """Fit ours and time the removal alone."""
        model = CertifiedLogReg(noise=NOISE, epsilon=EPSILON, delta=DELTA).fit(self.X, self.y)
        clock = time.perf_counter()
        model.forget(rows=self.removal.gone)
        spent = time.perf_counter() - clock
        released = np.hstack([model.coef_, model.intercept_[:, None]]).ravel()
        self.results[OURS] = model._fitted.model.W.T.ravel(), released
        self.certificate = model.certificate_
        return spent

    def rows(self, repeats):
        """The table of this contest."""
        actions = {}
        for solver in ("lbfgs", "newton-cholesky"):
            for warm in (False, True):
                name = f"{solver}, {'warm' if warm else 'cold'}"
                actions[name] = self.refit(name, solver, warm)
        replay = Replay(self.removal)
        own = {Replay: replay, Replay.descent: replay.descent}
        for name, peer in PEERS.items():
            actions[name] = self.peer(name, own.get(peer.run, peer.run))
        actions[OURS] = self.forget
        # What compiles does so before it is timed.
        turns({OURS: self.forget}, 1)
        seconds = turns(actions, repeats, PATIENCE)
        return [self.row(name, seconds[name], seconds[OURS]) for name in actions]

    def row(self, name, seconds, ours):
        """One line: cost, nearness, accuracy and claim of a method."""
        (w, released), r = self.results[name], self.removal
        accuracy, auc = self.scores(released)
        return {
            "method": name,
            "time over ours": ratio(seconds, ours),
            "turns": min(len(seconds), len(ours)),
            "distance to refit": r.kept.length(centred(r.full, w) - self.truth),
            "accuracy": accuracy,
            "AUC": auc,
            **self.claim(name),
        }

    def claim(self, name):
        """What stands behind a method, and what it says of itself."""
        bound = "none"
        if name == OURS:
            c = self.certificate
            source, certifies = f"this library, tier {c.tier}", "(epsilon, delta)"
            epsilon, noise, bound = c.epsilon, NOISE, c.distance
        elif name in PEERS:
            peer = PEERS[name]
            source, certifies = peer.source, peer.certifies
            epsilon, noise = peer.epsilon(self.removal), peer.noise(self.removal)
        else:
            count = self.iterations[name]
            source = f"scikit-learn, tol 1e-8, {count} iterations"
            certifies, epsilon, noise = "retraining", None, 0.0
            if count >= MOST:
                source += ", not converged"
        return {
            "source": source,
            "certifies": certifies,
            "epsilon": "none" if epsilon is None else float(epsilon),
            "noise in standard errors": noise,
            "certified distance": bound,
        }

    def scores(self, w):
        """Accuracy and AUC (of one class against the rest) on the rows held out."""
        X, y = self.test
        W = self.removal.full.matrix(w)
        Z = X @ W[:-1] + W[-1]
        if Z.shape[1] == 1:
            return float(np.mean((Z[:, 0] > 0) == y)), float(roc_auc_score(y, expit(Z[:, 0])))
        auc = roc_auc_score(y, softmax(Z, axis=1), multi_class="ovr")
        return float(np.mean(Z.argmax(axis=1) == y)), float(auc)


def centred(objective, w):
    """Intercepts of many classes at a sum of zero: adding to all of them changes nothing."""
    W = objective.matrix(w).copy()
    if objective.columns > 1:
        W[-1] -= W[-1].mean()
    return W.T.ravel()


def sets(small):
    """Data sets by name; one whose package is missing has said so."""
    n, d = (2_000, 10) if small else (125_000, 100)
    yield "synthetic", *data.synthetic(n, d)
    yield "breast cancer", *data.breast_cancer()
    yield "digits, even or odd", *data.digits()
    X, y = data.ten_digits()
    # Small still has each class in every part.
    yield "digits, ten classes", *((X[:600, 20:36], y[:600]) if small else (X, y))
    for name, load in (("flights", data.flights), ("film reviews", data.reviews)):
        found = load(3_000 if small else None)
        if found is not None:
            yield name, *found


def main(small=False, out="tests/benchmarks/results"):
    report, panels = Report("removal", out, small=small), {}
    report.table("At scikit-learn's default tolerance", idle(*next(sets(small))[1:]))
    for name, X, y in sets(small):
        n = len(X) - len(X) // 5
        for what, m in (("one row", 1), ("one row in a hundred", n // 100)):
            rows = Contest(X, y, m).rows(1 if small else 5)
            report.table(f"{name}, {n} x {X.shape[1]}: {what}", rows)
            panels[name, what] = rows
    report.picture(picture(panels))
    by_kind(report, small)
    report.save()


def by_kind(report, small):
    """The same request by which rows it takes: random ones, a cluster, one site, influential ones.

    Of data sets of two classes, at most 100 000 rows of each.
    """
    for name, X, y in sets(small):
        if len(np.unique(y)) > 2:
            continue
        X, y = X[:100_000], y[:100_000]
        lines = [
            {"deletions": kind, "rows": len(order), **biased.at_once(X, y, order)}
            for kind, order in biased.orders(X, y, max(len(X) // 100, 5)).items()
        ]
        report.table(f"{name}, {len(X)} x {X.shape[1]}: one row in a hundred, by which rows", lines)


def idle(X, y):
    """A warm start at the default tolerance after a deletion: how far the weights move."""
    model, rows = LogisticRegression(warm_start=True).fit(X, y), []
    full = Objective.of(X, y)
    before, start = model.coef_.copy(), full.optimum()
    for row in range(5):
        kept = np.delete(X, row, axis=0), np.delete(y, row)
        model.fit(*kept)
        moved = float(np.abs(model.coef_ - before).max())
        due = float(np.abs(full.without([row]).optimum(start) - start).max())
        found = {"row deleted": row, "iterations": int(model.n_iter_[0])}
        rows.append(found | {"weights moved": moved, "an exact refit moves them": due})
        before = model.coef_.copy()
    return rows


def picture(panels):
    """Distance against time, a panel for each data set and request; nearer the corner is better."""
    names, whats = (list(dict.fromkeys(key[i] for key in panels)) for i in (0, 1))
    figure, grid = axes(4.8, 3.0, columns=len(whats), rows=len(names))
    methods = [row["method"] for row in next(iter(panels.values()))]
    markers = dict(zip(methods, "v^<>osDXPpd*", strict=True))
    for (name, what), rows in panels.items():
        ax = grid[names.index(name), whats.index(what)]
        for i, row in enumerate(rows):
            ours, time_ = row["method"] == OURS, row["time over ours"]["median"]
            shape = {"ms": 13, "color": "k", "zorder": 3} if ours else {"ms": 7, "color": f"C{i}"}
            near, marker = max(row["distance to refit"], 1e-12), markers[row["method"]]
            ax.plot(time_, near, marker, ls="none", label=row["method"], alpha=0.8, **shape)
        bound = rows[-1]["certified distance"]
        ax.axhline(bound, color="k", ls="--", lw=0.8, label=f"certified by {OURS}")
        ax.set(xscale="log", yscale="log", title=f"{name}: {what}")
        ax.margins(x=0.08, y=0.1)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in grid[-1]:
        ax.set_xlabel(f"time of a removal, {OURS} = 1")
    figure.supylabel("distance to the exact refit, before noise")
    handles = ax.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3, frameon=False)
    return figure
