"""A connection to SQLite that threads share: one of them at a time, and none once it is closed."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .._common.whole import Guard
from ..exceptions import StoreError


class Connection(sqlite3.Connection):
    """A connection with a lock, which whoever needs several statements together holds."""

    path: Path
    _guard: Guard
    _closed = False

    @property
    def alone(self) -> threading.RLock:
        """The lock; re-entrant."""
        return self._guard.verbs

    def usable(self) -> None:
        """Refuse to be used once it is closed.

        Raises
        ------
        StoreError
            If it is.
        """
        if self._closed:
            raise StoreError(f"the store is closed ({self.path}): open it again")

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute a statement when no other thread is inside a transaction."""
        with self.alone:
            self.usable()
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Execute a statement for each of many rows."""
        with self.alone:
            self.usable()
            return super().executemany(sql, parameters)

    def close(self) -> None:
        """Close it; safe to call again."""
        with self.alone:
            self._closed = True
            super().close()


def connected(path: Path, *, writes: bool) -> Connection:
    """Connect to a file; raises what SQLite does."""
    if writes:
        database = _made(path, str(path))
        database.execute("PRAGMA journal_mode = WAL")
        # A commit returns once the log of changes is on the disk: power may fail right after.
        database.execute("PRAGMA synchronous = FULL")
        # What is deleted is overwritten with zeros, names of forgotten rows among it.
        database.execute("PRAGMA secure_delete = ON")
        return database
    # Without a log there is no writer, and a directory that cannot be written will do.
    quiet = not Path(f"{path}-wal").exists() and not os.access(path.parent, os.W_OK)
    return _made(path, f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}")


def _made(path: Path, where: str) -> Connection:
    # Threads are kept apart by the lock, which lasts for a whole transaction, not by SQLite.
    database = sqlite3.connect(
        where,
        uri=where.startswith("file:"),
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )
    database.path, database._guard = path, Guard()
    return database
