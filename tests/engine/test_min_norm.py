"""Minimum-norm least squares: claims against exact arithmetic, and what forgetting leaves."""

import pickle
import warnings
from contextlib import contextmanager

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.linalg import qr
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from certunlearn import CertifiedLogReg, CertifiedMinNorm
from certunlearn.claims.least_squares import (
    appended_floor,
    least_squares_distance,
    min_norm_distance,
    singular_floor,
)
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AssumptionError,
    NotCertifiedError,
    RowError,
    SecretStateWarning,
)
from certunlearn.numerics.rows.scaled import scaled

DIGITS = 120
NOT_INTERPOLATING = "its data have collinear columns: the model is refused, CertifiedRidge is named"


@contextmanager
def secret_state_is_known():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        yield


def checked(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with secret_state_is_known():
        check(estimator)


EXPECTED = {"expected_failed_checks": lambda _: {"check_array_api_input": NOT_INTERPOLATING}}


@parametrize_with_checks([CertifiedMinNorm(), CertifiedMinNorm(view="transcript")], **EXPECTED)
def test_estimator_checks(estimator, check, monkeypatch):
    checked(estimator, check, monkeypatch)


@pytest.mark.long
@parametrize_with_checks([CertifiedMinNorm(noise=0)], **EXPECTED)
def test_estimator_checks_without_noise(estimator, check, monkeypatch):
    checked(estimator, check, monkeypatch)


def exact(X, y, weight=None):
    """The optimum in mpmath, equal rows taken together."""
    y = y.reshape(len(X), -1)
    weight = np.ones(len(X)) if weight is None else weight
    with mpmath.workdps(DIGITS):
        groups = {}
        for i in np.flatnonzero(weight > 0):
            if X[i].any():
                groups.setdefault(tuple((X[i] + 0.0).tolist()), []).append(i)
        d, K = X.shape[1], y.shape[1]
        if not groups:
            return mpmath.zeros(d, K)
        if len(groups) <= d:
            A, b = mpmath.matrix(list(groups)), mpmath.zeros(len(groups), K)
            for j, rows in enumerate(groups.values()):
                total = mpmath.fsum(mpmath.mpf(weight[i]) for i in rows)
                for k in range(K):
                    parts = (mpmath.mpf(weight[i]) * mpmath.mpf(y[i, k]) for i in rows)
                    b[j, k] = mpmath.fsum(parts) / total
            return A.T * mpmath.inverse(A * A.T) * b
        A, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
        S = mpmath.diag([mpmath.mpf(w) for w in weight])
        return mpmath.inverse(A.T * S * A) * (A.T * S * b)


def apart(W, optimum):
    """||W - optimum||_F in mpmath."""
    with mpmath.workdps(DIGITS):
        return mpmath.mnorm(mpmath.matrix(W.tolist()) - optimum, "f")


def smallest(A):
    with mpmath.workdps(DIGITS):
        M = mpmath.matrix(A.tolist())
        values = mpmath.svd_r(M if A.shape[0] <= A.shape[1] else M.T, compute_uv=False)
        return min(values)


def rows_of(kind, rng, n, d):
    """Adversarial features and targets."""
    X, y = rng.normal(size=(n, d)), rng.normal(size=(n, 2))
    if kind == "scales":
        X *= 10.0 ** rng.uniform(-6, 6, size=(n, 1))
        y *= 10.0 ** rng.uniform(-3, 3, size=(n, 1))
    elif kind == "columns":
        X *= 10.0 ** rng.uniform(-3, 3, size=d)
    elif kind == "near":
        X[-1] = X[0] + 10.0 ** rng.uniform(-9, -2) * rng.normal(size=d)
    elif kind == "equal":
        X[-1], y[-1] = X[0], y[0]
    elif kind == "contradicting":
        X[-1] = X[0]
    elif kind == "whole":
        X, y = np.round(2 * X), np.round(2 * y)
        X[:, 0] += np.arange(n) * 4
    elif kind == "zero":
        X[0] = 0.0
    return X, y


KINDS = ("plain", "scales", "columns", "near", "equal", "contradicting", "whole", "zero")
SHAPES = ((1, 1), (1, 5), (2, 2), (4, 4), (4, 7), (5, 6), (7, 4), (9, 3))


def quiet(**params):
    return CertifiedMinNorm(noise=0, **params)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n, d", SHAPES)
def test_certified_distance_is_never_too_small(kind, n, d):
    seen = 0
    for seed in range(3):
        rng = np.random.default_rng([seed, n, d, KINDS.index(kind)])
        X, y = rows_of(kind, rng, n, d)
        weight = np.where(rng.random(n) < 0.2, 0.0, rng.uniform(0.5, 2, n))
        weight[0] = 1.0
        try:
            # Noise large enough that whatever can be shown is.
            model = CertifiedMinNorm(noise=1e6, random_state=seed).fit(X, y, weight)
        except (AssumptionError, NotCertifiedError):
            continue
        live = list(range(n))
        for step in range(2 * n):
            distance = model._fitted.model.solution.distance
            assert apart(model._fitted.model.W, exact(X[live], y[live], weight[live])) <= distance
            # Nearly equal rows have coefficients too large for much to be shown.
            if kind == "near" or distance < 1e-7 * np.linalg.norm(model._fitted.model.W) + 1e-280:
                seen += 1
            try:
                if len(live) > 1 and step % 3 != 2:
                    gone = int(rng.choice(live))
                    model.forget([gone])
                    live.remove(gone)
                else:
                    new, target = rows_of("plain", rng, 1, d)
                    model.learn(new, target)
                    X, y = np.vstack([X, new]), np.vstack([y, target])
                    weight = np.append(weight, 1.0)
                    live.append(len(X) - 1)
            except (AssumptionError, NotCertifiedError):
                break
    # A single row of zeros sets no scale for the noise.
    assert seen or kind == "near" or (kind == "zero" and n == 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n, d", [(1, 1), (1, 6), (4, 4), (3, 6), (5, 7)])
def test_singular_floor_and_appended_floor_are_lower_bounds(kind, n, d):
    for seed in range(10):
        rng = np.random.default_rng([seed, n, d, KINDS.index(kind)])
        X, y = rows_of(kind, rng, n, d)
        A = scaled(X, y)[0]
        assert (np.linalg.norm(A, axis=1) < 1).all()
        R = np.asfortranarray(qr(A.T, mode="r")[0][:n])
        floor, truth = singular_floor(A, R), smallest(A)
        assert floor <= truth
        assert floor > 0.5 * truth or truth < 1e-9
        # A wrong factor makes a poor bound, never a wrong one.
        spoilt = R * rng.uniform(0.9, 1.1, R.shape)
        assert singular_floor(A, spoilt) <= truth
        a = scaled(rng.normal(size=(1, d)), np.zeros((1, 1)))[0][0]
        for off in (0.0, 1e-8, 0.3):
            c = np.linalg.lstsq(A.T, a, rcond=None)[0] * (1 + off)
            left = a - A.T @ c
            grown = appended_floor(floor, c, left, A @ left)
            assert grown <= (smallest(np.vstack([A, a])) if n < d else 0.0)


def test_a_floor_outlives_removals():
    rng = np.random.default_rng(0)
    A = scaled(rng.normal(size=(6, 8)), np.zeros((6, 1)))[0]
    floor = singular_floor(A, np.asfortranarray(qr(A.T, mode="r")[0][:6]))
    for i in range(5):
        A = np.delete(A, i % len(A), axis=0)
        assert floor <= smallest(A)


def test_nine_tenths_of_min_norm_distance_is_too_little():
    # One row, or orthogonal ones of one length, and all of the error inside of their span.
    for r in (1, 3):
        A, b = 0.75 * np.eye(r, 5), np.ones((r, 1))
        c = (1 + 1e-3) * b / 0.75**2
        W = A.T @ c
        floor = singular_floor(A, 0.75 * np.eye(r, order="F"))
        claimed = min_norm_distance(W, c, b - A @ W, np.zeros_like(b), floor)
        truth = apart(W, exact(A, b))
        assert truth <= claimed
        assert 0.9 * claimed < truth
        # Nor does the residual count less than in full.
        assert 0.9 * float(np.linalg.norm(b - A @ W)) / 0.75 < truth


def test_a_floor_one_in_a_thousand_larger_is_no_floor():
    A = np.diag([0.9, 0.8, 0.125])
    floor = singular_floor(A, np.asfortranarray(A))
    assert floor <= 0.125 < 1.001 * floor
    # [A; a] at an angle: one row of length 1/2 and a second at 60 degrees, in the plane.
    A, a = np.array([[0.5, 0.0]]), np.array([0.25, np.sqrt(3) / 4])
    c = np.array([0.5])
    left = a - A.T @ c
    grown = appended_floor(0.5 * (1 - 1e-12), c, left, A @ left)
    truth = smallest(np.vstack([A, a]))
    assert grown <= truth < 1.001 * grown


def test_nine_tenths_of_least_squares_distance_is_too_little():
    B, b = np.array([[0.6], [0.3]]), np.array([[1.0], [2.0]])
    best = (B.T @ b) / (B.T @ B)
    floor = singular_floor(B.T, np.asfortranarray(np.linalg.norm(B).reshape(1, 1)))
    V = 1.001 * best
    residual = b - B @ V
    claimed = least_squares_distance(B, b, V, residual, B.T @ residual, floor, 1.0)
    truth = apart(V, exact(B, b))
    assert truth <= claimed and 0.9 * claimed < truth


def problem(n=300, d=900, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, 2))


def error(model, X, y, kept):
    W = np.linalg.pinv(X[kept]) @ y[kept]
    return np.linalg.norm(model._fitted.model.W - W) / np.linalg.norm(W)


def test_one_a_tenth_and_two_hundred_forgotten_are_the_pseudo_inverses():
    X, y = problem()
    model = CertifiedMinNorm(random_state=0).fit(X, y)
    kept = np.arange(300)
    assert error(model, X, y, kept) < 1e-10
    model.forget([7])
    kept = np.setdiff1d(kept, [7])
    assert error(model, X, y, kept) < 1e-10
    gone = np.random.default_rng(1).choice(kept, 30, replace=False)
    model.forget(gone)
    kept = np.setdiff1d(kept, gone)
    assert error(model, X, y, kept) < 1e-10
    for i in kept[:200]:
        model.forget(int(i))
    assert error(model, X, y, kept[200:]) < 1e-10
    tiers = {entry["tier"] for entry in model.history_[1:]}
    assert tiers == {"projection"}
    assert model.n_retained_ == 69 and model.n_forgotten_ == 231
    assert model._fitted.model.solution.distance < 1e-10


def test_forgetting_is_the_projection_on_the_span_of_the_rows_that_stay():
    X, y = problem(20, 50)
    model = quiet().fit(X, y)
    before = model._fitted.model.W.copy()
    model.forget([2, 3, 11])
    Q = np.linalg.qr(np.delete(X, [2, 3, 11], axis=0).T)[0]
    np.testing.assert_allclose(model._fitted.model.W, Q @ (Q.T @ before), atol=1e-12)


@pytest.mark.parametrize("gone", [[5], list(range(40))])
def test_learning_what_was_forgotten_is_the_original_optimum(gone):
    X, y = problem(120, 400)
    model = CertifiedMinNorm(random_state=0).fit(X, y)
    before = model._fitted.model.W.copy()
    model.forget(gone)
    assert np.abs(model._fitted.model.W - before).max() > 1e-4
    model.learn(X[gone], y[gone])
    assert np.linalg.norm(model._fitted.model.W - before) < 1e-10 * np.linalg.norm(before)


def test_many_rows_learnt_one_by_one():
    X, y = problem(150, 200)
    model = CertifiedMinNorm(random_state=0).fit(X[:100], y[:100])
    for i in range(100, 150):
        model.learn(X[i : i + 1], y[i : i + 1])
    assert error(model, X, y, np.arange(150)) < 1e-10
    tiers = [entry["tier"] for entry in model.history_[1:]]
    assert tiers.count("projection") > 40
    true = np.linalg.svd(scaled(X, y)[0], compute_uv=False).min()
    assert model._fitted.model.solution.basis.floor <= true


def test_the_model_may_become_ordinary_least_squares_and_back():
    X, y = problem(8, 6)
    model = quiet().fit(X[:5], y[:5])
    assert model.solver_ == "interpolation"
    for i in range(5, 8):
        model.learn(X[i : i + 1], y[i : i + 1])
        assert error(model, X, y, np.arange(i + 1)) < 1e-10
    assert model.solver_ == "least squares"
    for i in range(3):
        model.forget(i)
        assert error(model, X, y, np.arange(i + 1, 8)) < 1e-10
    assert model.solver_ == "interpolation"


def test_correcting_is_retraining_with_the_corrected_rows():
    X, y = problem(30, 80)
    model = CertifiedMinNorm(random_state=0).fit(X, y)
    y2, X2 = y.copy(), X.copy()
    y2[4] = [9.0, -9.0]
    model.correct([4], y=y2[4:5])
    assert error(model, X, y2, np.arange(30)) < 1e-10
    X2[[6, 1]] *= 3.0
    model.correct([6, 1], X=X2[[6, 1]])
    assert error(model, X2, y2, np.arange(30)) < 1e-10
    model.forget([1])
    assert error(model, X2, y2, np.setdiff1d(np.arange(30), [1])) < 1e-10


def test_weight_zero_is_a_row_removed_and_other_weights_do_not_matter():
    X, y = problem(20, 50)
    weight = np.linspace(0.5, 3, 20)
    weight[[3, 4]] = 0.0
    kept = np.setdiff1d(np.arange(20), [3, 4])
    model = quiet().fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, quiet().fit(X[kept], y[kept]).coef_, atol=1e-12)
    assert model.n_retained_ == 18
    before = model.coef_.copy()
    model.forget([3])
    np.testing.assert_allclose(model.coef_, before, atol=1e-12)


