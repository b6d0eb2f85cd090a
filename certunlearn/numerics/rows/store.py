"""What every store of rows knows alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray, Array
from ..._common.rounding import gamma
from ..losses.margins import TINY
from .blocks import power_above
from .fold import Argument, Extent, Kernel, Sums
from .weights import Weights

if TYPE_CHECKING:
    import jax

#: Rows or labels in NumPy's hands, or in JAX's.
Held: TypeAlias = "AnyArray | jax.Array"


def bounded(most: Array, square: float, p: int) -> tuple[Array, float]:
    """Return powers of two at least what `Extent` found of rows of p coordinates."""
    # Sums of squares round, and small ones may have vanished.
    length = np.sqrt(np.array([square * (1.0 + gamma(p + 4)) + p * TINY]))
    return power_above(most), float(power_above(length)[0])


class Store(ABC):
    """What every store of rows knows alike.

    Attributes
    ----------
    n : int
        Rows held, overwritten ones included.
    reads : int
        Rows read so far, by sweeps and by position.
    """

    #: Whether the store can move to one without forgotten rows.
    closes_up = True
    #: Whether rows are mostly zeros.
    sparse: bool
    n: int
    reads: int
    _labels: AnyArray
    _scrubbed: NDArray[np.bool_]
    _extent: tuple[NDArray[np.float64], float] | None

    @abstractmethod
    def fold(self, kernel: Kernel, weights: Array, *args: Argument) -> Sums:
        """Return a sum over all rows, each read once."""

    @abstractmethod
    def blocked(self, weight: Array) -> Array:
        """Return ``weight`` (n,) as the rows lie."""

    def laid_out(self, weights: Weights) -> Array:
        """Return weights as the rows lie."""
        return self.blocked(weights.array)

    def gathers(self, count: int) -> bool:
        """Whether so many rows may be written out beside the store."""
        return not self.sparse

    @property
    def column_max(self) -> Array:
        """At least the largest |x_ij| of each column, a power of two at most twice it, shape (p,).

        A maximum itself would be a copy of a value, which the row that had it may want forgotten.
        """
        return self._found[0]

    @property
    def longest(self) -> float:
        """At least the length of every row, such a power of two as well, or inf."""
        return self._found[1]

    @property
    def _found(self) -> tuple[Array, float]:
        if self._extent is None:
            nothing = Weights.of(np.broadcast_to(0.0, (self.n,)))
            most, square = self.fold(Extent(), self.laid_out(nothing))
            self._extent = bounded(most, float(square), len(most))
        return self._extent

    @property
    def labels(self) -> AnyArray:
        """Class codes or targets, shape (n,) or (n, K)."""
        return self._labels[: self.n]

    @property
    def classed(self) -> bool:
        """Whether the labels are class codes."""
        return self._labels.dtype.kind in "iu"

    @property
    def scrubbed(self) -> NDArray[np.bool_]:
        """Rows that have been overwritten, shape (n,)."""
        return self._scrubbed[: self.n]

    def passes_since(self, reads: int) -> int:
        """Return how many times all rows have been read since ``reads`` were counted, rounded."""
        # Sweeps and single reads in one number: a removal that reads few rows counts as none.
        return int(round((self.reads - reads) / self.n))

    def forget_maxima(self) -> None:
        """Drop bounds on the columns that rows which have gone may have raised."""
        self._extent = None

    def agreed(self, values: Array) -> Array:
        """Return these numbers, which are drawn once however many processes hold the rows."""
        return values

    def view(self) -> Self:
        """Return the same rows with a count of reads of their own; for reading only."""
        out = object.__new__(type(self))
        out.__dict__.update(self.__dict__)
        # Readers in other threads count for themselves: sums are what they are whoever reads.
        out.reads = 0
        return out
