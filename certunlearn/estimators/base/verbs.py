"""The verbs every estimator shares, and leaving nothing half done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._common import validate as _validate
from ..._common.arrays import (
    Array,
    ArrayLike,
    Condition,
    MatrixLike,
    RandomState,
    RowsLike,
    Show,
)
from ..._common.progress import shown
from ..._common.whole import verb
from ...claims.budget import VIEWS
from ...claims.certificate import Certificate
from ...exceptions import AssumptionError, RowError
from ...insight.agreement import LookAlikes, agreed
from ...insight.noise_cost import warn_if_drowned
from ...requests.asked import Annotations, Asked
from ...requests.change import Change
from ...requests.fitted import Fitted
from .foresight import Foresight
from .upkeep import Upkeep


class UnlearningEstimator(Upkeep, Foresight, BaseEstimator, ABC):  # type: ignore[misc]
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
    _fitted: Fitted
    verbose: int
    random_state: RandomState
    epsilon: float
    delta: float
    noise: float
    view: str
    horizon: int
    #: Whether features may be sparse.
    _takes_sparse: bool = True

    @abstractmethod
    def _attributes(self, fitted: Fitted, released: Array) -> dict[str, Any]:
        """Return what shows weights (p, K) of a fit: those released, as a rule."""

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
        if self._fitted.frame is not None:
            raise AssumptionError("this model is behind steps: call the verbs of the pipeline")
        kind = "csr" if self._fitted.model.rows.sparse else False
        return validate_data(self, X, dtype=np.float64, order="C", accept_sparse=kind, reset=False)

    def _notice(self, before: Fitted, after: Fitted) -> None:
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
        which : int, list, set or array of int, mask, pandas Index or boolean Series
            Integers are positions in the original fit, which never shift; an Index means labels.
        rows : int, list, set or array of int, or mask
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
        self._fitted = fitted = self._fitted.condensed()
        asked = Asked(which, rows, row_ids, groups, where)
        positions, look_alikes = agreed(fitted, asked, expand, confirm)
        change = fitted.forgetting(positions)
        self._carry_out(change, partial(fitted.changed, change), progress, look_alikes)
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
        self._fitted = fitted = self._fitted.condensed()
        named, X = X, self._features(X)
        known = Annotations(sample_weight, row_ids, groups, metadata, static)
        change = fitted.learning(named, X.shape[0], y, known)
        self._carry_out(change, partial(fitted.changed, change, X), progress)
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
            As in `forget`; no set, which has no order.
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
        self._fitted = fitted = self._fitted.condensed()
        # All rows may be corrected at once: they stay.
        positions = fitted.positions(Asked.in_order(which, rows, row_ids), staying=True)
        new = None if X is None else self._features(X)
        change = fitted.correcting(positions, y, None if new is None else new.shape[0])
        self._carry_out(change, partial(fitted.changed, change, new), progress)
        return self

    @verb
    def release(self) -> Self:
        """Draw a fresh release of the current state into ``coef_``; the joint view counts it."""
        check_is_fitted(self)
        self._adopt(self._fitted.released(), "release", 0)
        return self

    def _carry_out(
        self,
        change: Change,
        action: Callable[..., Fitted],
        progress: Show,
        look_alikes: LookAlikes | None = None,
    ) -> None:
        """Do what ``action`` does, showing progress, and take over the fit it returns."""
        with shown(progress, self.verbose) as callback:
            after = action(progress=callback)
        # Before anything changes: a filter may turn a warning into an error.
        self._notice(self._fitted, after)
        self._adopt(after, change.event, change.asked, look_alikes)

    def _adopt(
        self,
        after: Fitted,
        event: str,
        asked: int,
        look_alikes: LookAlikes | None = None,
        **more: object,
    ) -> None:
        """Take over a fit, and log it; ``more`` are attributes that a fit sets besides."""
        warn_if_drowned(after.model)
        new = self._attributes(after, after.model.released)
        before = None if event == "fit" else self.certificate_
        c = after.model.certificate.of(event, new["coef_"], new["intercept_"], before)
        if look_alikes is not None:
            c = replace(c, look_alikes=look_alikes.left)
        entry = {
            "event": event,
            "rows": asked,
            "tier": c.tier if event != "release" else "release",
            "plan": after.model.plan,
            "solver": after.model.solver,
            "distance": c.distance,
            "target": c.distance_target,
            "passes": c.passes,
            "seconds": c.seconds,
            "epsilon": c.epsilon,
            "joint_epsilon": c.joint_epsilon,
        }
        if look_alikes is not None:
            entry["look_alikes"] = look_alikes.along
        self.__dict__.update(
            more,
            **new,
            history_=[*(() if event == "fit" else self.history_), entry],
            _fitted=after.certified(c),
            solver_=after.model.solver,
            certificate_=c,
            n_retained_=c.n_retained,
            n_forgotten_=c.n_forgotten,
        )
