"""Upper bounds on the distance to an optimum nobody has computed (float64, rounded outward).

Throughout, w is an iterate, w* the exact optimum, d = w* - w, g and H the gradient and Hessian at
w, B a positive definite matrix with ``exp(-T) B <= H <= exp(T) B``, and the loss is generalised
self-concordant: |l'''| <= R l''.  A norm ||.||_A comes with a constant c: ||v||_A <= c ||v||_B.
"""

from __future__ import annotations

import math

from .._common.rounding import down, up

_GUARD = 1.0 + 1e-13


def gsc_remainder(t: float) -> float:
    """Return phi(t) = (exp(t) - 1 - t) / t, rounded up; 0 at t = 0.

    Notes
    -----
    Guarantee: at least the exact value.  Proof: proofs/gsc_remainder.md
    """
    if not t >= 0:
        raise ValueError(f"t must be at least 0, got {t!r}")
    if t == 0:
        return 0.0
    if t < 1e-2:
        # The series' tail after t^4/120 is below t^5/700 for t < 0.19.
        return up(t / 2 + t * t / 6 + t**3 / 24 + t**4 / 120 + t**5 / 700, 16)
    # exp(t) overflows; nothing is claimed from so long a step.
    if t > 700:
        return math.inf
    # expm1(t) - t loses at most a factor 2/t + 2 <= 202 of expm1's two units: 9e-14, inside the
    # guard.
    return (math.expm1(t) - t) / t * _GUARD


def distance_from_decrement(nu: float, L: float) -> tuple[float, float]:
    """Bound the distance to the optimum by the Newton decrement.

    Parameters
    ----------
    nu : float
        At least ||g||_{H^{-1}}, the Newton decrement.
    L : float
        At least R max_i ||x_i||_{H^{-1}} over the rows of the training set.

    Returns
    -------
    r, t : float
        ``r = -log(1 - L nu) / L >= ||d||_H`` and ``t = -log(1 - L nu) >= R max_i |x_i . d|``;
        both ``inf`` when ``L nu >= 1``, where nothing follows.

    Notes
    -----
    Guarantee: a minimiser exists and both bounds hold whenever they are finite.
    Assumes: nu and L are upper bounds at the same w.
    Proof: proofs/distance_from_decrement.md

    References
    ----------
    Sun & Tran-Dinh (2019), Generalized self-concordant functions, Proposition 8.

    Examples
    --------
    >>> r, t = distance_from_decrement(0.1, 0.5)
    >>> 0.1 < r < 0.103 and t < 0.0513
    True
    """
    if not (nu >= 0 and L >= 0):
        raise ValueError(f"nu and L must be at least 0, got {nu!r} and {L!r}")
    # omega*(L nu) of the reference: -log(1 - x) is the largest t with omega(t) <= L nu.
    product = up(nu * L)
    if not product < 1:
        return math.inf, math.inf
    # The guard covers log1p's own units; the quotient is spare.
    t = -math.log1p(-product) * _GUARD / (1.0 - product * 1e-15)
    if product > 0.5:
        # log1p amplifies the rounding of its argument by 1 / (1 - product).
        t += 1e-15 / (1.0 - product)
    if product < 1e-8:
        # -log(1 - x) <= x (1 + x/2 + x^2), x <= 1/2; dividing by a tiny L would lose everything.
        grown = 1.0 + product * (0.5 + product)
        return up(nu * grown, 8), up(product * grown, 8)
    # ||d||_H <= -log(1 - L nu) / L, from nu >= (1 - e^{-L D}) / L.
    return up(t / L), up(t)


