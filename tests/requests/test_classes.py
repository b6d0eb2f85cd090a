"""Labels of classes: of every kind, compared as Python compares them, and gone with their rows."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from certunlearn import CertifiedLinearSVC, CertifiedLogReg, CertifiedRidgeClassifier
from certunlearn.exceptions import (
    ClassForgottenWarning,
    ConfirmationNeededError,
    SecretStateWarning,
)
from certunlearn.requests.classes import Classes

N = 48
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
CODE = np.arange(N) % 3
LONG = "the label of one person and of nobody else"

KINDS = {
    "object": (np.array(["a", "b", LONG], dtype=object), "'a'"),
    "text": (np.array(["a", "b", LONG]), "'a'"),
    "category": (pd.Categorical(["a", "b", LONG]), "'a'"),
    "string": (pd.array(["a", "b", LONG], dtype="string"), "'a'"),
    "int": (np.array([3, 5, 987654321987]), "3"),
    "Int64": (pd.array([3, 5, 987654321987], dtype="Int64"), "3.0"),
    "float": (np.array([3.0, 5.0, 987654321987.0]), "3.0"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("estimator", [CertifiedLogReg, CertifiedRidgeClassifier])
def test_labels_of_every_kind_are_named_forgotten_and_unknown_afterwards(kind, estimator):
    labels, spelled = KINDS[kind]
    y, wanted = pd.Series(labels[CODE]), [np.asarray(labels).tolist()[c] for c in (0, 1, 2)]
    model = estimator(random_state=0).fit(X, y)
    assert model.classes_.tolist() == wanted
    with pytest.raises(ConfirmationNeededError, match=f"class {spelled} loses all of its 16 rows"):
        model.forget(np.flatnonzero(CODE == 0))
    assert [lost.name for lost in model.preview([2, 5]).taken.classes] == wanted[2:]
    model.correct([0], y=y.iloc[[1]]).correct([0], y=y.iloc[[0]]).learn(X[:1], y.iloc[[2]])
    gone = np.r_[np.flatnonzero(CODE == 2), N]
    with pytest.warns(ClassForgottenWarning, match="no retained row is labelled"):
        model.forget(gone, confirm=True)
    assert model.classes_.tolist() == wanted[:2]
    assert model.export_predictor().classes_.dtype == model.classes_.dtype
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        stored = pickle.dumps([model, model.export_predictor()])
    hidden = LONG.encode() if isinstance(wanted[2], str) else np.asarray(wanted[2]).tobytes()
    assert hidden not in stored and LONG.encode("utf-32-le") not in stored
    for act in (lambda: model.learn(X[:1], y.iloc[[2]]), lambda: model.correct([0], y=y.iloc[[2]])):
        with pytest.raises(ValueError, match="did not occur in the fit"):
            act()
    # The others are what they were.
    model.learn(X[:2], y.iloc[[0, 1]]).forget([N + 1])
    assert set(model.predict(X)) <= set(wanted[:2]) and model.n_retained_ == 33


def test_texts_are_as_wide_as_those_that_are_left():
    names = np.array(["a", "bb", LONG])[CODE].astype("<U99")
    model = CertifiedLogReg(random_state=0).fit(X, names)
    assert model.classes_.dtype == f"<U{len(LONG)}" == model.predict(X).dtype
    with pytest.warns(ClassForgottenWarning):
        model.forget(CODE == 2, confirm=True)
    assert model.classes_.dtype == model.predict(X).dtype == "<U2"


def test_a_label_goes_by_correction_as_well():
    y = CODE.copy() % 2
    y[7] = 2
    model = CertifiedLogReg(random_state=0).fit(X, y)
    with pytest.warns(ClassForgottenWarning, match="labelled 2"):
        model.correct([7], y=[1])
    assert model.classes_.tolist() == [0, 1]
    with pytest.raises(ValueError, match="did not occur"):
        model.correct([7], y=[2])


def test_a_row_without_weight_carries_its_label():
    weight = (CODE < 2) * 1.0
    model = CertifiedLogReg(random_state=0).fit(X, CODE, sample_weight=weight)
    light = np.flatnonzero(CODE == 2)
    model.forget(light[1:])
    assert model.classes_.tolist() == [0, 1]
    model.learn(X[light[1:3]], [2, 2])
    assert model.classes_.tolist() == [0, 1, 2]
    model.forget(light[0])
    with pytest.warns(ClassForgottenWarning):
        model.forget([N, N + 1], confirm=True)
    with pytest.raises(ValueError, match="did not occur"):
        model.learn(X[:1], [2])


def test_labels_are_compared_as_python_compares_them():
    ints, _ = Classes.of(np.array([0, 1, 7, 2**53 + 1]))
    for y in ([1, 7], [1.0, 7.0], [True, 7], np.array([1, 7], dtype=np.uint8), pd.Series([1, 7])):
        assert ints.encoded(y).tolist() == [1, 2]
    assert ints.encoded([]).tolist() == []
    for y in (["1"], [0.5], [2.0**53], [None], [np.nan], [-1]):
        with pytest.raises(ValueError, match="did not occur in the fit"):
            ints.encoded(y)
    unhashable = np.empty(1, dtype=object)
    unhashable[0] = [1]
    with pytest.raises(ValueError, match="cannot be looked up"):
        ints.encoded(unhashable)
    # Which of two equal labels came first is nothing that a class should show.
    mixed = np.array([np.str_("a"), "a", "b"], dtype=object)
    for order in ([0, 1, 2], [1, 0, 2]):
        assert [type(v) for v in Classes.of(mixed[order])[0].labels] == [str, str]


@pytest.mark.parametrize("estimator", [CertifiedLogReg, CertifiedLinearSVC])
def test_class_weights_may_name_classes_without_rows(estimator):
    weights = {"a": 1.0, "b": 2.0, "c": 3.0}
    y = np.array(["a", "b", "c"])[CODE]
    model = estimator(class_weight=weights, random_state=0).fit(X, y)
    with pytest.warns(ClassForgottenWarning):
        model.forget(CODE == 2, confirm=True)
    # As retraining on the rows that stay has it, and scikit-learn.
    fresh = estimator(class_weight=weights, random_state=0).fit(X[CODE < 2], y[CODE < 2])
    np.testing.assert_allclose(model._fitted.model.W, fresh._fitted.model.W, atol=0.02)
    with pytest.raises(ValueError, match="class_weight names labels that y does not hold"):
        estimator(class_weight={"a": 1.0, "B": 2.0}).fit(X, y)
