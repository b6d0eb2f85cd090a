"""Files that last, are overwritten before they are taken away, and have one writer at a time."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..exceptions import StoreError, StoreLockedError

try:
    import fcntl
except ModuleNotFoundError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]

#: File systems on which a lock or a flush may mean nothing to another machine.
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre"}


def synced(path: Path, *, deep: bool = True) -> None:
    """Flush a file, or a directory with all that is in it, to the disk."""
    if deep and path.is_dir():
        for inner in path.iterdir():
            synced(inner)
    # A file that is flushed may still be missing from its directory after a crash: the directory is
    # flushed as well, last.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shredded(path: Path) -> None:
    """Overwrite a file in place with zeros, flush it, and take it away; directories as a whole.

    Assumes that the file system writes where the file was: a journal of data, snapshots, and the
    spare blocks of an SSD may keep what was there.
    """
    if path.is_dir() and not path.is_symlink():
        for inner in path.iterdir():
            shredded(inner)
        path.rmdir()
        return
    try:
        with path.open("r+b") as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0:
                # Zeros over the old blocks, a megabyte at a time, and flushed before the name goes.
                left -= file.write(bytes(min(left, 1 << 20)))
            file.flush()
            os.fsync(file.fileno())
        # Only now: a crash before leaves a file of zeros, which the next sweep takes away.
        path.unlink()
    except FileNotFoundError:
        return


def local(path: Path, mounts: str | None = None) -> None:
    """Refuse a directory on a file system of the network, as far as it can be told.

    Raises
    ------
    StoreError
        If ``/proc/mounts``, or the text ``mounts`` of that form, says that it is one.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text()
        except OSError:
            return
    here, kind, longest = path.absolute(), "", -1
    for line in mounts.splitlines():
        # Spaces are written as \040.
        _, point, found, *_ = (*line.encode().decode("unicode_escape").split(" "), "", "", "")
        if point and here.is_relative_to(point) and len(point) >= longest:
            kind, longest = found, len(point)
    if kind in _NETWORK or kind.startswith("fuse.ssh"):
        raise StoreError(
            f"{path} is on a network file system ({kind}), which does not promise that a flush "
            "lasts and a lock holds: put the store on a local disk"
        )


@contextlib.contextmanager
def one_writer(path: Path) -> Iterator[str | None]:
    """Hold the lock of a directory; gives the last owner where one has not let go in good order.

    The system lets go of a lock when its process ends, however it ends.

    Raises
    ------
    StoreLockedError
        If somebody else holds it: who, where, and since when.
    """
    file = path.open("a+", encoding="utf-8")
    try:
        if fcntl is not None:
            try:
                # The lock is the system's, not the file's content: a process that dies holds none.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise StoreLockedError(
                    f"{path.parent} is being written by {_said(file.read())}: wait for them, or "
                    "open it with mode='r'"
                ) from None
        file.seek(0)
        # What is still there was written by a process that did not come to its end.
        left = file.read()
        mine = {
            "owner": _user(),
            "host": platform.node(),
            "pid": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        file.truncate(0)
        file.write(json.dumps(mine))
        file.flush()
        yield _said(left) if left else None
        # Empty says that whoever held it has let go in good order.
        file.truncate(0)
        file.flush()
    finally:
        file.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        return f"user {os.getuid()}"


def _said(text: str) -> str:
    try:
        values = json.loads(text)
        return f"{values['owner']} on {values['host']}, process {values['pid']}, {values['since']}"
    except (ValueError, KeyError, TypeError):
        return "somebody"