def test_equal_rows_count_as_one_with_their_weighted_mean():
    X, y = problem(10, 30)
    X[[4, 7]] = X[2]
    weight = np.ones(10)
    weight[4] = 3.0
    model = quiet().fit(X, y, weight)
    root = np.sqrt(weight)[:, None]
    expected = np.linalg.lstsq(X * root, y * root, rcond=1e-10)[0]
    np.testing.assert_allclose(model._fitted.model.W, expected, atol=1e-12)
    # Whichever of them goes, the others stay; the last one's column is deleted.
    for gone in (2, 7, 4):
        weight[gone] = 0.0
        model.forget(gone)
        root = np.sqrt(weight)[:, None]
        expected = np.linalg.lstsq(X * root, y * root, rcond=1e-10)[0]
        np.testing.assert_allclose(model._fitted.model.W, expected, atol=1e-12)
    assert len(model._fitted.model.solution.basis.places) == 7
    model.learn(X[[0]], y[[1]])
    assert len(model._fitted.model.solution.basis.places) == 7
    np.testing.assert_allclose(X[0] @ model._fitted.model.W, (y[0] + y[1]) / 2, atol=1e-12)


def test_dependent_rows_are_refused_and_the_way_out_is_named():
    X, y = problem(6, 9)
    X[5] = X[0] + X[1]
    with pytest.raises(AssumptionError, match="CertifiedRidge"):
        CertifiedMinNorm().fit(X, y)
    model = CertifiedMinNorm(random_state=0).fit(X[:5], y[:5])
    before = pickled(model)
    with pytest.raises(AssumptionError, match="CertifiedRidge"):
        model.learn(X[5:], y[5:])
    assert pickled(model) == before
    assert error(model.forget(0), X, y, np.arange(1, 5)) < 1e-10
    tall = np.column_stack([X.T, X.T[:, 0]])
    with pytest.raises(AssumptionError, match="CertifiedRidge"):
        CertifiedMinNorm().fit(np.repeat(tall, 2, axis=0) + 0.0, np.ones(18))


