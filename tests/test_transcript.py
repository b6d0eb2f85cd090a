"""All releases together: caps that fall like 1/t keep the joint guarantee for ever."""

from collections import Counter

import numpy as np
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.tradeoff import calibrate, delta_from_epsilon

RELEASES = 10_000


def data(n=400, d=4):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)


def spent(model, releases):
    """Sum of mu_t^2 that the realised distances and the promises of the reference add up to."""
    budget, total = model._model.budget, 0.0
    for t, entry in enumerate(model.history_[1:], start=1):
        caps = budget.caps(t)
        assert entry["distance"] <= caps.target
        total += ((entry["distance"] + caps.fit * (1 + caps.drift)) / budget.sigma) ** 2
    assert t == releases
    return total


def test_ten_thousand_releases_stay_within_one_budget():
    X, y = data()
    model = CertifiedLogReg(view="transcript", random_state=0).fit(X, y)
    for i in range(200):
        model.forget(i)
    W = model._model.W
    while len(model.history_) <= RELEASES:
        model.release()
    budget = model._model.budget
    assert spent(model, RELEASES) <= budget.mu**2
    assert delta_from_epsilon(budget.epsilon - budget.drift_epsilon, budget.mu) <= budget.delta
    certificate = model.certificate_
    assert certificate.joint_epsilon == certificate.epsilon == 1.0
    assert "all releases since the oldest removal together" in str(certificate)
    assert certificate.distance_target < 1e-5
    tiers = Counter(entry["tier"] for entry in model.history_)
    assert tiers["release"] == RELEASES - 200
    assert np.abs(model._model.W - W).max() < 1e-3


def test_the_release_view_exceeds_the_same_budget():
    X, y = data()
    model = CertifiedLogReg(view="release", random_state=0).fit(X, y)
    for i in range(200):
        model.forget(i)
    assert spent(model, 200) > model._model.budget.mu**2
    assert model.certificate_.joint_epsilon > 2.0


@pytest.mark.parametrize("drifts", [True, False])
def test_caps_add_up(drifts):
    budget = calibrate(1.0, 1e-6, 0.1, dimension=30, drifts=drifts, view="transcript")
    caps = [budget.caps(t) for t in range(1, RELEASES + 1)]
    total = sum(((c.target + c.fit * (1 + c.drift)) / budget.sigma) ** 2 for c in caps)
    assert 0.99 * budget.mu**2 <= total <= budget.mu**2
    assert sum(c.drift**2 for c in caps) <= 6 * budget.drift_cap**2
    single = calibrate(1.0, 1e-6, 0.1, dimension=30, drifts=drifts)
    assert sum((single.caps(t).target / 0.1) ** 2 for t in range(1, 5)) > single.mu**2
    assert single.joint_epsilon(10) > 1.0 == budget.joint_epsilon(10)
