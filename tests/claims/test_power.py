"""The best test's power: above the truth, not far above, and against an independent library."""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from certunlearn import CertifiedLogReg
from certunlearn.claims.budget import calibrate, composed
from certunlearn.claims.certificate import Certificate
from certunlearn.claims.power import Promise
from certunlearn.claims.tradeoff import mu_from_epsilon_delta

RATES = [0.0, 1e-300, 1e-12, 1e-6, 0.01, 0.05, 0.3, 0.5, 0.9, 0.999999, 1.0]


def exact(epsilon, delta, mu, a):
    """Power of the best test, from epsilon and delta and from mu, to 50 digits."""
    with mpmath.workdps(50):
        e, d, mu, a = (mpmath.mpf(v) for v in (epsilon, delta, mu, a))
        line = min(mpmath.mpf(1), mpmath.exp(e) * a + d, 1 - mpmath.exp(-e) * (1 - d - a))
        if a in (0, 1):
            return min(line, a)
        # Phi^{-1}(a) by bisection: the inverse error function is no good in the tail.
        low, high = mpmath.mpf(-40), mpmath.mpf(40)
        for _ in range(150):
            middle = (low + high) / 2
            low, high = (middle, high) if mpmath.ncdf(middle) < a else (low, middle)
        return min(line, mpmath.ncdf(low + mu))


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1e-2])
def test_true_positive_rate_is_at_least_the_truth_and_not_far_above(epsilon, delta):
    mu = mu_from_epsilon_delta(epsilon, delta)
    for a in RATES:
        truth = exact(epsilon, delta, mu, a)
        found = Promise(epsilon, delta, mu).true_positive_rate(a)
        assert found >= truth
        assert found <= float(truth) * (1 + 1e-9) + 2e-15


@settings(derandomize=True, database=None, deadline=None)
@given(st.floats(0, 1), st.floats(1e-6, 10), st.floats(0, 0.1), st.floats(0, 5))
def test_true_positive_rate_holds_whichever_law_is_the_hypothesis(a, epsilon, delta, mu):
    promise = Promise(epsilon, delta, mu)
    b = promise.true_positive_rate(a)
    # The test that rejects where this one does not has level 1 - b, but for what was rounded up.
    assert promise.true_positive_rate(min(1.0, 1 - b + 1e-10)) >= 1 - a - 1e-12
    assert a <= b <= 1
    assert b - a <= promise.advantage + 3e-11


@pytest.mark.parametrize("a", [5e-324, 1e-320, 1e-310, 1e-300])
@pytest.mark.parametrize("mu", [1e-12, 1e-3, 0.2, 3.0])
def test_levels_below_the_normal_numbers(a, mu):
    with mpmath.workdps(40):
        level = mpmath.log(mpmath.mpf(a))
        start = -mpmath.sqrt(-2 * level)
        x = mpmath.findroot(lambda t: mpmath.log(mpmath.ncdf(t)) - level, start)
        true = mpmath.ncdf(x + mpmath.mpf(mu))
    # Epsilon and delta that leave the bound to mu.
    found = Promise(600.0, 0.4, mu=mu).true_positive_rate(a)
    # A unit of a subnormal level is no small part of it.
    assert true <= found <= (1.0001 if a > 1e-308 else 20) * true + 2e-300


def test_rates_that_are_none_are_refused():
    for a in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Promise(1.0, 1e-6).true_positive_rate(a)


@pytest.mark.parametrize("drift", [0.0, 1e-3, 0.5])
def test_drift_is_charged_on_either_side(drift):
    mu, a, tail = 0.4, 0.05, 1e-4
    found = Promise(math.inf, 1.0, mu, drift, -math.log(tail)).true_positive_rate(a)
    first = norm.cdf(norm.ppf(math.exp(drift) * a + tail) + mu)
    second = math.exp(drift) * norm.cdf(norm.ppf(a) + mu) + tail
    assert max(first, second) <= found <= max(first, second) * (1 + 1e-9)


