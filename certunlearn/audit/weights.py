"""Arrays that audits work on: weights of a linear model, features with a column of ones."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._common.arrays import Array


class Linear(Protocol):
    """A fitted linear model of scikit-learn's kind, this package's or any other."""

    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]


def weights(model: Linear, *, fit_intercept: bool = True) -> Array:
    """Return the weights of a linear model: one column a class, the intercept in the last row.

    Parameters
    ----------
    model : linear estimator
        Fitted, with ``coef_`` (K, d) or (d,) and ``intercept_`` (K,) or a number.
    fit_intercept : bool
        Whether the intercept counts among the weights.

    Returns
    -------
    ndarray of shape (p, K)
        p is d + 1 with an intercept, d without.
    """
    coef = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    if not fit_intercept:
        return coef.T.copy()
    intercept = np.asarray(model.intercept_, dtype=np.float64).reshape(-1)
    intercept = np.broadcast_to(intercept, len(coef))
    return np.vstack([coef.T, intercept])


def design(X: ArrayLike, *, fit_intercept: bool = True) -> Array:
    """Return features (n, d) with a last column of ones where there is an intercept."""
    out = np.asarray(X, dtype=np.float64)
    if out.ndim != 2 or not np.isfinite(out).all():
        raise ValueError(f"features must be a finite array of shape (n, d), got {out.shape}")
    return np.column_stack([out, np.ones(len(out))]) if fit_intercept else out


def stacked(releases: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return releases as (J, p, K), K being 1 where the optimum has one dimension."""
    out = np.asarray(releases, dtype=np.float64)
    two = shape if len(shape) == 2 else (*shape, 1)
    if out.shape[-len(shape) :] != shape:
        raise ValueError(f"releases of shape {out.shape} do not fit an optimum of shape {shape}")
    if not np.isfinite(out).all():
        raise ValueError("releases must be finite")
    return out.reshape(-1, *two)
