"""Joins minimum-norm least squares and its claims, as the unlearner does for other models.

Guarantee
---------
Let S be the retained rows and A(S) the training mechanism: any point within ``fit_distance`` of
W*_S, the least squares solution of minimum norm, in the Frobenius norm, plus sigma z.  Every
`Model` returned by `fit`, `forget`, `edit` or `release` was released by ``W + sigma z`` with z
fresh, standard normal and independent of W, where ``||W - W*_S||_F <= distance_target`` was shown
on the data at hand.  So for every measurable set T of outcomes, in both directions,

    P(release in T) <= exp(epsilon) P(A(S) in T) + delta.

Assumes: the conditions listed in the certificate.  Proof: proofs/min_norm_removal.md
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._common.arrays import Array, Positions, Progress
from ..._common.interrupts import deferred, steady
from ..._common.threads import blas_threads
from ...claims.budget import Budget
from ...claims.certificate import Certificate
from ...exceptions import NotCertifiedError
from ...linalg.norms import norm
from ...numerics.losses.margins import Columnwise
from ...numerics.losses.pointwise import Squared
from ...numerics.rows.scaled import ScaledRows
from ...numerics.rows.units import Sums, wanted
from ...numerics.rows.weights import NO_ROWS, Weights
from .. import condensing
from ..members import Members, appended, unappended
from ..release import drawn, promised
from ..request_count import RequestCount
from ..settings import UNNOISED, Settings, budget_of
from ..state import scale_of
from . import solution as min_norm
from .solution import Solution

#: Rows whose lengths are summed at a time.
_TOGETHER = 1 << 12
#: What rounding to the smallest numbers may leave of an optimum of zero.
_TINY = 1e-290
__all__ = ["Model", "condensed", "edit", "erase", "fit", "forget", "held", "rebased", "release"]


@dataclass(frozen=True)
class State:
    """A solution and everything it depends on.

    Attributes
    ----------
    settings : Settings
        What the user chose.
    rows : ScaledRows
        The store, which later and earlier models share.
    members : Members
        The training set.
    budget : Budget or None
        None without noise.
    solution : Solution
        The secret iterate and what was shown for it.
    scale : tuple of float
        Unit of the noise of each column, or of all; sigma of the budget is that of the smallest.
    """

    settings: Settings
    rows: ScaledRows
    members: Members
    budget: Budget | None
    solution: Solution
    scale: tuple[float, ...]


@dataclass(frozen=True)
class Model(State):
    """A state and the release drawn from it.

    ``W`` must never leave the process; ``released`` and ``certificate.public()`` may.

    Attributes
    ----------
    requests : RequestCount
        What has been asked so far.
    released : ndarray of shape (d, K)
        The noisy weights.
    certificate : Certificate
        What holds for them.
    """

    requests: RequestCount
    released: Array
    certificate: Certificate

    @property
    def W(self) -> Array:
        """The secret iterate, shape (d, K)."""
        return self.solution.W

    @property
    def plan(self) -> str:
        """Why the tier that reached the iterate was chosen."""
        return self.solution.plan

    @property
    def solver(self) -> str:
        """What solves for the training set."""
        return "least squares" if self.solution.basis is None else "interpolation"

    @property
    def left(self) -> int:
        """Rows that no request has named, whatever they weigh."""
        return len(self.members.weights) - self.requests.stale

    @property
    def forgotten(self) -> NDArray[np.bool_]:
        """Rows that a request has named, shape (n,); a copy."""
        out = self.rows.scrubbed.copy()
        out[self.requests.named] = True
        return out

    @property
    def settled(self) -> bool:
        """Whether the store holds this model's rows and no others."""
        pending = self.requests.pending(self.rows.scrubbed)
        return not len(pending) and self.rows.n == len(self.members.weights)

    def scrub(self) -> None:
        """Overwrite whatever rows this model does not hold; safe to call again."""
        with steady():
            unappended(self.rows, len(self.members.weights))
            self.rows.scrub(self.requests.pending(self.rows.scrubbed))


