"""Changes of the gradient of separate columns in single precision: for proposals, never for claims.

A column's slope at margins z + dz is that at z and a change, which single precision rounds alone,
so that several digits can be gained before the next measurement.  Columns that are there already
are left out of the products.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..._common.arrays import AnyArray, Array
from ..losses.margins import Columnwise, Loss
from ..losses.pointwise import Logistic, SoftplusHinge
from ..rows.stored import Rows
from .objective import Objective
from .products import Products, Single, on_host

#: Rows whose margins are worked out at a time.
_TOGETHER = 2048
#: Halves of a that move by more are subtracted as they are.
_FAR = 1.0


class ColumnChanges:
    """What the gradient changes by, column by column, from where W stands.

    Losses are ``T log(1 + exp(a))`` with ``a = (offset - t z) / T`` for targets t = 1 or -1; what
    is held is ``S(a) = 1 / (1 + exp(-a))`` of every row and column, or ``S(z)`` where there is no
    offset: what that changes by does not depend on t.

    Parameters
    ----------
    objective : Objective
        See `possible`.
    W : ndarray of shape (p, K)
        Where.
    """

    def __init__(self, objective: Objective, W: Array) -> None:
        self.objective = objective
        self._products = Products.of(objective)
        self._weight = self._products.weight.astype(np.float32)
        self._even = bool((objective.weight == 1).all())
        self._offset, self._unit = shape_of(objective.loss)
        self._plain = self._offset == 0
        # Column by column as they are asked for: often a few are all.
        self._W, self._known = W.astype(np.float32), np.zeros(W.shape[1], dtype=bool)
        self._held = np.empty((len(self._weight), W.shape[1]), np.float32)

    @staticmethod
    def possible(loss: Loss, rows: Rows) -> bool:
        """Whether changes can be had: of some logistic losses or hinges, on the host."""
        if not isinstance(loss, Columnwise) or loss.columns == 1:
            return False
        return isinstance(loss.each, Logistic | SoftplusHinge) and on_host(rows)

    def _rows(self) -> Iterator[tuple[slice, Single]]:
        """Yield rows in single precision, some at a time, counting one read of each."""
        self.objective.rows.sweep()
        yield from self._products.singles(_TOGETHER)

    def _signs(self, here: slice, columns: AnyArray | None = None) -> Single:
        """Return -t of some rows, (m, K)."""
        loss, y = self.objective.loss, self._products.labels[here]
        if y.ndim == 2:
            t = -y.astype(np.float32)
        elif loss.columns == 1:
            t = np.where(y == 1, np.float32(-1), np.float32(1))[:, None]
        else:
            t = np.where(y[:, None] == np.arange(loss.columns), np.float32(-1), np.float32(1))
        return t if columns is None else t[:, columns]

    def gradient(self, V: Array, columns: AnyArray) -> Array:
        """Return the gradient at W + V less that at W, of some columns: V (p, m) is theirs."""
        step, out = V.astype(np.float32), np.zeros_like(V)
        for here, x in self._rows():
            P = self._probability(here, x, columns)
            a = x @ step
            sign = None if self._plain else self._signs(here, columns)
            a *= 0.5 / self._unit
            if sign is not None:
                a *= sign
            if (change := _changed(P, a)) is None:
                half = self._half(here, x, columns)
                change = np.multiply(np.tanh(half + a) - np.tanh(half), np.float32(0.5))
            if sign is not None:
                change *= sign
            if not self._even:
                change *= self._weight[here]
            out += x.T @ change
        self._known[columns] = True
        return out + self.objective.alpha[:, None] * V

    def _probability(self, here: slice, x: Single, columns: AnyArray) -> Single:
        """Return S of some rows and columns, (m, k), and hold it."""
        new = columns[~self._known[columns]]
        if len(new):
            a = np.tanh(self._half(here, x, new))
            a += 1.0
            a *= 0.5
            self._held[here, new] = a
        every = len(columns) == len(self._known)
        return self._held[here] if every else self._held[here][:, columns]

    def _half(self, here: slice, x: Single, columns: AnyArray) -> Single:
        """Return half of a at W, of some rows and columns."""
        a: Single = x @ self._W[:, columns]
        if not self._plain:
            a *= self._signs(here, columns)
        a += self._offset
        a *= 0.5 / self._unit
        return a

    def curvatures(self) -> Iterator[tuple[Single, Single]]:
        """Yield rows (m, p) in single precision, and their weighted curvatures (m, K)."""
        every = np.arange(len(self._known))
        for here, x in self._rows():
            P = self._probability(here, x, every)
            curvature = P - P * P
            curvature *= self._weight[here] / self._unit
            yield x, curvature
        self._known[:] = True


def _changed(P: Single, half: Single) -> Single | None:
    """Return what S changes by where a does by twice ``half``; None where that is too far.

    ``S(a + da) - S(a) = 2 S (1 - S) h / (1 + (2 S - 1) h)``, h = tanh(da / 2): nothing is
    subtracted that rounds.  Where S rounds to one it is told from one by short steps no more.
    """
    if not max(float(half.max(initial=0.0)), -float(half.min(initial=0.0))) <= _FAR:
        return None
    h = np.tanh(half)
    change = P - P * P
    change *= 2.0
    change *= h
    h *= 2.0 * P - 1.0
    h += 1.0
    change /= h
    return change


def shape_of(loss: object) -> tuple[float, float]:
    """Return offset and T of a loss."""
    each = getattr(loss, "each", loss)
    if isinstance(each, SoftplusHinge):
        return 1.0, each.temperature
    if isinstance(each, Logistic):
        return 0.0, 1.0
    raise TypeError(f"{type(each).__name__} is no logarithm of an exponential")
