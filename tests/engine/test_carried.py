"""Passes on the factor of the last refresh, against the truth in long double."""

from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest

from certunlearn.claims.bounds import inverse_range
from certunlearn.engine import unlearner
from certunlearn.engine.distances import present
from certunlearn.engine.distances.gram import gram_of
from certunlearn.engine.removal.carried import carried
from certunlearn.exceptions import CertunlearnError
from certunlearn.linalg.cholesky import factorise
from certunlearn.numerics.losses.margins import Logistic, Softmax
from certunlearn.numerics.objective.contribution import Contribution
from certunlearn.numerics.objective.objective import flat, folded
from certunlearn.numerics.solvers.descent import Descent

from .. import problems, reference, strategies
from .test_sequences import opened

REGIMES = ("plain", "collinear_columns", "raw", "weights", "huge_row", "separable", "saturated")


def removed_from(regime, mechanism, seed, share, K):
    """A model, its carryover and objective after a removal, and the optimum of what is left."""
    rng, model, X, codes, weight = opened(regime, mechanism, seed, 10.0 ** (seed % 4 - 1), K)
    gone = np.sort(rng.choice(np.arange(2 * K, 200), int(share * 200), replace=False))
    before = model.carryover
    with jax.enable_x64(True):
        part = model.objective.contribution(gone, before.base, before.origin.W)
        after = replace(model.objective, weights=model.objective.weights.without(gone))
        geometry = gram_of(mechanism, after, None, None).geometry
    keep = np.setdiff1d(np.arange(200), gone)
    data = X[keep], codes[keep], weight[keep], 10.0 ** (seed % 4 - 1), True
    found = reference.optimum(*data)
    if not found.sound:
        found = reference.optimum(*data, found.W, dtype=object)
    return model, before.edited(part), after, geometry, found


def passes(carryover, objective, most=6):
    """The carryover after each of a few passes."""
    descent, w, g = Descent(carryover.solve), flat(carryover.base), carryover.gradient
    out = [carryover]
    for _ in range(most):
        v = descent.direction(g)
        w = w + v
        W = folded(w, objective.rows.p)
        m = objective.measure(W, carryover.origin.W)
        out.append(out[-1].measured(W, m, 1))
        descent.learn(v, out[-1].gradient - g)
        g = out[-1].gradient
    return out


def checked(carryover, geometry, found):
    """Certified over true of one step and whether it holds; None where nothing can be told."""
    W, claimed = carryover.step(geometry)
    true, error = found.apart(W, problems.half_of(geometry))
    if not claimed < np.inf or not error <= 0.05 * max(claimed, true):
        return None
    return claimed / max(true, error), true <= claimed + error


@pytest.mark.parametrize("mechanism", strategies.MECHANISMS)
@pytest.mark.parametrize("regime", [r for r in REGIMES if r in strategies.REGIMES])
def test_every_step_is_within_its_distance(regime, mechanism):
    ratios = {True: [], False: []}
    for seed in range(6):
        share = (0.005, 0.05, 0.2)[seed % 3]
        try:
            _, carryover, objective, geometry, found = removed_from(
                regime, mechanism, seed, share, 2 + seed % 2
            )
        except CertunlearnError:
            continue
        with jax.enable_x64(True):
            for known in (carryover, replace(carryover, present=None)):
                for after in passes(known, objective):
                    told = checked(after, geometry, found)
                    if told is not None:
                        assert told[1], (seed, told)
                        ratios[known.present is None].append(told[0])
    told = {("B_0" if k else "B"): f"{np.median(v):.1f}" for k, v in ratios.items() if v}
    print(f"\n{regime} {mechanism}: certified over true, median {told}")
    assert min(map(len, ratios.values())) >= 3


