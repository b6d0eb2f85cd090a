"""Canaries, influence, null space, difference, representation: level, power, what they measure."""

import json

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression, Ridge

from certunlearn import CertifiedLogReg, CertifiedMinNorm
from certunlearn.audit import (
    Law,
    difference_attack,
    influence_residue,
    linear_cka,
    null_space,
    plant,
    representation,
    weights,
)

from .worlds import World, world

SEEDS = range(20)


def few(alarms, runs, level=0.05):
    return alarms <= binom.ppf(1 - 1e-4, runs, level)


# Canaries


def planted(seed, classes=2, m=40):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 100)) * 3.0
    y = rng.integers(0, classes, 60)
    return X, y, plant(X, y, m, seed=seed + 100)


@pytest.mark.parametrize("classes", [2, 4])
def test_canaries_pass_with_the_oracle_and_catch_who_forgets_nothing(classes):
    alarms = 0
    for s in SEEDS:
        X, y, c = planted(s, classes)
        whole = LogisticRegression().fit(np.vstack([X, c.X]), np.append(y, c.y))
        oracle = LogisticRegression().fit(X, y)
        alarms += not c.score(oracle, whole).passed
        nothing = c.score(whole, whole)
        assert not nothing.passed and nothing.power["nothing forgotten"] > 0.9
    assert few(alarms, len(SEEDS))


def test_the_null_of_canaries_is_standard_normal():
    X, y, _ = planted(0)
    oracle, z = LogisticRegression().fit(X, y), []
    for s in range(400):
        c = plant(X, y, 10, seed=s)
        z.append(c._trace(oracle))
    assert abs(np.mean(z)) < 5 / 20 and 0.8 < np.std(z) < 1.2


def test_canaries_of_a_certified_removal_and_of_numbers():
    X, y, c = planted(1)
    model = CertifiedLogReg(noise=0.01, random_state=0).fit(np.vstack([X, c.X]), np.append(y, c.y))
    before = model.export_predictor()
    model.forget(np.arange(60, 100), confirm=True)
    assert c.score(model, before, level=0.01).passed
    c = plant(X, X[:, 0], 20, seed=3)
    whole = Ridge().fit(np.vstack([X, c.X]), np.append(X[:, 0], c.y))
    assert c.score(Ridge().fit(X, X[:, 0]), whole, level=1e-3).passed
    assert not c.score(whole, whole).passed


def test_canaries_that_leave_no_trace_are_refused():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5000, 3)), rng.integers(0, 2, 5000)
    c = plant(X, y, 5, size=0.1, seed=0)
    whole = LogisticRegression().fit(np.vstack([X, c.X]), np.append(y, c.y))
    with pytest.raises(ValueError, match="plant more"):
        c.score(whole, whole, least_power=0.95)


# Influence


def test_the_oracle_has_no_influence_left_and_a_stale_iterate_all_of_it():
    w, alarms = World(far=25.0), 0
    for s in SEEDS:
        rng = np.random.default_rng(s)
        alarms += not influence_residue(w.law.draw(w.kept, 1, rng), w.kept, w.full, w.law).passed
        stale = influence_residue(w.law.draw(w.full, 1, rng), w.kept, w.full, w.law)
        assert not stale.passed and stale.interval[0] < 1 < stale.interval[1] + 0.5
        assert stale.power["100% left"] > 0.99
    assert few(alarms, len(SEEDS))


def test_a_third_of_the_influence_is_measured_as_such():
    w, inside = World(far=25.0), 0
    mixed = w.kept + (w.full - w.kept) / 3
    for s in range(100):
        found = influence_residue(
            w.law.draw(mixed, 2, np.random.default_rng(s)), w.kept, w.full, w.law
        )
        inside += found.interval[0] <= 1 / 3 <= found.interval[1]
    assert inside >= binom.ppf(1e-4, 100, 0.95)
    with pytest.raises(ValueError, match="no influence"):
        influence_residue(w.kept, w.kept, w.kept, w.law)


# Null space


def wide(seed=0, n=12, d=30):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=n)


def test_only_noise_is_left_where_only_forgotten_rows_were():
    X, y = wide()
    alarms, law = 0, Law(np.eye(30), np.array([0.05]))
    ridge = lambda a, b: Ridge(alpha=0.1, fit_intercept=False).fit(a, b).coef_  # noqa: E731
    whole, kept = ridge(X, y), ridge(X[3:], y[3:])
    for s in SEEDS:
        noise = 0.05 * np.random.default_rng(s).normal(size=30)
        oracle = null_space(kept + noise, X[3:], X[:3], law, before=whole)
        alarms += not oracle.passed
        assert oracle.directions == 3 and oracle.power["nothing forgotten"] > 0.9
        assert not null_space(whole + noise, X[3:], X[:3], law).passed
    assert few(alarms, len(SEEDS))


