"""Adversarial classification problems with a removal, over a short fixed list of shapes.

Jitted sweeps compile once a shape, and every n up to 64 is one block, so the list is what keeps
two thousand problems affordable.  Hypothesis draws the shape, the constants and a seed; the rows
follow from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

#: (rows, features, classes).
SHAPES = (
    (20, 1, 2),
    (40, 2, 2),
    (60, 3, 2),
    (60, 6, 2),
    (100, 4, 2),
    (9, 12, 2),
    (30, 2, 3),
    (60, 3, 3),
    (60, 4, 3),
    (64, 4, 3),
    (12, 12, 3),
    (50, 3, 5),
)
MECHANISMS = ("gram", "isotropic", "objective")
REMOVALS = ("one", "several", "leverage", "class_but_one", "class", "second")


@dataclass(frozen=True, eq=False)
class Case:
    """A problem and the requests to make of it, in order."""

    regime: str
    seed: int
    X: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    C: float
    intercept: bool
    mechanism: str
    requests: tuple[np.ndarray, ...]

    def __repr__(self):
        n, d = self.X.shape
        removed = [r.tolist() for r in self.requests]
        return (
            f"Case({self.regime}, seed={self.seed}, n={n}, d={d}, K={self.codes.max() + 1}, "
            f"C={self.C!r}, intercept={self.intercept}, {self.mechanism}, remove {removed})"
        )


def _plain(rng, n, d, K):
    X = rng.normal(size=(n, d))
    logits = X @ rng.normal(size=(d, K)) + rng.gumbel(size=(n, K))
    return X, logits.argmax(axis=1), np.ones(n)


def _separable(rng, n, d, K):
    X = rng.normal(size=(n, d))
    # Along a line, so that even one feature separates the classes.
    y = np.searchsorted(np.quantile(X[:, 0], np.arange(1, K) / K), X[:, 0])
    return X, y, np.ones(n)


def _duplicate_columns(rng, n, d, K):
    X, y, s = _plain(rng, n, d, K)
    X[:, d // 2 :] = X[:, : d - d // 2]
    return X, y, s


def _collinear_columns(rng, n, d, K):
    X, y, s = _plain(rng, n, d, K)
    near = 10.0 ** rng.uniform(-12, -2)
    X[:, d // 2 :] = X[:, : d - d // 2] + near * rng.normal(size=(n, d - d // 2))
    return X, y, s


def _duplicate_rows(rng, n, d, K):
    X, y, s = _plain(rng, n, d, K)
    source = rng.integers(0, max(K, n // 5), size=n)
    return X[source], y[source], s


def _wide(rng, n, d, K):
    X, y, _ = _plain(rng, n, d, K)
    return X, y, rng.uniform(0.5, 2, size=n)


def _huge_row(rng, n, d, K):
    X, y, s = _plain(rng, n, d, K)
    X[rng.integers(n)] *= 10.0 ** rng.uniform(1, 5)
    return X, y, s


def _weights(rng, n, d, K):
    X, y, _ = _plain(rng, n, d, K)
    return X, y, 10.0 ** rng.uniform(-6, 6, size=n)


def _scale_1e8(rng, n, d, K):
    X, y, s = _plain(rng, n, d, K)
    X[rng.integers(n)] *= 1e8
    return X, y, s


def _saturated(rng, n, d, K):
    X, y, s = _separable(rng, n, d, K)
    return X * 10.0 ** rng.uniform(0, 2), y, s


def _rare_class(rng, n, d, K):
    X, y, s = _plain(rng, n, d, K)
    y[y == K - 1] = 0
    y[rng.choice(n, 2, replace=False)] = K - 1
    return X, y, s


def _raw(rng, n, d, K):
    X, y, s = _plain(rng, n, d, K)
    return X * 10.0 ** rng.uniform(-4, 4, size=d) + 10.0 ** rng.uniform(-2, 3, size=d), y, s


REGIMES = {
    "plain": _plain,
    "separable": _separable,
    "duplicate_columns": _duplicate_columns,
    "collinear_columns": _collinear_columns,
    "duplicate_rows": _duplicate_rows,
    "wide": _wide,
    "huge_row": _huge_row,
    "weights": _weights,
    "scale_1e8": _scale_1e8,
    "saturated": _saturated,
    "rare_class": _rare_class,
    "raw": _raw,
}


def _several(rng, live, low=2):
    return np.sort(rng.choice(live, size=max(low, len(live) // 8), replace=False))


def _requests(rng, removal, X, codes, intercept):
    """Positions to remove, request by request; at least two rows of two classes stay."""
    n, live = len(X), np.arange(len(X))
    if removal == "one":
        return (rng.choice(live, 1),)
    if removal == "leverage":
        A = np.hstack([X, np.ones((n, int(intercept)))])
        Q = np.linalg.qr(A / np.abs(A).max(axis=0, initial=1e-300))[0]
        return (np.sort(np.argsort((Q**2).sum(axis=1))[-2:]),)
    k = rng.integers(codes.max() + 1)
    of_class = np.flatnonzero(codes == k)
    if removal == "class" and codes.max() >= 2:
        return (of_class,)
    if removal == "class_but_one" and len(of_class) > 1:
        return (of_class[1:],)
    first = _several(rng, live)
    if removal == "second":
        return first, _several(rng, np.setdiff1d(live, first), low=1)
    return (first,)


def case(regime, shape, log_C, intercept, mechanism, removal, seed):
    """Build the problem that these draws stand for."""
    rng = np.random.default_rng(seed)
    n, d, K = shape
    X, codes, weight = REGIMES[regime](rng, n, d, K)
    # Every class occurs twice, as the first rows.
    codes[: 2 * K] = np.tile(np.arange(K), 2)
    requests = _requests(rng, removal, X, codes, intercept)
    left = np.setdiff1d(np.arange(n), np.concatenate(requests))
    if len(np.unique(codes[left])) < 2:
        requests = (np.array([2 * K], dtype=np.int64),)
    C = float(10.0**log_C)
    return Case(regime, seed, X, codes, weight, C, intercept, mechanism, requests)


def cases(regime):
    """Problems of one regime with a removal each."""
    wide = [s for s in SHAPES if s[0] <= s[1]]
    low = 2.0 if regime == "saturated" else -3.0
    return st.builds(
        case,
        st.just(regime),
        st.sampled_from(wide if regime == "wide" else SHAPES),
        st.integers(int(8 * low), 32).map(lambda k: k / 8),
        st.booleans(),
        st.sampled_from(MECHANISMS),
        st.sampled_from(REMOVALS),
        st.integers(0, 2**32 - 1),
    )
