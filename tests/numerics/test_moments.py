"""Exact sums of columns and their extremes, against rational numbers."""

from fractions import Fraction

import numpy as np
import pytest

from certunlearn.exceptions import AssumptionError
from certunlearn.numerics.rows.extremes import Largest
from certunlearn.numerics.rows.moments import Moments

RNG = np.random.default_rng(0)
TABLES = {
    "plain": RNG.normal(size=(300, 3)),
    "huge means": RNG.normal(size=(90, 3)) + [1e9, -1e15, 0.0],
    "twelve decades": RNG.normal(size=(60, 3)) * 10.0 ** RNG.uniform(-6, 6, size=(60, 3)),
    "all of float64": np.array([[5e-324, 1e153, 0.0], [1e-310, -1e153, 3.0]] * 9),
    "whole numbers": RNG.integers(-4, 9, size=(40, 3)).astype(float),
    "zeros": np.zeros((9, 3)),
    "one row": RNG.normal(size=(1, 3)),
    "several blocks": RNG.normal(size=(9_000, 3)),
}


def rational(X):
    """Means, variances and covariances of rows, each rounded once."""
    n, columns = len(X), [[Fraction(v) for v in column] for column in X.T.tolist()]
    means = [sum(c, Fraction(0)) / n for c in columns]
    joint = [
        [
            float(sum((a * b for a, b in zip(c, e, strict=True)), Fraction(0)) / n - m * k)
            for e, k in zip(columns, means, strict=True)
        ]
        for c, m in zip(columns, means, strict=True)
    ]
    return [float(m) for m in means], joint


@pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)
def test_moments_are_rounded_once(X):
    means, joint = rational(X)
    one, both = Moments.of(X), Moments.of(X, joint=True)
    assert one.means.tolist() == both.means.tolist() == means
    assert one.variances.tolist() == both.variances.tolist() == np.diag(joint).tolist()
    assert both.covariances.tolist() == joint


@pytest.mark.parametrize("joint", [False, True])
def test_moments_do_not_know_what_came_and_went(joint):
    X, far = TABLES["huge means"], TABLES["all of float64"]
    now = Moments.of(X[:7], joint=joint)
    for more, less in ((far, far[:5]), (X[7:], X[:3]), (X[:3], far[5:])):
        now = now + Moments.of(more, joint=joint) - Moments.of(less, joint=joint)
    want = Moments.of(X[RNG.permutation(len(X))], joint=joint)
    assert now.count == want.count and now.means.tolist() == want.means.tolist()
    assert now.variances.tolist() == want.variances.tolist()
    if joint:
        assert now.covariances.tolist() == want.covariances.tolist()


@pytest.mark.parametrize("joint", [False, True])
def test_many_blocks_are_added_as_few_rows_are(joint):
    """Digits as large as they get, of one sign, and far down: no integer overflows."""
    X = np.full((40_000, 2), 1 - 2.0**-53)
    X[:, 1] *= -(2.0 ** RNG.integers(-60, 1, size=40_000))
    parts = [Moments.of(part, joint=joint) for part in np.array_split(X, 10_000)]
    want = parts[0]
    for part in parts[1:]:
        want = want + part
    got = Moments.of(X, joint=joint)
    assert got.means.tolist() == want.means.tolist()
    assert got.variances.tolist() == want.variances.tolist()
    if joint:
        assert got.covariances.tolist() == want.covariances.tolist()


def test_floats_would_know():
    """The twin: sums in floating point tell one world from the other."""
    X, row = TABLES["huge means"], np.array([1e17, 1.0, 1e-3])
    there, never = np.vstack([X, row]).sum(axis=0) - row, X.sum(axis=0)
    assert not np.array_equal(there, never)


def test_moments_beyond_float64_are_refused():
    with pytest.raises(AssumptionError, match="overflow"):
        Moments.of(np.array([[1e300], [-1e300]] * 5)).variances.tolist()


def test_largest_follows_rows():
    rng = np.random.default_rng(1)
    X = np.round(rng.normal(size=(200, 3)) * [1, 3, 9])
    known, alive, lost = Largest.of(X), np.ones(len(X), dtype=bool), 0
    for _ in range(150):
        # The largest of some column goes, with all its equals, or anything, or rows come.
        live = np.flatnonzero(alive)
        j, verb = rng.integers(3), rng.integers(5)
        if verb < 3:
            gone = live[X[live, j] == X[live, j].max()]
        elif verb == 3 or len(live) < 9:
            new = np.round(rng.normal(size=(rng.integers(1, 4), 3)) * [1, 3, 9])
            X, alive = np.vstack([X, new]), np.append(alive, np.ones(len(new), dtype=bool))
            known = known.including(new)
            continue
        else:
            gone = rng.choice(live, size=3, replace=False)
        if len(gone) == len(live):
            break
        alive[gone] = False
        known = known.without(X[gone])
        if not known.known.all():
            lost += 1
            known = known.refound(~known.known, X[alive][:, ~known.known])
        assert known.values.tolist() == X[alive].max(axis=0).tolist()
        gone_values = np.setdiff1d(X[~alive], X[alive])
        assert not np.isin(known.least[np.isfinite(known.least)], gone_values).any()
    assert lost
