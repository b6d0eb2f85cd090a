"""The diagonal of a matrix in the place of its factor, where a factor would be too large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Diagonal:
    """diag(G), and how large G's data part is.

    It answers what a solver asks of a `Factor`: about these answers nothing is claimed.

    Attributes
    ----------
    diagonal : ndarray of shape (p,)
        Positive; that of G.
    largest : float
        At least the largest eigenvalue of ``kappa sum s x x'`` relative to the penalty, the
        column of ones left out; infinite where it was not asked for.
    """

    diagonal: Array
    largest: float

    @property
    def size(self) -> int:
        """p."""
        return len(self.diagonal)

    @property
    def _root(self) -> Array:
        out: Array = np.sqrt(self.diagonal)[:, None]
        return out

    def white(self, V: Array) -> Array:
        """Return V (p, K) divided by the diagonal's root."""
        # L^{-1} V of a diagonal factor: the same norm that a `Factor` whitens to.
        out: Array = V / self._root
        return out

    def white_size(self, V: Array) -> Array:
        """Return the same of V >= 0."""
        return self.white(V)

    def solve(self, V: Array) -> Array:
        """Return V (p, K) divided by the diagonal."""
        out: Array = V / self.diagonal[:, None]
        return out
