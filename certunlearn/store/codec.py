"""What a store reads of a model and asks it, in one place."""

from __future__ import annotations

from .._common.arrays import MatrixLike, Positions, RowsLike
from .._common.plain import Arrays, FittedState, Json, read, written
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import StateError, StoreDamagedError, StoreError
from ..pipeline import ForgettingPipeline
from ..requests.asked import Asked
from ..requests.row_names import RowNames

Model = UnlearningEstimator | ForgettingPipeline
_WAY_OUT = (
    "leave the step out, use one of scikit-learn's own without functions in it, or apply it before "
    "fit"
)


def state_of(model: Model) -> FittedState:
    """Return a model as plain arrays and values.

    Raises
    ------
    StoreError
        If a step or a parameter cannot be written; the message names it.
    """
    try:
        return model.to_state()
    except StateError as error:
        raise StoreError(f"{error}: {_WAY_OUT}") from error


def taken_apart(predictor: object) -> FittedState:
    """Return a predictor of scikit-learn as plain arrays and values.

    Raises
    ------
    StoreError
        As `state_of`.
    """
    try:
        return written(predictor)
    except StateError as error:
        raise StoreError(f"{error}: {_WAY_OUT}") from error


def put_together(arrays: Arrays, values: dict[str, Json]) -> object:
    """Return the model or predictor that was taken apart; nothing of it is run.

    Raises
    ------
    StoreDamagedError
        If it is nothing of the kind, or another version has written it.
    """
    try:
        return read(FittedState(arrays, values))
    except StateError as error:
        raise StoreDamagedError(f"not as it was written: {error}") from error


def rows_of(model: Model) -> int:
    """Return how many rows there are or have been: their numbers are smaller."""
    return _names(model).n


def still_there(model: Model, named: dict[str, RowsLike]) -> int:
    """Return how many rows of those named are in the training set.

    Raises
    ------
    RowError, UnknownRowError, AmbiguousRowError
        If names mean nothing to the model.
    """
    names = _names(model)
    positions: Positions = names.known(Asked(**named))
    return int((~_head(model)._model.forgotten[names.store(positions)]).sum())


def relearned(model: Model, X: MatrixLike, row_ids: RowsLike | None) -> int:
    """Return how many of new rows have identifiers of forgotten ones."""
    labels = _names(model).labels
    ids = getattr(X, "index", None) if row_ids is None else row_ids
    if labels is None or labels.positional or ids is None:
        return 0
    return sum(bool(labels.gone(label)) for label in ids)


def _head(model: Model) -> UnlearningEstimator:
    return model.head if isinstance(model, ForgettingPipeline) else model


def _names(model: Model) -> RowNames:
    return _head(model)._names
