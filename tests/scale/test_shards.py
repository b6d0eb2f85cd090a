"""Rows in files: the same model as in memory, whoever sums, and forgotten where they lie."""

import copy
import json
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from certunlearn import (
    AssumptionError,
    CertifiedElasticNet,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    ExecutorError,
    SecretStateWarning,
    StaleShardError,
    StateError,
    forgetting,
)
from certunlearn.numerics.rows import filed
from certunlearn.scale import Shards, write_shards

N, D = 5000, 6


def data(seed=0, n=N, d=D, dtype=np.float32):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    return X, np.where(X[:, 0] + rng.logistic(size=n) > 0, "yes", "no")


@pytest.fixture
def small(monkeypatch):
    """Tasks of two blocks each: many of them even for few rows."""
    monkeypatch.setattr(filed, "TOGETHER", 1)


@pytest.fixture
def path(tmp_path):
    X, y = data()
    return write_shards(tmp_path / "rows", X, y, row_ids=np.arange(N) + 100, part=1024)


def ids(rows):
    return list(np.asarray(rows) + 100)


def everything(path):
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


def arrays(path):
    return {file.name: file.read_bytes() for file in path.glob("*.npy")}


def wordy(model, X, y):
    """Every verb once: tiers with and without a pass."""
    model.forget(row_ids=ids([3, 4, 2000]))
    model.forget(rows=np.arange(100, 700))
    model.learn(X[:7], y[:7], row_ids=[-k for k in range(1, 8)])
    model.correct(row_ids=[-1, 200 + 700], X=X[7:9])
    model.forget(row_ids=[-2])
    return model.release()


def lived_alike(mine, theirs):
    """Coefficients to 1e-9, certificates and tiers are the same."""
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=1e-9, atol=1e-9)
    a, b = mine.certificate_, theirs.certificate_
    assert (a.epsilon, a.distance_target, a.n_retained) == (
        b.epsilon,
        b.distance_target,
        b.n_retained,
    )
    assert a.distance <= a.distance_target
    assert [e["tier"] for e in mine.history_] == [e["tier"] for e in theirs.history_]


TARGETS = {
    CertifiedLogReg: lambda X, y: y,
    CertifiedLinearSVC: lambda X, y: y,
    CertifiedRidge: lambda X, y: np.stack([X @ np.arange(D), X[:, 1]], axis=1),
    CertifiedPoissonRegressor: lambda X, y: np.floor(np.exp(X[:, 0])),
    CertifiedElasticNet: lambda X, y: X @ np.arange(D) + X[:, 0] ** 2,
}


@pytest.mark.parametrize("kind", TARGETS)
def test_every_estimator_goes_through_its_life_as_in_memory(kind, tmp_path, small):
    X, y = data()
    y = TARGETS[kind](X, y)
    path = write_shards(tmp_path / "rows", X, y, row_ids=np.arange(N) + 100, part=2048)
    mine = wordy(kind(random_state=0).fit(Shards(path)), X, y)
    theirs = wordy(kind(random_state=0).fit(X, y, row_ids=np.arange(N) + 100), X, y)
    lived_alike(mine, theirs)
    assert mine.solver_ == theirs.solver_


@pytest.mark.parametrize("solver", ["newton-cg", "lbfgs"])
def test_solvers_that_form_no_matrix(solver, path):
    X, y = data()
    how = {"solver": solver, "mechanism": "isotropic", "random_state": 0}
    mine = CertifiedLogReg(**how).fit(Shards(path)).forget(rows=[5, 6])
    theirs = CertifiedLogReg(**how).fit(X, y).forget(rows=[5, 6])
    assert mine.solver_ == theirs.solver_ == solver
    apart = np.linalg.norm(mine._fitted.model.W - theirs._fitted.model.W)
    assert apart <= mine.certificate_.distance + theirs.certificate_.distance
    assert mine.certificate_.distance <= mine.certificate_.distance_target


def test_whoever_sums_the_model_is_the_same_to_the_last_bit(tmp_path, small):
    X, y = data()
    found = []
    for name, executor in ("one", None), ("two", ThreadPoolExecutor(2)):
        path = write_shards(tmp_path / name, X, y, row_ids=np.arange(N) + 100, part=1024)
        model = CertifiedLogReg(random_state=0).fit(Shards(path, executor=executor))
        found.append(wordy(model, X, y)._fitted.model.W)
    assert np.array_equal(*found)


