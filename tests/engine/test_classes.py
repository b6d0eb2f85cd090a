"""Many classes without a factor: certified above the truth whatever single precision does."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from certunlearn import CertifiedLogReg, NoiseWarning
from certunlearn.claims.noise import Geometry
from certunlearn.engine.distances import class_floor
from certunlearn.engine.distances.class_floor import class_distance
from certunlearn.engine.distances.gram import gram_of
from certunlearn.engine.removal import refresh_classes
from certunlearn.linalg.diagonal import Diagonal
from certunlearn.numerics.context import numerics
from certunlearn.numerics.losses.margins import Softmax
from certunlearn.numerics.objective.diagonal_gram import diagonal_of
from certunlearn.numerics.objective.differences import Differences
from certunlearn.numerics.objective.gauge import gauge_weights
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.objective.survey import survey
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights
from certunlearn.numerics.solvers import class_blocks
from certunlearn.numerics.solvers.class_blocks import (
    ClassBlocks,
    ClassMetric,
    Shared,
    Spread,
    Whole,
)
from certunlearn.numerics.solvers.descent import Descent

from .. import problems, reference, states, strategies

LD = np.longdouble
KINDS = 8


def adversary(seed, most=6):
    """Features, codes and weights of one of many kinds that break bounds."""
    rng = np.random.default_rng(seed)
    d, K = (1, 3, 6)[seed // KINDS % 3], (3, 4, most)[seed % 3]
    n = max(60, 4 * K)
    X, weight = rng.normal(size=(n, d)), np.ones(n)
    codes = (X @ rng.normal(size=(d, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    kind = seed % KINDS
    if kind == 0:
        # Collinear columns and duplicated rows.
        X[:, d // 2 :] = X[:, : d - d // 2]
        X[n // 2 :] = X[: n - n // 2]
    elif kind == 1:
        X[0] *= 1e3
    elif kind == 2:
        # Rows that are told apart with confidence.
        codes = np.searchsorted(np.quantile(X[:, 0], np.arange(1, K) / K), X[:, 0])
        X *= 10
    elif kind == 3:
        weight = 10.0 ** rng.uniform(-6, 6, size=n)
    elif kind == 4:
        # Classes of two rows, far from the origin.
        X, codes = X + 5.0, np.zeros(n, dtype=np.int64)
        codes[2 : 2 * K] = np.arange(2, 2 * K) // 2
    elif kind == 5:
        # Two classes that cannot be told apart.
        codes = np.where(codes == 1, rng.integers(0, 2, n), codes)
    elif kind == 6:
        weight[rng.random(n) < 0.5] = 0.0
    codes[: 2 * K], weight[: 2 * K] = np.tile(np.arange(K), 2), np.maximum(weight[: 2 * K], 0.1)
    return (X.astype(np.float32) if seed % 2 else X), codes.astype(np.int64), weight


REMOVALS = [15], [16, 17, 18]


def wanted(seed, **changes):
    return replace(
        problems.settings(
            mechanism=strategies.MECHANISMS[seed % 3],
            noise=1.0,
            tol=1e-4,
            fit_intercept=seed % 4 > 0,
            alpha=10.0 ** (seed % 5 - 2),
        ),
        solver="newton-cg",
        **changes,
    )


def checked(seeds, most=6):
    """Fit and forget; certified over true, how many used a metric of classes, and refusals."""
    ratios, classwise, refused = [], 0, 0
    for seed in seeds:
        X, codes, weight = adversary(seed, most)
        settings = wanted(seed)
        for model, left in problems.life(X, codes, weight, settings, REMOVALS):
            if model is None:
                refused += 1
                continue
            classwise += model.reached.metric is not None
            known = X.astype(float), codes, left, 1 / settings.alpha, settings.fit_intercept
            # The start only saves steps: the oracle measures its own error.
            truth = reference.optimum(*known, model.W)
            half = problems.half_of(model.gram.geometry)
            ratio = problems.over_truth(model, truth, half, seed)
            ratios += [] if ratio is None else [ratio]
    return ratios, classwise, refused


def test_certified_is_above_the_truth():
    ratios, classwise, refused = checked(range(24))
    assert len(ratios) > 45 and classwise > 45 and refused < 6


@pytest.mark.long
def test_certified_is_above_the_truth_of_many_problems():
    ratios, classwise, refused = checked(range(100, 400))
    print(f"{len(ratios)} distances, median certified over true {np.median(ratios):.3g}")
    print(f"{classwise} by classes, {refused} refused")
    assert len(ratios) > 500


#: Of all kinds; every third seed has most classes.
SIXTY = [(5,), pytest.param((2, 8, 11, 14, 17, 20, 23), marks=pytest.mark.long)]


@pytest.mark.parametrize("seeds", SIXTY)
def test_certified_is_above_the_truth_of_sixty_classes(seeds):
    ratios, classwise, refused = checked(seeds, most=60)
    print(f"certified over true {np.round(ratios, 1)}, {classwise} by classes, {refused} refused")
    assert len(ratios) > len(seeds) and classwise > len(seeds)


@pytest.mark.parametrize("what", ["gradients", "start", "metric"])
def test_perturbed_proposals_change_no_claim(monkeypatch, what):
    rng = np.random.default_rng(0)

    def shaken(found):
        def perturbed(*args):
            V = found(*args)
            return V * (1 + 0.1 * rng.normal(size=V.shape))

        return perturbed

    if what == "gradients":
        monkeypatch.setattr(Differences, "gradient", shaken(Differences.gradient))
    elif what == "start":
        measured = Differences.measured

        def off(objective, W):
            found = measured(objective, W)
            wrong = 1 + 0.1 * rng.normal(size=W.shape)
            return found._replace(gradient=found.gradient * wrong)

        monkeypatch.setattr(Differences, "measured", off)
    else:
        for kind in (Shared, ClassBlocks, Whole):
            monkeypatch.setattr(kind, "solve", shaken(kind.solve))
    ratios, _, _ = checked(range(9))
    assert len(ratios) > 15


def test_classes_that_share_a_matrix_are_certified_as_well(monkeypatch):
    monkeypatch.setattr(class_blocks, "room_for_blocks", lambda objective: False)
    ratios, classwise, _ = checked(range(9))
    assert len(ratios) > 15 and classwise > 15


def objective_of(X, codes, weight, alpha, intercept):
    """An objective with the gauge that a fit would give it, and the geometry."""
    rows = DenseRows(X, codes, intercept=intercept)
    K, alpha = int(codes.max()) + 1, np.full(rows.p, float(alpha))
    if intercept:
        alpha[-1] = 0.0
    o = Objective(rows, Softmax(K), np.arange(K), Weights.of(weight), alpha, np.zeros(rows.p))
    gram = gram_of("gram", o, None, None)
    gauge = gauge_weights(alpha, o.loss, gram.diagonal, everywhere=False)
    return replace(o, gauge=gauge), gram.geometry


def exact(o, W, kind=LD):
    """Rows, weights, probabilities and the gradient at W, in long double."""
    rows = o.rows
    X = np.asarray(rows.gather(np.arange(rows.n)), kind)
    s, own = o.weight.astype(kind)[:, None], np.eye(W.shape[1], dtype=kind)[rows.labels]
    Z = X @ W.astype(kind)
    P = np.exp(Z - Z.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    slope = P * (1 - own) - own * (P * (1 - own)).sum(axis=1, keepdims=True)
    g = X.T @ (s * slope) + o.alpha.astype(kind)[:, None] * W
    return X, s, P, g + (o.gauge * W.sum(axis=1))[:, None]


def in_the_space(K):
    """An orthonormal basis of the vectors of K numbers that sum to zero, (K, K - 1)."""
    return np.linalg.qr(np.column_stack([np.ones(K), np.eye(K)[:, 1:]]))[0][:, 1:]


def restricted(o, X, s, P):
    """The Hessian on steps that sum to zero over the classes, in float64, class-major."""
    K = P.shape[1]
    B = in_the_space(K)
    C = -P[:, :, None] * P[:, None, :]
    C[:, np.arange(K), np.arange(K)] = P * (1 - P)
    inner = B.T @ C.astype(float) @ B * s.astype(float)[:, :, None]
    X, p = X.astype(float), X.shape[1]
    # Over the rows as one product: of what classes have, and what coordinates have.
    squares = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    H = inner.reshape(len(X), -1).T @ squares
    H = H.reshape(K - 1, K - 1, p, p).transpose(0, 2, 1, 3).reshape((K - 1) * p, (K - 1) * p)
    return H + np.kron(np.eye(K - 1), np.diag(o.alpha))


def surveys(seeds):
    for seed in seeds:
        X, codes, weight = adversary(seed, most=8)
        rng = np.random.default_rng(seed)
        with numerics():
            o, geometry = objective_of(X, codes, weight, 10.0 ** (seed % 6 - 3), seed % 4 > 0)
            K = o.loss.columns
            W = rng.normal(size=(o.rows.p, K)) * (0.0, 0.1, 1.0, 3.0)[seed // 3 % 4]
            least = (0.0, 0.3 / K, np.inf)[seed % 3]
            yield seed, o, geometry, W, survey(o, W, least)


def test_a_survey_holds_what_it_says_and_the_floor_is_below_the_curvature():
    summed, tight = 0, 0.0
    for seed, o, _, W, found in surveys(range(48)):
        X, s, P, g = exact(o, W)
        m = found.measurement
        assert (np.abs(m.gradient - g) <= m.allowance).all(), seed
        # The twin: a hundredth of it, which is what one operation an entry would be.
        summed += bool((np.abs(m.gradient - g) > 0.01 * m.allowance).any())
        H = restricted(o, X, s, P)
        D = np.kron(np.eye(P.shape[1] - 1), found.below.matrix)
        scale = 1 / np.sqrt(np.diag(H) + 1e-300)
        values = np.linalg.eigvalsh((H - D) * np.outer(scale, scale))
        assert values[0] >= -1e-10, seed
        if (o.alpha == 0).any() and not W.any():
            tight = max(tight, float(np.linalg.eigvals(np.linalg.solve(H, D)).real.max()))
    assert summed > 0
    # The twin: at W = 0 all probabilities are alike, and no larger matrix would be below.
    assert tight > 1 - 1e-6


def test_rows_that_stand_together_are_as_one_and_no_more_is_below_them():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(90, 2)) + 3.0
    codes, W = np.arange(90) % 3, rng.normal(size=(3, 3))
    with numerics():
        o, _ = objective_of(X, codes, rng.random(90) + 0.5, 1e-3, True)
        each, together = survey(o, W).below, survey(o, W, np.inf).below
        half = survey(o, W, float(np.median(np.diag(each.matrix)) / 900)).below
    size = np.trace(each.matrix)
    # One by one more is known than together; of the intercept as much, which is 1 in all rows.
    for less, more in ((together, half), (half, each)):
        assert np.linalg.eigvalsh(more.matrix - less.matrix)[0] >= -1e-12 * size
    assert np.isclose(together.matrix[-1, -1], each.matrix[-1, -1], rtol=1e-9)
    # The twin: a hundredth more is not below them.
    rest = together.matrix - np.diag(o.alpha)
    assert np.linalg.eigvalsh(each.matrix - together.matrix - 0.01 * rest)[0] < -1e-6 * size
    # Where rounding could matter they are left out.
    far = X.copy()
    far[0] *= 1e9
    with numerics():
        o, _ = objective_of(far, codes, np.ones(90), 1e-3, True)
        found = survey(o, 0 * W, np.inf).below
    np.testing.assert_array_equal(found.matrix, np.diag(o.alpha))


def test_a_curvature_above_the_floor_comes_as_far_as_the_distance():
    rng = np.random.default_rng(6)
    X, codes = rng.normal(size=(80, 4)) * [1, 30, 1, 0.1], np.arange(80) % 3
    gained = []
    with numerics():
        o, geometry = objective_of(X, codes, np.ones(80), 1.0, True)
        W = 2.0 * rng.normal(size=(5, 3))
        W -= W.mean(axis=1, keepdims=True)
        found = survey(o, W)
        values, U = np.linalg.eigh(found.below.matrix)
        root = (U / np.sqrt(values)) @ U.T
        half = geometry.gram.lower.T @ root
        right = np.linalg.svd(half)[2]
        worst, least = right[0], right[-1]
        for h in (least, worst, worst + least):
            # The step that a floor D allows for a gradient D^{1/2} h: D^{-1/2} y on the sphere that
            # has h for a diameter, as that of the curvature D^{1/2} (y y'/y'y)^{-1} D^{1/2} nearly.
            y = 0.5 * (h + np.linalg.norm(h) * worst)
            g = 1e-9 * np.outer(np.linalg.solve(root, h), [1, -1, 0])
            step = 1e-9 * root @ np.outer(y, [1, -1, 0])
            none = np.zeros_like(g)
            m = found.measurement._replace(
                gradient=g, allowance=none, rounding=none, slope_error=0.0
            )
            alone = found._replace(measurement=m, summed=none, evaluated=0.0)
            bound = class_floor.floored(o, geometry, alone, np.inf, np.sqrt(2.0))
            assert geometry.norm(step) <= bound.distance * (1 + 1e-9)
            # The twin: nine tenths of it is too little.
            assert geometry.norm(step) > 0.9 * bound.distance
            c = np.linalg.norm(half, 2) * np.sqrt(2.0) * 1e-9 * np.linalg.norm(h)
            gained.append(c / bound.distance)
    assert max(gained) > 1.7 and min(gained) < 1.01


@pytest.mark.parametrize("K", [2, 5])
def test_rows_together_move_a_gradient_by_the_root_of_what_each_does(K):
    # Margins that are off by half a range, up in one class and down in another.
    rho, n = 1e-3, 400
    P = np.full((n, K), 1e-9, LD)
    P[:, :2] = 0.5 - (K - 2) * 0.5e-9
    e = np.zeros((n, K), LD)
    e[:, 0], e[:, 1] = rho / 2, -rho / 2
    moved = P * np.exp(e)
    moved /= moved.sum(axis=1, keepdims=True)
    change = (moved - P).sum(axis=0)[:, None]
    # One coordinate x = 1: the Hessian is the sum of the rows' curvatures.
    C = np.diag(P.sum(axis=0)) - P.T @ P
    B = in_the_space(K)
    along = (B.T @ change).astype(float)
    length = float(np.sqrt(along.T @ np.linalg.solve(B.T @ C.astype(float) @ B, along))[0, 0])
    bound = 0.5 * np.sqrt(n * rho**2 * np.exp(2 * rho))
    assert length <= bound
    # The twin: nine tenths of it.
    assert length > 0.9 * bound


def test_distances_are_above_a_dense_truth():
    ratios = distances(range(200))
    assert len(ratios) > 60


@pytest.mark.long
def test_distances_are_above_a_dense_truth_of_many_problems():
    ratios = distances(range(1000, 11_000))
    print(f"{len(ratios)} distances, median certified over true {np.median(ratios):.3g}")
    assert len(ratios) > 3000


def optimum(o):
    """The optimum by Newton's method in float64, and the decrement there."""
    W, B = np.zeros((o.rows.p, o.loss.columns)), in_the_space(o.loss.columns)
    for _ in range(60):
        X, s, P, g = exact(o, W, float)
        H = restricted(o, X, s, P)
        inner = (g @ B).T.ravel()
        try:
            v = np.linalg.solve(H, inner)
        except np.linalg.LinAlgError:
            return W, np.inf
        size = float(np.sqrt(max(inner @ v, 0.0)))
        W = W - v.reshape(-1, o.rows.p).T @ B.T / (1 + size if size > 0.1 else 1)
        if size < 1e-12:
            break
    return W, size


