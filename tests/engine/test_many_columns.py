"""Many separate columns at once: certified above the truth whatever single precision does."""

from dataclasses import replace

import numpy as np
import pytest

from certunlearn import CertifiedLinearSVC, CertifiedLogReg
from certunlearn.engine.distances.column_floor import column_distance
from certunlearn.engine.distances.gram import gram_of
from certunlearn.engine.removal import refresh_columns
from certunlearn.numerics.context import numerics
from certunlearn.numerics.losses import pointwise
from certunlearn.numerics.losses.margins import Columnwise
from certunlearn.numerics.objective.column_changes import ColumnChanges
from certunlearn.numerics.objective.column_survey import column_survey
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights
from certunlearn.numerics.solvers import class_blocks, column_blocks
from certunlearn.numerics.solvers.column_blocks import ColumnMetric

from .. import problems, reference, strategies
from .test_classes import REMOVALS, adversary
from .test_columns import truth_of

LD = np.longdouble
LOSSES = {"logistic": pointwise.Logistic(), "hinge": pointwise.SoftplusHinge(0.3)}


def wanted(seed, kind, **changes):
    return replace(
        problems.settings(
            mechanism=strategies.MECHANISMS[seed % 3],
            noise=1.0,
            tol=1e-4,
            fit_intercept=seed % 4 > 0,
            alpha=10.0 ** (seed % 5 - 2),
        ),
        solver="newton-cg",
        loss=LOSSES[kind],
        **changes,
    )


def apart(model, kind, X, T, weight):
    """True distance of all columns together, and the oracle's own error."""
    if kind == "hinge":
        return truth_of(model, kind, X, T, weight)
    s, half, found = model.settings, problems.half_of(model.gram.geometry), []
    for k in range(T.shape[1]):
        codes = (T[:, k] > 0).astype(np.int64)
        start = model.W[:, k : k + 1]
        truth = reference.optimum(X, codes, weight, 1 / s.alpha, s.fit_intercept, start)
        true, error = truth.apart(model.W[:, k : k + 1], half)
        found.append((float(true), float(error) if truth.sound else np.inf))
    return np.hypot.reduce([t for t, _ in found]), np.hypot.reduce([e for _, e in found])


def checked(seeds, kind):
    """Fit and forget; certified over true, how many descended so, and refusals."""
    ratios, together, refused = [], 0, 0
    for seed in seeds:
        X, codes, weight = adversary(seed)
        T = np.where(codes[:, None] == np.arange(codes.max() + 1), 1.0, -1.0)
        for model, left in problems.life(X, codes, weight, wanted(seed, kind), REMOVALS):
            if model is None:
                refused += 1
                continue
            together += isinstance(model.reached.metric, ColumnMetric)
            true, error = apart(model, kind, X.astype(float), T, left)
            r = model.reached.distance
            if error < 0.05 * r:
                assert true <= r + error, seed
                ratios.append(r / max(true, 1e-300))
    return np.array(ratios), together, refused


@pytest.mark.parametrize("kind", LOSSES)
def test_certified_is_above_the_truth(kind):
    ratios, together, refused = checked(range(24), kind)
    assert len(ratios) > 25 and together > 20 and refused < 12
    assert np.median(ratios) < 300


@pytest.mark.long
@pytest.mark.parametrize("kind", LOSSES)
def test_certified_is_above_the_truth_of_many_problems(kind):
    ratios, together, _ = checked(range(24, 300), kind)
    assert len(ratios) > 300 and together > 300


@pytest.mark.parametrize("what", ["gradients", "metric", "trust"])
def test_perturbed_proposals_change_no_claim(monkeypatch, what):
    if what == "gradients":
        plain = ColumnChanges.gradient

        def noisy(self, V, columns):
            g = plain(self, V, columns)
            return g * (1 + 0.3 * np.sin(1e3 * np.arange(g.size).reshape(g.shape)))

        monkeypatch.setattr(ColumnChanges, "gradient", noisy)
    elif what == "metric":
        plain = ColumnMetric.solve
        monkeypatch.setattr(
            ColumnMetric, "solve", lambda self, G, columns: 0.4 * plain(self, G, columns)
        )
    else:
        # Every step is taken without a measurement.
        monkeypatch.setattr(refresh_columns, "_left", lambda metric, g: np.full(g.shape[1], 1e-30))
    ratios, _, _ = checked(range(12), "logistic")
    assert len(ratios) > 8


def objective_of(X, codes, weight, alpha, intercept, loss):
    K = int(codes.max()) + 1
    rows = DenseRows(X, codes, intercept=intercept)
    penalty = np.full(rows.p, alpha)
    if intercept:
        penalty[-1] = 0.0
    loss = Columnwise(loss, K, coded=True)
    return Objective(rows, loss, np.arange(K), Weights.of(weight), penalty, np.zeros(rows.p))


