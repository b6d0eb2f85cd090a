"""Outward rounding: certificate arithmetic errs on the safe side only."""

from __future__ import annotations

import math
import sys

UNIT_ROUNDOFF = sys.float_info.epsilon / 2
#: More than the rounding of a norm of up to a million numbers, and of some products of norms.
GUARD = 1.0 + 1e-9


def up(x: float, ulps: int = 4) -> float:
    """Return a float at least ``ulps`` units in the last place above ``x``."""
    x = float(x)
    return x + ulps * math.ulp(x) if math.isfinite(x) else x


def down(x: float, ulps: int = 4) -> float:
    """Return a float at least ``ulps`` units in the last place below ``x``."""
    x = float(x)
    return x - ulps * math.ulp(x) if math.isfinite(x) else x


def gamma(n: int) -> float:
    """Return ``n u / (1 - n u)``: error constant of ``n`` operations (Higham 2002, 3.1)."""
    nu = n * UNIT_ROUNDOFF
    if nu >= 0.5:
        return float("inf")
    return up(nu / (1.0 - nu))
