"""Every loss of one margin against 60-digit arithmetic: derivatives, constants, rounding, range."""

import mpmath
import numpy as np
import pytest

from certunlearn.numerics.losses import pointwise
from certunlearn.numerics.losses.margins import Columnwise, Softmax

U = 2.0**-53
#: Losses with their formulas, independently in mpmath, and targets they take.
mp = mpmath.mp
SIGNS, REAL, COUNTS, AMOUNTS = (1.0, -1.0), (0.0, 1.7, -250.0), (0.0, 1.0, 40.0), (0.3, 1.0, 900.0)


def huber(b):
    return lambda z, t: b * b * (mpmath.sqrt(1 + ((z - t) / b) ** 2) - 1)


def hinge(T):
    return lambda z, t: T * mpmath.log1p(mpmath.exp((1 - t * z) / T))


LOSSES = [
    (pointwise.Logistic(), lambda z, t: mpmath.log1p(mpmath.exp(-t * z)), SIGNS),
    (pointwise.Squared(), lambda z, t: (z - t) ** 2 / 2, REAL),
    (pointwise.Poisson(), lambda z, t: mpmath.exp(z) - t * z, COUNTS),
    (pointwise.Gamma(), lambda z, t: z + t * mpmath.exp(-z), AMOUNTS),
    (pointwise.PseudoHuber(1.0), huber(mpmath.mpf(1)), REAL),
    (pointwise.PseudoHuber(0.01), huber(mpmath.mpf(0.01)), REAL),
    (pointwise.LogCosh(), lambda z, t: mpmath.log(mpmath.cosh(z - t)), REAL),
    (pointwise.SoftplusHinge(0.5), hinge(mpmath.mpf(0.5)), SIGNS),
    (pointwise.SoftplusHinge(0.01), hinge(mpmath.mpf(0.01)), SIGNS),
]
IDS = [repr(loss) for loss, _, _ in LOSSES]
POINTS = np.r_[-300.0, -30.0, -3.1, -1.0, -1e-3, 0.0, 1e-9, 0.4, 1.0, 2.7, 25.0, 300.0]


def pairs(loss, targets):
    z, t = (a.ravel() for a in np.meshgrid(POINTS, targets))
    # Near the target, too, where differences cancel.
    near = np.array(targets)
    return np.r_[z, near + 1e-7, near - 0.3], np.r_[t, near, near]


def derivatives(formula, z, t):
    """Value and three derivatives by Taylor expansion at high precision."""
    with mpmath.workdps(400):
        return mpmath.taylor(lambda x: formula(x, mpmath.mpf(t)), mpmath.mpf(z), 3)


@pytest.mark.parametrize("loss, formula, targets", LOSSES, ids=IDS)
def test_derivatives_are_those_of_the_formula_within_the_stated_rounding(loss, formula, targets):
    z, t = pairs(loss, targets)
    value, slope = loss.value(z, t), loss.slope(z, t)
    curvature, slope_ulps = loss.curvature(z, t), loss.slope_ulps(z, t, slope)
    for i in range(len(z)):
        c0, c1, c2, _ = derivatives(formula, z[i], t[i])
        assert abs(value[i] - c0) <= 1e-14 * (1 + abs(c0) + abs(z[i]) + abs(t[i] * z[i]))
        # A value below 1e-290 may have underflowed.
        assert abs(slope[i] - c1) <= U * slope_ulps[i] + 1e-290
        assert abs(curvature[i] - 2 * c2) <= U * loss.ulps * 2 * c2 + 1e-290


@pytest.mark.parametrize("points", [9, pytest.param(121, marks=pytest.mark.long)])
@pytest.mark.parametrize("loss, formula, targets", LOSSES, ids=IDS)
def test_constants_bound_the_derivatives_and_are_nearly_attained(loss, formula, targets, points):
    near = np.linspace(-3, 3, points)
    scale = getattr(loss, "threshold", getattr(loss, "temperature", 1.0))
    ratios, curvatures = [], []
    for t in targets[:2]:
        centre = t if loss.R not in (0.0, 1.0) or isinstance(loss, pointwise.Squared) else 0.0
        for z in np.r_[centre + scale * near, POINTS[3:-2]]:
            _, _, c2, c3 = derivatives(formula, float(z), float(t))
            curvatures.append(2 * c2)
            ratios.append(abs(6 * c3) / (2 * c2) if c2 else 0)
    assert max(ratios) <= loss.R * (1 + 4 * U)
    assert max(ratios) >= 0.7 * loss.R
    if loss.bounded:
        assert max(curvatures) <= loss.kappa * (1 + 4 * U)
        assert max(curvatures) >= 0.6 * loss.kappa
    else:
        assert loss.kappa == 1


