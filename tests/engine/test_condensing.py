"""A store that closes up: what is left is what would be there, whatever went before."""

import copy
import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.ensemble import VotingClassifier
from sklearn.preprocessing import StandardScaler

from certunlearn import (
    CertifiedElasticNet,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedRidge,
    ForgettingPipeline,
    forget_in,
)
from certunlearn.engine import condensing
from certunlearn.exceptions import AlreadyForgottenError, AssumptionError, SecretStateWarning
from certunlearn.numerics.context import numerics
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights

N, D = 60, 3
plain = {"noise": 0, "random_state": 0}
KINDS = {
    "dense": lambda: CertifiedLogReg(**plain),
    "float32": lambda: CertifiedLogReg(**plain),
    "sparse": lambda: CertifiedLogReg(solver="newton-cg", **plain),
    "classes": lambda: CertifiedLogReg(**plain),
    "columns": lambda: CertifiedLogReg(multi_class="ovr", **plain),
    "balanced": lambda: CertifiedLogReg(class_weight="balanced", **plain),
    "weighted": lambda: CertifiedLogReg(class_weight={0: 1.0, 1: 3.0}, **plain),
    "targets": lambda: CertifiedRidge(**plain),
    "elastic": lambda: CertifiedElasticNet(alpha=0.1, **plain),
    "min_norm": lambda: CertifiedMinNorm(**plain),
    "pipeline": lambda: ForgettingPipeline(
        [("scale", StandardScaler()), ("model", CertifiedLogReg(**plain))]
    ),
}


@pytest.fixture
def often(monkeypatch):
    """Let the store close up as soon as two rows in it are stale."""
    monkeypatch.setattr(condensing, "_SHARE", 0.0)
    monkeypatch.setattr(condensing, "_FEW", 1)


def rows(kind, rng, m):
    d = 90 if kind == "min_norm" else D
    X = rng.normal(size=(m, d))
    X = X * (rng.random(X.shape) < 0.7) if kind == "sparse" else X
    X = X.astype(np.float32) if kind == "float32" else X
    t = X[:, 0] + rng.normal(size=m)
    if kind == "targets":
        return X, np.stack([t, -X[:, 1]], axis=1)
    if kind in ("elastic", "min_norm"):
        return X, t
    several = kind in ("classes", "columns")
    return X, np.digitize(t, [-0.5, 0.5]) if several else (t > 0).astype(int)


def given(kind, X):
    return sp.csr_array(X) if kind == "sparse" else X


