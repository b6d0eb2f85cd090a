"""Look-alikes: all of them found, none invented, and never n x n numbers at a time."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array, vstack

from certunlearn import CertifiedLogReg
from certunlearn.exceptions import RowError
from certunlearn.insight.expected_pairs import THRESHOLD, default_threshold
from certunlearn.insight.lookalikes import BORDERLINE, neighbours
from certunlearn.numerics.rows.sparse import SparseRows


def gaussian(n, d, seed=0, correlated=False):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    if correlated:
        X = X @ (rng.normal(size=(d, d)) / np.sqrt(d) + np.eye(d))
    return X * np.exp(rng.normal(size=d) * 4) + rng.normal(size=d)


def planted(X, copies, seed=1, target=3):
    """Write jittered copies of the target over the last rows; the jitter is one per cent."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    X[-copies:] = X[target] + 0.01 * X.std(axis=0) * rng.normal(size=(copies, X.shape[1]))
    return X


def brute(X, targets, limit):
    deviation = X.std(axis=0)
    used = deviation > 0
    D = (X[:, None, used] - X[targets][None][:, :, used]) / deviation[used]
    distance = np.sqrt((D**2).mean(axis=2)).min(axis=1)
    distance[targets] = np.inf
    return np.flatnonzero(distance <= limit), distance


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n, d, correlated", [(1000, 10, False), (5000, 30, True), (20000, 12, 0)])
def test_jittered_copies_are_found_and_nothing_else(n, d, correlated, seed):
    X = planted(gaussian(n, d, seed, correlated), 20)
    found = neighbours(X, np.array([3]))
    np.testing.assert_array_equal(found.rows, np.arange(n - 20, n))
    assert not found.equal.any() and (found.nearest == 3).all()
    assert len(found.borderline) == 0


@pytest.mark.parametrize("d", [1, 2, 3, 5, 10, 50])
@pytest.mark.parametrize("correlated", [False, True])
def test_gaussian_data_give_no_false_positive(d, correlated):
    for seed in range(5):
        X = gaussian(4000, d, seed, correlated)
        assert len(neighbours(X, np.arange(50))) == 0


def test_threshold_is_lowered_where_chance_resembles():
    assert default_threshold(2e7, np.full(30, 1 / 30)) == THRESHOLD
    assert 0 < default_threshold(2e7, np.full(3, 1 / 3)) < 0.01
    # Columns that hardly vary by themselves still tell rows apart.
    few = np.r_[np.full(4, 0.2), np.full(26, 0.2 / 26)]
    assert default_threshold(2e7, few) > default_threshold(2e7, np.full(4, 0.25))
    X = np.random.default_rng(0).normal(size=(3000, 2))
    assert neighbours(X, np.arange(5)).threshold < 0.01
    assert neighbours(X, np.arange(5), threshold=0.2).threshold == 0.2


@pytest.mark.parametrize("d", [1, 2, 5])
def test_chance_is_bounded_and_not_by_far(d):
    X = np.random.default_rng(d).normal(size=(4000, d))
    for threshold in (0.05, 0.2):
        found = neighbours(X, np.arange(0, 4000, 2), threshold=threshold)
        pairs = sum(len(neighbours(X, np.array([i]), threshold=threshold)) for i in range(50)) * 40
        assert pairs <= 1.3 * found.chance and found.chance <= 8 * pairs + 200
    assert neighbours(X, np.array([0]), threshold=0.0).chance == 0.0


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_as_comparing_all_pairs_does(threshold):
    rng = np.random.default_rng(5)
    X = np.round(rng.normal(size=(400, 3)), 1)
    X = np.column_stack([X, np.full(400, 7.0)])
    targets = np.array([9, 3, 200, 77])
    found = neighbours(X, targets, threshold=threshold)
    want, distance = brute(X, targets, threshold + 1e-12)
    np.testing.assert_array_equal(found.rows, want)
    np.testing.assert_allclose(found.distance, distance[want], atol=1e-12)
    far, _ = brute(X, targets, BORDERLINE * threshold + 1e-12)
    np.testing.assert_array_equal(np.union1d(found.rows, found.borderline), far)
    same = (X[:, None] == X[targets][None]).all(axis=2)
    np.testing.assert_array_equal(found.multiplicity, same.sum(axis=0))
    np.testing.assert_array_equal(found.equal, same[found.rows].any(axis=1))
    if threshold == 0:
        assert found.equal.all()


