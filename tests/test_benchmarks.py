"""The benchmarks run, say what they should, and their baselines are what they are called."""

import json

import numpy as np
import pytest

from tests.benchmarks import (
    data,
    fit,
    gpu,
    latency,
    matrix_free,
    memory,
    peers,
    removal,
    report,
    sequence,
    softmax,
)


def contents(module, out):
    module.main(small=True, out=out)
    found = json.loads((out / f"{module.__name__.rsplit('.', 1)[1]}.json").read_text())
    assert found["small"] and found["environment"]["processor"]
    assert (out / f"{found['name']}.md").read_text().startswith(f"# {found['name']}")
    return found["tables"]


def test_fit(tmp_path):
    (rows,) = contents(fit, tmp_path).values()
    assert rows[0]["mean gradient, ours"] <= 1e-8 and rows[0]["theirs"] <= 1e-8
    ratios = rows[0]["ours over newton-cholesky"]
    assert 0 < ratios["min"] <= ratios["median"] <= ratios["max"]


def test_removal(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "flights", lambda most=None: None)
    tables = contents(removal, tmp_path)
    idle = tables.pop("At scikit-learn's default tolerance")
    assert any(row["iterations"] == 0 and row["moved"] == 0 for row in idle)
    assert len(tables) == 6
    for rows in tables.values():
        found = {row["method"]: row for row in rows}
        ours = found["certunlearn"]
        assert ours["distance to refit"] <= ours["certified distance"]
        assert found["newton-cholesky, cold"]["distance to refit"] < 1e-5
        # Woodbury's identity and the subtraction are the Newton step by other means.
        newton = found["Newton removal"]["distance to refit"]
        for name in ("rescaled influence", "Newton, noise by constants"):
            assert found[name]["distance to refit"] == pytest.approx(newton, rel=1e-3)
        assert newton < found["influence"]["distance to refit"]
        assert {row["certified distance"] for row in rows} == {"none", ours["certified distance"]}


def test_latency_and_its_picture(tmp_path):
    tables = contents(latency, tmp_path)
    assert [row["rows"] for row in next(iter(tables.values()))] == [1_000, 4_000]
    assert (tmp_path / "latency.png").stat().st_size > 10_000


def test_sequence_and_its_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "flights", lambda most=None: None)
    rows, peers_ = contents(sequence, tmp_path).values()
    assert {row["solver"] for row in peers_} == {"newton-cholesky", "lbfgs"}
    assert sum(row["requests"] for row in rows[:-1]) == rows[-1]["requests"] == 60
    assert rows[-1]["bound over truth"]["min"] >= 1
    assert (tmp_path / "sequence.png").stat().st_size > 10_000


def test_matrix_free(tmp_path):
    (rows,) = contents(matrix_free, tmp_path).values()
    found = {row[""]: row["value"] for row in rows}
    assert found["certified"] and found["forget distance"] <= found["target"]


def test_memory(tmp_path):
    (rows,) = contents(memory, tmp_path).values()
    assert rows[0]["peak of all over X"] >= rows[0]["peak of the fit over X"] >= 0


def test_softmax(tmp_path):
    (rows,) = contents(softmax, tmp_path).values()
    assert rows[0]["ours to the refit"] <= rows[0]["certified distance"] + 1e-4


def test_gpu_runs_on_any_device(tmp_path):
    (rows,) = contents(gpu, tmp_path).values()
    assert rows[0]["gradient pass over copy's bandwidth"] > 0
    assert rows[0]["tier"] in ("downdate", "chord", "refresh")


def test_replay_of_no_removal_is_the_path_itself():
    X, y = data.synthetic(300, 4)
    problem = peers.Problem.of(X, y)
    replay = peers.Replay(problem)
    w, g = replay.path[-1]
    np.testing.assert_allclose(replay(problem, np.zeros(0, int)), w - replay.rate * g, rtol=1e-6)


def test_turns_alternate():
    order = []
    seconds = report.turns(
        {"a": lambda: order.append("a"), "b": lambda: (order.append("b"), 2.0)[1]}, 2
    )
    assert order == ["a", "b", "a", "b"] and seconds["b"] == [2.0, 2.0]


@pytest.mark.parametrize("value, text", [(0.123456, "0.123"), ("x", "x"), (7, "7")])
def test_cells(value, text):
    assert report.shown(value) == text