def about_optimum(o, seed):
    """The optimum and a point about it; None where it is not known well."""
    best, size = optimum(o)
    if not size < 1e-9:
        return None
    rng = np.random.default_rng(seed)
    # The classes may have something in common, which no optimum has.
    common = 10.0 ** rng.uniform(-9, 1) * rng.normal(size=(o.rows.p, 1)) * (seed % 2)
    return best, best + 10.0 ** rng.uniform(-6, -1) * rng.normal(size=best.shape) + common


def distances(seeds):
    """Certified over true at points about the optimum of random problems."""
    ratios = []
    for seed in seeds:
        X, codes, weight = adversary(seed, most=8)
        with numerics():
            o, geometry = objective_of(X, codes, weight, 10.0 ** (seed % 6 - 3), seed % 4 > 0)
            near = about_optimum(o, seed)
            if near is None:
                continue
            best, W = near
            if seed % 3 == 2:
                # As wide rows are, of whose Gram matrix the diagonal alone is known.
                geometry = Geometry("isotropic", diagonal_of(o))
            least = (0.0, 0.1 / len(best.T), np.inf)[seed // 2 % 3]
            bound = class_distance(o, geometry, W, survey(o, W, least))
        if bound.distance < np.inf:
            true = geometry.norm(W - best)
            assert true <= bound.distance * (1 + 1e-9) + 1e-9, seed
            ratios.append(bound.distance / true)
    return ratios


def test_errors_of_margins_are_seen_through_the_rows_where_no_gram_matrix_is_known():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(400, 6))
    y = (10 * X @ rng.normal(size=(6, 4)) + rng.gumbel(size=(400, 4))).argmax(axis=1)
    with numerics():
        o, _ = objective_of(X, y, np.ones(400), 1e-4, True)
        W, _ = optimum(o)
        geometry, found = Geometry("isotropic", diagonal_of(o)), survey(o, W)
        m = found.measurement._replace(gradient=np.zeros_like(W))
        apart = class_distance(o, geometry, W, found._replace(measurement=m))
        entries = found._replace(measurement=m._replace(slope_error=np.inf))
        assert apart.distance < 0.2 * class_distance(o, geometry, W, entries).distance


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1.0, 1e20])
def test_features_in_single_precision_are_squared_in_double(scale):
    rng = np.random.default_rng(3)
    X = (scale * rng.normal(size=(40, 2))).astype(np.float32)
    codes, found = np.arange(40) % 3, []
    W = rng.normal(size=(2, 3)) / scale
    with numerics():
        for kind in (np.float32, np.float64):
            alpha = np.full(2, scale**2)
            rows = DenseRows(X.astype(kind), codes, intercept=False)
            o = Objective(rows, Softmax(3), np.arange(3), Weights.of(np.ones(40)), alpha, alpha)
            found.append(survey(o, W))
    single, double = (each.measurement for each in found)
    assert (
        single.margin_error == pytest.approx(double.margin_error, rel=1e-6) and single.margin_error
    )
    np.testing.assert_allclose(found[0].summed, found[1].summed, rtol=1e-6)
    np.testing.assert_allclose(single.allowance, double.allowance, rtol=1e-6)


