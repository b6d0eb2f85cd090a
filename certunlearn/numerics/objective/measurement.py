"""One pass over the rows at a point: the gradient there, and how far off it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ..._common.arrays import Array
from ...linalg.norms import norm


class Measurement(NamedTuple):
    """One pass at W: objective, gradient, its rounding allowance, and margin figures.

    ``allowance`` bounds |computed - exact| gradient componentwise.  So does ``rounding`` but for
    the margins' own errors, which push the gradient along rows, where the Hessian has their
    curvature: by at most ``slope_error`` in the norm of the inverse Hessian at W.  ``moved`` bounds
    R max_i margin_range(x_i (W - W_ref)); ``margin_error`` bounds R times the range of any margins'
    rounding.
    """

    value: float
    gradient: Array
    allowance: Array
    moved: float
    margin_error: float
    rounding: Array
    slope_error: float


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
    asked, used : bool
        Whether it is still worth asking, and whether an answer was ever yes.
    """

    reach: Array
    total: float = math.inf
    largest: float = math.inf
    asked: bool = True
    used: bool = False

    def covers(self, m: Measurement) -> bool:
        """Whether a measurement's allowances are within these."""
        small = float(m.allowance.max()) <= self.largest
        self.asked = small and norm(self.reach * m.allowance) <= self.total
        self.used = self.used or self.asked
        return self.asked
