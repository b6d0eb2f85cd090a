"""Dense rows that stay in files: every pass reads them part by part, here or in other processes.

Memory holds labels and a few blocks at a time; see `ranges` for how a pass is summed.
"""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray, Array
from ..._common.interrupts import checkpoint
from ...exceptions import AssumptionError, CertunlearnError, ExecutorError
from .blocks import block_shape
from .dense import DenseRows
from .files import RowFiles
from .fold import NUMPY, Argument, Kernel, Sums
from .ranges import Executor, Sum, Task, partial_sum, read_blocks, summed

#: Numbers that a task reads: some 50 ms of work, many blocks.
TOGETHER = 1 << 23


class FileRows(DenseRows):
    """Rows that stay in files.

    Parameters
    ----------
    files : RowFiles
        Where the features lie.
    labels : ndarray of shape (n,) or (n, K)
        Integer class codes, or real targets.
    intercept : bool
        Whether a column of ones is appended.
    """

    closes_up = False

    def __init__(self, files: RowFiles, labels: AnyArray, *, intercept: bool) -> None:
        self.files, self.executor = files, getattr(files, "executor", None)
        self.dtype = np.float32 if files.dtype == np.float32 else np.float64
        self.intercept, self.reads, self._narrow = intercept, 0, -1
        self.n, self.p = files.n, files.d + int(intercept)
        self.blocks, self.block = block_shape(self.n)
        self._labels = self._on_host(labels)
        self._scrubbed = self._on_host(np.zeros(0, dtype=bool))
        self._extent = None
        self._sent: _Sent | None = None

    @property
    def _shape(self) -> tuple[int, int]:
        return block_shape(self.n)

    @property
    def _hosted(self) -> bool:
        return True

    @property
    def _y(self) -> AnyArray:  # type: ignore[override]
        shape = self.blocks, self.block, *self._labels.shape[1:]
        return self._labels[: self.blocks * self.block].reshape(shape)

    @property
    def _ranges(self) -> list[tuple[int, int]]:
        """Blocks that are read together: by their number alone."""
        step = max(1, TOGETHER // (self.block * self.p))
        return [(k, min(k + step, self.blocks)) for k in range(0, self.blocks, step)]

    def sweep(self, times: int = 1) -> tuple[Matrix, AnyArray]:  # type: ignore[override]
        """Return (X, labels) as blocked arrays, counting so many reads of every row."""
        checkpoint()
        self.reads += times * self.n
        return Matrix(self), self._y

    def fold(self, kernel: Kernel, weights: Array, *args: Argument) -> Sums:
        """Return a sum over all rows, each read once: as `DenseRows.fold`.

        Raises
        ------
        StaleShardError
            If somebody else has changed the rows.
        ExecutorError
            If the executor has lost a process.
        """
        checkpoint()
        self.files.check()
        self.reads += self.n
        sums = self._here(kernel, weights, args)
        if self.executor is not None:
            sums = self._elsewhere(self.executor, kernel, weights, args)
        out: Sums = kernel.start(NUMPY, self.p)
        with np.errstate(all="ignore"):
            for part in sums:
                out = kernel.join(NUMPY, out, part)
        self.files.check()
        return tuple(np.asarray(a) for a in out)

    def _here(self, kernel: Kernel, weights: Array, args: tuple[Argument, ...]) -> Iterator[Sums]:
        y, what = self._y, Sum(kernel, args)
        for a, b in self._ranges:
            checkpoint()
            labels, s = y[a:b].reshape(-1, *y.shape[2:]), weights[a:b].reshape(-1)
            yield partial_sum(self.files, a, b, self.block, self.intercept, labels, s, what)

    def _elsewhere(
        self, executor: Executor, kernel: Kernel, weights: Array, args: tuple[Argument, ...]
    ) -> Iterator[Sums]:
        if self._sent is None:
            self._sent = _Sent(self.files.path)
        labels, s = self._sent.labels(self._labels), self._sent.weights(weights)
        path, generations = str(self.files.path), self.files.generations
        tasks = [
            Task(path, generations, a, b, self.block, self.intercept, labels, s, kernel, args)
            for a, b in self._ranges
        ]
        try:
            yield from executor.map(summed, tasks)
        except CertunlearnError:
            raise
        except Exception as error:
            # Every engine has errors of its own for a process that is lost.
            raise ExecutorError(
                f"a pass over the rows was not finished: {type(error).__name__}: {error}. Nothing "
                "has been changed: start the executor again, then ask again"
            ) from error

    def gather(self, positions: NDArray[np.int64]) -> Array:
        """Return the rows at ``positions``, shape (m, p)."""
        self.files.check()
        self.reads += len(positions)
        out = np.ones((len(positions), self.p))
        out[:, : self.files.d] = self.files.take(positions)
        out[self._scrubbed[positions]] = 0.0
        return out

    def chunks(self, numbers: int) -> Iterator[tuple[int, Array]]:
        """Yield (position, features (m, d)) in order, about so many ``numbers`` at a time."""
        self.files.check()
        step = max(1, numbers // self.p)
        for first in range(0, self.n, step):
            last = min(first + step, self.n)
            X = np.empty((last - first, self.files.d))
            self.files.read(first, last, X)
            self.reads += last - first
            yield first, X

    def compact(self, keep: NDArray[np.bool_]) -> DenseRows:
        """Refuse: files do not close up."""
        raise AssumptionError("rows in files stay where they are: write them anew")

    def thinned(self, stride: int) -> tuple[DenseRows, Callable[[Array], Array]]:
        """Return one ``stride``-th of every block as a store in memory, and the map of weights."""
        kept, out = self.block // stride, object.__new__(DenseRows)
        X = np.empty((self.blocks, kept, self.p), dtype=self.dtype)
        for a, b in self._ranges:
            checkpoint()
            X[a:b] = read_blocks(self.files, a, b, self.block, self.intercept)[:, :kept]
        out.dtype, out.intercept, out.p = self.dtype, self.intercept, self.p
        out.blocks, out.block, out.n = self.blocks, kept, self.blocks * kept
        out._X, out._y = X, self._y[:, :kept].copy()
        out._labels = np.asarray(out._y).reshape(out.n, *self._labels.shape[1:])
        out._scrubbed = np.zeros(out.n, dtype=bool)
        out._narrow, out._extent, out.reads = -1, None, 0
        return out, lambda weight: self.blocked(weight)[:, :kept].ravel()

    def append(self, X: Array, labels: AnyArray) -> None:
        """Put rows (m, d) after those there are.

        Raises
        ------
        AssumptionError
            If the files are float32 and do not hold a number exactly.
        """
        if self.dtype == np.float32 and not np.array_equal(X, X.astype(np.float32)):
            raise AssumptionError(
                "the rows in files are float32, which does not hold a number of these exactly: "
                "round them to float32 yourself, or write all rows as float64"
            )
        self.files.check()
        positions = np.arange(self.n, self.n + len(X))
        self.files.extend(len(X))
        self.files.write(positions, X)
        self.n += len(X)
        self.blocks = max(self.blocks, -(-self.n // self.block))
        self._labels, self._scrubbed = self._on_host(self._labels), self._on_host(self._scrubbed)
        self._labels[positions], self._scrubbed[positions] = labels, False
        self._extent = None
        self._unsend()

    def withdraw(self, count: int) -> None:
        """Overwrite and drop the last ``count`` rows, as if they had never been put in."""
        last = np.arange(self.n - count, self.n)
        self.files.check()
        self.files.shorten(count)
        self._labels[last], self._scrubbed[last] = 0, True
        self.n -= count
        self._extent = None
        self._unsend()

    def scrub(self, positions: NDArray[np.int64]) -> None:
        """Overwrite the rows at ``positions`` with zeros, in the files and here."""
        if not len(positions):
            return
        self.files.check()
        self.files.erase(positions)
        self._labels[positions], self._scrubbed[positions] = 0, True
        self._unsend()

    def _unsend(self) -> None:
        """Drop what was written for other processes: labels and weights as they were."""
        if self._sent is not None:
            self._sent.drop()
            self._sent = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_extent": None, "_sent": None, "executor": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def still(self) -> FileRows:
        """Return the same rows over the same files: whichever changes them first goes on."""
        out = self.view()
        out.files = copy.copy(self.files)
        out.files.parts = list(self.files.parts)
        out._labels, out._scrubbed = self._labels.copy(), self._scrubbed.copy()
        out._sent, out.reads = None, self.reads
        return out

    def __deepcopy__(self, memo: dict[int, object]) -> FileRows:
        out = memo[id(self)] = self.still()
        return out


class Matrix:
    """Rows in files beside one another, for products: what `Products` asks of an array."""

    def __init__(self, rows: FileRows, turned: bool = False) -> None:
        self.rows, self.turned, self.dtype = rows, turned, rows.dtype

    def reshape(self, *shape: int) -> Matrix:
        """Return the rows beside one another, (blocks * block, p), padding included."""
        return self

    @property
    def T(self) -> Matrix:
        """Columns beside one another."""
        return Matrix(self.rows, not self.turned)

    def __matmul__(self, V: AnyArray) -> AnyArray:
        """Return X V, or X' V where they are turned."""
        rows, parts = self.rows, []
        rows.files.check()
        for a, b in rows._ranges:
            X = read_blocks(rows.files, a, b, rows.block, rows.intercept).reshape(-1, rows.p)
            parts.append(X.T @ V[a * rows.block : b * rows.block] if self.turned else X @ V)
        out: AnyArray = np.sum(parts, axis=0) if self.turned else np.concatenate(parts)
        return out


class _Sent:
    """Labels and weights that are written for other processes, beside the rows."""

    def __init__(self, path: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="pass-", dir=path))
        self.drop = weakref.finalize(self, shutil.rmtree, str(self.path), ignore_errors=True)
        self._known: dict[str, tuple[int, AnyArray, str]] = {}
        self._count = 0

    def labels(self, values: AnyArray) -> str:
        """Return the file of labels."""
        return self._file("labels", values)

    def weights(self, values: Array) -> str:
        """Return the file of weights (blocks, block), written where they are others."""
        return self._file("weights", values)

    def _file(self, name: str, values: AnyArray) -> str:
        known = self._known.get(name)
        # Held, so that no other array gets its address.
        if known is None or known[1] is not values:
            if known is not None:
                os.unlink(known[2])
            self._count += 1
            file = str(self.path / f"{name}-{self._count}.npy")
            flat = values.reshape(-1) if name == "weights" else values
            np.save(file, flat)
            known = self._known[name] = self._count, values, file
        return known[2]
