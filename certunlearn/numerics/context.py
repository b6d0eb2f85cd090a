"""Float64 and the threads of small linear algebra, entered together and left together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._common.interrupts import deferred
from .._common.threads import SMALL, blas_threads


@contextmanager
def _double(size: int) -> Iterator[None]:
    import jax

    with jax.enable_x64(True), blas_threads(size):
        yield


class numerics(deferred):
    """Set what linear algebra on matrices of ``size`` rows needs, and set it back.

    Signals wait inside: an interrupt on the way in or out would leave float64 on for whatever the
    caller computes with JAX, or switch it off later on, in the middle of a certified sum.
    """

    def __init__(self, size: int = SMALL + 1) -> None:
        self._inner = _double(size)

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
