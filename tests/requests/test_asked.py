"""What is refused, how it is said, and that a refusal or an interrupt changes nothing."""

import copy
import gc
import pickle
import re
import types
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split

from certunlearn import CertifiedLogReg
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AmbiguousRowError,
    AssumptionError,
    CertunlearnError,
    ClassForgottenWarning,
    ConvergenceError,
    NotCertifiedError,
    RowError,
    SecretStateWarning,
    UnknownRowError,
)
from certunlearn.numerics.objective.kernels import Coarse, Gram, Hessian, Leverage, Measure
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.requests.asked import Asked
from certunlearn.requests.row_names import RowNames

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
Y = (X[:, 0] + RNG.normal(size=N) > 0).astype(int)
# Numbers that are labels of one row and positions of another.
LABELS = RNG.permutation(N) + 30
SEPARABLE = np.array([[-1.0, 0], [-2, 1], [1, 0], [2, 1], [3, 3], [-3, 2]])
SEPARATED = np.array([0, 0, 1, 1, 1, 0])
X.flags.writeable = Y.flags.writeable = False


def plain(**params):
    return CertifiedLogReg(random_state=3, **params).fit(X, Y).forget([3])


def labelled():
    frame = pd.DataFrame(X, columns=list("abc"), index=LABELS)
    return CertifiedLogReg(random_state=3).fit(frame, Y).forget(rows=[3])


def three_classes():
    y = np.arange(N) % 3
    return CertifiedLogReg(random_state=3).fit(X, y).forget([3])


def shared_labels():
    frame = pd.DataFrame(X, index=[f"user{i // 2}" for i in range(N)])
    return CertifiedLogReg(random_state=3).fit(frame, Y).forget(rows=[3])


MODELS = {f.__name__: f for f in (plain, labelled, three_classes, shared_labels)}


@pytest.fixture(scope="module")
def fitted():
    """Fit once; every test gets two copies that share no memory."""
    made = {}

    def pair(name):
        if name not in made:
            made[name] = MODELS[name]()
        return copied(made[name]), copied(made[name])

    return pair


def copied(model):
    return copy.deepcopy(model)


def snapshot(model):
    """Everything a request must not change, by value."""
    inner, rows = model._fitted.model, model._fitted.model.rows
    arrays = {
        "coef": model.coef_,
        "intercept": model.intercept_,
        "classes": model.classes_,
        "n_iter": model.n_iter_,
        "secret": inner.W,
        "released": inner.released,
        "sample_weight": inner.sample_weight,
        "forgotten": inner.forgotten,
        "X": np.asarray(rows._X),
        "y": np.asarray(rows._y),
        "codes": rows.labels,
        "scrubbed": rows.scrubbed,
        "hessian": inner.reached.model.curvature.matrix,
        "gram": inner.gram.curvature.matrix,
        "effective": inner.objective.weight,
    }
    values = {k: (v.shape, str(v.dtype), v.tobytes()) for k, v in arrays.items()}
    asked = inner.requests
    counts = (model.n_retained_, model.n_forgotten_, asked.releases, asked.since_removal)
    names = {k for k in vars(model) if k.endswith("_") or k.startswith("_")}
    return values, counts, names, model.certificate_, copy.deepcopy(model.history_)


def next_releases(model):
    """What the model does next: the random stream, the rows and the state in use."""
    first = model.release().coef_
    return np.hstack([first, model.forget(rows=[50]).coef_, model.release().coef_])


def unchanged_by(action, model, twin, error):
    before, params = snapshot(model), model.get_params()
    with pytest.raises(error) as caught:
        action(model)
    assert type(caught.value) is error
    assert snapshot(model) == before
    model.set_params(**params)
    np.testing.assert_array_equal(next_releases(model), next_releases(twin))
    return str(caught.value)


def series(values, index):
    return pd.Series(values, index=index)


