"""Lower bounds on epsilon from releases alone, with a stated confidence.

If ``P(E) <= e^epsilon Q(E) + delta`` for every event E, then every event gives
``epsilon >= log((P(E) - delta) / Q(E))``.  An attack is one event, found on one half of the
releases and counted on the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from .._common.arrays import Array
from .._common.validate import real
from .finding import Finding
from .rates import rate_above, rate_below

#: Levels at which thresholds are tried: dense in the tails, where ratios are large.
_LEVELS = np.concatenate([np.geomspace(5e-4, 0.5, 25), 1 - np.geomspace(5e-4, 0.5, 25)[::-1]])
Score = Callable[[Array], Array]
Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class EpsilonBound(Finding):
    """A lower bound on epsilon; the statistic is the bound, the null band what is claimed.

    Attributes
    ----------
    delta, confidence : float
        The bound holds with this probability for this delta.
    ceiling : float
        The largest bound that so many runs could have given.
    attack : str
        Which event was counted.
    """

    delta: float
    confidence: float
    ceiling: float
    attack: str

    @property
    def epsilon(self) -> float:
        """The bound."""
        return self.statistic


def _log_ratio(hits: Counts, n: int, false: Counts, m: int, delta: float, outside: float) -> Array:
    """Epsilon that so many hits and false alarms show, each rate at confidence 1 - outside."""
    # p_low - delta <= P(E) - delta <= e^epsilon Q(E) <= e^epsilon q_high, but for `outside` twice.
    p, q = rate_below(hits, n, outside), rate_above(false, m, outside)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(np.where(p > delta, np.log((p - delta) / q), 0.0), 0.0)


def effective_epsilon(
    released: ArrayLike,
    reference: ArrayLike,
    *,
    delta: float,
    confidence: float = 0.95,
    claimed: float = 0.0,
    score: Score | None = None,
    seed: int = 0,
) -> EpsilonBound:
    """Lower bound on epsilon from releases of a removal and of a retraining.

    A likelihood-ratio test between the two laws: Gaussians are fitted to a quarter of the runs, the
    event (statistic, threshold, which law it favours) is chosen on another, and counted on the
    half that is left.

    Parameters
    ----------
    released, reference : array-like of shape (n, ...) and (m, ...)
        Independent releases after the removal, and of retraining on the rows that stay.  The
        reference is best drawn by the auditor (`Law.draw`): then missing noise shows.
        Several releases of one run that may share noise make one entry.
    delta : float
    confidence : float
    claimed : float
        The certified epsilon at this delta; 0 claims that the laws are equal but for delta.
    score : callable, optional
        An attack of your own, from flattened releases (n, D) to numbers (n,).
    seed : int
        Of the division into halves.

    Returns
    -------
    EpsilonBound
        Fails where the bound is above ``claimed``.  ``power`` is the chance of that where the
        mean is so many deviations off in the direction that the attack looks in.

    Raises
    ------
    ValueError
        With fewer than 40 runs of either.

    Notes
    -----
    Guarantee: with probability at least ``confidence`` the bound is at most the smallest epsilon
    for which the laws are (epsilon, delta)-indistinguishable.  Proof: proofs/effective_epsilon.md

    References
    ----------
    Jagielski, Ullman & Oprea (2020), Auditing differentially private machine learning.
    """
    delta = real("delta", delta, low=0, high=1, closed="low")
    # Half of what may go wrong for each of the two rates.
    outside = 0.5 * (1.0 - real("confidence", confidence, low=0, high=1))
    sides = [_flat(released, "released"), _flat(reference, "reference")]
    if sides[0].shape[1] != sides[1].shape[1]:
        raise ValueError("releases and reference must have the same shape")
    rng = np.random.default_rng(seed)
    # The event is fixed before the runs that are counted are looked at, as the proof asks.
    fit, choose, count = zip(*(_parts(x, rng) for x in sides), strict=True)
    attacks = {"own": score} if score is not None else _attacks(*fit)
    best = -1.0, "", 0.0, 0
    for name, attack in attacks.items():
        # On runs of its own: given these, the event is fixed and the counts of the last half are
        # binomial.
        gain, threshold, event = _chosen(attack(choose[0]), attack(choose[1]), delta, outside)
        if gain > best[0]:
            best = gain, name, threshold, event
    _, name, threshold, event = best
    # Events 0 and 1 are {score > t} with either law on top, 2 and 3 their complements.
    above = [attacks[name](x) > threshold for x in count]
    sizes = [len(x) for x in count]
    n, m = sizes
    # Counted once, on the half that nothing was chosen on: nothing is to be divided among the
    # events.
    hits, false = (np.array([a.sum()]) for a in above)
    found = _events(hits, false, n, m, delta, outside)[event]
    return EpsilonBound(
        audit="effective epsilon, from releases",
        statistic=float(found[0]),
        null=(0.0, float(claimed)),
        level=2 * outside,
        power={
            f"mean {k} deviations off": _power(k, n, m, delta, outside, claimed) for k in (1, 3, 10)
        },
        scope="a lower bound: other attacks may show more",
        delta=delta,
        confidence=confidence,
        ceiling=float(_log_ratio(np.array([n]), n, np.array([0]), m, delta, outside)[0]),
        attack=f"{name} {'above' if event < 2 else 'below'} a threshold",
    )


def _flat(values: ArrayLike, name: str) -> Array:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim == 0 or len(x) < 40 or not np.isfinite(x).all():
        raise ValueError(f"{name} must hold at least 40 finite runs, got shape {x.shape}")
    return x.reshape(len(x), -1)


def _parts(x: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Divide runs at random: a quarter to fit, a quarter to choose, a half to count."""
    order = rng.permutation(len(x))
    a, b = len(x) // 4, len(x) // 2
    return x[order[:a]], x[order[a:b]], x[order[b:]]


