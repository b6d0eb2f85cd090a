"""What is suppressed is no longer predicted, and is still there: both are shown."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split

from certunlearn import CertifiedLogReg, SuppressedPredictor
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AssumptionError,
    RowError,
    SecretStateWarning,
    UnknownRowError,
)

# Few enough that copies of the rows to suppress lie in as many blocks as the rows themselves.
N, D = 72, 4
RNG = np.random.default_rng(0)
CODES = np.tile([2, 0, 2, 2, 2, 0, 2, 1], N // 8)
X = RNG.normal(size=(N, D)) + 1.5 * np.eye(D)[CODES]
Y = np.array(["a", "b", "c"])[CODES]
S = RNG.uniform(0.2, 3.0, N)
B = np.flatnonzero(Y == "b")


def soft_optimum(X, targets, weights, C=1.0, intercept=True):
    """Minimise cross entropy with soft targets (n, K), by SciPy, from its formula alone."""
    n, d = X.shape
    K = targets.shape[1]

    def value(flat):
        W = flat.reshape(d + 1, K)
        logits = X @ W[:d] + intercept * W[d]
        log_p = log_softmax(logits, axis=1)
        slope = weights[:, None] * (np.exp(log_p) - targets)
        gradient = np.vstack([X.T @ slope + W[:d] / C, intercept * slope.sum(axis=0)])
        loss = -(weights[:, None] * targets * log_p).sum() + (W[:d] ** 2).sum() / (2 * C)
        return loss, gradient.ravel()

    options = dict(maxiter=5000, ftol=1e-16, gtol=1e-10)
    found = minimize(value, np.zeros((d + 1) * K), jac=True, method="L-BFGS-B", options=options)
    W = found.x.reshape(d + 1, K)
    return W[:d].T, W[d] - W[d].mean()


def soft(y, rows, classes):
    targets = (y[:, None] == np.asarray(classes)).astype(float)
    targets[rows] = 1 / len(classes)
    return targets


def close(predictor, coef, intercept, tolerance=1e-5):
    np.testing.assert_allclose(predictor.coef_, coef, atol=tolerance)
    shift = predictor.intercept_ - predictor.intercept_.mean()
    np.testing.assert_allclose(shift, intercept, atol=tolerance)


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize("rows", [B, np.arange(24)], ids=["class", "mixed"])
def test_it_is_the_optimum_with_uniform_targets(rows, weight):
    model = CertifiedLogReg(random_state=0).fit(X, Y, S)
    predictor = model.suppress(rows=rows, weight=weight)
    s = S.copy()
    s[rows] *= weight
    close(predictor, *soft_optimum(X, soft(Y, rows, ["a", "b", "c"]), s))
    assert predictor.n_suppressed_ == len(rows) and predictor.classes_.tolist() == ["a", "b", "c"]


def test_two_classes_and_weights_of_classes():
    y = (Y == "a").astype(int)
    rows = np.arange(24)
    weights = {0: 1.0, 1: 3.0}
    model = CertifiedLogReg(C=0.5, class_weight=weights, fit_intercept=False, random_state=0)
    model.fit(X, y)
    predictor = model.suppress(rows)
    # Half the difference for each of two classes costs half of what the difference alone costs.
    targets, s = soft(y, rows, [0, 1]), np.where(y == 1, 3.0, 1.0)
    coef, _ = soft_optimum(X, targets, s, C=0.25, intercept=False)
    np.testing.assert_allclose(predictor.coef_[0], coef[1] - coef[0], atol=1e-5)
    assert predictor.intercept_ == 0.0
    probabilities = predictor.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    # A class that is suppressed as a whole has even odds where it had been recognised.
    silent = model.suppress(y == 1)
    assert model.predict_proba(X)[y == 1, 1].mean() > 0.7
    assert abs(silent.predict_proba(X)[y == 1, 1].mean() - 0.5) < 0.05


def test_balanced_weights_are_those_of_the_rows_own_labels():
    model = CertifiedLogReg(class_weight="balanced", random_state=0).fit(X, Y)
    gone = np.arange(40, 50)
    rows, kept = np.setdiff1d(B, gone), np.setdiff1d(np.arange(N), gone)
    predictor = model.forget(gone).suppress(rows=rows)
    s = np.ones(N)
    for label in "abc":
        s[Y == label] = len(kept) / (3 * (Y[kept] == label).sum())
    targets = soft(Y, rows, ["a", "b", "c"])
    close(predictor, *soft_optimum(X[kept], targets[kept], s[kept]))


def test_sparse_features_stay_so():
    model = CertifiedLogReg(random_state=0, solver="newton-cg").fit(scipy.sparse.csr_array(X), Y)
    predictor = model.suppress(B[:10])
    close(predictor, *soft_optimum(X, soft(Y, B[:10], ["a", "b", "c"]), np.ones(N)))


def test_the_model_and_its_future_are_not_changed():
    model, twin = (CertifiedLogReg(random_state=0).fit(X, Y).forget([3]) for _ in range(2))
    before, entries = dict(vars(model)), len(model.history_)
    first = model.suppress(B)
    after = vars(model)
    assert after.keys() == before.keys() and all(after[k] is before[k] for k in before)
    assert len(model.history_) == entries and model._fitted.model.rows.n == N
    np.testing.assert_array_equal(model.forget([5]).coef_, twin.forget([5]).coef_)
    np.testing.assert_array_equal(model.release().coef_, twin.release().coef_)
    # No noise, hence the same again; and rows forgotten before have no part in it.
    other = X.copy()
    other[[3, 5]] = 50.0
    weight = np.ones(N)
    weight[[3, 5]] = 0.0
    without = CertifiedLogReg(random_state=9).fit(other, Y, weight)
    np.testing.assert_array_equal(model.suppress(B).coef_, without.suppress(B).coef_)
    assert np.abs(model.suppress(B).coef_ - first.coef_).max() > 1e-6


def test_it_holds_no_rows():
    wide = np.random.default_rng(1).normal(size=(N, D))
    predictor = CertifiedLogReg(random_state=0).fit(wide, Y).suppress(B)
    data = pickle.dumps(predictor)
    assert len(data) < 2000
    assert not any(row.tobytes() in data or row[:1].tobytes() in data for row in wide)
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict_proba(X), predictor.predict_proba(X))


def test_it_says_what_it_is_wherever_it_is_shown():
    predictor = CertifiedLogReg(random_state=0).fit(X, Y).suppress(B)
    shown = [str(predictor), repr(predictor), predictor._repr_html_(), f"{[predictor]}"]
    shown += list(predictor._repr_mimebundle_().values())
    shown += [str(clone(predictor)), SuppressedPredictor.__doc__, CertifiedLogReg.suppress.__doc__]
    assert all("suppression, not removal" in text for text in shown)
    assert "rows suppressed: 9" in str(predictor) and "No certificate" in str(predictor)
    assert predictor.certificate_ is None and predictor.goal_ == "suppression, not removal"
    with pytest.raises(AssumptionError, match="call suppress"):
        predictor.fit(X, Y)


def test_requests_are_checked_as_those_of_forget():
    weight = np.ones(N)
    weight[9] = 0.0
    ids = [f"person {i}" for i in range(N)]
    model = CertifiedLogReg(random_state=0).fit(X, Y, weight, row_ids=ids).forget(rows=[3])
    for named, error in (
        (dict(rows=[3]), AlreadyForgottenError),
        (dict(row_ids="nobody"), UnknownRowError),
        (dict(rows=[]), RowError),
        (dict(rows=[9]), RowError),
        (dict(), RowError),
        (dict(rows=[4], weight=0.0), ValueError),
        (dict(rows=[4], weight=-1), ValueError),
    ):
        with pytest.raises(error):
            model.suppress(**named)
    assert model.suppress(row_ids=["person 4", "person 9"]).n_suppressed_ == 1


def test_a_digit_is_no_longer_read_and_a_small_probe_brings_it_back():
    X, y = load_digits(n_class=6, return_X_y=True)
    A, B, a, b = train_test_split(X / 16, y, random_state=0, stratify=y)
    model, digit = CertifiedLogReg(random_state=0).fit(A, a), 3
    silent, here = model.suppress(a == digit), b == digit

    def recall(predicted):
        return recall_score(b == digit, predicted == digit)

    assert recall(model.predict(B)) > 0.85
    assert recall(silent.predict(B)) < 0.1
    others = (model.predict(B) == b)[~here].mean(), (silent.predict(B) == b)[~here].mean()
    assert abs(others[0] - others[1]) < 0.02
    # The row's own label has lost what it had over chance.
    assert silent.predict_proba(A[a == digit])[:, digit].mean() < 0.2
    # Suppressed, not removed: the margins alone, and twenty rows of every class, bring it back.
    rng = np.random.default_rng(0)
    few = np.concatenate([rng.choice(np.flatnonzero(a == c), 20, False) for c in range(6)])
    probe = LogisticRegression(C=100.0, max_iter=5000).fit(silent.decision_function(A[few]), a[few])
    assert recall(probe.predict(silent.decision_function(B))) > 0.75


def test_a_model_that_was_unpickled_suppresses_alike():
    model = CertifiedLogReg(random_state=0).fit(X, Y).forget([3])
    with pytest.warns(SecretStateWarning):
        again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.suppress(B).coef_, model.suppress(B).coef_)
