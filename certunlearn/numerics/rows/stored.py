"""A store for features as they come, dense or sparse."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from scipy.sparse import issparse

from .dense import DenseRows
from .sparse import SparseRows

Rows = DenseRows | SparseRows


def stored(X: Any, labels: NDArray[Any], *, intercept: bool) -> Rows:
    """Return a store of the kind that the features are of."""
    kind: Any = SparseRows if issparse(X) else DenseRows
    out: Rows = kind(X, labels, intercept=intercept)
    return out
