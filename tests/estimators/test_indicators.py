"""Several labels a row: an indicator matrix in, scikit-learn's one-vs-rest optimum and one out."""

from __future__ import annotations

import datetime
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from certunlearn import (
    CertifiedLinearSVC,
    CertifiedLogReg,
    ClassForgottenWarning,
    ConfirmationNeededError,
    ForgetQueue,
    ForgettingPipeline,
    InfluenceDisplay,
    forgetting,
    self_audit,
)
from certunlearn.audit import SelfAudit
from certunlearn.exceptions import AssumptionError

X, Y = make_multilabel_classification(300, 6, n_classes=4, random_state=0)
X = scale(X)
NAMES = ["news", "sport", "art", "law"]


def fitted(y=Y, rows=X, **more):
    return CertifiedLogReg(multi_class="ovr", **more).fit(rows, y)


def peer(rows, y):
    one = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=200)
    with warnings.catch_warnings():
        # It warns of labels that all rows have, or none.
        warnings.simplefilter("ignore", UserWarning)
        return OneVsRestClassifier(one).fit(rows, y)


def same(model, other, rows=X):
    np.testing.assert_allclose(model.predict_proba(rows), other.predict_proba(rows), atol=1e-7)
    assert (model.predict(rows) == other.predict(rows)).all()
    assert model.score(rows, Y[: len(rows)]) == other.score(rows, Y[: len(rows)])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, pd.DataFrame, np.ndarray.tolist])
def test_optimum_after_every_verb_is_that_of_each_label_alone(container):
    model = fitted(container(Y), noise=0)
    same(model, peer(X, Y))
    many = MultiOutputClassifier(LogisticRegression(solver="newton-cholesky", tol=1e-12))
    assert (many.fit(X, Y).predict(X) == model.predict(X)).all()
    gone = np.arange(0, 60, 7)
    keep = np.setdiff1d(np.arange(len(X)), gone)
    model.forget(gone)
    same(model, peer(X[keep], Y[keep]))
    model.learn(X[:3] + 0.1, container(Y[10:13]))
    model.correct([5], y=container(1 - Y[5:6]))
    T = Y.copy()
    T[5] = 1 - T[5]
    same(model, peer(np.vstack([X[keep], X[:3] + 0.1]), np.vstack([T[keep], Y[10:13]])))
    assert sp.issparse(model.predict(X)) == (container is sp.csr_matrix)
    assert model.decision_function(X).shape == model.predict_proba(X).shape == Y.shape
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


def test_one_certificate_is_for_all_labels_together():
    model = fitted(random_state=0).forget([3, 8])
    inner = model._fitted.model
    truth = fitted(np.delete(Y, [3, 8], 0), np.delete(X, [3, 8], 0), noise=0)._fitted.model
    true = inner.gram.geometry.norm(inner.W - truth.W)
    assert len(inner.parts) == 4
    assert true <= inner.reached.distance + truth.reached.distance
    assert inner.reached.distance <= model.certificate_.distance_target
    assert model.certificate_.check(1.0, 1e-6, allow_seeded=True)
    out = model.export_predictor()
    assert model.certificate_.matches(out) and (out.predict(X) == model.predict(X)).all()
    assert type(out) is OneVsRestClassifier and out.multilabel_
    assert set(vars(out)) == set(vars(peer(X, Y)))


def test_a_label_that_tells_no_rows_apart_is_predicted_for_all_or_none():
    T = Y.copy()
    T[:, 0], T[:, 2] = 0, 1
    T[11, 0], T[12, 2] = 1, 0
    model = fitted(pd.DataFrame(T, columns=NAMES), noise=0)
    with pytest.raises(ConfirmationNeededError, match="'news' loses its only row"):
        model.forget([11])
    with pytest.warns(ClassForgottenWarning, match="labelled 'news'"):
        model.forget([11], confirm=True)
    with pytest.warns(ClassForgottenWarning, match="labelled 'art'"):
        model.forget([12])
    rows, left = np.delete(X, [11, 12], 0), np.delete(T, [11, 12], 0)
    never = fitted(pd.DataFrame(left, columns=NAMES), rows, noise=0)
    assert model.intercept_[[0, 2]].tolist() == [-np.inf, np.inf] and not model.coef_[[0, 2]].any()
    np.testing.assert_allclose(model.coef_, never.coef_, atol=1e-7)
    np.testing.assert_allclose(model.predict_proba(X), peer(rows, left).predict_proba(X), atol=1e-7)
    assert model.classes_.tolist() == never.classes_.tolist() == NAMES
    # scikit-learn itself decides at a margin of 1/2 where the first label is a constant.
    out = model.export_predictor()
    assert (out.predict(X) == model.predict(X)).all() and model.certificate_.matches(out)
    np.testing.assert_allclose(out.predict_proba(X), model.predict_proba(X), atol=1e-14)
    # It comes back with the next row that has it.
    model.learn(X[:1], [[1, 0, 1, 0]])
    same(model, peer(np.vstack([rows, X[:1]]), np.vstack([left, [[1, 0, 1, 0]]])))
    assert np.isfinite(model.intercept_).tolist() == [True, True, False, True]


