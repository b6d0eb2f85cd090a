"""Predictions from dense rows, which the head was fitted on, whatever the steps give it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._common.arrays import AnyArray, ArrayLike, MatrixLike
from .._common.whole import reader
from . import _features
from ._plan import through

Array = NDArray[np.float64]


def _head_has(name: str) -> Callable[[Pipeline], bool]:
    return lambda pipe: hasattr(pipe.steps[-1][1], name)


class DensePredictions(Pipeline):  # type: ignore[misc]
    """A Pipeline that writes sparse rows out before the last step sees them."""

    @available_if(_head_has("decision_function"))  # type: ignore[untyped-decorator]
    @reader
    def decision_function(self, X: MatrixLike) -> Array:
        """Return the head's margins for raw rows."""
        out: Array = self.steps[-1][1].decision_function(self._transformed(X))
        return out

    @available_if(_head_has("predict"))  # type: ignore[untyped-decorator]
    @reader
    def predict(self, X: MatrixLike) -> AnyArray:
        """Return the head's prediction for raw rows."""
        out: AnyArray = self.steps[-1][1].predict(self._transformed(X))
        return out

    @available_if(_head_has("predict_proba"))  # type: ignore[untyped-decorator]
    @reader
    def predict_proba(self, X: MatrixLike) -> Array:
        """Return the head's probabilities for raw rows."""
        out: Array = self.steps[-1][1].predict_proba(self._transformed(X))
        return out

    @available_if(_head_has("predict_log_proba"))  # type: ignore[untyped-decorator]
    @reader
    def predict_log_proba(self, X: MatrixLike) -> Array:
        """Return the logarithm of `predict_proba`."""
        out: Array = self.steps[-1][1].predict_log_proba(self._transformed(X))
        return out

    @available_if(_head_has("score"))  # type: ignore[untyped-decorator]
    @reader
    def score(
        self, X: MatrixLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the head's score on raw rows."""
        more = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self.steps[-1][1].score(self._transformed(X), y, **more))

    def _transformed(self, X: MatrixLike) -> MatrixLike:
        """Return what the head is given for raw rows."""
        check_is_fitted(self)
        return _features.written_out(through(self.steps[:-1], X))