def fit(
    X: Array, y: Array, sample_weight: Array, settings: Settings, *, progress: Progress = None
) -> Model:
    """Train on the rows of positive weight and release.

    Raises
    ------
    NotCertifiedError
        If the promised distance cannot be shown.
    AssumptionError
        If the distinct rows are linearly dependent.
    """
    clock, rows = time.perf_counter(), ScaledRows(X, y)
    weights = Weights.of(np.array(sample_weight, dtype=np.float64))
    sums = None
    if settings.noise > 0:
        sums = wanted(Squared(), settings.mechanism, False, False)
        sums = _summed(sums, rows, np.flatnonzero(weights.array > 0), weights)
    members = _members(weights, sums)
    scale = _scale(settings, rows, members)
    budget = budget_of(settings, rows.d * y.shape[1], scale)
    goal = math.inf if budget is None else budget.fit_distance
    with deferred(), blas_threads(min(X.shape)):
        solution = min_norm.trained(rows, members.weights, goal)
    state = State(settings, rows, members, budget, solution, scale)
    return _released(state, RequestCount(), goal, clock, 0, progress)


def forget(model: Model, positions: Positions, *, progress: Progress = None) -> Model:
    """Return the model without the rows at ``positions``; ``model`` itself is not changed.

    The rows are still in the store: call `Model.scrub` once the new model has been taken over.

    Raises
    ------
    NotCertifiedError, AssumptionError
        As `fit`.
    """
    return _edited(model, positions, np.zeros(0), progress)


def edit(
    model: Model,
    positions: Positions,
    X: Array,
    y: Array,
    sample_weight: Array,
    *,
    progress: Progress = None,
) -> Model:
    """Return the model without the rows at ``positions`` and with the rows ``X`` after all others.

    ``model`` itself is not changed.  Once the new model has been taken over call its `Model.scrub`.

    Raises
    ------
    NotCertifiedError, AssumptionError
        As `fit`; the new rows are overwritten.
    """
    with deferred(), appended(model.rows, len(model.members.weights), X, y):
        return _edited(model, positions, sample_weight, progress)


def held(model: Model, positions: Positions) -> tuple[Array, Array, Array]:
    """Return copies of the features (m, d), targets (m, K) and weights of rows in the store."""
    return *model.rows.held(positions), model.members.weights.at(positions)


def release(model: Model) -> Model:
    """Return the same model with a fresh release of the same secret iterate.

    Raises
    ------
    NotCertifiedError
        If the distance that this release needs cannot be shown.
    """
    clock, reads = time.perf_counter(), model.rows.reads
    requests, solution = model.requests.released_again(), model.solution
    goal = _goal(model.budget, requests.since_removal)
    if requests.since_removal:
        solution = _refined(solution, model.rows, model.members.weights, model.budget, goal)
    known = model.settings, model.rows, model.members, model.budget
    return _released(State(*known, solution, model.scale), requests, goal, clock, reads)


def condensed(model: Model) -> tuple[Model, NDArray[np.bool_]] | None:
    """Return the same release over a store without forgotten rows, and the places kept, shape (n,).

    None where that would not pay.  ``model`` itself is not changed: once the new model has been
    taken over `erase` the old one.
    """
    if not (model.settled and condensing.is_due(model.rows.n, model.requests)):
        return None
    keep = ~model.rows.scrubbed
    members = replace(model.members, weights=model.members.weights.condensed(keep))
    out = replace(
        model,
        rows=model.rows.compact(keep),
        members=members,
        solution=model.solution.condensed(keep),
        requests=model.requests.condensed(),
    )
    return out, keep


def erase(model: Model) -> None:
    """Overwrite all rows of a model that another one has taken the place of."""
    with steady():
        model.rows.scrub(np.arange(model.rows.n))


def rebased(model: Model) -> Model:
    """Return the same release with a solution found from the retained rows alone.

    Raises
    ------
    NotCertifiedError
        If the distance cannot be shown.
    """
    goal = _goal(model.budget, model.requests.since_removal)
    with deferred(), blas_threads(min(model.rows.n, model.rows.d)):
        solution = min_norm.trained(model.rows, model.members.weights, goal)
    _shown(solution, _needed(solution, model.budget, goal))
    return replace(model, solution=solution)


def _members(weights: Weights, sums: Sums | None) -> Members:
    """Return the training set; targets that are numbers have no classes."""
    return Members(weights, NO_ROWS, classed=False, sums=sums)


