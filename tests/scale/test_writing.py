"""Rows are written from arrays, tables, files and clusters, and are the same shards."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

from certunlearn import CertifiedLogReg, RowError
from certunlearn.scale import Shards, sources, write_shards

N, D = 3000, 4
NAMES = ("age", "height", "visits", "pulse")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)).astype(np.float32)
    left = np.where(X[:, 0] + rng.logistic(size=N) > 0, "yes", "no")
    out = pd.DataFrame(X, columns=list(NAMES))
    return out.assign(left=left, who=[f"p{i}" for i in range(N)], counts=rng.integers(1, 4, N))


@pytest.fixture
def few(monkeypatch):
    """Many pieces even of few rows."""
    monkeypatch.setattr(sources, "TOGETHER", 1000 * D)


def arrow(path, t):
    return pytest.importorskip("pyarrow").Table.from_pandas(t)


def parquet(path, t):
    pytest.importorskip("pyarrow")
    for k in range(3):
        (path / "parquet").mkdir(exist_ok=True)
        t[k * 1000 : (k + 1) * 1000].to_parquet(path / "parquet" / f"{k}.parquet", index=False)
    return path / "parquet"


def csv(path, t):
    pytest.importorskip("pyarrow")
    t.to_csv(path / "table.csv", index=False)
    return str(path / "table.csv")


def feather(path, t):
    pytest.importorskip("pyarrow")
    t.to_feather(path / "table.feather")
    return path / "table.feather"


def dask_frame(path, t):
    return pytest.importorskip("dask.dataframe").from_pandas(t, npartitions=3)


TABLES = {
    "pandas": lambda path, t: t,
    "polars": lambda path, t: pl.from_pandas(t),
    "polars query": lambda path, t: pl.from_pandas(t).lazy(),
    "arrow": arrow,
    "arrow reader": lambda path, t: arrow(path, t).to_reader(500),
    "parquet": parquet,
    "csv": csv,
    "feather": feather,
    "dask": dask_frame,
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_whose_columns_are_named(kind, table, tmp_path, few):
    X = TABLES[kind](tmp_path, table)
    if kind == "arrow reader":
        X = X.read_all()
    path = write_shards(
        tmp_path / "rows", X, "left", sample_weight="counts", row_ids="who", part=None
    )
    rows = Shards(path)
    assert rows.shape == (N, D) and rows.feature_names == NAMES
    found = list(rows.pieces())
    # Numbers of a csv file are written as they are read, in float64.
    assert rows.dtype == (np.float64 if kind == "csv" else np.float32)
    read = np.vstack([x for x, _ in found]).astype(np.float32)
    assert np.array_equal(read, table[list(NAMES)].to_numpy(np.float32))
    assert np.array_equal(np.concatenate([y for _, y in found]), table.left)
    assert np.array_equal(rows.column("row_ids"), table.who)
    assert np.array_equal(rows.column("sample_weight"), table.counts)
    model = CertifiedLogReg(random_state=0).fit(rows).forget(row_ids=["p17", "p2999"])
    plain = CertifiedLogReg(random_state=0).fit(
        table[list(NAMES)].to_numpy(), table.left, table.counts, row_ids=table.who
    )
    plain.forget(row_ids=["p17", "p2999"])
    if kind != "csv":
        np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9, atol=1e-9)
    assert model.feature_names_in_.tolist() == list(NAMES)


def zarr_array(path, X):
    return pytest.importorskip("zarr").create_array(str(path / "X.zarr"), data=X, chunks=(700, D))


def dask_array(path, X):
    return pytest.importorskip("dask.array").from_array(X, chunks=(1100, 2))


ARRAYS = {
    "numpy": lambda path, X: X,
    "list": lambda path, X: X.tolist(),
    "fortran": lambda path, X: np.asfortranarray(X),
    "zarr": zarr_array,
    "dask": dask_array,
    "pieces": lambda path, X: iter([X[:100], X[100:2900], X[2900:]]),
    "sparse": lambda path, X: csr_array(X),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(kind, table, tmp_path, few):
    X, y = table[list(NAMES)].to_numpy(), table.left.to_numpy()
    given = ARRAYS[kind](tmp_path, X)
    if kind == "dask":
        y = pytest.importorskip("dask.array").from_array(y.astype("U"), chunks=1100)
    rows = Shards(write_shards(tmp_path / "rows", given, y, part=None))
    found = [(x.toarray() if rows.sparse else x, labels) for x, labels in rows.pieces()]
    assert np.array_equal(np.vstack([x for x, _ in found]), X)
    assert np.array_equal(np.concatenate([labels for _, labels in found]), table.left)
    assert rows.sparse == (kind == "sparse")
    assert rows.dtype == (np.float64 if kind == "list" else np.float32)
    # What partitions are cut into does not matter.
    model = CertifiedLogReg(mechanism="isotropic", random_state=0)
    model.fit(rows).forget(rows=[17, 1099, 1100]).learn(X[:2], ["yes", "no"])
    assert model.n_retained_ == N - 1


def test_an_index_names_the_rows(table, tmp_path):
    t = table.set_index("who")[["age", "left"]]
    rows = Shards(write_shards(tmp_path / "named", t, "left"))
    assert np.array_equal(rows.column("row_ids"), table.who)
    for k, frame in enumerate((table[["age", "left"]], t.set_axis([0] * N))):
        assert "row_ids" not in Shards(write_shards(tmp_path / str(k), frame, "left")).columns


def test_a_cluster_writes_where_its_workers_see(table, tmp_path):
    distributed = pytest.importorskip("distributed")
    frame = pytest.importorskip("dask.dataframe").from_pandas(table, npartitions=3)
    how = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "processes": False}
    with distributed.LocalCluster(**how) as cluster, distributed.Client(cluster):
        path = write_shards(tmp_path / "rows", frame.persist(), "left", row_ids="who")
    plain = write_shards(tmp_path / "plain", table.drop(columns="who"), "left", row_ids=table.who)
    assert len(list(path.glob("features-*.npy"))) == 3
    for name in ("labels", "row_ids"):
        assert np.array_equal(Shards(path).column(name), Shards(plain).column(name))


@pytest.mark.parametrize(
    "write, error, message",
    [
        (lambda p, t: write_shards(p, t, "nothing"), ValueError, "no column nothing"),
        (lambda p, t: write_shards(p, t[["left"]], "left"), ValueError, "no column of features"),
        (lambda p, t: write_shards(p, p / "rows.xlsx", "left"), ValueError, "no format"),
        (lambda p, t: write_shards(p, t[["age"]], t.left, part=-1024), ValueError, "multiple"),
        (lambda p, t: write_shards(p, t[["age"]], [1j] * N), RowError, "numbers or texts"),
        (lambda p, t: write_shards(p, t[["age"]], t.left[1:]), ValueError, "rows, labels has"),
        (lambda p, t: write_shards(p, t[["age"]], [*t.left, "no"]), ValueError, "labels has 3001"),
    ],
)
def test_what_is_not_written(write, error, message, table, tmp_path):
    with pytest.raises(error, match=message):
        write(tmp_path / "rows", table)


def test_dask_wants_what_lies_beside_cut_alike(table, tmp_path):
    da = pytest.importorskip("dask.array")
    X = da.from_array(table[list(NAMES)].to_numpy(), chunks=(1000, D))
    with pytest.raises(ValueError, match="cut into partitions"):
        write_shards(tmp_path / "a", X, da.from_array(table.counts.to_numpy(), chunks=500))
    with pytest.raises(ValueError, match="must be Dask's"):
        write_shards(tmp_path / "b", X, table.counts)
