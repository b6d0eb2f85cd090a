"""What each row does for its own prediction: leave-one-out in closed form.

The figures are first order and nothing is claimed for them; they describe, they do not certify.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logsumexp

from .._common.arrays import AnyArray
from ..numerics.losses.margins import Columnwise, Loss, Softmax
from ..numerics.losses.pointwise import Gamma, Logistic, Poisson

Array = NDArray[np.float64]
#: Numbers held at a time.
_NUMBERS = 1 << 20


class LeftOut(NamedTuple):
    """What the model would make of each row had that row alone been left out, shape (m,) each.

    Attributes
    ----------
    influence : ndarray
        How much nearer its own label or target the row pulls its prediction: in log odds, in
        margins of a hinge or ridge classifier, or in residuals of a regression.
    memorisation : ndarray
        The same as a difference of probabilities; where there are none, the loss.
    loss : ndarray
        Loss on the row that would be added.
    probability : ndarray
        Of the row's own label, by the secret iterate; nan where there is none.
    leverage : ndarray
        The row's part in the model's degrees of freedom; nan where it would take a system a class.
    shift : ndarray
        How far the row pulls its own prediction, without a sign: in log odds of its label, or in
        the margin (units of y, the logarithm of the mean; the length over several targets).
    residual : ndarray
        Slope over curvature of the row's loss there: what it would pull if nothing held against it.
    """

    influence: Array
    memorisation: Array
    loss: Array
    probability: Array
    leverage: Array
    shift: Array
    residual: Array

    @property
    def own_leverage(self) -> Array:
        """Leverage h on the row's own prediction: ``shift = residual h / (1 - h)``, shape (m,).

        That is ``leverage`` itself where a prediction is one number.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            out: Array = 1.0 / (1.0 + self.residual / np.maximum(self.shift, 0.0))
        return np.nan_to_num(out, nan=0.0)


def pulled(
    loss: Loss, X: Array, y: AnyArray, weight: Array, W: Array, inverse: Array
) -> tuple[Array, Array]:
    """Return how leaving out each row alone moves its margins, (m, K), and its leverage, (m,).

    By one Newton step in closed form: ``h (1 - s l'' h)^{-1} s l'`` with ``h = x_i' H^{-1} x_i``
    (matrices where there are several classes).

    Parameters
    ----------
    X, y, weight
        Rows (m, p), what the loss takes as their labels, and effective weights (m,).
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
        parts.append(_pulled(loss, X[some], y[some], weight[some], W, inverse))
    moved, leverage = (np.concatenate(values) for values in zip(*parts, strict=True))
    return moved, leverage


def _pulled(
    loss: Loss, X: Array, y: AnyArray, weight: Array, W: Array, inverse: Array
) -> tuple[Array, Array]:
    Z, (p, K) = X @ W, W.shape
    h = np.empty((len(X), K, K))
    for k in range(K):
        for j in range(K):
            block = inverse[k * p : (k + 1) * p, j * p : (j + 1) * p]
            # h = x' H^{-1} x, a matrix (K, K) a row: how a change of its margins' slopes moves
            # them.
            h[:, k, j] = np.einsum("ij,ij->i", X @ block, X)
    curvature = np.stack([loss.curve(Z, y, np.tile(unit, (len(Z), 1))) for unit in np.eye(K)], 2)
    s = weight[:, None]
    used = s[:, :, None] * curvature @ h
    # 1 - leverage is positive; where an old Hessian makes it less, nothing better is known.
    rest = np.eye(K) - used
    if K == 1:
        rest = np.maximum(rest, 1e-6)
    # Sherman & Morrison: H without the row gives h (1 - s l'' h)^{-1} s l'.
    moved = h @ np.linalg.solve(rest, (s * loss.slope(Z, y))[:, :, None])
    return moved[:, :, 0], np.trace(used, axis1=1, axis2=2)


def left_out(
    loss: Loss, Z: Array, y: AnyArray, moved: Array, leverage: Array | None = None
) -> LeftOut:
    """Say what becomes of rows whose margins Z (m, K) move so when each is left out alone.

    Parameters
    ----------
    y : ndarray
        What the loss takes as their labels.
    moved : ndarray of shape (m, K)
        As of `pulled`.
    leverage : ndarray of shape (m,), optional
        If known; else worked out where a prediction is one number.
    """
    # Before and after, on the scale on which the loss is read.
    now, then = standing(loss, Z, y), standing(loss, Z + moved, y)
    added = loss.value(Z + moved, y) - loss.value(Z, y)
    known = has_odds(loss)
    if known:
        # As a function of its own log odds t a row's loss is log(1 + exp(-t)).
        with np.errstate(over="ignore"):
            shift, residual = now - then, 1.0 + np.exp(-now)
    else:
        with np.errstate(divide="ignore", over="ignore"):
            unhindered = loss.slope(Z, y) / loss.diagonal(Z, y)
        own = np.ones(Z.shape, dtype=bool)
        if Z.shape[1] > 1 and isinstance(loss, Columnwise) and loss.coded:
            # Of classifiers with separate columns the own class's margin alone counts.
            own = np.arange(Z.shape[1]) == y[:, None]
        shift, residual = (
            np.linalg.norm(np.where(own, V, 0.0), axis=1) for V in (moved, unhindered)
        )
    out = LeftOut(
        now - then,
        expit(now) - expit(then) if known else added,
        added,
        expit(now) if known else np.full(len(now), np.nan),
        np.full(len(now), np.nan) if leverage is None else leverage,
        shift,
        residual,
    )
    if leverage is None and Z.shape[1] == 1:
        out = out._replace(leverage=out.own_leverage)
    return out


def has_odds(loss: Loss) -> bool:
    """Whether margins are log odds."""
    return isinstance(loss, Softmax) or (
        isinstance(loss, Columnwise) and isinstance(loss.each, Logistic)
    )


def unit_of(loss: Loss) -> str:
    """Return what margins are measured in."""
    if has_odds(loss):
        return "log odds"
    if isinstance(loss, Columnwise) and isinstance(loss.each, Poisson | Gamma):
        return "log of the mean"
    return "margin" if isinstance(loss, Columnwise) and loss.coded else "units of y"


def standing(loss: Loss, Z: Array, y: AnyArray) -> Array:
    """Return how near each row's prediction at margins Z (m, K) is to its own label, shape (m,).

    Log odds of the label where margins are log odds, else its margin; minus the size of the loss's
    slope for real targets, which is the residual of a ridge, Poisson or Gamma regression.
    """
    if isinstance(loss, Columnwise) and not loss.coded:
        if has_odds(loss):
            # Several labels a row: the log odds of just those it has, each told on its own.
            together = log_expit(y.reshape(Z.shape) * Z).sum(axis=1)
            with np.errstate(divide="ignore"):
                return np.asarray(together - np.log(-np.expm1(together)))
        out: Array = -np.abs(loss.slope(Z, y)).sum(axis=1)
        return out
    if Z.shape[1] == 1:
        one: Array = (2.0 * y - 1.0) * Z[:, 0]
        return one
    own = np.arange(Z.shape[1]) == y[:, None]
    if not has_odds(loss):
        return np.asarray(Z[own])
    if not loss.coupled:
        # One-vs-rest: probabilities are those of each class against the others, over their sum.
        Z = log_expit(Z)
    rest: Array = Z[own] - logsumexp(np.where(own, -np.inf, Z), axis=1)
    return rest
