"""Confidence bounds on rates: exact for counts, and valid for means of anything in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import xlogy
from scipy.stats import beta

from .._common.arrays import Array


def rate_below(hits: ArrayLike, trials: int, outside: float) -> Array:
    """Lower confidence bound on a probability from counts (Clopper & Pearson 1934).

    Notes
    -----
    Guarantee: above the true probability with probability at most ``outside``.
    """
    k = np.asarray(hits, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        # P(B >= k) at p = low is `outside`: the quantile of the beta distribution that belongs to
        # it.
        low = beta.ppf(outside, k, trials - k + 1)
    return np.where(k > 0, low, 0.0)


def rate_above(hits: ArrayLike, trials: int, outside: float) -> Array:
    """Upper confidence bound on a probability from counts (Clopper & Pearson 1934).

    Notes
    -----
    Guarantee: below the true probability with probability at most ``outside``.
    """
    k = np.asarray(hits, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        high = beta.ppf(1.0 - outside, k + 1, trials - k)
    return np.where(k < trials, high, 1.0)


def rate_interval(hits: int, trials: int, confidence: float) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a probability.

    Examples
    --------
    >>> low, high = rate_interval(5, 10, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.187, 0.813)
    """
    outside = 0.5 * (1.0 - confidence)
    return float(rate_below(hits, trials, outside)), float(rate_above(hits, trials, outside))


def mean_interval(values: ArrayLike, confidence: float) -> tuple[float, float]:
    """Confidence interval of the mean of independent values in [0, 1], such as rates of clusters.

    ``{p : n KL(mean || p) <= log(2 / (1 - confidence))}``, after Chernoff's bound, which Hoeffding
    (1963, Theorem 1) showed for everything in [0, 1] and not for coins alone.

    Notes
    -----
    Guarantee: holds the true mean with probability at least ``confidence``.
    """
    x = np.asarray(values, dtype=np.float64)
    if not (len(x) and np.all((x >= 0) & (x <= 1))):
        raise ValueError("values must lie in [0, 1]")
    m = float(x.mean())
    # Half of what may go wrong on either side, hence the 2.
    room = float(np.log(2.0 / (1.0 - confidence))) / len(x)

    def excess(p: float) -> float:
        return float(xlogy(m, m / p) + xlogy(1 - m, (1 - m) / (1 - p))) - room

    tiny = 1e-15
    low = 0.0 if m == 0 or excess(tiny) <= 0 else float(brentq(excess, tiny, min(m, 1 - tiny)))
    high = 1.0 if m == 1 or excess(1 - tiny) <= 0 else float(brentq(excess, max(m, tiny), 1 - tiny))
    return low, high
