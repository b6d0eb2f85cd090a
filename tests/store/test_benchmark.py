"""The benchmark of stores runs, and opening reads no rows."""

import json

import pytest

from certunlearn.store import ModelStore, shards
from tests.benchmarks import durable, kills


@pytest.mark.long
def test_durable(tmp_path):
    durable.main(small=True, out=tmp_path)
    tables = json.loads((tmp_path / "durable.json").read_text())["tables"]
    assert [row["requests"] for row in tables["requests"]] == [200, 400]
    assert all(row["s to open (at most 2)"] > 0 and row["MB"] > 0 for row in tables["requests"])
    (row,) = tables["rows"]
    assert 0 < row["s to forget, lasting"]["min"] <= row["s to forget, lasting"]["max"]


def test_a_store_opens_and_predicts_without_reading_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SMALL", 256)
    model = kills.fitted()
    ModelStore.create(tmp_path / "model", model).close()
    X = kills.row(3)[None]

    def never(*args):
        raise AssertionError("a file of rows was read")

    monkeypatch.setattr(shards.Shards, "_parts", never)
    with ModelStore.open(tmp_path / "model", "w") as store:
        assert store.status()["n_retained"] == kills.N and store.certificate.n_retained == kills.N
        assert store.predict(X) == model.export_predictor().predict(X)
        with pytest.raises(AssertionError, match="rows was read"):
            store.model  # noqa: B018
