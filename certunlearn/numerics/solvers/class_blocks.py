"""What stands for the inverse of softmax's Hessian: all of it, a matrix a class, or a shared one.

Held for proposals alone: no number of theirs enters a claim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, eigh, lapack

from ..._common.arrays import AnyArray, Array
from ..objective.differences import Differences
from ..objective.gauge import centred
from ..objective.objective import Objective
from ..objective.products import Single
from .descent import Outlook, Pair

#: Rows that curve a class less than their mean stand together as a multiple of X'X; those that all
#: together curve less than this share of the whole Hessian are left out of it.
_HEAVY, _LOST = 1.0, 1e-3
#: Added to every diagonal, relative to its mean, so that it can be factored.
_RIDGE = 1e-7
#: Blocks may take up this share of what the rows do, or so many bytes in any case; the inverse of
#: the whole Hessian no more than those bytes, those of 4096 coefficients.
_SHARE, _FEW = 0.75, 1 << 26
#: This share of the rows, those whose smallest probability is largest, is enough of a floor; the
#: rows' mean is, where all of them add less than so much to the penalty.
_COUNTED, _LITTLE = 0.2, 0.25
#: Products of rows with rows cost a pass for so many coefficients (measured), and what is made of
#: the whole Hessian is there for a second request.
_A_PASS, _REQUESTS = 16, 2
#: Steps of Lanczos, and how near one a ratio of curvatures counts as right.
_LANCZOS, _NEAR = 3, 1.25


class Counting:
    """Which rows a floor of the Hessian needs one by one, by what they curve at least.

    Parameters
    ----------
    alpha : ndarray of shape (p,)
        Penalty.
    """

    def __init__(self, alpha: Array) -> None:
        each = np.divide(1.0, alpha, out=np.zeros_like(alpha), where=alpha > 0)
        self._each = (each / max(np.count_nonzero(each), 1)).astype(np.float32)
        self._smallest: list[Single] = []
        self._adds = 0.0

    def add(self, x: Single, curvature: Single) -> None:
        """Take in rows (m, p) and what they curve at least, (m,)."""
        self._smallest.append(curvature)
        self._adds += float(curvature @ (x * x @ self._each))

    @property
    def least(self) -> float:
        """A power of two that a fifth of the rows reach; infinite where all add little."""
        if self._adds < _LITTLE:
            return math.inf
        least = float(np.quantile(np.concatenate(self._smallest), 1 - _COUNTED))
        return 2.0 ** math.floor(math.log2(least)) if least > 0 else 0.0


class Spread(NamedTuple):
    """How softmax curves its rows where W stands.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        Mean of ``p (1 - p)`` of each class.
    mass : float
        Sum of the weights.
    least : float
        A power of two: of weights times smallest probabilities a fifth is about as large; infinite
        where rows curve so little that they need not be counted one by one.
    """

    classes: Array
    mass: float
    least: float

    @classmethod
    def of(cls, base: Differences) -> Spread:
        """Read it off the probabilities at ``base``."""
        total, mass, counting = 0.0, 0.0, Counting(base.objective.alpha)
        for x, P, s in base.probabilities():
            total = total + (s * P * (1 - P)).sum(axis=0, dtype=np.float64)
            mass += float(s.sum())
            counting.add(x, s[:, 0] * P.min(axis=1))
        return cls(np.maximum(total / max(mass, 1e-30), 1e-12), mass, counting.least)


@dataclass(frozen=True)
class Shared:
    """Class blocks ``w_k S + diag(alpha)`` of one matrix S, diagonal in one basis.

    Attributes
    ----------
    basis : ndarray of shape (p, p)
        U with ``U' S U = diag(size)`` and ``U' diag(alpha) U = diag(1 - size)``.
    size : ndarray of shape (p,)
        In [0, 1].
    weight : ndarray of shape (K,)
        The classes' w.
    """

    basis: Array
    size: Array
    weight: Array

    @classmethod
    def of(cls, gram: Array, alpha: Array, spread: Array) -> Shared:
        """Take S = ``gram`` = ``sum s x x'``, and the classes' mean curvatures for weights."""
        mean = float(spread.mean())
        S = gram * mean
        total = S + np.diag(alpha)
        total[np.diag_indices(len(S))] += _RIDGE * np.trace(total) / len(S)
        size, basis = eigh(S, total)
        return cls(basis, np.clip(size, 0.0, 1.0), spread / mean)

    def inner(self, classes: AnyArray | slice = slice(None)) -> Array:
        """Return the diagonals in that basis, (p, m), of some classes or of all."""
        out: Array = self.size[:, None] * self.weight[classes] + (1.0 - self.size)[:, None]
        return out

    def solve(self, G: Array) -> Array:
        """Return the inverse times G (p, K) in the space where the classes sum to zero."""
        inner = 1.0 / self.inner()
        white = self.basis.T @ G
        u = white * inner
        # On that space the multiplier c is the same for all classes.
        c = u.sum(axis=1) / inner.sum(axis=1)
        out: Array = self.basis @ (inner * (white - c[:, None]))
        return centred(out)


@dataclass(frozen=True)
class ClassBlocks:
    """Inverses of the Hessian's diagonal blocks.

    Attributes
    ----------
    inverses : ndarray of shape (K, p, p), float32
        Of every class.
    """

    inverses: Single

    @classmethod
    def of(cls, base: Differences, gram: Array, alpha: Array, spread: Spread) -> ClassBlocks:
        """Build the blocks where ``base`` is.

        Parameters
        ----------
        gram : ndarray of shape (p, p)
            ``sum s x x'``.
        alpha : ndarray of shape (p,)
            Penalty.
        spread : Spread
            There.

        Raises
        ------
        numpy.linalg.LinAlgError
            If a block cannot be factored.
        """
        K, p = len(spread.classes), len(gram)
        blocks, rest = np.zeros((K, p, p), np.float32), spread.classes * spread.mass
        heavy = (_HEAVY * spread.classes).astype(np.float32)
        for x, P, s in base.probabilities():
            Q = np.ascontiguousarray((P * (1 - P)).T)
            for k in range(K):
                rows = np.flatnonzero(Q[k] > heavy[k])
                q = s[rows, 0] * Q[k, rows]
                part = x[rows] * np.sqrt(q)[:, None]
                rest[k] -= float(q.sum())
                if len(part):
                    blas.ssyrk(1.0, part.T, beta=1.0, c=blocks[k].T, overwrite_c=1, lower=1)
        for k in range(K):
            A = blocks[k].T.astype(np.float64) + max(rest[k] / spread.mass, 0.0) * gram
            blocks[k] = inverse_of(A, alpha)
        return cls(blocks)

    def solve(self, G: Array) -> Array:
        """Return the inverses times G (p, K), less what its classes have in common.

        That is no inverse on the space where the classes sum to zero, but as good a metric there,
        at half the price: 18 passes in place of 27 for ten classes of pictures.
        """
        columns = np.ascontiguousarray(G.T, dtype=np.float32)[:, :, None]
        out: Array = np.matmul(self.inverses, columns)[:, :, 0].T.astype(np.float64, order="C")
        return centred(out)


@dataclass(frozen=True)
class Whole:
    """The inverse of the whole Hessian where it is small.

    Attributes
    ----------
    inverse : ndarray of shape (p K, p K), float32
        Class-major, of the Hessian and something more along what all classes have in common.
    """

    inverse: Single

    @classmethod
    def of(cls, base: Differences, alpha: Array, K: int) -> Whole:
        """Build it where ``base`` is.

        Raises
        ------
        numpy.linalg.LinAlgError
            If it cannot be factored.
        """
        p, telling = len(alpha), _telling(base)
        H, blocks = np.zeros((K * p, K * p), np.float32, order="F"), np.zeros((K, p, p))
        for (x, P, s), some in zip(base.probabilities(), telling, strict=True):
            x, P, s = x[some], P[some], s[some]
            root = np.sqrt(s)
            # diag(p) - p p': the second part for all pairs of classes at once.
            both = ((root * P)[:, :, None] * x[:, None, :]).reshape(len(x), K * p)
            H = blas.ssyrk(-1.0, both.T, beta=1.0, c=H, overwrite_c=1, lower=1)
            for k in range(K):
                blocks[k] += (x * (s * P[:, k : k + 1])).T @ x
        whole = H.astype(np.float64)
        del H
        for k in range(K):
            here = slice(k * p, (k + 1) * p)
            whole[here, here] += blocks[k]
        whole[np.diag_indices(K * p)] += np.tile(alpha, K) + _RIDGE * np.trace(whole) / (K * p)
        common = np.trace(whole) / (K * p) / K
        for j in range(p):
            same = np.arange(j, K * p, p)
            whole[np.ix_(same, same)] += common
        return cls(_inverse(whole))

    @staticmethod
    def fit(objective: Objective) -> bool:
        """Whether there is room for it."""
        return 4 * (objective.loss.columns * objective.rows.p) ** 2 <= _FEW

    def solve(self, G: Array) -> Array:
        """Return the inverse times G (p, K) in the space where the classes sum to zero."""
        flat = self.inverse @ G.T.ravel().astype(np.float32)
        out = np.ascontiguousarray(flat.astype(np.float64).reshape(-1, len(G)).T)
        return centred(out)


Model = Shared | ClassBlocks | Whole


@dataclass(frozen=True)
class ClassMetric:
    """What softmax's descent starts from the next time.

    Attributes
    ----------
    model : Shared, ClassBlocks or Whole
        Of the Hessian.
    pinned : tuple
        Steps along which it is wrong, and the changes of the gradient there.
    least : float
        Of `survey`.
    scale : Outlook or None
        What distance would be certified for a gradient.
    fresh : bool
        Whether it is made of the training set as it is.
    """

    model: Model
    pinned: tuple[Pair, ...] = ()
    least: float = 0.0
    scale: Outlook | None = None
    fresh: bool = False

    def whole(self, objective: Objective) -> bool:
        """Whether the next one is of the whole Hessian: where fresh blocks were not enough."""
        enough = isinstance(self.model, ClassBlocks) and not self.fresh
        return Whole.fit(objective) and not isinstance(self.model, Shared) and not enough

    def price(self, objective: Objective) -> float:
        """Return how many passes it costs to make the next one."""
        if not self.whole(objective):
            return objective.rows.p / _A_PASS
        coefficients = objective.rows.p * objective.loss.columns
        # Of few rows a pass is short, and the inversion is not: it costs twice what the products do
        # where there are as many coefficients.
        return coefficients / (_REQUESTS * _A_PASS) * (1.0 + 2.0 * coefficients / objective.rows.n)

    def built(self, base: Differences, gram: Array, W: Array) -> ClassMetric:
        """Return one that is made at W, where ``base`` is.

        Of blocks, if there is room for them; of the whole Hessian where these were not enough.
        """
        spread, objective = Spread.of(base), base.objective
        model: Model
        if self.whole(objective):
            model = Whole.of(base, objective.alpha, objective.loss.columns)
        elif room_for_blocks(objective):
            model = ClassBlocks.of(base, gram, objective.alpha, spread)
        else:
            model = Shared.of(gram, objective.alpha, spread.classes)
        pinned = _outliers(base, model, W)
        return replace(self, model=model, pinned=pinned, least=spread.least, fresh=True)


def _outliers(base: Differences, model: Model, W: Array) -> tuple[Pair, ...]:
    """Return steps along which the model is wrong, found by Lanczos from W.

    Softmax's curvature along W itself, where all margins grow alike, is far less than its blocks
    say: that direction would be learned again at every request.

    References
    ----------
    Golub & Van Loan (2013), Matrix Computations, section 10.1, for the pencil of the Hessian and
    the model.
    """
    steps: list[Array] = []
    duals: list[Array] = []
    products: list[Array] = []
    r = base.hessian_product(W)
    for _ in range(_LANCZOS):
        s = model.solve(r)
        square = float(np.sum(s * r))
        if not square > 0 or not math.isfinite(square):
            break
        steps.append(s / math.sqrt(square))
        duals.append(r / math.sqrt(square))
        products.append(base.hessian_product(steps[-1]))
        r = products[-1].copy()
        for _ in range(2):
            for step, dual in zip(steps, duals, strict=True):
                r -= float(np.sum(step * r)) * dual
    found: list[Pair] = []
    if not steps:
        return ()
    T = np.array([[float(np.sum(a * b)) for b in products] for a in steps])
    values, vectors = np.linalg.eigh(0.5 * (T + T.T))
    for theta, u in zip(values, vectors.T, strict=True):
        if theta > 0 and not 1 / _NEAR < theta < _NEAR:
            s, y = np.tensordot(u, steps, 1), np.tensordot(u, products, 1)
            found.append((s, y, float(np.sum(s * y))))
    return tuple(found)


def _telling(base: Differences) -> list[NDArray[np.bool_]]:
    """Say of which rows, block by block, the Hessian's trace is made but for hardly any of it."""
    adds = [
        s[:, 0] * (1.0 - np.sum(P * P, axis=1)) * np.sum(x * x, axis=1)
        for x, P, s in base.probabilities()
    ]
    each = np.sort(np.concatenate(adds))
    sums = np.cumsum(each, dtype=np.float64)
    least = each[min(np.searchsorted(sums, _LOST * sums[-1]), len(each) - 1)]
    return [one >= least for one in adds]


