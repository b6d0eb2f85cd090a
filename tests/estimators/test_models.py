"""Every estimator besides logistic regression: its scikit-learn twin, or another's optimum.

Twins are scikit-learn's where the objective is the same.  Pseudo-Huber is scipy's "soft_l1" least
squares; log-cosh and the smooth hinge are minimised by scipy from their formulas.
"""

from __future__ import annotations

import math
import pickle
import warnings
from functools import partial

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares, minimize
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.svm import SVC

from certunlearn import (
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
)
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AssumptionError,
    CertunlearnError,
    ConvergenceError,
    SecretStateWarning,
    UnknownRowError,
)


def problem(kind, n=240, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-1, 1, size=d) + rng.normal(size=d)
    z = ((X - X.mean(axis=0)) / X.std(axis=0)) @ rng.normal(size=d) / 2
    if kind == "classes":
        return X, np.digitize(z + 0.5 * rng.normal(size=n), [-0.4, 0.5])
    if kind == "signs":
        return X, np.where(z + 0.7 * rng.normal(size=n) > 0, "yes", "no")
    if kind == "counts":
        return X, rng.poisson(np.exp(1 + z)).astype(float)
    if kind == "amounts":
        return X, rng.gamma(2.0, np.exp(3 + z) / 2)
    if kind == "several":
        return X, np.column_stack([3 * z, -z, 0 * z + 5]) + rng.normal(size=(n, 3))
    return X, 3 * z + rng.standard_t(2, size=n)


def sparse_solution(loss, X, y, s, alpha, free):
    """Minimise sum s loss(margin, y) + alpha/2 ||w||^2 by scipy, to its last digits."""
    A = np.column_stack([X, np.ones(len(X))]) if free else X
    a = np.full(A.shape[1], alpha)
    if free:
        a[-1] = 0

    def value(w):
        v, g = loss(A @ w, y)
        return (s * v).sum() + (a * w * w).sum() / 2, A.T @ (s * g) + a * w

    scale = 1 / np.sqrt((s[:, None] * A * A).sum(axis=0) + 1)
    w = np.zeros(A.shape[1])
    for _ in range(6):
        out = minimize(
            lambda u: (value(u * scale)[0], value(u * scale)[1] * scale),
            w / scale,
            jac=True,
            method="BFGS",
            options={"gtol": 1e-13, "maxiter": 20_000},
        )
        w = out.x * scale
    return (w[:-1], w[-1]) if free else (w, 0.0)


def log_cosh(z, y):
    r = z - y
    return np.logaddexp(r, -r) - np.log(2), np.tanh(r)


def hinge(z, y, T=0.5):
    t = np.where(y == "yes", 1.0, -1.0)
    m = (1 - t * z) / T
    return T * np.logaddexp(0, m), -t / (1 + np.exp(-m))


def soft_l1(X, y, s, alpha, free, b):
    """scipy's robust least squares takes neither weights nor penalties: rows repeat instead."""
    A = np.column_stack([X, np.ones(len(X))]) if free else X
    assert set(s) <= {1.0, 2.0} and alpha == 0
    rows = np.repeat(np.arange(len(X)), s.astype(int))
    out = least_squares(
        lambda w: A[rows] @ w - y[rows],
        np.linalg.lstsq(A, y, rcond=None)[0],
        jac=lambda w: A[rows],
        loss="soft_l1",
        f_scale=b,
        x_scale="jac",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-14,
        max_nfev=4000,
    )
    return (out.x[:-1], out.x[-1]) if free else (out.x, 0.0)


def of_sklearn(twin, X, y, s):
    twin = clone(twin).fit(X, y, sample_weight=s)
    return twin.coef_, twin.intercept_


