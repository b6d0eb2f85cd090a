"""Requests that wait, by reference, and their deadlines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .._common.whole import Whole, serialised
from ..exceptions import RowError, UnknownRowError
from ..requests.deadline import put_off, span, zoned
from .request import Request


class Waiting(Whole):
    """Requests that wait, in the order they came in."""

    _waiting: dict[str, Request]
    _clock: Callable[[], datetime] | None

    def now(self) -> datetime:
        """Return the time, with a zone."""
        return datetime.now(UTC) if self._clock is None else zoned("now()", self._clock())

    def due(self, ahead: timedelta = timedelta(0)) -> tuple[Request, ...]:
        """Return the requests whose deadline is no further away than ``ahead``."""
        until = self.now() + span("ahead", ahead)
        return tuple(r for r in self if r.deadline is not None and r.deadline <= until)

    @property
    def overdue(self) -> tuple[Request, ...]:
        """The requests whose deadline has come."""
        return self.due()

    @serialised
    def extend(
        self,
        reference: str,
        *,
        reason: str,
        until: datetime | None = None,
        notified: datetime | None = None,
    ) -> Request:
        """Put a deadline off once, as art. 12(3) GDPR allows for complex or many requests.

        Parameters
        ----------
        reference : str
            Of a request that waits.
        reason : str
            Why it takes longer, as whoever asked was told.  Receipts and pages show it.
        until : datetime, optional
            The new deadline, with a time zone: at most two calendar months after the old one, which
            is the default.
        notified : datetime, optional
            When they were told, with a time zone; now by default.  By the old deadline.

        Returns
        -------
        Request
            As it waits now.

        Raises
        ------
        UnknownRowError
            If none of this reference waits.
        ValueError
            If it has no deadline, was put off before, or a time is not as above.
        """
        request = self._found(reference)
        times = request.received, request.deadline, request.extension
        notified = notified or self.now()
        new, put = put_off(reference, *times, reason=reason, until=until, notified=notified)
        later = replace(request, deadline=new, extension=put)
        self._waiting[reference] = later
        return later

    @serialised
    def withdraw(self, reference: str) -> Request:
        """Take a request out again; it is returned.

        Raises
        ------
        UnknownRowError
            If none of this reference waits.
        """
        self._found(reference)
        return self._waiting.pop(reference)

    def _found(self, reference: str) -> Request:
        if reference not in self._waiting:
            raise UnknownRowError(f"no request with reference {reference!r} waits")
        return self._waiting[reference]

    def _admitted(self, request: Request) -> Request:
        if request.reference in self._waiting:
            raise RowError(f"a request with reference {request.reference!r} is waiting already")
        self._waiting[request.reference] = request
        return request

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self._waiting.values()))
