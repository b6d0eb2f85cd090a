"""What a store reads of a model and asks it, in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from .._common.arrays import AnyArray, Label, MatrixLike, Position, RowsLike
from .._common.plain import Arrays, FittedState, Json, read, written
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import StateError, StoreDamagedError, StoreError, UnknownRowError
from ..pipeline import ForgettingPipeline
from ..requests.asked import Asked, listed
from ..requests.fitted import fitted_of
from ..requests.replayed import Replayed

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
        by = values.get("library") if isinstance(values, dict) else None
        raise StoreDamagedError(
            f"not as it was written, or by certunlearn {by}, whose models this one cannot read: "
            f"{error}"
        ) from error


def rows_of(model: Model) -> int:
    """Return how many rows there are or have been: their numbers are smaller."""
    return fitted_of(model).names.n


def still_there(model: Model, named: dict[str, RowsLike], *, recognised: bool = True) -> int:
    """Return how many rows of those named are in the training set.

    Where forgotten names are not ``recognised`` an unknown one is that of no row that is there.

    Raises
    ------
    RowError, UnknownRowError, AmbiguousRowError
        If names mean nothing to the model.
    """
    fitted = fitted_of(model)
    names = fitted.names
    if not recognised:
        ways = (("row_ids", names.labels), ("groups", names.groups))
        known = {way: labels for way, labels in ways if way in named and labels is not None}
        if known:
            return sum(
                len(labels.live(name))
                for way, labels in known.items()
                for name in listed(named[way])
            )
    return int((~fitted.lost(names.known(Asked(**named)))).sum())


def still_named(model: Model, row_ids: RowsLike) -> NDArray[np.bool_]:
    """Return which identifiers are those of rows in the training set, shape (m,).

    Raises
    ------
    UnknownRowError
        If the rows were fitted without any.
    """
    labels = fitted_of(model).names.labels
    if labels is None or labels.positional:
        raise UnknownRowError("the rows were fitted without identifiers")
    return np.array([bool(labels.live(name)) for name in listed(row_ids)], dtype=bool)


def differing(model: Model, X: MatrixLike, y: AnyArray, row_ids: RowsLike) -> tuple[int, int]:
    """Hold a table against the training set, by identifiers.

    Returns
    -------
    tuple of int
        How many rows of the training set the table lacks, and how many it has with other features
        or labels.
    """
    fitted = fitted_of(model)
    labels = fitted.names.labels
    assert labels is not None
    left: dict[Label, list[int]] = {}
    pairs: list[tuple[int, int]] = []
    for i, name in enumerate(listed(row_ids)):
        # Rows that share an identifier in their order.
        found = left.setdefault(name, list(labels.live(name)))
        if found:
            pairs.append((i, found.pop(0)))
    at, positions = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    held, codes, weight = fitted.model.held(fitted.names.store(Position(positions)))
    lacking = int((fitted.model.members.weights.array > 0).sum() - (weight > 0).sum())
    try:
        same = _alike(fitted.encoding.encoded(y[at]), codes)
    except ValueError:
        # Labels that no row of the training set carries.
        return lacking, len(at)
    rows = _safe_indexing(X, at)
    if isinstance(model, ForgettingPipeline):
        same &= _alike(*model._compared(rows, held))
    else:
        same &= _alike(rows, held)
    return lacking, int((~same & (weight > 0)).sum())


def _alike(rows: MatrixLike, others: MatrixLike) -> NDArray[np.bool_]:
    """Return which rows are the same but for rounding, shape (m,)."""
    one, other = (
        np.asarray(a.toarray() if issparse(a) else a, dtype=float).reshape(a.shape[0], -1)
        for a in (rows, others)
    )
    largest = np.abs(other).max(axis=0, initial=0.0)
    return np.asarray((np.abs(one - other) <= 1e-9 * largest + 1e-6 * np.abs(other)).all(axis=1))


def relearned(model: Model, X: MatrixLike, row_ids: RowsLike | None) -> int:
    """Return how many of new rows have identifiers of forgotten ones."""
    labels = fitted_of(model).names.labels
    ids = getattr(X, "index", None) if row_ids is None else row_ids
    if labels is None or labels.positional or ids is None:
        return 0
    return sum(bool(labels.gone(label)) for label in ids)


def disowned(model: Model) -> None:
    """Erase what names of forgotten rows could be recognised by."""
    fitted_of(model).names.disown()


def replayed(model: Model) -> Replayed:
    """Train from the retained rows alone, and compare.  The model is not changed.

    Of the fitted state nothing but rows, labels, weights and settings is used, and without noise
    the training goes as far as float64 does.

    Raises
    ------
    NotCertifiedError, ConvergenceError, AssumptionError
        If these rows cannot be trained on.
    """
    fitted = fitted_of(model).model
    return Replayed.of(fitted, fitted.retrained())
