"""A certified distance of separate columns from one p x p factor that is below all their Hessians.

As `class_floor` has it for softmax; nothing is split off, as every column has its own optimum.
"""

from __future__ import annotations

import math

import numpy as np

from ..._common.rounding import up
from ...claims.bounds import distance_from_decrement
from ...claims.noise import Geometry, Transfer
from ...linalg.cholesky import Factor, factorise
from ...linalg.diagonal import Diagonal
from ...numerics.objective.objective import Objective
from ...numerics.objective.survey import Surveyed
from .class_floor import _GUARD, _NOTHING, Bound, _box, _decrement, _transfer


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
    below = found.below
    try:
        factor = factorise(below.matrix, below.diagonal, below.error)
    except np.linalg.LinAlgError:
        return _NOTHING
    if not (factor.theta < math.inf and factor.slack < 0.5):
        return _NOTHING
    # D is at least e^{-theta} times what was factored.
    grown = math.exp(factor.theta / 2.0) * _GUARD
    c = up(_transfer(geometry, factor) * grown)
    reach = _reach(geometry, factor, grown, objective.loss.kappa)
    nu = _decrement(factor, reach, found, grown)
    L = grown * objective.loss.R * _box(objective, factor)
    if not nu * L < 0.5 and c * nu <= worth:
        L = min(L, grown * objective.leverage(factor.inverse, factor.slack))
    distance = up(c * distance_from_decrement(nu, up(L))[0] * _GUARD)
    return Bound(distance, c * nu, c * factor.inverse)


def _reach(geometry: Geometry, factor: Factor, grown: float, kappa: float) -> float:
    """At least ``||D^{-1/2} X' S^{1/2}||``: X' S X is at most G / kappa, where there is one."""
    gram = geometry.known
    if isinstance(gram, Diagonal) or not gram.theta < math.inf:
        return math.inf
    c = Transfer.between(Geometry("gram", gram), factor).c
    return up(math.exp(gram.theta / 2.0) * grown * c / math.sqrt(kappa) * _GUARD)
