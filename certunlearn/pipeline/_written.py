"""A fitted pipeline as plain arrays and values, and back."""

from __future__ import annotations

from typing import Any, Self

from .._common.plain import FittedState, read, written
from .._common.whole import Whole, serialised
from ..exceptions import StateError


class Written(Whole):
    """A pipeline that can be written, if its steps can."""

    steps: list[tuple[str, Any]]

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
                raise StateError(f"step {name!r} cannot be written: {error}") from None
        head._rebase()
        return written(self)

    @classmethod
    def from_state(cls, state: FittedState) -> Self:
        """Return the pipeline that `to_state` wrote: its steps, requests and noise go on.

        Parameters
        ----------
        state : FittedState
            Of a pipeline.

        Raises
        ------
        StateError
            If the state is of another class or version, or not as it was written.
        """
        out = read(state)
        if not isinstance(out, cls):
            raise StateError(f"this is the state of a {state.kind}, not of a {cls.__name__}")
        return out

    def _head(self) -> Any:
        """Return the last step, if it is as the pipeline knows it."""
        raise NotImplementedError
