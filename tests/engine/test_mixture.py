"""Mixtures: distances against mixed long double optima, refusals, and what is released."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge

from certunlearn import (
    Certificate,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedRidge,
    mix,
)
from certunlearn.claims.budget import composed
from certunlearn.claims.certificate import SAME_PROGRAM, SEEDED
from certunlearn.claims.tradeoff import epsilon_from_delta
from certunlearn.engine import mixture as engine_mixture
from certunlearn.engine import unlearner
from certunlearn.exceptions import AssumptionError, ConvergenceError, NotCertifiedError

from .. import problems, reference, strategies

LD = np.longdouble
X, Y = load_breast_cancer(return_X_y=True)
GONE = [17, 42, 100]
SHARES = [0.25, 0.75]


def single(**more):
    return CertifiedLogReg(**{"view": "release"} | more)


def logistic(C, gone=GONE, **more):
    return single(C=C, **{"random_state": 0} | more).fit(X, Y).forget(gone)


def realised(models, shares=None, random_state=None):
    """The owner's certificate of a mixture."""
    shares = np.full(len(models), 1 / len(models)) if shares is None else shares
    return engine_mixture._mixture([m._fitted.model for m in models], shares, random_state)[1]


@pytest.fixture(scope="module")
def models():
    return [logistic(0.1), logistic(1.0)]


@pytest.mark.parametrize("regime", strategies.REGIMES)
def test_no_certified_distance_is_below_the_truth(regime):
    checked = 0
    for seed in range(6):
        rng = np.random.default_rng([seed, 77])
        n, d, K = (9, 12, 2) if regime == "wide" else strategies.SHAPES[[3, 7][seed % 2]]
        rows, codes, weight = strategies.REGIMES[regime](rng, n, d, K)
        Cs, shares = 10.0 ** rng.uniform(-3, 3, 3), rng.dirichlet(np.ones(3))
        gone, intercept = rng.choice(n, 2, replace=False), bool(rng.integers(2))
        made = []
        try:
            for C in Cs:
                settings = problems.settings(
                    C=C, fit_intercept=intercept, mechanism=("gram", "isotropic")[seed % 2]
                )
                model = unlearner.fit(rows, codes, weight, settings)
                made.append(model.forget(np.sort(gone)))
        except (NotCertifiedError, ConvergenceError, AssumptionError):
            continue
        base = min(made, key=lambda m: m.settings.alpha)
        W, distance = engine_mixture._mean(made, shares, base.gram.geometry)
        left = weight.copy()
        left[gone] = 0.0
        half, error, away = problems.half_of(base.gram.geometry), 0.0, W.astype(LD)
        for C, share in zip(Cs, shares, strict=True):
            exact = reference.optimum(rows, codes, left, C, intercept)
            away = away - share * exact.W
            error += share * exact.error(half)
        truth = reference.norm_of(half, away)
        if error < 0.01 * distance:
            checked += 1
            assert truth <= distance + error
    assert checked >= 2


def test_the_sharper_norm_would_need_its_constant():
    # Where the penalty is all there is, a norm is ten times another and no distance carries over.
    rows, codes = np.array([[1e-3], [-1e-3]]), np.array([1, 0])
    settings = [problems.settings(C=C, fit_intercept=False) for C in (1.0, 0.01)]
    flat, sharp = (unlearner.fit(rows, codes, np.ones(2), s) for s in settings)
    by = 1e-3
    moved = []
    for model in (flat, sharp):
        size = model.gram.geometry.norm(np.array([[by]]))
        reached = model.reached._replace(W=model.W + by, distance=size)
        moved.append(replace(model, reached=reached))
    for base in (flat, sharp):
        _, distance = engine_mixture._mean(moved, np.array(SHARES), base.gram.geometry)
        truth = base.gram.geometry.norm(np.array([[by]]))
        assert truth <= distance * (1 + 1e-12)
    without = sum(w * m.reached.distance for w, m in zip(SHARES, moved, strict=True))
    assert truth > 1.2 * without


@pytest.mark.parametrize("K", [2, 3])
def test_without_noise_it_is_the_mean_of_refits(K):
    features, y = load_iris(return_X_y=True)
    chosen = (y < K) & (np.arange(len(y)) % 5 > 0)
    features, y = features[chosen], y[chosen]
    Cs = (0.3, 3.0)
    made = [single(C=C, noise=0).fit(features, y).forget([3, 60]) for C in Cs]
    mixed = mix(made, SHARES)
    kept = np.setdiff1d(np.arange(len(y)), [3, 60])
    refits = [
        LogisticRegression(C=C, tol=1e-12, solver="newton-cholesky").fit(features[kept], y[kept])
        for C in Cs
    ]
    for name in ("coef_", "intercept_"):
        wanted = sum(w * getattr(r, name) for w, r in zip(SHARES, refits, strict=True))
        np.testing.assert_allclose(getattr(mixed, name), wanted, rtol=1e-6, atol=1e-7)
    assert mixed.certificate_.kind == "none"
    assert mixed.predict(features).shape == y.shape


