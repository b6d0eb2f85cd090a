"""Whenever a process ends: what is left opens, and is what it was before or after a change."""

import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from certunlearn import CertifiedRidge, StoreLockedError
from certunlearn.store import ModelStore, database, files, shards
from certunlearn.store.shards import Shards
from tests.benchmarks import kills


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SMALL", 256)
    monkeypatch.setattr(shards, "PART", 64 * kills.D * 8)
    with ModelStore.create(tmp_path / "model", kills.fitted()) as out:
        yield out


class Camera:
    """Copies the directory before each thing that lasts: what a kill there would leave."""

    def __init__(self, store, to, monkeypatch):
        self.store, self.to, self.taken = store, to, []
        for owner, name in (
            *((os, "fsync"), (files.Path, "unlink"), (Shards, "_kept"), (Shards, "sweep")),
            *((type(store.ledger), "commit"), (type(store.ledger), "erase_pages")),
        ):
            monkeypatch.setattr(owner, name, self.before(getattr(owner, name)))

    def before(self, action):
        def picture(*args, **kwargs):
            self.take()
            return action(*args, **kwargs)

        return picture

    def take(self):
        to = self.to / f"{len(self.taken)}" / "model"
        # Not by os.fsync, which would be a picture of a picture.
        shutil.copytree(self.store.path, to)
        self.taken.append(to)


def test_every_moment_of_a_removal_can_be_the_last(store, tmp_path, monkeypatch):
    """A kill leaves the files as they are: each moment's copy is opened by the next process."""
    who, other = kills.name(3), kills.name(5)
    store.add(row_ids=[other], reference="waits")
    before, weights = store.status()["weights"], []
    with monkeypatch.context() as patched:
        camera = Camera(store, tmp_path / "pictures", patched)
        store.forget(row_ids=[who], reference="case 1")
        camera.take()
    after = store.status()["weights"]
    assert len(camera.taken) > 20
    # Every other one: two that follow one another differ in a flush.
    for path in [*camera.taken[::2], camera.taken[-1]]:
        with ModelStore.open(path, "w") as opened:
            status = opened.status()
            weights.append(status["weights"])
            states = {r["reference"]: r["state"] for r in status["requests"]}
            assert states.pop("waits") == "pending"
            done = status["weights"] == after
            assert states in ([{"case 1": "done"}] if done else [{}, {"case 1": "pending"}])
            assert status["n_forgotten"] == done == opened.model.n_forgotten_
            assert opened.certificate.matches(opened.predictor)
            assert opened.ledger.log.faults() is None
            # Whoever asks again under the same reference is answered once.
            opened.forget(row_ids=[who], reference="case 1")
            assert opened.status()["n_forgotten"] == 1
            events = [opened.ledger.log.entry(n).values for n in range(len(opened.ledger.log))]
            assert sum(e["event"] == "removal" for e in events) == 1
        found = b"".join(p.read_bytes() for p in path.rglob("*") if p.is_file())
        assert not any(spelling in found for spelling in kills.spellings(3))
        assert kills.row(5).tobytes() in found
    # First as it was, then as it is, and never back.
    turn = weights.index(after)
    assert set(weights[:turn]) == {before} and set(weights[turn:]) == {after}


def test_every_moment_of_a_creation_can_be_the_last(tmp_path, monkeypatch):
    model, path = kills.fitted(), tmp_path / "here" / "model"
    path.parent.mkdir()
    pictures = []

    def take(action):
        def picture(*args, **kwargs):
            to = tmp_path / f"{len(pictures)}"
            shutil.copytree(path.parent, to)
            pictures.append(to)
            return action(*args, **kwargs)

        return picture

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", take(os.fsync))
        patched.setattr(files.Path, "rename", take(files.Path.rename))
        ModelStore.create(path, model).close()
    assert len(pictures) > 5
    for folder in pictures:
        if not (folder / "model").exists():
            ModelStore.create(folder / "model", model).close()
        with ModelStore.open(folder / "model") as opened:
            assert opened.model.n_retained_ == kills.N
        # What is left of a lock says who held it, and nothing of a row.
        assert {p.name for p in folder.iterdir()} <= {"model", ".model.lock"}