@pytest.mark.parametrize("n, d, density", [(400, 30, 0.2), (300, 900, 0.05), (500, 4, 0.5)])
@pytest.mark.parametrize("threshold", [None, 0.0, 0.3, 1.0])
def test_sparse_rows_have_the_look_alikes_of_dense_ones(n, d, density, threshold):
    rng = np.random.default_rng(n)
    X = np.round(rng.normal(size=(n, d)), 1) * np.exp(3 * rng.normal(size=d))
    X *= rng.random((n, d)) < density
    X[-5:] = X[3]
    X[-2] *= 1 + 1e-4 * rng.normal(size=d)
    X[:, 1], X[:, 2] = 7.0, 0.0
    # Next to nothing, in a column that the target does not use.
    X[3:4, 0] = X[-5:, 0] = 0.0
    X[-1, 0] = 1e-9
    among = rng.random(n) < 0.9
    among[-5:] = True
    store = SparseRows(csr_array(X), np.zeros(n, dtype=int), intercept=True)
    targets = np.array([3, 60, 7])
    dense, sparse = (
        neighbours(rows, targets, among=among, threshold=threshold) for rows in (X, store)
    )
    for name in ("rows", "equal", "borderline", "multiplicity"):
        np.testing.assert_array_equal(getattr(dense, name), getattr(sparse, name), err_msg=name)
    np.testing.assert_allclose(dense.distance, sparse.distance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dense.threshold, sparse.threshold, rtol=1e-6)
    np.testing.assert_allclose(dense.chance, sparse.chance, rtol=1e-4, atol=1e-300)
    like = {*range(n - 5, n - 2 if threshold == 0 else n)}
    assert like <= set(sparse.rows.tolist())
    assert not set(sparse.rows[sparse.equal].tolist()) & {n - 2, n - 1}


def test_memory_of_a_sparse_search_is_that_of_blocks():
    n, d = 2000, 40_000
    X = random_array((n, d), density=30 / d, format="csr", random_state=np.random.default_rng(0))
    X = vstack([X, X[:1]], format="csr")
    store = SparseRows(X, np.zeros(n + 1, dtype=int), intercept=True)
    tracemalloc.start()
    found = neighbours(store, np.arange(40))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.rows.tolist() == [n] and found.equal.all()
    # All rows written out would be 640 MB.
    assert peak < 120e6


def test_only_rows_of_the_training_set_are_listed():
    X = planted(gaussian(500, 8), 6)
    among = np.ones(500, dtype=bool)
    among[-3:] = False
    found = neighbours(X, np.array([3]), among=among)
    np.testing.assert_array_equal(found.rows, [494, 495, 496])


def test_cancellation_and_scale_hide_nothing():
    # Far from the origin, and with an outlier that dwarfs all differences, in units far from one.
    for size in (1e-200, 1.0, 1e150, 1e300):
        X = gaussian(300, 6) * 1e-3
        X = np.column_stack([X, np.linspace(0, 1, 300)])
        X = X / X.std(axis=0)
        X[0] += 1e7
        X[7], X[8] = X[0], X[0] + 1e-9
        found = neighbours((X + 1e5) * size, np.array([0]), threshold=1e-9)
        np.testing.assert_array_equal(found.rows, [7, 8])
        np.testing.assert_array_equal(found.equal, [True, (X[8] + 1e5 == X[0] + 1e5).all()])


def test_memory_is_that_of_blocks():
    X = np.random.default_rng(0).normal(size=(50_000, 8))
    targets = np.arange(1000)
    tracemalloc.start()
    found = neighbours(X, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.multiplicity) == 1000
    # All pairs would be 400 MB.
    assert peak < 60e6


