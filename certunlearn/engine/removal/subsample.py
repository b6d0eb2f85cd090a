"""A start near the optimum from a sixteenth of the rows: saves most of the full Hessian sweeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...claims.noise import Geometry
from ...exceptions import AssumptionError
from ...linalg.norms import norm
from ...numerics.objective.measurement import Spare
from ...numerics.objective.objective import Measurement, Objective, flat, folded
from ...numerics.objective.quadratic import QuadraticModel
from ...numerics.rows.weights import Weights
from ...numerics.solvers.newton import Array, Verdict, newton

STRIDE = 16
#: Fewer rows a coordinate than this in the sample would start no closer than zero does.
_ENOUGH = 20
_MOST_STEPS = 30


def subsampled_start(
    objective: Objective, gram: Geometry, W: Array, model: QuadraticModel
) -> Array:
    """Return the optimum over every sixteenth row, roughly, and one step on, or ``W``.

    The step takes the gradient of all rows and the curvature of the sixteenth: it costs a third
    of a Hessian sweep and brings the start about as much closer as one would.

    Nothing is claimed for it: the full rows decide what is certified.

    Parameters
    ----------
    objective : Objective
        All rows.
    gram : Geometry
        Of the same rows; only its Gram matrix matters.
    W : ndarray of shape (p, K)
        Start.
    model : QuadraticModel
        Of all rows at W.
    """
    loss = objective.loss
    if objective.rows.n < STRIDE * _ENOUGH * W.size or loss.R == 0 or not loss.bounded:
        # A quadratic takes one step anyway; without a bound on the curvature none is safe.
        return W
    # One row in STRIDE of every block: views, no copy.
    rows, chosen = objective.rows.thinned(STRIDE)
    weight = chosen(objective.weights)
    total = float(weight.sum())
    if rows.classed:
        # A class that the sample missed would have no curvature of its own.
        codes = objective.rows.labels
        found = [np.unique(codes[here][s > 0]) for here, s in objective.weights.slices()]
        live = np.unique(np.concatenate(found))
        if len(np.unique(rows.labels[weight > 0])) < len(live):
            return W
    # Weighted up to the whole, so that the penalty keeps its share.
    scaled = Weights.of(weight * (objective.weight_sum / total))
    # No claim is made of these gradients, so their rounding is nobody's business.
    objective = replace(objective, spare=Spare(np.zeros((1, 1))))
    sample = replace(objective, rows=rows, weights=scaled)

    def close(W: Array, m: Measurement, model: QuadraticModel) -> Verdict:
        # A decrement of 1 is as near as the sample can tell.
        return "accept" if norm(model.factor.inverse @ flat(m.gradient)) <= 1.0 else "step"

    try:
        s = newton(sample, W, model, close, max_iter=_MOST_STEPS)
        gradient = objective.measure(s.W, s.W).gradient
    except (np.linalg.LinAlgError, AssumptionError):
        return W
    V = -folded(s.model.factor.solve(flat(gradient)), len(W))
    # F(W + t V) <= F(W) + t g.V + t^2 V.G V / 2: a row that the sample missed cannot send it off.
    slope, curvature = -float(np.sum(gradient * V)), gram.gram_norm(V) ** 2
    return s.W + min(1.0, 1.9 * slope / max(curvature, 1e-300)) * V