def pickled(model):
    """What a model shows and hides, as bytes."""
    m = model._fitted.model
    parts = [m.W, m.released, m.solution.basis.upper, m.members.weights.array, m.rows._A, m.rows._b]
    log = repr(model.history_)
    return b"".join(np.ascontiguousarray(p).tobytes() for p in parts) + log.encode()


def test_bad_input_leaves_the_model_as_it_was():
    X, y = problem(12, 30)
    model = CertifiedMinNorm(random_state=0).fit(X, y).forget(3)
    before = pickled(model)
    nan = X[:1].copy()
    nan[0, 0] = np.nan
    huge = X[:1].copy()
    huge[0, :2] = 1e300, 5e-324
    for wrong, call in [
        (AlreadyForgottenError, lambda: model.forget(3)),
        (RowError, lambda: model.forget(99)),
        (RowError, lambda: model.forget(rows=np.ones(12, bool))),
        (ValueError, lambda: model.learn(nan, y[:1])),
        (ValueError, lambda: model.learn(X[:1, :5], y[:1])),
        (ValueError, lambda: model.learn(X[:2], y[:1])),
        (ValueError, lambda: model.learn(X[:1], y[:1, 0])),
        (ValueError, lambda: model.learn(X[:1], [[1.0, 2.0, 3.0]])),
        (ValueError, lambda: model.correct([1], y=[[np.inf, 1.0]])),
        (AssumptionError, lambda: model.learn(huge, y[:1])),
        (ValueError, lambda: model.learn(X[:1], y[:1], [-1.0])),
    ]:
        with pytest.raises(wrong):
            call()
        assert pickled(model) == before
    for params in ({"noise": -1}, {"epsilon": 0}, {"delta": 1}, {"view": "all"}):
        with pytest.raises(ValueError):
            CertifiedMinNorm(**params).fit(X, y)
    with pytest.raises(ValueError):
        CertifiedMinNorm().fit(X, y, np.zeros(12))


