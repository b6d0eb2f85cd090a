"""Slopes of the loss at measured margins, with what their rounding may be."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..._common.rounding import UNIT_ROUNDOFF
from .margins import TINY, Loss
from .pointwise import namespace


class Slopes(NamedTuple):
    """Slopes at computed margins and what they may be off by.

    Attributes
    ----------
    slope : array of shape (n, K)
        As computed.
    evaluated, pushed : array of shape (n, K)
        Errors of a sum over rows and of the evaluation; and of margin errors pushed through.
    curvature : array of shape (n, K)
        Its diagonal, as computed.
    shift : array of shape (n, K) or (n, 1)
        At least the reach of the margin errors, column by column where these are not coupled.
    """

    slope: Any
    evaluated: Any
    pushed: Any
    curvature: Any
    shift: Any

    @property
    def margin_range(self) -> Any:
        """At least the reach of each row's margin errors, shape (n,)."""
        return self.shift.max(axis=1)

    def along(self, loss: Loss, s: Any) -> Any:
        """What each row's margin errors do to the gradient, in the inverse Hessian's norm, (n,)."""
        xp, most = namespace(self.shift), self.margin_range
        spread = self.curvature.sum(axis=1) * (0.5 if loss.coupled else 1.0)
        return xp.sqrt(s * (spread + TINY)) * most * xp.exp(loss.R * most)


def slopes(loss: Loss, Z: Any, y: Any, error: Any, unit: float) -> Slopes:
    """Evaluate slopes at margins Z that are off by at most ``error``, both (n, K).

    Parameters
    ----------
    unit : float
        Relative error of a sum over rows.

    Notes
    -----
    Guarantee: as `Slopes` says.  Proof: proofs/measure.md
    """
    xp = namespace(Z)
    slope, curvature = loss.slope(Z, y), loss.diagonal(Z, y)
    rho = 2 * error.max(axis=1, keepdims=True) if loss.coupled else error
    return Slopes(
        slope,
        unit * xp.abs(slope) + UNIT_ROUNDOFF * loss.slope_ulps(Z, y),
        xp.exp(loss.R * rho) * rho * (curvature + TINY),
        curvature,
        rho,
    )


def counted(loss: Loss, Z: Any, s: Any) -> Any:
    """Return margins, zero for rows of no weight where they might overflow the loss."""
    return Z if loss.bounded else namespace(Z).where(s[:, None] > 0, Z, 0.0)
