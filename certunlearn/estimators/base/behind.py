"""A model behind the steps of a pipeline: what it does with rows that these have made.

Each of these is part of a verb of the pipeline's, whose draft has a draft of the model.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.utils.validation import validate_data

from ..._common.arrays import Array, ArrayLike, MatrixLike, Show
from ...claims.frame import Frame
from ...insight.agreement import LookAlikes
from ...requests.asked import Annotations
from ...requests.change import Change
from ...requests.fitted import Fitted
from .linear import LinearEstimator
from .verbs import UnlearningEstimator


def train(
    head: LinearEstimator, frame: Frame, X: Array, y: ArrayLike, progress: Show, known: Annotations
) -> None:
    """Fit rows (n, d) that are held in a frame, given as they are held there."""
    head._train(X, y, known, progress, frame)


def condense(head: UnlearningEstimator) -> Fitted:
    """Let the store close up where that pays, and return the fit."""
    head._fitted = head._fitted.condensed()
    return head._fitted


def rebase(head: UnlearningEstimator) -> None:
    """Make every matrix of the model afresh from the retained rows."""
    head._rebase()


def change(
    head: UnlearningEstimator,
    change: Change,
    X: MatrixLike | None,
    *,
    frame: Frame | None = None,
    look_alikes: LookAlikes | None = None,
    progress: Show = None,
) -> None:
    """Carry a change out: `Fitted.changed`."""
    # Held in a frame, rows have no names of columns and were checked before.
    X = head._features(X) if X is not None and frame is None else X
    action = partial(head._fitted.changed, change, X, frame=frame)
    head._carry_out(change, action, progress, look_alikes)


def refit(
    head: UnlearningEstimator,
    change: Change,
    X: MatrixLike,
    *,
    frame: Frame | None = None,
    look_alikes: LookAlikes | None = None,
    progress: Show = None,
) -> None:
    """Carry a change out while all other rows get other features: `Fitted.refitted`."""
    X = validate_data(head, X, dtype=np.float64, order="C")
    action = partial(head._fitted.refitted, change, X, frame=frame)
    head._carry_out(change, action, progress, look_alikes)
