"""L-BFGS as a start: what it reaches and reads; the certificate does not rest on it."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg
from certunlearn.gram import gram_of
from certunlearn.solvers.lbfgs import lbfgs
from certunlearn.sweeps import risk

from . import problems, reference


def model(**changes):
    return CertifiedLogReg(solver="lbfgs", random_state=0, tol=1e-9, **changes)


@pytest.mark.parametrize("name, standardised", [("breast_cancer", False), ("digits", True)])
def test_agrees_with_scikit_learn_and_stays_within_its_certificate(name, standardised):
    X, y = problems.data(name, standardised)
    ours = model().fit(X, y)
    assert ours.solver_ == "lbfgs" and ours._model.reached.quadratic is None
    for gone in ([], [5], [7, 8, 9]):
        if gone:
            ours.forget(gone)
        keep = ~ours._model.forgotten
        peer = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
        peer.fit(X[keep], y[keep])
        W = np.vstack([peer.coef_.T, peer.intercept_ - peer.intercept_.mean() * (len(y) > 569)])
        true = ours._model.gram.geometry.norm(ours._model.W - W)
        assert true <= ours.certificate_.distance <= ours.certificate_.distance_target
        assert ours.certificate_.n_retained == keep.sum()


@pytest.mark.parametrize("K", [2, 4])
def test_the_start_is_near_and_every_evaluation_is_counted(K, monkeypatch):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(400, 5)) * 10.0 ** np.arange(-4, 6, 2)
    y = rng.integers(0, K, 400)
    inner = CertifiedLogReg(noise=0).fit(X, y)._model
    seen = []
    monkeypatch.setattr("certunlearn.sweeps.risk", counting(seen))
    jax.clear_caches()
    with jax.enable_x64(True):
        gram = gram_of("gram", inner.objective, None, None).geometry.gram
        before = inner.rows.reads
        W = lbfgs(inner.objective, 0 * inner.W, gram, tol=1e-7, max_iter=200)
        jax.effects_barrier()
    assert inner.rows.reads - before == len(seen) * inner.rows.n
    truth = reference.optimum(X, y, np.ones(400), 1.0, True)
    assert inner.gram.geometry.norm(W - np.asarray(truth.W, float)) < 1e-6


def counting(seen):
    """The sweep, noting every time it runs on the device."""

    def counted(loss, X, y, table, s, W):
        jax.debug.callback(lambda: seen.append(1))
        return risk(loss, X, y, table, s, W)

    return counted


def test_a_poor_start_is_no_less_certified(monkeypatch):
    """The start may be anything: what follows it certifies."""
    X, y = problems.data("breast_cancer", True)
    monkeypatch.setattr("certunlearn.solvers.lbfgs.lbfgs", lambda objective, W, *_, **__: W + 0.1)
    ours = model().fit(X, y)
    peer = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y)
    true = ours._model.gram.geometry.norm(
        ours._model.W - np.r_[peer.coef_[0], peer.intercept_][:, None]
    )
    assert true <= ours.certificate_.distance <= ours.certificate_.fit_distance
