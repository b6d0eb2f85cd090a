"""The ledger of a model: requests, what was done about them, and who was given what, in SQLite.

An action is three steps.  `begin` writes down what is about to be done and commits.  Then the new
state of the model is written beside the old one.  `commit` makes it the state there is, answers the
requests and appends to the log, all in one transaction: a process that ends before it has done
nothing, one that ends after it everything.  `interrupted` closes what was begun and not committed.

Assumes: the file system keeps what fsync has returned for, and SQLite's own guarantees with a
write-ahead log and ``synchronous=FULL``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ..exceptions import RowError, StoreError
from .agreement import Retold
from .cases import DONE, PENDING, REFUSED, WITHDRAWN, Case, Cases
from .connection import Connection
from .database import Database
from .exports import Export, Exports
from .log import Json, canonical


@dataclass(frozen=True)
class Generation:
    """A state that the model has been in: one line for each change and release."""

    n: int
    verb: str
    made: str
    #: Rows that were there or had been, so that a row's number tells when it came.
    rows: int
    weights: str
    #: The public part, as JSON.
    certificate: str
    entry: int


class Went(NamedTuple):
    """What went for a request: how many rows, and the smallest number of all that it named."""

    rows: int
    first: int


def certificate_digest(values: Json) -> str:
    """Return the SHA-256 of a certificate's public part, whatever the order of its fields."""
    return hashlib.sha256(canonical(values)).hexdigest()


