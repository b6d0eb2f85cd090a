"""Forgetting inside meta-estimators: who may, what it costs in epsilon, and who is refused."""

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pytest
from mpmath import mp, mpf
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from certunlearn import (
    Certificate,
    CertifiedElasticNet,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedRidge,
    certificate_report,
    forget_in,
    forgetting,
)
from certunlearn.claims import budget as claims_budget
from certunlearn.engine.unlearner import Model
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AssumptionError,
    ConfirmationNeededError,
    NotCertifiedError,
    UnknownRowError,
)

from ..pipeline.test_pipeline import N, numbers, piped, sound


def vote(**params):
    members = [
        ("a", CertifiedLogReg(C=0.1, **params)),
        ("b", CertifiedLogReg(C=1.0, **params)),
        ("c", CertifiedLinearSVC(C=0.1, **params)),
    ]
    return VotingClassifier(members)


def standard():
    X, y = numbers()
    return StandardScaler().fit_transform(X), y


def delta_at(epsilon, mu):
    """Balle and Wang's delta, in many digits."""
    with mp.workdps(50):
        e, m = mpf(epsilon), mpf(mu)
        return mp.ncdf(m / 2 - e / m) - mp.exp(e) * mp.ncdf(-m / 2 - e / m)


def test_a_search_forgets_in_its_best_estimator_and_says_what_was_chosen():
    X, y = numbers()
    grid = {"a__with_mean": [True, False], "head__C": [0.01, 0.1]}
    search = GridSearchCV(piped(StandardScaler()), grid, cv=2).fit(X, y)
    scores = {k: np.array(v) for k, v in search.cv_results_.items()}
    c = forget_in(search, [0, 7])
    sound(search.best_estimator_, X, y, np.setdiff1d(np.arange(N), [0, 7]))
    assert c.check(1.0, 1e-6, allow_seeded=True) and c.matches(search)
    assert c.n_retained == N - 2 and c.n_forgotten == 2
    line = c.not_covered[0]
    assert "chosen by GridSearchCV with the forgotten rows" in line
    assert f"head__C={search.best_params_['head__C']}" in line and "cv_results_" in line
    assert "fit the search anew on the rows that stay" in line
    assert c.not_covered[1:] == search.best_estimator_.certificate_.not_covered
    for key, value in search.cv_results_.items():
        np.testing.assert_array_equal(np.array(value), scores[key])
    assert Certificate.from_json(c.to_json()) == c
    assert "chosen by GridSearchCV" in certificate_report(c)
    with pytest.raises(AlreadyForgottenError):
        forget_in(search, [7])


def test_groups_that_a_search_keeps_for_its_splitter():
    X, y = numbers()
    users, ids = np.arange(N) // 4, [f"row {i}" for i in range(N)]
    plain = make_pipeline(StandardScaler(), CertifiedLogReg(random_state=0))
    for model in (plain[-1], forgetting(plain)):
        search = GridSearchCV(model, {}, cv=GroupKFold(2)).fit(X, y, groups=users, row_ids=ids)
        # It says what was done, and what is to be done.
        with pytest.raises(UnknownRowError, match="GridSearchCV.fit hands groups= to its splitter"):
            forget_in(search, groups=3)
        with pytest.raises(UnknownRowError, match="CertifiedLogReg.*set_fit_request.groups=True"):
            forget_in(search, groups=3)
        assert forget_in(search, row_ids="row 5").n_retained == N - 1
    with config_context(enable_metadata_routing=True):
        asked = {"groups": True, "row_ids": True, "sample_weight": True}
        plain[-1].set_fit_request(**asked)
        plain[0].set_fit_request(sample_weight=False)
        weight = np.random.default_rng(0).uniform(0.5, 2, size=N)
        for model in (plain[-1], forgetting(plain)):
            scorer = get_scorer("accuracy").set_score_request(sample_weight=False)
            search = GridSearchCV(model, {}, cv=GroupKFold(2), scoring=scorer)
            search.fit(X, y, groups=users, row_ids=ids, sample_weight=weight)
            c = forget_in(search, groups=[3, 4])
            assert c.n_retained == N - 8 and forget_in(search, row_ids="row 0").n_forgotten == 9
            best = getattr(search.best_estimator_, "head", search.best_estimator_)
            keep = np.setdiff1d(np.arange(N), [0, *range(12, 20)])
            np.testing.assert_array_equal(best._fitted.model.sample_weight[keep], weight[keep])


