"""Arrays in files that are written once: a new state shares with the old one what has not changed.

An array is cut along its first axis into parts of about eight megabytes, a ``.npy`` file each, so
that row i lies in a part that can be told and memory-mapped.  A state is a manifest that names its
parts with their SHA-256; small arrays lie together in a safetensors file.  Nothing that a manifest
names is ever changed: a row that goes is in no part of the new state, and once that is the state
there is, the part that held it is overwritten in place and taken away by `sweep`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np

from .._common.arrays import AnyArray
from .._common.plain import Arrays, Json
from ..exceptions import StoreDamagedError
from .files import digest, shredded, synced
from .keys import needed

#: Bytes of a part, and of an array that is not worth files of its own.
PART, SMALL = 8 << 20, 64 << 10


class File(TypedDict):
    """A file of a state, by its name, and the SHA-256 of what it holds."""

    file: str
    sha256: str


class Parts(TypedDict):
    """An array in files of ``each`` rows."""

    dtype: str
    shape: list[int]
    each: int
    parts: list[File]


class Manifest(TypedDict):
    """What a state consists of."""

    arrays: dict[str, Parts]
    small: File
    values: dict[str, dict[str, Json]]


class Shards:
    """The directory of the files of a state.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(
        self,
        arrays: Arrays,
        values: dict[str, dict[str, Json]],
        before: Manifest | None = None,
    ) -> str:
        """Write a state and flush it; return what names it: a file and its SHA-256.

        Parameters
        ----------
        arrays : dict of ndarray
        values : dict
            What else there is, as JSON takes it.
        before : dict, optional
            Manifest of the state whose parts may be shared.
        """
        earlier: dict[str, Parts] = {} if before is None else before["arrays"]
        large = {name: a for name, a in arrays.items() if a.nbytes > SMALL and a.ndim}
        few = {name: np.ascontiguousarray(a) for name, a in arrays.items() if name not in large}
        save = needed("safetensors.numpy").save
        manifest: Manifest = {
            "arrays": {k: self._cut(a, earlier.get(k)) for k, a in large.items()},
            "small": self._kept(save(few), "safetensors"),
            "values": values,
        }
        text = json.dumps(manifest, allow_nan=False).encode()
        kept = self._kept(text, "json")
        # Every file is flushed as it is written; their names are with this. The ledger names the
        # state afterwards.
        synced(self.folder, deep=False)
        return f"{kept['file']} {kept['sha256']}"

    def manifest(self, state: str) -> Manifest:
        """Return the manifest of a state by its name, reading no rows.

        Raises
        ------
        StoreDamagedError
            If it is not as it was written.
        """
        file, sha256 = state.split()
        out: Manifest = json.loads(self._checked({"file": file, "sha256": sha256}))
        return out

    def arrays(self, manifest: Manifest, names: Callable[[str], bool] | None = None) -> Arrays:
        """Return the arrays of a state, all or some of them by name, in memory.

        Raises
        ------
        StoreDamagedError
            If a file is not as it was written.
        """
        few = needed("safetensors.numpy").load(self._checked(manifest["small"]))
        out = {k: a for k, a in few.items() if names is None or names(k)}
        for name, said in manifest["arrays"].items():
            if names is None or names(name):
                whole = np.empty(said["shape"], dtype=said["dtype"])
                for first, part in self._parts(said):
                    # A copy: what a file held may be overwritten while somebody still looks at it.
                    whole[first : first + len(part)] = part
                out[name] = whole
        return out

    def sweep(self, state: str) -> int:
        """Overwrite and take away every file that a state does not name; return how many."""
        manifest = self.manifest(state)
        named = {state.split()[0], manifest["small"]["file"]}
        named |= {p["file"] for a in manifest["arrays"].values() for p in a["parts"]}
        stale = [path for path in self.folder.iterdir() if path.name not in named]
        for path in stale:
            shredded(path)
        if stale:
            synced(self.folder, deep=False)
        return len(stale)

    def _cut(self, array: AnyArray, earlier: Parts | None) -> Parts:
        """Write the parts of an array that are not there already."""
        each = max(1, PART // (array[:1].nbytes or 1))
        known: list[File] = []
        if earlier is not None and (
            earlier["dtype"] == array.dtype.str
            and earlier["shape"][1:] == list(array.shape[1:])
            and earlier["each"] == each
        ):
            known = earlier["parts"]
        parts = []
        for i, first in enumerate(range(0, len(array), each)):
            part = np.ascontiguousarray(array[first : first + each])
            # Compared bit for bit, not by digest: sharing a part is a promise that it has not
            # changed.
            shared = i < len(known) and self._holds(known[i], part)
            parts.append(known[i] if shared else self._part(part))
        shape = list(array.shape)
        return {"dtype": array.dtype.str, "shape": shape, "each": each, "parts": parts}

    def _holds(self, said: File, part: AnyArray) -> bool:
        """Whether a file holds a part, bit for bit."""
        try:
            old = np.load(self.folder / said["file"], mmap_mode="r")
        except (OSError, ValueError):
            return False
        # A last part may have grown.
        if old.shape != part.shape:
            return False
        same: bool = np.array_equal(old.view(np.uint8), part.view(np.uint8))
        return same

    def _part(self, part: AnyArray) -> File:
        out = io.BytesIO()
        np.save(out, part, allow_pickle=False)
        return self._kept(out.getvalue(), "npy")

    def _kept(self, data: bytes, ending: str) -> File:
        """Write a file that was not there, and flush it."""
        # No name that tells the content: it would let a guess at a row be tested.
        path = self.folder / f"{os.urandom(12).hex()}.{ending}"
        # Never an existing file: what an earlier state names is not written to.
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return {"file": path.name, "sha256": hashlib.sha256(data).hexdigest()}

    def _parts(self, said: Parts) -> Iterator[tuple[int, AnyArray]]:
        first = 0
        for part in said["parts"]:
            path = self.folder / part["file"]
            self._compare(path, part["sha256"])
            array = np.load(path, mmap_mode="r")
            yield first, array
            first += len(array)

    def _checked(self, said: File) -> bytes:
        path: Path = self.folder / said["file"]
        try:
            data: bytes = path.read_bytes()
        except OSError as error:
            raise StoreDamagedError(
                f"{path} cannot be read ({error.strerror}): restore the store from a backup"
            ) from error
        if hashlib.sha256(data).hexdigest() != said["sha256"]:
            raise _changed(path)
        return data

    def _compare(self, path: Path, said: str) -> None:
        try:
            found = digest(path)
        except OSError as error:
            raise StoreDamagedError(
                f"{path} cannot be read ({error.strerror}): restore the store from a backup"
            ) from error
        if found != said:
            raise _changed(path)


def _changed(path: Path) -> StoreDamagedError:
    return StoreDamagedError(
        f"{path} is not as it was written: somebody has changed it, or the disk has; restore the "
        "store from a backup"
    )