def one_dimensional(seed, known, even):
    """A carryover of one coordinate, many of whose rows have gone, after a few passes, and more.

    Where they go evenly from both classes hardly a margin moves.
    """
    rng = np.random.default_rng(seed)
    X, codes = np.ones((80, 1)), (rng.uniform(size=80) < 0.5).astype(np.int64)
    if even:
        codes = np.arange(80) % 2
    settings = problems.settings(C=1e3, fit_intercept=False)
    model = unlearner.fit(X, codes, np.ones(80), settings)
    gone = np.flatnonzero(codes == 1)[: int(rng.integers(10, 30))]
    if even:
        gone = np.arange(30 - seed, 79)
    before = model.carryover
    with jax.enable_x64(True):
        part = model.objective.contribution(gone, before.base, before.origin.W)
        after = replace(model.objective, weights=model.objective.weights.without(gone))
        geometry = gram_of("gram", after, None, None).geometry
        carryover = before.edited(part)
        carryover = carryover if known else replace(carryover, present=None)
        all_passes = passes(carryover, after, most=3)
    keep = np.setdiff1d(np.arange(80), gone)
    found = reference.optimum(X[keep], codes[keep], np.ones(len(keep)), 1e3, False)
    return all_passes, after, geometry, found


def broken_by(weakened, known, even):
    """How many claims are false once the carryover is weakened; none is before."""
    broken = 0
    for seed in range(20):
        all_passes, _, geometry, found = one_dimensional(seed, known, even)
        for carryover in all_passes:
            told = checked(carryover, geometry, found)
            assert told is None or told[1]
            short = checked(weakened(carryover), geometry, found)
            broken += short is not None and not short[1]
    return broken


@pytest.mark.parametrize("known", [True, False])
def test_margins_that_moved_must_be_counted(known):
    assert broken_by(lambda carryover: replace(carryover, moved=0.0), known, False) >= 10


def test_the_share_that_has_gone_must_be_counted():
    assert broken_by(lambda carryover: replace(carryover, removed=0.0), False, True) >= 10


@pytest.mark.parametrize("wrong", [1.0, 0.6])
def test_the_factor_must_be_known_as_wrong_as_it_is(wrong):
    broken = 0
    for seed in range(10):
        (carryover, *_), _, geometry, found = one_dimensional(seed, False, True)
        f = carryover.origin.factor
        # A factor of another matrix, and what it is off by in theta.
        other = replace(f, lower=1.2 * f.lower, theta=wrong * 2 * np.log(1.2) + f.theta)
        origin = replace(carryover.origin, factor=other)
        L = carryover.now.in_hessian / 1.2
        now, c = replace(carryover.now, in_hessian=L), carryover.c / 1.2
        weakened = replace(carryover, origin=origin, now=now, c=c, c_gram=c)
        told = checked(replace(weakened, removed=carryover.removed / 1.44), geometry, found)
        broken += told is not None and not told[1]
    assert broken == 0 if wrong == 1.0 else broken >= 3


def penalised_anew(change, known):
    """A carryover whose penalty has become larger, its optimum's geometry, and the optimum."""
    rng = np.random.default_rng(0)
    X, codes = np.ones((80, 1)), (rng.uniform(size=80) < 0.7).astype(np.int64)
    model = unlearner.fit(X, codes, np.ones(80), problems.settings(C=1.0, fit_intercept=False))
    more = np.array([change])
    carryover = model.carryover.edited(None, None, more)
    objective = replace(model.objective, alpha=model.objective.alpha + more)
    with jax.enable_x64(True):
        geometry = gram_of("gram", objective, None, None).geometry
    found = reference.optimum(X, codes, np.ones(80), 1.0 / (1.0 + change), False)
    return carryover if known else replace(carryover, present=None), geometry, found


@pytest.mark.parametrize("known", [True, False])
def test_a_penalty_that_has_grown_must_be_counted(known):
    broken = 0
    for change in (1.0, 3.0, 7.0):
        carryover, geometry, found = penalised_anew(change, known)
        told = checked(carryover, geometry, found)
        assert told is not None and told[1]
        # The gradient as it was; and the curvature's upper end as it was.
        stale = replace(carryover, gradient=0.5 * carryover.gradient)
        assert not checked(stale, geometry, found)[1]
        short = checked(replace(carryover, added=0.0), geometry, found)
        broken += not short[1]
    assert broken >= (0 if known else 2)


