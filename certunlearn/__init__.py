"""Certified unlearning for convex and linear models."""

from __future__ import annotations

from ._version import __version__
from .certificate import Certificate
from .estimators.logistic import CertifiedLogReg
from .pipeline import ForgettingPipeline, forgetting

__all__ = ["Certificate", "CertifiedLogReg", "ForgettingPipeline", "__version__", "forgetting"]
