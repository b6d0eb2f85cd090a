"""The unit of the noise: exact sums, the same bits in both worlds, no units of measurement."""

import json
import re
import warnings
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from operator import mul
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_linnerud
from sklearn.linear_model import LinearRegression, Ridge

from certunlearn import (
    Certificate,
    CertifiedElasticNet,
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
    forgetting,
    mix,
)
from certunlearn.claims.tradeoff import mu_from_epsilon_delta
from certunlearn.exceptions import AssumptionError, NoiseWarning
from certunlearn.numerics.losses.margins import Columnwise
from certunlearn.numerics.losses.pointwise import Squared
from certunlearn.numerics.rows.units import root, squared_lengths, units, wanted
from certunlearn.numerics.rows.weights import exact_sum


def numbers(rng, n, kind):
    """Finite floats over many decades, subnormal and largest ones and zeros among them."""
    decades = {"plain": 0, "decades": 12, "extreme": 300}[kind]
    out = rng.normal(size=n) * 10.0 ** rng.uniform(-decades, decades / 2, size=n)
    if kind == "extreme":
        out[rng.random(n) < 0.1] = 5e-324
        out[rng.random(n) < 0.1] = 0.0
    return out


@pytest.mark.parametrize("kind", ["plain", "decades", "extreme"])
@pytest.mark.parametrize("factors", [1, 2, 3])
def test_exact_sum_is_the_sum_of_rationals(kind, factors):
    rng = np.random.default_rng([factors, len(kind)])
    for _ in range(30):
        n = int(rng.integers(1, 60))
        given = [numbers(rng, n, kind) for _ in range(factors)]
        if rng.random() < 0.3:
            given[0][:] = given[0][0]
        rows = zip(*([Fraction(float(v)) for v in f] for f in given), strict=True)
        assert exact_sum(*given) == sum((reduce(mul, row) for row in rows), Fraction(0))


def test_exact_sum_of_more_rows_than_are_taken_at_a_time(monkeypatch):
    y = np.random.default_rng(0).normal(size=1000)
    whole = exact_sum(y, y, y)
    monkeypatch.setattr("certunlearn.numerics.rows.weights._TOGETHER", 7)
    assert exact_sum(y, y, y) == whole and exact_sum(np.zeros(0)) == 0
    largest = np.full(10, np.nextafter(2.0, 0))
    largest[0] = -largest[0]
    assert exact_sum(largest, largest, largest) == 8 * Fraction(float(largest[1])) ** 3


def test_root_is_right_to_a_unit_and_doubles_with_four_times_the_square():
    rng = np.random.default_rng(0)
    for _ in range(300):
        q = Fraction(float(rng.uniform(1, 10) * 10.0 ** rng.integers(-200, 200))) / 3
        r = Fraction(root(q))
        assert abs(r * r / q - 1) <= Fraction(2) ** -51
        assert root(4 * q) == 2 * root(q)
    assert root(Fraction(9)) == 3.0
    for q in (Fraction(2) ** -2050, Fraction(2) ** 2050):
        with pytest.raises(AssumptionError, match="rescale"):
            root(q)


def test_a_row_has_one_length_whatever_stands_beside_it():
    rng = np.random.default_rng(0)
    X = numbers(rng, 5000, "decades").reshape(50, 100) * (rng.random((50, 100)) < 0.4)
    alone = np.array([squared_lengths(x[None], intercept=True)[0] for x in X])
    for block in (slice(0, 50), slice(3, 17), slice(49, 50)):
        np.testing.assert_array_equal(squared_lengths(X[block], intercept=True), alone[block])
    np.testing.assert_array_equal(squared_lengths(sp.csr_array(X), intercept=True), alone)
    np.testing.assert_array_equal(squared_lengths(np.asfortranarray(X), intercept=True), alone)
    np.testing.assert_allclose(alone, (X * X).sum(axis=1) + 1, rtol=1e-12)


