"""The budget a certificate is written from: caps of every release, and all releases together.

Everything here is a function of public constants: nothing sees a row.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._common.replaced import replace
from .._common.rounding import down, up
from .bounds import joint_drift
from .tradeoff import epsilon_from_delta, mu_from_epsilon_delta

#: What may be counted: one release, or all releases since the oldest removal together.
VIEWS = ("release", "transcript")


#: Of the transcript's budget, what the releases within the horizon share, and what is left for
#: all later ones.
_WITHIN, _BEYOND = 0.9, 0.1


def share(horizon: int, t: int) -> float:
    """Part of the transcript's mu squared that release t may use.

    ``0.9 / H`` up to the horizon H and ``0.1 H / (t (t - 1))`` beyond it: 1 over all t.
    """
    # 1 / (t (t - 1)) = 1 / (t - 1) - 1 / t telescopes: the sum beyond H is 0.1 H (1 / H).
    return _WITHIN / horizon if t <= horizon else _BEYOND * horizon / t / (t - 1)


@dataclass(frozen=True)
class Caps:
    """What release t may use, fixed before any request.

    Attributes
    ----------
    fit : float
        r_fit, the distance to the optimum that the reference promises.
    target : float
        Distance to the optimum that a removal must certify.
    drift : float
        Largest whitened difference of the two covariances that is charged.
    """

    fit: float
    target: float
    drift: float


#: What a covariance that is a constant costs: no epsilon, and a delta of 0.
NO_DRIFT = 0.0, math.inf


class Joint(NamedTuple):
    """What holds for several releases together.

    Attributes
    ----------
    epsilon : float
        At the delta that was asked for.
    mu : float
        Distance of the joint means over sigma.
    drift : (float, float)
        What of these the joint covariances may cost: an epsilon, and log(1 / delta).
    """

    epsilon: float
    mu: float
    drift: tuple[float, float]


#: What holds where nothing is promised.
UNBOUNDED = Joint(math.inf, math.inf, NO_DRIFT)


@dataclass(frozen=True)
class Budget:
    """How (epsilon, delta) is divided between the shift of the mean and the drift of covariance.

    Attributes
    ----------
    dimension : int
        Number of released coordinates; other releases of the same model may have others.
    epsilon, delta, sigma : float
        As asked for.
    view : {"release", "transcript"}
        Whether they are meant for one release or for all since the oldest removal together.
    horizon : int
        In the transcript view, how many releases have equal caps; later ones get smaller ones.
    mu : float
        The cap on the distance of the two means over sigma; in the transcript view on the root of
        the sum of its squares over all releases.
    drift_cap : float
        Cap on the drift at the first release.
    drift_epsilon : float
        What the drift may cost.
    """

    dimension: int
    epsilon: float
    delta: float
    sigma: float
    view: str
    horizon: int
    mu: float
    drift_cap: float
    drift_epsilon: float

    def share(self, t: int) -> float:
        """Part of mu squared that release t = 1, 2, ... since the oldest removal may use.

        In the transcript view `share`.
        """
        return share(self.horizon, t) if self.view == "transcript" else 1.0

    def caps(self, t: int) -> Caps:
        """Return the caps of release t = 1, 2, ... since the oldest removal.

        In the transcript view ``mu_t = mu sqrt(share(t))``, so that ``sum_t mu_t^2 <= mu^2``
        however many releases there are.  A pass gains digits, so a target costs its logarithm, and
        within the horizon equal targets cost least.

        Notes
        -----
        Guarantee: ``fit (1 + drift) + target <= sigma mu_t``.  Proof: proofs/calibrate.md
        """
        # A fit comes before every removal; its caps are those of the first release after one.
        t = max(t, 1)
        mu, drift = self.mu, self.drift_cap
        if self.view == "transcript":
            # share: at most three roundings and a constant's; the root halves them, two more
            # follow.
            mu = down(mu * math.sqrt(self.share(t)), 8)
            drift = max(down(drift * math.sqrt(self.share(t) / self.share(1)), 8), 0.0)
        # A tenth for the reference's own distance: it costs the removal a tenth of its room, and
        # a fit a Newton step or two.
        # ||m2 - w*||_{A1} <= fit / sqrt(1 - drift) <= fit (1 + drift): target is what sigma mu
        # leaves.
        fit = down(0.1 * self.sigma * mu)
        return Caps(fit, down(down(self.sigma * mu) - up(fit * (1.0 + drift))), drift)

    @property
    def fit_distance(self) -> float:
        """r_fit of the first release."""
        return self.caps(1).fit

    @property
    def distance_target(self) -> float:
        """Distance that a removal must certify at the first release."""
        return self.caps(1).target

    @property
    def drift(self) -> tuple[float, float]:
        """What a drift of the covariance may cost: its epsilon, and the log of 1 / delta."""
        if not self.drift_epsilon:
            return NO_DRIFT
        return self.drift_epsilon, _log_tail(self.epsilon, self.delta)

    def joint(self, releases: int) -> Joint:
        """Return what holds for ``releases`` releases together, from the caps alone.

        Against running the training mechanism afresh at every one of the same requests.

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/joint_epsilon.md
        """
        if releases <= 1 or self.view == "transcript":
            return Joint(self.epsilon, self.mu, self.drift)
        return composed([(self, releases)], self.delta)

    def joint_epsilon(self, releases: int) -> float:
        """Epsilon of ``releases`` releases together, at the same delta."""
        return self.joint(releases).epsilon


def allowed(budget: Budget | None, t: int) -> Caps | None:
    """Return the caps of release t of a model; None without noise, where nothing is promised."""
    return None if budget is None else budget.caps(t)


def composed_mu(parts: Sequence[tuple[Budget, int]]) -> float:
    """Distance over sigma of the joint means of releases of several models, from the caps.

    ``parts`` are the budgets and the number of releases; see `composed`.
    """
    # A transcript's mu is for all of its releases: they count once.
    counts = [1 if b.view == "transcript" else k for b, k in parts]
    # Independent shifts compose to (sum k mu^2)^{1/2}-GDP (Dong, Roth & Su 2022, Corollary 3.3).
    return up(math.sqrt(sum(k * b.mu * b.mu for (b, _), k in zip(parts, counts, strict=True))), 8)


def composed(parts: Sequence[tuple[Budget, int]], delta: float) -> Joint:
    """Return what holds for releases of one or several models together, from the caps alone.

    Against running every training mechanism afresh at every one of the same requests.

    Parameters
    ----------
    parts : sequence of (Budget, int)
        Of each model: its budget, and how many of its releases since the oldest removal are
        counted, at least one.
    delta : float
        At which epsilon is wanted.

    Notes
    -----
    Guarantee: as stated, where the noise of all releases is independent.
    Proof: proofs/joint_epsilon.md
    """
    mu = composed_mu(parts)
    charged = [(b, k) for b, k in parts if b.drift_cap > 0]
    if not charged:
        return Joint(epsilon_from_delta(delta, mu), mu, NO_DRIFT)
    # D f^2 / 4 <= V_i and f <= F_i at every release of model i, whatever its D.
    shares = [drift_shares(b.drift_epsilon, _log_tail(b.epsilon, b.delta)) for b, _ in charged]
    # In the transcript view all releases together have what one of them has in the other.
    counts = [1 if b.view == "transcript" else k for b, k in charged]
    spread = up(math.fsum(v * k for (v, _), k in zip(shares, counts, strict=True)), 4)
    largest = max(f for _, f in shares)

    def drift_of(epsilon: float) -> float:
        return joint_drift(spread, largest, _log_tail(epsilon, delta))

    # What the drift will cost, at an epsilon that is seldom exceeded.
    guess = max(b.epsilon for b, _ in parts)
    room = drift_of(guess + 0.5 * mu * mu + mu * math.sqrt(-2.0 * math.log(delta)))
    # epsilon and the cost of the drift depend on one another: guess the room that it needs
    # and accept the first guess that is large enough.  The check is the accepting.
    while (left := 0.998 * delta * math.exp(-room)) > 1e-300:
        epsilon = epsilon_from_delta(left, mu)
        drift = drift_of(epsilon)
        if drift <= room:
            return Joint(up(epsilon + drift), mu, (drift, _log_tail(epsilon, delta)))
        room = 1.25 * drift
    return Joint(math.inf, mu, NO_DRIFT)


def _log_tail(epsilon: float, delta: float) -> float:
    """Return log(1 / (1e-3 delta e^-epsilon)), rounded up: what the drift's tail is left."""
    # By logarithms: the tail itself may be below the smallest float.
    return up(epsilon - math.log(delta) + math.log(1e3), 8)


