"""The row store: its layout, what it counts, and what it forgets."""

import math
import pickle

import jax
import numpy as np
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.numerics.objective.kernels import GramDiagonal
from certunlearn.numerics.rows import dense
from certunlearn.numerics.rows.blocks import LARGEST_BLOCK, SMALLEST_BLOCK, block_shape
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.narrow import narrowed
from certunlearn.numerics.rows.weights import Weights, exact_sum


def problem(n=150, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.integers(1, 4, n)


def store(X, y, intercept=True):
    return DenseRows(X, y, intercept=intercept)


@pytest.fixture(autouse=True, params=["host", "device"])
def place(request, monkeypatch):
    """Where the rows lie; JAX's arrays behave on this machine as on an accelerator."""
    if request.param == "device":
        monkeypatch.setattr(dense, "on_accelerator", lambda numbers: True)
        monkeypatch.setattr(dense, "block_shape", lambda n, accelerator: block_shape(n))
    return request.param


def address(rows):
    """Where in memory the rows begin."""
    X = rows._X
    return X.ctypes.data if isinstance(X, np.ndarray) else X.unsafe_buffer_pointer()


def held(rows):
    """Rows and codes as the device holds them, padding included."""
    return np.array(rows._X).reshape(-1, rows.p), np.array(rows._y).ravel()


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 150, 1024, 5000, 10**5, 10**6, 3 * 10**6])
def test_blocks_cover_the_rows_with_little_padding(n):
    blocks, size = block_shape(n)
    assert SMALLEST_BLOCK <= size <= LARGEST_BLOCK and size & (size - 1) == 0
    assert (blocks - 1) * size < n <= blocks * size
    # Additions in a row: about 3 sqrt(n) until blocks reach their largest size.
    if n <= 2**18:
        assert size + blocks <= max(2 * SMALLEST_BLOCK, 5 * math.sqrt(n))


def test_few_sizes_of_block():
    assert len({block_shape(n)[1] for n in range(1, 400_000, 997)}) <= 6


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("n", [1, 64, 65, 150])
def test_layout(n, intercept):
    X, y = problem(n)
    rows = store(X, y, intercept)
    assert rows.n == n and rows.p == 3 + intercept
    A, codes = held(rows)
    np.testing.assert_array_equal(A[:n, :3], X)
    np.testing.assert_array_equal(codes[:n], y)
    assert not A[n:].any() and not codes[n:].any()
    if intercept:
        assert (A[:n, 3] == 1).all()
    weight = np.arange(1.0, n + 1)
    blocked = rows.blocked(weight)
    assert blocked.shape == (rows.blocks, rows.block)
    np.testing.assert_array_equal(blocked.ravel()[:n], weight)
    assert not blocked.ravel()[n:].any()


def test_rows_are_a_copy():
    X, y = problem()
    kept, codes = X.copy(), y.copy()
    rows = store(X, y)
    X[:], y[:] = np.nan, 0
    np.testing.assert_array_equal(rows.gather(np.arange(150))[:, :3], kept)
    np.testing.assert_array_equal(rows.labels, codes)
    out = rows.gather(np.array([4]))
    assert not out.flags.writeable or not np.shares_memory(out, np.asarray(rows._X))


def test_the_precision_in_force_changes_nothing():
    X, y = problem()
    sums = []
    for flag in (False, True):
        with jax.enable_x64(flag):
            rows = store(X, y)
            sums.append(rows.fold(GramDiagonal(), rows.blocked(np.ones(rows.n)))[0])
            np.testing.assert_array_equal(rows.features(np.arange(rows.n)), X)
    np.testing.assert_array_equal(*sums)


def test_gather_returns_the_rows_asked_for_in_their_order():
    X, y = problem()
    rows = store(X, y)
    where = np.array([149, 0, 64, 63, 0])
    np.testing.assert_array_equal(rows.gather(where)[:, :3], X[where])
    assert rows.gather(np.zeros(0, dtype=np.int64)).shape == (0, 4)