glm = dict(tol=1e-12, max_iter=1000, solver="newton-cholesky")
#: estimator, data, the oracle: (X, y, s) -> coefficients and intercept.
TWINS = {
    "ridge": (CertifiedRidge(alpha=0.7), "numbers", partial(of_sklearn, Ridge(alpha=0.7))),
    "ridge, several": (CertifiedRidge(), "several", partial(of_sklearn, Ridge())),
    "ridge, through zero": (
        CertifiedRidge(alpha=3.0, fit_intercept=False),
        "numbers",
        partial(of_sklearn, Ridge(alpha=3.0, fit_intercept=False)),
    ),
    "ridge, no penalty": (
        CertifiedRidge(alpha=0.0),
        "numbers",
        partial(of_sklearn, Ridge(alpha=0.0)),
    ),
    "ridge classifier": (
        CertifiedRidgeClassifier(alpha=2.0),
        "classes",
        partial(of_sklearn, RidgeClassifier(alpha=2.0)),
    ),
    "ridge classifier, balanced": (
        CertifiedRidgeClassifier(class_weight="balanced"),
        "signs",
        partial(of_sklearn, RidgeClassifier(class_weight="balanced")),
    ),
    "poisson": (
        CertifiedPoissonRegressor(alpha=0.3),
        "counts",
        partial(of_sklearn, PoissonRegressor(alpha=0.3, **glm)),
    ),
    "poisson, no penalty": (
        CertifiedPoissonRegressor(alpha=0.0),
        "counts",
        partial(of_sklearn, PoissonRegressor(alpha=0.0, **glm)),
    ),
    "gamma": (
        CertifiedGammaRegressor(alpha=0.3),
        "amounts",
        partial(of_sklearn, GammaRegressor(alpha=0.3, **glm)),
    ),
    "pseudo-huber": (
        CertifiedHuberRegressor(threshold=0.8, alpha=0.0),
        "numbers",
        lambda X, y, s: soft_l1(X, y, s, 0.0, True, 0.8),
    ),
    "log-cosh": (
        CertifiedHuberRegressor(loss="log-cosh", alpha=0.2),
        "numbers",
        lambda X, y, s: sparse_solution(log_cosh, X, y, s, 0.2, True),
    ),
    "hinge": (
        CertifiedLinearSVC(C=0.5),
        "signs",
        lambda X, y, s: sparse_solution(hinge, X, y, s, 2.0, True),
    ),
}


def exact(name):
    estimator, kind, oracle = TWINS[name]
    return clone(estimator).set_params(noise=0, tol=1e-11), *problem(kind), oracle


def agrees(model, coef, intercept, tolerance=1e-7):
    """The iterate before noise, in units of each coefficient."""
    p = np.shape(coef)[-1]
    W = model._fitted.model.W
    size = np.abs(np.atleast_2d(coef)).max()
    np.testing.assert_allclose(W[:p].T, np.atleast_2d(coef), rtol=tolerance, atol=tolerance * size)
    if model.fit_intercept:
        scale = max(size, np.abs(intercept).max())
        np.testing.assert_allclose(
            W[p], np.atleast_1d(intercept), rtol=tolerance, atol=1e-7 * scale
        )


@pytest.mark.parametrize("name", TWINS)
def test_optimum_is_the_twins_after_fit_and_every_kind_of_request(name):
    model, X, y, oracle = exact(name)
    ones = np.ones(len(X))
    model.fit(X, y)
    agrees(model, *oracle(X, y, ones))
    rng = np.random.default_rng(1)
    gone = rng.permutation(len(X))
    for request in (gone[:1], gone[1:25]):
        model.forget(request)
    kept = np.sort(gone[25:])
    agrees(model, *oracle(X[kept], y[kept], ones[kept]))
    model.learn(X[gone[:25]], y[gone[:25]])
    agrees(model, *oracle(X, y, ones))
    changed = X[kept[:3]] + 0.5
    model.correct(rows=kept[:3], X=changed)
    Z = X.copy()
    Z[kept[:3]] = changed
    agrees(model, *oracle(Z, y, ones))


# scikit-learn's RidgeClassifier balances numbers of rows, this library their weights.
@pytest.mark.parametrize("name", [name for name in TWINS if "balanced" not in name])
def test_weight_zero_is_a_row_removed_and_weights_count(name):
    model, X, y, oracle = exact(name)
    s = np.ones(len(X))
    s[::3], s[5:9] = 2.0, 0.0
    model.fit(X, y, sample_weight=s)
    kept = s > 0
    agrees(model, *oracle(X[kept], y[kept], s[kept]))
    without = clone(model).fit(X[kept], y[kept], sample_weight=s[kept])
    np.testing.assert_allclose(
        without._fitted.model.W, model._fitted.model.W, rtol=1e-8, atol=1e-10
    )
    model.forget(rows=[0, 3])
    kept[[0, 3]] = False
    agrees(model, *oracle(X[kept], y[kept], s[kept]))