def drift_shares(reserve: float, log_tail: float) -> tuple[float, float]:
    """Divide what the drift of one release may cost, whatever its number of coordinates.

    Returns (v, f) with ``2 v + 2 sqrt(v x) <= reserve / 2`` and ``f x <= reserve / 2`` for
    x = log_tail: what `joint_drift` charges for them is at most ``reserve``.  Releases that
    keep to them add up without anybody having to know how many coordinates each had.
    """
    x = log_tail
    # The positive root of 2 r^2 + 2 r sqrt(x) = reserve / 2, r = sqrt(v), without cancellation.
    # sqrt(V) = (sqrt(x + reserve) - sqrt(x)) / 2.
    root = 0.5 * reserve / (math.sqrt(x) + math.sqrt(x + reserve))
    return max(down(root * root, 32), 0.0), max(down(0.5 * reserve / x, 8), 0.0)


def calibrate(
    epsilon: float,
    delta: float,
    sigma: float,
    *,
    dimension: int,
    drifts: bool,
    view: str = "release",
    horizon: int = 1,
) -> Budget:
    """Divide (epsilon, delta) between the shift of the mean and the drift of the covariance.

    Parameters
    ----------
    epsilon, delta, sigma : float
        What is asked for; ``0 < epsilon <= 700``, ``0 < delta < 1``, ``sigma > 0``.
    dimension : int
        Number of released coordinates.
    drifts : bool
        False if the covariance is a constant (isotropic noise).
    view : {"release", "transcript"}
        Whether epsilon and delta are meant for each release or for all of them together.
    horizon : int
        As in `Budget`.

    Raises
    ------
    ValueError
        If no positive shift of the mean, or no drift that a float can hold, fits in.

    Notes
    -----
    Guarantee: two releases whose means are at most ``target + fit`` apart in the norm of the noise
    and whose covariances differ by at most ``drift``, whitened (`Budget.caps`), are
    (epsilon, delta)-indistinguishable, both ways; in the transcript view so are any number of
    releases together.  Proof: proofs/calibrate.md
    """
    if not 0 < epsilon <= 700:
        raise ValueError(f"epsilon must be in (0, 700], got {epsilon!r}")
    if not 1e-300 < delta < 1:
        # Below, parts of delta would be rounded like whole ones.
        raise ValueError(f"delta must be in (1e-300, 1), got {delta!r}")
    # A thousandth of epsilon for the drift, as covariances differ by rounding alone; more where
    # many releases share it: it grows with the rows and with how nearly collinear columns are.
    part = 5e-3 if view == "transcript" else 1e-3
    reserve = min(part * epsilon, part) if drifts else 0.0
    # e^{e0} d1 + d0 <= delta and e^{e1} d0 + d1 <= delta with d1 = 1e-3 delta e^{-epsilon}; 1e-12
    # for roundings.
    left = 0.999 * delta * math.exp(-reserve) * (1 - 1e-12) if drifts else delta
    # The shift alone is (e0, d0)-indistinguishable; covariance_drift chains (e1, d1) to it.
    mu = mu_from_epsilon_delta(epsilon - reserve, left)
    budget = Budget(dimension, epsilon, delta, sigma, view, horizon, mu, 0.0, reserve)
    if not drifts:
        return budget
    spread, largest = drift_shares(reserve, _log_tail(epsilon, delta))
    # Solve v = D f^2 / 4 for f, then f = e / (1 - e) and e = eta / (1 - eta) for eta.
    f = min(largest, 2.0 * math.sqrt(spread * budget.share(1) / dimension))
    cap = down(f / (1.0 + 2.0 * f), 8)
    # Subnormal numbers carry no relative accuracy.
    if not (cap > 0 and spread * budget.share(1) / dimension >= sys.float_info.min):
        raise ValueError(
            f"epsilon={epsilon!r} leaves no room for the rounding of a covariance that depends on "
            'the rows: raise epsilon, or use mechanism="isotropic"'
        )
    return replace(budget, drift_cap=cap)
