"""Columns told one from the rest, as scikit-learn's `OneVsRestClassifier` has them."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer

from .._common.arrays import AnyArray, Array
from ..requests.indicators import Indicators


def shared_out(odds: Array) -> Array:
    """Return probabilities of each class against the rest, (n, K), as ones of all classes.

    They are divided by their sum, as scikit-learn's `OneVsRestClassifier` does.
    """
    total = odds.sum(axis=1, keepdims=True)
    # Where every class says no for certain, none is likelier than another.
    return np.where(total > 0, odds / np.where(total > 0, total, 1.0), 1.0 / odds.shape[1])


def one_vs_rest(
    weights: LogisticRegression, classes: AnyArray, indicators: Indicators | None
) -> OneVsRestClassifier:
    """Return scikit-learn's meta-estimator over one binary classifier a class or label.

    ``weights`` carries the coefficients (K, d), which `rewritten` puts in, and the names of the
    features; of several labels a row say how they were given.
    """
    out = OneVsRestClassifier(clone(weights))
    out.classes_, K = classes.copy(), len(classes)
    binarizer = LabelBinarizer(sparse_output=True)
    if indicators is None:
        binarizer.fit(out.classes_)
    else:
        # Which columns there are, and whether predictions are sparse: no row is seen.
        binarizer.fit(indicators.shown(np.eye(K, dtype=np.int64)))
        binarizer.classes_ = out.classes_.copy()
    out.label_binarizer_ = binarizer
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(weights, name):
            setattr(out, name, getattr(weights, name))
    return rewritten(out, weights.coef_, weights.intercept_)


def rewritten(out: OneVsRestClassifier, coef: Array, intercept: Array) -> OneVsRestClassifier:
    """Put weights (K, d) and (K,) into a meta-estimator, and return it.

    An infinite intercept is that of a label which all rows or none carried.  scikit-learn has a
    predictor of constants for it, and a threshold of 1/2 for all labels where it is the first.
    """
    out.estimators_ = []
    for w, b in zip(coef, intercept, strict=True):
        each = clone(out.estimator)
        each.classes_, each.n_iter_ = np.array([0, 1]), np.array([0], dtype=np.int32)
        each.coef_, each.intercept_ = w[None].copy(), np.array([b])
        each.n_features_in_ = len(w)
        out.estimators_.append(each)
    return out
