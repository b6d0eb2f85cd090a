"""Sparse text-like rows: a fit, and forgetting one row in a hundred against warm lbfgs refits.

Time is measured in turns.  Memory is measured in a subprocess that reads its own high-water mark
(VmHWM, Linux) after imports, the data and a small model, and set against the size of the CSR data.
"""

import argparse
import json
import time

from . import memory

#: Rows, columns, nonzeros a row, repeats.
SIZES = {"full": (20_000, 50_000, 60, 3), "small": (1_000, 5_000, 20, 1)}
SETTINGS = {"mechanism": "isotropic", "random_state": 0}
#: scikit-learn's lbfgs stops at a mean gradient like this.
TOL = 1e-8


def problem(n, d, nonzeros):
    """Rows of unit length whose columns' frequencies fall like those of words, and two classes."""
    import numpy as np
    from scipy.sparse import csr_array

    rng = np.random.default_rng(0)
    words = np.minimum(np.exp(rng.uniform(0, np.log(d), size=(n, nonzeros))).astype(int), d - 1)
    values = rng.integers(1, 4, size=words.shape) * np.log1p(words)
    X = csr_array((values.ravel(), (np.repeat(np.arange(n), nonzeros), words.ravel())), (n, d))
    length = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    X.data /= np.repeat(length, np.diff(X.indptr))
    y = (X @ rng.normal(size=d) * 3 + rng.logistic(size=n) > 0).astype(int)
    return X, y


def size_of(X):
    """Bytes of a CSR array."""
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes


def measured(n, d, nonzeros, repeats):
    """What the model takes beyond the caller's data, as a dictionary."""
    import numpy as np

    from certunlearn import CertifiedLogReg

    X, y = problem(n, d, nonzeros)
    CertifiedLogReg(**SETTINGS).fit(*problem(300, 4_000, 10)).forget(10)
    base = memory.lowered()
    model = CertifiedLogReg(**SETTINGS).fit(X, y)
    model.forget(np.arange(n // 100))
    peak = memory.high_water()
    return {
        "data MB": size_of(X) / 1e6,
        "dense over data": 8 * n * d / size_of(X),
        "peak over data": (peak - base) / size_of(X),
    }


def timed(n, d, nonzeros, repeats):
    """Seconds, passes and distances of fits and removals that take turns with warm refits."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from certunlearn import CertifiedLogReg

    from .report import ratio

    X, y = problem(n, d, nonzeros)
    gone = np.arange(n // 100)
    kept = np.setdiff1d(np.arange(n), gone)
    CertifiedLogReg(**SETTINGS).fit(*problem(300, 4_000, 10)).forget(10)
    ours, theirs, fits, cold = [], [], [], []
    for _ in range(repeats):
        clock = [time.perf_counter()]
        model = CertifiedLogReg(**SETTINGS).fit(X, y)
        clock.append(time.perf_counter())
        model.forget(gone)
        clock.append(time.perf_counter())
        warm = LogisticRegression(tol=TOL, max_iter=10_000, warm_start=True).fit(X, y)
        clock.append(time.perf_counter())
        rest, labels = X[kept], y[kept]
        clock.append(time.perf_counter())
        warm.fit(rest, labels)
        clock.append(time.perf_counter())
        spent = np.diff(clock)
        fits.append(float(spent[0]))
        ours.append(float(spent[1]))
        cold.append(float(spent[2]))
        theirs.append(float(spent[4]))
    fit, forget = model.history_
    return {
        "fit passes": fit["passes"],
        "forget passes": forget["passes"],
        "forget distance": forget["distance"],
        "target": model.certificate_.distance_target,
        "certified": model.certificate_.check(1.0, 1e-6, allow_seeded=True),
        "a cold lbfgs fit over a fit, time": ratio(cold, fits),
        "a warm lbfgs refit over forgetting, time": ratio(theirs, ours),
    }


def main(small=False, out="tests/benchmarks/results"):
    from .report import Report

    name = "small" if small else "full"
    n, d, nonzeros, _ = SIZES[name]
    found = timed(*SIZES[name]) | memory.in_subprocess("tests.benchmarks.sparse", name)
    report = Report("sparse", out, small=small)
    rows = [{"": key, "value": value} for key, value in found.items()]
    report.table(
        f"{n} rows, {d} columns, {nonzeros} words a row: forget one row in a hundred", rows
    )
    report.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=SIZES)
    print(json.dumps(measured(*SIZES[parser.parse_args().size])))
