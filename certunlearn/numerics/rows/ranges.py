"""Sums over ranges of rows in files, here or in another process.

A pass is cut into ranges of blocks by their number alone, each range is summed by one thread, and
what comes out is added in order: whoever sums them, the result is the same to the last bit.  What
travels to another process is a path, a range and the kernel with its arguments, never rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from ..._common.arrays import AnyArray, Array
from ..._common.interrupts import checkpoint, deferred
from ..._common.threads import blas_threads
from . import npy
from .files import RowFiles
from .fold import NUMPY, Argument, Kernel, Sums, folded
from .host import folded_by_blocks
from .sparse_block import SparseBlock

#: What returns a value for each row of a slice.
Values: TypeAlias = Callable[[slice], AnyArray]


class Range(NamedTuple):
    """Consecutive blocks of rows.

    Attributes
    ----------
    first, last : int
        Numbers of the blocks.
    block : int
        Rows of each.
    """

    first: int
    last: int
    block: int

    @property
    def rows(self) -> slice:
        """Numbers of the rows; the last may not be there."""
        return slice(self.first * self.block, self.last * self.block)

    def cut(self, step: int) -> Iterator[Range]:
        """Yield ranges of so many blocks each, but for the last."""
        for first in range(self.first, self.last, step):
            yield self._replace(first=first, last=min(first + step, self.last))


class Summation(NamedTuple):
    """A sum over rows, and how it is cut.

    Attributes
    ----------
    step : int
        Blocks that are read at a time.
    intercept : bool
        Whether a column of ones is appended.
    kernel, args
        What is summed.
    """

    step: int
    intercept: bool
    kernel: Kernel
    args: tuple[Argument, ...]

    def over(self, files: RowFiles, blocks: Range, labels: Values, weights: Values) -> Sums:
        """Return the sum over some blocks, by one thread: more would add in another order.

        Parameters
        ----------
        labels, weights : callable
            Return a value a row of a slice of rows; fewer where there are no more.
        """
        out: Sums = self.kernel.start(NUMPY, files.d + int(self.intercept))
        for here in blocks.cut(self.step):
            checkpoint()
            how = self._of_sparse if files.sparse else self._of_dense
            with deferred(), blas_threads(1), np.errstate(all="ignore"):
                out = self.kernel.join(NUMPY, out, how(files, here, labels, weights))
        return out

    def _of_dense(self, files: RowFiles, here: Range, labels: Values, weights: Values) -> Sums:
        X = read_blocks(files, here, self.intercept)
        y, s = (filled_up(values(here.rows), X.shape[:2]) for values in (labels, weights))
        return folded_by_blocks(self.kernel, X, y, s, self.args)

    def _of_sparse(self, files: RowFiles, here: Range, labels: Values, weights: Values) -> Sums:
        rows = slice(here.rows.start, min(here.rows.stop, files.n))
        X, m = files.sparse_rows(rows), rows.stop - rows.start
        y, s = labels(rows)[:m], filled_up(weights(rows), (1, m))[0]
        cuts = [slice(k, min(k + here.block, m)) for k in range(0, m, here.block)]
        blocks = (SparseBlock(X[cut], self.intercept, y[cut], s[cut]) for cut in cuts)
        return folded(self.kernel, blocks, files.d + int(self.intercept), self.args)


class Task(NamedTuple):
    """A sum over a range of blocks: paths, not rows.

    Attributes
    ----------
    path, mark : str
        Of the directory, and which state of it is meant.
    range : Range
        Of the blocks.
    labels, weights : str
        Files of arrays of a value a row.
    how : Summation
        The sum.
    """

    path: str
    mark: str
    range: Range
    labels: str
    weights: str
    how: Summation


@functools.lru_cache(maxsize=8)
def _opened(path: str, mark: str) -> RowFiles:
    # Another state is another directory to a process that keeps them open.
    return RowFiles(Path(path))


def summed(task: Task) -> Sums:
    """Return the sum of a task; what a process of an executor runs.

    Raises
    ------
    StaleShardError
        If the rows are not those that the sum is meant over.
    """
    files = _opened(task.path, task.mark)
    files.check(task.mark)
    labels, weights = npy.mapped(task.labels), npy.mapped(task.weights)

    def widened(rows: slice) -> Array:
        return np.asarray(weights[rows], dtype=np.float64)

    out = task.how.over(files, task.range, labels.__getitem__, widened)
    # Nor were they changed meanwhile.
    files.check(task.mark)
    return out


def read_blocks(files: RowFiles, blocks: Range, intercept: bool) -> AnyArray:
    """Return blocks of rows with the column of ones; rows that there are not are zeros."""
    here = blocks.rows
    X = np.zeros((here.stop - here.start, files.d + int(intercept)), dtype=files.dtype)
    end = min(here.stop, files.n)
    files.read(here.start, end, X)
    if intercept:
        X[: end - here.start, -1] = 1.0
    return X.reshape(-1, blocks.block, X.shape[1])


def filled_up(values: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Return a value a row as whole blocks (blocks, block, ...), followed by zeros."""
    out = np.zeros((shape[0] * shape[1], *values.shape[1:]), dtype=values.dtype)
    out[: len(values)] = values
    return out.reshape(*shape, *values.shape[1:])
