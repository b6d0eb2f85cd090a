"""Certified unlearning for convex and linear models."""

from __future__ import annotations

from ._version import __version__
from .claims.certificate import Certificate
from .displays import CertificateDisplay, ForgettingCurveDisplay, InfluenceDisplay
from .estimators.elastic import CertifiedElasticNet
from .estimators.glm import CertifiedGammaRegressor, CertifiedPoissonRegressor
from .estimators.huber import CertifiedHuberRegressor
from .estimators.logistic import CertifiedLogReg
from .estimators.min_norm import CertifiedMinNorm
from .estimators.ridge import CertifiedRidge, CertifiedRidgeClassifier
from .estimators.suppressed import SuppressedPredictor
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
    StateError,
    UnknownRowError,
)
from .insight.substitutes import select_substitutes
from .operations.certificate_page import certificate_report
from .operations.ensembles import forget_in
from .operations.mixture import mix
from .operations.queue import ForgetQueue
from .operations.receipt import Receipt
from .pipeline import ForgettingPipeline, FrozenFeatures, forgetting

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
    "StateError",
    "SuppressedPredictor",
    "UnknownRowError",
    "__version__",
    "certificate_report",
    "forget_in",
    "forgetting",
    "mix",
    "select_substitutes",
]
