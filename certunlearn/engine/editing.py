"""Editing the training set: rows go, others come, by the cheapest tier that meets the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._common.arrays import Array, Positions, Progress
from .._common.replaced import replace
from ..claims.budget import Caps, allowed
from ..claims.frame import Frame
from ..exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from ..linalg.diagonal import Diagonal
from ..numerics.objective.objective import Objective
from ..numerics.objective.quadratic import QuadraticModel
from ..numerics.rows.weights import NO_ROWS, Weights
from .columns import joined, together
from .distances.carryover import MOST_REMOVED
from .distances.gram import gram_of, regrouped
from .distances.known import edited_measurement
from .distances.matrix_free import without_pass
from .distances.reached import Reached
from .distances.ruler import Ruler
from .members import Members
from .removal.carried import carried
from .removal.chord import chord
from .state import State, effective, goal_of, penalty_of, rescaled
from .training import gauged, opened
from .worth import refresh_price, shares_of, target_of


@dataclass(frozen=True)
class Edit:
    """What is to change while the classes stay.

    Attributes
    ----------
    members : Members
        The training set afterwards.
    gone : ndarray of int
        Positions of rows that go; all have positive weight before.
    new : ndarray of int
        Positions of rows that come; all have positive weight afterwards.
    frame : Frame, optional
        In which the rows are held, for the training set afterwards; by default as it was.
    """

    members: Members
    gone: Positions
    new: Positions
    frame: Frame | None = None


class Foreseen(NamedTuple):
    """What an edit would do.

    ``distance`` is what one step without a pass would leave, against ``target``, and ``W`` where it
    would lead; ``nan`` and None where no such step is known.
    """

    tier: str
    distance: float
    target: float
    W: Array | None


def foreseen(state: State, edit: Edit, *, t: int = 1) -> Foreseen:
    """Do the arithmetic of an edit up to the first pass over rows that stay, and no further.

    ``tier`` is "downdate" if, and only if, `edited` needs no pass; between "chord" and "refresh" it
    says what `edited` tries first.  Where G has drifted it is accumulated afresh, as there.

    Raises
    ------
    NotCertifiedError
        If the noise cannot be drawn.
    """
    state = rescaled(state, edit.members)
    caps = allowed(state.budget, t)
    target = math.nan if caps is None else caps.target
    if not len(edit.gone) and (caps is None or state.reached.distance <= target):
        return Foreseen("downdate", state.reached.distance, target, state.reached.W)
    if _nothing_to_step_with(state):
        crude = any(part.reached.quadratic is None for part in state.columns)
        return Foreseen("refresh" if crude else "chord", math.nan, target, None)
    after = _changed(state, edit, caps)[0] if len(edit.gone) else state
    return _tried(after, caps)


def rehearsed(state: State, positions: Positions, *, since: int) -> int:
    """Count how many rows could go one after the other, in this order, before the first pass.

    ``since`` releases have been drawn since the oldest removal.
    """
    if _nothing_to_step_with(state):
        return 0
    for count in range(len(positions)):
        gone, reads = positions[count : count + 1], state.rows.reads
        members = state.members.without(state.rows, gone)
        try:
            state = rescaled(state, members)
            caps = allowed(state.budget, since + count + 1)
            state, _ = _changed(state, Edit(members, gone, NO_ROWS), caps)
        except (NotCertifiedError, AssumptionError):
            return count
        # A Gram matrix that has drifted was accumulated afresh, which is a pass as well.
        if _tried(state, caps).tier != "downdate" or state.rows.passes_since(reads):
            return count
    return len(positions)


def worn(state: State, *, t: int) -> bool:
    """Whether a fresh Hessian would have paid for itself since the last."""
    caps = allowed(state.budget, t)
    priced = [
        refresh_price(s, s.carryover, target_of(s, share)) for s, share in shares_of(state, caps)
    ]
    return sum(saved for _, saved in priced) >= sum(price for price, _ in priced)


def _nothing_to_step_with(state: State) -> bool:
    """Whether every removal passes over the retained rows."""
    return any(part.carryover is None and part.known is None for part in state.columns)


def _tried(state: State, caps: Caps | None) -> Foreseen:
    """Try the step without a pass from where the state's carryover stands, in every column."""
    target = target_of(state, caps)
    if state.carryover is None and not state.parts:
        goal, W = goal_of(state.settings, caps), state.reached.W
        distance, _ = without_pass(state.objective, state.gram, state.known, goal)
        return Foreseen("downdate" if distance <= target else "refresh", distance, target, W)
    steps, distances, worth, trusted = [], [], True, True
    for part, share in shares_of(state, caps):
        assert part.carryover is not None
        W, distance = part.carryover.step(part.gram.geometry)
        price, saved = refresh_price(part, part.carryover, target_of(part, share))
        steps.append(W)
        distances.append(distance)
        worth, trusted = worth and saved < price, trusted and part.carryover.removed < MOST_REMOVED
    distance = together(distances)
    tier = "downdate" if distance <= target else "chord" if worth else "refresh"
    return Foreseen(tier, distance, target, np.hstack(steps) if trusted else None)


