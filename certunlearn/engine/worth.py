"""What a step may leave in each column, and what a fresh Hessian is worth."""

from __future__ import annotations

import numpy as np

from ..claims.budget import Caps
from ..numerics.objective.objective import Objective
from .columns import allotted
from .distances.carryover import Carryover
from .state import State, goal_of


def shares_of(state: State, caps: Caps | None) -> list[tuple[State, Caps | None]]:
    """Return the columns of a state and what each of them may use."""
    columns = state.columns
    return list(zip(columns, allotted(caps, len(columns), state.scale), strict=True))


def target_of(state: State, caps: Caps | None) -> float:
    """Return the distance to reach from where the iterate stands."""
    return goal_of(state.settings, caps).allowed(state.gram.geometry, state.reached.W)


def refresh_price(state: State, carryover: Carryover | None, target: float) -> tuple[int, float]:
    """Return the passes that a fresh Hessian is worth and those that it would have saved by now.

    Ski-rental rule: refresh once the passes spent since the last refresh cost as much as one. At
    most twice the optimal number (Karlin, Manasse, Rudolph and Sleator 1988).
    """
    price = passes_worth_a_refresh(state.objective)
    if carryover is None:
        return price, 0.0
    # Passes that a fresh factor would have spared: all but one in `capacity` of those made since.
    return price, carryover.spent * (1.0 - 1.0 / max(carryover.capacity(target), 1.0))


def passes_worth_a_refresh(objective: Objective) -> int:
    """Gradient passes that cost as much arithmetic as one Hessian sweep and factorisation."""
    p, K = objective.rows.p, objective.loss.columns
    q, n = p * K, objective.rows.n
    # Multiplications: n p^2 a diagonal block, n q^2 all pairs of classes; 4 q^3 for factor and
    # inverse.
    sweep = n * (p * p * K + (q * q if K > 1 else 0))
    # A pass is memory-bound: about eight times slower an operation than a matrix product.
    # Six products with the rows in a pass: margins at W and of the step, |x||W|, the gradient, and
    # two sums of errors (`Measure`).  From 3 to 30, whatever this model of cost says.
    return int(np.clip((sweep + 4 * q**3) / (8 * 6 * n * q), 3, 30))
