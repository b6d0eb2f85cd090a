"""Rows in files: a directory of arrays that are read in parts and overwritten in place.

``rows.json`` lists the parts; of part k ``features-k.npy`` holds rows (m, d) of one kind of float,
or `Entries` sparse ones, and ``labels-k.npy``, ``sample_weight-k.npy``, ``row_ids-k.npy``,
``groups-k.npy`` a value a row, where there are any.  Erasing a row, or putting one in, gives its
part another generation: whoever has opened the directory before does not read it on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ..._common.arrays import AnyArray, MatrixLike
from ...exceptions import StaleShardError, StateError
from .blocks import LARGEST_BLOCK
from .entries import Entries
from .executors import Executor
from .narrow import narrowed
from .npy import Column, runs

FORMAT, VERSION = "certunlearn rows", 1
MANIFEST = "rows.json"
#: Longest wait for the next result of an executor, in seconds.
TIMEOUT = 600.0
#: Rows whose values are read at a time.
SOME = 1 << 20
#: A value a row, beside its features.
COLUMNS = ("labels", "sample_weight", "row_ids", "groups")


@dataclass(frozen=True)
class Part:
    """One file of features, and those beside it.

    Attributes
    ----------
    number : int
        In their names.
    first, rows : int
        Number of its first row among all, and how many it holds or has room for.
    generation : int
        How often rows of it have been erased or put in.
    """

    number: int
    first: int
    rows: int
    generation: int

    def file(self, column: str) -> str:
        """Name of the file of a column."""
        return f"{column}-{self.number:05}.npy"


class RowFiles:
    """The rows of a directory.

    Parameters
    ----------
    path : Path
        Of the directory.

    Attributes
    ----------
    n, d : int
        Rows and columns.
    dtype : dtype
        Of the features: float32 or float64.
    feature_names : tuple of str or None
        Names of the columns.
    columns : tuple of str
        What there is beside the features.
    sparse : bool
        Whether the rows are mostly zeros, and held so.
    entries : int
        Of sparse rows, as they were written first.
    grown : bool
        Whether a model has put rows in: what their labels were is known to it alone.
    executor : Executor or None
        What sums over parts of them at once.
    timeout : float or None
        Longest wait for its next result, in seconds.
    """

    executor: Executor | None = None
    timeout: float | None = TIMEOUT

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._columns: dict[str, Column] = {}
        self._taken(self._manifest())

    def _manifest(self) -> dict[str, object]:
        try:
            known = json.loads((self.path / MANIFEST).read_text())
        except (OSError, ValueError) as error:
            raise StateError(f"{self.path} is no directory of rows: {error}") from None
        if known.get("format") != FORMAT or known.get("version") != VERSION:
            raise StateError(f"{self.path} is no directory of rows of version {VERSION}")
        return dict(known)

    def _taken(self, known: Mapping[str, object]) -> None:
        self.n, self.d = int(str(known["rows"])), int(str(known["columns"]))
        self.dtype = np.dtype(str(known["dtype"]))
        names, beside, parts = known["feature_names"], known["beside"], known["parts"]
        assert isinstance(beside, list) and isinstance(parts, list)
        self.feature_names = tuple(map(str, names)) if isinstance(names, list) else None
        entries = known.get("entries")
        self.sparse, self.entries = entries is not None, int(str(entries or 0))
        self._sparse = Entries(self.path, self.d)
        self.columns: tuple[str, ...] = tuple(map(str, beside))
        self.grown, self.parts, first = bool(known["grown"]), [], 0
        for number, (rows, generation) in enumerate(parts):
            self.parts.append(Part(number, first, int(rows), int(generation)))
            first += int(rows)

    def _write_manifest(self) -> None:
        write_manifest(
            self.path,
            rows=self.n,
            columns=self.d,
            dtype=self.dtype,
            feature_names=self.feature_names,
            beside=self.columns,
            parts=[(part.rows, part.generation) for part in self.parts],
            grown=self.grown,
            entries=self.entries if self.sparse else None,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n, self.d

    def __len__(self) -> int:
        return self.n

    @property
    def not_written(self) -> str:
        """Why a fitted state does not hold them."""
        return f"rows that stay in files, here in {self.path}, are not part of a state"

    def __array__(self, dtype: object = None, copy: object = None) -> AnyArray:
        """Refuse: there would be no need of files."""
        raise TypeError(
            f"{self.path} holds rows in files: give them to fit of an estimator with coefficients "
            "and an intercept, and arrays to everything else; pieces() reads some at a time"
        )

    @property
    def mark(self) -> str:
        """Of the rows as they were when the directory was opened or last changed here."""
        return _mark([(part.rows, part.generation) for part in self.parts])

    def check(self, mark: str | None = None) -> None:
        """Refuse to go on where the rows have been changed by somebody else.

        Raises
        ------
        StaleShardError
            If they are not as a ``mark`` says, by default one's own.
        """
        parts = self._manifest()["parts"]
        assert isinstance(parts, list)
        if _mark(parts) != (self.mark if mark is None else mark):
            raise StaleShardError(
                f"the rows in {self.path} have been changed since this model read them: another "
                "model, or a copy of this one, has forgotten or learnt rows there. Go on with that "
                "one, or fit anew"
            )

    def column(self, name: str, first: int = 0, last: int | None = None) -> AnyArray:
        """Return a value of each row from one number to another, shape (m, ...), a copy."""
        last = self.n if last is None else last
        pieces = list(self._pieces(first, last))
        files = [self._column(part.file(name)) for part, *_ in pieces]
        like = self._column(self.parts[0].file(name))
        # Texts of one part may be longer than those of another.
        kind = np.result_type(like.dtype, *(column.dtype for column in files))
        out = np.empty((last - first, *like.shape[1:]), dtype=kind)
        for column, (_, here, there) in zip(files, pieces, strict=True):
            out[there] = column.read(here)
        return out

    def column_parts(self, name: str) -> Iterator[AnyArray]:
        """Yield what `column` returns, some rows at a time."""
        for first in range(0, self.n, SOME):
            yield self.column(name, first, min(first + SOME, self.n))

    def weights(self) -> AnyArray:
        """Return the weight of each row (n,), held as narrowly as is exact; not to be written to.

        Where all are alike they are one number in memory.

        Raises
        ------
        ValueError
            If one is negative or not finite.
        """
        for part in self.column_parts("sample_weight"):
            if not (np.isfinite(part).all() and (part >= 0).all()):
                raise ValueError(f"{self.path} holds a sample_weight that is no number >= 0")
        return narrowed(lambda: self.column_parts("sample_weight"))

    def read(self, first: int, last: int, out: NDArray[np.floating]) -> None:
        """Read the rows from one number to another into ``out`` (last - first, d or more)."""
        for part, here, there in self._pieces(first, last):
            out[there, : self.d] = self._column(part.file("features")).read(here)

    def take(self, positions: NDArray[np.int64]) -> AnyArray:
        """Return rows (m, d) by number, each run of consecutive ones read at once."""
        out = np.empty((len(positions), self.d), dtype=self.dtype)
        order = np.argsort(positions, kind="stable")
        for run in runs(positions[order]):
            first = int(positions[order[run.start]])
            rows = np.empty((run.stop - run.start, self.d), dtype=self.dtype)
            self.read(first, first + len(rows), rows)
            out[order[run]] = rows
        return out

    def sparse_rows(self, rows: slice) -> csr_array:
        """Return consecutive sparse rows (m, d), float64."""
        pieces = self._pieces(rows.start, rows.stop)
        found = [self._sparse.read(part.number, part.generation, here) for part, here, _ in pieces]
        # Of no rows nothing is read.
        found = found or [csr_array((0, self.d))]
        out = found[0] if len(found) == 1 else vstack(found, format="csr")
        return out.astype(np.float64)

    def take_sparse(self, positions: NDArray[np.int64]) -> csr_array:
        """Return sparse rows (m, d) by number, those between them in a part read as well."""
        found = []
        for part, at in self._by_part(positions):
            first, last = int(at[0]), int(at[-1]) + 1
            some = self._sparse.read(part.number, part.generation, slice(first, last))
            found.append(some[at - first])
        if not found:
            return csr_array((0, self.d))
        back = np.argsort(np.argsort(positions, kind="stable"), kind="stable")
        return vstack(found, format="csr").astype(np.float64)[back]

    def erase(self, positions: NDArray[np.int64]) -> None:
        """Overwrite rows and all beside them with zeros, on the disk when it returns."""
        self._replace(positions, None)
        for part, at in self._by_part(positions):
            for name in self.columns:
                self._column(part.file(name)).overwrite(at, None)

    def write(self, positions: NDArray[np.int64], X: MatrixLike) -> None:
        """Put rows (m, d), dense or canonical CSR as the others, at ascending places there are."""
        self._replace(positions, X)

    def _replace(self, positions: NDArray[np.int64], X: MatrixLike | None) -> None:
        """Put rows, or zeros, in the place of others."""
        places = self._by_part(positions)
        new = []
        for part, at in places:
            new.append(None if X is None else X[np.searchsorted(positions, at + part.first)])
            if self.sparse:
                known = part.number, part.generation
                self._sparse.rewrite(*known, at, new[-1], part.rows)
        # The generation before anything is overwritten: should the process end in between, nobody
        # reads half of it.
        self._next_generation([part for part, _ in places])
        for (part, at), rows in zip(places, new, strict=True):
            if self.sparse:
                self._sparse.settle(part.number, part.generation + 1)
            else:
                self._column(part.file("features")).overwrite(at, rows)

    def extend(self, more: int) -> None:
        """Make room for further rows behind all there are; a part of its own where there is none.

        What is beside them is zero: they have no labels here, and no weight.
        """
        self.grown = True
        room = sum(part.rows for part in self.parts) - self.n
        if more > room:
            rows = -(-max(more - room, self.n // 8) // LARGEST_BLOCK) * LARGEST_BLOCK
            first = self.parts[-1].first + self.parts[-1].rows
            part = Part(len(self.parts), first, rows, 0)
            if self.sparse:
                nothing = csr_array((0, self.d), dtype=self.dtype)
                self._sparse.write(part.number, 0, nothing, rows)
            for name in self.columns if self.sparse else ("features", *self.columns):
                like = self._column(self.parts[0].file(name))
                file = self.path / part.file(name)
                shape = rows, *like.shape[1:]
                made = np.lib.format.open_memmap(file, mode="w+", dtype=like.dtype, shape=shape)
                made.flush()
            self.parts.append(part)
        self.n += more
        self._write_manifest()

    def shorten(self, count: int) -> None:
        """Erase and drop the last rows."""
        self.erase(np.arange(self.n - count, self.n))
        self.n -= count
        self._write_manifest()

    def _next_generation(self, parts: list[Part]) -> None:
        for part in parts:
            self.parts[part.number] = replace(part, generation=part.generation + 1)
        self._write_manifest()

    def _pieces(self, first: int, last: int) -> Iterator[tuple[Part, slice, slice]]:
        """Yield the parts that rows lie in, where in the part, and where among the rows."""
        for part in self.parts:
            a, b = max(first, part.first), min(last, part.first + part.rows)
            if a < b:
                yield part, slice(a - part.first, b - part.first), slice(a - first, b - first)

    def _by_part(self, positions: NDArray[np.int64]) -> list[tuple[Part, NDArray[np.int64]]]:
        """Return the parts that rows lie in, and their numbers there, ascending."""
        positions, out = np.sort(positions), []
        for part in self.parts:
            a, b = np.searchsorted(positions, [part.first, part.first + part.rows])
            if a < b:
                out.append((part, positions[a:b] - part.first))
        return out

    def _column(self, file: str) -> Column:
        if file not in self._columns:
            self._columns[file] = Column(self.path / file)
        return self._columns[file]

    def __getstate__(self) -> dict[str, object]:
        # The directory as it is now known: one that is found changed later is refused.
        return {**vars(self), "_columns": {}, "_sparse": None, "path": str(self.path)}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.path = Path(str(state["path"]))
        self._sparse = Entries(self.path, self.d)


def _mark(parts: Sequence[Sequence[int]]) -> str:
    """Return a short text that other rows or generations of the parts do not have."""
    text = json.dumps([list(map(int, part)) for part in parts])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def write_manifest(
    path: Path,
    *,
    rows: int,
    columns: int,
    dtype: np.dtype[np.generic],
    feature_names: tuple[str, ...] | None,
    beside: tuple[str, ...],
    parts: list[tuple[int, int]],
    grown: bool = False,
    entries: int | None = None,
) -> None:
    """Write what a directory of rows holds, whole or not at all."""
    text = json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "rows": rows,
            "columns": columns,
            "dtype": dtype.str,
            "feature_names": None if feature_names is None else list(feature_names),
            "beside": list(beside),
            "parts": [list(part) for part in parts],
            "grown": grown,
            "entries": entries,
        }
    )
    new = path / f"{MANIFEST}.new"
    with open(new, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path / MANIFEST)
