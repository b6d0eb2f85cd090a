"""What folds cost in turn, in threads and in processes, afresh and once all is compiled."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
from sklearn.model_selection import cross_val_score

from certunlearn import CertifiedLogReg

from . import data
from .report import Report

WAYS = {"in turn": None, "threads": "threading", "processes": "loky"}
CACHE = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")


def main(small=False, out="tests/benchmarks/results"):
    report = Report("folds", out, small=small)
    with tempfile.TemporaryDirectory() as cache:
        rows = [
            {"folds": way, "compiled before": shared, **measured(way, cache if shared else None)}
            for shared in (False, True)
            for way in WAYS
            if not small or way != "processes"
        ]
    title = "digits, even or odd, 5 folds, 2 threads or processes: seconds of processors"
    report.table(title, rows)
    report.save()


def measured(way, cache):
    """Seconds of a first cross validation in a new process, all its own included, and a second."""
    environment = {k: v for k, v in os.environ.items() if k not in CACHE}
    if cache is not None:
        environment |= dict(zip(CACHE, (cache, "0"), strict=True))
    command = [sys.executable, "-W", "ignore", "-m", f"{__package__}.folds", way]
    if cache is not None:
        # This one compiles; the next finds what it has left.
        subprocess.run(command, env=environment, check=True, capture_output=True)
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    first, second = map(float, done.stdout.split())
    return {"first": first, "again": second}


def scored(way):
    """Seconds of processors that a cross validation takes, its processes' too once they end."""
    X, y = data.digits()
    before, backend = time.process_time(), WAYS[way]
    if backend is None:
        cross_val_score(CertifiedLogReg(), X, y, cv=5)
    else:
        with joblib.parallel_config(backend=backend):
            cross_val_score(CertifiedLogReg(), X, y, cv=5, n_jobs=2)
    return time.process_time() - before + children()


def children():
    """Seconds that the processes started from here have had so far."""
    total, ticks = 0, os.sysconf("SC_CLK_TCK")
    for task in os.listdir("/proc/self/task"):
        # Threads and processes may end in between.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in Path(f"/proc/self/task/{task}/children").read_text().split():
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
    return total / ticks


if __name__ == "__main__":
    first = scored(sys.argv[1])
    earlier = children()
    print(first, scored(sys.argv[1]) - earlier)