def _summed(sums: Sums, rows: ScaledRows, places: Positions, weights: Weights) -> Sums:
    """Return such sums over rows."""
    parts = (places[k : k + _TOGETHER] for k in range(0, len(places), _TOGETHER))
    return sums.over((*rows.held(part), weights.at(part)) for part in parts)


def _scale(settings: Settings, rows: ScaledRows, members: Members) -> tuple[float, ...]:
    loss = Columnwise(Squared(), rows.columns)
    return scale_of(settings, loss, members, rows.d, np.zeros(1))


def _edited(model: Model, positions: Positions, weight: Array, progress: Progress) -> Model:
    """Edit the training set; the rows that come are the store's last, weighted so."""
    rows, solution, weights = model.rows, model.solution, model.members.weights
    requests, sums = model.requests.followed_by(positions, rows.scrubbed), model.members.sums
    gone = positions[weights.at(positions) > 0]
    new = np.arange(rows.n - len(weight), rows.n)[weight > 0]
    clock, reads = time.perf_counter(), rows.reads
    if len(weight):
        weights = weights.extended(np.array(weight, dtype=np.float64))
    if sums is not None:
        sums = sums + _summed(sums, rows, new, weights) - _summed(sums, rows, gone, weights)
    weights = weights.without(gone)
    members, budget = _members(weights, sums), model.budget
    scale = _scale(model.settings, rows, members)
    if budget is not None:
        budget = budget_of(model.settings, budget.dimension, scale)
    goal = _goal(budget, requests.since_removal)
    with deferred(), blas_threads(min(rows.n, rows.d)):
        if len(gone):
            solution = min_norm.without(solution, rows, weights, gone, goal)
        if len(solution.group) < len(weights):
            solution = min_norm.extended(solution, rows, weights, goal)
        solution = _refined(solution, rows, weights, budget, goal)
    state = State(model.settings, rows, members, budget, solution, scale)
    return _released(state, requests, goal, clock, reads, progress)


def _goal(budget: Budget | None, since: int) -> float:
    """Return the distance to reach."""
    return math.inf if budget is None else budget.caps(since).target


def _needed(solution: Solution, budget: Budget | None, goal: float) -> float:
    """Return the distance that has to be shown: without noise a relative one."""
    return goal if budget is not None else UNNOISED * norm(solution.W) + _TINY


def _refined(
    solution: Solution, rows: ScaledRows, weights: Weights, budget: Budget | None, goal: float
) -> Solution:
    """Return the solution, found afresh if it is not good enough: its factor may be worn out."""
    if solution.distance <= _needed(solution, budget, goal) or solution.tier == "refresh":
        return solution
    return min_norm.trained(rows, weights, goal)


def _shown(solution: Solution, needed: float) -> None:
    """Refuse a solution whose distance has not been shown to be small enough."""
    if not solution.distance <= needed:
        raise NotCertifiedError(
            f"the distance to the optimum is shown to be at most {solution.distance:.3g}, "
            f"{needed:.3g} is needed: use a larger noise or delta, or CertifiedRidge",
            distance=solution.distance,
            target=needed,
        )


def _released(
    state: State,
    requests: RequestCount,
    goal: float,
    clock: float,
    reads: int,
    progress: Progress = None,
) -> Model:
    """Draw a release and write its certificate, if the distance has been shown."""
    settings, solution = state.settings, state.solution
    _shown(solution, _needed(solution, state.budget, goal))
    if progress is not None:
        progress(1, solution.distance)
    weights = drawn(solution.W, settings, state.scale, lambda Z: Z, requests.releases - 1)
    kept, since = state.members.weights.kept, requests.since_removal
    certificate = replace(
        promised(settings, state.budget, since, kept, state.scale, np.ones(1)),
        distance=solution.distance,
        tier=solution.tier,
        n_forgotten=requests.forgotten,
        passes=state.rows.passes_since(reads, kept),
        seconds=time.perf_counter() - clock,
    )
    return Model(
        settings,
        state.rows,
        state.members,
        state.budget,
        solution,
        state.scale,
        requests,
        weights,
        certificate,
    )
