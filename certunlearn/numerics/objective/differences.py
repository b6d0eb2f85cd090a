"""Changes of the gradient of softmax in single precision: for proposals, never for claims.

At W + V the gradient is g + X'[s (p(Z + X V) - p(Z))] + alpha V: single precision rounds the
change alone, so that several digits of g can be gained before the next measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray, Array
from ..losses.margins import Softmax
from ..rows.dense import DenseRows
from ..rows.fold import NUMPY, meant
from .objective import Objective

Single = NDArray[np.float32]
#: Margins that move by more are taken as they are.
_FAR = 10.0
#: A step so small that the gradient changes in proportion.
_SMALL = 1e-6
#: Rows whose margins are worked out at a time, and how many of those: what fits a cache.
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
        X = _on_host(objective)
        if X is None:
            raise TypeError("changes of gradients are of dense rows in the host's memory")
        self.objective, self._X = objective, X.reshape(-1, objective.rows.p)
        self._W = W.astype(np.float32)
        self._weight = objective.blocked.reshape(-1, 1).astype(np.float32)
        # Probabilities at W of the rows that have been read so far.
        p, K = W.shape
        self._held = np.empty((len(self._X), K), np.float32) if K <= p else None
        self._known = 0

    @classmethod
    def measured(cls, objective: Objective, W: Array) -> Measured:
        """Return the same, with value and gradient at W in double precision."""
        out, rows = cls(objective, W), objective.rows
        assert isinstance(rows, DenseRows)
        labels = meant(NUMPY, np.asarray(rows.sweep(times=0)[1]).ravel(), objective.table)
        s, value, g = objective.blocked.ravel(), 0.0, objective.alpha[:, None] * W
        value += 0.5 * float(np.sum(g * W))
        total = W.sum(axis=1)
        g += (objective.gauge * total)[:, None]
        value += 0.5 * float(objective.gauge @ (total * total))
        for here in out._slices():
            x = out._X[here].astype(np.float64, copy=False)
            P = x @ W
            top, every = P.max(axis=1, keepdims=True), np.arange(len(x))
            own = P[every, labels[here]] - top[:, 0]
            P -= top
            np.exp(P, out=P)
            size = P.sum(axis=1, keepdims=True)
            value += float(s[here] @ (np.log(size[:, 0]) - own))
            P *= 1.0 / size
            out._hold(here, P)
            P[every, labels[here]] -= 1.0
            P *= s[here, None]
            g += x.T @ P
        return Measured(out, g, value)

    @staticmethod
    def possible(objective: Objective) -> bool:
        """Whether changes can be had this way."""
        return isinstance(objective.loss, Softmax) and _on_host(objective) is not None

    def _slices(self) -> Iterator[slice]:
        """Yield which rows are taken together, counting one read of each."""
        self.objective.rows.sweep()
        n = len(self._X)
        many = max(min(_TOGETHER, _NUMBERS // self._W.shape[1], n), 1)
        for first in range(0, n, many):
            yield slice(first, min(first + many, n))

    def _rows(self) -> Iterator[tuple[slice, Single]]:
        """Yield rows in single precision, some at a time."""
        room = np.empty((0, self._X.shape[1]), np.float32)
        for here in self._slices():
            if here.stop - here.start > len(room):
                room = np.empty((here.stop - here.start, self._X.shape[1]), np.float32)
            x = room[: here.stop - here.start]
            np.copyto(x, self._X[here], casting="same_kind")
            yield here, x

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
        objective, weight = self.objective, self._weight
        step, out = V.astype(np.float32), np.zeros_like(V)
        # Padding weighs nothing, and nothing of it changes.
        even = bool((objective.weight == 1).all())
        for here, x in self._rows():
            change = _changed(self._probability(here, x), x @ step)
            if not even:
                change *= weight[here]
            out += x.T @ change
        return out + objective.pull(V)

    def hessian_product(self, V: Array) -> Array:
        """Return the Hessian at W times V, shape (p, K): how fast the gradient changes."""
        scale = _SMALL / max(float(np.abs(V).max()), 1e-30)
        return self.gradient(scale * V) / scale

    def probabilities(self) -> Iterator[tuple[Single, Single, Single]]:
        """Yield rows (m, p), their probabilities at W (m, K) and weights (m, 1)."""
        for here, x in self._rows():
            yield x, self._probability(here, x), self._weight[here]


def _on_host(objective: Objective) -> AnyArray | None:
    """Return the rows as NumPy holds them, None where it does not."""
    if not isinstance(objective.rows, DenseRows):
        return None
    X, _ = objective.rows.sweep(times=0)
    return X if isinstance(X, np.ndarray) else None


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
