"""Requests to a pipeline: forgetting, learning and correcting are one change of its rows."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import numpy as np
from sklearn.utils.validation import _num_samples

from .._common.arrays import Array, ArrayLike, Condition, MatrixLike, Position, RowsLike, Show
from .._common.whole import Guard, Whole, verb
from ..claims.frame import Frame, StaleFrame
from ..estimators.base import behind
from ..estimators.base.linear import LinearEstimator
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import AssumptionError, RowError
from ..insight.agreement import LookAlikes, agreed
from ..numerics.rows.weights import NO_ROWS
from ..requests.asked import Annotations, Asked
from ..requests.change import Change
from ..requests.fitted import fitted_of
from . import _features, _kinds
from ._beside import labels_for, shared_out
from ._foresight import Foresight
from ._framed import Framed, anew, begun, stated
from ._plan import Kept, Plan, Rows, followed, planned, through
from ._types import Arguments, Steps
from .steps import Declared


class Verbs(Whole, Foresight):
    """Carries requests out on steps and head together."""

    steps: Steps
    _kept: Kept

    @property
    @abstractmethod
    def head(self) -> UnlearningEstimator:
        """The last step."""

    @property
    @abstractmethod
    def _declared(self) -> Declared:
        """What the owner says of steps."""

    @verb
    def forget(
        self,
        which: RowsLike | None = None,
        /,
        *,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
        expand: str | None = None,
        confirm: bool = False,
        progress: Show = None,
    ) -> Self:
        """Remove rows from the training set of every step and of the head, and release anew.

        Parameters
        ----------
        which, rows, row_ids, groups, where, expand, confirm, progress
            As in `CertifiedLogReg.forget`; look-alikes are those of the rows that the steps give.

        Returns
        -------
        ForgettingPipeline
            Itself, with recounted steps, a fresh release in the head and a new certificate.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If the request does not name rows properly.
        ConfirmationNeededError
            If it takes so much that ``confirm=True`` is needed.
        NotCertifiedError, ConvergenceError
            If the removal cannot be certified.
        AssumptionError
            If what is left has no optimum, or the head was changed without the pipeline.

        Notes
        -----
        An operation that raises leaves the pipeline as it was.
        """
        fitted = behind.condense(self._head())
        asked = Asked(which, rows, row_ids, groups, where)
        positions, look_alikes = agreed(fitted, asked, expand, confirm)
        self._carry_out(*self._forgetting(positions), progress, look_alikes)
        return self

    @verb
    def learn(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        metadata: MatrixLike | None = None,
        static: ArrayLike | None = None,
        progress: Show = None,
        **params: object,
    ) -> Self:
        """Add raw rows to the training set of every step and of the head, and release anew.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or sequence of str
            Raw rows, of the kind `fit` was given.
        y, sample_weight, row_ids, groups, metadata, static, progress
            As in `CertifiedLogReg.learn`.
        **params
            As in `fit`: all that fit was given, for the new rows.

        Returns
        -------
        ForgettingPipeline
            Itself; the new rows' positions follow those there are.

        Raises
        ------
        RowError, ValueError
            If the new rows are not named as those of the fit are.
        AssumptionError
            If they are of another kind, or hold a value that the dtype of the fit cannot; or as in
            `forget`.
        NotCertifiedError, ConvergenceError
            As in `forget`.

        Notes
        -----
        An operation that raises leaves the pipeline as it was.
        """
        head, kept, n = self._head(), self._kept, _num_samples(X)
        fitted = behind.condense(head)
        named = {
            "sample_weight": sample_weight,
            "row_ids": row_ids,
            "groups": groups,
            "metadata": metadata,
            "static": static,
        }
        with kept.beside.configured():
            own, new = shared_out(self, named, params, n)
        if own.get("row_ids") is None and not fitted.names.positional:
            own["row_ids"] = _features.index_of(X)
        change = fitted.learning(X, n, y, Annotations(*(own.get(name) for name in named)))
        live = np.flatnonzero(change.weight > 0)
        if kept.beside.y is not None:
            new = replace(new, y=labels_for(head, y, X))
        raw, beside = self._raw(X), kept.beside.joined(new.taken(live))

        def after(kept: Kept) -> Rows:
            return Rows(
                np.concatenate([kept.at, fitted.names.n + live]),
                np.arange(len(kept.at) + len(live)),
                beside,
                raw,
                live,
            )

        self._carry_out(change, self._planned(change, after, raw), progress)
        return self

    @verb
    def correct(
        self,
        which: RowsLike | None = None,
        /,
        *,
        X: MatrixLike | None = None,
        y: ArrayLike | None = None,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        progress: Show = None,
    ) -> Self:
        """Replace raw rows or labels, as if they had always been so, and release anew.

        Parameters
        ----------
        which, rows, row_ids, progress
            As in `CertifiedLogReg.correct`.
        X : array-like, DataFrame, sparse matrix or sequence of str, optional
            Raw rows, of the kind `fit` was given, in the order of the request.
        y : array-like of shape (m,), optional
            New labels, which rows that are there must carry.

        Returns
        -------
        ForgettingPipeline
            Itself; the rows keep their positions, identifiers, groups and weights.

        Raises
        ------
        RowError, ValueError, NotCertifiedError, ConvergenceError, AssumptionError
            As in `forget` and `learn`.

        Notes
        -----
        An operation that raises leaves the pipeline as it was.
        """
        head = self._head()
        if X is None and y is None:
            raise RowError("give X=, y= or both to say what the rows are corrected to")
        fitted = behind.condense(head)
        positions = fitted.positions(Asked.in_order(which, rows, row_ids), staying=True)
        change = fitted.correcting(positions, y, None if X is None else _num_samples(X))
        live = np.flatnonzero(change.weight > 0)
        raw = None if X is None else self._raw(X)

        def after(kept: Kept) -> Rows:
            where, order = np.searchsorted(kept.at, positions[live]), np.arange(len(kept.at))
            beside = kept.beside
            if y is not None and beside.y is not None:
                beside = beside.labelled(where, labels_for(head, y, positions)[live])
            if raw is None:
                return Rows(kept.at, order, beside)
            # A corrected row keeps its position: the new features stand where the old ones stood.
            order[where] = len(kept.at) + np.arange(len(live))
            return Rows(kept.at, order, beside, raw, live)

        self._carry_out(change, self._planned(change, after, raw), progress)
        return self

    def _forgetting(self, positions: Position) -> tuple[Change, Plan]:
        change = fitted_of(self.head).forgetting(positions)

        def after(kept: Kept) -> Rows:
            # Rows of weight zero are seen by no step: only those that are kept can leave.
            stay = np.flatnonzero(~np.isin(kept.at, positions))
            if not len(stay):
                raise AssumptionError("the request leaves no row of positive weight")
            return Rows(kept.at[stay], stay, kept.beside.taken(stay))

        return change, self._planned(change, after)

    def _raw(self, X: MatrixLike) -> MatrixLike:
        """Return rows as the first step that moves is given them, a copy."""
        X = _kinds.alike(_features.taken(X, np.arange(_num_samples(X))), self._kept.like)
        return through(self.steps[: self._kept.first], X)

    def _compared(self, X: MatrixLike, held: MatrixLike) -> tuple[MatrixLike, MatrixLike]:
        """Return raw rows, and rows as the head holds them, both as the head is given rows."""
        frame = fitted_of(self.head).frame
        if frame is not None:
            with warnings.catch_warnings():
                # Rows out of a frame are arrays, whatever the steps were fitted on.
                warnings.simplefilter("ignore", UserWarning)
                held = through(self.steps[self._kept.first : -1], frame.raw(held))
        return through(self.steps[:-1], X), held

    def _planned(
        self, change: Change, rows: Callable[[Kept], Rows], new: MatrixLike = None
    ) -> Plan:
        """Return what is to be done; ``rows`` says for what is kept what it will be."""
        kept = self._kept
        if kept.framed is not None:
            plan = followed(self.steps, kept, change, new)
            if plan is not None:
                return plan
            kept = kept.recountable(fitted_of(self.head))
        return planned(self.steps, self._declared, kept, change, rows(kept))

    def _carry_out(
        self, change: Change, plan: Plan, progress: Show, look_alikes: LookAlikes | None = None
    ) -> None:
        """Take over what was planned: forgetting, learning and correcting alike."""
        before, head = self._kept.framed, self.head
        self.steps, self._kept = plan.steps, plan.kept
        more: Arguments = {"look_alikes": look_alikes, "progress": progress}
        if plan.kept.framed is not None and before is not None:
            self._move(change, plan.kept.framed, plan.raw, before.frame, **more)
        elif plan.features is None:
            behind.change(head, change, plan.new, **more)
        else:
            behind.refit(head, change, plan.features, **more)

    def _move(
        self,
        change: Change,
        after: Framed,
        come: Array | None,
        before: Frame,
        *,
        look_alikes: LookAlikes | None = None,
        progress: Show = None,
    ) -> None:
        """Let the head follow the steps; where rows have to be held elsewhere, train afresh."""
        head = self.head
        more: Arguments = {"look_alikes": look_alikes, "progress": progress}
        try:
            new = None
            if come is not None:
                new = np.zeros_like(come)
                new[change.weight > 0] = after.frame.held(come[change.weight > 0])
            behind.change(head, change, new, frame=after.frame, **more)
        # Held elsewhere, as a fit would hold them: the head is trained afresh on the same rows.
        except StaleFrame:
            after, features = anew(fitted_of(head), after, change, come, before)
            self._kept = replace(self._kept, framed=after)
            behind.refit(head, change, features, frame=after.frame, **more)

    def _begin(self, kept: Kept, done: Steps, y: ArrayLike, given: Arguments) -> None:
        """Fit steps that need no recount later, and the head on rows held still."""
        steps, framed, held = begun(self.steps[kept.first : -1], kept.raw)
        self.steps = [*done, *steps, self.steps[-1]]
        head, X = self.head, _features.laid_out(held, kept.at, kept.mark[0])
        assert isinstance(head, LinearEstimator)
        progress = given.pop("progress", None)
        behind.train(head, framed.frame, X, y, progress, Annotations(**given))
        verdict, fit = stated(steps, kept.verdict), fitted_of(head).id
        self._kept = replace(kept, raw=None, verdict=verdict, fit=fit, framed=framed)

    def _hold_anew(self) -> None:
        """Let the head release from rows held as a fit on them would hold them."""
        framed, nothing = self._kept.framed, fitted_of(self.head).forgetting(Position(NO_ROWS))
        assert framed is not None
        self._move(nothing._replace(event="release"), framed, None, framed.frame)

    @property
    def _guard(self) -> Guard | None:
        """Those of the head: a pipeline and its head are one model."""
        if "_seen" in self.__dict__:
            return None
        # One pair of locks for both: a verb of the pipeline and one of its head wait for each
        # other.
        last = self.steps[-1][1] if self.steps else None
        return last._guard if isinstance(last, Whole) else super()._guard

    def _filled(self, of: Self) -> None:
        super()._filled(of)
        name, last = self.steps[-1]
        if isinstance(last, Whole):
            self.steps = [*self.steps[:-1], (name, last._draft())]

    def _become(self, draft: Self) -> None:
        """Take over the steps, and let the head take over what its own draft is."""
        if isinstance(self.head, Whole):
            self.head._become(draft.head)
            # The head stays the object that it is: whoever holds it sees the change as well.
            draft.steps = [*draft.steps[:-1], self.steps[-1]]
        super()._become(draft)

    def _still(self) -> Self:
        out, last = self._draft(), self.steps[-1][1]
        if isinstance(last, Whole):
            out.steps = [*self.steps[:-1], (self.steps[-1][0], last._still())]
        if hasattr(self, "_kept"):
            # Both are overwritten once they are not needed any more.
            raw, beside = copy.deepcopy((self._kept.raw, self._kept.beside))
            out._kept = replace(self._kept, raw=raw, beside=beside)
        return out

    def _settle(self) -> None:
        if isinstance(self.steps[-1][1], Whole):
            self.head._settle()

    def _clean(self, before: Self) -> None:
        self.head._clean(before.head)
        old = getattr(before, "_kept", None)
        # Copies of raw rows that the pipeline has replaced: overwritten once nobody can reach them.
        if old is not None and old.fit == self._kept.fit:
            if old.raw is not self._kept.raw:
                _features.overwrite(old.raw)
            if old.beside is not self._kept.beside:
                old.beside.overwrite()