def _attacks(p: Array, q: Array) -> dict[str, Score]:
    """Statistics that tell two Gaussians apart: their means, their sizes, both together."""
    centre = q.mean(axis=0)
    # Coordinates of one run may be copies of another's: a singular covariance is what is looked
    # for, so it is only kept from dividing by zero.
    root = _half(np.cov(q.T).reshape(q.shape[1], -1))

    def white(x: Array) -> Array:
        return np.asarray((x - centre) @ root)

    wp = white(p)
    gap, other = wp.mean(axis=0), _half(np.cov(wp.T).reshape(wp.shape[1], -1))

    def both(x: Array) -> Array:
        y = white(x)
        # Twice the log likelihood ratio of two Gaussians, but for a constant.
        return np.asarray(np.sum(y**2, axis=1) - np.sum(((y - gap) @ other) ** 2, axis=1))

    return {
        "shift": lambda x: np.asarray(white(x) @ gap),
        "size": lambda x: np.sum(white(x) ** 2, axis=1),
        "likelihood ratio": both,
    }


def _half(covariance: Array) -> Array:
    """Inverse root of a covariance whose small eigenvalues are floored."""
    values, vectors = np.linalg.eigh(covariance)
    # Relative to the largest: the units of the weights are the caller's.
    floor = max(float(values[-1]) * 1e-10, 1e-300)
    return np.asarray(vectors / np.sqrt(np.maximum(values, floor)))


def _events(p: Counts, q: Counts, n: int, m: int, delta: float, outside: float) -> list[Array]:
    """Bounds by the event above and below, each with either law in the numerator."""
    return [
        _log_ratio(p, n, q, m, delta, outside),
        _log_ratio(q, m, p, n, delta, outside),
        _log_ratio(n - p, n, m - q, m, delta, outside),
        _log_ratio(m - q, m, n - p, n, delta, outside),
    ]


def _chosen(p: Array, q: Array, delta: float, outside: float) -> tuple[float, float, int]:
    """Return the best bound over thresholds and events, the threshold and the event."""
    thresholds = np.quantile(np.concatenate([p, q]), _LEVELS)
    hits, false = (len(x) - np.searchsorted(np.sort(x), thresholds, side="right") for x in (p, q))
    bounds = np.array(_events(hits, false, len(p), len(q), delta, outside))
    event, at = np.unravel_index(int(bounds.argmax()), bounds.shape)
    return float(bounds[event, at]), float(thresholds[at]), int(event)


def _power(k: float, n: int, m: int, delta: float, outside: float, claimed: float) -> float:
    """Chance that the bound exceeds what is claimed where the mean is k deviations off."""
    hits, best = np.arange(n + 1), 0.0
    low = rate_below(hits, n, outside) - delta
    # Thresholds in deviations of the reference: the best of them is what the attack would find.
    for t in np.linspace(-1.0, 4.0, 11):
        p, q = float(norm.sf(t - k)), float(norm.sf(t))
        false = np.arange(int(binom.ppf(1 - 1e-9, m, q)) + 1)
        needed = math.exp(min(claimed, 700.0)) * rate_above(false, m, outside)
        # Smallest number of hits that shows enough, for each number of false alarms.
        first = np.searchsorted(low, needed, side="right")
        chance = binom.pmf(false, m, q) * binom.sf(first - 1, n, p)
        best = max(best, float(chance.sum()))
    return min(best, 1.0)
