"""The Gram matrix of the retained rows: accumulated, downdated, and when to start afresh."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .exceptions import NotCertifiedError
from .factor import factorise
from .noise import Geometry
from .objective import Curvature, Objective
from .tradeoff import Caps


@dataclass(frozen=True)
class Gram:
    """The Gram matrix of the retained rows and how it came about."""

    curvature: Curvature
    geometry: Geometry
    same_program: bool


def gram_of(mechanism: str, objective: Objective, caps: Caps | None, was: Curvature | None) -> Gram:
    """Factor G; ``was`` is a downdated matrix, or None to accumulate as a fit would.

    A downdated G that has drifted past the cap is accumulated afresh, row for row as a fit on the
    retained rows would; only if that alone cannot be charged is the same program assumed.
    """

    def geometry(curvature: Curvature) -> Geometry:
        factor = factorise(curvature.matrix, curvature.diagonal, curvature.error)
        return Geometry(mechanism, factor)

    def charged(geometry: Geometry) -> bool:
        return caps is None or geometry.drift(objective.gram_error) <= caps.drift

    if was is not None:
        try:
            downdated = geometry(was)
        except np.linalg.LinAlgError:
            pass
        else:
            if charged(downdated):
                return Gram(was, downdated, False)
    fresh = _accumulated(objective)
    try:
        afresh = geometry(fresh)
    except np.linalg.LinAlgError as error:
        raise NotCertifiedError(
            "the Gram matrix of the retained rows is not numerically positive definite, so its "
            "noise cannot be drawn: rescale the features, lower C, or drop collinear columns",
            reason="gram",
        ) from error
    return Gram(fresh, afresh, not charged(afresh))


def _accumulated(objective: Objective) -> Curvature:
    """Accumulate G exactly as a fit on the retained rows alone would, layout included."""
    keep = objective.weight > 0
    if keep.all():
        return objective.gram()
    rows = objective.rows.compact(keep)
    return replace(objective, rows=rows, weight=objective.weight[keep]).gram()
