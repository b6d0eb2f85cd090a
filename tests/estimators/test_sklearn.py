"""The estimators as scikit-learn estimators, judged by scikit-learn itself."""

import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from certunlearn import (
    CertifiedElasticNet,
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
)
from certunlearn.exceptions import SecretStateWarning

ESTIMATORS = [
    CertifiedLogReg(),
    CertifiedLogReg(mechanism="isotropic"),
    CertifiedLogReg(mechanism="objective", view="release"),
    CertifiedLogReg(noise=0),
    CertifiedLogReg(view="release"),
    CertifiedLogReg(class_weight="balanced", C=10.0),
    CertifiedLogReg(l1_ratio=0.5),
    CertifiedLogReg(multi_class="ovr"),
    CertifiedElasticNet(),
    CertifiedRidge(),
    CertifiedRidgeClassifier(),
    CertifiedLinearSVC(),
    CertifiedPoissonRegressor(),
    CertifiedGammaRegressor(),
    CertifiedHuberRegressor(),
    CertifiedHuberRegressor(loss="log-cosh"),
]


@contextmanager
def secret_state_is_known():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        yield


@parametrize_with_checks(ESTIMATORS)
def test_estimator_checks(estimator, check, monkeypatch):
    # Without it scikit-learn skips check_array_api_input, which needs nothing but NumPy here.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with secret_state_is_known():
        check(estimator)


def test_the_list_of_checks_is_the_whole_list():
    names = {check.func.__name__ for _, check in estimator_checks_generator(CertifiedLogReg())}
    assert len(names) >= 50
    if not sklearn.__version__.startswith("1.6."):
        assert "check_array_api_input" in names
    assert {
        "check_class_weight_classifiers",
        "check_sample_weight_equivalence_on_dense_data",
        "check_methods_sample_order_invariance",
        "check_estimators_pickle",
        "check_readonly_memmap_input",
        "check_non_transformer_estimators_n_iter",
    } <= names


def problem(classes=2, n=90, d=4, seed=0):
    X, y = make_classification(
        n,
        d,
        n_informative=d,
        n_redundant=0,
        n_classes=classes,
        n_clusters_per_class=1,
        flip_y=0.2,
        random_state=seed,
    )
    return X, y


def optimum(X, y, **params):
    sample_weight = params.pop("sample_weight", None)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000, **params)
    return model.fit(X, y, sample_weight=sample_weight)


def agrees(model, reference, tolerance=1e-8):
    """Compare the secret iterate with scikit-learn's optimum, intercepts up to their mean."""
    p = reference.coef_.shape[1]
    W = model._fitted.model.W
    np.testing.assert_array_equal(model.classes_, reference.classes_)
    np.testing.assert_allclose(W[:p].T, reference.coef_, rtol=tolerance, atol=tolerance)
    if model.fit_intercept:
        theirs = reference.intercept_
        if len(theirs) > 1:
            theirs = theirs - theirs.mean()
        np.testing.assert_allclose(W[p], theirs, rtol=tolerance, atol=tolerance)
    else:
        assert W.shape[0] == p and not model.intercept_.any()


def exact(**params):
    return CertifiedLogReg(tol=1e-10, noise=0, **params)


WEIGHTS = {
    2: [None, "balanced", {0: 3.0, 1: 0.25}, {1: 7.0}],
    3: [None, "balanced", {0: 3.0, 2: 0.25}],
}
CASES = [(K, w, b) for K in (2, 3) for w in WEIGHTS[K] for b in (True, False)]


