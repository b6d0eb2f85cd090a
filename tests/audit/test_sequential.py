"""Continuous self-audit: the level holds however often it is looked at, and faults are found."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import binom, chi2, ncx2

from certunlearn import CertifiedLogReg
from certunlearn.audit import Law, SelfAudit, weights
from certunlearn.audit.sequential import SMALLER, STAKES, log_bets

from .worlds import newton, world

W = world()


def worth_between(a, b, law, k, degrees, cap):
    """Mean of a bet over an interval of its law."""

    def density(t):
        return math.exp(log_bets(t, degrees, cap**2)[k]) * law.pdf(t)

    return quad(density, a, b, epsrel=1e-4)[0]


@pytest.mark.parametrize("degrees", [3, 12])
@pytest.mark.parametrize("cap", [0.0, 1.5])
def test_a_bet_is_worth_at_most_one_whatever_the_shift_within_the_cap(degrees, cap):
    for shift in {0.0, cap}:
        law = ncx2(degrees, shift**2) if shift else chi2(degrees)
        ends = law.ppf([0, 1e-12, 0.5, 1 - 1e-13])
        worth = [
            sum(worth_between(a, b, law, k, degrees, cap) for a, b in itertools.pairwise(ends))
            for k in range(len(STAKES))
        ]
        assert max(worth) <= 1 + 1e-5
        # At the edge of what is claimed each kind of bet is a fair one.
        if shift == 0:
            assert worth[0] == pytest.approx(1, abs=1e-3)
        if shift == cap:
            assert worth[len(SMALLER)] == pytest.approx(1, abs=1e-2)
    assert sum(STAKES) == pytest.approx(1)


def test_honest_releases_are_seldom_found_at_fault_however_often_one_looks():
    law, runs, alarms = replace(W.law, cap=0.05), 60, 0
    u = np.ones((5, 1))
    u *= law.cap / np.linalg.norm(np.linalg.cholesky(law.precision).T @ u)
    for s in range(runs):
        rng = np.random.default_rng(s)
        log, top = 0.0, 0.0
        for y in law.whitened(law.draw(W.kept + u, 40, rng) - W.kept):
            log = log + log_bets(float(np.sum(y**2)), 5, (law.cap / law.sigma[0]) ** 2)
            top = max(top, logsumexp(log, b=STAKES))
        alarms += top >= math.log(1 / 0.05)
    assert alarms <= binom.ppf(1 - 1e-5, runs, 0.05)


@pytest.mark.parametrize(
    "law, mean", [(replace(W.law, sigma=W.law.sigma / 2), W.kept), (W.law, W.full)]
)
def test_half_the_noise_and_a_stale_iterate_are_found(law, mean):
    for s in range(20):
        rng, audit = np.random.default_rng(s), SelfAudit(rate=0.5)
        for _ in range(60):
            audit = audit.after(law.draw(mean, 1, rng)[0], W.law, lambda: W.kept, rng=rng)
        assert not audit.finding().passed and 10 < audit.looks < 50 and audit.requests == 60


def test_nothing_is_solved_for_where_nothing_is_looked_at():
    def never():
        raise AssertionError

    audit = SelfAudit(rate=0.0).after(W.kept, W.law, never)
    assert audit.looks == 0 and audit.finding().passed


def test_a_true_distance_above_the_certified_one_fails_at_once():
    audit = SelfAudit(rate=1.0)
    draw = W.law.draw(W.kept, 1, np.random.default_rng(0))[0]
    good = audit.after(draw, W.law, lambda: W.kept, iterate=W.kept + 1e-6, distance=1.0)
    assert good.finding().passed and 0 < good.ratios[0] < 1
    bad = audit.after(draw, W.law, lambda: W.kept, iterate=W.full, distance=1e-3)
    assert bad.finding().statistic == math.inf and not bad.finding().passed


def test_a_certified_model_is_watched_request_by_request():
    model = CertifiedLogReg(random_state=0).fit(W.X, W.y)
    audit, D = SelfAudit(rate=1.0), np.c_[W.X, np.ones(len(W.X))]
    for i in range(12):
        model.forget([i])
        c = model.certificate_
        law = Law.claimed(c.to_json(), W.X[i + 1 :], kappa="logistic", alpha=1.0)
        audit = audit.after(
            weights(model),
            law,
            lambda i=i: newton(D[i + 1 :], W.y[i + 1 :], 1.0)[:, None],
            iterate=model._fitted.model.W,
            distance=c.distance,
        )
    assert audit.finding().passed and audit.looks == 12 and max(audit.ratios) <= 1
