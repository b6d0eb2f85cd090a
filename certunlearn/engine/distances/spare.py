"""What the rounding of a measured gradient may be without anybody noticing."""

from __future__ import annotations

import math

import numpy as np

from ...claims.noise import Geometry
from ...linalg.diagonal import Diagonal
from ...numerics.objective.measurement import Spare
from ...numerics.objective.objective import Objective
from .centred import free_intercept
from .ruler import Array

#: Margins that move by less keep most of their curvature, whatever they move by.
_MOVED = 0.5
#: Part of a certified distance that rounding may take.
_PART = 0.03


def spare_of(objective: Objective, geometry: Geometry, distance: float, tol: float) -> Spare | None:
    """Return allowances that hardly count against a distance to be certified, or None.

    Nothing is claimed for them: whatever the allowances, distances are certified with them.

    Parameters
    ----------
    distance : float
        In the norm of the noise.
    tol : float
        Mean gradient that is to be told from its rounding.
    """
    if not 0 < distance < math.inf:
        return None
    flat = 0.1 * tol * objective.weight_sum
    if geometry.mechanism == "gram" and not isinstance(geometry.known, Diagonal):
        reach = np.sqrt(geometry.gram.variance)
        return whitened(reach, objective.loss.columns, distance, flat)
    # ||H^{-1} a|| <= ||a|| / min alpha.
    positive = objective.alpha[objective.alpha > 0]
    if geometry.mechanism != "isotropic" or not len(positive):
        return None
    reach = np.full((objective.rows.p, 1), 1.0 / float(positive.min()))
    out = Spare(reach, _PART * distance, flat)
    if isinstance(geometry.known, Diagonal):
        # No factor of the curvature at an earlier point is referred to.
        out.moved, out.bordered = _MOVED, free_intercept(objective)
    return out


def whitened(reach: Array, columns: int, distance: float, flat: float = math.inf) -> Spare:
    """Return allowances for a distance in the norm of a matrix.

    ``reach`` (p,) holds the lengths of the columns of its factor's inverse, which may all lie in
    one direction: their sum is at most q^{1/2} times their length as a vector.
    """
    q = len(reach) * columns
    return Spare(reach[:, None], _PART * distance / math.sqrt(q), flat)
