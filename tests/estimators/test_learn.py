"""Rows that come, rows that are corrected, and rows that go by group."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg
from certunlearn.exceptions import (
    AlreadyForgottenError,
    CertunlearnError,
    NotCertifiedError,
    RowError,
    SecretStateWarning,
    UnknownRowError,
)

N = 300


def data(K=2, n=N + 60):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, 4))
    y = (X @ rng.normal(size=(4, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    y[: 2 * K] = np.tile(np.arange(K), 2)
    return X, y


def fitted(K=2, **changes):
    X, y = data(K)
    return CertifiedLogReg(random_state=0, **changes).fit(X[:N], y[:N]), X, y


def apart(model, X, y, weight=None):
    """Distance of the secret iterate to scikit-learn's optimum, in the norm of the noise."""
    peer = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
    peer.fit(X, y, sample_weight=weight)
    b = peer.intercept_ - (peer.intercept_.mean() if len(peer.intercept_) > 1 else 0)
    W = np.vstack([peer.coef_.T, b])
    return model._fitted.model.gram.geometry.norm(model._fitted.model.W - W)


def sound(model, X, y, weight=None):
    c = model.certificate_
    assert apart(model, X, y, weight) <= c.distance <= c.distance_target
    assert c.n_retained == model.n_retained_ == len(X)


@pytest.mark.parametrize("solver", ["newton-cholesky", "newton-cg"])
@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@pytest.mark.parametrize("K", [2, 3])
def test_learn_is_a_fit_on_all_rows(K, mechanism, solver):
    model, X, y = fitted(K, mechanism=mechanism, solver=solver)
    for first, last in ((N, N + 1), (N + 1, N + 5), (N + 5, N + 60)):
        assert model.learn(X[first:last], y[first:last]) is model
        sound(model, X[:last], y[:last])
    model.forget([N + 3, 7])
    keep = np.setdiff1d(np.arange(N + 60), [N + 3, 7])
    sound(model, X[keep], y[keep])
    assert [e["event"] for e in model.history_] == ["fit", "learn", "learn", "learn", "forget"]


def test_a_row_learnt_alone_reads_no_other():
    X, y = data(n=20_000)
    model = CertifiedLogReg(view="release", random_state=0).fit(X[:-1], y[:-1])
    before = model._fitted.model.rows.reads
    model.learn(X[-1:], y[-1:])
    assert model.certificate_.tier == "downdate" and model._fitted.model.rows.reads - before <= 1


@pytest.mark.parametrize("K", [2, 3])
def test_forget_then_learn_the_same_rows_is_the_original_optimum(K):
    model, X, y = fitted(K)
    gone = [3, 50, 51]
    model.forget(gone).learn(X[gone], y[gone])
    sound(model, X[:N], y[:N])
    with pytest.raises(AlreadyForgottenError):
        model.forget([3])
    model.forget([N + 1])
    keep = np.setdiff1d(np.arange(N), [50])
    sound(model, X[keep], y[keep])


def test_sample_weights_and_class_weights_of_learnt_rows():
    X, y = data()
    weight = np.random.default_rng(0).uniform(0.1, 2, size=N + 60)
    for class_weight in ({0: 2.0, 1: 0.5}, "balanced"):
        model = CertifiedLogReg(class_weight=class_weight)
        model.fit(X[:N], y[:N], sample_weight=weight[:N])
        model.learn(X[N:], y[N:], sample_weight=weight[N:])
        factor = np.where(y == 0, 2.0, 0.5)
        if class_weight == "balanced":
            factor = (weight.sum() / (2 * np.bincount(y, weights=weight)))[y]
        sound(model, X, y, weight * factor)
    weight = np.r_[np.zeros(59), 1.0]
    some = CertifiedLogReg().fit(X[:N], y[:N]).learn(X[N:], y[N:], sample_weight=weight)
    keep = np.r_[np.arange(N), N + 59]
    sound(some, X[keep], y[keep])