def test_a_target_out_of_reach_is_refused_and_nothing_changes():
    X, y = problem(12, 30)
    with pytest.raises(NotCertifiedError) as caught:
        CertifiedMinNorm(noise=1e-15).fit(X, y)
    assert caught.value.distance > caught.value.target > 0


def test_the_noise_is_sigma_in_every_coefficient_and_fresh():
    X, y = problem(10, 4000)
    model = CertifiedMinNorm(noise=0.3).fit(X, y)
    sigma = 0.15 * y.std(axis=0) / np.sqrt((X**2).sum() / 10)
    first = model.coef_.T - model._fitted.model.W
    second = model.release().coef_.T - model._fitted.model.W
    for noise in (first, second, (first + second) / np.sqrt(2)):
        assert kstest((noise / sigma).ravel(), "norm").pvalue > 1e-9
    for scale in (0.8, 1.25):
        assert kstest((first / sigma).ravel() * scale, "norm").pvalue < 1e-3


def test_the_certificate_keeps_its_word():
    X, y = problem(20, 50)
    model = CertifiedMinNorm(epsilon=0.7, delta=1e-7, random_state=3).fit(X, y)
    for _ in range(3):
        model.forget(rows=[model.n_forgotten_])
        c = model.certificate_
        assert c.check(0.7, 1e-7, allow_seeded=True) and c.mechanism == "isotropic"
        assert c.distance <= c.distance_target
        assert c.fit_distance + c.distance_target <= c.sigma * c.mu
        assert c.noise == 0.1 and c.sigma == 0.1 * min(c.scale) and len(c.scale) == 2
        assert c.coefficient_deviation[::2] == pytest.approx(0.1 * np.sort(c.scale), rel=0.05)
    other = CertifiedMinNorm(epsilon=0.7, delta=1e-7, random_state=3).fit(X[3:], y[3:])
    assert c.public().n_retained == other.certificate_.public().n_retained
    assert not CertifiedMinNorm(noise=0).fit(X, y).certificate_.check(1e300, 1.0)
    view = CertifiedMinNorm(view="transcript").fit(X, y).forget(0).release().release()
    assert view.certificate_.distance_target < 0.3 * view.certificate_.sigma * view.certificate_.mu


