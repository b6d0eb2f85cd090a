"""Learning, correcting and looking ahead through pipelines, against a fit of all of it afresh."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
)

from certunlearn import CertifiedMinNorm, CertifiedPoissonRegressor
from certunlearn.engine import unlearner
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AssumptionError,
    RowError,
    SecretStateWarning,
)
from certunlearn.pipeline import _kinds, _plan

from .. import pipeline_sequences
from ..pipeline_sequences import Truth
from .test_pipeline import (
    MOVING,
    WORDS,
    N,
    columns,
    counts,
    frame,
    numbers,
    photograph,
    piped,
    recounted,
    rows,
    same_state,
    sound,
    texts,
)


def test_certificates_stay_true_over_random_sequences():
    """A few; ``python -m tests.pipeline_sequences 100`` runs a hundred."""
    tiers = set()
    for number in (1, 2, 3, 4):
        tiers |= set(pipeline_sequences.run(number, requests=4))
    assert {"refresh", "downdate"} <= tiers


def test_the_check_sees_steps_that_were_left_behind(monkeypatch):
    X, y = numbers()
    pipe, truth = piped(recounted(StandardScaler())).fit(X, y), Truth(X, y)
    stale = lambda steps, X, *_: (_plan.through(steps, X), steps)  # noqa: E731
    monkeypatch.setattr(_plan, "fitted_through", stale)
    pipe.learn(X[:1] * 2, y[:1])
    truth.learn(X[:1] * 2, y[:1])
    with pytest.raises(AssertionError):
        truth.check(pipe)


KINDS = {name: MOVING[name] for name in ("ColumnTransformer", "SimpleImputer")}
KINDS["Series"] = (
    TfidfVectorizer(vocabulary=WORDS[:4]),
    lambda seed=0: (pd.Series(texts(seed)[0]), texts(seed)[1]),
)
KINDS["encoded"] = (
    ColumnTransformer([("k", OneHotEncoder(sparse_output=False), ["kind"])], remainder="drop"),
    frame,
)


@pytest.mark.parametrize("step, data", KINDS.values(), ids=KINDS)
def test_learning_and_correcting_are_fitting_the_rows_as_they_are_then(step, data):
    X, y = data()
    fresh, codes = data(7)
    pipe, truth = piped(step).fit(X, y), Truth(X, y)
    assert pipe.learn(rows(fresh, [0, 1, 8]), codes[[0, 1, 8]]) is pipe
    truth.learn(rows(fresh, [0, 1, 8]), codes[[0, 1, 8]])
    truth.check(pipe)
    # In the order of the request, whatever that is; a learnt row and the first.
    assert pipe.correct([N + 1, 0, 5], X=rows(fresh, [9, 10, 11]), y=codes[[9, 10, 11]]) is pipe
    truth.correct([N + 1, 0, 5], rows(fresh, [9, 10, 11]), codes[[9, 10, 11]])
    truth.check(pipe)
    pipe.forget([0, N + 2])
    truth.alive[[0, N + 2]] = False
    truth.check(pipe)
    pipe.correct([N + 1], X=rows(X, [0]))
    truth.correct([N + 1], rows(X, [0]))
    truth.check(pipe)
    events = [e["event"] for e in pipe.history_]
    assert events == ["fit", "learn", "correct", "forget", "correct"]
    with pytest.raises(AlreadyForgottenError):
        pipe.correct([0], y=[1])


def test_steps_that_do_not_move_leave_the_head_to_its_own_verbs():
    X, y = numbers()
    pipe, truth = piped(recounted(MinMaxScaler())).fit(X, y), Truth(X, y)
    store = pipe[-1]._fitted.model.rows
    pipe.learn(X[5:7] * 0.5 + X[8:10] * 0.5, y[5:7])
    truth.learn(X[5:7] * 0.5 + X[8:10] * 0.5, y[5:7])
    pipe.correct([5], X=X[[6]])
    truth.correct([5], X[[6]])
    assert pipe[-1]._fitted.model.rows is store
    truth.check(pipe)
    pipe.correct([5], X=X[[0]] * 2)
    truth.correct([5], X[[0]] * 2)
    assert pipe[-1]._fitted.model.rows is not store
    truth.check(pipe)
    still = piped(FunctionTransformer(np.tanh), Normalizer(copy=False)).fit(X, y)
    given = X[:2].copy()
    still.learn(given, y[:2]).correct([3], X=given[:1])
    np.testing.assert_array_equal(given, X[:2])
    reference = np.vstack([X, X[:2]])
    reference[3] = X[0]
    sound(still, reference, np.append(y, y[:2]), np.arange(N + 2))


def test_rows_of_zero_weight_are_in_no_step():
    X, y = numbers()
    weight = np.random.default_rng(0).uniform(0.5, 2, size=N)
    weight[[0, 20]] = 0
    pipe = piped(StandardScaler(), class_weight="balanced").fit(X, y, sample_weight=weight)
    truth = Truth(X, y, weight)
    before = pipe["a"]
    # What weighs nothing changes nothing; a correction does not give it weight.
    pipe.correct([0, 20], X=X[:2] * 5)
    truth.correct([0, 20], X[:2] * 5)
    assert pipe["a"] is before
    truth.check(pipe)
    pipe.learn(X[2:4] * 3, y[2:4], sample_weight=[0, 2.5])
    truth.learn(X[2:4] * 3, y[2:4], [0, 2.5])
    truth.check(pipe)


def test_names_groups_metadata_and_static_rows():
    X, y = frame()
    X.index = [f"person {i}" for i in range(N)]
    table = pd.DataFrame({"country": np.where(np.arange(N) % 10 == 3, "FR", "DE")})
    static = np.arange(N) >= 100
    pipe = piped(columns()).fit(X, y, groups=np.arange(N) // 3, metadata=table, static=static)
    new, codes = frame(5)
    more = {"groups": [1000, 1000], "metadata": pd.DataFrame({"country": ["FR", "IT"]})}
    new = new.iloc[2:4].set_axis(["person a", "person b"])
    pipe.learn(new, codes[2:4], **more)
    truth = Truth(X, y)
    truth.learn(new, codes[2:4])
    with pytest.raises(RowError, match="static"):
        pipe.forget(row_ids="person 103")
    with pytest.raises(RowError, match="static"):
        pipe.correct(row_ids=["person 103"], y=[0])
    chosen = np.append(np.arange(3, 100, 10), N)
    asked = pipe.preview(
        where=lambda t: (t["country"] == "FR") & (t.index != 103) & (t.index < 100)
    )
    assert asked.rows.tolist() == list(range(3, 100, 10))
    before = photograph(pipe)
    with pytest.raises(RowError, match="static"):
        pipe.forget(where="country == 'FR'")
    assert photograph(pipe) == before
    pipe.correct(row_ids=["person b"], X=new.iloc[:1])
    truth.correct([N + 1], new.iloc[:1])
    pipe.forget(rows=chosen).forget(groups=5)
    truth.alive[np.append(chosen, [15, 16, 17])] = False
    truth.check(pipe)
    series = pd.Series(texts()[0], index=[f"id {i}" for i in range(N)])
    named = piped(TfidfVectorizer()).fit(series, y)
    named.learn(series.iloc[:1].set_axis(["id x"]), y[:1]).forget(row_ids="id x")
    with pytest.raises(AlreadyForgottenError):
        named.forget(row_ids="id x")


def test_look_alikes_go_along():
    X, y = numbers()
    X[[7, 8]] = X[[6, 0]] + 1e-7
    pipe = piped(StandardScaler()).fit(X, y)
    assert pipe.neighbours([6]).rows.tolist() == [7]
    pipe.forget([6, 0], expand="near")
    assert pipe.history_[-1]["look_alikes"] == 2 and pipe.n_forgotten_ == 4
    sound(pipe, X, y, np.setdiff1d(np.arange(N), [0, 6, 7, 8]))


def test_a_preview_tells_whether_the_steps_move_and_changes_nothing():
    X, y = numbers()
    pipe = piped(recounted(MinMaxScaler()), view="release").fit(X, y)
    before = photograph(pipe)
    inside, outside = pipe.preview([50]), pipe.preview([0])
    # A refresh is not said to be undecided.
    assert outside.tier == "refresh" and "chord" not in str(outside)
    full = pipe.preview([0], full=True)
    assert photograph(pipe) == before
    assert inside.tier == "downdate" and inside.distance <= inside.target
    assert outside.tier == "refresh" and np.isnan(outside.distance) and "steps" in outside.cost
    assert full.tier == "refresh" and 0 < full.distance <= full.target
    twin = piped(recounted(MinMaxScaler()), view="release").fit(X, y).forget([0])
    assert twin.certificate_.distance == full.distance
    # Steps that are not recounted: the model's own tiers, with the penalty as it would be.
    for at in ([0], [50]):
        pipe = piped(StandardScaler()).fit(X, y)
        quick, full = pipe.preview(at), pipe.preview(at, full=True)
        pipe.forget(at)
        c = pipe.certificate_
        assert (full.tier, full.distance) == (c.tier, c.distance)
        assert quick.tier != "downdate" or quick.distance == c.distance
    one = piped(StandardScaler()).fit(X, y).preview(np.flatnonzero(y), full=True)
    assert one.tier == "refused" and "class" in one.cost


ERRORS = {
    "columns": (lambda p, X, y: p.learn(X[["q", "p"]].iloc[:1], y[:1]), ValueError),
    "array": (lambda p, X, y: p.learn(X.to_numpy()[:1], y[:1]), ValueError),
    "length": (lambda p, X, y: p.learn(X.iloc[:2], y[:1]), ValueError),
    "label": (lambda p, X, y: p.learn(X.iloc[:1], [9]), ValueError),
    "short": (lambda p, X, y: p.correct([3, 4], X=X.iloc[:1]), ValueError),
    "nothing": (lambda p, X, y: p.correct([3]), RowError),
    "groups": (lambda p, X, y: p.learn(X.iloc[:1], y[:1], groups=[3]), RowError),
    "missing": (lambda p, X, y: p.learn(X.iloc[:1].assign(s=np.nan), y[:1]), ValueError),
}


@pytest.mark.parametrize("act, error", ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_done_leaves_everything_as_it_was(act, error):
    X, y = frame()
    pipe = piped(columns()).fit(X, y).forget([0])
    before = photograph(pipe)
    with pytest.raises(error):
        act(pipe, X, y)
    assert photograph(pipe) == before


def test_an_interruption_leaves_everything_as_it_was(monkeypatch):
    X, y = frame()
    pipe = piped(columns()).fit(X, y)

    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    for where, name in ((unlearner.Model, "refit"), (StandardScaler, "fit"), (_kinds, "joined")):
        for act in (lambda: pipe.learn(X.iloc[:2], y[:2]), lambda: pipe.correct([3], X=X.iloc[:1])):
            before = photograph(pipe)
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(where, name, broken)
                act()
            assert photograph(pipe) == before
    truth = Truth(X, y)
    pipe.correct([3], X=X.iloc[:1])
    truth.correct([3], X.iloc[:1])
    truth.check(pipe)


def test_what_was_corrected_is_nowhere_afterwards():
    X, y = numbers()
    X[3] = [0.123456789, 5.987654321, -1.1029384756, 99.0192837465]
    pipe = piped(StandardScaler()).fit(X, y)
    was = pipe[-1]._fitted.model.held(np.array([3]))[0][0]
    pipe.correct([3], X=X[[4]])
    assert not pipe[-1]._fitted.model.held(np.array([3]))[0].any()
    with pytest.warns(SecretStateWarning):
        text = pickle.dumps(pipe)
    assert not any(value.tobytes() in text for value in (*X[3], *was))
    pipe = piped(recounted(StandardScaler())).fit(X, y)
    kept, store = pipe._kept.raw, pipe[-1]._fitted.model.rows
    pipe.correct([3], X=X[[4]])
    assert not kept.any() and not np.asarray(store._X).any()
    with pytest.warns(SecretStateWarning):
        text = pickle.dumps(pipe)
    assert not any(value.tobytes() in text for value in X[3])
    again = pickle.loads(text)
    again.forget([3])
    sound(again, X, y, np.setdiff1d(np.arange(N), [3]))


def test_heads_of_other_kinds():
    X, y = numbers()
    head = CertifiedPoissonRegressor(alpha=0.1, random_state=0)
    pipe = piped(MaxAbsScaler(), head=head).fit(X, y * 2.0)
    pipe.learn(X[:2] * 3, [1.0, 2.0]).correct([3], X=X[[0]] * 2).forget([1])
    peer = MaxAbsScaler().fit(np.vstack([X[[0]], X[2:3], X[[0]] * 2, X[4:], X[:2] * 3]))
    same_state(pipe["a"], peer)
    assert pipe.certificate_.check(1.0, 1e-6, allow_seeded=True) and pipe.certificate_.distance > 0
    rng = np.random.default_rng(0)
    wide, z = rng.normal(size=(12, 30)), rng.normal(size=12)
    with pytest.raises(AssumptionError, match="CertifiedMinNorm cannot go on"):
        piped(MaxAbsScaler(), head=CertifiedMinNorm()).fit(wide, z)
    narrow = piped(Normalizer(), head=CertifiedMinNorm()).fit(wide, z)
    narrow.learn(wide[:1] + 1, z[:1]).forget([3])
    assert narrow.n_retained_ == 12


@pytest.mark.parametrize("kind", [pd.Index, pd.CategoricalIndex, pd.MultiIndex.from_tuples])
def test_names_of_forgotten_rows_are_in_no_index(kind):
    X, y = numbers()
    names = [f"person {i}." for i in range(N)]
    index = kind(
        [(name, 1) for name in names] if kind not in (pd.Index, pd.CategoricalIndex) else names
    )
    pipe = piped(StandardScaler()).fit(
        pd.DataFrame(X, columns=list("abcd"[: X.shape[1]]), index=index), y
    )
    pipe.forget(rows=[7])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        data = pickle.dumps(pipe)
    assert b"person 8." in data and b"person 7." not in data


def test_joined_rows_are_of_the_kind_of_the_first():
    S = counts()[0]
    both = _kinds.joined(S, S[:2].toarray())
    assert sp.issparse(both) and both.shape == (N + 2, S.shape[1])
    assert _kinds.joined(["a"], np.array(["b"])) == ["a", "b"]
    for X, more in (
        (np.zeros((2, 3)), np.zeros((2, 2))),
        (np.zeros((2, 3)), np.zeros(3)),
        (pd.Series(["a"]), [["b"]]),
        (frame()[0], pd.Series(["b"])),
        (frame()[0], [[1]]),
    ):
        with pytest.raises(ValueError, match="rows of the fit were"):
            _kinds.joined(X, more)
    pipe = piped(StandardScaler()).fit(*numbers())
    pipe[-1].forget([3])
    with pytest.raises(AssumptionError, match="without the pipeline"):
        pipe.learn(np.ones((1, 4)), [0])
