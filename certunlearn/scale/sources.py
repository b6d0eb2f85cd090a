"""What rows to be written come from: arrays, tables, files and iterators, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse

from .._common.arrays import AnyArray, MatrixLike
from ..exceptions import RowError
from ..numerics.rows.sparse_block import canonical

#: Features and what lies beside them, of some rows; features may be CSR.
Piece: TypeAlias = dict[str, Any]
#: What is given beside the features: an array, an iterator of them, or the name of a column.
Beside: TypeAlias = dict[str, Any]
#: Numbers that are taken at a time.
TOGETHER = 1 << 23
#: Formats that pyarrow reads, by the end of a file's name.
FORMATS = {".csv": "csv", ".parquet": "parquet", ".arrow": "ipc", ".feather": "feather"}


def pieces_of(X: MatrixLike, beside: Beside) -> tuple[Iterator[Piece], tuple[str, ...] | None]:
    """Return pieces of rows with what lies beside them, and the names of the columns.

    Parameters
    ----------
    X
        As `write_shards` takes it, but for Dask's.
    beside
        Labels, weights, names, by what they are; None where there are none.
    """
    if isinstance(X, str | Path):
        X = _dataset(Path(X))
    if hasattr(X, "to_batches"):
        names = tuple(map(str, X.schema.names))
        return _tables(X.to_batches(), names, beside)
    if hasattr(X, "collect_batches"):
        # Polars: a query that is not run before its rows are asked for.
        names = tuple(X.collect_schema().names())
        return _tables(X.collect_batches(), names, beside)
    if hasattr(X, "columns"):
        return _tables(_cut(X), tuple(map(str, X.columns)), _indexed(X, beside))
    named = [name for name, values in beside.items() if isinstance(values, str)]
    if named:
        raise ValueError(f"{', '.join(named)} name columns, and X is no table that has any")
    if isinstance(X, list):
        X = np.asarray(X)
    if hasattr(X, "shape"):
        if len(X.shape) != 2:
            raise ValueError(f"X must be a table, got shape {X.shape}")
        return (piece_of(*both) for both in _beside(_cut(X), beside, whole=True)), None
    return (piece_of(*both) for both in _beside(X, beside, whole=False)), None


def piece_of(X: MatrixLike, beside: Beside) -> Piece:
    """Check some rows and what lies beside them.

    Raises
    ------
    ValueError, RowError
        If numbers are not finite, or shapes do not fit.
    """
    features = canonical(X) if issparse(X) else np.asarray(X)
    if getattr(X, "dtype", features.dtype) != np.float32:
        features = features.astype(np.float64)
    elif issparse(X):
        # Sums of entries given twice are float64; what float32 does not hold stays so.
        narrow = features.astype(np.float32)
        same = np.array_equal(narrow.data, features.data)
        if not same:
            raise ValueError("entries given more than once add up to what float32 does not hold")
        features = narrow
    if features.ndim != 2:
        raise ValueError(f"X must be a table, got shape {features.shape}")
    if not np.isfinite(features.data if issparse(features) else features).all():
        raise ValueError("X holds NaN or infinity: fill or drop these rows before they are written")
    n = features.shape[0]
    out: Piece = {"features": features}
    if beside.get("sample_weight") is None:
        # What is erased later weighs nothing.
        beside = {**beside, "sample_weight": np.ones(n)}
    for name, values in beside.items():
        if values is None:
            continue
        array = np.asarray(values)
        if array.dtype == object:
            array = np.asarray(list(map(str, array.tolist())))
        if len(array) != n:
            raise ValueError(f"X has {n} rows, {name} has {len(array)}")
        if array.dtype.kind not in "biufU":
            raise RowError(f"{name} must be numbers or texts, got {array.dtype}")
        out[name] = array
    return out


def table_piece(table: MatrixLike, names: tuple[str, ...], beside: Beside) -> Piece:
    """Return some rows of a table, whose columns may be named by what lies beside them."""
    given = {k: _column(table, v) if isinstance(v, str) else v for k, v in beside.items()}
    columns = [_column(table, name) for name in feature_names(names, beside)]
    if not columns:
        raise ValueError("there is no column of features")
    return piece_of(np.column_stack(columns), given)


def feature_names(names: tuple[str, ...], beside: Beside) -> tuple[str, ...]:
    """Return the columns of a table that are features."""
    used = {value for value in beside.values() if isinstance(value, str)}
    missing = used - set(names)
    if missing:
        raise ValueError(f"there is no column {', '.join(sorted(missing))}")
    return tuple(name for name in names if name not in used)


def _tables(
    tables: Iterable[MatrixLike], names: tuple[str, ...], beside: Beside
) -> tuple[Iterator[Piece], tuple[str, ...]]:
    named = {k: v for k, v in beside.items() if isinstance(v, str)}
    others = {k: v for k, v in beside.items() if not isinstance(v, str)}
    both = _beside(tables, others, whole=True)
    pieces = (table_piece(table, names, {**rest, **named}) for table, rest in both)
    return pieces, feature_names(names, beside)


def _column(table: MatrixLike, name: str) -> AnyArray:
    """Return a column of a table of pandas, Polars or Arrow."""
    column = table[name] if not hasattr(table, "column") else table.column(name)
    try:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    except TypeError:
        return np.asarray(column.to_numpy())


def _dataset(path: Path) -> MatrixLike:
    """Open a file, or a directory of files, by pyarrow."""
    try:
        import pyarrow.dataset
    except ImportError:
        raise ImportError("files are read by pyarrow: pip install certunlearn[files]") from None
    file = next(iter(sorted(path.rglob("*.*"))), path) if path.is_dir() else path
    kind = FORMATS.get(file.suffix)
    if kind is None:
        raise ValueError(f"{file} is of no format that is read: {', '.join(FORMATS)}")
    return pyarrow.dataset.dataset(path, format=kind)


def _cut(X: MatrixLike) -> Iterator[MatrixLike]:
    """Yield rows of what is sliced by rows: of NumPy, SciPy, zarr, HDF5, pandas or Polars."""
    n, d = X.shape
    step, X = max(1, TOGETHER // max(d, 1)), X.tocsr() if issparse(X) else X
    # By whole chunks, where there are any: each is unpacked once.
    chunk = (getattr(X, "chunks", None) or (1,))[0]
    step = max(step // chunk, 1) * chunk
    rows = X.iloc if hasattr(X, "iloc") else X
    for first in range(0, n, step):
        yield rows[first : first + step]


def _beside(
    tables: Iterable[MatrixLike], beside: Beside, *, whole: bool
) -> Iterator[tuple[MatrixLike, Beside]]:
    """Yield pieces with what lies beside them, of arrays of all rows or of iterators."""
    given = {name: values for name, values in beside.items() if values is not None}
    arrays = {
        name: getattr(values, "iloc", values)
        for name, values in given.items()
        if whole or hasattr(values, "shape")
    }
    iterators = {name: iter(values) for name, values in given.items() if name not in arrays}
    at = 0
    for X in tables:
        m = X.shape[0] if hasattr(X, "shape") else len(X)
        try:
            rest = {name: next(values) for name, values in iterators.items()}
        except StopIteration:
            raise ValueError(
                f"there are fewer pieces of {', '.join(iterators)} than of X"
            ) from None
        yield X, {**{name: values[at : at + m] for name, values in arrays.items()}, **rest}
        at += m
    for name in arrays:
        if len(given[name]) != at:
            raise ValueError(f"X has {at} rows, {name} has {len(given[name])}")


def _indexed(X: MatrixLike, beside: Beside) -> Beside:
    """Name the rows by a pandas index, where it is not their numbers and none is given."""
    index = getattr(X, "index", None)
    if index is None or beside.get("row_ids") is not None or not index.is_unique:
        return beside
    numbers = len(index) == 0 or (index.dtype.kind in "iu" and (index == np.arange(len(X))).all())
    return beside if numbers else {**beside, "row_ids": index.to_numpy()}
