"""How many threads the host's linear algebra may use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

#: Up to this size one thread is fastest: several wait for each other longer than they compute,
#: the more so beside the threads that have just swept the rows.
SMALL = 512
_lock = threading.Lock()
_users = 0
_controller: Any = None
_limit: Any = None


@contextmanager
def blas_threads(size: int) -> Iterator[None]:
    """Let matrices of ``size`` rows be computed by one BLAS thread where they are small.

    Some libraries keep the limit for the thread, others for the process: whoever leaves gives back
    what was found by the first of all users at the time, which is right for both.
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
    global _users, _controller, _limit
    with _lock:
        _controller = _controller or ThreadpoolController()
        limit = _controller.limit(limits=1, user_api="blas")
        _limit = limit if _users == 0 else _limit
        _users += 1


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        _limit.restore_original_limits()
