"""A lower bound on epsilon from one run: many coins, one release, and guesses of the coins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from .._common.validate import real
from .epsilon import EpsilonBound


def one_run_p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    """Largest chance of v right answers in r guesses about m coins under (epsilon, delta).

    ``P(B >= v) + 2 m delta max_i P(v - i <= B < v) / i`` with B binomial of r trials and
    probability ``e^epsilon / (1 + e^epsilon)``.

    References
    ----------
    Steinke, Nasr & Jagielski (2023), Privacy auditing with one (1) training run, Theorem 5.2 and
    appendix D.
    """
    # Chance of a right guess under epsilon-randomised response, the worst case without delta.
    q = 1.0 / (1.0 + math.exp(-min(epsilon, 700.0)))
    beyond = float(binom.sf(v - 1, r, q))
    if delta == 0 or v == 0:
        return min(beyond, 1.0)
    # delta can move at most 2 m delta of mass, to where it gains most answers for its distance.
    i = np.arange(1, v + 1)
    slope = float(np.max((binom.cdf(v - 1, r, q) - binom.cdf(v - 1 - i, r, q)) / i))
    return min(beyond + 2.0 * m * delta * max(slope, 0.0), 1.0)


def one_run_bound(m: int, r: int, v: int, *, delta: float, outside: float) -> float:
    """Largest epsilon that v right answers in r guesses about m coins exclude.

    Notes
    -----
    Guarantee: above the true epsilon with probability at most ``outside``.
    """
    if one_run_p_value(m, r, v, 0.0, delta) > outside:
        return 0.0
    low, high = 0.0, 1.0
    # The p-value grows with epsilon: double until it is above, then halve.
    while high < 700.0 and one_run_p_value(m, r, v, high, delta) <= outside:
        low, high = high, 2 * high
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        if one_run_p_value(m, r, v, middle, delta) <= outside:
            low = middle
        else:
            high = middle
    return low


def one_run_epsilon(
    scores: ArrayLike,
    there: ArrayLike,
    *,
    delta: float,
    confidence: float = 0.95,
    claimed: float = 0.0,
    shares: tuple[float, ...] = (0.1, 0.3, 1.0),
) -> EpsilonBound:
    """Lower bound on epsilon from one release, with canaries whose presence was decided by coins.

    Every canary was in the training set with probability one half, and those that were have been
    forgotten.  Canaries of the highest scores are guessed to have been there, those of the lowest
    not.

    Parameters
    ----------
    scores : array-like of shape (m,)
        The attacker's score of each canary, made from the release without the coins.
    there : array-like of bool, shape (m,)
        The coins.
    delta : float
    confidence : float
    claimed : float
        The certified epsilon between two worlds that both had a removal: their releases are twice
        the certified distance apart, and that is the number to hold against this one.
    shares : tuple of float
        Shares of the canaries that are guessed about; the confidence is divided among them.

    Returns
    -------
    EpsilonBound

    Notes
    -----
    Guarantee: above the true epsilon with probability at most ``1 - confidence``.
    Assumes: fair independent coins that nothing else depends on.

    References
    ----------
    Steinke, Nasr & Jagielski (2023), Privacy auditing with one (1) training run, algorithm 1.
    """
    delta = real("delta", delta, low=0, high=1, closed="low")
    s, coins = np.asarray(scores, dtype=np.float64), np.asarray(there, dtype=bool)
    m = len(s)
    if s.shape != coins.shape or s.ndim != 1 or m < 10 or not np.isfinite(s).all():
        raise ValueError("scores and coins must be two finite arrays of one length of at least 10")
    outside = (1.0 - real("confidence", confidence, low=0, high=1)) / len(shares)
    # Ties are broken by position, which the coins do not know.
    order, best, ceiling = np.argsort(s, kind="stable"), (-1.0, 0, 0), 0.0
    for share in shares:
        half = max(1, round(0.5 * share * m))
        low, high = order[:half], order[m - half :]
        # All canaries: the two halves must not share the one in the middle.
        if 2 * half > m:
            low, high = order[: m // 2], order[m // 2 :]
        r = len(low) + len(high)
        # Right: there among the highest scores, and not there among the lowest.
        v = int(coins[high].sum() + (~coins[low]).sum())
        # Each share has its part of what may go wrong, so the best of them holds as it is.
        best = max(best, (one_run_bound(m, r, v, delta=delta, outside=outside), r, v))
        ceiling = max(ceiling, one_run_bound(m, r, r, delta=delta, outside=outside))
    r = best[1]
    needed = _needed(m, r, delta, outside, claimed)
    return EpsilonBound(
        audit="effective epsilon, from one run",
        statistic=best[0],
        null=(0.0, float(claimed)),
        level=1.0 - confidence,
        power={
            f"{round(100 * p)} of 100 guesses right": float(binom.sf(needed - 1, r, p))
            for p in (0.6, 0.75, 0.9)
        },
        scope="a lower bound: one release, these canaries, this score",
        delta=delta,
        confidence=confidence,
        ceiling=ceiling,
        attack=f"{best[2]} of {r} guesses right, of {m} canaries",
    )


def _needed(m: int, r: int, delta: float, outside: float, claimed: float) -> int:
    """Smallest number of right guesses that shows more than is claimed; r + 1 if none does."""
    low, high = 0, r + 1
    while low < high:
        v = (low + high) // 2
        if one_run_p_value(m, r, v, claimed, delta) < outside:
            high = v
        else:
            low = v + 1
    return low