def test_a_gradient_of_zero_has_a_distance():
    X = np.repeat(np.array([[1.0, 0], [0, 1], [2, 1], [1, 1]] * 2), 4, axis=0)
    alike = {"noise": 1.0, "random_state": 0, "mechanism": "isotropic", "fit_intercept": False}
    with pytest.warns(NoiseWarning):
        model = CertifiedLogReg(C=1e-3, solver="newton-cg", **alike).fit(X, np.tile(range(4), 8))
    assert model.certificate_.distance <= model.certificate_.distance_target


def test_nine_tenths_of_the_distance_is_too_little_and_what_classes_share_counts(monkeypatch):
    # Equal classes and a single coordinate: at zero every inequality is nearly an equality.
    n, K = 40, 4
    codes = np.tile(np.arange(K), n // K).astype(np.int64)
    with numerics():
        o, geometry = objective_of(np.zeros((n, 0)), codes, np.ones(n), 1.0, True)
        W = np.array([[1e-3, -1e-3, 0.0, 0.0]])
        bound = class_distance(o, geometry, W, survey(o, W))
        true = geometry.norm(W)
        assert true <= bound.distance
        assert true > 0.9 * bound.distance
        shifted = W + 0.01
        bound = class_distance(o, geometry, shifted, survey(o, shifted))
        assert geometry.norm(shifted) <= bound.distance
        monkeypatch.setattr(class_floor, "_common", lambda *_: 0.0)
        # With a gauge the gradient tells of it too; without one it does not.
        free = replace(o, gauge=np.full(1, 1e-12))
        bound = class_distance(free, geometry, shifted, survey(free, shifted))
        assert geometry.norm(shifted) > bound.distance


def test_changes_of_gradients_are_right_to_single_precision_however_small():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 7)), rng.integers(0, 5, 300)
    with numerics():
        o, _ = objective_of(X, y, rng.random(300) + 0.5, 0.3, True)
        W = rng.normal(size=(8, 5))
        base = Differences(o, W)
        V = rng.normal(size=W.shape)
        for size in (1e-9, 1e-4, 1.0, 1e3):
            change = exact(o, W + LD(size) * V)[3] - exact(o, W)[3]
            found = base.gradient(size * V)
            assert np.abs(found - change).max() <= 1e-5 * np.abs(change).max()
        product = base.hessian_product(V)
        assert np.abs(product - o.hvp(W, V)).max() <= 1e-5 * np.abs(product).max()


