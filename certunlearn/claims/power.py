"""What is promised, what it leaves to an attacker, and whether its figures agree.

The power of the best test of "removed or never there".  Nothing here sees a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from .._common.rounding import up
from .tradeoff import delta_from_epsilon, epsilon_from_delta, mu_from_epsilon_delta

#: No promise with a larger epsilon keeps an attacker from anything that a float can show.
_LARGEST = 700.0
#: What `delta_from_epsilon` adds beyond its own error, so that other machines may round otherwise.
_ROUNDING = 1e-12
#: By how much `epsilon_from_delta` may end above the smallest epsilon there is.
_STEP = 1e-11


@dataclass(frozen=True)
class Promise:
    """What is promised about two laws: one of the removal, one of the retraining.

    Attributes
    ----------
    epsilon, delta : float
        They are (epsilon, delta)-indistinguishable.
    mu : float
        And a law between them is mu-GDP from the one, ...
    drift_epsilon, drift_log_tail : float
        ... and (drift_epsilon, exp(-drift_log_tail))-indistinguishable from the other.
    """

    epsilon: float
    delta: float
    mu: float = math.inf
    drift_epsilon: float = 0.0
    drift_log_tail: float = math.inf

    @property
    def drift_delta(self) -> float:
        """``exp(-drift_log_tail)``, rounded up."""
        return up(math.exp(-self.drift_log_tail), 8) if self.drift_log_tail < math.inf else 0.0

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
            # Total variation of an (epsilon, delta) pair (Kairouz, Oh & Viswanath 2015).
            gap = math.tanh(0.5 * self.epsilon) + 2.0 * self.delta / (1.0 + e)
        # 2 Phi(mu / 2) - 1: total variation of two unit Gaussians mu apart.
        shift = math.erf(self.mu / math.sqrt(8.0)) + self._drift_gain + self.drift_delta
        return min(1.0, min(gap, shift) * (1 + 1e-12) + 1e-300)

    @property
    def even_odds(self) -> float:
        """Largest probability of a right answer when both worlds are equally likely."""
        return min(1.0, up(0.5 + 0.5 * self.advantage))

    @property
    def implied_delta(self) -> float:
        """Delta at ``epsilon``, as it follows from ``mu`` and the drift alone.

        Notes
        -----
        Guarantee: the two laws are (epsilon, implied_delta)-indistinguishable.
        Proof: proofs/check.md
        """
        # An infinite epsilon claims nothing.
        if self.epsilon == math.inf:
            return 0.0
        rest = self.epsilon - self.drift_epsilon
        if not (rest >= 0 and self.mu < math.inf and self.drift_epsilon <= _LARGEST):
            return 1.0
        # `mu_from_epsilon_delta` tried the number above the one it returned: delta grows with mu.
        tried = (self.mu, math.nextafter(self.mu, math.inf))
        shift, tail = min(delta_from_epsilon(rest, mu) for mu in tried), self.drift_delta
        # The law between the two worlds is passed on the way there last, on the way back first.
        # P(M) <= e^{e0} P(N12) + d0 <= e^epsilon P(N2) + e^{e0} d1 + d0, and the same the other way
        # round.
        there = math.exp(self.drift_epsilon) * shift + tail
        back = shift + math.exp(min(rest - self.drift_log_tail, 1.0))
        return min(1.0, max(there, back))

    def contradiction(self) -> str | None:
        """Say in what epsilon, delta, mu and the drift contradict one another; None if they do not.

        ``epsilon`` and ``delta`` must follow from the others, and ``mu`` must not be smaller than
        what they are issued for.
        """
        e, d = self.drift_epsilon, self.drift_delta
        said = f"epsilon = {self.epsilon:.6g} and delta = {self.delta:.6g}"
        if not self.implied_delta <= self.delta * (1 + _ROUNDING):
            # Only to name a figure in the message: nothing rests on it.
            left = (self.delta - d) * math.exp(-min(e, _LARGEST))
            gives = epsilon_from_delta(left, self.mu) + e if 0 < left < 1 else math.inf
            return (
                f"{said} do not follow from mu = {self.mu:.6g} and the drift, which give "
                f"epsilon = {gives:.6g}"
            )
        rest = self.epsilon - e - _STEP
        # The smallest mu that a budget of these figures is issued with: see proofs/check.md.
        left = 0.998 * self.delta * math.exp(-4 * min(e, _LARGEST))
        if not (0 < rest <= _LARGEST and 0 < left < 1):
            return None
        try:
            meant = mu_from_epsilon_delta(rest, left) * (1 - 1e-4)
        except ValueError:
            return None
        if self.mu < meant:
            return f"mu = {self.mu:.6g} is smaller than what {said} are issued for, {meant:.6g}"
        return None

    @property
    def _drift_gain(self) -> float:
        return math.expm1(self.drift_epsilon) if self.drift_epsilon <= _LARGEST else math.inf

    def _from_epsilon(self, a: float) -> float:
        if self.epsilon > _LARGEST:
            return 1.0
        # P(T) <= e^epsilon Q(T) + delta.
        low = up(math.exp(self.epsilon) * a + self.delta, 8)
        # 1e-15 pays for the difference from one, which has no relative accuracy.
        # The complement, with the laws swapped: 1 - Q(T) <= e^epsilon (1 - P(T)) + delta.
        high = 1.0 - math.exp(-self.epsilon) * (1.0 - self.delta - a) + 1e-15
        return min(low, high)

    def _from_mu(self, a: float) -> float:
        if not (self.mu < math.inf and self._drift_gain < math.inf):
            return 1.0
        factor = 1.0 + self._drift_gain
        # The drift before the shift, or after it: which of the two is the hypothesis decides.
        # Q true: N(T) <= e^e a + d, then P(T) <= G(N(T)), as G grows.
        before = _shifted(min(1.0, up(factor * a + self.drift_delta, 8)), self.mu)
        # P true: N(T) <= G(a), then Q(T) <= e^e N(T) + d.
        after = up(factor * _shifted(a, self.mu) + self.drift_delta, 8)
        return max(before, after)


def _shifted(a: float, mu: float) -> float:
    """Return an upper bound on Phi(Phi^{-1}(a) + mu)."""
    if a <= 0.0 or a >= 1.0:
        return a
    x = float(ndtri(a))
    # Probabilities below the normal numbers come out as zero.
    # A few ulps of ndtri, and x^2 u in the tail: 1e-12 on the argument, 1e-11 on the value.
    return float(ndtr(x + mu + 1e-12 * (1.0 + abs(x) + mu))) * (1 + 1e-11) + 1e-300
