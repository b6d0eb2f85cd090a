"""Whether the tables of a ledger say what its log does: a flipped bit in either is seen.

The log is the record, and the tree over its entries vouches for it; the tables are what it comes
to, kept so that nobody has to read all of it.  Here all of it is read, and compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

from .cases import DONE, PENDING, REFUSED, WITHDRAWN, Line
from .exports import Export
from .log import Json, canonical

#: What the log says of a state or an export, by the names of its fields.
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
        #: By reference, the rest of its line.
        self.requests: dict[str, tuple[object, ...]] = {}
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
        asked = entry["received"], entry["due"], n
        closed: tuple[object, ...] = (PENDING, None, None, None, None)
        if event in (REFUSED, WITHDRAWN):
            closed = event, time, entry.get("reason"), None, None
        elif "done" in entry:
            done = _seconds(str(entry["done"]))
            closed = DONE, done, None, entry["rows"], entry["generation"]
        # The last entry of a request counts: one that was refused may have been asked again.
        self.requests[str(entry["reference"])] = asked + closed

    def differs(
        self, cases: Iterable[Line], states: Iterable[State], exports: Iterable[Export]
    ) -> str | None:
        """Return what the tables say otherwise; None where they agree."""
        # Whatever is left over at the end is in the log and not in the table.
        left = dict(self.requests)
        for reference, received, due, entry, state, closed, *rest in cases:
            said = received, due, entry, state, _seconds(closed), *rest
            if left.pop(reference, None) != said:
                return f"the request {reference!r} is not as the log has it"
        if left:
            return f"the request {min(left)!r} of the log is missing"
        found = [_of_state(state) for state in states]
        if found != self.states:
            return "the states of the model are not as the log has them"
        if {export.n: _of_export(export) for export in exports} != self.exports:
            return "what was handed out is not as the log has it"
        return None


def _seconds(time: str | None) -> str | None:
    """Return a time of ISO 8601 to the second, as entries of the log have it."""
    # Read as a text: there may be a hundred thousand.
    return time[:19] + time[26:] if time is not None and time[19:20] == "." else time


def _of_state(state: State) -> Told:
    digest = hashlib.sha256(canonical(json.loads(state.certificate))).hexdigest()
    told: Told = {"verb": state.verb, "made": _seconds(state.made), "entry": state.entry}
    return told | {"weights": state.weights, "certificate": digest}


def _of_export(export: Export) -> Told:
    return {
        "kind": export.kind,
        "made": _seconds(export.made.isoformat()),
        "withdrawn": None if export.withdrawn is None else _seconds(export.withdrawn.isoformat()),
        "generation": export.generation,
        "weights": export.digest,
        "receiver": export.receiver,
    }