@pytest.mark.parametrize("classes, class_weight, intercept", CASES)
def test_optimum_before_and_after_forgetting_is_scikit_learns(classes, class_weight, intercept):
    X, y = problem(classes)
    params = dict(class_weight=class_weight, fit_intercept=intercept, C=0.7)
    model = exact(**params).fit(X, y)
    agrees(model, optimum(X, y, **params))
    # Rows of one class only: "balanced" has to be computed anew.
    gone = np.flatnonzero(y == 1)[:12]
    kept = np.setdiff1d(np.arange(len(X)), gone)
    before = model._fitted.model.W.copy()
    model.forget(gone)
    agrees(model, optimum(X[kept], y[kept], **params))
    assert np.abs(model._fitted.model.W - before).max() > 1e-3


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 0.5}])
def test_weight_zero_is_a_row_removed_is_a_row_never_there(class_weight):
    X, y = problem()
    rng = np.random.default_rng(3)
    weight = rng.uniform(0.2, 3.0, len(X))
    gone = rng.choice(len(X), 15, replace=False)
    kept = np.setdiff1d(np.arange(len(X)), gone)
    zeroed = weight.copy()
    zeroed[gone] = 0.0
    params = dict(class_weight=class_weight, C=2.0)
    masked = exact(**params).fit(X, y, zeroed)
    forgot = exact(**params).fit(X, y, weight).forget(gone)
    refit = exact(**params).fit(X[kept], y[kept], weight[kept])
    assert masked.n_retained_ == forgot.n_retained_ == refit.n_retained_ == len(kept)
    for other in (masked, forgot):
        np.testing.assert_allclose(
            other._fitted.model.W, refit._fitted.model.W, rtol=1e-8, atol=1e-8
        )
    # scikit-learn 1.6 balanced counts of rows, later ones their weights, as here.
    if class_weight != "balanced" or not sklearn.__version__.startswith("1.6."):
        agrees(refit, optimum(X[kept], y[kept], sample_weight=weight[kept], **params))
    # The weights matter at all.
    unweighted = exact(**params).fit(X[kept], y[kept])
    assert np.abs(unweighted._fitted.model.W - refit._fitted.model.W).max() > 1e-2