def test_reads_are_counted():
    X, y = problem()
    rows = store(X, y)
    assert rows.reads == 0
    rows.sweep()
    assert rows.reads == 150
    rows.gather(np.array([3, 5]))
    assert rows.reads == 152
    rows.column_max  # noqa: B018
    assert rows.reads == 302
    rows.column_max  # noqa: B018
    assert rows.reads == 302
    rows.blocked(np.ones(150))
    assert rows.reads == 302
    rows.compact(np.arange(150) < 10)
    assert rows.reads == 312


def test_compact_is_the_store_of_the_rows_kept():
    X, y = problem(200)
    rows, keep = store(X, y), np.random.default_rng(1).random(200) < 0.4
    for intercept in (True, False):
        rows = store(X, y, intercept)
        small, fresh = rows.compact(keep), store(X[keep], y[keep], intercept)
        assert (small.n, small.p, small.block, small.blocks) == (
            fresh.n,
            fresh.p,
            fresh.block,
            fresh.blocks,
        )
        for a, b in zip(held(small), held(fresh), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(small.labels, y[keep])
        assert not small.scrubbed.any()
        # And is no view of it.
        rows.scrub(np.flatnonzero(keep)[:5])
        np.testing.assert_array_equal(held(small)[0], held(fresh)[0])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 40, 150])
def test_scrub_overwrites_these_rows_and_no_other(count):
    X, y = problem()
    X0 = X.copy()
    rows = store(X, y)
    gone = np.random.default_rng(count).permutation(150)[:count]
    kept = np.setdiff1d(np.arange(150), gone)
    rows.scrub(gone)
    A, codes = held(rows)
    assert not A[gone].any() and not codes[gone].any() and not rows.labels[gone].any()
    np.testing.assert_array_equal(A[kept, :3], X0[kept])
    assert (A[kept, 3] == 1).all()
    np.testing.assert_array_equal(codes[kept], y[kept])
    np.testing.assert_array_equal(rows.labels[kept], y[kept])
    np.testing.assert_array_equal(np.flatnonzero(rows.scrubbed), np.sort(gone))
    np.testing.assert_array_equal(X, X0)


def test_scrub_reuses_the_memory_on_this_machine():
    X, y = problem()
    rows = store(X, y)
    pointer = address(rows)
    row = np.array(rows.gather(np.array([7])))
    assert row.any()
    rows.scrub(np.array([7]))
    assert address(rows) == pointer and not rows.gather(np.array([7])).any()


def test_column_maxima_are_powers_of_two_that_copy_no_value():
    X, y = problem()
    X[9] = [50.0, -60.0, 64.0]
    rows = store(X, y)
    np.testing.assert_array_equal(rows.column_max, [64.0, 64.0, 64.0, 1.0])
    reads = rows.reads
    rows.scrub(np.array([9]))
    # Still above what is left; a pickle finds them afresh.
    assert (rows.column_max[:3] == 64).all() and rows.reads == reads
    again = pickle.loads(pickle.dumps(rows))
    top = np.abs(np.delete(X, 9, axis=0)).max(axis=0)
    assert ((again.column_max[:3] >= top) & (again.column_max[:3] < 2 * top)).all()
    rows.append(np.array([[0.0, -1e9, 3.0]]), np.array([1]))
    np.testing.assert_array_equal(rows.column_max, [64.0, 2.0**30, 64.0, 1.0])


