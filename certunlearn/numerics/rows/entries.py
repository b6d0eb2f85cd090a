"""Sparse rows of a part in files: entries, their columns, and where each row's begin.

A row that goes takes its entries with it, and what follows closes up: a part is written anew, under
the name of its next generation, and the files of the last are overwritten before they are removed.
Whatever happens in between, the files of the generation that ``rows.json`` names are whole.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from .npy import Column, write

#: What there is of a part.
NAMES = ("data", "indices", "indptr")
#: Bytes that are overwritten at a time.
_PIECE = 1 << 22


class Entries:
    """The sparse features of all parts of a directory.

    Parameters
    ----------
    path : Path
        Of the directory.
    d : int
        Columns.
    """

    def __init__(self, path: Path, d: int) -> None:
        self.path, self.d = path, d

    def read(self, number: int, generation: int, rows: slice) -> csr_array:
        """Return consecutive rows of a part, as they are held."""
        data, indices, indptr = (Column(self._file(name, number, generation)) for name in NAMES)
        at = indptr.read(slice(rows.start, rows.stop + 1))
        here = slice(int(at[0]), int(at[-1]))
        parts = data.read(here), indices.read(here), at - at[0]
        return csr_array(parts, shape=(len(at) - 1, self.d))

    def write(self, number: int, generation: int, X: csr_array, room: int) -> None:
        """Write a part of canonical rows (m, d), followed by empty ones up to ``room``."""
        kind = np.int32 if self.d <= np.iinfo(np.int32).max else np.int64
        indptr = np.full(room + 1, X.nnz, dtype=np.int64)
        indptr[: X.shape[0] + 1] = X.indptr
        for name, values in zip(NAMES, (X.data, X.indices.astype(kind), indptr), strict=True):
            write(self._file(name, number, generation), values.dtype, values.shape, [values])

    def rewrite(
        self, number: int, generation: int, at: NDArray[np.int64], X: csr_array | None, room: int
    ) -> None:
        """Write the next generation of a part, with other rows (m, d), or empty ones, at places."""
        known = self.read(number, generation, slice(0, room))
        nothing = csr_array((len(at), self.d))
        new = (nothing if X is None else X).astype(known.dtype)
        order = np.arange(room)
        order[at] = room + np.arange(len(at))
        self.write(number, generation + 1, vstack([known, new], format="csr")[order], room)

    def settle(self, number: int, generation: int) -> None:
        """Overwrite and remove what there is of other generations of a part."""
        for name in NAMES:
            for file in self.path.glob(f"{name}-{number:05}.*.npy"):
                if file != self._file(name, number, generation):
                    _destroy(file)

    def _file(self, name: str, number: int, generation: int) -> Path:
        return self.path / f"{name}-{number:05}.{generation}.npy"


def _destroy(path: Path) -> None:
    """Overwrite a file with zeros, on the disk, and remove it."""
    with open(path, "r+b", buffering=0) as file:
        left = file.seek(0, os.SEEK_END)
        file.seek(0)
        while left > 0:
            left -= file.write(bytes(min(left, _PIECE)))
        os.fsync(file.fileno())
    path.unlink()
