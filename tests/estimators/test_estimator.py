"""Forgetting is refitting, releases are fresh, and nothing of a forgotten row stays behind."""

import copy
import gc
import pickle
import subprocess
import sys
import types
import warnings

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg
from certunlearn.exceptions import (
    AssumptionError,
    ClassForgottenWarning,
    NotCertifiedError,
    SecretStateWarning,
)

N, D = 80, 3
SEED = 11


def problem(classes=2, seed=0, n=N, d=D):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    scores = X @ rng.normal(size=(d, classes)) + rng.gumbel(size=(n, classes))
    y = scores.argmax(axis=1)
    y[:classes] = np.arange(classes)
    return X, y


def exact(**params):
    return CertifiedLogReg(tol=1e-10, noise=0, **params)


def optimum(X, y, sample_weight=None, **params):
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000, **params)
    return model.fit(X, y, sample_weight)


def distance_to(model, reference):
    """Largest difference between the weights with scikit-learn's, intercepts up to their mean."""
    theirs = reference.intercept_
    theirs = theirs - (theirs.mean() if len(theirs) > 1 else 0.0)
    assert model.coef_.shape == reference.coef_.shape
    assert model.intercept_.shape == reference.intercept_.shape
    np.testing.assert_array_equal(model.classes_, reference.classes_)
    return max(np.abs(model.coef_ - reference.coef_).max(), np.abs(model.intercept_ - theirs).max())


def pickled(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        return pickle.dumps(model)


# Forgetting is refitting


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("sizes", [[1] * 12, [5, 1, 6], [12], [2, 10, 15]])
@pytest.mark.parametrize("params", [{}, dict(C=20.0), dict(C=0.01, fit_intercept=False)])
def test_forget_is_refit_whatever_the_batches(classes, sizes, params):
    X, y = problem(classes)
    order = np.random.default_rng(len(sizes)).permutation(np.arange(classes, N))
    model, start = exact(**params).fit(X, y), 0
    for size in sizes:
        model.forget(order[start : start + size])
        start += size
        kept = np.setdiff1d(np.arange(N), order[:start])
        assert model.n_retained_ == len(kept) and model.n_forgotten_ == start
        assert distance_to(model, optimum(X[kept], y[kept], **params)) <= 1e-7
    before = optimum(X, y, **params)
    assert distance_to(model, before) > 1e-4


@pytest.mark.parametrize("classes", [2, 3])
def test_order_and_batches_do_not_matter(classes):
    X, y = problem(classes)
    gone, rng = np.arange(20, 32), np.random.default_rng(1)
    models = []
    for _ in range(4):
        shuffled = rng.permutation(gone)
        model = exact().fit(X, y)
        for part in np.array_split(shuffled, rng.integers(1, 12)):
            model.forget(part)
        models.append(model)
    for other in models[1:]:
        np.testing.assert_allclose(other.coef_, models[0].coef_, rtol=1e-7, atol=1e-8)
        assert other.certificate_.n_retained == N - 12


def test_one_of_two_equal_rows_leaves_the_other():
    X, y = problem()
    X[[7, 21, 40]] = X[7]
    y[[7, 21, 40]] = y[7]
    a, b = exact().fit(X, y).forget([21]), exact().fit(X, y).forget([40])
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-8, atol=1e-9)
    kept = np.arange(N) != 7
    assert distance_to(a, optimum(X[kept], y[kept])) <= 1e-7
    assert a.forget([7, 40]).n_retained_ == N - 3
    kept = ~np.isin(np.arange(N), [7, 21, 40])
    assert distance_to(a, optimum(X[kept], y[kept])) <= 1e-7


def test_weighted_rows():
    X, y = problem(3)
    s = np.random.default_rng(2).uniform(0.1, 5.0, N)
    model = exact(class_weight={0: 2.0, 1: 0.3}).fit(X, y, s).forget([4, 50]).forget(60)
    kept = ~np.isin(np.arange(N), [4, 50, 60])
    reference = optimum(X[kept], y[kept], s[kept], class_weight={0: 2.0, 1: 0.3})
    assert distance_to(model, reference) <= 1e-7


