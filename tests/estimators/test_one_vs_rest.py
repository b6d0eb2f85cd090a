"""One-vs-rest logistic regression: scikit-learn's meta-estimator, with one joint certificate."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from certunlearn import CertifiedLogReg, ClassForgottenWarning, ForgettingPipeline, forgetting

X, Y = load_iris(return_X_y=True)
X = scale(X)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]


def twin(X, y, weight=None, C=1.0):
    """scikit-learn's optimum to 1e-10, one column a class."""
    found = []
    for label in np.unique(y):
        each = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12, max_iter=200)
        found.append(each.fit(X, y == label, weight))
    coef = np.vstack([each.coef_ for each in found])
    return coef, np.concatenate([each.intercept_ for each in found])


@pytest.mark.parametrize("labels", [Y, NAMES], ids=["numbers", "texts"])
def test_optimum_after_fit_forget_learn_and_correct_is_that_of_each_class_alone(labels):
    gone = np.arange(0, 60, 7)
    model = CertifiedLogReg(multi_class="ovr", noise=0).fit(X, labels)
    np.testing.assert_allclose(model.coef_, twin(X, labels)[0], atol=1e-7)
    model.forget(gone)
    keep = np.setdiff1d(np.arange(len(X)), gone)
    rows, known = X[keep], labels[keep]
    np.testing.assert_allclose(model.coef_, twin(rows, known)[0], atol=1e-7)
    model.learn(X[:3] + 0.1, labels[100:103])
    rows, known = np.vstack([rows, X[:3] + 0.1]), np.r_[known, labels[100:103]]
    np.testing.assert_allclose(model.intercept_, twin(rows, known)[1], atol=1e-7)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    model = CertifiedLogReg(multi_class="ovr", noise=0, C=0.1).fit(X, labels, weight)
    np.testing.assert_allclose(model.coef_, twin(X, labels, weight, 0.1)[0], atol=1e-7)


def test_predictions_and_the_exported_predictor_are_scikit_learns():
    model = CertifiedLogReg(multi_class="ovr").fit(X, NAMES).forget([3, 77])
    peer = OneVsRestClassifier(LogisticRegression()).fit(X, NAMES)
    out = model.export_predictor()
    assert type(out) is type(peer) and set(vars(out)) == set(vars(peer))
    for verb in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_allclose(
            *(getattr(m, verb)(X) for m in (model, out))
        ) if verb != "predict" else np.testing.assert_array_equal(model.predict(X), out.predict(X))
        assert getattr(out, verb)(X).shape == getattr(peer, verb)(X).shape
    assert model.certificate_.matches(out) and model.certificate_.matches(model)
    out.estimators_[1].coef_[0, 0] += 1e-9
    assert not model.certificate_.matches(out)
    # With all doubt gone no class is likelier than another.
    far = model.predict_proba(np.full((1, 4), 1e9) * np.array([1, -1, 1, -1]))
    assert np.isfinite(far).all() and far.sum() == pytest.approx(1)


def test_through_a_pipeline_and_exported_as_one_predictor():
    raw = pd.DataFrame(load_iris().data, columns=list("abcd"))
    model = forgetting(make_pipeline(StandardScaler(), CertifiedLogReg(multi_class="ovr")))
    model.fit(raw, NAMES).forget(rows=[0, 60, 120])
    for composed in (False, True):
        out = model.export_predictor(composed=composed)
        np.testing.assert_array_equal(out.predict(raw), model.predict(raw))
        np.testing.assert_allclose(out.predict_proba(raw), model.predict_proba(raw), atol=1e-12)
    assert isinstance(out, OneVsRestClassifier)
    assert out.feature_names_in_.tolist() == list("abcd") and out.n_features_in_ == 4
    again = ForgettingPipeline.from_state(model.to_state())
    np.testing.assert_array_equal(again.predict_proba(raw), model.predict_proba(raw))


def test_two_classes_are_one_column_as_ever():
    two = Y < 2
    ovr, plain = (
        CertifiedLogReg(multi_class=kind, random_state=0).fit(X[two], Y[two])
        for kind in ("ovr", "multinomial")
    )
    np.testing.assert_array_equal(ovr.coef_, plain.coef_)
    assert isinstance(ovr.export_predictor(), LogisticRegression)


def test_a_class_that_is_emptied_goes():
    model = CertifiedLogReg(multi_class="ovr", noise=0).fit(X, Y)
    with pytest.warns(ClassForgottenWarning):
        model.forget(np.flatnonzero(Y == 1), confirm=True)
    assert model.coef_.shape == (1, 4) and isinstance(model.export_predictor(), LogisticRegression)
    with pytest.raises(ValueError, match="labels that did not occur"):
        model.learn(X[50:51], Y[50:51])
    again = CertifiedLogReg(multi_class="ovr", noise=0).fit(X[Y != 1], Y[Y != 1])
    np.testing.assert_allclose(model.coef_, again.coef_, atol=1e-7)


def test_single_removals_from_many_classes_read_no_retained_row():
    X, y = load_digits(return_X_y=True)
    model = CertifiedLogReg(multi_class="ovr", C=1e-3, noise=1.0, view="release").fit(X / 16, y)
    tiers = [model.forget([i]).certificate_.tier for i in range(20)]
    assert tiers.count("downdate") >= 18
    assert len(model._fitted.model.parts) == 10 and model.certificate_.check(1.0, 1e-6)


def test_what_is_refused_and_what_survives():
    with pytest.raises(ValueError, match="multi_class"):
        CertifiedLogReg(multi_class="crammer").fit(X, Y)
    model = CertifiedLogReg(multi_class="ovr", random_state=1).fit(X, Y)
    with pytest.raises(ValueError, match="one distribution"):
        model.suppress([0])
    assert clone(model).multi_class == "ovr"
    with pytest.warns(UserWarning):
        copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.forget([5]).coef_, model.forget([5]).coef_)
    # Parameters set after the fit change nothing before the next one.
    model.set_params(multi_class="multinomial")
    assert isinstance(model.export_predictor(), OneVsRestClassifier)


def test_previews_speak_of_the_probabilities_that_are_predicted():
    model = CertifiedLogReg(multi_class="ovr", noise=0).fit(X, Y)
    preview = model.preview([70])
    said = model.predict_proba(X[70:71])[0, Y[70]]
    assert f"{said:.3f}" in str(preview)