def test_two_worlds_with_one_noise_release_the_same_numbers_up_to_rounding():
    X, y = problem(20, 50)
    model = CertifiedMinNorm(random_state=5).fit(X, y).forget([1, 2])
    other = CertifiedMinNorm(random_state=5).fit(np.delete(X, 2, axis=0), np.delete(y, 2, axis=0))
    np.testing.assert_allclose(model.coef_, other.forget(1).coef_, rtol=1e-9, atol=1e-9)
    assert np.abs(model.coef_ - model._fitted.model.W.T).max() > 1e-3


def test_labels_groups_frames_and_scrubbing():
    X, y = problem(12, 30)
    frame = pd.DataFrame(X, index=[f"r{i}" for i in range(12)])
    frame.columns = [f"c{j}" for j in range(30)]
    model = CertifiedMinNorm(random_state=0).fit(frame, y[:, 0], groups=np.arange(12) // 3)
    assert model.coef_.shape == (30,) and model.predict(frame).shape == (12,)
    model.forget(frame.index[[4]]).forget(groups=[0])
    assert (
        not model._fitted.model.rows._A[[0, 1, 2, 4]].any()
        and not model._fitted.model.rows._b[:3].any()
    )
    assert error(model, X, y[:, :1], [3, *range(5, 12)]) < 1e-10
    out = model.export_predictor()
    np.testing.assert_array_equal(out.predict(frame), model.predict(frame))
    assert len(out.feature_names_in_) == 30


def test_a_pickle_warns_and_goes_on_where_the_model_was():
    X, y = problem(20, 50)
    model = CertifiedMinNorm(random_state=0).fit(X, y).forget([1])
    with pytest.warns(SecretStateWarning):
        again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.coef_, model.coef_)
    again.forget([2])
    assert error(again, X, y, np.setdiff1d(np.arange(20), [1, 2])) < 1e-10
    assert clone(model).get_params() == model.get_params()