def test_the_noisy_release_is_the_refit_plus_noise_of_the_stated_size():
    X, y = problem(n=400)
    gone = np.arange(30, 60)
    kept = np.setdiff1d(np.arange(400), gone)
    reference, gaps = optimum(X[kept], y[kept]), []
    model = CertifiedLogReg(random_state=SEED, noise=0.5).fit(X, y).forget(gone)
    for _ in range(60):
        gaps.append(np.r_[model.coef_[0], model.intercept_] - np.r_[reference.coef_[0], 0.0])
        gaps[-1][-1] -= reference.intercept_[0]
        model.release()
    low, _, high = model.certificate_.coefficient_deviation
    spread = np.std(gaps, axis=0)
    assert 0.7 * low <= spread.min() and spread.max() <= 1.4 * high
    assert (np.abs(np.mean(gaps, axis=0)) <= 5 * high / np.sqrt(60)).all()


# Classes that go


def without_class(y, label):
    return np.flatnonzero(y == label), np.flatnonzero(y != label)


@pytest.mark.parametrize("classes", [4, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_class_that_is_emptied_goes(classes, class_weight):
    X, y = problem(classes)
    names = np.array(["ant", "bee", "cow", "dog"])[y]
    model = exact(class_weight=class_weight).fit(X, names)
    last = np.flatnonzero(names == "bee")[0]
    model.forget(np.setdiff1d(np.flatnonzero(names == "bee"), [last]), confirm=True)
    assert "bee" in model.classes_
    with pytest.warns(ClassForgottenWarning, match="labelled 'bee'.*shape"):
        model.forget(last, confirm=True)
    kept = names != "bee"
    reference = optimum(X[kept], names[kept], class_weight=class_weight)
    # Three classes to two: one row of weights, the binary optimum.
    assert model.coef_.shape == ((1, D) if classes == 3 else (3, D))
    assert distance_to(model, reference) <= 1e-7
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))
    np.testing.assert_array_equal(model.export_predictor().classes_, model.classes_)
    # And it goes on forgetting.
    more = np.flatnonzero(kept)[[3, 8]]
    model.forget(more)
    kept[more] = False
    reference = optimum(X[kept], names[kept], class_weight=class_weight)
    assert distance_to(model, reference) <= 1e-7


def test_the_binary_optimum_after_a_class_has_gone_is_not_the_softmax_one():
    X, y = problem(3)
    kept = y != 1
    binary = optimum(X[kept], y[kept])
    pair = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y)
    assert np.abs(binary.coef_[0] - (pair.coef_[2] - pair.coef_[0])).max() > 1e-2


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
def test_two_classes_at_once_and_the_last_one_stays(mechanism):
    X, y = problem(4)
    model = CertifiedLogReg(random_state=SEED, mechanism=mechanism).fit(X, y)
    with pytest.warns(ClassForgottenWarning, match="labelled 1, 3"):
        model.forget(np.isin(y, [1, 3]), confirm=True)
    np.testing.assert_array_equal(model.classes_, [0, 2])
    assert model.certificate_.check(1.0, 1e-6, allow_seeded=True) and model.coef_.shape == (1, D)
    coef = model.coef_.copy()
    with pytest.raises(AssumptionError, match="1 class"):
        model.forget(np.flatnonzero(y == 0))
    np.testing.assert_array_equal(model.coef_, coef)
    assert model.n_retained_ == np.isin(y, [0, 2]).sum()


def test_a_class_of_zero_weight_only_is_no_class():
    X, y = problem(3)
    s = (y != 1).astype(float)
    model = exact().fit(X, y, s)
    np.testing.assert_array_equal(model.classes_, [0, 2])
    kept = y != 1
    assert distance_to(model, optimum(X[kept], y[kept])) <= 1e-7


# Rows of zero weight, positions


def test_forgetting_a_row_of_zero_weight_scrubs_it_and_moves_nothing():
    X, y = problem()
    s = np.ones(N)
    s[[6, 9]] = 0.0
    model = exact().fit(X, y, s)
    assert model.n_retained_ == N - 2 and model.n_forgotten_ == 0
    coef = model.coef_.copy()
    assert X[6].tobytes() in pickled(model)
    model.forget([6])
    np.testing.assert_array_equal(model.coef_, coef)
    assert model.n_retained_ == N - 2 and model.n_forgotten_ == 1
    assert X[6].tobytes() not in pickled(model) and X[9].tobytes() in pickled(model)
    model.forget([9, 12])
    kept = ~np.isin(np.arange(N), [6, 9, 12])
    assert distance_to(model, optimum(X[kept], y[kept])) <= 1e-7
    assert model.n_retained_ == N - 3 and model.n_forgotten_ == 3


