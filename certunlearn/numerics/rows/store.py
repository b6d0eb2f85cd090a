"""What every store of rows knows alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray

if TYPE_CHECKING:
    import jax

#: Rows or labels in NumPy's hands, or in JAX's.
Held: TypeAlias = "AnyArray | jax.Array"


class Store:
    """What every store of rows knows alike.

    Attributes
    ----------
    n : int
        Rows held, overwritten ones included.
    reads : int
        Rows read so far, by sweeps and by position.
    """

    n: int
    reads: int
    _labels: AnyArray
    _scrubbed: NDArray[np.bool_]
    _column_max: NDArray[np.float64] | None

    @property
    def labels(self) -> AnyArray:
        """Class codes or targets, shape (n,) or (n, K)."""
        return self._labels[: self.n]

    @property
    def classed(self) -> bool:
        """Whether the labels are class codes."""
        return self._labels.dtype == np.int64

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
        self._column_max = None

    def view(self) -> Self:
        """Return the same rows with a count of reads of their own; for reading only."""
        out = object.__new__(type(self))
        out.__dict__.update(self.__dict__)
        # Readers in other threads count for themselves: sums are what they are whoever reads.
        out.reads = 0
        return out
