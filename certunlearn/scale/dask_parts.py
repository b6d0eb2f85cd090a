"""Partitions of Dask's arrays and DataFrames, each written by the worker that holds it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .._common.arrays import MatrixLike
from .sources import Beside, feature_names, piece_of, table_piece


def is_dask(X: MatrixLike) -> bool:
    """Whether X is a collection of Dask's, without Dask being imported for it."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr")


def written(
    path: Path, X: MatrixLike, beside: Beside
) -> tuple[list[dict[str, Any]], tuple[str, ...] | None]:
    """Write every partition where it lies; return what each holds, and the columns' names.

    Raises
    ------
    ValueError
        If what lies beside X is not cut as X is.
    """
    # Of what Dask types it exports nothing.
    dask: Any = importlib.import_module("dask")
    names = tuple(map(str, X.columns)) if hasattr(X, "columns") else None
    if names is None:
        # All columns of a row lie together.
        X = X.rechunk({1: -1})
    given = {k: v for k, v in beside.items() if v is not None}
    named = {k: v for k, v in given.items() if isinstance(v, str)}
    others = {k: _blocks(v) for k, v in given.items() if k not in named}
    parts = _blocks(X)
    wrong = [name for name, blocks in others.items() if len(blocks) != len(parts)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} must be Dask collections cut into partitions as X is")
    write = dask.delayed(_write)
    rests = [{name: blocks[k] for name, blocks in others.items()} for k in range(len(parts))]
    jobs = [write(str(path), k, parts[k], rests[k], named, names) for k in range(len(parts))]
    # What comes back are a few numbers a partition.
    found = list(dask.compute(*jobs))
    return found, None if names is None else feature_names(names, named)


def _blocks(collection: MatrixLike) -> list[Any]:
    if not is_dask(collection):
        raise ValueError("what lies beside a Dask collection must be Dask's as well, or be named")
    blocks = collection.to_delayed()
    return list(blocks.ravel() if hasattr(blocks, "ravel") else blocks)


def _write(
    path: str,
    number: int,
    rows: MatrixLike,
    others: Beside,
    named: Beside,
    names: tuple[str, ...] | None,
) -> dict[str, Any]:
    from .writing import write_part

    given = {**others, **named}
    piece = piece_of(rows, given) if names is None else table_piece(rows, names, given)
    return write_part(Path(path), number, piece)
