"""What an estimator does besides its verbs: what went is overwritten, what is left is copied."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar, Self

from sklearn.utils.validation import check_is_fitted

from ..._common.plain import FittedState, Restorable, written
from ..._common.whole import reader, serialised
from ...claims.certificate import Certificate
from ...engine.unlearner import Model
from ...exceptions import SecretStateWarning
from ...requests.row_names import RowNames


class Upkeep(Restorable):
    """Overwrites rows once the verb that took them out is done, and says what a pickle holds."""

    history_: list[dict[str, Any]]
    certificate_: Certificate
    _model: Model
    _names: RowNames
    _unlearner: ClassVar[Any]

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

    @property
    def _fitted(self) -> dict[str, Any]:
        """What tells this fit from others: the first entry of its history, as an object."""
        return self.history_[0]

    def _settle(self) -> None:
        if hasattr(self, "_model") and not self._model.settled:
            self._scrub()

    def _clean(self, before: Self) -> None:
        self._scrub()
        if not hasattr(before, "_model") or before._fitted is not self._fitted:
            return
        if before._model.rows is not self._model.rows:
            self._unlearner.erase(before._model)

    def _scrub(self) -> None:
        """Overwrite what was forgotten, labels first: a row that is scrubbed has none.

        And rows of an edit that was never taken over.  Safe to call again.
        """
        self._names.forget(self._model.requests.named)
        self._model.scrub()

    def _rebase(self) -> None:
        """Make every matrix afresh from the retained rows, where that is not what they are."""
        self._scrub()
        self._model = self._unlearner.rebased(self._model)

    def _still(self) -> Self:
        if not hasattr(self, "_model"):
            return self._draft()
        self._rebase()
        out, rows = self._draft(), self._model.rows
        memo = {id(rows): rows.still()}
        out.__dict__.update(copy.deepcopy({k: out.__dict__[k] for k in ("_model", "_names")}, memo))
        return out

    def _count(self, look_alikes: tuple[int, int] | None) -> None:
        """Write into the owner's log how many look-alikes went along, and how many stay."""
        if look_alikes is None:
            return
        along, left = look_alikes
        certificate = replace(self._model.certificate, look_alikes=left)
        model = replace(self._model, certificate=certificate)
        self.history_[-1]["look_alikes"] = along
        self.__dict__.update(_model=model, certificate_=certificate)

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "_model"):
            warnings.warn(
                "this pickle holds the retained rows and the secret iterate: keep it as you keep "
                "the data, and deploy export_predictor() instead",
                SecretStateWarning,
                stacklevel=2,
            )
        return super().__getstate__()
