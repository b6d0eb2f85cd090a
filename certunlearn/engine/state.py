"""The state of a model before anything is released, and what of it the user's settings fix."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._common.interrupts import steady
from ..claims.tradeoff import Budget, Caps, calibrate
from ..exceptions import AssumptionError
from ..numerics.losses.margins import Loss
from ..numerics.losses.pointwise import Pointwise
from ..numerics.objective.objective import Objective
from ..numerics.rows.dense import CHUNK
from ..numerics.rows.sparse import Rows, SparseRows
from ..numerics.rows.units import Sums, units, wanted
from ..numerics.rows.weights import Weights, exact_sum
from ..numerics.solvers.choice import chosen
from .distances.carryover import Ledger
from .distances.gram import Gram
from .distances.ruler import Reached
from .removal.refresh import Goal

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
Progress = Callable[[int, float], None] | None
#: Relative distance to the optimum aimed at when there is no noise and nothing is claimed.
UNNOISED = 1e-9


@dataclass(frozen=True)
class Settings:
    """What the user chose.

    ``alpha`` is the L2 penalty of every coefficient and ``l1`` the L1 penalty, for each unit of
    weight in the training set if ``per_weight``.  ``loss`` is that of each margin; None stands for
    the logistic loss, or softmax where there are more than two classes.  ``class_weight`` is None,
    "balanced" or one number a class code.  ``noise`` is sigma over its unit (`units`), and
    ``mechanism`` may be "auto" until the rows are known.
    """

    alpha: float
    fit_intercept: bool
    class_weight: None | str | Array
    epsilon: float
    delta: float
    noise: float
    mechanism: str
    tol: float
    max_iter: int
    seed: int | None
    view: str = "release"
    horizon: int = 1
    solver: str = "auto"
    loss: Pointwise | None = None
    per_weight: bool = False
    l1: float = 0.0

    def penalty(self, p: int, mass: Fraction | None) -> Array:
        """Return the L2 penalty of each coordinate, (p,): a function of the training set alone."""
        return self._spread(self.alpha, p, mass)

    def lasso(self, p: int, mass: Fraction | None) -> Array | None:
        """Return the L1 penalty of each coordinate, (p,); None if there is none."""
        return self._spread(self.l1, p, mass) if self.l1 else None

    def _spread(self, size: float, p: int, mass: Fraction | None) -> Array:
        out = np.full(p, size if mass is None else size * float(mass))
        if self.fit_intercept:
            out[-1] = 0.0
        return out


def _parts(rows: Rows, sums: Sums, weight: Array) -> Iterable[tuple[Any, NDArray[Any], Array]]:
    """Yield (features, labels, weights) of all rows; features only where they are needed."""
    if not sums.lengths:
        yield None, rows.labels, weight
    elif isinstance(rows, SparseRows):
        rows.reads += rows.n
        for here, X in rows.parts():
            yield X, rows.labels[here], weight[here]
    else:
        for at, X in rows.chunks(CHUNK):
            here = slice(at, at + len(X))
            yield X, rows.labels[here], weight[here]


def _counts(rows: Rows, positions: Any, least: int = 0) -> NDArray[np.int64]:
    """Count the rows of each class code; of all together where labels are targets."""
    if rows.classed:
        return np.bincount(rows.labels[positions], minlength=least)
    return np.array([len(rows.labels[positions])])


@dataclass(frozen=True)
class Members:
    """The training set: which rows of the store, with what weight, of which classes.

    Attributes
    ----------
    weights : Weights
        Sample weights; 0 for rows outside the training set.
    counts : ndarray of int
        Rows of positive weight of each class code; of all where labels are targets.
    mass : Fraction or None
        The sum of the weights, exactly: the same whatever was removed on the way.  None where no
        penalty depends on it.
    classed : bool
        Whether labels are class codes.
    sums : Sums or None
        Exact sums that the unit of the noise is made of; None without noise.
    """

    weights: Weights
    counts: NDArray[np.int64]
    mass: Fraction | None = None
    classed: bool = True
    sums: Sums | None = None

    @classmethod
    def of(cls, settings: Settings, rows: Rows, weight: Array) -> Members:
        """Count an array of weights (n,), which must not be written to afterwards."""
        counts, sums = _counts(rows, weight > 0), None
        mass = exact_sum(weight) if settings.per_weight else None
        if settings.noise > 0:
            sums = wanted(settings.loss, settings.mechanism, rows.classed, rows.intercept)
            sums = sums.over(_parts(rows, sums, weight))
        return cls(Weights.of(weight), counts, mass, rows.classed, sums)

    @property
    def classes(self) -> NDArray[np.int64]:
        """Class codes among the training set; a single 0 where labels are targets.

        Raises
        ------
        AssumptionError
            If there are fewer than two classes, or no rows.
        """
        live = np.flatnonzero(self.counts)
        if not self.classed:
            if not len(live):
                raise AssumptionError("no row has positive weight: there is nothing to train on")
            return live
        if len(live) < 2:
            raise AssumptionError(
                f"the rows of positive weight hold {len(live)} class"
                f"{'' if len(live) == 1 else 'es'}:"
                " this classifier needs samples of at least 2 classes"
            )
        return live

    def without(self, rows: Rows, gone: Positions) -> Members:
        """Return the training set without rows that have positive weight in it."""
        lost = _counts(rows, gone, len(self.counts))
        weight = self.weights.at(gone)
        return replace(
            self,
            weights=self.weights.without(gone),
            counts=self.counts - lost,
            mass=None if self.mass is None else self.mass - exact_sum(weight),
            sums=None if self.sums is None else self.sums - self._share(rows, gone, weight),
        )

    def extended(self, rows: Rows, weight: Array) -> Members:
        """Return the training set with the store's last rows in it, weighted so."""
        new = len(self.weights) + np.flatnonzero(weight > 0)
        counts = _counts(rows, new, len(self.counts))
        counts[: len(self.counts)] += self.counts
        return replace(
            self,
            weights=self.weights.extended(weight),
            counts=counts,
            mass=None if self.mass is None else self.mass + exact_sum(weight),
            sums=None
            if self.sums is None
            else self.sums + self._share(rows, new, weight[weight > 0]),
        )

    def _share(self, rows: Rows, positions: Positions, weight: Array) -> Sums:
        """Return the sums over a few rows."""
        assert self.sums is not None
        X = rows.features(positions) if self.sums.lengths else None
        return self.sums.over([(X, rows.labels[positions], weight)])


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
    ledger : Ledger or None
        What lets the next removal leave every retained row alone; None where nothing can.
    plan : str
        Why the tier that reached the iterate was chosen.
    scale : tuple of float
        Unit of the noise of each column, or of all; sigma of the budget is that of the smallest.
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
    ledger: Ledger | None = None
    plan: str = "trained afresh"
    scale: tuple[float, ...] = (1.0,)

    @property
    def solver(self) -> str:
        """What fits, refreshes and removals use."""
        coefficients = self.rows.p * self.objective.loss.columns
        return chosen(self.settings.solver, coefficients, sparse=self.rows.sparse)

    @property
    def sample_weight(self) -> Array:
        """Sample weights of all rows in the store, shape (n,)."""
        return self.members.weights.array