@pytest.mark.parametrize("name", TWINS)
def test_release_is_certified_and_near_the_twin_after_two_hundred_requests(name):
    estimator, kind, oracle = TWINS[name]
    X, y = problem(kind, n=500)
    model = clone(estimator).set_params(random_state=0).fit(X, y)
    order = np.random.default_rng(2).permutation(500)
    tiers = set()
    for row in order[:200]:
        model.forget(rows=[row])
        tiers.add(model.certificate_.tier)
    kept = np.sort(order[200:])
    coef, intercept = oracle(X[kept], y[kept], np.ones(300))
    W = np.vstack(
        [np.atleast_2d(coef).T, np.reshape(intercept, (1, -1))][: 1 + model.fit_intercept]
    )
    r, norm = model.certificate_.distance, model._fitted.model.gram.geometry.norm
    # What the oracle is off by counts against the bound: at most this much of it.
    assert norm(model._fitted.model.W - W) <= r + 1e-6 * (1 + norm(W))
    assert model.certificate_.check(1.0, 1e-6, allow_seeded=True) and model.n_forgotten_ == 200
    radius = 0.1 * (math.sqrt(W.size) + 7)
    assert 0 < norm(model._fitted.model.released - W) <= r + radius
    if "balanced" not in name:
        assert "downdate" in tiers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    plain = model.export_predictor()
    ours, theirs = model.predict(X[:40]), plain.predict(X[:40])
    if np.asarray(ours).dtype.kind == "f":
        np.testing.assert_allclose(theirs, ours, rtol=1e-12)
    else:
        np.testing.assert_array_equal(theirs, ours)
    assert not any(key.startswith("_model") for key in vars(plain))


@pytest.mark.parametrize("name", TWINS)
def test_bad_requests_change_nothing(name):
    estimator, kind, _ = TWINS[name]
    X, y = problem(kind)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    model = clone(estimator).set_params(random_state=0).fit(frame, y)
    model.forget(rows=[3])
    before = {key: np.copy(value) for key, value in vars(model).items() if key.endswith("_")}
    state = model._fitted.model
    for error, request in (
        (UnknownRowError, lambda: model.forget(rows=[240])),
        (AlreadyForgottenError, lambda: model.forget(rows=[3])),
        (ValueError, lambda: model.learn(frame[:2].where(frame[:2] > 1e9, np.inf), y[:2])),
        (ValueError, lambda: model.learn(frame[:2], y[:1])),
        (ValueError, lambda: model.correct(rows=[5], y=[np.nan])),
    ):
        with pytest.raises(error):
            request()
    assert model._fitted.model is state
    after = {key: np.copy(value) for key, value in vars(model).items() if key.endswith("_")}
    assert before.keys() == after.keys()
    for key, value in before.items():
        assert np.array_equal(value, after[key]), key
    np.testing.assert_array_equal(model.feature_names_in_, frame.columns)


@pytest.mark.parametrize("removals", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_removals_from_a_ridge_stay_exact(removals):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 12)) * 10.0 ** rng.uniform(-2, 2, size=12)
    y = X @ rng.normal(size=12) + rng.normal(size=20_000)
    model = CertifiedRidge(random_state=0, alpha=1e-6).fit(X, y)
    order, worst = rng.permutation(20_000)[:removals], 0.0
    keep = np.ones(20_000, bool)
    for count, row in enumerate(order, 1):
        model.forget(rows=[row])
        keep[row] = False
        if count % (removals // 10) == 0:
            fresh = Ridge(alpha=1e-6, solver="svd").fit(X[keep], y[keep])
            W = model._fitted.model.W[:-1, 0]
            worst = max(worst, float(np.max(np.abs(W / fresh.coef_ - 1))))
            d = model._fitted.model.W - np.r_[fresh.coef_, fresh.intercept_][:, None]
            # The fresh solve is off by rounding as well.
            assert model._fitted.model.gram.geometry.norm(d) <= model.certificate_.distance + 1e-7
    tiers = [entry["tier"] for entry in model.history_]
    print(f"\nlargest relative error {worst:.2e}; {tiers.count('downdate')} without a pass")
    assert worst < 1e-9
    assert tiers.count("downdate") >= 0.99 * removals


def test_many_targets_share_a_factor_of_one_column():
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(300, 20)), rng.normal(size=(300, 200))
    model = CertifiedRidge(noise=0, tol=1e-12).fit(X, Y)
    assert model.solver_ == "newton-cholesky"
    model.forget(rows=[0, 5])
    assert model.certificate_.tier == "downdate"
    kept = np.setdiff1d(np.arange(300), [0, 5])
    agrees(model, *of_sklearn(Ridge(), X[kept], Y[kept], np.ones(298)))


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "quantile"])
def test_losses_without_curvature_are_refused_with_a_substitute(loss):
    X, y = problem("numbers")
    with pytest.raises(ValueError, match="use loss="):
        CertifiedHuberRegressor(loss=loss).fit(X, y)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_hinges_are_refused_with_a_substitute(loss):
    X, y = problem("signs")
    with pytest.raises(ValueError, match='use loss="softplus_hinge"'):
        CertifiedLinearSVC(loss=loss).fit(X, y)
    with pytest.raises(ValueError, match="loss must be one of softplus_hinge"):
        CertifiedLinearSVC(loss="log").fit(X, y)


