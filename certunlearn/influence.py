"""What each row does for its own prediction: leave-one-out in closed form.

The figures are first order and nothing is claimed for them; they describe, they do not certify.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

Array = NDArray[np.float64]
#: Numbers held at a time.
_NUMBERS = 1 << 20


class LeftOut(NamedTuple):
    """What the model would make of each row had that row alone been left out, shape (m,) each.

    Attributes
    ----------
    influence : ndarray
        Log odds of the row's own label that are owed to the row itself.
    memorisation : ndarray
        The same as a difference of probabilities.
    loss : ndarray
        Log loss on the row that would be added.
    probability : ndarray
        Of the row's own label, by the secret iterate.
    leverage : ndarray
        The row's part in the model's degrees of freedom.
    """

    influence: Array
    memorisation: Array
    loss: Array
    probability: Array
    leverage: Array


def left_out(X: Array, y: NDArray[np.int64], weight: Array, W: Array, inverse: Array) -> LeftOut:
    """Leave every row out, each alone, by one Newton step in closed form.

    The step from the optimum of all rows to that without row i moves its margins by
    ``h (1 - s l'' h)^{-1} s l'`` with ``h = x_i' H^{-1} x_i`` (matrices where there are several
    classes).

    Parameters
    ----------
    X, y, weight
        Rows (m, p), their columns (m,) and effective weights (m,).
    W : ndarray of shape (p, K)
        The optimum of all rows.
    inverse : ndarray of shape (p K, p K)
        Inverse Hessian there, class-major.

    References
    ----------
    Pregibon (1981), Logistic regression diagnostics.
    """
    parts = []
    step = max(1, _NUMBERS // max(X.shape[1], W.shape[1] ** 2))
    for first in range(0, max(1, len(X)), step):
        some = slice(first, first + step)
        parts.append(_left_out(X[some], y[some], weight[some], W, inverse))
    return LeftOut(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _left_out(
    X: Array, y: NDArray[np.int64], weight: Array, W: Array, inverse: Array
) -> tuple[Array, ...]:
    Z, (p, K) = X @ W, W.shape
    h = np.empty((len(X), K, K))
    for k in range(K):
        for j in range(K):
            block = inverse[k * p : (k + 1) * p, j * p : (j + 1) * p]
            h[:, k, j] = np.einsum("ij,ij->i", X @ block, X)
    if K == 1:
        P = expit(Z)
        slope, curvature = P - y[:, None], (P * expit(-Z))[:, :, None]
    else:
        P = np.exp(Z - logsumexp(Z, axis=1, keepdims=True))
        slope = P - np.eye(K)[y]
        curvature = P[:, :, None] * (np.eye(K) - P[:, None, :])
    s = weight[:, None]
    used = s[:, :, None] * curvature @ h
    # 1 - leverage is positive; where an old Hessian makes it less, nothing better is known.
    rest = np.eye(K) - used
    if K == 1:
        rest = np.maximum(rest, 1e-6)
    moved = (h @ np.linalg.solve(rest, (s * slope)[:, :, None]))[:, :, 0]
    now, then = log_odds(Z, y), log_odds(Z + moved, y)
    return (
        now - then,
        expit(now) - expit(then),
        np.logaddexp(0.0, -then) - np.logaddexp(0.0, -now),
        expit(now),
        np.trace(used, axis1=1, axis2=2),
    )


def log_odds(Z: Array, y: NDArray[np.int64]) -> Array:
    """Return the log odds of each row's own column at margins Z (m, K), shape (m,)."""
    if Z.shape[1] == 1:
        out: Array = (2.0 * y - 1.0) * Z[:, 0]
        return out
    own = np.arange(Z.shape[1]) == y[:, None]
    rest: Array = Z[own] - logsumexp(np.where(own, -np.inf, Z), axis=1)
    return rest
