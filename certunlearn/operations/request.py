"""A request that waits, its deadline, and how requests are written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

import numpy as np

from .._common.arrays import Position, Positions
from .._common.fields import loaded
from .._common.html import Table, fragment
from ..exceptions import BatchRefusedError, CertunlearnError, ConfirmationNeededError, RowError
from ..requests.asked import GROUP, Asked, _is_pandas, checked_reference, listed
from ..requests.deadline import Extension, counted, day, time_of
from ..requests.fitted import Fitted
from ..requests.row_names import RowNames

VERSION = 1
_KINDS = ("rows", "row_ids", "groups", "where")


@dataclass(frozen=True)
class Request:
    """A request that waits.

    Attributes
    ----------
    reference : str
        Who asked, or a case number.
    received : datetime
        When it came in, with a time zone.
    deadline : datetime or None
        When it must have been carried out.
    kind : {"rows", "row_ids", "groups", "where"}
        How it names its rows.
    named : tuple or str or callable
        The names; for "rows" positions in the fit.
    rows : ndarray of int
        Positions in the fit that these meant when it came in.
    extension : Extension or None
        How its deadline was put off, if it was.
    """

    reference: str
    received: datetime
    deadline: datetime | None
    kind: str
    named: Any = field(repr=False)
    rows: Positions = field(repr=False, compare=False)
    extension: Extension | None = None

    def __post_init__(self) -> None:
        checked_reference(self.reference)

    @property
    def asked(self) -> Asked:
        """The request as a model takes it."""
        named: Any = list(self.named) if isinstance(self.named, tuple) else self.named
        ways: dict[str, Any] = {self.kind: named}
        return Asked(**ways)

    @property
    def values(self) -> dict[str, Any]:
        """The request as JSON takes it.

        Raises
        ------
        RowError
            If a name is no text, number, truth value or None, or a condition is a function.
        """
        named = self.named
        if isinstance(named, tuple):
            named = [_of_python(v) for v in named]
        odd = [v for v in (named if isinstance(named, list) else [named]) if not _plain(v)]
        if odd:
            raise RowError(
                f"request {self.reference!r} cannot be written as JSON: it names its rows by "
                f"{odd[0]!r}, and only texts, finite numbers, True, False and None come back as "
                "they were"
            )
        return {
            "reference": self.reference,
            "received": self.received.isoformat(),
            "deadline": None if self.deadline is None else self.deadline.isoformat(),
            self.kind: named,
        } | ({} if self.extension is None else {"extension": self.extension.values})

    @classmethod
    def of_values(cls, values: Any, names: RowNames) -> Self:
        """Read what `values` returned; forgotten rows may be named.

        Raises
        ------
        ValueError
            If it is nothing of the kind.
        RowError, UnknownRowError, AmbiguousRowError
            If the names mean nothing to the model.
        """
        kind = next((k for k in _KINDS if isinstance(values, dict) and k in values), "")
        expected = {"reference", "received", "deadline", kind}
        if not kind or set(values) - {"extension"} != expected:
            raise ValueError(f"not a request: {values!r}")
        named, deadline = values[kind], values["deadline"]
        if not isinstance(named, str if kind == "where" else list):
            raise ValueError(f"not the {kind} of a request: {named!r}")
        named = named if kind == "where" else tuple(named)
        read = cls(
            values["reference"],
            time_of("received", values["received"]),
            None if deadline is None else time_of("deadline", deadline),
            kind,
            named,
            np.zeros(0, dtype=np.int64),
            Extension.of_values(values["extension"]) if "extension" in values else None,
        )
        return replace(read, rows=names.known(read.asked))


def written(requests: list[Request], mark: str) -> str:
    """Write requests to the fit that ``mark`` stands for as JSON."""
    values = [request.values for request in requests]
    return json.dumps({"version": VERSION, "fit": mark, "requests": values})


def read(text: str, names: RowNames, mark: str | None) -> list[Request]:
    """Read what `written` wrote, for the fit that ``mark`` stands for; None for any.

    Raises
    ------
    ValueError, RowError
        As `Request.of_values`; and if positions in another fit are named.
    """
    values = loaded(text, "requests")
    if not isinstance(values, dict) or values.get("version") != VERSION:
        raise ValueError(f"not requests of version {VERSION}")
    if set(values) != {"version", "fit", "requests"} or not isinstance(values["requests"], list):
        raise ValueError(f"not requests: fields are {sorted(values)}")
    requests = [Request.of_values(value, names) for value in values["requests"]]
    for request in requests:
        if request.kind == "rows" and mark not in (None, values["fit"]):
            raise RowError(
                f"request {request.reference!r} names positions in another fit: name rows by "
                "row_ids= or groups=, which any fit knows, or say same_rows=True if this "
                "model was fitted on the same rows in the same order"
            )
    return requests


def phrased(asked: Asked, found: Positions) -> tuple[str, Any]:
    """Return how a request names its rows, and the names; ``found`` are its positions."""
    if asked.where is not None:
        return "where", asked.where
    if asked.groups is not None:
        return "groups", tuple(listed(asked.groups, GROUP))
    if asked.row_ids is not None:
        return "row_ids", tuple(listed(asked.row_ids))
    if asked.which is not None and _is_pandas(asked.which, "Index"):
        return "row_ids", tuple(asked.which)
    return "rows", tuple(found.tolist())


def first(parts: list[Positions], good: Callable[[Positions], bool]) -> int:
    """Return an i such that the union of ``parts[:i]`` is good and that of ``parts[: i + 1]`` not.

    That of no parts is taken to be good, and that of all not to be; by bisection.
    """
    able, unable = 0, len(parts)
    while unable - able > 1:
        middle = (able + unable) // 2
        if good(union(parts[:middle])):
            able = middle
        else:
            unable = middle
    return able


def asking(
    fitted: Fitted,
    waiting: list[Request],
    live: list[Positions],
    question: ConfirmationNeededError,
) -> ConfirmationNeededError:
    """Say from which request on a batch asks; not where look-alikes alone make it."""

    def silent(rows: Positions) -> bool:
        return not fitted.taken(Position(rows)).questions

    if silent(union(live)):
        return question
    since = f" (from request {waiting[first(live, silent)].reference!r} on)"
    return ConfirmationNeededError(tuple(reason + since for reason in question.reasons))


def refused(
    fitted: Fitted,
    waiting: list[Request],
    live: list[Positions],
    error: CertunlearnError,
) -> BatchRefusedError:
    """Say which request is the first that cannot go with those before it."""

    def possible(rows: Positions) -> bool:
        """Whether a removal would be certified, tried on the head and thrown away."""
        if not len(rows):
            return True
        try:
            fitted.changed(fitted.forgetting(fitted.positions(Asked(rows=rows))))
        except CertunlearnError:
            return False
        return True

    if possible(union(live)):
        return BatchRefusedError(f"the batch is refused, no one request for it: {error}")
    i = first(live, possible)
    reference = waiting[i].reference
    those = f" together with the {counted(i, 'request')} before it" if i else ""
    return BatchRefusedError(
        f"request {reference!r} cannot be carried out{those}: {error}. Nothing has been "
        f"changed; withdraw({reference!r}) lets the others go on",
        reference=reference,
    )


def union(parts: list[Positions]) -> Positions:
    """Return the positions in any of ``parts``, increasing."""
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *parts]))


def table(caption: str, requests: list[Request]) -> str:
    """Return HTML with a line a request."""
    head = "reference", "received", "deadline", "extended", "rows", "named by"
    lines = (
        (
            r.reference,
            day(r.received),
            day(r.deadline),
            "no" if r.extension is None else f"from {day(r.extension.instead_of)}",
            str(len(r.rows)),
            r.kind,
        )
        for r in requests
    )
    return fragment(Table(head, tuple(lines)), caption)


def _of_python(value: Any) -> Any:
    """Return a number, truth value or text of numpy as Python's, anything else as it is."""
    # The item of a time that counts nanoseconds is their number: another name.
    plain = isinstance(value, np.generic) and value.dtype.kind in "biufU"
    return value.item() if plain else value


def _plain(value: Any) -> bool:
    """Whether JSON gives a name back as it was."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, bool, int))