# Two worlds: what was removed, put in, put right, and never there.

REGRESSORS = {
    "ridge": lambda **p: CertifiedRidge(**p),
    "several": lambda **p: CertifiedRidge(**p),
    "huber": lambda **p: CertifiedHuberRegressor(threshold=0.7, **p),
    "log-cosh": lambda **p: CertifiedHuberRegressor(loss="log-cosh", **p),
    "poisson": lambda **p: CertifiedPoissonRegressor(**p),
    "logistic": lambda **p: CertifiedLogReg(**p),
    "elastic": lambda **p: CertifiedElasticNet(**p),
}


def data(kind, rng, n, d=4):
    """Rows, targets and weights over twelve decades that an optimum can still be shown for."""
    X = rng.normal(size=(n, d))
    if kind == "logistic":
        y = rng.integers(0, 2, n)
    elif kind == "poisson":
        y = rng.poisson(2.0, n).astype(float)
    else:
        y = X[:, 0] + rng.normal(size=n) * 10.0 ** rng.uniform(-6, 0, n)
        y = np.column_stack([y, 1e-5 * rng.normal(size=n)]) if kind == "several" else y
    weight = 10.0 ** rng.uniform(-6, 0, n)
    weight[: n // 2] = rng.uniform(0.5, 1.5, n // 2)
    return X, y, weight


def history(model, kind, rng, X, y, weight, sparse):
    """Carry out random requests; return rows, targets and weights as they are then."""

    def given(X):
        return sp.csr_array(X) if sparse else X

    live = list(range(len(X)))
    for _ in range(4):
        deed = rng.choice(["forget", "learn", "correct"])
        if deed == "learn":
            more = data(kind, rng, 5)
            model.learn(given(more[0]), more[1], more[2])
            live += range(len(X), len(X) + 5)
            X, y, weight = (np.concatenate(pair) for pair in zip((X, y, weight), more, strict=True))
        else:
            at = rng.choice(live, size=3, replace=False)
            if deed == "forget":
                model.forget(rows=at)
                live = [i for i in live if i not in at]
            else:
                new = data(kind, rng, 3)[0]
                model.correct(rows=at, X=given(new))
                X[at] = new
    return X[live], y[live], weight[live]


def two_worlds(kind, mechanism, sparse, seed):
    """Certificates of a model with a history, and of a fit on the rows that stay, shuffled."""
    rng = np.random.default_rng([seed, len(kind), len(mechanism), sparse])
    params = {"noise": 0.5, "mechanism": mechanism, "random_state": 0}
    X, y, weight = data(kind, rng, 40)
    given = sp.csr_array(X) if sparse else X
    model = REGRESSORS[kind](**params).fit(given, y, weight)
    stay = history(model, kind, rng, X.copy(), y.copy(), weight.copy(), sparse)
    order = rng.permutation(len(stay[0]))
    X, y, weight = (part[order] for part in stay)
    fresh = REGRESSORS[kind](**params).fit(sp.csr_array(X) if sparse else X, y, weight)
    return model, fresh


def same_bits(model, fresh):
    one, two = model.certificate_.public(), fresh.certificate_.public()
    assert one.scale == two.scale and one.sigma == two.sigma and one.mechanism == two.mechanism
    assert model._fitted.model.budget.sigma == fresh._fitted.model.budget.sigma == one.sigma
    assert model._fitted.model.members.sums == fresh._fitted.model.members.sums


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@pytest.mark.parametrize("kind", REGRESSORS)
def test_tau_is_the_same_to_the_bit_in_both_worlds(kind, mechanism, sparse):
    if sparse and kind == "elastic":
        pytest.skip("an L1 penalty takes no sparse rows")
    same_bits(*two_worlds(kind, mechanism, sparse, seed=0))


@pytest.mark.long
def test_tau_is_the_same_to_the_bit_over_many_histories():
    for seed in range(1, 9):
        for kind in REGRESSORS:
            for mechanism in ("gram", "isotropic", "objective"):
                for sparse in (False, True) if kind != "elastic" else (False,):
                    same_bits(*two_worlds(kind, mechanism, sparse, seed))


def sums_of(X, y, weight, mechanism="isotropic"):
    loss = Squared()
    return wanted(loss, mechanism, False, True).over([(X, y, weight)])


@pytest.mark.parametrize("kind", ["plain", "decades", "extreme"])
def test_sums_forget_whatever_order_rows_come_and_go_in(kind):
    rng = np.random.default_rng(3)
    for _ in range(20):
        n = 60
        X, y = numbers(rng, 3 * n, "decades").reshape(n, 3), numbers(rng, n, kind)
        weight = 10.0 ** rng.uniform(-12, 12, n)
        keep, known = rng.random(n) < 0.5, sums_of(X[:0], y[:0], weight[:0])
        for at in rng.permutation(n).reshape(-1, 6):
            known = known + sums_of(X[at], y[at], weight[at])
        for at in np.array_split(rng.permutation(np.flatnonzero(~keep)), 5):
            known = known - sums_of(X[at], y[at], weight[at])
        fresh = sums_of(X[keep], y[keep], weight[keep])
        assert known == fresh
        loss = Columnwise(Squared())
        assert units(known, loss, "isotropic", 4, 0.1) == units(fresh, loss, "isotropic", 4, 0.1)


def test_a_running_sum_of_floats_would_tell_the_worlds_apart():
    rng, apart = np.random.default_rng(4), 0
    for _ in range(50):
        y, gone = rng.normal(size=40), rng.random(40) < 0.3
        known = float(np.sum(y * y))
        for v in y[gone]:
            known -= v * v
        apart += known != float(np.sum(y[~gone] ** 2))
    assert apart > 25


def test_float32_rows_and_a_float64_row_that_came_and_went():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(30, 3)).astype(np.float32), rng.normal(size=30)
    model = CertifiedRidge(mechanism="isotropic", random_state=0).fit(X, y)
    model.learn(np.full((1, 3), 1 / 3), [2.0]).forget([30, 4])
    fresh = CertifiedRidge(mechanism="isotropic", random_state=0).fit(
        np.delete(X, 4, 0), np.delete(y, 4)
    )
    same_bits(model, fresh)


