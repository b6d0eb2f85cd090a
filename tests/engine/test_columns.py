"""Columns solved one by one: all together certified, against long double optima of each."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from certunlearn import CertifiedLinearSVC, CertifiedRidge, CertifiedRidgeClassifier
from certunlearn.claims.budget import Caps
from certunlearn.engine import unlearner
from certunlearn.engine.columns import allotted, together
from certunlearn.engine.members import Members
from certunlearn.exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from certunlearn.numerics.losses import pointwise
from certunlearn.numerics.rows.weights import Weights

from .. import problems, reference, strategies

#: Loss, its name in the oracle, its parameter.
KINDS = {
    "squared": (pointwise.Squared(), 1.0),
    "hinge": (pointwise.SoftplusHinge(0.3), 0.3),
}
SEEDS = 4


def drawn(kind, regime, seed, columns):
    rng = np.random.default_rng([seed, columns, sorted(KINDS).index(kind)])
    n, d = (9, 12) if regime == "wide" else (60, 6)
    X, _, weight = strategies.REGIMES[regime](rng, n, d, 2)
    codes = rng.integers(0, columns, n)
    codes[:columns] = np.arange(columns)
    # One class is nearly gone.
    codes[columns:][codes[columns:] == 0] = 1
    C = float(10.0 ** rng.uniform(-3, 3))
    intercept, mechanism = bool(rng.integers(2)), strategies.MECHANISMS[rng.integers(3)]
    settings = problems.settings(C=C, fit_intercept=intercept, mechanism=mechanism, tol=1e-6)
    settings = unlearner.Settings(**{**vars(settings), "loss": KINDS[kind][0]})
    requests = rng.permutation(np.arange(columns, n))[: n // 5]
    return X, codes, weight, settings, np.array_split(np.sort(requests), 2)


def truth_of(model, kind, X, T, weight):
    """True distance of all columns together, and the oracle's own error."""
    s, half, found = model.settings, problems.half_of(model.gram.geometry), []
    for k in range(T.shape[1]):
        try:
            optimum = reference.optimum_of(
                kind, KINDS[kind][1], X, T[:, k], weight, s.alpha, s.fit_intercept
            )
        except RuntimeWarning:
            # All rows are saturated: the oracle finds no curvature at all.
            return math.nan, math.inf
        true, error = optimum.apart(model.W[:, k : k + 1], half)
        found.append((float(true), float(error) if optimum.sound else math.inf))
    return math.hypot(*(t for t, _ in found)), math.hypot(*(e for _, e in found))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("regime", strategies.REGIMES)
def test_all_columns_together_are_as_near_as_is_certified(regime, kind):
    outcomes: Counter = Counter()
    for seed in range(SEEDS):
        columns = 3 + seed % 2
        X, codes, weight, settings, requests = drawn(kind, regime, seed, columns)
        T = np.where(codes[:, None] == np.arange(columns), 1.0, -1.0)
        left, none = weight.copy(), np.zeros(0, np.int64)
        try:
            model = unlearner.fit(X, codes, weight, settings)
            for request in (none, *requests):
                left[request] = 0.0
                model = model.forget(request) if len(request) else model
                assert len(model.parts) == columns
                true, error = truth_of(model, kind, X, T, left)
                r = model.reached.distance
                assert r <= model.certificate.distance_target
                if error <= 0.05 * r:
                    outcomes["checked"] += 1
                    assert true <= r + error, (true, r, model.reached.tier)
        except (NotCertifiedError, ConvergenceError, AssumptionError) as refused:
            outcomes[type(refused).__name__] += 1
    assert sum(outcomes.values()) >= SEEDS


def test_targets_of_several_columns_come_go_and_are_corrected():
    rng = np.random.default_rng(0)
    X, Y, w = rng.normal(size=(80, 5)), rng.normal(size=(80, 3)), rng.uniform(0.5, 2, 80)
    model = CertifiedRidge(noise=0.1, epsilon=1.0).fit(X, Y, w).forget([3, 9])
    model.learn(X[:4] + 1, Y[:4] - 1, sample_weight=w[:4])
    model.correct([20], X=X[20:21], y=Y[20:21] + 5)
    keep = np.setdiff1d(np.arange(80), [3, 9])
    rows = np.vstack([X, X[:4] + 1])[np.r_[keep, 80:84]]
    T = np.vstack([Y, Y[:4] - 1])
    T[20] += 5
    T, weight = T[np.r_[keep, 80:84]], np.r_[w, w[:4]][np.r_[keep, 80:84]]
    true, error = truth_of(model._fitted.model, "squared", rows, T, weight)
    assert error < 1e-3 * model._fitted.model.reached.distance
    assert true <= model._fitted.model.reached.distance + error


@pytest.mark.parametrize("maker", [CertifiedLinearSVC, CertifiedRidgeClassifier])
def test_columns_are_those_of_one_problem_solved_by_products(maker):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 4)), np.arange(200) % 4
    by_column = maker(noise=0).fit(X, y).forget(np.arange(0, 40, 3))
    whole = maker(noise=0, solver="newton-cg").fit(X, y).forget(np.arange(0, 40, 3))
    assert by_column._fitted.model.parts and not whole._fitted.model.parts
    np.testing.assert_allclose(by_column.coef_, whole.coef_, atol=1e-6)


