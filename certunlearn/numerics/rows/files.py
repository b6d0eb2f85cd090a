"""Rows in files: a directory of arrays that are read in parts and overwritten in place.

``rows.json`` lists the parts; of part k ``features-k.npy`` holds rows (m, d) of one kind of float,
and ``labels-k.npy``, ``sample_weight-k.npy``, ``row_ids-k.npy``, ``groups-k.npy`` a value a row,
where there are any.  Every part but the last holds a multiple of 1024 rows, so that no block of
rows lies in two.  Erasing a row, or putting one in, gives its part another generation: whoever has
opened the directory before does not read it on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray
from ...exceptions import StaleShardError, StateError
from .blocks import LARGEST_BLOCK

FORMAT, VERSION = "certunlearn rows", 1
MANIFEST = "rows.json"
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


class _Header(NamedTuple):
    """Where the numbers of a .npy file begin, and what they are."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


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
    grown : bool
        Whether a model has put rows in: what their labels were is known to it alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._headers: dict[str, _Header] = {}
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
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n, self.d

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
    def generations(self) -> tuple[int, ...]:
        """That of each part, as they were when the directory was opened or last changed here."""
        return tuple(part.generation for part in self.parts)

    def check(self, generations: tuple[int, ...] | None = None) -> None:
        """Refuse to go on where the rows have been changed by somebody else.

        Raises
        ------
        StaleShardError
            If a part is of another generation than these, by default one's own.
        """
        parts = self._manifest()["parts"]
        assert isinstance(parts, list)
        there = tuple(int(generation) for _, generation in parts)
        if there != (self.generations if generations is None else generations):
            raise StaleShardError(
                f"the rows in {self.path} have been changed since this model read them: another "
                "model, or a copy of this one, has forgotten or learnt rows there. Go on with that "
                "one, or fit anew"
            )

    def column(self, name: str) -> AnyArray:
        """Return a value a row, shape (n, ...), a copy."""
        parts = [np.load(self.path / part.file(name)) for part in self.parts]
        return np.concatenate(parts)[: self.n] if len(parts) != 1 else parts[0][: self.n]

    def read(self, first: int, last: int, out: NDArray[np.floating]) -> None:
        """Read the rows from one number to another into ``out`` (last - first, d or more)."""
        for part, here, there in self._pieces(first, last):
            header = self._header(part.file("features"))
            flat = np.empty((here.stop - here.start, self.d), dtype=self.dtype)
            with open(self.path / part.file("features"), "rb", buffering=0) as file:
                file.seek(header.offset + here.start * self.d * self.dtype.itemsize)
                _filled(file.fileno(), memoryview(flat.reshape(-1).view(np.uint8).data))
            out[there, : self.d] = flat

    def take(self, positions: NDArray[np.int64]) -> AnyArray:
        """Return rows (m, d) by number, each run of consecutive ones read at once."""
        out = np.empty((len(positions), self.d), dtype=self.dtype)
        order = np.argsort(positions, kind="stable")
        ends = np.flatnonzero(np.diff(positions[order]) != 1) + 1
        for run in np.split(order, ends):
            if len(run):
                first = int(positions[run[0]])
                rows = np.empty((len(run), self.d), dtype=self.dtype)
                self.read(first, first + len(run), rows)
                out[run] = rows
        return out

    def erase(self, positions: NDArray[np.int64]) -> None:
        """Overwrite rows and all beside them with zeros, on the disk when it returns."""
        # First the generation: should the process end in between, nobody reads half of it.
        touched = [part for part, _ in self._by_part(positions)]
        self._next_generation(touched)
        for part, at in self._by_part(positions):
            for name in ("features", *self.columns):
                self._overwrite(part, name, at, 0)

    def write(self, positions: NDArray[np.int64], X: AnyArray) -> None:
        """Put rows (m, d) at places that there are."""
        places = self._by_part(positions)
        self._next_generation([part for part, _ in places])
        for part, at in places:
            order = np.searchsorted(positions, at + part.first)
            self._overwrite(part, "features", at, X[order])

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
            for name in ("features", *self.columns):
                like = self._header(self.parts[0].file(name))
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

    def _overwrite(
        self, part: Part, name: str, at: NDArray[np.int64], values: AnyArray | int
    ) -> None:
        array = np.lib.format.open_memmap(self.path / part.file(name), mode="r+")
        array[at] = np.zeros((), array.dtype) if isinstance(values, int) else values
        # Written through: whoever is told that a row has gone finds it on no disk.
        array.flush()

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

    def _header(self, file: str) -> _Header:
        if file not in self._headers:
            with open(self.path / file, "rb") as opened:
                version = np.lib.format.read_magic(opened)
                reader = np.lib.format.read_array_header_1_0
                if version != (1, 0):
                    reader = np.lib.format.read_array_header_2_0
                shape, fortran, dtype = reader(opened)
                if fortran:
                    raise StateError(f"{self.path / file} is not in C order")
                self._headers[file] = _Header(opened.tell(), shape, dtype)
        return self._headers[file]

    def __getstate__(self) -> dict[str, object]:
        # The directory as it is now known: one that is found changed later is refused.
        return {**vars(self), "_headers": {}, "path": str(self.path)}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.path = Path(str(state["path"]))


def _filled(file: int, view: memoryview) -> None:
    """Read as many bytes as there is room for."""
    while view:
        count = os.readv(file, [view])
        if not count:
            raise StateError("a file of rows is shorter than it was written")
        view = view[count:]


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
        }
    )
    new = path / f"{MANIFEST}.new"
    with open(new, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path / MANIFEST)
