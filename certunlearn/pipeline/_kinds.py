"""Kinds of rows: those that come are made like those of the fit, exactly, or refused.

A pipeline's rows are one table, whose dtypes belong to the fit.  Were they promoted by a row that
comes, all other rows would be transformed in another precision, also once that row has gone.  What
follows from the values alone, the width of texts and the categories of a column, is derived from
the rows there are.  Ordered categories are a scale that the user has set; they stay.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .._common.arrays import AnyArray, ArrayLike, MatrixLike
from ..exceptions import AssumptionError
from ..requests.asked import _is_pandas
from ._types import ColumnType


def _is_polars(X: MatrixLike) -> bool:
    return type(X).__module__.split(".")[0] == "polars" and hasattr(X, "columns")


def settled(X: MatrixLike) -> MatrixLike:
    """Return rows with texts no wider than the longest, and no category that none of them has."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "US":
        # NumPy's width of texts is that of the longest: a forgotten one would leave its length
        # behind.
        width = int(np.strings.str_len(X).max(initial=1))
        return X.astype(f"{X.dtype.kind}{max(width, 1)}")
    if _is_pandas(X, "Series"):
        return settled(X.to_frame()).iloc[:, 0].rename(X.name) if _unordered(X.dtype) else X
    if _is_pandas(X, "DataFrame") and any(map(_unordered, X.dtypes)):
        # Columns are replaced, not changed: the caller's table stays as it was.
        X = X.copy(deep=False)
        for at, dtype in enumerate(X.dtypes):
            if _unordered(dtype):
                X.isetitem(at, X.iloc[:, at].cat.remove_unused_categories())
    return X


def alike(X: MatrixLike, like: MatrixLike) -> MatrixLike:
    """Return rows of the kind of ``like``, with its dtypes.

    Raises
    ------
    AssumptionError
        If they are of another kind, or hold a value that a dtype of the fit cannot.
    """
    out = None
    if sp.issparse(like):
        out = _sparse_alike(X, like)
    elif isinstance(like, list):
        if not (sp.issparse(X) or hasattr(X, "columns") or isinstance(X, (str, bytes))):
            out = list(X)
    elif isinstance(like, np.ndarray):
        values = X if isinstance(X, np.ndarray) else np.asarray(X)
        if not sp.issparse(X) and values.shape[1:] == like.shape[1:] and values.ndim == like.ndim:
            out = _exact(values, _open(like.dtype))
    elif _is_pandas(like, "Series"):
        import pandas as pd

        if isinstance(X, (list, tuple, np.ndarray)) and np.ndim(X) == 1:
            X = pd.Series(X)
        if _is_pandas(X, "Series"):
            out = _column_alike(X, like)
    elif hasattr(like, "columns") and type(X) is type(like):
        if list(X.columns) == list(like.columns):
            out = _table_alike(X, like)
    elif type(X) is type(like):
        out = X
    if out is None:
        raise AssumptionError(f"the rows of the fit were {_kind(like)}, these are {_kind(X)}")
    return out


def joined(X: MatrixLike, more: MatrixLike) -> MatrixLike:
    """Return the rows of ``X`` and then those of ``more``, made like them.

    Raises
    ------
    AssumptionError
        As `alike`; and if rows of this kind cannot be joined.
    """
    more = alike(more, X)
    if sp.issparse(X):
        return sp.vstack([X, more], format="csr")
    if isinstance(X, list):
        return [*X, *more]
    if isinstance(X, np.ndarray):
        return np.concatenate([X, more])
    if _is_pandas(X, "Series"):
        return joined(X.to_frame(0), more.to_frame(0)).iloc[:, 0].rename(X.name)
    if _is_pandas(X, "DataFrame"):
        import pandas as pd
        from pandas.api.types import union_categoricals

        X, more = X.copy(deep=False), more.copy(deep=False)
        for at, dtype in enumerate(X.dtypes):
            if _unordered(dtype):
                # The categories of the fit first; which of them are needed `settled` sees.
                both = X.iloc[:, at], more.iloc[:, at]
                every = union_categoricals(both).categories
                X.isetitem(at, both[0].cat.set_categories(every))
                more.isetitem(at, both[1].cat.set_categories(every))
        return pd.concat([X, more])
    if _is_polars(X):
        import polars as pl

        return pl.concat([X, more])
    raise AssumptionError(f"rows that are {_kind(X)} cannot be joined with others")


