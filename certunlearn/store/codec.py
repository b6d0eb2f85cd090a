"""What a store reads of a model and asks it, in one place."""

from __future__ import annotations

from typing import Any

from ..estimators.base.verbs import UnlearningEstimator
from ..pipeline import ForgettingPipeline
from ..requests.row_names import RowNames
from . import objects
from .log import Json
from .objects import Arrays

Model = UnlearningEstimator | ForgettingPipeline


def state_of(model: Model) -> tuple[Arrays, Json]:
    """Return a model as arrays and plain values.

    Raises
    ------
    StoreError
        If a step cannot be written; the message names it.
    """
    arrays: Arrays = {}
    return arrays, {"model": objects.written(model, arrays)}


def model_of(arrays: Arrays, values: Json) -> Model:
    """Return the model that `state_of` took apart."""
    model: Model = objects.read(values["model"], arrays, ours=True)
    return model


def rows_of(model: Model) -> int:
    """Return how many rows there are or have been: their numbers are smaller."""
    return _names(model).n


def relearned(model: Model, X: Any, row_ids: Any) -> int:
    """Return how many of new rows have identifiers of forgotten ones."""
    labels = _names(model).labels
    ids = getattr(X, "index", None) if row_ids is None else row_ids
    if labels is None or labels.positional or ids is None:
        return 0
    return sum(bool(labels.gone(label)) for label in ids)


def _names(model: Model) -> RowNames:
    head = model.head if isinstance(model, ForgettingPipeline) else model
    return head._names