def test_positions_never_shift():
    X, y = problem()
    model, gone = exact().fit(X, y), []
    for position in (0, 1, 79, 2, 40, 39):
        model.forget(position)
        gone.append(position)
    kept = np.setdiff1d(np.arange(N), gone)
    assert distance_to(model, optimum(X[kept], y[kept])) <= 1e-7
    # A mask is over the rows of the fit too.
    mask = np.zeros(N, bool)
    mask[[50, 60]] = True
    model.forget(mask)
    kept = np.setdiff1d(kept, [50, 60])
    assert distance_to(model, optimum(X[kept], y[kept])) <= 1e-7


# Releases


def test_release_draws_anew_and_is_counted():
    X, y = problem()
    model = CertifiedLogReg(view="release").fit(X, y)
    before, joint = [model.coef_], [model.certificate_.joint_epsilon]
    secret = model._fitted.model.W.copy()
    assert model.release() is model
    # Nothing has been removed yet: there is no removal for releases to be joined on.
    assert model.certificate_.joint_epsilon == joint[0] == 1.0
    model.forget([3])
    joint = [model.certificate_.joint_epsilon]
    assert joint[0] == 1.0
    removed = model._fitted.model.W.copy()
    for _ in range(4):
        before.append(model.coef_)
        model.release()
        joint.append(model.certificate_.joint_epsilon)
        assert not any(np.array_equal(model.coef_, other) for other in before)
        np.testing.assert_array_equal(model._fitted.model.W, removed)
    assert not np.array_equal(secret, removed)
    assert (np.diff(joint) > 0).all()
    model.forget([4])
    assert model.certificate_.joint_epsilon > joint[-1]
    assert [h["event"] for h in model.history_] == (
        ["fit", "release", "forget"] + ["release"] * 4 + ["forget"]
    )
    assert [h["rows"] for h in model.history_] == [0, 0, 1, 0, 0, 0, 0, 1]


def steps(model):
    """Noise of four operations: the release minus the secret iterate, whitened of nothing."""
    out = []
    for operation in (None, lambda m: m.release(), lambda m: m.forget([5]), lambda m: m.release()):
        if operation:
            operation(model)
        out.append((model._fitted.model.released - model._fitted.model.W).ravel())
    return out


def test_a_seed_is_a_stream_that_never_repeats():
    X, y = problem()
    model = CertifiedLogReg(random_state=SEED, mechanism="isotropic").fit(X, y)
    noise = steps(model)
    for i, first in enumerate(noise):
        for second in noise[:i]:
            assert np.abs(first - second).min() > 1e-6
    again = steps(CertifiedLogReg(random_state=SEED, mechanism="isotropic").fit(X, y))
    np.testing.assert_array_equal(noise, again)
    other = steps(CertifiedLogReg(random_state=SEED + 1, mechanism="isotropic").fit(X, y))
    assert np.abs(np.array(noise) - np.array(other)).min() > 1e-6


def test_refitting_restarts_the_stream():
    X, y = problem()
    model = CertifiedLogReg(random_state=SEED).fit(X, y)
    first = model.coef_.copy()
    model.release().forget([1])
    np.testing.assert_array_equal(model.fit(X, y).coef_, first)
    assert model.n_forgotten_ == 0 and len(model.history_) == 1


@pytest.mark.parametrize("seed", [0, np.int64(5), 2**40, np.random.RandomState(0)])
def test_seeds(seed):
    X, y = problem()
    model = CertifiedLogReg(random_state=copy.deepcopy(seed)).fit(X, y)
    other = CertifiedLogReg(random_state=copy.deepcopy(seed)).fit(X, y)
    np.testing.assert_array_equal(model.coef_, other.coef_)
    assert "reproducible noise: not private" in model.certificate_.conditions
    assert not np.array_equal(model.release().coef_, other.coef_)


def test_a_random_state_object_gives_another_seed_at_every_fit():
    X, y = problem()
    model = CertifiedLogReg(random_state=np.random.RandomState(0))
    assert not np.array_equal(model.fit(X, y).coef_, model.fit(X, y).coef_)


@pytest.mark.parametrize("when", range(4))
def test_pickling_continues_the_stream(when):
    X, y = problem(3)
    operations = [lambda m: m.release(), lambda m: m.forget([5]), lambda m: m.forget([9, 20])]
    model, twin = (CertifiedLogReg(random_state=SEED).fit(X, y) for _ in range(2))
    for i, operation in enumerate(operations + [lambda m: m.release()]):
        if i == when:
            # Pickling makes the state afresh from the retained rows; both go on from there.
            model = pickle.loads(pickled(twin))
        np.testing.assert_array_equal(operation(model).coef_, operation(twin).coef_)
    assert model._fitted.model.requests.releases == twin._fitted.model.requests.releases == 5
    assert model.certificate_.joint_epsilon == twin.certificate_.joint_epsilon


