"""Certified unlearning for convex and linear models."""

from __future__ import annotations

from ._version import __version__
from .certificate import Certificate
from .displays import CertificateDisplay, ForgettingCurveDisplay, InfluenceDisplay
from .estimators.elastic import CertifiedElasticNet
from .estimators.glm import CertifiedGammaRegressor, CertifiedPoissonRegressor
from .estimators.logistic import CertifiedLogReg
from .estimators.min_norm import CertifiedMinNorm
from .estimators.ridge import CertifiedRidge, CertifiedRidgeClassifier
from .estimators.robust import CertifiedHuberRegressor
from .estimators.svm import CertifiedLinearSVC
from .exceptions import (
    AlreadyForgottenError,
    AmbiguousRowError,
    AssumptionError,
    BatchRefusedError,
    CertunlearnError,
    ClassForgottenWarning,
    ConfirmationNeededError,
    ConvergenceError,
    ForkedError,
    NoiseWarning,
    NotCertifiedError,
    RowError,
    SecretStateWarning,
    UnknownRowError,
)
from .meta import forget_in
from .mixing import mix
from .pipeline import ForgettingPipeline, FrozenFeatures, forgetting
from .queue import ForgetQueue
from .receipt import Receipt
from .report import certificate_report
from .substitutes import select_substitutes
from .suppression import SuppressedPredictor

__all__ = [
    "AlreadyForgottenError",
    "AmbiguousRowError",
    "AssumptionError",
    "BatchRefusedError",
    "Certificate",
    "CertificateDisplay",
    "CertifiedElasticNet",
    "CertifiedGammaRegressor",
    "CertifiedHuberRegressor",
    "CertifiedLinearSVC",
    "CertifiedLogReg",
    "CertifiedMinNorm",
    "CertifiedPoissonRegressor",
    "CertifiedRidge",
    "CertifiedRidgeClassifier",
    "CertunlearnError",
    "ClassForgottenWarning",
    "ConfirmationNeededError",
    "ConvergenceError",
    "ForgetQueue",
    "ForkedError",
    "ForgettingCurveDisplay",
    "ForgettingPipeline",
    "FrozenFeatures",
    "InfluenceDisplay",
    "NoiseWarning",
    "NotCertifiedError",
    "Receipt",
    "RowError",
    "SecretStateWarning",
    "SuppressedPredictor",
    "UnknownRowError",
    "__version__",
    "certificate_report",
    "forget_in",
    "forgetting",
    "mix",
    "select_substitutes",
]
