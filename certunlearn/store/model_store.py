"""The verbs of a model, durable when they return."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._common.arrays import AnyArray, ArrayLike, MatrixLike, RowsLike, Show
from .._common.whole import serialised
from ..claims.certificate import Certificate
from ..exceptions import (
    BatchRefusedError,
    CertunlearnError,
    RowError,
    StoreError,
    VerificationError,
)
from ..requests.deadline import MONTH
from .answering import Answering, _why
from .answers import Answer
from .bundle import write_bundle
from .cases import DONE, PENDING
from .codec import Model, relearned, replayed, still_there
from .exports import Export
from .keys import Signer, Verifier
from .ledger import Went
from .log import Json
from .note import written
from .receipts import signed_receipt
from .status import Status, shown
from .verify import Verified, verify_receipt

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


class ModelStore(Answering):
    """A model in a directory, with its requests, exports and log.

    Use `create` or `open`; a store is its own context manager.  It opens without reading rows, and
    reads them when a verb needs them.
    Threads may share it: one operation at a time, the others wait.

    Attributes
    ----------
    path : Path
    ledger : Ledger
    model : estimator or ForgettingPipeline
        Read when first asked for.
    interrupted : list of (str, str)
        What an earlier process had begun and not finished.  Nothing of it happened; requests of it
        wait.

    Examples
    --------
    ::

        store = ModelStore.create("churn.store", CertifiedLogReg().fit(X, y, row_ids=ids))
        store.export("churn.bundle", receiver="the shop")
        store.close()
        with ModelStore.open("churn.store", "w") as store:
            answer = store.forget(row_ids=["customer 17"], reference="case 12")
            answer.recall       # what was handed out and still holds the row
            store.receipt("case 12", "key.pem")
    """

    @serialised
    def forget(
        self,
        which: RowsLike | None = None,
        /,
        *,
        reference: str | None = None,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: str | None = None,
        received: datetime | None = None,
        within: timedelta | str | None = MONTH,
        expand: str | None = None,
        confirm: bool = False,
        progress: Show = None,
    ) -> Answer:
        """Remove rows and release anew; durable, and the rows overwritten, when it returns.

        Parameters
        ----------
        which, rows, row_ids, groups, where, expand, confirm, progress
            As in `CertifiedLogReg.forget`; ``where`` is a text.
        reference, received, within
            As in `add`; a reference is made where none is given.  One that has been carried out is
            answered again, and nothing is removed: whoever was interrupted can ask again.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            As `add`.
        ConfirmationNeededError, NotCertifiedError, ConvergenceError, AssumptionError
            As `CertifiedLogReg.forget`: the model is as it was, and the request is refused; it may
            be asked again under its reference.
        StoreError
            If it cannot be made to last: the model is as it was and the request waits.
        """
        known = None if reference is None else self.ledger.cases.find(reference)
        if known is not None and known.state == DONE:
            self._tidy()
            return self._answer(known)
        if reference is None:
            reference = f"request {len(self.ledger.log)}"
        named = {"rows": rows, "row_ids": row_ids, "groups": groups, "where": where}
        case = self._asked(which, reference, received, within, named)
        if known is None or known.state != PENDING:
            case = self.ledger.add(case)
        elif known.named != case.named or known.kind != case.kind:
            raise RowError(f"a request with reference {reference!r} waits, for other rows")
        try:
            self._forgotten([case], confirm=confirm, expand=expand, progress=progress)
        except BatchRefusedError as error:
            self.ledger.refuse(reference, _why(error))
            raise error.__cause__ or error from None
        except CertunlearnError as error:
            # One that the disk or a lock has stopped has not been decided on.
            if self.ledger.cases[reference].state == PENDING and not isinstance(error, StoreError):
                self.ledger.refuse(reference, _why(error))
            raise
        return self.answer(reference)

    @serialised
    def learn(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        again: bool = False,
        **named: Any,
    ) -> Certificate:
        """Add rows and release anew; durable when it returns.

        Parameters
        ----------
        X, y, sample_weight, **named
            As in `CertifiedLogReg.learn`.
        again : bool
            Whether rows may come back whose identifiers were forgotten; the log then says so.

        Returns
        -------
        Certificate

        Raises
        ------
        RowError
            If identifiers of forgotten rows come back, and ``again`` does not allow it; or as
            `CertifiedLogReg.learn`.
        """
        # Recognised by identifiers of forgotten rows, which the model keeps as digests alone.
        back = relearned(self.model, X, named.get("row_ids"))
        if back and not again:
            raise RowError(
                f"{back} of these rows have identifiers of rows that were forgotten: leave them "
                "out, or say again=True (--again on the command line), which the log will show"
            )
        public: Json = {"relearned": back} if back else {}
        return self._done("addition", lambda m: m.learn(X, y, sample_weight, **named), public)

    @serialised
    def correct(self, which: RowsLike | None = None, /, **how: Any) -> Certificate:
        """Replace features or labels of rows and release anew: as `CertifiedLogReg.correct`."""
        return self._done("correction", lambda m: m.correct(which, **how))

    @serialised
    def release(self, receiver: str | None = None) -> Certificate:
        """Draw a fresh release; with a ``receiver`` it is one that a removal has to call back."""
        certificate = self._done("release", lambda m: m.release())
        if receiver is not None:
            self.ledger.export("release", receiver)
        return certificate

    def _done(
        self, verb: str, change: Callable[[Model], object], public: Json | None = None
    ) -> Certificate:
        def change_and_answer(model: Model) -> dict[str, Went]:
            change(model)
            return {}

        self._carry_out(verb, change_and_answer, public=public)
        return self.certificate

    @serialised
    def preview(self, which: RowsLike | None = None, /, **named: Any) -> Any:
        """Foresee a removal: as `CertifiedLogReg.preview`.  Changes nothing."""
        return self.model.preview(which, **named)

    @serialised
    def predict(self, X: MatrixLike) -> AnyArray:
        """Predict with the released weights; no row is read."""
        labels: AnyArray = self.predictor.predict(X)
        return labels

    @serialised
    def export_predictor(self) -> BaseEstimator:
        """Return a scikit-learn estimator with the released weights only; no row is read."""
        return self.predictor

    # Others

    @serialised
    def export(
        self,
        to: str | Path,
        *,
        receiver: str,
        key: Signer | str | Path | None = None,
    ) -> Export:
        """Write a bundle for somebody, and into the ledger that they have it.

        Parameters
        ----------
        to : str or Path
            A directory that is not there yet; see `write_bundle`.
        receiver : str
            Who is given it.
        key : Signer, str or Path, optional
            ECDSA P-256, to sign with.

        Returns
        -------
        Export
            As the ledger has it.
        """
        predictor, certificate = self.predictor, self.certificate
        # First in the ledger: what was handed out and is not in it would never be called back.
        made = self.ledger.export("export", receiver)
        write_bundle(predictor, certificate, to, key)
        return made

    @serialised
    def acknowledge(self, n: int) -> Export:
        """Write down that who was given export ``n`` no longer has or uses it."""
        return self.ledger.acknowledge(n)

    @serialised
    def receipt(
        self,
        reference: str,
        key: Signer | str | Path | None = None,
        *,
        since: str | None = None,
        timestamp: Callable[[bytes], bytes] | None = None,
    ) -> Json:
        """Return the signed receipt of a request: see `signed_receipt`."""
        return signed_receipt(self.ledger, reference, key, since=since, timestamp=timestamp)

    @serialised
    def head(self, key: Signer | str | Path | None = None) -> str:
        """Return the head of the log as a note, signed if there is a key."""
        signer = None if key is None else Signer.of(key)
        return written(self.ledger.fact("origin"), self.ledger.log.head(), signer)

    @serialised
    def verify(
        self,
        envelope: object,
        key: Verifier | str | Path | bytes,
        *,
        replay: bool = False,
        **gone: RowsLike,
    ) -> Verified:
        """Check a receipt against this store too, as its owner can.

        Parameters
        ----------
        envelope, key
            As in `verify_receipt`.
        replay : bool
            Whether to train again from the rows that stay: the secret iterate must be as near as
            its certified distance says.  The state before the removal, from which it could be gone
            through step by step, has been destroyed with the rows.
        **gone
            ``rows``, ``row_ids``, ``groups`` or ``where``: rows that must not be in the training
            set any more.

        Raises
        ------
        VerificationError
            As `verify_receipt`; or if it is of another log, this log has another entry there, a
            row is still in the training set, or the model is not where its rows put it.
        """
        seen = verify_receipt(envelope, key)
        if seen.origin != self.ledger.fact("origin"):
            raise VerificationError(
                f"the receipt is of another model: of the log {seen.origin}", check="store"
            )
        case = self.ledger.cases.find(seen.reference)
        made = None if case is None or case.generation is None else case.generation
        if made is None or self.ledger.at(made).weights != seen.weights:
            raise VerificationError(
                f"the ledger does not say that {seen.reference!r} was done as the receipt has it",
                check="store",
            )
        # Only the owner can ask the training set itself.
        left = still_there(self.model, gone, recognised=self.ledger.recognises) if gone else 0
        if left:
            raise VerificationError(
                f"{left} of the rows are still in the training set", check="row"
            )
        checks = [*seen.checks, "store", *(["row"] if gone else [])]
        if replay:
            self._replayed()
            checks.append("replay")
        return dataclasses.replace(seen, checks=tuple(checks))

    def _replayed(self) -> None:
        """Train again from the rows that stay, and refuse a model that is elsewhere."""
        found, stated = replayed(self.model), self.certificate.distance_target
        if not found.holds:
            raise VerificationError(
                f"trained again on the rows that stay, the model is {found.apart:.3g} from where "
                f"it was, and the two are certified to be within {found.shown + found.own:.3g} of "
                "each other: it is no model of these rows",
                check="replay",
            )
        if self.certificate.kind == "gaussian" and not found.shown <= stated:
            raise VerificationError(
                f"the model is certified to a distance of {found.shown:.3g} from its optimum, and "
                f"its certificate states {stated:.3g}",
                check="replay",
            )

    @serialised
    def unrecognise(self) -> None:
        """Erase the digests by which identifiers and groups of forgotten rows are recognised.

        From then on it is as if `create` had been told ``recognise=False``: a forgotten identifier
        is as unknown as one that never was, and rows that come back are not told.

        Raises
        ------
        RowError
            If requests wait: some may name rows that another one has taken.
        """
        if self.ledger.cases.pending():
            raise RowError("requests wait that may name forgotten rows: run or withdraw them first")
        self._carry_out(
            "names erased", lambda model: {}, facts={"recognises": "no"}, released=False
        )

    @serialised
    def status(self, limit: int = 100) -> Status:
        """Return what the owner wants to know, as JSON takes it; no row is read.

        ``requests`` are the ``limit`` most urgent ones, then those closed last.
        """
        now, c = self._now, self.certificate
        clock, cases, head = self.ledger.now(), self.ledger.cases, self.ledger.log.head()
        return {
            "estimator": self.ledger.fact("estimator"),
            "origin": self.ledger.fact("origin"),
            "generation": now.n,
            "recognises": self.ledger.recognises,
            "n_retained": c.n_retained,
            "n_forgotten": int(self.ledger.fact("forgotten")),
            "epsilon": None if math.isinf(c.epsilon) else c.epsilon,
            "delta": c.delta,
            "joint_epsilon": None if math.isinf(c.joint_epsilon) else c.joint_epsilon,
            "releases": c.releases,
            "self_audit": shown(self.self_audit),
            "weights": now.weights,
            "counts": cases.counts(clock),
            "requests": [
                self._answer(case, certified=False).values for case in cases.listed(limit)
            ],
            "exports": [export.values for export in self.ledger.exports],
            "head": {"size": head.size, "root": head.root.hex()},
        }
