"""Softmax with a free intercept: what curves it, and a distance by that."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from certunlearn import CertifiedLogReg
from certunlearn.claims.noise import MECHANISMS, Geometry
from certunlearn.engine.distances import intercept_floor
from certunlearn.engine.distances.class_floor import class_distance
from certunlearn.engine.distances.intercept_floor import intercept_distance
from certunlearn.numerics.context import numerics
from certunlearn.numerics.objective.intercept_sums import few_pairs, intercept_sums
from certunlearn.numerics.objective.survey import survey
from certunlearn.numerics.rows.dense import DenseRows

from .test_classes import (
    LD,
    about_optimum,
    adversary,
    exact,
    in_the_space,
    objective_of,
    restricted,
)


def cases(seeds, most=8):
    """Problems with a free intercept, and W near or far from their optima."""
    for seed in seeds:
        X, codes, weight = adversary(seed, most)
        rng = np.random.default_rng(seed)
        with numerics():
            o, geometry = objective_of(X, codes, weight, 10.0 ** (seed % 6 - 3), True)
            if not few_pairs(o):
                continue
            W = rng.normal(size=(o.rows.p, o.loss.columns)) * (0.0, 0.1, 1.0, 3.0)[seed // 3 % 4]
            yield seed, o, geometry, W


def floors(seeds):
    """Those of them where a floor follows, and that."""
    for seed, o, geometry, W in cases(seeds):
        with numerics():
            floor = intercept_floor._leaning(o, survey(o, W, pairs=True))
        if floor is not None:
            yield seed, o, geometry, W, floor


def quadratic(floor, K):
    """The floor as a matrix, in the basis of `restricted`, without ``kept``."""
    B, d = in_the_space(K), len(floor.root)
    parts = []
    for k in range(K - 1):
        for j in range(d + 1):
            V = np.zeros((d + 1, K))
            V[j] = B[:, k]
            y = V[-1, :-1] - V[-1, -1] + np.einsum("akj,jk->a", floor.lean, V[:-1])
            first = V[:-1] / floor.root[:, None]
            parts.append(np.r_[first.ravel(), floor.factor.lower.T @ y / floor.grown])
    parts = np.array(parts)
    return parts @ parts.T


def test_sums_are_the_blocks_of_the_intercept():
    for seed, o, _, W in cases(range(24)):
        with numerics():
            found = intercept_sums(o, survey(o, W, pairs=True).pairs)
        X, s, P, _ = exact(o, W)
        K = P.shape[1]
        C = -P[:, :, None] * P[:, None, :]
        rest = np.stack([np.delete(P, k, axis=1).sum(axis=1) for k in range(K)], axis=1)
        C[:, np.arange(K), np.arange(K)] = P * rest
        C = s[:, :, None] * C
        own, slopes = C.sum(axis=0), np.einsum("ikl,ij->klj", C, X[:, :-1])
        size = np.einsum("ikl,ij->klj", np.abs(C), np.abs(X[:, :-1]))
        # Beside the sums' rounding that of the margins, which `survey` has in its reach.
        far = found.error + 64 * 2.0**-53 * (1 + np.abs(X @ W.astype(LD)).max())
        assert (np.abs(found.own - own[:-1]) <= far * np.abs(own[:-1])).all(), seed
        assert (np.abs(found.slopes - slopes[:-1]) <= far * size[:-1]).all(), seed


def test_the_floor_is_below_the_hessian_and_no_more_is():
    some = 0
    for seed, o, _, W, floor in floors(range(96)):
        some += 1
        sizes = np.abs(floor.lean).max(initial=1e-300)
        assert np.abs(floor.lean.sum(axis=1)).max(initial=0.0) <= 1e-14 * sizes, seed
        X, s, P, _ = exact(o, W)
        H, D = restricted(o, X, s, P), quadratic(floor, P.shape[1])
        scale = 1 / np.sqrt(np.diag(H))
        # In floats H itself is right to some units of its diagonal.
        least = np.linalg.eigvalsh((H - floor.kept * D) * np.outer(scale, scale))[0]
        assert least >= -1e-10, seed
        assert floor.kept > 1 - 1e-3, seed
    assert some > 60
    # The twin: of rows that are all alike a hundredth more is above it.
    X, codes = np.full((60, 2), 3.0), np.arange(60) % 4
    with numerics():
        o, _ = objective_of(X, codes, np.ones(60), 0.5, True)
        W = np.random.default_rng(0).normal(size=(3, 4))
        floor = intercept_floor._leaning(o, survey(o, W, pairs=True))
    H = restricted(o, *exact(o, W)[:3])
    assert np.linalg.eigvalsh(H - 1.01 * quadratic(floor, 4))[0] < 0
    assert np.linalg.eigvalsh(H - quadratic(floor, 4))[0] > -1e-10 * np.trace(H)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_constants_are_above_the_truth_and_near_it(mechanism):
    nearest, some = np.inf, 0
    for seed, o, geometry, W, floor in floors(range(48)):
        geometry = Geometry(mechanism, geometry.gram)
        K, p = o.loss.columns, o.rows.p
        with numerics():
            half = np.eye(p) if mechanism == "isotropic" else geometry.half
            c, ranges = intercept_floor._constants(o, floor, half, np.abs(half))
        D = floor.kept * quadratic(floor, K)
        M = np.kron(np.eye(K - 1), half)
        scale = 1 / np.sqrt(np.diag(D))
        values, U = np.linalg.eigh(D * np.outer(scale, scale))
        if not values[0] > 1e-11:
            continue
        some += 1
        inverse = (U / np.sqrt(values)).T * scale
        true = np.linalg.norm(M @ inverse.T, 2)
        assert true <= c * (1 + 1e-5), seed
        nearest = min(nearest, c / true)
        # A row's margins, class by class in the basis.
        X = exact(o, W)[0].astype(float)
        rows = np.kron(np.eye(K - 1), X)
        length = np.sqrt((rows @ inverse.T).reshape(K - 1, len(X), -1) ** 2).sum(axis=0)
        longest = max(np.linalg.norm(row, 2) for row in length[:, None, :])
        assert longest <= (K - 1) * ranges / np.sqrt(floor.kept) * (1 + 1e-5), seed
    assert some > 20
    # The twin: nine tenths of the constant is below some truth.
    assert nearest < 1 / 0.9


def test_errors_of_a_gradient_reach_as_far_as_said_and_nearly():
    nearest, some = np.inf, 0
    for seed, o, _, W, floor in floors(range(48)):
        some += 1
        rng, K = np.random.default_rng(seed), o.loss.columns
        size = 10.0 ** rng.uniform(-3, 3, W.shape)
        if seed % 2:
            size[:-1] = 0.0
        said, B = floor.reach(size), in_the_space(K)
        D = quadratic(floor, K)
        scale = 1 / np.sqrt(np.diag(D))
        inverse = np.linalg.pinv(D * np.outer(scale, scale), 1e-13) * np.outer(scale, scale)
        largest = 0.0
        for _ in range(4):
            # Signs that make the norm, which is convex, grow from step to step.
            e = size * rng.choice([-1.0, 1.0], W.shape)
            for _ in range(8):
                first, second = floor.white(e - e.mean(axis=1, keepdims=True))
                found = np.hypot(np.linalg.norm(first), floor.by_factor(np.linalg.norm(second)))
                assert found <= said * (1 + 1e-9), seed
                largest = max(largest, found)
                step = (inverse @ (e @ B).T.ravel()).reshape(K - 1, len(W)).T @ B.T
                e = size * np.where(step < 0, -1.0, 1.0)
        nearest = min(nearest, said / largest)
    assert some > 30
    # The twin: nine tenths of it is less than some errors do.
    assert nearest < 1 / 0.9


def distances(seeds):
    """Certified over true, by the intercept and by rows' smallest probabilities."""
    found = []
    for seed, o, geometry, _ in cases(seeds):
        with numerics():
            near = about_optimum(o, seed)
            if near is None:
                continue
            best, W = near
            geometry = Geometry(MECHANISMS[seed // 2 % len(MECHANISMS)], geometry.gram)
            at = survey(o, W, pairs=True)
            bound = intercept_distance(o, geometry, W, at)
            other = class_distance(o, geometry, W, at)
        if bound.distance < np.inf:
            true = geometry.norm(W - best)
            assert true <= bound.distance * (1 + 1e-9) + 1e-9, seed
            found.append((bound.distance / true, other.distance / true))
    return np.array(found)


def test_distances_are_above_a_dense_truth():
    found = distances(range(200))
    assert len(found) > 40


@pytest.mark.long
def test_distances_are_above_a_dense_truth_of_many_problems():
    found = distances(range(1000, 11_000))
    print(f"{len(found)} distances, medians over the truth {np.median(found, axis=0)}")
    assert len(found) > 2000


def test_nine_tenths_of_the_distance_is_too_little():
    # Rows that are all alike, next to the optimum: every inequality is nearly an equality.
    n, K = 40, 4
    X, codes = np.full((n, 1), 1e-3), np.tile(np.arange(K), n // K).astype(np.int64)
    with numerics():
        o, geometry = objective_of(X, codes, np.ones(n), 1.0, True)
        W = np.array([[0.0, 0, 0, 0], [1e-3, -1e-3, 0.0, 0.0]])
        bound = intercept_distance(o, geometry, W, survey(o, W, pairs=True))
        true = geometry.norm(W)
    assert true <= bound.distance and true > 0.9 * bound.distance


def test_of_confident_rows_it_certifies_a_hundred_times_nearer():
    X, y = load_digits(return_X_y=True)
    model = CertifiedLogReg(random_state=0).fit(X, y).forget(np.arange(20))
    held = model._fitted.model
    o, W, geometry = held.objective, held.W, held.gram.geometry
    assert few_pairs(o) and held.reached.metric is not None
    with numerics():
        at = survey(o, W, pairs=True)
        ours, other = intercept_distance(o, geometry, W, at), class_distance(o, geometry, W, at)
    best, B = W, in_the_space(10)
    for _ in range(3):
        *about, g = exact(o, best, float)
        step = np.linalg.solve(restricted(o, *about), (g @ B).T.ravel())
        best = best - step.reshape(-1, len(W)).T @ B.T
    true = geometry.norm(W - best)
    assert 0 < true < ours.distance < 0.02 * other.distance
    assert ours.distance == pytest.approx(model.certificate_.distance)
    assert ours.distance < 100 * true
    # What a descent expects of it is what is certified, but for rounding.
    g = at.measurement.gradient - at.measurement.gradient.mean(axis=1, keepdims=True)
    expected = np.linalg.norm(ours.scale.seen(g))
    assert expected <= ours.least * (1 + 1e-6) <= 2 * expected


@pytest.mark.parametrize("constants", [(np.inf, 1.0), (1.0, np.inf), (np.nan, 1.0)])
def test_nothing_follows_where_a_constant_overflows(monkeypatch, constants):
    monkeypatch.setattr(intercept_floor, "_constants", lambda *_: constants)
    for _, o, geometry, W in cases(range(3)):
        with numerics():
            found = survey(o, W, pairs=True)
            assert intercept_distance(o, geometry, W, found).distance == np.inf


def test_it_is_for_free_intercepts_and_few_pairs_of_classes():
    X, codes, weight = adversary(9)
    with numerics():
        o, _ = objective_of(X, codes, weight, 1.0, True)
    assert few_pairs(o)
    assert not few_pairs(replace(o, alpha=np.ones(o.rows.p)))
    assert not few_pairs(replace(o, gauge=np.zeros(o.rows.p)))
    assert not few_pairs(replace(o, alpha=np.zeros(o.rows.p)))
    assert not few_pairs(replace(o, rows=DenseRows(np.ones((60, 0)), codes, intercept=True)))
    wide = DenseRows(np.ones((300_000, 60), np.float32), np.zeros(300_000, int), intercept=True)
    assert few_pairs(replace(o, rows=wide, alpha=np.r_[np.ones(60), 0.0]))
    many = DenseRows(np.ones((1_000_000, 3), np.float32), np.zeros(1_000_000, int), intercept=True)
    assert not few_pairs(replace(o, rows=many, alpha=np.r_[np.ones(3), 0.0]))
