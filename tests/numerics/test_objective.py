"""The sweeps against mpmath and scikit-learn; nothing here is computed twice by the same code."""

import pickle
from dataclasses import replace

import jax
import mpmath
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg
from certunlearn._common.rounding import gamma
from certunlearn.exceptions import AssumptionError
from certunlearn.linalg.cholesky import factorise
from certunlearn.numerics.losses.margins import Logistic, Softmax
from certunlearn.numerics.objective import kernels
from certunlearn.numerics.objective.curvature import without
from certunlearn.numerics.objective.measurement import Spare
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights


def problem(classes, n=70, d=4, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * scale
    y = rng.integers(0, classes, size=n)
    y[:classes] = np.arange(classes)
    s = 10.0 ** rng.uniform(-6, 6, size=n) if scale > 1 else rng.uniform(0.5, 2, size=n)
    loss = Logistic() if classes == 2 else Softmax(classes)
    alpha = np.r_[np.ones(d), 0.0]
    gauge = np.r_[np.zeros(d), 0.0 if classes == 2 else 1.0]
    return X, y, s, objective_of(X, y, s, loss, alpha, gauge)


def objective_of(X, y, s, loss, alpha, gauge):
    with jax.enable_x64(True):
        rows = DenseRows(X, y, intercept=True)
    return Objective(rows, loss, np.arange(max(2, loss.columns)), Weights.of(s), alpha, gauge)


def exact_gradient(X, y, s, W, alpha, gauge):
    with mpmath.workdps(60):
        n, p, K = len(X), *W.shape
        A = [[mpmath.mpf(v) for v in row] + [mpmath.mpf(1)] for row in X.tolist()]
        V = [[mpmath.mpf(v) for v in row] for row in W.tolist()]
        out = [[mpmath.mpf(alpha[j]) * V[j][k] for k in range(K)] for j in range(p)]
        for i in range(n):
            z = [sum(A[i][j] * V[j][k] for j in range(p)) for k in range(K)]
            if K == 1:
                slopes = [1 / (1 + mpmath.exp(-z[0])) - int(y[i])]
            else:
                total = sum(mpmath.exp(t) for t in z)
                slopes = [mpmath.exp(t) / total - int(k == y[i]) for k, t in enumerate(z)]
            for j in range(p):
                for k in range(K):
                    out[j][k] += mpmath.mpf(float(s[i])) * slopes[k] * A[i][j]
        for k in range(K):
            out[-1][k] += mpmath.mpf(gauge[-1]) * sum(V[-1])
        return out


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("size", [0.01, 3.0])
def test_gradient_allowance_covers_the_exact_gradient(classes, scale, size):
    X, y, s, objective = problem(classes, scale=scale)
    W = np.random.default_rng(1).normal(size=(5, objective.loss.columns)) * size
    with jax.enable_x64(True):
        m = objective.measure(W, W)
    exact = exact_gradient(X, y, s, W, objective.alpha, objective.gauge)
    for j in range(W.shape[0]):
        for k in range(W.shape[1]):
            assert abs(mpmath.mpf(m.gradient[j, k]) - exact[j][k]) <= m.allowance[j, k]
    assert m.moved == 0.0
    if scale == 1.0:
        assert m.allowance.max() <= 1e-10 * np.abs(m.gradient).max()


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("size", [0.01, 3.0])
def test_columns_maxima_cover_the_exact_gradient_too(classes, scale, size):
    X, y, s, objective = problem(classes, scale=scale, seed=1)
    W = np.random.default_rng(2).normal(size=(5, objective.loss.columns)) * size / scale
    sparing = replace(objective, spare=Spare(np.ones((5, 1))))
    with jax.enable_x64(True):
        fine, coarse = objective.measure(W, 0.9 * W), sparing.measure(W, 0.9 * W)
    assert sparing.spare.used and sparing.rows.longest >= np.sqrt((X**2).sum(axis=1).max() + 1)
    exact = exact_gradient(X, y, s, W, objective.alpha, objective.gauge)
    off = [[abs(float(g) - exact[j][k]) for k, g in enumerate(r)] for j, r in enumerate(coarse[1])]
    assert (np.array(off, dtype=float) <= coarse.allowance).all()
    np.testing.assert_allclose(coarse.gradient, fine.gradient, rtol=0, atol=fine.allowance.max())
    for name in ("allowance", "rounding", "margin_error", "slope_error"):
        # Never below what is found row by row, but for the last digits of that itself.
        assert (getattr(coarse, name) >= np.multiply(0.999, getattr(fine, name))).all()
    assert coarse.moved == fine.moved


def test_rows_are_read_for_errors_where_columns_maxima_do_not_do():
    _, _, _, objective = problem(2)
    W = np.ones((5, 1))
    objective.rows.column_max  # noqa: B018 - what is found once
    for total in (0.0, np.inf):
        spare = Spare(np.ones((5, 1)), total)
        sparing, reads = replace(objective, spare=spare), objective.rows.reads
        for _ in range(2):
            m = sparing.measure(W, W)
        assert (m.allowance == objective.measure(W, W).allowance).all() == (total == 0)
        # Asked once and refused, or twice and taken; and the one to compare with.
        assert objective.rows.reads - reads == (4 if total == 0 else 3) * objective.rows.n
        assert spare.used == (total > 0)


def test_coarse_errors_without_those_of_the_margins_are_too_small():
    """The twin: what evaluation and sum alone may cost is less than what margins cost here."""
    rng, y = np.random.default_rng(0), np.arange(60) % 2
    x = 1 + rng.uniform(size=60)
    # Large weights that nearly cancel in every margin.
    X, W = np.c_[x, x + 1e-8 * rng.normal(size=60)], np.array([[1e8], [-1e8], [0.0]])
    objective = objective_of(X, y, np.ones(60), Logistic(), np.zeros(3), np.zeros(3))
    sparing = replace(objective, spare=Spare(np.ones((3, 1))))
    with jax.enable_x64(True):
        m = sparing.measure(W, W)
        chain = objective.rows.fold(
            kernels.Coarse(objective.loss),
            objective.blocked,
            objective.table,
            W,
            0 * W,
            np.zeros((1, 1)),
            gamma(objective.sum_length + 9),
        )
    exact = exact_gradient(X, y, np.ones(60), W, objective.alpha, objective.gauge)
    off = np.array([abs(float(g[0]) - e[0]) for g, e in zip(m.gradient, exact, strict=True)], float)
    assert (off <= m.allowance[:, 0]).all()
    assert (off > objective.rows.column_max * chain[2].sum()).any()


@pytest.mark.parametrize("classes", [2, 3])
def test_hessian_is_the_derivative_of_the_gradient(classes):
    _, _, _, objective = problem(classes)
    K = objective.loss.columns
    W = np.random.default_rng(2).normal(size=(5, K)) * 0.3
    with jax.enable_x64(True):
        H = objective.hessian(W).matrix
        at_zero = objective.hessian(np.zeros_like(W)).matrix
        from_gram = objective.hessian_at_zero(objective.gram()).matrix
        V = np.random.default_rng(4).normal(size=W.shape)
        product = objective.hvp(W, V)
        for index in range(5 * K):
            step = np.zeros(5 * K)
            step[index] = 1e-5
            step = step.reshape(K, 5).T
            difference = (
                objective.measure(W + step, W).gradient - objective.measure(W - step, W).gradient
            )
            np.testing.assert_allclose(
                difference.T.ravel() / 2e-5, H[:, index], rtol=1e-6, atol=1e-6 * np.abs(H).max()
            )
    np.testing.assert_allclose(from_gram, at_zero, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(product.T.ravel(), H @ V.T.ravel(), rtol=1e-10, atol=1e-10)
    assert np.linalg.eigvalsh(H)[0] > 0


@pytest.mark.parametrize("classes", [2, 3])
def test_scikit_learn_optimum_has_no_gradient(classes):
    X, y, s, objective = problem(classes)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model.fit(X, y, sample_weight=s)
    W = np.vstack([model.coef_.T, model.intercept_ - model.intercept_.mean() * (classes > 2)])
    with jax.enable_x64(True):
        here = objective.measure(W, W).gradient
        away = objective.measure(W + 0.01, W).gradient
    assert np.abs(here).max() <= 1e-9
    assert np.abs(away).max() > 1e-3


def test_moved_and_leverage_bound_the_rows():
    X, _, s, objective = problem(2)
    A = np.column_stack([X, np.ones(len(X))])
    W = np.random.default_rng(3).normal(size=(5, 1))
    with jax.enable_x64(True):
        moved = objective.measure(W, np.zeros_like(W)).moved
        L = np.linalg.cholesky(objective.hessian(W).matrix)
        top = objective.leverage(np.linalg.inv(L), 0.0)
        box = objective.box_leverage(np.linalg.inv(L), 0.0)
    truth = np.abs(A @ W).max()
    assert truth <= moved <= truth * (1 + 1e-10)
    truth = np.sqrt((np.linalg.solve(L, A.T) ** 2).sum(axis=0).max())
    assert truth <= top <= truth * (1 + 1e-6)
    assert top <= box


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scale", [1e-308, 1e-170, 1e-157, 1e-154])
def test_leverage_of_rows_whose_squares_underflow(classes, scale):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 3)) * scale, rng.integers(0, classes, size=9)
    loss = Logistic() if classes == 2 else Softmax(classes)
    with jax.enable_x64(True):
        rows = DenseRows(X, y, intercept=False)
        weights, alpha = Weights.of(np.ones(9)), np.full(3, 10.0)
        objective = Objective(rows, loss, np.arange(classes), weights, alpha, np.zeros(3))
        f = factorise(10.0 * np.eye(3), np.full(3, 10.0), 0.0)
        # Two classes move a pair of margins apart: the root of two times as far.
        square = [sum(mpmath.mpf(v) ** 2 for v in row) / 10 for row in X.tolist()]
        true = mpmath.sqrt(max(square) * (2 if classes > 2 else 1))
        share = objective.contribution(np.arange(9), np.zeros((3, loss.columns)), np.zeros((3, 1)))
        for bound in (
            objective.leverage(f.inverse, f.slack),
            objective.box_leverage(f.inverse, f.slack),
            share.leverage(f),
        ):
            assert true <= bound < 1e-144


