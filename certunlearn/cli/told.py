"""How a command answers: for people or as JSON, and by its exit status."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime

from ..exceptions import (
    CertunlearnError,
    ConfirmationNeededError,
    RowError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    VerificationError,
)
from ..requests.deadline import day

#: An answer as JSON takes it, and as text.
Said = tuple[object, str]
#: Exit statuses; argparse ends with 2 where a command is misspelt.
DONE, MISTAKEN, REFUSED, UNCONFIRMED, BUSY, DAMAGED, UNVERIFIED = 0, 1, 3, 4, 5, 6, 7
#: What else a mistake in what was typed raises.
_USUAL = OSError, ValueError, TypeError, KeyError
#: What of a request or an export is a time.
_TIMES = {"asked", "due", "done", "made", "withdrawn"}
#: The first that fits counts.
_STATUSES = (
    (VerificationError, UNVERIFIED),
    (StoreLockedError, BUSY),
    (StoreDamagedError, DAMAGED),
    (ConfirmationNeededError, UNCONFIRMED),
    ((StoreError, RowError), MISTAKEN),
    (CertunlearnError, REFUSED),
    (_USUAL, MISTAKEN),
)
STATUSES_SAID = (
    "exit status: 0 done, 1 a mistake in what was asked or a file that cannot be used, 2 usage, "
    "3 refused: it cannot be certified, 4 needs --confirm, 5 somebody else is writing, 6 a file is "
    "damaged, 7 verification failed"
)


def carried_out(name: str, action: Callable[[], Said | None], as_json: bool) -> int:
    """Run a command; what a user can get wrong is one line on standard error, and a status."""
    try:
        answer = action()
    except (CertunlearnError, *_USUAL) as error:
        # From the special to the general: most of these are subclasses of others.
        status = next(s for kinds, s in _STATUSES if isinstance(error, kinds))
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        if isinstance(error, ConfirmationNeededError):
            reasons = "; ".join(error.reasons)
            said = f"{reasons}. Nothing was removed: if that is meant, add --confirm"
        if as_json:
            print(json.dumps({"error": str(said), "status": status}))
        print(f"certunlearn {name}: {said}", file=sys.stderr)
        return status
    if answer is not None:
        values, text = answer
        try:
            print(json.dumps(values, allow_nan=False, default=str) if as_json else text, flush=True)
        except BrokenPipeError:
            # Whoever reads has seen enough; nor shall Python try again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


def cell(name: str, value: object, none: str = "-") -> str:
    """Write a value of a status: times to the minute, everything else as it is."""
    if value is None:
        return none
    return day(datetime.fromisoformat(str(value))) if name in _TIMES else str(value)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows in columns: set by rich where it is installed and somebody looks."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
        except ModuleNotFoundError:
            pass
        else:
            set_ = Table(*head, box=None)
            for row in rows:
                set_.add_row(*row)
            console = Console()
            with console.capture() as capture:
                console.print(set_)
            return capture.get().rstrip("\n")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in (head, *rows)
    ]
    return "\n".join(lines)
