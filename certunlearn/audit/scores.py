"""What an attacker reads off a model about single rows, and heads trained by the thousand."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp
from sklearn.base import is_classifier

from .._common.arrays import Array


class Predictor(Protocol):
    """A fitted model with scikit-learn's `predict`."""

    def predict(self, X: ArrayLike) -> NDArray[np.generic]: ...


def margins(model: Predictor, X: ArrayLike) -> Array:
    """Return margins of every class (n, K): of decision_function, or logarithms of probabilities.

    A binary model's single margin z becomes (0, z).
    """
    if hasattr(model, "decision_function"):
        z = np.asarray(model.decision_function(X), dtype=np.float64)
    else:
        with np.errstate(divide="ignore"):
            z = np.log(np.asarray(model.predict_proba(X)))  # type: ignore[attr-defined]
    return np.asarray(np.column_stack([np.zeros(len(z)), z]) if z.ndim == 1 else z)


def confidence(model: Predictor, X: ArrayLike, y: ArrayLike) -> Array:
    """Return how sure a model is of the labels: ``log(p_y / (1 - p_y))``, or y less a prediction.

    The logit of a confidence is close to normal over retrained models (Carlini et al. 2022,
    section 4); a regression's signed residual is so too.

    Parameters
    ----------
    model : estimator
        Fitted classifier or regressor.
    X, y : array-like of shape (n, d), (n,)
        A label that the model does not know has confidence -50.

    Returns
    -------
    ndarray of shape (n,)
    """
    target = np.asarray(y)
    if not is_classifier(model):
        return np.asarray(target - np.asarray(model.predict(X)), dtype=np.float64)
    z = margins(model, X)
    classes = list(np.asarray(model.classes_))  # type: ignore[attr-defined]
    out = np.full(len(z), -50.0)
    for k, label in enumerate(classes):
        at = target == label
        # log(p / (1 - p)) from margins: no probability is formed that could round to 1.
        out[at] = z[at, k] - logsumexp(np.delete(z[at], k, axis=1), axis=1)
    return np.asarray(np.clip(out, -50.0, 50.0))


def logistic_heads(
    X: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike,
    alpha: float,
    *,
    tol: float = 1e-10,
    max_iter: int = 50,
) -> Array:
    """Train many L2-penalised binary logistic regressions at once, on the same rows.

    All heads take Newton steps together, their Hessians solved as one batch; a head whose step is
    small is left out of the next.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows; a column of ones for an intercept is the caller's, and is penalised.
    y : array-like of shape (n,)
        0 or 1.
    weight : array-like of shape (T, n)
        Weight of each row in each head; 0 is not there.
    alpha : float
        L2 penalty in the sum convention, 1 / C; positive.
    tol : float
        Largest entry of the last Newton step.

    Returns
    -------
    ndarray of shape (T, d)

    Raises
    ------
    ValueError
        If a head does not converge.
    """
    D, target = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    S = np.asarray(weight, dtype=np.float64)
    W, open_ = np.zeros((len(S), D.shape[1])), np.arange(len(S))
    for _ in range(max_iter):
        # Only heads that have not converged take part.
        s = S[open_]
        p = expit(W[open_] @ D.T)
        gradient = (s * (p - target)) @ D + alpha * W[open_]
        # Hessians as one matrix product over the products of pairs of columns.
        hessian = np.einsum("tn,nj,nk->tjk", s * p * (1 - p), D, D, optimize=True)
        hessian += alpha * np.eye(D.shape[1])
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        # Short enough to stay where the quadratic model holds: logistic is 1-self-concordant.
        reach = np.abs(step @ D.T).max(axis=1)
        damped = step / np.maximum(1.0, 0.5 * reach)[:, None]
        W[open_] -= damped
        open_ = open_[np.abs(step).max(axis=1) > tol]
        if not len(open_):
            return W
    raise ValueError(f"{len(open_)} of {len(S)} heads did not converge in {max_iter} steps")
