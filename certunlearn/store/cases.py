"""Requests that are kept until they are answered, and afterwards as an answer without names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from ..exceptions import RowError, UnknownRowError
from ..requests.asked import checked_reference
from ..requests.deadline import Extension, put_off
from .log import Json

PENDING, DONE, REFUSED, WITHDRAWN = STATES = ("pending", "done", "refused", "withdrawn")
SCHEMA = """
CREATE TABLE requests (
    reference TEXT PRIMARY KEY, kind TEXT NOT NULL, named TEXT, received TEXT NOT NULL,
    deadline TEXT, extension TEXT, state TEXT NOT NULL, attempts INTEGER NOT NULL, closed TEXT,
    reason TEXT, rows INTEGER, generation INTEGER, since INTEGER, entry INTEGER,
    due REAL);
CREATE INDEX waiting ON requests (state, due);
"""
_FIELDS = (
    *("reference", "kind", "named", "received", "deadline", "extension", "state", "attempts"),
    *("closed", "reason", "rows", "generation", "since", "entry", "due"),
)


#: A request as it is written: reference, received, deadline, entry, state, closed, reason, rows,
#: generation.
Line = tuple[str, str, str | None, int, str, str | None, str | None, int | None, int | None]


@dataclass(frozen=True)
class Case:
    """A request in the ledger.

    Attributes
    ----------
    reference : str
        Who asked, or a case number: the name of the request.
    kind : {"rows", "row_ids", "groups", "where"}
        How it names its rows.
    named : list or str or None
        The names; None once it is closed, when they are erased.
    received : datetime
        When it came in, with a time zone.
    deadline : datetime or None
        When it must have been carried out.
    extension : Extension or None
        How the deadline was put off, if it was.
    state : {"pending", "done", "refused", "withdrawn"}
    attempts : int
        How often it has been begun.
    closed : datetime or None
        When it left the state "pending".
    reason : str or None
        Why it was refused.
    rows : int or None
        How many rows it removed.
    generation : int or None
        State of the model from which on it holds.
    since : int or None
        State of the model in which the first of its rows came.
    entry : int or None
        Its last place in the log.
    """

    reference: str
    kind: str
    named: list[object] | str | None
    received: datetime
    deadline: datetime | None
    extension: Extension | None = None
    state: str = PENDING
    attempts: int = 0
    closed: datetime | None = None
    reason: str | None = None
    rows: int | None = None
    generation: int | None = None
    since: int | None = None
    entry: int | None = None

    def __post_init__(self) -> None:
        checked_reference(self.reference)

    def said(self, now: datetime) -> str:
        """Return the state, "overdue" where it is pending and its deadline has come."""
        late = self.deadline is not None and self.deadline <= now
        return "overdue" if self.state == PENDING and late else self.state

    @property
    def late(self) -> bool:
        """Whether it was closed after its deadline."""
        times = self.closed, self.deadline
        return None not in times and self.closed > self.deadline  # type: ignore[operator]

    @property
    def values(self) -> Json:
        """The request as `ForgetQueue.from_json` reads it, while it is pending."""
        out: Json = {
            "reference": self.reference,
            "received": self.received.isoformat(),
            "deadline": _iso(self.deadline),
            self.kind: self.named,
        }
        return out if self.extension is None else out | {"extension": self.extension.values}

    @property
    def times(self) -> Json:
        """What the log commits to: no names of rows."""
        return {
            "reference": self.reference,
            "received": self.received.isoformat(),
            "due": _iso(self.deadline),
        }

    def extended(self, reason: str, until: datetime | None, notified: datetime) -> Self:
        """Put the deadline off: see `put_off`.

        Raises
        ------
        ValueError
            If it is closed, or as `put_off`.
        """
        if self.state != PENDING:
            raise ValueError(f"request {self.reference!r} is {self.state}: nothing to extend")
        times = self.received, self.deadline, self.extension
        new, put = put_off(self.reference, *times, reason=reason, until=until, notified=notified)
        return replace(self, deadline=new, extension=put)

    def _row(self) -> tuple[object, ...]:
        named = None if self.named is None else json.dumps(self.named, allow_nan=False)
        extension = None if self.extension is None else json.dumps(self.extension.values)
        return (
            *(self.reference, self.kind, named, self.received.isoformat(), _iso(self.deadline)),
            *(extension, self.state, self.attempts, _iso(self.closed), self.reason),
            *(self.rows, self.generation, self.since, self.entry),
            # Texts with offsets do not sort by time.
            None if self.deadline is None else self.deadline.timestamp(),
        )

    @classmethod
    def _of_row(cls, row: tuple[str, ...]) -> Self:
        values: dict[str, object] = dict(zip(_FIELDS, row, strict=True))
        del values["due"]
        for name in ("received", "deadline", "closed"):
            text = values[name]
            values[name] = datetime.fromisoformat(text) if isinstance(text, str) else None
        for name in ("named", "extension"):
            text = values[name]
            values[name] = json.loads(text) if isinstance(text, str) else None
        if values["extension"] is not None:
            values["extension"] = Extension.of_values(values["extension"])
        return cls(**values)  # type: ignore[arg-type]


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


class Cases:
    """The table of requests; whoever writes has begun a transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, case: Case) -> None:
        """Take a request in.

        Raises
        ------
        RowError
            If there is one of this reference that waits or is done: each is answered once.  One
            that was refused or withdrawn may be asked again.
        """
        known = self.find(case.reference)
        if known is not None:
            if known.state in (PENDING, DONE):
                raise RowError(
                    f"a request with reference {case.reference!r} is {known.state} already"
                )
            # One that was refused or withdrawn gives its reference to the new one.
            self._database.execute("DELETE FROM requests WHERE reference = ?", (case.reference,))
        marks = ", ".join("?" * len(_FIELDS))
        self._database.execute(f"INSERT INTO requests VALUES ({marks})", case._row())

    def change(self, case: Case) -> None:
        """Write a request anew; the names of one that is closed are not kept."""
        if case.state != PENDING:
            # Names of rows are kept as long as they are needed, and no longer.
            case = replace(case, named=None)
        # All columns at once: what a request is stands in one place, `_row`.
        changed = ", ".join(f"{name} = ?" for name in _FIELDS)
        self._database.execute(
            f"UPDATE requests SET {changed} WHERE reference = ?", (*case._row(), case.reference)
        )

    def find(self, reference: str) -> Case | None:
        """Return the request of a reference, if there is one."""
        row = self._database.execute(
            "SELECT * FROM requests WHERE reference = ?", (reference,)
        ).fetchone()
        return None if row is None else Case._of_row(row)

    def __getitem__(self, reference: str) -> Case:
        case = self.find(reference)
        if case is None:
            raise UnknownRowError(f"no request with reference {reference!r} is in the ledger")
        return case

    def __iter__(self) -> Iterator[Case]:
        return map(Case._of_row, self._database.execute("SELECT * FROM requests ORDER BY rowid"))

    def lines(self) -> Iterator[Line]:
        """Return what the log says too of every request, as it is written."""
        return iter(
            self._database.execute(
                "SELECT reference, received, deadline, entry, state, closed, reason, rows, "
                "generation FROM requests"
            )
        )

    def listed(self, limit: int) -> list[Case]:
        """Return those that wait, the most urgent first, then those closed last."""
        # Those without a deadline last: NULL sorts first otherwise.
        waiting = self._database.execute(
            "SELECT * FROM requests WHERE state = ? ORDER BY due IS NULL, due LIMIT ?",
            (PENDING, limit),
        ).fetchall()
        closed = self._database.execute(
            "SELECT * FROM requests WHERE state <> ? ORDER BY rowid DESC LIMIT ?",
            (PENDING, limit - len(waiting)),
        ).fetchall()
        return [Case._of_row(row) for row in waiting + closed]

    def pending(self) -> list[Case]:
        """Return the requests that wait, in the order they came in."""
        rows = self._database.execute(
            "SELECT * FROM requests WHERE state = ? ORDER BY rowid", (PENDING,)
        )
        return [Case._of_row(row) for row in rows]

    def counts(self, now: datetime) -> dict[str, int]:
        """Return how many there are of each state, "overdue" beside; not reading those closed."""
        counted = self._database.execute("SELECT state, count(*) FROM requests GROUP BY state")
        late = self._database.execute(
            "SELECT count(*) FROM requests WHERE state = ? AND due <= ?", (PENDING, now.timestamp())
        )
        found = dict(counted.fetchall())
        states = {state: int(found.get(state, 0)) for state in STATES}
        return states | {"overdue": int(late.fetchone()[0])}
