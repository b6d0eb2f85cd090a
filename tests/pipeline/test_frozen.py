"""Frozen extractors: what they give, what they may not do, and what a certificate says of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from certunlearn import Certificate, CertifiedLogReg, FrozenFeatures, certificate_report, forgetting
from certunlearn.exceptions import AssumptionError
from certunlearn.pipeline.steps import Declared, examined

from .test_pipeline import N, frame, photograph, piped, sound, texts

LETTERS = "aeri"


def letters(rows):
    """How often each letter occurs: a row by itself, exactly."""
    return np.array([[text.count(c) / len(text) for c in LETTERS] for text in rows])


def numeric(rows):
    return np.tanh(np.asarray(rows, dtype=float)) @ np.diag(np.arange(1.0, rows.shape[1] + 1))


class Counted:
    """An extractor that remembers what it was asked."""

    def __init__(self):
        self.calls = []

    def __call__(self, rows):
        self.calls.append(list(rows))
        return letters(rows)

    def __deepcopy__(self, memo):
        raise RuntimeError("weights copied")


@parametrize_with_checks([FrozenFeatures(np.asarray)])
def test_what_scikit_learn_asks_of_a_stateless_transformer(estimator, check):
    check(estimator)


KINDS = {
    "list": lambda X: X,
    "tuple": tuple,
    "array": np.array,
    "objects": lambda X: np.array(X, dtype=object),
    "one column": lambda X: np.array(X, dtype=object)[:, None],
    "Series": pd.Series,
    "DataFrame": lambda X: pd.DataFrame({"text": X}),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_texts_of_every_kind_give_the_same_features(kind):
    X = texts()[0]
    step = FrozenFeatures(letters, batch_size=7).fit(kind(X))
    np.testing.assert_array_equal(step.transform(kind(X)), letters(X))
    assert step.n_features_out_ == 4 and step.get_feature_names_out()[0] == "frozenfeatures0"
    assert step.transform(kind(X[:1])).shape == (1, 4)


def test_numbers_dense_or_sparse():
    X = np.random.default_rng(0).normal(size=(50, 3))
    step = FrozenFeatures(numeric).fit(X)
    np.testing.assert_array_equal(step.transform(sp.csr_array(X)), step.transform(X))
    np.testing.assert_array_equal(step.transform(pd.DataFrame(X)), numeric(X))
    images = X.reshape(10, 5, 3)
    flat = FrozenFeatures(lambda rows: rows.reshape(len(rows), -1)).fit_transform(images)
    np.testing.assert_array_equal(flat, images.reshape(10, 15))
    sparse = FrozenFeatures(lambda rows: sp.csr_array(numeric(rows))).fit_transform(X)
    np.testing.assert_array_equal(sparse, numeric(X))


def test_every_call_gets_a_full_batch_and_equal_rows_are_extracted_once():
    extractor = Counted()
    step = FrozenFeatures(extractor, batch_size=4, checked=0)
    X = ["a", "b", "a", "c", "d", "b", "e", "a"]
    np.testing.assert_array_equal(step.fit(X[:1]).transform(X), letters(X))
    assert extractor.calls[1:] == [["a", "b", "c", "d"], ["e", "e", "e", "e"]]
    # Nothing is kept from one call to the next.
    step.transform(X)
    assert len(extractor.calls) == 5
    held = set(vars(step)) - {"extractor", "n_features_out_"}
    assert held == set(step.get_params()) - {"extractor"}


class Company:
    """Gives a row other features beside others: by its place, or by the batch's mean."""

    def __init__(self, how):
        self.how, self.calls = how, 0

    def __call__(self, rows):
        self.calls += 1
        out = letters(rows)
        if self.how == "mean":
            return out - out.mean(axis=0)
        if self.how == "last bit":
            return out + out.sum() * 1e-16
        if self.how == "place":
            return out * (1 + 1e-9 * np.arange(len(rows)))[:, None]
        return out + self.calls


@pytest.mark.parametrize("how", ["mean", "last bit", "place", "again"])
def test_an_extractor_that_does_not_treat_rows_alike_is_refused(how):
    X = texts()[0]
    reason = "second time" if how == "again" else "batch_size=1"
    with pytest.raises(AssumptionError, match=reason):
        FrozenFeatures(Company(how)).fit(X)
    if how != "again":
        # Alone every row gets the same.
        one = FrozenFeatures(Company(how), batch_size=1).fit(X)
        np.testing.assert_array_equal(one.transform(X[:3]), one.transform(X[2::-1])[::-1])
    FrozenFeatures(Company(how), checked=0).fit(X)


