"""Whether the tables of a ledger say what its log does: a flipped bit in either is seen.

The log is the record, and the tree over its entries vouches for it; the tables are what it comes
to, kept so that nobody has to read all of it.  Here all of it is read, and compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from .cases import DONE, PENDING, REFUSED, WITHDRAWN, Case
from .exports import Export
from .log import Json, canonical

#: What the log says of a request, by reference: as `_of_case` does of the table.
Told = dict[str, object]


class State(Protocol):
    """A state that a model has been in, as the table of states has it."""

    @property
    def verb(self) -> str: ...
    @property
    def made(self) -> str: ...
    @property
    def weights(self) -> str: ...
    @property
    def certificate(self) -> str: ...
    @property
    def entry(self) -> int: ...


class Retold:
    """What a log comes to, entry by entry."""

    def __init__(self) -> None:
        self.requests: dict[str, Told] = {}
        self.states: list[Told] = []
        self.exports: dict[int, Told] = {}

    def take(self, n: int, entry: Json) -> None:
        """Take in the entry at place ``n``, both parts of it."""
        event, time = str(entry["event"]), str(entry["time"])
        # Exports and acknowledgements have a number of their own; all else is of a state or a
        # request.
        if "id" in entry:
            self._handed_out(int(str(entry["id"])), event, time, entry)
            return
        if "generation" in entry:
            self._changed(n, event, time, entry)
        if "reference" in entry:
            self._asked(n, event, time, entry)

    def _handed_out(self, number: int, event: str, time: str, entry: Json) -> None:
        if event == "acknowledgement":
            self.exports[number]["withdrawn"] = time
            return
        self.exports[number] = {
            "kind": event,
            "made": time,
            "withdrawn": None,
            **{name: entry[name] for name in ("generation", "weights", "receiver")},
        }

    def _changed(self, n: int, event: str, time: str, entry: Json) -> None:
        number = int(str(entry["generation"]))
        # A batch has an entry a request; the first one is the state's.
        if number == len(self.states):
            said = {"verb": event, "made": time, "entry": n}
            self.states.append(said | {k: entry[k] for k in ("weights", "certificate")})

    def _asked(self, n: int, event: str, time: str, entry: Json) -> None:
        reference = str(entry["reference"])
        said: Told = {name: entry[name] for name in ("reference", "received", "due")}
        said |= {"state": PENDING, "closed": None, "reason": None, "rows": None}
        said |= {"generation": None, "entry": n}
        if event in (REFUSED, WITHDRAWN):
            said |= {"state": event, "closed": time, "reason": entry.get("reason")}
        elif "done" in entry:
            said |= {"state": DONE, "closed": _seconds(str(entry["done"])), "rows": entry["rows"]}
            said["generation"] = entry["generation"]
        # The last entry of a request counts: one that was refused may have been asked again.
        self.requests[reference] = said

    def differs(
        self, cases: Iterable[Case], states: Iterable[State], exports: Iterable[Export]
    ) -> str | None:
        """Return what the tables say otherwise; None where they agree."""
        # Whatever is left over at the end is in the log and not in the table.
        left = dict(self.requests)
        for case in cases:
            if left.pop(case.reference, None) != _of_case(case):
                return f"the request {case.reference!r} is not as the log has it"
        if left:
            return f"the request {min(left)!r} of the log is missing"
        found = [_of_state(state) for state in states]
        if found != self.states:
            return "the states of the model are not as the log has them"
        if {export.n: _of_export(export) for export in exports} != self.exports:
            return "what was handed out is not as the log has it"
        return None


def _seconds(time: str | datetime | None) -> str | None:
    """Return a time to the second, as entries of the log have it."""
    if time is None:
        return None
    read = datetime.fromisoformat(time) if isinstance(time, str) else time
    return read.isoformat(timespec="seconds")


def _of_case(case: Case) -> Told:
    told: Told = {"state": case.state, "closed": _seconds(case.closed), "reason": case.reason}
    told |= {"rows": case.rows, "generation": case.generation, "entry": case.entry}
    return case.times | told


def _of_state(state: State) -> Told:
    digest = hashlib.sha256(canonical(json.loads(state.certificate))).hexdigest()
    told: Told = {"verb": state.verb, "made": _seconds(state.made), "entry": state.entry}
    return told | {"weights": state.weights, "certificate": digest}


def _of_export(export: Export) -> Told:
    return {
        "kind": export.kind,
        "made": _seconds(export.made),
        "withdrawn": _seconds(export.withdrawn),
        "generation": export.generation,
        "weights": export.digest,
        "receiver": export.receiver,
    }
