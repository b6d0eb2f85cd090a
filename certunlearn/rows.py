"""The training rows: a private padded copy, their weights, and the scrubbing of forgotten rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_BLOCK = 4096


def block_shape(n: int) -> tuple[int, int]:
    """Return (blocks, rows per block): few distinct shapes, so that few programs are compiled."""
    size = min(LARGEST_BLOCK, max(64, 1 << (max(n, 1) - 1).bit_length()))
    return -(-n // size), size


class DenseRows:
    """Rows held in memory as float64, always a copy of what the caller gave.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Features.
    y : ndarray of shape (n,)
        Integer codes of the labels.
    weight : ndarray of shape (n,)
        Sample weights, >= 0.  A row is in the training set iff its weight is positive.
    intercept : bool
        Whether a column of ones is appended.
    """

    def __init__(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.int64],
        weight: NDArray[np.float64],
        *,
        intercept: bool,
    ) -> None:
        self.n, d = X.shape
        self.p = d + int(intercept)
        self.blocks, self.block = block_shape(self.n)
        total = self.blocks * self.block
        self.X = np.zeros((total, self.p))
        self.X[: self.n, :d] = X
        if intercept:
            self.X[: self.n, d] = 1.0
        self.y = np.zeros(total, dtype=np.int64)
        self.y[: self.n] = y
        self.weight = np.array(weight, dtype=np.float64)
        self.alive = np.ones(self.n, dtype=bool)
        self._device: tuple[Any, Any] | None = None

    def padded(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``weight`` (n,) as (blocks, block), padding weighing nothing."""
        out = np.zeros(self.blocks * self.block)
        out[: self.n] = weight
        return out.reshape(self.blocks, self.block)

    def on_device(self) -> tuple[Any, Any]:
        """Return (X, codes) as blocked device arrays; call inside the float64 context only."""
        import jax.numpy as jnp

        if self._device is None:
            X = jnp.asarray(self.X.reshape(self.blocks, self.block, self.p))
            self._device = X, jnp.asarray(self.y.reshape(self.blocks, self.block))
        return self._device

    def scrub(self, positions: NDArray[np.int64]) -> None:
        """Overwrite the rows at ``positions`` with zeros, on the host and on the device."""
        self.X[positions] = 0.0
        self.y[positions] = 0
        self.weight[positions] = 0.0
        self.alive[positions] = False
        self._device = None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_device"] = None
        return state
