"""Which bound on softmax's distance serves: what rows curve at least has two ways to be told.

By a row's smallest probability (`class_floor`), which takes a Gram matrix and its factor, or by the
curvature of the free intercept alone (`intercept_floor`), which takes sums of pairs of classes;
where rows are too sure for either there is the penalty (`matrix_free`).
"""

from __future__ import annotations

import math

import numpy as np

from ..._common.arrays import Array
from ...linalg.norms import norm
from ...numerics.objective.gauge import centred
from ...numerics.objective.intercept_sums import few_pairs
from ...numerics.objective.objective import Measurement, Objective
from ...numerics.objective.survey import Surveyed, survey
from ...numerics.solvers.descent import Outlook, Scale
from .class_floor import NOTHING, Bound, class_distance
from .gram import Gram
from .intercept_floor import LeaningScale, intercept_distance
from .matrix_free import Floors, matrix_free_distance, transfer

#: What a pass comes nearer by.  Multiplications: in it, of each number of the rows and class; in a
#: fifth of the rows' Gram matrix, of each of its numbers and row; in its factor, of p^3 (measured).
_NEARER, _A_PASS, _A_GRAM, _A_FACTOR, _MOST = 2.5, 4.0, 0.2, 6.0, 50.0


def surveyed(
    objective: Objective, W: Array, least: float, last: Outlook | None, *, both: bool
) -> Surveyed:
    """Survey W for what `shown` will ask for.

    Rows that weigh less than ``least`` are not counted one by one: none is where it is not told by
    them, all are where both ways will be tried.
    """
    few = few_pairs(objective)
    leans = few and isinstance(last, LeaningScale)
    least = 0.0 if both else math.inf if leans else least
    return survey(objective, W, least, pairs=leans or both and few)


def shown(
    objective: Objective,
    gram: Gram,
    W: Array,
    found: Surveyed,
    allowed: float,
    last: Outlook | None,
    *,
    both: bool,
) -> tuple[Bound, tuple[float, float] | None]:
    """Bound the distance of W to the exact optimum of softmax by what was found there.

    Parameters
    ----------
    allowed : float
        Distance that is enough.
    last : Outlook or None
        What the last bound was about: its way is tried first.
    both : bool
        Whether the other way is tried in any case, to find out which serves better.

    Returns
    -------
    bound : Bound
        Its outlook is by the way that is worth its price.
    shift : tuple of float or None
        What it rests on, as `Floors` has it.

    Notes
    -----
    Guarantee: as in `class_distance`.  Proof: proofs/class_floor.md
    """
    bound = _by_rows(objective, gram, W, found, allowed, last, both)
    m, free = found.measurement, objective.alpha == 0
    if bound.distance <= allowed or free.any() and not _flatter(objective, gram, m) < bound.least:
        return bound, None
    floors = Floors(objective, gram.known)
    D = floors.at(W, m.margin_error)
    distance, least = matrix_free_distance(objective, gram.geometry, D, m, allowed)
    if not least < bound.least:
        return bound, None
    root = 1.0 / np.sqrt(D)
    c = least / max(norm(m.gradient * root[:, None]), 1e-300)
    return Bound(distance, least, Scale(np.diag(c * root))), floors.shift


def _by_rows(
    objective: Objective,
    gram: Gram,
    W: Array,
    found: Surveyed,
    allowed: float,
    last: Outlook | None,
    both: bool,
) -> Bound:
    """Bound the distance by what rows curve at least, in the way that ``last`` is about.

    The other way is tried where nothing follows from that one, or if ``both`` are asked for.
    """

    def by_smallest() -> Bound:
        return class_distance(objective, gram.geometry, W, found, allowed)

    def by_intercept() -> Bound:
        # Where it was not expected to be needed they are summed now.
        at = survey(objective, W, math.inf, pairs=True) if found.pairs is None else found
        return intercept_distance(objective, gram.geometry, W, at)

    ways, bounds, g = [by_smallest], [NOTHING], centred(found.measurement.gradient)
    if few_pairs(objective):
        ways.insert(isinstance(last, Scale), by_intercept)
    for way in ways:
        bounds.append(bound := way())
        if not both and (bound.distance <= allowed if last is None else bound.least < math.inf):
            break
    best = min(bounds, key=lambda bound: (not bound.distance <= allowed, bound.least))
    scales = [bound.scale for bound in bounds if bound.scale is not None]
    # The one that sees the gradient nearest, what a Gram matrix takes more counted as passes.
    dearer = _dearer(objective)
    worth = [
        norm(scale.seen(g)) * (1.0 if isinstance(scale, LeaningScale) else dearer)
        for scale in scales
    ]
    return best._replace(scale=scales[int(np.argmin(worth))] if scales else None)


def _dearer(objective: Objective) -> float:
    """Return how much nearer passes come that a Gram matrix costs and sums of pairs do not."""
    n, p, K = objective.rows.n, objective.rows.p, objective.loss.columns
    more = _A_GRAM * n * p * p + _A_FACTOR * p**3 - n * p * (K * (K - 1) / 2)
    return float(_NEARER ** np.clip(more / (_A_PASS * n * p * K), 0.0, _MOST))


def _flatter(objective: Objective, gram: Gram, m: Measurement) -> float:
    """Return what the penalty would show at best, however much the intercept is curved."""
    D = np.where(objective.alpha > 0, objective.alpha / 2.0, math.inf)
    return transfer(gram.geometry, D) * norm(m.gradient / np.sqrt(D)[:, None])
