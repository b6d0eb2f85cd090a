"""Refusals: what has no optimum, or none that float64 can tell, is refused and says why."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_regression
from sklearn.linear_model import ElasticNet, HuberRegressor, PoissonRegressor, Ridge

import certunlearn
from certunlearn import (
    CertifiedElasticNet,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
)
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AssumptionError,
    ConvergenceError,
    NotCertifiedError,
    RowError,
)

NOISES = pytest.mark.parametrize("noise", [0, 0.1])


def collinear(seed):
    """More rows than columns, of which two are the same but for rounding."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 3))
    return 0.5 * np.hstack([X, X]), rng.normal(size=12)


@NOISES
@pytest.mark.parametrize("solver", ["auto", "newton-cg", "lbfgs"])
@pytest.mark.parametrize("seed", range(3))
def test_collinear_columns_without_a_penalty_are_refused(seed, solver, noise):
    X, y = collinear(seed)
    for mechanism in ("gram", "isotropic"):
        model = CertifiedRidge(
            alpha=0, noise=noise, solver=solver, mechanism=mechanism, tol=1e-10, random_state=0
        )
        with pytest.raises((NotCertifiedError, AssumptionError), match="alpha") as caught:
            model.fit(X, y)
        assert " C" not in str(caught.value).replace("CertifiedMinNorm", "")


@NOISES
@pytest.mark.parametrize("tol", [1e-4, 1e-12])
def test_a_penalty_below_rounding_is_refused(tol, noise):
    X, y = make_regression(50, 100, noise=0, bias=10, random_state=42)
    with pytest.raises(NotCertifiedError, match="distance inf .* raise alpha.* CertifiedMinNorm"):
        CertifiedRidge(alpha=1e-16, noise=noise, tol=tol).fit(X, y)
    kept = CertifiedRidge(alpha=1e-8, noise=noise, tol=tol).fit(X, y)
    assert kept.certificate_.distance < 1e-6


def labels(n, classes):
    return np.arange(n) % classes


def separated(kind, classes):
    """Features of classes that can be told apart, completely or but for ties, or cannot."""
    rng = np.random.default_rng(classes)
    y = labels(60, classes)
    X = rng.normal(size=(60, 3))
    if kind == "completely":
        X[:, :2] = 6 * np.c_[np.cos(2 * np.pi * y / classes), np.sin(2 * np.pi * y / classes)]
        X[:, :2] += 0.3 * rng.normal(size=(60, 2))
    elif kind == "by one column":
        # 1 for some rows of the first class, and 0 for all others: these stay mixed.
        X[:, 2] = (y == 0) & (np.arange(60) < 20)
    return X, y


@pytest.mark.parametrize("estimator", [CertifiedLogReg, CertifiedLinearSVC])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["completely", "by one column"])
@NOISES
def test_separable_classes_without_a_penalty_are_named(kind, classes, estimator, noise):
    X, y = separated(kind, classes)
    for intercept in (True, False):
        with pytest.raises(AssumptionError, match="classes are separable.*use a finite C$"):
            estimator(C=np.inf, noise=noise, fit_intercept=intercept).fit(X, y)
    model = estimator(C=1.0, noise=noise).fit(X, y)
    assert np.isfinite(model.certificate_.distance)


@pytest.mark.parametrize("classes", [2, 3])
def test_mixed_classes_are_never_called_separable(classes):
    from certunlearn.engine.removal.separation import separable

    X, y = separated("not at all", classes)
    model = CertifiedLogReg(C=np.inf, noise=0).fit(X, y)
    objective, W = model._fitted.model.objective, model._fitted.model.W
    import jax

    with jax.enable_x64(True):
        assert not separable(objective, W)
    for params in (dict(max_iter=1), dict(max_iter=1, C=np.inf)):
        with pytest.raises(ConvergenceError) as caught:
            CertifiedLogReg(noise=0, **params).fit(X, y)
        assert "separable" not in str(caught.value)
        assert "raise max_iter or lower C" in str(caught.value)


def test_a_row_that_misses_by_one_bit_is_on_the_wrong_side():
    """Separated by x = 0.3 but for one row: told from one that lies on the border exactly."""
    import jax

    from certunlearn.engine.removal.separation import separable

    for at, told in ((0.3, True), (np.nextafter(0.3, 0), False)):
        x = np.array([-2.0, -1.0, 0.3, at, 1.0, 2.0])
        X, y = np.c_[x, x**2], np.array([0, 0, 0, 1, 1, 1])
        model = CertifiedLogReg(C=1.0, noise=0, fit_intercept=True).fit(X, y)
        W = np.array([[1.0], [0.0], [-0.3]])
        with jax.enable_x64(True):
            assert separable(model._fitted.model.objective, W) is told


def test_a_removal_that_leaves_separable_classes_is_refused_and_changes_nothing():
    x = np.r_[np.linspace(-3, -1, 10), np.linspace(1, 3, 10), -0.5, 0.5, 0.7, -0.7]
    y = np.r_[np.zeros(10), np.ones(10), 1, 0, 1, 0].astype(int)
    X = x[:, None]
    model = CertifiedLogReg(C=np.inf, random_state=0).fit(X, y)
    before = model.coef_.copy(), model.certificate_
    with pytest.raises(AssumptionError, match="separable"):
        model.forget([20, 21])
    assert model.certificate_ is before[1] and model.n_forgotten_ == 0
    np.testing.assert_array_equal(model.coef_, before[0])
    model.forget([0])


