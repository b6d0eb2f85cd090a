"""Columns that share no curvature: a problem and a factor each, and one certificate for all.

One-vs-rest classifiers and ridge regressions with several targets minimise a sum of functions of
one column each.  Their Hessian has K blocks of p x p and zeros elsewhere, so that nothing of the
size (p K)^2 is ever formed, and a removal is certified column by column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .._common.arrays import Array
from .._common.replaced import replace
from .._common.rounding import down, up
from ..claims.budget import Caps
from ..numerics.losses.margins import Columnwise, Loss
from ..numerics.objective.objective import Measurement, Objective
from ..numerics.rows.stored import Rows
from .distances.reached import Reached
from .settings import Settings
from .state import State, sharing, solver_of

#: Beyond so many entries of Hessians "auto" holds none: the state of a model would not fit 2 GB.
MOST_APART = 4 * 10**7
#: From the least to the most that a tier reads.
_TIERS = ("downdate", "chord", "refresh", "fit")


def separable(settings: Settings, rows: Rows, loss: Loss) -> bool:
    """Whether the columns are solved one by one, each with a factored Hessian of its own."""
    if not isinstance(loss, Columnwise) or loss.columns == 1 or rows.sparse or settings.l1:
        return False
    # Squares have one Hessian for all columns, other losses one each.
    # Numbers that the Hessians' factors hold: R = 0 means that curvature does not depend on
    # margins.
    numbers = rows.p**2 * (1 if loss.R == 0 else loss.columns)
    if settings.solver == "auto" and numbers > MOST_APART:
        return False
    if sharing(settings, loss, rows) and solver_of(settings, loss, rows) == "newton-cg":
        # Many of them descend together, and are certified by one matrix below all their Hessians.
        return False
    return solver_of(settings, Columnwise(loss.each), rows) == "newton-cholesky"


def column(objective: Objective, k: int) -> Objective:
    """Return the objective of column k alone, on the same rows."""
    loss, table = objective.loss, objective.table
    assert isinstance(loss, Columnwise)
    # F(W) = sum_k F_k(W_k): the objective F_k of (i) in proofs/columns.md.
    alone = Columnwise(loss.each, 1, coded=loss.coded)
    if table is None:
        # Real targets: times the k-th unit vector, which is exact, as targets are finite.
        return replace(objective, loss=alone, table=np.eye(loss.columns)[k])
    if table.ndim == 2:
        # Unit vectors as well: those of the columns that are fitted.
        return replace(objective, loss=alone, table=np.ascontiguousarray(table[:, k]))
    # Codes outside of the training set stand for column 0: their rows weigh nothing.
    return replace(objective, loss=alone, table=(table == k).astype(np.int64))


def allotted(caps: Caps | None, columns: int, scale: Sequence[float]) -> list[Caps | None]:
    """Return what each column may use: shares of the squares, as the units of their noise are.

    Parameters
    ----------
    scale : sequence of float
        Unit of the noise of each column, or one for all.

    Notes
    -----
    Guarantee: distances within the shares are within the caps together.
    Proof: proofs/columns.md
    """
    if caps is None or columns == 1:
        return [caps] * columns
    # share_k = u_k / (sum u^2)^{1/2}: the squares sum to one, so sum (cap share_k)^2 <= cap^2.
    units = [unit / max(scale) for unit in (scale if len(scale) > 1 else (1.0,) * columns)]
    length = math.hypot(*units)
    # hypot and quotients: K + 6 units, and two to spare.
    shares = [down(unit / length, columns + 8) for unit in units]
    return [Caps(down(caps.fit * s), down(caps.target * s), caps.drift) for s in shares]


def together(distances: Sequence[float]) -> float:
    """Return the distance of all columns together, in the norm of the noise.

    Notes
    -----
    Guarantee: at least ``||W - W*||_A``, given at least that of every column.
    Proof: proofs/columns.md
    """
    if len(distances) == 1:
        return distances[0]
    if not all(map(math.isfinite, distances)):
        return math.inf
    # ||W - W*||_A^2 = sum_k r_k^2, as A is the same in every column; a unit for each operation of
    # hypot.
    return up(math.hypot(*distances), 2 * len(distances) + 8)


def joined(state: State, parts: Sequence[State]) -> State:
    """Return ``state`` as its columns now are; they share rows, weights and the Gram matrix."""
    if not state.parts:
        return replace(parts[0], members=state.members)
    first = parts[0]
    objective = replace(
        state.objective, weights=first.objective.weights, alpha=first.objective.alpha
    )
    # What was read is what the dearest column read.
    worst = max(parts, key=lambda part: _TIERS.index(part.reached.tier))
    # In order and once each: one plan is said as it is, several by that of the dearest.
    plans = dict.fromkeys(part.plan for part in parts)
    return replace(
        state,
        objective=objective,
        gram=first.gram,
        frame=first.frame,
        reached=_reached(parts, worst.reached.tier),
        iterations=max(part.iterations for part in parts),
        plan=plans.popitem()[0] if len(plans) == 1 else f"by column; {worst.plan}",
        parts=tuple(parts),
    )


def _reached(parts: Sequence[State], tier: str) -> Reached:
    """Return what was reached in all columns; each was measured at a point of its own."""
    every = [part.reached for part in parts]
    return Reached(
        _beside([r.W for r in every]),
        together([r.distance for r in every]),
        None,
        tier,
        _beside([r.measured for r in every]),
        _summed([r.measurement for r in every]),
    )


def _beside(columns: Sequence[Array]) -> Array:
    return np.ascontiguousarray(np.hstack(columns))


def _summed(measurements: Sequence[Measurement]) -> Measurement:
    """Return the measurement of all columns, from one of each."""
    return Measurement(
        math.fsum(m.value for m in measurements),
        _beside([m.gradient for m in measurements]),
        _beside([m.allowance for m in measurements]),
        max(m.moved for m in measurements),
        max(m.margin_error for m in measurements),
        _beside([m.rounding for m in measurements]),
        up(math.hypot(*(m.slope_error for m in measurements)), 8),
    )