def test_a_measurement_to_descend_from_is_right_to_double_precision():
    rng = np.random.default_rng(9)
    X, y = rng.normal(size=(300, 7)), rng.integers(0, 5, 300)
    with numerics():
        o, _ = objective_of(X, y, rng.random(300) + 0.5, 0.3, True)
        W = rng.normal(size=(8, 5))
        found, m = Differences.measured(o, W), o.measure(W, W)
        assert np.abs(found.gradient - m.gradient).max() <= 1e-13 * np.abs(m.gradient).max()
        assert np.isclose(found.value, m.value, rtol=1e-13)
        V = rng.normal(size=W.shape)
        change = Differences(o, W).gradient(V)
        assert np.abs(found.changes.gradient(V) - change).max() <= 1e-5 * np.abs(change).max()


def test_blocks_are_the_inverses_of_the_hessians_blocks_less_what_classes_share(monkeypatch):
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(400, 3)), rng.integers(0, 4, 400)
    # With all rows counted nothing is approximated.
    monkeypatch.setattr(class_blocks, "_HEAVY", 0.0)
    with numerics():
        o, geometry = objective_of(X, y, rng.random(400) + 0.5, 0.3, True)
        W, K = 0.3 * rng.normal(size=(4, 4)), 4
        base = Differences(o, W)
        Z = o.rows.gather(np.arange(400))
        S = (Z * o.weight[:, None]).T @ Z
        blocks = ClassBlocks.of(base, S, o.alpha, Spread.of(base))
        P = exact(o, W, float)[2]
        dense = np.zeros((K * 4, K * 4))
        for k in range(K):
            q = o.weight * P[:, k] * (1 - P[:, k])
            dense[k * 4 : k * 4 + 4, k * 4 : k * 4 + 4] = (Z * q[:, None]).T @ Z + np.diag(o.alpha)
        g = rng.normal(size=(4, 4))
        truth = np.linalg.solve(dense, g.T.ravel()).reshape(K, 4).T
        truth -= truth.mean(axis=1, keepdims=True)
        assert np.abs(blocks.solve(g) - truth).max() <= 1e-3 * np.abs(truth).max()
        # At zero all classes curve alike, and one matrix is as good.
        base = Differences(o, np.zeros((4, 4)))
        shared = Shared.of(S, o.alpha, Spread.of(base).classes)
        alike = ClassBlocks.of(base, S, o.alpha, Spread.of(base)).solve(g)
        assert np.abs(shared.solve(g) - alike).max() <= 1e-3 * np.abs(alike).max()


