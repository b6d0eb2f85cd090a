"""What rows owe to themselves: left out in closed form, or by a system of equations each.

A model is read here without a trace in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import AnyArray, Array, Position, Positions
from ..engine.state import State
from ..engine.unlearner import Model
from ..exceptions import AssumptionError
from ..numerics.context import numerics
from ..numerics.rows.weights import Weights
from ..numerics.solvers.newton_cg import solve
from ..requests.asked import Asked
from ..requests.fitted import Fitted
from .influence import LeftOut, left_out, pulled, unit_of

#: Rows left out by conjugate gradients, one system each, where the Hessian has no factor.
MOST_SOLVED = 64
_FORCING = 1e-6


@contextmanager
def reading(model: Model) -> Iterator[State]:
    """Give a state that reads the same rows without leaving a trace in the model."""
    rows = model.rows.view()
    # Weights are written out where they are looked at: here, not there.
    members = replace(model.members, weights=_apart(model.members.weights))
    objective = replace(model.objective, rows=rows)
    with numerics(model.W.size):
        yield replace(model.state, rows=rows, members=members, objective=objective)


def _apart(w: Weights) -> Weights:
    """Return the same weights as an object of their own."""
    return Weights(w.base, w.gone, w.tail, w.kept)


def members_of(model: Model) -> NDArray[np.bool_]:
    """Return which rows of the store are in the training set, shape (n,)."""
    return np.asarray(_apart(model.members.weights).array > 0)


def margins(state: State, positions: Positions, W: Array) -> Array:
    """Return the margins of rows at W, shape (m, K)."""
    rows = state.rows
    X: Any = rows.features(positions)
    out: Array = X @ W[: rows.p - int(rows.intercept)]
    return out + W[-1] if rows.intercept else out


def owed(fitted: Fitted, asked: Asked, most: int | None = None) -> tuple[Position, LeftOut, str]:
    """Return positions of rows, what they owe to themselves, and what in.  Changes nothing.

    Of all rows of the training set where none is asked for, or of about ``most`` of them at equal
    steps.

    Raises
    ------
    RowError
        If the request does not name rows properly.
    AssumptionError
        If there is no closed form, or too many rows without a factor of the Hessian.
    """
    model = fitted.linear
    if all(v is None for v in asked):
        places = np.flatnonzero(members_of(model))
        places = places if most is None else places[:: max(1, len(places) // most)]
    else:
        places = fitted.names.store(fitted.positions(asked))
    with reading(model) as state:
        each = influences_of(state, places)
    return Position(fitted.called[places]), each, unit_of(model.objective.loss)


def influences_of(state: State, positions: Positions) -> LeftOut:
    """Return influence and memorisation of rows of the store in a state that is being read.

    Raises
    ------
    AssumptionError
        If there is no closed form, or too many rows without a factor of the Hessian.
    """
    objective, W = state.objective, state.reached.W
    if objective.l1 is not None:
        raise AssumptionError(
            "with an L1 penalty coefficients may reach zero or leave it, and there is no closed "
            "form: compare with a fit without the row, or fit with l1_ratio=0"
        )
    y, Z = objective.labels(positions), margins(state, positions, W)
    inverses = [_inverse_hessian(part) for part in state.columns]
    if any(inverse is None for inverse in inverses):
        return left_out(objective.loss, Z, y, _solved(state, positions, Z, y))
    X, weight = state.rows.gather(positions), objective.weights.at(positions)
    moved, leverage = [], []
    for part, inverse in zip(state.columns, inverses, strict=True):
        assert inverse is not None
        each, labels = part.objective.loss, part.objective.labels(positions)
        step, h = pulled(each, X, labels, weight, part.reached.W, inverse)
        moved.append(step)
        leverage.append(h)
    return left_out(objective.loss, Z, y, np.hstack(moved), np.sum(leverage, axis=0))


def _inverse_hessian(state: State) -> Array | None:
    """Return the inverse Hessian of one column, or of all that are solved together, if known."""
    quadratic, carryover = state.reached.quadratic, state.carryover
    if carryover is not None:
        if carryover.present is not None:
            # Near the inverse of the Hessian of the present rows: kept up by Woodbury's formula,
            # and good enough to describe.
            return carryover.present.together().inverse
        return np.asarray(
            np.linalg.inv(state.objective.hessian(state.reached.W).matrix), np.float64
        )
    if quadratic is None:
        return None
    # H^{-1} = L^{-T} L^{-1}, both from the computed inverse of L.
    inverse: Array = quadratic.factor.inverse.T @ quadratic.factor.inverse
    return inverse


def _solved(state: State, positions: Positions, Z: Array, y: AnyArray) -> Array:
    """Return how the margins Z of each row move by a Newton step without it, shape (m, K).

    The Hessian without the row is met in products only, one system a row.
    """
    if len(positions) > MOST_SOLVED:
        raise AssumptionError(
            f"{state.solver} keeps no factor of the Hessian, so that every row takes a system of "
            f"its own: ask for at most {MOST_SOLVED} rows at a time, not {len(positions)}"
        )
    objective, W, known = state.objective, state.reached.W, state.gram.geometry.known
    weights = _apart(objective.weights)
    X = state.rows.gather(positions)
    slope = weights.at(positions)[:, None] * objective.loss.slope(Z, y)
    moved = np.empty_like(Z)
    for i in range(len(positions)):
        without = replace(objective, weights=weights.without(positions[i : i + 1]))
        # The gradient without the row is minus its own share: the Newton step is H_{-i}^{-1} s l'
        # x.
        target = X[i][:, None] * slope[i]
        moved[i] = X[i] @ solve(without, W, target, known, _FORCING)
    return moved
