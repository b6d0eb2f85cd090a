"""What softmax does not see, one number added to every class, and how strongly that is held."""

from __future__ import annotations

import numpy as np

from ..._common.arrays import Array
from ..losses.margins import Loss


def centred(V: Array) -> Array:
    """Return V (p, K) without what all classes have in common."""
    K = V.shape[1]
    # A third of the time of a mean where there are few numbers.
    out: Array = V - V @ np.full((K, 1), 1.0 / K)
    return out


def gauge_weights(alpha: Array, loss: Loss, gram: Array, *, everywhere: bool) -> Array:
    """Return the gauge rho, (p,): of the curvature's size where it acts, zero elsewhere.

    ``gram`` is the diagonal of G.

    It has to act where nothing is penalised.  ``everywhere`` lets it act on every coordinate:
    classes moved together meet no curvature but the penalty, which would make the Hessian look
    far smaller than G; at the optimum all these sums are zero anyway.
    """
    # Of softmax alone: adding one number to every class changes nothing there.
    if not loss.coupled:
        return np.zeros_like(alpha)
    size = (gram - alpha) / (loss.kappa * loss.columns**2)
    return np.where((alpha > 0) & (not everywhere), 0.0, np.maximum(size, 1e-300))
