"""Steps and model as one affine map: a linear estimator for raw rows.

A step is ``x -> A x + b``, so ``coef (A x + b) + intercept`` has coefficients ``coef A`` and
intercept ``coef b + intercept``; the steps are joined from the model's side.  Steps beside one
another share the coefficients out by columns, and what they make of them is added up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from ..exceptions import AssumptionError
from ._classes import RECOUNTED
from ._types import Predictor, Step, Steps
from .steps import is_nothing

Array = NDArray[np.float64]
#: Of coefficients (K, d) and intercepts (K,) for rows after a step, those for rows before it.
Pulled = tuple[Array, Array]


def composed_predictor(steps: Steps, predictor: Predictor) -> Predictor:
    """Return ``predictor``, a fitted linear estimator of scikit-learn, for rows before ``steps``.

    Parameters
    ----------
    steps : list of (str, object)
        Fitted: scalers (no clipping), PCA, TruncatedSVD, selections of columns, a
        FunctionTransformer without a function, nothing; a Pipeline or ColumnTransformer of these.
    predictor : estimator
        With ``coef_`` and ``intercept_``, or one of such a class against the others; changed in
        place.

    Returns
    -------
    estimator
        With the same predictions, up to rounding.  It holds no step, no row and no identifier.

    Raises
    ------
    AssumptionError
        If a step is none of these; the message names it.
    """
    if isinstance(predictor, OneVsRestClassifier):
        first, *others = (composed_predictor(steps, each) for each in predictor.estimators_)
        predictor.estimators_ = [first, *others]
        for name in ("n_features_in_", "feature_names_in_"):
            predictor.__dict__.pop(name, None)
            if hasattr(first, name):
                setattr(predictor, name, getattr(first, name))
        return predictor
    shape = np.shape(predictor.coef_)
    coef, d = np.atleast_2d(np.asarray(predictor.coef_, dtype=np.float64)), predictor.n_features_in_
    intercept = np.zeros(len(coef)) + predictor.intercept_
    names = getattr(predictor, "feature_names_in_", None)
    for path, step in reversed(steps):
        coef, intercept = _pulled(path, step, coef, intercept)
        if not is_nothing(step):
            names = getattr(step, "feature_names_in_", None)
            d = coef.shape[1]
    predictor.coef_ = coef.reshape(*shape[:-1], d)
    scalar = np.ndim(predictor.intercept_) == 0
    predictor.intercept_ = float(intercept[0]) if scalar else intercept
    predictor.n_features_in_ = d
    if names is not None:
        predictor.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(predictor, "feature_names_in_"):
        del predictor.feature_names_in_
    if "fit_intercept" in predictor.get_params():
        predictor.set_params(fit_intercept=True)
    return predictor


def _pulled(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    """Return the coefficients and intercepts for rows before a step."""
    if is_nothing(step):
        return coef, intercept
    if type(step) is FrozenEstimator:
        step = step.estimator
    if type(step) is Pipeline:
        for name, part in reversed(step.steps):
            coef, intercept = _pulled(f"{path}__{name}", part, coef, intercept)
        return coef, intercept
    if type(step) is ColumnTransformer:
        return _beside(path, step, coef, intercept)
    rule = _selected if type(step) in _SELECTIONS else _RULES.get(type(step))
    if rule is None:
        known = ", ".join(sorted(c.__name__ for c in (*_RULES, *_SELECTIONS)))
        raise AssumptionError(
            f"step {path!r}, a {type(step).__name__}, is not known to be one affine map for all "
            f"rows: composed=True takes {known}; leave composed=False, or take the step out"
        )
    return rule(path, step, coef, intercept)


def _beside(path: str, step: ColumnTransformer, coef: Array, intercept: Array) -> Pulled:
    """Of steps that are each given some of the columns; those given to none have no coefficient."""
    out = np.zeros((len(coef), step.n_features_in_))
    weights = step.transformer_weights or {}
    for name, part, _ in step.transformers_:
        made = step.output_indices_[name]
        if made.start == made.stop:
            # Dropped, or given no column.
            continue
        given = step._transformer_to_input_indices[name]
        own = coef[:, made] * weights.get(name, 1.0)
        own, intercept = _pulled(f"{path}__{name}", part, own, intercept)
        # A column may be given to several, or twice to one.
        np.add.at(out.T, given, own.T)
    return out, intercept


def _scaled(coef: Array, intercept: Array, centre: Array | None, scale: Array | None) -> Pulled:
    """``x -> (x - centre) / scale``, either of which may be None."""
    coef = coef if scale is None else coef / scale
    return coef, intercept if centre is None else intercept - coef @ centre


def _standard(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    centre = step.mean_ if step.with_mean else None
    return _scaled(coef, intercept, centre, step.scale_ if step.with_std else None)


def _robust(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    centre = step.center_ if step.with_centering else None
    return _scaled(coef, intercept, centre, step.scale_ if step.with_scaling else None)


def _max_abs(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    _unclipped(path, step)
    return _scaled(coef, intercept, None, step.scale_)


def _min_max(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    _unclipped(path, step)
    # x -> x scale_ + min_
    return coef * step.scale_, intercept + coef @ step.min_


def _pca(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    components = step.components_
    if step.whiten:
        scale = np.sqrt(step.explained_variance_)
        # As in PCA.transform: a component without variance is not divided by zero.
        components = components / np.maximum(scale, np.finfo(scale.dtype).eps)[:, None]
    coef = coef @ components
    return coef, intercept - coef @ step.mean_


def _svd(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    return coef @ step.components_, intercept


def _selected(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    chosen = step.get_support()
    out = np.zeros((len(coef), len(chosen)))
    out[:, chosen] = coef
    return out, intercept


def _same(path: str, step: Step, coef: Array, intercept: Array) -> Pulled:
    if step.func is not None:
        raise AssumptionError(
            f"step {path!r} applies a function of the caller's, which need not be affine: "
            "leave composed=False"
        )
    return coef, intercept


def _unclipped(path: str, step: Step) -> None:
    if getattr(step, "clip", False):
        raise AssumptionError(
            f"step {path!r} clips, so it is not affine: use clip=False or leave composed=False"
        )


#: Steps that hand some of the columns on as they are.
_SELECTIONS: tuple[type, ...] = tuple(kind for kind in RECOUNTED if issubclass(kind, SelectorMixin))
_RULES: dict[type, Callable[[str, Step, Array, Array], Pulled]] = {
    StandardScaler: _standard,
    RobustScaler: _robust,
    MaxAbsScaler: _max_abs,
    MinMaxScaler: _min_max,
    PCA: _pca,
    TruncatedSVD: _svd,
    FunctionTransformer: _same,
}