def edited(state: State, edit: Edit, *, t: int = 1, progress: Progress = None) -> State:
    """Take rows out and put others in.

    Parameters
    ----------
    t : int
        Which release since the oldest removal this is for.

    Raises
    ------
    NotCertifiedError, ConvergenceError
        If the distance cannot be shown.
    AssumptionError
        If the rows that stay set no scale for the noise.
    """
    state = rescaled(state, edit.members)
    caps = allowed(state.budget, t)
    after, models = _changed(state, edit, caps)
    return _settled(after, models, caps, progress)


def _changed(
    state: State, edit: Edit, caps: Caps | None
) -> tuple[State, list[QuadraticModel | None]]:
    """Change the training set and all sums over it, and leave the iterate where it is."""
    first, model = _changed_column(state.columns[0], edit, caps, None)
    parts, models = [first], [model]
    for part in state.columns[1:]:
        part, model = _changed_column(part, edit, caps, (state.columns[0], first))
        parts.append(part)
        models.append(model)
    return joined(replace(state, members=edit.members), parts), models


def _changed_column(
    state: State, edit: Edit, caps: Caps | None, beside: tuple[State, State] | None
) -> tuple[State, QuadraticModel | None]:
    """Change one column, or all solved together; ``beside`` is another, before and after."""
    settings, before, carryover = state.settings, state.objective, state.carryover
    frame = state.frame if edit.frame is None else edit.frame
    alpha = penalty_of(settings, frame, state.rows.p, edit.members.mass)
    l1 = settings.lasso(state.rows.p, edit.members.mass)
    objective = replace(before, weights=_weights(state, edit), alpha=alpha, l1=l1)
    penalty = alpha - before.alpha if settings.per_weight or frame is not state.frame else None
    W = state.reached.W
    at, ref = (W, W) if carryover is None else (carryover.base, carryover.origin.W)
    removed = added = was = None
    if state.rows.gathers(len(edit.gone) + len(edit.new)):
        # Else every sum is made afresh: of sparse rows, and of more rows than memory holds.
        removed = before.contribution(edit.gone, at, ref)
        added = objective.contribution(edit.new, at, ref) if len(edit.new) else None
    if beside is None and removed is not None and not isinstance(settings.class_weight, str):
        was = regrouped(state.gram, objective.alpha, removed, added, penalty)
    model = None
    quadratic = state.reached.quadratic
    if carryover is None and quadratic is not None and penalty is None and not len(edit.new):
        try:
            model = quadratic.without(before, edit.gone)
        except np.linalg.LinAlgError:
            pass
    known = state.known
    if known is not None:
        if removed is None or isinstance(settings.class_weight, str):
            known = None
        else:
            known = edited_measurement(known, objective, W, removed, added, penalty)
    state = replace(
        state,
        members=edit.members,
        objective=objective,
        reached=state.reached if removed is None else state.reached.without(removed),
        # The Gram matrix is that of every column.
        gram=beside[1].gram
        if beside
        else gram_of(settings.mechanism, objective, caps, was, frame, state.solver),
        known=known,
        frame=frame,
        carryover=None,
    )
    if carryover is None or removed is None:
        return state, model
    other = beside[1].carryover if beside else None
    if beside and other and penalty is None and carryover.alike(beside[0].carryover):
        return replace(state, carryover=carryover.beside(other, removed, added)), model
    return replace(state, carryover=carryover.edited(removed, added, penalty)), model


def tightened(state: State, *, t: int, progress: Progress = None) -> State:
    """Return the state within the caps of release t, improved only where it is not.

    Raises
    ------
    NotCertifiedError, ConvergenceError
        If the distance cannot be shown.
    """
    caps = allowed(state.budget, t)
    if caps is None:
        return state
    if not (state.gram.drift <= caps.drift or state.gram.same_program):
        gram = gram_of(
            state.settings.mechanism, state.objective, caps, None, state.frame, state.solver
        )
        state = joined(state, [replace(s, gram=gram, carryover=None) for s in state.columns])
    elif state.reached.distance <= caps.target:
        return state
    return _settled(state, [None] * len(state.columns), caps, progress)


def rebased(state: State, *, t: int) -> State:
    """Return the state with every matrix made afresh from the retained rows, by a refresh.

    What a removal without a Hessian sweep leaves behind are matrices before and after, whose
    difference tells the removed row; after this nothing does.

    Raises
    ------
    NotCertifiedError, ConvergenceError
        If the distance cannot be shown.
    """
    if state.rows.sparse:
        # Nothing is ever downdated there.
        return state
    if isinstance(state.gram.known, Diagonal):
        if not state.gram.edited and state.reached.tier != "downdate":
            return state
    elif np.array_equal(state.gram.known.diagonal, state.gram.diagonal) and _fresh(state):
        return state
    caps = allowed(state.budget, t)
    gram = gram_of(state.settings.mechanism, state.objective, caps, None, state.frame, state.solver)
    parts = []
    for s, share in shares_of(state, caps):
        # Not even what proposes steps is to be of rows that have gone.
        s = replace(s, gram=gram, known=None, reached=s.reached._replace(metric=None))
        parts.append(_refreshed(s, s.reached.W, share, None))
    return joined(state, parts)


