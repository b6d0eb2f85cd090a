"""Certified unlearning for convex and linear models."""

from __future__ import annotations

from ._version import __version__
from .certificate import Certificate
from .displays import CertificateDisplay, ForgettingCurveDisplay
from .estimators.logistic import CertifiedLogReg
from .report import certificate_report

__all__ = [
    "Certificate",
    "CertificateDisplay",
    "CertifiedLogReg",
    "ForgettingCurveDisplay",
    "__version__",
    "certificate_report",
]
