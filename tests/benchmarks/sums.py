"""Sums over rows against what BLAS takes for the same products: CPU seconds, one thread.

The Gram sweep against NumPy's X'X (syrk), a gradient and a measured gradient against the two
products X'(Xw) of float64 rows, in turns.  The gradient, which is in the rows' own precision,
evaluates the loss as well.  A measured one comes with bounds on its errors: by the columns' largest
numbers, as in fits and removals where these do, and else by the rows' own, of which |X| is summed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from certunlearn.numerics.context import numerics
from certunlearn.numerics.losses.margins import Logistic, Softmax
from certunlearn.numerics.objective.measurement import Spare
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.objective.products import Products
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights

from .report import Report, cpu, ratio, spread, turns

SIZES = (
    (20_000, 1536, 1, np.float64),
    (20_000, 1536, 1, np.float32),
    (20_000, 384, 1, np.float32),
    (200_000, 50, 1, np.float64),
    (50_000, 100, 10, np.float64),
)
SMALL = ((300, 5, 1, np.float64), (300, 5, 3, np.float32))


def problem(n, d, K, kind):
    """Rows about as long as one, as held by a model and as a float64 matrix, and a point."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(n, d)) / np.sqrt(d)).astype(kind)
    loss = Softmax(K) if K > 1 else Logistic()
    rows = DenseRows(X, rng.integers(0, max(2, K), n), intercept=False)
    weights, table = Weights.of(np.ones(n)), np.arange(max(2, K))
    risk = Objective(rows, loss, table, weights, np.ones(d), np.zeros(d))
    return risk, X.astype(np.float64), rng.normal(size=(d, K))


def proposed(products, loss, W):
    """Gradient of the loss in the rows' own precision, as solvers propose steps by it."""
    slope = loss.slope(products.margins(W), products.labels)
    return products.combined(products.weight * slope)


def row(n, d, K, kind, repeats):
    risk, X, W = problem(n, d, K, kind)
    away, products = 1.1 * W, Products.of(risk)
    coarse = replace(risk, spare=Spare(np.ones((d, K)), moved=np.inf))
    actions = {
        "syrk": lambda: X.T @ X,
        "gram": risk.gram,
        "pair": lambda: X.T @ (X @ W),
        "gradient": lambda: proposed(products, risk.loss, W),
        "measured": lambda: coarse.measure(W, away),
        "own": lambda: risk.measure(W, away),
    }
    for action in actions.values():
        # What compiles does so before it is timed.
        action()
    took = turns({name: partial(cpu, action) for name, action in actions.items()}, repeats)
    return {
        "n": n,
        "d": d,
        "classes": max(2, K),
        "rows": np.dtype(kind).name,
        "syrk, seconds": spread(took["syrk"]),
        "gram over syrk": ratio(took["gram"], took["syrk"]),
        "two products, seconds": spread(took["pair"]),
        "gradient over them": ratio(took["gradient"], took["pair"]),
        "measured gradient over them": ratio(took["measured"], took["pair"]),
        "the same by the rows' own sizes": ratio(took["own"], took["pair"]),
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("sums", out, small=small)
    sizes, repeats = (SMALL, 3) if small else (SIZES, 5)
    with threadpool_limits(1, user_api="blas"), numerics():
        rows = [row(*size, repeats) for size in sizes]
    report.table("Sums over rows against NumPy's products, CPU seconds on one thread", rows)
    report.save()
