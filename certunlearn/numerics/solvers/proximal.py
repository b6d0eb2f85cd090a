"""Proximal Newton: smooth curvature, an L1 penalty as it is, and exact zeros in every iterate.

The subproblem, a quadratic with an L1 penalty, is solved by coordinate descent, which finds the
support, and then exactly on that support.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..._common.arrays import Progress
from ..objective.objective import Measurement, Objective, flat, folded
from ..objective.quadratic import QuadraticModel, model_at
from .line_search import SHORTEST, searched
from .newton import STALE

Array = NDArray[np.float64]
#: Sweeps of coordinate descent before the support is taken at its word.
_SWEEPS = 4
#: Most changes of the support in one subproblem.
_CHANGES = 200
_EPS = float(np.finfo(np.float64).eps)


class Stop(NamedTuple):
    """Where the solver stopped, what was measured there, with which model, and why."""

    W: Array
    measurement: Measurement
    model: QuadraticModel
    iterations: int
    reason: Literal["accepted", "floor", "max_iter"]


def soft(v: Array, lam: Array | float) -> Array:
    """Return v, every entry moved towards zero by lam and not past it."""
    out: Array = np.sign(v) * np.maximum(np.abs(v) - lam, 0.0)
    return out


def least_subgradient(gradient: Array, W: Array, lam: Array) -> Array:
    """Return the smallest element of ``gradient + d(sum lam |W|)``, entry by entry."""
    return np.where(W != 0, gradient + lam * np.sign(W), soft(gradient, lam))


def sparse_minimiser(B: Array, g: Array, w: Array, lam: Array) -> Array:
    """Minimise ``g'(z - w) + 1/2 (z - w)'B(z - w) + sum_j lam_j |z_j|`` over z.

    Parameters
    ----------
    B : ndarray of shape (q, q)
        Positive definite.
    g, w, lam : ndarray of shape (q,)
        Slope and place of the model; penalties, at least 0.

    Notes
    -----
    A step on the support that would change signs stops where the first entry reaches zero, unless
    setting all such entries to zero lowers the objective as well: so it falls with every step.
    Nothing is claimed for the result: the caller measures what it is worth.

    References
    ----------
    Lee, Battle, Raina & Ng (2006), Efficient sparse coding algorithms (feature-sign search).
    """
    # A unit diagonal: the minimiser over one coordinate is soft(y - r, lam).
    unit = 1.0 / np.sqrt(np.maximum(np.diag(B), 1e-300))
    p = _Scaled(B * unit * unit[:, None], g * unit, w / unit, lam * unit)
    everything = np.arange(len(w))
    # A few sweeps find most of the support, and solving on it the rest.
    for _ in range(_SWEEPS):
        p.descend(everything)
    for _ in range(_CHANGES):
        if not p.solve_on_support():
            continue
        wrong = p.violators()
        if not len(wrong):
            break
        p.descend(wrong)
    return np.asarray(p.y * unit)


class _Scaled:
    """The subproblem in coordinates where B has a unit diagonal, and where its solution stands."""

    def __init__(self, B: Array, g: Array, w: Array, lam: Array) -> None:
        self.B, self.g, self.w, self.lam = B, g, w, lam
        self.y, self.r = w.copy(), g.copy()

    def descend(self, coordinates: NDArray[np.int64]) -> None:
        """Minimise over one coordinate after the other."""
        y, r, lam = self.y, self.r, self.lam
        for j in coordinates:
            old = y[j]
            # Slope r_j at y, curvature 1: the unpenalised minimiser of coordinate j.
            towards = old - r[j]
            new = max(abs(towards) - lam[j], 0.0) * (1.0 if towards > 0 else -1.0)
            if new != old:
                y[j] = new
                r += self.B[j] * (new - old)

    def solve_on_support(self) -> bool:
        """Step to the minimiser on the support; False if an entry had to leave it."""
        on = np.flatnonzero((self.y != 0) | (self.lam == 0))
        signs = np.sign(self.y[on])
        # On a support whose signs stay the objective is quadratic: one solve.
        slope = self.r[on] + self.lam[on] * signs
        step = -_solved(self.B[np.ix_(on, on)], slope)
        target = self.y[on] + step
        crossed = (self.lam[on] > 0) & (target * signs <= 0)
        if not crossed.any():
            self._move(on, target)
            return True
        before = self._value(self.y, self.r)
        there = self.y.copy()
        there[on] = np.where(crossed, 0.0, target)
        r = self._slope(there)
        # All crossed entries leave at once where that lowers the objective: fewer solves.
        if self._value(there, r) < before:
            self.y, self.r = there, r
            return False
        # Else up to where the first entry reaches zero: the objective is convex, so it falls on the
        # way.
        share = np.where(crossed, -self.y[on] / np.where(crossed, step, 1.0), np.inf)
        nearest = float(share.min())
        target = np.where(share <= nearest, 0.0, self.y[on] + nearest * step)
        self._move(on, target)
        return False

    def violators(self) -> NDArray[np.int64]:
        """Zeros that ought not to be, but for rounding."""
        away = self.y - self.w
        # What the slope of a zero may be off by: no zero leaves for less.
        rounding = 64 * _EPS * (np.abs(self.g) + np.abs(self.B) @ np.abs(away) + self.lam)
        return np.flatnonzero((self.y == 0) & (np.abs(self.r) - self.lam > rounding))

    def _move(self, on: NDArray[np.int64], target: Array) -> None:
        self.y[on] = target
        self.r = self._slope(self.y)

    def _slope(self, y: Array) -> Array:
        return np.asarray(self.g + self.B @ (y - self.w))

    def _value(self, y: Array, r: Array) -> float:
        return float(0.5 * (y - self.w) @ (self.g + r) + self.lam @ np.abs(y))


def _solved(B: Array, v: Array) -> Array:
    """Solve with a matrix of unit diagonal; what rounding left indefinite gets a small ridge."""
    if not len(v):
        return v
    for jitter in (0.0, 1e-14, 1e-11, 1e-8):
        try:
            factor = cho_factor(B + jitter * np.eye(len(B)), lower=True)
        except LinAlgError:
            continue
        return np.asarray(cho_solve(factor, v))
    return v


def proximal_newton(
    objective: Objective,
    W: Array,
    lam: Array,
    accept: Callable[[Array, Measurement, QuadraticModel], bool],
    *,
    max_iter: int,
    progress: Progress = None,
) -> Stop:
    """Minimise the objective plus ``sum_jk lam_j |W_jk|`` until ``accept``, by backtracking.

    Parameters
    ----------
    W : ndarray of shape (p, K)
        Start.
    lam : ndarray of shape (p,)
        L1 penalty of each coordinate.
    accept : callable
        ``accept(W, measurement, model)`` says whether to stop.
    max_iter : int
        Most steps.
    progress : callable, optional
        Called with the iteration and the size of the least subgradient in the norm of the inverse
        Hessian after each step.
    """
    m = objective.measure(W, W)
    model = model_at(objective, W, m.margin_error)
    for iteration in range(max_iter + 1):
        if m.moved > STALE:
            model, m = model_at(objective, W, m.margin_error), m._replace(moved=0.0)
        if accept(W, m, model):
            return Stop(W, m, model, iteration, "accepted")
        if iteration == max_iter:
            break
        moved = _step(objective, W, lam, m, model)
        # A factor from elsewhere may be what failed: once more with one of the iterate itself.
        if moved is None and model.W is not W:
            model, m = model_at(objective, W, m.margin_error), m._replace(moved=0.0)
            moved = _step(objective, W, lam, m, model)
        if moved is None:
            return Stop(W, m, model, iteration, "floor")
        W, m = moved
        if progress is not None:
            progress(iteration + 1, _size(W, lam, m, model))
    return Stop(W, m, model, max_iter, "max_iter")


def _size(W: Array, lam: Array, m: Measurement, model: QuadraticModel) -> float:
    return model.factor.whitened(flat(least_subgradient(m.gradient, W, lam[:, None])))


def _step(
    objective: Objective, W: Array, lam: Array, m: Measurement, model: QuadraticModel
) -> tuple[Array, Measurement] | None:
    """Go towards the model's minimiser, as `searched` with the least subgradient."""
    lower, columns = model.factor.lower, lam[:, None]
    full = folded(
        sparse_minimiser(lower @ lower.T, flat(m.gradient), flat(W), np.tile(lam, W.shape[1])),
        W.shape[0],
    )
    v = full - W
    if not v.any():
        return None

    def lasso(W: Array) -> float:
        return float(np.sum(columns * np.abs(W)))

    def score(W: Array, m: Measurement) -> tuple[float, float]:
        return m.value + lasso(W), _size(W, lam, m, model)

    # g'v + h(W + v) - h(W): what the line search may ask of a composite objective (Tran-Dinh,
    # Kyrillidis & Cevher 2015).
    slope = float(np.sum(m.gradient * v)) + lasso(full) - lasso(W)
    # Near the optimum the value is rounding, and only the subgradient tells.
    shortest = 1.0 if abs(slope) <= 64 * _EPS * abs(m.value + lasso(W)) else SHORTEST

    def along(s: float) -> Array:
        # The full step as it is: its zeros are exact.
        return full if s == 1.0 else W + s * v

    return searched(objective, (W, m), along, slope, score, model.W, shortest=shortest)
