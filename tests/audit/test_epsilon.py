"""Lower bounds on epsilon: their confidence, the faults they show, other people's figures."""

import math
from dataclasses import replace

import numpy as np
import pytest
from dp_accounting import get_epsilon_gaussian, get_sigma_gaussian
from scipy.stats import binom

from certunlearn import (
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
)
from certunlearn.audit import effective_epsilon, one_run_epsilon
from certunlearn.audit.one_run import one_run_bound, one_run_p_value
from certunlearn.audit.rates import mean_interval, rate_above, rate_below

from .worlds import World, many

SEEDS, RUNS, DELTA = range(20), 1600, 1e-6
FAR = World(far=25.0)


def bound(released, reference, claimed=1.0, **more):
    return effective_epsilon(released, reference, delta=DELTA, claimed=claimed, **more)


def both(rng, law, optimum, count=RUNS):
    return law.draw(optimum, count, rng), FAR.law.draw(FAR.kept, count, rng)


def test_the_oracle_shows_more_than_nothing_no_oftener_than_stated():
    found = [bound(*both(np.random.default_rng(s), FAR.law, FAR.kept), claimed=0.0) for s in SEEDS]
    alarms = sum(not f.passed for f in found)
    assert alarms <= binom.ppf(1 - 1e-4, 20, 0.05)
    assert all(f.statistic <= 1.0 and f.ceiling > 5 for f in found)


FAULTS = {
    "noise 3 times too small": (replace(FAR.law, sigma=FAR.law.sigma / 3), FAR.kept),
    "noise 10 times too small": (replace(FAR.law, sigma=FAR.law.sigma / 10), FAR.kept),
    "a stale iterate": (FAR.law, FAR.full),
    "a forgotten covariance": (FAR.stale_law, FAR.kept),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_show_more_than_is_certified(fault):
    for s in SEEDS:
        assert not bound(*both(np.random.default_rng(s), *FAULTS[fault])).passed


def test_one_vector_of_noise_for_two_releases_is_caught():
    for s in SEEDS:
        rng = np.random.default_rng(s)
        one, other = (FAR.law.draw(FAR.kept, RUNS, rng) for _ in range(2))
        shared = np.stack([one, one + 1e-4 * FAR.full.T[..., None].reshape(1, -1, 1)], axis=1)
        fresh = np.stack([other, FAR.law.draw(FAR.kept, RUNS, rng)], axis=1)
        assert not bound(shared, fresh).passed
        # Each release by itself is as it should be.
        assert bound(shared[:, 0], fresh[:, 0]).passed


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_the_bound_is_below_the_exact_epsilon_of_two_gaussians(epsilon):
    mu = 1 / get_sigma_gaussian(epsilon, 1e-2)
    exact = get_epsilon_gaussian(1 / mu, 1e-2)
    above, found = 0, []
    for s in SEEDS:
        rng = np.random.default_rng(s)
        p, q = rng.normal(size=(RUNS, 2)), rng.normal(size=(RUNS, 2))
        p[:, 0] += mu
        found.append(effective_epsilon(p, q, delta=1e-2).statistic)
        above += found[-1] > exact
    assert above <= binom.ppf(1 - 1e-4, 20, 0.05)
    assert max(found) > 0.2 * exact


def test_printed_power_is_that_of_a_known_attack():
    said, caught = None, 0
    for s in range(24):
        rng = np.random.default_rng(s)
        p, q = rng.normal(size=(400, 1)) + 1.0, rng.normal(size=(400, 1))
        found = effective_epsilon(p, q, delta=0.0, claimed=0.4, score=lambda x: x[:, 0])
        said, caught = found.power["mean 1 deviations off"], caught + (not found.passed)
    # The power is that of the best threshold; one that was looked for on other runs has less.
    assert caught / 24 <= said + 0.2 and caught / 24 >= said - 0.4 and said > 0.5


KINDS = {
    CertifiedLogReg: lambda X, y: y,
    CertifiedLinearSVC: lambda X, y: y,
    CertifiedRidge: lambda X, y: X[:, 0] + y,
    CertifiedPoissonRegressor: lambda X, y: y + 1,
    CertifiedGammaRegressor: lambda X, y: y + 1.5,
    CertifiedHuberRegressor: lambda X, y: X[:, 1] + y,
}


def audited(kind, target, mechanism, count):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    X[5] *= 6.0
    y, keep = target(X, y), np.arange(60) != 5
    removed = kind(mechanism=mechanism).fit(X, y).forget([5])
    retrained = kind(mechanism=mechanism).fit(X[keep], y[keep])
    c = removed.certificate_
    # The certificate states epsilon with its drift; both laws are this library's own.
    return effective_epsilon(
        many(removed, count), many(retrained, count), delta=c.delta, claimed=c.epsilon,
        confidence=0.9999,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [CertifiedLogReg, CertifiedRidge])
def test_what_is_audited_is_below_what_is_certified(kind):
    found = audited(kind, KINDS[kind], "gram", 200)
    assert found.passed and found.ceiling > found.null[1]


@pytest.mark.long
@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_audited_is_below_what_is_certified_everywhere(kind, mechanism):
    assert audited(kind, KINDS[kind], mechanism, 1000).passed


@pytest.mark.long
def test_what_is_audited_of_the_shortest_interpolant_is_below_too():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(20, 40))
    removed = CertifiedMinNorm(noise=1.0).fit(X, X[:, 0]).forget([5])
    keep = np.arange(20) != 5
    retrained = CertifiedMinNorm(noise=1.0).fit(X[keep], X[keep, 0])
    assert bound(many(removed, 1000), many(retrained, 1000), confidence=0.9999).passed


