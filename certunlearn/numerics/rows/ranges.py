"""Sums over ranges of rows in files, here or in another process.

A pass is cut into ranges of blocks by their number alone, each range is summed by one thread, and
what comes out is added in order: whoever sums them, the result is the same to the last bit.  What
travels to another process is a path, a range and the kernel with its arguments, never rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ..._common.arrays import AnyArray, Array
from ..._common.interrupts import deferred
from ..._common.threads import blas_threads
from .files import RowFiles
from .fold import Argument, Kernel, Sums
from .host import folded_by_blocks


class Executor(Protocol):
    """What concurrent.futures calls an executor; Dask, loky and others have one as well."""

    def map(self, function: Callable[[Task], Sums], tasks: Iterable[Task], /) -> Iterable[Sums]:
        """Return the results in the order of the tasks."""


class Task(NamedTuple):
    """A sum over a range of blocks: paths, not rows.

    Attributes
    ----------
    path : str
        Of the directory.
    generations : tuple of int
        Of its parts, as the sum is meant.
    first, last : int
        Numbers of the blocks.
    rows : int
        In a block.
    intercept : bool
        Whether a column of ones is appended.
    labels, weights : str
        Files of arrays (blocks * rows, ...).
    kernel, args
        The sum.
    """

    path: str
    generations: tuple[int, ...]
    first: int
    last: int
    rows: int
    intercept: bool
    labels: str
    weights: str
    kernel: Kernel
    args: tuple[Argument, ...]


@functools.lru_cache(maxsize=8)
def _opened(path: str, generations: tuple[int, ...]) -> RowFiles:
    # Another generation is another directory to a process that keeps them open.
    return RowFiles(Path(path))


def summed(task: Task) -> Sums:
    """Return the sum of a task; what a process of an executor runs.

    Raises
    ------
    StaleShardError
        If the rows are not those that the sum is meant over.
    """
    files = _opened(task.path, task.generations)
    files.check(task.generations)
    y, s = (np.load(name, mmap_mode="r") for name in (task.labels, task.weights))
    here = slice(task.first * task.rows, task.last * task.rows)
    out = partial_sum(
        files, task.first, task.last, task.rows, task.intercept, y[here], s[here], task
    )
    # Nor were they changed meanwhile.
    files.check(task.generations)
    return out


class Summand(Protocol):
    """A kernel and what it is given."""

    @property
    def kernel(self) -> Kernel: ...

    @property
    def args(self) -> tuple[Argument, ...]: ...


def partial_sum(
    files: RowFiles,
    first: int,
    last: int,
    rows: int,
    intercept: bool,
    y: AnyArray,
    s: Array,
    what: Summand,
) -> Sums:
    """Read blocks and sum over them, by one thread: more would add in another order."""
    X = read_blocks(files, first, last, rows, intercept)
    shape = len(X), rows
    y, s = np.asarray(y).reshape(*shape, *y.shape[1:]), np.asarray(s).reshape(shape)
    with deferred(), blas_threads(1):
        return folded_by_blocks(what.kernel, X, y, s, what.args)


def read_blocks(files: RowFiles, first: int, last: int, rows: int, intercept: bool) -> AnyArray:
    """Return blocks of rows with the column of ones; rows that there are not are zeros."""
    X = np.zeros(((last - first) * rows, files.d + int(intercept)), dtype=files.dtype)
    end = min(last * rows, files.n)
    files.read(first * rows, end, X)
    if intercept:
        X[: end - first * rows, -1] = 1.0
    return X.reshape(last - first, rows, -1)


class Sum(NamedTuple):
    """A kernel and what it is given, where nothing has to travel."""

    kernel: Kernel
    args: tuple[Argument, ...]
