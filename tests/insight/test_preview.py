"""A preview tells what a removal would do, and does nothing."""

import pickle
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from certunlearn import (
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
)
from certunlearn.exceptions import AlreadyForgottenError, ClassForgottenWarning, RowError
from certunlearn.insight.attribution import MOST_SOLVED
from certunlearn.insight.preview import preview

N = 150


def problem(classes=2, n=N, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    scores = X @ rng.normal(size=(d, classes)) + rng.gumbel(size=(n, classes))
    y = scores.argmax(axis=1)
    y[:classes] = np.arange(classes)
    return X, y


def fit(X, y, **params):
    return CertifiedLogReg(**{"random_state": 0, **params}).fit(X, y)


def probabilities(X, y, kept, rows, **params):
    """Probability of the rows' own labels after a refit on ``kept``."""
    reference = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000, **params)
    return reference.fit(X[kept], y[kept]).predict_proba(X[rows])[np.arange(len(rows)), y[rows]]


def odds(p):
    return np.log(p) - np.log1p(-p)


def refits(X, y, **params):
    """Probability of each row's own label by a refit with and without that row."""
    everything = np.arange(len(X))
    now = probabilities(X, y, everything, everything, **params)
    then = np.array(
        [probabilities(X, y, np.delete(everything, i), [i], **params)[0] for i in everything]
    )
    return now, then


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("params", [{}, dict(C=100.0), dict(C=0.05, fit_intercept=False)])
def test_influence_is_that_of_refits(classes, params):
    X, y = problem(classes)
    now, then = refits(X, y, **params)
    model = fit(X, y, **params)
    e = model.preview(np.arange(N - 1)).each
    now, then = now[:-1], then[:-1]
    assert spearmanr(e.influence, odds(now) - odds(then)).statistic > 0.99
    assert spearmanr(e.memorisation, now - then).statistic > 0.99
    assert spearmanr(e.loss, np.log(now) - np.log(then)).statistic > 0.99
    np.testing.assert_allclose(e.probability, now, atol=1e-3)
    np.testing.assert_allclose(e.influence, odds(now) - odds(then), rtol=0.35, atol=0.02)
    assert (e.influence >= -1e-9).all() and (e.leverage > 0).all() and (e.leverage < 1).all()


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_influence_without_a_factor_is_the_closed_form(kind):
    X, y = problem()
    X *= np.abs(X) > 0.5
    weight = np.random.default_rng(1).uniform(0.2, 3.0, N)
    weight[5] = 0.0
    model = CertifiedLogReg(noise=0, solver="newton-cg").fit(kind(X), y, weight)
    rows = np.arange(10)
    e = model.preview(rows).each
    p = model.predict_proba(kind(X))[:, 1]
    A, c = np.column_stack([X, np.ones(N)]), weight * p * (1 - p)
    inverse = np.linalg.inv(A.T @ (A * c[:, None]) + np.diag([1.0] * 4 + [0.0]))
    hat = c * np.einsum("ij,ij->i", A @ inverse, A)
    own = np.where(y == 1, p, 1 - p)
    np.testing.assert_allclose(e.leverage, hat[rows], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(e.influence, (hat / (1 - hat) / own)[rows], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(e.residual, 1 / own[rows], rtol=1e-6)
    assert e.influence[5] == e.shift[5] == e.leverage[5] == 0.0


def test_influence_without_a_factor_of_several_classes():
    X, y = problem(3)
    rows = np.arange(40)
    now, then = (v[rows] for v in refits(X, y))
    e = fit(X, y, solver="newton-cg").preview(rows).each
    assert spearmanr(e.influence, odds(now) - odds(then)).statistic > 0.99
    np.testing.assert_allclose(e.influence, odds(now) - odds(then), rtol=0.35, atol=0.02)
    assert np.isnan(e.leverage).all() and (e.own_leverage > 0).all() and (e.own_leverage < 1).all()


def test_leverage_residual_and_shift_belong_together():
    X, y = problem()
    e = fit(X, y).preview(np.arange(N - 1)).each
    # One number a prediction: the leverage of the textbook, and the residual of its own odds.
    np.testing.assert_allclose(e.own_leverage, e.leverage, rtol=1e-12)
    np.testing.assert_allclose(e.residual, 1.0 / e.probability, rtol=1e-12)
    np.testing.assert_allclose(e.shift, np.abs(e.influence), rtol=1e-12)
    ridge = CertifiedRidge(alpha=2.0, noise=0).fit(X, X @ [1.0, 2.0, 0.0, -1.0] + y)
    e = ridge.preview(np.arange(N - 1)).each
    A = np.column_stack([X, np.ones(N)])
    hat = np.einsum("ij,ij->i", A @ np.linalg.inv(A.T @ A + np.diag([2.0] * 4 + [0.0])), A)
    residual = np.abs(ridge.predict(X) - X @ [1.0, 2.0, 0.0, -1.0] - y)
    np.testing.assert_allclose(e.own_leverage, hat[:-1], rtol=1e-9)
    np.testing.assert_allclose(e.residual, residual[:-1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(e.shift, (residual * hat / (1 - hat))[:-1], rtol=1e-6, atol=1e-9)


def test_influence_follows_weights_and_earlier_removals():
    X, y = problem(seed=2)
    weight = np.random.default_rng(1).uniform(0.2, 3.0, N)
    weight[5] = 0.0
    model = CertifiedLogReg(random_state=0).fit(X, y, weight).forget([1, 2, 3])
    kept = np.setdiff1d(np.arange(N), [1, 2, 3, 5])
    rows = kept[:40]
    e = model.preview(rows=rows).each

    def own(kept, rows):
        reference = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
        reference.fit(X[kept], y[kept], weight[kept])
        return odds(reference.predict_proba(X[rows])[np.arange(len(rows)), y[rows]])

    true = own(kept, rows) - [own(np.setdiff1d(kept, [i]), [i])[0] for i in rows]
    assert spearmanr(e.influence, true).statistic > 0.99
    # A row of no weight owes itself nothing.
    assert model.preview([5]).each.influence[0] == 0.0
    assert model.preview([5]).tier == "downdate"


@pytest.mark.parametrize("classes", [2, 3])
def test_together_is_the_refit_without_all(classes):
    X, y = problem(classes, n=400)
    X[-8:], y[-8:] = X[-1] + 0.001 * np.arange(8)[:, None], y[-1]
    rows = np.arange(392, 400)
    p = fit(X, y).preview(rows)
    true = probabilities(X, y, np.arange(392), rows)
    np.testing.assert_allclose(p.together, true, atol=0.01)


def snapshot(model):
    return pickle.dumps(model._fitted.model), {
        k: v for k, v in model.__dict__.items() if k != "_model"
    }


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        {},
        dict(class_weight="balanced"),
        dict(class_weight={0: 2.0}),
        dict(view="transcript"),
        dict(noise=0),
        dict(solver="newton-cg"),
        dict(mechanism="objective"),
    ],
)
def test_a_preview_changes_nothing(params, full):
    X, y = problem()
    model, twin = fit(X, y, **params).forget([7]), fit(X, y, **params).forget([7])
    bytes_before, attributes = snapshot(model)
    reads, written = model._fitted.model.rows.reads, set(vars(model._fitted.model.members.weights))
    history = [dict(entry) for entry in model.history_]
    for rows in ([3], [4, 5, 6], np.arange(8, 100), np.flatnonzero((y == 0) & (np.arange(N) > 20))):
        p = model.preview(rows, full=full)
        assert str(p) and p._repr_html_().startswith("<table>")
    model.neighbours([3])
    assert model.capacity(most=20) >= 0 and model.should_refresh in (True, False)
    after, same = snapshot(model)
    assert after == bytes_before and same == attributes and model.history_ == history
    assert model._fitted.model.rows.reads == reads
    assert set(vars(model._fitted.model.members.weights)) == written
    # Noise included: the next releases are those of a model that was never looked at.
    np.testing.assert_array_equal(model.forget([3]).coef_, twin.forget([3]).coef_)
    np.testing.assert_array_equal(model.release().coef_, twin.release().coef_)


def requests(n, count, sizes, seed=0):
    order, start = np.random.default_rng(seed).permutation(n), 0
    for i in range(count):
        size = sizes[i % len(sizes)]
        yield order[start : start + size]
        start += size


@pytest.mark.parametrize("classes, n", [(2, 3000), (3, 1500)])
@pytest.mark.parametrize("params", [{}, dict(view="transcript"), dict(mechanism="objective")])
def test_the_tier_is_as_foreseen(classes, n, params):
    X, y = problem(classes, n=n, d=6)
    model, seen = fit(X, y, **params), Counter()
    for rows in requests(n, 50, [1, 1, 5, 20, 2]):
        p = model.preview(rows=rows)
        model.forget(rows=rows)
        tier, c = p.tier, model.certificate_
        seen[tier == c.tier] += 1
        # Without a pass it is the removal's own arithmetic.
        assert (tier == "downdate") == (c.tier == "downdate")
        if tier == "downdate":
            assert p.distance == c.distance
        assert p.target == c.distance_target
    assert seen[True] >= 45


@pytest.mark.parametrize("params", [{}, dict(class_weight="balanced"), dict(solver="newton-cg")])
def test_in_full_tier_and_distance_are_those_of_the_removal(params):
    X, y = problem(3)
    model = fit(X, y, **params)
    for rows in requests(N, 12, [1, 3, 8]):
        p = model.preview(rows, full=True)
        model.forget(rows)
        assert (p.tier, p.distance) == (model.certificate_.tier, model.certificate_.distance)


@pytest.mark.parametrize("full", [False, True])
def test_lost_classes_are_told(full):
    X, y = problem(3)
    names = np.array(["a", "b", "c"])
    model = fit(X, names[y])
    p = model.preview(np.flatnonzero(y == 1), full=full)
    assert p.classes == (("b", int((y == 1).sum()), 0),) and p.classes[0].share == 1.0
    assert any("class 'b' loses" in w for w in p.warnings)
    with pytest.warns(ClassForgottenWarning):
        model.forget(np.flatnonzero(y == 1), confirm=True)
    assert p.tier == model.certificate_.tier == "refresh"
    refused = model.preview(np.flatnonzero(y == 2), full=full)
    assert refused.tier == "refused" and "class" in refused.cost


def test_groups_shares_and_copies_are_told():
    X, y = problem(n=200, d=10)
    X[-3:], y[-3:] = X[10], y[10]
    groups = np.arange(200) // 10
    model = CertifiedLogReg(random_state=0).fit(X, y, groups=groups)
    p = model.preview(np.arange(10, 18))
    assert p.groups == ((1, 8, 2),) and sum(c.lost for c in p.classes) == 8
    assert p.neighbours.rows.tolist() == [197, 198, 199] and p.neighbours.equal.all()
    assert p.neighbours.multiplicity.tolist() == [4] + [1] * 7
    assert "1 row occurs more than once" in str(p)
    text = str(p)
    for part in ("group 1 loses 8 of its 10 rows", "3 look-alikes", 'expand="near"', "8 of 200"):
        assert part in text and part.replace('"', "&quot;") in p._repr_html_()
    assert any("of the training set" in w for w in model.preview(np.arange(100)).warnings)
    assert model.preview(groups=1).groups == ((1, 10, 0),)


def test_markup_in_names_is_escaped():
    X, y = problem()
    model = fit(X, np.array(["<b>&", "c"])[y])
    html = model.preview(np.flatnonzero(y == 0)[1:])._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;&amp;" in html


def test_what_is_unavailable_is_said():
    X, y = problem()
    model = fit(X, y, solver="newton-cg")
    p = model.preview(np.arange(MOST_SOLVED + 1))
    assert p.each is None and p.tier == "refresh"
    assert f"at most {MOST_SOLVED} rows at a time, not {MOST_SOLVED + 1}" in str(p)
    assert model.preview(np.arange(MOST_SOLVED)).each is not None
    p = fit(X, y, l1_ratio=0.5, solver="newton-cholesky").preview([3])
    assert p.each is None and "with an L1 penalty" in str(p) and "l1_ratio=0" in str(p)
    p = fit(X, y, class_weight="balanced").preview([3])
    assert p.each is not None and "balanced" in str(p) and "full=True" in str(p)


def test_requests_are_checked_as_those_of_forget():
    X, y = problem()
    model = fit(X, y).forget([3])
    with pytest.raises(AlreadyForgottenError):
        model.preview([3])
    with pytest.raises(RowError):
        model.preview()
    with pytest.raises(RowError):
        model.neighbours(np.setdiff1d(np.arange(N), [3]))
    with pytest.raises(ValueError, match="full"):
        model.preview([4], full="yes")
    with pytest.raises(ValueError, match="most"):
        model.capacity(most=0)


def test_capacity_is_what_fits():
    X, y = problem(n=4000, d=5)
    model = fit(X, y, view="release")
    foreseen, order, done = model.capacity(), np.random.default_rng(3).permutation(4000), 0
    assert not model.should_refresh
    while True:
        model.forget(order[done : done + 1])
        if model.certificate_.tier != "downdate":
            break
        done += 1
    assert foreseen / 2 <= done <= 2 * foreseen
    assert fit(X, y, solver="newton-cg").capacity() == 0
    assert not fit(X, y, solver="newton-cg").should_refresh
    assert model.capacity(most=3) == 3


def test_a_worn_state_says_so():
    # A few rows on which much hangs: hardly one goes without a pass.
    X, y = problem(n=30, d=8)
    assert fit(X, y, C=1e3, noise=0.001, view="release").should_refresh


def test_the_room_works_without_an_estimator():
    X, y = problem()
    model = fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = preview(model._fitted, np.array([3]))
    assert p.rows.tolist() == [3] and p.n_retained == N


def residual(model, X, y):
    return -np.abs(model.predict(X) - y)


def margin(model, X, y):
    return (2 * y - 1) * model.decision_function(X)


def slope(model, X, y):
    r = (model.predict(X) - y) / model.threshold
    return -np.abs(model.threshold * r / np.hypot(1, r))


def relative(model, X, y):
    return -np.abs(1 - y / model.predict(X))


@pytest.mark.parametrize(
    "estimator, standing",
    [
        (CertifiedRidge(), residual),
        (CertifiedRidgeClassifier(), margin),
        (CertifiedPoissonRegressor(alpha=0.01), residual),
        (CertifiedGammaRegressor(alpha=0.01), relative),
        (CertifiedHuberRegressor(), slope),
        (CertifiedLinearSVC(), margin),
    ],
    ids=lambda v: type(v).__name__ if hasattr(v, "fit") else "",
)
def test_influence_of_other_losses_is_that_of_refits(estimator, standing):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 3))
    z = X @ [1.0, -0.5, 0.3]
    y = {
        "CertifiedPoissonRegressor": rng.poisson(np.exp(z)).astype(float),
        "CertifiedGammaRegressor": np.exp(z) * rng.gamma(2.0, 0.5, 80),
        "CertifiedHuberRegressor": z + rng.standard_t(2, size=80),
    }.get(type(estimator).__name__, rng.poisson(np.exp(z)).astype(float))
    if hasattr(estimator, "decision_function"):
        y = (z + 0.5 * rng.normal(size=80) > 0).astype(int)
    exact = clone(estimator).set_params(noise=0, tol=1e-10)
    now = standing(clone(exact).fit(X, y), X, y)
    then = np.array(
        [
            standing(clone(exact).fit(np.delete(X, i, 0), np.delete(y, i)), X[[i]], y[[i]])[0]
            for i in range(60)
        ]
    )
    model = clone(estimator).set_params(random_state=0).fit(X, y)
    seen = model.preview(np.arange(60))
    assert spearmanr(seen.each.influence, now[:60] - then).statistic > 0.95
    assert np.isnan(seen.each.probability).all() and "its loss grows" in str(seen)
    assert 0 <= model.capacity(most=5) <= 5 and 3 not in model.neighbours([3]).rows


def test_a_preview_calls_rows_what_they_are_called():
    X, y = problem()
    ids = [f"patient-{i:03d}" for i in range(len(y))]
    named, plain = (CertifiedLogReg(random_state=0).fit(X, y, row_ids=r) for r in (ids, None))
    assert "row patient-017 own label" in str(named.preview(row_ids=["patient-017"]))
    assert "patient-017" in named.preview(row_ids=["patient-017"])._repr_html_()
    assert "row 17       own label" in str(plain.preview([17]))
    # A frame whose index is its rows' positions has no names of its own.
    frame = CertifiedLogReg(random_state=0).fit(pd.DataFrame(X), y)
    assert frame.preview([17]).names == (17,)