class Ledger(Database):
    """Requests, actions, exports and the log of one model.

    Attributes
    ----------
    log : Log
    cases : Cases
        Requests, by reference.
    exports : Exports
        What was handed out, by number.
    """

    def __init__(
        self,
        path: Path,
        connection: Connection,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(path, connection, clock)
        self.cases, self.exports = Cases(connection), Exports(connection)

    def _faults(self) -> str | None:
        told = Retold()
        try:
            wrong = self.log.faults(told.take)
            return wrong or told.differs(self.cases.lines(), self.generations(), self.exports)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            return f"an entry or a line is not as any is written ({error})"

    @property
    def recognises(self) -> bool:
        """Whether names of forgotten rows are to be recognised."""
        return self.fact("recognises") == "yes"

    def add(self, case: Case) -> Case:
        """Take a request in; durable when it returns."""
        with self._transaction():
            entry = self._logged("request", self._tick(), {}, case.times)
            case = replace(case, entry=entry.n)
            self.cases.add(case)
        return case

    def withdraw(self, reference: str) -> Case:
        """Take back a request that waits.

        Raises
        ------
        UnknownRowError
            If there is none.
        RowError
            If it has been closed.
        """
        return self._close(reference, WITHDRAWN, None)

    def refuse(self, reference: str, reason: str) -> Case:
        """Close a request that cannot be carried out, saying why."""
        return self._close(reference, REFUSED, reason)

    def _close(self, reference: str, state: str, reason: str | None) -> Case:
        with self._transaction():
            # Looked at inside the transaction: another process may have closed it a moment ago.
            case, time = self._waiting(reference), self._tick()
            why: Json = {} if reason is None else {"reason": reason}
            entry = self._logged(state, time, {}, case.times | why)
            case = replace(case, state=state, closed=time, reason=reason, entry=entry.n, named=None)
            self.cases.change(case)
        self.erase_pages()
        return case

    def _waiting(self, reference: str) -> Case:
        """Return a request that has not been closed."""
        case = self.cases[reference]
        if case.state != PENDING:
            raise RowError(f"request {reference!r} is {case.state} already")
        return case

    def extend(
        self,
        reference: str,
        *,
        reason: str,
        until: datetime | None = None,
        notified: datetime | None = None,
    ) -> Case:
        """Put a deadline off once: see `put_off`."""
        with self._transaction():
            time = self._tick()
            told = time if notified is None else notified
            case = self.cases[reference].extended(reason, until, told)
            entry = self._logged("extension", time, {}, case.times | {"reason": reason})
            case = replace(case, entry=entry.n)
            self.cases.change(case)
        return case

    def begin(self, verb: str, references: tuple[str, ...] = ()) -> int:
        """Write down that something is about to be done; return its number, durable."""
        with self._transaction():
            time = self._tick()
            for reference in references:
                case = self._waiting(reference)
                # Counted before anything is done, so that a request that ends the process every
                # time shows.
                self.cases.change(replace(case, attempts=case.attempts + 1))
            row = verb, json.dumps(references), time.isoformat()
            cursor = self._database.execute(
                "INSERT INTO actions (verb, requests, begun) VALUES (?, ?, ?)", row
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def interrupted(self) -> list[tuple[str, str]]:
        """Close what was begun and has not been committed; return verbs and when they began.

        Requests of these actions wait as they did before.
        """
        found = self._database.execute("SELECT verb, begun FROM actions ORDER BY n").fetchall()
        if found:
            with self._transaction():
                for verb, begun in found:
                    # In the log as well: that something was begun and did not happen is part of the
                    # history.
                    self._logged("interrupted", self._tick(), {"of": verb, "begun": begun}, {})
                # In the same transaction: a crash here leaves both undone, and the next opening
                # does them again.
                self._database.execute("DELETE FROM actions")
        return [(str(verb), str(begun)) for verb, begun in found]

    def drop(self, action: int) -> None:
        """Close an action that was given up in good order: nothing of it happened."""
        with self._transaction():
            self._database.execute("DELETE FROM actions WHERE n = ?", (action,))

    def commit(
        self,
        action: int,
        verb: str,
        *,
        rows: int,
        weights: str,
        certificate: str,
        answered: dict[str, Went] | None = None,
        facts: dict[str, str] | None = None,
        public: Json | None = None,
    ) -> Generation:
        """Make what was begun the state there is: one transaction, durable when it returns.

        Parameters
        ----------
        action : int
            From `begin`.
        verb : str
            What was done.
        rows : int
            Rows that the model has or has had.
        weights, certificate : str
            SHA-256 of the released weights; the public part of the certificate.
        answered : dict, optional
            Requests that are done now, and what went for each.
        facts : dict, optional
            Facts that change with it, such as where the state lies.
        public : dict, optional
            More that the log says of it.
        """
        answered = answered or {}
        digest = certificate_digest(json.loads(certificate))
        with self._transaction():
            time, before = self._tick(), self.generation
            n = 0 if before is None else before.n + 1
            said: Json = {"generation": n, "weights": weights, "certificate": digest}
            said |= {"before": None if before is None else before.weights, **(public or {})}
            # The first entry of this state: requests answered together have one each.
            first = len(self.log)
            for reference, went in answered.items():
                case = self._waiting(reference)
                done = case.times | {"done": time.isoformat(), "rows": went.rows}
                entry = self._logged(verb, time, said, done)
                case = replace(case, state=DONE, closed=time, rows=went.rows, generation=n)
                # From which state on copies hold one of these rows.
                since = self.came(went.first)
                self.cases.change(replace(case, entry=entry.n, since=since))
            if not answered:
                self._logged(verb, time, said, {})
            row = n, verb, time.isoformat(), rows, weights, certificate, first
            self._database.execute("INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            for name, value in (facts or {}).items():
                self.set(name, value)
            # With the state itself: there is no moment in which it is done and still counts as
            # begun.
            self._database.execute("DELETE FROM actions WHERE n = ?", (action,))
        if answered:
            # After the commit: what is overwritten is what no state refers to any more.
            self.erase_pages()
        return Generation(*row)

    @property
    def generation(self) -> Generation | None:
        """The state there is."""
        row = self._database.execute("SELECT * FROM generations ORDER BY n DESC LIMIT 1").fetchone()
        return None if row is None else Generation(*row)

    def at(self, n: int) -> Generation:
        """Return the state of number ``n``."""
        row = self._database.execute("SELECT * FROM generations WHERE n = ?", (n,)).fetchone()
        return Generation(*row)

    def generations(self) -> list[Generation]:
        """Return all states there have been."""
        return [Generation(*r) for r in self._database.execute("SELECT * FROM generations")]

    def export(self, kind: str, receiver: str) -> Export:
        """Write down that the state there is was given to somebody; durable when it returns."""
        if not (isinstance(receiver, str) and receiver.strip()):
            raise ValueError(f"receiver must be a text that says who is given it, got {receiver!r}")
        with self._transaction():
            time, now = self._tick(), self.generation
            if now is None:
                raise StoreError("there is nothing to hand out yet")
            made = self.exports.add(kind, receiver, now.n, now.weights, time)
            said: Json = {"id": made.n, "generation": now.n, "weights": now.weights}
            self._logged(kind, time, said, {"receiver": receiver})
        return made

    def acknowledge(self, n: int) -> Export:
        """Write down that an export is no longer used or held by who was given it.

        Raises
        ------
        UnknownRowError
            If there is no export of this number.
        """
        with self._transaction():
            time, export = self._tick(), self.exports[n]
            # Said twice is logged once.
            if export.withdrawn is None:
                self._logged("acknowledgement", time, {"id": n}, {})
                export = self.exports.withdraw(n, time)
        return export

    def came(self, row: int) -> int:
        """Return the state in which a row came, by its number: the first that counts it."""
        found = self._database.execute(
            "SELECT min(n) FROM generations WHERE rows > ?", (row,)
        ).fetchone()[0]
        return 0 if found is None else int(found)

    def recall(self, case: Case) -> list[Export]:
        """Return what was handed out, is not withdrawn, and was trained with rows of a request."""
        if case.generation is None or case.since is None:
            return []
        return self.exports.outstanding(case.since, case.generation)
