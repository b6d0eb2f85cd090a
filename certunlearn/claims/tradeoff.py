"""The exact (epsilon, delta) trade-off of mu-GDP: Gaussians whose means are mu apart.

Everything here is a function of public constants: nothing sees a row.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfcx, ndtr

_SMALLEST = 5e-324
# What erfcx and ndtr may be off by, relatively: SciPy states 1e-14 or so, three digits to spare.
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
    # delta = Phi(-x1) - e^epsilon Phi(-x2), and e^epsilon phi(x2) = phi(x1): both terms share a
    # factor, the density at x1, once they are written with erfcx.
    x1, x2 = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    # exp(-800) underflows: all that is left is to say that delta is not zero.
    if x1 >= 40:
        return 5 * _SMALLEST
    root2 = math.sqrt(2.0)
    # An error of u (eps/mu + mu/2) in x1 moves log(density) by x1 times that.
    error = _RELATIVE + 8 * sys.float_info.epsilon * x2 * (1 + abs(x1))
    if not error < 1e-3:
        return 1.0
    density = math.exp(-0.5 * x1 * x1) if abs(x1) < 40 else 0.0
    # e^epsilon Phi(-x2) = density erfcx(x2 / sqrt 2) / 2: no exponential overflows.
    second = 0.5 * density * float(erfcx(x2 / root2))
    first = 0.5 * density * float(erfcx(x1 / root2)) if x1 >= 0 else float(ndtr(-x1))
    # 5u x2 (1 + |x1|) from the argument and 1e-11 from the special functions, times both parts.
    value = first - second + error * (first + second)
    # The density of the gap integrates to at most mu times its largest value.
    # d delta / d mu = phi(x1), which grows in mu as long as mu^2 <= 2 epsilon.
    peak = density if mu * mu <= 2 * epsilon else 1.0
    cap = mu * peak / math.sqrt(2 * math.pi) * (1 + error)
    # Subnormal numbers carry no relative accuracy.
    return min(max(min(value, cap, 1.0), _SMALLEST) + 4 * _SMALLEST, 1.0)


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
    # delta grows with mu: double until it is too much, then halve the interval.
    while delta_from_epsilon(epsilon, high) <= delta:
        low, high = high, 2 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (
            (middle, high) if delta_from_epsilon(epsilon, middle) <= delta else (low, middle)
        )
    # The end of a root finder is a check, whatever came before: low was tried, high was not.
    if not (low > 0 and delta_from_epsilon(epsilon, low) <= delta):
        raise ValueError(f"no positive mu meets epsilon={epsilon!r}, delta={delta!r}")
    # delta grows with mu: the number below one that passed the test passes it too.
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
    # Zero-concentrated privacy (Bun & Steinke 2016) gives a bound that is seldom far off.
    high = 0.5 * mu * mu + mu * math.sqrt(-2.0 * math.log(delta))
    while math.isfinite(high) and delta_from_epsilon(high, mu) > delta:
        high *= 2
    if not math.isfinite(high):
        return math.inf
    # The bound never falls below 5e-324, so its logarithm is a number.
    target = math.log(delta)
    root = float(brentq(lambda e: math.log(delta_from_epsilon(e, mu)) - target, 0.0, high))
    # brentq ends on either side of the root; walk to the safe one, in steps that double.
    step = max(math.ulp(root), 4e-12)
    while delta_from_epsilon(root, mu) > delta:
        root, step = root + step, 2 * step
    return root
