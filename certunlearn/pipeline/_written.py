"""A fitted pipeline as plain arrays and values."""

from __future__ import annotations

from abc import abstractmethod

from .._common.plain import FittedState, Restorable, written
from .._common.whole import serialised
from ..estimators.base.behind import rebase
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import StateError
from ._types import Steps


class Written(Restorable):
    """A pipeline that can be written, if its steps can."""

    steps: Steps

    @abstractmethod
    def _head(self) -> UnlearningEstimator:
        """Return the last step, if it is as the pipeline knows it."""

    @serialised
    def to_state(self) -> FittedState:
        """Return the fitted pipeline as plain arrays and values, which `from_state` reads.

        As `CertifiedLogReg.to_state`, for the steps and the raw rows as well.

        Returns
        -------
        FittedState
            ``arrays`` of numbers by name, and JSON-able ``values``.

        Raises
        ------
        StateError
            If a step cannot be written: one that is neither scikit-learn's nor this package's, or
            holds functions, random generators or other code.  The message names it.
        NotCertifiedError, ConvergenceError
            As `CertifiedLogReg.to_state`.
        """
        head = self._head()
        for name, step in self.steps[:-1]:
            try:
                written(step)
            except StateError as error:
                selected = "make_column_selector" in str(error)
                instead = "; name the columns in a list instead" if selected else ""
                raise StateError(f"step {name!r} cannot be written: {error}{instead}") from None
        rebase(head)
        return written(self)