def test_progress_is_told():
    told = []
    X, y = problem(6, 9)
    CertifiedMinNorm().fit(X, y, progress=lambda *a: told.append(a)).forget(
        0, progress=lambda *a: told.append(a)
    )
    assert len(told) == 2 and all(distance < 1e-9 for _, distance in told)


@pytest.mark.parametrize(
    "solver, said",
    [
        ("newton-cholesky", "gradient of an interpolating model is zero"),
        ("newton-cg", "gradient of an interpolating model is zero"),
        ("lbfgs", "bounded by the penalty, and there is none"),
    ],
)
def test_newton_steps_on_an_interpolating_model_are_refused_and_the_message_says_why(solver, said):
    X, y = problem(20, 60)
    model = CertifiedLogReg(C=np.inf, mechanism="isotropic", solver=solver, random_state=0)
    with pytest.raises(AssumptionError, match=said):
        model.fit(X, y[:, 0] > 0)


def test_a_gradient_step_after_removal_does_nothing_to_an_interpolating_model():
    X, y = problem(20, 60)
    W = np.linalg.pinv(X) @ y
    gradient = X[1:].T @ (X[1:] @ W - y[1:])
    assert np.abs(gradient).max() < 1e-12
    assert np.linalg.norm(W - np.linalg.pinv(X[1:]) @ y[1:]) > 1e-2


def test_a_column_of_zeros_has_no_coefficient():
    X, y = problem(9, 4)
    X[:, 2] = 0.0
    model = quiet().fit(X, y).forget(3)
    assert model.solver_ == "least squares" and not model._fitted.model.W[2].any()
    assert error(model, X, y, np.setdiff1d(np.arange(9), [3])) < 1e-10