def test_a_failed_operation_neither_uses_nor_repeats_noise():
    X, y = problem()
    model, twin = (CertifiedLogReg(random_state=SEED).fit(X, y) for _ in range(2))
    for bad in (lambda: model.forget([999]), lambda: model.forget(np.flatnonzero(y == 0))):
        with pytest.raises(ValueError):
            bad()
    model.set_params(noise=1e-300)
    with pytest.raises(NotCertifiedError):
        model.fit(X, y)
    np.testing.assert_array_equal(model.release().coef_, twin.release().coef_)


def test_without_a_seed_no_two_releases_are_equal():
    X, y = problem()
    models = [CertifiedLogReg(random_state=None).fit(X, y) for _ in range(2)]
    clones = [pickle.loads(pickled(models[0])).release() for _ in range(2)]
    values = np.array([m.coef_.ravel() for m in models + clones])
    assert len(np.unique(values)) == values.size
    assert "not private" not in " ".join(models[0].certificate_.conditions)


def test_without_noise_nothing_is_claimed():
    X, y = problem()
    model = exact().fit(X, y).forget([3])
    certificate = model.certificate_
    assert certificate.kind == "none" and certificate.epsilon == certificate.joint_epsilon == np.inf
    assert not certificate.check(700.0, 0.999) and not certificate.check(np.inf, 1.0)
    assert "nothing is claimed" in str(certificate).replace("\n", " ")
    np.testing.assert_array_equal(model.coef_, model._fitted.model.W[:D].T)
    np.testing.assert_array_equal(model.coef_, model.release().coef_)


@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
@pytest.mark.parametrize("view", ["release", "transcript"])
def test_every_release_is_certified_for_what_was_asked(mechanism, view):
    X, y = problem(3)
    model = CertifiedLogReg(mechanism=mechanism, view=view, epsilon=0.5, delta=1e-5).fit(X, y)
    for operation in (lambda: model.forget([5]), model.release, lambda: model.forget([6, 7])):
        operation()
        c = model.certificate_
        assert (c.epsilon, c.delta, c.mechanism, c.view) == (0.5, 1e-5, mechanism, view)
        assert c.check(0.5, 1e-5) and not c.check(0.49, 1e-5) and not c.check(0.5, 9e-6)
        assert 0 <= c.distance <= c.distance_target
        assert c.n_retained == model.n_retained_ and c.n_forgotten == model.n_forgotten_


# What stays behind


def marked(classes=2, extreme=False, seed=0):
    """A problem with rows 10, 11 and 12 made of values found nowhere else."""
    X, y = problem(classes, seed=seed)
    marks = 1.0 + np.sqrt(np.arange(2, 2 + 3 * D)).reshape(3, D) / 7.0
    X[10:13] = marks * (25.0 if extreme else 1.0)
    return X, y


SHARED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, types.FrameType)


def reachable(root):
    """Bytes of every array, bytes and float that can be reached from ``root``."""
    seen, queue, found = set(), [root], []
    while queue:
        item = queue.pop()
        if id(item) in seen or isinstance(item, SHARED):
            continue
        seen.add(id(item))
        if isinstance(item, jax.Array | np.ndarray):
            array = np.asarray(item)
            if array.dtype == object:
                queue.extend(array.ravel().tolist())
            else:
                found.append(array.tobytes())
        elif isinstance(item, float):
            found.append(np.float64(item).tobytes())
        elif isinstance(item, bytes):
            found.append(item)
        if isinstance(item, np.ndarray) and item.base is not None:
            queue.append(item.base)
        if not isinstance(item, jax.Array):
            queue.extend(gc.get_referents(item))
            queue.extend(vars(item).values() if hasattr(item, "__dict__") else ())
        found.append(b"")
    return b"|".join(found)


def traces(rows, held):
    """The values of ``rows`` that occur in ``held``, in either byte order, of either sign."""
    values = np.ravel(rows).tolist()
    return [
        v for v in values for t in "<>" for s in (v, -v) if np.array(s, t + "f8").tobytes() in held
    ]


