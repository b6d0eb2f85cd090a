"""A matrix of second derivatives, the error of its entries, and rows taken out or put in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._common.rounding import gamma

Array = NDArray[np.float64]


class Curvature(NamedTuple):
    """A computed Hessian, its diagonal before any subtraction, and its entrywise error.

    ``|matrix - H| <= error * g g'`` with ``g^2 = diagonal``, H being the Hessian at margins that
    are off by at most the margin error of the measurement at the same W.
    """

    matrix: Array
    diagonal: Array
    error: float


def without(c: Curvature, gone: Array, count: int, error: float) -> Curvature:
    """Return ``c`` with the contribution ``gone`` of ``count`` rows taken out.

    ``error`` is the relative entrywise error of ``gone``, in the sense of `Curvature`.

    Notes
    -----
    Guarantee: the error bound of `Curvature`.  Proof: proofs/without.md
    """
    # Errors add; gamma(count + 10) for `count` terms an entry of gone and the subtraction, |matrix|
    # + |gone| <= 2 g g'.
    return Curvature(c.matrix - gone, c.diagonal, c.error + gamma(count + 10) + error)


def within(c: Curvature, new: Array, diagonal: Array, count: int, error: float) -> Curvature:
    """Return ``c`` with the contribution ``new`` of ``count`` rows put in.

    ``diagonal`` is that of ``new`` before any subtraction, ``error`` its relative entrywise
    error, both in the sense of `Curvature`.

    Notes
    -----
    Guarantee: the error bound of `Curvature`.  Proof: proofs/without.md
    """
    # e g g' + e' d d' <= (e + e') h h' with h^2 = g^2 + d^2; two units more for the sum.
    return Curvature(c.matrix + new, c.diagonal + diagonal, c.error + gamma(count + 10) + error)
