"""Rows of .npy files, read and overwritten where they lie.

Not through memory maps: pages that are mapped count as memory of the process.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray
from ...exceptions import StateError

T = TypeVar("T")
#: How often a header is read that cannot be parsed.
_MOST_READ = 10


class Column:
    """The array of a file.

    Attributes
    ----------
    shape : tuple of int
        Rows first.
    dtype : dtype
        Of its numbers or texts.

    Raises
    ------
    StateError
        If it is not in C order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shape, fortran, self.dtype, self._offset = parsed(partial(_header, path))
        if fortran:
            raise StateError(f"{path} is not in C order")
        self._size = self.dtype.itemsize * math.prod(self.shape[1:])

    def read(self, rows: slice) -> AnyArray:
        """Return consecutive rows."""
        out = np.empty((rows.stop - rows.start, *self.shape[1:]), dtype=self.dtype)
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self._offset + rows.start * self._size)
            view = memoryview(out.reshape(-1).view(np.uint8).data)
            while view:
                count = os.readv(file.fileno(), [view])
                if not count:
                    raise StateError(f"{self.path} is shorter than it was written")
                view = view[count:]
        return out

    def overwrite(self, at: NDArray[np.int64], values: AnyArray | None) -> None:
        """Write values (m, ...), or zeros, over ascending rows; on the disk when it returns."""
        with open(self.path, "r+b", buffering=0) as file:
            for run in runs(at):
                if values is None:
                    data = bytes(self._size * (run.stop - run.start))
                else:
                    data = values[run].astype(self.dtype, order="C").tobytes()
                file.seek(self._offset + int(at[run.start]) * self._size)
                view = memoryview(data)
                while view:
                    view = view[os.write(file.fileno(), view) :]
            # Written through: whoever is told that a row has gone finds it on no disk.
            os.fsync(file.fileno())


def _header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """Return shape, whether in Fortran's order, type, and where the numbers begin."""
    with open(path, "rb") as opened:
        version = np.lib.format.read_magic(opened)
        reader = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            reader = np.lib.format.read_array_header_2_0
        return *reader(opened), opened.tell()


def mapped(path: str) -> AnyArray:
    """Return the array of a file, as a memory map that is only read."""
    out: AnyArray = parsed(partial(np.load, path, mmap_mode="r"))
    return out


def parsed(read: Callable[[], T]) -> T:
    """Return what a function reads from a header; again where other threads made it fail.

    NumPy has headers parsed as Python, and CPython 3.11 counts how deep all threads are in one
    number (python/cpython#106905).
    """
    for _ in range(_MOST_READ - 1):
        try:
            return read()
        except SystemError:
            pass
    return read()


def write(
    path: Path,
    kind: np.dtype[np.generic],
    shape: tuple[int, ...],
    parts: Iterable[AnyArray],
    *,
    synced: bool = True,
) -> None:
    """Write the file of an array that comes part by part; ``synced``, it is on the disk then."""
    with open(path, "wb") as file:
        descr = np.lib.format.dtype_to_descr(kind)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            np.ascontiguousarray(part, dtype=kind).tofile(file)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def runs(at: NDArray[np.int64]) -> Iterator[slice]:
    """Yield which of ascending numbers are consecutive."""
    ends = [0, *(np.flatnonzero(np.diff(at) != 1) + 1).tolist(), len(at)]
    for first, last in itertools.pairwise(ends):
        if first < last:
            yield slice(first, last)
