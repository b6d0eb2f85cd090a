"""Outward rounding: certificate arithmetic errs on the safe side only."""

from __future__ import annotations

import numpy as np

UNIT_ROUNDOFF = float(np.finfo(np.float64).eps) / 2


def up(x: float, ulps: int = 4) -> float:
    """Return a float at least ``ulps`` units in the last place above ``x``."""
    return float(x + ulps * np.spacing(abs(x))) if np.isfinite(x) else float(x)


def down(x: float, ulps: int = 4) -> float:
    """Return a float at least ``ulps`` units in the last place below ``x``."""
    return float(x - ulps * np.spacing(abs(x))) if np.isfinite(x) else float(x)


def gamma(n: int) -> float:
    """Return ``n u / (1 - n u)``: error constant of ``n`` operations (Higham 2002, 3.1)."""
    nu = n * UNIT_ROUNDOFF
    if nu >= 0.5:
        return float("inf")
    return up(nu / (1.0 - nu))
