"""The white-box test of a release's law: its level, its power, and the certificates it reads."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, chi2, kstest

from certunlearn import (
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedPoissonRegressor,
    CertifiedRidge,
)
from certunlearn.audit import Law, release_law
from certunlearn.audit.law import beyond

from .worlds import many, newton, world

LEVEL, RUNS = 0.1, 150


def law_of(d, cap=0.0):
    rng = np.random.default_rng(d)
    A = rng.normal(size=(d, d))
    return Law(A @ A.T + np.eye(d), np.array([0.3]), cap)


def rate(found):
    return np.mean([not f.passed for f in found])


def band(level):
    """Rates that a test of this level shows in so many runs, but for one time in a million."""
    return binom.ppf([5e-7, 1 - 5e-7], RUNS, level) / RUNS


@pytest.mark.parametrize("d, J", [(1, 1), (5, 1), (31, 1), (5, 20)])
def test_the_oracle_fails_at_its_level(d, J):
    rng, law = np.random.default_rng(0), law_of(d)
    found = [
        release_law(law.draw(np.zeros(d), J, rng), np.zeros((d, 1)), law, level=LEVEL)
        for _ in range(RUNS)
    ]
    low, high = band(LEVEL)
    assert low <= rate(found) <= high
    assert np.mean([f.sigma_interval[0] <= 1 <= f.sigma_interval[1] for f in found]) > 0.9
    assert np.mean([f.shift_interval[0] <= 0 for f in found]) > 0.9


def test_the_control_has_the_claimed_covariance():
    law, rng = law_of(4), np.random.default_rng(1)
    y = law.whitened(law.draw(np.ones(4), 4000, rng) - np.ones((4, 1)))
    assert kstest(y.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.cov(y[:, :, 0].T) - np.eye(4)).max() < 0.1


@pytest.mark.parametrize("J", [1, 6])
def test_a_shift_within_the_cap_is_no_fault_and_intervals_hold_it(J):
    law, rng = law_of(5, cap=0.6), np.random.default_rng(2)
    u = rng.normal(size=(5, 1))
    u *= law.cap / np.linalg.norm(np.linalg.cholesky(law.precision).T @ u)
    found = [
        release_law(law.draw(u, J, rng), np.zeros((5, 1)), law, level=LEVEL) for _ in range(RUNS)
    ]
    assert rate(found) <= band(LEVEL)[1]
    for name, truth in (("sigma_interval", 1.0), ("shift_interval", 2.0)):
        inside = [getattr(f, name)[0] <= truth <= getattr(f, name)[1] for f in found]
        assert np.mean(inside) >= band(0.95)[0]


@pytest.mark.parametrize("d", [5, 31])
@pytest.mark.parametrize("factor", [2, 3, 10])
def test_the_printed_power_is_that_of_noise_too_small(d, factor):
    law, rng = law_of(d), np.random.default_rng(3)
    small = replace(law, sigma=law.sigma / factor)
    found = [
        release_law(small.draw(np.zeros(d), 1, rng), np.zeros((d, 1)), law, level=LEVEL)
        for _ in range(RUNS)
    ]
    said = found[0].power[f"noise {factor} times too small"]
    low, high = band(said)
    assert low <= rate(found) <= high
    # A release of 31 numbers gives half the noise away nearly always, one of 5 half of the time.
    if factor == 2:
        assert 0.4 < said < 0.6 if d == 5 else said > 0.99


def test_one_vector_of_noise_for_all_releases_is_caught():
    law, rng = law_of(5), np.random.default_rng(4)
    for _ in range(20):
        one = law.draw(np.zeros(5), 1, rng)
        assert not release_law(np.repeat(one, 8, axis=0), np.zeros((5, 1)), law).passed


def test_a_stale_iterate_is_caught():
    w, rng = world(), np.random.default_rng(5)
    for _ in range(20):
        assert not release_law(w.law.draw(w.full, 4, rng), w.kept, w.law).passed
        assert release_law(w.law.draw(w.kept, 4, rng), w.kept, w.law, level=1e-6).passed


def removed(model, X, y, count=25):
    return many(model.fit(X, y).forget([0, 3, 7]), count)


def test_a_certified_logistic_regression_keeps_the_law_of_its_certificate():
    w = world()
    model = CertifiedLogReg(C=0.7)
    releases = removed(model, w.X, w.y)
    keep = np.delete(np.arange(len(w.X)), [0, 3, 7])
    D = np.c_[w.X[keep], np.ones(len(keep))]
    optimum = newton(D, w.y[keep], 1 / 0.7)[:, None]
    said = model.certificate_.public().to_json()
    law = Law.claimed(said, w.X[keep], kappa="logistic", alpha=1 / 0.7)
    found = release_law(releases, optimum, law, level=1e-6)
    assert found.passed and found.power["noise 2 times too small"] > 0.999
    assert 0.7 < found.sigma_ratio < 1.4
    # The same releases under the claim of more noise, and against the optimum of all rows.
    assert not release_law(releases, optimum, replace(law, sigma=3 * law.sigma)).passed
    stale = newton(np.c_[w.X, np.ones(len(w.X))], w.y, 1 / 0.7)[:, None]
    assert not release_law(releases, stale, law).passed


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
def test_ridge_keeps_its_law_under_every_mechanism(mechanism):
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    model = CertifiedRidge(alpha=0.5, mechanism=mechanism)
    releases = removed(model, X, y)
    keep = np.delete(np.arange(60), [0, 3, 7])
    D = np.c_[X[keep], np.ones(57)]
    optimum = np.linalg.solve(D.T @ D + np.diag([0.5] * 3 + [0]), D.T @ y[keep])[:, None]
    law = Law.claimed(model.certificate_.to_json(), X[keep], kappa="squared", alpha=0.5)
    assert release_law(releases, optimum, law, level=1e-6).passed
    assert not release_law(releases, optimum, replace(law, sigma=2 * law.sigma)).passed


@pytest.mark.parametrize(
    "kind, kappa",
    [(CertifiedPoissonRegressor, 1.0), (CertifiedHuberRegressor, 1.0), (CertifiedLinearSVC, None)],
)
def test_noise_of_other_estimators_is_what_they_claim(kind, kappa):
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(80, 3)), rng.integers(0, 2, 80)
    model = kind(mechanism="isotropic")
    releases = removed(model, X, y, 40)
    # Without an optimum of our own: the mean of the releases takes its place and its freedom.
    said = json.loads(model.certificate_.to_json())
    law = Law(np.eye(4), said["noise"] * np.array(said["scale"]))
    spread = releases - releases.mean(axis=0)
    t = float(np.sum(law.whitened(spread) ** 2))
    assert 1e-6 < chi2.cdf(t, 39 * 4) < 1 - 1e-6


def test_what_is_no_claim_is_refused():
    model = CertifiedLogReg(noise=0).fit(*(world().X, world().y))
    with pytest.raises(ValueError, match="claims nothing"):
        Law.claimed(model.certificate_.to_json(), world().X, kappa="logistic", alpha=1.0)
    with pytest.raises(ValueError, match="do not fit"):
        release_law(np.zeros((2, 3, 1)), np.zeros((4, 1)), law_of(4))
    with pytest.raises(ValueError, match="finite"):
        release_law(np.full((1, 4, 1), np.nan), np.zeros((4, 1)), law_of(4))


def test_a_finding_prints_its_band_and_its_power_and_writes_json():
    law = law_of(5)
    found = release_law(law.draw(np.zeros(5), 1, np.random.default_rng(0)), np.zeros((5, 1)), law)
    text = str(found)
    assert "null band" in text and "power, noise 2 times too small" in text
    read = json.loads(found.to_json())
    assert read["passed"] is found.passed and read["null"][1] == "inf"
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize("degrees", [1, 3, 300, 100_000])
def test_the_chance_to_be_beyond_is_a_number_however_large_the_shift(degrees):
    for shift in (0.0, 1e-12, 1.0, 1e3, 1e5, 1e10):
        deviation = math.sqrt(2 * degrees + 4 * shift)
        steps = degrees + shift + deviation * np.array([-2, 0, 2, 8])
        at = np.sort([1e-8, 0.1 * (degrees + shift), *steps[steps > 0]])
        chances = np.array([beyond(x, degrees, shift) for x in at])
        assert np.all(np.diff(chances) <= 0) and 0 <= chances[-1] < 0.01
        assert chances[0] == pytest.approx(1, abs=1e-3)
        if shift >= 1e3:
            assert np.all(chances[:2] == 1)


def test_a_release_just_at_an_optimum_that_should_be_far_off_has_an_interval():
    law = Law(np.eye(1), np.ones(1), math.sqrt(1e5))
    low, high = release_law(np.full((1, 1, 1), 1.25e-4), np.zeros((1, 1)), law).sigma_interval
    assert low == 0 < high