@pytest.mark.parametrize("shape", [(8, 30), (40, 5)])
def test_minimum_norm_in_both_worlds(shape):
    rng = np.random.default_rng(6)
    X, y, weight = (
        rng.normal(size=shape),
        rng.normal(size=(shape[0], 2)),
        rng.uniform(1, 2, shape[0]),
    )
    model = CertifiedMinNorm(random_state=0).fit(X, y, weight)
    model.learn(X[:1] + 1, y[:1]).forget([1, shape[0]]).correct(rows=[0], y=[[5.0, 6.0]])
    y[0] = 5.0, 6.0
    keep = np.arange(shape[0]) != 1
    same_bits(model, CertifiedMinNorm(random_state=0).fit(X[keep], y[keep], weight[keep]))


def test_a_pipeline_whose_scaler_moves():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    X, y = load_diabetes(return_X_y=True)
    X = X[:60] * [1, 10, 100, 1000, 1, 1, 1, 1, 1, 1]

    def made():
        head = CertifiedRidge(mechanism="isotropic", random_state=0)
        return forgetting(make_pipeline(MinMaxScaler(), head))

    gone = [int(X[:, 2].argmax()), 7]
    pipe, fresh = made().fit(X, y[:60]).forget(gone), made()
    fresh.fit(np.delete(X, gone, 0), np.delete(y[:60], gone))
    same_bits(pipe.head, fresh.head)
    assert pipe.certificate_.scale != made().fit(X, y[:60]).certificate_.scale


# Units of measurement.

