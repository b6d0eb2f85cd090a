"""What a promise leaves to an attacker: the power of the best test of "removed or never there".

Everything here is a function of the public part of a certificate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from ._rounding import up
from .certificate import Certificate
from .tradeoff import mu_from_epsilon_delta

#: No promise with a larger epsilon keeps an attacker from anything that a float can show.
_LARGEST = 700.0


@dataclass(frozen=True)
class Promise:
    """What is promised about two laws: one of the removal, one of the retraining.

    Attributes
    ----------
    epsilon, delta : float
        They are (epsilon, delta)-indistinguishable.
    mu : float
        And a law between them is mu-GDP from the one, ...
    drift_epsilon, drift_delta : float
        ... and (drift_epsilon, drift_delta)-indistinguishable from the other.
    """

    epsilon: float
    delta: float
    mu: float = math.inf
    drift_epsilon: float = 0.0
    drift_delta: float = 0.0

    def true_positive_rate(self, false_positive_rate: float) -> float:
        """Largest power of a test between the two laws, whichever of them is the hypothesis.

        ``min(1, exp(epsilon) a + delta, 1 - exp(-epsilon) (1 - delta - a))`` from epsilon and
        delta, ``Phi(Phi^{-1}(a) + mu)`` from mu, enlarged by the drift; the smaller of the two.

        Parameters
        ----------
        false_positive_rate : float
            a, the level of the test, between 0 and 1.

        Notes
        -----
        Guarantee: at least the power of every test of that level.  Proof: proofs/power.md

        References
        ----------
        Dong, Roth & Su (2022), Gaussian differential privacy, Proposition 2.5 and Definition 2.6.

        Examples
        --------
        >>> round(Promise(1.0, 1e-6, mu=0.2367).true_positive_rate(0.05), 4)
        0.0795
        """
        a = float(false_positive_rate)
        if not 0 <= a <= 1:
            raise ValueError(f"a rate must be between 0 and 1, got {false_positive_rate!r}")
        return max(a, min(1.0, self._from_epsilon(a), self._from_mu(a)))

    @property
    def advantage(self) -> float:
        """Largest true positive rate less false positive rate of any test.

        Notes
        -----
        Guarantee: at least that of every test.  Proof: proofs/power.md
        """
        gap = 1.0
        if self.epsilon <= _LARGEST:
            e = math.exp(self.epsilon)
            gap = math.tanh(0.5 * self.epsilon) + 2.0 * self.delta / (1.0 + e)
        shift = math.erf(self.mu / math.sqrt(8.0)) + self._drift_gain + self.drift_delta
        return min(1.0, min(gap, shift) * (1 + 1e-12) + 1e-300)

    @property
    def even_odds(self) -> float:
        """Largest probability of a right answer when both worlds are equally likely."""
        return min(1.0, up(0.5 + 0.5 * self.advantage))

    @property
    def _drift_gain(self) -> float:
        return math.expm1(self.drift_epsilon) if self.drift_epsilon <= _LARGEST else math.inf

    def _from_epsilon(self, a: float) -> float:
        if self.epsilon > _LARGEST:
            return 1.0
        low = up(math.exp(self.epsilon) * a + self.delta, 8)
        # 1e-15 pays for the difference from one, which has no relative accuracy.
        high = 1.0 - math.exp(-self.epsilon) * (1.0 - self.delta - a) + 1e-15
        return min(low, high)

    def _from_mu(self, a: float) -> float:
        if not (self.mu < math.inf and self._drift_gain < math.inf):
            return 1.0
        factor = 1.0 + self._drift_gain
        before = _shifted(min(1.0, up(factor * a + self.drift_delta, 8)), self.mu)
        after = up(factor * _shifted(a, self.mu) + self.drift_delta, 8)
        return max(before, after)


def _shifted(a: float, mu: float) -> float:
    """Return an upper bound on Phi(Phi^{-1}(a) + mu)."""
    if a <= 0.0 or a >= 1.0:
        return a
    x = float(ndtri(a))
    # Probabilities below the normal numbers come out as zero.
    return float(ndtr(x + mu + 1e-12 * (1.0 + abs(x) + mu))) * (1 + 1e-11) + 1e-300


def one_release(certificate: Certificate) -> Promise:
    """Return what a certificate promises about the release it comes with.

    In the transcript view that is what it promises about all releases together.

    Raises
    ------
    ValueError
        If the certificate claims nothing, or is of an unknown kind.
    """
    c = certificate
    if c.kind != "gaussian":
        raise ValueError(f"a certificate of kind {c.kind!r} promises nothing")
    if c.mechanism == "isotropic":
        return Promise(c.epsilon, c.delta, c.mu)
    # What `tradeoff.calibrate` sets aside for the covariance; a test holds the two together.
    tail = 1e-3 * c.delta * math.exp(-min(c.epsilon, _LARGEST))
    return Promise(c.epsilon, c.delta, c.mu, min(1e-3 * c.epsilon, 1e-3), up(tail))


def all_releases(certificate: Certificate) -> Promise:
    """Return what a certificate promises about all releases since the oldest removal together.

    How many they are is not said, but not more than the joint epsilon allows at this mu.

    Notes
    -----
    Guarantee: as `one_release`, for the joint laws.  Proof: proofs/power.md
    """
    c, one = certificate, one_release(certificate)
    if c.joint_epsilon <= c.epsilon:
        return one
    if not (c.joint_epsilon <= _LARGEST and 0 < c.delta <= 0.5 and 0 < c.mu < math.inf):
        return Promise(c.joint_epsilon, c.delta)
    largest = mu_from_epsilon_delta(c.joint_epsilon, c.delta)
    count = math.floor(max(1.0, (largest / c.mu) ** 2 * (1 + 1e-3)))
    if count * one.drift_epsilon > _LARGEST:
        return Promise(c.joint_epsilon, c.delta)
    drift = up(count * one.drift_epsilon)
    tail = up(count * one.drift_delta * math.exp(drift), 8)
    return Promise(c.joint_epsilon, c.delta, up(c.mu * math.sqrt(count)), drift, tail)
