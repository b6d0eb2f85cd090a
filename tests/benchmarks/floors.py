"""How far certified distances of softmax are above true ones, and what would bring them nearer.

A removal shows its distance by a matrix that is below all Hessians.  Beside what it certifies: what
the whole Hessian, factored afresh, would show of the same gradient, and that of the fit, carried to
the present rows and weights (e^{-T} for margins that have moved by T, less kappa of the rows that
have gone); neither with any rounding counted.  And what such a factor with bounds costs, in CPU
seconds, beside the request itself; one thread of linear algebra.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from threadpoolctl import threadpool_limits

from certunlearn import CertifiedLogReg
from certunlearn.numerics.context import numerics
from certunlearn.numerics.objective.objective import flat, folded
from certunlearn.numerics.objective.quadratic import model_at

from . import data
from .report import Report, cpu, spread

#: Single rows, and pictures and features of clothes.
SIZES = {"full": (5, 20_000, 256), "small": (2, None, None)}
_POWERS = 80


class Floor:
    """A Hessian (q, q) of softmax where it was taken, factored, in the norm of the noise."""

    def __init__(self, model, geometry):
        self.lower, self.W, self.geometry = model.factor.lower, model.W, geometry
        V = np.random.default_rng(0).normal(size=self.W.shape)
        for _ in range(_POWERS):
            # Of A relative to H, on steps that sum to zero; both leave these among themselves.
            V = self.solve(geometry.half.T @ (geometry.half @ V))
            V -= V.mean(axis=1, keepdims=True)
            largest = np.linalg.norm(V)
            V /= largest
        self.c = math.sqrt(largest)

    def solve(self, G):
        return folded(cho_solve((self.lower, True), flat(G)), len(G))

    def shows(self, g):
        """What this floor would show of a gradient: see proofs/class_floor.md, the ball."""
        size = np.linalg.norm(solve_triangular(self.lower, flat(g), lower=True))
        return 0.5 * (self.c * size + self.geometry.norm(self.solve(g)))

    def left(self, held, root):
        """What of it is left where a model stands, rows of such a root having gone; T and kappa."""
        X = held.rows.gather(np.flatnonzero(held.sample_weight > 0))
        T = float(np.ptp(X @ (held.W - self.W), axis=1).max())
        white = solve_triangular(self.lower, root.T, lower=True)
        kappa = float(np.linalg.norm(white, 2)) ** 2
        return math.exp(-T) * (1.0 - kappa), T, kappa


def problem(name, X, y, singles):
    """A table's lines: one row after the other, then one in a hundred."""
    model = CertifiedLogReg(random_state=0).fit(X, y)
    held = model._fitted.model
    before, W = held.objective, held.W
    with numerics():
        fitted = Floor(model_at(before, W, 0.0), held.gram.geometry)
    order = np.random.default_rng(1).permutation(np.arange(20, len(y)))
    rows, roots = [], []
    for what, count, times in (("one row", 1, singles), ("one in a hundred", len(y) // 100, 1)):
        found = []
        for _ in range(times):
            now, order = order[:count], order[count:]
            # While they are there: rows that have gone are overwritten.
            roots.append(before.contribution(now, W, W).root)
            spent = cpu(model.forget, rows=now)
            found.append(_measured(model, fitted, np.vstack(roots), spent))
        columns = {key: spread([one[key] for one in found]) for key in found[0]}
        rows.append({"problem": name, "request": what, **columns})
    return rows


def _measured(model, fitted, root, spent):
    held, made = model._fitted.model, []
    with numerics():
        g = held.objective.measure(held.W, held.W).gradient
        g -= g.mean(axis=1, keepdims=True)
        factoring = cpu(lambda: made.append(model_at(held.objective, held.W, 0.0)))
        fresh = Floor(made[0], held.gram.geometry)
        true = held.gram.geometry.norm(fresh.solve(g))
        part, T, kappa = fitted.left(held, root)
    return {
        "certified over true": model.certificate_.distance / true,
        "by the Hessian": fresh.shows(g) / true,
        "by that of the fit": fitted.shows(g) / part / true if part > 0 else math.inf,
        "T": T,
        "kappa": kappa,
        "CPU s of a factor over those of the request": factoring / spent,
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("floors", out, small=small)
    singles, pictures, features = SIZES["small" if small else "full"]
    X, y = data.ten_digits()
    problems = {"digits": (16 * X, y)}
    if not small and (clothes := data.clothes(pictures, features)) is not None:
        problems["clothes, features of a frozen extractor, scaled"] = clothes
    rows = []
    with threadpool_limits(1):
        for name, (X, y) in problems.items():
            rows += problem(name, X, y, singles)
    report.table("Certified over true, and what other floors would show", rows)
    report.save()
