"""Full disks, directories that cannot be written, locks and clocks: told, and nothing is lost."""

import contextlib
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certunlearn.exceptions import ClockError, StoreDamagedError, StoreError, StoreLockedError
from certunlearn.store import ModelStore, load_predictor, shards
from tests.benchmarks import kills

NEW = kills.row(900)[None], [0.5]
#: Every verb that writes, on a store that `prepared` has made.
VERBS = {
    "forget": lambda store, folder: store.forget(row_ids=[kills.name(3)], reference="new"),
    "learn": lambda store, folder: store.learn(*NEW, row_ids=[kills.name(900)]),
    "correct": lambda store, folder: store.correct(row_ids=[kills.name(4)], y=[0.75]),
    "release": lambda store, folder: store.release("shop B"),
    "export": lambda store, folder: store.export(folder / "export", receiver="shop C"),
    "acknowledge": lambda store, folder: store.acknowledge(1),
    "add": lambda store, folder: store.add(rows=[9], reference="new"),
    "withdraw": lambda store, folder: store.withdraw("waits"),
    "extend": lambda store, folder: store.extend("waits", reason="many requests"),
    "run": lambda store, folder: store.run(),
    "unrecognise": lambda store, folder: (store.withdraw("waits"), store.unrecognise()),
}


class Clock:
    time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.time


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A directory of each verb's past: something handed out, answered and waiting."""
    folder = tmp_path_factory.mktemp("prepared") / "model"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shards, "SMALL", 256)
        patched.setattr(shards, "PART", 64 * kills.D * 8)
        with ModelStore.create(folder, kills.fitted(), clock=Clock()) as store:
            store.export(folder.parent / "bundle", receiver="shop A")
            store.forget(row_ids=[kills.name(1)], reference="case 1")
            store.add(row_ids=[kills.name(5)], reference="waits")
    return folder


