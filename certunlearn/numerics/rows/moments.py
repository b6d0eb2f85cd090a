"""Exact sums of columns and of their products: means, variances and covariances rounded once.

A column is cut into slices of 20 bits, from its largest number down to the last bit of its
smallest.  Sums of products of slices over a block of rows are integers that float64 holds exactly,
so that BLAS may add them in any order (Ozaki, Ogita, Oishi and Rump 2012); blocks are added as
integers without end.  Sums are what they are whatever rows have come and gone on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._common.columns import extremes
from ...exceptions import AssumptionError

Array = NDArray[np.float64]
#: Arrays of Python's integers.
Integers = NDArray[np.object_]
#: Bits of a slice, and rows of a block, which fits a cache: 2^20 2^20 2^10 is below 2^53.
_BITS, _BLOCK = 20, 1 << 10
#: Blocks whose sums are added as 64-bit integers: fewer than 2^7 pairs of slices share a number.
_TOGETHER = 1 << 5
#: Slices of nearly any block.
_LEAST = 3
#: Up to so many rows are multiplied as Python's integers at once.
_FEW = 4


@dataclass(frozen=True)
class Moments:
    """``n``, ``sum x_j`` and ``sum x_j^2``, or ``sum x_j x_k``, exactly.

    Attributes
    ----------
    count : int
        Rows.
    exponent : ndarray of int, shape (d,)
        Of the integers: ``sum x_j = first_j 2^exponent_j`` and
        ``sum x_j x_k = second_jk 2^(exponent_j + exponent_k)``.
    first : ndarray of object, shape (d,)
        Integers.
    second : ndarray of object, shape (d,) or (d, d)
        Integers; a vector where only squares are wanted.
    """

    count: int
    exponent: NDArray[np.int64]
    first: Integers
    second: Integers

    @classmethod
    def of(cls, X: Array, *, joint: bool = False) -> Moments:
        """Sum finite rows (m, d); with ``joint`` products of different columns as well.

        Examples
        --------
        >>> rows = np.array([[1e16, 0.1], [1.0, 0.2], [-1e16, 0.3]])
        >>> [float(v) for v in Moments.of(rows).means]
        [0.3333333333333333, 0.2]
        """
        if len(X) <= _FEW:
            return cls._outright(X, joint)
        return _Slices(X, joint).moments()

    @classmethod
    def _outright(cls, X: Array, joint: bool) -> Moments:
        """Sum few rows, whose numbers are integers times a power of two each."""
        mantissa, e = np.frexp(X)
        # x = whole 2^(e - 53), whole an integer below 2^53 in size.
        whole = np.ldexp(mantissa, 53).astype(np.int64).astype(object)
        # 1100 is above every exponent: a zero does not lower the common one.
        live = np.where(X == 0, 1100, e)
        exponent = live.min(axis=0, initial=1100).astype(np.int64) - 53
        # Every number as an integer times the column's smallest power of two.
        shift = np.maximum(live - 53 - exponent, 0) if len(X) else live
        rows = whole << shift.astype(object)
        if len(X) == 0:
            zeros = np.full(X.shape[1], 0, dtype=object)
            return cls(0, exponent, zeros, np.outer(zeros, zeros) if joint else zeros)
        second = rows.T @ rows if joint else (rows * rows).sum(axis=0)
        return cls(len(X), exponent, rows.sum(axis=0), second)

    @property
    def joint(self) -> bool:
        """Whether products of different columns are known."""
        return self.second.ndim == 2

    @property
    def means(self) -> Array:
        """Means, rounded once, shape (d,)."""
        return _quotients(self.first, self.count, self.exponent)

    @property
    def variances(self) -> Array:
        """``sum (x_j - mean_j)^2 / n``, rounded once, shape (d,)."""
        n, s = self.count, self.first
        squares = np.diag(self.second) if self.joint else self.second
        # n sum x^2 - (sum x)^2 over n^2: integers until the one division.
        return _quotients(n * squares - s * s, n * n, 2 * self.exponent)

    @property
    def covariances(self) -> Array:
        """``sum (x_j - mean_j) (x_k - mean_k) / n``, rounded once, shape (d, d)."""
        n, s, e = self.count, self.first, self.exponent
        j, k = np.tril_indices(len(s))
        above = n * self.second[j, k] - s[j] * s[k]
        out = np.zeros((len(s), len(s)))
        out[j, k] = out[k, j] = _quotients(above, n * n, e[j] + e[k])
        return out

    def _at(self, exponent: NDArray[np.int64]) -> tuple[Integers, Integers]:
        """Return the sums as integers of smaller exponents."""
        if (self.exponent == exponent).all():
            return self.first, self.second
        # Smaller exponents, larger integers: a shift to the left loses nothing.
        shift = (self.exponent - exponent).astype(object)
        both = shift[:, None] + shift if self.joint else 2 * shift
        return self.first << shift, self.second << both

    def __add__(self, other: Moments) -> Moments:
        exponent = np.minimum(self.exponent, other.exponent)
        (a, aa), (b, bb) = self._at(exponent), other._at(exponent)
        return Moments(self.count + other.count, exponent, a + b, aa + bb)

    def __sub__(self, other: Moments) -> Moments:
        return self + Moments(-other.count, other.exponent, -other.first, -other.second)


def _quotients(above: Integers, below: int, exponent: NDArray[np.int64]) -> Array:
    """Return ``2^exponent above / below``, each rounded once.

    Raises
    ------
    AssumptionError
        If that is beyond float64.
    """
    try:
        # Python divides integers with one rounding, whatever their length.
        over, under = (np.maximum(e, 0).astype(object) for e in (exponent, -exponent))
        out: Array = ((above << over) / (below << under)).astype(np.float64)
        return out
    except OverflowError:
        raise AssumptionError(
            "the squares of a column overflow float64: rescale the features"
        ) from None


class _Slices:
    """Sums rows slice by slice and block by block."""

    def __init__(self, X: Array, joint: bool) -> None:
        self.X, self.joint, d = X, joint, X.shape[1]
        # |x_j| < 2^top_j for all rows: the e of step 1 of proofs/frame.md.
        low, high = extremes(X)
        self.top = np.frexp(np.maximum(high, -low))[1].astype(np.int64)
        shape = (d, d) if joint else (d,)
        # By the slice, and by the sum of both slices' numbers.
        self.first: dict[int, Integers] = {}
        self.second: dict[int, Integers] = {}
        self.nothing = np.full(d, 0, dtype=object), np.full(shape, 0, dtype=object)

    def moments(self) -> Moments:
        """Return the sums."""
        cut = _Cutter(min(_BLOCK, len(self.X)), self.top)
        for start in range(0, len(self.X), _TOGETHER * _BLOCK):
            self._add(cut, self.X[start : start + _TOGETHER * _BLOCK])
        # Slices below the last one that occurs hold nothing.
        depth = max(self.first, default=0) + 1
        first, second = self.nothing
        for k, part in self.first.items():
            # Slice k weighs 2^(top - 20 (k + 1)): all brought to the exponent of the last.
            first = first + (part << (_BITS * (depth - 1 - k)))
        for k, part in self.second.items():
            second = second + (part << (_BITS * (2 * depth - 2 - k)))
        return Moments(len(self.X), self.top - _BITS * depth, first, second)

    def _add(self, cut: _Cutter, X: Array) -> None:
        """Add so few blocks that their sums are 64-bit integers."""
        first: dict[int, NDArray[np.int64]] = {}
        second: dict[int, NDArray[np.int64]] = {}
        for start in range(0, len(X), _BLOCK):
            slices = cut(X[start : start + _BLOCK])
            for i, a in enumerate(slices):
                # A product of ones is BLAS's fastest sum, and exact for the same reason as the
                # products of slices.
                sums = (np.ones(len(a)) @ a).astype(np.int64)
                first[i] = sums + first[i] if i in first else sums
            for k, part in self._products(slices):
                second[k] = part + second[k] if k in second else part
        for own, total in ((first, self.first), (second, self.second)):
            for k, part in own.items():
                total[k] = total.get(k, 0) + part.astype(object)

    def _products(self, slices: list[Array]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield the sums of products of two slices each, and the sum of their numbers."""
        if self.joint and slices:
            d = slices[0].shape[1]
            both = np.hstack(slices)
            # All pairs of slices in one product: |digits| <= 2^20, so 2^10 rows add up to at most
            # 2^50, partial sums as well, and BLAS may add in any order.
            products = (both.T @ both).astype(np.int64).reshape(len(slices), d, len(slices), d)
        for i, a in enumerate(slices):
            for j, b in enumerate(slices):
                if self.joint:
                    yield i + j, products[i, :, j]
                elif j <= i:
                    # Pairs (i, j) and (j, i) are the same squares: once, and doubled.
                    yield i + j, np.einsum("nd,nd->d", a, b).astype(np.int64) << int(j < i)


