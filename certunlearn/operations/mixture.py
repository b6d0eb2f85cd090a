"""A convex mixture of models of the same retained rows, released once and certified as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._common.arrays import ArrayLike, RandomState
from .._common.whole import serially
from ..engine.mixture import _mixture
from ..engine.unlearner import Model
from ..estimators.base.foresight import predictor_of
from ..estimators.base.linear import LinearEstimator
from ..exceptions import AssumptionError
from ..requests.fitted import fitted_of

Array = NDArray[np.float64]

#: How far the weights of a mixture may be from a sum of one.
_SUM = 1e-9
#: Numbers of two models that are compared at a time.
_COMPARED = 1 << 20
#: What must agree, as the models were fitted, whatever their parameters say by now.
_SHARED = ("epsilon", "delta", "noise", "mechanism", "view", "horizon", "fit_intercept")


def mix(
    models: Sequence[LinearEstimator],
    weights: ArrayLike | None = None,
    *,
    random_state: RandomState = None,
) -> BaseEstimator:
    """Release a weighted mean of models that were trained on the same rows.

    Parameters
    ----------
    models : sequence of estimators
        Fitted, of one class and with the same ``epsilon``, ``delta``, ``noise``, ``mechanism`` and
        ``fit_intercept``; penalties, class weights and solvers may differ.  None is changed.
        Once rows have been forgotten in every one of them, mix them again.
    weights : array-like of shape (n_models,), optional
        Not negative, their sum 1; equal if left out.  They must not be chosen by looking at rows
        that may be forgotten.
    random_state : int, RandomState or None
        Of the mixture's noise, as in the estimators.

    Returns
    -------
    predictor
        What ``export_predictor()`` returns, with the mixed ``coef_`` and ``intercept_`` and, as
        ``certificate_``, the public part of what holds for them.  It holds no row.

    Raises
    ------
    AssumptionError
        If the models differ in their retained rows, labels or sample weights, which are compared
        one by one in the order they are held, or in what must agree; or with
        ``mechanism="objective"``, or a `CertifiedMinNorm`.
    NotCertifiedError
        If the distance of the mean to the mean of the exact optima is not within the promise.
    ValueError
        If the weights are no weights.

    Notes
    -----
    Guarantee: with W_i^* the exact optimum of model i on the retained rows, the mixed secret
    iterate is within ``distance_target`` of ``sum_i w_i W_i^*`` in the norm of the noise (within
    ``fit_distance`` if no model has forgotten anything), and one draw of noise hides that as it
    does for one model.  Proof: proofs/mixture.md

    No verb of a model is carried out meanwhile.

    Mixing what the models have already released would cost more: their noises average out, and mu
    grows by the square root of their number.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from certunlearn import CertifiedLogReg, mix
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> models = [CertifiedLogReg(C=C).fit(X, y).forget([17, 42]) for C in (0.1, 1.0)]
    >>> mixed = mix(models, [0.25, 0.75])
    >>> mixed.certificate_.check(epsilon=1.0, delta=1e-6), mixed.coef_.shape
    (True, (1, 30))
    """
    models = list(models)
    shares = _shares(weights, len(models))
    known = [m for m in models if isinstance(m, LinearEstimator)]
    return serially(known, lambda: _mixed(models, shares, random_state))


def _mixed(
    models: Sequence[LinearEstimator], shares: Array, random_state: RandomState
) -> BaseEstimator:
    """Release the mean of models that no verb is changing."""
    first = models[0]
    _comparable(models)
    mixed, certificate = _mixture([fitted_of(m).linear for m in models], shares, random_state)
    out = predictor_of(first, mixed)
    # Whoever is given the predictor has this too.
    out.certificate_ = certificate.of("release", out.coef_, out.intercept_, certificate).public()
    return out


def _shares(weights: ArrayLike | None, count: int) -> Array:
    if not count:
        raise ValueError("there is no model to mix")
    if weights is None:
        return np.full(count, 1.0 / count)
    out = np.asarray(weights, dtype=np.float64)
    if out.shape != (count,):
        raise ValueError(f"{count} models need {count} weights, got shape {out.shape}")
    if not (np.all(out >= 0) and abs(math.fsum(out) - 1.0) <= _SUM):
        raise ValueError(f"weights must not be negative and sum to 1, got {out.tolist()}")
    return out


def _comparable(models: Sequence[LinearEstimator]) -> None:
    """Refuse models that are no models of the same retained rows."""
    first = models[0]
    for k, other in enumerate(models):
        if not isinstance(other, LinearEstimator):
            raise AssumptionError(
                f"models[{k}] is a {type(other).__name__}: estimators of this package with a "
                "penalty are needed; of a pipeline, give its last step"
            )
        check_is_fitted(other)
        if type(other) is not type(first):
            raise AssumptionError(
                f"models[{k}] is a {type(other).__name__}, models[0] a {type(first).__name__}: "
                "margins of different losses have no common scale"
            )
        mine, its = fitted_of(first).linear, fitted_of(other).linear
        differ = [p for p in _SHARED if getattr(mine.settings, p) != getattr(its.settings, p)]
        if differ:
            raise AssumptionError(
                f"models[{k}] differs from models[0] in {', '.join(differ)}: fit them alike"
            )
        if not _same_labels(first, other) or not _same_rows(mine, its):
            raise AssumptionError(
                f"models[{k}] and models[0] were not trained on the same rows, labels and sample "
                "weights in the same order: the mixture would have no common retraining to be "
                "compared with; carry out every request in every model first"
            )
    if mine.settings.mechanism == "objective":
        raise AssumptionError(
            'a mixture is certified with mechanism="gram" or "isotropic": G^2 is not carried over '
            "between different penalties"
        )


def _same_labels(a: LinearEstimator, b: LinearEstimator) -> bool:
    """Whether codes mean the same, and columns have the same names."""
    names = [getattr(m, "feature_names_in_", np.zeros(0)) for m in (a, b)]
    labels = [fitted_of(m).encoding.names for m in (a, b)]
    return np.array_equal(names[0], names[1]) and labels[0] == labels[1]


def _same_rows(a: Model, b: Model) -> bool:
    """Compare the training sets of two models row by row."""
    if a.rows is b.rows and a.members is b.members:
        return True
    weights = [m.sample_weight for m in (a, b)]
    at = [np.flatnonzero(w > 0) for w in weights]
    if a.rows.p != b.rows.p or a.rows.sparse != b.rows.sparse or len(at[0]) != len(at[1]):
        return False
    step = max(1, _COMPARED // a.rows.p)
    for start in range(0, len(at[0]), step):
        (X, y, w), (X_b, y_b, w_b) = (
            model.held(positions[start : start + step])
            for model, positions in zip((a, b), at, strict=True)
        )
        same = (X != X_b).nnz == 0 if issparse(X) else np.array_equal(X, X_b)
        if not (same and np.array_equal(y, y_b) and np.array_equal(w, w_b)):
            return False
    return True
