"""Signals and forks that wait: what must not be torn is carried out as if it were one instruction.

Python runs a signal's handler in the main thread between any two instructions, inside ``finally``
and ``__exit__`` as well, and Ctrl-C's handler raises there.  Inside `deferred` no handler runs: a
signal waits for `checkpoint`, which stands where rows are about to be read and nothing is half
done, or for the end of the block.  Inside `steady` no other thread can fork the process either.

Guarantee: once ``with deferred():`` has been entered, the block ends by an exception of its own,
by one raised at a `checkpoint` in it, or by reaching its end; an exception of a signal's handler
comes at a `checkpoint` or after the block.  Handlers are then those that were found, unless the
block has set others.  Assumes: exceptions reach a thread by signals alone, not by
``PyThreadState_SetAsyncExc``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, ModuleType

_SIGNALS = tuple(int(number) for number in signal.valid_signals())
# Without the conversion to enumerations, which takes ten times as long as all the rest.
_plain: ModuleType = sys.modules.get("_signal", signal)
_handler_of, _set = _plain.getsignal, _plain.signal
_depth = 0
_owner = 0
_handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
_came: dict[int, FrameType | None] = {}
_steady = threading.RLock()


def _later(number: int, frame: FrameType | None) -> object:
    """Stand in for a handler: note the signal inside a block, hand it on outside."""
    if _depth:
        # The last frame of each signal: what came twice is handled once, as by the system.
        _came[number] = frame
        return None
    return _handlers[number](number, frame)


def _install() -> None:
    """Put `_later` in the place of every handler; until all are, it hands on at once."""
    for number in _SIGNALS:
        handler = _handler_of(number)
        # One that an interrupted `_remove` has left behind already knows what it stands for.
        if callable(handler) and handler is not _later:
            _handlers[number] = handler
            _set(number, _later)


def _remove() -> None:
    """Put every handler back: one that runs meanwhile and raises does not leave out the others."""
    try:
        for number, handler in _handlers.items():
            if _handler_of(number) is _later:
                _set(number, handler)
    except BaseException:
        _remove()
        raise


def _deliver() -> None:
    """Call the handlers of signals that came, every one of them even if one raises."""
    if _came:
        # Taken off first: a handler that raises must not be called again.
        number, frame = _came.popitem()
        try:
            _handlers[number](number, frame)
        finally:
            _deliver()


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


class deferred:
    """A block in which no signal's handler runs; blocks may be nested, and cost next to nothing."""

    def __enter__(self) -> None:
        global _depth, _owner
        # Handlers run in the main thread alone.
        if not _in_main_thread():
            return
        try:
            if not _depth:
                _install()
                _owner = threading.get_ident()
            # The block begins with this assignment: signals wait from here on.
            _depth += 1
        except BaseException:
            _remove()
            raise

    def __exit__(self, *error: object) -> None:
        global _depth
        if not _in_main_thread():
            return
        # And ends with this one, after which `_later` hands signals on at once.
        _depth = max(_depth - 1, 0)
        if not _depth:
            try:
                _remove()
            finally:
                _deliver()


class steady(deferred):
    """A block that no other thread forks the process in; short, as forks wait for it."""

    def __enter__(self) -> None:
        super().__enter__()
        try:
            # A fork in another thread waits in `before` until this is released.
            _steady.acquire()
        except BaseException:
            super().__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        _steady.release()
        super().__exit__(*error)


def checkpoint() -> None:
    """Let signals that wait be handled here, where an exception leaves nothing half done."""
    if _came and _in_main_thread():
        _deliver()


def _in_child() -> None:
    """Forget the block of a thread that does not exist in a forked process."""
    global _depth
    _steady.release()
    # The block belonged to a thread that has not been copied: it never ends here.
    if _depth and _owner != threading.get_ident():
        _depth = 0
        _came.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_steady.acquire, after_in_parent=_steady.release, after_in_child=_in_child
    )