def test_ridge_with_several_targets():
    features, y = (part[:120] for part in load_diabetes(return_X_y=True))
    features = features[:, :4]
    targets = np.c_[y, y**2 / 100]
    made = [CertifiedRidge(alpha=a, noise=0).fit(features, targets).forget(5) for a in (0.1, 1.0)]
    mixed = mix(made)
    kept = np.arange(len(y)) != 5
    refits = [Ridge(alpha=a, solver="svd").fit(features[kept], targets[kept]) for a in (0.1, 1.0)]
    wanted = (refits[0].coef_ + refits[1].coef_) / 2
    np.testing.assert_allclose(mixed.coef_, wanted, rtol=1e-7)
    np.testing.assert_allclose(
        mixed.predict(features), (refits[0].predict(features) + refits[1].predict(features)) / 2
    )


def test_what_is_claimed(models):
    mixed = mix(models, SHARES, random_state=3)
    c = realised(models, SHARES, random_state=3)
    # What is handed on with the weights says nothing of the rows removed.
    assert mixed.certificate_.matches(mixed) and mixed.certificate_.event == "release"
    of = {f.name: None for f in fields(c) if f.metadata.get("event")}
    assert replace(mixed.certificate_, **of) == replace(c.public(), **of)
    assert (
        mixed.certificate_.check(1.0, 1e-6, allow_seeded=True)
        and c.tier == "mixture"
        and c.n_retained == len(Y) - 3
    )
    assert 0 < c.distance <= c.distance_target
    assert "weights 0.25, 0.75" in c.reference
    assert (
        engine_mixture.CHOSEN in c.conditions and "reproducible noise: not private" in c.conditions
    )
    assert Certificate.from_json(mixed.certificate_.to_json()) == mixed.certificate_
    # One release of each model since its removal, and the mixture: three together.
    budget = models[0]._fitted.model.budget
    assert c.joint_epsilon == budget.joint_epsilon(3) > budget.joint_epsilon(2)
    assert c.joint_epsilon >= epsilon_from_delta(1e-6, budget.mu * np.sqrt(3))


def test_the_noise_is_fresh_and_of_the_size_stated(models):
    secret = sum(w * m._fitted.model.W for w, m in zip(SHARES, models, strict=True))[:-1, 0]
    spread = models[1]._fitted.model.gram.geometry.deviations(0.1)[:-1]
    draws = np.array([mix(models, SHARES).coef_[0] - secret for _ in range(400)]) / spread
    assert len(np.unique(draws)) == draws.size
    # Standard deviation of 400 draws: 3.5 % of itself, 30 coefficients.
    np.testing.assert_allclose(draws.std(axis=0), 1.0, atol=0.17)
    seeded = [mix(models, SHARES, random_state=0).coef_ for _ in range(2)]
    assert np.array_equal(*seeded)
    # Not the noise that the models with the same seed have drawn.
    own = (models[1].coef_[0] - models[1]._fitted.model.W[:-1, 0]) / spread
    assert not np.allclose((seeded[0][0] - secret) / spread, own, atol=1e-3)


def test_models_are_as_they_were_and_nothing_secret_leaves(models):
    before = [(m.coef_.copy(), m._fitted.model, len(m.history_)) for m in models]
    data = pickle.dumps(mix(models))
    for m, (coef, model, events) in zip(models, before, strict=True):
        assert (
            np.array_equal(m.coef_, coef) and m._fitted.model is model and len(m.history_) == events
        )
        assert m._fitted.model.W.tobytes()[:64] not in data
    assert not any(row.tobytes() in data for row in X[:20])


def test_a_mixture_of_fits_is_the_reference(models):
    fits = [single(C=C, random_state=0).fit(X, Y) for C in (0.1, 1.0)]
    c = realised(fits)
    assert c.joint_epsilon == c.epsilon and c.distance <= c.fit_distance
    worse = fits[0]._fitted.model.reached._replace(distance=c.distance_target)
    fitted = fits[0]._fitted
    fits[0]._fitted = replace(fitted, model=replace(fitted.model, reached=worse))
    with pytest.raises(NotCertifiedError, match="smaller tol"):
        mix(fits)


def test_requests_may_have_come_in_any_order(models):
    other = single(C=10.0, random_state=1).fit(X, Y).forget(100).forget([42, 17])
    assert mix([*models, other]).certificate_.check(1.0, 1e-6, allow_seeded=True)


