"""Scalers and rotations without a recount: exact statistics, two worlds, certified distances."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from certunlearn import (
    CertifiedLogReg,
    CertifiedRidge,
    forgetting,
)
from certunlearn.claims.frame import Frame
from certunlearn.engine import editing
from certunlearn.exceptions import AssumptionError
from certunlearn.pipeline import _framed

from .. import reference

N = 160
STEPS = {
    "standard": (StandardScaler(),),
    "no mean": (StandardScaler(with_mean=False),),
    "no deviation": (StandardScaler(with_std=False),),
    "max abs": (MaxAbsScaler(),),
    "min max": (MinMaxScaler((-3, 5)),),
    "rotated": (StandardScaler(), PCA()),
    "rotation": (PCA(svd_solver="full"),),
    "both": (MinMaxScaler(), PCA()),
}
steps = pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)


def data(kind, seed=0):
    """Rows, labels and weights; what row 0 and 1 have decides the extremes of every column."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 4)) * [1.0, 30.0, 0.01, 4.0] + [0.0, 5.0, -1.0, 100.0]
    y, s = (X[:, 1] + 20 * rng.normal(size=N) > 5).astype(int), np.ones(N)
    y[:6] = [0, 1, 0, 1, 0, 1]
    if kind == "huge means":
        X[:, 0] += 1e6
        X[:, 2] = np.round(X[:, 2], 3) - 1e4
        X[5, 2] = 0.0
    elif kind == "constant":
        X[:, 0], X[:, 3] = 3.0, 0.0
        # Constant but for the row that goes.
        X[0, 3] = 7.0
    elif kind == "weights":
        s = 10.0 ** rng.uniform(-6, 6, size=N)
    elif kind == "collinear":
        X[:, 3] = X[:, 0] + X[:, 1]
    elif kind == "separable":
        y = (X[:, 1] > 5).astype(int)
    elif kind == "one class nearly gone":
        y = (np.arange(N) < 6).astype(int)
    elif kind == "leverage":
        X[0] = [1e5, -1e5, 1e4, 1e5]
    X[0], X[1] = np.maximum(X.max(axis=0), X[0]) + 1.0, X.min(axis=0) - 1.0
    return X, y, s


KINDS = (
    "plain",
    "huge means",
    "constant",
    "weights",
    "collinear",
    "separable",
    "one class nearly gone",
    "leverage",
)


def piped(steps, head=None, **params):
    head = CertifiedLogReg(random_state=0) if head is None else head
    return forgetting(make_pipeline(*map(clone, steps), head.set_params(**params)))


def image(pipe, X):
    """The rows of the model in long double."""
    f = pipe[-1]._fitted.model.frame
    out = (X.astype(np.longdouble) - f.centre) / f.spread
    return out if f.rotation is None else out @ f.rotation.T.astype(np.longdouble)


def away(pipe, X, y, s):
    """Distance of the secret iterate to the optimum, and how far off that may be."""
    model, Z, C = pipe[-1]._fitted.model, image(pipe, X), pipe[-1].C
    start = model.frame.released(model.W)
    best = reference.optimum(Z, y, s, C, True, start=start)
    G = reference.gram(Z, s, C, True, 0.25 if start.shape[1] == 1 else 0.5)
    return best.apart(start, reference.half_of(G, "gram")), best.sound


def statistics(pipe):
    """Everything that steps hold."""
    out = {}
    for name, step in pipe.steps[:-1]:
        for key, value in vars(step).items():
            out[name, key] = value.tolist() if isinstance(value, np.ndarray) else str(value)
    return out


def requests(pipe, X, y, s):
    """Forget, learn and correct; yield the pipe and the training set after each."""
    X, y, s, alive = X.copy(), y.copy(), s.copy(), np.ones(len(y), dtype=bool)
    for request in ([0], [20, 21, 30], [1, 2]):
        pipe.forget(request)
        alive[request] = False
        yield X[alive], y[alive], s[alive]
    new = X[40:43] * 1.25 + 0.125
    pipe.learn(new, y[40:43], sample_weight=s[40:43])
    X, y, s = np.vstack([X, new]), np.append(y, y[40:43]), np.append(s, s[40:43])
    alive = np.append(alive, [True] * 3)
    yield X[alive], y[alive], s[alive]
    X[[50, 51]] = X[[52, 53]] * 0.75
    pipe.correct([50, 51], X=X[[50, 51]])
    yield X[alive], y[alive], s[alive]
    pipe.release()
    yield X[alive], y[alive], s[alive]