def test_a_probit_link_would_have_no_constant():
    # As the docstring of CertifiedLogReg says: |l'''| / l'' of -log Phi(z) grows like z.
    with mpmath.workdps(300):
        for z in (5, 10, 20):
            second, third = (
                mpmath.diff(lambda t: -mpmath.log(mpmath.ncdf(t)), z, k) for k in (2, 3)
            )
            assert 0.9 * z < abs(third) / second < 1.1 * z


def test_targets_outside_the_domain_are_refused():
    X, y = problem("counts")
    with pytest.raises(ValueError, match="out of the valid range"):
        CertifiedPoissonRegressor().fit(X, y - 1)
    with pytest.raises(ValueError, match="out of the valid range"):
        CertifiedGammaRegressor().fit(X, y)
    with pytest.raises(AssumptionError, match="no finite optimum"):
        CertifiedPoissonRegressor().fit(X, np.zeros(len(X)))
    model = CertifiedPoissonRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="out of the valid range"):
        model.learn(X[:2], [-1.0, 2.0])
    some = np.flatnonzero(y > 0)
    with pytest.raises(CertunlearnError):
        CertifiedPoissonRegressor(random_state=0).fit(X, y).forget(rows=some)


def test_smooth_hinge_comes_near_the_hinge():
    X, y = problem("signs", n=400)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    ours = CertifiedLinearSVC(noise=0, temperature=0.05).fit(X, y)
    theirs = SVC(kernel="linear", tol=1e-8).fit(X, y)
    np.testing.assert_allclose(ours._fitted.model.W[:-1, 0], theirs.coef_[0], atol=0.04)
    # Where it is too sharp for Newton steps nothing is pretended.
    with pytest.raises(ConvergenceError, match="smoother loss"):
        CertifiedLinearSVC(noise=0, temperature=1e-5).fit(X, y)


def test_scores_are_scikit_learns():
    for name in ("poisson", "gamma", "ridge"):
        estimator, kind, _ = TWINS[name]
        X, y = problem(kind)
        model = clone(estimator).set_params(random_state=0).fit(X, y)
        assert model.score(X, y) == pytest.approx(model.export_predictor().score(X, y), abs=1e-12)


def test_a_penalty_of_the_mean_loss_is_accounted_for():
    """The counter-example: changing the gradient's penalty alone gives 0.633 for 0.5."""
    X, y = np.ones((3, 1)), np.array([1.0, 1.0, 5.0])
    from certunlearn.engine import unlearner
    from certunlearn.numerics.losses.pointwise import Squared

    from .. import problems

    settings = problems.settings(fit_intercept=False)
    settings = unlearner.Settings(**{**vars(settings), "loss": Squared(), "per_weight": True})
    model = unlearner.fit(X, y, np.ones(3), settings)
    model = model.forget(np.array([2]))
    assert model.W[0, 0] == pytest.approx(0.5, abs=5e-3)
    true = model.gram.geometry.norm(model.W - 0.5)
    assert true <= model.reached.distance <= model.certificate.distance_target


def test_diabetes_end_to_end():
    X, y = load_diabetes(return_X_y=True)
    for estimator in (CertifiedRidge(alpha=0.01), CertifiedHuberRegressor(threshold=40.0)):
        model = estimator.set_params(random_state=0).fit(X, y)
        before = model.score(X, y)
        model.forget(rows=np.arange(40))
        assert before > 0.3 and abs(model.score(X, y) - before) < 0.1