def test_a_row_that_is_forgotten_is_in_no_file(tmp_path):
    X, y = data(dtype=np.float64)
    X[17] = np.pi * np.arange(1, D + 1)
    names = [f"person-{i}" for i in range(N)]
    names[17] = "planted-person"
    path = write_shards(tmp_path / "rows", X, y, row_ids=names, groups=names, part=1024)
    marks = X[17].tobytes(), "planted-person".encode("utf-32-le")
    assert all(mark in everything(path) for mark in marks)
    executor = ThreadPoolExecutor(1)
    model = CertifiedLogReg().fit(Shards(path, executor=executor))
    model.forget(row_ids=["planted-person"])
    assert not any(mark in everything(path) for mark in marks)
    assert not list(path.glob("pass-*"))
    # Whoever fits the same files later fits without it.
    again = CertifiedLogReg().fit(Shards(path))
    assert again.n_retained_ == N - 1
    weight = CertifiedLogReg().fit(Shards(path), sample_weight=np.ones(N))
    assert weight.n_retained_ == N - 1


def test_a_request_without_a_pass_touches_only_the_files_it_names(path, monkeypatch):
    model = CertifiedLogReg(view="release", noise=1.0).fit(Shards(path))
    before = {file.name: file.stat().st_mtime_ns for file in path.glob("*.npy")}
    read = []
    monkeypatch.setattr(filed.RowFiles, "read", _noting(filed.RowFiles.read, read))
    model.forget(rows=[1030])
    assert model.history_[-1]["tier"] == "downdate" and model.certificate_.passes == 0
    assert sum(last - first for first, last in read) <= 4
    changed = [f.name for f in path.glob("*.npy") if f.stat().st_mtime_ns != before[f.name]]
    assert changed and all(name.endswith("-00001.npy") for name in changed)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_request_for_more_rows_than_memory_holds_makes_passes_instead(kind, path, monkeypatch):
    X, y = data()
    y, gone = TARGETS[kind](X, y), np.arange(100, 900)
    mine = kind(random_state=0).fit(Shards(path), y)
    monkeypatch.setattr(filed, "MOST_GATHERED", 200 * D)
    monkeypatch.setattr(filed.FileRows, "gather", _few(filed.FileRows.gather, 200))
    mine.forget(rows=gone).forget(rows=[3])
    theirs = kind(random_state=0).fit(np.delete(X, [3, *gone], 0), np.delete(y, [3, *gone], 0))
    apart = mine._fitted.model.apart(theirs._fitted.model.W)
    assert apart <= mine.certificate_.distance + 2 * theirs.certificate_.distance
    assert mine.certificate_.distance <= mine.certificate_.distance_target
    assert mine.history_[-2]["passes"] > 0


def _few(method, most):
    def gather(self, positions):
        assert len(positions) <= most
        return method(self, positions)

    return gather


def _noting(method, into):
    def noting(self, first, last, out):
        into.append((first, last))
        return method(self, first, last, out)

    return noting


