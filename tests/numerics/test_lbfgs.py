"""L-BFGS as a start: what it reaches and reads; the certificate does not rest on it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg
from certunlearn.engine.distances.gram import gram_of
from certunlearn.exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from certunlearn.numerics.losses.margins import Logistic, Softmax
from certunlearn.numerics.objective.kernels import Risk
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights
from certunlearn.numerics.solvers import lbfgs as method
from certunlearn.numerics.solvers.choice import AUTO, MOST, chosen

from .. import problems, reference


def model(**changes):
    return CertifiedLogReg(
        **dict(solver="lbfgs", view="release", random_state=0, tol=1e-9) | changes
    )


def refit(X, y):
    """scikit-learn's coefficients (p, K), the intercepts centred as ours are."""
    peer = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y)
    intercept = peer.intercept_ - (peer.intercept_.mean() if len(peer.classes_) > 2 else 0)
    return np.vstack([peer.coef_.T, intercept])


@pytest.mark.parametrize("name, standardised", [("breast_cancer", False), ("digits", True)])
def test_agrees_with_scikit_learn_before_and_after_a_removal(name, standardised):
    X, y = (part[:600] for part in problems.data(name, standardised))
    released, exact = model().fit(X, y), model(noise=0, tol=1e-12).fit(X, y)
    for gone in ([], [5], [7, 8, 9]):
        for ours in (released, exact):
            if gone:
                ours.forget(gone)
            assert ours.solver_ == "lbfgs" and ours._model.reached.quadratic is None
        keep = ~released._model.forgotten
        W = refit(X[keep], y[keep])
        np.testing.assert_allclose(exact._model.W, W, rtol=0, atol=1e-11 * np.abs(W).max())
        true = released._model.gram.geometry.norm(released._model.W - W)
        assert true <= released.certificate_.distance <= released.certificate_.distance_target
        assert released.certificate_.n_retained == keep.sum()
        assert released.certificate_.check(1.0, 1e-6, allow_seeded=True)
    assert not jax.config.jax_enable_x64 and jnp.ones(1).dtype == np.float32


def test_lbfgs_distance_is_above_the_truth():
    X, y = problems.data("breast_cancer", False)
    ours, weight = model(tol=1e-6).fit(X, y), np.ones(len(X))
    for gone in (None, [17, 42]):
        if gone:
            weight[gone] = 0.0
            ours.forget(gone)
        truth = reference.optimum(X, y, weight, 1.0, True)
        half = problems.half_of(ours._model.gram.geometry)
        true, error = truth.apart(ours._model.W, half)
        # There is something to be above: the iterate is not the optimum itself.
        assert error < true / 2 and true <= ours._model.reached.distance + error


@pytest.mark.parametrize("K", [1, 4])
def test_the_start_is_near_and_every_evaluation_is_counted(K, monkeypatch):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(400, 5)) * 10.0 ** np.arange(-4, 6, 2)
    y, ones = rng.integers(0, max(2, K), 400), np.ones(400)
    seen, alpha = [], np.r_[np.ones(5), 0.0]
    monkeypatch.setattr(Risk, "start", counting(seen))
    with jax.enable_x64(True):
        rows, loss = DenseRows(X, y, intercept=True), Logistic() if K == 1 else Softmax(K)
        gauge = np.r_[np.zeros(5), float(K > 1)]
        risky = Objective(rows, loss, np.arange(max(2, K)), Weights.of(ones), alpha, gauge)
        geometry, before = gram_of("gram", risky, None, None).geometry, rows.reads
        W = method.lbfgs(risky, np.zeros((6, K)), geometry.gram, tol=1e-7, max_iter=200)
        jax.effects_barrier()
    # No other test descends on rows of this shape, which is traced here with the note in it.
    assert rows.reads - before == len(seen) * rows.n > 0
    truth = reference.optimum(X, y, ones, 1.0, True)
    assert geometry.norm(W - np.asarray(truth.W, float)) < 1e-6


def counting(seen):
    """The start of the sweep, noting every time it runs on the device."""
    start = Risk.start

    def counted(kernel, xp, p):
        jax.debug.callback(lambda: seen.append(1))
        return start(kernel, xp, p)

    return counted


def test_a_poor_start_is_no_less_certified(monkeypatch):
    """The start may be anything: what follows it certifies."""
    X, y = problems.data("breast_cancer", True)
    monkeypatch.setattr(method, "lbfgs", lambda objective, W, *_, **__: W + 0.1)
    ours = model().fit(X, y)
    true = ours._model.gram.geometry.norm(ours._model.W - refit(X, y))
    assert true <= ours.certificate_.distance <= ours.certificate_.fit_distance


@pytest.mark.parametrize(
    "scale, changes, error, says",
    [
        (1.0, dict(max_iter=1), ConvergenceError, "1 Newton steps"),
        (1.0, dict(C=np.inf), AssumptionError, "use a finite C or solver"),
        (1e8, {}, NotCertifiedError, "certified distance inf"),
        (1e200, {}, AssumptionError, "overflows"),
    ],
)
def test_a_bad_problem_raises_a_typed_error(scale, changes, error, says):
    X, y = problems.data("breast_cancer", True)
    ours = model(**changes)
    before = set(vars(ours))
    with pytest.raises(error, match=says):
        ours.fit(X * scale, y)
    assert set(vars(ours)) == before


def test_a_removal_that_fails_changes_nothing():
    X, y = problems.data("breast_cancer", True)
    ours, twin = model().fit(X, y), model().fit(X, y)
    inner, settings = ours._model, ours._model.settings
    kept = inner.W.copy(), np.asarray(inner.rows._X), ours.coef_.copy(), ours.certificate_
    object.__setattr__(settings, "max_iter", 1)
    gone = np.flatnonzero(y == 0)[:150]
    with pytest.raises(ConvergenceError):
        ours.forget(gone)
    object.__setattr__(settings, "max_iter", 100)
    assert ours._model is inner and ours.certificate_ is kept[3] and not inner.forgotten.any()
    for then, now in zip(kept, (inner.W, inner.rows._X, ours.coef_), strict=False):
        np.testing.assert_array_equal(np.asarray(now), then)
    np.testing.assert_array_equal(ours.forget(gone).coef_, twin.forget(gone).coef_)


def test_it_is_chosen_by_name_only():
    assert chosen("lbfgs", 1) == chosen("lbfgs", MOST + 1) == "lbfgs"
    assert "lbfgs" not in {chosen("auto", size) for size in (1, AUTO, AUTO + 1, MOST + 1)}