@pytest.mark.parametrize("scale", [0.03, 30.0])
def test_features_of_any_scale(scale):
    X, y = problem()
    X = X * scale ** np.arange(X.shape[1])
    agrees(exact().fit(X, y), optimum(X, y), tolerance=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("named", [False, True])
def test_predictions_equal_those_of_the_exported_predictor(classes, named):
    X, y = problem(classes)
    y = np.array(["ham", "spam", "eggs"])[y] if named else y
    if named:
        X = pd.DataFrame(X, columns=list("abcd"))
    model = CertifiedLogReg(random_state=1).fit(X, y).forget([3, 5])
    plain = model.export_predictor()
    assert type(plain) is LogisticRegression
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        ours, theirs = getattr(model, method)(X), getattr(plain, method)(X)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert model.score(X, y) == plain.score(X, y) > 0.6
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    if named:
        np.testing.assert_array_equal(plain.feature_names_in_, list("abcd"))
        with pytest.raises(ValueError, match="feature names"):
            model.predict(X[list("dcba")])


def test_exported_predictor_is_a_copy():
    X, y = problem()
    model = CertifiedLogReg(random_state=0).fit(X, y)
    plain, coef = model.export_predictor(), model.coef_.copy()
    plain.coef_[:] = 0.0
    plain.intercept_[:] = 0.0
    plain.classes_[:] = 9
    np.testing.assert_array_equal(model.coef_, coef)
    assert model.intercept_.all() and (model.classes_ == [0, 1]).all()


def test_release_is_near_the_optimum():
    X, y = load_iris(return_X_y=True)
    model = CertifiedLogReg(random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    assert not np.array_equal(model.coef_, model._fitted.model.W[:4].T)


def test_pipeline_grid_search_and_cross_validation():
    X, y = problem()
    head = CertifiedLogReg(random_state=0)
    pipe = make_pipeline(StandardScaler(), head)
    assert pipe.fit(X, y).score(X, y) > 0.6
    scores = cross_val_score(pipe, X, y, cv=3, error_score="raise")
    reference = cross_val_score(
        make_pipeline(StandardScaler(), LogisticRegression()), X, y, cv=3, error_score="raise"
    )
    assert np.abs(scores - reference).max() <= 0.1
    search = GridSearchCV(
        pipe,
        {
            "certifiedlogreg__C": [0.1, 10.0],
            "certifiedlogreg__mechanism": ["gram", "isotropic"],
        },
        cv=2,
        error_score="raise",
    ).fit(X, y)
    best = search.best_estimator_[-1]
    assert best.C == search.best_params_["certifiedlogreg__C"]
    assert best.forget([1]).certificate_.check(1.0, 1e-6, allow_seeded=True)


PARAMS = dict(
    C=3.0,
    fit_intercept=False,
    class_weight={0: 1.0, 1: 2.0},
    tol=1e-6,
    max_iter=55,
    random_state=7,
    verbose=0,
    epsilon=2.0,
    delta=1e-5,
    noise=0.3,
    mechanism="isotropic",
    view="transcript",
    solver="newton-cholesky",
)


def test_parameters_survive_clone_get_and_set():
    model = CertifiedLogReg(**PARAMS)
    params = model.get_params()
    assert params == CertifiedLogReg().get_params() | PARAMS
    assert clone(model).get_params() == params
    assert CertifiedLogReg().set_params(**PARAMS).get_params() == params
    X, y = problem()
    model.fit(X, y)
    assert model.get_params() == params
    copy = clone(model)
    assert copy.get_params() == params
    assert not hasattr(copy, "coef_") and not hasattr(copy, "_model")
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(penalty="l1")
    with pytest.raises(TypeError):
        CertifiedLogReg(1.0)


def test_changed_parameters_wait_for_the_next_fit():
    X, y = problem()
    model = CertifiedLogReg(random_state=0).fit(X, y)
    model.set_params(epsilon=0.01, noise=0, C=77.0).forget([1])
    assert model.certificate_.epsilon == 1.0 and model.certificate_.kind == "gaussian"
    model.fit(X, y)
    assert model.certificate_.kind == "none"


def digits_of(values):
    """Every way the first digits of a number could be printed."""
    for value in np.ravel(values).tolist():
        yield f"{abs(value):.5f}"[:7]
        yield f"{abs(value):.4e}"[:6]


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
def test_neither_repr_shows_a_row_or_the_secret_iterate(mechanism):
    X, y = problem(d=3)
    X = X * 7.0 + 12.0
    model = CertifiedLogReg(mechanism=mechanism, random_state=0).fit(X, y).forget([0])
    for text in (repr(model), str(model), model._repr_html_(), repr(model._repr_mimebundle_())):
        assert "CertifiedLogReg" in text
        for secret in (model._fitted.model.W, X, model._fitted.model.sample_weight[1:3] * 1.23456):
            assert not any(digits in text for digits in digits_of(secret))
        for name in ("_model", "_names", "_labels", "sample_weight", "reached"):
            assert name not in text


def test_the_digits_would_be_found_if_they_were_printed():
    W = np.array([[-0.0123456, 12.3456789]])
    assert any(digits in str(W.tolist()) for digits in digits_of(W))


def test_feature_names_and_pandas_give_the_same_model():
    X, y = problem()
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(len(X)) + 1000)
    plain = CertifiedLogReg(random_state=5).fit(X, y)
    named = CertifiedLogReg(random_state=5).fit(frame, pd.Series(y, index=frame.index))
    np.testing.assert_array_equal(plain.coef_, named.coef_)
    np.testing.assert_array_equal(named.feature_names_in_, list("abcd"))
    assert not hasattr(plain, "feature_names_in_")
    with pytest.warns(UserWarning, match="valid feature names"):
        named.predict(X)
    with pytest.raises(ValueError, match="features"):
        plain.predict(X[:, :3])


def test_solver_progress_goes_to_standard_error_only_if_asked(capsys):
    X, y = problem()
    CertifiedLogReg().fit(X, y)
    assert capsys.readouterr() == ("", "")
    CertifiedLogReg(verbose=1).fit(X, y)
    out, err = capsys.readouterr()
    assert out == "" and "Newton step 1: decrement" in err
