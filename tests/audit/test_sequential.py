"""Continuous self-audit: the level holds however often it is looked at, and faults are found."""

import itertools
import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import binom, chi2, ncx2, poisson
from sklearn.datasets import make_classification

from certunlearn import CertifiedLogReg
from certunlearn.audit import Law, SelfAudit, weights
from certunlearn.audit.sequential import SMALLER, STAKES, log_bets, log_ratio
from certunlearn.operations.self_audit import self_audit

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


def mixed(t, degrees, shift):
    """Density of non-central chi-square as its Poisson mixture, for few terms."""
    terms = [poisson.pmf(j, shift / 2) * chi2.pdf(t, degrees + 2 * j) for j in range(40)]
    return np.sum(terms, axis=0)


@pytest.mark.parametrize("degrees", [300, 5000, 100_000])
@pytest.mark.parametrize("cap", [0.0, 1e-4, 1.5])
def test_of_many_degrees_too_a_bet_is_worth_at_most_one(degrees, cap):
    deviation = math.sqrt(2.0 * degrees)
    t = np.linspace(degrees - 12 * deviation, degrees + 200 + 14 * deviation, 600)
    bets = np.array([np.exp(log_bets(x, degrees, cap**2)[len(SMALLER) :]) for x in t])
    for shift in {0.0, cap}:
        worth = bets.T @ mixed(t, degrees, shift**2) * (t[1] - t[0])
        assert max(worth) <= 1 + 1e-9
        if shift == cap:
            assert worth == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("degrees", [1, 3, 230, 1000, 5000, 100_000])
@pytest.mark.parametrize("shift", [0.0, 1e-300, 1e-8, 1.0, 1e3])
def test_a_ratio_of_densities_is_right_and_never_too_large(degrees, shift):
    deviation = math.sqrt(2.0 * degrees + 4.0 * shift)
    with mpmath.workdps(50):
        for t in (1e-9, degrees / 2, degrees + shift, degrees + shift + 30 * deviation):
            b, quarter = mpmath.mpf(degrees) / 2, mpmath.mpf(t) / 4
            above = mpmath.hyp0f1(b, (mpmath.mpf(shift) + 100) * quarter)
            true = mpmath.log(above / mpmath.hyp0f1(b, shift * quarter)) - 50
            assert true - 1e-8 <= mpmath.mpf(log_ratio(t, degrees, shift, 100.0)) <= true


def test_nothing_is_won_where_nothing_can_be_computed():
    nothing = [0.0] * len(STAKES)
    assert log_bets(math.nan, 1000, 1e-8).tolist() == nothing
    for shift in (1e9, math.inf, math.nan):
        assert log_bets(1e3, 1000, shift)[len(SMALLER) :].tolist() == nothing[len(SMALLER) :]
    # However far off a release is, no bet wins without end.
    assert max(log_bets(math.inf, 1000, 1e-8)) < 400


@pytest.mark.parametrize("shape", [(20, 15), (50, 20), (50, 100)])
def test_honest_models_of_many_coefficients_stay_in_band(shape):
    for cap in (0.0, 1e-4, 1.0):
        law, audit = Law(np.eye(shape[0]), np.ones(1), cap), SelfAudit(rate=1.0)
        W = np.full(shape, cap / math.sqrt(math.prod(shape)))
        for release in law.draw(W, 40, np.random.default_rng(1)):
            audit = audit.after(release, law, lambda: np.zeros(shape))
        assert audit.finding().passed and np.isfinite(audit.fortunes).all()


def test_a_certified_model_of_many_classes_stays_in_band():
    shape = dict(n_informative=8, n_classes=26, n_clusters_per_class=1, random_state=0)
    X, y = make_classification(700, 12, **shape)
    model = CertifiedLogReg(random_state=0).fit(X, y).forget([30])
    assert model.coef_.size + model.intercept_.size == 338
    assert self_audit(model, SelfAudit(rate=1.0)).finding().passed


@pytest.mark.parametrize("times, sigma", [(10.0, 1.0), (0.0, 0.5)])
def test_faults_of_many_coefficients_are_found(times, sigma):
    law, shape = Law(np.eye(20), np.ones(1), 1.0), (20, 30)
    W = np.full(shape, times * law.cap / math.sqrt(math.prod(shape)))
    for s in range(5):
        audit = SelfAudit(rate=1.0)
        for release in replace(law, sigma=np.full(1, sigma)).draw(W, 40, np.random.default_rng(s)):
            audit = audit.after(release, law, lambda: np.zeros(shape))
        assert not audit.finding().passed


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
