"""Rows of whatever kind the steps take: copied, laid out for the head, overwritten."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing

from .._common.arrays import MatrixLike, Positions, RowsLike
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import AssumptionError
from ..numerics.rows.files import RowFiles
from ..numerics.rows.meshed import Spread
from ..requests.asked import _is_pandas
from ..requests.fitted import fitted_of

#: Entries that a sparse result may have once it is written out, about 1.6 GB.
MOST_ENTRIES = 200_000_000


def taken(X: MatrixLike, at: Positions) -> MatrixLike:
    """Return a copy of the rows of ``X`` at positions, of the same kind."""
    if sp.issparse(X):
        return X.tocsr()[at]
    out = _safe_indexing(X, at)
    # An index of levels or categories goes on listing those of rows that are not there any more.
    for name in ("remove_unused_levels", "remove_unused_categories"):
        if hasattr(index_of(out), name):
            out.index = getattr(out.index, name)()
    return out


def refuse_files(X: MatrixLike) -> None:
    """Refuse rows in files or on several devices, which steps do not go through.

    Raises
    ------
    AssumptionError
        If they are such.
    """
    if isinstance(X, RowFiles | Spread):
        raise AssumptionError(
            "steps take rows in memory: give the pipeline an array, or write what the steps make "
            "of the rows by write_shards and fit the last step on that"
        )


def index_of(X: MatrixLike) -> RowsLike | None:
    """Return the index of a DataFrame or Series, which names its rows; None for anything else."""
    return X.index if _is_pandas(X, "DataFrame") or _is_pandas(X, "Series") else None


def written_out(X: MatrixLike) -> MatrixLike:
    """Return sparse rows as an array, anything else as it is.

    A head fitted on dense rows has every solver and tier, which one on sparse rows has not, and
    not every head takes them.  This is the one place that writes sparse ones out.

    Raises
    ------
    AssumptionError
        If they are too many to be written out.
    """
    if not sp.issparse(X):
        return X
    n, d = X.shape
    if n * d > MOST_ENTRIES:
        raise AssumptionError(
            f"the steps give sparse rows, {n} x {d}, and the model takes dense ones: more than "
            f"{MOST_ENTRIES:.0e} numbers are not written out. Make fewer columns: max_features= "
            "or min_df= of a vectorizer, min_frequency= of an encoder, n_features= of a hasher; "
            "predict fewer rows at a time"
        )
    return X.toarray()


def laid_out(X: MatrixLike, at: Positions, n: int) -> MatrixLike:
    """Lay transformed rows out at their places among n, zeros elsewhere.

    A DataFrame stays one, so that the head knows its columns.
    """
    X = written_out(X)
    values = np.asarray(X)
    if values.ndim != 2:
        raise AssumptionError(f"the steps give an array of shape {values.shape}, not a table")
    if not np.array_equal(at, np.arange(n)):
        # Zeros where no row trains: outside the training set anything finite will do.
        full = np.zeros((n, values.shape[1]), dtype=np.float64)
        full[at] = values
        values = full
    if not _is_pandas(X, "DataFrame"):
        return values
    return type(X)(values, columns=X.columns)


def held(head: UnlearningEstimator, at: Positions, full: MatrixLike) -> bool:
    """Whether the head holds exactly these rows at these places, under the same names."""
    if _is_pandas(full, "DataFrame"):
        if list(getattr(head, "feature_names_in_", ())) != list(full.columns):
            return False
    values = np.asarray(full, dtype=np.float64)
    if values.shape[1] != head.n_features_in_:
        return False
    # 0 and -0 are equal here: products with either are zeros.
    return np.array_equal(fitted_of(head).model.held(at)[0], values[at])


def overwrite(X: MatrixLike) -> None:
    """Overwrite what is left of a copy of rows, as far as numbers in memory can be."""
    for part in (X.data,) if sp.issparse(X) else (X,):
        if isinstance(part, np.ndarray) and part.flags.writeable:
            part.fill(0)
