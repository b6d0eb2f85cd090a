"""A certified distance for softmax from one p x p factor that is below every class's curvature.

In a direction whose classes sum to zero a row's curvature is at least its smallest probability.
So a Gram matrix of weighted rows takes the place of the diagonal of `matrix_free`: nothing is lost
between coordinates, and a free intercept needs no bound of its own unless all rows are confident
(`intercept_floor`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import GUARD, gamma, up
from ...claims.bounds import distance_from_decrement
from ...claims.noise import Geometry, Transfer
from ...linalg.cholesky import Factor, factorise
from ...linalg.diagonal import Diagonal
from ...linalg.norms import norm, spectral_norm
from ...numerics.objective.objective import Objective
from ...numerics.objective.survey import Surveyed
from ...numerics.solvers.descent import Outlook, Scale

#: What underflow may have taken from a column's maximum.
_TINY = 1e-290


class Bound(NamedTuple):
    """A distance, and what it is made of.

    Attributes
    ----------
    distance : float
        ``||W - W*||_A``, at most; infinite where no bound follows.
    least : float
        What it would be for a quadratic objective: no bound is below that.
    scale : Outlook or None
        What ``least`` is about, for other gradients.
    share : float
        Of what the worst of all Hessians could make of the gradient, what is left of that when all
        of them are looked at together: between a half and 1.
    """

    distance: float
    least: float
    scale: Outlook | None
    share: float = 1.0


NOTHING = Bound(math.inf, math.inf, None)


def class_distance(
    objective: Objective, geometry: Geometry, W: Array, found: Surveyed, worth: float = math.inf
) -> Bound:
    """Bound the distance to the exact optimum of softmax.

    Parameters
    ----------
    geometry : Geometry
        Of the same rows.
    W : ndarray of shape (p, K)
        Where.
    found : Surveyed
        There.
    worth : float
        Rows are read, for a smaller L, only if the distance could be as small as this.

    Notes
    -----
    Guarantee: as stated, for every mechanism, where every coordinate has a penalty or a gauge.
    Proof: proofs/class_floor.md
    """
    if not (objective.alpha + objective.gauge > 0).all():
        return NOTHING
    # Margins of one row move apart by sqrt(2) of how far they move.
    bound = floored(objective, geometry, found, worth, math.sqrt(2.0))
    return around_classes(bound, geometry, W)


def around_classes(bound: Bound, geometry: Geometry, W: Array) -> Bound:
    """Return a bound for W of one for W less what its classes have in common."""
    distance = up(math.hypot(bound.distance, _common(geometry, W)) * GUARD)
    return bound._replace(distance=distance)


def floored(
    objective: Objective, geometry: Geometry, found: Surveyed, worth: float, spread: float
) -> Bound:
    """Bound the distance by a factor of a matrix that is below all Hessians, but for rounding.

    Parameters
    ----------
    objective, geometry, found, worth
        As in `class_distance`.
    spread : float
        The range of a row's margins is at most so many times their length.

    Notes
    -----
    Guarantee: ``distance (1 + 1e-9)`` is at least ``||V||_A`` of the step V to the exact optimum,
    less what its columns have in common where they are coupled.
    Proof: proofs/class_floor.md, proofs/column_floor.md
    """
    below = found.below
    try:
        factor = factorise(below.matrix, below.diagonal, below.error)
    except np.linalg.LinAlgError:
        return NOTHING
    if not (factor.theta < math.inf and factor.slack < 0.5):
        return NOTHING
    # D is at least e^{-theta} times what was factored.
    grown = math.exp(factor.theta / 2.0) * GUARD
    transfer, X = _transfer(geometry, factor), factor.inverse
    c = up(transfer.c * grown)
    white, tail, errors = _decrement(transfer, found, grown, objective.loss.kappa)
    computed = up(grown * (norm(white) + tail) / (1.0 - factor.slack) * GUARD)
    moved = up(grown**2 * transfer.solved(white, tail) * GUARD)
    L = grown * spread * objective.loss.R * _box(objective, factor)
    bound = balled(c, computed, errors, moved, L)
    if not (computed + errors) * L < 0.5 and bound.least <= worth:
        L = min(L, grown * objective.leverage(X, factor.slack))
        bound = balled(c, computed, errors, moved, L)
    return bound._replace(scale=Scale(bound.share * c * X))


def balled(c: float, computed: float, errors: float, moved: float, L: float) -> Bound:
    """Bound the distance where a floor D of the Hessian is all that is known of it.

    Parameters
    ----------
    c : float
        At least ``||v||_A / ||v||_D``.
    computed, errors : float
        At least the norm in D's inverse of the computed gradient, and that of its errors.
    moved : float
        At least ``||D^{-1} g||_A`` of the computed gradient.
    L : float
        At least R times the range of any row's margins over ``||v||_D``.
    """
    nu = up((computed + errors) * GUARD)
    # What inverses that are at most D's make of g is a ball with D^{-1} g for a diameter.
    worst = c * computed
    known = min(worst, 0.5 * (worst + moved))
    least = up((known + c * errors) * GUARD)
    r = distance_from_decrement(nu, up(L))[0]
    # On the way the Hessian is at least nu / r times D.
    longer = up(r / nu) if nu > 0 else 1.0
    distance = up(longer * least) if r < math.inf else math.inf
    return Bound(distance, least, None, known / worst if worst > 0 else 1.0)


def _transfer(geometry: Geometry, factor: Factor) -> Transfer:
    """Return the transfer of the factor; isotropic noise needs no factor of G."""
    if geometry.mechanism != "isotropic":
        return Transfer.between(geometry, factor)
    c = up(spectral_norm(factor.inverse) / (1.0 - factor.slack) * GUARD)
    return Transfer(geometry, factor, c, factor.inverse.T, 0.0)


def _reach(transfer: Transfer, grown: float, kappa: float) -> float:
    """At least ``||D^{-1/2} X' S^{1/2}||``: X' S X is at most G / kappa, where there is one."""
    gram, c = transfer.geometry.known, transfer.c
    if isinstance(gram, Diagonal) or not gram.theta < math.inf:
        return math.inf
    if transfer.geometry.mechanism != "gram":
        c = Transfer.between(Geometry("gram", gram), transfer.factor).c
    return up(math.sqrt(1.0 / kappa) * math.exp(gram.theta / 2.0) * grown * c * GUARD)


def _decrement(
    transfer: Transfer, found: Surveyed, grown: float, kappa: float
) -> tuple[Array, float, float]:
    """Return what the norm of the gradient in the inverse of the Hessian is bounded by.

    Returns
    -------
    white : ndarray of shape (p, K)
        Nearly X g of the computed gradient g, X the factor's computed inverse.
    tail : float
        At least the length of what it is off by.
    errors : float
        At least that norm, over steps that sum to zero, of the computed gradient's error.
    """
    X, m = transfer.factor.inverse, found.measurement
    scale = grown / (1.0 - transfer.factor.slack)
    size, largest = np.abs(X), spectral_norm(X)

    def around(allowance: Array) -> float:
        return min(norm(size @ allowance), largest * norm(allowance))

    # Margins' errors push along rows, where the Hessian has those rows' curvature, and slopes'
    # errors stand before rows.
    reach = _reach(transfer, grown, kappa)
    rounded = min(
        scale * around(m.rounding), scale * around(found.summed) + reach * found.evaluated
    )
    errors = min(rounded + m.slope_error, scale * around(m.allowance))
    tail = norm(size @ (gamma(len(X) + 2) * np.abs(m.gradient)))
    return X @ m.gradient, up(tail * GUARD), up(errors * GUARD)


def _box(objective: Objective, factor: Factor) -> float:
    """At least the longest row in the norm of the factor's inverse, from the columns' maxima."""
    box = norm(np.abs(factor.inverse) @ (objective.rows.column_max + _TINY))
    return up(box / (1.0 - factor.slack) * GUARD)


def _common(geometry: Geometry, W: Array) -> float:
    """At least the length of what the classes of W have in common, which no optimum has."""
    K = W.shape[1]
    mean = (np.abs(W.sum(axis=1)) + gamma(K) * np.abs(W).sum(axis=1)) / K
    if geometry.mechanism != "isotropic":
        mean = geometry.half_size @ mean
    return up(math.sqrt(K) * norm(mean) * GUARD)