def again(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("kind", KINDS)
def test_after_any_requests_it_is_the_fit_of_what_is_left(kind, often):
    """Rows in the store, positions, names, weights and coefficients, against a list of rows."""
    rng, weighs = np.random.default_rng(7), kind not in ("pipeline", "min_norm")
    X, y = rows(kind, rng, N)
    weight = rng.integers(1, 4, N).astype(float)
    weight[:4] = 0.0 if weighs else weight[:4]
    ids = [f"row {k}" for k in range(N)]
    more = {"sample_weight": weight} if weighs else {}
    model = KINDS[kind]().fit(given(kind, X), y, row_ids=ids, **more)
    alive, sizes = np.ones(N, dtype=bool), []
    for step in range(24):
        verb = ["forget", "learn", "forget", "correct", "forget", "copy"][step % 6]
        live = rng.permutation(np.flatnonzero(alive))
        if verb == "forget":
            gone = live[: int(rng.integers(1, 4))]
            model.forget(row_ids=[ids[k] for k in gone], confirm=True)
            alive[gone] = False
            with pytest.raises(AlreadyForgottenError):
                model.forget(row_ids=ids[gone[0]])
            with pytest.raises(AlreadyForgottenError):
                model.forget(rows=gone[:1])
        elif verb == "learn":
            A, b = rows(kind, rng, 3)
            new = [f"row {k}" for k in range(len(X), len(X) + 3)]
            w = rng.integers(1, 4, 3).astype(float)
            model.learn(given(kind, A), b, row_ids=new, **({"sample_weight": w} if weighs else {}))
            X, y, ids = np.concatenate([X, A]), np.concatenate([y, b]), ids + new
            weight, alive = np.append(weight, w), np.append(alive, [True] * 3)
        elif verb == "correct":
            A, b = rows(kind, rng, 2)
            model.correct(rows=live[:2], X=given(kind, A), y=b)
            X[live[:2]], y[live[:2]] = A, b
        else:
            model = [copy.deepcopy, again][step // 6 % 2](model)
        head, left = getattr(model, "head", model), np.flatnonzero(alive)
        held, places = head._fitted.model, head._fitted.names.store(left)
        sizes.append(held.rows.n - len(left))
        features, labels, w = held.held(places)
        features = features.toarray() if kind == "sparse" else features
        if kind == "pipeline":
            # The head may hold them in a frame of its own.
            scale = StandardScaler().fit(X[left])
            np.testing.assert_allclose(model.steps[0][1].mean_, scale.mean_, rtol=1e-12, atol=1e-14)
        else:
            np.testing.assert_array_equal(features, X[left])
        np.testing.assert_array_equal(labels.reshape(y[left].shape), y[left])
        np.testing.assert_array_equal(w, weight[left] if weighs else np.ones(len(left)))
        assert held.left == len(left) and head.n_retained_ == np.count_nonzero(w)
        stale = np.setdiff1d(np.arange(held.rows.n), places)
        assert not np.abs(held.held(stale)[0]).sum()
    assert max(sizes) <= 7
    fresh = KINDS[kind]().fit(
        given(kind, X[left]), y[left], **({"sample_weight": w} if weighs else {})
    )
    coef = getattr(fresh, "head", fresh).coef_
    np.testing.assert_allclose(head.coef_, coef, atol=1e-5 * np.abs(coef).max())


@pytest.mark.parametrize("kind", ["dense", "sparse", "min_norm", "pipeline"])
def test_one_that_fails_anywhere_leaves_everything_as_it_was(kind, often, monkeypatch):
    """Raise at the k-th call of a function of ours while the store closes up, for every k."""
    rng = np.random.default_rng(3)
    X, y = rows(kind, rng, N)
    model = KINDS[kind]().fit(given(kind, X), y, row_ids=list(range(100, 100 + N)))
    model.forget(row_ids=[101, 102])
    head = getattr(model, "head", model)
    held, names, coef = head._fitted.model, head._fitted.names, head.coef_.copy()

    class Stopped(Exception):
        pass

    def tracer(frame, event, arg):
        nonlocal count
        inside = frame
        while inside is not None and inside.f_code.co_name != "condensed":
            inside = inside.f_back
        name = frame.f_code.co_filename
        # Blocks that signals wait for take exceptions from within alone.
        ours = any(
            f"certunlearn/{wing}" in name for wing in ("engine", "requests", "numerics/rows")
        )
        if event == "call" and inside is not None and ours:
            count += 1
            if count == stop:
                raise Stopped

    stop, steps = 1, 0
    while True:
        count = 0
        sys.settrace(tracer)
        try:
            model.forget(row_ids=[103])
        except Stopped:
            steps += 1
        else:
            break
        finally:
            sys.settrace(None)
        # None of this is another object: nothing was lost, nothing half moved.
        assert (
            head._fitted.model is held
            and head._fitted.names is names
            and np.array_equal(head.coef_, coef)
        )
        places = names.store(np.array([0, 5, N - 1]))
        features = held.held(places)[0]
        if kind != "pipeline":
            features = features.toarray() if kind == "sparse" else features
            np.testing.assert_array_equal(features, X[[0, 5, N - 1]])
        stop += max(1, stop // 6)
    assert steps >= 5 and head._fitted.model.rows.n == N - 2 and head._fitted.model.left == N - 3
    assert not held.rows.n == head._fitted.model.rows.n and held.rows.scrubbed.all()


def test_nothing_of_the_store_before_is_left(often):
    """What is forgotten is overwritten before rows move, and all of the old store afterwards."""
    rng = np.random.default_rng(0)
    X, y = rows("dense", rng, N)
    model = CertifiedLogReg(**plain).fit(X, y).forget([3, 4])
    old = model._fitted.model.rows
    model.forget([5])
    new = model._fitted.model.rows
    assert new is not old and new.n == N - 2
    assert not np.asarray(old._X).any() and not old.labels.any() and old.scrubbed.all()
    assert model._fitted.model.requests.stale == 1 and (new.blocks, new.block) == (1, 64)
    np.testing.assert_array_equal(new.gather(np.array([0, 57]))[:, :D], X[[0, N - 1]])


def test_closing_up_draws_nothing_and_claims_nothing_new(often):
    """Two models of the same requests, one closing up: the same certificates and releases."""
    rng = np.random.default_rng(5)
    X, y = rows("dense", rng, N)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(condensing, "_FEW", 10**9)
        lazy = CertifiedLogReg(random_state=4).fit(X, y).forget([1, 2]).forget([5]).forget([9])
        assert lazy._fitted.model.rows.n == N
    model = CertifiedLogReg(random_state=4).fit(X, y).forget([1, 2]).forget([5]).forget([9])
    assert model._fitted.model.rows.n == N - 2
    np.testing.assert_allclose(model.coef_, lazy.coef_, rtol=1e-6)
    ours, theirs = model.certificate_.public(), lazy.certificate_.public()
    different = {k for k in vars(ours) if getattr(ours, k) != getattr(theirs, k)}
    assert different <= {"issued", "weights", "previous"}
    assert [e["tier"] for e in model.history_] == [e["tier"] for e in lazy.history_]
    assert model._fitted.model.left == lazy._fitted.model.left


def test_weights_of_rows_that_are_gone_are_those_of_no_row_left():
    """A model of the curvature under them must not pass for one of the rows that stay."""
    weights = Weights.of(np.array([1.0, 2.0, 0.0, 3.0]))
    keep = np.array([True, False, True, True])
    after = weights.without(np.array([1]))
    assert after.condensed(keep).array.tolist() == [1.0, 0.0, 3.0]
    assert after.condensed(keep).kept == 2
    lost = weights.condensed(keep)
    assert not lost.array.any() and len(lost) == 3 and lost.kept == 0
    # Weights from before rows came: those rows are not in them.
    short = Weights.of(np.array([1.0, 2.0])).condensed(np.array([True, True, False]))
    assert short.array.tolist() == [1.0, 2.0]


def test_a_stale_factor_is_still_of_other_rows(often):
    """The twin: taken over as it was, it would be charged no mismatch for the rows that went."""
    X, y = rows("dense", np.random.default_rng(11), 4000)
    model = CertifiedLogReg(random_state=1).fit(X, y).forget([7])
    assert model.history_[-1]["tier"] == "downdate"
    state, keep = model._fitted.model, ~model._fitted.model.rows.scrubbed
    with numerics():
        closed = condensing.condensed(state, keep)
    assert state.reached.quadratic.mismatch(state.objective, 0.0) == np.inf
    quadratic = closed.reached.quadratic
    assert quadratic.mismatch(closed.objective, 0.0) == np.inf
    naive = quadratic.__class__(
        quadratic.W,
        Weights.of(state.reached.quadratic.weights.array[keep]),
        quadratic.margin_error,
        quadratic.curvature,
        quadratic.factor,
    )
    assert naive.mismatch(closed.objective, 0.0) < 1e-6
    assert closed.carryover.origin is quadratic or closed.carryover.origin.weights.kept == 0


def test_a_vote_closes_up_in_all_members(often):
    X, y = rows("dense", np.random.default_rng(2), N)
    names = ("a", "b")
    vote = VotingClassifier([(k, CertifiedLogReg(C=1.0 + (k == "a"))) for k in names]).fit(X, y)
    for at in ([3, 4], [5], [6, 8], [9]):
        forget_in(vote, at)
    sizes = {member._fitted.model.rows.n for member in vote.estimators_}
    assert len(sizes) == 1 and sizes.pop() < N - 2
    vote.estimators_[0].correct([0], y=[1 - y[0]])
    vote.estimators_[1].correct([1], y=[1 - y[1]])
    with pytest.raises(AssumptionError, match="know different rows"):
        forget_in(vote, [20])


def test_a_window_that_slides_holds_what_is_in_it():
    """Without a fixture: thirty times its rows pass through, and few more are held than are in."""
    rng, n, m = np.random.default_rng(1), 1200, 300
    X, y = rows("dense", rng, n)
    table = pd.DataFrame({"k": np.arange(n)})
    model = CertifiedLogReg(**plain).fit(X, y, row_ids=list(range(n)), groups=y, metadata=table)
    for k in range(20):
        A, b = rows("dense", rng, m)
        first = n + k * m
        new = np.arange(first, first + m)
        model.learn(A, b, row_ids=list(new), groups=b, metadata=pd.DataFrame({"k": new}))
        model.forget(rows=np.arange(first - n, first - n + m))
        held, names = model._fitted.model, model._fitted.names
        assert held.left == n and held.rows.n <= 1.5 * n + m
        assert len(held.rows._labels) <= 2 * n
        entries = [len(run.positions) for run in (*names.labels._runs, *names.metadata._runs)]
        assert sum(entries) <= 2 * (1.5 * n + m)
    assert isinstance(held.rows, DenseRows) and names.n == n + 20 * m
    assert model.forget(where="k == 7000").n_retained_ == n - 1