def test_the_noise_of_a_release_before_is_not_taken_for_power():
    X, _ = wide()
    law, sigma = Law(np.eye(30), np.array([0.05])), 0.05
    away = X[0] - X[3:].T @ np.linalg.lstsq(X[3:].T, X[0])[0]
    for size in (0.0, 3.0):
        there = away * sigma * np.sqrt(size) / np.linalg.norm(away)
        said, caught = 0.0, 0
        for s in range(200):
            before, after = there + sigma * np.random.default_rng(s).normal(size=(2, 30))
            found = null_space(after, X[3:], X[:3], law, before=before)
            said += found.power["nothing forgotten"] / 200
            caught += not found.passed
        assert said <= caught / 200 + 0.1


def test_the_shortest_interpolant_forgets_there_too():
    X, y = wide()
    model = CertifiedMinNorm(noise=0.1, random_state=0).fit(X, y)
    before = model.coef_.copy()
    model.forget([0, 1, 2], confirm=True)
    c = model.certificate_
    law = Law(np.eye(30), c.noise * np.array(c.scale), c.distance_target)
    found = null_space(model.coef_, X[3:], X[:3], law, before=before, level=1e-4)
    assert found.passed
    assert not null_space(before, X[3:], X[:3], law).passed


def test_rows_that_others_span_leave_no_such_direction():
    X, _ = wide(n=40, d=5)
    with pytest.raises(ValueError, match="span all"):
        null_space(np.zeros(5), X[3:], X[:3], Law(np.eye(5), np.ones(1)))


# Difference of two releases


def test_a_release_before_gives_the_row_away():
    w, ranks = world(), []
    D = np.c_[w.X, np.ones(len(w.X))]
    for s in SEEDS:
        rng = np.random.default_rng(s)
        before, after = w.law.draw(w.full, 1, rng)[0], w.law.draw(w.kept, 1, rng)[0]
        slope = 1 / (1 + np.exp(-(D @ before)[:, 0])) - w.y
        found = difference_attack(before, after, (slope[:, None] * D)[..., None], [0], w.law)
        ranks.append(found.ranks[0])
        assert not hasattr(found, "passed")
        # Without the release before nothing is to be seen of it.
        again = w.law.draw(w.kept, 1, rng)[0]
        ranks_of_nothing = difference_attack(
            after, again, (slope[:, None] * D)[..., None], [0], w.law
        )
        assert ranks_of_nothing.ranks[0] > 1
    assert np.mean(np.array(ranks) == 1) > 0.9 and found.mu[0] > 5
    assert "never a pass" in str(found)


# Representation


def test_a_frozen_extractor_that_saw_the_rows_is_told_from_one_that_did_not():
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(300, 10)), rng.integers(0, 2, 300)
    # Labels are random: an extractor that learnt them by heart writes them into the features.
    heart = np.c_[Z, np.r_[6.0 * y[:200], np.zeros(100)]]
    part = lambda F, a, b: (F[a:b], y[a:b])  # noqa: E731
    parts = (part(heart, 0, 100), part(heart, 100, 200), part(heart, 200, 300))
    found = representation(*parts, never=(Z[100:200], Z[200:]))
    assert found.agreement_forgotten > 0.95 > found.agreement_fresh + 0.2
    assert found.intervals[0][0] > found.intervals[1][1]
    assert found.cka_forgotten < 0.9 < found.cka_fresh
    blind = representation(part(Z, 0, 100), part(Z, 100, 200), part(Z, 200, 300))
    assert blind.intervals[0][0] < blind.intervals[1][1]
    assert json.loads(blind.to_json())["cka_fresh"] == "nan"
    assert np.isnan(linear_cka(np.ones((5, 2)), Z[:5]))


def test_weights_of_models_of_others():
    X, y = wide()
    ridge = Ridge().fit(X, y)
    assert weights(ridge).shape == (31, 1) and weights(ridge)[-1, 0] == ridge.intercept_
    assert weights(Ridge(fit_intercept=False).fit(X, y)).shape == (31, 1)
    assert weights(ridge, fit_intercept=False).shape == (30, 1)
