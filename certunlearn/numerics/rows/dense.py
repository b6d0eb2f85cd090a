"""The training rows: a private copy on the device, and the scrubbing of forgotten rows."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray, Array
from ..._common.interrupts import checkpoint
from ..._common.threads import forked, refuse_forked
from ..context import float64, numerics
from .blocks import block_shape, to_power_of_two
from .fold import Argument, Kernel, Sums
from .host import aligned, compiled, folded_by_blocks, on_accelerator
from .store import Held, Store, bounded
from .weights import Weights

#: Numbers that are copied to the device at a time: what fits a cache.
CHUNK = 1 << 18


class DenseRows(Store):
    """Rows held once, on the host or an accelerator, always a copy of what the caller gave.

    Features given as float32 are held so and widened block by block, which is exact.

    Call its methods inside `numerics`: those that write hand the array to JAX, which destroys it,
    and put the result in its place, and no signal may be handled in between.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Features.
    labels : ndarray of shape (n,) or (n, K)
        Integer class codes, or real targets.
    intercept : bool
        Whether a column of ones is appended.

    Attributes
    ----------
    reads : int
        Rows read so far, by sweeps and by position.
    """

    sparse = False

    def __init__(self, X: AnyArray, labels: AnyArray, *, intercept: bool) -> None:
        self.dtype = np.float32 if X.dtype == np.float32 else np.float64
        self.intercept = intercept
        self._lay_out(X.shape, labels, lambda first, last: X[first:last])

    def _lay_out(
        self, shape: tuple[int, ...], labels: AnyArray, rows: Callable[[int, int], Array]
    ) -> None:
        """Store rows of a shape (n, d); ``rows`` returns those from one number to another."""
        self.n, d = shape
        self.p = d + int(self.intercept)
        self.blocks, self.block = self._shape
        self._labels = self._on_host(labels)
        self._scrubbed = self._on_host(np.zeros(0, dtype=bool))
        #: Rows there were before float64 was needed; -1 where it was from the start, or is not.
        self._narrow = -1
        self.reads = 0
        self._store(rows)

    def _on_host(self, values: AnyArray) -> AnyArray:
        """Return ``values`` followed by zeros, one place for every row the blocks can hold."""
        out = np.zeros((self.blocks * self.block, *values.shape[1:]), dtype=values.dtype)
        out[: len(values)] = values
        return out

    @property
    def _shape(self) -> tuple[int, int]:
        return block_shape(self.n, accelerator=self._away)

    @property
    def _away(self) -> bool:
        """Whether so many rows go to a device."""
        return on_accelerator(self.n * self.p)

    @property
    def _hosted(self) -> bool:
        """Whether the rows are in NumPy's hands: on the host, or in a process without threads."""
        return isinstance(self._X, np.ndarray)

    @property
    def as_fitted(self) -> bool:
        """Whether the rows lie in blocks as a fit on them all would lay them out."""
        return (self.blocks, self.block) == self._shape

    @property
    def chain(self) -> int:
        """Longest chain of additions of a sum over rows, here or in a fit on any part of them.

        block_shape's own chain grows with n, so that of all rows is the longest.
        """
        return max(self.block + self.blocks, sum(self._shape))

    def _store(self, rows: Callable[[int, int], Array]) -> None:
        """Copy rows (n, d), chunk by chunk: no second copy of them all exists."""
        shape = self.blocks, self.block, *self._labels.shape[1:]
        # Whole blocks of about CHUNK numbers, and all of one shape, so that one program is
        # compiled.
        step = min(self.blocks, max(1, CHUNK // (self.block * self.p)))
        all_of_them = self.blocks, self.block, self.p
        self._y: Held = self._labels.reshape(shape).copy()
        device = self._device() if self._away else None
        if device is not None:
            device.room_for(math.prod(all_of_them), self.dtype)
        with numerics():
            if device is None:
                store: Held = aligned(all_of_them, self.dtype)
            else:
                store, self._y = device.zeros(all_of_them, self.dtype), device.copied(self._y)
            for first in range(0, self.blocks, step):
                checkpoint()
                # The last chunk overlaps the one before, so that all have one shape.
                first = min(first, self.blocks - step)
                last = min((first + step) * self.block, self.n)
                part = self._padded(rows(first * self.block, last), step)
                if device is None:
                    store[first : first + step] = part
                else:
                    store = device.put(store, part, first)
        self._X: Held = store
        self._extent: tuple[Array, float] | None = None

    @staticmethod
    def _device() -> ModuleType:
        """Load what computes on a device."""
        refuse_forked()
        from . import device

        return device

    def _padded(self, X: Array, blocks: int) -> Array:
        """Return rows as whole blocks, with the column of ones where there is an intercept."""
        out = np.zeros((blocks * self.block, self.p), dtype=self.dtype)
        out[: len(X), : X.shape[1]] = X
        if self.intercept:
            out[: len(X), -1] = 1.0
        return out.reshape(blocks, self.block, self.p)

    def blocked(self, weight: Array) -> Array:
        """Return ``weight`` (n,) as (blocks, block), padding weighing nothing."""
        return self._on_host(weight).reshape(self.blocks, self.block)

    def sweep(self, times: int = 1) -> tuple[Held, Held]:
        """Return (X, labels) as blocked arrays, counting so many reads of every row."""
        if not self._hosted:
            refuse_forked()
        checkpoint()
        self.reads += times * self.n
        return self._X, self._y

    def fold(self, kernel: Kernel, weights: Array, *args: Argument) -> Sums:
        """Return a sum over all rows, each read once.

        Parameters
        ----------
        kernel : Kernel
            The sum.
        weights : ndarray of shape (blocks, block)
            Of the rows, as `blocked` lays them out.
        *args : ndarray, float or None
            What the kernel is given after the block.
        """
        self.sweep()
        X, y = self._X, self._y
        if isinstance(X, np.ndarray) and not compiled(kernel, self.n, self.p):
            return folded_by_blocks(kernel, X, np.asarray(y), weights, args)
        device = self._device()
        with float64():
            out = device.scan(kernel, device.lent(X), device.lent(y), weights, args)
            # JAX falls back to float32 silently where float64 is off: no sum of a certificate may.
            if any(a.dtype != np.float64 for a in out):
                raise RuntimeError("a sweep left float64")
            return tuple(np.asarray(a) for a in out)

    def gather(self, positions: NDArray[np.int64]) -> Array:
        """Return the rows at ``positions`` on the host, shape (m, p)."""
        self.reads += len(positions)
        if not len(positions):
            return np.zeros((0, self.p))
        if self._hosted or forked():
            at = positions // self.block, positions % self.block
            return np.asarray(self._X)[at].astype(np.float64)
        with float64():
            found = self._device().gather(self._X, to_power_of_two(positions))
            return np.asarray(found).astype(np.float64)[: len(positions)]

    def features(self, positions: NDArray[np.int64]) -> Array:
        """Return a copy of the features of rows, without the column of ones, shape (m, d)."""
        return np.ascontiguousarray(self.gather(positions)[:, : self.p - int(self.intercept)])

    def chunks(self, numbers: int) -> Iterator[tuple[int, Array]]:
        """Yield (position, features (m, d)) in order, about so many ``numbers`` at a time.

        Of slices, never of the whole store: what numpy has seen whole cannot be overwritten in
        place on a device any more.
        """
        step = min(self.blocks, max(1, numbers // (self.block * self.p)))
        for first in range(0, -(-self.n // self.block), step):
            # The last chunk overlaps the one before, so that all have one shape.
            start = min(first, self.blocks - step)
            if self._hosted:
                part = self._X[start : start + step]
            else:
                part = self._device().cut(self._X, start, step)
            X = (
                np.asarray(part)
                .astype(np.float64)
                .reshape(-1, self.p)[(first - start) * self.block :]
            )
            at = first * self.block
            self.reads += min(len(X), self.n - at)
            yield at, X[: self.n - at, : self.p - int(self.intercept)]

    def compact(self, keep: NDArray[np.bool_]) -> Self:
        """Return new rows holding only ``keep`` (n,), laid out as a fit on them would.

        Read chunk by chunk: there are never more than these rows and those.
        """
        kept, d = np.flatnonzero(keep), self.p - int(self.intercept)
        out = self._empty()
        out._lay_out(
            (len(kept), d),
            self.labels[kept],
            lambda first, last: self.gather(kept[first:last])[:, :d],
        )
        return out

    def _empty(self) -> Self:
        """Return a store like this one, without rows."""
        out = object.__new__(type(self))
        out.dtype, out.intercept = self.dtype, self.intercept
        return out

    def thinned(self, stride: int) -> tuple[DenseRows, Callable[[Weights], Array]]:
        """Return one ``stride``-th of every block as a store, and the map of weights to it."""
        out, kept = object.__new__(type(self)), self.block // stride
        out.__dict__.update(self.__dict__)
        if self._hosted:
            out._X, out._y = self._X[:, :kept], self._y[:, :kept]
        else:
            device = self._device()
            out._X, out._y = device.begun(self._X, kept), device.begun(self._y, kept)
        out.block, out.n = kept, self.blocks * kept
        beside = self._labels.shape[1:]
        out._labels = self._labels.reshape(self.blocks, self.block, *beside)[:, :kept]
        out._labels = out._labels.reshape(out.n, *beside)
        out.reads = 0
        return out, lambda weights: self.laid_out(weights)[:, :kept].ravel()

    def append(self, X: Array, labels: AnyArray) -> None:
        """Put rows (m, d) after those there are.

        In place wherever the last block has room; further blocks come an eighth at a time.
        """
        positions = np.arange(self.n, self.n + len(X))
        # A row that float32 does not hold would be rounded: all are widened instead, which is
        # exact.
        if self.dtype == np.float32 and not np.array_equal(X, X.astype(np.float32)):
            self._retype(np.float64)
            self._narrow = self.n
        needed = -(-(self.n + len(X)) // self.block)
        if needed > self.blocks:
            # An eighth more at a time: appending one by one costs a constant factor, not a copy
            # each.
            self._grow(max(needed, self.blocks + self.blocks // 8))
        part = self._padded(X, -(-len(X) // self.block)).reshape(-1, self.p)
        self.n += len(X)
        self._write(positions, part[: len(X)], labels)
        self._labels[positions], self._scrubbed[positions] = labels, False
        if self._extent is not None and len(X):
            new = part.astype(np.float64)
            with np.errstate(over="ignore"):
                square = float(np.max(np.sum(new * new, axis=1)))
            most, length = bounded(np.abs(new).max(axis=0), square, self.p)
            self._extent = np.maximum(self._extent[0], most), max(self._extent[1], length)

    def withdraw(self, count: int) -> None:
        """Overwrite and drop the last ``count`` rows, as if they had never been put in."""
        self.scrub(np.arange(self.n - count, self.n))
        self.n -= count
        if self.n <= self._narrow:
            # They alone were not float32.
            self._retype(np.float32)
            self._narrow = -1
        # Their maxima may have raised the columns'.
        self._extent = None

    def _retype(self, kind: type[np.float32 | np.float64]) -> None:
        """Hold the rows as numbers of another kind."""
        if self._hosted or forked():
            held = aligned(self._X.shape, kind)
            # float32 to float64 is exact; the way back is taken once the rows that needed it are
            # gone.
            held[...] = self._X
            self._X, self._y = held, np.asarray(self._y)
        else:
            with float64():
                self._X = self._device().retyped(self._X, kind)
        self.dtype = kind

    def _grow(self, blocks: int) -> None:
        if self._hosted or forked():
            held = aligned((blocks, *self._X.shape[1:]), self.dtype)
            held[: self.blocks] = self._X
            more = (blocks - self.blocks, *self._y.shape[1:])
            self._X, self._y = held, np.concatenate([self._y, np.zeros(more, self._y.dtype)])
        else:
            with float64():
                device = self._device()
                self._X, self._y = device.grown(self._X, blocks), device.grown(self._y, blocks)
        self.blocks = blocks
        self._labels, self._scrubbed = self._on_host(self._labels), self._on_host(self._scrubbed)

    def scrub(self, positions: NDArray[np.int64]) -> None:
        """Overwrite the rows at ``positions`` with zeros, on the device and on the host."""
        if not len(positions):
            return
        self._write(positions, 0.0, 0)
        self._labels[positions] = 0
        self._scrubbed[positions] = True

    def _write(
        self, positions: NDArray[np.int64], rows: Array | float, labels: AnyArray | int
    ) -> None:
        """Put rows (m, p), or one number for all of them, at ``positions``; and labels."""
        if self._hosted or forked():
            # After a fork in arrays of its own: JAX's threads do not exist here.
            self._X, self._y = np.require(self._X, None, "W"), np.require(self._y, None, "W")
            at = positions // self.block, positions % self.block
            self._X[at], self._y[at] = rows, labels
            return
        where = to_power_of_two(positions)
        if np.ndim(rows):
            # Positions are consecutive where rows are written: the repeated first one is row 0
            # again.
            order = where - positions[0]
            rows, labels = np.asarray(rows)[order], np.asarray(labels)[order]
        # The one place where a signal between call and assignment would lose the rows, and numbers
        # of half the length round them.
        device = self._device()
        with float64():
            self._X, self._y = device.overwrite(self._X, self._y, where, rows, labels)

    def __getstate__(self) -> dict[str, object]:
        state = dict(self.__dict__)
        state["_X"], state["_y"] = np.asarray(self._X), np.asarray(self._y)
        state["_extent"] = None
        return state

    def still(self) -> DenseRows:
        """Return the same rows, as they are now whatever happens to these: to be pickled alone."""
        out = self.view()
        # What numpy has seen whole JAX does not overwrite in place any more.
        out._X, out._y = np.asarray(self._X), np.asarray(self._y)
        if self._hosted or forked():
            out._X, out._y = out._X.copy(), out._y.copy()
        # What a later verb writes into in place has to be a copy; all else is replaced, not
        # changed.
        out._labels, out._scrubbed = self._labels.copy(), self._scrubbed.copy()
        out.reads = self.reads
        return out

    def __deepcopy__(self, memo: dict[int, object]) -> DenseRows:
        out = object.__new__(type(self))
        memo[id(self)] = out
        host = {name: value for name, value in self.__dict__.items() if name not in ("_X", "_y")}
        out.__dict__.update(copy.deepcopy(host, memo))
        out._hold(self._X, self._y, hosted=self._hosted)
        return out

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._hold(self._X, self._y, hosted=not self._away)

    def _hold(self, X: Held, y: Held, *, hosted: bool) -> None:
        """Hold copies of rows and labels as they are laid out."""
        if hosted or forked():
            self._X, self._y = aligned(X.shape, self.dtype), np.array(y)
            self._X[...] = X
            return
        device = self._device()
        with float64():
            self._X, self._y = device.copied(X), device.copied(y)
