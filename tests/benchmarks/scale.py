"""Rows in files: how much memory a life takes that is not the rows', and what processes add.

Each life runs in a process of its own, whose largest resident memory is the operating system's
figure.  Ratios of passes are of wall time, of one and of two processes in turns.
``python -m tests.benchmarks.scale --rows 100000000`` lives one life over so many rows and prints
it; these take 20 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from .memory import in_subprocess, status
from .report import spread

#: Rows of float32 and their columns.
LIVES = {"full": [(10**6, 50), (10**7, 50), (3 * 10**7, 50)], "small": [(20_000, 5)]}
#: Rows, columns and turns of passes.
PASSES = {"full": (4 * 10**6, 50, 5), "small": (20_000, 5, 2)}
#: Rows that are made at a time.
PIECE = 1 << 18


def pieces(n, d):
    """Yield rows (m, d) and labels, piece by piece."""
    w = np.random.default_rng(0).normal(size=d).astype(np.float32)
    for k, first in enumerate(range(0, n, PIECE)):
        rng = np.random.default_rng([1, k])
        X = rng.standard_normal((min(PIECE, n - first), d), dtype=np.float32)
        yield X, X @ w + rng.logistic(size=len(X)) > 0


def made(folder, n, d):
    """Write rows to a folder."""
    from certunlearn.scale import write_shards

    return write_shards(
        Path(folder) / "rows", (X for X, _ in pieces(n, d)), (y for _, y in pieces(n, d))
    )


def life(path):
    """Fit, forget one row and one per cent; return what it took."""
    from certunlearn import CertifiedLogReg
    from certunlearn.scale import Shards

    start, rows = status("VmRSS"), Shards(path)
    n = len(rows)
    model = CertifiedLogReg(random_state=0).fit(rows)
    passes = model.certificate_.passes
    model.forget(rows=[3])
    one = model.history_[-1]
    # Some twice: no list of all rows is made to draw from.
    gone = np.unique(np.random.default_rng(2).integers(4, n, n // 100))
    model.forget(rows=gone)
    c = model.certificate_
    assert c.distance <= c.distance_target and model.n_retained_ == n - 1 - len(gone)
    return {
        "peak MiB": status("VmHWM") / 2**20,
        "before the fit MiB": start / 2**20,
        "passes of the fit": passes,
        "passes, one row": one["passes"],
        "passes, 1%": model.history_[-1]["passes"],
    }


def lives(sizes):
    """One row of the table a size."""
    rows = []
    for n, d in sizes:
        folder = tempfile.mkdtemp()
        try:
            path = made(folder, n, d)
            size = sum(file.stat().st_size for file in path.glob("features-*")) / 2**20
            found = in_subprocess("tests.benchmarks.scale", str(path))
        finally:
            shutil.rmtree(folder)
        found = {"rows": n, "columns": d, "features MiB": size, **found}
        found["peak bytes a row"] = found["peak MiB"] * 2**20 / n
        rows.append(found)
    return rows


def passes(n, d, turns):
    """The gradient's pass by none, one and two processes, in turns."""
    from certunlearn.numerics.losses.margins import Columnwise
    from certunlearn.numerics.losses.pointwise import Logistic
    from certunlearn.numerics.objective.kernels import Measure
    from certunlearn.numerics.rows.filed import FileRows
    from certunlearn.scale import Shards

    folder, context = tempfile.mkdtemp(), multiprocessing.get_context("spawn")
    sent = []

    class Watched:
        def __init__(self, pool):
            self.pool = pool

        def map(self, function, tasks):
            tasks = list(tasks)
            sent.append(sum(len(pickle.dumps(task)) for task in tasks))
            return self.pool.map(function, tasks)

    try:
        path = made(folder, n, d)
        labels = np.concatenate([y for _, y in Shards(path).pieces()]).astype(np.int64)
        rows = FileRows(Shards(path), labels, intercept=True)
        weights, W = rows.blocked(np.ones(n)), np.full((d + 1, 1), 0.01)
        kernel = Measure(Columnwise(Logistic(), 1, coded=True))
        arguments = np.arange(2), W, W, 1e-14, 1e-13

        def spent(executor):
            rows.executor = executor
            clock = time.perf_counter()
            out = rows.fold(kernel, weights, *arguments)
            return time.perf_counter() - clock, out[1]

        with ProcessPoolExecutor(1, context) as one, ProcessPoolExecutor(2, context) as two:
            executors = None, Watched(one), Watched(two)
            sums = [spent(executor)[1] for executor in executors]
            assert all(np.array_equal(sums[0], other) for other in sums)
            times = [[spent(executor)[0] for executor in executors] for _ in range(turns)]
    finally:
        shutil.rmtree(folder)
    return [
        {
            "rows": n,
            "columns": d,
            "one process over none": spread([b / a for a, b, _ in times]),
            "efficiency of two over one": spread([b / (2 * c) for _, b, c in times]),
            "bytes sent a pass": max(sent),
            "bytes of rows": n * d * 4,
        }
    ]


def main(small=False, out="tests/benchmarks/results"):
    from .report import Report

    size = "small" if small else "full"
    report = Report("scale", out, small=small)
    report.table("Largest resident memory of a life over rows in files", lives(LIVES[size]))
    report.table("A pass for a measured gradient, wall time", passes(*PASSES[size]))
    report.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?")
    parser.add_argument("--rows", type=int, default=10**8)
    asked = parser.parse_args()
    print(json.dumps(life(asked.path) if asked.path else lives([(asked.rows, 50)])[0]))
