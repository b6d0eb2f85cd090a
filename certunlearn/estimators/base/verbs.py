"""The verbs every estimator shares, and leaving nothing half done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..._common import validate as _validate
from ..._common.arrays import (
    ArrayLike,
    Condition,
    MatrixLike,
    Position,
    RandomState,
    RowsLike,
    Show,
)
from ..._common.progress import shown
from ..._common.whole import verb
from ...claims.budget import VIEWS
from ...claims.certificate import Certificate
from ...claims.frame import Frame
from ...engine import unlearner
from ...engine.unlearner import Model
from ...exceptions import AssumptionError, RowError
from ...insight.noise_cost import warn_if_drowned
from ...requests.asked import Asked
from ...requests.change import Change, Changes
from ...requests.row_names import RowNames
from .foresight import Foresight
from .upkeep import Upkeep

Array = NDArray[np.float64]


class UnlearningEstimator(Upkeep, Changes, Foresight, BaseEstimator, ABC):  # type: ignore[misc]
    """A fitted model of the unlearner behind scikit-learn's names.

    A subclass fits and calls `_adopt`; it says in `_attributes` how a release is shown, and in
    `_notice` what the user should hear of before a removal is taken over.

    Notes
    -----
    Verbs may be called from several threads and wait for one another; predictions and exports wait
    for none and see one release whole.  A verb that raises, or is interrupted at any instruction,
    leaves the model as it was, or carried it out.  `copy.copy`, `copy.deepcopy` and pickles are
    models of their own, with rows of their own; `sklearn.base.clone` is not fitted.  In a process
    forked once JAX was at work whatever makes a pass over the rows raises ForkedError.
    """

    certificate_: Certificate
    n_retained_: int
    n_forgotten_: int
    solver_: str
    history_: list[dict[str, Any]]
    _model: Model
    _names: RowNames
    verbose: int
    random_state: RandomState
    epsilon: float
    delta: float
    noise: float
    view: str
    horizon: int
    #: Whether features may be sparse.
    _takes_sparse: bool = True
    #: Whether a change can give all other rows other features.
    _refits: ClassVar[bool] = True
    #: What carries the verbs out: `unlearner`, or a module with the same functions.
    _unlearner: ClassVar[Any] = unlearner

    @abstractmethod
    def _attributes(self, model: Model, **more: Any) -> dict[str, Any]:
        """Return what shows a release; ``more`` is what is about to be set with it."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse
        return tags

    def _promise(self) -> dict[str, Any]:
        """Check what a certificate is to promise, and the seed; as fields of the settings."""
        return {
            "epsilon": _validate.real("epsilon", self.epsilon, low=0, high=700, closed="high"),
            "delta": _validate.real("delta", self.delta, low=0, high=1),
            "noise": _validate.real("noise", self.noise, low=0, closed="low"),
            "seed": _validate.seed("random_state", self.random_state),
            "view": _validate.choice("view", self.view, VIEWS),
            "horizon": _validate.count("horizon", self.horizon, low=1),
        }

    def _features(self, X: MatrixLike) -> Any:
        """Check features (m, d) against those of the fit: sparse ones only if those were."""
        if getattr(self._model, "frame", None) is not None:
            raise AssumptionError("this model is behind steps: call the verbs of the pipeline")
        kind = "csr" if self._model.rows.sparse else False
        return validate_data(self, X, dtype=np.float64, order="C", accept_sparse=kind, reset=False)

    def _weights(self, X: MatrixLike, sample_weight: ArrayLike) -> Array:
        """Return a checked copy of the weights of rows, ones where none are given."""
        weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True, copy=True
        )
        if len(weight) and not weight.any():
            # scikit-learn says so itself from 1.8 on.
            raise ValueError("sample_weight must hold at least one non-zero number")
        return np.asarray(weight)

    def _remembered(self, change: Change, after: Model) -> dict[str, Any]:
        """Return attributes that a change leaves, besides those that show the release."""
        return {}

    def _notice(self, before: Model, after: Model) -> None:
        """Warn of what a removal changes; a warning may be made an error and stop it."""

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
        """Remove rows from the training set and release anew.

        Parameters
        ----------
        which : int, sequence of int, mask, pandas Index or boolean Series
            Integers are positions in the original fit, which never shift; an Index means labels.
        rows : int, sequence of int or mask
            Positions, whatever labels the rows have.
        row_ids : label or sequence of labels
            Names given at fit.
        groups : label or sequence of labels
            All rows of these groups, as given at fit, that are still there.
        where : str or callable
            A pandas query on the metadata given at fit, or a function of that DataFrame which
            returns one boolean a line; rows that have gone are no longer in it.
        expand : {"near", "count"}, optional
            "near" takes along the rows that `neighbours` finds: one request, one certificate.
            "count" leaves them; either way the certificate counts those that stay.
        confirm : bool
            Whether the rows may be more than half of the training set, more than nine in ten of a
            class (or all of it), or as much of a group and yet not all of it.
        progress : bool or callable, optional
            As in `fit`.

        Returns
        -------
        self
            With a fresh release in ``coef_`` and a new certificate.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If the request does not name rows properly.
        ConfirmationNeededError
            If it takes so much that ``confirm=True`` is needed.
        NotCertifiedError, ConvergenceError
            If the removal cannot be certified.
        AssumptionError
            If what is left has no optimum, such as a single class.

        Notes
        -----
        An operation that raises leaves the model as it was.
        """
        check_is_fitted(self)
        self._condense()
        asked = Asked(which, rows, row_ids, groups, where)
        positions, counts = self._agreed(asked, expand, confirm)
        change = self._forgetting(positions)
        self._carry_out(change, self._edit(change), progress)
        self._count(counts)
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
    ) -> Self:
        """Add rows to the training set and release anew; their positions follow those there are.

        Parameters
        ----------
        X, y, sample_weight, row_ids, groups, metadata, static, progress
            As in `fit`, for the new rows.  Labels in y must be carried by rows that are there.

        Returns
        -------
        self
            With a fresh release in ``coef_`` and a new certificate.

        Raises
        ------
        RowError
            If the new rows are not named as those of the fit are.
        ValueError
            If a label of y is new, or the data are not finite numbers of the right shape.
        NotCertifiedError, ConvergenceError
            If the result cannot be certified.

        Notes
        -----
        An operation that raises leaves the model as it was.
        """
        check_is_fitted(self)
        self._condense()
        named, X = X, self._features(X)
        more = row_ids, groups, metadata, static
        change = self._learning(named, X.shape[0], y, sample_weight, *more)
        self._carry_out(change, self._edit(change, X), progress)
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
        """Replace features or labels of rows, as if they had always been so, and release anew.

        The rows keep their positions, identifiers, groups and weights.

        Parameters
        ----------
        which, rows, row_ids, progress
            As in `forget`.
        X : array-like of shape (m, n_features), optional
            New features, row for row in the order of the request; as they were if left out.
        y : array-like of shape (m,), optional
            New labels, which rows that are there must carry; as they were if left out.

        Returns
        -------
        self
            With a fresh release in ``coef_`` and a new certificate.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If the request does not name rows properly, or neither X nor y is given.
        ValueError
            If X or y do not fit the request.
        NotCertifiedError, ConvergenceError
            If the result cannot be certified.

        Notes
        -----
        An operation that raises leaves the model as it was.
        """
        check_is_fitted(self)
        if X is None and y is None:
            raise RowError("give X=, y= or both to say what the rows are corrected to")
        self._condense()
        # All rows may be corrected at once: they stay.
        positions = self._positions(Asked(which, rows, row_ids), staying=True)
        new = None if X is None else self._features(X)
        change = self._correcting(positions, y, None if new is None else new.shape[0])
        self._carry_out(change, self._edit(change, new), progress)
        return self

    def _positions(self, asked: Asked, *, staying: bool = False) -> Position:
        """Return the positions a request names; ``staying`` rows may be all there are."""
        model = self._model
        return self._names.positions(model.forgotten, model.left + int(staying), asked)

    @verb
    def release(self) -> Self:
        """Draw a fresh release of the current state into ``coef_``; the joint view counts it."""
        check_is_fitted(self)
        self._adopt(self._unlearner.release(self._model), "release", 0)
        return self

    def _condense(self) -> None:
        """Let the rows that are left close up in a store of their own, where that pays.

        Of a draft: whoever does not take it over keeps the store as it was.
        """
        found = self._unlearner.condensed(self._model)
        if found is not None:
            model, keep = found
            self._model, self._names = model, self._names.condensed(keep)

    def _edit(self, change: Change, X: MatrixLike | None = None, frame: Frame | None = None) -> Any:
        """Return what carries a change out.

        ``X`` (m, n_features) holds features of the rows that come, checked; by default they have
        those of the rows that go.
        """
        known, before = self._unlearner, self._model
        more = {} if frame is None else {"frame": frame}
        if not len(change.codes):
            return partial(known.forget, before, change.gone, **more)
        X = known.held(before, change.gone)[0] if X is None else X
        return partial(known.edit, before, change.gone, X, change.codes, change.weight, **more)

    @verb
    def _changed(
        self,
        change: Change,
        X: MatrixLike | None = None,
        progress: Show = None,
        frame: Frame | None = None,
    ) -> None:
        """Carry a change out where `_refit` might have to; ``X`` as in `_edit`.

        With a ``frame`` the model lives where it says afterwards, and ``X`` is held in it.
        """
        X = self._features(X) if X is not None and frame is None else X
        self._carry_out(change, self._edit(change, X, frame), progress)

    @verb
    def _refit(
        self, change: Change, X: MatrixLike, progress: Show = None, frame: Frame | None = None
    ) -> None:
        """Carry a change out while all other rows get other features, and release anew.

        Parameters
        ----------
        change : Change
            Rows that go, and rows that come.
        X : array-like of shape (n + m, n_features)
            Features of all rows of the store, those that come at the end; anything finite for rows
            outside the training set.
        progress, frame : optional
            As in `fit`; in which these features are.
        """
        X = validate_data(self, X, dtype=np.float64, order="C")
        new = change.gone, X, change.codes, change.weight
        action = partial(unlearner.refit, self._model, *new, frame=frame)
        self._carry_out(change, action, progress)

    def _carry_out(self, change: Change, action: Callable[..., Model], progress: Show) -> None:
        """Do what ``action`` does, showing progress, and take its model over."""
        with shown(progress, self.verbose) as callback:
            model = action(progress=callback)
        # Before anything changes: a filter may turn a warning into an error.
        self._notice(self._model, model)
        more = self._remembered(change, model)
        self._adopt(model, change.event, change.asked, _names=change.names, **more)

    def _adopt(self, model: Model, event: str, asked: int, **more: Any) -> None:
        """Take over a new model, and log it."""
        warn_if_drowned(model)
        new = self._attributes(model, **more)
        before = None if event == "fit" else self.certificate_
        c = model.certificate.of(event, new["coef_"], new["intercept_"], before)
        model = replace(model, certificate=c)
        entry = {
            "event": event,
            "rows": asked,
            "tier": c.tier if event != "release" else "release",
            "plan": model.plan,
            "solver": model.solver,
            "distance": c.distance,
            "target": c.distance_target,
            "passes": c.passes,
            "seconds": c.seconds,
            "epsilon": c.epsilon,
            "joint_epsilon": c.joint_epsilon,
        }
        self.__dict__.update(
            more,
            **new,
            history_=[*more.get("history_", getattr(self, "history_", ())), entry],
            _model=model,
            solver_=model.solver,
            certificate_=c,
            n_retained_=c.n_retained,
            n_forgotten_=c.n_forgotten,
        )
