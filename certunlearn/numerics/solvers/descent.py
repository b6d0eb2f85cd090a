"""L-BFGS with unit steps in a given metric: what proposes, about which nothing is claimed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ..._common.arrays import Array

#: A step, the change of the gradient along it, and their product.
Pair = tuple[Array, Array, float]


class Gauge(Protocol):
    """What would be certified for a gradient: the sum of some lengths."""

    def parts(self, g: Array, /) -> list[Array]:
        """Return what the lengths are of, for g of shape (p, K)."""
        ...


class Scale(NamedTuple):
    """What would be certified for a gradient g: about ``||first g|| + ||second first g||``.

    Attributes
    ----------
    first : ndarray of shape (p, p)
        Half of what the worst of all Hessians could make of g, or all of it.
    second : ndarray of shape (p, p) or None
        Where it is half, what the step by their common floor adds.
    """

    first: Array
    second: Array | None = None

    def parts(self, g: Array) -> list[Array]:
        """Return what the lengths are of, for g of shape (p, K)."""
        white = self.first @ g
        return [white] if self.second is None else [white, self.second @ white]


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
        if (product := float(np.sum(s * y))) > 0:
            self.pairs.append((s, y, product))

    def direction(self, g: Array) -> Array:
        """Return a step against the gradient g."""
        v, used, pairs = g.copy(), [], [*self.pinned, *self.pairs]
        for s, y, product in reversed(pairs):
            # The two-loop recursion, with the model in the place of a multiple of the identity.
            used.append(float(np.sum(s * v)) / product)
            v -= used[-1] * y
        v = self.solve(v)
        for (s, y, product), a in zip(pairs, reversed(used), strict=True):
            v += (a - float(np.sum(y * v)) / product) * s
        return -v
