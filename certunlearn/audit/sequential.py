"""Continuous self-audit: some requests are solved for exactly, and evidence is kept as an e-value.

An e-value is a bet against the claim that is worth at most 1 on average while the claim is true;
the product of bets over looks stays so.  It may be looked at after every request and the audit
stopped at will: that it ever reaches ``1 / level`` has probability at most ``level`` (Ville 1939).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from .._common.arrays import Array
from .._common.rounding import UNIT_ROUNDOFF
from .._common.validate import real
from .finding import Finding
from .law import Law

#: Noise as a share of what is claimed, and squared shifts beyond the cap, that are betted on.
SMALLER, FURTHER = (0.5, 1 / 3, 0.1), (9.0, 100.0)
#: Half of what is staked is on either.
STAKES = (*(0.5 / len(SMALLER) for _ in SMALLER), *(0.5 / len(FURTHER) for _ in FURTHER))
#: Squared shift, in units of the noise, of claims that nothing further off is betted against.
_MOST = 1e6


@dataclass(frozen=True)
class SelfAudit:
    """Evidence against the claims of a model, request by request.

    Attributes
    ----------
    rate : float
        Share of the requests that are looked at.
    level : float
        Chance that an honest model is ever found at fault.
    fortunes : tuple of float
        Logarithm of what each bet has made of its stake; the e-value is their weighted mean.
    largest : float
        Logarithm of the largest e-value there was.
    requests, looks : int
    ratios : tuple of float
        True over certified distance of each look, where both were given.

    Notes
    -----
    Guarantee: with releases of the claimed laws, with any means within their caps and noise that
    is fresh at each, ``finding()`` ever fails with probability at most ``level``.  A true distance
    above a certified one is no matter of chance and fails at once.  Proof: proofs/self_audit.md

    Examples
    --------
    >>> import numpy as np
    >>> law, rng, audit = Law(np.eye(5), np.ones(1)), np.random.default_rng(0), SelfAudit(rate=1.0)
    >>> for _ in range(20):
    ...     audit = audit.after(law.draw(np.zeros(5), 1, rng)[0] / 3, law, lambda: np.zeros((5, 1)))
    >>> audit.finding().passed
    False
    """

    rate: float = 0.01
    level: float = 0.01
    fortunes: tuple[float, ...] = (0.0,) * len(STAKES)
    largest: float = 0.0
    requests: int = 0
    looks: int = 0
    ratios: tuple[float, ...] = ()

    def after(
        self,
        release: ArrayLike,
        law: Law | Callable[[], Law],
        solve: Callable[[], ArrayLike],
        *,
        rng: np.random.Generator | None = None,
        iterate: ArrayLike | None = None,
        distance: float | None = None,
    ) -> SelfAudit:
        """Return the evidence after one more request, which is looked at with chance ``rate``.

        Parameters
        ----------
        release : array-like of shape (p, K)
            Weights released for this request.
        law : Law or callable
            What is claimed for it; or what returns that, called only for a look.
        solve : callable
            Returns the exact optimum (p, K) of the rows that stay now; called only for a look.
        rng : Generator, optional
            Of the choice whether to look, which must not depend on the noise.
        iterate, distance : array-like of shape (p, K), float, optional
            The secret iterate and its certified distance, for the owner's own record.
        """
        real("rate", self.rate, low=0, high=1, closed="both")
        rng = np.random.default_rng() if rng is None else rng
        # Decided before anything is looked at, by a coin of its own: a look that depended on the
        # noise would bias the bets.
        if rng.random() >= self.rate:
            return replace(self, requests=self.requests + 1)
        optimum = solve()
        law = law() if callable(law) else law
        y = law.apart(release, optimum)
        # e-values of mean at most 1 given the past, so their product is a supermartingale (Ville
        # 1939).
        bets = log_bets(float(np.sum(y**2)), y.size, law.reach**2)
        ratios = self.ratios
        if iterate is not None and distance is not None:
            true = float(np.linalg.norm(law.apart(iterate, optimum) * law.sigma))
            ratios = (*ratios, true / distance if distance > 0 else math.inf)
        # Each bet keeps its own fortune; the mean with fixed stakes is an e-value again.
        now = np.array(self.fortunes) + bets
        return replace(
            self,
            fortunes=tuple(float(v) for v in now),
            # Ville's inequality is about the largest value ever reached: a later fall does not
            # clear a model.
            largest=max(self.largest, float(logsumexp(now, b=STAKES))),
            requests=self.requests + 1,
            looks=self.looks + 1,
            ratios=ratios,
        )

    def finding(self) -> Finding:
        """Return the verdict so far; it may be asked for after every request."""
        worst = max(self.ratios, default=0.0)
        # Beyond what rounding of the exact optimum may add.
        broken = worst > 1.0 + 1e-6
        evidence = math.inf if broken else math.exp(min(self.largest, 700.0))
        return Finding(
            audit="continuous self-audit",
            statistic=evidence,
            null=(0.0, 1.0 / self.level),
            level=self.level,
            scope=f"{self.looks} of {self.requests} requests; largest true over certified distance "
            f"{worst:.3g}",
        )


def log_bets(T: float, degrees: int, shift: float) -> Array:
    """Logarithms of e-values against ``T`` being chi-square with at most this non-centrality.

    One for each of `SMALLER`, ``s^-D exp(-T (s^-2 - 1) / 2)``: noise is too small; and one for each
    of `FURTHER`, the ratio of the densities with a larger non-centrality and with ``shift``.
    """
    if math.isnan(T):
        # A release that is no number, which no law draws, wins and loses nothing.
        return np.zeros(len(STAKES))
    # Density of s^2 chi-square over that of chi-square: mean 1 without a shift, less with one.
    small = [-degrees * math.log(s) - 0.5 * T * (s**-2 - 1.0) for s in SMALLER]
    # The ratio grows with T: to bet as if T were smaller only loses, and keeps densities finite.
    t = min(T, degrees + shift + 50.0 * math.sqrt(2.0 * degrees + 4.0 * shift) + 500.0)
    large = [log_ratio(t, degrees, shift, more) if shift <= _MOST else 0.0 for more in FURTHER]
    return np.array([*small, *large])


def log_ratio(t: float, degrees: int, shift: float, more: float) -> float:
    """At most log of the density at t with ``shift + more`` over that with ``shift``.

    Never more, and less by rounding alone.  A density is ``exp(-shift / 2) 0F1(degrees / 2, shift
    t / 4)`` times that of chi-square, which cancels.
    """
    low, _ = _log_0f1(0.5 * degrees, 0.25 * t * (shift + more))
    _, high = _log_0f1(0.5 * degrees, 0.25 * t * shift)
    out = low - high - 0.5 * more
    # Nothing is won by an overflow.
    return out if math.isfinite(out) else 0.0


def _log_0f1(b: float, z: float) -> tuple[float, float]:
    """Bounds of ``log sum_j z^j / (j! (b)_j)`` for b > 0 and z >= 0, apart by rounding alone."""
    if z == 0.0:
        return 0.0, 0.0
    # Terms grow while (j + 1)(b + j) < z, hence up to about `peak`, and fall like a normal density
    # of variance at most `peak`; what is left out is below e^-50 of the sum.
    peak = 2.0 * z / (b + math.sqrt(b * b + 4.0 * z))
    j = np.arange(math.ceil(peak + 10.0 * math.sqrt(peak)) + 50.0)
    logs = np.append(0.0, np.cumsum(math.log(z) - np.log(j + 1.0) - np.log(b + j)))
    value = float(logsumexp(logs))
    # Three logarithms a step and the sum over the steps: each rounds by a unit of what it holds.
    largest = math.log(z) if z > 1.0 else -math.log(z)
    sizes = float(np.max(np.abs(logs))) + largest + math.log(len(j) * (b + len(j)))
    room = 8.0 * UNIT_ROUNDOFF * len(logs) * (1.0 + sizes)
    return value - room, value + room
