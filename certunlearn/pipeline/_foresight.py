"""What an operator of a pipeline sees before a request."""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import replace
from typing import Any, cast

import numpy as np

from .._common import validate as _validate
from .._common.arrays import ArrayLike, Condition, MatrixLike, Position, RowsLike
from .._common.whole import serialised
from ..claims.frame import Frame, StaleFrame
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from ..insight.lookalikes import Neighbours
from ..insight.noise_cost import NoiseCost
from ..insight.preview import UNDECIDED, Preview
from ..insight.preview import preview as previewed
from ..requests.asked import Asked
from ..requests.change import Change
from ..requests.fitted import Fitted, fitted_of
from ._framed import anew
from ._plan import Kept, Plan

_MOVED = "the steps before the model move, so it is trained afresh from where it stands"
_HELD_ANEW = (
    "the steps before the model move so far that its rows are held anew, and it is trained afresh "
    "from where it stands"
)


class Foresight:
    """Verbs that change nothing; what they return depends on the rows and is for the owner."""

    _kept: Kept

    @abstractmethod
    def _head(self) -> UnlearningEstimator:
        """Return the head, if it knows the rows that the steps know."""

    @abstractmethod
    def _forgetting(self, positions: Position) -> tuple[Change, Plan]:
        """Return what it takes to forget rows."""

    @serialised
    def neighbours(
        self,
        which: RowsLike | None = None,
        /,
        *,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
        threshold: float | None = None,
    ) -> Neighbours:
        """Find rows that look like those of a request, by what the steps make of them.

        Parameters, result and errors are those of `CertifiedLogReg.neighbours`.
        """
        asked = Asked(which, rows, row_ids, groups, where)
        return self._head().neighbours(which, **asked.named, threshold=threshold)

    @serialised
    def noise_cost(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        draws: int = 20,
    ) -> NoiseCost:
        """Measure on raw rows what a release costs in score and margins, without making one.

        Parameters and result are those of `CertifiedLogReg.noise_cost`.
        """
        head, pipe = self._head(), cast(Any, self)
        return head.noise_cost(pipe._transformed(X), y, sample_weight, draws=draws)

    @serialised
    def preview(
        self,
        which: RowsLike | None = None,
        /,
        *,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
        threshold: float | None = None,
        full: bool = False,
    ) -> Preview:
        """Say what forgetting rows would do, without doing it.

        Parameters, result and errors are those of `CertifiedLogReg.preview`.

        Notes
        -----
        The steps are recounted to see whether they would move.  If they do, the model would be
        trained afresh, which ``full=True`` does on a copy.  Influence and memorisation are those
        in the head: what a row does to the steps is not in them.
        """
        fitted = fitted_of(self._head())
        positions = fitted.positions(Asked(which, rows, row_ids, groups, where))
        change, plan = self._forgetting(positions)
        full, framed, X = _validate.flag("full", full), plan.kept.framed, plan.features
        frame, why = None if framed is None else framed.frame, _MOVED
        try:
            whole = full and X is None
            found = previewed(fitted, positions, threshold=threshold, full=whole, frame=frame)
            if X is None:
                return found
        except StaleFrame:
            found, why = previewed(fitted, positions, threshold=threshold), _HELD_ANEW
        unknown = tuple(text for text in found.unavailable if text != UNDECIDED)
        tier = replace(
            found,
            tier="refresh",
            distance=float("nan"),
            together=None,
            cost=why,
            unavailable=unknown,
        )
        if not full:
            return tier
        if X is None:
            assert framed is not None and self._kept.framed is not None
            framed, X = anew(fitted, framed, change, None, self._kept.framed.frame)
            frame = framed.frame
        return _carried_out(fitted, change, X, frame, tier)


def _carried_out(
    fitted: Fitted, change: Change, X: MatrixLike, frame: Frame | None, found: Preview
) -> Preview:
    """Train a model that is thrown away, on rows as they are held in a frame; say how it went."""
    clock, X = time.perf_counter(), np.ascontiguousarray(X, dtype=np.float64)
    try:
        model = fitted.refitted(change, X, frame=frame).model
    except (NotCertifiedError, AssumptionError, ConvergenceError) as error:
        return replace(found, tier="refused", cost=str(error))
    model.erase()
    c, seconds = model.certificate, time.perf_counter() - clock
    return replace(found, tier=c.tier or found.tier, distance=c.distance or 0.0, seconds=seconds)
