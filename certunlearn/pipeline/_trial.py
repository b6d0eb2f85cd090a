"""A step that is declared to be a function of the rows it is fitted on, put to the test."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils.validation import _num_samples

from .._common.arrays import AnyArray, ArrayLike, MatrixLike
from ..exceptions import AssumptionError
from . import _features
from ._types import Step

#: One row in so many is left out of the fits that must not have seen it.
_LEFT_OUT = 10


class _Fit(NamedTuple):
    """What a fit leaves: the step, and what it makes of the rows as it is fitted and afterwards."""

    step: Step
    fitted: MatrixLike
    transformed: MatrixLike


def fit_transform(
    step: Step, X: MatrixLike, y: ArrayLike, given: Mapping[str, AnyArray]
) -> MatrixLike:
    """Fit a step and return what it makes of the rows, as scikit-learn's Pipeline does."""
    if hasattr(step, "fit_transform"):
        return step.fit_transform(X, y, **given)
    return step.fit(X, y, **given).transform(X)


def tried(
    path: str, step: Step, X: MatrixLike, y: ArrayLike, given: Mapping[str, AnyArray]
) -> None:
    """Fit clones of a step on some rows, on all, and on both again: like fits must agree.

    The random generators of NumPy and Python stand somewhere else every time.  Fits on some of the
    rows before and after one on all of them tell a step that remembers rows in another place.

    Raises
    ------
    AssumptionError
        If results or attributes differ in a single bit, or cannot be compared.
    """
    n = _num_samples(X)
    some = np.flatnonzero(np.arange(n) % _LEFT_OUT) if n > 1 else np.arange(n)
    fits = []
    # Some, all, some, all: a step that remembers would differ at the third.
    for turn, at in enumerate((some, np.arange(n), some, np.arange(n))):
        own = {name: values[at] for name, values in given.items()}
        # Another state at every fit: whoever draws from a global generator is found out.
        with _generators_at(turn):
            fits.append(_fit(step, _features.taken(X, at), None if y is None else y[at], own))
    for which, (one, other) in (("most of the rows", fits[::2]), ("the rows", fits[1::2])):
        where = next(differences("", one._asdict(), other._asdict()), None)
        if where is not None:
            raise AssumptionError(
                f"step {path!r} is declared by refit= to be a function of the rows it is fitted "
                f"on, but two fits on {which} differ in {where.lstrip('.')}: it draws at random "
                "(set its random_state=0), remembers rows of other fits, or tells the time"
            )


def _fit(step: Step, X: MatrixLike, y: ArrayLike, given: Mapping[str, AnyArray]) -> _Fit:
    step, rows = clone(step), _features.taken(X, np.arange(_num_samples(X)))
    return _Fit(step, fit_transform(step, X, y, given), step.transform(rows))


@contextmanager
def _generators_at(seed: int) -> Iterator[None]:
    """Set the global random generators somewhere, and back."""
    before = np.random.get_state(), random.getstate()
    try:
        np.random.seed(seed)
        random.seed(seed)
        yield
    finally:
        np.random.set_state(before[0])
        random.setstate(before[1])


def differences(
    path: str, a: Any, b: Any, seen: set[tuple[int, int]] | None = None
) -> Iterator[str]:
    """Yield where two objects, and what they are made of, differ in type or to the last bit.

    Raises
    ------
    AssumptionError
        If they hold what cannot be compared.
    """
    seen = set() if seen is None else seen
    if a is b or (id(a), id(b)) in seen:
        return
    # Objects may lead back to themselves: each pair is compared once.
    seen.add((id(a), id(b)))
    if type(a) is not type(b):
        yield path
    elif isinstance(a, np.ndarray) and a.dtype != object:
        if not _same_bits(a, b):
            yield path
    elif isinstance(a, Mapping):
        if list(a) != list(b):
            yield path
        else:
            for key in a:
                yield from differences(f"{path}.{key}", a[key], b[key], seen)
    elif isinstance(a, np.ndarray):
        if a.shape != b.shape:
            yield path
        else:
            yield from differences(path, a.ravel().tolist(), b.ravel().tolist(), seen)
    elif isinstance(a, (list, tuple)):
        if len(a) != len(b):
            yield path
        else:
            for i, (one, other) in enumerate(zip(a, b, strict=True)):
                yield from differences(f"{path}[{i}]", one, other, seen)
    elif sp.issparse(a):
        a, b = a.tocsr(), b.tocsr()
        if a.shape != b.shape or not all(
            _same_bits(getattr(a, part), getattr(b, part)) for part in ("data", "indices", "indptr")
        ):
            yield path
    elif _is_table(a):
        yield from differences(path, _table(a), _table(b), seen)
    elif hasattr(a, "__dict__") and not isinstance(a, type) and not callable(a):
        yield from differences(path, vars(a), vars(b), seen)
    elif _bytes(path, a) != _bytes(path, b):
        yield path


def _same_bits(a: AnyArray, b: AnyArray) -> bool:
    # Bits, not values: NaN equals NaN here, and 0 is not -0.
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _is_table(value: object) -> bool:
    return hasattr(value, "columns") and hasattr(value, "to_numpy")


def _table(value: MatrixLike) -> dict[str, object]:
    columns = list(value.columns)
    return {"columns": columns, "values": [np.asarray(value[name]) for name in columns]}


def _bytes(path: str, value: object) -> bytes:
    if isinstance(value, (set, frozenset)):
        return b"".join(sorted(pickle.dumps(v) for v in value))
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise AssumptionError(
            f"what two fits leave in {path.lstrip('.')} cannot be compared: {error}"
        ) from error