def test_where_no_distance_is_known_nothing_is_late():
    # Nor is a metric made afresh for it: `late` would be true for ever.
    search = SimpleNamespace(left=[np.inf] * 9, allowed=1e-3)
    assert refresh_classes._Search._to_come(search) == 0.0
    search.left = [0.5**k for k in range(9)]
    assert 2 < refresh_classes._Search._to_come(search) < 20


def test_the_whole_hessian_is_inverted_up_to_what_blocks_may_take():
    loss = Softmax(10)
    for p, small in ((64, True), (409, True), (410, False)):
        objective = SimpleNamespace(loss=loss, rows=SimpleNamespace(p=p))
        assert class_blocks.Whole.fit(objective) is small
    # Where rows are confident a matrix a class is too little, and this is not.
    rng = np.random.default_rng(6)
    X = rng.normal(size=(2500, 120)) @ rng.normal(size=(120, 120)) / np.sqrt(120)
    y = (X @ rng.normal(size=(120, 16))).argmax(axis=1)
    model = CertifiedLogReg(C=100.0, noise=1.0, random_state=0).fit(X, y)
    metric = model._fitted.model.reached.metric
    assert isinstance(metric.model, Whole) and len(metric.model.inverse) == 16 * 121
    assert np.abs(metric.model.inverse - metric.model.inverse.T).max() == 0
    model.forget([0])
    assert model._fitted.model.reached.metric.model is metric.model
    assert model.certificate_.distance <= model.certificate_.distance_target