def test_squares_share_one_factor_and_its_changes():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(150, 6)), np.arange(150) % 5
    model = CertifiedRidgeClassifier().fit(X, y).forget([4]).forget([7, 8])
    first, *others = model._fitted.model.parts
    assert model.certificate_.tier == "downdate" and len(others) == 4
    for part in others:
        assert part.carryover.alike(first.carryover)
        assert part.carryover.present is first.carryover.present
        assert part.reached.quadratic.factor is first.reached.quadratic.factor
    # What `beside` leaves is what the column's own edit would have left.
    gone = np.array([11])
    for part in others:
        carryover = part.carryover
        shares = [
            s.objective.contribution(gone, s.carryover.base, s.carryover.origin.W)
            for s in (first, part)
        ]
        own = carryover.edited(shares[1])
        shared = carryover.beside(first.carryover.edited(shares[0]), shares[1], None)
        for name in ("base", "gradient", "allowance"):
            np.testing.assert_array_equal(getattr(own, name), getattr(shared, name))
        assert own.removed == shared.removed and own.moved == shared.moved
        for name in ("inverse", "root", "inner"):
            np.testing.assert_array_equal(getattr(own.present, name), getattr(shared.present, name))


@pytest.mark.parametrize("K", [2, 3, 7, 100, 1000])
def test_shares_add_up_and_rounding_is_outward(K):
    rng = np.random.default_rng(K)
    for size in (1e-290, 1e-12, 1.0, 1e200):
        caps = Caps(0.1 * size, size * rng.uniform(0.5, 1), 1e-9)
        for scale in ((1.0,), tuple(10.0 ** rng.uniform(-8, 8, K))):
            shares = allotted(caps, K, scale)
            assert len(shares) == K and {s.drift for s in shares} == {caps.drift}
            for name in ("fit", "target"):
                total = sum(Fraction(getattr(s, name)) ** 2 for s in shares)
                assert 0 < total <= Fraction(getattr(caps, name)) ** 2
            if len(scale) == K:
                np.testing.assert_allclose(
                    [s.target / shares[0].target for s in shares],
                    np.array(scale) / scale[0],
                    rtol=1e-11,
                )
        r = size * rng.uniform(size=K)
        assert Fraction(together(r)) ** 2 >= sum(Fraction(v) ** 2 for v in r)
    assert allotted(None, K, (1.0,)) == [None] * K
    assert together([1.0, math.inf]) == math.inf


def test_less_than_the_root_of_the_sum_is_too_little():
    """Twin: columns that are each as far off as they say are off by the root of the sum."""
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(60, 4)), rng.normal(size=(60, 3))
    settings = replace(problems.settings(mechanism="gram"), loss=pointwise.Squared())
    model = unlearner.fit(X, Y, np.ones(60), settings)
    # Every column pushed away from its optimum by a known length in the norm of the noise.
    L = model.gram.geometry.gram.lower
    W = model.W + 1e-3 * np.linalg.solve(L.T, np.eye(len(L))[:, :3])
    shifted = replace(model, reached=model.reached._replace(W=W))
    true, error = truth_of(shifted, "squared", X, Y, np.ones(60))
    each = 1e-3 + model.reached.distance
    assert together([each] * 3) + error >= true > 0.99 * together([each] * 3)
    assert max([each] * 3) < true


def test_influence_is_that_of_all_columns_solved_together():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(90, 4)), np.arange(90) % 3
    model = CertifiedRidgeClassifier(noise=0).fit(X, y)
    preview = model.preview([5])
    after = CertifiedRidgeClassifier(noise=0).fit(np.delete(X, 5, 0), np.delete(y, 5))
    assert preview.tier == "downdate"
    moved = np.abs(after.decision_function(X[5:6]) - model.decision_function(X[5:6]))
    assert moved.max() > 1e-4


def test_nothing_of_the_size_of_all_coefficients_squared_is_held():
    rng = np.random.default_rng(5)
    K, d = 12, 10
    X, y = rng.normal(size=(300, d)), np.arange(300) % K
    model = CertifiedLinearSVC().fit(X, y).forget([0])
    sizes = [
        value.size
        for part in model._fitted.model.parts
        for value in (
            part.carryover.present.inverse,
            part.carryover.present.curvature.matrix,
            part.reached.quadratic.factor.lower,
        )
    ]
    assert max(sizes) == (d + 1) ** 2 < (K * (d + 1)) ** 2


def test_too_many_numbers_are_not_held(monkeypatch):
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(80, 4)), np.arange(80) % 4
    monkeypatch.setattr("certunlearn.engine.columns.MOST_APART", 99)
    assert not CertifiedLinearSVC().fit(X, y)._fitted.model.parts
    assert CertifiedLinearSVC(solver="newton-cholesky").fit(X, y)._fitted.model.parts
    # One factor serves all columns of squares.
    assert CertifiedRidgeClassifier().fit(X, y)._fitted.model.parts


def test_members_that_weigh_nothing_are_counted():
    """A row of no weight comes: the training set is longer, no column moves."""
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(50, 3)), np.arange(50) % 3
    model = CertifiedRidgeClassifier().fit(X, y)
    model.learn(X[:2], y[:2], sample_weight=[0.0, 1.0]).forget([50])
    assert model.n_retained_ == 51 and len(model._fitted.model.members.weights) == 52
    model.learn(X[:2] + 0.5, y[:2]).forget([52])
    assert model.n_retained_ == 52 and len(model._fitted.model.members.weights) == 54
    assert isinstance(model._fitted.model.members, Members)
    assert isinstance(model._fitted.model.objective.weights, Weights)