REGRESSORS = [CertifiedRidge, CertifiedHuberRegressor, CertifiedPoissonRegressor]


@pytest.mark.parametrize("estimator", [*REGRESSORS, CertifiedRidgeClassifier])
def test_errors_speak_of_the_parameter_that_the_estimator_has(estimator):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = rng.integers(0, 2, size=40)
    for params in (dict(noise=1e-15), dict(alpha=0.0, noise=1e-12), dict(max_iter=1, noise=0)):
        try:
            estimator(**params).fit(np.c_[X, X[:, 0]] if "alpha" in params else X, y)
        except (NotCertifiedError, ConvergenceError) as error:
            assert "raise alpha" in str(error) and " C" not in str(error).replace(" Cert", "")
        else:
            assert "max_iter" in params


def mixed(n=40):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 3)), np.arange(n) % 2


def test_forgetting_one_of_two_classes_names_the_way_out():
    X, y = mixed()
    model = CertifiedLogReg(random_state=0).fit(X, np.array(["no", "yes"])[y])
    for confirm in (False, True):
        with pytest.raises(AssumptionError, match=r"row of class 'yes'.* learn\(\) other rows"):
            model.forget(y == 1, confirm=confirm)
    assert model.n_forgotten_ == 0


@pytest.mark.parametrize("epsilon", [1.1, 1.35, 1.9])
def test_a_threshold_given_as_epsilon_warns(epsilon):
    X, y = mixed()
    with pytest.warns(UserWarning, match=f"pass threshold={epsilon}$") as caught:
        CertifiedHuberRegressor(epsilon=epsilon, noise=1.0).fit(X, 1.0 * y)
    assert caught[0].filename == __file__
    for params in (dict(epsilon=2.0), dict(threshold=1.5), dict(loss="log-cosh")):
        # Warnings are errors.
        CertifiedHuberRegressor(**(dict(epsilon=epsilon, noise=1.0) | params)).fit(X, 1.0 * y)


def test_identifiers_belong_to_one_row_each_also_as_rows_come():
    X, y = mixed()
    model = CertifiedLogReg(random_state=0).fit(X, y, row_ids=[f"p{i}" for i in range(40)])
    with pytest.raises(RowError, match="share: 'p5'"):
        model.learn(X[:2], y[:2], row_ids=["new", "p5"])
    with pytest.raises(RowError, match="share: 'new'"):
        model.learn(X[:2], y[:2], row_ids=["new", "new"])
    # Somebody who has left may come again, and leave again.
    model.forget(row_ids="p5").learn(X[5:6], y[5:6], row_ids=["p5"]).forget(row_ids="p5")
    assert model.n_retained_ == 39
    with pytest.raises(AlreadyForgottenError):
        model.forget(row_ids="p5")


def test_an_index_with_repeats_names_no_rows_but_aligns_masks():
    X, y = mixed()
    frame = pd.DataFrame(X, index=np.arange(40) // 2)
    model = CertifiedLogReg(random_state=0).fit(frame, y)
    for request in (pd.Index([3]), [3]):
        with pytest.raises(certunlearn.AmbiguousRowError, match="rows="):
            model.forget(request)
    model.forget(pd.Series(np.arange(40) == 7, index=frame.index)).forget(rows=[8])
    assert model._fitted.model.forgotten[[7, 8]].all() and model.n_forgotten_ == 2


TWINS = [
    (CertifiedRidge, Ridge),
    (CertifiedElasticNet, ElasticNet),
    (CertifiedPoissonRegressor, PoissonRegressor),
    (CertifiedHuberRegressor, HuberRegressor),
]


@pytest.mark.parametrize("ours, theirs", TWINS, ids=lambda c: c.__name__)
def test_intercepts_have_scikit_learns_shapes(ours, theirs):
    X, y = mixed()
    model, twin = ours(random_state=0, noise=1.0).fit(X, 1.0 + y), theirs().fit(X, 1.0 + y)
    for fitted in (model, twin, model.export_predictor()):
        assert isinstance(fitted.intercept_, np.float64) and fitted.intercept_.shape == ()
    assert CertifiedMinNorm().fit(X, 1.0 * y).intercept_.shape == ()


def test_errors_and_warnings_are_importable_from_the_top():
    from certunlearn import exceptions

    public = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert public <= set(certunlearn.__all__) and len(public) >= 12
    assert certunlearn.NotCertifiedError is NotCertifiedError


def test_a_preview_without_a_bound_says_so_in_words():
    X, y = mixed(400)
    X[:5] *= 30
    seen = CertifiedLogReg(random_state=0).fit(X, y).preview(rows=range(150))
    assert np.isinf(seen.distance)
    assert "no bound without a pass, which the removal makes; " in str(seen)
    assert "inf" not in str(seen).replace("influence", "")
    unnoised = CertifiedLogReg(noise=0).fit(X, y).preview([20])
    assert "nan" not in str(unnoised)


@pytest.mark.parametrize("verb", ["fit", "forget", "release"])
def test_a_warning_names_the_line_that_asked(verb):
    X = np.random.default_rng(0).normal(size=(30, 4))
    model = CertifiedLogReg(noise=50.0, view="release", random_state=0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(X, X[:, 0] > 0)
        if verb == "forget":
            model.forget([1])
        if verb == "release":
            model.release()
    assert said and all(w.filename == __file__ for w in said)
