"""Two checkouts side by side: ``python -m tests.benchmarks.checkouts PATH``, this one and another.

Every workload runs in processes of its own, of both checkouts in turns; ratios of CPU time are
taken within a turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[2]


def synthetic(n, d):
    """Gaussian features, logistic labels, as `tests.benchmarks.data` makes them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    w = rng.normal(size=d) * (3 / np.sqrt(d))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X @ w))).astype(int)


def spent(action, *arguments):
    """CPU seconds of a call."""
    clock = time.process_time()
    action(*arguments)
    return time.process_time() - clock


def fit(n, d):
    """A fit after one of the same shape, which has compiled what there is to compile."""
    from certunlearn import CertifiedLogReg

    X, y = synthetic(n, d)
    CertifiedLogReg().fit(X, y)
    return spent(CertifiedLogReg().fit, X, y)


def requests(n, d, count):
    """Median of single requests; most read no retained row."""
    from certunlearn import CertifiedLogReg

    X, y = synthetic(n, d)
    model = CertifiedLogReg().fit(X, y)
    model.forget([n - 1])
    return float(np.median([spent(model.forget, [i]) for i in range(count)]))


def batch(n, d):
    """One removal of a hundredth of the rows, after a first one."""
    from certunlearn import CertifiedLogReg

    X, y = synthetic(n, d)
    model = CertifiedLogReg().fit(X, y)
    model.forget(np.arange(n // 100))
    return spent(model.forget, np.arange(n // 100, n // 50))


def digits():
    """A fit of ten digits and ten removals."""
    from sklearn.datasets import load_digits

    from certunlearn import CertifiedLogReg

    X, y = load_digits(return_X_y=True)
    CertifiedLogReg(C=0.1).fit(X / 16, y).forget([0])

    def whole():
        model = CertifiedLogReg(C=0.1).fit(X / 16, y)
        for i in range(10):
            model.forget([i])

    return spent(whole)


def memory(n, d):
    """High-water mark of a fit and twenty requests, over the caller's X."""
    from certunlearn import CertifiedLogReg

    X, y = synthetic(n, d)
    model = CertifiedLogReg().fit(X, y)
    for i in range(20):
        model.forget([i])
    with open("/proc/self/status") as lines:
        high = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return high / X.nbytes


WORK = {
    "fit, n = 1e5, d = 100": (fit, 100_000, 100),
    "fit, n = 2e3, d = 30": (fit, 2_000, 30),
    "a single request, n = 1e5, d = 100": (requests, 100_000, 100, 60),
    "1% of 1e5 rows": (batch, 100_000, 100),
    "digits: fit and ten requests": (digits,),
    "peak memory, n = 2e5, d = 100": (memory, 200_000, 100),
}


def measured(checkout, name):
    """Run one workload of a checkout in a process of its own."""
    # The module is this one; only the package comes from the other checkout.
    command = [sys.executable, str(Path(__file__)), "--work", name]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return float(json.loads(done.stdout))


def main(other, repeats):
    """Print the ratio of this checkout to the other, workload by workload."""
    for name in WORK:
        ratios = [measured(HERE, name) / measured(other, name) for _ in range(repeats)]
        low, middle, high = min(ratios), float(np.median(ratios)), max(ratios)
        print(f"{name:40} {middle:.3f} ({low:.3f} to {high:.3f}) times the other's", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.checkouts", description=__doc__
    )
    parser.add_argument("other", nargs="?", type=Path, help="path of the other checkout")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        function, *arguments = WORK[given.work]
        print(json.dumps(function(*arguments)))
    else:
        main(given.other.resolve(), given.repeats)
