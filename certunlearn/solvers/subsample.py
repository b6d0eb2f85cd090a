"""A start near the optimum from a sixteenth of the rows: saves most of the full Hessian sweeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..exceptions import AssumptionError
from ..factor import norm
from ..model import QuadraticModel
from ..objective import Measurement, Objective, flat
from .newton import Array, newton

STRIDE = 16
#: Fewer rows a coordinate than this in the sample would start no closer than zero does.
_ENOUGH = 20
_MOST_STEPS = 30


def subsampled_start(objective: Objective, W: Array, model: QuadraticModel) -> Array:
    """Return the optimum over every sixteenth row, roughly, or ``W`` where that is no use.

    Nothing is claimed for it: the full rows decide what is certified.

    Parameters
    ----------
    objective : Objective
        All rows.
    W : ndarray of shape (p, K)
        Start.
    model : QuadraticModel
        Of all rows at W.
    """
    if objective.rows.n < STRIDE * _ENOUGH * W.size:
        return W
    rows, chosen = objective.rows.thinned(STRIDE)
    weight = chosen(objective.weight)
    total = float(weight.sum())
    live = np.unique(objective.rows.codes[objective.weight > 0])
    if len(np.unique(rows.codes[weight > 0])) < len(live):
        return W
    sample = replace(objective, rows=rows, weight=weight * (objective.weight_sum / total))

    def close(W: Array, m: Measurement, model: QuadraticModel) -> bool:
        return norm(model.factor.inverse @ flat(m.gradient)) <= 1.0

    try:
        return newton(sample, W, model, close, max_iter=_MOST_STEPS).W
    except (np.linalg.LinAlgError, AssumptionError):
        return W
