"""Older schemas are brought up by one step after the other, newer ones are refused."""

import json
import sqlite3

import pytest

from certunlearn.exceptions import StoreError
from certunlearn.store import ModelStore, migrations
from tests.benchmarks import kills


@pytest.fixture
def path(tmp_path):
    ModelStore.create(tmp_path / "model", kills.fitted()).close()
    return tmp_path / "model"


def back(path, schema, without=("about", "recognises")):
    """Make a directory what an older version would have written."""
    with sqlite3.connect(path / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE facts SET value = ? WHERE name = 'schema'", (str(schema),))
        for name in without:
            ledger.execute("DELETE FROM facts WHERE name = ?", (name,))
    ledger.close()
    (path / "ledger.sqlite.sha256").unlink()
    (path / "store.json").write_text(json.dumps({"format": "certunlearn store", "schema": schema}))


def test_a_directory_of_schema_1_is_brought_up_by_who_writes(path):
    back(path, 1)
    with pytest.raises(StoreError, match="schema 1, .* open it with mode='w' once"):
        ModelStore.open(path)
    assert json.loads((path / "store.json").read_text())["schema"] == 1
    with ModelStore.open(path, "w") as store:
        assert store.about == {} and store.status()["recognises"] is True
        assert store.forget(row_ids=[kills.name(3)], reference="case 1").state == "done"
    assert json.loads((path / "store.json").read_text())["schema"] == migrations.VERSION
    with ModelStore.open(path) as store:
        assert store.ledger.schema == migrations.VERSION and store.answer("case 1").rows == 1


def test_steps_follow_one_another(path, monkeypatch):
    """Of a schema that never was: its step comes first, and the next finds what it has written."""
    real, taken = migrations.STEPS[1], []

    def first(ledger):
        taken.append(0)
        ledger.set("from", "nothing")

    def second(ledger):
        taken.append(ledger.fact("from"))
        real(ledger)

    back(path, 0)
    monkeypatch.setattr(migrations, "STEPS", {0: first, 1: second})
    ModelStore.open(path, "w").close()
    assert taken == [0, "nothing"]
    with ModelStore.open(path, "w") as store:
        assert store.ledger.fact("from") == "nothing" and store.about == {}
    assert taken == [0, "nothing"]


def test_a_step_that_fails_leaves_the_directory_as_it_was(path, monkeypatch):
    back(path, 0)

    def broken(ledger):
        ledger.set("half", "done")
        raise StoreError("no")

    monkeypatch.setattr(migrations, "STEPS", {**migrations.STEPS, 0: broken})
    with pytest.raises(StoreError, match="^no$"):
        ModelStore.open(path, "w")
    monkeypatch.undo()
    with pytest.raises(StoreError, match="schema 0 is older than any"):
        ModelStore.open(path, "w")
    ledger = sqlite3.connect(path / "ledger.sqlite")
    facts = dict(ledger.execute("SELECT name, value FROM facts"))
    ledger.close()
    assert facts["schema"] == "0" and "half" not in facts and "about" not in facts


def test_a_mark_that_was_left_behind_is_written_again(path):
    """A process that ended after the ledger was brought up, and before the mark was."""
    text = json.dumps({"format": "certunlearn store", "schema": 1})
    (path / "store.json").write_text(text)
    ModelStore.open(path).close()
    assert (path / "store.json").read_text() == text
    ModelStore.open(path, "w").close()
    assert json.loads((path / "store.json").read_text())["schema"] == migrations.VERSION


@pytest.mark.parametrize("where", ["mark", "ledger"])
def test_a_newer_schema_is_refused(path, where):
    new = migrations.VERSION + 1
    if where == "ledger":
        back(path, new, without=())
    text = json.dumps({"format": "certunlearn store", "schema": new})
    (path / "store.json").write_text(text)
    for mode in "r", "w":
        with pytest.raises(StoreError, match=f"schema {new}.*upgrade certunlearn"):
            ModelStore.open(path, mode)
    assert (path / "store.json").read_text() == text