def exact(o, X, codes, weight, W):
    """Gradient and Hessians of the columns at W in long double."""
    X = np.asarray(X, LD)
    if o.rows.intercept:
        X = np.c_[X, np.ones(len(X), LD)]
    t = np.where(codes[:, None] == np.arange(W.shape[1]), LD(1), LD(-1))
    each = o.loss.each
    unit = LD(getattr(each, "temperature", 1.0))
    offset = LD(1) if hasattr(each, "temperature") else LD(0)
    a = (offset - t * (X @ W.astype(LD))) / unit
    small = np.exp(-np.abs(a))
    S = np.where(a >= 0, LD(1), small) / (1 + small)
    s = weight.astype(LD)[:, None]
    g = X.T @ (s * -t * S) + o.alpha.astype(LD)[:, None] * W
    curvature = s * small / (1 + small) ** 2 / unit
    H = [(X * curvature[:, k : k + 1]).T @ X + np.diag(o.alpha) for k in range(W.shape[1])]
    return g, H


def surveys(seeds):
    for seed in seeds:
        X, codes, weight = adversary(seed)
        rng = np.random.default_rng(seed)
        loss = LOSSES["hinge" if seed % 3 == 0 else "logistic"]
        with numerics():
            o = objective_of(X, codes, weight, 10.0 ** (seed % 5 - 2), seed % 4 > 0, loss)
            W = rng.normal(size=(o.rows.p, o.loss.columns)) * 10.0 ** rng.uniform(-3, 1)
            G = o.gram()
            found = column_survey(o, W, G.diagonal * (1 + G.error), 0.0)
        yield seed, o, X, codes, weight, W, found


def test_a_survey_holds_what_it_says_and_the_floor_is_below_every_curvature():
    tight = 0
    for seed, o, X, codes, weight, W, found in surveys(range(60)):
        g, H = exact(o, X, codes, weight, W)
        m = found.measurement
        assert (np.abs(g - m.gradient) <= m.allowance).all(), seed
        D = found.below.matrix.astype(LD)
        slack = found.below.error * np.outer(*[np.sqrt(found.below.diagonal)] * 2) * len(D)
        for k, h in enumerate(H):
            size = float(np.trace(h))
            least = np.linalg.eigvalsh((h - D + slack).astype(float))[0]
            assert least >= -1e-13 * size, (seed, k)
            # Twin: a hundredth more of the rows is not below all of them any more.
            more = D + 0.01 * (D - np.diag(o.alpha))
            tight += np.linalg.eigvalsh((h - more).astype(float))[0] < -1e-13 * size
    assert tight > 20


def test_rows_that_are_not_counted_only_lower_the_floor():
    for _, o, _, _, _, W, found in surveys(range(8)):
        with numerics():
            G = o.gram()
            few = column_survey(o, W, G.diagonal * (1 + G.error), 0.1)
        more = found.below.matrix - few.below.matrix
        assert np.linalg.eigvalsh(more)[0] >= -1e-12 * np.trace(found.below.matrix)
        np.testing.assert_allclose(few.measurement.gradient, found.measurement.gradient)


def optima(o, X, codes, weight):
    """The optimum of every column in long double, or None where one is not known well."""
    alpha, found = float(o.alpha[0]), []
    for k in range(o.loss.columns):
        if hasattr(o.loss.each, "temperature"):
            t = np.where(codes == k, 1.0, -1.0)
            known = "hinge", o.loss.each.temperature, X.astype(float), t, weight, alpha
            truth = reference.optimum_of(*known, o.rows.intercept)
        else:
            own = (codes == k).astype(np.int64)
            truth = reference.optimum(X.astype(float), own, weight, 1 / alpha, o.rows.intercept)
        if not truth.sound:
            return None
        found.append(np.asarray(truth.W, LD).reshape(-1, 1))
    return np.hstack(found)


