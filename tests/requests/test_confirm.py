"""A request that takes very much is carried out only when that is confirmed."""

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from certunlearn import (
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
    ForgettingPipeline,
)
from certunlearn.exceptions import (
    AssumptionError,
    CertunlearnError,
    ClassForgottenWarning,
    ConfirmationNeededError,
    RowError,
)

N = 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
# 40 rows each of "a", "b" and "c", and users of 20 rows.
Y = np.array(["a", "b", "c"])[np.arange(N) % 3]
X += 2 * np.eye(4)[np.arange(N) % 3]
USERS = np.arange(N) // 20
B = np.flatnonzero(Y == "b")


def fitted(**params):
    return CertifiedLogReg(random_state=0, **params).fit(X, Y, groups=USERS)


def asked(model, said, /, *args, **named):
    """The request is refused, says why, and nothing has changed."""
    before, entries = dict(vars(model)), len(model.history_)
    with pytest.raises(ConfirmationNeededError, match=said) as caught:
        model.forget(*args, **named)
    after = dict(vars(model))
    assert after.keys() == before.keys() and all(after[k] is before[k] for k in before)
    assert len(model.history_) == entries
    error = caught.value
    assert "confirm=True" in str(error) and isinstance(error, CertunlearnError)
    assert not isinstance(error, RowError)
    return error


@pytest.mark.parametrize("estimator", [CertifiedLogReg, CertifiedRidgeClassifier])
def test_a_class_that_would_go_is_asked_about(estimator):
    model = estimator(random_state=0).fit(X, Y)
    error = asked(model, "class 'b' loses all of its 40 rows", B)
    assert error.reasons == ("class 'b' loses all of its 40 rows",)
    with pytest.warns(ClassForgottenWarning):
        model.forget(B, confirm=True)
    assert model.classes_.tolist() == ["a", "c"] and model.n_forgotten_ == 40


def test_nine_in_ten_of_a_class_are_the_limit():
    model = fitted()
    asked(model, "class 'b' loses 37 of its 40 rows", B[:37])
    model.forget(B[:36])
    # Counted from what is there now: one more of the four that are left is nothing to ask about.
    model.forget(B[36:37])
    asked(model, "class 'b' loses all of its 3 rows", B[37:])


def test_half_of_the_training_set_is_the_limit():
    rows = RNG.permutation(N)
    model = fitted()
    asked(model, "takes 51% of the training set", rows[:61])
    model.forget(rows[:60]).forget(rows[60:90])
    assert model.n_retained_ == 30


def test_a_user_is_forgotten_as_a_whole_without_a_question_but_not_nearly():
    model = fitted()
    asked(model, "group 4 loses 19 of its 20 rows", rows=np.arange(80, 99))
    model.forget(rows=np.arange(80, 98))
    model.forget(groups=4)
    model.forget(groups=[1, 2])
    assert model.n_forgotten_ == 60


def test_rows_without_weight_do_not_count():
    weight = np.ones(N)
    weight[B[:35]] = 0.0
    model = CertifiedLogReg(random_state=0).fit(X, Y, weight)
    model.forget(B[:35])
    assert model.n_forgotten_ == 35 and model.n_retained_ == 85
    asked(model, "all of its 5 rows", B[35:])


