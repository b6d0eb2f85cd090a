"""Weights and labels of rows in files: widened some at a time, written for other processes."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..._common.arrays import AnyArray, Array
from .npy import write
from .weights import Weights


class Laid:
    """Weights as rows in files take them: of a few blocks at a time.

    Parameters
    ----------
    weights : Weights
        Of all rows, or of those that there were when they were made.
    blocks, block : int
        Blocks of the rows, and rows of each.
    """

    def __init__(self, weights: Weights, blocks: int, block: int) -> None:
        self.weights, self.blocks, self.block = weights, blocks, block

    def __len__(self) -> int:
        return self.blocks

    def part(self, rows: slice) -> Array:
        """Return the weights of consecutive rows; fewer where the others have none."""
        n = len(self.weights)
        return self.weights.part(slice(min(rows.start, n), min(rows.stop, n)))

    def reshape(self, *shape: int) -> Array:
        """Return all of them, padding included, as an array: for products of whole columns."""
        out = np.zeros(self.blocks * self.block)
        out[: len(self.weights)] = self.weights.array
        return out.reshape(*shape)


class Sent:
    """Labels and weights that are written for other processes, beside the rows."""

    def __init__(self, path: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="pass-", dir=path))
        self.drop = weakref.finalize(self, shutil.rmtree, str(self.path), ignore_errors=True)
        self._known: dict[str, tuple[object, str]] = {}
        self._count = 0

    def labels(self, values: AnyArray) -> str:
        """Return the file of labels."""
        return self._file("labels", values, values.dtype, values.shape, [values])

    def weights(self, weights: Weights) -> str:
        """Return the file of weights, written where they are others than before."""
        # Widened by whoever reads them.
        kind = weights.base.dtype if not len(weights.tail) else np.dtype(np.float64)
        parts = (part for _, part in weights.slices())
        return self._file("weights", weights, kind, (len(weights),), parts)

    def _file(
        self,
        name: str,
        of: object,
        kind: np.dtype[np.generic],
        shape: tuple[int, ...],
        parts: Iterable[AnyArray],
    ) -> str:
        known = self._known.get(name)
        # Held, so that nothing else gets its address.
        if known is None or known[0] is not of:
            if known is not None:
                os.unlink(known[1])
            self._count += 1
            path = self.path / f"{name}-{self._count}.npy"
            write(path, kind, shape, parts, synced=False)
            known = self._known[name] = of, str(path)
        return known[1]