FORGET = [
    # (fit, what is passed to forget, error, what the message must say)
    ("plain", dict(which=60), UnknownRowError, "no such position in 60 rows so far: 60"),
    ("plain", dict(which=[0, 77, 99]), UnknownRowError, "60 rows so far: 77, 99"),
    ("plain", dict(which=-1), UnknownRowError, "no such position.*: -1"),
    ("plain", dict(rows=[-2, 1]), UnknownRowError, "no such position.*: -2"),
    ("plain", dict(rows=np.uint64(2**63)), UnknownRowError, "no such position"),
    ("plain", dict(which=[5, 5]), RowError, "named more than once: 5"),
    ("plain", dict(which=3), AlreadyForgottenError, "already forgotten: 3"),
    ("plain", dict(which=[2, 3, 4]), AlreadyForgottenError, "already forgotten: 3"),
    ("plain", dict(which=np.arange(N) < 5), AlreadyForgottenError, "already forgotten: 3"),
    ("plain", dict(which=1.0), RowError, "integer positions or a boolean mask, got 1.0"),
    ("plain", dict(which=[1.5, 2.0]), RowError, "got 1.5, 2.0"),
    ("plain", dict(which=[np.nan]), RowError, "integer positions .* got nan"),
    ("plain", dict(which=[None]), RowError, "integer positions .* got None"),
    ("plain", dict(which=["a"]), RowError, "got 'a': for labels use row_ids="),
    ("plain", dict(which=[1 + 0j]), RowError, "integer positions"),
    ("plain", dict(which=[2**70]), RowError, "integer positions"),
    ("plain", dict(which={"a"}), RowError, "integer positions"),
    ("plain", dict(which=slice(0, 3)), RowError, "integer positions"),
    ("plain", dict(which=[True, False]), RowError, "mask has 2 entries, for 60 rows so far"),
    ("plain", dict(rows=np.ones(61, bool)), RowError, "mask has 61 entries"),
    ("plain", dict(rows=[True, 5]), RowError, "mixes positions with True"),
    ("plain", dict(which=(3, False)), RowError, "mixes positions with True"),
    ("plain", dict(which=[]), RowError, "names no row"),
    ("plain", dict(rows=()), RowError, "names no row"),
    ("plain", dict(which=np.zeros(N, bool)), RowError, "names no row"),
    ("labelled", dict(row_ids=[]), RowError, "names no row"),
    ("plain", dict(which=[[1, 2]]), RowError, r"one-dimensional, got shape \(1, 2\)"),
    ("plain", dict(rows=np.zeros((N, 1), bool)), RowError, r"one-dimensional.*\(60, 1\)"),
    (
        "plain",
        dict(),
        RowError,
        "exactly one way: forget.which., rows=, row_ids=, groups= or where=",
    ),
    ("plain", dict(which=[1], rows=[2]), RowError, "exactly one way"),
    ("labelled", dict(rows=[1], row_ids=[40]), RowError, "exactly one way"),
    (
        "plain",
        dict(which=np.setdiff1d(np.arange(N), [3])),
        RowError,
        "every row that is left.*delete the estimator",
    ),
    ("plain", dict(rows=np.flatnonzero(np.arange(N) != 3)), RowError, "every row that is left"),
    (
        "plain",
        dict(which=np.setdiff1d(np.flatnonzero(Y == 0), [3])),
        AssumptionError,
        "hold 1 class: .* at least 2 classes",
    ),
    (
        "three_classes",
        dict(which=[i for i in range(N) if i % 3 and i != 3]),
        AssumptionError,
        "hold 1 class",
    ),
    ("plain", dict(row_ids=[1]), UnknownRowError, "without identifiers: pass row_ids= to fit"),
    ("plain", dict(which=pd.Index([1])), UnknownRowError, "without identifiers"),
    ("labelled", dict(which=[40]), AmbiguousRowError, "integers 40 could be .*rows=.*row_ids="),
    ("labelled", dict(which=40), AmbiguousRowError, "labels or positions"),
    ("labelled", dict(which=np.array([1, 2])), AmbiguousRowError, "labels or positions"),
    ("labelled", dict(row_ids=[999]), UnknownRowError, "no row was fitted with label 999"),
    ("labelled", dict(which=pd.Index([2, 40])), UnknownRowError, "with label 2$"),
    ("labelled", dict(row_ids=[np.nan]), UnknownRowError, "label nan"),
    ("labelled", dict(row_ids="a"), UnknownRowError, "label 'a'"),
    ("labelled", dict(row_ids=LABELS[3]), AlreadyForgottenError, "already forgotten"),
    ("labelled", dict(row_ids=LABELS[[5, 5]]), RowError, "more than once"),
    ("labelled", dict(row_ids=[[40]]), RowError, "labels must be hashable"),
    ("labelled", dict(row_ids=[{40}, 41]), RowError, "labels must be hashable"),
    ("labelled", dict(which=series([40, 41], [0, 1])), AmbiguousRowError, "series.index"),
    ("labelled", dict(which=series(True, LABELS[:-1])), AmbiguousRowError, "align it"),
    ("labelled", dict(which=series(True, LABELS[::-1])), AmbiguousRowError, "align it"),
    ("labelled", dict(rows=series(True, LABELS[::-1])), AmbiguousRowError, "align it"),
    ("labelled", dict(which=series(LABELS == 40, range(N))), AmbiguousRowError, "align it"),
    ("plain", dict(rows=series(X[:, 0] > 2, LABELS)), AmbiguousRowError, "align it"),
    ("labelled", dict(rows=["a"]), RowError, "row_ids="),
    (
        "shared_labels",
        dict(row_ids="user7"),
        AmbiguousRowError,
        "several rows share, so it is not taken for names.*rows=",
    ),
    ("shared_labels", dict(which=pd.Index(["user1"])), AmbiguousRowError, "or fit with row_ids="),
    ("shared_labels", dict(which=[4]), AmbiguousRowError, "labels or positions"),
]


@pytest.mark.parametrize("case", range(len(FORGET)), ids=lambda i: f"{i}-{FORGET[i][0]}")
def test_bad_request_is_refused_and_nothing_changes(fitted, case):
    name, request, error, message = FORGET[case]
    model, twin = fitted(name)
    which = (request["which"],) if "which" in request else ()
    named = {k: v for k, v in request.items() if k != "which"}
    said = unchanged_by(lambda m: m.forget(*which, **named), model, twin, error)
    assert re.search(message, said), said
    assert issubclass(error, CertunlearnError)