@pytest.mark.parametrize(
    "extractor, error, reason",
    [
        (lambda rows: np.zeros(len(rows)), AssumptionError, "one line a row"),
        (lambda rows: np.zeros((1, 3)), AssumptionError, "one line a row"),
        (lambda rows: np.full((len(rows), 2), "a"), AssumptionError, "table of numbers"),
        (lambda rows: np.full((len(rows), 2), np.nan), AssumptionError, "not finite"),
        ("a model", TypeError, "callable"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(extractor, error, reason):
    with pytest.raises(error, match=reason):
        FrozenFeatures(extractor).fit(["a", "b"])


def test_parameters_are_checked():
    for wrong, reason in (
        ({"trained_on": "rows"}, "trained_on"),
        ({"batch_size": 0}, "batch_size"),
        ({"checked": -1}, "checked"),
        ({"fingerprint": " "}, "fingerprint"),
        ({"name": 3}, "name"),
    ):
        with pytest.raises(ValueError, match=reason):
            FrozenFeatures(letters, **wrong).fit(["a"])
    for X in ([], "a text", np.array("a")):
        with pytest.raises((ValueError, TypeError)):
            FrozenFeatures(letters).fit(X)
    grows = FrozenFeatures(lambda rows: np.zeros((len(rows), len(rows[0])))).fit(["ab"])
    with pytest.raises(AssumptionError, match="3 features now, it made 2"):
        grows.transform(["abc"])
    with pytest.raises(AssumptionError, match="differ in their features"):
        FrozenFeatures(grows.extractor, batch_size=1).transform(["a", "bc"])


def test_clones_share_the_extractor_and_pickles_hold_it():
    step = FrozenFeatures(Counted(), name="letters")
    again = clone(step)
    assert again.extractor is step.extractor and again.get_params() == step.get_params()
    check_is_fitted(step)
    with pytest.raises(NotFittedError):
        step.get_feature_names_out()
    plain = pickle.loads(pickle.dumps(FrozenFeatures(letters).fit(["a"])))
    np.testing.assert_array_equal(plain.transform(["ab"]), letters(["ab"]))


def test_progress_is_told():
    heard = []
    step = FrozenFeatures(letters, batch_size=4, progress=lambda *at: heard.append(at))
    step.fit(texts()[0]).transform([f"{i}" for i in range(10)])
    assert heard == [(4, 0.4), (8, 0.8), (10, 1.0)]


def embedded(trained_on="independent", **more):
    known = {"name": "letters", "fingerprint": "sha256:12ab", "trained_on": trained_on}
    return FrozenFeatures(letters, **known, **more)


def test_in_a_pipeline_it_is_stateless_and_costs_nothing():
    X, y = texts()
    extractor = Counted()
    step = FrozenFeatures(extractor, trained_on="independent")
    pipe = piped(step).fit(X, y)
    assert pipe._kept.raw is None
    before, calls = pipe["a"], len(extractor.calls)
    pipe.forget([0, 7])
    assert pipe["a"] is before and len(extractor.calls) == calls
    sound(pipe, X, y, np.setdiff1d(np.arange(N), [0, 7]))
    scaled = piped(step, StandardScaler()).fit(X, y)
    calls = len(extractor.calls)
    scaled.forget([0])
    # The scaler is recounted on what the extractor gave once.
    assert len(extractor.calls) == calls
    scaled.learn(X[:1], y[:1]).correct([5], X=["amber"])
    assert [set(c) for c in extractor.calls[calls:]] == [{X[0]}, {"amber"}]
    truth = [*X, X[0]]
    truth[5] = "amber"
    sound(scaled, truth, np.append(y, y[0]), np.arange(1, N + 1))


SAID = {
    "independent": ("features of step 'a' come from letters, fingerprint sha256:12ab, stated", ""),
    "includes_rows": ("", "was trained on the rows and keeps whatever it learnt of them"),
    "unknown": ("", "it is not known whether that was trained on the rows"),
}


@pytest.mark.parametrize("trained_on", SAID)
def test_the_certificate_says_what_was_stated(trained_on):
    X, y = texts()
    c = piped(embedded(trained_on)).fit(X, y).forget([0]).certificate_
    held, missing = SAID[trained_on]
    source = "fingerprint sha256:12ab"
    assert any(held in text and source in text for text in c.conditions) == bool(held)
    out = [text for text in c.not_covered if source in text]
    assert len(out) == int(bool(missing))
    assert all(missing in text and "no claim from raw rows to release" in text for text in out)
    assert any("whatever rows come with it (tried on up to 4 rows)" in t for t in c.conditions)
    assert Certificate.from_json(c.to_json()) == c and c.check(1.0, 1e-6, allow_seeded=True)
    assert source in str(c) and (missing in str(c))
    for kind in ("html", "markdown"):
        page = certificate_report(c, format=kind)
        assert source in page and (missing in page)
    unchecked = piped(embedded(trained_on, checked=0)).fit(X, y).certificate_
    assert any("(not tried)" in text for text in unchecked.conditions)


def test_inside_other_steps():
    X, y = frame()
    step = ColumnTransformer(
        [
            ("text", FrozenFeatures(lambda rows: letters(rows)[:, :2]), "text"),
            ("n", StandardScaler(), ["p", "q"]),
        ]
    )
    pipe = piped(step).fit(X, y).forget([0])
    assert any("step 'a__text'" in text for text in pipe.certificate_.not_covered)
    sound(pipe, X, y, np.arange(1, N))
    union = FeatureUnion([("e", embedded()), ("f", embedded("includes_rows"))])
    verdict = examined("a", union, Declared())
    assert not verdict.moves and any("'a__e' come from" in text for text in verdict.conditions)
    assert len(verdict.not_covered) == 1 and "'a__f'" in verdict.not_covered[0]
    with pytest.raises(AssumptionError, match="trained_on="):
        piped(embedded(), frozen={"a": "public"}).fit(*texts())


def test_before_a_model_by_hand_the_certificate_is_the_models_alone():
    X, y = texts()
    plain = make_pipeline(embedded(), CertifiedLogReg(random_state=0)).fit(X, y)
    plain[-1].forget([3])
    c = plain[-1].certificate_
    assert any("feature extractors" in text for text in c.not_covered)
    assert "sha256" not in str(c)
    ours = forgetting(plain).fit(X, y).forget([3])
    np.testing.assert_array_equal(ours[-1].coef_, plain[-1].coef_)
    assert "sha256" in str(ours.certificate_)


def test_an_extractor_that_fails_leaves_the_pipeline_as_it_was():
    X, y = texts()
    pipe = piped(embedded(), StandardScaler()).fit(X, y)
    before = photograph(pipe)
    with pytest.raises(AssumptionError, match="not finite"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipe["a"], "extractor", lambda rows: letters(rows) + np.inf)
        pipe.learn(["amber"], [0])
    assert photograph(pipe) == before
