"""Gradient passes on the factor of the last refresh: no Hessian is swept, no matrix is factored."""

from __future__ import annotations

from dataclasses import replace

from ...claims.noise import Geometry
from ...linalg.norms import norm
from ...numerics.objective.objective import Objective, flat, folded
from ..distances.carryover import Carryover
from ..distances.reached import Reached
from ..distances.ruler import Array
from ..distances.spare import whitened

#: A pass that leaves more of the gradient is slow, and so many slow ones are enough.
_SLOW, _PATIENCE = 0.5, 3


class Descent:
    """L-BFGS in the metric of the carryover's Hessian; about its steps nothing is claimed.

    References
    ----------
    Nocedal & Wright (2006), Numerical Optimization, Algorithm 7.4.
    """

    def __init__(self, carryover: Carryover) -> None:
        self._carryover = carryover
        self._pairs: list[tuple[Array, Array, float]] = []
        self._last: tuple[Array, Array] | None = None

    def step(self, w: Array, g: Array) -> Array:
        """Return where to go from w, of gradient g, both (q,)."""
        if self._last is not None:
            s, y = w - self._last[0], g - self._last[1]
            # Curvature along the step has to be positive, or the update is not (Nocedal & Wright
            # 2006, (6.7)); rounding alone breaks it.
            if (product := float(s @ y)) > 0:
                self._pairs.append((s, y, product))
        self._last = w, g
        v, used = g.copy(), []
        for s, y, product in reversed(self._pairs):
            # The two-loop recursion, with B of the carryover in the place of a multiple of the
            # identity.
            used.append(float(s @ v) / product)
            v -= used[-1] * y
        v = self._carryover.solve(v)
        for (s, y, product), a in zip(self._pairs, reversed(used), strict=True):
            v += (a - float(y @ v) / product) * s
        return w - v


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
    origin, descent = carryover.origin, Descent(carryover)
    # What an error is worth in the norm of the noise.
    reach = carryover.c * origin.factor.reach.reshape(-1, len(carryover.base)).max(axis=0)
    objective = replace(objective, spare=whitened(reach, carryover.base.shape[1], target))
    W, gradient, slow = carryover.base, carryover.gradient, 0
    size = norm(origin.factor.white(gradient))
    for _ in range(most):
        W = folded(descent.step(flat(W), gradient), len(W))
        # Margins against W_ref of the last refresh, as the carryover's bounds have them.
        m = objective.measure(W, origin.W)
        carryover = carryover.measured(W, m, 1)
        stepped, distance = carryover.step(geometry, target)
        if distance <= target:
            return carryover, Reached(stepped, distance, origin, "chord", W, m)
        gradient, before = carryover.gradient, size
        size = norm(origin.factor.white(gradient))
        # A refresh pays where a pass no longer halves the gradient, or where it grows.
        slow += not size < _SLOW * before
        if slow > _PATIENCE or not size < 2 * before:
            break
    return carryover, W
