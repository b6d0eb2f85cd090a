"""What an estimator does besides its verbs: what went is overwritten, what is left is copied."""

from __future__ import annotations

import copy
import warnings
from types import SimpleNamespace
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from ..._common.plain import FittedState, Restorable, written
from ..._common.whole import reader, serialised
from ...exceptions import SecretStateWarning
from ...requests.fitted import Fitted


class Upkeep(Restorable):
    """Overwrites rows once the verb that took them out is done, and says what a pickle holds."""

    _fitted: Fitted

    @reader
    def snapshot(self) -> SimpleNamespace:
        """Return the fitted attributes, ``coef_``, ``certificate_`` and so on, as of one moment.

        Read from the model one after the other they may belong to two releases, if another thread
        changes it.  Nothing is copied: do not write to them.
        """
        check_is_fitted(self)
        return SimpleNamespace(**{k: v for k, v in vars(self).items() if k.endswith("_")})

    @serialised
    def to_state(self) -> FittedState:
        """Return the fitted model as plain arrays and values, which `from_state` reads.

        It holds what a pickle does, the retained rows and the secret iterate, but no code: keep it
        as you keep the data.  Matrices that a removal without a pass has left are made afresh from
        the retained rows first, here as well: both go on alike, to the last bit.

        Returns
        -------
        FittedState
            ``arrays`` of numbers by name, and JSON-able ``values``.

        Raises
        ------
        StateError
            If a parameter or a name of a row cannot be written; the message names it.
        NotCertifiedError, ConvergenceError
            If matrices cannot be made afresh.
        """
        check_is_fitted(self)
        self._rebase()
        return written(self)

    def _settle(self) -> None:
        if hasattr(self, "_fitted") and not self._fitted.model.settled:
            self._fitted.scrub()

    def _clean(self, before: Self) -> None:
        self._fitted.scrub()
        if hasattr(before, "_fitted"):
            before._fitted.left_for(self._fitted)

    def _rebase(self) -> None:
        """Make every matrix afresh from the retained rows, where that is not what they are."""
        self._fitted.scrub()
        self._fitted = self._fitted.rebased()

    def _still(self) -> Self:
        if not hasattr(self, "_fitted"):
            return self._draft()
        self._rebase()
        out, rows = self._draft(), self._fitted.model.rows
        out._fitted = copy.deepcopy(self._fitted, {id(rows): rows.still()})
        return out

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "_fitted"):
            warnings.warn(
                "this pickle holds the retained rows and the secret iterate: keep it as you keep "
                "the data, and deploy export_predictor() instead",
                SecretStateWarning,
                stacklevel=2,
            )
        return super().__getstate__()