LINEAR = {
    "ridge": lambda a, c, **p: CertifiedRidge(alpha=a, **p),
    "elastic": lambda a, c, **p: CertifiedElasticNet(alpha=0.1 * a, l1_ratio=0.0, **p),
    "huber": lambda a, c, **p: CertifiedHuberRegressor(threshold=0.8 * c, alpha=a, **p),
}


@pytest.mark.parametrize("c", [2.0**-10, 2.0**20, 1e-4, 0.3, 1e6])
@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@pytest.mark.parametrize("kind", LINEAR)
def test_other_units_of_the_targets_change_nothing_but_units(kind, mechanism, c):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(80, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=80)
    params = {"mechanism": mechanism, "random_state": 1, "tol": 0.0}
    one = LINEAR[kind](1.0, 1.0, **params).fit(X, y).forget([3, 4])
    two = LINEAR[kind](1.0, c, **params).fit(X, c * y).forget([3, 4])
    exactly = np.log2(c) == np.round(np.log2(c))
    ratio = two.certificate_.sigma / one.certificate_.sigma
    assert ratio == c if exactly else ratio == pytest.approx(c, rel=1e-9)
    noise = [m.coef_ - m._fitted.model.W[:-1, 0] for m in (one, two)]
    np.testing.assert_allclose(noise[1], c * noise[0], rtol=1e-6)
    released = [np.append(m.coef_, m.intercept_) for m in (one, two)]
    away = one.certificate_.distance + two.certificate_.distance / c
    bound = 1e-9 + 4 * away / np.sqrt(
        np.linalg.eigvalsh(one._fitted.model.gram.curvature.matrix)[0]
    )
    np.testing.assert_allclose(released[1] / c, released[0], rtol=1e-9, atol=bound)


@pytest.mark.parametrize("c", [2.0**-10, 2.0**20, 1e-4, 0.3])
@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
def test_other_units_of_the_features_change_nothing_but_units(mechanism, c):
    X, y = load_diabetes(return_X_y=True)
    params = {"mechanism": mechanism, "random_state": 1, "fit_intercept": False}
    one = CertifiedRidge(alpha=0.5, **params).fit(X, y).forget([3, 4])
    two = CertifiedRidge(alpha=0.5 * c * c, **params).fit(c * X, y).forget([3, 4])
    power = {"gram": 0, "isotropic": -1, "objective": 1}[mechanism]
    ratio = two.certificate_.sigma / one.certificate_.sigma
    exactly = np.log2(c) == np.round(np.log2(c))
    assert ratio == c**power if exactly else ratio == pytest.approx(c**power, rel=1e-9)
    np.testing.assert_allclose(
        c * two.coef_, one.coef_, rtol=1e-9, atol=1e-9 * abs(one.coef_).max()
    )


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("scales", [(1, 1, 1), (1e-3, 1, 1e3), (1e6, 1e6, 1e6)])
def test_isotropic_noise_moves_margins_by_the_same_on_average(scales, intercept):
    rng = np.random.default_rng(8)
    X = rng.normal(size=(200, 3)) * scales
    model = CertifiedLogReg(C=np.inf, mechanism="isotropic", fit_intercept=intercept, noise=0.2)
    model.fit(X, rng.integers(0, 2, 200))
    full = np.column_stack([X, np.ones(200)]) if intercept else X
    variance = model.certificate_.sigma**2 * np.mean((full**2).sum(axis=1))
    assert variance == pytest.approx(0.2**2 / 4 * full.shape[1] / (0.25 * 200), rel=1e-12)


@pytest.mark.parametrize("c", [1.0, 1e-4, 1e-6, 1e6])
def test_ridge_scores_as_ridge_does_in_any_units(c):
    X, y = load_diabetes(return_X_y=True)
    theirs = Ridge(alpha=0.1).fit(X, c * y).score(X, c * y)
    assert (
        abs(CertifiedRidge(alpha=0.1, random_state=0).fit(X, c * y).score(X, c * y) - theirs) < 0.01
    )


