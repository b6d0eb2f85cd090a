"""Columns of texts on the command line: indicators that forget with the model."""

import json

import numpy as np
import pytest

from certunlearn.audit import same_noise
from certunlearn.cli import told
from certunlearn.cli.main import main
from certunlearn.store import ModelStore

pandas = pytest.importorskip("pandas")
PLACES = np.array(["north", "south", "east", ""])


def table(path, rows, first=0, places=PLACES):
    """Write people: two numbers, a text that may be missing, a yes or no, and a diagnosis."""
    rng = np.random.default_rng(first)
    frame = pandas.DataFrame(rng.normal(size=(rows, 2)) * [1, 30], columns=["age", "weight"])
    frame["place"] = rng.choice(places, rows)
    frame["smokes"] = rng.choice(["yes", "no"], rows)
    pull = frame.age + (frame.place == "north") + (frame.smokes == "yes")
    frame["ill"] = np.where(pull + rng.logistic(size=rows) > 1, "ill", "well")
    frame["person"] = [f"p{first + i}" for i in range(rows)]
    frame.to_csv(path, index=False)
    return path


FIT = ["--target", "ill", "--ids", "person", "--pipeline"]


@pytest.fixture
def model(tmp_path):
    data, folder = table(tmp_path / "people.csv", 400), tmp_path / "model"
    assert main(["fit", str(data), *FIT, "one-hot", "--store", str(folder)]) == 0
    return str(folder)


def asked(capsys, *command, status=0):
    capsys.readouterr()
    assert main([*map(str, command), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_a_life_with_texts_is_that_of_the_pipeline(model, tmp_path, capsys):
    more = table(tmp_path / "more.csv", 20, 400, np.array(["west", "south"]))
    asked(capsys, "forget", model, "--id", "p3", "--id", "p5", "--reference", "a")
    # A place that nobody was from is none of those there were.
    assert asked(capsys, "learn", model, more)["n_retained"] == 418
    assert asked(capsys, "correct", model, more, "--target", "ill")["n_retained"] == 418
    labels = asked(capsys, "predict", model, more)
    with ModelStore.open(model) as store:
        steps = store.model.named_steps["columns"].named_transformers_
        assert [list(found) for found in steps["one-hot"].categories_] == [
            ["", "east", "north", "south", "west"],
            ["no", "yes"],
        ]
        frame = pandas.read_csv(more).fillna({"place": ""})
        assert store.model.predict(frame[["age", "weight", "place", "smokes"]]).tolist() == labels
        assert store.model.certificate_.n_forgotten == 22


def test_who_was_the_last_from_a_place_takes_it_along(model, tmp_path, capsys):
    more = table(tmp_path / "more.csv", 2, 400, np.array(["west"]))
    asked(capsys, "learn", model, more)
    asked(capsys, "forget", model, "--id", "p400", "--id", "p401", "--reference", "a")
    with ModelStore.open(model) as store:
        found = store.model.named_steps["columns"].named_transformers_["one-hot"].categories_[0]
    assert list(found) == ["", "east", "north", "south"]


@pytest.mark.long
def test_it_is_audited_with_its_tables(tmp_path, capsys):
    data, test = table(tmp_path / "people.csv", 400), table(tmp_path / "test.csv", 60, 900)
    # Chance has no say in whether this passes.
    with same_noise(3):
        asked(capsys, "fit", data, *FIT, "one-hot", "--store", tmp_path / "m")
        asked(capsys, "forget", tmp_path / "m", "--id", "p3", "--reference", "a")
    with same_noise(4):
        found = asked(capsys, "audit", tmp_path / "m", "--data", data, "--test", test)
    assert found["passed"] and "membership" in json.dumps(found["findings"])


def test_texts_are_refused_where_nobody_said_how_to_take_them(tmp_path, capsys):
    data = table(tmp_path / "people.csv", 40)
    error = asked(
        capsys, "fit", data, *FIT, "scaler", "--store", tmp_path / "m", status=told.MISTAKEN
    )["error"]
    assert "'place'" in error and "--pipeline one-hot" in error
    assert not (tmp_path / "m").exists()
