"""Many classes without the Hessian: time, passes and peak memory of a fit and of a removal.

A subprocess reads its own high-water mark (VmHWM, Linux), first after imports, the data and a
small model of other dimensions, which loads the compiler; what the large model adds is set
against the size of the data.
"""

import argparse
import json
import time

from . import memory

#: Small is still so large that a Hessian would outweigh what the compiler takes, some 30 MB.
SIZES = {
    "full": (1000, 384, 50_000),
    "small": (60, 64, 4_000),
}


def problem(K, d, n, *, unit=True):
    """Rows of unequal classes, all of which occur; of length one, as embeddings have, if ``unit``.

    Otherwise entries are standard normal, and the same penalty bends the loss less.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    V, y = rng.normal(size=(d, K)), np.empty(n, dtype=int)
    # A few rows at a time: all margins at once would hide the peak that is to be measured.
    for first in range(0, n, 1000):
        part = X[first : first + 1000]
        logits = part @ V * (2 / np.sqrt(d)) - np.arange(K) / K
        y[first : first + 1000] = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        if unit:
            part /= np.linalg.norm(part, axis=1, keepdims=True)
    y[: 2 * K] = np.tile(np.arange(K), 2)
    return X, y


def measured(K, d, n):
    """Fit and forget one row in a hundred; what that took, as a dictionary."""
    import numpy as np

    from certunlearn import CertifiedLogReg

    memory.load_jax()
    X, y = problem(K, d, n)
    CertifiedLogReg(solver="newton-cg", random_state=0).fit(*problem(3, 2, 100)).forget(10)
    base, clock = memory.lowered(), time.perf_counter()
    model = CertifiedLogReg(solver="newton-cg", random_state=0).fit(X, y)
    fitted = time.perf_counter()
    model.forget(np.arange(2 * K, 2 * K + n // 100))
    forgotten, peak = time.perf_counter(), memory.high_water()
    fit, forget = model.history_
    return {
        "coefficients": model._fitted.model.W.size,
        "peak over data": (peak - base) / X.nbytes,
        "hessian over data": 8 * model._fitted.model.W.size**2 / X.nbytes,
        "data MB": X.nbytes / 1e6,
        "solver": model.solver_,
        "steps": int(model.n_iter_[0]),
        "fit seconds": fitted - clock,
        "fit passes": fit["passes"],
        "fit distance": fit["distance"],
        "forget seconds": forgotten - fitted,
        "forget passes": forget["passes"],
        "forget distance": forget["distance"],
        "target": model.certificate_.distance_target,
        "certified": model.certificate_.check(1.0, 1e-6, allow_seeded=True),
    }


def main(small=False, out="tests/benchmarks/results"):
    from .report import Report

    report = Report("matrix_free", out, small=small)
    name = "small" if small else "full"
    found = memory.in_subprocess("tests.benchmarks.matrix_free", name)
    found["forget over fit, time"] = found.pop("forget seconds") / found.pop("fit seconds")
    K, d, n = SIZES[name]
    rows = [{"": key, "value": value} for key, value in found.items()]
    report.table(f"{K} classes, {d} features, {n} rows: fit, forget one row in a hundred", rows)
    report.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=SIZES)
    print(json.dumps(measured(*SIZES[parser.parse_args().size])))
