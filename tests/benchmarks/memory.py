"""Peak memory beyond the caller's own X: a fit and a thousand requests, in a process of its own.

The high-water mark of the process (VmHWM, Linux) is lowered after imports, the data and a small
model of the same dimension, which loads the compiler; what the large one adds is set against X.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from . import data

SIZES = {"full": (400_000, 100, 1_000), "small": (20_000, 10, 20)}


def high_water():
    """Largest resident set of this process so far, in bytes."""
    return status("VmHWM")


def lowered():
    """Lower that mark to what is resident now, so that what made the data is no part of it."""
    with open("/proc/self/clear_refs", "w") as mark:
        mark.write("5")
    return high_water()


def status(name):
    """A size in memory that the system states of this process, in bytes."""
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def load_jax():
    """Load JAX, as few rows are fitted without it: what it takes by itself is no part of a fit."""
    from jax import numpy as jnp

    jnp.zeros(1).block_until_ready()


def in_subprocess(module, *arguments):
    """Run ``python -m module arguments``, which prints JSON, and return what it printed."""
    command = [sys.executable, "-m", module, *arguments]
    # A cache of compiled programs would have its own share of the peak.
    without = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=without)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def measured(n, d, requests):
    """Fit and forget one row after the other."""
    from certunlearn import CertifiedLogReg

    X, y = data.synthetic(n, d)
    load_jax()
    CertifiedLogReg().fit(X[:5_000], y[:5_000]).forget(10)
    base = lowered()
    model = CertifiedLogReg().fit(X, y)
    fitted = high_water()
    for row in range(requests):
        model.forget([row])
    return {
        "rows": n,
        "features": d,
        "requests": requests,
        "peak of the fit over X": (fitted - base) / X.nbytes,
        "peak of all over X": (high_water() - base) / X.nbytes,
    }


def main(small=False, out="tests/benchmarks/results"):
    from .report import Report

    report = Report("memory", out, small=small)
    found = in_subprocess("tests.benchmarks.memory", "small" if small else "full")
    report.table("Memory beyond the caller's own X", [found])
    report.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=SIZES)
    print(json.dumps(measured(*SIZES[parser.parse_args().size])))
