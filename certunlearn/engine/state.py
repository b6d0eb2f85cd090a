"""The state of a model before anything is released, and what of it the user's settings fix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import Array
from .._common.replaced import replace
from ..claims.budget import Budget, Caps
from ..claims.frame import Frame
from ..exceptions import AssumptionError
from ..numerics.losses.margins import Loss
from ..numerics.objective.column_changes import ColumnChanges
from ..numerics.objective.objective import Objective
from ..numerics.rows.narrow import narrowed
from ..numerics.rows.stored import Rows
from ..numerics.rows.units import units
from ..numerics.rows.weights import Weights
from ..numerics.solvers.choice import MOST_COUPLED, MOST_SEPARATE, chosen
from .distances.carryover import Carryover
from .distances.gram import Gram
from .distances.known import Known
from .distances.reached import Goal, Reached
from .members import Members
from .settings import UNNOISED, Settings

#: Why nothing was done for rows of weight zero.
WEIGHTLESS = "the rows weigh nothing"


@dataclass(frozen=True)
class State:
    """A secret iterate with its certified distance, and everything both depend on.

    Attributes
    ----------
    settings : Settings
        What the user chose.
    rows : DenseRows or SparseRows
        The store, which later and earlier states share.
    members : Members
        The training set.
    classes : ndarray of int
        Class codes among it, as `Members.classes`.
    objective : Objective
        Of the training set.
    gram : Gram
        Of the training set.
    budget : Budget or None
        None without noise.
    reached : Reached
        The secret iterate, what was shown for it, and with which model of the curvature.
    iterations : int
        Newton steps of the last fit or refresh.
    carryover : Carryover or None
        What lets the next removal leave every retained row alone; None where nothing can.
    known : Known or None
        Where no Hessian was factored: what is known of the gradient at the iterate on the training
        set as it is, without a pass.
    plan : str
        Why the tier that reached the iterate was chosen.
    scale : tuple of float
        Unit of the noise of each column, or of all; sigma of the budget is that of the smallest.
    frame : Frame or None
        In which the rows are held; None where that is the model's own.
    parts : tuple of State
        Of each column, where they share no curvature and are solved one by one; then `reached` has
        no model, and there is no carryover: each part has its own.
    """

    settings: Settings
    rows: Rows
    members: Members
    classes: NDArray[np.int64]
    objective: Objective
    gram: Gram
    budget: Budget | None
    reached: Reached
    iterations: int
    carryover: Carryover | None = None
    known: Known | None = None
    plan: str = "trained afresh"
    scale: tuple[float, ...] = (1.0,)
    frame: Frame | None = None
    parts: tuple[State, ...] = ()

    @property
    def columns(self) -> tuple[State, ...]:
        """The states of the columns, where these are solved one by one; else this state."""
        return self.parts or (self,)

    @property
    def solver(self) -> str:
        """What fits, refreshes and removals use."""
        one = self.columns[0]
        return solver_of(one.settings, one.objective.loss, one.rows)

    @property
    def sample_weight(self) -> Array:
        """Sample weights of all rows in the store, shape (n,)."""
        return self.members.weights.array


def solver_of(settings: Settings, loss: Loss, rows: Rows) -> str:
    """Return the solver of a problem, whose mechanism is no longer "auto"."""
    # With an L1 penalty, or slopes without any, no distance is shown without a factor.
    formed = settings.mechanism != "isotropic" or settings.l1 > 0 or not settings.alpha > 0
    return chosen(
        settings.solver,
        rows.p,
        loss.columns,
        sparse=rows.sparse,
        formed=formed,
        shared=sharing(settings, loss, rows),
    )


def sharing(settings: Settings, loss: Loss, rows: Rows) -> int:
    """Return up to how many coefficients a factor pays where matrices of classes or columns do.

    They are held for steps alone; 0 where they cannot take its place.
    """
    if rows.sparse or settings.l1 or not settings.alpha > 0:
        return 0
    if loss.coupled:
        return MOST_COUPLED
    return MOST_SEPARATE if ColumnChanges.possible(loss, rows) else 0


def penalty_of(settings: Settings, frame: Frame | None, p: int, mass: Fraction | None) -> Array:
    """Return the L2 penalty of each coordinate of the rows as they are held, (p,)."""
    alpha = settings.penalty(p, mass)
    return alpha if frame is None else frame.penalty(alpha)


def effective(settings: Settings, rows: Rows, members: Members) -> Weights:
    """Return s_i = sample weight times class weight, "balanced" over the training set."""
    if settings.class_weight is None:
        return members.weights
    codes, weights = rows.labels, members.weights
    if isinstance(settings.class_weight, str):
        # Rows that have gone add exact zeros, so both worlds sum the same numbers in the same
        # order.
        total = np.zeros(int(codes[: len(weights)].max()) + 1)
        for here, weight in weights.slices():
            np.add.at(total, codes[here], weight)
        live = total > 0
        per_class = np.zeros(len(total))
        # scikit-learn's n / (K n_k), with sums of weights in the place of counts.
        per_class[live] = math.fsum(total[live]) / (live.sum() * total[live])
    else:
        per_class = settings.class_weight
    if weights.base.dtype == np.float64:
        return Weights.of(weights.array * per_class[codes[: len(weights)]])
    # Of rows in files no array of eight bytes a row is made, if classes are the only difference.
    return Weights.of(narrowed(lambda: (s * per_class[codes[at]] for at, s in weights.slices())))


def scale_of(
    settings: Settings, loss: Loss, members: Members, p: int, alpha: Array
) -> tuple[float, ...]:
    """Return the unit of the noise for a training set with penalties ``alpha`` (p,).

    Raises
    ------
    AssumptionError
        If the rows set none.
    """
    if members.sums is None:
        return (1.0,)
    # Exact sums of the training set: the same number in both worlds (proofs/noise_scale.md).
    out = units(members.sums, loss, settings.mechanism, p, float(alpha.max(initial=0.0)))
    if settings.noise * min(out) < np.finfo(np.float64).tiny or math.isinf(
        settings.noise * max(out)
    ):
        raise AssumptionError(
            "the noise is beyond the numbers of float64: rescale the targets or the features"
        )
    return out


def rescaled(state: State, members: Members) -> State:
    """Return the state with the unit of the noise, hence the budget, of another training set."""
    if state.budget is None:
        return state
    alpha = state.settings.penalty(state.rows.p, members.mass)
    scale = scale_of(state.settings, state.objective.loss, members, state.rows.p, alpha)
    # Caps are proportional to sigma: mu_t does not depend on it ((e) of proofs/noise_scale.md).
    budget = replace(state.budget, sigma=state.settings.noise * min(scale))
    return replace(state, budget=budget, scale=scale)


def idle(state: State) -> State:
    """Return the state after an edit of rows of weight zero, which leaves the iterate alone."""
    return replace(state, reached=state.reached._replace(tier="downdate"), plan=WEIGHTLESS)


def goal_of(settings: Settings, caps: Caps | None, *, fit: bool = False) -> Goal:
    """Return the distance and the gradient norm to reach."""
    if caps is None:
        # Without noise nothing is promised, and a distance relative to the iterate is what can be
        # asked.
        return Goal(UNNOISED, True, settings.tol)
    return Goal(caps.fit if fit else caps.target, False, settings.tol)
