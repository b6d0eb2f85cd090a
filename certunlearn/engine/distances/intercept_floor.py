"""A certified distance for softmax where the free intercept is what is curved least.

`class_floor` has a row's smallest probability for its curvature.  Of confident rows that is next to
nothing, and the slopes have their penalty then, but the free intercept has nothing else.  Here rows
curve it by all of their probabilities: what is left once slopes have moved against it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from ..._common.arrays import Array
from ..._common.rounding import GUARD, gamma, up
from ...claims.noise import Geometry
from ...linalg.cholesky import Factor, factorise
from ...linalg.norms import norm, spectral_norm
from ...numerics.objective.gauge import centred
from ...numerics.objective.intercept_sums import intercept_sums
from ...numerics.objective.objective import Objective
from ...numerics.objective.survey import Surveyed, curvature_kept
from .class_floor import NOTHING, Bound, around_classes, balled

#: What underflow may have taken from a column's maximum.
_TINY = 1e-290


class Leaning(NamedTuple):
    """A floor of the Hessian on steps V that sum to zero over the classes.

    ``V' H V >= kept (sum alpha_j V_j^2 + ||L' y||^2 / grown^2)``, V_j the rows of slopes and y =
    (b_k - b_K) + sum lean V, b the intercepts.

    Attributes
    ----------
    root : ndarray of shape (p - 1,)
        ``alpha^{-1/2}``.
    lean : ndarray of shape (K - 1, K, p - 1)
        How far slopes move margins where the intercept is curved.
    factor : Factor
        L L' of shape (K - 1, K - 1).
    grown, kept : float
        Above.
    """

    root: Array
    lean: Array
    factor: Factor
    grown: float
    kept: float

    def white(self, g: Array) -> tuple[Array, Array]:
        """Return what the norm of g (p, K) in the floor's inverse is made of.

        The two parts' lengths count as they are and as `by_factor` has them.
        """
        own = g[-1, :-1]
        u = g[:-1] - self.against(own)
        return u * self.root[:, None], self.factor.inverse @ own

    def around(self, size: Array) -> float:
        """Return at least that norm of every g of which no entry is larger than ``size``."""
        own = size[-1, :-1]
        slopes = size[:-1] + np.einsum("akj,a->jk", np.abs(self.lean), own)
        tail = norm(np.abs(self.factor.inverse) @ own)
        return math.hypot(norm(slopes * self.root[:, None]), self.by_factor(tail))

    def reach(self, size: Array) -> float:
        """Return at least that norm of what a g with no entry larger has beside its classes' mean.

        Taking the mean away, or its last entry, makes no row longer.
        """
        root = np.tile(self.root, self.lean.shape[1])
        flat, own = self.lean.reshape(len(self.lean), -1), norm(size[-1])
        slopes = norm(size[:-1] * self.root[:, None]) + spectral_norm(flat * root) * own
        return math.hypot(slopes, self.by_factor(spectral_norm(self.factor.inverse) * own))

    def against(self, own: Array) -> Array:
        """Return how slopes lean against numbers (K - 1,) of the intercept, shape (p - 1, K)."""
        K, d = self.lean.shape[1:]
        out: Array = (own @ self.lean.reshape(len(own), -1)).reshape(K, d).T
        return out

    def by_factor(self, length: float) -> float:
        """Return what a length of X y counts in that norm, X the factor's inverse."""
        return self.grown * length / (1.0 - self.factor.slack)

    def solved(self, first: Array, second: Array) -> Array:
        """Return the step (p, K) of a gradient of these parts."""
        V = first * self.root[:, None] / self.kept
        y = self.grown**2 / self.kept * (self.factor.inverse.T @ second)
        moved = self.lean.reshape(len(y), -1) @ V.T.ravel()
        return np.vstack([V, _in_classes(y - moved)])


class LeaningScale(NamedTuple):
    """An outlook by such a floor: ``c`` times the norm in its inverse."""

    floor: Leaning
    c: float

    def seen(self, g: Array) -> Array:
        """Return one vector, as the classes are not apart."""
        first, second = self.floor.white(g)
        return self.c * np.concatenate([first.ravel(), self.floor.by_factor(1.0) * second])


def intercept_distance(
    objective: Objective, geometry: Geometry, W: Array, found: Surveyed
) -> Bound:
    """Bound the distance to the exact optimum of softmax with a free intercept.

    Parameters
    ----------
    objective : Objective
        For which `few_pairs`.
    geometry : Geometry
        Of the same rows.
    W : ndarray of shape (p, K)
        Where.
    found : Surveyed
        There, pairs of classes summed as well.

    Notes
    -----
    Guarantee: as stated, for every mechanism.  Proof: proofs/intercept_floor.md
    """
    m, K = found.measurement, W.shape[1]
    floor = _leaning(objective, found)
    if floor is None:
        return NOTHING
    size = np.abs(m.gradient)
    first, second = floor.white(centred(m.gradient))
    # What taking the mean away and these products round.
    lost = floor.around(gamma(3 * K + 16) * (size + size.mean(axis=1, keepdims=True)))
    root = math.sqrt(floor.kept)
    computed = up(math.hypot(norm(first), floor.by_factor(norm(second))) / root * GUARD)
    errors = up(((floor.reach(m.rounding) + lost) / root + m.slope_error) * GUARD)
    half, half_size = geometry.half, geometry.half_size
    c, ranges = _constants(objective, floor, half, half_size)
    if not (c < math.inf and ranges < math.inf):
        return NOTHING
    step = floor.solved(first, second)
    # Products and what they are of, and the factor's inverse that is not quite one.
    chain = gamma(len(W) + K * len(W) + 16)
    reach = norm(step) + norm(floor.lean) * norm(step[:-1])
    reach += floor.grown**2 / floor.kept * norm(floor.factor.inverse) * norm(second)
    slack = 2 * floor.factor.slack * floor.by_factor(norm(second))
    moved = norm(half @ step) + chain * norm(half_size) * reach + c * (slack + lost) / root
    L = up(math.sqrt(2.0) * objective.loss.R * ranges / root * GUARD)
    bound = balled(c, computed, errors, up(moved * GUARD), L)
    bound = bound._replace(scale=LeaningScale(floor, bound.share * c / root))
    return around_classes(bound, geometry, W)