def _open(dtype: ColumnType) -> ColumnType:
    """Return a dtype of texts without its width, any other as it is."""
    return np.dtype(dtype.kind) if dtype.kind in "US" else dtype


def _unordered(dtype: ColumnType) -> bool:
    return bool(dtype == "category") and not dtype.ordered


def _equal(before: ArrayLike, after: ArrayLike) -> bool:
    """Whether values are the same as Python compares them, without rounding; missing ones too."""
    pairs = zip(*(np.asarray(v, dtype=object).ravel() for v in (before, after)), strict=True)
    return all(u == v if _there(u) and _there(v) else _there(u) == _there(v) for u, v in pairs)


def _there(value: ArrayLike) -> bool:
    """Whether a value is not missing: NaN, NaT, None and NA are."""
    if value is None:
        return False
    equal = value == value
    return bool(equal) if isinstance(equal, (bool, np.bool_)) else False


def _exact(values: AnyArray, dtype: ColumnType) -> AnyArray:
    """Return values in another dtype, if it can hold every one of them."""
    kinds = values.dtype.kind, dtype.kind
    if values.dtype == dtype or kinds in (("U", "U"), ("S", "S")):
        return values
    try:
        with np.errstate(all="ignore"):
            out = values.astype(dtype)
        if kinds == ("f", "f"):
            # There and back: no value may have been rounded on the way.
            same = np.array_equal(out.astype(values.dtype), values, equal_nan=True)
        else:
            same = _equal(values, out)
        if same:
            return out
    except (TypeError, ValueError, OverflowError):
        pass
    raise _inexact("", values.dtype, dtype)


def _column_alike(column: ArrayLike, like: MatrixLike) -> MatrixLike:
    """Return a pandas column with the dtype of another, if that can hold every value."""
    dtype = like.dtype
    if column.dtype == dtype:
        return column
    try:
        if _unordered(dtype):
            out = column.astype("category")
            if out.cat.ordered:
                out = out.cat.as_unordered()
            names = out.cat.categories.astype(dtype.categories.dtype)
            out = out.cat.rename_categories(names)
        else:
            if dtype == "category" and not column.dropna().isin(dtype.categories).all():
                raise ValueError("not on the scale")
            out = column.astype(dtype)
        if _equal(column.astype(object), out.astype(object)):
            return out
    except (TypeError, ValueError, OverflowError):
        pass
    raise _inexact(f"column {like.name!r}: ", column.dtype, dtype)


def _table_alike(X: MatrixLike, like: MatrixLike) -> MatrixLike:
    """Return a DataFrame with the dtypes of another, column by column."""
    if _is_polars(like):
        return X.with_columns([_polars_alike(X[name], like[name]) for name in like.columns])
    X = X.copy(deep=False)
    for at in range(len(like.columns)):
        X.isetitem(at, _column_alike(X.iloc[:, at], like.iloc[:, at]))
    return X


def _polars_alike(column: ArrayLike, like: MatrixLike) -> MatrixLike:
    if column.dtype == like.dtype:
        return column
    try:
        # Casting may round or wrap: the values are compared afterwards.
        out = column.cast(like.dtype)
    except Exception as error:
        raise _inexact(f"column {like.name!r}: ", column.dtype, like.dtype) from error
    if not _equal(column.to_list(), out.to_list()):
        raise _inexact(f"column {like.name!r}: ", column.dtype, like.dtype)
    return out


def _sparse_alike(X: MatrixLike, like: MatrixLike) -> MatrixLike:
    if not sp.issparse(X) and np.asarray(X).dtype.kind not in "biuf":
        return None
    X = sp.csr_array(X)
    if X.shape[1:] != like.shape[1:]:
        return None
    parts = _exact(X.data, like.dtype), X.indices, X.indptr
    return type(like)(parts, shape=X.shape)


def _inexact(where: str, dtype: object, wanted: object) -> AssumptionError:
    return AssumptionError(
        f"{where}the rows of the fit are {wanted}, and these hold a value of {dtype} that it "
        "cannot hold exactly: convert them yourself (rows that stay must not change their "
        "precision because others come), or fit anew with a wider dtype"
    )


def _kind(X: MatrixLike) -> str:
    columns = getattr(X, "columns", None)
    if columns is not None:
        return f"a {type(X).__name__} with columns {list(columns)}"
    shape = np.shape(X)[1:]
    shown = f" of shape (n, {', '.join(map(str, shape))})" if shape else ""
    return f"a {type(X).__name__}{shown}"
