"""Sparse rows in files: the same model as in memory, and forgotten rows close up."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from certunlearn import AssumptionError, CertifiedLogReg, CertifiedMinNorm, CertifiedRidge
from certunlearn.numerics.rows import entries, filed_sparse
from certunlearn.numerics.rows.filed_sparse import SparseFileRows
from certunlearn.numerics.rows.fold import Extent
from certunlearn.numerics.rows.sparse import SparseRows
from certunlearn.scale import Shards, write_shards

from .test_shards import everything, lived_alike

N, D = 20_000, 60
HOW = {"mechanism": "isotropic", "random_state": 0}


def data(n=N, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    X = csr_array(random_array((n, D), density=0.08, rng=rng, dtype=dtype, format="csr"))
    score = X @ rng.normal(size=D)
    return X, np.where(score + 0.3 * rng.logistic(size=n) > 0, "yes", "no")


@pytest.fixture
def path(tmp_path):
    X, y = data()
    return write_shards(tmp_path / "rows", X, y, row_ids=np.arange(N) + 100, part=4096)


def life(model, X, y):
    model.forget(row_ids=[103, 104, 4100, 19_000])
    model.learn(X[:9], y[:9], row_ids=[-k for k in range(1, 10)])
    model.correct(row_ids=[-1, 300], X=X[9:11])
    model.forget(row_ids=[-2])
    return model.forget(rows=np.arange(5000, 7000))


@pytest.mark.parametrize("kind", [CertifiedLogReg, CertifiedRidge])
def test_a_life_is_that_of_rows_in_memory(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(filed_sparse, "TOGETHER", 1 << 15)
    X, y = data()
    y = (y == "yes") + 0.0 if kind is CertifiedRidge else y
    path = write_shards(tmp_path / "rows", X, y, row_ids=np.arange(N) + 100, part=4096)
    mine = life(kind(**HOW).fit(Shards(path)), *data(seed=1)[:1], y)
    theirs = life(kind(**HOW).fit(X, y, row_ids=np.arange(N) + 100), *data(seed=1)[:1], y)
    assert isinstance(mine._fitted.model.rows, SparseFileRows)
    lived_alike(mine, theirs)


def test_sums_are_those_of_rows_in_memory(path, monkeypatch):
    X, y = data()
    codes = (y == "yes").astype(np.int64)
    here = SparseRows(X, codes, intercept=True)
    for together in (1, 1 << 21):
        monkeypatch.setattr(filed_sparse, "TOGETHER", together)
        rows = SparseFileRows(Shards(path), codes, intercept=True)
        assert rows.chain == here.chain and rows.blocks == -(-N // 4096)
        for a, b in zip(
            rows.fold(Extent(), rows.blocked(np.ones(N))),
            here.fold(Extent(), here.blocked(np.ones(N))),
            strict=True,
        ):
            assert np.array_equal(a, b)
        some = np.array([7, 5, 19_999, 4095, 4096])
        assert (rows.features(some) != here.features(some)).nnz == 0
        assert np.array_equal(rows.gather(some), here.gather(some))


def test_a_row_that_is_forgotten_leaves_nothing(tmp_path):
    X, y = data()
    marks = np.array([1 / 3, 1 / 7, 1 / 11], np.float32)
    X = X.tolil()
    X[17, [3, 5, 8]] = marks
    X[17, [k for k in range(D) if k not in (3, 5, 8)]] = 0
    path = write_shards(tmp_path / "rows", csr_array(X), y, part=4096)
    length = np.diff(np.load(path / "indptr-00000.0.npy"))
    assert marks.tobytes() in everything(path) and length[17] == 3
    destroyed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "_destroy", lambda p: (destroyed.append(p.name), was(p)))
        was = entries.Path.unlink
        CertifiedLogReg(**HOW).fit(Shards(path)).forget(rows=[17])
    assert sorted(destroyed) == [f"{name}-00000.0.npy" for name in ("data", "indices", "indptr")]
    assert marks.tobytes() not in everything(path)
    after = np.diff(np.load(path / "indptr-00000.1.npy"))
    assert after[17] == 0 and np.array_equal(np.delete(after, 17), np.delete(length, 17))
    assert len(np.load(path / "data-00000.1.npy")) == after.sum()
    assert CertifiedLogReg(**HOW).fit(Shards(path)).n_retained_ == N - 1


def test_files_that_go_are_overwritten_first(tmp_path, monkeypatch):
    file = tmp_path / "data-00000.0.npy"
    file.write_bytes(b"secret" * 1000)
    seen = []
    monkeypatch.setattr(entries.Path, "unlink", lambda self: seen.append(self.read_bytes()))
    entries._destroy(file)
    assert seen == [bytes(6000)]


def test_what_an_interrupted_request_left_is_removed_by_the_next(path, monkeypatch):
    model = CertifiedLogReg(**HOW).fit(Shards(path))
    with monkeypatch.context() as patch:
        patch.setattr(entries.Entries, "settle", lambda *a: (_ for _ in ()).throw(OSError))
        with pytest.raises(OSError):
            model.forget(rows=[17])
    left = list(path.glob("data-00000.*.npy"))
    assert len(left) == 2
    again = CertifiedLogReg(**HOW).fit(Shards(path))
    assert not again._fitted.model.rows.gather(np.array([17]))[0, :-1].any()
    again.forget(rows=[18])
    assert len(list(path.glob("data-00000.*.npy"))) == 1


def test_a_pickle_and_pieces(path):
    X, _ = data()
    rows = Shards(path)
    found = [x for x, _ in rows.pieces()]
    assert sum(x.shape[0] for x in found) == N
    assert (found[0] != X[: found[0].shape[0]]).nnz == 0 and found[0].dtype == np.float32
    model = CertifiedLogReg(**HOW).fit(rows)
    with pytest.warns(UserWarning):
        data_ = pickle.dumps(model)
    assert pickle.loads(data_).forget(rows=[3]).n_retained_ == N - 1


def test_estimators_that_take_no_sparse_rows_say_so(path):
    with pytest.raises(TypeError, match="rows in files"):
        CertifiedMinNorm().fit(Shards(path), np.ones(N))
    with pytest.raises(AssumptionError, match="newton-cg"):
        CertifiedLogReg(solver="lbfgs", **HOW).fit(Shards(path))
