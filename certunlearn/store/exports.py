"""What was handed out, to whom, and whether it has been withdrawn."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from ..exceptions import UnknownRowError
from .log import Json

SCHEMA = """
CREATE TABLE exports (
    n INTEGER PRIMARY KEY, generation INTEGER NOT NULL, kind TEXT NOT NULL, receiver TEXT NOT NULL,
    digest TEXT NOT NULL, made TEXT NOT NULL, withdrawn TEXT);
"""


@dataclass(frozen=True)
class Export:
    """Something that was handed out.

    Attributes
    ----------
    n : int
        Its number.
    generation : int
        The state of the model that it was made of.
    kind : {"export", "release"}
    receiver : str
        Who was given it.
    digest : str
        SHA-256 of the weights.
    made : datetime
    withdrawn : datetime or None
        When the receiver said that it is no longer used or held.
    """

    n: int
    generation: int
    kind: str
    receiver: str
    digest: str
    made: datetime
    withdrawn: datetime | None = None

    @classmethod
    def _of_row(cls, row: tuple[int, int, str, str, str, str, str | None]) -> Self:
        made, withdrawn = (None if t is None else datetime.fromisoformat(t) for t in row[5:])
        assert made is not None
        return cls(*row[:5], made, withdrawn)

    @property
    def values(self) -> Json:
        """As JSON takes it."""
        # Times as texts with their zone: a reader elsewhere sees the same moment.
        gone = None if self.withdrawn is None else self.withdrawn.isoformat()
        return {
            "id": self.n,
            "generation": self.generation,
            "kind": self.kind,
            "receiver": self.receiver,
            "sha256": self.digest,
            "made": self.made.isoformat(),
            "withdrawn": gone,
        }


class Exports:
    """The table of exports; whoever writes has begun a transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, kind: str, receiver: str, generation: int, digest: str, time: datetime) -> Export:
        """Write one down."""
        row = generation, kind, receiver, digest, time.isoformat()
        n = self._database.execute(
            "INSERT INTO exports (generation, kind, receiver, digest, made) VALUES (?, ?, ?, ?, ?)",
            row,
        ).lastrowid
        assert n is not None
        return Export(n, generation, kind, receiver, digest, time)

    def __getitem__(self, n: int) -> Export:
        row = self._database.execute("SELECT * FROM exports WHERE n = ?", (n,)).fetchone()
        if row is None:
            raise UnknownRowError(f"no export {n} in the ledger")
        return Export._of_row(row)

    def withdraw(self, n: int, time: datetime) -> Export:
        """Write down that one is no longer used or held."""
        self._database.execute(
            "UPDATE exports SET withdrawn = ? WHERE n = ?", (time.isoformat(), n)
        )
        return replace(self[n], withdrawn=time)

    def outstanding(self, first: int, last: int) -> list[Export]:
        """Return those of states from ``first`` on, before ``last``, that are not withdrawn."""
        found = self._database.execute(
            "SELECT * FROM exports WHERE withdrawn IS NULL AND generation >= ? AND generation < ? "
            "ORDER BY n",
            (first, last),
        )
        return list(map(Export._of_row, found))

    def __iter__(self) -> Iterator[Export]:
        return map(Export._of_row, self._database.execute("SELECT * FROM exports ORDER BY n"))