@pytest.mark.parametrize("name, kind", list(zip(STEPS, KINDS, strict=True)))
def test_distances_are_certified_and_worlds_alike(name, kind):
    """A pair of each; all pairs are in the long run."""
    followed(STEPS[name], kind)


@pytest.mark.parametrize("seed", [1, 3])
@pytest.mark.parametrize("name", ["no deviation", "rotation"])
def test_columns_that_nothing_scales_may_be_far_away(name, seed):
    """A column of mean -1e4 with a row at zero; rows that come saturate the model as it was."""
    followed(STEPS[name], "huge means", seed)


@pytest.mark.parametrize("seed", [0, 4])
def test_rows_that_saturate_a_model_are_learnt_where_steps_are_recounted_too(seed):
    X, y, s = data("huge means", seed)
    pipe = piped((SimpleImputer(), StandardScaler(with_std=False))).fit(X, y)
    assert pipe._kept.framed is None
    for _ in requests(pipe, X, y, s):
        assert pipe.certificate_.distance <= pipe.certificate_.distance_target


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@steps
def test_distances_are_certified_and_worlds_alike_everywhere(steps, kind):
    followed(steps, kind, 1)


def followed(steps, kind, seed=0):
    X, y, s = data(kind, seed)
    pipe = piped(steps).fit(X, y, sample_weight=s)
    assert pipe._kept.framed is not None and _framed.EXACT_SUMS in pipe.certificate_.conditions
    for X, y, s in requests(pipe, X, y, s):  # noqa: B020
        (distance, off), sound = away(pipe, X, y, s)
        c = pipe.certificate_
        assert sound and distance <= c.distance + off and c.distance <= c.distance_target
        fresh = piped(steps).fit(X, y, sample_weight=s)
        # To the last bit what somebody has who never saw the others.
        assert statistics(pipe) == statistics(fresh)
        assert statistics(pipe.export_predictor()) == statistics(fresh.export_predictor())
        assert c.coefficient_deviation == fresh.certificate_.coefficient_deviation
        assert c.scale == fresh.certificate_.scale and c.conditions == fresh.certificate_.conditions
        A, B = (m[-1]._fitted.model.gram.geometry for m in (pipe, fresh))
        (f, W), g = (
            (pipe[-1]._fitted.model.frame, pipe[-1]._fitted.model.W),
            fresh[-1]._fitted.model.frame,
        )
        gap = g.inside(f.released(W)) - fresh[-1]._fitted.model.W
        assert B.norm(gap) <= (c.distance + fresh.certificate_.distance) * 1.001
        # Noise: the whitened difference is within what both worlds charge.
        half = np.linalg.inv(A.gram.lower)
        moved = np.column_stack([g.inside(f.released(v[:, None]))[:, 0] for v in half])
        other = B.gram.lower.T @ moved - 0.0
        shift = B.gram.lower.T @ g.inside(f.released(np.zeros((len(W), 1))))
        assert np.abs(np.linalg.eigvalsh((other - shift).T @ (other - shift)) - 1).max() < 1e-6


