"""The law of a release that a certificate claims, and an exact test of releases against it.

A release is ``W + sigma_k A^{-1/2} z`` column by column, z standard normal, with W at most ``cap``
from the exact optimum of the retained rows in the norm of A.  Whoever holds those rows can compute
optimum and A afresh, so the release is whitened and its squared length is a chi-square variable.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from .._common.arrays import Array
from .._common.validate import real
from .finding import Finding
from .weights import design, stacked

#: kappa of the losses: the largest curvature in the margin, as the Gram matrix counts it.
KAPPA = {"logistic": 0.25, "softmax": 0.5, "squared": 1.0, "poisson": 1.0, "gamma": 1.0}


@dataclass(frozen=True)
class Law:
    """A Gaussian law of releases: covariance ``sigma_k^2 A^{-1}`` for column k, mean near optimum.

    Attributes
    ----------
    precision : ndarray of shape (p, p)
        A, positive definite.
    sigma : ndarray of shape (K,) or (1,)
        Scale of each column's noise, or of all.
    cap : float
        Largest distance of the mean to the exact optimum, ``sqrt(sum_k ||d_k||_A^2)``.
    """

    precision: Array
    sigma: Array
    cap: float = 0.0

    @classmethod
    def claimed(
        cls,
        certificate: str,
        X: ArrayLike,
        *,
        kappa: float | str,
        alpha: float,
        sample_weight: ArrayLike | None = None,
        fit_intercept: bool = True,
    ) -> Law:
        """Return the law that a certificate states, with A computed here from the retained rows.

        ``G = kappa sum_i s_i x_i x_i' + diag(alpha)`` (0 for the intercept), and A is G, I or G^2.

        Parameters
        ----------
        certificate : str
            JSON of a certificate of this package, its public part.
        X : array-like of shape (n, d)
            Retained rows.
        kappa : float or str
            Largest curvature of the loss: a number, or "logistic", "softmax", "squared",
            "poisson" or "gamma".
        alpha : float
            L2 penalty of a coefficient in the sum convention: 1 / C, the alpha of a ridge, that
            of a Poisson or Gamma regression times the sum of the weights.
        sample_weight : array-like of shape (n,), optional
            Ones where none are given.

        Raises
        ------
        ValueError
            If the certificate claims nothing.
        """
        said = json.loads(certificate)
        if said.get("kind") != "gaussian":
            raise ValueError("this certificate claims nothing: there is no law to test against")
        D = design(X, fit_intercept=fit_intercept)
        s = np.ones(len(D)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        # Of the retained rows alone: a forgotten one in A is a fault that this is to find.
        penalty = np.full(D.shape[1], float(alpha))
        if fit_intercept:
            penalty[-1] = 0.0
        curvature = KAPPA[kappa] if isinstance(kappa, str) else float(kappa)
        # Computed here and afresh: an error of the library's own G cannot hide itself.
        G = curvature * (D * s[:, None]).T @ D + np.diag(penalty)
        A = {"gram": G, "isotropic": np.eye(len(G)), "objective": G @ G}[said["mechanism"]]
        # Column by column: the certificate's sigma is that of the smallest unit.
        sigma = said["noise"] * np.array(said["scale"], dtype=np.float64)
        return cls(A, sigma, float(said["distance_target"]))

    @property
    def reach(self) -> float:
        """Largest distance of the mean to the optimum, in units of the noise."""
        # sum_k ||d_k||^2 / sigma_k^2 <= cap^2 / min sigma^2, the proofs' m.
        return self.cap / float(np.min(self.sigma))

    def whitened(self, difference: Array) -> Array:
        """Return ``A^{1/2} d / sigma`` of differences (..., p, K): of unit covariance under noise.

        The root is the transposed Cholesky factor; lengths are those of any other.
        """
        return np.asarray(np.linalg.cholesky(self.precision).T @ difference) / self.sigma

    def apart(self, releases: ArrayLike, optimum: ArrayLike) -> Array:
        """Return whitened differences (J, p, K) of releases to an optimum (p, K) or (p,)."""
        W = np.asarray(optimum, dtype=np.float64)
        return self.whitened(stacked(releases, W.shape) - stacked(W, W.shape))

    def draw(self, optimum: ArrayLike, count: int, rng: np.random.Generator) -> Array:
        """Draw releases of the retrained control: the exact optimum with the claimed noise.

        Parameters
        ----------
        optimum : array-like of shape (p,) or (p, K)
            Exact optimum of the retained rows.

        Returns
        -------
        ndarray of shape (count, p, K)
        """
        W = stacked(optimum, np.shape(optimum))
        z = rng.normal(size=(count, *W.shape[1:]))
        upper = np.linalg.cholesky(self.precision).T
        # A = L L', so L'^{-1} z has covariance A^{-1}; all releases are solved for at once.
        flat = np.moveaxis(z, 0, -1).reshape(len(upper), -1)
        noise = solve_triangular(upper, flat, lower=False).reshape(*W.shape[1:], count)
        return np.asarray(W + self.sigma * np.moveaxis(noise, -1, 0))


@dataclass(frozen=True, kw_only=True)
class ReleaseLaw(Finding):
    """Whether releases follow the law they claim; see `release_law`.

    Attributes
    ----------
    sigma_ratio, sigma_interval : float, (float, float)
        Noise there is over noise claimed, and its confidence interval.
    shift, shift_null : float, float
        Squared length of the whitened mean, and the largest that the cap allows at this level.
    shift_interval, cap : (float, float), float
        Confidence interval of the distance between mean and optimum, and what was promised, both
        in units of sigma.
    releases, degrees : int, int
        How many releases, and normal numbers in all of them.
    """

    sigma_ratio: float
    sigma_interval: tuple[float, float]
    shift: float
    shift_null: float
    shift_interval: tuple[float, float]
    cap: float
    releases: int
    degrees: int

    @property
    def passed(self) -> bool:
        """Whether there is noise enough and the mean is as near the optimum as was promised."""
        return super().passed and self.shift <= self.shift_null


def release_law(
    releases: ArrayLike,
    optimum: ArrayLike,
    law: Law,
    *,
    level: float = 0.05,
    confidence: float = 0.95,
) -> ReleaseLaw:
    """Test releases against the law they claim: is there noise enough, is the mean near enough?

    With ``y_j = A^{1/2} (release_j - optimum) / sigma``, ``T = sum_j ||y_j||^2`` is non-central
    chi-square with J p K degrees of freedom and ``J ||mean(y)||^2`` with p K.  T below its null
    band says that noise is missing; the second above its own, that the mean is further off than
    promised, that noise is shared between the releases, or that it is too large.

    Parameters
    ----------
    releases : array-like of shape (J, p, K) or (p, K), or (J, p) or (p,)
        Released weights, all of models trained on the same retained rows.
    optimum : array-like of shape (p, K) or (p,)
        Exact optimum of the retained rows.  Its error counts as a shift.
    law : Law
        What is claimed.
    level : float
        Chance of a false alarm, half of it for each of the two questions.
    confidence : float
        Of each interval.

    Returns
    -------
    ReleaseLaw
        ``power`` is that of one look at so many releases, whatever shift the cap allows.

    Notes
    -----
    Guarantee: releases of the law with any means within the cap fail with probability at most
    ``level``; each interval holds the truth with probability at least ``confidence``.
    Assumes: releases are independent.  Proof: proofs/release_law.md
    """
    level = real("level", level, low=0, high=1)
    outside = 0.5 * (1.0 - real("confidence", confidence, low=0, high=1))
    # y_j = a_j + z_j with ||a_j|| <= cap / min sigma.
    y, cap = law.apart(releases, optimum), law.reach
    J, D = len(y), y[0].size
    T, Q = float(np.sum(y**2)), float(J * np.sum(y.mean(axis=0) ** 2))
    # T is smallest without a shift, Q largest with all of it.
    # level / 2 for each of the two questions; together at most level, by the union bound.
    low = float(chi2.ppf(0.5 * level, J * D))
    high = float(ncx2.ppf(1.0 - 0.5 * level, D, J * cap**2))

    def caught(factor: float) -> float:
        # A shift only adds to T, so it is at its largest here.
        return float(ncx2.cdf(low / factor**2, J * D, J * (cap / factor) ** 2))

    return ReleaseLaw(
        audit="law of the releases",
        statistic=T,
        null=(low, math.inf),
        level=level,
        power={f"noise {k} times too small": caught(1 / k) for k in (2, 3, 10)},
        scope="these releases alone; not what was released before, nor who chose the rows",
        sigma_ratio=math.sqrt(T / (J * D)),
        sigma_interval=_scale_interval(T, J * D, J * cap**2, outside),
        shift=Q,
        shift_null=high,
        shift_interval=_shift_interval(Q, D, J, outside),
        cap=cap,
        releases=J,
        degrees=J * D,
    )


def beyond(t: float, degrees: int, shift: float) -> float:
    """Chance of a chi-square variable with non-centrality ``shift`` to be above ``t``."""
    # Where SciPy's tails may be no numbers: below this is a chance of at most e^-42 (Birge 2001,
    # lemma 8.1).
    if t <= degrees + shift - 13.0 * math.sqrt(degrees + 2.0 * shift):
        return 1.0
    below = float(ncx2.cdf(t, degrees, shift))
    return 1.0 - below if below < 0.5 else float(ncx2.sf(t, degrees, shift))


def _scale_interval(T: float, degrees: int, shift: float, outside: float) -> tuple[float, float]:
    """Confidence interval of s where T / s^2 is chi-square with shift at most ``shift / s^2``."""
    # From above: P(T <= t) is largest without a shift, so a larger s has less than `outside`.
    high = math.sqrt(T / float(chi2.ppf(outside, degrees)))

    def excess(log_s: float) -> float:
        s2 = math.exp(2 * log_s)
        return beyond(T / s2, degrees, shift / s2) - outside

    # The smallest s under which T is not too large; none is if the shift alone explains T.
    bottom = math.log(high) - 12.0
    # P(T >= t) tends to 1 as s tends to 0 where t < J m^2: no s is excluded from below.
    if not high > 0 or excess(bottom) >= 0:
        return 0.0, high
    return math.exp(brentq(excess, bottom, math.log(high) + 1.0)), high


def _shift_interval(Q: float, degrees: int, J: int, outside: float) -> tuple[float, float]:
    """Confidence interval of m where Q is chi-square with shift ``J m^2``."""

    # Both ends by one search: the distribution function at Q falls as the shift grows.
    def root(target: float) -> float:
        def excess(x: float) -> float:
            return float(ncx2.cdf(Q, degrees, x * x)) - target

        if excess(0.0) <= 0:
            return 0.0
        # Far beyond any shift that a Q of this size leaves a chance.
        top = math.sqrt(Q) + math.sqrt(degrees) + 20.0
        return float(brentq(excess, 0.0, top)) / math.sqrt(J)

    return root(1.0 - outside), root(outside)
