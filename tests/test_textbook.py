"""Why removal is not done as published: counter-examples to Guo et al. 2020, Theorem 3.

The training objective is perturbed by b ~ N(0, sigma^2) and b is kept; a removal leaves a residual
gradient u with |u| <= eps' = 0.05 sigma, so that the removed model shows b + u where a retrained
one shows b.  The theorem promises delta = 1.5 exp(-c^2 / 2) with c = epsilon sigma / eps' whatever
u is.  That is right for u independent of b, but the update is a function of the trained model, so
u = u(b).
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from certunlearn.claims.tradeoff import delta_from_epsilon

SIGMA, BOUND, EPSILON = 1.0, 0.05, 1.0


def promised(epsilon, ratio):
    """delta of Theorem 3 at |u| <= ratio sigma."""
    return 1.5 * np.exp(-((epsilon / ratio) ** 2) / 2)


def delta_of_a_map(shown, slope, epsilon):
    """Exact delta, both ways, between b and shown(b), an increasing map of b ~ N(0, 1).

    In the coordinate b the removed model has density phi(b) and the retrained one
    phi(shown(b)) shown'(b).
    """

    def removed(b):
        return norm.pdf(b)

    def retrained(b):
        return norm.pdf(shown(b)) * slope(b)

    edges = np.linspace(-12, 12, 24 * 36 + 1)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    half, middle = np.diff(edges)[:, None] / 2, (edges[:-1] + edges[1:])[:, None] / 2
    at = middle + half * nodes

    def integral(first, second):
        excess = np.maximum(first(at) - np.exp(epsilon) * second(at), 0.0)
        return float((half * weights * excess).sum())

    return integral(removed, retrained), integral(retrained, removed)


def test_the_promise_is_two_in_ten_to_the_87():
    assert promised(EPSILON, BOUND / SIGMA) == pytest.approx(2e-87, rel=0.1)


def test_the_promise_holds_for_an_independent_residual():
    # A constant u, the worst of the independent ones, is a Gaussian shifted by 0.05 sigma.
    assert delta_from_epsilon(EPSILON, BOUND / SIGMA) <= promised(EPSILON, BOUND / SIGMA)
    there, back = delta_of_a_map(lambda b: b + BOUND, np.ones_like, 0.01)
    assert there == pytest.approx(delta_from_epsilon(0.01, BOUND / SIGMA), abs=1e-6)
    assert back == pytest.approx(there, abs=1e-6)


def test_a_sine_of_the_perturbation_gives_twelve_percent():
    residual = lambda b: BOUND * np.sin(0.9 * b / BOUND)  # noqa: E731
    slope = lambda b: 1 + 0.9 * np.cos(0.9 * b / BOUND)  # noqa: E731
    grid = np.linspace(-12, 12, 200_001)
    assert np.abs(residual(grid)).max() <= BOUND
    assert slope(grid).min() > 0.09
    there, back = delta_of_a_map(lambda b: b + residual(b), slope, EPSILON)
    mass, _ = quad(lambda b: norm.pdf(b + residual(b)) * slope(b), -3, 3, limit=500)
    end = 3 + residual(3)
    assert mass == pytest.approx(norm.cdf(end) - norm.cdf(-end), abs=1e-8)
    assert max(there, back) == pytest.approx(0.121, abs=1e-3)
    assert max(there, back) > 1e80 * promised(EPSILON, BOUND / SIGMA)


def test_rounding_the_perturbation_to_a_grid_gives_one():
    # Grid of spacing 2 eps': |u| <= eps', and the removed model always shows a grid point.
    spacing = 2 * BOUND
    b = norm.ppf((np.arange(10_001) + 0.5) / 10_001)
    shown = spacing * np.round(b / spacing)
    assert np.abs(shown - b).max() <= BOUND * (1 + 1e-12)
    points = spacing * np.arange(-400, 401)
    for width in (1e-3, 1e-6, 1e-9):
        near = width * spacing
        within = np.abs(shown[:, None] - points[None, :]).min(axis=1) <= near
        retrained = (2 * near * norm.pdf(points)).sum() * (1 + 1e-2)
        exact = (norm.cdf(points + near) - norm.cdf(points - near)).sum()
        assert within.all() and exact <= retrained + 1e-13
        delta = 1.0 - np.exp(EPSILON) * retrained
        assert delta >= 1 - 10 * width
        assert delta > 1e80 * promised(EPSILON, BOUND / SIGMA)


@pytest.mark.parametrize("epsilon, holds", [(8.5, True), (9.0, False), (20.0, False)])
def test_the_classical_constant_fails_at_large_epsilon(epsilon, holds):
    delta = 1e-5
    ratio = epsilon / np.sqrt(2 * np.log(1.5 / delta))
    assert promised(epsilon, ratio) == pytest.approx(delta)
    assert (delta_from_epsilon(epsilon, ratio) <= delta) == holds