class _Cutter:
    """Cuts blocks of rows with ``|x_j| < 2^top_j`` into integers, in memory of its own.

    ``x = sum_k slice_k 2^(top - 20 (k + 1))``; the first slice is at most 2^20 in size, all others
    half of that.
    """

    def __init__(self, rows: int, top: NDArray[np.int64]) -> None:
        self.top, self.shape = top, (rows, len(top))
        self.scales: tuple[Array, Array] | None = None
        if np.abs(top).max(initial=0) < 1000:
            self.scales = np.ldexp(1.0, _BITS - top), np.ldexp(1.0, top - _BITS)
        self.rest, self.back = np.empty(self.shape), np.empty(self.shape)
        self.slices: list[Array] = []

    def __call__(self, X: Array) -> list[Array]:
        """Cut rows (m, d); what is returned lasts until the next call."""
        if self.scales is None:
            return _cut(X, self.top)
        rest, back = self.rest[: len(X)], self.back[: len(X)]
        np.multiply(X, self.scales[0], out=rest)
        # The way back shows whether 2^(20 - e) x was exact; where it was not, `_cut` scales digit
        # by digit.
        np.multiply(rest, self.scales[1], out=back)
        if not np.array_equal(back, X):
            return _cut(X, self.top)
        out: list[Array] = []
        while len(out) < _LEAST or rest.any():
            if len(out) == len(self.slices):
                self.slices.append(np.empty(self.shape))
            # h = rint(2^(20 - e) x); the remainder times 2^20 is a float of no more bits, and gives
            # the next digit.
            digit = np.rint(rest, out=self.slices[len(out)][: len(X)])
            np.subtract(rest, digit, out=rest)
            np.multiply(rest, 2.0**_BITS, out=rest)
            out.append(digit)
        return out


def _cut(X: Array, top: NDArray[np.int64]) -> list[Array]:
    """Cut rows as `_Cutter` does, whatever the size of their numbers."""
    out: list[Array] = []
    while X.any():
        exponent = _BITS * (len(out) + 1) - top
        digit = np.rint(np.ldexp(X, exponent))
        X = X - np.ldexp(digit, -exponent)
        out.append(digit)
    return out