@pytest.mark.parametrize("T", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("t", [0.0, 1e-6, 0.4, 3.0])
def test_the_inverse_range_is_attained_and_no_less_will_do(T, t):
    # l'' = e^z is the extreme case: from w to w + d its mean is (e^d - 1) / d times that at w.
    low, high = inverse_range(0.5, 2.0, T, t)
    for d, M, slope in ((t, 2.0, np.exp(T)), (-t, 0.5, np.exp(-T))):
        mean = M * slope * (np.expm1(d) / d if d else 1.0)
        assert low <= 1 / mean <= high
        assert min(abs(low * mean - 1), abs(high * mean - 1)) <= 1e-11
    for bad in ((0.0, 1.0, 0.1, 0.1), (1.0, 0.5, 0.1, 0.1), (1.0, 1.0, -0.1, 0.1)):
        with pytest.raises(ValueError, match="bad ranges"):
            inverse_range(*bad)


def test_the_middle_step_leaves_what_it_says_and_no_less():
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(2000):
        q = int(rng.integers(1, 5))
        A = rng.normal(size=(q, q))
        L = np.linalg.cholesky(A @ A.T + 1e-3 * np.eye(q))
        low, high = np.sort(10.0 ** rng.uniform(-1, 1, size=2))
        Q = np.linalg.qr(rng.normal(size=(q, q)))[0]
        inverse = (Q * rng.choice([low, high], size=q)) @ Q.T
        # In coordinates where B is the identity: d = -H^{-1} g, the step -omega g.
        g, omega = rng.normal(size=q), rng.uniform(low, high)
        left = np.linalg.norm(inverse @ g - omega * g)
        bound = max(high - omega, omega - low) * np.linalg.norm(g)
        assert left <= bound * (1 + 1e-12)
        worst = max(worst, left / bound)
        assert L.shape == (q, q)
    assert worst > 1 - 1e-9


@pytest.mark.parametrize("K", [1, 2, 4])
def test_the_share_of_a_hessian_is_at_least_the_truth(K):
    rng, most = np.random.default_rng(K), 0.0
    for seed in range(40):
        p, m = int(rng.integers(1, 6)), int(rng.integers(1, 30))
        X = rng.normal(size=(m, p)) * 10.0 ** rng.uniform(-2, 2, size=p)
        W = rng.normal(size=(p, K)) * 10.0 ** rng.uniform(-2, 1)
        loss, weight = (Softmax(K) if K > 1 else Logistic()), 10.0 ** rng.uniform(-2, 2, size=m)
        share = Contribution.of(loss, X, rng.integers(0, max(K, 2), size=m), weight, W, W)
        kept = share.hessian + np.diag(share.diagonal + 1e-3)
        factor = factorise(kept, np.diag(kept).copy(), 1e-15)
        root = share.root.astype(np.longdouble)
        white = reference.lower_inverse(factor.lower.astype(np.longdouble)) @ root.T
        truth = np.linalg.norm(white.astype(np.float64), 2) ** 2
        claimed = share.hessian_share(factor)
        assert truth * (1 - 1e-12) <= claimed <= truth * 1.02 + 0.03, seed
        most = max(most, truth)
    assert most > 0.4


def test_a_batch_that_is_too_large_for_its_matrix_takes_no_refresh(monkeypatch):
    monkeypatch.setattr(present, "_FASTER", 0)
    tiers = Counter()
    for seed in range(4):
        _, carryover, objective, geometry, found = removed_from("plain", "gram", seed, 0.2, 3)
        assert carryover.present is None
        with jax.enable_x64(True):
            _, out = carried(carryover, objective, geometry, 1e-3, most=30)
        assert not isinstance(out, np.ndarray)
        true, error = found.apart(out.W, problems.half_of(geometry))
        assert true <= out.distance + error <= 1.1e-3
        tiers[out.tier] += 1
    assert tiers == {"chord": 4}
