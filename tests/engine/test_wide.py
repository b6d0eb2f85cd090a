"""Without a d x d matrix: certified above the truth, known without a pass, whatever is proposed."""

from dataclasses import replace

import numpy as np
import pytest

from certunlearn import CertifiedLogReg, CertifiedRidge
from certunlearn.engine.distances.centred import (
    _about_mean,
    centred_distance,
    floor_about_mean,
    free_intercept,
)
from certunlearn.engine.distances.gram import gram_of
from certunlearn.engine.distances.known import Known, edited_measurement
from certunlearn.engine.distances.matrix_free import (
    Floors,
    intercept_curvature,
    matrix_free_distance,
)
from certunlearn.engine.removal import minimise, refresh_matrix_free
from certunlearn.linalg.diagonal import Diagonal
from certunlearn.numerics.context import numerics
from certunlearn.numerics.losses.margins import Logistic, Softmax
from certunlearn.numerics.objective.diagonal_gram import diagonal_of, regrouped
from certunlearn.numerics.objective.measurement import Spare
from certunlearn.numerics.objective.objective import Objective
from certunlearn.numerics.objective.products import Products
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.weights import Weights
from certunlearn.numerics.solvers import metric

from .. import problems, reference

LD = np.longdouble


def adversary(seed):
    """Features, codes and weights of one of many kinds that break bounds."""
    rng = np.random.default_rng(seed)
    # Few shapes, so that few are compiled.
    n, d = 40, (1, 12, 60)[seed // 2 % 3]
    X, weight = rng.normal(size=(n, d)), np.ones(n)
    codes = (X[:, 0] + rng.logistic(size=n) > 0).astype(np.int64)
    kind = seed % 6
    if kind == 0:
        # Collinear, and duplicated rows.
        X[:, d // 2 :] = X[:, : d - d // 2]
        X[n // 2 :] = X[: n - n // 2]
    elif kind == 1:
        X[0] *= 1e3
    elif kind == 2:
        codes = (X[:, 0] > 0).astype(np.int64)
    elif kind == 3:
        weight = 10.0 ** rng.uniform(-6, 6, size=n)
    elif kind == 4:
        # Fewer rows than features, one class nearly gone, far from the origin.
        X, codes = X + 5.0, np.ones(n, dtype=np.int64)
        weight[6:] = 0.0
    codes[:2] = 0, 1
    if seed % 2:
        X = X.astype(np.float32)
    return X, codes, weight


def wide(**changes):
    return replace(
        problems.settings(mechanism="isotropic", noise=1.0, tol=1e-4), solver="lbfgs", **changes
    )


def checked(seeds):
    """Fit and forget problems; what was certified over what is true, tiers, and refusals."""
    ratios, tiers, refused = [], [], 0
    for seed in seeds:
        X, codes, weight = adversary(seed)
        intercept = seed % 3 > 0
        settings = wide(fit_intercept=intercept, alpha=10.0 ** (seed % 5 - 3))
        for model, left in problems.life(X, codes, weight, settings, ([5], [2, 3])):
            if model is None:
                refused += 1
                continue
            assert isinstance(model.gram.known, Diagonal)
            if len(model.classes) < 2:
                break
            C = 1 / settings.alpha
            truth = reference.optimum(X.astype(float), codes, left, C, intercept, model.W)
            ratio = problems.over_truth(model, truth, np.eye(len(model.W), dtype=LD), seed)
            if ratio is not None:
                ratios.append(ratio)
                tiers.append(model.certificate.tier)
    return ratios, tiers, refused


def test_certified_is_above_the_truth():
    ratios, tiers, refused = checked(range(18))
    assert len(ratios) > 30 and refused < 8
    assert {"fit", "refresh", "downdate"} == set(tiers)


@pytest.mark.long
def test_certified_is_above_the_truth_of_many_problems():
    ratios, tiers, refused = checked(range(100, 280))
    print(f"{len(ratios)} distances, median certified over true {np.median(ratios):.3g}")
    print(f"{refused} refused, {tiers.count('downdate')} without a pass")
    assert len(ratios) > 300


def test_perturbed_proposals_change_no_claim(monkeypatch):
    rng = np.random.default_rng(0)
    found = refresh_matrix_free.lbfgs

    def shaken(*args, **kwargs):
        out = found(*args, **kwargs)
        return out._replace(step=out.step * (1 + 0.1 * rng.normal(size=out.step.shape)))

    monkeypatch.setattr(refresh_matrix_free, "lbfgs", shaken)
    ratios, _, _ = checked(range(6))
    assert len(ratios) > 9


def test_a_factor_of_anything_changes_no_claim(monkeypatch):
    made = []

    def wrong(objective, W):
        p = len(W)
        L = np.tril(np.random.default_rng(p).normal(size=(p, p))) + 3 * np.eye(p)
        made.append(p)
        return metric.SingleFactor.of(L.astype(np.float32))

    monkeypatch.setattr(metric, "single_factor", wrong)
    ratios, _, _ = checked(range(6))
    assert len(ratios) > 9 and made


def factored(n=300, d=40):
    """A model whose fit has made a factor, and its rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)).astype(np.float32) * np.linspace(0.05, 1, d, dtype=np.float32)
    y = (X @ rng.normal(size=d) + rng.logistic(size=n) > 0).astype(np.int64)
    model = CertifiedLogReg(
        mechanism="isotropic", solver="lbfgs", view="release", random_state=0, C=10.0
    )
    return model.fit(X, y), X, y


def test_a_factor_is_that_of_the_hessian_and_saves_passes(monkeypatch):
    model, _, _ = factored()
    state = model._fitted.model
    with numerics():
        found = metric.single_factor(state.objective, state.W)
        H = state.objective.hessian(state.W).matrix
        V = np.random.default_rng(1).normal(size=(len(H), 1))
        np.testing.assert_allclose(H @ found.solve(V), V, rtol=0, atol=1e-3)
        white = found.white(V)
        np.testing.assert_allclose(np.sum(white**2), np.sum(V * found.solve(V)), rtol=1e-4)
    assert state.reached.metric.factor is not None
    passes = [model.forget([3]).certificate_.passes]
    monkeypatch.setattr(metric, "price", lambda objective: np.inf)
    plain, _, _ = factored()
    assert plain._fitted.model.reached.metric.factor is None
    passes.append(plain.forget([3]).certificate_.passes)
    assert passes[0] < passes[1]


def test_a_pickle_holds_no_factor_of_rows_that_have_gone():
    model, _, _ = factored()
    fresh = type(model).from_state(model.to_state())
    assert fresh._fitted.model.reached.metric.factor is not None
    model.forget([3])
    stale = model._fitted.model.reached.metric.factor
    again = type(model).from_state(model.to_state())
    for one in (model, again):
        found = one._fitted.model.reached.metric.factor
        assert found is None or not np.array_equal(found.inverse, stale.inverse)
    for one in (model, again):
        one.forget([7, 8])
    np.testing.assert_array_equal(model._fitted.model.W, again._fitted.model.W)


def test_when_a_factor_pays():
    model, X, y = factored()
    objective = model._fitted.model.objective
    price = metric.price(objective)
    assert price == 41 / 28
    known = metric.Metric()
    assert known.after(1).spent == 0 and known.after(7).spent == 6
    assert known.renewed(objective, np.zeros((41, 1))) is known
    spent = replace(known, spent=price)
    assert spent.renewed(objective, np.zeros((41, 1))).factor is not None
    # Fast descents do not pay for one, slow ones do; dear ones only once passes were made.
    assert known.foreseen(objective, 1, 1e-9, 1e-9).spent == 0
    assert known.foreseen(objective, 40, 1e-3, 1e-5).spent == price
    wide = replace(objective, rows=DenseRows(np.ones((3, 50)), y[:3], intercept=False))
    assert metric.price(wide) == np.inf
    assert metric.price(replace(objective, loss=Softmax(3))) == np.inf


def test_what_single_precision_cannot_hold_is_not_tried_again():
    model, X, y = factored()
    objective = model._fitted.model.objective
    with numerics():
        rows = DenseRows(X.astype(float) * 1e30, y, intercept=True)
        huge = replace(objective, rows=rows)
        found = metric.Metric(None, np.inf).renewed(huge, np.zeros((41, 1)))
    assert found.factor is None and found.after(10**6).spent < metric.price(huge)


def objectives(seed):
    """An objective, one that some rows have left and others have joined, and the shares."""
    X, codes, weight = adversary(seed)
    rng = np.random.default_rng(seed)
    gone, new = np.array([2, 3]), np.array([5])
    alpha = np.append(np.full(X.shape[1], 0.1), 0.0)
    rows = DenseRows(X, codes, intercept=True)
    first, second = weight.copy(), weight.copy()
    first[new], second[gone] = 0.0, 0.0
    changed = alpha * 1.5
    common = rows, Logistic(), np.arange(2)
    before = Objective(*common, Weights.of(first), alpha, 0 * alpha)
    after = Objective(*common, Weights.of(second), changed, 0 * alpha)
    W = 0.3 * rng.normal(size=(rows.p, 1))
    shares = before.contribution(gone, W, W), after.contribution(new, W, W)
    return before, after, W, *shares, changed - alpha


def exact_gradient(objective, W):
    rows = objective.rows
    X = np.asarray(rows.gather(np.arange(rows.n)), LD)
    z, s = X @ W.astype(LD), objective.weight.astype(LD)[:, None]
    slope = 1 / (1 + np.exp(-z)) - np.asarray(rows.labels, LD)[:, None]
    return X.T @ (s * slope) + objective.alpha.astype(LD)[:, None] * W


def exact_curvature(objective, W):
    rows = objective.rows
    z = np.asarray(rows.gather(np.arange(rows.n)), LD) @ W.astype(LD)
    p = 1 / (1 + np.exp(-z[:, 0]))
    return float(np.sum(objective.weight.astype(LD) * p * (1 - p)))


def test_an_edited_measurement_holds_what_it_says_and_no_less_would():
    looser = [0, 0]
    for seed in range(24):
        with numerics():
            before, after, W, removed, added, change = objectives(seed)
            m = before.measure(W, W)
            shift = intercept_curvature(before, W, m.margin_error)
            known = edited_measurement(Known(m, shift), after, W, removed, added, change)
            plain = edited_measurement(Known(m, shift), after, W, removed, added)
        e = known.measurement
        exact = exact_gradient(after, W)
        assert (np.abs(e.gradient - exact) <= e.allowance).all(), seed
        # Twins: an edit whose rounding, or whose penalty, is not counted.
        looser[0] += bool((np.abs(e.gradient - exact) > 1e-3 * m.allowance).any())
        assert (np.abs(plain.measurement.gradient - exact) > plain.measurement.allowance).any()
        if known.shift is not None:
            curvature = exact_curvature(after, W)
            assert known.shift[0] <= curvature
            # The twin: an omitted removed share.
            looser[1] += shift[0] > curvature
    assert min(looser) > 0


def test_rows_are_known_to_be_smaller_than_their_trace():
    for seed in range(12):
        with numerics():
            before, after, W, _, added, change = objectives(seed)
            known = diagonal_of(before)
            later = regrouped(known, after.alpha, added, change)
        for objective, bound in ((before, known), (after, later)):
            rows, alpha = objective.rows, objective.alpha[:-1]
            X = rows.gather(np.arange(rows.n))[:, :-1] / np.sqrt(alpha)
            M = 0.25 * (X * objective.weight[:, None]).T @ X
            top = float(np.linalg.eigvalsh(M)[-1])
            assert top <= bound.largest * (1 + 1e-12)
            if len(alpha) == 1 and objective is before:
                # The twin: of one column the trace is the eigenvalue.
                assert top > 0.999999 * bound.largest


def test_a_row_that_hardly_counts_leaves_without_a_pass():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 20))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y, weight = rng.integers(0, 2, 300), np.ones(300)
    weight[7] = 1e-9
    model = CertifiedLogReg(mechanism="isotropic", solver="lbfgs", random_state=0)
    model.fit(X, y, sample_weight=weight)
    seen = model.preview([7])
    reads = model._fitted.model.rows.reads
    model.forget([7])
    # The row itself is read, and no other.
    assert model.certificate_.tier == seen.tier == "downdate"
    assert model._fitted.model.rows.reads - reads <= 4
    model.forget([8])
    assert model.certificate_.tier == "refresh"


def test_learning_correcting_and_targets_take_the_same_way():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 30))
    y = X @ rng.normal(size=30) + rng.normal(size=200)
    model = CertifiedRidge(mechanism="isotropic", solver="lbfgs", random_state=0, noise=0.3)
    model.fit(X[:150], y[:150]).forget([3]).learn(X[150:], y[150:])
    keep = np.setdiff1d(np.arange(200), [3])
    truth = reference.optimum_of("squared", 1.0, X[keep], y[keep], np.ones(199), 1.0, True)
    true, error = truth.apart(model._fitted.model.W, np.eye(31, dtype=LD))
    assert true <= model.certificate_.distance + error
    assert model.certificate_.distance <= model.certificate_.distance_target


def test_rows_are_overwritten_where_they_are_after_products():
    rng = np.random.default_rng(2)
    rows, y = rng.normal(size=(500, 40)).astype(np.float32), rng.integers(0, 2, 500)
    with numerics():
        store = DenseRows(rows, y.astype(np.int64), intercept=True)
        o = Objective(
            store, Logistic(), np.arange(2), Weights.of(np.ones(500)), np.ones(41), np.zeros(41)
        )
        where = store._X.ctypes.data
        Products.of(o).margins(np.ones((41, 1)))
        store.scrub(np.array([5]))
        assert store._X.ctypes.data == where
        assert not store.gather(np.array([5])).any()


def bordered(objective, W):
    """A measurement with the Hessian's border, asked for whatever its allowances are."""
    spare = Spare(np.ones((len(W), 1)), moved=np.inf, bordered=True)
    return replace(objective, spare=spare).measure(W, W)


def exact_border(objective, W):
    """Weights s l'', features and the exact column of the intercept, in long double."""
    rows = objective.rows
    X = np.asarray(rows.gather(np.arange(rows.n)), LD)
    p = 1 / (1 + np.exp(-X @ W.astype(LD)[:, 0]))
    w = objective.weight.astype(LD) * p * (1 - p)
    return w, X, X.T @ w


def test_a_border_holds_what_it_says_through_edits():
    omitted = stale = 0
    for seed in range(24):
        with numerics():
            before, after, W, removed, added, change = objectives(seed)
            m = bordered(before, W)
            known = edited_measurement(Known(m, None), after, W, removed, added, change)
        size = before.rows.column_max
        for objective, border in ((before, m.border), (after, known.measurement.border)):
            exact = exact_border(objective, W)[2]
            assert (np.abs(border.sums[:, 0] - exact) <= border.error * size).all(), seed
        exact = exact_border(after, W)[2]
        # Twins: a removed share that is omitted, and a border of another point.
        omitted += bool((np.abs(m.border.sums[:, 0] - exact) > m.border.error * size).any())
        moved = exact_border(before, 1.01 * W)[2]
        stale += bool((np.abs(m.border.sums[:, 0] - moved) > m.border.error * size).any())
    assert omitted > 12 and stale > 12


def test_the_floor_about_the_mean_is_below_the_hessian_and_no_higher_one_is():
    higher = [0, 0, 0]
    for seed in range(24):
        with numerics():
            objective, _, W, *_ = objectives(seed)
            m = bordered(objective, W)
            z, slopes, mass = floor_about_mean(objective, m.border)
        if not slopes.min() > 0:
            continue
        w, X, border = exact_border(objective, W)
        H = (X * w[:, None]).T @ X + np.diag(objective.alpha)
        T = np.eye(len(W), dtype=LD)
        T[-1, :-1] = z[:, 0]

        def least(slopes, mass, T=T, H=H):
            """Smallest eigenvalue of H less the floor, in units of the floor."""
            root = np.sqrt(np.append(slopes, mass).astype(LD))
            back = np.linalg.inv(T.astype(float)).astype(LD) / root
            return np.linalg.eigvalsh((back.T @ H @ back).astype(float))[0] - 1.0

        assert least(slopes[:, 0], mass[0]) > -1e-8, seed
        # Twins: higher slopes, a higher mass, and features that are not shifted.
        higher[0] += least(1.001 * slopes[:, 0], mass[0]) < -1e-5
        higher[1] += least(slopes[:, 0], 1.001 * mass[0]) < -1e-5
        higher[2] += least(slopes[:, 0], mass[0], np.eye(len(W), dtype=LD)) < -1e-5
    assert min(higher) > 3


def test_a_distance_about_the_mean_is_above_the_truth_and_close_to_it():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 50)) / 7
    y = (X @ rng.normal(size=50) + rng.logistic(size=400) > 0).astype(np.int64)
    for shift in (0.0, 3.0):
        rows = DenseRows(X + shift, y, intercept=True)
        alpha = np.append(np.ones(50), 0.0)
        ones = Weights.of(np.ones(400))
        truth = reference.optimum(X + shift, y, np.ones(400), 1.0, True)
        W = np.asarray(truth.W, float) + 1e-4 * rng.normal(size=(51, 1))
        true, error = truth.apart(W, np.eye(51, dtype=LD))
        with numerics():
            risk = Objective(rows, Logistic(), np.arange(2), ones, alpha, 0 * alpha)
            geometry = gram_of("isotropic", risk, None, None, solver="lbfgs").geometry
            m = bordered(risk, W)
            distance, least = centred_distance(risk, geometry, m)
            assert centred_distance(risk, geometry, m._replace(border=None))[0] == np.inf
            old = matrix_free_distance(risk, geometry, Floors(risk, geometry.known).at(W, 1e-9), m)
        assert true - error <= distance < old[0] / 3 and least <= distance
        assert shift or distance < 30 * true
    assert free_intercept(risk) and not free_intercept(replace(risk, alpha=alpha + 1))
    assert not free_intercept(replace(risk, loss=Softmax(3)))


def near_optimum(seed):
    """An objective, a point near its optimum, and how far that is: features alike, or far off."""
    rng = np.random.default_rng(seed)
    n, d = 60, (1, 12)[seed % 2]
    spread, shift = 10.0 ** -(seed // 2 % 3 * 3), (0.0, 3.0, 30.0)[seed // 6 % 3]
    X = shift + spread * rng.normal(size=(n, d))
    codes, penalty = np.arange(n) % 2, 10.0 ** -(seed % 4)
    truth = reference.optimum(X, codes, np.ones(n), 1 / penalty, True)
    step = rng.normal(size=(d + 1, 1))
    if seed % 3 == 1:
        step[:-1] = 0.0
    elif seed % 3 == 2:
        # Margins hardly move: the penalty alone holds this step.
        step[-1] = -X.mean(axis=0) @ step[:-1]
    W = np.asarray(truth.W, float) + 1e-4 * step / np.linalg.norm(step)
    alpha = np.append(np.full(d, penalty), 0.0)
    rows = DenseRows(X, codes, intercept=True)
    objective = Objective(rows, Logistic(), np.arange(2), Weights.of(np.ones(n)), alpha, 0 * alpha)
    return objective, W, *truth.apart(W, np.eye(d + 1, dtype=LD))


def test_no_smaller_distance_about_the_mean_holds():
    compared, smaller, unshifted, exact = 0, 0, 0, 0
    for seed in range(36):
        objective, W, true, error = near_optimum(seed)
        with numerics():
            geometry = gram_of("isotropic", objective, None, None, solver="lbfgs").geometry
            m = bordered(objective, W)
            distance = centred_distance(objective, geometry, m)[0]
            mean, slopes, mass = floor_about_mean(objective, m.border)
            # A gradient that is measured as far off as it may be.
            off = np.abs(m.gradient)
            wrong = m._replace(gradient=0 * off)
            counted = wrong._replace(allowance=m.allowance + off, rounding=m.rounding + off)
            blind = centred_distance(objective, geometry, wrong)[0]
            assert true - error <= centred_distance(objective, geometry, counted)[0], seed
        assert true - error <= distance, seed
        compared += distance < np.inf
        # Twins: a smaller distance, a mean row that is left out, errors that are not counted.
        smaller += true - error > 0.99 * distance
        exact += true - error > blind
        with np.errstate(over="ignore", invalid="ignore"):
            crude = _about_mean(objective, m, 0 * mean, slopes, mass)[0]
        unshifted += true - error > crude
    assert compared > 24 and min(smaller, unshifted, exact) > 5


def test_margins_that_move_little_need_no_product():
    with numerics():
        objective, _, W, *_ = objectives(7)
        spare = Spare(np.ones((len(W), 1)), moved=np.inf)
        exact = objective.measure(1.01 * W, W).moved
        coarse = replace(objective, spare=spare).measure(1.01 * W, W)
        tight = replace(objective, spare=replace(spare, moved=0.0)).measure(1.01 * W, W)
    assert tight.moved <= exact * (1 + 1e-9) <= coarse.moved < 100 * exact


def test_rows_that_have_gone_are_corrected_for_in_the_metric():
    model, X, y = factored()
    state, gone = model._fitted.model, np.array([3, 4, 11])
    with numerics():
        share = state.objective.contribution(gone, state.W, state.W)
        found = metric.Metric(metric.single_factor(state.objective, state.W)).without(share).factor
        left = replace(state.objective, weights=state.objective.weights.without(gone))
        V = np.random.default_rng(1).normal(size=(len(state.W), 1))
        H = left.hessian(state.W).matrix
        np.testing.assert_allclose(H @ found.solve(V), V, rtol=0, atol=2e-3)
        # Of no rows, too many, or all there is in a direction, nothing is corrected for.
        none = state.objective.contribution(gone[:0], state.W, state.W)
        assert found.without(none) is found
        many = state.objective.contribution(np.arange(280), state.W, state.W)
        assert found.without(many) is found
        # Nor, beside too many, for those that have gone before.
        more = state.objective.contribution(np.arange(20, 275), state.W, state.W)
        light = replace(more, weight=1e-3 * more.weight)
        assert found.without(light).root.shape[1] == 255
        heavy = replace(share, weight=1e9 * share.weight)
        assert found.without(heavy) is found


@pytest.mark.parametrize("solver", ["newton-cholesky", "newton-cg", "lbfgs"])
def test_where_rounding_is_known_too_little_it_is_measured_where_that_has_led(monkeypatch, solver):
    rng = np.random.default_rng(12)
    X, y = rng.normal(size=(400, 30)), rng.integers(0, 2, 400)
    by_solver, runs = minimise._by_solver, []

    def missed(objective, task):
        reached, steps = by_solver(objective, task)
        runs.append((task.W, task.known, reached.W))
        if objective.spare is not None:
            assert objective.spare.used
            reached = reached._replace(distance=np.inf)
        return reached, steps

    monkeypatch.setattr(minimise, "_by_solver", missed)
    model = CertifiedLogReg(solver=solver, mechanism="isotropic", random_state=0).fit(X, y)
    (first, _, led), (then, known, last) = runs
    assert (then == led).all() and not (then == first).all() and known is None
    assert (model._fitted.model.W == last).all()
    assert model.certificate_.distance <= model.certificate_.distance_target
