import mpmath
import pytest

from certunlearn.claims.tradeoff import delta_from_epsilon, mu_from_epsilon_delta


def true_delta(epsilon, mu):
    with mpmath.workdps(400):
        e, m = mpmath.mpf(epsilon), mpmath.mpf(mu)
        upper, lower = m / 2 - e / m, -m / 2 - e / m
        tail = lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2  # noqa: E731
        return tail(upper) - mpmath.exp(e) * tail(lower)


MUS = [1e-12, 1e-8, 1e-4, 0.01, 0.2, 1.0, 5.0, 30.0]
EPSILONS = [0.0, 1e-10, 1e-3, 0.5, 1.0, 8.0, 100.0, 700.0]


@pytest.mark.parametrize("mu", MUS)
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_delta_from_epsilon_is_above_the_truth(epsilon, mu):
    truth = true_delta(epsilon, mu)
    claimed = delta_from_epsilon(epsilon, mu)
    assert mpmath.mpf(claimed) >= truth
    if mu >= 1e-2 and truth > 1e-250:
        assert claimed <= float(truth) * (1 + 1e-6)


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-6, 0.1])
def test_mu_from_epsilon_delta_is_safe_and_tight(epsilon, delta):
    mu = mu_from_epsilon_delta(epsilon, delta)
    assert true_delta(epsilon, mu) <= delta
    assert true_delta(epsilon, mu * 1.001) > delta


@pytest.mark.parametrize(
    "epsilon, delta", [(0, 0.1), (-1, 0.1), (1, 0), (1, 1), (float("nan"), 0.1)]
)
def test_mu_from_epsilon_delta_refuses(epsilon, delta):
    with pytest.raises(ValueError, match="need epsilon"):
        mu_from_epsilon_delta(epsilon, delta)