def test_the_whole_hessian_is_inverted_once_passes_have_cost_as_much():
    # Of few rows a pass is short: blocks that take many passes are cheaper than an inversion.
    rng = np.random.default_rng(7)
    X = rng.normal(size=(200, 30))
    y = (X @ rng.normal(size=(30, 40))).argmax(axis=1)
    model = CertifiedLogReg(solver="newton-cg", random_state=0).fit(X, y).forget([0])
    o, metric = model._fitted.model.objective, model._fitted.model.reached.metric
    assert isinstance(metric.model, ClassBlocks)
    q = o.loss.columns * 31
    assert replace(metric, fresh=True).price(o) == q / 32 * (1 + 2 * q / o.rows.n) > 40
    # Blocks that rows have left since they were made are made again first.
    stale = replace(metric, fresh=False)
    assert not stale.whole(o) and stale.price(o) == 31 / 16
    assert replace(metric, fresh=True).whole(o)


def test_what_makes_margins_grow_alike_is_known_beforehand(monkeypatch):
    monkeypatch.setattr(class_blocks.Whole, "fit", staticmethod(lambda objective: False))
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2000, 10))
    y = (4 * X @ rng.normal(size=(10, 6)) + rng.gumbel(size=(2000, 6))).argmax(axis=1)
    model = CertifiedLogReg(solver="newton-cg", random_state=0).fit(X, y)
    metric = model._fitted.model.reached.metric
    assert isinstance(metric, ClassMetric) and isinstance(metric.model, ClassBlocks)
    assert metric.pinned
    for s, change, product in metric.pinned:
        assert np.isclose(np.sum(s * change), product) and product > 0
        # In the metric they have length one: the ratio of the curvatures is the product.
        assert not 0.8 < product < 1.25


