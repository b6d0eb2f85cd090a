"""Files that last: flushed to the disk, and overwritten before they are taken away."""

from __future__ import annotations

import os
from pathlib import Path


def synced(path: Path) -> None:
    """Flush a file, or a directory with all that is in it, to the disk."""
    if path.is_dir():
        for inner in path.iterdir():
            synced(inner)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shredded(path: Path) -> None:
    """Overwrite a file in place with zeros, flush it, and take it away; again if need be.

    Assumes that the file system writes where the file was: a journal of data, snapshots, and the
    spare blocks of an SSD may keep what was there.
    """
    try:
        with path.open("r+b") as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 20)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
