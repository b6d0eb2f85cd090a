"""Float64 and the threads of small linear algebra, entered together and left together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from .._common.interrupts import deferred
from .._common.threads import SMALL, blas_threads


@contextmanager
def _double(size: int) -> Iterator[None]:
    # What is not loaded has no precision to set; whoever loads it in here enters `float64` there.
    if "jax" not in sys.modules:
        with blas_threads(size):
            yield
        return
    import jax

    # Both belong to the thread, or to the process: entered and left together, on every way out.
    with jax.enable_x64(True), blas_threads(size):
        yield


class numerics(deferred):
    """Set what linear algebra on matrices of ``size`` rows needs, and set it back.

    Signals wait inside: an interrupt on the way in or out would leave float64 on for whatever the
    caller computes with JAX, or switch it off later on, in the middle of a certified sum.
    """

    def __init__(self, size: int = SMALL + 1) -> None:
        self._inner: AbstractContextManager[None] = _double(size)

    def __enter__(self) -> None:
        super().__enter__()
        try:
            self._inner.__enter__()
        except BaseException:
            super().__exit__()
            raise

    def __exit__(self, *error: Any) -> None:
        try:
            self._inner.__exit__(*error)
        finally:
            super().__exit__(*error)


def float64() -> numerics:
    """Load JAX and enter `numerics`: around everything that computes with it."""
    import jax  # noqa: F401

    return numerics()
