"""Whether the cost model of docs/capacity.md predicts what a pass takes: CPU seconds, one thread.

Its constants are found on some sizes, by least squares of relative errors, and it is held against
others, whose rows are larger or as many again.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits

from certunlearn.numerics.context import numerics
from certunlearn.numerics.losses.margins import Logistic, Softmax
from certunlearn.numerics.objective.kernels import Measure
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.filed import MOST_TASKS, TOGETHER, FileRows
from certunlearn.numerics.rows.fold import NUMPY
from certunlearn.numerics.rows.weights import Weights
from certunlearn.scale import Shards, write_shards

from .report import Report, cpu, spread, turns

#: Rows, columns and columns of coefficients that the constants are found on, by route of a pass:
#: one column goes through BLAS, several of short rows through compiled code.
FOUND_ON = {
    "full": [
        *((800_000, 32, 1), (400_000, 64, 1), (200_000, 128, 1), (100_000, 256, 1)),
        *((200_000, 64, 10), (60_000, 256, 10), (60_000, 128, 30)),
    ],
    "small": [(4000, 8, 1), (2000, 40, 1), (2000, 8, 3), (2000, 40, 3)],
}
HELD_AGAINST = {
    "full": [(1_000_000, 50, 1), (60_000, 512, 1), (150_000, 100, 20), (40_000, 384, 10)],
    "small": [(6000, 12, 1), (3000, 20, 3)],
}
#: What a billion rows are reckoned for: columns and columns of coefficients.
BILLION, MODELS, WORKERS = 10**9, [(50, 1), (384, 1), (384, 100)], (1, 10, 100)
#: Bytes a second into the process that holds the model, and bytes of a task.
NETWORK, TASK = 1e9, 1000


def risk(n, d, K, path=None):
    """Float32 rows about as long as one in memory, or in files at ``path``, and a point."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32) / np.float32(np.sqrt(d))
    labels = rng.integers(0, max(2, K), n)
    if path is None:
        rows = DenseRows(X, labels, intercept=False)
    else:
        rows = FileRows(Shards(write_shards(path, X, labels)), labels, intercept=False)
    loss = Softmax(K) if K > 1 else Logistic()
    objective = Objective(
        rows, loss, np.arange(max(2, K)), Weights.of(np.ones(n)), np.ones(d), np.zeros(d)
    )
    return objective, rng.normal(size=(d, K))


def passes(n, d, K, folder):
    """What is timed, by name: a measured gradient, from memory and from files, and a Hessian."""
    objective, W = risk(n, d, K)
    filed, _ = risk(n, d, K, Path(folder) / f"{n}-{d}-{K}")
    actions = {
        "gradient": lambda: objective.measure(W, 1.1 * W),
        "gradient, files": lambda: filed.measure(W, 1.1 * W),
    }
    if K == 1:
        actions["Hessian"] = lambda: objective.hessian(W)
    for action in actions.values():
        # What compiles, or is read from the disk for the first time, does so before it is timed.
        action()
    return actions


def measured(sizes, repeats, folder):
    """CPU seconds by size and pass: all sizes in turns, so that a slow hour slows all of them."""
    actions = {(each, kind): a for each in sizes for kind, a in passes(*each, folder).items()}
    took = turns({key: partial(cpu, action) for key, action in actions.items()}, repeats)
    return {each: {kind: t for (size, kind), t in took.items() if size == each} for each in sizes}


#: What each kind of pass takes time for, of n rows, d columns and K columns of coefficients.
TERMS = {
    "gradient": ("number", "number and column", "margin"),
    "gradient, files": ("number", "number and column", "margin"),
    "Hessian": ("number", "margin", "product"),
}


def counted(n, d, K):
    return {"number": n * d, "number and column": n * d * K, "margin": n * K, "product": n * d * d}


def constants(times):
    """Seconds of each term by kind of pass and route, from the medians of some sizes."""
    out = {}
    for kind, terms in TERMS.items():
        for several in (False, True):
            known = [t for t in times.items() if kind in t[1] and (t[0][2] > 1) == several]
            if known:
                # One column: what is a number is a number and column as well.
                names = [t for t in terms if several or t != "number and column"]
                median = [float(np.median(took[kind])) for _, took in known]
                parts = [[counted(*size)[t] for t in names] for size, _ in known]
                A = np.array(parts) / np.array(median)[:, None]
                out[kind, several] = dict(zip(names, nnls(A, np.ones(len(A)))[0], strict=True))
    return out


def predicted(found, kind, n, d, K):
    """Seconds of a pass by the model."""
    return sum(cost * counted(n, d, K)[term] for term, cost in found[kind, K > 1].items())


def sizes_of_sums(d, K):
    """Bytes of the sums of a gradient pass and of a Hessian pass."""
    loss = Softmax(K) if K > 1 else Logistic()
    start = Measure(loss).start(NUMPY, d + 1)
    return sum(np.asarray(a).nbytes for a in start), 8 * (d + 1) ** 2


def billion(found):
    """What a pass over a billion rows in files costs, and from when on the network binds."""
    rows = []
    for d, K in MODELS:
        sums = dict(zip(("gradient, files", "Hessian"), sizes_of_sums(d, K), strict=True))
        tasks = min(BILLION * (d + 1) / TOGETHER, MOST_TASKS)
        for kind, size in sums.items():
            if (kind, K > 1) not in found:
                continue
            work = predicted(found, kind, BILLION, d, K)
            wire = tasks * (size + TASK) / NETWORK
            rows.append(
                {
                    "columns": d,
                    "of coefficients": K,
                    "pass": kind,
                    "bytes of rows, TB": BILLION * d * 4 / 1e12,
                    **{f"minutes on {w}": work / w / 60 for w in WORKERS},
                    "minutes of the network": wire / 60,
                    "it binds from so many workers": int(work / wire),
                }
            )
    return rows


def main(small=False, out="tests/benchmarks/results"):
    report = Report("capacity", out, small=small)
    size, repeats = ("small", 2) if small else ("full", 9)
    folder = tempfile.mkdtemp()
    try:
        with threadpool_limits(1, user_api="blas"), numerics():
            times = measured(FOUND_ON[size] + HELD_AGAINST[size], repeats, folder)
    finally:
        shutil.rmtree(folder)
    found = constants({each: times[each] for each in FOUND_ON[size]})
    names = dict.fromkeys(term for terms in TERMS.values() for term in terms)
    report.table(
        "Constants, nanoseconds",
        [
            {
                "pass": kind,
                "columns of coefficients": "several" if several else "one",
                **{f"a {name}": 1e9 * costs.get(name, 0.0) for name in names},
            }
            for (kind, several), costs in found.items()
        ],
    )
    report.table(
        "Predicted over measured, sizes that the constants were not found on",
        [
            {
                "pass": kind,
                "rows": each[0],
                "columns": each[1],
                "of coefficients": each[2],
                "predicted over measured": spread(
                    [predicted(found, kind, *each) / t for t in took]
                ),
            }
            for each in HELD_AGAINST[size]
            for kind, took in times[each].items()
        ],
    )
    report.table("A pass over a billion rows of float32, by the model", billion(found))
    report.save()
