"""Damped Newton steps without a Hessian: nothing of size (p K)^2 is held.

Steps are found by conjugate gradients on Hessian-vector products, or proposed by another method;
either way a gradient measured in double precision decides whether they are taken.  The Gram
matrix G, which dominates the Hessian's block of every class, is the preconditioner: one p x p
factor serves every class.  Where that is too large, its diagonal does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import Progress
from ...linalg.cholesky import Factor
from ...linalg.diagonal import Diagonal
from ...linalg.norms import norm
from ..objective.objective import Measurement, Objective
from .line_search import backtracked

Array = NDArray[np.float64]
#: Bounds on the relative residual of a Newton system, in the norm of G^{-1}.
_LOOSEST, _TIGHTEST = 0.1, 1e-2
#: A proposal aims at this part of what is needed, and at no less than single precision can tell.
_SPARE, _FINEST = 0.7, 1e-6
#: A good proposal leaves at most this part of the gradient.
_WORTH = 0.3
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
    excess: Callable[[Array, Measurement], float],
    *,
    max_iter: int,
    measured: Measurement | None = None,
    propose: Callable[[Array, Array, float], Array] | None = None,
    progress: Progress = None,
) -> Stop:
    """Minimise until nothing is in excess; convergent by backtracking on value or gradient.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    W : ndarray of shape (p, K)
        Start.
    gram : Factor or Diagonal
        Of G, shape (p, p): preconditions every class, and measures gradients.
    excess : callable
        ``excess(W, measurement)`` says how many times too long the gradient is: stop at 1 or less.
        Measurements refer to the iterate before.
    max_iter : int
        Most steps.
    measured : Measurement, optional
        At the start, where it is known.
    propose : callable, optional
        ``propose(W, gradient, enough)`` returns a step that should leave so much of the gradient;
        conjugate gradients find one where it is not taken.
    progress : callable, optional
        Called with the iteration and the gradient's norm in G^{-1} after each step.

    References
    ----------
    Eisenstat & Walker (1996), Choosing the forcing terms in an inexact Newton method, choice 2.
    """

    def size(gradient: Array) -> float:
        return norm(gram.white(gradient))

    m = objective.measure(W, W) if measured is None else measured
    forcing, good = _LOOSEST, True
    for iteration in range(max_iter + 1):
        over = excess(W, m)
        if over <= 1:
            return Stop(W, m, iteration, "accepted")
        if iteration == max_iter:
            break
        # The allowance is a worst case: below it a full step may still improve, or nothing does.
        floor, before = at_floor(gram, m), size(m.gradient)
        kept, moved = {"shortest": 1.0} if floor else {}, None
        if propose is not None and good:
            # What is needed and a little more, as far as the rows' precision can tell.
            v = propose(W, m.gradient, float(np.clip(_SPARE / over, _FINEST, _LOOSEST)))
            moved = backtracked(objective, W, m, v, W, size, **kept)
        if moved is None:
            # Where no proposal was taken: an inexact Newton step by conjugate gradients.
            v = solve(objective, W, -m.gradient, gram, forcing)
            moved = backtracked(objective, W, m, v, W, size, **kept)
        if moved is None:
            return Stop(W, m, iteration, "floor" if floor else "stuck")
        W, m = moved
        after = size(m.gradient)
        # After a proposal that was not worth its passes comes a step of another kind.
        good = not good or after <= _WORTH * before
        # Choice 2 of Eisenstat & Walker with gamma = 0.9 and alpha = 2; without their safeguard, as
        # it is clipped.
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
        # Rounding has taken the curvature away: what was found so far is a direction of descent.
        if not (curvature > 0 and np.isfinite(curvature)):
            break
        # Hestenes and Stiefel's recursion, preconditioned by G.
        v, r = v + (rz / curvature) * p, r - (rz / curvature) * q
        z = gram.solve(r)
        left = float(np.sum(r * z))
        if left <= enough:
            break
        p, rz = z + (left / rz) * p, left
    return v