def test_isotropic_noise_on_raw_columns_and_minimum_norm():
    X, y = load_breast_cancer(return_X_y=True)
    model = CertifiedLogReg(mechanism="isotropic", random_state=0).fit(X, y)
    scores = [model.release().score(X, y) for _ in range(5)]
    assert min(scores) > CertifiedLogReg(noise=0).fit(X, y).score(X, y) - 0.01
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 150))
    y = 1e-5 * (X @ rng.normal(size=150))
    assert CertifiedMinNorm(random_state=0).fit(X, y).score(X, y) > 0.99
    assert LinearRegression(fit_intercept=False).fit(X, y).score(X, y) > 0.99


def test_columns_of_targets_have_their_own_units():
    X, y = load_linnerud(return_X_y=True)
    y = y * [1.0, 1e-5, 1e4]
    model = CertifiedRidge(view="release", random_state=0).fit(X, y)
    c = model.certificate_
    np.testing.assert_allclose(c.scale, y.std(axis=0), rtol=1e-12)
    assert c.sigma == 0.1 * min(c.scale)
    noise = []
    for _ in range(200):
        noise.append(
            (model.release()._fitted.model.released - model._fitted.model.W) / y.std(axis=0)
        )
    expected = 0.1 * model._fitted.model.gram.geometry.deviations(1.0)
    spread = np.std(noise, axis=0)
    np.testing.assert_allclose(spread, np.repeat(expected[:, None], 3, axis=1), rtol=0.3)
    assert Certificate.from_json(c.to_json()) == c
    assert "by column" in str(c) and json.loads(c.to_json())["noise"] == 0.1


def test_units_of_losses_that_have_one_or_none():
    rng, n = np.random.default_rng(9), 40
    X = rng.normal(size=(n, 4))
    counts = rng.poisson(50 * np.exp(0.1 * X[:, 0])).astype(float)
    poisson = CertifiedPoissonRegressor(random_state=0).fit(X, counts).certificate_
    assert poisson.scale == (pytest.approx(counts.mean() ** -0.5, rel=1e-14),)
    labels = rng.integers(0, 2, n)
    for free, y in (
        (CertifiedGammaRegressor(), counts + 1),
        (CertifiedLogReg(), labels),
        (CertifiedLinearSVC(), labels),
        (CertifiedRidgeClassifier(), labels),
    ):
        assert free.fit(X, y).certificate_.scale == (1.0,)
        assert "retained rows' scale" not in str(free.certificate_)
    y = X[:, 0] + rng.normal(size=n)
    y[0] = 1e6  # an outlier sets neither the fit nor the noise
    assert CertifiedHuberRegressor(threshold=2.0).fit(X, y).certificate_.scale == (2.0,)
    assert CertifiedHuberRegressor(loss="log-cosh").fit(X, y / 1e3).certificate_.scale == (1.0,)


@pytest.mark.parametrize("model", [CertifiedRidge, CertifiedHuberRegressor, CertifiedElasticNet])
def test_targets_without_a_scale_are_refused(model):
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(AssumptionError, match="targets are constant.*noise=0"):
        model().fit(X, np.full(20, 1 / 3))
    quiet = model(noise=0).fit(X, np.full(20, 1 / 3))
    assert quiet.certificate_.kind == "none" and quiet.certificate_.scale == (1.0,)
    fitted = model(random_state=0).fit(X, np.r_[np.zeros(18), 1.0, 2.0])
    before = fitted.coef_.copy()
    with pytest.raises(AssumptionError, match="targets are constant"):
        fitted.forget(rows=[18, 19])
    np.testing.assert_array_equal(fitted.coef_, before)
    assert fitted.preview(rows=[18, 19]).tier == "refused"
    with pytest.raises(AssumptionError, match="column 1 are constant"):
        CertifiedRidge().fit(X, np.column_stack([X[:, 0], np.ones(20)]))