def test_weights_below_the_normal_numbers_are_refused():
    least = np.finfo(float).tiny
    assert Weights.of(np.array([0.0, least, 1.0])).kept == 2
    for weight in (5e-324, least / 2):
        with pytest.raises(AssumptionError, match="rescale the weights"):
            Weights.of(np.array([1.0, weight]))
        with pytest.raises(AssumptionError, match="rescale the weights"):
            Weights.of(np.ones(2)).extended(np.array([weight]))
    X, y = np.eye(4), [0, 1, 0, 1]
    with pytest.raises(AssumptionError, match="weight"):
        CertifiedLogReg().fit(X, y, [1.0, 1.0, 1.0, 5e-324])
    # Also where the product with a class's weight comes out so small.
    with pytest.raises(AssumptionError, match="weight"):
        CertifiedLogReg(class_weight={1: 1e-160}).fit(X, y, [1.0, 1.0, 1.0, 1e-150])


@pytest.mark.parametrize("classes", [2, 4])
def test_leverage_covers_every_pair_of_classes(classes):
    X, _, s, objective = problem(classes)
    A, K = np.column_stack([X, np.ones(len(X))]), objective.loss.columns
    W = np.random.default_rng(3).normal(size=(5, K))
    with jax.enable_x64(True):
        L = np.linalg.cholesky(objective.hessian(W).matrix)
        top = objective.leverage(np.linalg.inv(L), 0.0)
        box = objective.box_leverage(np.linalg.inv(L), 0.0)
    truth = 0.0
    pairs = [(k, m) for k in range(K) for m in range(k)] or [(0, None)]
    for k, m in pairs:
        e = np.eye(K)[k] - (0 if m is None else np.eye(K)[m])
        V = np.linalg.solve(L, np.stack([np.outer(e, a).ravel() for a in A]).T)
        truth = max(truth, np.sqrt((V**2).sum(axis=0).max()))
    assert truth <= top <= 2 * truth
    assert truth <= box


