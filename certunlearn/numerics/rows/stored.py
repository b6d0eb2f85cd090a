"""A store for features as they come, dense or sparse."""

from __future__ import annotations

from scipy.sparse import issparse

from ..._common.arrays import AnyArray, MatrixLike
from .dense import DenseRows
from .filed import FileRows
from .filed_sparse import SparseFileRows
from .files import RowFiles
from .meshed import MeshRows, Spread
from .sparse import SparseRows

Rows = DenseRows | SparseRows


def stored(X: MatrixLike, labels: AnyArray, *, intercept: bool) -> Rows:
    """Return a store of the kind that the features are of."""
    if isinstance(X, RowFiles):
        filed = SparseFileRows if X.sparse else FileRows
        return filed(X, labels, intercept=intercept)
    if isinstance(X, Spread):
        return MeshRows(X, labels, intercept=intercept)
    kind = SparseRows if issparse(X) else DenseRows
    return kind(X, labels, intercept=intercept)