def test_rows_without_a_scale_are_refused():
    y = np.arange(6.0)
    with pytest.raises(AssumptionError, match="rows are zero.*gram"):
        CertifiedRidge(mechanism="isotropic", fit_intercept=False).fit(np.zeros((6, 2)), y)
    with pytest.raises(AssumptionError, match="overflows"):
        CertifiedRidge(mechanism="isotropic").fit(np.full((6, 2), 1e200) * y[:, None], y)
    for c in (1e-307, 1e-320):
        with pytest.raises(AssumptionError, match="rescale"):
            CertifiedRidge(noise=1e-3).fit(np.eye(6), c * y)


def test_without_an_intercept_constant_targets_have_a_scale():
    X = np.random.default_rng(0).normal(size=(20, 3)) + 3
    model = CertifiedRidge(fit_intercept=False).fit(X, np.full(20, 7.0))
    assert model.certificate_.scale == (7.0,)
    with pytest.raises(AssumptionError, match="constant"):
        CertifiedRidge(fit_intercept=False).fit(X, np.zeros(20))


# The mechanism.


def test_auto_is_gram_where_the_gram_matrix_is_formed_else_isotropic():
    X = sp.random(300, 5000, density=0.01, format="csr", random_state=0)
    y = (np.asarray(X[:, :50].sum(axis=1)).ravel() > 0.2).astype(int)
    model = CertifiedLogReg(random_state=0).fit(X, y)
    assert model.certificate_.mechanism == "isotropic" and model.mechanism == "auto"
    assert model.forget([3, 4]).certificate_.check(1.0, 1e-6, allow_seeded=True)
    assert CertifiedLogReg().fit(X[:, :50], y).certificate_.mechanism == "gram"
    assert CertifiedLogReg().fit(X[:, :50].toarray(), y).certificate_.mechanism == "gram"
    with pytest.raises(AssumptionError, match='use mechanism="auto"'):
        CertifiedLogReg(mechanism="gram").fit(X, y)
    both = [CertifiedLogReg(C=C).fit(X[:, :20], y) for C in (0.1, 1.0)]
    assert mix(both).certificate_.mechanism == "gram"


# What it costs.


def test_noise_cost_is_measured_in_private():
    X, y = load_diabetes(return_X_y=True)
    model = CertifiedRidge(alpha=0.1, noise=1.0, random_state=0).fit(X, y).forget([1, 2])
    before, certificate, log = model.coef_.copy(), model.certificate_, list(model.history_)
    cost = model.noise_cost(X, y, draws=200)
    assert model.certificate_ is certificate and model.history_ == log
    np.testing.assert_array_equal(model.coef_, before)
    assert cost == model.noise_cost(X, y, draws=200)
    assert cost.score == pytest.approx(Ridge(alpha=0.1).fit(X[3:], y[3:]).score(X, y), abs=0.01)
    # What noise takes from R^2 is its mean square over the targets' variance.
    assert cost.cost == pytest.approx(cost.margin_noise**2 / y.var(), rel=0.1)
    assert cost.margin_spread == pytest.approx((X @ model._fitted.model.W[:-1]).std(), rel=1e-9)
    assert "owner" in str(cost) and "costs" in str(cost)
    next_release = model.release().coef_
    same = CertifiedRidge(alpha=0.1, noise=1.0, random_state=0).fit(X, y).forget([1, 2]).release()
    np.testing.assert_array_equal(next_release, same.coef_)
    free = CertifiedRidge(noise=0).fit(X, y).noise_cost(X, y)
    assert free.cost == free.margin_noise == 0.0
    with pytest.raises(ValueError, match="draws"):
        model.noise_cost(X, y, draws=0)


