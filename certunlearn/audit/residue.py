"""What is left of forgotten rows in a release: along their influence, off the rows that stay, and
between two releases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.stats import ncx2, norm

from .._common.arrays import Array
from .._common.validate import real
from .finding import Finding, Measured
from .law import Law, beyond


@dataclass(frozen=True, kw_only=True)
class Residue(Finding):
    """What share of the forgotten rows' influence is left; see `influence_residue`.

    Attributes
    ----------
    interval : (float, float)
        Confidence interval of the share.
    influence : float
        How far the rows had moved the optimum, in deviations of the noise.
    """

    interval: tuple[float, float]
    influence: float


def influence_residue(
    released: ArrayLike,
    optimum: ArrayLike,
    before: ArrayLike,
    law: Law,
    *,
    level: float = 0.05,
    confidence: float = 0.95,
) -> Residue:
    """Share of the forgotten rows' influence that a release still has: 0 is none, 1 is all of it.

    ``<y, v> / ||v||^2`` with y the whitened release and v the whitened optimum of all rows, both
    less the optimum of the retained rows: normal with deviation ``1 / ||v||``.

    Parameters
    ----------
    released : array-like of shape (p, K) or (J, p, K)
        One release or more.
    optimum, before : array-like of shape (p, K)
        Exact optima of the retained rows and of all rows.
    law : Law
        What the release claims.

    Notes
    -----
    Guarantee: releases of the claimed law fail with probability at most ``level``.
    """
    level = real("level", level, low=0, high=1)
    v = law.apart(before, optimum)
    size = float(np.linalg.norm(v))
    if not size > 0:
        raise ValueError("the rows have no influence: the optimum with them is that without them")
    y = law.apart(released, optimum).reshape(-1, v.size)
    # <y, v> / ||v||^2 of one release has deviation 1 / ||v||; the mean of J of them 1 / (||v|| sqrt
    # J).
    error = 1.0 / (size * math.sqrt(len(y)))
    # A mean that is off by all of the cap in just this direction is within the promise.
    cap = law.reach / size
    limit = cap + error * float(norm.isf(level / 2))
    share = float(np.mean(y @ v.ravel())) / size**2
    wide = error * float(norm.isf(0.5 * (1 - confidence)))
    return Residue(
        audit="influence that is left",
        statistic=share,
        null=(-limit, limit),
        level=level,
        power={
            f"{round(100 * s)}% left": float(norm.cdf((s - limit) / error)) for s in (0.1, 0.5, 1)
        },
        scope="the direction in which the forgotten rows had moved the optimum, and no other",
        interval=(share - wide, share + wide),
        influence=size,
    )


@dataclass(frozen=True, kw_only=True)
class NullSpace(Finding):
    """What a release answers where only forgotten rows were; see `null_space`.

    Attributes
    ----------
    directions : int
        How many directions only the forgotten rows spanned.
    response : float
        Length of the coefficients there.
    """

    directions: int
    response: float


def null_space(
    coef: ArrayLike,
    retained: ArrayLike,
    forgotten: ArrayLike,
    law: Law,
    *,
    before: ArrayLike | None = None,
    level: float = 0.05,
    tol: float = 1e-9,
) -> NullSpace:
    """Test coefficients along directions that only the forgotten rows spanned.

    An L2-penalised optimum, and the shortest interpolant, lie in the span of their rows: after
    retraining nothing but noise is left there.  Gradient methods never move those coordinates.

    Parameters
    ----------
    coef : array-like of shape (K, d) or (d,)
        Released coefficients, without intercept.
    retained, forgotten : array-like of shape (n, d), (m, d)
        Features.
    law : Law
        What the release claims; of d or d + 1 coordinates, the intercept last.
    before : array-like of shape (K, d), optional
        Coefficients released before the removal, for the power against a removal that does nothing.

    Raises
    ------
    ValueError
        If the retained rows span all that the forgotten ones do.
    """
    kept = np.asarray(retained, dtype=np.float64)
    gone = np.asarray(forgotten, dtype=np.float64)
    # Without the intercept: its column of ones is in the span of every row.
    U = _unspanned(kept, gone, tol)
    if not U.shape[1]:
        raise ValueError(
            "the retained rows span all that the forgotten ones do: there is no direction that "
            "only forgotten rows know (more columns than rows are needed)"
        )
    B = np.zeros((len(law.precision), U.shape[1]))
    B[: len(U)] = U
    # Covariance of U'w over sigma^2, for any mechanism.
    spread = np.linalg.cholesky(B.T @ np.linalg.solve(law.precision, B))

    def response(values: ArrayLike) -> tuple[Array, float]:
        inside = U.T @ np.atleast_2d(np.asarray(values, dtype=np.float64)).T
        return inside, float(
            np.sum((solve_triangular(spread, inside, lower=True) / law.sigma) ** 2)
        )

    inside, statistic = response(coef)
    degrees = inside.size
    # Chi-square of `degrees` with a non-centrality of at most reach^2: the cap may lie in these
    # directions altogether.
    limit = float(ncx2.isf(level, degrees, law.reach**2))
    power = {}
    if before is not None:
        # The noise of that release answers there too, by 1 a degree on average: it is no influence.
        known = max(response(before)[1] - degrees, 0.0)
        power["nothing forgotten"] = beyond(limit, degrees, known)
    return NullSpace(
        audit="where only forgotten rows were",
        statistic=statistic,
        null=(0.0, limit),
        level=level,
        power=power,
        scope="directions orthogonal to every retained row",
        directions=U.shape[1],
        response=float(np.linalg.norm(inside)),
    )


def _unspanned(kept: Array, gone: Array, tol: float) -> Array:
    """Orthonormal directions of the rows ``gone`` that no row of ``kept`` has, shape (d, k)."""
    # Directions of the retained rows, to `tol` of the longest.
    _, s, V = np.linalg.svd(kept, full_matrices=False)
    V = V[s > tol * max(float(s[0]), 1e-300)] if len(s) else V[:0]
    rest = gone - (gone @ V.T) @ V
    # Once more: what rounding left of the span would pass for a direction.
    rest -= (rest @ V.T) @ V
    _, s, own = np.linalg.svd(rest, full_matrices=False)
    return np.asarray(own[s > tol * max(float(np.linalg.norm(gone)), 1e-300)].T)


@dataclass(frozen=True, kw_only=True)
class Difference(Measured):
    """What one release before and one after tell together; see `difference_attack`.

    Attributes
    ----------
    ranks : tuple of int
        Place of each forgotten row among the candidates, 1 being the attacker's first guess.
    candidates : int
    mu : tuple of float
        Each forgotten row's influence in deviations of the difference's noise.
    true_positive_rate : tuple of float
        Power against each row at a false positive rate of 1%.
    """

    ranks: tuple[int, ...]
    candidates: int
    mu: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


def difference_attack(
    before: ArrayLike, after: ArrayLike, gradients: ArrayLike, forgotten: ArrayLike, law: Law
) -> Difference:
    """Guess which row was forgotten from a release before and a release after.

    No certificate covers this pair; here is what it gives away.  Removing row i moves the optimum
    by about ``A^{-1} g_i``, so the whitened difference of the releases is near ``L^{-1} g_i /
    sigma`` with noise of variance 2, and candidates are ranked by likelihood.

    Parameters
    ----------
    before, after : array-like of shape (p, K)
        Released weights.
    gradients : array-like of shape (m, p, K)
        Gradients of the loss of each candidate row (times its weight), at the release before.
    forgotten : array-like of int
        Candidates that were forgotten, to say where the attacker places them.
    law : Law
        The noise.
    """
    g = np.asarray(gradients, dtype=np.float64)
    lower = np.linalg.cholesky(law.precision)
    # The step A^{-1} g whitened by L': L^{-1} g / sigma.
    v = np.array([solve_triangular(lower, x, lower=True) / law.sigma for x in g])
    v = v.reshape(len(g), -1)
    start = np.asarray(before, dtype=np.float64)
    d = law.whitened(np.asarray(after, dtype=np.float64).reshape(start.shape) - start).ravel()
    # Logarithm of N(v, 2I) over N(0, 2I): two releases, two draws of noise.
    likelihood = (v @ d - 0.5 * np.sum(v**2, axis=1)) / 2.0
    order = np.argsort(-likelihood, kind="stable")
    place = np.empty(len(g), dtype=np.int64)
    place[order] = np.arange(1, len(g) + 1)
    which = np.atleast_1d(np.asarray(forgotten, dtype=np.int64))
    # Noise of both releases: variance 2 in each whitened coordinate.
    mu = np.linalg.norm(v[which], axis=1) / math.sqrt(2.0)
    return Difference(
        audit="one release before, one after",
        scope="never a pass: no certificate covers a release made before the removal",
        ranks=tuple(int(i) for i in place[which]),
        candidates=len(g),
        mu=tuple(float(x) for x in mu),
        true_positive_rate=tuple(float(norm.cdf(norm.ppf(0.01) + x)) for x in mu),
    )
