"""Least squares of minimum norm: trained afresh, by a projection, or with rows put in.

With fewer distinct rows than features the model interpolates: ``w = A^+ b`` is the shortest vector
with ``A w = b``, and forgetting is a projection on the span of the rows that stay.  It is carried
out in the coefficients c of ``w = A' c``, with a factor from which columns are deleted.  Otherwise
it is ordinary least squares, solved afresh.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, qr_delete, solve_triangular

from ..._common.rounding import GUARD, gamma
from ...claims.least_squares import (
    appended_floor,
    least_squares_distance,
    min_norm_distance,
    singular_floor,
)
from ...exceptions import AssumptionError
from ...linalg.norms import norm
from ...numerics.rows.scaled import ScaledRows
from ...numerics.rows.weights import Weights

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
#: Corrections by the residual before a distance is given up.
_MOST_STEPS = 4
#: So many columns are deleted one by one; more are cheaper by factoring what is left.
_FEW = 4
#: Rows put in one by one per row there is; beyond that all are factored.
_SHARE = 32
#: A floor that has fallen by this factor since it was measured is measured anew.
_WORN = 1.0 / 32
#: Exponent of the shortest weighted column that is accepted.
_SMALLEST = -900
_DEPENDENT = (
    "the distinct rows are linearly dependent, or too nearly so for float64: the least squares "
    "solution of minimum norm jumps there, and nothing can be shown; use CertifiedRidge, whose "
    "optimum does not"
)


@dataclass(frozen=True)
class Basis:
    """The distinct rows of an interpolating model, factored.

    Attributes
    ----------
    places : ndarray of int, shape (r,)
        Where they lie in the store.
    upper : ndarray of shape (r, r)
        R with ``A' = Q R``, up to rounding that no claim rests on.
    floor, measured : float
        At most the smallest singular value of A; and what it was when last measured.
    """

    places: Positions
    upper: Array
    floor: float
    measured: float

    def solve(self, B: Array) -> Array:
        """Return about ``(A A')^{-1} B``."""
        return solved_by(self.upper, B)


@dataclass(frozen=True)
class Solution:
    """A secret iterate, how far from the optimum it may be, and how it was found.

    Attributes
    ----------
    W : ndarray of shape (d, K)
        The iterate.
    distance : float
        At least ``||W - W*||_F``.
    group : ndarray of int, shape (n,)
        Place of the distinct row that each row of the training set equals; -1 for other rows and
        rows of zeros.
    basis : Basis or None
        None where there are at least as many distinct rows as features, but one.
    tier, plan : str
        How, and why so.
    """

    W: Array
    distance: float
    group: Positions
    basis: Basis | None
    tier: str
    plan: str

    def condensed(self, keep: NDArray[np.bool_]) -> Solution:
        """Return the same of a store that holds the rows at ``keep`` (n,) alone."""
        # Of a row that stays the distinct row does so too; -1 is the last place and stays -1.
        where = np.append(np.cumsum(keep) - 1, -1)
        basis = self.basis
        if basis is not None:
            basis = replace(basis, places=where[basis.places])
        return replace(self, group=where[self.group[keep]], basis=basis)


def solved_by(upper: Array, B: Array) -> Array:
    """Return ``(R' R)^{-1} B``."""
    # (R'R)^{-1} = R^{-1} R^{-T}: two triangular solves, and R'R = A A'.
    half = solve_triangular(upper, B, trans="T", check_finite=False)
    return np.asarray(solve_triangular(upper, half, check_finite=False))


def _triangle(A: Array) -> Array:
    """Return R, in Fortran order, of ``A = Q R`` with m >= q."""
    return np.asfortranarray(qr(A, mode="r", check_finite=False)[0][: A.shape[1]])


def trained(rows: ScaledRows, weights: Weights, goal: float) -> Solution:
    """Solve for the training set from its rows alone.

    Raises
    ------
    AssumptionError
        If the distinct rows are, or cannot be shown not to be, linearly dependent.
    """
    live = np.flatnonzero(weights.array > 0)
    group = np.full(len(weights), -1, dtype=np.int64)
    # Equal rows count as one row with the weighted mean of their targets (`_targets`).
    group[live] = rows.grouped(live, live[:0])
    places = np.unique(group[group >= 0])
    # More distinct rows than features: no interpolant, least squares proper. Which side of the
    # border is the training set's own.
    if len(places) > rows.d:
        W, distance = _overdetermined(rows, live, weights.at(live))
        return Solution(W, distance, group, None, "refresh", "least squares, solved afresh")
    A = rows.gather(places)[0]
    basis = Basis(places, np.zeros((0, 0)), 1.0, 1.0)
    if len(places):
        upper = _triangle(A.T)
        # Measured here; from then on removals leave it as it is and insertions bound it.
        floor = singular_floor(A, upper)
        if not floor > 0:
            raise AssumptionError(_DEPENDENT)
        basis = Basis(places, upper, floor, floor)
    return _interpolant(rows, weights, group, basis, goal, "refresh", "factored afresh")


def without(
    solution: Solution, rows: ScaledRows, weights: Weights, gone: Positions, goal: float
) -> Solution:
    """Return the solution without rows at ``gone``; ``weights`` are those afterwards."""
    basis = solution.basis
    if basis is None:
        return trained(rows, weights, goal)
    group = solution.group.copy()
    group[gone] = -1
    # An equal row takes the place of a distinct row that goes.
    places = basis.places.copy()
    for j in np.flatnonzero(np.isin(places, gone)):
        equal = np.flatnonzero(group == places[j])
        if len(equal):
            group[equal] = equal[0]
            places[j] = equal[0]
    lost = np.flatnonzero(np.isin(places, gone))
    # R without the columns of rows that went: R'R is the matrix A A' of those that stay.
    basis = replace(basis, upper=_deleted(basis.upper, lost), places=np.delete(places, lost))
    return _interpolant(rows, weights, group, basis, goal, "projection", "columns deleted")


def _deleted(upper: Array, lost: Positions) -> Array:
    """Return the factor R without the columns at ``lost``."""
    if len(lost) > _FEW:
        return (
            _triangle(np.delete(upper, lost, axis=1)) if len(lost) < len(upper) else upper[:0, :0]
        )
    # From the last to the first, so that the numbers of those before stay right.
    for j in lost[::-1]:
        r = len(upper)
        if r == 1:
            return upper[:0, :0]
        # Givens rotations on R alone: Q would be of d rows, and no claim rests on R (Golub & Van
        # Loan 2013, section 6.5.2).
        upper = qr_delete(np.eye(r, order="F"), upper, j, which="col", check_finite=False)[1]
        upper = np.asfortranarray(upper[: r - 1])
    return upper


def extended(solution: Solution, rows: ScaledRows, weights: Weights, goal: float) -> Solution:
    """Return the solution with the store's last rows put in; ``weights`` include theirs."""
    basis = solution.basis
    first = len(solution.group)
    new = first + np.flatnonzero(weights.at(np.arange(first, rows.n)) > 0)
    # Rows of the old training set may have gone in the same edit, or there may be too many now.
    if basis is None or len(new) * _SHARE > len(basis.places) + _SHARE:
        return trained(rows, weights, goal)
    group = np.full(rows.n, -1, dtype=np.int64)
    group[:first] = solution.group
    group[new] = rows.grouped(new, basis.places)
    for place in new[group[new] == new]:
        if len(basis.places) == rows.d:
            return trained(rows, weights, goal)
        basis = _bordered(basis, rows, int(place))
        # Bounds compound: once the floor has fallen so far, measuring it anew pays.
        if not basis.floor > _WORN * basis.measured:
            return trained(rows, weights, goal)
    return _interpolant(rows, weights, group, basis, goal, "projection", "columns added")


def _bordered(basis: Basis, rows: ScaledRows, place: int) -> Basis:
    """Return the basis with the row at ``place`` put in."""
    at = np.array([place])
    a = rows.gather(at)[0].T
    if not len(basis.places):
        size = norm(a)
        return Basis(at, np.full((1, 1), size, order="F"), size / (1 + 2e-9), size)
    # c near (A A')^{-1} A a: A'c is the best approximation of a by the rows there are.
    c = basis.solve(rows.products(basis.places, a))
    # The second time takes out what rounding left of the first.
    c = c + basis.solve(rows.products(basis.places, a - rows.combined(basis.places, c)))
    left = a - rows.combined(basis.places, c)
    floor = appended_floor(basis.floor, c, left, rows.products(basis.places, left))
    r = len(basis.places)
    upper = np.zeros((r + 1, r + 1), order="F")
    # [A; a]' = [Q, q] [[R, R c], [0, |a - A'c|]], q the direction that a adds.
    upper[:r, :r], upper[:r, r:] = basis.upper, basis.upper @ c
    upper[r, r] = norm(left)
    return Basis(np.append(basis.places, place), upper, floor, basis.measured)


def _interpolant(
    rows: ScaledRows,
    weights: Weights,
    group: Positions,
    basis: Basis,
    goal: float,
    tier: str,
    plan: str,
) -> Solution:
    """Find the shortest interpolant with a factored basis, and measure how far off it is."""
    b, wrong = _targets(rows, weights, group, basis.places)
    if not len(basis.places):
        W = np.zeros((rows.d, b.shape[1]))
        return Solution(W, 0.0, group, basis, tier, plan)
    # w = A'c with A A' c = b: P W, the projection on the span of the rows that stay.
    c, best = basis.solve(b), None
    for step in range(_MOST_STEPS):
        W = rows.combined(basis.places, c)
        # Measured on the rows: how c was found enters no bound.
        residual = b - rows.products(basis.places, W)
        distance = min_norm_distance(W, c, residual, wrong, basis.floor)
        if best is None or distance < best.distance:
            best = Solution(W, distance, group, basis, tier, plan)
        if step and distance <= goal:
            break
        # Iterative refinement in float64; what it reaches depends on R, what is claimed does not.
        c = c + basis.solve(residual)
    assert best is not None
    return best


def _targets(
    rows: ScaledRows, weights: Weights, group: Positions, places: Positions
) -> tuple[Array, Array]:
    """Return what the distinct rows are to be mapped to, and how wrong that may be, (r, K).

    Equal rows count as one row with their weighted mean.
    """
    b = rows.targets(places)
    wrong = np.zeros_like(b)
    live = np.flatnonzero(group >= 0)
    kept, count = np.unique(group[live], return_counts=True)
    for place in kept[count > 1]:
        equal = np.flatnonzero(group == place)
        share = weights.at(equal)
        # Quotients of weights, so that sums neither over- nor underflow.
        share = share / share.max()
        values = rows.targets(equal)
        at = np.flatnonzero(places == place)[0]
        if (values == values[0]).all():
            continue
        b[at] = share @ values / share.sum()
        # Quotients, products, two sums of m terms and a division: 2m + 5 units of the mean of the
        # sizes.
        wrong[at] = gamma(2 * len(equal) + 8) * (share @ np.abs(values)) / share.sum()
        # Weights may be too far apart for their quotient.
        wrong[at] += 1e-300 * np.max(np.abs(values), axis=0)
    return b, wrong


def _overdetermined(rows: ScaledRows, live: Positions, weight: Array) -> tuple[Array, float]:
    """Solve ordinary least squares, and measure how far off it is."""
    X, y = rows.held(live)
    # B = sqrt(s) X and b = sqrt(s) y, to three units an entry.
    root = np.sqrt(weight)[:, None]
    B, b = X * root, y * root
    used = np.flatnonzero(X.any(axis=0))
    # Columns are scaled like rows elsewhere; a column of zeros has a coefficient of zero.
    exponent = np.array([np.frexp(norm(B[:, j]) * GUARD)[1] for j in used], dtype=np.int64)
    B = np.ldexp(B[:, used], -exponent)
    upper = _triangle(B) if len(used) <= len(B) else np.zeros((0, 0))
    # Columns that come near the smallest numbers have lost digits to the weights.
    sound = len(upper) and np.isfinite(B).all() and exponent.min() > _SMALLEST
    floor = singular_floor(B.T, upper) if sound else 0.0
    if not floor > 0:
        raise AssumptionError(_DEPENDENT)
    # Coefficients of X are D V with D_j = 2^-e_j: the largest of them stretches the distance.
    stretch = float(np.ldexp(1.0, -exponent.min()))
    V, best, distance = solved_by(upper, B.T @ b), None, math.inf
    for _ in range(_MOST_STEPS):
        residual = b - B @ V
        # The normal equations: B'(b - B V) = B'B (V* - V).
        slope = B.T @ residual
        reached = least_squares_distance(B, b, V, residual, slope, floor, stretch)
        if best is None or reached < distance:
            best, distance = V, reached
        V = V + solved_by(upper, slope)
    assert best is not None
    W = np.zeros((rows.d, y.shape[1]))
    W[used] = np.ldexp(best, -exponent[:, None])
    return W, distance
