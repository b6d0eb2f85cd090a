"""How rows lie in blocks, and numbers that take few values: powers of two."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SMALLEST_BLOCK, LARGEST_BLOCK, ACCELERATOR_BLOCK = 64, 1024, 1 << 16


def block_shape(n: int, *, accelerator: bool = False) -> tuple[int, int]:
    """Return (blocks, rows per block) with few distinct sizes of block.

    Blocks of about 2 sqrt(n) rows keep every chain of additions, and so every rounding
    allowance, short; larger ones than a thousand rows would leave the cache.  An accelerator has
    thousands of lanes to fill and takes as many rows as that at once.
    """
    if accelerator:
        size = min(ACCELERATOR_BLOCK, max(SMALLEST_BLOCK, 1 << (max(n, 1) - 1).bit_length()))
    else:
        # Blocks of about 2 sqrt(n), a power of two: block + n / block additions in a chain.
        wanted = 1 << (math.isqrt(4 * max(n, 1)) - 1).bit_length()
        size = min(LARGEST_BLOCK, max(SMALLEST_BLOCK, wanted))
    return -(-n // size), size


def to_power_of_two(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Repeat the first position up to a power of two, so that few shapes are compiled."""
    out = np.full(1 << (len(positions) - 1).bit_length(), positions[0], dtype=np.int64)
    out[: len(positions)] = positions
    return out


def power_above(x: Array) -> Array:
    """Return the smallest power of two at least x, for every x >= 0; 0 for 0."""
    # x = mantissa 2^exponent with mantissa in [1/2, 1): a power of two itself where it is 1/2.
    mantissa, exponent = np.frexp(x)
    with np.errstate(over="ignore"):
        out: Array = np.where(mantissa == 0.5, x, np.ldexp(np.sign(x), exponent))
    return out
