"""L-BFGS on single-precision differences: proposals, on which no certificate rests."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg
from certunlearn.engine.distances.gram import gram_of
from certunlearn.engine.removal import refresh_matrix_free
from certunlearn.exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from certunlearn.numerics.losses.margins import Logistic, Softmax
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.objective.products import Products
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights
from certunlearn.numerics.solvers import lbfgs as method
from certunlearn.numerics.solvers import metric, newton_cg
from certunlearn.numerics.solvers.choice import AUTO, MOST, MOST_FACTORED, chosen

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


@pytest.mark.parametrize(
    "name, standardised",
    [("breast_cancer", False), pytest.param("digits", True, marks=pytest.mark.long)],
)
def test_agrees_with_scikit_learn_before_and_after_a_removal(name, standardised):
    X, y = (part[:600] for part in problems.data(name, standardised))
    released, exact = model().fit(X, y), model(noise=0, tol=1e-12).fit(X, y)
    for gone in ([], [5], [7, 8, 9]):
        for ours in (released, exact):
            if gone:
                ours.forget(gone)
            assert ours.solver_ == "lbfgs" and ours._fitted.model.reached.quadratic is None
        keep = ~released._fitted.model.forgotten
        W = refit(X[keep], y[keep])
        np.testing.assert_allclose(exact._fitted.model.W, W, rtol=0, atol=1e-11 * np.abs(W).max())
        true = released._fitted.model.gram.geometry.norm(released._fitted.model.W - W)
        assert true <= released.certificate_.distance <= released.certificate_.distance_target
        assert released.certificate_.n_retained == keep.sum()
        assert released.certificate_.check(1.0, 1e-6, allow_seeded=True)
    assert not jax.config.jax_enable_x64 and jnp.ones(1).dtype == np.float32


def test_optax_finds_the_same_optimum():
    """An independent L-BFGS on an objective written anew, in double precision."""
    X, y = problems.data("breast_cancer", True)
    ours = model(noise=0, tol=1e-12).fit(X, y).forget(np.arange(5))
    t = 2.0 * np.asarray(y[5:]) - 1.0
    with jax.enable_x64(True):
        A = jnp.asarray(np.hstack([X[5:], np.ones((len(X) - 5, 1))]))

        def risk(w):
            return jnp.sum(jnp.logaddexp(0.0, -t * (A @ w))) + 0.5 * w[:-1] @ w[:-1]

        method, w = optax.lbfgs(), jnp.zeros(A.shape[1])
        state, graded = method.init(w), optax.value_and_grad_from_state(risk)

        @jax.jit
        def step(w, state):
            value, gradient = graded(w, state=state)
            change, state = method.update(
                gradient, state, w, value=value, grad=gradient, value_fn=risk
            )
            return optax.apply_updates(w, change), state

        for _ in range(120):
            w, state = step(w, state)
        slope = float(jnp.abs(jax.grad(risk)(w)).max())
    assert slope < 1e-7
    np.testing.assert_allclose(ours._fitted.model.W[:, 0], np.asarray(w), rtol=0, atol=1e-7)


def test_lbfgs_distance_is_above_the_truth(monkeypatch):
    # Proposals that are aimed at less come less near; those of a factor always do.
    monkeypatch.setattr(metric, "price", lambda objective: np.inf)
    monkeypatch.setattr(refresh_matrix_free, "_START", 0.3)
    monkeypatch.setattr(newton_cg, "_FINEST", 0.1)
    X, y = problems.data("breast_cancer", False)
    ours, weight = model(tol=1e-2, noise=10.0).fit(X, y), np.ones(len(X))
    for gone in (None, [17, 42]):
        if gone:
            weight[gone] = 0.0
            ours.forget(gone)
        truth = reference.optimum(X, y, weight, 1.0, True)
        half = problems.half_of(ours._fitted.model.gram.geometry)
        true, error = truth.apart(ours._fitted.model.W, half)
        # There is something to be above: the iterate is not the optimum itself.
        assert error < true / 2 and true <= ours._fitted.model.reached.distance + error


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("K", [1, 4])
def test_a_descent_gains_digits_and_counts_its_passes(K, kind, monkeypatch):
    rng = np.random.default_rng(K)
    X = (rng.normal(size=(400, 5)) * 10.0 ** np.arange(-4, 6, 2)).astype(kind)
    y, ones = rng.integers(0, max(2, K), 400), np.ones(400)
    seen, alpha = [], np.r_[np.ones(5), 0.0]
    taken = Products.combined
    monkeypatch.setattr(Products, "combined", lambda self, C: seen.append(1) or taken(self, C))
    with jax.enable_x64(True):
        rows, loss = DenseRows(X, y, intercept=True), Logistic() if K == 1 else Softmax(K)
        gauge = np.r_[np.zeros(5), float(K > 1)]
        risky = Objective(rows, loss, np.arange(max(2, K)), Weights.of(ones), alpha, gauge)
        geometry, before = gram_of("gram", risky, None, None).geometry, rows.reads
        W, m, gained = np.zeros((6, K)), None, []
        for _ in range(2):
            gradient = None if m is None else m.gradient
            step, *_ = method.lbfgs(risky, W, gradient, geometry.gram, enough=1e-5, max_iter=200)
            W = W + step
            passes, now = len(seen), rows.reads
            m = risky.measure(W, W)
            gained.append(np.linalg.norm(geometry.gram.white(m.gradient)))
            before += rows.reads - now
    assert rows.reads - before == passes * rows.n > 0
    # Differences round less than gradients: the second descent is as good as the first.
    assert gained[1] < 1e-3 * gained[0]
    truth = reference.optimum(X.astype(float), y, ones, 1.0, True)
    assert geometry.norm(W - np.asarray(truth.W, float)) < 1e-5


def test_a_poor_start_is_no_less_certified(monkeypatch):
    """Proposals may be anything: what follows them certifies."""
    X, y = problems.data("breast_cancer", True)
    monkeypatch.setattr(
        refresh_matrix_free,
        "lbfgs",
        lambda objective, W, *_, **__: method.Descended(0.1 + 0 * W, 1, 0.5),
    )
    ours = model().fit(X, y)
    true = ours._fitted.model.gram.geometry.norm(ours._fitted.model.W - refit(X, y))
    assert true <= ours.certificate_.distance <= ours.certificate_.fit_distance


@pytest.mark.parametrize(
    "scale, changes, error, says",
    [
        (1.0, dict(max_iter=1, C=1e9), ConvergenceError, "1 Newton steps"),
        (1.0, dict(C=np.inf), AssumptionError, "use a finite C or solver"),
        # Which refusal comes first depends on how the sums round.
        (
            1e8,
            {},
            (NotCertifiedError, ConvergenceError),
            "certified distance inf|no convergence in 100 Newton steps",
        ),
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
    inner, settings = ours._fitted.model, ours._fitted.model.settings
    kept = inner.W.copy(), np.array(inner.rows._X), ours.coef_.copy(), ours.certificate_
    object.__setattr__(settings, "max_iter", 1)
    gone = np.flatnonzero(y == 0)[:150]
    with pytest.raises(ConvergenceError):
        ours.forget(gone)
    object.__setattr__(settings, "max_iter", 100)
    assert (
        ours._fitted.model is inner and ours.certificate_ is kept[3] and not inner.forgotten.any()
    )
    for then, now in zip(kept, (inner.W, inner.rows._X, ours.coef_), strict=False):
        np.testing.assert_array_equal(np.asarray(now), then)
    np.testing.assert_array_equal(ours.forget(gone).coef_, twin.forget(gone).coef_)


def test_it_is_chosen_by_name_and_for_one_wide_column():
    assert chosen("lbfgs", 1) == chosen("lbfgs", MOST + 1) == "lbfgs"
    assert chosen("auto", AUTO) == chosen("auto", MOST_FACTORED, formed=False) == "newton-cholesky"
    assert chosen("auto", AUTO + 1) == chosen("auto", MOST_FACTORED + 1, formed=False) == "lbfgs"
    assert chosen("auto", AUTO + 1, 2) == "newton-cg"
