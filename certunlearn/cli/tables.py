"""Tables from files, as a fit takes them: CSV and Parquet with column names, and NPZ."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias
from zipfile import BadZipFile

import numpy as np

from .._common.arrays import ArrayLike, MatrixLike

if TYPE_CHECKING:
    from pandas import DataFrame

#: What columns of a table are for, by name: one, or several of ``metadata``.
Columns: TypeAlias = dict[str, str | list[str] | None]


@dataclass(frozen=True)
class Given:
    """What a file says of rows.

    Attributes
    ----------
    X : DataFrame or ndarray of shape (n, d)
    y, row_ids, groups : sequence or None
        Identifiers and groups are texts, so that the command line can name them.
    metadata : DataFrame or None
    texts : list of str
        Columns of X that hold texts, a missing one as an empty one.
    """

    X: MatrixLike
    y: ArrayLike | None = None
    row_ids: list[str] | None = None
    groups: list[str] | None = None
    metadata: DataFrame | None = None
    texts: list[str] = field(default_factory=list)

    @property
    def named(self) -> dict[str, MatrixLike]:
        """What fit and learn take beside features and labels, as far as there is any."""
        found = {"row_ids": self.row_ids, "groups": self.groups, "metadata": self.metadata}
        return {name: value for name, value in found.items() if value is not None}


def needed(name: str) -> ModuleType:
    """Import a package that a kind of file needs."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ValueError(f"{name} is needed to read this file: pip install {name}") from None


def read(
    path: Path,
    columns: Columns,
    features: list[str] | None = None,
    *,
    texts: bool = False,
    optional: tuple[str, ...] = (),
) -> Given:
    """Read a file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.parquet`` or ``.npz``; the arrays of the last are called ``X`` and ``y``, and
        ``row_ids`` and ``groups`` where there are any.
    columns : dict
        Names of the columns ``target``, ``ids`` and ``groups``, and lists of ``metadata`` and of
        features that are ``texts``; those that are None or missing are not read.
    features : list of str, optional
        Columns to take, in this order; all others by default.
    texts : bool
        Whether what is not of numbers is taken for text.
    optional : tuple of str
        What of ``columns`` the file need not have.

    Raises
    ------
    ValueError
        If a column is not there or not of numbers, or the file is of another kind.
    """
    if path.suffix == ".npz":
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                # allow_pickle=False: a file of arrays runs no code.
                found = {name: file[name] for name in file.files}
        except (EOFError, BadZipFile) as error:
            raise ValueError(f"{path} is no file of arrays: {error}") from error
        if "X" not in found:
            raise ValueError(f"{path} has no array X, only {', '.join(sorted(found))}")
        ids, groups = (_texts(found.get(name)) for name in ("row_ids", "groups"))
        return Given(found["X"], found.get("y"), ids, groups)
    frame = _frame(path)
    columns = {k: v for k, v in columns.items() if k not in optional or v in frame}
    special = [columns.get(name) for name in ("target", "ids", "groups")]
    beside = list(columns.get("metadata") or ())
    wanted = [name for name in (*special, *beside, *(features or ())) if name is not None]
    missing = [name for name in wanted if name not in frame]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}, only {', '.join(frame.columns)}")
    taken = features or [name for name in frame.columns if name not in wanted]
    known = [name for name in columns.get("texts") or () if name in taken]
    # Numbers and booleans: what is a text or a date has to be encoded by somebody who knows how.
    odd = [name for name in taken if frame[name].dtype.kind not in "biuf" and name not in known]
    if odd and not texts:
        raise ValueError(
            f"column {odd[0]!r} of {path} is not of numbers: leave it out of the file, name it "
            "with --metadata, encode it first, or fit with --pipeline one-hot"
        )
    spelt = known + odd
    X = frame[taken].astype({name: float for name in taken if name not in spelt})
    X = X.assign(**{name: frame[name].astype(object).fillna("").astype(str) for name in spelt})
    target, named, grouped = special
    return Given(
        X,
        None if target is None else frame[target].to_numpy(),
        None if named is None else _texts(frame[named]),
        None if grouped is None else _texts(frame[grouped]),
        frame[beside] if beside else None,
        spelt,
    )


def _texts(values: Iterable[object] | None) -> list[str] | None:
    return None if values is None else [str(v) for v in values]


def _frame(path: Path) -> DataFrame:
    if path.suffix == ".csv":
        return needed("pandas").read_csv(path)
    if path.suffix == ".parquet":
        pandas = needed("pandas")
        try:
            return pandas.read_parquet(path)
        except ImportError:
            frame = needed("polars").read_parquet(path)
            return pandas.DataFrame(frame.to_dict(as_series=False))
    raise ValueError(f"{path}: tables are .csv, .parquet or .npz")