def test_a_single_label_that_is_left_is_one_column():
    T = Y * [1, 0, 0, 0]
    model = fitted(T, noise=0)
    model.forget([4, 9])
    rows, left = np.delete(X, [4, 9], 0), np.delete(T, [4, 9], 0)
    np.testing.assert_allclose(
        model.predict_proba(X)[:, 0], peer(rows, left[:, 0]).predict_proba(X)[:, 1], atol=1e-7
    )
    assert not model.predict(X)[:, 1:].any()
    with pytest.raises(AssumptionError, match="nothing to tell apart"):
        fitted(T * 0)


@pytest.mark.parametrize("more", [{"solver": "newton-cg"}, {"mechanism": "isotropic"}])
def test_sparse_rows_and_other_solvers(more):
    for rows in (X, sp.csr_matrix(X)):
        model = fitted(rows=rows, noise=0, **more).forget([7])
        np.testing.assert_allclose(
            model.predict_proba(rows),
            peer(np.delete(X, 7, 0), np.delete(Y, 7, 0)).predict_proba(X),
            atol=1e-5,
        )
    elastic = fitted(l1_ratio=0.3).forget([7])
    assert elastic.certificate_.tier == "refresh" and elastic.coef_.shape == (4, 6)


def test_names_of_labels_are_those_of_the_columns_of_a_frame():
    frame = pd.DataFrame(Y, columns=NAMES)
    model = fitted(frame, random_state=0)
    assert model.classes_.tolist() == NAMES
    model.learn(X[:1], frame.iloc[:1])
    with pytest.raises(ValueError, match="columns of y"):
        model.learn(X[:1], frame.iloc[:1, ::-1])
    assert fitted(frame.set_axis([0, 1, 2, 3], axis=1)).classes_.tolist() == [0, 1, 2, 3]
    assert model.export_predictor().classes_.tolist() == NAMES


def test_previews_speak_of_all_labels_of_a_row():
    model = fitted(noise=0)
    preview, (p,) = model.preview([70]), model.predict_proba(X[70:71])
    own = np.prod(np.where(Y[70] == 1, p, 1 - p))
    assert preview.each.probability[0] == pytest.approx(own)
    without = fitted(np.delete(Y, 70, 0), np.delete(X, 70, 0), noise=0).predict_proba(X[70:71])[0]
    left = own - preview.each.memorisation[0]
    assert left == pytest.approx(np.prod(np.where(Y[70] == 1, without, 1 - without)), rel=0.02)
    assert {lost.name for lost in preview.classes} == set(np.flatnonzero(Y[70]))
    assert len(model.neighbours([70])) == 0
    InfluenceDisplay.from_estimator(model)


def test_states_pickles_pages_and_audits():
    model = fitted(random_state=1).forget([9])
    with pytest.warns(UserWarning):
        copied = pickle.loads(pickle.dumps(model))
    again = CertifiedLogReg.from_state(model.to_state())
    model.forget([10])
    for other in (copied, again):
        np.testing.assert_array_equal(other.forget([10]).coef_, model.coef_)
    assert "<" in model._repr_html_()
    assert self_audit(model, SelfAudit(rate=1.0)).finding().passed
    cost = model.noise_cost(X, Y, draws=5)
    assert cost.score > cost.released - 0.1 and cost.deviation > 0
    # Draws are scored, and not the release that there is.
    assert cost.score == fitted(np.delete(Y, [9, 10], 0), np.delete(X, [9, 10], 0), noise=0).score(
        X, Y
    )


def test_a_queue_and_a_pipeline():
    model = fitted()
    queue = ForgetQueue(model, within=datetime.timedelta(days=3))
    queue.add(rows=[4], reference="A-1")
    (receipt,) = queue.run()
    assert receipt.reference == "A-1" and model.n_forgotten_ == 1
    for y in (Y, sp.csr_matrix(Y), pd.DataFrame(Y, columns=NAMES)):
        pipe = forgetting(make_pipeline(StandardScaler(), CertifiedLogReg(multi_class="ovr")))
        pipe.fit(X * 3 + 1, y).forget([3])
        pipe.learn(X[:2], y[:2] if not isinstance(y, pd.DataFrame) else y.iloc[:2])
        pipe.correct([7], y=Y[8:9])
        assert pipe.preview([5]).n_retained == 301
        out = pipe.export_predictor(composed=True)
        assert (out.predict(X) != pipe.predict(X)).sum() == 0
        assert sp.issparse(out.predict(X)) == sp.issparse(y)
        again = ForgettingPipeline.from_state(pipe.to_state())
        np.testing.assert_array_equal(again.predict_proba(X), pipe.predict_proba(X))


def test_what_is_refused_says_what_to_do():
    with pytest.raises(ValueError, match='multi_class="ovr"'):
        CertifiedLogReg().fit(X, Y)
    with pytest.raises(ValueError, match="1d array"):
        CertifiedLinearSVC().fit(X, Y)
    with pytest.raises(ValueError, match="1d array"):
        fitted(Y * 3 + np.arange(4))
    with pytest.raises(ValueError, match="indicator matrix"):
        fitted(np.where(Y == 1, 2, 3))
    with pytest.raises(ValueError, match="class_weight"):
        fitted(class_weight="balanced")
    with pytest.raises(ValueError, match="inconsistent"):
        fitted(Y[1:])
    model = fitted()
    with pytest.raises(ValueError, match="one distribution"):
        model.suppress([0])
    for y in ([[0, 1]], [[0, 1, 2, 0]], [1]):
        with pytest.raises(ValueError, match="y must be|2D array"):
            model.learn(X[:1], y)
    assert model.n_retained_ == 300
