"""Slopes of the loss at measured margins, with what their rounding may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from ..._common.rounding import UNIT_ROUNDOFF
from .margins import TINY, Loss
from .namespace import Values, namespace


@dataclass(frozen=True)
class Slopes(Generic[Values]):
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

    slope: Values
    evaluated: Values
    pushed: Values
    curvature: Values
    shift: Values

    @property
    def margin_range(self) -> Values:
        """At least the reach of each row's margin errors, shape (n,)."""
        return namespace(self.shift).max(self.shift, axis=1)

    def along(self, loss: Loss, s: Values) -> Values:
        """What each row's margin errors do to the gradient, in the inverse Hessian's norm, (n,)."""
        xp, most = namespace(self.shift), self.margin_range
        # e'De <= rho^2 sum l'' for separate columns; half of it for softmax, by (p_k p_l (e_k -
        # e_l)^2) / 2.
        spread = self.curvature.sum(axis=1) * (0.5 if loss.coupled else 1.0)
        # e^{R rho} sqrt(s e'De): half of the exponent for the Hessian, half for the curvature on
        # the way.
        return xp.sqrt(s * (spread + TINY)) * most * xp.exp(loss.R * most)


def slopes(loss: Loss, Z: Values, y: Values, error: Values, unit: float) -> Slopes[Values]:
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
    # Of softmax the range of an error, at most twice the largest; of separate columns the error
    # itself.
    rho = 2 * error.max(axis=1, keepdims=True) if loss.coupled else error
    return Slopes(
        slope,
        # The sum over rows, relatively, and what evaluating the slope itself rounds.
        unit * xp.abs(slope) + UNIT_ROUNDOFF * loss.slope_ulps(Z, y, slope),
        # Margins moved by rho change a slope by at most e^{R rho} rho l''.
        xp.exp(loss.R * rho) * rho * (curvature + TINY),
        curvature,
        rho,
    )


def counted(loss: Loss, Z: Values, s: Values) -> Values:
    """Return margins, zero for rows of no weight where they might overflow the loss."""
    return Z if loss.bounded else namespace(Z).where(s[:, None] > 0, Z, 0.0)