def test_removed_rows_leave_the_matrices():
    X, y, s, objective = problem(3)
    gone, kept = np.array([2, 5, 11]), np.setdiff1d(np.arange(len(X)), [2, 5, 11])
    W = np.random.default_rng(5).normal(size=(5, 3))
    short = objective_of(
        X[kept], y[kept], s[kept], objective.loss, objective.alpha, objective.gauge
    )
    with jax.enable_x64(True):
        share = objective.contribution(gone, W, W)
        H = without(objective.hessian(W), share.hessian, 3, share.error)
        G = without(objective.gram(), share.gram, 3, share.error)
        remaining = objective.measure(W, W).gradient - share.gradient
        expected = short.hessian(W).matrix, short.gram().matrix
        np.testing.assert_allclose(
            remaining - objective.alpha[:, None] * W,
            short.measure(W, W).gradient - objective.alpha[:, None] * W,
            rtol=1e-10,
        )
    for computed, truth in zip((H, G), expected, strict=True):
        g = np.sqrt(computed.diagonal)
        assert (np.abs(computed.matrix - truth) <= 2 * computed.error * np.outer(g, g)).all()
        assert np.abs(computed.matrix - truth).max() < 1e-12 * np.abs(truth).max()


def test_weight_zero_is_a_row_removed_and_scrubbing_erases_it():
    X, y, s, objective = problem(2)
    W = np.full((5, 1), 0.2)
    s0 = s.copy()
    s0[7] = 0.0
    kept = np.arange(len(X)) != 7
    short = objective_of(X[kept], y[kept], s[kept], Logistic(), objective.alpha, objective.gauge)
    before, rows = X.copy(), objective.rows
    with jax.enable_x64(True):
        masked = replace(objective, weights=Weights.of(s0)).measure(W, W)
        removed = short.measure(W, W)
        rows.column_max  # noqa: B018 - fills a cache that must hold no value of a scrubbed row
        assert X[7].tobytes() in rows.gather(np.arange(len(X)))[:, :4].tobytes()
        rows.scrub(np.array([7]))
        held = pickle.dumps(rows)
        assert (rows.column_max[:4] >= np.abs(X[kept]).max(axis=0)).all()
    np.testing.assert_allclose(masked.gradient, removed.gradient, rtol=1e-12)
    assert X[7].tobytes() not in held and X[8].tobytes() in held
    assert np.array_equal(before, X)


@pytest.mark.parametrize("size", [1e20, 1e40])
@pytest.mark.parametrize("margin", [-709.5, -720.0, -745.0])
def test_what_underflows_is_in_the_allowance_however_heavy_the_row(size, margin):
    # A slope of e^margin is flushed to zero here; s |x| makes more than 1e-290 of it.
    weight, W = np.array([size]), np.array([[margin / size]])
    with jax.enable_x64(True):
        rows = DenseRows(np.array([[size]]), np.array([0]), intercept=False)
        o = Objective(rows, Logistic(), np.arange(2), Weights.of(weight), np.zeros(1), np.zeros(1))
        m = o.measure(W, W)
    with mpmath.workdps(60):
        z = mpmath.mpf(size) * mpmath.mpf(W[0, 0])
        exact = mpmath.mpf(size) ** 2 * mpmath.exp(z) / (1 + mpmath.exp(z))
        away = abs(mpmath.mpf(m.gradient[0, 0]) - exact)
    assert away > 1e-290
    assert away <= m.allowance[0, 0]
    # `rounding` leaves out what the margin's own error does, which goes along the row.
    along = m.slope_error * mpmath.sqrt(exact * size)
    assert away <= m.rounding[0, 0] + along
