"""What a directory says that it is, and errors of the system that say what to do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from ..exceptions import StoreDamagedError, StoreError
from .files import synced
from .migrations import VERSION, newer

FORMAT, MARK = "certunlearn store", "store.json"


def mark(path: Path) -> None:
    """Write what a directory is."""
    # Replaced as a whole: half of it would be a directory of nothing.
    draft = path / f"{MARK}.new"
    draft.write_text(json.dumps({"format": FORMAT, "schema": VERSION}))
    synced(draft)
    draft.replace(path / MARK)
    synced(path, deep=False)


def marked(path: Path) -> int:
    """Return the schema that a directory says that it has."""
    try:
        said = json.loads((path / MARK).read_text())
        if said["format"] != FORMAT:
            raise ValueError
        schema = int(said["schema"])
    except OSError as error:
        raise StoreError(f"no model at {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        raise StoreDamagedError(f"{path / MARK} is not as it was written") from None
    newer(schema)
    return schema


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system raises into errors that say what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}. What was committed before is "
            "kept: make room or give the right to write, then try again"
        ) from error