@pytest.mark.parametrize("K", [2, 3])
def test_correct_replaces_features_or_labels(K):
    model, X, y = fitted(K)
    X, y = X[:N].copy(), y[:N].copy()
    rows = [200, 9, 30]
    X[rows] = X[rows] + 0.5
    sound(model.correct(rows, X=X[rows]), X, y)
    y[[9, 40]] = (y[[9, 40]] + 1) % K
    sound(model.correct(rows=[9, 40], y=y[[9, 40]]), X, y)
    X[9], y[9] = -X[9], (y[9] + 1) % K
    sound(model.correct(9, X=X[[9]], y=[y[9]]), X, y)
    # The row keeps its position and can go like any other.
    model.forget([9])
    keep = np.arange(N) != 9
    sound(model, X[keep], y[keep])
    with pytest.raises(AlreadyForgottenError, match="9"):
        model.correct([9], y=[0])


def test_a_corrected_row_leaves_no_byte_and_keeps_its_label():
    X, y = data()
    ids = [f"u{i}" for i in range(N)]
    model = CertifiedLogReg(random_state=0).fit(X[:N], y[:N], row_ids=ids)
    model.correct(row_ids="u7", X=np.zeros((1, 4)))
    assert not (np.asarray(model._fitted.model.rows._X)[..., :4] == X[7]).all(axis=-1).any()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        text = pickle.dumps(model)
    assert X[7].tobytes() not in text and X[8].tobytes() in text and b"u7" in text
    again = pickle.loads(text).forget(row_ids=["u7"])
    with pytest.raises(AlreadyForgottenError):
        again.forget(row_ids=["u7"])


def test_labels_of_learnt_rows():
    X, y = data()
    frame = pd.DataFrame(X, index=[f"u{i}" for i in range(N + 60)])
    model = CertifiedLogReg(random_state=0).fit(frame[:N], y[:N])
    model.learn(frame[N:], y[N:]).forget(row_ids=[f"u{N + 2}", "u1"])
    assert model._fitted.model.forgotten[[1, N + 2]].all()
    with pytest.raises(RowError, match="row_ids="):
        model.learn(frame[:1].reset_index(drop=True).rename(index=str).to_numpy(), y[:1])
    plain = CertifiedLogReg().fit(X[:N], y[:N])
    with pytest.raises(RowError, match="without identifiers"):
        plain.learn(X[:1], y[:1], row_ids=["new"])
    numbered = CertifiedLogReg().fit(pd.DataFrame(X[:N]), y[:N])
    numbered.forget([4]).learn(pd.DataFrame(X[N:]), y[N:]).forget([N + 1])
    assert numbered.n_forgotten_ == 2


def test_groups():
    X, y = data()
    groups = np.arange(N + 60) // 3
    model = CertifiedLogReg(random_state=0).fit(X[:N], y[:N], groups=groups[:N])
    model.forget(groups=5)
    assert np.flatnonzero(model._fitted.model.forgotten).tolist() == [15, 16, 17]
    model.forget([18]).forget(groups=[6, 7])
    assert model.n_forgotten_ == 9
    with pytest.raises(AlreadyForgottenError, match="5"):
        model.forget(groups=[5])
    with pytest.raises(UnknownRowError, match="'nobody'"):
        model.forget(groups="nobody")
    with pytest.raises(RowError, match="groups="):
        model.learn(X[N:], y[N:])
    model.learn(X[N:], y[N:], groups=[5] * 60).forget(groups=5)
    keep = np.setdiff1d(np.arange(N), np.arange(15, 24))
    sound(model, X[keep], y[keep])
    with pytest.raises(UnknownRowError, match="without groups"):
        CertifiedLogReg().fit(X, y).forget(groups=5)