def test_noise_cost_of_every_kind_of_model():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_breast_cancer(return_X_y=True)
    pipe = forgetting(make_pipeline(StandardScaler(), CertifiedLogReg(random_state=0))).fit(X, y)
    assert abs(pipe.noise_cost(X, y).cost) < 0.01
    wide = sp.random(100, 4000, density=0.02, format="csr", random_state=0)
    t = np.asarray(wide.sum(axis=1)).ravel()
    for model, rows, targets in (
        (CertifiedMinNorm(), np.random.default_rng(0).normal(size=(20, 40)), np.arange(20.0)),
        (CertifiedRidge(), wide, t),
        (CertifiedLinearSVC(), X[:, :5] / 1000, y),
    ):
        cost = model.fit(rows, targets).noise_cost(rows, targets, draws=5)
        assert cost.draws == 5 and cost.margin_noise > 0 and np.isfinite(cost.released)


def drowned(model, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NoiseWarning)
        model.fit(X, y)
    return [w for w in caught if w.category is NoiseWarning]


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
def test_a_warning_where_noise_moves_predictions_by_more_than_they_vary(mechanism):
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = CertifiedLogReg(mechanism=mechanism, random_state=0)
    for noise in (1e-3, 1e-1, 10.0, 1e3):
        model.set_params(noise=noise)
        heard = drowned(model, X, y)
        cost = model.noise_cost(X, y, draws=100)
        share = cost.margin_noise / cost.margin_spread
        assert 1 / 3 < share < 3 or bool(heard) == (share > 1), share
    assert heard and "noise_cost" in str(heard[0].message)


def test_the_warning_of_sparse_rows_and_of_minimum_norm():
    X = sp.random(200, 4000, density=0.01, format="csr", random_state=0)
    y = np.asarray(X.sum(axis=1)).ravel()
    assert not drowned(CertifiedRidge(random_state=0), X, y)
    assert drowned(CertifiedRidge(noise=10.0, random_state=0), X, y)
    X, y = np.random.default_rng(0).normal(size=(20, 60)), np.arange(20.0)
    assert not drowned(CertifiedMinNorm(), X, y) and drowned(CertifiedMinNorm(noise=3.0), X, y)


def test_a_warning_made_an_error_leaves_the_model_as_it_was():
    X, y = load_diabetes(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        model = CertifiedRidge(noise=50.0, random_state=0).fit(X, y)
    before = model.coef_.copy(), model.n_retained_
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoiseWarning)
        with pytest.raises(NoiseWarning):
            model.forget([1])
    np.testing.assert_array_equal(model.coef_, before[0])
    assert model.n_retained_ == before[1] and len(model.history_) == 1


def test_the_guide_says_what_the_code_does(capsys):
    text = (Path(__file__).parents[2] / "docs" / "noise.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(compile(block, "noise.md", "exec"), {})
    assert "A release scores" in capsys.readouterr().out
    # The number that the guide gives for epsilon and delta, and the defaults that it names.
    assert round(mu_from_epsilon_delta(1.0, 1e-6), 3) == 0.237
    assert CertifiedMinNorm().noise == CertifiedRidge().noise == 0.1
    # Epsilon changes the distance allowed, not the noise.
    X, y = load_diabetes(return_X_y=True)
    one, half = (CertifiedRidge(epsilon=e).fit(X, y).certificate_ for e in (1.0, 0.5))
    assert one.sigma == half.sigma and half.distance_target < one.distance_target


def test_the_sum_of_a_state_is_rescaled_before_a_cap_is_taken():
    X, y = load_diabetes(return_X_y=True)
    y = np.r_[y[:-1], 1e5]
    model = CertifiedRidge(random_state=0).fit(X, y)
    wide = model.certificate_
    model.forget([len(y) - 1])
    c = model.certificate_
    assert c.sigma < wide.sigma / 10 and c.distance_target < wide.distance_target
    fresh = CertifiedRidge(random_state=0).fit(X[:-1], y[:-1])
    assert replace(c.public(), joint_epsilon=0.0).distance_target > fresh.certificate_.fit_distance
    assert c.distance_target == fresh._fitted.model.budget.caps(1).target
    # The owner's picture shows what was allowed at each event.
    assert [e["target"] for e in model.history_] == [wide.distance_target, c.distance_target]
