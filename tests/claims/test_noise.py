"""The noise: its bytes, its law, its rounding, its covariance, and the norms that go with it."""

import hashlib
import math

import mpmath
import numpy as np
import pytest
from scipy import linalg, stats

from certunlearn.claims.noise import MECHANISMS, Geometry, Transfer
from certunlearn.claims.sampler import (
    RELEASE_BITS,
    OperatingSystem,
    Stream,
    rounded,
    standard_normal,
)
from certunlearn.linalg.cholesky import factorise

P = 1e-9
U = 2.0**-53


class Fixed:
    """Bytes of a generator of another family, the same at every run."""

    def __init__(self, seed):
        self.generator = np.random.Generator(np.random.Philox(seed))

    def bytes(self, count):
        return self.generator.bytes(count)


class Given:
    def __init__(self, *words):
        self.words = words

    def bytes(self, count):
        out = b"".join(w.to_bytes(8, "little") for w in self.words)
        assert len(out) == count
        return out


# Where the bytes come from


def test_a_stream_is_a_function_of_seed_and_index():
    for seed, index in [(0, 0), (7, 3), (2**100, 12)]:
        assert Stream(seed, index).bytes(99) == Stream(seed, index).bytes(99)
        assert Stream(seed, index).bytes(99)[:40] == Stream(seed, index).bytes(40)


def test_streams_are_disjoint():
    pairs = [(s, i) for s in (0, 1, 2, 11, 12, 110, 2**64) for i in (0, 1, 2, 10, 11, 110)]
    blocks = set()
    for seed, index in pairs:
        data = Stream(seed, index).bytes(80)
        blocks |= {data[k : k + 8] for k in range(0, 80, 8)}
    assert len(blocks) == 10 * len(pairs)


def test_the_meaning_of_a_stored_seed_never_changes():
    assert Stream(7, 3).bytes(8).hex() == hashlib.shake_256(b"certunlearn/7/3").hexdigest(8)
    assert Stream(0, 0).bytes(8).hex() == "da84f22758d5c7d4"
    assert repr(float(standard_normal(Stream(0, 0), (1,))[0])) == "0.21319583685252014"


def test_the_operating_system_never_repeats():
    source = OperatingSystem()
    blocks = {source.bytes(16) for _ in range(50)}
    assert len(blocks) == 50 and all(len(b) == 16 for b in blocks)
    assert not np.array_equal(standard_normal(source, (3,)), standard_normal(source, (3,)))


# The law of standard_normal


def exact_quantile(word):
    """The variate of one word, in 60 digits."""
    with mpmath.workdps(60):
        tail = (mpmath.mpf(word >> 2) + mpmath.mpf(1) / 2) / mpmath.mpf(2) ** 63
        size = mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * tail)
        return float(-size if word & 1 else size)


WORDS = [0, 1, 4, 5, 2**20, 2**40 + 1, 2**62, 2**63 + 1, 2**64 - 1, 2**64 - 2, 0x123456789ABCDEF1]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_inverted_to_its_quantile(word):
    found = float(standard_normal(Given(word), (1,))[0])
    assert found == pytest.approx(exact_quantile(word), rel=1e-12, abs=1e-15)


def test_the_tails_reach_far_and_the_middle_stays():
    largest = standard_normal(Given(0, 1), (2,))
    assert largest[0] == -largest[1] and 9.0 < largest[0] < 9.2
    smallest = standard_normal(Given(2**64 - 1, 2**64 - 2), (2,))
    assert np.isfinite(smallest).all() and (np.abs(smallest) < 1e-15).all()


