"""What became of a request, and what is written to whoever made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from .._common.html import percent
from ..claims.certificate import Certificate
from ..requests.deadline import Extension, counted, day
from .cases import Case
from .exports import Export
from .log import Json


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes
    ----------
    reference : str
    state : str
        "done", "pending", "overdue", "refused" or "withdrawn".
    received, due, done : datetime or None
        ``done`` is when it was closed, however.
    extension : Extension or None
    rows : int or None
        How many rows went for it.
    reason : str or None
        Why it was refused.
    certificate : Certificate or None
        The public part of what holds for the release that answered it.
    recall : tuple of Export
        What was handed out before, still holds the rows, and is not withdrawn.
    """

    reference: str
    state: str
    received: datetime
    due: datetime | None
    done: datetime | None
    extension: Extension | None
    rows: int | None
    reason: str | None
    certificate: Certificate | None
    recall: tuple[Export, ...]

    @classmethod
    def of(
        cls, case: Case, now: datetime, certificate: Certificate | None, recall: list[Export]
    ) -> Answer:
        """Say what became of a request."""
        return cls(
            case.reference,
            case.said(now),
            case.received,
            case.deadline,
            case.closed,
            case.extension,
            case.rows,
            case.reason,
            certificate,
            tuple(recall),
        )

    @property
    def values(self) -> Json:
        """As JSON takes it, without the certificate."""
        return {
            "reference": self.reference,
            "state": self.state,
            "rows": self.rows,
            "asked": self.received.isoformat(),
            "due": None if self.due is None else self.due.isoformat(),
            "done": None if self.done is None else self.done.isoformat(),
            "reason": self.reason,
            "recall": [export.values for export in self.recall],
        }

    def __str__(self) -> str:
        """A short statement in plain language."""
        went = "" if self.rows is None else f", {counted(self.rows, 'row')}"
        when = f"; done {day(self.done)}" if self.state == "done" else f"; due {day(self.due)}"
        why = "" if self.reason is None else f": {self.reason}"
        lines = [f"{self.reference}: {self.state}{went}{when}{why}"]
        lines += [f"  recall {e.kind} {e.n}, given to {e.receiver}" for e in self.recall]
        return "\n".join(lines)

    def letter(self, who: str) -> str:
        """Return a plain reply to the person, from ``who`` answers for the model.

        It says what was done and when, or until when it will be; and what remains.
        """
        # Each state has its own letter; all others wait.
        say: dict[str, Callable[[], list[str]]] = {
            "done": self._carried_out,
            "refused": lambda: [f"It could not be carried out: {self.reason}."],
            "withdrawn": lambda: ["You have withdrawn it, so nothing was removed."],
        }
        lines = [
            f"Your request {self.reference}, received on {day(self.received)}.",
            "",
            *say.get(self.state, self._waiting)(),
            "",
            "If you think that this is wrong you can complain to the data protection authority "
            "where you live or work, or go to court.",
            "",
            who,
        ]
        return "\n".join(lines) + "\n"

    def _carried_out(self) -> list[str]:
        rows = self.rows or 0
        what = "data set was" if rows == 1 else "data sets were"
        lines = [
            f"It was carried out on {day(self.done)}: {rows} {what} removed from the data that our "
            "model is trained on, and the model was put into use again without "
            f"{'it' if rows == 1 else 'them'}."
        ]
        c = self.certificate
        if c is not None and c.kind == "gaussian":
            # All releases since: somebody may have kept more than one.
            even = percent(c.joint_promise.even_odds)
            lines.append(
                "Whoever looks at the model from then on and guesses whether your data had ever "
                f"been in it is right in at most {even} of cases, where tossing a coin is right in "
                "50%."
            )
        return [*lines, "", "What remains:", *self._left()]

    def _left(self) -> list[str]:
        count = len(self.recall)
        copies = (
            "- No copy of the model from before that we have handed out is still in use."
            if not count
            else f"- {count} {'copy' if count == 1 else 'copies'} of the model from before, which "
            "we have handed out and asked to be destroyed or replaced; we have not heard of all."
        )
        return [
            copies,
            "- Backups may hold your data until they are overwritten in their turn.",
            "- What was computed from your data elsewhere, such as features of other systems, is "
            "not touched by this.",
        ]

    def _waiting(self) -> list[str]:
        lines = [f"It will be carried out by {day(self.due)}." if self.due else "It waits."]
        if self.state == "overdue":
            lines = [f"It should have been carried out by {day(self.due)} and has not been yet."]
        if self.extension is not None:
            lines.append(
                f"It was due on {day(self.extension.instead_of)}; it takes longer because: "
                f"{self.extension.reason}."
            )
        return lines
