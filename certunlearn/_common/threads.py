"""What linear algebra needs of the process: float64, few threads, and threads that exist."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from threadpoolctl import ThreadpoolController

from ..exceptions import ForkedError

#: Up to this size one thread is fastest: several wait for each other longer than they compute,
#: the more so beside the threads that have just swept the rows.
SMALL = 512


class _Library(Protocol):
    """A BLAS library, as threadpoolctl knows it."""

    def get_num_threads(self) -> int | None: ...

    def set_num_threads(self, num_threads: int, /) -> object: ...


_lock = threading.Lock()
_users = 0
_libraries: list[_Library] | None = None
#: Threads of each library before any user.
_found: list[int | None] = []
_forked = False


@contextmanager
def blas_threads(size: int) -> Iterator[None]:
    """Let matrices of ``size`` rows be computed by one BLAS thread where they are small.

    Some libraries keep the limit for the thread, others for the process: whoever leaves gives back
    what was found by the first of all users at the time, which is right for both.  Enter it inside
    `deferred`, so that nobody is interrupted on the way in or out.
    """
    if size > SMALL:
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _libraries, _found
    with _lock:
        if _libraries is None:
            _libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        # Taken anew by each thread: where a library keeps it by the thread, each needs its own.
        now = [library.get_num_threads() for library in _libraries]
        # The first of all users has seen the number that was there before any of them.
        _found = now if _users == 0 else _found
        for library, threads in zip(_libraries, now, strict=True):
            if threads != 1:
                library.set_num_threads(1)
        _users += 1


def _leave() -> None:
    global _users
    with _lock:
        _users = max(_users - 1, 0)
        for library, threads in zip(_libraries or (), _found, strict=True):
            if threads is not None and threads != 1:
                library.set_num_threads(threads)


def forked() -> bool:
    """Whether the threads that JAX sums with were left behind by a fork of the process."""
    return _forked


def refuse_forked() -> None:
    """Refuse to start what would wait for ever for threads that do not exist.

    Raises
    ------
    ForkedError
        In a process forked from one in which JAX had been used.
    """
    if _forked:
        raise ForkedError(
            "this needs a pass over the rows, in a process forked from one in which JAX was at "
            "work: its threads do not exist here, and the pass would hang. Predicting, releasing "
            "and removals without a pass go on working; for the rest start processes by "
            '"spawn" or "forkserver" (multiprocessing.get_context), or fork first and fit or load '
            "the model afterwards (gunicorn without --preload)"
        )


def _in_child() -> None:
    """Take note of which threads have gone, and of a lock that one of them may have held."""
    global _lock, _users, _forked
    # A new lock: the old one may be held by a thread that is not here.
    _lock, _users = threading.Lock(), 0
    bridge = sys.modules.get("jax._src.xla_bridge")
    if bridge is not None:
        # What cannot be asked is taken to be at work.
        at_work = getattr(bridge, "backends_are_initialized", lambda: True)
        _forked = _forked or bool(at_work())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
