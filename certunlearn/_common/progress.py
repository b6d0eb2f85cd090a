"""Showing how long work gets on: a callback, a line that changes (rich), or plain lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Callback = Callable[[int, float], object]


@contextmanager
def shown(
    progress: bool | Callback | None, verbose: int, line: Callable[[int, float], str] | None = None
) -> Iterator[Callback | None]:
    """Yield what the solver is to call after every Newton step with its number and decrement.

    Parameters
    ----------
    progress : bool or callable
        A callable is called itself; True shows a line that changes, on standard error, where rich
        is installed, and nothing otherwise.
    verbose : int
        Without ``progress``: a line a step on standard error if positive.
    line : callable, optional
        What to show of the two numbers, where they are not those of a Newton step.

    Raises
    ------
    TypeError
        If ``progress`` is something else.
    """
    if not (callable(progress) or progress is None or isinstance(progress, bool)):
        raise TypeError(f"progress must be True, False or a callable, got {progress!r}")
    line = _line if line is None else line
    if callable(progress):
        yield progress
    elif progress:
        with _status(line) as update:
            yield update
    elif verbose:
        yield lambda step, size: print(line(step, size), file=sys.stderr)
    else:
        yield None


def _line(step: int, size: float) -> str:
    return f"Newton step {step}: decrement {size:.3g}"


@contextmanager
def _status(line: Callable[[int, float], str]) -> Iterator[Callback | None]:
    try:
        from rich.console import Console
    except ImportError:
        yield None
        return
    # On standard error: what a program prints stays what it was.
    with Console(stderr=True).status("reading rows") as status:
        yield lambda step, size: status.update(line(step, size))