def accepted(x):
    """Whether every two-sided test at P accepts x as independent standard normal variates."""
    n = len(x)
    if stats.kstest(x, "norm").pvalue < P:
        return False
    z = stats.norm.isf(P / 2)
    # Under normality: variance of the sample's mean of x^k, from the moments 1, 3, 15, 105.
    moments = [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
    for power, mean, variance in moments:
        if abs(np.mean(x**power) - mean) > z * math.sqrt(variance / n):
            return False
    if abs(np.mean(x[1:] * x[:-1])) > z / math.sqrt(n - 1):
        return False
    for t in (1.0, 2.0, 3.0, 4.0, 4.5):
        for side in (x > t, x < -t):
            if stats.binomtest(int(side.sum()), n, stats.norm.sf(t)).pvalue < P:
                return False
    return True


@pytest.fixture(scope="module")
def sample():
    return standard_normal(Fixed(2024), (500, 1000)).ravel()


def test_standard_normal_is_standard_normal(sample):
    assert accepted(sample)
    assert accepted(standard_normal(Stream(3, 1), (200_000,)))


@pytest.mark.parametrize("scale", [0.97, 1.03])
def test_the_test_rejects_other_scales(sample, scale):
    assert not accepted(scale * sample)
    variance = np.mean((scale * sample) ** 2)
    assert abs(variance - 1) > stats.norm.isf(P / 2) * math.sqrt(2 / len(sample))
    assert stats.kstest(scale * sample, "norm").pvalue < P


def test_the_test_rejects_other_laws(sample):
    n = len(sample)
    rng = np.random.default_rng(0)
    assert not accepted(sample + 0.02)
    assert not accepted(rng.standard_t(30, n) / math.sqrt(30 / 28))
    assert not accepted(np.clip(sample, -3.0, 3.0))
    assert not accepted(np.repeat(sample[: n // 2], 2))


def test_shapes_share_one_order():
    a, b = standard_normal(Stream(1, 0), (4, 3)), standard_normal(Stream(1, 0), (12,))
    np.testing.assert_array_equal(a.ravel(), b)
    assert standard_normal(Stream(1, 0), (0, 3)).shape == (0, 3)


# Rounding


def assorted():
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000) * 10.0 ** rng.uniform(-300, 300, 4000)
    edges = [0.0, -0.0, 5e-324, -5e-324, 2.3e-310, 2.0**-1040 * (1 + 2**-30), 1e308, -1e308]
    return np.concatenate([x, edges, 1 + U * 2 * np.arange(50), 1 - U * np.arange(50)])


def test_rounded_keeps_36_bits_and_the_sign():
    x = assorted()
    out = rounded(x)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(rounded(out), out)
    np.testing.assert_array_equal(np.signbit(out), np.signbit(x))
    for before, after in zip(x.tolist(), out.tolist(), strict=True):
        m, e = mpmath.frexp(mpmath.mpf(after))
        assert int(m * 2**RELEASE_BITS) == m * 2**RELEASE_BITS
        assert abs(mpmath.mpf(after) - before) <= mpmath.mpf(2) ** -36 * abs(mpmath.mpf(before))
    assert (out[x == 0] == 0).all() and (out[x != 0] != 0).all()


def test_rounded_is_exact_on_short_numbers_and_moves_long_ones():
    short = np.array([1.0, -0.5, 3.0, 1 / 1024, 5e-324, 2.0**1000, 2.0**34 + 0.5])
    np.testing.assert_array_equal(rounded(short), short)
    long = np.random.default_rng(2).normal(size=1000)
    gap = np.abs(rounded(long) - long) / np.abs(long)
    assert 2.0**-38 < gap.max() <= 2.0**-36 and (gap > 0).mean() > 0.99


def test_rounded_does_not_depend_on_the_neighbours():
    x = assorted()
    singles = np.array([rounded(np.array([v]))[0] for v in x[:200]])
    np.testing.assert_array_equal(rounded(x)[:200], singles)


# Geometry


def gram(p, seed=0, decades=2.0):
    """A Gram matrix with columns of different sizes, and its factor."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6 * p, p)) * 10.0 ** rng.uniform(-decades / 2, decades / 2, p)
    G = X.T @ X + 0.1 * np.eye(p)
    return G, factorise(G, np.diag(G).copy(), 4 * p * U)


def explicit(mechanism, G):
    """A itself."""
    return {"gram": G, "isotropic": np.eye(len(G)), "objective": G @ G}[mechanism]


CASES = [(m, p) for m in MECHANISMS for p in (1, 2, 5, 12)]


@pytest.mark.parametrize("mechanism, p", CASES)
def test_noise_has_the_inverse_of_A_as_covariance(mechanism, p):
    G, factor = gram(p, seed=p)
    geometry, A = Geometry(mechanism, factor), explicit(mechanism, G)
    # noise is linear: its matrix T is its image of the identity, its covariance T T'.
    T = geometry.noise(np.eye(p))
    d = np.sqrt(np.diag(linalg.inv(A)))
    np.testing.assert_allclose(
        (T @ T.T) / np.outer(d, d), linalg.inv(A) / np.outer(d, d), atol=1e-9, rtol=1e-9
    )
    for other in set(MECHANISMS) - {mechanism}:
        wrong = linalg.inv(explicit(other, G))
        assert np.abs(T @ T.T - wrong).max() > 1e-3 * np.abs(wrong).max()
    Z = np.random.default_rng(0).normal(size=(p, 4))
    np.testing.assert_allclose(geometry.noise(Z), T @ Z, rtol=1e-9, atol=1e-9 * np.abs(T).max())


@pytest.mark.parametrize("mechanism, p", CASES)
def test_norm_half_and_deviations(mechanism, p):
    G, factor = gram(p, seed=p + 50)
    geometry, A = Geometry(mechanism, factor), explicit(mechanism, G)
    V = np.random.default_rng(1).normal(size=(p, 3))
    truth = math.sqrt(np.trace(V.T @ A @ V))
    assert geometry.norm(V) == pytest.approx(truth, rel=1e-8)
    assert np.linalg.norm(geometry.half @ V) == pytest.approx(truth, rel=1e-8)
    np.testing.assert_allclose(
        geometry.deviations(0.25), 0.25 * np.sqrt(np.diag(linalg.inv(A))), rtol=1e-8
    )
    # Noise is as large as the norm says: E ||noise||_A^2 = p a column.
    T = geometry.noise(np.eye(p))
    assert geometry.norm(T) ** 2 == pytest.approx(p, rel=1e-8)
    if mechanism == "gram":
        assert geometry.gram_norm(V) >= truth * (1 - 1e-15)


def test_sampled_noise_whitens_to_a_standard_normal():
    G, factor = gram(6, seed=9)
    for mechanism in MECHANISMS:
        geometry = Geometry(mechanism, factor)
        noise = geometry.noise(standard_normal(Fixed(5), (6, 40_000)))
        white = linalg.sqrtm(explicit(mechanism, G)).real @ noise
        assert accepted(white.ravel()) and not accepted(1.03 * white.ravel())
        correlation = white @ white.T / 40_000 - np.eye(6)
        assert np.abs(correlation).max() <= stats.norm.isf(P / 72) * math.sqrt(2 / 40_000)


# Transfer between norms


@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("mechanism, p", CASES)
def test_transfer_constant_is_above_the_eigenvalue_and_near_it(mechanism, p, K):
    G, factor = gram(p, seed=p)
    H, hessian = gram(p * K, seed=p + 7)
    transfer = Transfer.between(Geometry(mechanism, factor), hessian)
    A = np.kron(np.eye(K), explicit(mechanism, G))
    truth = math.sqrt(linalg.eigh(A, H, eigvals_only=True)[-1])
    q = p * K
    assert truth * (1 - 1e-9) <= transfer.c <= truth * q ** (1 / 16) * (1 + 1e-4)
    direction = linalg.eigh(A, H)[1][:, -1]
    size = math.sqrt(direction @ H @ direction)
    assert np.sqrt(direction @ A @ direction) <= transfer.c * size * (1 + 1e-9)


def test_transfer_constant_cannot_be_had_for_an_unusable_factor():
    G, factor = gram(3)
    unusable = factorise(np.diag([1.0, 1e-18, 1.0]), np.ones(3), 1e-3)
    assert unusable.theta == math.inf
    assert Transfer.between(Geometry("gram", factor), unusable).c == math.inf


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("seed", range(6))
def test_step_bounds_the_solution_for_every_right_side_allowed(mechanism, seed):
    p, K = 4, 2
    G, factor = gram(p, seed=seed)
    H, hessian = gram(p * K, seed=seed + 30, decades=4.0)
    transfer = Transfer.between(Geometry(mechanism, factor), hessian)
    rng = np.random.default_rng(seed)
    v = rng.normal(size=p * K) * np.sqrt(np.diag(H))
    wide = np.abs(v) * 10.0 ** rng.uniform(-9, -2)
    A = np.kron(np.eye(K), explicit(mechanism, G))
    for allowance in (0.0, wide):
        s, size, error = transfer.step(v, allowance)
        worst = 0.0
        for _ in range(200):
            u = v + allowance * rng.choice([-1.0, 1.0], p * K)
            x = exact_solution(H, u)
            assert math.sqrt(x @ A @ x) <= size * (1 + 1e-10)
            gap = x - s
            worst = max(worst, math.sqrt(max(gap @ A @ gap, 0.0)))
        assert worst <= error + 1e-13 * size
        assert size <= (math.sqrt(s @ A @ s) + error) * (1 + 1e-8)
        if np.any(allowance):
            assert error <= 100 * worst


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("seed", range(6))
def test_solutions_of_many_columns_are_as_long_as_said_and_hardly_shorter(mechanism, seed):
    p, K = 5, 3
    G, factor = gram(p, seed=seed)
    H, hessian = gram(p, seed=seed + 60, decades=5.0)
    transfer = Transfer.between(Geometry(mechanism, factor), hessian)
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(p, K)) * np.sqrt(np.diag(H))[:, None]
    x, A = exact_solution(H, u), explicit(mechanism, G)
    true = math.sqrt(np.sum(x * (A @ x)))
    white = hessian.inverse @ u
    assert true <= transfer.solved(white, 0.0) * (1 + 1e-10) <= true * (1 + 1e-6)
    # Off by as much as it may be, along the worst direction of all.
    direction = linalg.eigh(A, H)[1][:, -1:]
    off = hessian.inverse @ (H @ direction) @ np.ones((1, K))
    tail = float(np.linalg.norm(off))
    worst = x + direction @ np.ones((1, K))
    assert math.sqrt(np.sum(worst * (A @ worst))) <= transfer.solved(white, tail)
    alone = math.sqrt(K * (direction.T @ A @ direction)[0, 0])
    # The twin: nine tenths of what the tail adds.
    assert alone > 0.9 * transfer.solved(np.zeros((p, K)), tail)


def exact_solution(H, u):
    """Solve with two steps of refinement in long double."""
    factor = linalg.cho_factor(H)
    x = linalg.cho_solve(factor, u).astype(np.longdouble)
    for _ in range(2):
        x = x + linalg.cho_solve(factor, (u - H.astype(np.longdouble) @ x).astype(float))
    return x.astype(float)


# Drift of the covariance


def true_drift(mechanism, here, other):
    """||A^{-1/2} A_other A^{-1/2} - I||_2 for A made of the Gram matrices given."""
    A, B = explicit(mechanism, here), explicit(mechanism, other)
    values = linalg.eigh(B, A, eigvals_only=True)
    return float(np.abs(values - 1).max())


@pytest.mark.parametrize("eta", [1e-12, 1e-8, 1e-4])
@pytest.mark.parametrize("p", [1, 2, 3, 8])
@pytest.mark.parametrize("mechanism", ["gram", "objective"])
def test_drift_is_above_the_truth_for_every_error_allowed(mechanism, p, eta):
    rng = np.random.default_rng(p)
    for seed in range(3):
        G, _ = gram(p, seed=seed, decades=1.0)
        # The exact matrix is anywhere within eta g g' of both factors.
        factor = factorise(G, np.diag(G).copy(), eta)
        bound, g = Geometry(mechanism, factor).drift(eta), np.sqrt(np.diag(G))
        X, worst = linalg.inv(G), 0.0
        corner = np.sign(X @ np.outer(g, g) @ X)
        signs = [corner, -corner, np.ones((p, p)), -np.ones((p, p)), np.sign(X), -np.sign(X)]
        for _ in range(40):
            S = rng.choice([-1.0, 1.0], (p, p))
            signs.append(np.triu(S) + np.triu(S, 1).T)
        if eta >= 1e-8:
            for S in signs:
                S = np.where(S == 0, 1.0, S)
                # Both errors at once: |other - here| <= 2 eta g g'.
                worst = max(worst, true_drift(mechanism, G, G + 2 * eta * S * np.outer(g, g)))
            assert worst <= bound * (1 + 1e-6)
            assert bound <= 60 * p * worst
        # First order, where float64 eigenvalues cannot tell.
        slope = 2 * eta * np.abs(linalg.solve_triangular(factor.lower, g, lower=True)).max() ** 2
        assert bound >= slope


def test_drift_of_objective_is_about_twice_that_of_gram_at_p_1():
    G = np.array([[5.0]])
    factor = factorise(G, np.diag(G).copy(), 1e-6)
    once = Geometry("gram", factor).drift(1e-6)
    twice = Geometry("objective", factor).drift(1e-6)
    assert once == pytest.approx(2e-6, rel=1e-3) and twice == pytest.approx(4e-6, rel=1e-3)


def test_drift_of_a_constant_covariance_is_none_and_of_a_hopeless_one_infinite():
    G, factor = gram(3)
    assert Geometry("isotropic", factor).drift(1.0) == 0.0
    hopeless = factorise(np.diag([1.0, 1e-40, 1.0]) + 1e-21, np.ones(3), 0.0)
    for mechanism in ("gram", "objective"):
        assert Geometry(mechanism, hopeless).drift(1e-12) > 1.0


def test_drift_grows_with_the_other_worlds_error():
    _, factor = gram(4)
    for mechanism in ("gram", "objective"):
        drifts = [Geometry(mechanism, factor).drift(e) for e in (0.0, 1e-15, 1e-12, 1e-6)]
        assert drifts[0] > 0 and (np.diff(drifts) > 0).all()


def test_rounded_of_the_largest_number_is_a_number():
    W = np.array([1.0, -1.0]) * np.finfo(float).max
    out = rounded(W)
    assert np.isfinite(out).all() and (np.abs(out) <= np.abs(W)).all()
    assert np.allclose(out, W, rtol=2.0**-35)


def test_rounded_is_towards_zero_only_where_a_float_would_overflow():
    top, step = 2.0**1023 * (2 - 2.0 ** (1 - RELEASE_BITS)), 2.0 ** (1024 - RELEASE_BITS)
    half = top + step / 2
    beyond = [half, np.nextafter(half, math.inf), np.finfo(float).max]
    for sign in (1.0, -1.0):
        np.testing.assert_array_equal(rounded(sign * np.array([*beyond, top])), sign * top)
        # An exponent less there is room, and the nearest is taken as everywhere.
        np.testing.assert_array_equal(rounded(sign * np.array(beyond) / 2), sign * 2.0**1023)
        below = np.nextafter(top - step / 2, math.inf)
        np.testing.assert_array_equal(rounded(sign * np.array([below])), sign * top)