def test_drift_bound_holds_for_gaussians_whose_variances_differ():
    # M ~ N(mu, 1), N12 ~ N(0, 1), N2 ~ N(0, s^2): the loss of the last two is at most log s on
    # everything but a tail.
    mu, s = 0.3, 1.01
    edge = 3.5
    drift = edge**2 / 2 * (1 - s**-2)
    tail = 2 * norm.sf(edge / s)
    promise = Promise(math.inf, 1.0, mu, drift, -math.log(tail))
    for cut in np.linspace(-3, 3, 25):
        m, n = norm.sf(cut - mu), norm.sf(cut / s)
        assert m <= promise.true_positive_rate(n)
        assert n <= promise.true_positive_rate(m)


@pytest.mark.parametrize("epsilon, delta", [(0.1, 1e-6), (1.0, 1e-6), (4.0, 1e-3)])
def test_advantage_is_the_largest_gap(epsilon, delta):
    for mu in (mu_from_epsilon_delta(epsilon, delta), math.inf):
        promise = Promise(epsilon, delta, mu)
        gaps = [promise.true_positive_rate(a) - a for a in np.linspace(0, 1, 2001)]
        # Either is rounded up by itself.
        assert max(gaps) <= promise.advantage + 1e-11 <= max(gaps) + 1e-3
        assert promise.even_odds == pytest.approx(0.5 + promise.advantage / 2, rel=1e-12)


def test_extremes_promise_nothing_or_everything():
    assert Promise(math.inf, 1.0).true_positive_rate(0.01) == 1.0
    assert Promise(1e300, 0.0).advantage == 1.0
    nothing = Promise(1e-9, 0.0, 0.0)
    assert 0.01 <= nothing.true_positive_rate(0.01) <= 0.01 * (1 + 2e-9)
    assert nothing.advantage <= 1e-9


def certificate(mechanism="gram", view="release", releases=1, dimension=5, **asked):
    asked = {"epsilon": 1.0, "delta": 1e-6} | asked
    drifts = mechanism != "isotropic"
    budget = calibrate(**asked, sigma=0.1, dimension=dimension, drifts=drifts, view=view)
    joint = budget.joint(releases)
    return budget, Certificate(
        kind="gaussian",
        **asked,
        mu=budget.mu,
        drift=budget.drift,
        sigma=0.1,
        noise=0.1,
        scale=(1.0,),
        mechanism=mechanism,
        view=view,
        distance_target=budget.distance_target,
        fit_distance=budget.fit_distance,
        joint_epsilon=joint.epsilon,
        joint_mu=joint.mu,
        joint_drift=joint.drift,
        coefficient_deviation=(0.1, 0.1, 0.1),
        reference="retraining",
        n_retained=10,
        library="certunlearn",
    )


@pytest.mark.parametrize("epsilon, delta", [(1e-3, 1e-9), (0.1, 1e-6), (1.0, 1e-6), (20.0, 1e-2)])
def test_one_release_charges_the_drift_that_the_budget_does(epsilon, delta):
    budget, c = certificate(epsilon=epsilon, delta=delta)
    promise = c.promise
    assert promise.drift_epsilon == budget.drift_epsilon > 0
    # What calibrate leaves for the means is what is left of delta beside this tail.
    tail = promise.drift_delta * math.exp(epsilon)
    left = 0.999 * delta * math.exp(-budget.drift_epsilon)
    assert tail == pytest.approx(1e-3 * delta)
    expected = mu_from_epsilon_delta(epsilon - budget.drift_epsilon, left * (1 - 1e-12))
    assert promise.mu == budget.mu == expected
    isotropic = certificate("isotropic", epsilon=epsilon, delta=delta)[1].promise
    assert isotropic.drift_epsilon == isotropic.drift_delta == 0


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@pytest.mark.parametrize("releases", [2, 3, 17, 100])
@pytest.mark.parametrize("epsilon, delta", [(0.1, 1e-9), (1.0, 1e-6), (3.0, 1e-3)])
def test_all_releases_have_the_shift_of_so_many(mechanism, releases, epsilon, delta):
    budget, c = certificate(mechanism, releases=releases, epsilon=epsilon, delta=delta)
    joint = c.joint_promise
    assert joint.epsilon == c.joint_epsilon > epsilon
    assert joint.mu >= budget.mu * math.sqrt(releases)
    assert joint.mu == pytest.approx(budget.mu * math.sqrt(releases), rel=1e-12)
    assert (joint.drift_epsilon > 0) is (mechanism != "isotropic")
    # Far below what epsilon and delta alone say.
    if releases == 17:
        assert joint.even_odds < Promise(joint.epsilon, delta).even_odds
        assert joint.true_positive_rate(0.05) >= norm.cdf(norm.ppf(0.05) + joint.mu)


