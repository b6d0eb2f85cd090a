"""Damped Newton by conjugate gradients: Hessian-vector products only, nothing of size (p K)^2.

The Gram matrix G, which dominates the Hessian's block of every class, is the preconditioner: one
p x p factor serves every class.  Where that is too large, its diagonal does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...linalg.cholesky import Factor
from ...linalg.diagonal import Diagonal
from ...linalg.norms import norm
from ..objective.objective import Measurement, Objective
from .line_search import backtracked

Array = NDArray[np.float64]
#: Bounds on the relative residual of a Newton system, in the norm of G^{-1}.
_LOOSEST, _TIGHTEST = 0.1, 1e-2
#: Most products a Newton step; what they have found by then is a direction of descent.
_MOST_PRODUCTS = 500


class Stop(NamedTuple):
    """Where the solver stopped, what was measured there, and why it stopped."""

    W: Array
    measurement: Measurement
    iterations: int
    reason: str  # "accepted", "floor", "stuck" or "max_iter"


def at_floor(gram: Factor | Diagonal, m: Measurement) -> bool:
    """Whether the gradient is indistinguishable from its own rounding."""
    return norm(gram.white(m.gradient)) <= norm(gram.white_size(m.allowance))


def newton_cg(
    objective: Objective,
    W: Array,
    gram: Factor | Diagonal,
    accept: Callable[[Array, Measurement], bool],
    *,
    max_iter: int,
    progress: Callable[[int, float], None] | None = None,
) -> Stop:
    """Minimise until ``accept``; globally convergent by backtracking on value or gradient.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    W : ndarray of shape (p, K)
        Start.
    gram : Factor or Diagonal
        Of G, shape (p, p): preconditions every class, and measures gradients.
    accept : callable
        ``accept(W, measurement)`` says whether to stop.
    max_iter : int
        Most Newton steps.
    progress : callable, optional
        Called with the iteration and the gradient's norm in G^{-1} after each step.

    References
    ----------
    Eisenstat & Walker (1996), Choosing the forcing terms in an inexact Newton method, choice 2.
    """

    def size(gradient: Array) -> float:
        return norm(gram.white(gradient))

    m, forcing = objective.measure(W, W), _LOOSEST
    for iteration in range(max_iter + 1):
        if accept(W, m):
            return Stop(W, m, iteration, "accepted")
        if iteration == max_iter:
            break
        v = solve(objective, W, -m.gradient, gram, forcing)
        # The allowance is a worst case: below it a full step may still improve, or nothing does.
        floor, before = at_floor(gram, m), size(m.gradient)
        kept = {"shortest": 1.0} if floor else {}
        moved = backtracked(objective, W, m, v, W, size, **kept)
        if moved is None:
            return Stop(W, m, iteration, "floor" if floor else "stuck")
        W, m = moved
        after = size(m.gradient)
        forcing = float(np.clip(0.9 * (after / before) ** 2, _TIGHTEST, _LOOSEST))
        if progress is not None:
            progress(iteration + 1, after)
    return Stop(W, m, max_iter, "max_iter")


def solve(
    objective: Objective, W: Array, target: Array, gram: Factor | Diagonal, forcing: float
) -> Array:
    """Solve ``H v = target`` to a relative residual of ``forcing`` in the norm of G^{-1}.

    Against the gradient every iterate of conjugate gradients from zero is a direction of descent.
    """
    v, r = np.zeros_like(W), target
    z = gram.solve(r)
    p, rz = z, float(np.sum(r * z))
    enough = forcing**2 * rz
    for _ in range(_MOST_PRODUCTS):
        q = objective.hvp(W, p)
        curvature = float(np.sum(p * q))
        if not (curvature > 0 and np.isfinite(curvature)):
            break
        v, r = v + (rz / curvature) * p, r - (rz / curvature) * q
        z = gram.solve(r)
        left = float(np.sum(r * z))
        if left <= enough:
            break
        p, rz = z + (left / rz) * p, left
    return v