def test_a_model_and_its_state_go_on_alike():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(600, 6)), rng.integers(0, 5, 600)
    model = CertifiedLogReg(solver="newton-cg", random_state=0).fit(X, y).forget([1, 2])
    other = CertifiedLogReg.from_state(states.stored(model.to_state()))
    for gone in ([7], [20, 21, 22]):
        assert states.same(model.forget(gone), other.forget(gone))
    assert model.certificate_.distance <= model.certificate_.distance_target


def test_nothing_of_a_forgotten_row_is_left_in_the_metric(monkeypatch):
    # Else it would have been made afresh, of the rows that stay.
    monkeypatch.setattr(ClassMetric, "price", lambda *_: np.inf)
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(500, 4)), rng.integers(0, 4, 500)
    model = CertifiedLogReg(solver="newton-cg", random_state=0).fit(X, y)
    model.forget([3])
    assert model._fitted.model.reached.metric is not None
    model.to_state()
    assert model._fitted.model.reached.metric is None


def test_a_small_hessian_is_inverted_where_blocks_are_not_enough(monkeypatch):
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(300, 5)), rng.integers(0, 4, 300)
    with numerics():
        o, _ = objective_of(X, y, rng.random(300) + 0.5, 0.3, True)
        W = rng.normal(size=(6, 4))
        g = rng.normal(size=(6, 4))
        g -= g.mean(axis=1, keepdims=True)
        for lost, off in ((class_blocks._LOST, 5 * class_blocks._LOST), (0.0, 1e-3)):
            monkeypatch.setattr(class_blocks, "_LOST", lost)
            v = Whole.of(Differences(o, W), o.alpha, 4).solve(g)
            assert np.abs(v.sum(axis=1)).max() < 1e-12
            left = o.hvp(W, v) - g
            assert np.abs(left - left.mean(axis=1, keepdims=True)).max() <= off * np.abs(g).max()
        base = Differences(o, W)
        S = o.gram().matrix
        metric = ClassMetric(Shared.of(S, o.alpha, np.full(4, 0.1)))
        blocks = metric.built(base, S, W)
        assert isinstance(blocks.model, ClassBlocks)
        assert isinstance(blocks.built(base, S, W).model, Whole)


def test_a_hessian_is_factored_where_blocks_of_classes_certify_too_little():
    X, y = problems.data("digits", False)
    small = {"C": 10.0, "noise": 7e-7, "epsilon": 100.0, "delta": 1e-2, "view": "release"}
    model = CertifiedLogReg(random_state=0, **small).fit(X, y).forget([5, 6])
    held = model._fitted.model
    assert model.solver_ == "newton-cg" and held.reached.quadratic is not None
    assert all("factored" in entry["plan"] for entry in model.history_)
    assert model.certificate_.distance <= model.certificate_.distance_target
    other = CertifiedLogReg.from_state(states.stored(model.to_state()))
    assert states.same(model.forget([7]), other.forget([7]))


