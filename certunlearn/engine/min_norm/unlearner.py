"""Joins minimum-norm least squares and its claims, as the unlearner does for other models.

Guarantee
---------
Let S be the retained rows and A(S) the training mechanism: any point within ``fit_distance`` of
W*_S, the least squares solution of minimum norm, in the Frobenius norm, plus sigma z.  Every
`Model` returned by `fit` or by a verb of one was released by ``W + sigma z`` with z
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
from ..._common.interrupts import deferred
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
from ..members import Members, appended
from ..protocol import Holding, closing
from ..release import drawn, promised
from ..request_count import RequestCount
from ..settings import UNNOISED, Settings, budget_of
from ..state import WEIGHTLESS, scale_of
from . import solution as min_norm
from .solution import Solution

#: Rows whose lengths are summed at a time.
_TOGETHER = 1 << 12
#: What rounding to the smallest numbers may leave of an optimum of zero.
_TINY = 1e-290
__all__ = ["Model", "fit"]


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
class Model(Holding, State):
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

    def held(self, positions: Positions) -> tuple[Array, Array, Array]:
        """Return copies of the features (m, d), targets (m, K) and weights of rows in the store."""
        return *self.rows.held(positions), self.members.weights.at(positions)

    def forget(self, positions: Positions, *, progress: Progress = None) -> Model:
        """Return the model without the rows at ``positions``.

        Raises
        ------
        NotCertifiedError, AssumptionError
            As `fit`.
        """
        return _edited(self, positions, np.zeros(0), progress)

    def edit(
        self,
        positions: Positions,
        X: Array,
        labels: Array,
        sample_weight: Array,
        *,
        progress: Progress = None,
    ) -> Model:
        """Return the model without the rows at ``positions`` and with ``X`` after all others.

        Raises
        ------
        NotCertifiedError, AssumptionError
            As `fit`; the new rows are overwritten.
        """
        y = labels.reshape(len(labels), -1)
        with deferred(), appended(self.rows, len(self.members.weights), X, y):
            return _edited(self, positions, sample_weight, progress)

    def release(self) -> Model:
        """Return the same model with a fresh release of the same secret iterate.

        Raises
        ------
        NotCertifiedError
            If the distance that this release needs cannot be shown.
        """
        clock, reads = time.perf_counter(), self.rows.reads
        requests, solution = self.requests.released_again(), self.solution
        goal = _goal(self.budget, requests.since_removal)
        if requests.since_removal:
            solution = _refined(solution, self.rows, self.members.weights, self.budget, goal)
        known = self.settings, self.rows, self.members, self.budget
        return _released(State(*known, solution, self.scale), requests, goal, clock, reads)

    def certified(self, certificate: Certificate) -> Model:
        """Return the same release with the certificate of what has left the process."""
        return replace(self, certificate=certificate)

    def rebased(self) -> Model:
        """Return the same release with a solution found from the retained rows alone.

        Raises
        ------
        NotCertifiedError
            If the distance cannot be shown.
        """
        goal = _goal(self.budget, self.requests.since_removal)
        with deferred(), blas_threads(min(self.rows.n, self.rows.d)):
            # From the rows alone: coefficients before and after a removal would tell the row that
            # went.
            solution = min_norm.trained(self.rows, self.members.weights, goal)
        _shown(solution, _needed(solution, self.budget, goal))
        return replace(self, solution=solution)

    def retrained(self) -> Model:
        """Return a model trained on the retained rows alone, without noise."""
        places = np.flatnonzero(self.members.weights.array > 0)
        return fit(*self.held(places), replace(self.settings, noise=0.0))

    def apart(self, W: Array) -> float:
        """Return the Frobenius norm of the difference to the secret iterate."""
        return float(np.linalg.norm(W - self.W))

    def condensed(self) -> tuple[Model, NDArray[np.bool_]] | None:
        """Return the same release over a store that has closed up, and the places kept, (n,).

        None where that would not pay.  Once the new model has been taken over `erase` this one.
        """
        keep = closing(self)
        if keep is None:
            return None
        out = replace(
            self,
            rows=self.rows.compact(keep),
            members=replace(self.members, weights=self.members.weights.condensed(keep)),
            solution=self.solution.condensed(keep),
            requests=self.requests.condensed(),
        )
        return out, keep


def fit(
    X: Array, y: Array, sample_weight: Array, settings: Settings, *, progress: Progress = None
) -> Model:
    """Train on rows (n, d) of positive weight with targets (n,) or (n, K), and release.

    Raises
    ------
    NotCertifiedError
        If the promised distance cannot be shown.
    AssumptionError
        If the distinct rows are linearly dependent.
    """
    y = y.reshape(len(y), -1)
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
        # Exact sums: read now, as the rows that go are overwritten once the new model is taken
        # over.
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
        # Rows that come may be all there is to do, or follow a removal in the same edit.
        if len(solution.group) < len(weights):
            solution = min_norm.extended(solution, rows, weights, goal)
        solution = _refined(solution, rows, weights, budget, goal)
    if solution is model.solution:
        solution = replace(solution, tier="downdate", plan=WEIGHTLESS)
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
    # A solution found afresh cannot be improved by finding it afresh once more.
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
    # Nothing leaves before its distance has been shown (the release in proofs/min_norm_removal.md).
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