def test_folds_in_threads_are_those_in_turn():
    X, y = standard()
    search = GridSearchCV(CertifiedLogReg(random_state=0), {"C": [0.1, 1.0]}, cv=3)
    alone = clone(search).fit(X, y)
    with joblib.parallel_config(backend="threading", n_jobs=3):
        together = clone(search).fit(X, y)
    for key in ("mean_test_score", "split0_test_score"):
        np.testing.assert_array_equal(together.cv_results_[key], alone.cv_results_[key])
    np.testing.assert_allclose(together.best_estimator_.coef_, alone.best_estimator_.coef_)
    assert forget_in(together, [3]).n_retained == N - 1


def test_other_searches_and_what_forgets_by_itself():
    X, y = standard()
    drawn = RandomizedSearchCV(CertifiedLogReg(), {"C": [0.1, 1.0]}, n_iter=2, cv=2).fit(X, y)
    assert "RandomizedSearchCV" in forget_in(drawn, rows=[3]).not_covered[0]
    model = CertifiedLogReg().fit(X, y, groups=np.arange(N) // 2)
    assert forget_in(model, groups=[0, 4]) == model.certificate_ and model.n_forgotten_ == 4
    assert forget_in(piped(StandardScaler()).fit(X, y), [3]).n_retained == N - 1
    with pytest.raises(AssumptionError, match="refit=True"):
        forget_in(GridSearchCV(CertifiedLogReg(), {"C": [1.0]}, refit=False, cv=2).fit(X, y), [0])
    plain = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(X, y)
    with pytest.raises(AssumptionError, match="LogisticRegression cannot forget"):
        forget_in(plain, [0])


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_all_members_of_a_vote_forget(voting):
    X, y = standard()
    names = np.array(["no", "yes"])[y]
    members = [
        ("a", CertifiedLogReg(C=0.1)),
        ("b", CertifiedLogReg(C=1.0, class_weight="balanced")),
    ]
    model = VotingClassifier(members, voting=voting).fit(X, names)
    c = forget_in(model, [0, 7])
    keep = np.setdiff1d(np.arange(N), [0, 7])
    for member in model.estimators_:
        peer = LogisticRegression(C=member.C, class_weight=member.class_weight, tol=1e-10)
        peer.fit(X[keep], y[keep])
        own = member._fitted.model
        W = np.append(peer.coef_[0], peer.intercept_)[:, None]
        assert own.gram.geometry.norm(own.W - W) <= member.certificate_.distance + 1e-4
        assert member.history_[-1]["event"] == "forget" and member.n_forgotten_ == 2
        assert not own.rows._X.reshape(-1, 5)[0].any()
    assert c.n_retained == N - 2 and "2 members (CertifiedLogReg, CertifiedLogReg)" in c.reference
    assert set(model.predict(X)) <= {"no", "yes"}
    assert Certificate.from_json(c.to_json()) == c
    assert "several" not in certificate_report(c) and c.distance is None


def test_a_vote_costs_the_root_of_the_sum_of_squares():
    X, y = standard()
    model = vote(mechanism="isotropic", view="release").fit(X, y)
    c = forget_in(model, [3])
    own = [m.certificate_ for m in model.estimators_]
    mu = np.sqrt(sum(o.mu**2 for o in own))
    assert mu <= c.mu <= mu * (1 + 1e-12) and 1.0 < c.epsilon < 2.0
    # Enough at this epsilon, and not at one a thousandth smaller.
    assert delta_at(c.epsilon, mu) <= c.delta < delta_at(c.epsilon * 0.999, mu)
    again = forget_in(model, [4])
    assert again.epsilon == c.epsilon < again.joint_epsilon
    assert delta_at(again.joint_epsilon, mu * np.sqrt(2)) <= c.delta
    assert delta_at(again.joint_epsilon * 0.999, mu * np.sqrt(2)) > c.delta
    assert not c.check(1.0, 1e-6) and c.check(c.epsilon, 1e-6)
    # Where the covariance may drift a part is set aside for it, which the certificate states.
    model = vote(view="release").fit(X, y)
    drifting = forget_in(model, [3])
    shift = np.sqrt(sum(m._fitted.model.budget.mu**2 for m in model.estimators_))
    assert delta_at(drifting.epsilon, shift) < drifting.delta and min(drifting.drift) > 0
    assert shift <= drifting.mu <= shift * (1 + 1e-12)
    assert drifting.check(drifting.epsilon, 1e-6) and drifting.matches(model)
    edited = replace(drifting, epsilon=1.0, joint_epsilon=1.0)
    assert not edited.check(1.0, 1e-6)
    assert abs(drifting.epsilon - c.epsilon) < 0.01
    certificate_report(drifting)


def test_members_that_differ():
    X, y = standard()
    members = [
        ("a", CertifiedRidge(epsilon=0.5, delta=1e-7, noise=0.2, view="release")),
        ("b", CertifiedElasticNet(alpha=0.1, mechanism="isotropic")),
    ]
    model = VotingRegressor(members).fit(X, X[:, 0] - y)
    c = forget_in(model, rows=[0])
    own = [m.certificate_ for m in model.estimators_]
    assert c.mechanism == "several" and c.view == "release" and c.delta == 1e-6 and c.noise == 0.1
    assert c.sigma == min(m.sigma for m in own) and set(c.scale) == {m.scale[0] for m in own}
    assert c.epsilon > max(m.certificate_.epsilon for m in model.estimators_)
    assert c.check(c.epsilon, c.delta) and c.fit_distance + c.distance_target <= c.sigma * c.mu
    first = model.estimators_[0]._fitted.model.budget
    second = model.estimators_[1]._fitted.model.budget
    assert claims_budget.composed_mu([(first, 4), (second, 9)]) == pytest.approx(
        np.sqrt(4 * first.mu**2 + second.mu**2), rel=1e-12
    )
    one = claims_budget.composed([(second, 1)], 1e-6).epsilon
    assert (
        one
        == pytest.approx(second.epsilon, rel=1e-6)
        == claims_budget.composed([(second, 99)], 1e-6).epsilon
    )
    none = VotingRegressor([("a", CertifiedRidge(noise=0)), ("b", CertifiedRidge())]).fit(X, y)
    free = forget_in(none, [0])
    assert free.kind == "none" and free.epsilon == np.inf and str(free).startswith("No certificate")


def test_in_the_transcript_view_one_epsilon_is_for_all_releases():
    X, y = standard()
    model = vote(view="transcript").fit(X, y)
    found = [forget_in(model, [row]) for row in range(4)]
    assert {(c.view, c.epsilon) for c in found} == {("transcript", found[0].epsilon)}
    parts = [(m._fitted.model.budget, 10**6) for m in model.estimators_]
    assert all(
        c.epsilon == c.joint_epsilon == claims_budget.composed(parts, c.delta).epsilon
        for c in found
    )
    # A member's releases share one budget, of the shifts and of the drift; two members have two.
    assert (
        found[0].epsilon
        == claims_budget.composed([(b, 1) for b, _ in parts], found[0].delta).epsilon
    )
    assert found[0].epsilon > claims_budget.composed([(parts[0][0], 10**6)], found[0].delta).epsilon


def photograph(model):
    return [
        ({k: id(v) for k, v in vars(m).items()}, len(m.history_), pickle.dumps(m.coef_))
        for m in model.estimators_
    ]


def test_a_vote_forgets_in_all_members_or_in_none(monkeypatch):
    X, y = standard()
    model = vote().fit(X, y)
    before = photograph(model)
    engine = Model.forget
    calls = []

    def broken(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise NotCertifiedError("no")
        return engine(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(NotCertifiedError):
        patch.setattr(Model, "forget", broken)
        forget_in(model, [3])
    assert photograph(model) == before and len(calls) == 3
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        # While the last of them takes its model over.
        adopt = CertifiedLinearSVC._adopt

        def interrupted(self, *args, **more):
            adopt(self, *args, **more)
            raise KeyboardInterrupt

        patch.setattr(CertifiedLinearSVC, "_adopt", interrupted)
        forget_in(model, [3])
    assert photograph(model) == before
    assert forget_in(model, [3]).n_retained == N - 1


def test_votes_that_are_refused():
    X, y = standard()
    mixed = VotingClassifier([("a", CertifiedLogReg()), ("b", LogisticRegression())]).fit(X, y)
    with pytest.raises(AssumptionError, match="LogisticRegression in a VotingClassifier"):
        forget_in(mixed, [0])
    inside = forgetting(make_pipeline(StandardScaler(), CertifiedLogReg()))
    with pytest.raises(AssumptionError, match="ForgettingPipeline in a VotingClassifier"):
        forget_in(VotingClassifier([("a", inside)]).fit(X, y), [0])
    with pytest.raises(AssumptionError, match="fit it"):
        forget_in(vote(), [0])
    seeded = vote(random_state=0).fit(X, y)
    before = photograph(seeded)
    with pytest.raises(AssumptionError, match="same noise"):
        forget_in(seeded, [0])
    assert photograph(seeded) == before
    three = y.copy()
    three[10] = 2
    lost = VotingClassifier([("a", CertifiedLogReg()), ("b", CertifiedLogReg())]).fit(X, three)
    before = photograph(lost)
    with pytest.raises(AssumptionError, match="labels"):
        forget_in(lost, [10], confirm=True)
    assert photograph(lost) == before
    astray = vote().fit(X, y)
    astray.estimators_[0].learn(X[:1], y[:1])
    with pytest.raises(AssumptionError, match="different rows"):
        forget_in(astray, [0])


@pytest.mark.parametrize("alone", ["forget", "correct"])
def test_members_of_a_vote_that_changed_alone_are_refused(alone):
    X, y = standard()
    astray = vote().fit(X, y)
    members = astray.estimators_
    if alone == "forget":
        members[0].forget([5])
    else:
        for at, member in enumerate(members):
            member.correct([at], X=X[at : at + 1] + 1)
    before = photograph(astray)
    # One certificate would say that all of them have forgotten rows which some still hold.
    with pytest.raises(AssumptionError, match="without the others"):
        forget_in(astray, [6])
    assert photograph(astray) == before
    if alone == "forget":
        for member in members[1:]:
            member.forget([5])
        assert forget_in(astray, [6]).n_retained == N - 2 == members[-1].n_retained_


@pytest.mark.parametrize("kind", ["search", "vote"])
def test_what_takes_very_much_asks(kind):
    X, y = standard()
    if kind == "vote":
        meta = vote().fit(X, y)
    else:
        meta = GridSearchCV(CertifiedLogReg(noise=1.0), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
    most = np.arange(len(y) * 2 // 3)
    with pytest.raises(ConfirmationNeededError, match="of the training set"):
        forget_in(meta, most)
    assert forget_in(meta, most, confirm=True).n_retained == len(y) - len(most)


def test_the_same_noise_twice_would_void_the_claim():
    """Why equal seeds are refused: members' releases less one another are free of noise."""
    X, y = standard()
    twins = [CertifiedLogReg(C=0.1, random_state=0, mechanism="isotropic").fit(X, y) for _ in "ab"]
    np.testing.assert_array_equal(twins[0].coef_, twins[1].coef_)
    weight = {"class_weight": {label: 1 + k / 10 for k, label in enumerate(np.unique(y))}}
    other = CertifiedLogReg(C=0.1, random_state=0, mechanism="isotropic", **weight).fit(X, y)
    apart = other.coef_ - twins[0].coef_
    secret = (other._fitted.model.W - twins[0]._fitted.model.W)[:-1].T
    np.testing.assert_allclose(apart, secret, atol=1e-12)


def test_what_is_refused_and_the_way_out():
    X, y = standard()
    model = CertifiedLogReg().fit(X[:80], y[:80])
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X[80:], y[80:])
    with pytest.raises(AssumptionError, match="calibrate its new release on rows that no request"):
        forget_in(calibrated, [0])
    # As the message says.
    model.forget([0])
    CalibratedClassifierCV(FrozenEstimator(model)).fit(X[80:], y[80:]).predict_proba(X)
    final = StackingClassifier([("a", CertifiedLogReg())], Ridge(), cv=2)
    for meta in (
        BaggingClassifier(CertifiedLogReg(), 2).fit(X, y),
        StackingClassifier([("a", CertifiedLogReg())], LogisticRegression(), cv=2).fit(X, y),
        make_pipeline(StandardScaler(), CertifiedLogReg()).fit(X, y),
        final,
    ):
        with pytest.raises(AssumptionError, match=f"a {type(meta).__name__} cannot forget"):
            forget_in(meta, [0])
