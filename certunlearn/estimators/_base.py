"""The verbs every estimator shares: forget, release, and leaving nothing half done."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..certificate import Certificate
from ..exceptions import SecretStateWarning
from ..unlearner import Model
from ._addressing import RowNames
from ._progress import shown


class UnlearningEstimator(BaseEstimator):  # type: ignore[misc]
    """A fitted model of the unlearner behind scikit-learn's names.

    A subclass fits and calls `_adopt`; it says in `_attributes` how a release is shown, and in
    `_notice` what the user should hear of before a removal is taken over.
    """

    certificate_: Certificate
    n_retained_: int
    n_forgotten_: int
    solver_: str
    history_: list[dict[str, Any]]
    _model: Model
    _names: RowNames
    verbose: int

    def _attributes(self, model: Model, **more: Any) -> dict[str, Any]:
        """Return what shows a release; ``more`` is what is about to be set with it."""
        raise NotImplementedError

    def _notice(self, before: Model, after: Model) -> None:
        """Warn of what a removal changes; a warning may be made an error and stop it."""

    def forget(
        self,
        which: Any = None,
        /,
        *,
        rows: Any = None,
        row_ids: Any = None,
        progress: Any = None,
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
        NotCertifiedError
            If the removal cannot be certified.
        AssumptionError
            If what is left has no optimum, such as a single class.

        Notes
        -----
        An operation that raises leaves the model as it was.
        """
        from .. import unlearner

        check_is_fitted(self)
        with self._unchanged_on_error():
            before = self._model
            left = before.rows.n - before.requests.forgotten
            positions = self._names.positions(before.forgotten, left, which, rows, row_ids)
            with shown(progress, self.verbose) as callback:
                model = unlearner.forget(before, positions, progress=callback)
            # Before anything changes: a filter may turn a warning into an error.
            self._notice(before, model)
            self._adopt(model, "forget", len(positions))
        self._scrub()
        return self

    def release(self) -> Self:
        """Draw a fresh release of the current state into ``coef_``; the joint view counts it."""
        from .. import unlearner

        check_is_fitted(self)
        with self._unchanged_on_error():
            self._adopt(unlearner.release(self._model), "release", 0)
        return self

    def _adopt(self, model: Model, event: str, asked: int, **more: Any) -> None:
        """Take over a new model, all attributes in one assignment, then log it."""
        c = model.certificate
        entry = {
            "event": event,
            "rows": asked,
            "tier": c.tier if event != "release" else "release",
            "plan": model.plan,
            "solver": model.solver,
            "distance": c.distance,
            "passes": c.passes,
            "seconds": c.seconds,
            "epsilon": c.epsilon,
            "joint_epsilon": c.joint_epsilon,
        }
        self.__dict__.update(
            more,
            **self._attributes(model, **more),
            _model=model,
            solver_=model.solver,
            certificate_=c,
            n_retained_=c.n_retained,
            n_forgotten_=c.n_forgotten,
        )
        self.history_.append(entry)

    @contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        before = dict(self.__dict__)
        logged = len(before.get("history_", ()))
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            del before.get("history_", [])[logged:]
            raise

    def _scrub(self) -> None:
        """Overwrite what was forgotten, labels first: a row that is scrubbed has none."""
        self._names.forget(self._model.requests.named)
        self._model.scrub()

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "_model"):
            from .. import unlearner

            self._scrub()
            self._model = unlearner.rebased(self._model)
            warnings.warn(
                "this pickle holds the retained rows and the secret iterate: keep it as you keep "
                "the data, and deploy export_predictor() instead",
                SecretStateWarning,
                stacklevel=2,
            )
        state: dict[str, Any] = super().__getstate__()
        return state