def test_too_few_runs_are_refused():
    with pytest.raises(ValueError, match="at least 40"):
        bound(np.zeros((39, 2)), np.zeros((50, 2)))
    with pytest.raises(ValueError, match="same shape"):
        bound(np.zeros((50, 2)), np.zeros((50, 3)))


# One run


def test_one_run_at_its_level_and_caught():
    alarms = 0
    for s in range(20):
        rng = np.random.default_rng(s)
        coins, noise = rng.random(200) < 0.5, rng.normal(size=200)
        alarms += not one_run_epsilon(noise, coins, delta=0.0).passed
        assert not one_run_epsilon(noise + 3 * coins, coins, delta=1e-6, claimed=1.0).passed
    assert alarms <= binom.ppf(1 - 1e-4, 20, 0.05)


def test_one_run_of_independent_gaussian_canaries_stays_below_the_truth():
    # Scores c_i mu + z_i: changing one coin is mu-GDP.
    mu, above = 1 / get_sigma_gaussian(1.0, 1e-3), 0
    exact = get_epsilon_gaussian(1 / mu, 1e-3)
    for s in range(20):
        rng = np.random.default_rng(s)
        coins = rng.random(1000) < 0.5
        found = one_run_epsilon(rng.normal(size=1000) + mu * coins, coins, delta=1e-3)
        above += found.statistic > exact
    assert above <= binom.ppf(1 - 1e-4, 20, 0.05)


def test_the_p_value_is_the_largest_over_a_search_of_its_slopes():
    m, r, v, delta, q = 50, 30, 24, 1e-3, 1 / (1 + math.exp(-0.7))
    slopes = [sum(binom.pmf(v - j, r, q) for j in range(1, i + 1)) / i for i in range(1, v + 1)]
    by_hand = binom.sf(v - 1, r, q) + 2 * m * delta * max(slopes)
    assert one_run_p_value(m, r, v, 0.7, delta) == pytest.approx(by_hand, rel=1e-9)


# Beside jax-privacy


@pytest.fixture
def auditing():
    return pytest.importorskip("jax_privacy.auditing", exc_type=ImportError)


def test_clopper_pearson_agrees_with_jax_privacy(auditing):
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=300) + 1.5, rng.normal(size=300)
    theirs = auditing.CanaryScoreAuditor(inside, outside).epsilon_clopper_pearson(
        0.05, 1e-3, threshold_strategy=auditing.Explicit(1.2)
    )
    hits, false = (inside >= 1.2).sum(), (outside >= 1.2).sum()
    ours = math.log((rate_below(hits, 300, 0.025) - 1e-3) / rate_above(false, 300, 0.025))
    assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("delta", [1e-9, 1e-4, 1e-2])
def test_one_run_agrees_with_jax_privacy(auditing, delta):
    rng = np.random.default_rng(1)
    inside, outside = rng.normal(size=200) + 1.5, rng.normal(size=200)
    theirs = auditing.CanaryScoreAuditor(inside, outside).epsilon_one_run(
        0.05, delta, threshold_strategy=auditing.Explicit(1.0)
    )
    v, r = (inside >= 1.0).sum(), (inside >= 1.0).sum() + (outside >= 1.0).sum()
    ours = one_run_bound(400, r, v, delta=delta, outside=0.05)
    assert ours == pytest.approx(theirs, abs=1e-3)


# Rates


def test_intervals_of_means_hold_for_clusters():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        low, high = mean_interval(rng.beta(0.2, 1.8, size=60), 0.9)
        inside += low <= 0.1 <= high
    assert inside >= 0.9 * 300
    assert mean_interval(np.zeros(10), 0.9)[0] == 0.0
    assert mean_interval(np.ones(10), 0.9)[1] == 1.0
    with pytest.raises(ValueError, match="in"):
        mean_interval([1.5], 0.9)
