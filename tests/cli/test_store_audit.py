"""``certunlearn audit DIR``: honest models pass, others are told, and the page shows it."""

import json
import shutil

import numpy as np
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.audit import Finding, same_noise
from certunlearn.cli import store_audit, told
from certunlearn.cli.main import main
from certunlearn.store import ModelStore
from tests.store.test_replay import X, Y, moved


@pytest.fixture(scope="module")
def kept(tmp_path_factory, tables):
    folder = tmp_path_factory.mktemp("kept") / "model"
    command = ["fit", str(tables / "people.csv"), "--target", "ill", "--ids", "person"]
    command += ["--metadata", "ward", "--pipeline", "scaler", "--audit-rate", "1"]
    ids = [part for i in range(10) for part in ("--id", f"p{i:03}")]
    # The same noise in every run of these tests: chance has no say in whether they pass.
    with same_noise(1):
        assert main([*command, "--store", str(folder)]) == 0
        assert main(["forget", str(folder), *ids, "--reference", "a"]) == 0
    return folder


@pytest.fixture(scope="module")
def held_out(tmp_path_factory, tables):
    import pandas

    frame = pandas.read_csv(tables / "more.csv")
    frame["age"] = np.where(frame.f0 > frame.f0.median(), "old", "young")
    path = tmp_path_factory.mktemp("test") / "test.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def model(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "model")
    return str(tmp_path / "model")


