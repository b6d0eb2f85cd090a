"""NumPy or JAX: one formula for the arrays of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import jax

Mask: TypeAlias = "NDArray[np.bool_] | jax.Array | bool"

#: Float64 arrays of one kind, NumPy's or JAX's: what comes in goes out.
Values = TypeVar("Values", "NDArray[np.float64]", "jax.Array")


class Namespace(Protocol[Values]):
    """The functions that losses need, under the names that both modules give them."""

    def abs(self, x: Values, /) -> Values: ...

    def concatenate(self, x: Sequence[Values], /, axis: int) -> Values: ...

    def diag(self, x: Values, /) -> Values: ...

    def maximum(self, x: Values, y: Values | float, /) -> Values: ...

    def sort(self, x: Values, /, axis: int) -> Values: ...

    def stack(self, x: Sequence[Values], /) -> Values: ...

    def take(self, x: Values, where: Values, /) -> Values: ...

    def zeros(self, shape: int | tuple[int, ...], /) -> Values: ...

    def arange(self, n: int, /) -> Values: ...

    def einsum(self, how: str, x: Values, y: Values, /) -> Values: ...

    def exp(self, x: Values, /) -> Values: ...

    def hypot(self, x: Values, y: Values, /) -> Values: ...

    def log(self, x: Values, /) -> Values: ...

    def log1p(self, x: Values, /) -> Values: ...

    def max(self, x: Values, /, axis: int | None = None, keepdims: bool = False) -> Values: ...

    def min(self, x: Values, /, axis: int) -> Values: ...

    def ones_like(self, x: Values, /) -> Values: ...

    def sqrt(self, x: Values, /) -> Values: ...

    def sum(self, x: Values, /, axis: int | None = None, keepdims: bool = False) -> Values: ...

    def tanh(self, x: Values, /) -> Values: ...

    def where(self, here: Mask, x: Values | float, y: Values | float, /) -> Values: ...


def namespace(z: Values) -> Namespace[Values]:
    """Return the module whose functions take z: numpy or jax.numpy."""
    if isinstance(z, np.ndarray | float):
        return cast("Namespace[Values]", np)
    import jax.numpy as jnp

    return cast("Namespace[Values]", jnp)
