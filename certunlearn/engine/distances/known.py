"""What is known of the gradient at the iterate without a pass: the last measurement, edited.

Rows that go take their own part of the gradient with them, and of the intercept's curvature at
most what their weights allow: no row that stays is read.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..._common.arrays import Array
from ..._common.rounding import GUARD, UNIT_ROUNDOFF, down, gamma, up
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.measurement import Border
from ...numerics.objective.objective import Measurement, Objective

#: Margins whose rounding matters more than this are measured again.
_EXACT = 1e-4


class Known(NamedTuple):
    """A measurement at the iterate, of the training set as it is.

    ``shift`` is what `intercept_curvature` returns there, or None where nothing is free.
    """

    measurement: Measurement
    shift: tuple[float, float] | None


def edited_measurement(
    known: Known,
    after: Objective,
    W: Array,
    removed: Contribution,
    added: Contribution | None = None,
    penalty: Array | None = None,
) -> Known | None:
    """Return what is known of the objective ``after`` an edit; None where that is too little.

    Parameters
    ----------
    known : Known
        Of the objective before.
    W : ndarray of shape (p, K)
        The iterate, where ``known`` was measured, and both shares were taken.
    removed, added : Contribution
        Of the rows that go and of those that come.
    penalty : ndarray of shape (p,), optional
        Change of alpha.

    Notes
    -----
    Guarantee: the bounds of `Measurement` and of `intercept_curvature` hold for ``after``.
    Proof: proofs/edited_measurement.md
    """
    m, shift, loss = known.measurement, known.shift, after.loss
    error = m.margin_error
    value, gradient, rounding, allowance = m.value, m.gradient, m.rounding, m.allowance
    if added is not None:
        # kappa bounds the curvature of rows that come only where it bounds the loss's.
        if not loss.bounded:
            # Their curvature may be larger than that of any row so far.
            return None
        wrong = float(np.max(np.abs(added.X) @ np.abs(W), initial=0.0))
        # p products and additions, gamma(p + 4) |x||W| a column, twice for a range of classes; 4 is
        # twice as much.
        error = max(error, 4.0 * loss.R * gamma(len(W) + 4) * wrong)
    # R rho <= 1e-4 is what the factor 1.01 in 2.01 rests on.
    if not error <= _EXACT:
        return None
    for sign, share in ((-1.0, removed), (1.0, added)):
        if share is None:
            continue
        value += sign * float(share.weight @ loss.value(share.reference, share.labels))
        # Half a unit of either gradient for the sum, doubled.
        half = 2 * UNIT_ROUNDOFF * (np.abs(gradient) + np.abs(share.gradient))
        gradient = gradient + sign * share.gradient
        # Once for the share itself, and once for how these rows' margins were off in the pass.
        rounding = rounding + 2.01 * share.allowance + half
        allowance = allowance + 2.01 * share.allowance + half
    if penalty is not None:
        # C W, C a difference of two floats: 3 |C W| and |g|, twice u of each.
        pull = penalty[:, None] * W
        value += 0.5 * float(np.sum(pull * W))
        half = 2 * UNIT_ROUNDOFF * (np.abs(gradient) + 3 * np.abs(pull))
        gradient, rounding, allowance = gradient + pull, rounding + half, allowance + half
    if not (math.isfinite(value) and np.isfinite(gradient).all()):
        return None
    if shift is not None:
        # C_i <= largest I: mu falls by at most largest times the weight that goes; rows that come
        # add none that is negative.
        mass = up(float(np.sum(removed.weight)) * GUARD)
        left = down(shift[0] - up(shift[1] * mass))
        # Of little that is left the rest is worth measuring.
        shift = (left, shift[1]) if left > shift[0] / 2 else None
    edited = m._replace(
        value=value,
        gradient=gradient,
        rounding=rounding,
        allowance=allowance,
        margin_error=error,
        moved=0.0,
        border=_bordered(m.border, removed, added),
    )
    return Known(edited, shift)


def _bordered(
    border: Border | None, removed: Contribution, added: Contribution | None
) -> Border | None:
    """Return the Hessian's border after an edit, where there was one."""
    if border is None:
        return None
    border = border.edited(removed.border(), -1.0)
    return border if added is None else border.edited(added.border(), 1.0)
