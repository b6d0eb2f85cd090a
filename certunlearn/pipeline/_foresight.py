"""What an operator of a pipeline sees before a request."""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import replace
from typing import Any, cast

import numpy as np

from .._common import validate as _validate
from .._common.arrays import Position
from .._common.whole import serialised
from ..engine import unlearner
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from ..insight.lookalikes import Neighbours
from ..insight.noise_cost import NoiseCost
from ..insight.preview import Preview
from ..requests.asked import Asked
from ..requests.change import Change
from ._plan import Plan


class Foresight:
    """Verbs that change nothing; what they return depends on the rows and is for the owner."""

    @abstractmethod
    def _head(self) -> UnlearningEstimator:
        """Return the head, if it knows the rows that the steps know."""

    @abstractmethod
    def _forgetting(self, positions: Position) -> tuple[Change, Plan]:
        """Return what it takes to forget rows."""

    @serialised
    def neighbours(
        self,
        which: Any = None,
        /,
        *,
        rows: Any = None,
        row_ids: Any = None,
        groups: Any = None,
        where: Any = None,
        threshold: float | None = None,
    ) -> Neighbours:
        """Find rows that look like those of a request, by what the steps make of them.

        Parameters, result and errors are those of `CertifiedLogReg.neighbours`.
        """
        asked = Asked(which, rows, row_ids, groups, where)
        return self._head().neighbours(which, **asked.named, threshold=threshold)

    @serialised
    def noise_cost(
        self, X: Any, y: Any, sample_weight: Any = None, *, draws: int = 20
    ) -> NoiseCost:
        """Measure on raw rows what a release costs in score and margins, without making one.

        Parameters and result are those of `CertifiedLogReg.noise_cost`.
        """
        head, pipe = self._head(), cast(Any, self)
        return head.noise_cost(pipe._transformed(X), y, sample_weight, draws=draws)

    @serialised
    def preview(
        self,
        which: Any = None,
        /,
        *,
        rows: Any = None,
        row_ids: Any = None,
        groups: Any = None,
        where: Any = None,
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
        head = self._head()
        positions = head._positions(Asked(which, rows, row_ids, groups, where))
        change, plan = self._forgetting(positions)
        full, moves = _validate.flag("full", full), plan.features is not None
        frame = None if plan.kept.framed is None else plan.kept.framed.frame
        found = head._previewed(positions, threshold, full and not moves, frame)
        if not moves:
            return found
        found = replace(
            found,
            tier="refresh",
            distance=float("nan"),
            together=None,
            cost="the steps before the model move, so it is trained afresh from where it stands",
        )
        return _carried_out(head, change, plan, found) if full else found


def _carried_out(head: UnlearningEstimator, change: Change, plan: Plan, found: Preview) -> Preview:
    """Train a model that is thrown away, and say how it went."""
    clock, X = time.perf_counter(), np.ascontiguousarray(plan.features, dtype=np.float64)
    try:
        model = unlearner.refit(head._model, change.gone, X, change.codes, change.weight)
    except (NotCertifiedError, AssumptionError, ConvergenceError) as error:
        return replace(found, tier="refused", cost=str(error))
    unlearner.erase(model)
    c, seconds = model.certificate, time.perf_counter() - clock
    return replace(found, tier=c.tier or found.tier, distance=c.distance or 0.0, seconds=seconds)