def test_the_inspection_finds_what_it_looks_for(store, tmp_path):
    log = tmp_path / "child.log"
    child = kills.Child(store.path, log, 0)
    child.say("created")
    who = kills.name(3)
    child.say("asked", reference="case 1", who=who)
    store.forget(row_ids=[who], reference="case 1")
    child.say("done", reference="case 1", who=who)
    store.close()

    def faults():
        inspection = kills.Inspection(store.path, log)
        inspection.look()
        return "; ".join(inspection.faults)

    assert faults() == ""
    for trace in (
        kills.row(3)[:1].tobytes(),
        kills.row(3).astype(np.float32).tobytes(),
        who.encode(),
    ):
        (tmp_path / "backup").write_bytes(b"x" + trace)
        assert f"{who} readable" in faults()
    (tmp_path / "backup").write_bytes(kills.row(4).tobytes())
    assert faults() == ""
    child.say("asked", reference="case 2", who=kills.name(4))
    child.say("done", reference="case 2", who=kills.name(4))
    child.say("added", reference="case 3")
    assert "case 2 was acknowledged and is lost" in faults() and "case 3 is lost" in faults()
    shutil.rmtree(store.path)
    assert "a created store is gone" in faults()


@pytest.mark.parametrize("broken", ["sweep", "erase_pages"])
def test_without_overwriting_the_inspection_finds_the_row(store, tmp_path, monkeypatch, broken):
    child = kills.Child(store.path, tmp_path / "child.log", 0)
    owner = Shards if broken == "sweep" else database.Database
    with monkeypatch.context() as patched:
        patched.setattr(owner, broken, lambda *args: 0)
        child.say("asked", reference="case 1", who=kills.name(3))
        store.forget(row_ids=[kills.name(3)], reference="case 1")
        child.say("done", reference="case 1", who=kills.name(3))
        inspection = kills.Inspection(store.path, tmp_path / "child.log")
        inspection.readable(["case 1"], "now")
    assert inspection.faults == [f"{kills.name(3)} readable now"]


@pytest.mark.long
def test_fifty_kills():
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.kills", "--kills", "50", "--seed", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 faults" in done.stdout


def test_a_store_that_is_locked_in_sqlite(store):
    store.ledger._database.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(store.path / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLockedError, match="somebody else"):
        store.forget(rows=[3], reference="case 1")
    other.execute("ROLLBACK")
    assert store.forget(rows=[3], reference="case 1").state == "done"
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM requests").fetchall()
    with pytest.raises(StoreLockedError, match="done and committed, but somebody is reading"):
        store.forget(rows=[4], reference="case 2")
    other.close()
    assert store.forget(rows=[4], reference="case 2").state == "done"
    assert store.status()["n_forgotten"] == 2


@pytest.mark.parametrize("steps", [12, pytest.param(200, marks=pytest.mark.long)])
def test_requests_through_a_store_are_those_in_memory(tmp_path, steps):
    """The same through a store that is reopened before each, and through one process."""
    model = kills.fitted()
    ModelStore.create(tmp_path / "model", model).close()
    rng = np.random.default_rng(3)
    for i in range(steps):
        with ModelStore.open(tmp_path / "model", "w") as store:
            kind = rng.choice(["forget", "learn", "correct", "release"], p=[0.5, 0.3, 0.1, 0.1])
            alive = np.flatnonzero(~model._fitted.lost(np.arange(model._fitted.names.n)))
            who = int(rng.choice(alive))
            if kind == "forget":
                store.forget(rows=[who])
                model.forget(rows=[who])
            elif kind == "learn":
                new = kills.row(5000 + i)[None], [0.5]
                store.learn(*new, row_ids=[kills.name(5000 + i)])
                model.learn(*new, row_ids=[kills.name(5000 + i)])
            elif kind == "correct":
                store.correct(rows=[who], y=[0.25])
                model.correct(rows=[who], y=[0.25])
            else:
                store.release()
                model.release()
            same(store, model)


def same(store, model):
    assert np.allclose(store.model._fitted.model.W, model._fitted.model.W, rtol=0, atol=1e-12)
    mine, theirs = store.certificate, model.certificate_.public()
    for name in ("epsilon", "joint_epsilon", "mu", "n_retained", "releases", "removals", "event"):
        assert getattr(mine, name) == getattr(theirs, name), name
    assert isinstance(store.model, CertifiedRidge)
