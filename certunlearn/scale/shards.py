"""Rows on disk that a model is fitted on and forgets from, where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.sparse import issparse

from .._common.arrays import AnyArray, ArrayLike, MatrixLike, RowsLike
from ..exceptions import AssumptionError, RowError
from ..numerics.rows.blocks import LARGEST_BLOCK
from ..numerics.rows.executors import Executor
from ..numerics.rows.files import COLUMNS, TIMEOUT, RowFiles, write_manifest

#: Numbers of a part: about half a gigabyte of float32.
PART = 1 << 27
#: Numbers that `Shards.pieces` yields at a time.
PIECE = 1 << 24
#: Features and what lies beside them, of some rows.
Piece: TypeAlias = dict[str, AnyArray]


class Shards(RowFiles):
    """Rows that `write_shards` has written, to be given to ``fit`` in the place of an array.

    They are read part by part, and stay where they are: `forget` overwrites rows in their files,
    and a request without a pass touches those that it names and no others.  The model goes on with
    these files, so they are its own from then on.  A copy or a pickle of it shares them: whichever
    changes them first goes on, and any other raises StaleShardError.

    Parameters
    ----------
    path : str or Path
        Of the directory.
    executor : Executor, optional
        What sums over parts of the rows at once: of concurrent.futures, loky, MPI, or
        ``dask.distributed.Client(...).get_executor()``; anything with an ordered ``map``.  Its
        processes must see the same path.  Paths travel, never rows.  By default what joblib's
        ``parallel_config`` says wherever a pass is made, else one thread here.
    timeout : float, optional
        How many seconds to wait for a next result of an executor that has ``submit``: with all its
        workers gone an engine may wait for ever.  None does so too.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    dtype : dtype
        float32 or float64; sums are float64 either way.

    Raises
    ------
    StateError
        If there are no rows there.

    Notes
    -----
    Sums are cut and added in the same way whoever makes them: the model is the same to the last
    bit.  In memory are, besides a few blocks of rows, of each row its class, whether it has been
    overwritten, and its weight where weights differ: two bytes, and one more where they are small
    whole numbers.  A target that is a number takes eight, ``row_ids`` and ``groups`` what Python
    takes for them.  Solvers that form no matrix hold some margins of every row besides.  What a
    pickle is opened with has no executor; ``Shards`` of one's own are given it again.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from certunlearn import CertifiedLogReg
    >>> from certunlearn.scale import Shards, write_shards
    >>> X = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32)
    >>> path = write_shards(tempfile.mkdtemp() + "/rows", X, X[:, 0] > 0)
    >>> model = CertifiedLogReg(random_state=0).fit(Shards(path)).forget([17, 42])
    >>> model.n_retained_, np.load(path / "features-00000.npy")[17].tolist()
    (4998, [0.0, 0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        path: str | Path,
        *,
        executor: Executor | None = None,
        timeout: float | None = TIMEOUT,
    ) -> None:
        super().__init__(Path(path))
        self.executor, self.timeout = executor, timeout

    def pieces(self) -> Iterator[tuple[AnyArray, AnyArray | None]]:
        """Yield features (m, d) and labels (m,), some rows at a time; erased rows as zeros.

        To predict or score on more rows than fit into memory.
        """
        step = max(LARGEST_BLOCK, PIECE // self.d)
        known = "labels" in self.columns
        for first in range(0, self.n, step):
            last = min(first + step, self.n)
            X = np.empty((last - first, self.d), dtype=self.dtype)
            self.read(first, last, X)
            yield X, self.column("labels", first, last) if known else None

    def __repr__(self) -> str:
        return f"Shards({str(self.path)!r}: {self.n} rows, {self.d} columns, {self.dtype})"

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "executor": None}


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
    X : array-like of shape (n, d), or iterable of such
        Finite numbers: float32 is written so, anything else as float64.  A DataFrame names the
        columns, and by its index the rows.  Given piece by piece, as by a generator, no more than
        a piece and a part are in memory.
    y, sample_weight, row_ids, groups : array-like of shape (n,), or iterables beside that of X
        As in ``fit``; numbers or texts.
    part : int, optional
        Rows of a file, a multiple of 1024; by default about half a gigabyte of them.

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
    ``y`` may have several columns.  Sparse rows are refused: what they hold fits into memory, or
    is hashed to fewer columns first.
    """
    path = Path(path)
    path.mkdir(parents=True)
    given = {"labels": y, "sample_weight": sample_weight, "row_ids": row_ids, "groups": groups}
    if hasattr(X, "shape") or isinstance(X, list):
        pieces = iter([_piece(X, given)])
    else:
        pieces = _pieces(X, given)
    first = next(pieces, None)
    if first is None or not len(first["features"]):
        raise ValueError("there are no rows to write")
    d, dtype = first["features"].shape[1], first["features"].dtype
    size = part or max(LARGEST_BLOCK, PART // d // LARGEST_BLOCK * LARGEST_BLOCK)
    if size % LARGEST_BLOCK:
        raise ValueError(f"part must be a multiple of {LARGEST_BLOCK}, got {size}")
    parts: list[tuple[int, int]] = []
    total = 0
    for number, rows in enumerate(_recut(first, pieces, size)):
        n = len(rows["features"])
        # The last part has room up to a whole block of rows, as every other one.
        room = -(-n // LARGEST_BLOCK) * LARGEST_BLOCK
        for name, values in rows.items():
            out = np.lib.format.open_memmap(
                path / f"{name}-{number:05}.npy",
                mode="w+",
                dtype=values.dtype,
                shape=(room, *values.shape[1:]),
            )
            out[:n] = values
            out.flush()
        parts.append((room, 0))
        total += n
    names = getattr(X, "columns", None)
    write_manifest(
        path,
        rows=total,
        columns=d,
        dtype=dtype,
        feature_names=None if names is None else tuple(map(str, names)),
        beside=tuple(name for name in COLUMNS if name in first),
        parts=parts,
    )
    return path


def _pieces(X: Iterable[MatrixLike], given: dict[str, object]) -> Iterator[Piece]:
    """Yield the pieces of iterables side by side."""
    beside = {name: iter(values) for name, values in given.items() if values is not None}  # type: ignore[call-overload]
    for rows in X:
        try:
            yield _piece(rows, {name: next(values) for name, values in beside.items()})
        except StopIteration:
            raise ValueError(f"there are fewer pieces of {', '.join(beside)} than of X") from None


def _piece(X: MatrixLike, given: dict[str, object]) -> Piece:
    """Check some rows and what lies beside them."""
    if issparse(X):
        raise AssumptionError("sparse rows are not written to shards: hash them to fewer columns")
    features = np.asarray(X)
    if features.dtype != np.float32:
        features = features.astype(np.float64)
    if features.ndim != 2:
        raise ValueError(f"X must be a table, got shape {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("X holds NaN or infinity: fill or drop these rows before they are written")
    out = {"features": features}
    if given.get("sample_weight") is None:
        # What is erased later weighs nothing.
        given = {**given, "sample_weight": np.ones(len(features))}
    for name, values in given.items():
        if values is None:
            continue
        array = np.asarray(values)
        if array.dtype == object:
            array = np.asarray(list(map(str, array.tolist())))
        if len(array) != len(features):
            raise ValueError(f"X has {len(features)} rows, {name} has {len(array)}")
        if array.dtype.kind not in "biufU":
            raise RowError(f"{name} must be numbers or texts, got {array.dtype}")
        out[name] = array
    return out


def _recut(first: Piece, pieces: Iterator[Piece], size: int) -> Iterator[Piece]:
    """Yield pieces of ``size`` rows each, but for the last."""
    held, known = [first], first
    count = len(first["features"])
    while True:
        while count >= size:
            whole = _joined(held)
            yield {name: values[:size] for name, values in whole.items()}
            held = [{name: values[size:] for name, values in whole.items()}]
            count -= size
        piece = next(pieces, None)
        if piece is None:
            break
        if piece.keys() != known.keys() or any(
            piece[name].shape[1:] != known[name].shape[1:] or piece[name].dtype != known[name].dtype
            for name in piece
        ):
            raise ValueError("the pieces differ in columns, dtypes or what lies beside the rows")
        held.append(piece)
        count += len(piece["features"])
    if count:
        yield _joined(held)


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