@pytest.fixture
def path(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SMALL", 256)
    monkeypatch.setattr(shards, "PART", 64 * kills.D * 8)
    shutil.copytree(prepared, tmp_path / "model")
    return tmp_path / "model"


def opened(path, clock=None):
    return ModelStore.open(path, "w", clock=clock or Clock())


def what(store):
    """What is there, but for what an attempt may write down: that it was asked, or handed out."""
    status = store.status()
    done = {r["reference"]: r["state"] for r in status["requests"] if r["reference"] != "new"}
    numbers = [status[name] for name in ("generation", "n_retained", "weights", "recognises")]
    withdrawn = [e["withdrawn"] for e in status["exports"]][:1]
    return numbers, done, withdrawn, store.model._fitted.model.W.tolist()


@contextlib.contextmanager
def limited(size):
    """A disk on which no file grows beyond a size: writes fail then as on one that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("verb", VERBS)
def test_a_disk_that_is_full_is_told_and_what_was_there_is_kept(path, tmp_path, verb):
    """Full at once, and a little later each time, until there is room enough."""
    with opened(path) as store:
        before = what(store)
    failed, size = 0, 0
    while True:
        here = tmp_path / f"{size}"
        shutil.copytree(path, here / "model")
        store = opened(here / "model")
        try:
            with limited(size):
                VERBS[verb](store, here)
        except StoreError as error:
            said, failed = str(error), failed + 1
            assert "make room" in said or "Nothing is there" in said, said
            done = "done and committed" in said
            assert done or "cannot be written" in said or "cannot be used" in said, said
            # The last verb here is two, the first of which may have been done.
            assert done or verb == "unrecognise" or what(store) == before
            # There is room again: it goes on, whether from here or from anew.
            if failed % 2 and not done:
                VERBS[verb](store, here)
            store.close()
        else:
            store.close()
            break
        with opened(here / "model") as store:
            assert store.ledger._faults() is None
            assert failed % 2 or done or verb == "unrecognise" or what(store) == before
            assert store.certificate.matches(store.predictor)
        size = max(2 * size, 2048)
    assert failed >= 2
    with opened(here / "model") as store:
        if verb == "export":
            assert load_predictor(here / "export").certificate_ is not None
        assert store.ledger._faults() is None


def test_a_store_is_not_created_on_a_disk_that_is_full(tmp_path):
    model = kills.fitted()
    for size in (0, 1024, 4096, 8192):
        with limited(size), pytest.raises(StoreError, match="cannot be|make room"):
            ModelStore.create(tmp_path / "model", model)
        assert [p.name for p in tmp_path.iterdir()] in ([], [".model.lock"])
    ModelStore.create(tmp_path / "model", model).close()


#: Asks a store everything that reads, and says what each verb that writes raises; first, so that
#: all is imported, as whoever may do everything, then as nobody.
READER = """
import contextlib, io, os, sys
from pathlib import Path
from certunlearn.exceptions import StoreError
from certunlearn.store import ModelStore
from tests.benchmarks import kills

def look(path):
    with ModelStore.open(path) as store:
        assert store.status()["n_retained"] == kills.N - 1
        assert store.predict(kills.row(3)[None]).shape == (1,)
        assert store.answer("case 1").state == "done" and store.head()
        assert store.model.n_retained_ == kills.N - 1
        said("forget", lambda: store.forget(rows=[3]))
    said("open", lambda: ModelStore.open(path, "w").close())
    said("create", lambda: ModelStore.create(path.with_name("other"), model).close())

def said(name, action):
    try:
        action()
    except StoreError as error:
        print(f"{name}:", error)

model = kills.fitted()
with contextlib.redirect_stdout(io.StringIO()):
    look(Path(sys.argv[1]))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
look(Path(sys.argv[2]))
"""


def test_a_directory_that_cannot_be_written_is_read(prepared):
    """By somebody who is not its owner; root may write everywhere."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        shutil.copytree(prepared, folder / "warm" / "model")
        shutil.copytree(prepared, folder / "model")
        with ModelStore.open(folder / "model", "w", clock=Clock()):
            pass
        for each in (folder, *(folder / "model").rglob("*"), folder / "model"):
            each.chmod(0o555 if each.is_dir() else 0o444)
        paths = [str(folder / "warm" / "model"), str(folder / "model")]
        command = [sys.executable, "-B", "-c", READER, *paths]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        assert said.keys() == {"forget", "open", "create"}
        assert "open for reading" in said["forget"]
        for name in "open", "create":
            assert "cannot be written" in said[name] and "the right to write" in said[name]
    finally:
        for each in (folder, *folder.rglob("*")):
            each.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("verb", VERBS)
def test_a_clock_that_goes_backwards_is_told(path, tmp_path, verb):
    clock = Clock()
    with opened(path, clock) as store:
        before = what(store)
        clock.time -= timedelta(hours=1)
        with pytest.raises(ClockError, match="set the clock right. Nothing was written"):
            VERBS[verb](store, tmp_path)
        assert what(store) == before and not (tmp_path / "export").exists()
        # A few minutes are how clocks are set: time stands still until it has caught up.
        clock.time += timedelta(minutes=58)
        VERBS[verb](store, tmp_path)
        times = [store.ledger.log.entry(n).values["time"] for n in range(len(store.ledger.log))]
        assert times == sorted(times)


@pytest.mark.parametrize("verb", VERBS)
def test_a_ledger_that_somebody_else_has_locked_is_told(path, tmp_path, verb):
    with opened(path) as store:
        before = what(store)
        store.ledger._database.execute("PRAGMA busy_timeout = 20")
        other = sqlite3.connect(path / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLockedError, match="written by somebody else.*Nothing was written"):
            VERBS[verb](store, tmp_path)
        other.execute("ROLLBACK")
        other.close()
        assert what(store) == before and not (tmp_path / "export").exists()
        VERBS[verb](store, tmp_path)


def test_a_flipped_bit_is_seen_after_a_crash_too(path):
    """Without the digest that is left on closing: what the log has committed to is compared."""
    ledger = path / "ledger.sqlite"
    (path / "ledger.sqlite.sha256").unlink()
    with opened(path) as store:
        expected = store.status()
    for unsaid in "estimator", "origin", "n_forgotten":
        # The log has no place for these.
        del expected[unsaid]
    (path / "ledger.sqlite.sha256").unlink()
    good, seen = ledger.read_bytes(), 0
    for at in range(7, len(good), 311):
        ledger.write_bytes(good[:at] + bytes([good[at] ^ (1 << at % 8)]) + good[at + 1 :])
        try:
            with ModelStore.open(path, clock=Clock()) as store:
                status = store.status()
        except (StoreDamagedError, StoreError):
            seen += 1
        else:
            assert expected.items() <= status.items(), at
    assert seen > 20