def effective(settings: Settings, rows: Rows, members: Members) -> Weights:
    """Return s_i = sample weight times class weight, "balanced" over the training set."""
    if settings.class_weight is None:
        return members.weights
    codes, weight = rows.labels[: len(members.weights)], members.weights.array
    if isinstance(settings.class_weight, str):
        total = np.bincount(codes, weights=weight, minlength=int(codes.max()) + 1)
        live = total > 0
        per_class = np.zeros(len(total))
        per_class[live] = math.fsum(total[live]) / (live.sum() * total[live])
    else:
        per_class = settings.class_weight
    return Weights.of(weight * per_class[codes])


@lru_cache(maxsize=8)
def _calibrated(
    epsilon: float,
    delta: float,
    noise: float,
    dimension: int,
    drifts: bool,
    view: str,
    horizon: int,
) -> Budget:
    return calibrate(
        epsilon,
        delta,
        noise,
        dimension=dimension,
        drifts=drifts,
        view=view,
        horizon=horizon,
    )


def budget_of(settings: Settings, dimension: int, scale: tuple[float, ...]) -> Budget | None:
    """Return the budget of a release of ``dimension`` coordinates; None without noise.

    The noise of column k has the standard deviation ``noise scale_k``: a distance in the norm
    of the noise over the least of them is at least that of all columns.
    """
    if settings.noise == 0:
        return None
    s, drifts = settings, settings.mechanism != "isotropic"
    shared = _calibrated(s.epsilon, s.delta, s.noise, dimension, drifts, s.view, s.horizon)
    return replace(shared, sigma=s.noise * min(scale))


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
    budget = replace(state.budget, sigma=state.settings.noise * min(scale))
    return replace(state, budget=budget, scale=scale)


def goal_of(settings: Settings, caps: Caps | None, *, fit: bool = False) -> Goal:
    """Return the distance and the gradient norm to reach."""
    if caps is None:
        return Goal(UNNOISED, True, settings.tol)
    return Goal(caps.fit if fit else caps.target, False, settings.tol)


@contextmanager
def appended(rows: Any, known: int, X: Any, labels: NDArray[Any]) -> Iterator[None]:
    """Put rows into a store behind the ``known`` ones; if the body raises they are overwritten."""
    with steady():
        unappended(rows, known)
        rows.append(X, labels)
    try:
        yield
    except GeneratorExit:
        # Whoever drops this does so at any time: the next verb overwrites them.
        raise
    except BaseException:
        unappended(rows, known)
        raise


def unappended(rows: Any, known: int) -> None:
    """Overwrite and drop all rows behind the ``known`` ones: those of an edit not taken over."""
    with steady():
        if rows.n > known:
            rows.withdraw(rows.n - known)
