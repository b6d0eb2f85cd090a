"""What a request does to the rows of a model, worked out before anything is carried out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import AnyArray, ArrayLike, MatrixLike, Place, Position, RowsLike
from ..engine.unlearner import Model
from ..numerics.rows.weights import NO_ROWS
from .row_names import RowNames

Array = NDArray[np.float64]


class Change(NamedTuple):
    """Rows that go and rows that come: forgetting, learning and correcting alike.

    Attributes
    ----------
    event : str
        What the history calls it.
    asked : int
        Rows the request is about.
    gone : ndarray of int
        Places in the store of the rows that go.
    codes, weight : ndarray of shape (m,) or (m, K), and (m,)
        Labels and weights of the rows that come, which lie after all others in the store.
    names : RowNames
        Those of all rows afterwards.
    """

    event: str
    asked: int
    gone: Place
    codes: AnyArray
    weight: Array
    names: RowNames


class Changes:
    """Works changes out; none of this looks at features."""

    _model: Model
    _names: RowNames
    _unlearner: ClassVar[Any]

    @abstractmethod
    def _codes(self, y: ArrayLike) -> AnyArray:
        """Check labels or targets (m,) against those of the fit and encode them."""

    @abstractmethod
    def _weights(self, X: MatrixLike, sample_weight: ArrayLike) -> Array:
        """Return a checked copy of the weights of rows."""

    def _forgetting(self, positions: Position) -> Change:
        """Return the change that takes rows out, which `_positions` has returned."""
        _, codes, weight = self._unlearner.held(self._model, NO_ROWS)
        gone = Place(np.sort(self._names.store(positions)))
        return Change("forget", len(gone), gone, codes, weight, self._names)

    def _learning(
        self,
        X: MatrixLike,
        m: int,
        y: ArrayLike,
        sample_weight: ArrayLike,
        row_ids: RowsLike,
        groups: RowsLike,
        metadata: MatrixLike,
        static: ArrayLike,
    ) -> Change:
        """Return the change that puts ``m`` rows in; ``X``, where a DataFrame, names them."""
        codes = self._codes(y)
        if m != len(codes):
            raise ValueError(f"X has {m} rows, y has {len(codes)}")
        weight = self._weights(np.empty((m, 1)), sample_weight)
        places = Place(len(self._model.members.weights) + np.arange(m))
        names = self._names.extended(X, row_ids, groups, places, metadata, static)
        return Change("learn", m, Place(NO_ROWS), codes, weight, names)

    def _correcting(self, positions: Position, y: ArrayLike, m: int | None) -> Change:
        """Return the change that puts rows in the place of others, with ``m`` rows of features.

        They have the labels ``y``, or those they had.
        """
        gone = self._names.store(positions)
        _, codes, weight = self._unlearner.held(self._model, gone)
        codes = codes if y is None else self._codes(y)
        for name, rows in (("X", m), ("y", len(codes))):
            if rows is not None and rows != len(gone):
                raise ValueError(f"{name} has {rows} rows, the request {len(gone)}")
        names = self._names.moved(positions, len(self._model.members.weights))
        return Change("correct", len(gone), gone, codes, weight, names)
