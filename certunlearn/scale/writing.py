"""Rows written to a directory, for `Shards` to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack

from .._common.arrays import ArrayLike, MatrixLike, RowsLike
from ..numerics.rows.blocks import LARGEST_BLOCK
from ..numerics.rows.entries import Entries
from ..numerics.rows.files import COLUMNS, Part, write_manifest
from ..numerics.rows.npy import write
from . import dask_parts
from .sources import Piece, pieces_of

#: Numbers of a part: about half a gigabyte of float32.
PART = 1 << 27
#: Entries of a part of sparse rows, which is written anew whenever one of its rows goes.
SPARSE_PART = 1 << 22


def write_shards(
    path: str | Path,
    X: MatrixLike | Iterable[MatrixLike],
    y: ArrayLike | Iterable[ArrayLike] | None = None,
    *,
    sample_weight: ArrayLike | Iterable[ArrayLike] | None = None,
    row_ids: RowsLike | None = None,
    groups: RowsLike | None = None,
    part: int | None = None,
) -> Path:
    """Write rows to a directory, for `Shards` to read.

    Parameters
    ----------
    path : str or Path
        A directory that is not there yet.
    X : array-like or sparse of shape (n, d), table, path, or iterable of pieces
        Finite numbers: float32 is written so, anything else as float64; sparse rows stay sparse.
        An array of NumPy, zarr or HDF5, a table of pandas, Polars or Arrow, the path of a csv,
        Parquet or Arrow file or of a directory of such (read by pyarrow), or whatever yields arrays
        piece by piece, such as a generator: no more than a piece and a part are in memory.  Of a
        Dask array or DataFrame each partition is written where it lies, and nothing is collected;
        its workers must see the same path.
    y, sample_weight, row_ids, groups : array-like of shape (n,), iterable beside that of X, or str
        As in ``fit``; numbers or texts.  A text names a column of the table, which is no feature
        then.  The index of a pandas DataFrame names its rows, if it is not their numbers.
    part : int, optional
        Rows of a file, a multiple of 1024; by default about half a gigabyte of them, less of sparse
        ones.  Dask's partitions stay as they are.

    Returns
    -------
    Path
        Of the directory.

    Raises
    ------
    ValueError
        If numbers are not finite, or shapes do not fit.
    FileExistsError
        If there is something at ``path``.

    Notes
    -----
    ``y`` may have several columns.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from certunlearn.scale import Shards, write_shards
    >>> table = pd.DataFrame({"age": [31.0, 52.0], "visits": [2.0, 7.0], "left": ["no", "yes"]})
    >>> rows = Shards(write_shards(tempfile.mkdtemp() + "/rows", table, "left"))
    >>> rows.shape, rows.feature_names
    ((2, 2), ('age', 'visits'))
    """
    path = Path(path)
    path.mkdir(parents=True)
    beside = {"labels": y, "sample_weight": sample_weight, "row_ids": row_ids, "groups": groups}
    if part is not None and (part <= 0 or part % LARGEST_BLOCK):
        raise ValueError(f"part must be a multiple of {LARGEST_BLOCK}, got {part}")
    if dask_parts.is_dask(X):
        written, names = dask_parts.written(path, X, beside)
    else:
        pieces, names = pieces_of(X, beside)
        written = [
            write_part(path, number, rows, room=True)
            for number, rows in enumerate(_recut(pieces, part))
        ]
    _joined_up(path, written, names)
    return path


def write_part(path: Path, number: int, rows: Piece, *, room: bool = False) -> dict[str, Any]:
    """Write the files of one part and say what they hold.

    With ``room`` the part ends with a whole block, as the last one may.
    """
    X = rows["features"]
    n, d = X.shape
    size = -(-n // LARGEST_BLOCK) * LARGEST_BLOCK if room else n
    if issparse(X):
        Entries(path, d).write(number, 0, X, size)
    kept = {name: values for name, values in rows.items() if not issparse(values)}
    for name, values in kept.items():
        rest = np.zeros((size - n, *values.shape[1:]), dtype=values.dtype)
        file = path / Part(number, 0, size, 0).file(name)
        write(file, values.dtype, (size, *values.shape[1:]), [values, rest])
    return {
        "rows": n,
        "room": size,
        "columns": d,
        "dtype": X.dtype.str,
        "entries": int(X.nnz) if issparse(X) else None,
        "beside": [name for name in COLUMNS if name in rows],
        "shapes": {name: values.shape[1:] for name, values in kept.items()},
    }


def _joined_up(path: Path, written: list[dict[str, Any]], names: tuple[str, ...] | None) -> None:
    """Write the manifest of parts that have been written."""
    written = [each for each in written if each["room"] or len(written) == 1]
    if not sum(each["rows"] for each in written):
        raise ValueError("there are no rows to write")
    first = written[0]
    for each in written:
        if any(each[key] != first[key] for key in ("columns", "dtype", "beside", "shapes")) or (
            (each["entries"] is None) != (first["entries"] is None)
        ):
            raise ValueError("the pieces differ in columns, dtypes or what lies beside the rows")
    write_manifest(
        path,
        rows=sum(each["rows"] for each in written),
        columns=first["columns"],
        dtype=np.dtype(first["dtype"]),
        feature_names=names,
        beside=tuple(first["beside"]),
        parts=[(each["room"], 0) for each in written],
        entries=None if first["entries"] is None else sum(int(each["entries"]) for each in written),
    )


def _size(X: MatrixLike) -> int:
    """Return how many rows like these make a part."""
    most, numbers = (SPARSE_PART, X.nnz) if issparse(X) else (PART, X.shape[0] * X.shape[1])
    each = max(numbers // max(X.shape[0], 1), 1)
    return max(LARGEST_BLOCK, int(most // each) // LARGEST_BLOCK * LARGEST_BLOCK)


def _recut(pieces: Iterator[Piece], part: int | None) -> Iterator[Piece]:
    """Yield pieces of as many rows as make a part, but for the last."""
    held: list[Piece] = []
    count = 0
    for piece in pieces:
        if held and not _alike(piece, held[0]):
            raise ValueError("the pieces differ in columns, dtypes or what lies beside the rows")
        held.append(piece)
        count += piece["features"].shape[0]
        part = part or _size(piece["features"])
        while count >= part:
            whole = _joined(held)
            yield {name: values[:part] for name, values in whole.items()}
            held = [{name: values[part:] for name, values in whole.items()}]
            count -= part
    if count:
        yield _joined(held)


def _alike(a: Piece, b: Piece) -> bool:
    """Whether pieces can be joined; texts may be of any length."""
    return a.keys() == b.keys() and all(
        a[name].shape[1:] == b[name].shape[1:]
        and issparse(a[name]) == issparse(b[name])
        and (a[name].dtype == b[name].dtype or a[name].dtype.kind == b[name].dtype.kind == "U")
        for name in a
    )


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    out = {name: [piece[name] for piece in pieces] for name in pieces[0]}
    return {
        name: vstack(parts, format="csr") if issparse(parts[0]) else np.concatenate(parts)
        for name, parts in out.items()
    }