BAD = [
    (lambda m: m.learn(np.ones((2, 4)), [0]), ValueError, "2 rows, y has 1"),
    (lambda m: m.learn(np.ones((1, 4)), [7]), ValueError, "did not occur"),
    (lambda m: m.learn(np.ones((1, 3)), [0]), ValueError, "features"),
    (lambda m: m.learn([[np.nan] * 4], [0]), ValueError, "NaN"),
    (lambda m: m.learn(np.ones((1, 4)), [0], sample_weight=[-1.0]), ValueError, "[Nn]egative"),
    (lambda m: m.learn(np.zeros((0, 4)), []), ValueError, "0 sample"),
    (lambda m: m.learn(np.full((1, 4), 1e200), [0]), CertunlearnError, "overflow"),
    (lambda m: m.correct([1]), RowError, "X=, y="),
    (lambda m: m.correct([1], X=np.ones((2, 4))), ValueError, "X has 2 rows, the request 1"),
    (lambda m: m.correct([1], y=[5]), ValueError, "did not occur"),
    (lambda m: m.correct([N], y=[0]), UnknownRowError, "no such position"),
    (lambda m: m.correct(y=[0]), RowError, "exactly one way"),
]


@pytest.mark.parametrize("action, error, message", BAD)
def test_a_bad_edit_leaves_everything_as_it_was(action, error, message):
    model, X, y = fitted()
    before = model.__dict__.copy()
    with pytest.raises(error, match=message):
        action(model)
    assert model.__dict__ == before and len(model.history_) == 1
    assert model._fitted.model.rows.n == N
    sound(model.forget([0]), X[1:N], y[1:N])


def test_an_edit_that_is_interrupted_before_it_is_taken_over(monkeypatch):
    model, X, y = fitted()

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(CertifiedLogReg, "_adopt", stop)
    with pytest.raises(KeyboardInterrupt):
        model.learn(X[N : N + 5], y[N : N + 5])
    monkeypatch.undo()
    model.learn(X[N + 5 : N + 9], y[N + 5 : N + 9])
    sound(model, *(np.concatenate([v[:N], v[N + 5 : N + 9]]) for v in (X, y)))
    assert (model._fitted.model.held(np.arange(N, N + 4))[0] == X[N + 5 : N + 9]).all()


def test_a_class_comes_back_as_long_as_a_row_carries_its_label():
    X, y = data(3)
    gone = np.flatnonzero(y[:N] == 2)
    light = np.arange(N) == gone[-1]
    model = CertifiedLogReg(random_state=0).fit(X[:N], y[:N], sample_weight=~light * 1.0)
    with pytest.warns(match="no retained row is labelled 2"):
        model.forget(gone[:-1], confirm=True)
    assert model.classes_.tolist() == [0, 1]
    model.learn(X[gone[:-1]], y[gone[:-1]])
    assert model.classes_.tolist() == [0, 1, 2]
    order = np.r_[np.flatnonzero(y[:N] != 2), gone[:-1]]
    sound(model, X[order], y[order])
    with pytest.warns(match="no retained row is labelled 2"):
        model.forget(gone[-1]).forget(np.arange(N, N + len(gone) - 1), confirm=True)
    # It is as unknown now as a label that never was.
    with pytest.raises(ValueError, match="did not occur"):
        model.learn(X[gone], y[gone])
    sound(model, *(v[:N][y[:N] != 2] for v in (X, y)))


@pytest.mark.parametrize("mechanism", ["gram", "isotropic"])
def test_a_class_comes_whatever_was_released_before(mechanism):
    X, y = data(3)
    model = CertifiedLogReg(mechanism=mechanism, random_state=0)
    model.fit(X[:N], y[:N], sample_weight=(y[:N] < 2) * 1.0)
    new = np.flatnonzero(y == 2)
    model.forget(rows=np.flatnonzero(y[:N] < 2)[:2])
    model.learn(X[new], y[new])
    assert model.classes_.tolist() == [0, 1, 2]
    # The caps are those of a fit with three classes: they say nothing of earlier releases.
    budget = CertifiedLogReg(mechanism=mechanism).fit(X[:N], y[:N])._fitted.model.budget
    assert replace(model._fitted.model.budget, sigma=budget.sigma).caps(2) == budget.caps(2)
    kept = np.r_[np.flatnonzero(y[:N] < 2)[2:], new]
    sound(model, X[kept], y[kept])


def test_what_cannot_be_certified_is_not_learnt():
    model, X, y = fitted(noise=1e-6)
    with pytest.raises(NotCertifiedError):
        model.learn(X[:1] * 1e9, 1 - y[:1])
    assert model._fitted.model.rows.n == N
