"""Long lives: a window that slides over ten thousand batches, and what names cost a request.

CPU time of the process, by itself; rows held and resident memory are what the window is about.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from . import data
from .memory import in_subprocess, status
from .report import cpu, spread

#: Rows, features and rows a batch of the window; pairs of requests, parts shown.
WINDOW = {"full": (20_000, 20, 100, 10_000, 10), "small": (600, 3, 60, 20, 2)}
#: Rows, features, single requests, additions of so many rows.
NAMED = {"full": (10**6, 20, 300, 9, 1_000), "small": (600, 3, 12, 2, 60)}


def sliding(n, d, m, pairs, parts):
    """One row of the table a part: learn m rows, forget the m oldest, and again."""
    from certunlearn import CertifiedLogReg

    X, y = data.synthetic(n, d)
    model, first, rows = CertifiedLogReg().fit(X, y), 0, []

    def slide(at):
        model.learn(X[at % n], y[at % n]).forget(rows=at)

    for part in range(parts):
        spent, held = [], []
        for _ in range(pairs // parts):
            spent.append(cpu(slide, np.arange(first, first + m)))
            held.append(model._fitted.model.rows.n)
            first += m
        rows.append(
            {
                "pairs of requests": (part + 1) * (pairs // parts),
                "rows that ever were": n + first,
                "rows retained": model.n_retained_,
                "rows held": spread(held),
                "ms a pair": spread([1e3 * s for s in spent]),
                "mean ms a pair": 1e3 * float(np.mean(spent)),
                "resident MiB": status("VmRSS") / 2**20,
            }
        )
    return rows


def named(n, d, requests, additions, m):
    """Single requests and additions with and without names, groups and a table, in turns."""
    import pandas as pd

    from certunlearn import CertifiedLogReg

    X, y = data.synthetic(n, d)
    rng = np.random.default_rng(0)

    def more(first, count):
        numbers = np.arange(first, first + count)
        table = {"day": numbers % 365, "amount": rng.normal(size=count)}
        table["country"] = pd.Categorical(rng.choice(["DE", "FR", "NL"], count))
        table["name"] = [f"name {k % 1000}" for k in numbers]
        return {
            "row_ids": [f"row {k}" for k in numbers],
            "groups": [f"person {k // 3}" for k in numbers],
            "metadata": pd.DataFrame(table),
        }

    models = {"without": CertifiedLogReg(random_state=0).fit(X, y)}
    models["with"] = CertifiedLogReg(random_state=0).fit(X, y, **more(0, n))
    order = rng.permutation(n)[: requests + 1].tolist()
    spent: dict[str, list[float]] = {}

    def timed(work, kind, action):
        spent.setdefault(f"{work}: {kind}", []).append(1e3 * cpu(action))

    for k, row in enumerate(order):
        work = "a row forgotten" if k else "the first"
        timed(work, "without", lambda row=row: models["without"].forget(row))
        timed(work, "with", lambda row=row: models["with"].forget(row_ids=f"row {row}"))
    for k in range(additions):
        part = X[k * m : (k + 1) * m], y[k * m : (k + 1) * m]
        timed(f"{m} rows learnt", "without", lambda part=part: models["without"].learn(*part))
        names = more(n + k * m, m)
        timed(f"{m} rows learnt", "with", lambda p=part, a=names: models["with"].learn(*p, **a))
    works = dict.fromkeys(key.split(":")[0] for key in spent)
    return [
        {
            "request": work,
            "turns": len(spent[f"{work}: with"]),
            "ms without names": spread(spent[f"{work}: without"]),
            "ms with row_ids, groups and metadata": spread(spent[f"{work}: with"]),
            "ratio of medians": float(
                np.median(spent[f"{work}: with"]) / np.median(spent[f"{work}: without"])
            ),
        }
        for work in works
    ]


def main(small=False, out="tests/benchmarks/results"):
    from .report import Report

    report, size = Report("window", out, small=small), "small" if small else "full"
    found = in_subprocess("tests.benchmarks.window", size)
    n, d, m, pairs, _ = WINDOW[size]
    title = f"A window of {n} x {d} that slides: {pairs} times {m} rows learnt, {m} forgotten"
    report.table(title, found["sliding"])
    report.table(f"Names of {NAMED[size][0]} rows, CPU", found["named"])
    report.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=WINDOW)
    which = parser.parse_args().size
    print(json.dumps({"sliding": sliding(*WINDOW[which]), "named": named(*NAMED[which])}))
