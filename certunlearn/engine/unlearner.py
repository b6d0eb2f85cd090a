"""The unlearner: joins numerics and claims, and states what they guarantee together.

Guarantee
---------
Let S be the retained rows and A(S) the training mechanism: any point within ``fit_distance`` of
the exact optimum of F_S in the norm of the noise, plus ``sigma A^{-1/2} z``.  Every `Model`
returned by `fit`, `forget`, `edit`, `refit` or `release` was released by
``W + sigma A^{-1/2} z`` with z fresh and independent of W, where
``||W - W*_S||_A <= distance_target`` was shown on the data at hand.  So for every
measurable set T of outcomes, in both directions,

    P(release in T) <= exp(epsilon) P(A(S) in T) + delta.

Assumes: the conditions listed in the certificate.  Proof: proofs/certified_removal.md
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import AnyArray, Array, MatrixLike, Positions, Progress
from .._common.replaced import replace
from ..claims.certificate import Certificate
from ..claims.frame import Frame, StaleFrame
from ..exceptions import AssumptionError
from ..numerics.context import numerics
from ..numerics.rows.stored import stored
from . import condensing
from .distances.gram import mechanism_for
from .editing import Edit, edited, tightened
from .editing import rebased as rebased_state
from .members import Members, appended
from .protocol import Holding, closing
from .refitting import refitted
from .release import drawn, promised
from .request_count import RequestCount
from .settings import Settings
from .state import State, idle
from .training import solved

__all__ = ["Model", "Settings", "fit", "numerics"]


@dataclass(frozen=True)
class Model(Holding, State):
    """A state and the release drawn from it.

    ``W`` must never leave the process; ``released`` and ``certificate.public()`` may.  Verbs return
    another model; once that one has been taken over call its `scrub`, since the rows that go are
    still in the store.

    Attributes
    ----------
    requests : RequestCount
        What has been asked so far.
    released : ndarray of shape (p, K)
        The noisy weights.
    certificate : Certificate
        What holds for them.
    """

    requests: RequestCount = field(kw_only=True)
    released: Array = field(kw_only=True)
    certificate: Certificate = field(kw_only=True)

    @property
    def W(self) -> Array:
        """The secret iterate, shape (p, K)."""
        return self.reached.W

    @property
    def state(self) -> State:
        """The state alone."""
        return State(*(getattr(self, field.name) for field in fields(State)))

    def held(self, positions: Positions) -> tuple[MatrixLike, AnyArray, Array]:
        """Return copies of the features (m, d), labels and weights of rows in the store.

        Features come as sparse or dense as the store is.
        """
        # Of no rows no number is looked at.
        with numerics() if len(positions) else nullcontext():
            X = self.rows.features(positions)
        return X, self.rows.labels[positions], self.members.weights.at(positions)

    def forget(
        self, positions: Positions, *, frame: Frame | None = None, progress: Progress = None
    ) -> Model:
        """Return the model without the rows at ``positions``.

        Parameters
        ----------
        positions : ndarray of int
            Rows that go, in the store.
        frame : Frame, optional
            In which the rows are held, for the rows that stay; as it was if left out.

        Raises
        ------
        NotCertifiedError
            If the distance target cannot be reached.
        StaleFrame
            If that can only be shown of rows held as a fit would hold them: call `refit`.
        """
        return _edited(self, positions, 0, np.zeros(0), frame, progress)

    def edit(
        self,
        positions: Positions,
        X: MatrixLike,
        labels: AnyArray,
        sample_weight: Array,
        *,
        frame: Frame | None = None,
        progress: Progress = None,
    ) -> Model:
        """Return the model without the rows at ``positions`` and with ``X`` after all others.

        Parameters
        ----------
        positions : ndarray of int
            Rows that go, in the store.
        X, labels, sample_weight
            Rows that come: (m, d), (m,) or (m, K), (m,).
        frame : Frame, optional
            As in `forget`.

        Raises
        ------
        NotCertifiedError, StaleFrame
            If the distance target cannot be reached; the new rows are overwritten.
        """
        with numerics(), appended(self.rows, len(self.members.weights), X, labels):
            return _edited(self, positions, len(labels), sample_weight, frame, progress)

    def refit(
        self,
        positions: Positions,
        X: Array,
        labels: AnyArray,
        sample_weight: Array,
        *,
        frame: Frame | None = None,
        progress: Progress = None,
    ) -> Model:
        """Return the model as `edit` would, while all other rows get other features.

        Once the new model has been taken over `erase` this one.

        Parameters
        ----------
        X : ndarray of shape (n + m, d)
            Features of all rows in the store and then of those that come; anything finite for rows
            outside the training set.
        labels, sample_weight
            Of the rows that come: (m,) or (m, K), (m,).
        frame : Frame, optional
            In which these features are.

        Raises
        ------
        NotCertifiedError
            If the distance target cannot be reached.

        Notes
        -----
        Guarantee: that of this module, with the features of ``X``.  Proof: proofs/pipeline.md
        """
        clock = time.perf_counter()
        requests = self.requests.followed_by(positions, self.rows.scrubbed)
        with numerics(X.shape[1]):
            # All that was ever named: rows whose overwriting was interrupted would else come back
            # in the new store.
            gone = np.union1d(np.flatnonzero(self.forgotten), positions)
            t = requests.since_removal
            new = labels, sample_weight
            state = refitted(self.state, gone, X, *new, t=t, frame=frame, progress=progress)
            return _released(state, requests, clock, 0)

    def release(self) -> Model:
        """Return the same model with a fresh release of the same secret iterate."""
        requests = self.requests.released_again()
        clock, reads = time.perf_counter(), self.rows.reads
        state = self.state
        with numerics(self.W.size):
            if requests.since_removal:
                # A later release has smaller caps in the transcript view: what was shown may not do
                # any more.
                state = tightened(state, t=requests.since_removal)
            return _released(state, requests, clock, reads)

    def certified(self, certificate: Certificate) -> Model:
        """Return the same release with the certificate of what has left the process."""
        return replace(self, certificate=certificate)

    def rebased(self) -> Model:
        """Return the same release with a state that holds nothing but retained rows and their sums.

        Raises
        ------
        NotCertifiedError, ConvergenceError
            If the distance cannot be shown; wait for a request that makes a pass.
        """
        with numerics(self.W.size):
            # Maxima of columns may be those of rows that have gone.
            self.rows.forget_maxima()
            state = rebased_state(self.state, t=self.requests.since_removal)
            # A pickle does not hold them: whoever goes on from here measures as its reader does.
            self.rows.forget_maxima()
        return _of(state, self.requests, self.released, self.certificate)

    def retrained(self) -> Model:
        """Return a model trained on the retained rows alone, without noise."""
        places = np.flatnonzero(self.sample_weight > 0)
        settings = replace(self.settings, noise=0.0)
        return fit(*self.held(places), settings, frame=self.frame)

    def apart(self, W: Array) -> float:
        """Return how far weights (p, K) are from the secret iterate, in the norm of the noise."""
        return self.gram.geometry.norm(W - self.W)

    def condensed(self) -> tuple[Model, NDArray[np.bool_]] | None:
        """Return the same release over a store that has closed up, and the places kept, (n,).

        None where that would not pay.  Once the new model has been taken over `erase` this one.
        """
        keep = closing(self)
        if keep is None:
            return None
        with numerics():
            out = condensing.condensed(self, keep)
        return replace(out, requests=self.requests.condensed()), keep


def fit(
    X: MatrixLike,
    labels: AnyArray,
    sample_weight: AnyArray,
    settings: Settings,
    *,
    frame: Frame | None = None,
    progress: Progress = None,
) -> Model:
    """Train on the rows of positive weight and release.

    ``frame`` says where they are held, if not where the model is.  Weights narrower than float64
    are those of `narrow`, and taken over; others are copied.

    Raises
    ------
    NotCertifiedError
        If the promised distance cannot be reached.
    ConvergenceError, AssumptionError
        If there is nothing to converge to.
    """
    clock = time.perf_counter()
    with numerics(X.shape[1]):
        rows = stored(X, labels, intercept=settings.fit_intercept)
        weight = sample_weight
        if weight.dtype == np.float64:
            weight = weight.copy()
        mechanism = mechanism_for(settings.mechanism, rows, framed=frame is not None)
        settings = replace(settings, mechanism=mechanism)
        members = Members.of(settings, rows, weight)
        state = solved(settings, rows, members, frame=frame, progress=progress)
        return _released(state, RequestCount(), clock, 0)


def _edited(
    model: Model,
    positions: Positions,
    added: int,
    weight: Array,
    frame: Frame | None,
    progress: Progress,
) -> Model:
    """Edit the training set; the rows that come are the store's last ``added``."""
    clock, reads, rows = time.perf_counter(), model.rows.reads, model.rows
    requests = model.requests.followed_by(positions, rows.scrubbed)
    with numerics(model.W.size):
        # Rows of weight zero are named, counted and overwritten, and change no sum.
        gone = positions[model.members.weights.at(positions) > 0]
        members = model.members
        if added:
            members = members.extended(rows, np.array(weight, dtype=np.float64))
        new = np.arange(rows.n - added, rows.n)[weight > 0]
        # Before the rows are overwritten: sums lose what these rows had put into them.
        members = members.without(rows, gone)
        state, t = model.state, requests.since_removal

        def afresh(warm: bool) -> State:
            return solved(
                model.settings,
                rows,
                members,
                before=state,
                warm=warm,
                t=t,
                frame=state.frame if frame is None else frame,
                progress=progress,
            )

        # A class has come or gone: another number of columns, so another problem.
        if not np.array_equal(members.classes, model.classes):
            state = afresh(warm=True)
        elif len(gone) or len(new):
            try:
                edit = Edit(members, gone, new, frame)
                state = edited(state, edit, t=t, progress=progress)
            except AssumptionError:
                # Rows that come may overflow the loss where the model stood.
                state = afresh(warm=False)
        else:
            state = replace(state, members=members)
            after = tightened(state, t=t, progress=progress)
            state = idle(state) if after is state else after
        return _released(state, requests, clock, reads)


