"""Requests to a model in a directory: kept until they are answered, then carried out together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from .._common.arrays import RowsLike, Show
from .._common.whole import serialised
from ..claims.certificate import Certificate
from ..exceptions import BatchRefusedError
from ..operations.queue import ForgetQueue
from ..operations.receipt import Receipt
from ..operations.request import Request
from ..requests.deadline import MONTH
from .answers import Answer
from .cases import Case
from .codec import Model
from .holding import Holding
from .ledger import Went
from .log import canonical


class How(TypedDict):
    """How a removal is carried out: see `ForgetQueue.run`."""

    confirm: bool
    expand: str | None
    progress: Show


class Answering(Holding):
    """Takes requests in, and answers each once."""

    @serialised
    def add(
        self,
        which: RowsLike | None = None,
        /,
        *,
        reference: str,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: str | None = None,
        received: datetime | None = None,
        within: timedelta | str | None = MONTH,
    ) -> Answer:
        """Take a request in; it is carried out by `run`.  Durable when it returns.

        Parameters
        ----------
        which, rows, row_ids, groups, where, reference, received, within
            As in `ForgetQueue.add`.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If it does not name rows properly, by names that JSON does not give back as they were,
            or there is a request of this reference that waits or is done.
        """
        named = {"rows": rows, "row_ids": row_ids, "groups": groups, "where": where}
        case = self._asked(which, reference, received, within, named)
        return self._answer(self.ledger.add(case))

    @serialised
    def withdraw(self, reference: str) -> Answer:
        """Take back a request that waits; see `Ledger.withdraw`."""
        return self._answer(self.ledger.withdraw(reference))

    @serialised
    def extend(
        self,
        reference: str,
        *,
        reason: str,
        until: datetime | None = None,
        notified: datetime | None = None,
    ) -> Answer:
        """Put a deadline off once, as art. 12(3) GDPR allows: see `Waiting.extend`."""
        more = {"reason": reason, "until": until, "notified": notified}
        return self._answer(self.ledger.extend(reference, **more))  # type: ignore[arg-type]

    @serialised
    def run(
        self, *, confirm: bool = False, expand: str | None = None, progress: Show = None
    ) -> tuple[Answer, ...]:
        """Carry out all requests that wait as one: one removal, one release, one certificate.

        Parameters
        ----------
        confirm, expand, progress
            As in `ForgetQueue.run`.

        Returns
        -------
        tuple of Answer
            One a request.  Those that cannot be carried out with the others are refused, and say
            why.

        Raises
        ------
        ConfirmationNeededError
            If together they take so much that ``confirm=True`` is needed: all of them wait.
        BatchRefusedError
            If they cannot be carried out, no one request for it: all of them wait.
        """
        waiting = self.ledger.cases.pending()
        references = [case.reference for case in waiting]
        refused: set[str] = set()
        # One that cannot be carried out is refused and the others are tried again: at most one
        # round a request.
        while set(references) - refused:
            left = [case for case in waiting if case.reference not in refused]
            try:
                self._forgotten(left, confirm=confirm, expand=expand, progress=progress)
                break
            except BatchRefusedError as error:
                if error.reference is None:
                    raise
                refused.add(error.reference)
                self.ledger.refuse(error.reference, _why(error))
        return tuple(self.answer(reference) for reference in references)

    @serialised
    def answer(self, reference: str) -> Answer:
        """Return what became of a request.

        Raises
        ------
        UnknownRowError
            If there is none of this reference.
        """
        return self._answer(self.ledger.cases[reference])

    def _answer(self, case: Case, *, certified: bool = True) -> Answer:
        certificate = None
        if certified and case.generation is not None:
            certificate = Certificate.from_json(self.ledger.at(case.generation).certificate)
        return Answer.of(case, self.ledger.now(), certificate, self.ledger.recall(case))

    def _asked(
        self,
        which: RowsLike | None,
        reference: str,
        received: datetime | None,
        within: timedelta | str | None,
        named: dict[str, RowsLike | None],
    ) -> Case:
        """Look a request up in the model; nothing is written."""
        queue = ForgetQueue(self.model, within=within, now=self.ledger.now)
        request = queue.add(which, reference=reference, received=received, **named)
        if not self.ledger.recognises:
            # Names that nobody will recognise any more once another request has taken their rows.
            request = replace(request, kind="rows", named=tuple(request.rows.tolist()))
        return _case(request)

    def _forgotten(self, cases: list[Case], **how: Unpack[How]) -> None:
        """Carry requests out together: the rules are those of `ForgetQueue.run`."""
        values = [case.values for case in cases]
        text = canonical({"version": 1, "fit": "", "requests": values}).decode()

        def change(model: Model) -> dict[str, Went]:
            # The ledger's positions are those of the model it lies beside.
            # From the ledger's own values: what is carried out is what was written down.
            queue = ForgetQueue.from_json(text, model, same_rows=True, now=self.ledger.now)
            return {receipt.reference: _went(receipt) for receipt in queue.run(**how)}

        self._carry_out("removal", change, references=tuple(case.reference for case in cases))


def _case(request: Request) -> Case:
    values = request.values
    named = values[request.kind]
    times = request.received, request.deadline
    return Case(request.reference, request.kind, named, *times, request.extension)


def _went(receipt: Receipt) -> Went:
    # Copies from before another request took some of its rows hold them for this one too.
    return Went(len(receipt.rows), min((*receipt.rows, *receipt.gone), default=0))


def _why(error: BaseException) -> str:
    """Say why in one line."""
    return str(error.__cause__ or error).split("\n")[0]
