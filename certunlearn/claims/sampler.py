"""Where randomness comes from, standard normal numbers, and the rounding of what is released."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]


#: Significant bits of a released coefficient: a constant, so rounding is post-processing.
RELEASE_BITS = 36


class Source(Protocol):
    """Where random bytes come from."""

    def bytes(self, count: int) -> bytes: ...


@dataclass(frozen=True)
class OperatingSystem:
    """The operating system's cryptographic generator: the only source that hides anything."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` fresh bytes."""
        return os.urandom(count)


@dataclass(frozen=True)
class Stream:
    """Release ``index`` of the stream of a seed: reproducible, hence not private."""

    seed: int
    index: int

    def bytes(self, count: int) -> bytes:
        """Return the first ``count`` bytes of SHAKE-256 over (seed, index)."""
        return hashlib.shake_256(f"certunlearn/{self.seed}/{self.index}".encode()).digest(count)


def standard_normal(source: Source, shape: tuple[int, ...]) -> Array:
    """Return standard normal variates by inversion of 63 random bits each.

    One bit is the sign and 62 choose the tail probability, so tails reach 2^-63.
    """
    count = math.prod(shape)
    # Little-endian whatever the machine: a seed gives the same stream everywhere.
    words = np.frombuffer(source.bytes(8 * count), dtype="<u8")
    sign = np.where(words & np.uint64(1), 1.0, -1.0)
    # Half a step off zero: a tail probability of 0 would be an infinite number.
    tail = ((words >> np.uint64(2)).astype(np.float64) + 0.5) * 2.0**-63
    # ndtri of at most 1/2 is the lower tail, where it keeps its relative accuracy.
    out: Array = (sign * ndtri(np.minimum(tail, 0.5))).reshape(shape)
    return out


def rounded(W: Array) -> Array:
    """Round every coefficient to `RELEASE_BITS` significant bits.

    A fixed function of the released value alone, so it can only hide.  Proof: proofs/rounded.md
    """
    mantissa, exponent = np.frexp(W)
    whole = np.round(np.ldexp(mantissa, RELEASE_BITS))
    # The largest numbers would be rounded up beyond what a float can hold.
    beyond = (np.abs(whole) == 2.0**RELEASE_BITS) & (exponent == 1024)
    whole = np.where(beyond, np.copysign(2.0**RELEASE_BITS - 1, whole), whole)
    out: Array = np.ldexp(whole, exponent - RELEASE_BITS)
    return out
