"""L-BFGS with unit steps in a given metric: what proposes, about which nothing is claimed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ..._common.arrays import Array

#: A step, the change of the gradient along it, and their product.
Pair = tuple[Array, Array, float]


class Outlook(Protocol):
    """What would be certified for a gradient."""

    def seen(self, g: Array, /) -> Array:
        """Return what has that length, column by column, for g of shape (p, K)."""
        ...


class Scale(NamedTuple):
    """An outlook by a matrix."""

    matrix: Array

    def seen(self, g: Array) -> Array:
        """Return the matrix times g."""
        out: Array = self.matrix @ g
        return out


class Descent:
    """Steps from gradients in the metric of a model of the Hessian.

    Parameters
    ----------
    solve : callable
        The inverse of the model times a vector.
    pinned : sequence
        Pairs that are known beforehand, and kept.
    memory : int, optional
        Most pairs that are kept of those that are learned.

    References
    ----------
    Nocedal & Wright (2006), Numerical Optimization, Algorithm 7.4.
    """

    def __init__(
        self,
        solve: Callable[[Array], Array],
        pinned: Sequence[Pair] = (),
        memory: int | None = None,
    ) -> None:
        self.solve, self.pinned = solve, pinned
        self.pairs: deque[Pair] = deque(maxlen=memory)

    def learn(self, s: Array, y: Array) -> None:
        """Learn that along the step s the gradient changed by y."""
        # Curvature along the step has to be positive, or the update is not (Nocedal & Wright 2006,
        # (6.7)); rounding alone breaks it.
        if (product := float(np.vdot(s, y))) > 0:
            self.pairs.append((s, y, product))

    def direction(self, g: Array) -> Array:
        """Return a step against the gradient g."""
        v, used, pairs = g.copy(), [], [*self.pinned, *self.pairs]
        for s, y, product in reversed(pairs):
            # The two-loop recursion, with the model in the place of a multiple of the identity.
            used.append(float(np.vdot(s, v)) / product)
            v -= used[-1] * y
        v = self.solve(v)
        for (s, y, product), a in zip(pairs, reversed(used), strict=True):
            v += (a - float(np.vdot(y, v)) / product) * s
        return -v
