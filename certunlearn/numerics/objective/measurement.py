"""One pass over the rows at a point: the gradient there, and how far off it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import UNIT_ROUNDOFF, gamma
from ...linalg.norms import norm


class Border(NamedTuple):
    """The column of the Hessian that is the intercept's, for each column of coefficients.

    ``sums`` (p, K) is off by at most ``error`` times the columns' largest numbers from the exact
    ``sum s l''(x W) x``, the penalty left out.
    """

    sums: Array
    error: float

    @classmethod
    def of(cls, sums: Array, chain: int, margin_error: float, lost: float = 0.0) -> Border:
        """Return sums of ``chain`` roundings each, at margins off by ``margin_error`` / R.

        ``lost`` is what underflow may have taken.

        Notes
        -----
        Guarantee: ``error`` as stated, the last row of ``sums`` being that of a column of ones.
        Proof: proofs/centred_distance.md
        """
        # Curvature at margins that are off by rho is right to e^{R rho} (gsc_remainder, 4a).
        unit = gamma(chain) + math.expm1(min(1.01 * margin_error, 50.0))
        if not unit < 0.5:
            return cls(sums, math.inf)
        # Every term is at most s l'' times the column's largest number, and those sum to the last.
        mass = float(np.max(np.abs(sums[-1]), initial=0.0))
        return cls(sums, 1.001 * (unit * mass / (1.0 - unit) + lost))

    def edited(self, share: Border, sign: float) -> Border:
        """Return the border once rows have gone (-1) or come (1)."""
        sums = self.sums + sign * share.sums
        # Half a unit of either for the sum, whose size is its column's largest number times the
        # mass.
        mass = float(np.max(np.abs(self.sums[-1]) + np.abs(share.sums[-1]), initial=0.0))
        error = self.error + share.error + 1.01 * UNIT_ROUNDOFF * mass
        return Border(sums, error * (1.0 + 1e-12))


class Measurement(NamedTuple):
    """One pass at W: objective, gradient, its rounding allowance, and margin figures.

    ``allowance`` bounds |computed - exact| gradient componentwise.  So does ``rounding`` but for
    the margins' own errors, which push the gradient along rows, where the Hessian has their
    curvature: by at most ``slope_error`` in the norm of the inverse Hessian at W.  ``moved`` bounds
    R max_i margin_range(x_i (W - W_ref)); ``margin_error`` bounds R times the range of any margins'
    rounding.  ``border`` is known where it was asked for.
    """

    value: float
    gradient: Array
    allowance: Array
    moved: float
    margin_error: float
    rounding: Array
    slope_error: float
    border: Border | None = None


@dataclass
class Spare:
    """How large a measurement's allowances may be without any harm to what is done with it.

    Where the columns' largest numbers bound its errors as well, the rows are not read for them;
    once they have not, they are no longer asked.

    Attributes
    ----------
    reach : ndarray of shape (p, 1)
        What a unit of error in a component of the gradient is worth.
    total : float
        What all errors together may be worth, as the length of a vector.
    largest : float
        What one may be.
    moved : float
        Margins that have moved by no more need not be known any better.
    bordered : bool
        Whether the Hessian's border is wanted, where the intercept is free.
    asked, used : bool
        Whether it is still worth asking, and whether an answer was ever yes.
    """

    reach: Array
    total: float = math.inf
    largest: float = math.inf
    moved: float = 0.0
    bordered: bool = False
    asked: bool = True
    used: bool = False

    def covers(self, m: Measurement) -> bool:
        """Whether a measurement's allowances are within these."""
        small = float(m.allowance.max()) <= self.largest
        self.asked = small and norm(self.reach * m.allowance) <= self.total
        self.used = self.used or self.asked
        return self.asked
