"""A thousand single requests in a row: tier, certified and true distance, passes, time by tier.

CPU seconds, one thread of linear algebra on both sides.  `views` sets both views beside one
another; ``--by-kind`` says how requests fare by which rows go.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

from . import biased, data
from .objective import Objective
from .report import Report, axes, cpu, spread

COLOURS = {"downdate": "tab:green", "chord": "tab:orange", "refresh": "tab:red"}


class Refit:
    """scikit-learn's warm refit on the same rows, in turns with the requests."""

    def __init__(self, solver, X, y):
        self.solver, self.X, self.y = solver, X, y
        self.model = LogisticRegression(solver=solver, tol=1e-8, max_iter=5_000, warm_start=True)
        self.model.fit(X, y)
        self.ratios, self.iterations = [], []

    def turn(self, gone, spent):
        """Refit without the rows; its time over the requests' since the last turn."""
        kept = np.delete(self.X, gone, axis=0), np.delete(self.y, gone)
        seconds = cpu(self.model.fit, *kept)
        self.iterations.append(int(self.model.n_iter_[0]))
        self.ratios.append((seconds / float(np.median(spent)), seconds / float(np.mean(spent))))

    def row(self):
        """One row of the table."""
        median, mean = zip(*self.ratios, strict=True)
        return {
            "solver": self.solver,
            "refits": len(median),
            "iterations": max(self.iterations),
            "refit over median request": spread(median),
            "refit over mean request": spread(mean),
        }


def followed(X, y, requests, every, refits=(), turns=3):
    """One entry a request: tier, seconds, passes, certified distance, true one now and then.

    Refits have so many turns; each catches up with the requests made since its last one.
    """
    # What compiles does so on another model.
    CertifiedLogReg().fit(X[:20_000], y[:20_000]).forget([0]).forget([1])
    model, entries, last = CertifiedLogReg(random_state=0).fit(X, y), [], 0
    order = np.random.default_rng(0).permutation(len(X))[:requests]
    full = Objective.of(X, y)
    truth = full.optimum()
    for i, row in enumerate(order):
        seconds, c = cpu(model.forget, rows=[int(row)]), model.certificate_
        true = None
        if i % every == 0:
            kept = full.without(order[: i + 1])
            truth = kept.optimum(truth)
            true = kept.length(model._fitted.model.W[:, 0] - truth)
            del kept
        entries.append((c.tier, seconds, c.passes, c.distance, true))
        if (i + 1) % (requests // turns) == 0:
            for refit in refits:
                refit.turn(order[: i + 1], [e[1] for e in entries[last:]])
            last = i + 1
    return entries, model.certificate_


def sets(small):
    """Data sets by name."""
    problems = {"synthetic": data.synthetic(*((2_000, 5) if small else (10**6, 100)))}
    flights = data.flights(3_000 if small else None)
    if flights is not None:
        problems["flights"] = flights
    return problems


def main(small=False, out="tests/benchmarks/results"):
    # What was found by which rows go stays.
    report = Report("sequence", out, small=small, add=(Path(out) / "sequence.json").exists())
    problems = sets(small)
    requests, every = (60, 20) if small else (1_000, 500)
    figure, panels = axes(columns=len(problems))
    for panel, (name, (X, y)) in zip(np.atleast_1d(panels), problems.items(), strict=True):
        refits = [Refit(solver, X, y) for solver in ("newton-cholesky", "lbfgs")]
        entries, certificate = followed(X, y, requests, every, refits)
        title = f"{name}, {X.shape[0]} x {X.shape[1]}"
        report.table(f"{title}: {requests} single requests", lines(entries))
        report.table(f"{title}: against warm refits to 1e-8", [r.row() for r in refits])
        draw(panel, name, entries, certificate.distance_target)
    report.picture(figure)
    report.save()


def quick(out, small=False):
    """The comparison on 1 000 000 x 100 alone, in minutes: 300 requests, two turns of refits."""
    path = Path(out) / "sequence.json"
    report = Report("sequence", out, small=small, add=path.exists())
    X, y = data.synthetic(*((2_000, 5) if small else (10**6, 100)))
    refits = [Refit(solver, X, y) for solver in ("newton-cholesky", "lbfgs")]
    entries, _ = followed(X, y, 300, 300, refits, turns=2)
    title = f"synthetic, {X.shape[0]} x {X.shape[1]}: 300 single requests"
    report.table(title, lines(entries))
    report.table(f"{title}, against warm refits to 1e-8", [r.row() for r in refits])


def by_kind(report, problems, small):
    """Single requests by which rows go: random ones, a cluster, one site, influential ones.

    On at most 100 000 rows of each data set.
    """
    count = 20 if small else 100
    for name, (X, y) in problems.items():
        X, y = X[:100_000], y[:100_000]
        lines = []
        for kind, order in biased.orders(X, y, count).items():
            entries, refused, _ = biased.singly(X, y, order, max(count // 10, 1))
            lines.append(biased.row(kind, entries, refused))
        title = f"{name}, {len(X)} x {X.shape[1]}: {count} single requests, by which rows"
        report.table(title, lines)


def lines(entries):
    """One row a tier, and the whole."""
    tiers, rows = Counter(e[0] for e in entries), []
    unit = float(np.median([e[1] for e in entries]))
    known = [e for e in entries if e[4] is not None]
    for tier in (*COLOURS, "all"):
        here = [e for e in entries if tier in (e[0], "all")]
        if not here:
            continue
        tight = [e[3] / max(e[4], 1e-300) for e in known if tier in (e[0], "all")]
        rows.append(
            {
                "tier": tier,
                "requests": tiers.get(tier, len(entries)),
                "passes per 1000 requests": 1000 * sum(e[2] for e in here) / len(entries),
                "time over the median request": spread([e[1] / unit for e in here]),
                "bound over truth": spread(tight) if tight else "not measured",
            }
        )
    return rows


def draw(ax, name, entries, target):
    """Certified distance by tier, true distance and target along the requests."""
    for tier, colour in COLOURS.items():
        at = [i for i, e in enumerate(entries) if e[0] == tier]
        label = f"certified, {tier} ({len(at)})"
        ax.scatter(at, [entries[i][3] for i in at], s=6, color=colour, label=label)
    at = [i for i, e in enumerate(entries) if e[4] is not None]
    ax.plot(at, [entries[i][4] for i in at], "k_", ms=8, mew=1.5, label="true")
    ax.axhline(target, color="grey", ls="--", lw=1, label="target")
    ax.set(yscale="log", xlabel="request", ylabel="distance to the exact optimum", title=name)
    ax.set_ylim(top=100 * target)
    ax.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")
    ax.spines[["top", "right"]].set_visible(False)
