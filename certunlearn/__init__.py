"""Certified unlearning for convex and linear models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__
from .claims.certificate import Certificate
from .displays import (
    AuditDisplay,
    CertificateDisplay,
    ForgettingCurveDisplay,
    InfluenceDisplay,
)
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
    ClockError,
    ConfirmationNeededError,
    ConvergenceError,
    ExecutorError,
    ForkedError,
    NoiseWarning,
    NotCertifiedError,
    RowError,
    SecretStateWarning,
    StaleShardError,
    StateError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    UnknownRowError,
    VerificationError,
)
from .insight.substitutes import select_substitutes
from .operations.certificate_page import certificate_report
from .operations.ensembles import forget_in
from .operations.mixture import mix
from .operations.queue import ForgetQueue
from .operations.receipt import Receipt
from .operations.self_audit import self_audit
from .pipeline import ForgettingPipeline, FrozenFeatures, forgetting

if TYPE_CHECKING:
    from .store.bundle import load_predictor

__all__ = [
    "AlreadyForgottenError",
    "AmbiguousRowError",
    "AssumptionError",
    "AuditDisplay",
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
    "ClockError",
    "ConfirmationNeededError",
    "ConvergenceError",
    "ExecutorError",
    "ForgetQueue",
    "ForgettingCurveDisplay",
    "ForgettingPipeline",
    "ForkedError",
    "FrozenFeatures",
    "InfluenceDisplay",
    "NoiseWarning",
    "NotCertifiedError",
    "Receipt",
    "RowError",
    "SecretStateWarning",
    "StaleShardError",
    "StateError",
    "StoreDamagedError",
    "StoreError",
    "StoreLockedError",
    "SuppressedPredictor",
    "UnknownRowError",
    "VerificationError",
    "__version__",
    "certificate_report",
    "forget_in",
    "forgetting",
    "load_predictor",
    "mix",
    "select_substitutes",
    "self_audit",
]


def __getattr__(name: str) -> object:
    """Load the store, with its database, only for whoever asks for it."""
    if name == "load_predictor":
        from .store.bundle import load_predictor

        return load_predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
