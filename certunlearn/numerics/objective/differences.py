"""Changes of the gradient of softmax in single precision: for proposals, never for claims.

At W + V the gradient is g + X'[s (p(Z + X V) - p(Z))] + alpha V: single precision rounds the
change alone, so that several digits of g can be gained before the next measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..._common.arrays import Array
from ..losses.margins import Softmax
from .objective import Objective
from .products import Products, Single, on_host

#: Margins that move by more are taken as they are.
_FAR = 10.0
#: A step so small that the gradient changes in proportion.
_SMALL = 1e-6
#: Rows that are worked on at a time, and numbers of theirs or of their margins: what fits a cache.
_TOGETHER, _NUMBERS = 2048, 1 << 19


class Measured(NamedTuple):
    """What there is to start from.

    Attributes
    ----------
    changes : Differences
        From where this was measured.
    gradient : ndarray of shape (p, K)
        There, in double precision; about its rounding nothing is known.
    value : float
        Of the objective.
    """

    changes: Differences
    gradient: Array
    value: float


class Differences:
    """What the gradient of softmax changes by, from where W stands.

    Probabilities at W are held, unless they would outweigh the rows.

    Parameters
    ----------
    objective : Objective
        Of softmax, over dense rows in the host's memory; see `possible`.
    W : ndarray of shape (p, K)
        Where.
    """

    def __init__(self, objective: Objective, W: Array) -> None:
        if not on_host(objective.rows):
            raise TypeError("changes of gradients are of dense rows in the host's memory")
        self.objective, self._products = objective, Products.of(objective)
        self._W = W.astype(np.float32)
        self._weight = self._products.weight.astype(np.float32)
        # Padding weighs nothing, and nothing of it changes.
        self._even = bool((objective.weight == 1).all())
        p, K = W.shape
        n = len(self._weight)
        self._many = max(min(_TOGETHER, _NUMBERS // max(K, p), n), 1)
        # Probabilities at W of the rows that have been read so far.
        self._held = np.empty((n, K), np.float32) if K <= p else None
        self._known = 0
        self._narrowed: list[tuple[slice, Single]] = []

    @classmethod
    def measured(cls, objective: Objective, W: Array) -> Measured:
        """Return the same, with value and gradient at W in double precision."""
        out, value, g = cls(objective, W), 0.0, np.zeros(W.shape[::-1])
        rows, s = out._products, out._products.weight[:, 0]
        objective.rows.sweep()
        for here in rows.slices(out._many):
            x = np.asarray(rows.X[here]).astype(np.float64, copy=False)
            P = x @ W
            top, every = P.max(axis=1, keepdims=True), np.arange(len(x))
            labels = rows.labels[here]
            own = P[every, labels] - top[:, 0]
            P -= top
            np.exp(P, out=P)
            size = P.sum(axis=1, keepdims=True)
            value += float(s[here] @ (np.log(size[:, 0]) - own))
            P *= 1.0 / size
            out._hold(here, P)
            P[every, labels] -= 1.0
            P *= s[here, None]
            g += P.T @ x
        penalty, total, _ = objective.penalised(W, np.ascontiguousarray(g.T))
        return Measured(out, total, value + penalty)

    @staticmethod
    def possible(objective: Objective) -> bool:
        """Whether changes can be had this way."""
        return isinstance(objective.loss, Softmax) and on_host(objective.rows)

    def _rows(self) -> Iterator[tuple[slice, Single]]:
        """Yield rows in single precision, some at a time, counting one read of each."""
        self.objective.rows.sweep()
        if self._many < len(self._weight):
            yield from self._products.singles(self._many)
            return
        # All of them fit the cache: they are narrowed once.
        self._narrowed = self._narrowed or list(self._products.singles(self._many))
        yield from self._narrowed

    def _probability(self, here: slice, x: Single) -> Single:
        """Return the probabilities of some rows at W."""
        if self._held is not None and here.stop <= self._known:
            return self._held[here]
        Z = x @ self._W
        Z -= Z.max(axis=1, keepdims=True)
        np.exp(Z, out=Z)
        Z *= 1.0 / Z.sum(axis=1, keepdims=True)
        self._hold(here, Z)
        return Z

    def _hold(self, here: slice, P: Array | Single) -> None:
        """Hold the probabilities of some rows; rows are read from the first one on."""
        if self._held is not None:
            self._held[here] = P
            self._known = max(self._known, here.stop)

    def gradient(self, V: Array) -> Array:
        """Return the gradient at W + V less that at W, shape (p, K)."""
        step, out = V.astype(np.float32), np.zeros(V.shape[::-1])
        for here, x in self._rows():
            change = _changed(self._probability(here, x), x @ step)
            if not self._even:
                change *= self._weight[here]
            # In this order: the other one takes a third longer for a few classes.
            out += change.T @ x
        return self.objective.pull(V) + out.T

    def hessian_product(self, V: Array) -> Array:
        """Return the Hessian at W times V, shape (p, K): how fast the gradient changes."""
        scale = _SMALL / max(float(np.abs(V).max()), 1e-30)
        return self.gradient(scale * V) / scale

    def probabilities(self) -> Iterator[tuple[Single, Single, Single]]:
        """Yield rows (m, p), their probabilities at W (m, K) and weights (m, 1)."""
        for here, x in self._rows():
            yield x, self._probability(here, x), self._weight[here]


def _changed(P: Single, dz: Single) -> Single:
    """Return what probabilities P change by where margins do by dz, which is written over.

    Changes are right relative to themselves, however small: nothing is subtracted that rounds.
    """
    if max(float(dz.max()), -float(dz.min())) > _FAR:
        dz -= dz.max(axis=1, keepdims=True)
        np.exp(dz, out=dz)
        dz *= P
        dz *= 1.0 / np.maximum(dz.sum(axis=1, keepdims=True), 1e-30)
        dz -= P
        return dz
    # e^z - 1 = 2 t / (1 - t), t = tanh(z / 2): a third of the time of expm1.
    dz *= np.float32(0.5)
    t = np.tanh(dz, out=dz)
    t /= 1.0 - t
    mean = np.einsum("ik,ik->i", P, t)[:, None]
    t -= mean
    t *= P
    t *= 2.0 / (1.0 + 2.0 * mean)
    return t
