"""The SQLite file of a ledger: whole transactions, checks on opening, errors that help."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from ..exceptions import ClockError, StoreDamagedError, StoreError, StoreLockedError
from ..requests.deadline import zoned
from . import cases, exports, log
from .connection import Connection, connected
from .files import digest
from .log import Entry, Json, Log
from .migrations import VERSION, migrate, newer

#: How far back a clock may be set before nothing more is written.
_DRIFT = timedelta(minutes=5)
#: What a ledger says where it was told nothing else.
_FACTS = {"about": "{}", "recognises": "yes", "audit": ""}
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE actions (
    n INTEGER PRIMARY KEY, verb TEXT NOT NULL, requests TEXT NOT NULL, begun TEXT NOT NULL);
CREATE TABLE generations (
    n INTEGER PRIMARY KEY, verb TEXT NOT NULL, made TEXT NOT NULL, rows INTEGER NOT NULL,
    weights TEXT NOT NULL, certificate TEXT NOT NULL, entry INTEGER NOT NULL);
"""


class Database:
    """A ledger's file.  Use `create` or `open`; it is its own context manager.

    Parameters
    ----------
    path : Path
        Of the SQLite file.
    connection : Connection
    clock : callable, optional
        Returns the time, with a zone.
    """

    def __init__(
        self,
        path: Path,
        connection: Connection,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.path, self._database, self._clock = path, connection, clock
        self.log = Log(connection)
        self.writes = False

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        origin: str,
        clock: Callable[[], datetime] | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> Self:
        """Make an empty ledger; ``origin`` is the name of its log, unlike any other's.

        ``facts`` are others that it is to keep.

        Raises
        ------
        StoreError
            If there is something at ``path`` already, or it cannot be written.
        """
        path = Path(path)
        if path.exists():
            raise StoreError(f"{path} is there already: open it, or choose another place")
        ledger = cls(path, _opened(path, writes=True), clock)
        ledger.writes = True
        with _told(path):
            # Not executescript, which commits by itself.
            with ledger._transaction():
                for text in (_SCHEMA, cases.SCHEMA, exports.SCHEMA, log.SCHEMA):
                    for statement in filter(str.strip, text.split(";")):
                        ledger._database.execute(statement)
                ledger.set("schema", str(VERSION))
                for name, value in {**_FACTS, **(facts or {}), "origin": origin}.items():
                    ledger.set(name, value)
        return ledger

    @classmethod
    def open(
        cls,
        path: str | Path,
        mode: str = "r",
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> Self:
        """Open a ledger and check it.

        Raises
        ------
        StoreDamagedError
            If the file is not as it was written.
        StoreError
            If there is none, it was written by a newer version of this package, or by an older one
            and ``mode`` is not "w": writers bring it up to the schema of this version.
        StoreLockedError
            If somebody else is writing for longer than a few seconds.
        """
        path = Path(path)
        if not path.exists():
            raise StoreError(f"there is no ledger at {path}")
        known = _unchanged(path)
        ledger = cls(path, _opened(path, writes=mode == "w"), clock)
        try:
            with _told(path):
                newer(ledger.schema)
                if not known:
                    # Closed in good order its digest tells all; else everything is read: a torn
                    # page would show here, and not in the middle of a request.
                    ledger.check()
                if mode == "w":
                    # What follows changes the file: its digest is written again on closing.
                    _digest_path(path).unlink(missing_ok=True)
                    ledger.writes = True
                ledger._migrate()
        except BaseException:
            ledger._database.close()
            raise
        return ledger

    @property
    def schema(self) -> int:
        """Which version of this package's schemas the file has."""
        return int(self.fact("schema"))

    def _migrate(self) -> None:
        """Bring an older schema up to that of this version.

        Raises
        ------
        StoreError
            If it is open for reading, or no step leads on from its schema.
        """
        if self.schema == VERSION:
            return
        if not self.writes:
            raise StoreError(
                f"{self.path} has schema {self.schema}, this version of certunlearn writes "
                f"{VERSION}: open it with mode='w' once, which brings it up"
            )
        with self._transaction():
            migrate(self, self.schema)

    def check(self) -> None:
        """Read all of the file: its pages, commitments, the tree, and what tables say of it.

        Opening does so where the process before did not close the file in good order.

        Raises
        ------
        StoreDamagedError
            If something is not as it was written.
        """
        with _told(self.path):
            said = self._database.execute("PRAGMA integrity_check").fetchone()[0]
            fault = said if said != "ok" else self._faults()
        if fault is not None:
            raise StoreDamagedError(f"{self.path}: {fault}; restore it from a backup")

    def _faults(self) -> str | None:
        """Return what is wrong with the log, or with tables that ought to say the same."""
        return self.log.faults()

    def fact(self, name: str) -> str:
        """Return a fact of the model, such as its origin."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise StoreDamagedError(f"{self.path}: the ledger does not say its {name}")
        return str(row[0])

    def set(self, name: str, value: str) -> None:
        """Write a fact, inside a transaction."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def now(self) -> datetime:
        """Return the time, with a zone."""
        return datetime.now(UTC) if self._clock is None else zoned("clock()", self._clock())

    def _tick(self) -> datetime:
        """Return a time that is not before that of any entry.

        Raises
        ------
        ClockError
            If the clock has gone back by more than a few minutes.
        """
        # Time never goes back in the log: deadlines and the order of entries rest on it.
        now, last = self.now(), None
        row = self._database.execute("SELECT value FROM facts WHERE name = 'time'").fetchone()
        if row is not None:
            last = datetime.fromisoformat(row[0])
            if now < last - _DRIFT:
                raise ClockError(
                    f"the clock says {now.isoformat(timespec='seconds')}, the last entry of the "
                    f"ledger is of {last.isoformat(timespec='seconds')}: set the clock right. "
                    "Nothing was written"
                )
        time = now if last is None else max(now, last)
        self.set("time", time.isoformat())
        return time

    def writable(self) -> None:
        """Refuse to change anything where it is open for reading.

        Raises
        ------
        StoreError
            If it is, or closed.
        """
        self._database.usable()
        if not self.writes:
            raise StoreError(f"{self.path} is open for reading: open it with mode='w'")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end."""
        self.writable()
        # Other threads see and change nothing until it has ended.
        with self._database.alone, _told(self.path):
            # The write lock at once: a transaction that read first could be refused when it comes
            # to write.
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    def _logged(self, event: str, time: datetime, public: Json, private: Json) -> Entry:
        said: Json = {"event": event, "time": time.isoformat(timespec="seconds"), **public}
        return self.log.append(said, private)

    def erase_pages(self) -> None:
        """Overwrite what was deleted: freed cells are zeros, and the write-ahead log is cut.

        Raises
        ------
        StoreLockedError
            If somebody reads what is to be overwritten for longer than a few seconds.
        StoreError
            If there is no room to write in.
        """
        done = f"{self.path}: what was asked is done and committed, but"
        try:
            # With secure_delete freed cells are zeros in the main file, but the log of changes
            # still has the old pages.
            busy = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"{done} what was erased can still be found in the file ({error}): make room or "
                "give the right to write, then ask again"
            ) from error
        if busy:
            raise StoreLockedError(
                f"{done} somebody is reading, and what was erased can be found in the file until "
                "they have closed it; then ask again"
            )

    def close(self) -> None:
        """Close the file; after writing its digest is left beside it."""
        if self.writes:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()
        if self.writes and not Path(f"{self.path}-wal").exists():
            # A flipped bit shows even where SQLite would not look.
            _digest_path(self.path).write_text(digest(self.path))
        self.writes = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _opened(path: Path, *, writes: bool) -> Connection:
    with _told(path):
        return connected(path, writes=writes)


def _digest_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _unchanged(path: Path) -> bool:
    """Whether a ledger is as it was closed; False where that was not done in good order.

    Raises
    ------
    StoreDamagedError
        If the digest beside it is that of another file.
    """
    try:
        said = _digest_path(path).read_text()
    except FileNotFoundError:
        return False
    except UnicodeDecodeError:
        said = ""
    wal = Path(f"{path}-wal")
    # What readers leave of a log is empty.
    # A log of changes that is not empty says that somebody ended without closing.
    same = said == digest(path) and not (wal.exists() and wal.stat().st_size)
    # A writer that has opened it meanwhile takes the digest away first.
    if not same and _digest_path(path).exists():
        raise StoreDamagedError(
            f"{path} is not as it was when it was closed: somebody has changed it, or the disk "
            "has; restore it from a backup"
        )
    return same


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into errors that say what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        said = str(error)
        if "locked" in said or "busy" in said:
            raise StoreLockedError(
                f"{path} is being written by somebody else ({said}): wait for them, or find out "
                "who has it open. Nothing was written"
            ) from error
        if "malformed" in said or "no such table" in said or "no such column" in said:
            raise StoreDamagedError(f"{path}: {said}; restore it from a backup") from error
        raise StoreError(
            f"{path} cannot be used: {said}. What was committed before is kept: make room or give "
            "the right to write, then try again"
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreDamagedError(f"{path}: {error}; restore it from a backup") from error
