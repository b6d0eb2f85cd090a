"""A fit as requests see it: what a request names, what it changes, and the fit that it leaves.

Estimators hold one `Fitted`; pipelines, queues, meta-estimators, stores and displays ask it and
nothing else of an estimator.  It is immutable: a request makes another one, and whoever does not
take that over has changed nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import _check_sample_weight

from .._common.arrays import Array, ArrayLike, Label, MatrixLike, Place, Position, Progress
from .._common.replaced import replace
from ..claims.certificate import Certificate
from ..claims.frame import Frame
from ..engine.protocol import Unlearner
from ..engine.unlearner import Model
from ..exceptions import AssumptionError
from ..numerics.rows.weights import NO_ROWS
from .asked import Annotations, Asked
from .change import Change
from .classes import Classes
from .confirmation import Lost, Taken
from .row_names import RowNames
from .targets import Encoding


@dataclass(frozen=True)
class Fitted:
    """A model, the names of its rows, and what stands in its store for labels.

    Attributes
    ----------
    id : str
        Of the fit, drawn at random: that of all that requests, copies and pickles make of it.
    model : Unlearner
        Secret iterate, release and certificate.
    names : RowNames
        Of all rows that ever were.
    encoding : Encoding
        Of labels or targets.
    """

    id: str
    model: Unlearner
    names: RowNames
    encoding: Encoding

    @classmethod
    def of(cls, model: Unlearner, names: RowNames, encoding: Encoding) -> Fitted:
        """Return a new fit."""
        return cls(os.urandom(8).hex(), model, names, encoding)

    @property
    def linear(self) -> Model:
        """The model, where it is one of a penalised loss.

        Raises
        ------
        AssumptionError
            For least squares of minimum norm.
        """
        if not isinstance(self.model, Model):
            raise AssumptionError(
                "previews and look-alikes are not offered for least squares of minimum norm"
            )
        return self.model

    @property
    def frame(self) -> Frame | None:
        """In which the rows are held; None where that is the model's own."""
        return self.model.frame if isinstance(self.model, Model) else None

    @property
    def mark(self) -> tuple[int, int]:
        """Rows ever given to the fit, and rows that requests have named."""
        requests = self.model.requests
        return self.places + requests.dropped, requests.forgotten

    @property
    def places(self) -> int:
        """How many rows the store has room for, forgotten ones included."""
        return len(self.model.members.weights)

    @property
    def called(self) -> Position:
        """Position of the row at each place of the store."""
        return self.names.called(self.places)

    # What a request names

    def positions(self, asked: Asked, *, staying: bool = False) -> Position:
        """Return the positions that a request names; ``staying`` rows may be all there are.

        Raises
        ------
        RowError, UnknownRowError, AlreadyForgottenError, AmbiguousRowError
            If it does not name rows properly; the message names the offenders.
        """
        return self.names.positions(self.model.forgotten, self.model.left + int(staying), asked)

    def lost(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows a request has named before."""
        return self.names.lost(positions, self.model.forgotten)

    def taken(self, positions: Position) -> Taken:
        """Count what a request takes; costs nothing that grows with the rows that stay."""
        members, places = self.model.members, self.names.store(positions)
        gone = places[members.weights.at(places) > 0]
        lost = None
        if members.classed or members.marked:
            lost = members.carried(self.linear.rows, gone)
        return Taken.by(members, len(gone), lost, self.encoding.names, self._groups(positions))

    def _groups(self, positions: Position) -> tuple[Lost, ...]:
        groups = self.names.groups
        if groups is None:
            return ()
        lost: dict[Label, int] = {}
        for name in groups.at(positions):
            lost[name] = lost.get(name, 0) + 1
        return tuple(
            Lost(
                name.item() if isinstance(name, np.generic) else name,
                m,
                len(groups.live(name)) - m,
            )
            for name, m in lost.items()
        )

    # What it changes; none of this looks at features

    def forgetting(self, positions: Position) -> Change:
        """Return the change that takes rows out, which `positions` has returned."""
        _, codes, weight = self.model.held(NO_ROWS)
        gone = Place(np.sort(self.names.store(positions)))
        return Change("forget", len(gone), gone, codes, weight, self.names)

    def learning(self, X: MatrixLike, m: int, y: ArrayLike, known: Annotations) -> Change:
        """Return the change that puts ``m`` rows in; ``X``, where a DataFrame, names them."""
        codes = self.encoding.encoded(y)
        if m != len(codes):
            raise ValueError(f"X has {m} rows, y has {len(codes)}")
        weight = checked_weights(np.empty((m, 1)), known.sample_weight)
        places = Place(self.places + np.arange(m))
        names = self.names.extended(
            X, known.row_ids, known.groups, places, known.metadata, known.static
        )
        return Change("learn", m, Place(NO_ROWS), codes, weight, names)

    def correcting(self, positions: Position, y: ArrayLike, m: int | None) -> Change:
        """Return the change that puts rows in the place of others, with ``m`` rows of features.

        They have the labels ``y``, or those they had.
        """
        gone = self.names.store(positions)
        _, codes, weight = self.model.held(gone)
        codes = codes if y is None else self.encoding.encoded(y)
        for name, rows in (("X", m), ("y", len(codes))):
            if rows is not None and rows != len(gone):
                raise ValueError(f"{name} has {rows} rows, the request {len(gone)}")
        names = self.names.moved(positions, self.places)
        return Change("correct", len(gone), gone, codes, weight, names)

    # The fit it leaves

    def changed(
        self,
        change: Change,
        X: MatrixLike | None = None,
        *,
        frame: Frame | None = None,
        progress: Progress = None,
    ) -> Fitted:
        """Carry a change out.

        Parameters
        ----------
        X : ndarray or sparse of shape (m, n_features), optional
            Features of the rows that come, checked; by default those of the rows that go.
        frame : Frame, optional
            Where the rows are held afterwards, and ``X`` is given; as it was if left out.

        Raises
        ------
        NotCertifiedError, ConvergenceError
            If the result cannot be certified.
        StaleFrame
            If it could, were the rows held in another frame: see `refitted`.
        """
        model = self.model
        # Only rows of a penalised loss are ever held in a frame.
        forget: Callable[..., Unlearner] = model.forget
        edit: Callable[..., Unlearner] = model.edit
        if frame is not None:
            forget = partial(self.linear.forget, frame=frame)
            edit = partial(self.linear.edit, frame=frame)
        if not len(change.codes):
            return self._after(change, forget(change.gone, progress=progress))
        X = model.held(change.gone)[0] if X is None else X
        new = X, change.codes, change.weight
        return self._after(change, edit(change.gone, *new, progress=progress))

    def refitted(
        self,
        change: Change,
        X: Array,
        *,
        frame: Frame | None = None,
        progress: Progress = None,
    ) -> Fitted:
        """Carry a change out while all other rows get other features.

        Parameters
        ----------
        X : ndarray of shape (n + m, n_features)
            Features of all rows of the store, those that come at the end; anything finite for rows
            outside the training set.
        frame : Frame, optional
            In which these features are.
        """
        new = change.gone, X, change.codes, change.weight
        return self._after(change, self.linear.refit(*new, frame=frame, progress=progress))

    def _after(self, change: Change, model: Unlearner) -> Fitted:
        """Return the fit with a model, without the labels that no row carries any more."""
        encoding = self.encoding
        if isinstance(encoding, Classes):
            encoding = encoding.without(_unlabelled(self.linear, change.gone, model))
        return replace(self, model=model, names=change.names, encoding=encoding)

    def certified(self, certificate: Certificate) -> Fitted:
        """Return the fit with the certificate of what has left it."""
        return replace(self, model=self.model.certified(certificate))

    def released(self) -> Fitted:
        """Return the fit with a fresh release of the same secret iterate."""
        return replace(self, model=self.model.release())

    def rebased(self) -> Fitted:
        """Return the fit with every matrix made of the retained rows alone."""
        return replace(self, model=self.model.rebased())

    def condensed(self) -> Fitted:
        """Return the fit over a store that has closed up, where that pays; else as it is.

        Whoever does not take it over keeps the store as it was.
        """
        found = self.model.condensed()
        if found is None:
            return self
        model, keep = found
        return replace(self, model=model, names=self.names.condensed(keep))

    # Once it has been taken over

    def scrub(self) -> None:
        """Overwrite what was forgotten, labels first: a row that is scrubbed has none.

        And rows of an edit that was never taken over.  Safe to call again.
        """
        self.names.forget(self.model.requests.named)
        self.model.scrub()

    def left_for(self, after: Fitted) -> None:
        """Overwrite the rows of this fit, if ``after`` holds those it has gone on with."""
        if after.id == self.id and after.model.rows is not self.model.rows:
            self.model.erase()


def fitted_of(model: object) -> Fitted:
    """Return what a fitted estimator holds; of a pipeline, what its last step does.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it is none of this package's.
    """
    last = getattr(model, "head", model)
    if not hasattr(type(last), "forget"):
        raise TypeError(f"a model that can forget is needed, got a {type(model).__name__}")
    found = getattr(last, "_fitted", None)
    if not isinstance(found, Fitted):
        raise NotFittedError(f"this {type(last).__name__} is not fitted yet: call fit first")
    return found


def checked_weights(X: MatrixLike, sample_weight: ArrayLike | None) -> Array:
    """Return a checked copy of the weights of rows X, ones where none are given.

    Raises
    ------
    ValueError
        If they are no numbers of at least 0, or all zero.
    """
    weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True, copy=True
    )
    if len(weight) and not weight.any():
        # scikit-learn says so itself from 1.8 on.
        raise ValueError("sample_weight must hold at least one non-zero number")
    return np.asarray(weight)


def _unlabelled(before: Model, gone: Place, after: Unlearner) -> NDArray[np.int64]:
    """Return codes of rows that go which no row carries any more."""
    assert isinstance(after, Model)
    codes, counts = before.rows.labels[gone], after.members.counts
    # Codes that no row of the training set ever had are not counted.
    lost = codes[(codes >= len(counts)) | (counts.take(codes, mode="clip") == 0)]
    if not len(lost):
        return NO_ROWS
    # Rows of weight zero carry labels as well.
    live = ~after.forgotten
    return np.setdiff1d(lost, after.rows.labels[: len(live)][live])
