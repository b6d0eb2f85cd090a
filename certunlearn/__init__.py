"""Certified unlearning for convex and linear models."""

from __future__ import annotations

from ._version import __version__
from .certificate import Certificate
from .estimators.glm import CertifiedGammaRegressor, CertifiedPoissonRegressor
from .estimators.logistic import CertifiedLogReg
from .estimators.ridge import CertifiedRidge, CertifiedRidgeClassifier
from .estimators.robust import CertifiedHuberRegressor
from .estimators.svm import CertifiedLinearSVC

__all__ = [
    "Certificate",
    "CertifiedGammaRegressor",
    "CertifiedHuberRegressor",
    "CertifiedLinearSVC",
    "CertifiedLogReg",
    "CertifiedPoissonRegressor",
    "CertifiedRidge",
    "CertifiedRidgeClassifier",
    "__version__",
]
