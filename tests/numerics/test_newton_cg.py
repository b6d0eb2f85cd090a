"""The path without a Hessian: same optimum, certified distances above the truth, refusals."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.engine import unlearner
from certunlearn.engine.distances.matrix_free import Floors
from certunlearn.exceptions import AssumptionError
from certunlearn.numerics.losses.margins import Columnwise
from certunlearn.numerics.losses.pointwise import Poisson
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights
from certunlearn.numerics.solvers.choice import MOST, chosen
from certunlearn.numerics.solvers.line_search import backtracked

from .. import problems, reference
from ..benchmarks import memory


def data(K, n=120, d=5, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-spread, spread, size=d)
    codes = (X @ rng.normal(size=(d, K)) / 10 + rng.gumbel(size=(n, K))).argmax(axis=1)
    codes[:K] = np.arange(K)
    return X, codes


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("K", [2, 4])
def test_matrix_free_distance_is_above_the_truth(K, intercept, mechanism):
    X, codes = data(K)
    weight = 10.0 ** np.random.default_rng(1).uniform(-2, 2, size=len(X))
    settings = problems.settings(fit_intercept=intercept, mechanism=mechanism, noise=1.0)
    settings = replace(settings, solver="newton-cg")
    model = unlearner.fit(X, codes, weight, settings)
    for gone in (None, np.array([7]), np.arange(20, 40)):
        if gone is not None:
            weight = weight.copy()
            weight[gone] = 0.0
            model = model.forget(gone)
        assert model.solver == "newton-cg" and model.carryover is None
        truth = reference.optimum(X, codes, weight, 1.0, intercept)
        true, error = truth.apart(model.W, problems.half_of(model.gram.geometry))
        assert true <= model.reached.distance + error
        assert model.reached.distance <= model.certificate.distance_target


@pytest.mark.parametrize("K", [2, 4])
def test_matrix_free_agrees_with_the_factored_path(K):
    X, codes = data(K)
    W = []
    for solver in ("newton-cholesky", "newton-cg"):
        model = CertifiedLogReg(noise=0, solver=solver, tol=1e-12).fit(X, codes)
        model.forget(np.arange(10))
        assert model.solver_ == solver
        W.append(np.vstack([model.coef_.T, model.intercept_]))
    np.testing.assert_allclose(W[0], W[1], rtol=1e-7, atol=1e-7 * np.abs(W[0]).max())


@pytest.mark.parametrize("K", [2, 4])
def test_curvature_floor_is_below_the_hessian_and_not_by_much_too_low(K):
    for seed in range(20):
        X, codes = data(K, seed=seed, n=60)
        settings = replace(problems.settings(C=10.0), solver="newton-cg", noise=10.0)
        model = unlearner.fit(X, codes, np.ones(len(X)), settings)
        with jax.enable_x64(True):
            D = Floors(model.objective, model.gram.curvature).at(model.W, 1e-10)
            H = model.objective.hessian(model.W).matrix
        assert (D > 0).all()
        full = np.tile(D, model.W.shape[1])
        assert np.linalg.eigvalsh(H - np.diag(full))[0] >= -1e-9 * np.abs(H).max()
        # The twin: nothing of the kind holds for the penalty and the intercept's own curvature.
        own = np.diag(H)[model.objective.rows.p - 1 :: model.objective.rows.p].min()
        wrong = np.tile(np.r_[np.full(len(D) - 1, 0.1), own], model.W.shape[1])
        assert np.linalg.eigvalsh(H - np.diag(wrong))[0] < 0


def test_many_classes_fit_and_forget():
    X, codes = data(30, n=3000, d=64, spread=0.0)
    model = CertifiedLogReg(solver="newton-cg", random_state=0).fit(X, codes)
    model.forget(np.arange(30, 60))
    assert (
        model.certificate_.check(1.0, 1e-6, allow_seeded=True)
        and model.certificate_.tier == "refresh"
    )
    assert model.coef_.shape == (30, 64)


def test_many_classes_are_certified_in_less_memory_than_half_a_hessian():
    found = memory.in_subprocess("tests.benchmarks.matrix_free", "small")
    assert found["certified"] and found["solver"] == "newton-cg"
    assert 0 < found["forget distance"] <= found["target"]
    # The compiler's share does not grow with the data; at full size the peak is under 3.
    assert 0 < found["peak over data"] < found["hessian over data"] / 2


def test_a_problem_too_large_for_a_factor_is_not_swapped_silently():
    with pytest.raises(AssumptionError, match="newton-cg"):
        chosen("newton-cholesky", MOST + 1)
    assert chosen("auto", MOST + 1) == "lbfgs" and chosen("auto", MOST, 2) == "newton-cg"
    assert CertifiedLogReg().get_params()["solver"] == "auto"


def test_a_step_that_lowers_the_gradient_may_not_raise_the_value():
    # One count: e^w - w is steep to the right of its minimum and nearly flat to the left.
    with jax.enable_x64(True):
        rows = DenseRows(np.ones((1, 1)), np.array([1.0]), intercept=False)
        o = Objective(
            rows, Columnwise(Poisson(), 1), None, Weights.of(np.ones(1)), np.zeros(1), np.zeros(1)
        )
        W = np.array([[3.0]])
        m = o.measure(W, W)
        v = np.array([[-33.0]])
        full = o.measure(W + v, W)
        moved, found = backtracked(o, W, m, v, W, lambda g: float(np.abs(g).max()))
        # At the floor the value says nothing, and the gradient's size decides.
        anyway, _ = backtracked(o, W, m, v, W, lambda g: float(np.abs(g).max()), shortest=1.0)
    assert np.abs(full.gradient).max() < 0.1 * np.abs(m.gradient).max()
    assert full.value > m.value + 10
    assert found.value < m.value and moved[0, 0] > -30
    assert anyway[0, 0] == -30


@pytest.mark.parametrize("X", [np.zeros((200, 1)), np.repeat(np.eye(40, 4), 5, axis=0)])
def test_an_optimum_at_zero_is_found_without_noise(X):
    # Relative to an iterate of zero no distance at all is allowed.
    model = CertifiedLogReg(solver="newton-cg", noise=0).fit(X, np.arange(200) % 5)
    assert np.abs(model.coef_).max() <= 1e-12 and np.abs(model.intercept_).max() <= 1e-12
