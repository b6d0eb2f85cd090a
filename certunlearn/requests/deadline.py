"""Until when a request must have been carried out: art. 12(3) GDPR, times, how they are said."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from .._common import validate as _validate

#: The month of art. 12(3) GDPR.
MONTH = "month"


@dataclass(frozen=True)
class Extension:
    """How a deadline was put off: art. 12(3) GDPR wants notice and reasons while it still runs.

    Attributes
    ----------
    instead_of : datetime
        The deadline before.
    notified : datetime
        When whoever asked was told.
    reason : str
        What they were told.
    """

    instead_of: datetime
    notified: datetime
    reason: str

    def __str__(self) -> str:
        return f"was due {day(self.instead_of)}; notice given {day(self.notified)}: {self.reason}"

    @property
    def values(self) -> dict[str, str]:
        """The extension as JSON takes it."""
        return {
            "instead_of": self.instead_of.isoformat(),
            "notified": self.notified.isoformat(),
            "reason": self.reason,
        }

    @classmethod
    def of_values(cls, values: Any) -> Self:
        """Read what `values` returned.

        Raises
        ------
        ValueError
            If it is nothing of the kind.
        """
        if not isinstance(values, dict) or set(values) != {"instead_of", "notified", "reason"}:
            raise ValueError(f"not the extension of a deadline: {values!r}")
        reason = values["reason"]
        if not (isinstance(reason, str) and reason.strip()):
            raise ValueError(f"reason of an extension cannot be {reason!r}")
        first, notified = (time_of(name, values[name]) for name in ("instead_of", "notified"))
        return cls(first, notified, reason)


def zoned(name: str, value: object) -> datetime:
    """Return a time if it has a zone, with its offset from UTC in the place of the zone.

    Two times of one zone are compared and subtracted by the clock on the wall, which is set back
    an hour once a year.
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"{name} must be a datetime with a time zone, got {value!r}")
    return datetime.fromisoformat(value.isoformat())


def time_of(name: str, text: object, what: str = "request") -> datetime:
    """Read a time with a zone."""
    if not isinstance(text, str):
        raise ValueError(f"{name} of a {what} cannot be {text!r}")
    return zoned(name, datetime.fromisoformat(text))


def months_after(time: datetime, count: int) -> datetime:
    """Return the same time of day so many calendar months later.

    Where that month has no such day it is the last one it has (Regulation 1182/71, art. 3(2)).
    """
    # Months since year 0, so that December needs no case of its own.
    year, month = divmod(12 * time.year + time.month - 1 + count, 12)
    last = monthrange(year, month + 1)[1]
    return time.replace(year=year, month=month + 1, day=min(time.day, last))


def term(name: str, value: object) -> timedelta | str:
    """Return how long a request may wait: a duration, or "month" for a calendar month."""
    if isinstance(value, str):
        return _validate.choice(name, value, (MONTH,))
    return span(name, value)


def after(time: datetime, allowed: timedelta | str) -> datetime:
    """Return the end of a `term` that began at ``time``."""
    return months_after(time, 1) if isinstance(allowed, str) else time + allowed


def span(name: str, value: object) -> timedelta:
    """Return a duration that is not negative."""
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise ValueError(f"{name} must be a timedelta of at least 0, got {value!r}")
    return value


def put_off(
    reference: str,
    received: datetime,
    deadline: datetime | None,
    before: Extension | None,
    *,
    reason: str,
    until: datetime | None,
    notified: datetime,
) -> tuple[datetime, Extension]:
    """Return a later deadline of a request: once, by two calendar months at most, as art. 12(3).

    Raises
    ------
    ValueError
        If it has no deadline, was put off ``before``, a time has no zone, nobody was told in time
        or the new deadline is too late.
    """
    told = zoned("notified", notified)
    if deadline is None or before is not None:
        state = "has no deadline" if deadline is None else "was put off before"
        raise ValueError(f"request {reference!r} {state}: nothing to extend")
    # From the deadline, not from the notice: art. 12(3) allows two further months.
    most = months_after(deadline, 2)
    new = most if until is None else zoned("until", until)
    if not (isinstance(reason, str) and reason.strip()):
        raise ValueError(f"reason must be a text that says why, got {reason!r}")
    if not received <= told <= deadline:
        raise ValueError(
            f"notice has to be given while the deadline runs, from {day(received)} to "
            f"{day(deadline)}: notified is {day(told)}"
        )
    if not deadline < new <= most:
        raise ValueError(f"until must be after {day(deadline)}, by {day(most)}, got {day(new)}")
    return new, Extension(deadline, told, reason)


def counted(n: int, noun: str) -> str:
    """Say how many."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def day(time: datetime | None) -> str:
    """Say when, to the minute."""
    return "none" if time is None else time.isoformat(" ", timespec="minutes")
