"""Requests and actions: whole or not at all, each answered once, nothing spelled afterwards."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from certunlearn.exceptions import (
    ClockError,
    RowError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    UnknownRowError,
)
from certunlearn.store.cases import Case
from certunlearn.store.ledger import Ledger, Went

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.time = NOW

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger.create(tmp_path / "ledger.sqlite", origin="example.org/m", clock=clock) as out:
        out.commit(out.begin("fit"), "fit", rows=10, weights="aa", certificate="{}")
        yield out


def case(reference, named=("planted-name",), days=30, **more):
    named = list(named)
    return Case(reference, "row_ids", named, NOW, NOW + timedelta(days=days), **more)


def done(ledger, *references, rows=1, first=0, weights="bb"):
    action = ledger.begin("removal", references)
    answered = dict.fromkeys(references, Went(rows, first))
    return ledger.commit(
        action, "removal", rows=10, weights=weights, certificate="{}", answered=answered
    )


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_request_is_answered_once(ledger):
    ledger.add(case("case 1"))
    assert ledger.cases["case 1"].named == ["planted-name"]
    made = done(ledger, "case 1", rows=3)
    answered = ledger.cases["case 1"]
    assert (answered.state, answered.rows, answered.generation) == ("done", 3, made.n)
    assert answered.attempts == 1 and not answered.late
    for again in (lambda: ledger.add(case("case 1")), lambda: ledger.begin("removal", ("case 1",))):
        with pytest.raises(RowError, match="is done already"):
            again()
    with pytest.raises(UnknownRowError, match="no request with reference 'case 2'"):
        ledger.withdraw("case 2")


def test_names_are_gone_once_it_is_answered(ledger, tmp_path):
    ledger.add(case("case 1"))
    ledger.add(case("case 2"))
    ledger.add(case("case 3"))
    assert everything(tmp_path).count(b"planted-name") >= 3
    done(ledger, "case 1")
    ledger.refuse("case 2", "it cannot be certified")
    ledger.withdraw("case 3")
    assert b"planted-name" not in everything(tmp_path)
    assert ledger.cases["case 2"].reason == "it cannot be certified"
    assert [c.state for c in ledger.cases] == ["done", "refused", "withdrawn"]


def test_what_was_begun_and_not_committed_has_not_happened(ledger, tmp_path, clock):
    ledger.add(case("case 1"))
    ledger.begin("removal", ("case 1",))
    ledger.close()
    with Ledger.open(tmp_path / "ledger.sqlite", "w", clock=clock) as again:
        assert again.interrupted() == [("removal", NOW.isoformat())]
        assert again.interrupted() == []
        waiting = again.cases.pending()
        assert [c.reference for c in waiting] == ["case 1"] and waiting[0].attempts == 1
        assert again.generation.verb == "fit"
        done(again, "case 1")
        assert again.cases["case 1"].attempts == 2


def test_a_commit_that_fails_leaves_everything(ledger):
    ledger.add(case("case 1"))
    action, size = ledger.begin("removal", ("case 1",)), len(ledger.log)
    answered = {"case 1": Went(1, 0), "case 2": Went(1, 0)}
    with pytest.raises(UnknownRowError):
        ledger.commit(action, "removal", rows=10, weights="bb", certificate="{}", answered=answered)
    assert len(ledger.log) == size and ledger.generation.n == 0
    assert ledger.cases["case 1"].state == "pending"


def test_deadlines(ledger, clock):
    ledger.add(case("case 1", days=10))
    ledger.add(case("case 2", days=40))
    clock.time = NOW + timedelta(days=10)
    assert ledger.cases.counts(clock()) == {
        "pending": 2,
        "done": 0,
        "refused": 0,
        "withdrawn": 0,
        "overdue": 1,
    }
    assert [c.said(clock()) for c in ledger.cases] == ["overdue", "pending"]
    late = ledger.extend("case 2", reason="many requests")
    assert late.deadline == datetime(2026, 6, 10, 12, tzinfo=UTC)
    with pytest.raises(ValueError, match="was put off before"):
        ledger.extend("case 2", reason="more")
    clock.time = NOW + timedelta(days=11)
    with pytest.raises(ValueError, match="notice has to be given"):
        ledger.extend("case 1", reason="too late")
    done(ledger, "case 1")
    assert ledger.cases["case 1"].late


def test_the_log_opens_to_who_holds_the_salt(ledger):
    ledger.add(case("case 1"))
    entry = ledger.log.entry(ledger.cases["case 1"].entry)
    assert entry.values["reference"] == "case 1" and b"case 1" not in entry.data
    assert ledger.log.faults() is None
    assert len(ledger.log) == 2 and ledger.log.head().size == 2


def test_recall(ledger):
    first = ledger.export("export", "shop A")
    ledger.commit(ledger.begin("addition"), "addition", rows=12, weights="bb", certificate="{}")
    second = ledger.export("release", "shop B")
    third = ledger.export("export", "shop C")
    assert ledger.acknowledge(third.n).withdrawn == NOW
    assert ledger.acknowledge(third.n).withdrawn == NOW
    # Row 3 was there from the start, row 11 came with the addition.
    for reference, row in ("old", 3), ("new", 11):
        ledger.add(case(reference))
        assert ledger.recall(ledger.cases[reference]) == []
        done(ledger, reference, first=row, weights="cc")
    ledger.export("export", "shop D")
    assert ledger.recall(ledger.cases["old"]) == [first, second]
    assert ledger.recall(ledger.cases["new"]) == [second]
    with pytest.raises(UnknownRowError, match="no export 9"):
        ledger.acknowledge(9)
    with pytest.raises(ValueError, match="receiver"):
        ledger.export("export", " ")


def test_a_clock_that_goes_back(ledger, clock):
    clock.time = NOW - timedelta(minutes=1)
    ledger.add(case("case 1"))
    assert ledger.log.entry(1).values["time"] == NOW.isoformat(timespec="seconds")
    clock.time = NOW - timedelta(hours=1)
    with pytest.raises(ClockError, match="set the clock right"):
        ledger.add(case("case 2"))
    assert [c.reference for c in ledger.cases] == ["case 1"]


def test_two_writers(ledger, tmp_path, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k | {"timeout": 0.05}))
    other = Ledger.open(tmp_path / "ledger.sqlite", "w")
    ledger._database.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLockedError, match="somebody else"):
        other.add(case("case 1"))
    ledger._database.execute("ROLLBACK")
    other.add(case("case 1"))
    other.close()
    assert ledger.cases["case 1"].state == "pending"


def test_readers_do_not_write(ledger, tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite") as reading:
        assert reading.generation.verb == "fit"
        with pytest.raises(StoreError, match="open for reading"):
            reading.add(case("case 1"))
    with pytest.raises(StoreError, match="no ledger at"):
        Ledger.open(tmp_path / "nothing.sqlite")
    with pytest.raises(StoreError, match="is there already"):
        Ledger.create(tmp_path / "ledger.sqlite", origin="x")


def test_a_newer_schema_is_refused(ledger, tmp_path):
    with ledger._transaction():
        ledger.set("schema", "9")
    ledger.close()
    with pytest.raises(StoreError, match="upgrade certunlearn"):
        Ledger.open(tmp_path / "ledger.sqlite", "w")


def test_every_flipped_bit_is_seen(ledger, tmp_path):
    for i in range(20):
        ledger.add(case(f"case {i}"))
    ledger.close()
    path = tmp_path / "ledger.sqlite"
    good = path.read_bytes()
    for at in range(0, len(good), 997):
        path.write_bytes(good[:at] + bytes([good[at] ^ 16]) + good[at + 1 :])
        with pytest.raises((StoreDamagedError, StoreError)):
            Ledger.open(path, "w")
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(StoreDamagedError, match="restore it from a backup"):
        Ledger.open(path)
    path.write_bytes(good)
    Ledger.open(path, "w").close()


@pytest.mark.parametrize(
    "change, said",
    [
        ("UPDATE entries SET data = replace(data, 'request', 'requert') WHERE n = 3", "tree"),
        ("DELETE FROM entries WHERE n = 2", "missing"),
        ("UPDATE entries SET salt = zeroblob(32) WHERE n = 1", "committed to"),
        ("UPDATE nodes SET hash = zeroblob(32) WHERE level = 1", "tree"),
    ],
)
def test_an_edited_log_is_not_opened(ledger, tmp_path, change, said):
    for i in range(4):
        ledger.add(case(f"case {i}"))
    with ledger._transaction():
        ledger._database.execute("UPDATE entries SET data = CAST(data AS TEXT)")
        ledger._database.execute(change)
        ledger._database.execute("UPDATE entries SET data = CAST(data AS BLOB)")
    ledger.close()
    with pytest.raises(StoreDamagedError, match=said):
        Ledger.open(tmp_path / "ledger.sqlite")


def test_a_directory_that_cannot_be_written(ledger, tmp_path, monkeypatch):
    """A full disk, as SQLite sees one: what was committed is kept."""
    pages = ledger._database.execute("PRAGMA page_count").fetchone()[0]
    ledger._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full.*make room"):
        for i in range(200):
            ledger.add(case(f"case {i}", named=["x" * 200]))
    kept = len(list(ledger.cases))
    assert ledger.log.faults() is None and kept == len(ledger.log) - 1
    assert json.loads(ledger.log.entry(kept).data)["n"] == kept


def test_what_was_refused_may_be_asked_again(ledger):
    ledger.add(case("case 1"))
    ledger.refuse("case 1", "it takes half of the rows")
    ledger.add(case("case 1"))
    done(ledger, "case 1")
    assert [c.state for c in ledger.cases.listed(9)] == ["done"]


def test_the_most_urgent_are_listed_first(ledger):
    for i, days in enumerate((30, 10, 20)):
        ledger.add(case(f"case {i}", days=days))
    ledger.withdraw("case 2")
    assert [c.reference for c in ledger.cases.listed(9)] == ["case 1", "case 0", "case 2"]
    assert [c.reference for c in ledger.cases.listed(2)] == ["case 1", "case 0"]