@pytest.mark.parametrize("loss, formula, targets", LOSSES, ids=IDS)
def test_curvature_at_zero(loss, formula, targets):
    at_zero = [float(2 * derivatives(formula, 0.0, t)[2]) for t in targets]
    if loss.at_zero:
        np.testing.assert_allclose(at_zero, loss.at_zero, rtol=1e-12)
    else:
        assert len(set(at_zero)) > 1


@pytest.mark.parametrize("loss, formula, targets", LOSSES, ids=IDS)
def test_far_margins_overflow_into_infinity_and_nothing_else(loss, formula, targets):
    z, t = np.array([1e4, -1e4]), np.full(2, targets[1])
    with np.errstate(over="ignore"):
        for array in (loss.value(z, t), loss.slope(z, t), loss.curvature(z, t)):
            assert not np.isnan(array).any()
            assert np.isfinite(array).all() or not loss.bounded


@pytest.mark.parametrize("loss, formula, targets", LOSSES, ids=IDS)
def test_jax_keeps_to_the_same_rounding(loss, formula, targets):
    import jax

    z, t = pairs(loss, targets)
    names = ("value", "slope", "curvature")
    here = {name: getattr(loss, name)(z, t) for name in names}
    here["slope_ulps"] = loss.slope_ulps(z, t, here["slope"])
    with jax.enable_x64(True):
        computed = {name: jax.jit(getattr(loss, name))(z, t) for name in names}
        computed["slope_ulps"] = jax.jit(loss.slope_ulps)(z, t, computed["slope"])
        there = {name: np.asarray(found) for name, found in computed.items()}
    np.testing.assert_allclose(there["value"], here["value"], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(there["slope_ulps"], here["slope_ulps"], rtol=1e-12, atol=1e-290)
    assert (np.abs(there["slope"] - here["slope"]) <= U * here["slope_ulps"] + 1e-290).all()
    far = np.abs(there["curvature"] - here["curvature"])
    assert (far <= U * loss.ulps * here["curvature"] + 1e-290).all()


def test_columns_are_told_from_each_other():
    loss = Columnwise(pointwise.Logistic(), 3, coded=True)
    Z, y = np.array([[0.3, -1.0, 2.0], [1.0, 0.0, -2.0]]), np.array([2, 0])
    T = np.array([[-1.0, -1.0, 1.0], [1.0, -1.0, -1.0]])
    np.testing.assert_allclose(loss.value(Z, y), np.log1p(np.exp(-T * Z)).sum(axis=1))
    np.testing.assert_array_equal(loss.margin_range(Z), [2.0, 2.0])
    one = Columnwise(pointwise.Logistic(), 1, coded=True)
    np.testing.assert_allclose(one.value(Z[:, :1], np.array([0, 1])), np.log1p(np.exp([0.3, -1.0])))
    np.testing.assert_array_equal(Softmax(3).margin_range(Z), [3.0, 3.0])


@pytest.mark.parametrize("K", [3, 10])
def test_softmax_slopes_and_curvatures_do_not_cancel(K):
    rng = np.random.default_rng(K)
    loss, Z, y = Softmax(K), rng.normal(size=(40, K)) * 20, rng.integers(K, size=40)
    slope, diagonal = loss.slope(Z, y), loss.diagonal(Z, y)
    with mpmath.workdps(60):
        for i in range(40):
            E = [mpmath.exp(mpmath.mpf(float(v))) for v in Z[i]]
            total = mpmath.fsum(E)
            for k in range(K):
                others = mpmath.fsum(e for j, e in enumerate(E) if j != k) / total
                exact = -others if k == y[i] else E[k] / total
                assert abs(slope[i, k] - exact) <= 64 * K * U * abs(exact) + 1e-290
                c = E[k] / total * others
                assert abs(diagonal[i, k] - c) <= loss.ulps * U * c + 1e-290