def with_row(value, i=4):
    out = X.copy()
    out[i, 1] = value
    return out


def weights(value, i=4):
    out = np.ones(N)
    out[i] = value
    return out


OPEN = r"must be a number in \(0, "
FIT = [
    # (parameters, changed arguments of fit, error, what the message must say)
    (dict(epsilon=0), {}, ValueError, r"epsilon must be a number in \(0, 700\], got 0"),
    (dict(epsilon=-1.0), {}, ValueError, "epsilon " + OPEN),
    (dict(epsilon=np.nan), {}, ValueError, "epsilon " + OPEN),
    (dict(epsilon=701), {}, ValueError, "epsilon " + OPEN),
    (dict(epsilon="1"), {}, ValueError, "epsilon " + OPEN),
    (dict(epsilon=True), {}, ValueError, "epsilon " + OPEN),
    (dict(delta=0), {}, ValueError, r"delta must be a number in \(0, 1\), got 0"),
    (dict(delta=1), {}, ValueError, "delta " + OPEN),
    (dict(delta=-1e-9), {}, ValueError, "delta " + OPEN),
    (dict(delta=np.inf), {}, ValueError, "delta " + OPEN),
    (dict(C=0), {}, ValueError, r"C must be a number in \(0, inf\], got 0"),
    (dict(C=-1), {}, ValueError, "C " + OPEN),
    (dict(C=np.nan), {}, ValueError, "C " + OPEN),
    (dict(C=None), {}, ValueError, "C " + OPEN),
    (dict(noise=-0.1), {}, ValueError, r"noise must be a number in \[0, inf\), got -0.1"),
    (dict(noise=np.inf), {}, ValueError, "noise must be"),
    (dict(noise=np.nan), {}, ValueError, "noise must be"),
    (dict(mechanism="gauss"), {}, ValueError, "one of auto, gram, isotropic, objective, got"),
    (dict(mechanism=None), {}, ValueError, "mechanism must be one of"),
    (dict(mechanism=np.array(["gram", "x"])), {}, ValueError, "mechanism must be one of"),
    (dict(view="one"), {}, ValueError, "view must be one of release, transcript, got 'one'"),
    (dict(fit_intercept=2), {}, ValueError, "fit_intercept must be True or False, got 2"),
    (dict(fit_intercept="no"), {}, ValueError, "fit_intercept must be"),
    (dict(tol=-1), {}, ValueError, "tol must be a number"),
    (dict(max_iter=0), {}, ValueError, "max_iter must be an integer of at least 1, got 0"),
    (dict(max_iter=2.5), {}, ValueError, "max_iter must be an integer"),
    (dict(verbose=-1), {}, ValueError, "verbose must be an integer"),
    (dict(random_state=-1), {}, ValueError, "random_state must be an integer of at least 0"),
    (dict(random_state="seed"), {}, ValueError, "'seed' cannot be used to seed"),
    (dict(class_weight="even"), {}, ValueError, 'class_weight must be "balanced", a dict or None'),
    (dict(class_weight=[1, 2]), {}, ValueError, "class_weight must be"),
    (dict(class_weight={5: 1.0}), {}, ValueError, r"labels that y does not hold: \[5\]"),
    (dict(class_weight={0: 0.0}), {}, ValueError, r"no weight to \[0\]: .* sample_weight 0"),
    (dict(class_weight={0: -2.0}), {}, ValueError, "class_weight " + OPEN),
    (dict(class_weight={0: np.nan}), {}, ValueError, "class_weight " + OPEN),
    (dict(noise=1e-300), {}, NotCertifiedError, "distance .* allow .*: use larger noise, larger"),
    (dict(noise=1e-15), {}, NotCertifiedError, "use larger noise, larger delta or epsilon"),
    (dict(max_iter=1), {}, ConvergenceError, "no convergence in 1 Newton steps.*raise max_iter"),
    (
        dict(C=np.inf),
        dict(X=SEPARABLE, y=SEPARATED),
        AssumptionError,
        "separable: .* use a finite C",
    ),
    (
        dict(C=np.inf, fit_intercept=False, noise=0),
        dict(X=SEPARABLE, y=SEPARATED),
        AssumptionError,
        "separable: .* use a finite C",
    ),
    (dict(C=np.inf), dict(X=np.c_[X, X[:, 0]]), NotCertifiedError, "lower C|smaller C"),
    ({}, dict(X=with_row(np.inf)), ValueError, "X contains infinity"),
    ({}, dict(X=with_row(np.nan)), ValueError, "X contains NaN"),
    ({}, dict(X=X.astype(complex)), ValueError, "Complex data not supported"),
    ({}, dict(X=X.astype(str).astype(object) + "x"), ValueError, "could not convert string"),
    ({}, dict(X=scipy.sparse.csr_array(X) * np.nan), ValueError, "NaN"),
    ({}, dict(X=X[0]), ValueError, "2D array"),
    ({}, dict(X=X[:-1]), ValueError, "inconsistent numbers of samples"),
    ({}, dict(y=None), ValueError, "requires y"),
    ({}, dict(y=X[:, 0]), ValueError, "Unknown label type: continuous"),
    ({}, dict(y=np.where(Y == 1, np.nan, 0.0)), ValueError, "y contains NaN"),
    ({}, dict(y=np.c_[Y, Y]), ValueError, "one label a row"),
    ({}, dict(y=np.zeros(N)), AssumptionError, "hold 1 class: .* at least 2 classes"),
    ({}, dict(sample_weight=weights(np.nan)), ValueError, "sample_weight contains NaN"),
    ({}, dict(sample_weight=weights(np.inf)), ValueError, "sample_weight contains infinity"),
    ({}, dict(sample_weight=weights(-1e-9)), ValueError, "Negative values .*sample_weight"),
    ({}, dict(sample_weight=np.ones(5)), ValueError, r"sample_weight.shape == \(5,\)"),
    ({}, dict(sample_weight=np.zeros(N)), ValueError, "at least one non-zero"),
    ({}, dict(sample_weight=1.0 * (Y == 1)), AssumptionError, "hold 1 class"),
    ({}, dict(row_ids=range(N - 1)), RowError, "row_ids has 59 entries for 60 rows"),
    ({}, dict(row_ids=5), RowError, "row_ids must be a sequence of 60 labels, got 5"),
    ({}, dict(row_ids="x" * N), RowError, "row_ids must be a sequence"),
    ({}, dict(row_ids=[0, *range(N - 1)]), RowError, "rows share: 0; .* groups="),
    ({}, dict(row_ids=[np.nan, *range(N - 1)]), RowError, r"missing values, at positions 0$"),
    (
        {},
        dict(groups=[*range(N - 2), None, np.nan]),
        RowError,
        "groups has missing .* 58, 59",
    ),
    ({}, dict(groups=pd.Series(range(N)).shift(1)), RowError, "groups has missing values.* 0$"),
    ({}, dict(groups=[pd.NA, pd.NaT] * (N // 2)), RowError, "groups has missing .* and 55 more"),
    ({}, dict(row_ids=[[i] for i in range(N)]), RowError, "row_ids must be hashable"),
]


@pytest.mark.parametrize("case", range(len(FIT)), ids=lambda i: f"{i}-{'-'.join(FIT[i][0])}")
def test_bad_fit_is_refused_and_nothing_changes(fitted, case):
    params, changed, error, message = FIT[case]
    model, twin = fitted("plain")
    arguments = dict(X=X, y=Y) | changed

    def action(m):
        m.set_params(**params).fit(**arguments)

    said = unchanged_by(action, model, twin, error)
    assert re.search(message, said, re.DOTALL), said


@pytest.mark.parametrize("case", range(0, len(FIT), 4))
def test_bad_first_fit_leaves_an_unfitted_estimator(case):
    params, changed, error, _ = FIT[case]
    model = CertifiedLogReg(**params)
    before = set(vars(model))
    with pytest.raises(error):
        model.fit(**(dict(X=X, y=Y) | changed))
    assert set(vars(model)) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.forget([1]),
        lambda m: m.release(),
        lambda m: m.export_predictor(),
        lambda m: m.predict(X),
        lambda m: m.predict_proba(X),
        lambda m: m.decision_function(X),
    ],
)
def test_before_fit(call):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        call(CertifiedLogReg())


def test_forget_that_cannot_converge_changes_nothing():
    model, twin = (plain(noise=0, class_weight="balanced", max_iter=15) for _ in range(2))
    setting = model._fitted.model.settings
    object.__setattr__(setting, "max_iter", 1)
    gone = np.setdiff1d(np.flatnonzero(Y == 0), [3, 50])[:25]
    unchanged_by(lambda m: m.forget(gone), model, twin, ConvergenceError)


def test_forget_that_cannot_be_certified_changes_nothing(fitted):
    # Two rows alone hold the third column: without them the Gram matrix is singular.
    A = X.copy()
    A[:, 2] = 0.0
    A[[7, 8], 2] = [1.0, -2.0]
    models = [CertifiedLogReg(C=np.inf, random_state=3, noise=0.5) for _ in range(2)]
    y = Y.copy()
    A[9, 2], y[[7, 8, 9]] = -1.5, [0, 1, 0]
    A[10, 2], y[10] = 1.0, 1
    for model in models:
        model.fit(A, y)
    before = snapshot(models[0])
    with pytest.raises(NotCertifiedError, match="rescale the features, lower C"):
        models[0].forget([7, 8, 9, 10])
    assert snapshot(models[0]) == before
    np.testing.assert_array_equal(next_releases(models[0]), next_releases(models[1]))


INTERRUPTED = {
    # name: parameters, rows to forget, sweeps that the operation runs
    "chord": (dict(noise=0), [5], {Measure}),
    "refresh": (dict(noise=0), list(range(10, 45)), {Measure, Hessian}),
    "balanced": (dict(class_weight="balanced"), list(range(10, 30)), {Measure, Gram}),
    "fit": ({}, None, {Measure, Gram}),
}


@pytest.mark.parametrize("name", INTERRUPTED)
@pytest.mark.parametrize("sweep", [Measure, Hessian, Gram, Leverage])
def test_interrupt_at_every_sweep_changes_nothing(monkeypatch, name, sweep):
    params, gone, required = INTERRUPTED[name]
    model, twin = plain(**params), plain(**params)
    original, calls = DenseRows.fold, 0
    # What the columns' largest numbers bound well enough is measured coarsely first.
    kinds = (Measure, Coarse) if sweep is Measure else sweep

    def act(m):
        return m.forget(gone, confirm=True) if gone else m.fit(X * 1.5, Y)

    def interrupting(limit):
        count = 0

        def run(rows, kernel, *args):
            nonlocal count
            count += isinstance(kernel, kinds)
            if count == limit:
                raise KeyboardInterrupt
            return original(rows, kernel, *args)

        return run

    before = snapshot(model)
    while True:
        monkeypatch.setattr(DenseRows, "fold", interrupting(calls + 1))
        try:
            act(model)
            break
        except KeyboardInterrupt:
            calls += 1
            assert snapshot(model) == before
    assert calls >= 1 or sweep not in required
    monkeypatch.undo()
    act(twin)
    assert model.n_forgotten_ == twin.n_forgotten_ == (len(gone) + 1 if gone else 0)
    np.testing.assert_array_equal(model.coef_, twin.coef_)
    np.testing.assert_array_equal(next_releases(model), next_releases(twin))


def test_interrupted_release_in_the_transcript_view_changes_nothing(monkeypatch):
    model, twin = plain(horizon=1), plain(horizon=1)
    limit, before = model.certificate_.distance, snapshot(model)
    assert limit > 0

    def stop(*args):
        raise KeyboardInterrupt

    interrupted = False
    for _ in range(40):
        monkeypatch.setattr(DenseRows, "fold", stop)
        try:
            model.release()
        except KeyboardInterrupt:
            assert snapshot(model) == before
            monkeypatch.undo()
            model.release()
            interrupted = True
        twin.release()
        before = snapshot(model)
        np.testing.assert_array_equal(model.coef_, twin.coef_)
        if interrupted:
            break
    assert interrupted


def test_interrupt_while_scrubbing_is_made_good_later(monkeypatch):
    model = CertifiedLogReg(random_state=3).fit(X, Y)
    twin = plain()

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(DenseRows, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        model.forget([3])
    monkeypatch.undo()
    # The removal has been certified and released; only the overwriting is still to be done.
    np.testing.assert_array_equal(model.coef_, twin.coef_)
    with pytest.raises(AlreadyForgottenError):
        model.forget([3])
    with pytest.warns(SecretStateWarning):
        assert X[3].tobytes() not in pickle.dumps(model)
        # Pickling makes the state afresh from the retained rows.
        pickle.dumps(twin)
    np.testing.assert_array_equal(next_releases(model), next_releases(twin))


def test_warning_turned_into_an_error_changes_nothing(fitted):
    model, twin = fitted("three_classes")
    gone = [i for i in range(N) if i % 3 == 1]
    said = unchanged_by(lambda m: m.forget(gone, confirm=True), model, twin, ClassForgottenWarning)
    assert "labelled 1" in said


def test_pickle_refused_by_a_warning_filter_changes_nothing(fitted):
    model, twin = fitted("plain")
    unchanged_by(pickle.dumps, model, twin, SecretStateWarning)


LAYOUTS = {
    "C": lambda A: A.copy(),
    "Fortran": np.asfortranarray,
    "slice": lambda A: np.pad(A, ((2, 1), (1, 3)), constant_values=7.0)[2:-1, 1:-3],
    "strided": lambda A: np.repeat(np.repeat(A, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda A: A[::-1].copy()[::-1],
    "float32": lambda A: A.astype(np.float32),
    "frame": lambda A: pd.DataFrame(A.copy(), index=LABELS),
}


def root(A):
    """The array that owns the memory behind A."""
    A = A.to_numpy() if isinstance(A, pd.DataFrame) else A
    while isinstance(A.base, np.ndarray):
        A = A.base
    return A


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_callers_memory_is_read_and_never_written(layout, read_only):
    A = LAYOUTS[layout](X.astype(np.float32).astype(float))
    y, s = Y.copy(), np.linspace(0.5, 2.0, N)
    if read_only:
        for array in (root(A), y, s, *([A] if isinstance(A, np.ndarray) else [])):
            array.flags.writeable = False
    before = [a.copy(order="K") for a in (root(A), y, s)]
    model = CertifiedLogReg(random_state=3).fit(A, y, s)
    gone = np.array([5, 7])
    gone.flags.writeable = not read_only
    model.forget(rows=gone).release().forget(rows=[9, 2]).predict(A)
    with pytest.raises(UnknownRowError):
        model.forget(rows=[99])
    for array, was in zip((root(A), y, s), before, strict=True):
        assert array.tobytes() == was.tobytes() and array.strides == was.strides
    reference = CertifiedLogReg(random_state=3).fit(np.array(A, dtype=float), y, s)
    reference.forget([5, 7]).release().forget([9, 2])
    np.testing.assert_array_equal(model.coef_, reference.coef_)


def test_the_model_does_not_see_what_the_caller_does_to_the_arrays_later():
    A, y, s = X.copy(), Y.copy(), np.linspace(0.5, 2.0, N)
    ids = np.array([f"r{i}" for i in range(N)], dtype=object)
    weight = {0: 2.0, 1: 1.0}
    model = CertifiedLogReg(random_state=3, class_weight=weight).fit(A, y, s, row_ids=ids)
    twin = CertifiedLogReg(random_state=3, class_weight={0: 2.0, 1: 1.0})
    twin.fit(X, Y, np.linspace(0.5, 2.0, N), row_ids=[f"r{i}" for i in range(N)])
    A[:], y[:], s[:], ids[:] = np.nan, 0, 0.0, "gone"
    weight[0] = 1e6
    for m in (model, twin):
        m.forget(row_ids=["r5", "r30"])
    np.testing.assert_array_equal(model.coef_, twin.coef_)
    np.testing.assert_array_equal(model.release().coef_, twin.release().coef_)


# Naming rows after a shuffled split


def split():
    frame = pd.DataFrame(X, columns=list("abc"))
    target = pd.Series(Y)
    train, _, y, _ = train_test_split(frame, target, test_size=0.3, random_state=4)
    assert set(train.index) & set(range(len(train))) and train.index[0] != 0
    return train, y


def refit_without(train, y, labels):
    kept = ~train.index.isin(labels)
    assert kept.sum() == len(train) - len(labels)
    model = CertifiedLogReg(noise=0, tol=1e-10).fit(train[kept].to_numpy(), y[kept])
    return model._fitted.model.W


PEOPLE = 3
WAYS = {
    "Index": lambda train, who: dict(which=who),
    "row_ids": lambda train, who: dict(row_ids=list(who)),
    "mask Series": lambda train, who: dict(which=train.index.to_series().isin(who)),
    "mask Series as rows": lambda train, who: dict(rows=train.index.to_series().isin(who)),
    "mask array": lambda train, who: dict(which=train.index.isin(who)),
    "list of bool": lambda train, who: dict(which=train.index.isin(who).tolist()),
    "positions": lambda train, who: dict(rows=train.index.get_indexer(who)),
    "array of labels": lambda train, who: dict(row_ids=who.to_numpy()),
    "Index of a subset": lambda train, who: dict(which=train.loc[who].index),
}


@pytest.mark.parametrize("way", WAYS)
def test_after_a_shuffled_split_the_right_people_go(way):
    train, y = split()
    # Labels that are positions of other rows too: guessing would be possible, and wrong.
    who = pd.Index([v for v in train.index if v < len(train)][:PEOPLE])
    assert not np.array_equal(train.index.get_indexer(who), who)
    request = WAYS[way](train, who)
    model = CertifiedLogReg(noise=0, tol=1e-10).fit(train, y)
    named = {k: v for k, v in request.items() if k != "which"}
    model.forget(*([request["which"]] if "which" in request else []), **named)
    right = refit_without(train, y, who)
    wrong = refit_without(train, y, train.index[who])
    assert model.n_retained_ == len(train) - PEOPLE
    np.testing.assert_allclose(model._fitted.model.W, right, rtol=1e-7, atol=1e-7)
    assert np.abs(model._fitted.model.W - wrong).max() > 1e-3


def test_integers_after_a_shuffled_split_are_refused():
    train, y = split()
    model = CertifiedLogReg(random_state=0).fit(train, y)
    for which in (0, [1, 2], np.array([3]), list(train.index[:2])):
        with pytest.raises(AmbiguousRowError, match="rows=.*row_ids="):
            model.forget(which)
    assert model.n_forgotten_ == 0


def test_integers_are_positions_where_labels_are_positions_too():
    frame = pd.DataFrame(X)
    model = CertifiedLogReg(random_state=0).fit(frame, Y)
    other = CertifiedLogReg(random_state=0).fit(X, Y)
    np.testing.assert_array_equal(model.forget([4, 9]).coef_, other.forget([4, 9]).coef_)
    np.testing.assert_array_equal(
        model.forget(pd.Index([11])).coef_, other.forget(rows=np.arange(N) == 11).coef_
    )


LABELLINGS = {
    "strings": [f"user{i}" for i in range(N)],
    "tuples": [(i // 10, i % 10) for i in range(N)],
    "dates": list(pd.date_range("2020-01-01", periods=N)),
    "mixed": [i if i % 2 else str(i) for i in range(N)],
    "floats": [i + 0.5 for i in range(N)],
}


@pytest.mark.parametrize("kind", LABELLINGS)
@pytest.mark.parametrize("as_index", [False, True])
def test_labels_of_any_hashable_kind(kind, as_index):
    labels = LABELLINGS[kind]
    if as_index:
        index = pd.MultiIndex.from_tuples(labels) if kind == "tuples" else pd.Index(labels)
        model = CertifiedLogReg(random_state=0).fit(pd.DataFrame(X, index=index), Y)
    else:
        model = CertifiedLogReg(random_state=0).fit(X, Y, row_ids=labels)
    gone = [8, 31, 14]
    model.forget(row_ids=[labels[i] for i in gone])
    other = CertifiedLogReg(random_state=0).fit(X, Y).forget(gone)
    np.testing.assert_array_equal(model.coef_, other.coef_)
    with pytest.raises(AlreadyForgottenError):
        model.forget(row_ids=[labels[31]])


def test_row_ids_win_over_the_index():
    frame = pd.DataFrame(X, index=LABELS)
    model = CertifiedLogReg(random_state=0).fit(frame, Y, row_ids=[f"u{i}" for i in range(N)])
    with pytest.raises(UnknownRowError):
        model.forget(row_ids=[40])
    assert model.forget(row_ids="u5").n_forgotten_ == 1
    assert model._fitted.model.forgotten[5]


# What is left of the name of a forgotten row

IDS = [f"person-{i:03d}" for i in range(N)]
OWNERS = [f"family-{i // 2:03d}" for i in range(N)]


def texts(root):
    """Every string reachable from an object, keys of dicts included."""
    seen, queue, found = set(), [root], set()
    while queue:
        item = queue.pop()
        if id(item) in seen or isinstance(item, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(item))
        if isinstance(item, str):
            found.add(item)
        if isinstance(item, np.ndarray) and item.dtype == object:
            queue.extend(item.ravel().tolist())
        queue.extend(gc.get_referents(item))
        queue.extend(vars(item).values() if hasattr(item, "__dict__") else ())
    return found


def names_left(model):
    """Positions and groups whose name can be read off the object, and off its pickle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        text = pickle.dumps(model)
    people, families = list(enumerate(IDS)), list(enumerate(OWNERS[::2]))
    return [
        ({i for i, v in people if v in held}, {i for i, v in families if v in held})
        for held in (texts(model), {v for v in IDS + OWNERS if v.encode() in text})
    ]


def named():
    # Names of their own: those of the module stay in memory anyway.
    ids, owners = ([v[:3] + v[3:] for v in values] for values in (IDS, OWNERS))
    return CertifiedLogReg(random_state=3).fit(X, Y, row_ids=ids, groups=owners)


FORGETTING = {
    "label": (lambda m: m.forget(row_ids=[IDS[7], IDS[20]]), {7, 20}, set()),
    "position": (lambda m: m.forget(rows=[7]).forget(rows=[6]), {6, 7}, {3}),
    "group": (lambda m: m.forget(groups=OWNERS[10]), {10, 11}, {5}),
    "corrected": (
        lambda m: m.correct(rows=[7, 9], X=X[[9, 7]]).forget(row_ids=[IDS[7]]).forget(rows=[9, 8]),
        {7, 8, 9},
        {4},
    ),
    "learnt": (
        lambda m: m.learn(X[:2], Y[:2], row_ids=["a", "b"], groups=["c", "c"]).forget(rows=[7, 60]),
        {7},
        set(),
    ),
}


@pytest.mark.parametrize("name", FORGETTING)
def test_the_name_of_a_forgotten_row_can_be_read_nowhere(name):
    act, rows, owners = FORGETTING[name]
    everybody = set(range(N)), set(range(N // 2))
    model = named()
    assert names_left(model) == [everybody, everybody]
    act(model)
    left = everybody[0] - rows, everybody[1] - owners
    assert names_left(model) == [left, left]
    for i in rows:
        with pytest.raises(AlreadyForgottenError):
            model.forget(row_ids=IDS[i])
    for i in owners:
        with pytest.raises(AlreadyForgottenError):
            model.forget(groups=OWNERS[2 * i])
    # Asking has left no trace either, and those who stay are known as before.
    assert names_left(model) == [left, left]
    assert model.forget(row_ids=IDS[40]).n_forgotten_ == model.forget(rows=[41]).n_forgotten_ - 1


def test_a_name_is_made_unreadable_after_an_interrupt(monkeypatch):
    model = named()

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(RowNames, "forget", stop)
    with pytest.raises(KeyboardInterrupt):
        model.forget(row_ids=IDS[7])
    monkeypatch.undo()
    with pytest.raises(AlreadyForgottenError):
        model.forget(row_ids=IDS[7])
    model.forget(rows=[9])
    assert [set(range(N)) - rows for rows, _ in names_left(model)] == [{7, 9}, {7, 9}]


def test_a_refused_request_leaves_every_name():
    model = named()
    before = names_left(model)
    for request in (dict(row_ids=[IDS[3], "nobody"]), dict(rows=np.flatnonzero(Y == 0))):
        with pytest.raises((UnknownRowError, AssumptionError)):
            model.forget(**request)
    assert names_left(model) == before


def test_a_mask_must_have_the_index_of_the_fit_where_rows_are_forgotten_too():
    model = labelled()
    other = LABELS.copy()
    other[3] = 999
    for index in (other, np.delete(LABELS, 3)):
        with pytest.raises(AmbiguousRowError, match="align it"):
            model.forget(series(index == LABELS[5], index))
    with pytest.raises(AlreadyForgottenError):
        model.forget(series(np.isin(LABELS, LABELS[[3, 5]]), LABELS))
    assert model.forget(series(LABELS == LABELS[5], LABELS)).n_forgotten_ == 2
    assert model._fitted.model.forgotten[[3, 5]].all()


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("label", [True, np.True_])
def test_true_does_not_name_the_row_called_1(label, forgotten):
    model = CertifiedLogReg(random_state=3).fit(X, Y, row_ids=range(1, N + 1), groups=range(N))
    if forgotten:
        model.forget(row_ids=1)
    for request in (dict(row_ids=[label]), dict(row_ids=label), dict(groups=[label])):
        with pytest.raises(UnknownRowError, match="True"):
            model.forget(**request)
    with pytest.raises(UnknownRowError):
        model.forget(pd.Index([label]))
    assert model.n_forgotten_ == int(forgotten)


def test_true_names_the_row_called_true():
    ids = [1, True, *range(2, N)]
    model = CertifiedLogReg(random_state=3).fit(X, Y, row_ids=ids).forget(row_ids=True)
    assert np.flatnonzero(model._fitted.model.forgotten).tolist() == [1]
    with pytest.raises(AlreadyForgottenError):
        model.forget(row_ids=np.True_)
    model.forget(row_ids=1.0)
    assert np.flatnonzero(model._fitted.model.forgotten).tolist() == [0, 1]


# Work that a request costs


class Counted(int):
    """An identifier that counts how often any is looked at."""

    looks = 0

    def __hash__(self):
        Counted.looks += 1
        return int.__hash__(self)

    def __eq__(self, other):
        Counted.looks += 1
        return int.__eq__(self, other)


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("first", [0, 7])
def test_a_request_looks_at_the_labels_it_names_alone(first, moved):
    n = 5000
    names = RowNames.of(None, [Counted(first + i) for i in range(n)], None, n)
    if moved:
        names = names.moved(np.array([3]), n)
    gone = np.zeros(n + 1, dtype=bool)

    def ask(i):
        before = Counted.looks
        assert names.positional == (first == 0)
        at = names.positions(gone, n, Asked(row_ids=[first + i]))
        assert at.tolist() == [i]
        gone[names.store(at)] = True
        names.forget(names.store(at))
        with pytest.raises(AlreadyForgottenError):
            names.positions(gone, n, Asked(row_ids=[first + i]))
        return Counted.looks - before

    # Positions need no index before they are asked for as names; a fit checks all others.
    assert (ask(5) >= n) == (first == 0)
    assert max(ask(i) for i in (3, 9, 4000)) < 40
    names = pickle.loads(pickle.dumps(names))
    assert ask(11) >= n - 4 and ask(12) < 40


@pytest.mark.parametrize("moved", [False, True])
def test_a_pickle_of_names_does_not_grow_by_requests(moved):
    names = RowNames.of(None, IDS, OWNERS, N)
    if moved:
        names = names.moved(np.array([3]), N)
    fresh = len(pickle.dumps(names))
    gone = np.zeros(N + 1, dtype=bool)
    names.positions(gone, N, Asked(row_ids=[IDS[5]]))
    names.positions(gone, N, Asked(groups=[OWNERS[5]]))
    names.forget(np.zeros(0, dtype=np.int64))
    assert len(pickle.dumps(names)) == fresh


@pytest.mark.parametrize(
    "rows",
    [
        {5, 9},
        frozenset([5, 9]),
        dict.fromkeys([5, 9]).keys(),
        {"a": 5, "b": 9}.values(),
        range(5, 10, 4),
    ],
    ids=lambda rows: type(rows).__name__,
)
@pytest.mark.parametrize("name", ["which", "rows", "row_ids"])
def test_any_collection_of_rows_is_read(name, rows):
    named = None if name != "row_ids" else np.arange(N)
    model = CertifiedLogReg(random_state=3).fit(X, Y, row_ids=named)
    args = (rows,) if name == "which" else ()
    model.forget(*args, **({} if args else {name: rows}))
    assert np.flatnonzero(model._fitted.model.forgotten).tolist() == [5, 9]


def test_a_set_of_rows_is_not_corrected():
    """New features belong to rows one by one: nobody knows to which of a set."""
    model = CertifiedLogReg(random_state=3).fit(X, Y, row_ids=np.arange(N))
    for named in ({"rows": {5, 9}}, {"row_ids": frozenset([5, 9])}):
        with pytest.raises(RowError, match="a set has no order"):
            model.correct(**named, X=X[:2])
    model.correct(rows={5: X[0], 9: X[1]}.keys(), X=X[:2])
    np.testing.assert_array_equal(model._fitted.model.held(np.array([N, N + 1]))[0], X[:2])


def test_what_can_be_read_once_is_told_as_it_was_asked():
    model = CertifiedLogReg(random_state=3).fit(X, Y, row_ids=LABELS)
    model.forget(row_ids=(label for label in LABELS[:2]))
    with pytest.raises(AlreadyForgottenError, match=f"{LABELS[1]}$"):
        model.forget(row_ids=iter(LABELS[1:4]))
    assert model.forget(rows=(i for i in (7, 8))).n_forgotten_ == 4
