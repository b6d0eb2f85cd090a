"""The formulas under the certificates against mpmath, long double and dp_accounting."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from certunlearn._common.rounding import gamma
from certunlearn.claims.bounds import (
    covariance_drift,
    distance_from_decrement,
    distance_measured,
    distance_remainder,
    gsc_remainder,
    joint_drift,
)
from certunlearn.claims.budget import calibrate, drift_shares
from certunlearn.claims.noise import Geometry, Transfer
from certunlearn.claims.tradeoff import delta_from_epsilon
from certunlearn.linalg import norms
from certunlearn.linalg.cholesky import downdated, factorise
from certunlearn.linalg.norms import largest_eigenvalue

from .. import reference

LD, mpf = np.longdouble, mpmath.mpf
quick = hypothesis_settings(max_examples=300, deadline=None, derandomize=True, database=None)


def powers(low, high):
    """Numbers spread evenly over the decades."""
    return st.floats(low, high).map(lambda e: 10.0**e)


def above(x):
    """The float64 next above an mpmath number."""
    return float(np.nextafter(float(x), np.inf))


@given(powers(-300, 2.9))
@example(5e-324)
@example(1e-2)
@example(np.nextafter(1e-2, 0))
@example(700.0)
@quick
def test_gsc_remainder_is_above_the_truth(t):
    claimed = gsc_remainder(t)
    with mpmath.workdps(400):
        truth = (mpmath.exp(mpf(t)) - 1 - mpf(t)) / mpf(t) if t > 1e-150 else mpf(t) / 2
        assert mpf(claimed) >= truth
        if 1e-300 < t <= 700:
            assert mpf(claimed) <= truth * (1 + mpf(1e-8))


class Exponential:
    """F(w) = e^w - y w: |F'''| = F'' everywhere, so Theorem 1 is an equality below w."""

    def __init__(self, w, w_star):
        with mpmath.workdps(60):
            self.d = mpf(w_star) - mpf(w)
            self.g = mpmath.exp(mpf(w)) - mpmath.exp(mpf(w_star))
            self.H = mpmath.exp(mpf(w))


class Tail:
    """F(w) = s log(1 + e^w) + log(1 + e^-w): two logistic rows, the optimum at log(1/s)."""

    def __init__(self, w, w_star):
        with mpmath.workdps(60):
            w, s = mpf(w), mpmath.exp(-mpf(w_star))
            p = 1 / (1 + mpmath.exp(-w))
            self.d = mpf(w_star) - w
            self.g = s * p - 1 / (1 + mpmath.exp(w))
            self.H = (s + 1) * p * (1 - p)


SIGNS = st.sampled_from([1.0, -1.0])


@pytest.mark.parametrize("loss", [Exponential, Tail])
@given(st.floats(-20, 20), SIGNS, powers(-12, 1.4))
@quick
def test_distance_from_decrement_is_above_the_truth(loss, w, sign, gap):
    f = loss(w, w + sign * gap)
    assume(f.d != 0)
    with mpmath.workdps(60):
        nu, L = abs(f.g) / mpmath.sqrt(f.H), 1 / mpmath.sqrt(f.H)
        r, t = distance_from_decrement(above(nu), above(L))
        assert mpf(r) >= abs(f.d) * mpmath.sqrt(f.H)
        assert mpf(t) >= abs(f.d)
        if loss is Exponential and sign < 0 and gap < 10:
            assert mpf(r) <= abs(f.d) * mpmath.sqrt(f.H) * (1 + mpf(1e-9))
            assert mpf(t) <= abs(f.d) * (1 + mpf(1e-9))


def test_distance_from_decrement_at_its_edges():
    assert distance_from_decrement(2.0, 0.5) == (math.inf, math.inf)
    assert distance_from_decrement(0.0, 3.0)[0] <= 1e-300
    r, t = distance_from_decrement(0.25, 0.0)
    assert 0.25 <= r <= 0.25 * (1 + 1e-12) and t <= 1e-300
    r, t = distance_from_decrement(1.0, 1.0 - 1e-9)
    assert -math.log(1e-9) <= t <= -math.log(1e-9) * (1 + 1e-6)
    for bad in ((-1.0, 1.0), (1.0, math.nan)):
        with pytest.raises(ValueError, match="at least 0"):
            distance_from_decrement(*bad)


@pytest.mark.parametrize("loss", [Exponential, Tail])
@given(st.floats(-10, 10), SIGNS, powers(-8, 0.5), powers(-8, 0.3), SIGNS, powers(-3, 3))
@quick
def test_distance_remainder_is_above_the_truth(loss, w, sign, gap, T, side, ratio):
    f = loss(w, w + sign * gap)
    assume(f.d != 0)
    with mpmath.workdps(60):
        B = f.H * mpmath.exp(side * mpf(T))
        nu, L = abs(f.g) / mpmath.sqrt(B), 1 / mpmath.sqrt(B)
        q, r = distance_remainder(above(nu), above(L), T)
        left = abs(f.d + f.g / B)
        assert mpf(q) >= left * mpmath.sqrt(B)
        assert mpf(r) >= abs(f.d) * mpmath.sqrt(B)
        A = mpf(ratio)
        c, step = mpmath.sqrt(A / B), abs(f.g) / B * mpmath.sqrt(A)
        here, after = distance_measured(above(step), above(c), above(nu), above(L), T)
        assert mpf(here) >= abs(f.d) * mpmath.sqrt(A)
        assert mpf(after) >= left * mpmath.sqrt(A)
        assert here <= step * (1 + 1e-9) + after
        if loss is Exponential and gap < 1e-2 and T < 1e-2:
            # Nothing is lost to first order once T or the remainder is what counts.
            worst = mpmath.expm1(mpf(T)) + mpf(gap)
            assert mpf(q) <= 3 * worst * abs(f.d) * mpmath.sqrt(B)


def test_distance_remainder_gives_up():
    assert distance_remainder(1.0, 1.0, 101.0) == (math.inf, math.inf)
    assert distance_remainder(1.0, 1.0, 0.0) == (math.inf, math.inf)
    with pytest.raises(ValueError, match="at least 0"):
        distance_remainder(1.0, 1.0, -1e-9)


def chi_square_tail(x, D):
    """P(chi^2_D > x)."""
    return mpmath.gammainc(mpf(D) / 2, x / 2, mpmath.inf, regularized=True)


def delta_of_precisions(ratio, D, epsilon):
    """Exact delta of N(0, I) against N(0, I / ratio) in D dimensions: a chi-square event."""
    ratio, epsilon = mpf(ratio), mpf(epsilon)
    # log(p/q) = |x|^2 (ratio - 1) / 2 - D log(ratio) / 2 is above epsilon beyond this |x|^2.
    edge = (2 * epsilon + D * mpmath.log(ratio)) / (ratio - 1)
    if ratio > 1:
        return chi_square_tail(edge, D) - mpmath.exp(epsilon) * chi_square_tail(edge * ratio, D)
    if edge <= 0:
        return mpf(0)
    inside, other = 1 - chi_square_tail(edge, D), 1 - chi_square_tail(edge * ratio, D)
    return inside - mpmath.exp(epsilon) * other


@pytest.mark.parametrize("eta", [1e-9, 1e-6, 1e-3, 0.05, 0.2, 0.24])
@pytest.mark.parametrize("D", [1, 2, 7, 60])
@pytest.mark.parametrize("delta", [1e-3, 1e-6, 1e-12])
def test_covariance_drift_is_above_the_truth(eta, D, delta):
    epsilon = covariance_drift(eta, D, -math.log(delta) * (1 + 1e-15))
    ratios = [1 + mpf(eta), 1 - mpf(eta), 1 / (1 + mpf(eta)), 1 / (1 - mpf(eta))]
    with mpmath.workdps(60):
        assert all(delta_of_precisions(r, D, epsilon) <= delta for r in ratios)
        # Not vacuous: the log ratio of densities exceeds an eighth of it with more than delta.
        ratio, small = 1 + mpf(eta), mpf(epsilon) / 8
        edge = (2 * small + D * mpmath.log(ratio)) / (ratio - 1)
        assert eta > 0.05 or chi_square_tail(edge, D) > delta


def test_joint_drift_is_above_the_truth_for_releases_of_other_sizes():
    rng, delta = np.random.default_rng(0), 0.01
    for parts in ([(1, 0.2), (40, 0.02)], [(3, 0.1), (2, 0.24), (90, 0.01)]):
        e = [eta / (1 - eta) for _, eta in parts]
        f = [x / (1 - x) for x in e]
        spread = sum(D * g * g / 4 for (D, _), g in zip(parts, f, strict=True))
        epsilon = joint_drift(spread, max(f), -math.log(delta) * (1 + 1e-15))
        # The log ratio of the two densities, drawn under the first law, in both directions.
        for sign in (1, -1):
            ratio = sum(
                0.5 * np.sum(s * (rng.normal(size=(20_000, D)) ** 2) - np.log1p(s), axis=1)
                for D, s in ((D, sign * eta) for D, eta in parts)
            )
            assert np.mean(ratio > epsilon) <= delta
            assert np.mean(ratio > epsilon / 16) > delta


@pytest.mark.parametrize("reserve, tail", [(1e-3, 1e-10), (1e-5, 1e-300), (5e-4, 1e-3)])
def test_shares_of_the_drift_cost_no_more_than_what_is_reserved(reserve, tail):
    v, f = drift_shares(reserve, -math.log(tail))
    with mpmath.workdps(60):
        x = -mpmath.log(mpf(tail))
        assert 0.99 * reserve < 2 * mpf(v) + 2 * mpmath.sqrt(v * x) + f * x <= reserve
    assert joint_drift(v, f, -math.log(tail)) <= reserve * (1 + 1e-12)


@pytest.mark.parametrize("view, releases", [("release", 7), ("transcript", 400)])
def test_releases_of_any_sizes_keep_to_the_shares(view, releases):
    v, f = drift_shares(5e-3 if view == "transcript" else 1e-3, 1.0 - math.log(1e-9))
    rng, spread = np.random.default_rng(1), mpf(0)
    for t in range(1, releases + 1):
        D = int(rng.choice([1, 5, 60, 3000]))
        asked = {"dimension": D, "drifts": True, "view": view, "horizon": 30}
        budget = calibrate(1.0, 1e-6, 0.1, **asked)
        eta = mpf(budget.caps(t).drift)
        own = eta / (1 - 2 * eta)
        assert own <= f
        spread += D * own**2 / 4
        assert budget.joint_epsilon(t) == budget_of_one(view).joint_epsilon(t)
    assert spread <= (v if view == "transcript" else releases * v)


def budget_of_one(view):
    return calibrate(1.0, 1e-6, 0.1, dimension=1, drifts=True, view=view)


def test_covariance_drift_gives_up_and_refuses():
    assert covariance_drift(0.25, 3, 14.0) == math.inf
    assert covariance_drift(0.0, 3, 14.0) <= 1e-150
    for bad in ((-1.0, 1, 2.0), (0.1, 0, 2.0), (0.1, 1, 0.0)):
        with pytest.raises(ValueError, match="bad drift"):
            covariance_drift(*bad)


@given(st.integers(0, 2**32 - 1), st.integers(1, 24), st.integers(1, 24), st.floats(-100, 100))
@quick
def test_largest_eigenvalue_is_above_the_truth(seed, q, rank, decade):
    rng = np.random.default_rng(seed)
    V = rng.normal(size=(q, rank)) * 10.0 ** rng.uniform(-3, 3, size=rank)
    C = V @ V.T
    C = (C + C.T) / 2
    truth = np.linalg.eigvalsh(C)[-1]
    claimed = largest_eigenvalue(C * 10.0**decade) / 10.0**decade
    assert truth * (1 - 1e-13) <= claimed <= truth * (1 + 1.1e-3)


def test_largest_eigenvalue_believes_no_guess(monkeypatch):
    v = np.arange(1.0, 9.0)
    assert 204 * (1 - 1e-13) <= largest_eigenvalue(np.outer(v, v)) <= 204 * (1 + 2e-6)
    large = np.eye(80) + np.outer(np.arange(80.0), np.arange(80.0))
    for C, truth in ((np.eye(16), 1.0), (large, np.linalg.eigvalsh(large)[-1])):
        assert truth * (1 - 1e-13) <= largest_eigenvalue(C) <= truth * 1.0011
        # A guess that is too low is found out, however often; what is left is a larger bound.
        for share in (0.9995, 0.95, 0.6, 0.1, math.nan):
            monkeypatch.setattr(norms, "_from_below", lambda P, s=share, C=C: s * guessed(P))
            claimed = largest_eigenvalue(C)
            assert truth * (1 - 1e-13) <= claimed <= np.linalg.norm(C) * (1 + 1e-8)
        monkeypatch.undo()
    assert largest_eigenvalue(np.zeros((3, 3))) == 0.0
    assert largest_eigenvalue(np.diag([1.0, math.inf])) == math.inf


def guessed(P):
    return float(np.linalg.eigvalsh(P)[-1])


def without_rows(seed, q, hard):
    """A float64 matrix with rows taken out, its g^2 and error, and the exact matrix.

    ``hard`` in [0, 1] scales columns, makes two nearly equal, and lets the removed rows dwarf the
    others.
    """
    rng = np.random.default_rng(seed)
    n, m = 3 * q + 5, q
    X = rng.normal(size=(n, q)) * 10.0 ** (4 * hard * rng.uniform(-1, 1, size=q))
    if q > 1:
        X[:, -1] = X[:, 0] * (1 + 10.0 ** (-4 * hard) * rng.normal(size=n))
    gone = rng.choice(n, m, replace=False)
    X[gone] *= 10.0 ** (3 * hard * rng.uniform())
    s = 10.0 ** (2 * hard * rng.uniform(-1, 1, size=n))
    whole = (X * s[:, None]).T @ X
    matrix = whole - (X[gone] * s[gone, None]).T @ X[gone]
    keep = np.setdiff1d(np.arange(n), gone)
    Y = X[keep].astype(LD)
    exact = (Y * s[keep, None].astype(LD)).T @ Y
    return matrix, np.diag(whole).copy(), gamma(n + 4) + gamma(m + 6), exact


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0, 1))
@hypothesis_settings(max_examples=400, deadline=None, derandomize=True, database=None)
def test_factorise_knows_how_wrong_it_is(seed, q, hard):
    matrix, diagonal, error, exact = without_rows(seed, q, hard)
    try:
        f = factorise(matrix, diagonal, error)
    except np.linalg.LinAlgError:
        assert hard > 0.3
        return
    L, X, g = f.lower.astype(LD), f.inverse.astype(LD), f.diagonal_root.astype(LD)
    true_inverse = reference.lower_inverse(L)
    assert np.linalg.norm((X @ L - np.eye(q)).astype(np.float64), 2) <= f.slack
    assert np.sqrt(((np.abs(true_inverse) @ g) ** 2).sum()) <= f.spread
    assert (np.abs(L @ L.T - exact) <= f.error * np.outer(g, g)).all()
    white = true_inverse @ exact @ true_inverse.T
    values = np.linalg.eigvalsh(((white + white.T) / 2 - np.eye(q)).astype(np.float64))
    own = 200 * float(reference.UNIT) * f.spread**2
    if f.theta < math.inf:
        assert values.min() >= np.expm1(-f.theta) - own
        assert values.max() <= np.expm1(f.theta) + own
    else:
        assert hard > 0.3
    rng = np.random.default_rng(seed)
    v = rng.normal(size=q) * np.sqrt(np.diag(matrix))
    allowance = np.abs(v) * 10.0 ** rng.uniform(-12, 0)
    u = v.astype(LD) + allowance * rng.choice([-1, 1], size=q)
    truth = np.sqrt(((true_inverse @ u) ** 2).sum())
    assert truth <= f.whitened(v, allowance)
    plain = np.sqrt(((true_inverse @ v.astype(LD)) ** 2).sum())
    assert plain <= f.whitened(v)
    if f.spread < 1e5:
        assert f.whitened(v) <= plain * (1 + 1e-4)


def spread_of(f):
    """max g'|v| over ||L'v|| = 1, from below: over the signs that fit, in long double."""
    inverse, g = reference.lower_inverse(f.lower.astype(LD)), f.diagonal_root.astype(LD)
    signs, best = np.ones(len(g)), 0.0
    for _ in range(5):
        # g'|v| = (g * signs)'v is largest for v = (L L')^{-1} (g * signs).
        white = inverse @ (g * signs)
        best = max(best, float(np.sqrt(white @ white)))
        signs = np.where(inverse.T @ white < 0, -1.0, 1.0)
    return best


def rows_gone(seed, q, hard):
    """A factor of some rows and, one row after another, what is left; the exact matrices too."""
    rng = np.random.default_rng(seed)
    n = 4 * q + 5
    X = rng.normal(size=(n, q)) * 10.0 ** (4 * hard * rng.uniform(-1, 1, size=q))
    if q > 1:
        X[:, -1] = X[:, 0] * (1 + 10.0 ** (-4 * hard) * rng.normal(size=n))
    X[:3] *= 10.0 ** (3 * hard * rng.uniform())
    whole = X.T @ X
    diagonal, error = np.diag(whole).copy(), gamma(n + 4)
    factor, matrix, out = factorise(whole, diagonal, error), whole, []
    for row in range(3):
        gone = X[[row]].T
        matrix, error = matrix - gone @ gone.T, error + gamma(12)
        left = X[row + 1 :].astype(LD)
        out.append((factor, matrix, diagonal, error, gone, left.T @ left))
        factor = downdated(*out[-1][:-1])
    return out, factor


@given(st.integers(0, 2**32 - 1), st.integers(4, 12), st.floats(0, 1))
@quick
def test_downdated_knows_how_wrong_it_is(seed, q, hard):
    try:
        steps, last = rows_gone(seed, q, hard)
    except np.linalg.LinAlgError:
        assert hard > 0.3
        return
    factors = [old for old, *_ in steps[1:]] + [last]
    for f, (*_, exact) in zip(factors, steps, strict=True):
        L, g = f.lower.astype(LD), f.diagonal_root
        assert (np.abs(L @ L.T - exact) <= f.error * np.outer(g, g)).all()
        assert spread_of(f) <= f.spread
        if f.theta < math.inf:
            inverse = reference.lower_inverse(L)
            values = np.linalg.eigvalsh((inverse @ exact @ inverse.T).astype(np.float64))
            own = 1e-14 * len(g) + 200 * float(reference.UNIT) * f.spread**2
            assert np.abs(np.log(values)).max() <= f.theta + own
            true = np.sum(inverse.astype(np.float64) ** 2, axis=0)
            np.testing.assert_allclose(f.variance, true, rtol=1e-4)


def test_a_downdated_factor_must_be_charged_for_what_has_gone():
    broken = 0
    for seed in range(40):
        steps, last = rows_gone(seed, 4, 0.5)
        was = steps[0][0]
        assert spread_of(last) <= last.spread
        # The spread of the factor before, as if nothing had gone.
        broken += spread_of(last) > was.spread
    assert broken >= 5


def test_factorise_refuses_what_is_not_positive_definite():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        factorise(np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones(2), 1e-15)


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 3), st.floats(0, 1))
@hypothesis_settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_transfer_bounds_the_norm_of_the_noise(mechanism, seed, p, K, hard):
    matrix, diagonal, error, _ = without_rows(seed, p, hard)
    big, big_diagonal, big_error, _ = without_rows(seed + 1, p * K, hard)
    try:
        geometry = Geometry(mechanism, factorise(matrix, diagonal, error))
        factor = factorise(big, big_diagonal, big_error)
    except np.linalg.LinAlgError:
        assume(False)
    assume(factor.theta < math.inf)
    transfer = Transfer.between(geometry, factor)
    lower, L = geometry.gram.lower.astype(LD), factor.lower.astype(LD)
    half = {"gram": lower.T, "isotropic": np.eye(p, dtype=LD), "objective": lower @ lower.T}
    half = np.kron(np.eye(K), half[mechanism])
    inverse = reference.lower_inverse(L)
    c = np.linalg.norm((half @ inverse.T).astype(np.float64), 2)
    assert c * (1 - 1e-12) <= transfer.c <= 1.5 * c * (p * K) ** (1 / 16)
    rng = np.random.default_rng(seed)
    v = (big @ rng.normal(size=p * K)).astype(np.float64)
    allowance = np.abs(v) * 10.0 ** rng.uniform(-16, -2)
    s, size, wrong = transfer.step(v, allowance)
    for signs in rng.choice([-1, 1], size=(8, p * K)):
        exact = inverse.T @ (inverse @ (v.astype(LD) + allowance * signs))
        assert np.sqrt(((half @ exact) ** 2).sum()) <= size
        assert np.sqrt(((half @ (exact - s)) ** 2).sum()) <= wrong


def delta_of_gaussians(shift, ratio, epsilon):
    """Exact delta, the worse way, of N(0, 1) against N(shift, 1 / ratio) in one dimension."""
    shift, ratio, epsilon = mpf(shift), mpf(ratio), mpf(epsilon)
    cdf = lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2  # noqa: E731

    def one_way(sign):
        # sign log(p/q) - epsilon = a x^2 + b x + c, integrated where it is positive.
        a = sign * (ratio - 1) / 2
        b = -sign * ratio * shift
        c = sign * (ratio * shift**2 - mpmath.log(ratio)) / 2 - epsilon
        if a == 0:
            edges = [(-mpmath.inf, -c / b)] if b < 0 else [(-c / b, mpmath.inf)]
        else:
            root = b * b - 4 * a * c
            if root <= 0:
                edges = [(-mpmath.inf, mpmath.inf)] if a > 0 else []
            else:
                low, high = sorted(
                    [(-b - mpmath.sqrt(root)) / 2 / a, (-b + mpmath.sqrt(root)) / 2 / a]
                )
                edges = [(low, high)] if a < 0 else [(-mpmath.inf, low), (high, mpmath.inf)]
        p = sum(cdf(c) - cdf(a) for a, c in edges)
        scale = mpmath.sqrt(ratio)
        q = sum(cdf((c - shift) * scale) - cdf((a - shift) * scale) for a, c in edges)
        return p - mpmath.exp(epsilon) * q if sign > 0 else q - mpmath.exp(epsilon) * p

    return max(one_way(1), one_way(-1))


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 8.0, 100.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1e-2])
@pytest.mark.parametrize("drifts", [False, True])
def test_calibrate_covers_shift_and_drift_together(epsilon, delta, drifts):
    b = calibrate(epsilon, delta, 0.3, dimension=1, drifts=drifts)
    assert b.fit_distance + b.distance_target <= b.sigma * b.mu
    assert (b.drift_cap > 0) == drifts
    with mpmath.workdps(120):
        for eta in {0.0, b.drift_cap, -b.drift_cap}:
            # The reference's own distance is promised in its own norm.
            shift = b.distance_target + b.fit_distance * math.sqrt(1 + abs(eta))
            assert delta_of_gaussians(shift / b.sigma, 1 + mpf(eta), epsilon) <= delta
        shift = 1.01 * (b.distance_target + b.fit_distance)
        assert delta_of_gaussians(shift / b.sigma, 1, epsilon) > delta


@pytest.mark.parametrize("dimension", [1, 31, 650, 10**5])
def test_calibrate_charges_the_drift_it_allows(dimension):
    b = calibrate(1.0, 1e-6, 0.1, dimension=dimension, drifts=True)
    tail = 1e-3 * 1e-6 * math.exp(-1.0)
    charged = covariance_drift(b.drift_cap, dimension, -math.log(tail))
    # Half is for the spread of all coordinates, half for the largest of them.
    assert 0.5 * b.drift_epsilon < charged <= b.drift_epsilon < 1e-2
    with mpmath.workdps(60):
        for r in (1 + mpf(b.drift_cap), 1 - mpf(b.drift_cap)):
            assert delta_of_precisions(r, dimension, b.drift_epsilon) <= tail


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("mu", [0.2261, 1.0, 3.0])
def test_delta_from_epsilon_agrees_with_dp_accounting(epsilon, mu):
    pld = privacy_loss_distribution.from_gaussian_mechanism(
        standard_deviation=1 / mu, value_discretization_interval=1e-4
    )
    theirs = pld.get_delta_for_epsilon(epsilon)
    assert delta_from_epsilon(epsilon, mu) == pytest.approx(theirs, rel=1e-4, abs=1e-13)


@pytest.mark.parametrize("releases", [1, 2, 9, 100])
@pytest.mark.parametrize("drifts", [False, True])
def test_joint_epsilon_agrees_with_dp_accounting(releases, drifts):
    b = calibrate(1.0, 1e-6, 0.1, dimension=4, drifts=drifts)
    pld = privacy_loss_distribution.from_gaussian_mechanism(
        standard_deviation=1 / b.mu, value_discretization_interval=1e-4
    )
    theirs = pld.self_compose(releases).get_epsilon_for_delta(1e-6)
    ours = b.joint_epsilon(releases)
    assert theirs * (1 - 1e-3) <= ours <= theirs * (1.2 if drifts else 1.002)
    assert b.joint_epsilon(releases + 1) > ours


def test_joint_epsilon_of_very_many_releases_is_a_number():
    b = calibrate(1.0, 1e-6, 0.1, dimension=51, drifts=True)
    for releases in (10**4, 10**5, 10**6):
        # Bun & Steinke's bound on epsilon, which the exact curve stays below.
        mu = b.mu * math.sqrt(releases)
        above = mu * mu / 2 + mu * math.sqrt(-2 * math.log(1e-6))
        assert mu * mu / 2 < b.joint_epsilon(releases) < 1.05 * above


@pytest.mark.parametrize("epsilon, delta", [(1e-12, 1e-6), (700.0, 1e-200), (1e-140, 0.5)])
def test_calibrate_leaves_a_drift_in_every_corner(epsilon, delta):
    b = calibrate(epsilon, delta, 0.1, dimension=10, drifts=True)
    assert 0 < b.drift_cap < 0.25 and b.mu > 0


def test_calibrate_refuses_what_leaves_nothing():
    with pytest.raises(ValueError, match="leaves no room"):
        calibrate(1e-300, 0.5, 0.1, dimension=10, drifts=True)
    with pytest.raises(ValueError, match="delta must be"):
        calibrate(1.0, 1e-310, 0.1, dimension=10, drifts=True)


def length(v):
    """The norm in long double, where no square of a double under- or overflows."""
    return np.sqrt(np.sum(np.square(v.astype(np.longdouble))))


@pytest.mark.parametrize("size", [1, 7, 4_000, 1_200_000])
@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-170, 1e-126, 1.0, 1e126, 1e170, 1e305])
def test_a_norm_is_above_the_truth_by_its_guard_alone(size, scale):
    rng = np.random.default_rng(size)
    v = scale * rng.normal(size=size)
    for laid in (v, v[::-1], np.asfortranarray(v.reshape(-1, 1)), v[::3]):
        true = length(laid)
        assert true <= norms.norm(laid) <= true * (1 + 2e-9) + 2e-323
    assert norms.norm(np.zeros((0, size))) == norms.norm(np.zeros(size)) == 0.0
    assert norms.norm(np.array([np.inf, scale])) == np.inf
    assert np.isnan(norms.norm(np.array([np.nan, scale])))


def test_a_norm_without_its_guard_falls_short():
    drawn = np.random.default_rng(0).normal(size=(100, 4_000))
    assert any(norms.norm(v) / (1 + 1e-9) < length(v) for v in drawn)
