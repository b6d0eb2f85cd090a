"""Chord steps: each costs one gradient pass; the factor of the last refresh is downdated."""

from __future__ import annotations

from ..distances.reached import Reached
from ..distances.ruler import Array, Ruler

#: A further pass must be expected to reduce the distance at least so much.
_WORTHWHILE = 0.5


def chord(ruler: Ruler, W: Array, target: float, *, most: int) -> Reached | Array:
    """Measure the gradient and step until the certified distance meets the target.

    The step after a measurement is free: its distance follows from the measurement before it.

    Parameters
    ----------
    ruler : Ruler
        With the downdated model.
    W : ndarray of shape (p, K)
        Iterate before the removal.
    target : float
        Distance to certify.
    most : int
        Most passes.

    Returns
    -------
    Reached or ndarray
        What was certified, or the best iterate for a refresh to start from.
    """
    best = float("inf")
    for _ in range(most):
        m = ruler.objective.measure(W, ruler.model.W)
        d = ruler.distance(W, m)
        # Both bounds come from one pass: the iterate as it is, and one step on.
        if min(d.here, d.after) <= target:
            W_new, r = (d.stepped, d.after) if d.after <= d.here else (W, d.here)
            return Reached(W_new, r, ruler.model, "chord", W, m)
        # The factor is of other rows: where it no longer contracts, only a fresh one does.
        if not d.after < _WORTHWHILE * best:
            return W
        best, W = d.after, d.stepped
    return W
