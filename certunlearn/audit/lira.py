"""Likelihood-ratio membership test on forgotten rows, with an exact null.

In every world a fair coin decides for each target whether it was in the training set; those that
were are forgotten.  A perfect removal's release does not depend on the coins, so drawing the coins
again gives the exact law of any statistic: no assumption of normality, nor of independence between
targets, is made for the null band.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from .._common.arrays import Array, Positions
from .._common.validate import count, real
from .finding import Finding
from .rates import mean_interval
from .scores import Predictor, confidence

Bits = NDArray[np.bool_]
#: Trains on some rows (n,) and forgets others of them; see `lira_forget`.
Unlearn = Callable[[Bits, Positions], Predictor]
#: False positive rates at which power is stated.
LEVELS = (0.01, 0.001)


@dataclass(frozen=True, kw_only=True)
class Lira(Finding):
    """What a membership test finds of forgotten rows; see `lira_forget`.

    The statistic is the largest of AUC and true positive rates, each in deviations of its own null.

    Attributes
    ----------
    auc : float
    false_positive_rates, thresholds : tuple of float
        As realised, and the likelihood ratios (logarithms) at which they were.
    true_positive_rates : tuple of float
        At these.
    intervals : tuple of (float, float)
        Confidence intervals of the true positive rates, worlds being what is independent.
    null_true_positive_rates : tuple of float
        The largest that the null band allows at these levels, by drawing coins anew.
    advantage : ndarray of shape (m,)
        Of each target: mean likelihood ratio where it was, less where it never was, in deviations
        of that difference.
    shadows, victims, targets : int
        Worlds the test learnt from, worlds it was tried in, rows or groups.
    log_ratios, coins : ndarray of shape (victims, targets)
        What the curves are drawn from.
    """

    auc: float
    false_positive_rates: tuple[float, ...]
    thresholds: tuple[float, ...]
    true_positive_rates: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    null_true_positive_rates: tuple[float, ...]
    advantage: Array
    shadows: int
    victims: int
    targets: int
    log_ratios: Array = field(repr=False)
    coins: Bits = field(repr=False)


def lira_forget(
    unlearn: Unlearn,
    X: ArrayLike,
    y: ArrayLike,
    rows: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    shadows: int = 256,
    victims: int = 256,
    shadow: Callable[[Bits], Array] | None = None,
    score: Callable[[Predictor, ArrayLike, ArrayLike], Array] = confidence,
    level: float = 0.05,
    confidence_level: float = 0.95,
    effect: float = 1.0,
    seed: int = 0,
) -> Lira:
    """Test whether an attacker can tell rows that were forgotten from rows that never were there.

    The retrained control is ``lambda there, gone: retrain(there without gone)`` at the same place:
    same worlds, same attack, same number of runs.

    Parameters
    ----------
    unlearn : callable
        Gets a mask (n,) of the rows to train on, and the positions among them to forget; returns
        the fitted model after the removal.
    X, y : array-like of shape (n, d), (n,)
        All rows, targets among them.
    rows : array-like of int, shape (m,)
        Targets: those forgotten, or the ones of highest influence, which averages over rows hide
        (Hayes et al. 2024; RULI 2025).
    groups : array-like of shape (m,), optional
        Whom each target belongs to.  All rows of a person share a coin, and their ratios add up.
    shadows, victims : int
        Worlds to learn from and worlds to be tried in.
    shadow : callable, optional
        Scores (T, m) of T masks (T, n), without a removal: thousands of heads trained at once
        (`logistic_heads`), rows that are there against rows that never were.  Without it the
        shadows are removals like the victims.
    score : callable
        Of (model, X, y); `confidence` if not given.
    level : float
        Chance of a false alarm.
    confidence_level : float
        Of each interval.
    effect : float
        The shift of a score, in its own deviations, that is to be found with a chance of 0.9.

    Raises
    ------
    ValueError
        With fewer shadows or victims than ``effect`` and the false positive rates need.

    Notes
    -----
    Guarantee: a removal whose release does not depend on what was removed fails with probability
    at most ``level``.  Proof: proofs/lira_forget.md

    References
    ----------
    Carlini et al. (2022), Membership inference attacks from first principles.  Hayes et al. (2024),
    Inexact unlearning needs more careful evaluations.
    """
    targets = np.asarray(rows, dtype=np.int64)
    owner = np.arange(len(targets)) if groups is None else _codes(groups, len(targets))
    m = int(owner.max()) + 1
    shadows, victims = count("shadows", shadows, low=1), count("victims", victims, low=1)
    real("level", level, low=0, high=1)
    _enough(shadows, victims, m, effect, level)
    rng = np.random.default_rng(seed)
    # Fair and independent, one a person: rows of one person go together or not at all.
    coins = rng.random((shadows + victims, m)) < 0.5
    features, labels = np.asarray(X), np.asarray(y)

    def mask(bits: Bits) -> Bits:
        there = np.ones(len(features), dtype=bool)
        # Only targets are ever left out: the rows that stay are the same in every world.
        there[targets] = bits[owner]
        return there

    def scored(bits: Bits) -> Array:
        model = unlearn(mask(bits), targets[bits[owner]])
        return score(model, features[targets], labels[targets])

    if shadow is None:
        learnt = np.array([scored(bits) for bits in coins[:shadows]])
    else:
        learnt = np.asarray(shadow(np.array([mask(bits) for bits in coins[:shadows]])))
    tried = np.array([scored(bits) for bits in coins[shadows:]])
    ratios = _log_ratios(learnt, coins[:shadows][:, owner], tried)
    # Ratios of one person's rows add up, as their logarithms do under independence; nothing rests
    # on it.
    pooled = np.array([np.bincount(owner, r) for r in ratios])
    return _finding(pooled, coins[shadows:], shadows, level, confidence_level, rng)


def _codes(groups: ArrayLike, m: int) -> Positions:
    names = np.asarray(groups)
    if len(names) != m:
        raise ValueError(f"groups must name the owner of each of the {m} rows, got {len(names)}")
    return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)


def _caught(effect: float, victims: int, level: float) -> float:
    """Power of the AUC where all scores of a world move together, so that only worlds count."""
    # AUC of two normal laws `effect` apart is Phi(effect / sqrt 2); with worlds of either kind in
    # equal number its variance is 1 / (3 victims) where there is no effect (Mann & Whitney).
    gain = float(norm.cdf(effect / np.sqrt(2.0))) - 0.5
    return float(norm.cdf(gain * np.sqrt(3.0 * victims) - norm.isf(level / 3)))


def _enough(shadows: int, victims: int, m: int, effect: float, level: float) -> None:
    """Refuse worlds too few for the power and the false positive rates asked for."""
    if shadows < 64:
        raise ValueError(f"a mean and a deviation of each side want 64 shadows, got {shadows}")
    power = _caught(effect, victims, level)
    if power < 0.9:
        raise ValueError(
            f"{victims} victims find a shift of {effect:g} deviations with a chance of {power:.2f} "
            "only: more victims, or a larger effect"
        )
    needed = int(np.ceil(4 / min(LEVELS)))
    if victims * m < needed:
        raise ValueError(
            f"a false positive rate of {min(LEVELS):g} cannot be seen in {victims} victims of {m} "
            f"targets: their product must be at least {needed}"
        )


def _log_ratios(learnt: Array, coins: Bits, tried: Array) -> Array:
    """Logarithms of likelihood ratios of two normal laws fitted to each row's shadows."""
    out = np.empty_like(tried)
    for j in range(tried.shape[1]):
        there, never = learnt[coins[:, j], j], learnt[~coins[:, j], j]
        spread = np.array([max(v.std(ddof=1), 1e-12) for v in (there, never)])
        # Deviations of few shadows that happen to differ would drown the means in the tails.
        if max(spread) < 1.5 * min(spread):
            spread[:] = np.sqrt(np.mean(spread**2))
        x = tried[:, j]
        out[:, j] = norm.logpdf(x, there.mean(), spread[0]) - norm.logpdf(
            x, never.mean(), spread[1]
        )
    return out