def distance_remainder(
    nu: float,
    L: float,
    T: float,
    spread: tuple[float, float, float] = (math.inf, 0.0, 0.0),
) -> tuple[float, float]:
    """Bound what one exact step with B leaves, in the norm of B, and the distance itself.

    Parameters
    ----------
    nu, L : float
        At least ||g||_{B^{-1}} and R max_i ||x_i||_{B^{-1}}.
    T : float
        ``exp(-T) B <= H(w) <= exp(T) B``.
    spread : tuple of float
        ``(L_G, size, c_G)``, a second way to bound margins: ``R max_i |x_i . v| <= L_G ||v||_G``,
        ``size >= ||B^{-1} g||_G`` and ``||v||_G <= c_G ||v||_B``.

    Returns
    -------
    q, r : float
        ``q = [(e^T - 1) + phi(t)] e^{T/2} r_H >= ||d + B^{-1} g||_B`` and
        ``r = e^{T/2} r_H >= ||d||_B``.  So for every norm with ||v||_A <= c ||v||_B:
        ``||d||_A <= min(||B^{-1} g||_A + c q, c r)``, and after the step v = -B^{-1} g the
        distance is at most c q: a measured gradient pays for a step that needs no measurement.

    Notes
    -----
    Guarantee: both hold whenever finite.  t is the smaller of Theorem 1's and
    ``L_G (size + c_G q)``, with q from the former.  Proof: proofs/distance_remainder.md
    """
    if not T >= 0:
        raise ValueError(f"T must be at least 0, got {T!r}")
    # e^T would swamp everything else: nothing useful follows, and nothing overflows.
    if T > 100:
        return math.inf, math.inf
    # B and H differ by exp(T): norms by exp(T/2), in either direction.
    half = math.exp(T / 2) * _GUARD
    # ||g||_{H^{-1}} <= e^{T/2} nu, ||x||_{H^{-1}} <= e^{T/2} ||x||_{B^{-1}}: Theorem 1 in the norm
    # of H.
    r_H, t = distance_from_decrement(up(nu * half), up(L * half))
    if math.isinf(r_H):
        return math.inf, math.inf
    # stale: what a step with B in place of H(w) leaves; phi(t): what the change of H adds.
    r, stale = up(half * r_H), math.expm1(T) * _GUARD
    # d + B^{-1} g = -B^{-1} [(H - B) d + e]: (e^T - 1) r for the first, phi(t) r for the second.
    q = up((stale + gsc_remainder(t)) * r)
    L_G, size, c_G = spread
    if math.isfinite(L_G) and math.isfinite(q):
        # margins of d = step + rest, each in the norm of G, whose leverages are seldom far off.
        t = min(t, up(L_G * up(size + up(c_G * q))))
        q = up((stale + gsc_remainder(t)) * r)
    return q, r


def inverse_range(lower: float, upper: float, T: float, t: float) -> tuple[float, float]:
    """Bound the inverse of the mean Hessian on the way to the optimum by that of a fixed matrix.

    Parameters
    ----------
    lower, upper : float
        ``lower B <= M <= upper B``, with ``exp(-T) M <= H(w) <= exp(T) M``.
    T : float
        As above.
    t : float
        At least R max_i |x_i . d|.

    Returns
    -------
    low, high : float
        ``low B^{-1} <= (int_0^1 H(w + s d) ds)^{-1} <= high B^{-1}``.  As the mean Hessian takes d
        to -g, the step ``-omega B^{-1} g`` ends within ``max(high - omega, omega - low)
        ||g||_{B^{-1}}`` of the optimum, in the norm of B, for every omega.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/inverse_range.md
    """
    if not (upper >= lower > 0 and T >= 0 and t >= 0):
        raise ValueError(f"bad ranges {(lower, upper, T, t)!r}")
    # (1 - e^{-t}) / t H <= mean <= (e^t - 1) / t H, and t / (1 - e^{-t}) = t + t / (e^t - 1).
    # b = t / (e^t - 1), whose limit at 0 is 1 and which is zero to all digits beyond 700.
    b = 1.0 if t == 0 else t / math.expm1(min(t, 700.0))
    # high = 1 / l with l = lower e^{-T} (1 - e^{-t}) / t; low = 1 / u likewise.
    high = (t + b) * math.exp(min(T, 700.0)) / lower * _GUARD
    low = b * math.exp(-T) / upper / _GUARD
    return down(low), up(high)


