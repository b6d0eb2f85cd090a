"""Pipelines that forget: every step as a fit on the rows that stay would leave it."""

from __future__ import annotations

from ._pipeline import ForgettingPipeline, forgetting
from .frozen import FrozenFeatures

__all__ = ["ForgettingPipeline", "FrozenFeatures", "forgetting"]
