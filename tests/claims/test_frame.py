"""Rows held still: exact images, exact penalties, and where another fit would hold them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from certunlearn.claims.frame import Frame, StaleFrame
from certunlearn.claims.noise import Geometry
from certunlearn.exceptions import AssumptionError
from certunlearn.linalg.cholesky import factorise

LD = np.longdouble


def table(seed, n=60):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * 10.0 ** rng.uniform(-6, 6, size=5)
    X = X + X.std(axis=0) * [0.0, 5.0, 1e3, -1e6, 1e9]
    X[:, 0] = np.round(X[:, 0] / X[:, 0].std())
    return X


def framed(X, rotation=None):
    mean, spread = X.mean(axis=0), X.std(axis=0)
    return Frame.of(mean, spread, mean, X, rotation)


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_held_exactly(seed):
    X = table(seed)
    f = framed(X)
    Z = f.held(X)
    assert f.raw(Z).tolist() == X.tolist()
    exact = (X.astype(LD) - f.origin) / f.unit
    assert (Z == exact).all() and np.abs(Z.mean(axis=0)).max() < 20
    assert (f.spread / f.unit >= 1).all() and (f.spread / f.unit < 2).all()
    # Few bits of what bounds them, and on the safe side.
    assert (f.low <= X.min(axis=0)).all() and (f.high >= X.max(axis=0)).all()
    assert not np.isin(f.low, X).any() or (f.low == np.round(f.low)).any()


def test_rows_too_far_away_are_not_held():
    X = table(1)
    f = framed(X)
    with pytest.raises(StaleFrame):
        f.held(np.array([[0.0, 0.0, 0.0, 1e-3, 0.0]]))
    zero, wide = np.zeros(1), np.array([[1e200], [1e-200]])
    with pytest.raises(AssumptionError, match="column 0"):
        Frame.of(zero, zero + 1e200, zero, wide).held(wide)


def test_a_row_at_zero_lets_a_column_far_away_be_held_about_its_mean():
    """As does any row that loses no bit; one that would lose some keeps the origin at zero."""
    X = table(1)
    near = framed(X).origin[3]
    assert near < 0
    for lone, origin in ((0.0, near), (-3.0, near), (near / 4, near), (-1e-3, 0.0), (np.pi, 0.0)):
        Y, about, spread = X.copy(), X.mean(axis=0), X.std(axis=0)
        Y[7, 3] = lone
        f = Frame.of(about, spread, about, Y)
        assert f.origin[3] == origin, lone
        Z = f.held(Y)
        assert f.raw(Z).tolist() == Y.tolist()
        assert (Z == (Y.astype(LD) - f.origin) / f.unit).all()


def test_numbers_that_overflow_where_they_are_subtracted_are_not_held_so():
    most = float(np.finfo(float).max)
    X = np.array([[-most], [most], [most], [most]])
    one = np.ones(1)
    with np.errstate(all="raise"):
        f = Frame.of(one, one * most / 16, one * most / 2, X)
    assert f.origin.tolist() == [0.0]


@pytest.mark.parametrize("seed", range(20))
def test_both_frames_mean_one_model(seed):
    rng = np.random.default_rng(seed)
    X, K = table(seed), 1 + seed % 3
    R = np.linalg.qr(rng.normal(size=(5, 5)))[0] if seed % 2 else None
    f, W = framed(X, R), rng.normal(size=(6, K))
    U = f.released(W)
    np.testing.assert_allclose(f.inside(U), W, rtol=1e-9, atol=1e-9)
    image = ((X.astype(LD) - f.centre) / f.spread).astype(float)
    image = image if R is None else image @ R.T
    size = np.abs(f.held(X)) @ np.abs(W[:5]) + np.abs(W[5])
    gap = np.abs(image @ U[:5] + U[5] - f.held(X) @ W[:5] - W[5])
    assert (gap <= 1e-13 * (1 + size + np.abs(f.offset) @ np.abs(W[:5]))).all()
    alpha = np.append(np.full(5, 0.7), 0.0)
    np.testing.assert_allclose(
        np.sum(f.penalty(alpha)[:, None] * W**2), 0.7 * np.sum(U[:5] ** 2), rtol=1e-12
    )
    # Whatever the units: the penalty of u is one float.
    other = replace(f, unit=f.unit * 2.0 ** rng.integers(-9, 9, 5))
    ratio = (other.unit / f.unit) ** 2
    assert (other.penalty(alpha)[:5] * ratio).tolist() == f.penalty(alpha)[:5].tolist()


def grams(X, s, f):
    """G of rows as a frame holds them, in long double."""
    Z = np.c_[f.held(X), np.ones(len(X))].astype(LD)
    return (Z.T * (s / 4)) @ Z + np.diag(f.penalty(np.append(np.ones(X.shape[1]), 0.0)))


def test_where_a_fit_would_hold_the_rows_is_bounded():
    """And the twin: the spread of the frame in use is not enough."""
    larger = stale = 0
    for seed in range(90):
        rng = np.random.default_rng(seed)
        X = table(seed, 80)
        if seed % 2:
            # What goes lies near zero, or there, where a column is far from it.
            X[:3] *= rng.uniform(0.01, 0.4, size=5) if seed < 60 else 0.0
        s = 10.0 ** rng.uniform(-6, 6, size=80)
        stay = np.arange(3 + 30 * (seed % 3), 80)
        before, fresh = framed(X), framed(X[stay])
        mean, spread = X[stay].mean(axis=0), X[stay].std(axis=0)
        f = before.moved(mean, spread, mean, None, X[:0])
        try:
            G = grams(X[stay], s[stay], f).astype(float)
        except StaleFrame:
            # All that was far from the rest has gone: rows are held anew.
            stale += 1
            continue
        factor = factorise(G, np.diag(G).copy(), 1e-13)
        G_o = grams(X[stay], s[stay], fresh)
        # v' and c' of unit vectors: columns of the inverse of N.
        there = np.diag(np.append(fresh.unit / f.unit, 1.0))
        there[5, :5] = (fresh.origin - f.origin) / f.unit
        found = 0.0
        inverse = np.linalg.inv(factor.lower).T
        for _ in range(200):
            x = inverse @ rng.normal(size=6)
            x_o = there @ x
            found = max(
                found,
                float(np.sqrt(np.diag(G_o)).astype(float) @ np.abs(x_o))
                / np.linalg.norm(factor.lower.T @ x),
            )
        g = np.sqrt(np.diag(G_o)).astype(float)
        for _ in range(64):
            # The supremum for one pattern of signs.
            end = there.T @ (g * np.sign(rng.normal(size=6)))
            found = max(found, float(np.linalg.norm(np.linalg.solve(factor.lower, end))))
        assert found <= f.spread_of(factor) * (1 + 1e-9)
        larger += found > factor.spread
        # The drift charges it.
        own, moved = Geometry("gram", factor), Geometry("gram", factor, f)
        assert moved.drift(1e-13) >= own.drift(1e-13) * (1 - 1e-9) or math.isinf(factor.spread)
    assert larger and stale
