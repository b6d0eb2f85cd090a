"""Certified unlearning for convex and linear models."""

from __future__ import annotations

from ._version import __version__
from .certificate import Certificate
from .estimators.logistic import CertifiedLogReg
from .estimators.min_norm import CertifiedMinNorm

__all__ = ["Certificate", "CertifiedLogReg", "CertifiedMinNorm", "__version__"]
