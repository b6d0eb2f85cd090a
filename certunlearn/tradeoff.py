"""The exact (epsilon, delta) trade-off of mu-GDP, and the budget a certificate is written from.

Everything here is a function of public constants: nothing sees a row.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, ndtr

from ._rounding import down, up
from .bounds import covariance_drift

_SMALLEST = 5e-324
_RELATIVE = 1e-11


def delta_from_epsilon(epsilon: float, mu: float) -> float:
    """Upper bound on delta(epsilon) of two unit Gaussians whose means are ``mu`` apart.

    ``delta = Phi(mu/2 - epsilon/mu) - exp(epsilon) Phi(-mu/2 - epsilon/mu)``, evaluated without
    cancellation where a scaled complementary error function allows and capped where not.

    Parameters
    ----------
    epsilon : float
        At least 0.
    mu : float
        At least 0.

    Returns
    -------
    float
        At least the true value; the smallest positive double where that underflows.

    Notes
    -----
    Guarantee: at least the true value.  Proof: proofs/delta_from_epsilon.md

    References
    ----------
    Balle & Wang (2018), Improving the Gaussian mechanism, Theorem 8.
    """
    if not (epsilon >= 0 and mu >= 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon and mu must be at least 0, got {epsilon!r} and {mu!r}")
    if mu == 0:
        return 0.0
    if math.isinf(mu):
        return 1.0
    x1, x2 = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    root2 = math.sqrt(2.0)
    # An error of u (eps/mu + mu/2) in x1 moves log(density) by x1 times that.
    error = _RELATIVE + 8 * sys.float_info.epsilon * x2 * (1 + abs(x1))
    density = math.exp(-0.5 * x1 * x1) if abs(x1) < 40 else 0.0
    second = 0.5 * density * float(erfcx(x2 / root2))
    first = 0.5 * density * float(erfcx(x1 / root2)) if x1 >= 0 else float(ndtr(-x1))
    value = first - second + error * (first + second)
    # The density of the gap integrates to at most mu times its largest value.
    peak = density if mu * mu <= 2 * epsilon else 1.0
    cap = mu * peak / math.sqrt(2 * math.pi) * (1 + error)
    return max(min(value, cap, 1.0), _SMALLEST)


def mu_from_epsilon_delta(epsilon: float, delta: float) -> float:
    """Largest mu found with ``delta_from_epsilon(epsilon, mu) <= delta`` (checked at the end).

    Notes
    -----
    Guarantee: mu-GDP implies (epsilon, delta).  Proof: proofs/delta_from_epsilon.md

    Examples
    --------
    >>> round(mu_from_epsilon_delta(1.0, 1e-6), 4)
    0.2367
    """
    if not (epsilon > 0 and math.isfinite(epsilon) and 0 < delta < 1):
        raise ValueError(f"need epsilon > 0 and 0 < delta < 1, got {epsilon!r} and {delta!r}")
    low, high = 0.0, 1.0
    while delta_from_epsilon(epsilon, high) <= delta:
        low, high = high, 2 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (
            (middle, high) if delta_from_epsilon(epsilon, middle) <= delta else (low, middle)
        )
    if not (low > 0 and delta_from_epsilon(epsilon, low) <= delta):
        raise ValueError(f"no positive mu meets epsilon={epsilon!r}, delta={delta!r}")
    return float(np.nextafter(low, 0.0))


def epsilon_from_delta(delta: float, mu: float) -> float:
    """Smallest epsilon found with ``delta_from_epsilon(epsilon, mu) <= delta`` (checked).

    Notes
    -----
    Guarantee: mu-GDP implies (epsilon, delta).  Proof: proofs/delta_from_epsilon.md
    """
    if not (0 < delta < 1 and mu >= 0):
        raise ValueError(f"need 0 < delta < 1 and mu >= 0, got {delta!r} and {mu!r}")
    if math.isinf(mu):
        return math.inf
    if delta_from_epsilon(0.0, mu) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while delta_from_epsilon(high, mu) > delta:
        low, high = high, 2 * high
        if not math.isfinite(high):
            return math.inf
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (low, middle) if delta_from_epsilon(middle, mu) <= delta else (middle, high)
    return high


@dataclass(frozen=True)
class Budget:
    """What may be spent on what, fixed before any request.

    Attributes
    ----------
    dimension : int
        Number of released coordinates.
    epsilon, delta, sigma : float
        As asked for.
    mu : float
        The cap on (distance of the two means) / sigma.
    fit_distance : float
        r_fit, the distance to the optimum that every fit promises.
    distance_target : float
        The distance to the optimum a removal must certify.
    drift_cap : float
        Largest whitened difference of the two covariances that is charged.
    drift_epsilon : float
        What that charge may cost.
    """

    dimension: int
    epsilon: float
    delta: float
    sigma: float
    mu: float
    fit_distance: float
    distance_target: float
    drift_cap: float
    drift_epsilon: float

    def joint_epsilon(self, releases: int) -> float:
        """Epsilon of ``releases`` releases together, at the same delta, from the caps alone.

        Against running the training mechanism afresh at every one of the same requests.

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/joint_epsilon.md
        """
        if releases <= 1:
            return self.epsilon
        mu = up(self.mu * math.sqrt(releases))
        if self.drift_cap == 0:
            return epsilon_from_delta(self.delta, mu)
        room = 2.0 * releases * self.drift_epsilon
        while room < 700:
            epsilon = epsilon_from_delta(0.998 * self.delta * math.exp(-room), mu)
            tail = 1e-3 * self.delta * math.exp(-min(epsilon, 1e3)) / releases
            if tail == 0:
                break
            drift = releases * covariance_drift(self.drift_cap, self.dimension, tail)
            if drift <= room:
                return up(epsilon + drift)
            room *= 2.0
        return math.inf


def calibrate(
    epsilon: float, delta: float, sigma: float, *, dimension: int, drifts: bool
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

    Notes
    -----
    Guarantee: two releases whose means are at most ``distance_target + fit_distance`` apart in
    the norm of the noise and whose covariances differ by at most ``drift_cap``, whitened, are
    (epsilon, delta)-indistinguishable, both ways.  Proof: proofs/calibrate.md
    """
    if not 0 < epsilon <= 700:
        raise ValueError(f"epsilon must be in (0, 700], got {epsilon!r}")
    reserve = min(1e-3 * epsilon, 1e-3) if drifts else 0.0
    tail = 1e-3 * delta * math.exp(-epsilon) if drifts else 0.0
    left = 0.999 * delta * math.exp(-reserve) * (1 - 1e-12) if drifts else delta
    mu = mu_from_epsilon_delta(epsilon - reserve, left)
    cap = 0.0
    if drifts and tail > 0:
        low, high = 0.0, 0.25
        for _ in range(60):
            middle = 0.5 * (low + high)
            fits = covariance_drift(middle, dimension, tail) <= reserve
            low, high = (middle, high) if fits else (low, middle)
        cap = low
    fit = down(0.1 * sigma * mu)
    target = down(down(sigma * mu) - up(fit * (1.0 + cap)))
    return Budget(dimension, epsilon, delta, sigma, mu, fit, target, cap, reserve)