def _released(state: State, requests: RequestCount, clock: float, reads: int) -> Model:
    """Draw a release and write its certificate."""
    settings, geometry, frame = state.settings, state.gram.geometry, state.frame
    if frame is not None and state.gram.same_program and not frame.own:
        # Another fit would hold its rows elsewhere, hence run another program.
        raise StaleFrame
    # Each release has a number of its own, and with it noise of its own.
    index = requests.releases - 1
    # One release, however many processes hold the rows: another draw would average the noise out.
    weights = state.rows.agreed(
        drawn(state.reached.W, settings, state.scale, geometry.noise, index, frame)
    )
    certificate = replace(
        promised(
            settings,
            state.budget,
            requests.since_removal,
            state.members.weights.kept,
            state.scale,
            geometry.deviations(1.0),
            same_program=state.gram.same_program,
        ),
        distance=state.reached.distance,
        tier=state.reached.tier,
        n_forgotten=requests.forgotten,
        passes=state.rows.passes_since(reads),
        seconds=time.perf_counter() - clock,
    )
    return _of(state, requests, weights, certificate)


def _of(state: State, requests: RequestCount, released: Array, certificate: Certificate) -> Model:
    """Return a model of this state."""
    known = (getattr(state, field.name) for field in fields(State))
    return Model(*known, requests=requests, released=released, certificate=certificate)