def test_where_no_step_is_worth_its_price_a_better_metric_is_made(monkeypatch):
    X, y = problems.data("digits", False)
    model, told, done = CertifiedLogReg(random_state=0).fit(X, y), [], []
    to_come, looked = refresh_classes._Search._to_come, refresh_classes._Search.looked
    made = ClassMetric.built

    def at_first(search):
        told.append(np.inf if not told else to_come(search))
        return told[-1]

    monkeypatch.setattr(refresh_classes._Search, "_to_come", at_first)
    search = refresh_classes._Search
    monkeypatch.setattr(search, "looked", lambda *a: done.append("looked") or looked(*a))
    monkeypatch.setattr(ClassMetric, "built", lambda *a: done.append("built") or made(*a))
    model.forget([5, 6])
    reached = model._fitted.model.reached
    # Nothing is measured where nobody has gone anywhere.
    assert len(told) > 1 and done[:2] == ["built", "looked"]
    assert reached.quadratic is None and reached.tier == "refresh"
    assert model.certificate_.distance <= model.certificate_.distance_target


@pytest.mark.parametrize("close", [0.0, refresh_classes._CLOSE])
def test_a_distance_that_is_missed_by_little_is_tried_again(monkeypatch, close):
    X, y = problems.data("digits", False)
    model, shown, claims = CertifiedLogReg(random_state=0).fit(X, y), refresh_classes.shown, []
    allowed = model.certificate_.distance_target

    def missed(*args, **more):
        bound, shift = shown(*args, **more)
        claims.append(bound.least)
        # As if the step that was not measured had gone less far than it did.
        if len(claims) == 1:
            bound = bound._replace(distance=np.inf, least=5 * allowed)
        return bound, shift

    monkeypatch.setattr(refresh_classes, "shown", missed)
    monkeypatch.setattr(refresh_classes, "_CLOSE", close)
    # Nothing else leads on.
    monkeypatch.setattr(refresh_classes, "_WORTH", 0.0)
    model.forget([5, 6])
    reached = model._fitted.model.reached
    assert (reached.quadratic is None and len(claims) == 2) == (close > 0)
    assert model.certificate_.distance <= allowed


def test_what_is_known_is_certified_where_no_step_leads_nearer(monkeypatch):
    # A row without influence: rounding alone says whether a step has come nearer.
    X, y = problems.data("digits", False)
    model = CertifiedLogReg(random_state=0).fit(X, y)
    W = model._fitted.model.W.copy()
    knows, asked = refresh_classes._Search.knows, []

    def at_first(search, *found):
        asked.append(knows(search, *found) if not asked else False)
        return asked[-1]

    monkeypatch.setattr(refresh_classes._Search, "knows", at_first)

    def nowhere(search, *_):
        search.left.append(0.0)
        return 1e-12 * search.best

    monkeypatch.setattr(refresh_classes._Search, "_steps", nowhere)
    model.forget(np.argsort(model.predict_proba(X).max(axis=1))[-1:])
    reached = model._fitted.model.reached
    assert asked == [True, False] and reached.quadratic is None and (reached.W == W).all()
    assert model.certificate_.distance <= model.certificate_.distance_target


def test_many_classes_of_wide_rows_need_no_gram_matrix():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(60, 800)).astype(np.float32), rng.integers(0, 3, 60)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    model = CertifiedLogReg(random_state=0, noise=0.3).fit(X, y).forget([5])
    held = model._fitted.model
    assert isinstance(held.gram.known, Diagonal) and held.reached.metric is not None
    assert model.solver_ == "newton-cg" and model.certificate_.mechanism == "isotropic"
    best, o = held.reached.W, held.objective
    with numerics():
        for _ in range(3):
            g = o.measure(best, best).gradient
            base, V = Differences(o, best), np.zeros_like(best)
            descent = Descent(held.reached.metric.model.solve)
            first = g
            for _ in range(12):
                v = descent.direction(g)
                new = first + base.gradient(V + v)
                descent.learn(v, new - g)
                V, g = V + v, new
            best = best + V
    assert np.linalg.norm(held.reached.W - best) <= held.reached.distance