@pytest.mark.parametrize(
    "other, match",
    [
        (lambda: logistic(1.0, gone=[17]), "same rows"),
        (lambda: single().fit(np.delete(X, GONE, 0), 1 - np.delete(Y, GONE)), "same rows"),
        (lambda: single().fit(X, Y, np.full(len(Y), 2.0)).forget(GONE), "same rows"),
        (lambda: single().fit(2 * X, Y).forget(GONE), "same rows"),
        (lambda: logistic(1.0, epsilon=2.0), "epsilon"),
        (lambda: logistic(1.0, mechanism="isotropic", noise=0.01), "noise, mechanism"),
        (lambda: CertifiedLinearSVC().fit(X[:120, :4], Y[:120]), "no common scale"),
        (lambda: CertifiedMinNorm().fit(np.eye(3), np.arange(3.0)), "with a penalty"),
    ],
)
def test_others_are_refused(models, other, match):
    with pytest.raises(AssumptionError, match=match):
        mix([models[0], other()])


def test_what_is_not_accounted_for_is_refused():
    made = [logistic(C, mechanism="objective") for C in (0.1, 1.0)]
    with pytest.raises(AssumptionError, match="a mixture is certified with"):
        mix(made)


def test_of_a_transcript_all_releases_count_once():
    made = [logistic(C, view="transcript") for C in (0.1, 1.0)]
    budget = made[0]._fitted.model.budget
    joint = composed([(budget, 1)] * 3, 1e-6).epsilon
    for _ in range(3):
        c = realised(made, SHARES)
        since = 1 + sum(m.certificate_.releases for m in made)
        assert c.view == "release" and c.releases == since
        assert mix(made, SHARES).certificate_.check(1.0, 1e-6, allow_seeded=True)
        assert 0 < c.distance <= c.distance_target == budget.caps(since).target
        # The drift of up to a thousand releases is charged for each, as they may still come.
        assert joint <= c.joint_epsilon <= joint + 0.02
        assert c.joint_epsilon >= epsilon_from_delta(1e-6, budget.mu * np.sqrt(3))
        for model in made:
            model.release()


@pytest.mark.parametrize(
    "fitted, said",
    [
        ({"epsilon": 50.0}, {"epsilon": 1.0}),
        ({"mechanism": "objective"}, {"mechanism": "gram"}),
        ({"view": "transcript"}, {"view": "release"}),
    ],
)
def test_parameters_set_after_the_fit_hide_nothing(models, fitted, said):
    other = logistic(1.0, **fitted).set_params(**said)
    with pytest.raises(AssumptionError, match=next(iter(fitted))):
        mix([models[0], other])
    with pytest.raises(AssumptionError, match=next(iter(fitted))):
        mix([other, models[0]])


def test_a_seed_of_any_model_is_told(models):
    # The joint epsilon counts their releases, whose noise can be drawn again.
    fresh = [single(C=C).fit(X, Y).forget(GONE) for C in (0.1, 1.0)]
    assert SEEDED not in mix(fresh).certificate_.conditions
    for chosen in (models, [fresh[0], models[1]], [models[0], fresh[1]]):
        for seed in (None, 0):
            assert mix(chosen, random_state=seed).certificate_.conditions.count(SEEDED) == 1


def test_what_any_model_assumes_is_told():
    # Two columns that differ by a millionth.  Where rows weigh so much that the penalty is nothing
    # beside them, only the same program gives the same G.
    features = np.c_[X[:, 0] / 10, X[:, 0] / 10 + 1e-7 * np.cos(np.arange(len(X)))]
    alike = {"noise": 1.0, "view": "release"}
    heavy = single(C=0.5, class_weight={0: 1e9, 1: 1e9}, **alike)
    plain = single(C=1.0, **alike)
    made = [m.fit(features, Y).forget(GONE) for m in (heavy, plain)]
    assert [SAME_PROGRAM in m.certificate_.conditions for m in made] == [True, False]
    # The noise is that of the smaller penalty; the other's releases are counted with it.
    assert SAME_PROGRAM in mix(made).certificate_.conditions
    assert SAME_PROGRAM not in mix(made[1:]).certificate_.conditions


def test_what_is_promised_is_the_same_where_a_row_never_was(models):
    fits = [single(C=C).fit(np.delete(X, GONE, 0), np.delete(Y, GONE)) for C in (0.1, 1.0)]
    left, right = realised([fits[0], models[1]]), realised([models[0], fits[1]])
    assert left.public() == right.public() and left.n_forgotten == right.n_forgotten == 3


@pytest.mark.parametrize("shares", [[0.5], [0.5, 0.6], [-0.5, 1.5], [np.nan, 1.0], [[0.5, 0.5]]])
def test_weights_are_checked(models, shares):
    with pytest.raises(ValueError, match="weights"):
        mix(models, shares)


def test_nothing_to_mix():
    with pytest.raises(ValueError, match="no model"):
        mix([])