def _leaning(objective: Objective, found: Surveyed) -> Leaning | None:
    """Return the floor where that was found, or None where nothing follows."""
    if found.pairs is None:
        raise TypeError("pairs of classes have not been summed")
    sums, K = intercept_sums(objective, found.pairs), objective.loss.columns
    A = sums.own[:, :-1]
    try:
        factor = factorise(A, np.diag(A).copy(), sums.error)
    except np.linalg.LinAlgError:
        return None
    shrunk = curvature_kept(found.measurement.margin_error, K)
    if not (factor.theta < math.inf and factor.slack < 0.5 and shrunk > 0):
        return None
    flat = sums.slopes.reshape(K - 1, -1)
    lean, _ = lapack.dpotrs(factor.lower, flat, lower=1)
    # As the exact one does, it sums to zero over the classes.
    lean = lean.reshape(sums.slopes.shape)
    lean = (lean - lean.mean(axis=1, keepdims=True)).reshape(K - 1, -1)
    root = 1.0 / np.sqrt(objective.alpha[:-1])
    # B - A lean: as computed, its rounding, and what the sums may be off by.
    most = np.abs(sums.own)[:, :, None] * (objective.rows.column_max[:-1] + _TINY)
    size = most.reshape(K - 1, -1) + np.abs(A) @ np.abs(lean)
    left = np.abs(flat - A @ lean) + (sums.error + gamma(K + 4)) * GUARD * size
    theta = math.exp(factor.theta / 2.0)
    lost = theta * norm(factor.inverse) / (1.0 - factor.slack) * norm(left * np.tile(root, K))
    if not lost < 0.5:
        return None
    grown = up(theta / math.sqrt(shrunk) * GUARD)
    return Leaning(root, lean.reshape(sums.slopes.shape), factor, grown, 1.0 - up(lost * GUARD))


def _constants(
    objective: Objective, floor: Leaning, half: Array, size: Array
) -> tuple[float, float]:
    """Return two constants of the floor, its factor ``kept`` left out of the second.

    At least ``||V||_A`` over the root of the floor, and at least a row's margins in length over it.
    """
    p, root, K = len(half), floor.root, len(floor.lean) + 1
    h, X = half[:, -1], floor.factor.inverse
    own = norm(h) + 4 * gamma(p) * norm(size[:, -1])
    # Slopes that move the intercept by -x V leave it where it is in the norm of the noise.
    x = half[:, :-1].T @ h / max(own * own, 1e-300)
    S = (half[:, :-1] - np.outer(h, x)) * root
    sizes = norm(size[:, :-1] * root) + norm(size[:, -1]) * norm(x * root)
    # Of isotropic noise there is one number in each row and column.
    single = np.count_nonzero(half) == p
    slopes = float(np.max(np.abs(S))) if single else spectral_norm(S)
    slopes += gamma(2 * p + 12) * sizes
    cross = norm(S.T @ h) + gamma(3 * p + 16) * sizes * norm(size[:, -1])
    # What else they move it by, class by class.
    T = _in_classes(floor.lean)
    T[np.arange(K), np.arange(K)] -= x
    T -= T.mean(axis=0, keepdims=True)
    T -= T.mean(axis=1, keepdims=True)
    lean = spectral_norm((T * root).reshape(K, -1))
    lean += gamma(4 * K + 16) * (norm(floor.lean * root) + math.sqrt(K) * norm(x * root))
    free = floor.by_factor(spectral_norm(_in_classes(X.T)) + gamma(2 * K + 8) * norm(X))
    corner = own * own * np.array([[lean * lean, lean * free], [lean * free, free * free]])
    corner[0, 0] += slopes * slopes
    most = norm(corner) if not np.isfinite(corner).all() else float(np.linalg.eigvalsh(corner)[-1])
    c = math.sqrt((most + 2 * cross * math.hypot(lean, free)) / floor.kept)
    box = norm((objective.rows.column_max[:-1] + np.abs(x) + _TINY) * root)
    return up(c * GUARD), up(math.hypot(box + lean, free) * GUARD)


def _in_classes(y: Array) -> Array:
    """Return (K, ...) that sums to zero, of differences (K - 1, ...) from the last class."""
    b = np.concatenate([y, np.zeros_like(y[:1])])
    out: Array = b - b.mean(axis=0, keepdims=True)
    return out
