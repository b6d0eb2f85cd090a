"""How many threads the host's linear algebra may use."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

#: Up to this size one thread is fastest: several wait for each other longer than they compute,
#: the more so beside the threads that have just swept the rows.
SMALL = 512


@lru_cache(maxsize=1)
def _controller() -> Any:
    return ThreadpoolController()


def blas_threads(size: int) -> AbstractContextManager[Any]:
    """Return a context for matrices of ``size`` rows: one BLAS thread where they are small."""
    if size > SMALL:
        return nullcontext()
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context
