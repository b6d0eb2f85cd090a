"""The receipt for a request: what became of it, and what holds now."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from .._common.arrays import Positions
from .._common.fields import loaded, typed
from .._common.html import Table, fragment
from ..claims.certificate import Certificate
from ..requests.deadline import Extension, counted, day, time_of
from .request import Request

VERSION = 1


@dataclass(frozen=True)
class Receipt:
    """What became of a request.

    Attributes
    ----------
    reference, received, deadline, extension
        As in `Request`.
    done : datetime
        When the batch was finished.
    rows : tuple of int
        Positions of the rows that the batch removed for it.
    gone : tuple of int
        Positions of those that had been forgotten before, by other means.
    certificate : Certificate
        The public part of what holds for the release: it covers every row removed so far.

    Notes
    -----
    `certificate_report` makes a page of a receipt, without the positions, which are the owner's.
    """

    reference: str
    received: datetime
    deadline: datetime | None
    done: datetime
    rows: tuple[int, ...]
    gone: tuple[int, ...]
    certificate: Certificate = field(repr=False)
    extension: Extension | None = None

    @classmethod
    def of(
        cls,
        request: Request,
        done: datetime,
        rows: Positions,
        gone: Positions,
        certificate: Certificate,
    ) -> Self:
        """Say what became of ``request``."""
        asked = request.reference, request.received, request.deadline
        went = tuple(rows.tolist()), tuple(gone.tolist())
        return cls(*asked, done, *went, certificate, request.extension)

    @property
    def late(self) -> bool:
        """Whether the deadline had passed."""
        return self.deadline is not None and self.done > self.deadline

    def to_json(self) -> str:
        """Serialise, with the certificate; positions included, so for the owner."""
        values = {
            "version": VERSION,
            "reference": self.reference,
            "received": self.received.isoformat(),
            "deadline": None if self.deadline is None else self.deadline.isoformat(),
            "extension": None if self.extension is None else self.extension.values,
            "done": self.done.isoformat(),
            "rows": self.rows,
            "gone": self.gone,
            "certificate": json.loads(self.certificate.to_json()),
        }
        return json.dumps(values, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            If it is of another version, a field is missing, unknown or of no possible value, or the
            certificate is none that `Certificate.from_json` reads.
        """
        values: dict[str, Any] = loaded(text, "a receipt")
        version = values.get("version") if isinstance(values, dict) else None
        if version != VERSION or isinstance(version, bool):
            raise ValueError(f"not a receipt of version {VERSION}")
        expected = {"version", *cls.__dataclass_fields__}
        if set(values) != expected:
            raise ValueError(f"fields do not match: {sorted(set(values) ^ expected)}")
        deadline, extension = values["deadline"], values["extension"]
        rows, gone = (typed(k, values[k], tuple[int, ...], "receipt") for k in ("rows", "gone"))
        return cls(
            typed("reference", values["reference"], str, "receipt"),
            time_of("received", values["received"], "receipt"),
            None if deadline is None else time_of("deadline", deadline, "receipt"),
            time_of("done", values["done"], "receipt"),
            rows,
            gone,
            Certificate.from_json(json.dumps(values["certificate"])),
            None if extension is None else Extension.of_values(extension),
        )

    def __str__(self) -> str:
        """A short statement in plain language."""
        late = " LATE" if self.late else ""
        return (
            f"{self.reference}: {self._outcome}; received {day(self.received)}, done "
            f"{day(self.done)}{late}"
        )

    @property
    def _outcome(self) -> str:
        parts = [f"{counted(len(self.rows), 'row')} removed"] if self.rows else []
        if self.gone:
            parts.append(f"{counted(len(self.gone), 'row')} forgotten before")
        return ", ".join(parts) or "no row left to remove"

    def _repr_html_(self) -> str:
        c = self.certificate
        rows = [
            ("outcome", self._outcome),
            ("received", day(self.received)),
            ("deadline", day(self.deadline)),
            ("done", day(self.done) + (", late" if self.late else "")),
            ("certificate", f"epsilon = {c.epsilon:g}, delta = {c.delta:g}, {c.library}"),
            ("weights, SHA-256", c.weights or "not stated"),
        ]
        if self.extension is not None:
            rows.insert(3, ("extended", str(self.extension)))
        return fragment(Table((), tuple(rows)), f"Receipt for {self.reference}")


def certificate_or_receipt(text: str) -> Certificate | Receipt:
    """Read what either of them wrote.

    Raises
    ------
    ValueError
        If it is neither, as their ``from_json``.
    """
    values = loaded(text, "a certificate or a receipt")
    is_receipt = isinstance(values, dict) and "certificate" in values
    return Receipt.from_json(text) if is_receipt else Certificate.from_json(text)
