"""The log: entries that are only ever appended, each with a salted commitment to what is private.

An entry is public but for names.  Its bytes, which the tree hashes, are JSON with sorted keys, and
its field ``commitment`` is SHA-256(salt | private part): whoever holds the salt can open it, and
nobody can guess what it holds without.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from . import merkle

#: What JSON can say.
Json = dict[str, object]
SCHEMA = """
CREATE TABLE entries (
    n INTEGER PRIMARY KEY, data BLOB NOT NULL, salt BLOB NOT NULL, private BLOB NOT NULL);
CREATE TABLE nodes (
    level INTEGER NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, at)
) WITHOUT ROWID;
"""


def canonical(values: object) -> bytes:
    """Return JSON that is the same for the same values, as bytes."""
    return json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def commitment(salt: bytes, private: bytes) -> str:
    """Return what an entry says of its private part: hiding by the salt, binding by SHA-256."""
    return hashlib.sha256(salt + private).hexdigest()


@dataclass(frozen=True)
class Head:
    """What the log is at some time: its size, and the root of the tree over its entries."""

    size: int
    root: bytes


@dataclass(frozen=True)
class Entry:
    """An entry of the log, with what opens its commitment.

    Attributes
    ----------
    n : int
        Its place, from 0.
    data : bytes
        What the tree hashes.
    salt, private : bytes
        Such that ``commitment(salt, private)`` is in the data.
    """

    n: int
    data: bytes
    salt: bytes
    private: bytes

    @classmethod
    def of(cls, n: int, public: Json, private: Json) -> Self:
        """Make the entry at place ``n``, with fresh salt."""
        # 256 fresh bits an entry: equal requests have commitments that tell nothing of it.
        salt, hidden = os.urandom(32), canonical(private)
        # Its place is in the bytes that are hashed: an entry cannot be moved.
        data = canonical({"n": n, **public, "commitment": commitment(salt, hidden)})
        return cls(n, data, salt, hidden)

    @property
    def values(self) -> Json:
        """Both parts together."""
        private: Json = json.loads(self.private)
        public: Json = json.loads(self.data)
        return private | public


class Log:
    """The log in a database; whoever appends has begun a transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __len__(self) -> int:
        # max of a primary key: the end of an index, whatever the length of the log.
        last = self._database.execute("SELECT max(n) FROM entries").fetchone()[0]
        return 0 if last is None else int(last) + 1

    def append(self, public: Json, private: Json) -> Entry:
        """Append an entry."""
        entry = Entry.of(len(self), public, private)
        row = entry.n, entry.data, entry.salt, entry.private
        self._database.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", row)
        # Full subtrees only, which never change again: one entry completes at most log2 n of them.
        grown = merkle.grown(self._node, entry.n, merkle.leaf_hash(entry.data))
        self._database.executemany("INSERT INTO nodes VALUES (?, ?, ?)", grown)
        return entry

    def entry(self, n: int) -> Entry:
        """Return the entry at a place.

        Raises
        ------
        ValueError
            If there is none.
        """
        row = self._database.execute("SELECT * FROM entries WHERE n = ?", (n,)).fetchone()
        if row is None:
            raise ValueError(f"no entry {n} in a log of {len(self)}")
        return Entry(*row)

    def head(self, size: int | None = None) -> Head:
        """Return the head of the first ``size`` entries, all by default."""
        size = len(self) if size is None else size
        return Head(size, merkle.root(self._node, size))

    def inclusion(self, n: int, size: int) -> list[bytes]:
        """Return the proof that the first ``size`` entries hold that at place ``n``."""
        return merkle.inclusion(self._node, n, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the first ``new`` entries begin with the first ``old`` ones."""
        return merkle.consistency(self._node, old, new)

    def faults(self, take: Callable[[int, Json], None] | None = None) -> str | None:
        """Return what is wrong with the log, None if nothing is; reads all of it.

        ``take`` is handed the place and the values of every entry.
        """
        nodes: dict[tuple[int, int], bytes] = {}
        places = 0
        for n, data, salt, private in self._database.execute("SELECT * FROM entries ORDER BY n"):
            if n != places:
                return f"entry {places} of the log is missing"
            public: Json = json.loads(data.decode())
            if public.get("commitment") != commitment(salt, private):
                return f"entry {n} of the log is not what it was committed to"
            if take is not None:
                take(n, json.loads(private.decode()) | public)
            hashed = merkle.leaf_hash(data)
            for level, at, value in merkle.grown(lambda a, b: nodes[a, b], n, hashed):
                # Built anew from the entries alone, to be compared with those that are kept.
                nodes[level, at] = value
            places += 1
        kept = {(a, b): v for a, b, v in self._database.execute("SELECT * FROM nodes")}
        return None if kept == nodes else "the tree is not the one over the entries of the log"

    def _node(self, level: int, at: int) -> bytes:
        row = self._database.execute(
            "SELECT hash FROM nodes WHERE level = ? AND at = ?", (level, at)
        ).fetchone()
        return bytes(row[0])