def test_memory_stays_that_of_blocks_where_everything_is_alike():
    X = np.repeat(np.random.default_rng(0).normal(size=(4, 8)), 3000, axis=0)
    tracemalloc.start()
    found = neighbours(X, np.arange(0, 3000, 3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 2000 and (found.multiplicity == 3000).all()
    assert peak < 100e6


def test_bad_threshold_is_refused():
    for threshold in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="threshold"):
            neighbours(np.eye(3), np.array([0]), threshold=threshold)


# On the estimator


def fitted(n=600, d=10, copies=20, kind=np.asarray, **params):
    X = planted(gaussian(n, d, 4), copies)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    rng = np.random.default_rng(9)
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(int)
    y[-copies:] = y[3]
    groups = [f"g{i}" for i in range(n - copies)] + ["g3"] * copies
    return X, y, CertifiedLogReg(random_state=0, **params).fit(kind(X), y, groups=groups)


def timeless(model):
    """What the public certificate says, but for the time of the release."""
    return replace(model.certificate_.public(), issued=None)


def test_expand_equals_forgetting_the_group():
    X, y, model = fitted()
    np.testing.assert_array_equal(model.neighbours([3]).rows, np.arange(580, 600))
    _, _, other = fitted()
    model.forget([3], expand="near")
    other.forget(groups="g3")
    np.testing.assert_array_equal(model.coef_, other.coef_)
    assert timeless(model) == timeless(other)
    assert model.n_retained_ == 579 and model.n_forgotten_ == 21
    entry = model.history_[-1]
    assert (entry["rows"], entry["look_alikes"]) == (21, 20)
    assert "look_alikes" not in other.history_[-1]
    assert [e["event"] for e in model.history_] == ["fit", "forget"]


def test_the_certificate_counts_look_alikes_that_stay():
    X, y, model = fitted()
    assert model.forget([0]).certificate_.look_alikes is None
    c = model.forget([3], expand="count").certificate_
    assert c.look_alikes == 20 and model.n_retained_ == 598
    entry = model.history_[-1]
    assert (entry["rows"], entry["look_alikes"]) == (1, 0)
    assert "20 rows that look like the removed ones stay" in str(c)
    # It is the owner's: what is published does not depend on the removed rows.
    assert c.public().look_alikes is None and "look like" not in str(c.public())
    assert model._fitted.model.certificate is c
    # Of a later release it is not known.
    assert model.release().certificate_.look_alikes is None
    c = model.forget([580], expand="near").certificate_
    assert c.look_alikes == 0 and "look like" not in str(c) and model.n_retained_ == 578


def test_static_look_alikes_stay_and_are_counted():
    X, y, _ = fitted()
    static = np.arange(len(X)) >= 595
    model = CertifiedLogReg(random_state=0).fit(X, y, static=static)
    c = model.forget([3], expand="near").certificate_
    assert (c.look_alikes, model.n_retained_) == (5, 584)
    assert model.history_[-1]["look_alikes"] == 15


def test_counting_gives_the_release_of_a_plain_removal():
    counted, plain = fitted()[2], fitted()[2]
    np.testing.assert_array_equal(
        counted.forget([3], expand="count").coef_, plain.forget([3]).coef_
    )
    assert timeless(counted) == timeless(plain)


def test_sparse_rows_expand_as_dense_ones_do():
    X, y, dense = fitted(solver="newton-cg", mechanism="isotropic")
    _, _, other = fitted(solver="newton-cg", mechanism="isotropic", kind=csr_array)
    _, _, group = fitted(solver="newton-cg", mechanism="isotropic", kind=csr_array)
    assert other.preview([3]).neighbours.rows.tolist() == [*range(580, 600)]
    dense.forget([3], expand="near")
    other.forget([3], expand="near")
    group.forget(groups="g3")
    np.testing.assert_array_equal(other.coef_, group.coef_)
    np.testing.assert_allclose(other.coef_, dense.coef_, rtol=1e-6, atol=1e-6)
    assert other.history_[-1]["look_alikes"] == 20


def test_expand_checks_what_it_adds():
    X, y, model = fitted()
    with pytest.raises(ValueError, match="expand"):
        model.forget([3], expand="far")
    X = np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0)
    alike = CertifiedLogReg(random_state=0).fit(X, np.repeat([0, 1], 10))
    before = dict(alike.__dict__)
    with pytest.raises(RowError, match="every row"):
        alike.forget([0, 10], expand="near")
    assert alike.__dict__ == before


def test_positions_are_those_of_the_fit_after_corrections_and_removals():
    X, y, model = fitted()
    model.correct([3], X=X[[3]] + 1e-3)
    model.forget([590])
    found = model.neighbours([595])
    assert found.rows.tolist() == [3, *range(580, 590), *range(591, 595), *range(596, 600)]
    assert found.targets.tolist() == [595]
    assert model.neighbours([3]).rows.tolist() == [*range(580, 590), *range(591, 600)]
    assert model.neighbours([0], threshold=0.0).rows.tolist() == []


def test_searching_leaves_the_store_where_it_can_be_overwritten():
    X, y, model = fitted()
    where = model._fitted.model.rows._X.ctypes.data
    model.neighbours([3])
    model.preview([3])
    model.forget([3], expand="near")
    rows = model._fitted.model.rows
    assert rows._X.ctypes.data == where
    assert rows.scrubbed.sum() == 21
