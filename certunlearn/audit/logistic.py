"""Logistic loss of some rows: derivatives, exact optimum, and the path of gradient descent.

Rows are (X (n, p), y (n,)) with labels 0 and 1; the penalty is ``1/2 sum_j alpha_j w_j^2``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from .._common.arrays import Array


def gradient(w: Array, rows: tuple[Array, Array]) -> Array:
    """Gradient of the loss of some rows, without a penalty."""
    X, y = rows
    return np.asarray(X.T @ (expit(X @ w) - y))


def curvature(w: Array, rows: tuple[Array, Array]) -> Array:
    """Hessian of the loss of some rows, without a penalty."""
    X, _ = rows
    p = expit(X @ w)
    return np.asarray((X * (p * (1 - p))[:, None]).T @ X)


def optimum(rows: tuple[Array, Array], alpha: Array, start: Array | None = None) -> Array:
    """Exact optimum by damped Newton steps.

    Raises
    ------
    ValueError
        If it is not reached in 100 steps.
    """
    w = np.zeros(len(alpha)) if start is None else start.copy()
    for _ in range(100):
        g = gradient(w, rows) + alpha * w
        step = np.linalg.solve(curvature(w, rows) + np.diag(alpha), g)
        # Logistic loss is 1-self-concordant in the margin: half a step of length two is safe.
        w = w - step / max(1.0, 0.5 * float(np.abs(rows[0] @ step).max()))
        if np.abs(step).max() <= 1e-11 * max(1.0, float(np.abs(w).max())):
            return w
    raise ValueError("the optimum was not reached")


def descended(
    rows: tuple[Array, Array], alpha: Array, steps: int = 200
) -> list[tuple[Array, Array]]:
    """Path of gradient descent from zero on some rows: weights and gradients before each step."""
    w, path, step = np.zeros(len(alpha)), [], rate(rows, alpha)
    for _ in range(steps):
        g = gradient(w, rows) + alpha * w
        path.append((w, g))
        w = w - step * g
    return path


def rate(rows: tuple[Array, Array], alpha: Array) -> float:
    """One over the largest curvature there can be."""
    return 1.0 / (0.25 * float(np.linalg.norm(rows[0], 2)) ** 2 + float(alpha.max()))
