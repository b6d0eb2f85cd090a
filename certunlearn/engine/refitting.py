"""Editing the training set while all rows get other features: nothing of the old store is used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._common.arrays import AnyArray, Array, Positions, Progress
from ..claims.frame import Frame
from ..exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from ..numerics.rows.dense import DenseRows
from .members import Members
from .state import State
from .training import solved


def refitted(
    state: State,
    gone: Positions,
    X: Array,
    labels: AnyArray,
    sample_weight: Array,
    *,
    t: int,
    frame: Frame | None,
    progress: Progress,
) -> State:
    """Solve for other features of the rows, from a store that holds nothing but them.

    Parameters
    ----------
    gone : ndarray of int
        All rows of the store that are forgotten, now or before.
    X : ndarray of shape (n + m, d)
        Features of all rows of the store and of those that come.
    labels, sample_weight
        Of the rows that come.
    frame : Frame or None
        In which these features are.

    Raises
    ------
    NotCertifiedError, ConvergenceError, AssumptionError
        If the distance cannot be shown, or there is nothing to converge to.
    """
    settings, known = state.settings, len(state.members.weights)
    weight = np.concatenate([state.sample_weight, sample_weight])
    # Forgotten rows keep their places, so that positions go on meaning what they did; they are
    # overwritten next.
    weight[gone] = 0.0
    codes = np.concatenate([state.rows.labels[:known], labels])
    rows = DenseRows(X, codes, intercept=settings.fit_intercept)
    # Whatever stands in their places: nothing of what is to be forgotten stays.
    rows.scrub(gone)
    # Sums afresh: none of the old features' is of use.
    members = Members.of(settings, rows, weight)

    def found(warm: bool) -> State:
        return solved(
            settings, rows, members, before=state, warm=warm, t=t, frame=frame, progress=progress
        )

    try:
        out = found(warm=True)
    except (ConvergenceError, AssumptionError, NotCertifiedError):
        # The old iterate may be far off with other features.
        out = found(warm=False)
    return replace(out, plan="other features, so trained afresh")