def room_for_blocks(objective: Objective) -> bool:
    """Whether there is room for a matrix a column of coefficients."""
    rows = objective.rows
    most = max(_SHARE * 8 * rows.n * rows.p, _FEW)
    return 4 * objective.loss.columns * rows.p**2 <= most


def inverse_of(A: Array, alpha: Array) -> Single:
    """Return the inverse of A + diag(alpha), A given by its lower triangle and written over.

    Raises
    ------
    numpy.linalg.LinAlgError
        If that is not numerically positive definite.
    """
    A[np.diag_indices(len(A))] += alpha + _RIDGE * np.trace(A) / len(A)
    return _inverse(A)


def _inverse(A: Array) -> Single:
    """Return the inverse of a symmetric positive definite matrix given by its lower triangle.

    It is written over where its columns lie one after the other.
    """
    lower, info = lapack.dpotrf(A, lower=1, clean=1, overwrite_a=1)
    if info == 0:
        inverse, info = lapack.dpotri(lower, lower=1, overwrite_c=1)
    if info != 0:
        raise np.linalg.LinAlgError("a block of the Hessian is not numerically positive definite")
    out: Single = inverse.astype(np.float32)
    for j in range(len(out)):
        out[j, j + 1 :] = out[j + 1 :, j]
    return out
