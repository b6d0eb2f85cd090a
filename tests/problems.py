"""Problems whose answers are known another way, data sets, and the settings tests start from."""

from __future__ import annotations

from functools import cache

import mpmath
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.preprocessing import StandardScaler

from certunlearn.engine import unlearner
from certunlearn.exceptions import CertunlearnError

from . import reference

LD = np.longdouble


def settings(**changes):
    """Defaults of the unlearner with changes; C stands for 1 / alpha."""
    values = dict(
        alpha=1.0 / changes.pop("C", 1.0),
        fit_intercept=True,
        class_weight=None,
        epsilon=1.0,
        delta=1e-6,
        noise=0.1,
        mechanism="gram",
        tol=1e-8,
        max_iter=100,
        seed=0,
    )
    return unlearner.Settings(**{**values, **changes})


def life(X, codes, weight, settings, removals):
    """Fit, then forget rows time after time: yield each model and the weights that it stands for.

    The model is None where it was refused, and that is the last.
    """
    model = None
    for gone in ([], *removals):
        try:
            if model is None:
                model = unlearner.fit(X, codes, weight, settings)
            else:
                weight = weight.copy()
                weight[gone] = 0.0
                model = model.forget(np.array(gone))
        except CertunlearnError:
            yield None, weight
            return
        yield model, weight


def over_truth(model, truth, half, seed):
    """Certified over true distance, which must be at least one; None where the truth is unsound."""
    if not truth.sound:
        return None
    true, error = truth.apart(model.W, half)
    assert true <= model.reached.distance + error, seed
    assert model.reached.distance <= model.certificate.distance_target
    return float(model.reached.distance / max(true, error))


@cache
def data(name, standardised):
    """Features and codes of a data set that ships with scikit-learn."""
    X, y = {"breast_cancer": load_breast_cancer, "digits": load_digits}[name](return_X_y=True)
    X = StandardScaler().fit_transform(X) if standardised else X.astype(np.float64)
    return X, y.astype(np.int64)


def one_sided(n, C):
    """``n`` rows x = 1 of class 1 and one row x = 0 of class 0, no intercept.

    The optimum of one coordinate solves ``w / C = n / (1 + e^w)``: Lambert's W would do, a
    root finder in 40 digits does.  Returns X, codes, optimum.
    """
    X = np.r_[np.ones(n), 0.0][:, None]
    codes = np.r_[np.ones(n), 0.0].astype(np.int64)
    with mpmath.workdps(40):
        alpha = mpmath.mpf(1.0 / C)  # the penalty meant is the float64 number
        f = lambda w: alpha * w - n / (1 + mpmath.exp(w))  # noqa: E731
        w = mpmath.findroot(f, (0, 60), solver="anderson", tol=1e-60)
    return X, codes, w


def intercept_only(counts):
    """Rows without features: the intercepts are the centred log frequencies (log odds for two).

    Returns X (n, 1) of zeros, codes and the optimum (2, K) in float64.
    """
    codes = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    b = np.log(np.asarray(counts, np.float64))
    b = np.array([b[1] - b[0]]) if len(counts) == 2 else b - b.mean()
    return np.zeros((len(codes), 1)), codes, np.vstack([np.zeros_like(b), b])


def half_of(geometry):
    """M with ||d||_A = ||M d||, from the computed factor the noise is drawn with, exactly."""
    lower = np.asarray(geometry.gram.lower, LD)
    if geometry.mechanism == "isotropic":
        return np.eye(len(lower), dtype=LD)
    return lower.T if geometry.mechanism == "gram" else lower @ lower.T


def drifted(geometry, G):
    """Whitened difference of A to the A of an exact Gram matrix, which is what gets charged."""
    lower = reference.lower_inverse(np.asarray(geometry.gram.lower, LD))
    white = lower @ G @ lower.T
    if geometry.mechanism == "objective":
        # ||d||_A = ||L L' d||, and the other A is G^2.
        ratio = lower.T @ (lower @ G)
        white = ratio @ ratio.T
    return np.abs(np.linalg.eigvalsh((white - np.eye(len(G))).astype(np.float64))).max()