def test_of_two_models_over_the_same_files_the_first_to_change_them_goes_on(path):
    one, other = (CertifiedLogReg().fit(Shards(path)) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        pickled = pickle.loads(pickle.dumps(one))
    copied = copy.copy(one)
    one.forget(rows=[3])
    for stale in (other, copied, pickled):
        released = stale.coef_.copy()
        for act in (
            lambda m=stale: m.forget(rows=np.arange(2000)),
            lambda m=stale: m.forget(rows=[5]),
            lambda m=stale: m.learn(data(1)[0][:3], data(1)[1][:3], row_ids=[-1, -2, -3]),
        ):
            with pytest.raises(StaleShardError, match="changed since"):
                act()
        assert np.array_equal(stale.coef_, released) and stale.n_retained_ == N
    one.forget(rows=np.arange(1000, 3000))
    assert one.n_retained_ == N - 2001


def test_a_pickle_goes_on_where_the_model_does_not(path):
    model = CertifiedLogReg().fit(Shards(path))
    with pytest.warns(SecretStateWarning):
        data = pickle.dumps(model)
    again = pickle.loads(data).forget(rows=[3]).forget(rows=np.arange(1000, 3000))
    assert again.n_retained_ == N - 2001
    with pytest.raises(StateError, match="rows that stay in files"):
        again.to_state()


def test_a_pass_that_is_broken_off_leaves_everything_as_it_was(path, small):
    class Broken:
        def map(self, function, tasks):
            for i, task in enumerate(tasks):
                if i == self.most:
                    raise RuntimeError("a process has gone")
                yield function(task)

    executor = Broken()
    executor.most = 10**9
    model = CertifiedLogReg(random_state=0).fit(Shards(path, executor=executor))
    files, coef = arrays(path), model.coef_.copy()
    for executor.most in (0, 3):
        with pytest.raises(ExecutorError, match="Nothing has been changed"):
            model.forget(rows=np.arange(1000, 3000))
        assert model.n_retained_ == N and np.array_equal(coef, model.coef_)
        assert arrays(path) == files
    executor.most = 10**9
    assert model.forget(rows=np.arange(1000, 3000)).n_retained_ == N - 2000


def test_a_learning_that_fails_leaves_the_files_without_its_rows(path):
    X, y = data(1, n=3)
    model = CertifiedLogReg().fit(Shards(path))
    with pytest.raises(AssumptionError, match="float32"):
        model.learn(X.astype(np.float64) + 1e-12, y, row_ids=[-1, -2, -3])
    model.learn(X, y, row_ids=[-1, -2, -3])
    assert X[1].tobytes() in everything(path)
    model.forget(row_ids=[-1, -2, -3])
    assert X[1].tobytes() not in everything(path)
    with pytest.raises(AssumptionError, match="it alone knows"):
        CertifiedLogReg().fit(Shards(path))


def test_many_rows_learnt_get_a_part_of_their_own(path):
    X, y = data(2, n=3000)
    model = CertifiedLogReg(random_state=0).fit(Shards(path))
    model.learn(X, y, row_ids=np.arange(3000) - 3000).forget(rows=np.arange(N), confirm=True)
    alone = CertifiedLogReg(random_state=0).fit(X, y)
    gap = model._fitted.model.apart(alone._fitted.model.W)
    assert gap <= model.certificate_.distance + 2 * alone.certificate_.distance
    assert len(list(path.glob("features-*.npy"))) == 6


def test_what_is_written_is_what_is_read(tmp_path):
    X, y = data(n=2500)
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(D)])
    cuts = [0, 100, 1500, 1600, 2500]
    pieces = list(zip(cuts, cuts[1:], strict=False))
    one = write_shards(tmp_path / "one", frame, y, groups=y, part=1024)
    two = write_shards(
        tmp_path / "two", (X[a:b] for a, b in pieces), (y[a:b] for a, b in pieces), part=1024
    )
    for path in (one, two):
        rows = Shards(path)
        assert rows.shape == X.shape and rows.dtype == np.float32
        found = list(rows.pieces())
        assert np.array_equal(np.vstack([x for x, _ in found]), X)
        assert np.array_equal(np.concatenate([labels for _, labels in found]), y)
    assert Shards(one).feature_names == tuple(frame.columns)
    model = CertifiedLogReg().fit(Shards(one))
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert model.predict(frame[:5]).shape == (5,)
    with pytest.raises(AssumptionError, match="every row of class 'yes'"):
        model.forget(groups="yes")


@pytest.mark.parametrize(
    "write, message",
    [
        (lambda p, X, y: write_shards(p, X, y[:-1]), "rows, labels has"),
        (lambda p, X, y: write_shards(p, X * np.nan, y), "NaN or infinity"),
        (lambda p, X, y: write_shards(p, X, y, part=1000), "multiple of 1024"),
        (lambda p, X, y: write_shards(p, X, "label"), "no table"),
        (lambda p, X, y: write_shards(p, iter([X, csr_array(X)]), iter([y, y])), "pieces differ"),
        (lambda p, X, y: write_shards(p, iter([X, X[:, 1:]]), iter([y, y])), "pieces differ"),
        (lambda p, X, y: write_shards(p, iter([X, X]), iter([y])), "fewer pieces"),
        (lambda p, X, y: write_shards(p, X[:0], y[:0]), "no rows"),
        (lambda p, X, y: write_shards(p, X[0], y), "must be a table"),
    ],
)
def test_rows_that_are_not_written(write, message, tmp_path):
    with pytest.raises((ValueError, AssumptionError), match=message):
        write(tmp_path / "rows", *data(n=2000))


def test_what_takes_arrays_says_so(path, tmp_path):
    rows = Shards(path)
    model = CertifiedLogReg().fit(rows)
    with pytest.raises(TypeError, match="rows in files"):
        model.predict(rows)
    with pytest.raises(TypeError, match="rows in files"):
        CertifiedMinNorm().fit(rows, np.ones(N))
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with pytest.raises(AssumptionError, match="steps take rows in memory"):
        forgetting(make_pipeline(StandardScaler(), CertifiedLogReg())).fit(rows, data()[1])
    with pytest.raises(StateError, match="no directory of rows"):
        Shards(tmp_path / "nothing")
    known = json.loads((path / "rows.json").read_text())
    (path / "rows.json").write_text(json.dumps({**known, "version": 2}))
    with pytest.raises(StateError, match="version 1"):
        Shards(path)
    bare = write_shards(tmp_path / "bare", data()[0])
    with pytest.raises(ValueError, match="no labels"):
        CertifiedLogReg().fit(Shards(bare))
    assert CertifiedLogReg().fit(Shards(bare), data()[1]).n_retained_ == N
