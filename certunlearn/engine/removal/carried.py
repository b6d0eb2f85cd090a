"""Gradient passes on the factor of the last refresh: no Hessian is swept, no matrix is factored."""

from __future__ import annotations

from ..._common.replaced import replace
from ...claims.noise import Geometry
from ...linalg.norms import norm
from ...numerics.objective.objective import Objective, folded
from ...numerics.solvers.descent import Descent
from ..distances.carryover import Carryover
from ..distances.reached import Reached
from ..distances.ruler import Array
from ..distances.spare import whitened

#: A pass that leaves more of the gradient is slow, and so many slow ones are enough.
_SLOW, _PATIENCE = 0.5, 3


def carried(
    carryover: Carryover, objective: Objective, geometry: Geometry, target: float, *, most: int
) -> tuple[Carryover, Reached | Array]:
    """Measure the gradient and step until the certified distance meets the target.

    The step after a measurement is free, as that after an edit: its distance follows from the
    measurement before it.

    Parameters
    ----------
    carryover : Carryover
        Of the rows of ``objective``.
    geometry : Geometry
        Of the same.
    target : float
        Distance to certify.
    most : int
        Most passes.

    Returns
    -------
    carryover : Carryover
        After the last pass.
    reached : Reached or ndarray
        What was certified, or the best iterate for a refresh to start from.
    """
    origin, descent = carryover.origin, Descent(carryover.solve)
    # What an error is worth in the norm of the noise.
    reach = carryover.c * origin.factor.reach.reshape(-1, len(carryover.base)).max(axis=0)
    objective = replace(objective, spare=whitened(reach, carryover.base.shape[1], target))
    W, gradient, slow = carryover.base, carryover.gradient, 0
    size = norm(origin.factor.white(gradient))
    for _ in range(most):
        v = descent.direction(gradient)
        W = W + folded(v, len(W))
        # Margins against W_ref of the last refresh, as the carryover's bounds have them.
        m = objective.measure(W, origin.W)
        carryover = carryover.measured(W, m, 1)
        stepped, distance = carryover.step(geometry, target)
        if distance <= target:
            return carryover, Reached(stepped, distance, origin, "chord", W, m)
        descent.learn(v, carryover.gradient - gradient)
        gradient, before = carryover.gradient, size
        size = norm(origin.factor.white(gradient))
        # A refresh pays where a pass no longer halves the gradient, or where it grows.
        slow += not size < _SLOW * before
        if slow > _PATIENCE or not size < 2 * before:
            break
    return carryover, W
