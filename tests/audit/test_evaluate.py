"""Evaluation: oracles have no gap, removals that do nothing or too much have one."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from certunlearn import CertifiedLogReg, CertifiedRidge, forgetting
from certunlearn.audit import effective_epsilon, evaluate, evaluation, forgetting_quality, klom
from certunlearn.audit.figures import figures

from .worlds import head

RNG = np.random.default_rng(0)
N, D, M = 300, 8, 30
W = RNG.normal(size=D)


def rows(n, rng=RNG):
    X = rng.normal(size=(n, D))
    return X, (X @ W + rng.logistic(size=n) > 0).astype(int)


X, Y = rows(N)
# Those to be forgotten are mislabelled: whoever still knows them shows it.
Y[:M] = X[:M] @ W < 0
KEPT, GONE = (X[M:], Y[M:]), (X[:M], Y[:M])
TEST = rows(400)
GROUPS = np.array(["north", "south"])[(TEST[0][:, 0] > 0).astype(int)]
BASE = LogisticRegression(C=1.0)
ORACLE = clone(BASE).fit(*KEPT)


def judged(model, **more):
    more = {"oracles": [clone(BASE).fit(*KEPT) for _ in range(19)], **more}
    return evaluate(model, *TEST, GROUPS, retained=KEPT, forgotten=GONE, **more)


def ascended(model, step=0.05, steps=60):
    """Gradient ascent on the forgotten rows."""
    out = clone(BASE).fit(*KEPT)
    out.coef_, out.intercept_ = model.coef_.copy(), model.intercept_.copy()
    for _ in range(steps):
        slope = 1 / (1 + np.exp(-(GONE[0] @ out.coef_[0] + out.intercept_))) - GONE[1]
        out.coef_ = out.coef_ + step * slope @ GONE[0] / M
        out.intercept_ = out.intercept_ + step * slope.mean()
    return out


def test_the_retrained_model_has_no_gap_on_any_axis():
    found = judged(clone(BASE).fit(*KEPT))
    assert found.passed and not found.flags
    assert all(abs(a.gap) < 1e-12 for a in found.axes)
    assert {a.kind for a in found.axes} == {
        "effectiveness",
        "consistency",
        "subgroup",
        "difficulty",
    }
    assert "No different" in str(found)


def test_doing_nothing_is_seen_on_the_forgotten_rows():
    found = judged(clone(BASE).fit(X, Y))
    names = {a.name: a.said for a in found.flags}
    assert "forgotten rows are still known" in names["forgotten rows, soft"]
    assert not found.passed and "still known" in found.verdict


def test_ascent_forgets_too_much():
    found = judged(ascended(clone(BASE).fit(X, Y), step=2.0))
    said = {a.name: a.said for a in found.flags}
    assert said["forgotten rows, soft"].startswith("over-forgetting")


def test_damage_to_one_subgroup_is_flagged_there():
    class Damaged(LogisticRegression):
        def decision_function(self, features):
            z = super().decision_function(features)
            return np.where(features[:, 0] > 0, 0.3 * z, z)

        def predict(self, features):
            return self.classes_[(self.decision_function(features) > 0).astype(int)]

    found = judged(Damaged().fit(*KEPT))
    flagged = {a.name for a in found.flags if a.kind == "subgroup"}
    assert flagged == {"group south, soft"}


def test_oracles_that_draw_noise_are_flagged_at_the_level():
    bad = 0
    for s in range(20):
        make = lambda k: SGDClassifier(loss="log_loss", random_state=k).fit(*KEPT)  # noqa: E731
        found = evaluate(
            make(1000 * s),
            *TEST,
            retained=KEPT,
            forgotten=GONE,
            oracles=[make(1000 * s + k) for k in range(1, 20)],
        )
        bad += not found.passed
    assert bad <= binom.ppf(1 - 1e-3, 20, 0.05)


LAWS = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "heavy tails": lambda rng, size: np.clip(rng.standard_cauchy(size), -1e3, 1e3),
    "few values": lambda rng, size: np.where(rng.random(size) < 0.1, 10.0, 0.0),
}
NORMAL, HEAVY = (pytest.param(law, marks=pytest.mark.long) for law in ("normal", "heavy tails"))


@pytest.mark.parametrize("law", ["few values", NORMAL, HEAVY])
def test_the_level_holds_whatever_the_law_of_the_weights(law):
    test, bad = (TEST[0][:60], TEST[1][:60]), 0
    kept = KEPT[0][:60], KEPT[1][:60]
    for s in range(40):
        rng = np.random.default_rng(s)
        models = [head(np.append(W, 0.0) + 0.3 * LAWS[law](rng, D + 1)) for _ in range(20)]
        more = {"retained": kept, "forgotten": GONE, "oracles": models[1:]}
        found = evaluate(models[0], *test, GROUPS[:60], **more)
        assert found.passed is (found.p_value > 0.05)
        bad += not found.passed
    assert bad <= binom.ppf(1 - 1e-4, 40, 0.05)


@pytest.mark.long
@pytest.mark.parametrize("law", ["normal", "heavy tails"])
def test_the_limit_is_exact_and_the_next_lower_one_does_not_hold_the_level(law):
    """Figures drawn by a law: one in twenty is flagged, and one in ten by the second largest."""
    runs, alarms = 1500, np.zeros(2)
    for s in range(runs):
        values = LAWS[law](np.random.default_rng(s), (4, 20))
        away = np.array(
            [evaluation._deviations(v, 0.0, further=i % 2) for i, v in enumerate(values)]
        )
        for i, level in enumerate((0.05, 0.1)):
            limit, p_value = evaluation._limit(away.max(axis=0), level)
            flagged = away.max(axis=0)[0] > limit
            assert flagged == (p_value <= level)
            alarms[i] += flagged
    low, high = binom.ppf([1e-4, 1 - 1e-4], runs, 0.05)
    assert low <= alarms[0] <= high < alarms[1]


def test_a_level_needs_oracles():
    for level, needed in ((0.05, 19), (0.1, 9), (0.2, 4), (0.01, 99)):
        few = [ORACLE] * (needed - 1)
        with pytest.raises(ValueError, match=f"level of {level:g} needs {needed} oracles") as error:
            judged(ORACLE, oracles=few, level=level)
        # What it says instead is enough.
        said = float(str(error.value).rpartition("level=")[2])
        assert judged(ORACLE, oracles=few, level=said).passed
        assert judged(ORACLE, oracles=[*few, ORACLE], level=level).passed
    with pytest.raises(ValueError, match="needs 19 oracles or more, got 3"):
        judged(ORACLE, oracles=3)
    assert judged(ORACLE, oracles=None).oracles == 19


def test_figures_do_not_depend_on_who_is_the_model():
    """What makes them exchangeable: in another order they are the same numbers in that order."""
    rng = np.random.default_rng(0)
    models = [head(np.append(W, 0.0) + rng.normal(size=D + 1)) for _ in range(6)]
    order = rng.permutation(6)
    mine, _ = figures(models, TEST, GROUPS, KEPT, GONE)
    other, _ = figures([models[i] for i in order], TEST, GROUPS, KEPT, GONE)
    for (_, name, values, _), (_, same, moved, _) in zip(mine, other, strict=True):
        assert name == same and moved == pytest.approx(values[order], rel=1e-9, abs=1e-12)


def test_margins_are_not_taken_for_probabilities():
    class Margins(LinearSVC):
        """A machine whose margins are so large that their softmax would be sure of everything."""

        def decision_function(self, features):
            return 100.0 * super().decision_function(features)

    found = judged(Margins().fit(X, Y), oracles=[Margins().fit(*KEPT)] * 19)
    assert not any("soft" in a.name or "calibration" in a.name for a in found.axes)
    assert any(a.kind == "difficulty" for a in found.axes)
    assert "not all models have predict_proba" in str(found) and "predict_proba" in found.page()
    assert json.loads(found.to_json())["left_out"]
    assert judged(ORACLE).left_out == ()
    # One against the rest: its own probabilities, which are no softmax of its margins.
    three = np.digitize(X @ W, [-1, 1])
    rest = CertifiedLogReg(multi_class="ovr", noise=0).fit(X, three)
    soft = figures([rest] * 3, (X, three), None, (X, three), (X[:5], three[:5]))[0][1]
    own = rest.predict_proba(X)[np.arange(N), three].mean()
    assert soft[1] == "test rows, soft" and soft[2] == pytest.approx(own)


def test_a_certified_removal_and_what_its_certificate_says():
    model = CertifiedLogReg(random_state=0).fit(X, Y).forget(np.arange(M), confirm=True)
    oracles = [CertifiedLogReg(random_state=s).fit(*KEPT) for s in range(1, 20)]
    rng = np.random.default_rng(0)
    audit = effective_epsilon(rng.normal(size=(80, 2)), rng.normal(size=(80, 2)), delta=0.0)
    found = evaluate(model, *TEST, retained=KEPT, forgotten=GONE, oracles=oracles, findings=[audit])
    assert found.passed, found.verdict
    assert found.certified["epsilon"] == 1.0 and found.certified["audited_epsilon_at_least"] >= 0
    nothing = CertifiedLogReg(random_state=0).fit(X, Y)
    worse = evaluate(
        nothing, *TEST, retained=KEPT, forgotten=GONE, oracles=19, seconds=0.01, true_distance=1e-3
    )
    assert not worse.passed and worse.efficiency["refit_over_removal"] > 0
    assert worse.certified["bound_over_true_distance"] > 0


@pytest.mark.parametrize("kind", [int, np.random.RandomState])
def test_oracles_made_of_a_seeded_model_differ_among_themselves(kind):
    for s in range(4):
        model = CertifiedLogReg(random_state=kind(s), noise=1.0).fit(X, Y)
        model.forget(np.arange(M), confirm=True)
        found = evaluate(model, *TEST, retained=KEPT, forgotten=GONE)
        assert found.passed, found.verdict
    piped = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))
    found = evaluate(piped.fit(*KEPT), *TEST, retained=KEPT, forgotten=GONE)
    assert found.axes[0].band[1] - found.axes[0].oracle > 0.01


def test_regressors():
    y = X @ W + 0.1 * RNG.normal(size=N)
    y[:M] += 5.0
    test = (TEST[0], TEST[0] @ W)
    args = {"retained": (X[M:], y[M:]), "forgotten": (X[:M], y[:M])}
    ridge = Ridge(alpha=1.0).fit(X[M:], y[M:])
    assert evaluate(ridge, *test, oracles=19, **args).passed
    assert not evaluate(Ridge(alpha=1.0).fit(X, y), *test, oracles=19, **args).passed
    certified = CertifiedRidge(random_state=0).fit(X, y).forget(np.arange(M), confirm=True)
    oracles = [CertifiedRidge(random_state=s).fit(*args["retained"]) for s in range(1, 20)]
    assert evaluate(certified, *test, oracles=oracles, **args).passed


def test_table_json_and_page():
    found = judged(clone(BASE).fit(X, Y))
    read = json.loads(found.to_json())
    assert read["passed"] is False and len(read["axes"]) == len(found.axes)
    assert all({"gap", "flagged", "band"} <= set(a) for a in read["axes"])
    page = found.page()
    assert page.startswith("<!DOCTYPE html>") and "forgotten rows, soft" in page
    assert "<table" in found._repr_html_()
    assert 0 < read["p_value"] <= 0.05


def test_ensembles_score_as_others_do():
    rng = np.random.default_rng(0)
    same = rng.normal(size=(2, 200, 40))
    shifted = same[0] + 8.0
    # Clouds that do not overlap are worst in every bin, equal ones best.
    assert forgetting_quality(shifted, same[1]) == pytest.approx(2 / 2**13)
    assert forgetting_quality(same[1], same[1]) == 1.0
    assert forgetting_quality(same[0], same[1]) > 10 * forgetting_quality(shifted, same[1])
    assert klom(same[0], same[1]).mean() < 0.3 < 5 < klom(shifted, same[1]).mean()
    with pytest.raises(ValueError, match="same rows"):
        forgetting_quality(same[0], same[1][:, :3])
    models = [SGDClassifier(loss="log_loss", random_state=k).fit(*KEPT) for k in range(8)]
    whole = [SGDClassifier(loss="log_loss", random_state=k).fit(X, Y) for k in range(4)]
    found = evaluate(
        whole[0],
        *TEST,
        retained=KEPT,
        forgotten=GONE,
        oracles=models[:4],
        ensemble=whole,
        level=0.2,
    )
    clean = evaluate(
        models[4],
        *TEST,
        retained=KEPT,
        forgotten=GONE,
        oracles=models[:4],
        ensemble=models[4:],
        level=0.2,
    )
    key = "KLoM_on_forgotten_rows"
    assert found.ensembles[key] >= clean.ensembles[key] - 1.0
    assert 0 < clean.ensembles["forgetting_quality"] <= 1


def test_features_reach_the_models_as_they_are_given():
    """A table whose columns a pipeline asks for by name, one of them text; labels are text too."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=200), "kind": rng.choice(["a", "b", "c"], 200)})
    y = np.where(table["size"] + (table["kind"] == "a") > 0, "yes", "no")
    steps = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["kind"]))
    model = forgetting(make_pipeline(steps, CertifiedLogReg()))
    model.fit(table[:150], y[:150]).forget(rows=np.arange(10))
    found = evaluate(
        model,
        table[150:],
        y[150:],
        groups=table["kind"][150:],
        retained=(table[10:150], y[10:150]),
        forgotten=(table[:10], y[:10]),
        oracles=19,
    )
    assert {axis.name for axis in found.axes} >= {"group a, hard", "group c, soft"}
