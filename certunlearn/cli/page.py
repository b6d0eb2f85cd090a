"""The page of a model in a directory: its requests, what was handed out, and what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._common.html import FORMATS, Facts, Page, Part, Table, Text
from ..requests.deadline import counted
from .told import cell

if TYPE_CHECKING:
    from ..store import ModelStore
    from ..store.log import Json

_OLDER = (
    "Copies that were handed out before a removal were trained with the rows. They are listed "
    "below: whoever has not said that theirs is withdrawn can still see what was removed."
)
_REQUESTS = "reference", "state", "rows", "asked", "due", "done", "reason"
_EXPORTS = "id", "kind", "receiver", "made", "withdrawn"


def written(store: ModelStore, title: str | None, who: str | None, format: str = "html") -> str:
    """Return the page, one file without outside resources; no row is named."""
    status = store.status(10_000)
    counts, certificate, head = status["counts"], store.certificate, store.head()
    overdue = counts["overdue"]
    late = f"{overdue} overdue. " if overdue else "None is overdue. "
    verdict = (
        f"{_carried_out(counts['done'])}, {_waiting(counts['pending'])}. {late}"
        f"{certificate.title}: epsilon = {certificate.epsilon:g}, delta = {certificate.delta:g}."
    )
    answers = Facts(
        (
            ("Model", status["estimator"]),
            ("Trained on now", f"{status['n_retained']} rows"),
            ("Answers for it", who or "not stated"),
            ("Log", f"{status['origin']}, {status['head']['size']} entries"),
            ("Weights of the model, SHA-256", status["weights"]),
        ),
        ("Weights of the model, SHA-256",),
    )
    parts = [
        Part("Requests", [_table(_REQUESTS, status["requests"], "No request has come in.")]),
        Part("Handed out", [_table(_EXPORTS, status["exports"], "Nothing was handed out.")]),
        Part("What holds now", [Text(str(certificate), code=True)], "holds"),
        Part("Head of the log", [Text(head, code=True)]),
    ]
    return FORMATS[format](
        Page(
            title or "Requests to a model",
            verdict,
            answers,
            parts,
            Part("Are older releases still about?", [Text(_OLDER)]),
            void=False,
        )
    )


def _table(names: tuple[str, ...], values: list[Json], none: str) -> Table | Text:
    if not values:
        return Text(none)
    rows = (tuple(cell(name, v[name], none="–") for name in names) for v in values)
    return Table(names, tuple(rows))


def _carried_out(count: int) -> str:
    return f"{counted(count, 'request')} {'was' if count == 1 else 'were'} carried out"


def _waiting(count: int) -> str:
    return f"{count} {'waits' if count == 1 else 'wait'}"
