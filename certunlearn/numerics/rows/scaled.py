"""Rows with real targets, on the host, every row scaled to length about one by a power of two."""

from __future__ import annotations

import copy
import hashlib

import numpy as np
from numpy.typing import NDArray

from ..._common.interrupts import checkpoint
from ..._common.rounding import GUARD
from ...exceptions import AssumptionError

Array = NDArray[np.float64]
Positions = NDArray[np.int64]


def scaled(X: Array, y: Array) -> tuple[Array, Array, NDArray[np.int32]]:
    """Return A = 2^-e X and b = 2^-e y exactly, one e a row, with rows of A in (0.49, 1) long.

    Rows of zeros stay as they are.  The interpolants of (A, b) are those of (X, y).

    Raises
    ------
    AssumptionError
        If one row's numbers are further apart than float64 can hold.
    """
    # The largest entry of a row below one: no square overflows, those that underflow do not count.
    first = np.frexp(np.max(np.abs(X), axis=1, initial=0.0))[1]
    # Adding zero makes -0 and 0 one number.
    A = np.ldexp(X, -first[:, None]) + 0.0
    length = np.sqrt(np.einsum("ij,ij->i", A, A)) * GUARD
    # length < 2^e by the definition of frexp, and GUARD makes it at least the true one.
    exponent = first + np.frexp(length)[1]
    A = np.ldexp(X, -exponent[:, None]) + 0.0
    with np.errstate(over="ignore"):
        b = np.ldexp(y, -exponent[:, None])
    # Exact unless something left the normal numbers: multiplied back it has to be what was given.
    same = np.isfinite(b).all() and np.array_equal(np.ldexp(b, exponent[:, None]), y)
    if not (same and np.array_equal(np.ldexp(A, exponent[:, None]), X)):
        raise AssumptionError(
            "the numbers of one row are too far apart for float64: rescale the features or y"
        )
    return A, b, exponent


class ScaledRows:
    """A private copy of rows and targets; rows come at the end and are overwritten when they go.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Features.
    y : ndarray of shape (n, K)
        Targets.

    Attributes
    ----------
    scrubbed : ndarray of bool, shape (n,)
        Rows that have been overwritten.
    reads : int
        Rows read so far.
    """

    sparse = False
    closes_up = True

    def __init__(self, X: Array, y: Array) -> None:
        self._A, self._b, self._exponent = scaled(X, y)
        self.scrubbed = np.zeros(len(X), dtype=bool)
        self.reads = 0

    @property
    def n(self) -> int:
        """Rows held, overwritten ones included."""
        return len(self._A)

    @property
    def d(self) -> int:
        """Features."""
        return int(self._A.shape[1])

    @property
    def columns(self) -> int:
        """Targets of a row."""
        return int(self._b.shape[1])

    def gather(self, places: Positions) -> tuple[Array, Array]:
        """Return scaled rows (m, d) and their targets (m, K), copies."""
        checkpoint()
        self.reads += len(places)
        return self._A[places], self._b[places]

    def held(self, places: Positions) -> tuple[Array, Array]:
        """Return rows and targets as they were given, copies."""
        A, b = self.gather(places)
        e = self._exponent[places][:, None]
        return np.ldexp(A, e), np.ldexp(b, e)

    def targets(self, places: Positions) -> Array:
        """Return scaled targets (m, K), a copy."""
        out: Array = self._b[places]
        return out

    def combined(self, places: Positions, c: Array) -> Array:
        """Return ``A' c`` over the rows at ``places``, shape (d, K)."""
        self.reads += len(places)
        if 2 * len(places) < self.n:
            return np.asarray(self._A[places].T @ c)
        # Zeros leave a sum as it is; copying the rows would cost more.
        full = np.zeros((self.n, c.shape[1]))
        full[places] = c
        return np.asarray(self._A.T @ full)

    def products(self, places: Positions, W: Array) -> Array:
        """Return ``A W`` for the rows at ``places``, shape (m, K)."""
        self.reads += len(places)
        if 2 * len(places) < self.n:
            return np.asarray(self._A[places] @ W)
        # Products with rows that are not asked for are thrown away, which is cheaper than copying
        # half of them.
        return np.asarray((self._A @ W)[places])

    def grouped(self, places: Positions, known: Positions) -> Positions:
        """Return for every row the place of the first equal one, ``known`` rows first; -1 for 0.

        Rows at ``known`` are distinct.
        """
        first: dict[bytes, int] = {}
        out = np.full(len(places), -1, dtype=np.int64)
        for k in known.tolist():
            first[self._digest(k)] = k
        for i, k in enumerate(places.tolist()):
            if self._A[k].any():
                # Equal digests are taken for equal rows: a collision of SHA-256 is taken for
                # granted not to occur.
                digest = self._digest(k)
                there = first.setdefault(digest, k)
                out[i] = there
        self.reads += len(places) + len(known)
        return out

    def _digest(self, place: int) -> bytes:
        held = self._A[place].tobytes() + self._exponent[place].tobytes()
        return hashlib.sha256(held).digest()

    def compact(self, keep: NDArray[np.bool_]) -> ScaledRows:
        """Return new rows holding only ``keep`` (n,)."""
        out = object.__new__(ScaledRows)
        out._A, out._b, out._exponent = self._A[keep], self._b[keep], self._exponent[keep]
        out.scrubbed = np.zeros(len(out._A), dtype=bool)
        out.reads = 0
        return out

    def append(self, X: Array, y: Array) -> None:
        """Put rows after those there are."""
        A, b, exponent = scaled(X, y)
        self._A, self._b = np.vstack([self._A, A]), np.vstack([self._b, b])
        self._exponent = np.concatenate([self._exponent, exponent])
        self.scrubbed = np.concatenate([self.scrubbed, np.zeros(len(X), dtype=bool)])

    def withdraw(self, count: int) -> None:
        """Overwrite and drop the last ``count`` rows, as if they had never been put in."""
        left = self.n - count
        self.scrub(np.arange(left, self.n))
        self._A, self._b = self._A[:left].copy(), self._b[:left].copy()
        self._exponent, self.scrubbed = self._exponent[:left], self.scrubbed[:left]

    def scrub(self, places: Positions) -> None:
        """Overwrite the rows at ``places`` with zeros."""
        self._A[places], self._b[places], self._exponent[places] = 0.0, 0.0, 0
        self.scrubbed[places] = True

    def still(self) -> ScaledRows:
        """Return the same rows, as they are now whatever happens to these."""
        return copy.deepcopy(self)

    def passes_since(self, reads: int, kept: int) -> int:
        """Return how often ``kept`` rows have been read since ``reads`` were counted, rounded."""
        return round((self.reads - reads) / max(kept, 1))
