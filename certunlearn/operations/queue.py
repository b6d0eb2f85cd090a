"""Requests that wait for one another: many people, one removal, one certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._common import validate as _validate
from .._common.arrays import Condition, Positions, RowsLike, Show
from .._common.interrupts import steady
from .._common.whole import Guard, serialised
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import (
    BatchRefusedError,
    CertunlearnError,
    ConfirmationNeededError,
    RowError,
    UnknownRowError,
)
from ..insight.preview import capacity
from ..pipeline import ForgettingPipeline
from ..requests.asked import Asked
from ..requests.deadline import MONTH, after, counted, day, span, term, zoned
from ..requests.fitted import Fitted, fitted_of
from .receipt import Receipt
from .request import Request, asking, phrased, read, refused, table, union, written
from .self_audit import evidence_for, self_audit
from .waiting import Waiting

if TYPE_CHECKING:
    from ..audit.sequential import SelfAudit


class ForgetQueue(Waiting):
    """Collects requests for one fitted model and carries them out together.

    Parameters
    ----------
    model : estimator of this package or ForgettingPipeline
        Fitted.  The queue holds it, and a pickle of the queue holds what a pickle of it does: write
        the requests alone with `to_json`.
    within : "month", timedelta or None
        How long after it comes in a request must have been carried out: a calendar month by
        default, as art. 12(3) GDPR has it; None for no deadline.  `extend` puts one off.
    lead : timedelta
        How long before a deadline the queue is `ready`.
    size : int or "capacity", optional
        How many waiting rows make it `ready`; "capacity": as many as typically go without a pass
        over the rows that stay, see `CertifiedLogReg.capacity`.
    now : callable, optional
        Returns the time, with a zone; by default UTC by the machine's clock.
    audit_rate : float
        Share of the runs, each of them by chance, that end with `self_audit`: the rows that stay
        are solved for exactly, and the release is held against what is claimed.

    Attributes
    ----------
    receipts : tuple of Receipt
        Those of the last run.
    self_audit : SelfAudit or None
        What the audits have found so far; ``finding()`` says whether the claims hold.  None without
        any.

    Notes
    -----
    Every method that looks at the model or changes it waits for the model's verbs, and they for it.
    A copy of a queue has a copy of the model.

    What a batch means: its rows leave in one removal, with one release and one certificate, which
    compares that release with training without any of them, whosever they were.  Carried out one
    by one, k requests make k releases, and all releases since the oldest removal together are
    covered by a ``joint_epsilon`` that grows with their number (in the transcript view the distance
    that each must be certified to shrinks instead).  The releases before and after a removal, which
    no certificate covers, differ by one request's rows then, and by those of all in a batch.  The
    price is the delay: until the run the model is what it was with these rows.

    Names that a request was phrased in stay readable in the queue until it has been carried out,
    and in receipts the reference does.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from sklearn.datasets import load_breast_cancer
    >>> from certunlearn import CertifiedLogReg, ForgetQueue
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedLogReg(random_state=0).fit(X, y)
    >>> queue = ForgetQueue(model, within=timedelta(days=28))
    >>> _ = queue.add([17, 42], reference="case 1")
    >>> _ = queue.add([42, 99], reference="case 2")
    >>> queue.rows.tolist(), queue.ready
    ([17, 42, 99], False)
    >>> receipts = queue.run()
    >>> [r.reference for r in receipts], model.n_retained_, len(queue)
    (['case 1', 'case 2'], 566, 0)
    """

    def __init__(
        self,
        model: Any,
        *,
        within: timedelta | str | None = MONTH,
        lead: timedelta = timedelta(days=1),
        size: int | str | None = None,
        now: Callable[[], datetime] | None = None,
        audit_rate: float = 0.0,
    ) -> None:
        if not isinstance(model, (UnlearningEstimator, ForgettingPipeline)):
            raise TypeError(f"a model that can forget is needed, got a {type(model).__name__}")
        check_is_fitted(model)
        self.model: UnlearningEstimator | ForgettingPipeline = model
        self.within = None if within is None else term("within", within)
        self.lead = span("lead", lead)
        self.size = size
        if isinstance(size, str):
            _validate.choice("size", size, ("capacity",))
            # Refused at once where none can be told.
            capacity(self._fit.linear, most=1)
        elif size is not None:
            self.size = _validate.count("size", size, low=1)
        self._clock = now
        # Positions mean rows of this fit.
        self._mark = self._fit.id
        self._waiting: dict[str, Request] = {}
        self.receipts: tuple[Receipt, ...] = ()
        self.self_audit: SelfAudit | None = None
        if audit_rate:
            self.self_audit = evidence_for(model, audit_rate)

    @property
    def _guard(self) -> Guard | None:
        """Those of the model: nothing of it changes while the queue looks at it, nor the queue."""
        return None if "_seen" in self.__dict__ else self.model._guard

    def _settle(self) -> None:
        self.model._settle()

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
        where: Condition | None = None,
        received: datetime | None = None,
        within: timedelta | str | None = None,
    ) -> Request:
        """Take a request in; the model is not changed.

        Parameters
        ----------
        which, rows, row_ids, groups, where
            As in `CertifiedLogReg.forget`.  Groups and conditions are looked up again at the run:
            rows learnt in the meantime go as well.
        reference : str
            Who asked, or a case number; unlike that of any other request that waits.
        received : datetime, optional
            When it came in, with a time zone; now by default.
        within : timedelta or "month", optional
            How long after that it must have been carried out, instead of the queue's ``within``.

        Returns
        -------
        Request
            As it waits.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If it does not name rows properly.  Rows that another request names already may be named
            again.
        """
        self._same_fit()
        asked = Asked(which, rows, row_ids, groups, where)
        found = self._fit.positions(asked)
        kind, named = phrased(asked, found)
        received = zoned("received", self.now() if received is None else received)
        allowed = self.within if within is None else term("within", within)
        deadline = None if allowed is None else after(received, allowed)
        return self._admitted(Request(reference, received, deadline, kind, named, found))

    @serialised
    def run(
        self, *, confirm: bool = False, expand: str | None = None, progress: Show = None
    ) -> tuple[Receipt, ...]:
        """Carry out all requests that wait as one: one removal, one release, one certificate.

        Parameters
        ----------
        confirm, expand, progress
            As in `CertifiedLogReg.forget`, for all of them together.

        Returns
        -------
        tuple of Receipt
            One a request, in the order they came in; none if none waited.  Rows that had been
            forgotten by other means do not stop the others: their receipt says so.

        Raises
        ------
        ConfirmationNeededError
            If together they take so much that ``confirm=True`` is needed.
        BatchRefusedError
            If they cannot be carried out; it says which request is the first that cannot.

        Notes
        -----
        A run that raises leaves the queue and the model as they were.  Should it be interrupted
        when all is done, before the receipts have reached the caller, they are in ``receipts``.
        """
        waiting, live, gone = list(self), [], []
        self.now()
        for request in waiting:
            here, lost = self._current(request)
            live.append(here)
            gone.append(lost)
        everything, more = union(live), {} if expand is None else {"expand": expand}
        # The model's own draft: it is taken over together with the receipts, or not at all.
        draft = self.model._draft()
        if len(everything):
            try:
                draft.forget(rows=everything, confirm=confirm, progress=progress, **more)
            except ConfirmationNeededError as question:
                raise asking(self._fit, waiting, live, question) from None
            except CertunlearnError as error:
                raise refused(self._fit, waiting, live, error) from error
        evidence = self.self_audit
        if evidence is not None and len(everything):
            # Before anything is taken over: what it finds is in the draft's history.
            evidence = self_audit(draft, evidence)
        done, certificate = self.now(), draft.certificate_.public()
        receipts = tuple(
            Receipt.of(request, done, here, lost, certificate)
            for request, here, lost in zip(waiting, live, gone, strict=True)
        )
        # Requests that came in during the run wait for the next one.
        carried = {request.reference for request in waiting}
        left = {k: r for k, r in self._waiting.items() if k not in carried}
        # The removal and its receipts are one step.
        with steady():
            self.model._take_over(draft)
            self._waiting, self.receipts = left, receipts
            self.self_audit = evidence
        return receipts

    @property
    @serialised
    def ready(self) -> bool:
        """Whether a deadline is no further away than ``lead``, or rows enough wait."""
        if self.due(self.lead):
            return True
        if self.size is None or not self._waiting:
            return False
        rows = len(self.rows)
        if self.size != "capacity":
            return rows >= int(self.size)
        # Where every removal makes a pass, waiting saves passes however long.
        return 0 < capacity(self._fit.linear) <= rows

    @property
    @serialised
    def rows(self) -> Positions:
        """Positions in the fit of all rows that would go now, increasing."""
        return union([self._current(request)[0] for request in self])

    @serialised
    def to_json(self) -> str:
        """Serialise the requests, and nothing of the model.

        Raises
        ------
        RowError
            If a request has names that JSON would not give back as they were.
        """
        return written(list(self), self._mark)

    @classmethod
    def from_json(cls, text: str, model: Any, *, same_rows: bool = False, **settings: Any) -> Self:
        """Read what `to_json` wrote, into a queue for the same model or one fitted on its rows.

        Parameters
        ----------
        text : str
            From `to_json`.
        model : estimator of this package or ForgettingPipeline
            Fitted.
        same_rows : bool
            Says that ``model``, though fitted anew, was given the same rows in the same order.
            Without it requests that name positions are refused there: they would mean other people.
        settings
            ``within``, ``lead``, ``size``, ``now`` and ``audit_rate``.  Deadlines are those of the
            requests.

        Returns
        -------
        ForgetQueue
            With all requests.  Rows that have been forgotten by now are told by their receipt.

        Raises
        ------
        ValueError
            If it is nothing that `to_json` wrote.
        RowError, UnknownRowError, AmbiguousRowError
            If names or positions mean nothing to the model.
        """
        queue = cls(model, **settings)
        mark = None if same_rows else queue._mark
        for request in read(text, queue._fit.names, mark):
            queue._admitted(request)
        return queue

    @property
    def _fit(self) -> Fitted:
        """The model's fit as it is."""
        return fitted_of(self.model)

    def _same_fit(self) -> None:
        if self._fit.id != self._mark:
            raise RowError(
                "the model has been fitted anew since this queue was made: its positions mean "
                "other rows now; write the requests with to_json and read them for the new fit"
            )

    def _current(self, request: Request) -> tuple[Positions, Positions]:
        """Return the positions of a request that are still there, and those that have gone."""
        self._same_fit()
        fitted, found = self._fit, request.rows
        if request.kind in ("groups", "where"):
            try:
                # Looked up again: rows of the same person that came since the request go as well.
                found = np.union1d(found, fitted.names.known(request.asked))
            except UnknownRowError:
                # A group that has gone and left no digest: its rows are known from before.
                pass
            except CertunlearnError as error:
                raise BatchRefusedError(
                    f"request {request.reference!r} cannot be looked up: {error}",
                    reference=request.reference,
                ) from error
        # Gone by other means: the receipt says so, and the others are carried out.
        lost = fitted.lost(found)
        return found[~lost], found[lost]

    def __repr__(self) -> str:
        times = [request.deadline for request in self if request.deadline is not None]
        soonest = f", first deadline {day(min(times))}" if times else ""
        rows = len(union([request.rows for request in self]))
        waiting = f"{counted(len(self), 'request')}, {counted(rows, 'row')}"
        return f"{type(self).__name__}({waiting}{soonest})"

    def _repr_html_(self) -> str:
        return table(repr(self), list(self))