def distance_measured(
    step: float,
    c: float,
    nu: float,
    L: float,
    T: float,
    spread: tuple[float, float, float] = (math.inf, 0.0, 0.0),
) -> tuple[float, float]:
    """Bound the distance before and after a step with B, in the norm of the noise.

    Parameters
    ----------
    step : float
        At least ||B^{-1} g||_A.
    c : float
        At least ``max ||v||_A / ||v||_B``.
    nu, L, T, spread
        As in `distance_remainder`.

    Returns
    -------
    here, after : float
        ``||w - w*||_A`` and ``||w - B^{-1} g - w*||_A`` are at most these.

    Notes
    -----
    Guarantee: both hold whenever finite.  Proof: proofs/distance_remainder.md
    """
    # ||d||_A <= ||step||_A + ||d - step||_A, and the latter is at most c q whatever is measured.
    q, r = distance_remainder(nu, L, T, spread)
    after = up(c * q)
    return min(up(step + after), up(c * r)), after


def covariance_drift(eta: float, dimension: float, log_tail: float) -> float:
    """Bound epsilon between centred Gaussians whose precisions differ by a whitened ``eta``.

    `joint_drift` with ``v = N f^2 / 4``, f = e / (1 - e), e = eta / (1 - eta).

    Parameters
    ----------
    eta : float
        ``||P^{-1/2} Q P^{-1/2} - I||_2 <= eta`` for the two precision matrices P and Q.
    dimension : float
        N, the number of coordinates.  Several independent releases t of D coordinates each,
        with whitened differences eta_t <= eta, count as ``N = D sum_t (eta_t / eta)^2``.
    log_tail : float
        ``log(1 / delta)`` for the probability delta left for the tail.

    Returns
    -------
    float
        epsilon' such that the two are (epsilon', delta)-indistinguishable, both ways; ``inf``
        for eta >= 1/4.

    Notes
    -----
    Guarantee: as returned.  Proof: proofs/covariance_drift.md

    References
    ----------
    Birge & Massart (1998), Minimum contrast estimators on sieves, Lemma 8.
    """
    if not (eta >= 0 and dimension >= 1 and log_tail > 0):
        raise ValueError(f"bad drift arguments {(eta, dimension, log_tail)!r}")
    if eta >= 0.25:
        return math.inf
    # The inverses differ by e = eta / (1 - eta), whitened, and log of their ratio by f.
    e = up(eta / (1.0 - eta))
    f = up(e / (1.0 - e))
    # v = N f^2 / 4; f where e would do costs a relative eta.
    return joint_drift(up(0.25 * dimension * f * f, 4), f, log_tail)


def joint_drift(spread: float, largest: float, log_tail: float) -> float:
    """Bound epsilon between products of centred Gaussians, of any numbers of coordinates.

    ``epsilon' = 2 v + 2 sqrt(v x) + f x`` with x = log(1 / delta), which is what is given, as
    delta itself may underflow.

    Parameters
    ----------
    spread : float
        v, at least the sum of ``D_t f_t^2 / 4`` over independent releases t of D_t coordinates,
        with f_t that of `covariance_drift` for a whitened difference of at most 1/4.
    largest : float
        f, at least every f_t.
    log_tail : float
        ``log(1 / delta)`` for the probability delta left for the tail.

    Notes
    -----
    Guarantee: the two products are (epsilon', delta)-indistinguishable, both ways.
    Proof: proofs/covariance_drift.md
    """
    x = log_tail
    # The mean of the log ratio is at most 2v; the rest is the sub-gamma tail with variance factor v
    # and scale f (Boucheron, Lugosi & Massart 2013, Theorem 2.3).
    return up(2.0 * spread + 2.0 * math.sqrt(spread * x) + largest * x, 32)
