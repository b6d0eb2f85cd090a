"""L-BFGS by optax: a start near the optimum from gradients alone, about which nothing is claimed.

It runs in coordinates where the Gram matrix is the identity, W = L^{-T} U with G = L L'.  There
the Hessian lies between the penalty's share and one however the features are scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from numpy.typing import NDArray

from ...linalg.cholesky import Factor
from ...linalg.norms import norm
from ..losses.margins import Loss
from ..objective.kernels import Risk
from ..objective.objective import Objective
from ..rows.device import scan

Array = NDArray[np.float64]
_METHOD = optax.lbfgs(memory_size=20)
#: Give up when the gradient has not become smaller for so many steps: rounding stops the descent.
_PATIENCE = 10


def lbfgs(
    objective: Objective,
    W: Array,
    gram: Factor,
    *,
    tol: float,
    max_iter: int,
    progress: Callable[[int, float], None] | None = None,
) -> Array:
    """Descend from W until the largest entry of the gradient is at most ``tol``, or nearly.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    W : ndarray of shape (p, K)
        Start.
    gram : Factor
        Of G, shape (p, p).
    tol : float
        Where to stop; it need not be reached.
    max_iter : int
        Most steps.
    progress : callable, optional
        Called with the iteration and the gradient's norm in G^{-1} after each step.

    References
    ----------
    Liu & Nocedal (1989), On the limited memory BFGS method for large scale optimization.
    """
    rows, U = objective.rows, gram.lower.T @ W
    state: Any = _METHOD.init(U)
    best, best_size, since = W, np.inf, 0
    for iteration in range(max_iter + 1):
        penalty = objective.alpha, objective.gauge
        data = *rows.sweep(), objective.table, objective.blocked, *penalty, gram.inverse
        here = np.asarray(U)
        U, state, gradient = _advanced(objective.loss, data, U, state)
        # Every trial of the line search reads the rows; so does the start, once.
        rows.sweep(times=max(int(state[-1].info.num_linesearch_steps) - int(iteration > 0), 0))
        g = np.asarray(gradient)
        since += 1
        if norm(g) < best_size:
            best, best_size, since = gram.inverse.T @ here, norm(g), 0
        if progress is not None:
            progress(iteration, norm(g))
        if np.max(np.abs(gram.lower @ g)) <= tol or since > _PATIENCE or not np.isfinite(g).all():
            break
    return best


@partial(jax.jit, static_argnums=0)
def _advanced(loss: Loss, data: Any, U: Any, state: Any) -> Any:
    """One step; the gradient returned is the one at U, before it."""
    X, y, table, s, alpha, gauge, inverse = data

    def both(U: Any) -> Any:
        W = inverse.T @ U
        value, gradient = scan(Risk(loss), X, y, s, (table, W))
        total = W.sum(axis=1)
        value = value + 0.5 * ((alpha[:, None] * W**2).sum() + (gauge * total**2).sum())
        return value, inverse @ (gradient + alpha[:, None] * W + (gauge * total)[:, None])

    risk = jax.custom_vjp(lambda U: both(U)[0])
    risk.defvjp(both, lambda gradient, scale: (scale * gradient,))
    value, gradient = optax.value_and_grad_from_state(risk)(U, state=state)
    step, state = _METHOD.update(gradient, state, U, value=value, grad=gradient, value_fn=risk)
    return optax.apply_updates(U, step), state, gradient
