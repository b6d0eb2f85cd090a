"""Sample weights from which a few rows can go without touching the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import AnyArray
from ..._common.cached import cached_property
from ...exceptions import AssumptionError
from .narrow import narrowed

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
NO_ROWS = np.zeros(0, dtype=np.int64)
#: Changes are listed up to so many; then they are written out.
_MOST_LISTED = 512
#: Rows that `exact_sum` takes at a time.
_TOGETHER = 1 << 16
#: Rows whose weights are widened at a time.
_SLICE = 1 << 20


def exact_sum(*factors: AnyArray) -> Fraction:
    """Return ``sum_i f_i g_i ...`` exactly, of up to three finite arrays, whatever the order.

    Examples
    --------
    >>> exact_sum(np.array([1e-30, 1.0, 1e30])) == Fraction(1e-30) + Fraction(1) + Fraction(1e30)
    True
    >>> exact_sum(np.array([3.0, 0.5]), np.array([1e300, -2.0])) == 3 * Fraction(1e300) - 1
    True
    """
    count = len(factors[0])
    if not count:
        return Fraction(0)
    out, varying = Fraction(1), []
    for f in factors:
        # A factor that is the same for all rows leaves the sum.
        if (f == f[0]).all():
            out *= Fraction(float(f[0]))
        else:
            varying.append(f)
    if not varying:
        return count * out
    steps = range(0, count, _TOGETHER)
    return out * sum((_digits([f[k : k + _TOGETHER] for f in varying]) for k in steps), Fraction(0))


def _digits(factors: list[AnyArray]) -> Fraction:
    """Return `exact_sum` of a piece: products of digits of 18 bits, summed by their exponents."""
    digits = [np.ones(1, dtype=np.int64)]
    exponent = np.full(1, -53 * len(factors), dtype=np.int64)
    for f in factors:
        # f = sign w 2^(e - 53), w < 2^53 an integer, cut into three digits of 18 bits.
        mantissa, e = np.frexp(f.astype(np.float64, copy=False))
        exponent = exponent + e.astype(np.int64)
        whole = np.ldexp(np.abs(mantissa), 53).astype(np.int64)
        sign = np.sign(mantissa).astype(np.int64)
        product = [np.zeros(1, dtype=np.int64)] * (len(digits) + 2)
        for j in range(3):
            digit = sign * ((whole >> (18 * j)) & (2**18 - 1))
            for i, known in enumerate(digits):
                # At most 7 products of three digits: below 7 2^54 < 2^57, so int64 holds them with
                # their sign.
                product[i + j] = product[i + j] + known * digit
        digits = product
    least = int(exponent.min())
    # Rows of one exponent are added together; Python's integers put exponents and digits together.
    place, total = exponent - least, 0
    for i, digit in enumerate(digits):
        # Less than 2^57 each, in halves: no sum of 2^16 of them leaves the integers of float64.
        for half, shift in ((digit >> 27, 27), (digit & (2**27 - 1), 0)):
            sums = np.bincount(place, weights=half.astype(np.float64))
            for k in np.flatnonzero(sums).tolist():
                total += int(sums[k]) << (k + 18 * i + shift)
    return Fraction(total) * Fraction(2) ** least


def _normal(weight: AnyArray) -> None:
    if weight.dtype.kind == "u":
        return
    least = np.min(weight, where=weight > 0, initial=np.inf)
    # Flushed to zero on some devices, and not on others: positive here and zero there.
    if least < np.finfo(np.float64).tiny:
        raise AssumptionError(
            f"a weight of {least:.3g} is below the normal numbers of float64: make it 0 or "
            "rescale the weights"
        )


@dataclass(frozen=True)
class Weights:
    """One weight a row; a row of weight zero is not in the training set.

    Attributes
    ----------
    base : ndarray of shape (n_0,)
        Weights before the changes listed next; narrower than float64 where that holds them exactly
        and rows are so many that it matters, see `narrow`.
    gone : ndarray of int
        Positions whose weight has become zero since.
    tail : ndarray of shape (n - n_0,)
        Weights of rows put in since.
    kept : int
        Rows of positive weight.
    """

    base: AnyArray
    gone: Positions
    tail: Array
    kept: int

    @classmethod
    def of(cls, weight: AnyArray) -> Weights:
        """Take over an array (n,), which must not be written to afterwards.

        Raises
        ------
        AssumptionError
            If a weight is a subnormal number: whether that is positive is answered differently on
            different devices.
        """
        parts = [weight[k : k + _SLICE] for k in range(0, len(weight), _SLICE)]
        for part in parts:
            _normal(part)
        return cls(weight, NO_ROWS, np.zeros(0), sum(int(np.count_nonzero(part)) for part in parts))

    def __len__(self) -> int:
        return len(self.base) + len(self.tail)

    @cached_property
    def array(self) -> Array:
        """All weights, shape (n,): written out when first asked for."""
        if not (len(self.gone) or len(self.tail) or self.base.dtype != np.float64):
            return self.base
        out = np.concatenate([self.base, self.tail])
        out[self.gone] = 0.0
        return out

    def slices(self) -> Iterator[tuple[slice, Array]]:
        """Yield (places, weights) of consecutive rows, never all at once."""
        for first in range(0, len(self), _SLICE):
            here = slice(first, min(first + _SLICE, len(self)))
            yield here, self.part(here)

    def part(self, here: slice) -> Array:
        """Return the weights of consecutive rows; not to be written to."""
        if "array" in self.__dict__:
            return self.array[here]
        old = len(self.base)
        out = self.base[here].astype(np.float64, copy=False)
        if here.stop > old:
            out = np.concatenate([out, self.tail[max(here.start - old, 0) : here.stop - old]])
        gone = self.gone[(self.gone >= here.start) & (self.gone < here.stop)]
        if len(gone):
            out = out.copy()
            out[gone - here.start] = 0.0
        return out

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(sum(np.sum(weight) for _, weight in self.slices()))

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which rows have weight, shape (n,)."""
        out = np.empty(len(self), dtype=bool)
        for here, weight in self.slices():
            out[here] = weight > 0
        return out

    def at(self, positions: Positions) -> Array:
        """Return the weights at ``positions``, a copy."""
        if "array" in self.__dict__:
            return self.array[positions]
        if len(self.tail):
            old = positions < len(self.base)
            out = np.zeros(len(positions))
            out[old] = self.base[positions[old]]
            out[~old] = self.tail[positions[~old] - len(self.base)]
        else:
            out = self.base[positions].astype(np.float64, copy=False)
        if len(self.gone):
            # Few against few: comparing all pairs beats sorting.
            out[(positions[:, None] == self.gone).any(axis=1)] = 0.0
        return out

    def without(self, positions: Positions) -> Weights:
        """Return the weights with those at ``positions`` set to zero."""
        lost = int(np.count_nonzero(self.at(positions) > 0))
        known = self._written
        gone = np.concatenate([known.gone, positions])
        out = Weights(known.base, gone, known.tail, self.kept - lost)
        # Narrow ones are not widened before all are asked for, which may be never.
        return out if self.base.dtype == np.float64 else out._written

    def extended(self, weight: Array) -> Weights:
        """Return the weights followed by those of further rows; refuses what `of` refuses."""
        _normal(weight)
        known, more = self._written, int(np.count_nonzero(weight > 0))
        tail = np.concatenate([known.tail, weight])
        return Weights(known.base, known.gone, tail, self.kept + more)

    def condensed(self, keep: NDArray[np.bool_]) -> Weights:
        """Return the weights at the places ``keep`` (n,) of a store, whose rows close up.

        These may be older than the store and end before it.  Where a row that has weight here is
        not kept, nobody has any afterwards: what was made under such weights is not of any rows
        that are left, and must not be taken for it.
        """
        keep, weight = keep[: len(self)], self.array
        if (weight[~keep] > 0).any():
            # Of older weights: no row of theirs may be taken for one that stays.
            return Weights(np.zeros(int(np.count_nonzero(keep))), NO_ROWS, np.zeros(0), 0)
        return Weights(weight[keep], NO_ROWS, np.zeros(0), self.kept)

    @property
    def _written(self) -> Weights:
        """These weights without a list of changes, where they are written out or should be."""
        many = len(self.gone) + len(self.tail) > _MOST_LISTED
        return self._flat if many or "array" in self.__dict__ else self

    @property
    def _flat(self) -> Weights:
        if self.base.dtype == np.float64:
            return Weights(self.array, NO_ROWS, np.zeros(0), self.kept)
        base = narrowed(lambda: (part for _, part in self.slices()))
        return Weights(base, NO_ROWS, np.zeros(0), self.kept)

    def __getstate__(self) -> dict[str, object]:
        # What a row that has gone weighed does not belong into a pickle.
        return vars(self._flat)
