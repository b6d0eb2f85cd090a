"""Closing up the store: places of forgotten rows are given up once they are many.

A store overwrites what is forgotten where it lies, so that a request costs what its rows cost.
Left alone it would hold every row that ever was, and every pass would read them all.  Now and then
the rows that are left move into a store of their own.  Sums, factors and bounds stay as they are:
they are of rows, not of places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .._common.threads import forked
from ..numerics.objective.quadratic import QuadraticModel
from ..numerics.rows.weights import Weights
from .request_count import RequestCount
from .state import State

#: Forgotten rows may take up this share of what the others do,
_SHARE = 0.25
#: and so many places in any case.
_FEW = 256
S = TypeVar("S", bound=State)
R = TypeVar("R", bound=State)


def is_due(held: int, requests: RequestCount) -> bool:
    """Whether so much of a store of ``held`` places is stale that closing up has paid for itself.

    At most four rows are copied for each one that was forgotten, at most a quarter more is held and
    read than need be.  In a forked process nothing is moved: that is a pass.
    """
    left = held - requests.stale
    # Numbers of rows given and named alone: when a store closes up is the same in both worlds.
    return requests.stale > max(_FEW, _SHARE * left) and not forked()


def condensed(state: S, keep: NDArray[np.bool_]) -> S:
    """Return the state over a store that holds the rows at ``keep`` (n,) alone, in their order.

    ``state`` is not changed, nor is its store.  Rows of weight zero that may be asked for are to be
    kept.

    Notes
    -----
    Guarantee: whatever was shown for ``state`` is shown for what is returned.
    Proof: proofs/condensing.md
    """
    weights: dict[int, Weights] = {}
    models: dict[int, QuadraticModel] = {}

    # What is one object stays one: whether weights are the same is asked by identity.
    def moved(known: Weights) -> Weights:
        if id(known) not in weights:
            weights[id(known)] = known.condensed(keep)
        return weights[id(known)]

    def of(model: QuadraticModel) -> QuadraticModel:
        if id(model) not in models:
            models[id(model)] = replace(model, weights=moved(model.weights))
        return models[id(model)]

    # Laid out as a fit on these rows would be: no chain of additions is longer than counted.
    rows = state.rows.compact(keep)

    def over(one: R) -> R:
        reached, carryover = one.reached, one.carryover
        if reached.quadratic is not None:
            reached = reached._replace(quadratic=of(reached.quadratic))
        if carryover is not None:
            # Figures of the carryover are of rows, not of places: they stay.
            carryover = replace(carryover, origin=of(carryover.origin))
        return replace(
            one,
            rows=rows,
            members=replace(state.members, weights=moved(state.members.weights)),
            objective=replace(one.objective, rows=rows, weights=moved(one.objective.weights)),
            reached=reached,
            carryover=carryover,
            # Columns that are solved one by one are over the same store.
            parts=tuple(over(part) for part in one.parts),
        )

    return over(state)