@steps
def test_statistics_are_those_of_scikit_learn(steps):
    for kind in ("plain", "constant", "huge means"):
        X, y, s = data(kind)
        if kind == "huge means" and any(type(step) is PCA for step in steps):
            # scikit-learn's own covariances lose digits there.
            continue
        pipe = piped(steps).fit(pd.DataFrame(X, columns=list("pqrs")), y, sample_weight=s)
        alive = np.setdiff1d(np.arange(N), [0, 7, 1, 9])
        pipe.forget(rows=[0, 7]).forget(rows=[1, 9])
        peer = make_pipeline(*map(clone, steps))
        theirs = peer.fit_transform(pd.DataFrame(X[alive], columns=list("pqrs")))
        assert pipe[0].feature_names_in_.tolist() == list("pqrs")
        for ours, step in zip(pipe[:-1], peer, strict=True):
            assert set(vars(ours)) | {"_fit_svd_solver"} >= {
                k for k in vars(step) if k != "power_iteration_normalizer"
            }
            for key in ("mean_", "var_", "scale_", "min_", "max_abs_", "data_range_"):
                if getattr(step, key, None) is not None:
                    want = getattr(step, key)
                    # A mean of zero, as that of a PCA behind a scaler, is zero but for rounding.
                    room = 1e-12 * np.abs(want) + 1e-15 * X[alive].std(axis=0)
                    room = room + 1e-12 * (type(step) is PCA)
                    assert (np.abs(getattr(ours, key) - want) <= room).all(), (kind, key)
        if kind != "constant" or not any(type(t) is PCA for t in steps):
            ours = pipe[:-1].transform(pd.DataFrame(X[alive], columns=list("pqrs")))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())
        margins = pipe.export_predictor(composed=True)
        named = pd.DataFrame(X[alive], columns=list("pqrs"))
        margins = margins.decision_function(named)
        np.testing.assert_allclose(
            margins, pipe.decision_function(named), rtol=1e-6, atol=1e-6 * np.abs(margins).max()
        )


@pytest.mark.parametrize("stale", ["penalty", "means"])
def test_what_is_not_charged_is_missed(stale, monkeypatch):
    """Twins: without the change of the penalty, or with old means, the distance is a lie."""
    X, y, s = data("leverage")
    pipe = piped(STEPS["standard"], C=0.01).fit(X, y)
    if stale == "penalty":
        monkeypatch.setattr(
            editing,
            "penalty_of",
            lambda settings, frame, p, mass: pipe[-1]._fitted.model.objective.alpha,
        )
    else:
        monkeypatch.setattr(Frame, "moved", lambda self, *_: self)
    pipe.forget([0])
    (distance, off), sound = away(pipe, X[1:], y[1:], s[1:])
    if stale == "means":
        f, image = pipe[-1]._fitted.model.frame, (X[1:] - pipe[0].mean_) / pipe[0].scale_
        best = reference.optimum(image, y[1:], s[1:], 0.01, True)
        half = reference.half_of(reference.gram(image, s[1:], 0.01, True, 0.25), "gram")
        distance, off = best.apart(f.released(pipe[-1]._fitted.model.W), half)
    assert sound and distance > pipe.certificate_.distance + off


def test_a_row_leaves_without_a_retained_row_being_read():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3)) * [1, 9, 100] + [0, 1e4, 3]
    y = (X[:, 0] + rng.normal(size=2000) > 0).astype(int)
    for name, head in (
        ("standard", CertifiedLogReg(view="release")),
        ("both", CertifiedRidge()),
    ):
        pipe = piped(STEPS[name], head, random_state=0).fit(X, y)
        tiers = []
        for at in range(10, 22):
            reads = pipe[-1]._fitted.model.rows.reads
            pipe.forget([at])
            tiers.append(pipe.certificate_.tier)
            if tiers[-1] == "downdate":
                assert pipe[-1]._fitted.model.rows.reads - reads <= 4
        assert tiers.count("downdate") > 3, (name, tiers)


def test_rows_far_away_are_held_anew():
    X, y, s = data("plain")
    X[:, 3] += 1e4
    pipe = piped(STEPS["standard"]).fit(X, y)
    before = pipe[-1]._fitted.model
    assert before.frame.origin[3] > 0
    pipe.learn(np.array([[0.0, 1.0, -1.0, 0.123456789]]), [1])
    after = pipe[-1]._fitted.model
    assert after.frame.own and after.frame.origin[3] == 0 and after.rows is not before.rows
    assert not np.asarray(before.rows._X).any()
    more = np.vstack([X, [[0.0, 1.0, -1.0, 0.123456789]]])
    (distance, off), _ = away(pipe, more, np.append(y, 1), np.ones(N + 1))
    assert distance <= pipe.certificate_.distance + off
    pipe.forget([N]).forget([3])
    alive = np.setdiff1d(np.arange(N), [3])
    assert statistics(pipe) == statistics(piped(STEPS["standard"]).fit(X[alive], y[alive]))


