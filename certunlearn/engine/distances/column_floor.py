"""A certified distance of separate columns from one p x p factor that is below all their Hessians.

As `class_floor` has it for softmax; nothing is split off, as every column has its own optimum.
"""

from __future__ import annotations

import math

from ..._common.rounding import GUARD, up
from ...claims.noise import Geometry
from ...numerics.objective.objective import Objective
from ...numerics.objective.survey import Surveyed
from .class_floor import Bound, floored


def column_distance(
    objective: Objective, geometry: Geometry, found: Surveyed, worth: float = math.inf
) -> Bound:
    """Bound the distance of all columns together to their exact optima.

    Parameters
    ----------
    geometry : Geometry
        Of the same rows.
    found : Surveyed
        At the iterate, by `column_survey`.
    worth : float
        Rows are read, for a smaller L, only if the distance could be as small as this.

    Notes
    -----
    Guarantee: as stated, for every mechanism.  Proof: proofs/column_floor.md
    """
    bound = floored(objective, geometry, found, worth, 1.0)
    return bound._replace(distance=up(bound.distance * GUARD))