STATES = {
    "binary": dict(),
    "no noise": dict(noise=0),
    "isotropic": dict(mechanism="isotropic"),
    "objective": dict(mechanism="objective"),
    "balanced": dict(class_weight="balanced"),
    "transcript": dict(view="transcript"),
    "unpenalised": dict(C=np.inf),
}


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", STATES)
def test_no_value_of_a_forgotten_row_stays_in_memory_or_pickle(name, classes, extreme):
    X, y = marked(classes, extreme)
    model = CertifiedLogReg(random_state=SEED, **STATES[name]).fit(X, y)
    if extreme:
        # The rows to be forgotten hold the largest value of every column.
        assert (np.abs(X).argmax(axis=0) == 12).all()
    for held in (reachable(model), pickled(model)):
        assert len(traces(X[10:13], held)) >= 3 * D
        assert len(traces(X[40], held)) >= D
    for step in ([10], [11, 30], [12]):
        model.forget(step)
        forgotten = np.flatnonzero(model._fitted.model.forgotten)
        for held in (reachable(model), pickled(model), reachable(pickle.loads(pickled(model)))):
            assert traces(X[forgotten], held) == []
            assert len(traces(X[40], held)) >= D
    model.release()
    assert traces(X[10:13], reachable(model)) == []


def test_the_label_of_a_forgotten_row_is_overwritten():
    X, y = problem(3)
    model = CertifiedLogReg(random_state=SEED).fit(X, y)
    gone = np.flatnonzero(y == 2)[:3]
    model.forget(gone)
    rows = model._fitted.model.rows
    assert not rows.labels[gone].any() and not np.asarray(rows._y).ravel()[gone].any()
    assert (rows.labels[np.setdiff1d(np.arange(N), gone)] == np.delete(y, gone)).all()


def test_exported_predictor_holds_neither_row_nor_secret():
    X, y = marked(3)
    model = CertifiedLogReg(random_state=SEED).fit(X, y).forget([10])
    plain = model.export_predictor()
    for held in (pickle.dumps(plain), reachable(plain)):
        assert len(held) < 5000
        assert traces(model._fitted.model.W, held) == [] == traces(X, held)
        assert len(traces(model.coef_, held)) >= model.coef_.size
        assert b"certunlearn" not in held
    assert len(traces(model._fitted.model.W, pickled(model))) >= model._fitted.model.W.size
    assert traces(X[40], pickled(model))


def test_pickling_says_what_the_pickle_holds():
    X, y = problem()
    model = CertifiedLogReg(random_state=SEED)
    pickle.dumps(model)
    model.fit(X, y)
    with pytest.warns(SecretStateWarning, match="retained rows.*export_predictor"):
        pickle.dumps(model)
    # A copy stays where the model is.
    copy.copy(model), copy.deepcopy(model)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_forgets_on_its_own(copied):
    X, y = marked()
    model = CertifiedLogReg(random_state=SEED).fit(X, y)
    other = copied(model)
    other.forget([10])
    assert model.n_forgotten_ == 0 and traces(X[10], pickled(model))
    np.testing.assert_array_equal(model.forget([10]).coef_, other.coef_)


# The guest of another process


def test_import_is_light_and_the_global_flag_stays():
    code = """
import sys
import certunlearn
assert "jax" not in sys.modules, "jax was imported"
import jax, numpy as np, pickle, warnings
warnings.simplefilter("ignore")
for flag in (False, True):
    jax.config.update("jax_enable_x64", flag)
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(int)
    model = certunlearn.CertifiedLogReg().fit(X, y).forget([1]).release()
    pickle.loads(pickle.dumps(model)).forget([2]).predict(X)
    try:
        model.forget([1])
    except certunlearn.exceptions.AlreadyForgottenError:
        pass
    assert jax.config.jax_enable_x64 is flag
    assert (jax.numpy.ones(2).dtype == "float64") is flag
print("light")
"""
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert out.stdout == "light\n", out.stderr


@pytest.mark.parametrize("flag", [False, True])
def test_the_flag_in_force_does_not_change_the_model(flag):
    X, y = problem()
    expected = CertifiedLogReg(random_state=SEED).fit(X, y).forget([3]).coef_
    with jax.enable_x64(flag):
        model = CertifiedLogReg(random_state=SEED).fit(X, y).forget([3])
        assert jax.config.jax_enable_x64 is flag
    np.testing.assert_array_equal(model.coef_, expected)
    assert model.coef_.dtype == np.float64