def test_a_program_that_has_to_be_the_same_is_that_of_a_fit(monkeypatch):
    X, y, s = data("plain")
    pipe = piped(STEPS["standard"]).fit(X, y)
    real = editing.gram_of
    monkeypatch.setattr(editing, "gram_of", lambda *a: replace(real(*a), same_program=True))
    pipe.forget([5])
    assert pipe[-1]._fitted.model.frame.own
    alive = np.setdiff1d(np.arange(N), [5])
    (distance, off), _ = away(pipe, X[alive], y[alive], s[alive])
    assert distance <= pipe.certificate_.distance + off
    pipe.release()
    assert pipe.history_[-1]["event"] == "release"


@steps
def test_a_preview_of_rows_that_are_held_anew(steps):
    """The spread of a column falls by more than its unit may be off."""
    X, y, _ = data("plain")
    X[7, 1] = 1e12
    pipe = piped(steps).fit(X, y)
    quick, full = pipe.preview([7]), pipe.preview([7], full=True)
    pipe.forget([7])
    c = pipe.certificate_
    assert (full.tier, full.distance) == (c.tier, c.distance)
    # What divides by no deviation has units of one.
    if steps not in (STEPS["no deviation"], STEPS["rotation"]):
        assert quick.tier == "refresh" and "held anew" in quick.cost and np.isnan(quick.distance)
        assert pipe[-1]._fitted.model.frame.own


def test_a_rotation_of_too_few_rows_is_recounted():
    X, y, s = data("plain")
    X, y = X[:7], y[:7]
    pipe = piped((StandardScaler(), PCA())).fit(X, y)
    assert pipe._kept.framed is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.forget([6]).forget([5]).forget([4], confirm=True)
    assert pipe._kept.framed is None and pipe[-1]._fitted.model.frame is None
    assert pipe._kept.raw.tolist() == X[:4].tolist() and pipe._kept.at.tolist() == [0, 1, 2, 3]
    fresh = piped((StandardScaler(), PCA())).fit(X[:4], y[:4])
    assert fresh._kept.framed is None
    np.testing.assert_array_equal(pipe[1].components_, fresh[1].components_)


def test_what_is_not_of_this_kind_is_recounted():
    X, y, _ = data("plain")
    for pipe in (
        piped(STEPS["standard"], fit_intercept=False),
        piped(STEPS["standard"], mechanism="isotropic"),
        piped(STEPS["standard"], l1_ratio=0.5),
        piped((MinMaxScaler(clip=True),)),
        piped((PCA(2, svd_solver="full"),)),
        piped((PCA(whiten=True),)),
        piped((StandardScaler(), MinMaxScaler())),
        piped((StandardScaler().set_output(transform="pandas"),)),
    ):
        assert pipe.fit(X, y)._kept.framed is None


def test_the_head_alone_is_told_to_ask_the_pipeline():
    X, y, _ = data("plain")
    pipe = piped(STEPS["standard"]).fit(X, y)
    for act in (lambda: pipe[-1].learn(X[:1], y[:1]), lambda: pipe[-1].correct([3], X=X[:1])):
        with pytest.raises(AssumptionError, match="call the verbs of the pipeline"):
            act()
    cost = pipe.noise_cost(X, y)
    assert cost.score > 0.5 and cost.margin_spread > cost.margin_noise
    held = pipe[-1]._fitted.model.held(np.arange(N))[0]
    assert pipe[-1]._fitted.model.frame.raw(held).tolist() == X.tolist()


@pytest.mark.parametrize("name", ["standard", "rotated"])
def test_a_head_suppresses_rows_as_the_steps_make_them(name):
    X, y, _ = data("plain")
    pipe = piped(STEPS[name]).fit(X, y).forget([5])
    Z, alive = pipe[:-1].transform(X), np.setdiff1d(np.arange(N), [5])
    rows = np.array([3, 4])
    got = pipe[-1].suppress(rows, weight=50.0)
    want = CertifiedLogReg().fit(Z[alive], y[alive]).suppress(rows, weight=50.0)
    np.testing.assert_allclose(got.coef_, want.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got.intercept_, want.intercept_, rtol=1e-6, atol=1e-9)