@pytest.mark.parametrize(
    "model", [CertifiedRidge(), CertifiedPoissonRegressor(), CertifiedMinNorm()]
)
def test_regressions_ask_about_the_share_alone(model):
    wide = np.random.default_rng(1).normal(size=(30, 40))
    model.set_params(random_state=0).fit(wide, np.arange(30.0), groups=np.arange(30) // 10)
    asked(model, "takes 53% of the training set", np.arange(16))
    model.forget(np.arange(15))
    model.forget(np.arange(15, 28), confirm=True)
    assert model.n_retained_ == 2


def test_what_leaves_too_little_is_refused_rather_than_asked_about():
    model = CertifiedLogReg(random_state=0).fit(X, Y == "a")
    for rows in (np.flatnonzero(Y == "a"), np.flatnonzero(Y != "a")):
        with pytest.raises(AssumptionError, match="1 class"):
            model.forget(rows)
    with pytest.raises(RowError, match="every row that is left"):
        model.forget(np.arange(N))


def test_look_alikes_that_are_taken_along_count():
    twins = X.copy()
    twins[B[1:]] = X[B[0]] + 1e-9 * np.arange(39)[:, None]
    model = CertifiedLogReg(random_state=0).fit(twins, Y)
    asked(model, "class 'b' loses all", B[:1], expand="near")
    model.forget(B[:1])
    assert model.n_forgotten_ == 1


def test_the_preview_says_what_will_be_asked():
    model, rng, answers = fitted(), np.random.default_rng(5), set()
    requests = [rng.permutation(N)[: rng.integers(1, 80)] for _ in range(6)]
    requests += [rng.permutation(B)[:m] for m in (36, 37, 40)] + [np.arange(80, 99)]
    for rows in requests:
        seen = model.preview(rows=rows)
        answers.add(bool(seen.questions))
        assert ("confirm=True" in str(seen)) == bool(seen.questions)
        assert set(seen.questions) <= set(seen.warnings)
        if seen.questions:
            assert asked(model, None, rows=rows).reasons == seen.questions
        else:
            fitted().forget(rows=rows)
    assert answers == {True, False}


def test_a_pipeline_asks_before_a_step_has_moved():
    head = CertifiedLogReg(random_state=0)
    pipe = ForgettingPipeline([("scale", StandardScaler()), ("model", head)]).fit(X, Y)
    steps, mean = list(pipe.steps), pipe["scale"].mean_.copy()
    asked(pipe, "class 'b' loses all", B)
    assert all(a is b for a, b in zip(pipe.steps, steps, strict=True))
    np.testing.assert_array_equal(pipe["scale"].mean_, mean)
    with pytest.warns(ClassForgottenWarning):
        pipe.forget(B, confirm=True)
    assert pipe.n_retained_ == 80
    np.testing.assert_allclose(pipe["scale"].mean_, X[Y != "b"].mean(axis=0), rtol=1e-12)


def test_confirming_changes_nothing_but_the_question():
    rows = np.arange(80)
    model = fitted(noise=0).forget(rows, confirm=True)
    reference = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X[80:], Y[80:])
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-7)
    np.testing.assert_array_equal(
        fitted().forget([3], confirm=True).coef_, fitted().forget([3]).coef_
    )
    with pytest.raises(ValueError, match="confirm must be True or False, got 'yes'"):
        fitted().forget([3], confirm="yes")


def test_what_is_counted_is_what_is_there_whatever_came_before():
    rng, weight = np.random.default_rng(8), np.where(np.arange(N) % 7 == 0, 0.0, 1.0)
    model = CertifiedLogReg(random_state=0).fit(X, Y, weight, groups=USERS)
    y, users, there = Y.copy(), USERS.copy(), np.ones(N, dtype=bool)
    for step in range(12):
        rows = rng.choice(np.flatnonzero(there), 3, replace=False)
        if step % 3 == 0:
            model.forget(rows=rows)
            there[rows] = False
        elif step % 3 == 1:
            y[rows] = rng.choice(["a", "b", "c"], 3)
            model.correct(rows=rows, y=y[rows])
        else:
            new = rng.choice(["a", "b", "c"], 3)
            model.learn(X[rows], new, groups=[3, 4, 99])
            y, users = np.append(y, new), np.append(users, [3, 4, 99])
            there, weight = np.append(there, [True] * 3), np.append(weight, np.ones(3))
        asked = rng.choice(np.flatnonzero(there), 40, replace=False)
        counts, left = there & (weight > 0), there.copy()
        left[asked] = False
        taken = model._fitted.taken(asked)
        assert (taken.rows, taken.of) == (counts[asked].sum(), counts.sum())
        assert taken.classes == tuple(
            (c, (counts & ~left & (y == c)).sum(), (counts & left & (y == c)).sum()) for c in "abc"
        )
        assert {g.name: g[1:] for g in taken.groups} == {
            u: ((there & ~left & (users == u)).sum(), (left & (users == u)).sum())
            for u in users[asked]
        }


def test_the_error_can_be_sent_elsewhere():
    error = asked(fitted(), None, B)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.reasons) == (str(error), error.reasons)