def test_pickle_holds_what_is_left():
    X, y = problem()
    rows = store(X, y)
    rows.scrub(np.array([4, 100]))
    data = pickle.dumps(rows)
    assert X[4].tobytes() not in data and X[100].tobytes() not in data
    assert X[5].tobytes() in data
    with jax.enable_x64(False):
        again = pickle.loads(data)
    for a, b in zip(held(again), held(rows), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again._X.dtype == np.float64
    np.testing.assert_array_equal(again.scrubbed, rows.scrubbed)
    np.testing.assert_array_equal(again.labels, rows.labels)
    assert (again.n, again.p, again.reads) == (rows.n, rows.p, rows.reads)
    again.scrub(np.array([5]))
    assert held(rows)[0][5].any() and not held(again)[0][5].any()


def test_thinned_is_part_of_every_block_with_its_weights():
    X, y = problem(300)
    rows = store(X, y)
    reads = rows.reads
    small, weights = rows.thinned(16)
    assert small.n == small.blocks * small.block == rows.blocks * (rows.block // 16)
    A, codes = held(small)
    s = weights(Weights.of(np.arange(1.0, 301.0)))
    assert len(s) == len(A) == small.n and (s > 0).sum() >= 300 // 16 - rows.blocks
    for a, code, weight in zip(A, codes, s, strict=True):
        i = int(weight) - 1
        if weight:
            np.testing.assert_array_equal(a[:3], X[i])
            assert code == y[i]
        else:
            assert not a.any()
    assert rows.n == 300 and rows.reads == reads and held(rows)[0].shape == (rows.blocks * 64, 4)


def test_float32_rows_are_held_so_and_give_the_same_numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 7)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=5000) > 0).astype(int)
    narrow = CertifiedLogReg(random_state=0).fit(X, y)
    wide = CertifiedLogReg(random_state=0).fit(X.astype(np.float64), y)
    rows = narrow._fitted.model.rows
    assert rows._X.dtype == np.float32 and wide._fitted.model.rows._X.dtype == np.float64
    gone = np.arange(0, 300, 7)
    for model in (narrow, wide):
        model.forget(gone)
    np.testing.assert_array_equal(narrow._fitted.model.W, wide._fitted.model.W)
    np.testing.assert_array_equal(narrow.coef_, wide.coef_)
    assert narrow.certificate_.distance == wide.certificate_.distance
    # A row that float32 cannot hold widens the store, and nothing is rounded.
    narrow.learn(X[:1].astype(np.float64), y[:1])
    assert rows._X.dtype == np.float32
    new = np.full((1, 7), 0.1)
    for model in (narrow, wide):
        model.learn(new, [1])
    assert rows._X.dtype == np.float64
    with jax.enable_x64(True):
        np.testing.assert_array_equal(rows.gather(np.array([rows.n - 1]))[:, :7], new)


def test_weights_held_narrowly_are_the_same_weights():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, 3000).astype(float)
    for weight in (np.ones(3000), counts, counts / 8, counts / 7):
        narrow, wide = (
            Weights.of(narrowed(lambda s=weight: [s[:1000], s[1000:]])),
            Weights.of(weight),
        )
        assert narrow.base.nbytes <= wide.base.nbytes
        for change in (
            lambda w: w,
            lambda w: w.without(np.array([5, 700])),
            lambda w: w.without(np.arange(5, 1500, 2)).without(np.array([6])),
            lambda w: (
                w.without(np.arange(9)).extended(np.array([2.0, 0.3])).without(np.array([3001]))
            ),
            lambda w: pickle.loads(pickle.dumps(w.without(np.arange(7)))),
        ):
            a, b = change(narrow), change(wide)
            assert a.kept == b.kept == np.count_nonzero(b.array) and len(a) == len(b)
            some = rng.integers(0, len(a), 50)
            assert np.array_equal(a.at(some), b.at(some))
            assert np.array_equal(a.part(slice(990, 1010)), b.part(slice(990, 1010)))
            assert np.array_equal(a.live, b.live) and a.total == b.total
            assert np.array_equal(a.array, b.array) and a.array.dtype == np.float64
            assert exact_sum(a.base) == exact_sum(np.asarray(a.base, float))


def test_weights_a_slice_at_a_time_are_all_of_them(monkeypatch):
    weight = np.random.default_rng(0).integers(0, 9, 1000) / 8
    changed = Weights.of(weight).without(np.array([99, 100, 999])).extended(np.array([0.5]))
    monkeypatch.setattr("certunlearn.numerics.rows.weights._SLICE", 100)
    assert np.array_equal(np.concatenate([s for _, s in changed.slices()]), changed.array)
    assert Weights.of(weight).kept == np.count_nonzero(weight)
