"""All releases together: equal caps to the horizon, falling ones after, one budget for ever."""

import math
from collections import Counter

import numpy as np
import pytest
from mpmath import mp, mpf

from certunlearn import CertifiedLogReg
from certunlearn.claims.budget import calibrate, drift_shares
from certunlearn.claims.tradeoff import delta_from_epsilon

RELEASES = 10_000


def data(n=400, d=4):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)


def spent(model, releases):
    """Sum of mu_t^2 that the realised distances and the promises of the reference add up to."""
    budget, total = model._fitted.model.budget, 0.0
    for t, entry in enumerate(model.history_[1:], start=1):
        caps = budget.caps(t)
        assert entry["distance"] <= caps.target
        total += ((entry["distance"] + caps.fit * (1 + caps.drift)) / budget.sigma) ** 2
    assert t == releases
    return total


@pytest.mark.long
def test_ten_thousand_releases_stay_within_one_budget():
    X, y = data()
    model = CertifiedLogReg(random_state=0).fit(X, y)
    for i in range(200):
        model.forget(i)
    W = model._fitted.model.W
    while len(model.history_) <= RELEASES:
        model.release()
    budget = model._fitted.model.budget
    assert spent(model, RELEASES) <= budget.mu**2
    assert delta_from_epsilon(budget.epsilon - budget.drift_epsilon, budget.mu) <= budget.delta
    certificate = model.certificate_
    assert certificate.joint_epsilon == certificate.epsilon == 1.0
    assert "all releases since the oldest removal together" in str(certificate)
    assert certificate.distance_target < 1e-4
    assert (certificate.releases, certificate.horizon) == (RELEASES, 1_000)
    tiers = Counter(entry["tier"] for entry in model.history_)
    assert tiers["release"] == RELEASES - 200
    assert np.abs(model._fitted.model.W - W).max() < 1e-3


def test_the_release_view_exceeds_the_same_budget():
    X, y = data()
    model = CertifiedLogReg(view="release", random_state=0).fit(X, y)
    for i in range(200):
        model.forget(i)
    assert spent(model, 200) > model._fitted.model.budget.mu**2
    assert model.certificate_.joint_epsilon > 2.0


@pytest.mark.parametrize("drifts", [True, False])
@pytest.mark.parametrize("horizon", [1, 7, 1_000, 20_000])
def test_caps_add_up(drifts, horizon):
    asked = {"dimension": 30, "drifts": drifts, "view": "transcript", "horizon": horizon}
    budget = calibrate(1.0, 1e-6, 0.1, **asked)
    caps = [budget.caps(t) for t in range(1, RELEASES + 1)]
    total = sum(((c.target + c.fit * (1 + c.drift)) / budget.sigma) ** 2 for c in caps)
    # What all later releases may use: 0.1 H / RELEASES, or the rest of the horizon as well.
    later = 0.1 * horizon / RELEASES if horizon < RELEASES else 1 - 0.9 * RELEASES / horizon
    assert 0.999 * budget.mu**2 <= total + later * budget.mu**2 <= (1 + 1e-12) * budget.mu**2
    assert all(a.target >= b.target > 0 for a, b in zip(caps, caps[1:], strict=False))
    # Without drift nothing is charged, and nothing may seem to drift.
    assert all((c.drift > 0) == drifts and c.drift >= 0 for c in caps)
    within = caps[: min(horizon, RELEASES)]
    assert len({c.target for c in within}) == 1


def test_a_hundredth_more_at_every_release_would_be_too_much():
    budget = calibrate(1.0, 1e-6, 0.1, dimension=30, drifts=False, view="transcript", horizon=100)
    total = sum(budget.share(t) for t in range(1, 100_000))
    assert total <= 1.0 < 1.01 * total
    # Equal caps for a hundred releases and no less after them add up without end.
    assert 0.9 / 100 * 200 > 1.0


@pytest.mark.parametrize("epsilon", [1e-140, 1.6e-149, 1e-155, 1e-160])
def test_a_drift_below_the_normal_numbers_is_refused(epsilon):
    """Their roundings would be charged to nobody."""
    asked = {"dimension": 755, "drifts": True, "view": "transcript", "horizon": 10}
    try:
        budget = calibrate(epsilon, 0.9999999999999999, 1.0, **asked)
    except ValueError as error:
        assert epsilon < 1e-145 and "no room for the rounding" in str(error)
        return
    assert epsilon > 1e-145
    spread, _ = drift_shares(budget.drift_epsilon, budget.drift[1])
    with mp.workdps(50):
        cap = mpf(budget.drift_cap)
        assert 755 * (cap / (1 - 2 * cap)) ** 2 / 4 <= mpf(budget.share(1)) * mpf(spread)


@pytest.mark.parametrize("horizon", [1, 50])
def test_the_drift_of_all_releases_is_charged(horizon):
    asked = {"dimension": 3, "drifts": True, "view": "transcript", "horizon": horizon}
    budget = calibrate(1.0, 1e-6, 0.1, **asked)
    with mp.workdps(30):
        caps = [mpf(budget.caps(t).drift) for t in range(1, 20_000)]
        spread = 3 * sum((c / (1 - 2 * c)) ** 2 for c in caps) / 4
        allowed, largest = drift_shares(budget.drift_epsilon, 1.0 - math.log(1e-9))
        # All but what is left for releases still to come; with one, the largest drift binds.
        assert (0.99 if horizon > 1 else 0.1) * allowed < spread <= allowed
        assert max(caps) <= largest


def test_a_certificate_says_how_many_releases_are_left():
    X, y = data()
    model = CertifiedLogReg(horizon=3, random_state=0).fit(X, y)
    assert "nothing has been removed" in str(model.certificate_)
    said = [str(model.forget(i).certificate_) for i in range(4)]
    assert "1 since the oldest removal, 2 of 3 planned ones left" in said[0]
    assert "3 since the oldest removal, 0 of 3 planned ones left" in said[2]
    assert "4 since the oldest removal, beyond the 3 planned" in said[3]
    assert model.certificate_.joint_epsilon == model.certificate_.epsilon
    alone = CertifiedLogReg(view="release", random_state=0).fit(X, y).forget(0).release()
    assert "2 since the oldest removal\n" in str(alone.certificate_)
    assert alone.certificate_.horizon is None and alone.certificate_.releases == 2


@pytest.mark.parametrize("drifts", [True, False])
def test_single_releases_cost_more_together(drifts):
    asked = {"dimension": 30, "drifts": drifts}
    budget = calibrate(1.0, 1e-6, 0.1, **asked, view="transcript", horizon=100)
    single = calibrate(1.0, 1e-6, 0.1, **asked)
    assert sum((single.caps(t).target / 0.1) ** 2 for t in range(1, 5)) > single.mu**2
    assert single.joint_epsilon(10) > 1.0 == budget.joint_epsilon(10)
