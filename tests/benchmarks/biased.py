"""Biased deletions: a cluster, one site, the most influential rows, beside random ones.

Rows that go together move the optimum together, which is where certificates made for random rows
were seen to degrade (arXiv 2601.06967).  Single requests one after the other, and the same rows at
once; bounds are held against an optimum found by other hands.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from certunlearn import CertifiedLogReg
from certunlearn.exceptions import NotCertifiedError

from . import data
from .objective import Objective
from .report import Report, axes, spread

TIERS = ("downdate", "chord", "refresh")
MARKERS = {"random": "o", "cluster": "s", "one site": "^", "most influential": "D"}


def orders(X, y, count, seed=0):
    """Which rows go, and in which order, by name."""
    rng = np.random.default_rng(seed)
    full = Objective.of(X, y)
    w = full.optimum()
    scaled = X / np.maximum(X.std(axis=0), 1e-12)
    centre = scaled[rng.integers(len(X))]
    near = np.argsort(np.linalg.norm(scaled - centre, axis=1), kind="stable")
    # One site: its rows lie at one end of the direction in which rows differ most.
    main = np.linalg.svd(scaled - scaled.mean(axis=0), full_matrices=False)[2][0]
    site = np.argsort(-(scaled @ main), kind="stable")[: 3 * count]
    # Influence: how far a row moves the optimum, in the norm of the noise.
    steps = np.linalg.solve(full.hessian(w), full.X.T)
    length = np.sqrt(np.einsum("in,in->n", steps, full.gram @ steps))
    pull = np.abs(full.slopes(w)[:, 0]) * length
    return {
        "random": rng.permutation(len(X))[:count],
        "cluster": near[:count],
        "one site": rng.permutation(site)[:count],
        "most influential": np.argsort(-pull, kind="stable")[:count],
    }


def singly(X, y, order, every):
    """Requests one after the other: tier, passes, certified and, now and then, true distance."""
    model, entries = CertifiedLogReg(random_state=0).fit(X, y), []
    full, refused = Objective.of(X, y), 0
    truth = full.optimum()
    gone = []
    for i, row in enumerate(order):
        try:
            model.forget(rows=[int(row)], confirm=True)
        except NotCertifiedError:
            refused += 1
            continue
        gone.append(int(row))
        c, true = model.certificate_, None
        if i % every == 0 or i == len(order) - 1:
            kept = full.without(gone)
            truth = kept.optimum(truth)
            true = kept.length(model._fitted.model.W[:, 0] - truth)
        entries.append((c.tier, c.passes, c.distance, true))
    return entries, refused, model.certificate_.distance_target


def at_once(X, y, order):
    """The same rows in one request: tier, passes, certified and true distance."""
    model = CertifiedLogReg(random_state=0).fit(X, y)
    try:
        model.forget(rows=order, confirm=True)
    except NotCertifiedError:
        return {"tier": "refused", "passes": 0, "bound over target": np.nan, "bound over truth": 0}
    kept, c = Objective.of(X, y).without(order), model.certificate_
    true = kept.length(model._fitted.model.W[:, 0] - kept.optimum())
    return {
        "tier": c.tier,
        "passes": c.passes,
        "bound over target": c.distance / c.distance_target,
        "bound over truth": c.distance / max(true, 1e-300),
    }


def row(name, entries, refused):
    """One line of single requests."""
    tiers = Counter(e[0] for e in entries)
    known = [e[2] / max(e[3], 1e-300) for e in entries if e[3] is not None]
    return {
        "deletions": name,
        "requests": len(entries) + refused,
        "refused": refused,
        **{tier: tiers.get(tier, 0) for tier in TIERS},
        "passes per 100": 100 * sum(e[1] for e in entries) / max(len(entries), 1),
        "bound over truth": spread(known) if known else "not measured",
    }


def problems(small):
    yield "synthetic", *data.synthetic(*((1_000, 5) if small else (50_000, 30)))
    if not small:
        yield "breast cancer", *data.breast_cancer()
        yield "digits, even or odd", *data.digits()
        flights = data.flights(20_000)
        if flights is not None:
            yield "flights", *flights


def main(small=False, out="tests/benchmarks/results"):
    report, drawn = Report("biased", out, small=small), {}
    for name, X, y in problems(small):
        count = 30 if small else min(300, len(X) // 4)
        title, lines, blocks = f"{name}, {X.shape[0]} x {X.shape[1]}", [], []
        for kind, order in orders(X, y, count).items():
            entries, refused, target = singly(X, y, order, max(count // 40, 1))
            lines.append(row(kind, entries, refused))
            blocks.append({"deletions": kind, "rows": count, **at_once(X, y, order)})
            drawn[name, kind] = entries, target
        report.table(f"{title}: {count} single requests", lines)
        report.table(f"{title}: {count} rows at once", blocks)
    report.picture(picture(drawn))
    report.save()


def picture(drawn):
    """Certified against true distance of single requests, both over the target: a panel a set."""
    names = list(dict.fromkeys(name for name, _ in drawn))
    figure, panels = axes(4.2, 4.0, columns=len(names))
    for ax, name in zip(np.atleast_1d(panels).ravel(), names, strict=True):
        for (own, kind), (entries, target) in drawn.items():
            known = [e for e in entries if e[3] is not None]
            if own == name and known:
                true, bound = (np.array([e[k] for e in known]) / target for k in (3, 2))
                ax.plot(np.maximum(true, 1e-9), bound, MARKERS[kind], ms=5, alpha=0.75, label=kind)
        ax.set(xscale="log", yscale="log", title=name, xlabel="true distance over target")
        ax.plot([1e-9, 2], [1e-9, 2], color="grey", lw=1, ls="--", zorder=0)
        ax.axhline(1.0, color="grey", lw=1)
        every = np.concatenate([line.get_ydata() for line in ax.lines[:-2]])
        low = 0.3 * float(min(every.min(), min(line.get_xdata().min() for line in ax.lines[:-2])))
        ax.set(xlim=(low, 2), ylim=(low, 2))
        ax.spines[["top", "right"]].set_visible(False)
    first = np.atleast_1d(panels).ravel()[0]
    first.set_ylabel("certified distance over target")
    first.annotate("nothing may be below", (0.56, 0.42), xycoords="axes fraction", color="grey")
    first.legend(frameon=False, fontsize=8, loc="upper left")
    return figure