def asked(capsys, *command, status=0):
    capsys.readouterr()
    with same_noise(2):
        assert main(["audit", *map(str, command), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_a_model_is_audited_by_itself(model, capsys, tmp_path):
    page = tmp_path / "page.html"
    # So seldom a false alarm that none is met here.
    found = asked(capsys, model, "--level", "0.0001", "-o", page)
    names = [f["audit"] for f in found["findings"]]
    assert (
        found["passed"]
        and found["axes"] == []
        and names
        == [
            "trained again on the rows that stay",
            "law of the release that was published",
            "law of releases drawn anew, and published nowhere",
            "effective epsilon, from releases",
            "continuous self-audit",
        ]
    )
    assert found["findings"][2]["power"]["noise 2 times too small"] > 0.99
    assert found["findings"][3]["statistic"] <= found["findings"][3]["null"][1] == 1.0
    text = page.read_text()
    assert "<svg" in text and "As much noise as claimed?" in text and "A model put to" in text
    assert "<script" not in text and "p001" not in text
    with ModelStore.open(model) as store:
        # Releases that were drawn to be looked at are published nowhere.
        assert store.status()["releases"] == 1
    assert main(["audit", model, "--level", "0.0001"]) == 0
    assert "found nothing that the certificate does not allow" in capsys.readouterr().out


@pytest.mark.long
def test_with_tables_it_is_held_against_retrained_ones(
    model, tables, held_out, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(store_audit, "_SHADOWS", 64)
    page = tmp_path / "page.html"
    more = "--data", tables / "people.csv", "--test", held_out, "--subgroups", "age"
    found = asked(capsys, model, *more, "--level", "0.02", "-o", page)
    assert found["passed"], found
    assert found["oracles"] == 99 and found["level"] == 0.01
    names = {a["name"] for a in found["axes"]}
    assert {"group old, soft", "group young, hard", "forgotten rows, soft"} <= names
    assert found["findings"][-1]["audit"] == "membership test on forgotten rows"
    assert found["certified"]["bound_over_true_distance"] > 1
    text = page.read_text()
    for panel in "Another retraining?", "As much noise", "Epsilon, from below", "Was it ever":
        assert panel in text


@pytest.mark.long
def test_what_is_left_of_the_influence_is_measured(tables, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(store_audit, "_SHADOWS", 64)
    where, people = str(tmp_path / "plain"), str(tables / "people.csv")
    command = ["fit", people, "--target", "ill", "--ids", "person", "--groups", "ward"]
    with same_noise(3):
        assert main([*command, "--store", where]) == 0
        assert main(["forget", where, "--group", "3"]) == 0
    found = asked(capsys, where, "--data", people, "--level", "0.006")
    (left,) = [f for f in found["findings"] if f["audit"] == "influence that is left"]
    assert left["passed"] and left["influence"] > 0
    assert main(["learn", where, str(tables / "more.csv")]) == 0
    found = asked(capsys, where, "--data", people, "--level", "0.006")
    # The table is not all that the model has seen.
    assert "influence that is left" not in [f["audit"] for f in found["findings"]]


@pytest.mark.parametrize("steps", [[], ["--pipeline", "scaler"]], ids=["bare", "pipeline"])
def test_the_table_is_to_hold_the_rows_that_stay(
    steps, tables, held_out, tmp_path, capsys, monkeypatch
):
    """After rows were learnt or corrected the table of the fit trains other models."""
    import pandas

    # It looks at the table alone, and takes long.
    nothing = Finding(audit="membership", statistic=0.0, null=(0.0, 1.0), level=0.0, scope="")
    monkeypatch.setattr(store_audit, "membership", lambda *_: nothing)
    frame, where = pandas.read_csv(tables / "people.csv")[:200], str(tmp_path / "m")
    people, wrong = tmp_path / "people.csv", tmp_path / "wrong.csv"
    frame.to_csv(people, index=False)
    more = pandas.read_csv(tables / "people.csv")[200:280]
    more.assign(ill=1 - more.ill).to_csv(wrong, index=False)
    columns = "--target", "ill", "--ids", "person", "--metadata", "ward"
    with same_noise(5):
        assert main(["fit", str(people), *columns, *steps, "--store", where]) == 0
        assert main(["forget", where, "--id", "p003"]) == 0
        shutil.copytree(where, tmp_path / "other")
        assert main(["learn", where, str(wrong)]) == 0
    given = "--test", held_out, "--level", "0.1"
    error = asked(capsys, where, "--data", people, *given, status=told.MISTAKEN)["error"]
    assert "279 rows that the model is trained on now: it lacks 80, and 0 have" in error
    other = str(tmp_path / "other")
    frame[100:160].assign(ill=1 - frame.ill[100:160]).to_csv(wrong, index=False)
    with same_noise(6):
        assert main(["correct", other, str(wrong)]) == 0
    error = asked(capsys, other, "--data", people, *given, status=told.MISTAKEN)["error"]
    assert "it lacks 0, and 60 have other features or labels" in error
    # With the table as it is now the model does as retrained ones do.
    frame.loc[100:159, "ill"] = 1 - frame.ill[100:160]
    frame.to_csv(people, index=False)
    assert asked(capsys, other, "--data", people, *given)["passed"]


def test_a_model_that_has_forgotten_nothing_is_told(tmp_path, capsys):
    stale = CertifiedLogReg().fit(X, Y)._fitted.model.W
    model = moved(CertifiedLogReg().fit(X, Y).forget(rows=[9]), stale)
    ModelStore.create(tmp_path / "model", model).close()
    found = asked(capsys, tmp_path / "model", status=told.UNVERIFIED)
    failed = {f["audit"] for f in found["findings"] if not f["passed"]}
    assert "trained again on the rows that stay" in failed
    assert main(["audit", str(tmp_path / "model")]) == told.UNVERIFIED
    assert "Not as certified: trained again" in capsys.readouterr().out


def test_mistakes_of_an_audit(model, tables, held_out, tmp_path, capsys):
    people, more = tables / "people.csv", tables / "more.csv"
    for command, said in (
        ((model, people), "audited by itself"),
        ((people,), "no directory of a model"),
        ((model, "--test", held_out), "--test needs --data"),
        ((model, "--data", more), "all are forgotten"),
        ((model, "--data", people, "--test", more, "--subgroups", "age"), "no column 'age'"),
        ((tmp_path, "--data", people), "no model at"),
    ):
        assert said in asked(capsys, *command, status=told.MISTAKEN)["error"], command
    with ModelStore.create(tmp_path / "plain", CertifiedLogReg().fit(X, Y)):
        pass
    error = asked(capsys, tmp_path / "plain", "--data", people, status=told.MISTAKEN)["error"]
    assert "column" in error or "identifiers" in error or "does not name its rows" in error
    ModelStore.create(tmp_path / "none", CertifiedLogReg(noise=0).fit(X, Y)).close()
    assert "nothing is claimed" in asked(capsys, tmp_path / "none", status=told.REFUSED)["error"]