def test_all_releases_are_one_release_where_the_view_says_so():
    for view, releases in (("transcript", 40), ("release", 1)):
        _, c = certificate(view=view, releases=releases)
        assert c.joint_promise == c.promise


@pytest.mark.parametrize("mechanism", ["gram", "isotropic"])
@pytest.mark.parametrize("releases", [1, 2, 50, 3000])
@pytest.mark.parametrize(
    "epsilon, delta",
    [(1e-6, 1e-30), (1e-3, 1e-9), (0.1, 1e-3), (1.0, 1e-6), (30.0, 0.3), (700.0, 0.5)],
)
def test_what_is_issued_follows_from_mu_and_the_drift(mechanism, releases, epsilon, delta):
    _, c = certificate(mechanism, releases=releases, epsilon=epsilon, delta=delta)
    for promise in (c.promise, c.joint_promise):
        assert promise.contradiction() is None
        assert promise.implied_delta <= delta * (1 + 1e-12) or promise.epsilon == math.inf
        if promise.epsilon < math.inf and delta > 1e-12:
            smaller = replace(promise, epsilon=0.8 * promise.epsilon)
            shift = replace(promise, mu=1.2 * promise.mu)
            assert "do not follow from mu" in str(smaller.contradiction()) or epsilon < 1e-2
            assert "do not follow from mu" in str(shift.contradiction())
            less = replace(promise, mu=0.6 * promise.mu).contradiction()
            assert "is smaller than what" in str(less) or promise.epsilon > 100


@pytest.mark.long
def test_nothing_that_is_issued_contradicts_itself():
    rng, seen = np.random.default_rng(0), 0
    for view in ["release", "transcript"] * 1500:
        epsilon, delta = 10 ** rng.uniform(-6, 2.84), 10 ** rng.uniform(-30, -0.05)
        dimension, drifts = int(10 ** rng.uniform(0, 5)), bool(rng.integers(4))
        budget = calibrate(epsilon, delta, 0.1, dimension=dimension, drifts=drifts, view=view)
        other = calibrate(10 ** rng.uniform(-3, 1.5), delta, 0.1, dimension=3, drifts=True)
        parts = [(budget, int(10 ** rng.uniform(0, 5))), (other, int(10 ** rng.uniform(0, 2)))]
        for joint in (budget.joint(1), budget.joint(parts[0][1]), composed(parts, delta)):
            seen += joint.epsilon < math.inf
            promise = Promise(joint.epsilon, delta, joint.mu, *joint.drift)
            assert promise.contradiction() is None, promise
        several, one = budget.joint(parts[0][1]), budget.joint(1)
        assert several.epsilon >= one.epsilon and several.mu >= one.mu
    assert seen > 7000


def test_implied_delta_is_the_chain_of_the_shift_and_the_drift():
    epsilon, mu, e, d = 1.0, 0.25, 0.01, 1e-7
    x = (epsilon - e) / mu
    shift = norm.cdf(mu / 2 - x) - math.exp(epsilon - e) * norm.cdf(-mu / 2 - x)
    chains = math.exp(e) * shift + d, shift + math.exp(epsilon - e) * d
    drifting = Promise(epsilon, 0.1, mu, e, -math.log(d))
    assert drifting.implied_delta == pytest.approx(max(chains), rel=1e-9)
    assert Promise(epsilon, 0.1, math.inf).implied_delta == 1.0
    assert Promise(epsilon, 0.1, mu, 2.0, -math.log(d)).implied_delta == 1.0
    assert Promise(math.inf, 0.1).implied_delta == 0.0


def test_a_certificate_that_claims_nothing_promises_nothing():
    model = CertifiedLogReg(noise=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    for read in ("promise", "joint_promise"):
        with pytest.raises(ValueError, match="promises nothing"):
            getattr(model.certificate_, read)