def _fresh(state: State) -> bool:
    """Whether the models of the curvature are of the training set as it is."""
    stale = any(part.reached.stale for part in state.columns)
    models = [part.reached.quadratic for part in state.columns]
    return not stale and all(m is None or m.weights is state.objective.weights for m in models)


def _weights(state: State, edit: Edit) -> Weights:
    """Return the effective weights afterwards; where they can, they leave those that stay alone."""
    settings, before = state.settings, state.objective.weights
    if settings.class_weight is None:
        return edit.members.weights
    if isinstance(settings.class_weight, str) or len(edit.new):
        return effective(settings, state.rows, edit.members)
    return before.without(edit.gone)


def _settled(
    state: State, models: list[QuadraticModel | None], caps: Caps | None, progress: Progress
) -> State:
    """Reach the target on the rows of ``state``, column by column where these are solved so."""
    steps = [
        None if part.carryover is None else part.carryover.step(part.gram.geometry)
        for part in state.columns
    ]
    taken = [step for step in steps if step is not None]
    distance, target = together([step[1] for step in taken]), target_of(state, caps)
    if len(taken) == len(steps) and distance <= target:
        plan = f"without a pass {distance:.2g} against {target:.2g}"
        pairs = zip(state.columns, taken, strict=True)
        return joined(state, [_at(part, *step, plan) for part, step in pairs])
    columns = zip(shares_of(state, caps), steps, models, strict=True)
    parts = [
        _settled_column(s, step, model, share, progress) for (s, share), step, model in columns
    ]
    return joined(state, parts)


def _at(state: State, W: Array, distance: float, plan: str) -> State:
    """Return the state after a step without a pass."""
    reached = state.reached._replace(W=W, distance=distance, tier="downdate")
    return replace(state, reached=reached, plan=plan)


def _settled_column(
    state: State,
    step: tuple[Array, float] | None,
    model: QuadraticModel | None,
    caps: Caps | None,
    progress: Progress,
) -> State:
    """Reach the target of one column, or of all together: no pass, chord passes, or a refresh.

    ``step`` is the carryover's, where there is one.
    """
    gram, carryover, W = state.gram, state.carryover, state.reached.W
    if state.reached.quadratic is None:
        # Large problems and L1 penalties: every edit minimises afresh, from where it stands.
        plan = "no factor to step with"
        if state.known is not None:
            distance = _tried(state, caps).distance
            plan = f"without a pass {distance:.2g} against {target_of(state, caps):.2g}; no factor"
        return _refreshed(replace(state, plan=plan), W, caps, progress)
    target = target_of(state, caps)
    (price, saved), plan = refresh_price(state, carryover, target), ""
    if carryover is not None and step is not None:
        stepped, distance = step
        plan = f"without a pass {distance:.2g} against {target:.2g}"
        if distance <= target:
            return _at(state, stepped, distance, plan)
        # Where the step may be trusted it is a better start, even if no bound follows for it.
        W = stepped if carryover.removed < MOST_REMOVED else W
        plan += f"; of {carryover.spent} passes a fresh Hessian, worth {price}, "
        plan += f"would have saved {saved:.1f}"
    state = replace(state, plan=plan)
    if saved < price:
        if carryover is not None:
            carryover, out = carried(carryover, state.objective, gram.geometry, target, most=price)
        else:
            out = (
                W
                if model is None
                else chord(Ruler.of(state.objective, gram.geometry, model), W, target, most=price)
            )
        if isinstance(out, Reached):
            return replace(state, reached=out, carryover=carryover)
        W = out
        state = replace(state, plan=f"{plan}; chord steps did not get there")
    return _refreshed(state, W, caps, progress)


def _refreshed(state: State, W: Array, caps: Caps | None, progress: Progress) -> State:
    """Minimise afresh from W, the gauge renewed; from zero where that does not converge."""
    settings, goal = state.settings, goal_of(state.settings, caps)

    def found(W: Array) -> tuple[Objective, Reached, int]:
        known = state.known if W is state.reached.W else None
        common = settings, state.objective, state.gram, W, goal, state.solver, False, progress
        return gauged(*common, known, metric=state.reached.metric)

    plan = state.plan
    try:
        objective, reached, iterations = found(W)
    except (ConvergenceError, NotCertifiedError) as error:
        # Rows that saturate the model leave hardly any curvature where it stood.
        if isinstance(error, NotCertifiedError) and error.reason != "curvature":
            raise
        plan += "; no convergence from there, so from zero"
        objective, reached, iterations = found(np.zeros_like(W))
    state = replace(state, objective=objective, reached=reached, iterations=iterations, plan=plan)
    return opened(state)
