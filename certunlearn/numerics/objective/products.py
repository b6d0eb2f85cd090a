"""Products of dense rows with vectors in the rows' own precision: for proposals, never for claims.

Rows held as float32 are multiplied as they are, which reads half the bytes and widens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray, Array
from ..rows.dense import DenseRows
from ..rows.store import Held
from ..rows.stored import Rows
from .objective import Objective

Single = NDArray[np.float32]
#: Numbers of rows that are multiplied at a time.
_TOGETHER = 1 << 20


@dataclass(frozen=True)
class Products:
    """The rows of an objective beside one another, padding included, which weighs nothing.

    Attributes
    ----------
    X : array of shape (m, p)
        NumPy's view of the store where it is in the host's memory, else the device's array.
    labels : ndarray of shape (m,) or (m, K)
        What the loss takes.
    weight : ndarray of shape (m, 1)
        Effective weights.
    """

    X: Held
    labels: AnyArray
    weight: Array

    @classmethod
    def of(cls, objective: Objective) -> Products:
        """View the rows; let go of it before they are overwritten."""
        if not isinstance(objective.rows, DenseRows):
            raise TypeError("only dense rows lie beside one another: sum sparse ones by folds")
        X, y = objective.rows.sweep(times=0)
        # The blocks' own memory as one matrix: rows of padding have weight zero and do no harm.
        labels = np.asarray(_viewed(y))
        labels = labels.reshape(-1, *labels.shape[2:])
        flat = _viewed(X).reshape(-1, objective.rows.p)
        return cls(flat, objective.meant(labels), objective.blocked.reshape(-1, 1))

    def parts(self) -> Iterator[Products]:
        """Yield some rows at a time: what is left in the cache is not read again from memory."""
        if not isinstance(self.X, np.ndarray):
            yield self
            return
        for here in self.slices(max(_TOGETHER // self.X.shape[1], 1)):
            yield Products(self.X[here], self.labels[here], self.weight[here])

    def slices(self, many: int) -> Iterator[slice]:
        """Yield which rows are taken together, so many at a time."""
        for first in range(0, len(self.X), many):
            yield slice(first, min(first + many, len(self.X)))

    def singles(self, many: int) -> Iterator[tuple[slice, Single]]:
        """Yield rows in single precision, so many at a time, over one another in memory."""
        room = np.empty((min(many, len(self.X)), self.X.shape[1]), np.float32)
        for here in self.slices(many):
            x = room[: here.stop - here.start]
            np.copyto(x, np.asarray(self.X[here]), casting="same_kind")
            yield here, x

    def some(self, many: int) -> Products:
        """Return every so manieth row, at least ``many`` of them, or all."""
        here = slice(None, None, max(len(self.X) // many, 1))
        return Products(self.X[here], self.labels[here], self.weight[here])

    def margins(self, V: Array) -> Array:
        """Return X V, shape (m, K)."""
        return self._wide(self.X @ self._narrow(V))

    def combined(self, C: Array) -> Array:
        """Return X' C, shape (p, K)."""
        return self._wide(self.X.T @ self._narrow(C))

    def _narrow(self, V: Array) -> AnyArray:
        # One column as a vector: a product of a matrix and a matrix would not stream the rows.
        return np.asarray(V[:, 0] if V.shape[1] == 1 else V, dtype=self.X.dtype)

    @staticmethod
    def _wide(product: Held) -> Array:
        # Back to float64 at once: sums over columns and steps are taken there.
        out = np.asarray(product).astype(np.float64)
        return out[:, None] if out.ndim == 1 else out


def on_host(rows: Rows) -> bool:
    """Whether NumPy holds the rows beside one another."""
    return isinstance(rows, DenseRows) and isinstance(rows.sweep(times=0)[0], np.ndarray)


def _viewed(array: Held) -> Held:
    """Return NumPy's view of an array that is in the host's memory, which JAX does not remember.

    What `numpy.asarray` has seen whole JAX would no longer overwrite in place.
    """
    if not hasattr(array, "devices") or any(d.platform != "cpu" for d in array.devices()):
        return array
    # JAX declares `__dlpack__` without the keywords that NumPy asks for.
    lent: Any = array
    out: AnyArray = np.from_dlpack(lent)
    return out