def test_distances_are_above_a_dense_truth_and_nine_tenths_are_not():
    held, beaten = 0, 0
    for seed in range(48):
        X, codes, weight = adversary(seed)
        kind = "hinge" if seed % 3 == 0 else "logistic"
        rng = np.random.default_rng(seed)
        with numerics():
            o = objective_of(X, codes, weight, 10.0 ** (seed % 4 - 1), seed % 4 > 0, LOSSES[kind])
            best = optima(o, X, codes, weight)
            if best is None:
                continue
            gram = gram_of("gram", o, None, None)
            L = gram.geometry.gram.lower
            for size in (1e-6, 1e-3, 0.1):
                V = rng.normal(size=best.shape)
                W = (best + size * np.linalg.solve(L.T, V / np.linalg.norm(V))).astype(float)
                true = float(np.sqrt(np.sum((L.T.astype(LD) @ (W - best)) ** 2)))
                known = gram.known
                found = column_survey(o, W, known.diagonal * (1 + known.error), 0.0)
                bound = column_distance(o, gram.geometry, found)
                if np.isfinite(bound.distance):
                    held += 1
                    assert bound.distance >= true * (1 - 1e-5), seed
    assert held > 60
    # Twin: one row, one feature, all columns alike, next to the optimum: the bound is attained.
    X, codes = np.ones((60, 1)), np.arange(60) % 3
    with numerics():
        o = objective_of(X, codes, np.ones(60), 1e-6, False, LOSSES["logistic"])
        best = optima(o, X, codes, np.ones(60)).astype(float)
        gram = gram_of("gram", o, None, None)
        W = best + 1e-6
        found = column_survey(o, W, gram.known.diagonal * (1 + gram.known.error), 0.0)
        bound = column_distance(o, gram.geometry, found)
        true = float(np.linalg.norm(gram.geometry.gram.lower.T @ (W - best)))
        beaten = 0.9 * bound.distance < true <= bound.distance
    assert beaten


@pytest.mark.parametrize("kind", LOSSES)
def test_changes_of_gradients_are_right_to_single_precision_however_small(kind):
    X, codes, weight = adversary(2)
    with numerics():
        o = objective_of(X, codes, weight, 0.1, True, LOSSES[kind])
        rng = np.random.default_rng(0)
        W = rng.normal(size=(o.rows.p, o.loss.columns))
        changes, V = ColumnChanges(o, W), rng.normal(size=W.shape)
        for size in (1e-6, 1e-3, 1.0, 30.0):
            true = exact(o, X, codes, weight, W + size * V)[0] - exact(o, X, codes, weight, W)[0]
            for columns in (np.arange(W.shape[1]), np.array([1])):
                got = changes.gradient(size * V[:, columns], columns)
                error = np.abs(got - true[:, columns]).max()
                assert error <= 1e-4 * np.abs(true).max()


@pytest.mark.parametrize(
    "make", [CertifiedLinearSVC, lambda **k: CertifiedLogReg(multi_class="ovr", **k)]
)
def test_many_columns_descend_together_and_go_on_alike(monkeypatch, make):
    monkeypatch.setattr("certunlearn.engine.state.MOST_SEPARATE", 20)
    rng = np.random.default_rng(0)
    centres, y = rng.normal(size=(5, 6)), np.arange(400) % 5
    X = centres[y] + rng.normal(size=(400, 6))
    model = make(random_state=0).fit(X, y)
    assert model.solver_ == "newton-cg" and "a matrix a class" in model.history_[0]["plan"]
    model.forget([3]).learn(X[:2] + 0.1, y[:2]).correct([7], y=[1])
    assert isinstance(model._fitted.model.reached.metric, ColumnMetric)
    again = type(model).from_state(model.to_state())
    for each in (model, again):
        each.forget(np.arange(20, 40))
    np.testing.assert_array_equal(model.coef_, again.coef_)
    keep = np.setdiff1d(np.arange(400), [3, *range(20, 40)])
    T = y.copy()
    T[7] = 1
    rows, labels = np.vstack([X[keep], X[:2] + 0.1]), np.r_[T[keep], y[:2]]
    fresh = make(noise=0, solver="newton-cholesky").fit(rows, labels)
    inner = model._fitted.model
    assert fresh._fitted.model.parts and not inner.parts
    true = inner.gram.geometry.norm(inner.W - fresh._fitted.model.W)
    assert true <= inner.reached.distance * 1.001 <= model.certificate_.distance_target * 1.001


def test_nothing_of_a_forgotten_row_is_left_in_the_metric(monkeypatch):
    monkeypatch.setattr("certunlearn.engine.state.MOST_SEPARATE", 20)
    # No removal is worth new matrices.
    monkeypatch.setattr(column_blocks, "_A_PASS", 1e-3)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 6)), np.arange(300) % 4
    model = CertifiedLogReg(multi_class="ovr", random_state=0).fit(X, y).forget([5])
    assert model._fitted.model.reached.stale
    after = model._fitted.rebased().model
    assert not after.reached.stale
    assert after.reached.metric is None or after.reached.metric.fresh


def test_columns_share_a_matrix_where_there_is_no_room_for_more(monkeypatch):
    monkeypatch.setattr(class_blocks, "_SHARE", 0.0)
    monkeypatch.setattr(class_blocks, "_FEW", 0)
    ratios, together, _ = checked(range(8), "logistic")
    assert len(ratios) > 8 and together > 4
