"""Rows that stay in files: every pass reads them part by part, here or in other processes.

Memory holds a few blocks of rows at a time, and a few bytes a row: its class, whether it has been
overwritten, and its weight where weights differ.  See `ranges` for how a pass is summed.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import NoReturn, Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ..._common.arrays import AnyArray, Array, MatrixLike
from ..._common.interrupts import checkpoint
from ...exceptions import AssumptionError
from .beside import Matrix
from .blocks import block_shape
from .dense import DenseRows
from .executors import ambient, results
from .files import RowFiles
from .fold import NUMPY, Argument, Kernel, Sums
from .ranges import Range, Summation, Task, filled_up, read_blocks, summed
from .sent import Laid, Sent
from .store import Store
from .weights import Weights

#: Numbers of rows that are read at a time: some 50 ms of work, many blocks.
TOGETHER = 1 << 23
#: Numbers of rows that a start may hold of every so-many-th row.
MOST_THINNED = 1 << 25
#: Numbers of rows that a request may write out beside the files; it makes more passes else.
MOST_GATHERED = 1 << 23
#: Tasks of a pass at most: what travels does not grow with the rows.
MOST_TASKS = 512


class Filed(Store):
    """What rows in files do alike, dense or sparse.

    A subclass says what a range of blocks is.
    """

    closes_up = False
    files: RowFiles
    block: int
    p: int
    intercept: bool
    _sent: Sent | None

    def _open(self, files: RowFiles, labels: AnyArray, *, intercept: bool) -> None:
        """Take rows and their labels as they lie."""
        self.files, self.executor, self.timeout = files, files.executor, files.timeout
        self.intercept, self.reads = intercept, 0
        self.n, self.p = files.n, files.d + int(intercept)
        self._labels, self._scrubbed = self._codes(labels), np.zeros(self.n, dtype=bool)
        self._extent, self._sent = None, None

    @staticmethod
    def _codes(labels: AnyArray) -> AnyArray:
        """Return a copy of labels; class codes as narrow as the largest of them."""
        if labels.dtype.kind not in "iu":
            return labels.copy()
        return labels.astype(np.min_scalar_type(int(labels.max(initial=0))))

    @property
    def _all(self) -> Range:
        """All blocks there are."""
        return Range(0, -(-self.n // self.block), self.block)

    @property
    @abstractmethod
    def _step(self) -> int:
        """Blocks that are read at a time: by the shape of the rows alone."""

    def laid_out(self, weights: Weights) -> Array:
        """Return weights to be widened a part at a time; no array of them all is made."""
        return cast("Array", Laid(weights, self._all.last, self.block))

    def blocked(self, weight: Array) -> Array:
        """Return weights (n,) as `laid_out` does."""
        return self.laid_out(Weights.of(weight))

    def fold(self, kernel: Kernel, weights: Array, *args: Argument) -> Sums:
        """Return a sum over all rows, each read once: as `DenseRows.fold`.

        Raises
        ------
        StaleShardError
            If somebody else has changed the rows.
        ExecutorError
            If the executor has lost a process, or lets one wait too long.
        """
        checkpoint()
        self.files.check()
        self.reads += self.n
        executor = ambient() if self.executor is None else self.executor
        laid = cast("Laid", weights)
        how = Summation(self._step, self.intercept, kernel, args)
        if executor is None:
            labels = self._labels.__getitem__
            sums: Iterator[Sums] = (
                how.over(self.files, here, labels, laid.part) for here in self._together
            )
        else:
            sums = results(executor, summed, self._tasks(how, laid.weights), self.timeout)
        out: Sums = kernel.start(NUMPY, self.p)
        with np.errstate(all="ignore"):
            for part in sums:
                out = kernel.join(NUMPY, out, part)
        self.files.check()
        return tuple(np.asarray(a) for a in out)

    @property
    def _together(self) -> Iterator[Range]:
        """Yield what is one task: of no more of them than `MOST_TASKS`, however many rows."""
        steps = -(-self._all.last // self._step)
        return self._all.cut(self._step * -(-steps // MOST_TASKS))

    def _tasks(self, how: Summation, weights: Weights) -> list[Task]:
        if self._sent is None:
            self._sent = Sent(self.files.path)
        labels, s = self._sent.labels(self._labels), self._sent.weights(weights)
        path, mark = str(self.files.path), self.files.mark
        return [Task(path, mark, here, labels, s, how) for here in self._together]

    def append(self, X: MatrixLike, labels: AnyArray) -> None:
        """Put rows (m, d) after those there are.

        Raises
        ------
        AssumptionError
            If the files are float32 and do not hold a number exactly.
        """
        values = X.data if issparse(X) else X
        if self.files.dtype == np.float32 and not np.array_equal(values, values.astype(np.float32)):
            raise AssumptionError(
                "the rows in files are float32, which does not hold a number of these exactly: "
                "round them to float32 yourself, or write all rows as float64"
            )
        self.files.check()
        m = int(X.shape[0])
        self.files.extend(m)
        self.files.write(np.arange(self.n, self.n + m), X)
        # No code is wider: labels that did not occur in the fit are not learnt.
        labels = np.concatenate([self._labels, labels.astype(self._labels.dtype)])
        self._go_on(self.n + m, labels, np.concatenate([self._scrubbed, np.zeros(m, dtype=bool)]))

    def withdraw(self, count: int) -> None:
        """Overwrite and drop the last ``count`` rows, as if they had never been put in."""
        self.files.check()
        self.files.shorten(count)
        n = self.n - count
        self._go_on(n, self._labels[:n].copy(), self._scrubbed[:n].copy())

    def _go_on(self, n: int, labels: AnyArray, scrubbed: NDArray[np.bool_]) -> None:
        """Go on with other rows at the end."""
        self.n, self._labels, self._scrubbed, self._extent = n, labels, scrubbed, None
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

    def compact(self, keep: NDArray[np.bool_]) -> NoReturn:
        """Refuse: files do not close up."""
        raise AssumptionError("rows in files stay where they are: write them anew")

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_extent": None, "_sent": None, "executor": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def still(self) -> Self:
        """Return the same rows over the same files: whichever changes them first goes on."""
        out = self.view()
        out.files = copy.copy(self.files)
        out.files.parts = list(self.files.parts)
        out._labels, out._scrubbed = self._labels.copy(), self._scrubbed.copy()
        out._sent, out.reads = None, self.reads
        return out

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        out = memo[id(self)] = self.still()
        return out


class FileRows(Filed, DenseRows):
    """Dense rows that stay in files.

    Parameters
    ----------
    files : RowFiles
        Where the features lie.
    labels : ndarray of shape (n,) or (n, K)
        Integer class codes, or real targets.
    intercept : bool
        Whether a column of ones is appended.
    """

    def __init__(self, files: RowFiles, labels: AnyArray, *, intercept: bool) -> None:
        self.dtype = np.float32 if files.dtype == np.float32 else np.float64
        self._narrow = -1
        self.blocks, self.block = block_shape(files.n)
        self._open(files, labels, intercept=intercept)

    def _go_on(self, n: int, labels: AnyArray, scrubbed: NDArray[np.bool_]) -> None:
        super()._go_on(n, labels, scrubbed)
        self.blocks = self._all.last

    @property
    def _shape(self) -> tuple[int, int]:
        return block_shape(self.n)

    @property
    def _hosted(self) -> bool:
        return True

    @property
    def _step(self) -> int:
        return max(1, TOGETHER // (self.block * self.p))

    @property
    def _y(self) -> AnyArray:  # type: ignore[override]
        return filled_up(self._labels, (self.blocks, self.block))

    def sweep(self, times: int = 1) -> tuple[FileMatrix, AnyArray]:  # type: ignore[override]
        """Return (X, labels) as blocked arrays, counting so many reads of every row."""
        checkpoint()
        self.reads += times * self.n
        return FileMatrix(self), self._y

    def gathers(self, count: int) -> bool:
        """Whether so many rows may be written out."""
        return count * self.p <= MOST_GATHERED

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

    def thinned(self, stride: int) -> tuple[DenseRows, Callable[[Weights], Array]]:
        """Return one ``stride``-th of every block, or fewer, in memory, and the map of weights."""
        # A start is a start from however few rows; memory is not to grow with their number.
        most = max(MOST_THINNED // (self.blocks * self.p), 1)
        kept, out = min(self.block // stride, most), object.__new__(DenseRows)
        X = np.empty((self.blocks, kept, self.p), dtype=self.dtype)
        for here in self._all.cut(self._step):
            checkpoint()
            X[here.first : here.last] = read_blocks(self.files, here, self.intercept)[:, :kept]
        out.dtype, out.intercept, out.p = self.dtype, self.intercept, self.p
        out.blocks, out.block, out.n = self.blocks, kept, self.blocks * kept
        out._X, out._y = X, self._y[:, :kept].copy()
        out._labels = np.asarray(out._y).reshape(out.n, *self._labels.shape[1:])
        out._scrubbed = np.zeros(out.n, dtype=bool)
        out._narrow, out._extent, out.reads = -1, None, 0
        places = np.arange(self.blocks)[:, None] * self.block + np.arange(kept)
        places = places.ravel()

        def chosen(weights: Weights) -> Array:
            s = np.zeros(out.n)
            there = places < len(weights)
            s[there] = weights.at(places[there])
            return s

        return out, chosen


class FileMatrix(Matrix[FileRows]):
    """Rows in files beside one another."""

    def __getitem__(self, here: slice) -> AnyArray:
        rows, step = self.rows, here.step or 1
        found = []
        for blocks in rows._all.cut(rows._step):
            X = read_blocks(rows.files, blocks, rows.intercept).reshape(-1, rows.p)
            found.append(X[-blocks.rows.start % step :: step])
        return np.concatenate(found)

    def __matmul__(self, V: AnyArray) -> AnyArray:
        rows, parts = self.rows, []
        rows.files.check()
        for here in rows._all.cut(rows._step):
            X = read_blocks(rows.files, here, rows.intercept).reshape(-1, rows.p)
            parts.append(X.T @ V[here.rows] if self.turned else X @ V)
        out: AnyArray = np.sum(parts, axis=0) if self.turned else np.concatenate(parts)
        return out