def _rates(ratios: Array, ranks: Array, coins: Bits) -> Array:
    """AUC and true positive rates at `LEVELS`, for one draw of the coins."""
    members, others = ratios[coins], np.sort(ratios[~coins])
    n, k = len(members), len(others)
    # Mann & Whitney: the ranks of the members among all.
    auc = (ranks[coins].sum() - n * (n + 1) / 2) / (n * k)
    at = [_threshold(others, a) for a in LEVELS]
    return np.array([auc, *(np.mean(members > t) for t in at)])


def _threshold(others: Array, rate: float) -> float:
    """Smallest threshold with at most that rate of sorted non-members above."""
    return float(others[len(others) - 1 - int(rate * len(others))])


def _finding(
    ratios: Array, coins: Bits, shadows: int, level: float, sure: float, rng: np.random.Generator
) -> Lira:
    ranks = rankdata(ratios).reshape(ratios.shape)
    found = _rates(ratios, ranks, coins)
    # Ten times more draws than the level needs to be a whole number of them.
    draws = max(199, int(np.ceil(10 / level)) - 1)
    # Given the ratios, other fair coins are as likely as the true ones if the release does not
    # depend on them.
    null = np.array([_rates(ratios, ranks, rng.random(coins.shape) < 0.5) for _ in range(draws)])
    everything = np.vstack([found, null])
    centre, spread = everything.mean(axis=0), np.maximum(everything.std(axis=0), 1e-9)
    # The observed draw is one among them, so all are treated alike and ranks stay exact.
    largest = ((everything - centre) / spread).max(axis=1)
    # The k-th largest of the other draws, k = floor(level (draws + 1)): exact by exchangeability
    # (Phipson & Smyth 2010).
    high = np.sort(largest[1:])[::-1][int(level * (draws + 1)) - 1]
    others = np.sort(ratios[~coins])
    thresholds = tuple(_threshold(others, a) for a in LEVELS)
    per_world = [[_share(r[c] > t) for r, c in zip(ratios, coins, strict=True)] for t in thresholds]
    return Lira(
        audit="membership test on forgotten rows",
        statistic=float(largest[0]),
        null=(-np.inf, float(high)),
        level=level,
        power={f"scores {e:g} deviations off": _caught(e, len(coins), level) for e in (0.5, 1, 2)},
        scope="these rows, this score, an attacker with all other rows",
        auc=float(found[0]),
        false_positive_rates=tuple(float(np.mean(others > t)) for t in thresholds),
        thresholds=thresholds,
        true_positive_rates=tuple(float(v) for v in found[1:]),
        intervals=tuple(mean_interval([v for v in w if v >= 0], sure) for w in per_world),
        null_true_positive_rates=tuple(
            float(np.quantile(null[:, i], 1 - level)) for i in range(1, len(LEVELS) + 1)
        ),
        advantage=_advantage(ratios, coins),
        shadows=shadows,
        victims=len(coins),
        targets=coins.shape[1],
        log_ratios=ratios,
        coins=coins,
    )


def _share(above: Bits) -> float:
    """Share of a world's members above a threshold; -1 where it has none."""
    return float(np.mean(above)) if len(above) else -1.0


def _advantage(ratios: Array, coins: Bits) -> Array:
    """Difference of each target's mean ratio between its two kinds of worlds, in deviations."""
    out = np.zeros(ratios.shape[1])
    for j in range(len(out)):
        a, b = ratios[coins[:, j], j], ratios[~coins[:, j], j]
        if min(len(a), len(b)) > 1:
            # Welch's: the two kinds of worlds need not spread alike.
            error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
            out[j] = (a.mean() - b.mean()) / max(error, 1e-300)
    return out
