"""A model in a directory: how its state is read, and replaced as a whole.

What a directory holds is what its ledger says.  A change is begun in the ledger, the new state is
written into new files beside the old ones, and one transaction of the ledger makes it the state
there is.  Files that this state does not name are overwritten and taken away: after every change,
and when the directory is opened for writing.

Guarantee: whenever the process or the machine stops, the directory opens as it was before a change
or as it is after it; a request that was accepted is in the ledger; one that is done is not done
again.  Once a verb has returned, no file of the directory holds the rows it removed.

Assumes: what fsync has returned for is kept, and a file is overwritten where it lies (`shredded`).
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from .._common.whole import Whole, serialised
from ..claims.certificate import Certificate
from ..exceptions import StoreDamagedError, StoreError
from ..operations.self_audit import evidence_for, evidence_read, evidence_written, self_audit
from .codec import Model, disowned, put_together, rows_of, state_of, taken_apart
from .files import local, one_writer, shredded, synced
from .ledger import Generation, Ledger, Went
from .log import Json
from .mark import mark, marked, writing
from .migrations import VERSION
from .shards import Manifest, Shards

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from ..audit.sequential import SelfAudit

T = TypeVar("T")
LEDGER, LOCK, STATES = "ledger.sqlite", "lock", "state"
#: How often a reader looks again when a writer has replaced what it was reading.
_AGAIN = 5


class Holding(Whole):
    """A directory that holds a model; `ModelStore` has its verbs."""

    def __init__(self, path: Path, ledger: Ledger, release: contextlib.ExitStack) -> None:
        self.path, self.ledger = path, ledger
        self._shards = Shards(path / STATES)
        self._release = release
        self._model: Model | None = None
        #: Actions that an earlier process had begun and not finished: verb, and when.
        self.interrupted: list[tuple[str, str]] = []

    @classmethod
    def create(
        cls,
        path: str | Path,
        model: Model,
        *,
        origin: str | None = None,
        clock: Callable[[], datetime] | None = None,
        about: Json | None = None,
        recognise: bool = True,
        audit_rate: float = 0.0,
    ) -> Self:
        """Write a fitted model into a new directory, and open it for writing.

        Parameters
        ----------
        path : str or Path
            Not there yet.
        model : estimator of this package or ForgettingPipeline
            Fitted.  It is copied: what becomes of it afterwards does not matter.
        origin : str, optional
            Name of the log, in the form of a URL without a scheme, unlike that of any other model;
            by default made of the directory's name and a random number.
        clock : callable, optional
            Returns the time, with a zone.
        about : dict, optional
            What else whoever opens it shall know, as JSON takes it: `about` returns it.
        recognise : bool
            Whether identifiers and groups of forgotten rows are to be recognised when they are
            named or learnt again.  That takes digests of them, which whoever holds the directory
            can test a guess against; without, nothing of them is kept, a request that waits names
            its rows by position, and rows that groups and conditions meet are those that were there
            when it came in.
        audit_rate : float
            Share of the releases, each of them by chance, for which the rows that stay are solved
            for exactly: see `self_audit`, and the status for what it has found so far.

        Raises
        ------
        StoreError
            If there is something at ``path``, it cannot be written, is on the network, or a step of
            the model cannot be written.
        """
        path = Path(path)
        local(path)
        facts = {"about": json.dumps(about or {}, allow_nan=False), "recognises": _said(recognise)}
        if audit_rate:
            facts["audit"] = evidence_written(evidence_for(model, audit_rate))
        if path.exists():
            raise StoreError(f"{path} is there already: open it, or choose another place")
        # Built beside and moved: nobody ever finds half of it.
        draft = path.with_name(f".{path.name}.creating")
        with writing(path), contextlib.ExitStack() as stack:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(one_writer(path.with_name(f".{path.name}.lock")))
            if draft.exists():
                shredded(draft)
            try:
                (draft / STATES).mkdir(parents=True)
                _filled(draft, model, origin or _named(path), clock, facts)
                synced(draft)
                # One step of the file system: before it there is no directory, after it a whole
                # one.
                draft.rename(path)
            except BaseException:
                shredded(draft)
                raise
            # The name itself lasts only once its directory is flushed.
            synced(path.parent, deep=False)
        path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
        return cls.open(path, "w", clock=clock)

    @classmethod
    def open(
        cls,
        path: str | Path,
        mode: str = "r",
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> Self:
        """Open a directory; no row is read before it is needed.

        Parameters
        ----------
        path : str or Path
        mode : {"r", "w"}
            To write there is one at a time, to read there may be many.
        clock : callable, optional
            Returns the time, with a zone.

        Raises
        ------
        StoreError
            If there is no model, or a newer version of this package has written it.
        StoreLockedError
            If somebody else is writing.
        StoreDamagedError
            If a file is not as it was written.
        """
        if mode not in ("r", "w"):
            raise ValueError(f"mode must be 'r' or 'w', got {mode!r}")
        path = Path(path)
        schema = marked(path)
        local(path)
        with writing(path), contextlib.ExitStack() as stack:
            if mode == "w":
                stack.enter_context(one_writer(path / LOCK))
            store = cls(
                path,
                stack.enter_context(Ledger.open(path / LEDGER, mode, clock=clock)),
                stack,
            )
            # The manifest alone: that its files are there and whole is seen when they are read.
            store._read(lambda manifest: None)
            if mode == "w":
                if schema < VERSION:
                    mark(path)
                store.interrupted = store.ledger.interrupted()
                store._tidy()
            # Only now does the store own lock and ledger: whatever was raised before has let go of
            # both.
            store._release = stack.pop_all()
        return store

    @property
    @serialised
    def model(self) -> Model:
        """The model, read when first asked for.  Changes that are made to it are not kept."""
        if self._model is None:
            model = self._read(lambda m: self._part(m, _MODEL))
            if not isinstance(model, Model):
                raise StoreDamagedError(f"{self.path} holds a {type(model).__name__}, no model")
            self._model = model
        return self._model

    @property
    @serialised
    def predictor(self) -> BaseEstimator:
        """What `export_predictor` of the model returns; no row is read for it."""
        return self._read(lambda m: self._part(m, _PREDICTOR))

    def _part(self, manifest: Manifest, part: str) -> object:
        """Read one of the two things that a state holds, and no file of the other."""
        arrays = self._shards.arrays(manifest, lambda name: name.startswith(part))
        inner = {name.removeprefix(part): array for name, array in arrays.items()}
        return put_together(inner, manifest["values"][part])

    @property
    @serialised
    def about(self) -> Json:
        """What `create` was told beside the model."""
        found: Json = json.loads(self.ledger.fact("about"))
        return found

    @property
    @serialised
    def self_audit(self) -> SelfAudit | None:
        """What the audit of some of the requests has found so far; None where there is none."""
        text = self.ledger.fact("audit")
        return evidence_read(text) if text else None

    def _audited(self, model: Model) -> dict[str, str]:
        """Look at a release with the chance that was agreed; return the evidence as a fact."""
        evidence = self.self_audit
        if evidence is None:
            return {}
        return {"audit": evidence_written(self_audit(model, evidence))}

    @property
    @serialised
    def certificate(self) -> Certificate:
        """The public part of the certificate of the present release."""
        return Certificate.from_json(self._now.certificate)

    @property
    def _now(self) -> Generation:
        now = self.ledger.generation
        assert now is not None
        return now

    def _read(self, reading: Callable[[Manifest], T]) -> T:
        """Read from the present state; again where a writer has replaced it meanwhile."""
        for _ in range(_AGAIN):
            state = self.ledger.fact("state")
            try:
                # A writer may sweep these files while they are read: a failure counts only if the
                # state is still this one.
                return reading(self._shards.manifest(state))
            except StoreDamagedError:
                if state == self.ledger.fact("state"):
                    raise
        raise StoreError(f"{self.path} is changed faster than it can be read: try again")

    def _carry_out(
        self,
        verb: str,
        change: Callable[[Model], dict[str, Went]],
        *,
        references: tuple[str, ...] = (),
        facts: Mapping[str, str] | None = None,
        public: Json | None = None,
        released: bool = True,
    ) -> Generation:
        """Change the model: all of it durable when this returns, or nothing of it done.

        ``change`` does it in memory, and returns what went for each of ``references``; whether it
        has drawn a release says ``released``.
        """
        with writing(self.path):
            model = self.model
            # Durable before the model is touched: a crash from here on is found as an action
            # without a state.
            action = self.ledger.begin(verb, references)
            try:
                answered = change(model)
                if released:
                    facts = {**(facts or {}), **self._audited(model)}
                made = _committed(
                    self.ledger,
                    self._shards,
                    action,
                    verb,
                    model,
                    answered=answered,
                    facts=facts,
                    public=public,
                )
            except BaseException:
                # Memory may be ahead of the directory, which is what counts.
                self._model = None
                with contextlib.suppress(StoreError, OSError):
                    self.ledger.drop(action)
                    self._tidy()
                raise
            self._tidy()
        return made

    def _tidy(self) -> None:
        """Overwrite and take away what is no part of the present state."""
        # To a reader what a writer has not committed yet looks like what it has left.
        # Sweeping is for the one writer.
        self.ledger.writable()
        self._shards.sweep(self.ledger.fact("state"))
        self.ledger.erase_pages()

    @serialised
    def close(self) -> None:
        """Let go of the directory."""
        self._model = None
        self._release.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


#: What a state holds: the model, and what `export_predictor` returns of it.
_MODEL, _PREDICTOR = "model/", "predictor/"


def _committed(
    ledger: Ledger,
    shards: Shards,
    action: int,
    verb: str,
    model: Model,
    *,
    answered: dict[str, Went] | None = None,
    facts: Mapping[str, str] | None = None,
    public: Json | None = None,
) -> Generation:
    """Write a model's state and commit the action that led to it."""
    facts = facts or {}
    if facts.get("recognises", _said(ledger.recognises)) == "no":
        disowned(model)
    states = {_MODEL: state_of(model), _PREDICTOR: taken_apart(model.export_predictor())}
    arrays = {part + k: a for part, state in states.items() for k, a in state.arrays.items()}
    values = {part: state.values for part, state in states.items()}
    now = ledger.generation
    before = None if now is None else shards.manifest(ledger.fact("state"))
    state = shards.write(arrays, values, before)
    certificate = model.certificate_.public()
    return ledger.commit(
        action,
        verb,
        rows=rows_of(model),
        weights=str(certificate.weights),
        certificate=certificate.to_json(),
        answered=answered,
        facts={
            "state": state,
            "forgotten": str(model.n_forgotten_),
            "estimator": type(model).__name__,
            **facts,
        },
        public=public,
    )


def _said(flag: bool) -> str:
    return "yes" if flag else "no"


def _filled(
    draft: Path,
    model: Model,
    origin: str,
    clock: Callable[[], datetime] | None,
    facts: Mapping[str, str],
) -> None:
    with Ledger.create(draft / LEDGER, origin=origin, clock=clock, facts=facts) as ledger:
        if not ledger.recognises:
            # What becomes of the model given does not matter here, nor of this there.
            model = copy.deepcopy(model)
        action = ledger.begin("fit")
        _committed(ledger, Shards(draft / STATES), action, "fit", model)
    mark(draft)


def _named(path: Path) -> str:
    import re
    import secrets

    return f"{re.sub('[^a-zA-Z0-9.-]+', '-', path.absolute().name)}/{secrets.token_hex(8)}"
