"""Pipelines that forget, against scikit-learn's own fit on the rows that stay."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from certunlearn import CertifiedLogReg, ForgettingPipeline, forgetting
from certunlearn.engine import unlearner
from certunlearn.estimators.base import behind
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AmbiguousRowError,
    AssumptionError,
    RowError,
    SecretStateWarning,
    UnknownRowError,
)
from certunlearn.pipeline import _features

N = 120
WORDS = "amber birch cedar dune ember fjord grove heath isle juniper".split()


def numbers(seed=0, n=N, d=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * [1.0, 3.0, 0.2, 10.0][:d] + [0.0, 5.0, -1.0, 100.0][:d]
    # Rows 0 and 1 are the extremes of every column, so that every statistic moves with them.
    X[0], X[1] = X.max(axis=0) + 3, X.min(axis=0) - 3
    return X, labels(rng, n)


def labels(rng, n):
    y = rng.integers(0, 2, size=n)
    y[:4] = [0, 1, 0, 1]
    return y


def holed(seed=0):
    X, y = numbers(seed)
    X[2::7, 1] = np.nan
    return X, y


def categories(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.choice(["a", "b", "c"], size=(N, 3)).astype(object)
    X[0, 0], X[1, 2] = "only row 0", "only row 1"
    return X, labels(rng, N)


def texts(seed=0):
    rng = np.random.default_rng(seed)
    X = [" ".join(rng.choice(WORDS, size=6)) for _ in range(N)]
    X[0], X[1] = X[0] + " zanzibar", X[1] + " yucatan amber amber"
    return X, labels(rng, N)


def counts(seed=0):
    X, y = texts(seed)
    return CountVectorizer().fit_transform(X), y


def frame(seed=0):
    X, y = numbers(seed)
    out = pd.DataFrame(X, columns=list("pqrs"))
    out["kind"] = categories(seed)[0][:, 0]
    out["text"] = texts(seed)[0]
    return out, y


def columns():
    return ColumnTransformer(
        [
            ("num", make_pipeline(SimpleImputer(), StandardScaler()), ["p", "q"]),
            ("cat", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
            ("words", TfidfVectorizer(), "text"),
            ("same", "passthrough", ["s"]),
        ]
    )


MOVING = {
    "StandardScaler": (StandardScaler(), numbers),
    "StandardScaler in place": (StandardScaler(copy=False), numbers),
    "MinMaxScaler": (MinMaxScaler(), numbers),
    "MaxAbsScaler": (MaxAbsScaler(), numbers),
    "RobustScaler": (RobustScaler(), numbers),
    "SimpleImputer": (SimpleImputer(), holed),
    "SimpleImputer median": (SimpleImputer(strategy="median", add_indicator=True), holed),
    "OneHotEncoder": (OneHotEncoder(handle_unknown="ignore"), categories),
    "OneHotEncoder frequent": (OneHotEncoder(min_frequency=5), categories),
    "OrdinalEncoder": (OrdinalEncoder(), categories),
    "CountVectorizer": (CountVectorizer(), texts),
    "CountVectorizer frequent": (CountVectorizer(min_df=0.1, max_features=7), texts),
    "TfidfVectorizer": (TfidfVectorizer(), texts),
    "TfidfTransformer": (TfidfTransformer(), counts),
    "PCA": (PCA(), numbers),
    "PCA few": (PCA(2, whiten=True, svd_solver="full"), numbers),
    "ColumnTransformer": (columns(), frame),
    "remainder": (
        ColumnTransformer(
            [("n", StandardScaler(), make_column_selector(dtype_include=float))],
            remainder=OneHotEncoder(),
        ),
        lambda seed=0: (frame(seed)[0].drop(columns="text"), frame(seed)[1]),
    ),
    "FeatureUnion": (FeatureUnion([("a", StandardScaler()), ("b", PCA(2))]), numbers),
    "Pipeline": (make_pipeline(RobustScaler(), PolynomialFeatures(), StandardScaler()), numbers),
}
STATELESS = {
    "Normalizer": (Normalizer(), numbers),
    "Binarizer": (Binarizer(), numbers),
    "PolynomialFeatures": (PolynomialFeatures(include_bias=False), numbers),
    "FunctionTransformer": (FunctionTransformer(np.tanh), numbers),
    "HashingVectorizer": (HashingVectorizer(n_features=16), texts),
    "FeatureHasher": (FeatureHasher(8, input_type="string"), lambda seed=0: split(seed)),
    "passthrough": ("passthrough", numbers),
    "None": (None, numbers),
}
moving = pytest.mark.parametrize("step, data", MOVING.values(), ids=MOVING)
stateless = pytest.mark.parametrize("step, data", STATELESS.values(), ids=STATELESS)


def split(seed=0):
    X, y = texts(seed)
    return [text.split() for text in X], y


def piped(*steps, frozen=None, head=None, **params):
    head = CertifiedLogReg(random_state=0, C=0.1) if head is None else own(head)
    head.set_params(**params)
    names = "abcdefg"
    return ForgettingPipeline(
        [*zip(names, map(own, steps), strict=False), ("head", head)], frozen=frozen
    )


def own(step):
    return step if step is None or isinstance(step, str) else clone(step)


def recounted(step):
    """A step in a place where the pipeline does not look for it, so that it is fitted anew."""
    return ColumnTransformer([("all", step, [0, 1, 2, 3])])


def rows(X, keep):
    return _features.taken(X, np.asarray(keep))


def table(X):
    return X.toarray() if sp.issparse(X) else np.asarray(X, dtype=float)


def state(step):
    """Everything a fitted step holds, as arrays and plain values, by the path to it."""
    out = {}

    def walk(path, value):
        if isinstance(value, np.ndarray) and value.dtype == object:
            value = value.tolist()
        if isinstance(value, BaseEstimator):
            for name, inner in sorted(vars(value).items()):
                if name == "_fit_svd_solver":
                    # How scikit-learn went about it, which it tells nobody.
                    continue
                walk(f"{path}.{name}", inner)
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                walk(f"{path}[{key}]", value[key])
        elif isinstance(value, list | tuple):
            for i, inner in enumerate(value):
                walk(f"{path}[{i}]", inner)
        elif not callable(value):
            out[path] = value.toarray() if sp.issparse(value) else value

    walk("", step)
    return out


def same_state(ours, theirs):
    ours, theirs = state(ours), state(theirs)
    assert ours.keys() == theirs.keys()
    for path, value in theirs.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            np.testing.assert_allclose(ours[path], value, rtol=0, atol=1e-10, err_msg=path)
        elif isinstance(value, np.ndarray):
            assert ours[path].tolist() == value.tolist(), path
        elif isinstance(value, float):
            assert ours[path] == pytest.approx(value, abs=1e-10, nan_ok=True), path
        else:
            assert str(ours[path]) == str(value), path


def reference(pipe, X, y, keep, weight=None):
    """The whole pipeline fitted afresh by scikit-learn on the rows that stay."""
    head = pipe[-1]
    peer = LogisticRegression(
        C=head.C, class_weight=head.class_weight, solver="newton-cholesky", tol=1e-12, max_iter=1000
    )
    steps = [(name, own(step)) for name, step in pipe.steps[:-1]]
    weight = None if weight is None else np.asarray(weight)[keep]
    return Pipeline([*steps, ("head", peer)]).fit(
        rows(X, keep), np.asarray(y)[keep], head__sample_weight=weight
    )


def sound(pipe, X, y, keep, weight=None):
    """The secret iterate is as near to the optimum of the pipeline fitted afresh as certified."""
    peer = reference(pipe, X, y, keep, weight)[-1]
    b = peer.intercept_ - (peer.intercept_.mean() if len(peer.intercept_) > 1 else 0)
    model, c = pipe[-1]._fitted.model, pipe.certificate_
    optimum = np.vstack([peer.coef_.T, b])
    if model.frame is not None:
        optimum = model.frame.inside(optimum)
    distance = model.gram.geometry.norm(model.W - optimum)
    # scikit-learn's own optimum is no better than this.
    assert distance <= c.distance + 1e-9
    assert c.distance <= c.distance_target
    assert c.n_retained == pipe.n_retained_ == len(keep)


def held(pipe, keep):
    """Rows as the model sees them, wherever they are held."""
    model = pipe[-1]._fitted.model
    X, f = model.held(keep)[0], model.frame
    if f is None:
        return X
    X = (f.raw(X) - f.centre) / f.spread
    return X if f.rotation is None else X @ f.rotation.T


def photograph(pipe):
    """What a request that raises must leave alone."""
    head = pipe[-1]
    return (
        {name: id(step) for name, step in pipe.steps},
        {k: id(v) for k, v in vars(pipe).items() if k != "steps"},
        {k: id(v) for k, v in vars(head).items()},
        len(pipe.history_),
        pickle.dumps([head.coef_, head.intercept_, pipe.certificate_]),
        pickle.dumps([state(step) for _, step in pipe.steps[:-1]]),
    )


@moving
def test_every_step_is_what_a_fit_on_the_rest_gives(step, data):
    X, y = data()
    pipe = piped(step).fit(X, y)
    gone = []
    for request in ([0], [5, 9], [1], [30]):
        gone += request
        keep = np.setdiff1d(np.arange(N), gone)
        assert pipe.forget(request) is pipe
        peer = own(step)
        theirs = table(peer.fit_transform(rows(X, keep)))
        same_state(pipe["a"], peer)
        ours = table(pipe["a"].transform(rows(X, keep)))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
        np.testing.assert_allclose(held(pipe, keep), theirs, rtol=0, atol=1e-10)
        sound(pipe, X, y, keep)
    assert pipe.n_forgotten_ == 5
    assert pipe.score(rows(X, keep), y[keep]) == (pipe.predict(rows(X, keep)) == y[keep]).mean()
    shown = pipe.export_predictor()
    for name in ("decision_function", "predict_proba", "predict_log_proba"):
        mine, plain = getattr(pipe, name)(rows(X, keep)), getattr(shown, name)(rows(X, keep))
        np.testing.assert_allclose(mine, plain, rtol=0, atol=1e-10)
    assert [e["event"] for e in pipe.history_] == ["fit"] + ["forget"] * 4


@stateless
def test_stateless_steps_cost_nothing(step, data):
    X, y = data()
    pipe = piped(step).fit(X, y)
    assert pipe._kept.raw is None
    before = pipe["a"], pipe[-1]._fitted.model.rows
    pipe.forget([0, 7])
    assert (pipe["a"], pipe[-1]._fitted.model.rows) == before
    sound(pipe, X, y, np.setdiff1d(np.arange(N), [0, 7]))
    assert pipe.predict(X).shape == (N,)


ATTACKS = {
    "StandardScaler": (StandardScaler(), numbers, lambda s, n: s.mean_ * n),
    "MinMaxScaler": (MinMaxScaler(), numbers, lambda s, n: s.data_max_),
    "MaxAbsScaler": (MaxAbsScaler(), numbers, lambda s, n: s.max_abs_),
    "RobustScaler": (RobustScaler(), numbers, lambda s, n: s.scale_),
    "SimpleImputer": (SimpleImputer(), numbers, lambda s, n: s.statistics_ * n),
    "PCA": (PCA(), numbers, lambda s, n: s.mean_ * n),
    "OneHotEncoder": (
        OneHotEncoder(handle_unknown="ignore"),
        categories,
        lambda s, n: [len(c) for c in s.categories_],
    ),
    "OrdinalEncoder": (OrdinalEncoder(), categories, lambda s, n: len(s.categories_[0])),
    "CountVectorizer": (CountVectorizer(), texts, lambda s, n: "zanzibar" in s.vocabulary_),
    "TfidfVectorizer": (TfidfVectorizer(), texts, lambda s, n: "zanzibar" in s.vocabulary_),
    "TfidfTransformer": (TfidfTransformer(), counts, lambda s, n: (1 + n) / np.exp(s.idf_ - 1)),
}


@pytest.mark.parametrize("step, data, seen", ATTACKS.values(), ids=ATTACKS)
def test_differencing_two_fits_tells_the_row_and_ours_does_not(step, data, seen):
    X, y = data()
    keep = np.arange(1, N)
    full, head = FunctionTransformer(table), CertifiedLogReg(C=0.1)
    stale = Pipeline([("a", own(step)), ("full", full), ("head", head)]).fit(X, y)
    stale[-1].forget(rows=[0])
    ours = piped(step).fit(X, y).forget([0])
    without = own(step).fit(rows(X, keep))
    # What is read off a step less what the same step shows without the row.
    told = np.asarray(seen(stale["a"], N), float) - np.asarray(seen(without, N - 1), float)
    left = np.asarray(seen(ours["a"], N - 1), float) - np.asarray(seen(without, N - 1), float)
    assert np.abs(left).max() <= 1e-10 < np.abs(told).max()
    if isinstance(step, StandardScaler | PCA | SimpleImputer):
        np.testing.assert_allclose(told, X[0], rtol=1e-9)


@pytest.mark.parametrize("view", ["release", "transcript"])
@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
def test_the_certificate_stays_true_over_random_requests(mechanism, view):
    rng = np.random.default_rng(len(mechanism))
    X, y = frame(1)
    y = rng.integers(0, 3, size=N)
    pipe = piped(columns(), MaxAbsScaler(), mechanism=mechanism, view=view).fit(X, y)
    left = np.arange(N)
    for size in (1, 3, 1, 10, 1, 2):
        request = rng.choice(left, size=size, replace=False)
        left = np.setdiff1d(left, request)
        pipe.forget(rows=request)
        sound(pipe, X, y, left)
        assert pipe.certificate_.check(1.0, 1e-6, allow_seeded=True)
    pipe.release()
    assert pipe.history_[-1]["event"] == "release"


def test_rows_that_move_no_step_take_the_ordinary_way():
    X, y = numbers()
    pipe = piped(recounted(MinMaxScaler())).fit(X, y)
    before = pipe[-1]._fitted.model.rows
    pipe.forget([50, 51])
    assert pipe[-1]._fitted.model.rows is before and pipe.certificate_.tier == "downdate"
    assert pipe["a"].named_transformers_["all"].n_samples_seen_ == N - 2
    pipe.forget([0])
    assert pipe[-1]._fitted.model.rows is not before and pipe.certificate_.tier == "refresh"
    sound(pipe, X, y, np.setdiff1d(np.arange(N), [0, 50, 51]))


def test_nothing_of_the_old_rows_stays_in_the_head():
    X, y = numbers()
    pipe = piped(recounted(StandardScaler())).fit(X, y)
    before = pipe[-1]._fitted.model
    pipe.forget([0])
    assert not np.asarray(before.rows._X).any()
    after = pipe[-1]._fitted.model.rows
    assert after.scrubbed.tolist() == [True] + [False] * (N - 1)
    assert not np.asarray(after._X).reshape(-1, 5)[0].any()


def test_weights_and_balanced_classes():
    X, y = numbers()
    weight = np.random.default_rng(0).uniform(0.5, 2, size=N)
    weight[[0, 20]] = 0.0
    pipe = piped(StandardScaler(), class_weight="balanced").fit(X, y, sample_weight=weight)
    keep = np.flatnonzero(weight)
    # A row of zero weight is in the training set of no step.
    same_state(pipe["a"], StandardScaler().fit(X[keep]))
    sound(pipe, X, y, keep, weight)
    before = pipe["a"]
    pipe.forget([20])
    assert pipe["a"] is before
    sound(pipe, X, y, keep, weight)
    pipe.forget([1, 0])
    keep = np.setdiff1d(keep, [1])
    same_state(pipe["a"], StandardScaler().fit(X[keep]))
    sound(pipe, X, y, keep, weight)


def test_a_class_that_goes():
    X, y = numbers()
    y[[10, 11]] = 2
    pipe = piped(StandardScaler()).fit(X, y)
    with pytest.warns(UserWarning, match="no retained row is labelled"):
        pipe.forget([10, 11], confirm=True)
    assert pipe.classes_.tolist() == [0, 1] and pipe[-1].coef_.shape == (1, 4)
    sound(pipe, X, y, np.setdiff1d(np.arange(N), [10, 11]))


def test_rows_are_named_as_the_head_names_them():
    X, y = frame()
    X.index = [f"person {i}" for i in range(N)]
    pipe = piped(columns()).fit(X, y, groups=np.arange(N) // 3)
    pipe.forget(row_ids=["person 4"]).forget(X.index[[50]]).forget(groups=2)
    keep = np.setdiff1d(np.arange(N), [4, 50, 6, 7, 8])
    sound(pipe, X, y, keep)
    mask = pd.Series(False, index=X.index)
    mask["person 90"] = True
    sound(pipe.forget(mask), X, y, np.setdiff1d(keep, [90]))
    for error, kind, request in (
        (AmbiguousRowError, "which", [3]),
        (UnknownRowError, "row_ids", ["nobody"]),
        (AlreadyForgottenError, "row_ids", ["person 7"]),
        (AlreadyForgottenError, "groups", [2]),
        (RowError, "rows", []),
        (RowError, "rows", np.setdiff1d(keep, [90])),
    ):
        before = photograph(pipe)
        with pytest.raises(error):
            pipe.forget(request) if kind == "which" else pipe.forget(**{kind: request})
        assert photograph(pipe) == before


def test_a_series_of_texts_names_rows_by_its_index():
    X, y = texts()
    X = pd.Series(X, index=np.arange(N)[::-1])
    pipe = piped(TfidfVectorizer()).fit(X, y)
    with pytest.raises(AmbiguousRowError):
        pipe.forget([0])
    pipe.forget(row_ids=[N - 1])
    assert "zanzibar" not in pipe["a"].vocabulary_
    sound(pipe, X, y, np.arange(1, N))


def test_columns_keep_their_names_in_the_head():
    X, y = frame()
    step = ColumnTransformer(
        [("k", OneHotEncoder(sparse_output=False), ["kind"]), ("n", StandardScaler(), ["p"])]
    ).set_output(transform="pandas")
    pipe = piped(step).fit(X, y)
    assert "k__kind_only row 0" in pipe[-1].feature_names_in_
    pipe.forget([0])
    names = pipe[-1].feature_names_in_.tolist()
    assert names == pipe[:-1].get_feature_names_out().tolist() and len(names) == 4
    assert pipe.predict(X.iloc[1:]).shape == (N - 1,)
    sound(pipe, X, y, np.arange(1, N))


class Memory(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.seen_ = X
        return self

    def transform(self, X):
        return X


class Subclass(StandardScaler):
    pass


@pytest.mark.parametrize(
    "step, reason",
    [
        (Memory(), "Memory"),
        (Subclass(), "Subclass"),
        (TruncatedSVD(2), "TruncatedSVD"),
        (PCA(2, svd_solver="randomized"), "draws at random"),
        (CountVectorizer(input="filename"), "filename"),
        (make_pipeline(StandardScaler(), Memory()), "a__memory"),
        (ColumnTransformer([("n", Memory(), [0])]), "a__n"),
        (ColumnTransformer([("n", "drop", [0])], remainder=Memory()), "a__remainder"),
        (FeatureUnion([("u", Memory())]), "a__u"),
        (Pipeline([("s", StandardScaler())], memory="somewhere"), "memory"),
        (FrozenEstimator(StandardScaler().fit([[0.0]])), "frozen"),
    ],
    ids=str,
)
def test_what_is_not_known_is_refused_by_name(step, reason):
    pipe = piped(step)
    with pytest.raises(AssumptionError, match=reason) as caught:
        pipe.fit(*numbers())
    assert "'a" in str(caught.value) and "frozen=" in str(caught.value)
    with pytest.raises(NotFittedError):
        pipe.forget([0])


def test_pca_that_came_to_draw_at_random_is_refused():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 510)), labels(rng, 600)
    with pytest.raises(AssumptionError, match="draws from NumPy's global generator"):
        piped(PCA(3)).fit(X, y)
    piped(PCA(3, random_state=0)).fit(X, y)


def test_other_refusals():
    X, y = numbers()
    with pytest.raises(AssumptionError, match="LogisticRegression, which cannot forget"):
        forgetting(make_pipeline(StandardScaler(), LogisticRegression())).fit(X, y)
    with pytest.raises(AssumptionError, match="memory="):
        forgetting(Pipeline([("head", CertifiedLogReg())], memory="somewhere")).fit(X, y)
    with pytest.raises(AssumptionError, match="no such step: \\['b'\\]"):
        piped(StandardScaler(), frozen={"b": "elsewhere"}).fit(X, y)
    with pytest.raises(AssumptionError, match="not a reason"):
        piped(StandardScaler(), frozen={"a": " "}).fit(X, y)
    with pytest.raises(AssumptionError, match="not fitted"):
        piped(StandardScaler(), frozen={"a": "elsewhere"}).fit(X, y)
    with pytest.raises(ValueError, match="weight"):
        piped(StandardScaler()).fit(X, y, sample_weight=np.zeros(N))
    with pytest.raises(AssumptionError, match="makes 1 rows"):
        piped(FunctionTransformer(lambda X: X[:1])).fit(X, y)
    with pytest.raises(TypeError, match="StandardScaler"):
        forgetting(StandardScaler())
    pipe = piped(StandardScaler()).fit(X, y)
    pipe[-1].forget(rows=[3])
    with pytest.raises(AssumptionError, match="without the pipeline"):
        pipe.forget([4])


def test_a_head_that_another_fit_has_used_is_known():
    # As many rows, and no request: only the fit is another.
    X, y = numbers()
    steps = [("a", StandardScaler()), ("model", CertifiedLogReg(random_state=0))]
    pipe, other = ForgettingPipeline(steps).fit(X, y), ForgettingPipeline(steps).fit(X[::-1], 1 - y)
    for use in (
        lambda: pipe.forget([4]),
        lambda: pipe.release(),
        lambda: pipe.export_predictor(),
        lambda: pipe.certificate_,
    ):
        with pytest.raises(AssumptionError, match="without the pipeline"):
            use()
    with pytest.warns(SecretStateWarning):
        again = pickle.loads(pickle.dumps(other))
    assert again.forget([4]).n_retained_ == N - 1 and other.release().n_retained_ == N


def test_sparse_results_beyond_a_size_are_refused(monkeypatch):
    X, y = texts()
    pipe = piped(CountVectorizer())
    monkeypatch.setattr(_features, "MOST_ENTRIES", 100)
    with pytest.raises(AssumptionError, match="120 x 12"):
        pipe.fit(X, y)
    assert not hasattr(pipe, "_kept") and not hasattr(pipe["a"], "vocabulary_")


def test_frozen_steps_stay_and_the_certificate_says_so():
    X, y = numbers()
    public = StandardScaler().fit(X[:10] + 1)
    pipe = piped(public, recounted(StandardScaler()), frozen={"a": "ten public rows"})
    pipe.steps[0] = ("a", public)
    pipe.fit(X, y).forget([0])
    assert pipe["a"] is public
    assert "step 'a' was fitted elsewhere, as declared: ten public rows" in (
        pipe.certificate_.conditions
    )
    kept = np.arange(1, N)
    same_state(
        pipe["b"].named_transformers_["all"], StandardScaler().fit(public.transform(X[kept]))
    )
    # What the moving steps are given is kept, not what the frozen ones were.
    np.testing.assert_array_equal(pipe._kept.raw, public.transform(X[kept]))
    inner = FeatureUnion([("f", FrozenEstimator(public)), ("s", MinMaxScaler())])
    pipe = forgetting(
        make_pipeline(inner, CertifiedLogReg()), frozen={"featureunion__f": "ten public rows"}
    )
    pipe.fit(X, y).forget([0])
    assert any("featureunion__f" in c for c in pipe.certificate_.conditions)
    with pytest.raises(AssumptionError, match="FrozenEstimator"):
        piped(FeatureUnion([("f", StandardScaler())]), frozen={"a__f": "public"}).fit(X, y)


def test_what_the_certificate_says():
    X, y = texts()
    pipe = piped(TfidfVectorizer(tokenizer=str.split, token_pattern=None)).fit(X, y).forget([0])
    c = pipe.certificate_
    assert "the whole pipeline" in c.reference and f"{N - 1} retained" in c.reference
    assert any("recounted" in text for text in c.conditions)
    assert any("caller's function in step 'a'" in text for text in c.conditions)
    assert not any("scalers" in text for text in c.not_covered)
    assert c.public().distance is None and type(c).from_json(c.to_json()) == c
    still = piped(FunctionTransformer(np.tanh)).fit(*numbers()).certificate_
    assert any("whatever rows come with it" in text for text in still.conditions)
    assert not any("recounted" in text for text in still.conditions)


@pytest.mark.parametrize("mechanism", ["gram", "isotropic"])
def test_the_budget_is_that_of_the_columns_there_are(mechanism):
    X, y = numbers()
    head = CertifiedLogReg(mechanism=mechanism, random_state=0).fit(X, y)
    for t, features in enumerate((X * 2, np.hstack([X, X**2]), X[:, :2]), 1):
        behind.refit(head, head._fitted.forgetting(np.array([t])), features)
        rows = np.setdiff1d(np.arange(N), np.arange(1, t + 1))
        alone = CertifiedLogReg(mechanism=mechanism, random_state=0).fit(features[rows], y[rows])
        assert head._fitted.model.budget == alone._fitted.model.budget
        assert head.certificate_.distance_target == alone._fitted.model.budget.caps(t).target
        assert head.certificate_.joint_epsilon == alone._fitted.model.budget.joint_epsilon(t)


def said(pipe):
    """The public certificate, but for the weights it is of and their time."""
    return replace(pipe.certificate_.public(), weights=None, issued=None)


@pytest.mark.parametrize("mechanism", ["gram", "isotropic"])
def test_what_is_promised_does_not_tell_whether_a_step_has_moved(mechanism):
    # The same rows stay: the one that goes was the largest of its columns, or was like others.
    X, y = numbers()
    promised, tiers = [], []
    for row in (X[5], X.max(axis=0) + 1):
        with_it = np.where(np.arange(N)[:, None] == 3, row, X)
        step = recounted(MinMaxScaler())
        pipe = forgetting(make_pipeline(step, CertifiedLogReg(mechanism=mechanism)))
        pipe.fit(with_it, y).forget([3])
        public = [said(pipe)]
        tiers.append(pipe.certificate_.tier)
        pipe.forget([4])
        promised.append([*public, said(pipe)])
    assert promised[0] == promised[1] and tiers[0] != tiers[1]


def test_a_word_that_only_a_forgotten_text_had_changes_no_promise():
    promised = []
    for more in (" larch maple oak pine", ""):
        words = ["amber birch", "birch cedar", "amber cedar"] * 20
        words[5] += more
        pipe = forgetting(make_pipeline(CountVectorizer(), CertifiedLogReg()))
        pipe.fit(words, np.arange(60) % 2).forget(rows=[0]).forget(rows=[5]).release()
        promised.append(replace(pipe.certificate_.public(), weights=None, issued=None))
    assert promised[0] == promised[1]


def test_a_request_that_raises_leaves_everything_as_it_was(monkeypatch):
    X, y = frame()
    pipe = piped(columns()).fit(X, y).forget([0])

    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    for where, name in (
        (unlearner.Model, "refit"),
        (StandardScaler, "fit"),
        (_features, "laid_out"),
    ):
        before = photograph(pipe)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(where, name, broken)
            pipe.forget([3])
        assert photograph(pipe) == before
    before = photograph(pipe)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(unlearner, "fit", broken)
        pipe.fit(X[:100], y[:100])
    assert photograph(pipe) == before
    sound(pipe.forget([3]), X, y, np.setdiff1d(np.arange(N), [0, 3]))


def test_a_warning_made_an_error_leaves_everything_as_it_was():
    X, y = numbers()
    y[10] = 2
    pipe = piped(StandardScaler()).fit(X, y)
    before = photograph(pipe)
    with warnings.catch_warnings(), pytest.raises(UserWarning, match="labelled 2"):
        warnings.simplefilter("error")
        pipe.forget([10], confirm=True)
    assert photograph(pipe) == before


def test_the_callers_objects_are_not_touched():
    X, y = numbers()
    X.setflags(write=False)
    given = make_pipeline(StandardScaler(copy=False), CertifiedLogReg())
    forgetting(given).fit(X, y).forget([0])
    assert not hasattr(given[0], "mean_") and not hasattr(given[1], "coef_")
    given = make_pipeline(recounted(StandardScaler(copy=False)), CertifiedLogReg())
    pipe = forgetting(given).fit(X, y).forget([0])
    kept = pipe._kept.raw
    np.testing.assert_array_equal(kept, X[1:])
    pipe.forget([1])
    # What the pipeline kept before is overwritten, and nothing it keeps has the rows.
    assert not kept.any() and pipe._kept.raw.shape == (N - 2, 4)
    S, y = counts()
    pipe = piped(TfidfTransformer()).fit(S, y)
    kept = pipe._kept.raw
    pipe.forget([0])
    assert not kept.data.any() and S.sum() > 0


@pytest.mark.parametrize("step, data", [MOVING["StandardScaler"], MOVING["ColumnTransformer"]])
def test_pickles_go_on_where_they_were(step, data):
    X, y = data()
    pipe = piped(step).fit(X, y, row_ids=[f"id {i}" for i in range(N)]).forget(row_ids="id 0")
    with pytest.warns(SecretStateWarning):
        text = pickle.dumps(pipe)
    again = pickle.loads(text)
    assert b"only row 0" not in text and b"zanzibar" not in text and b"id 0" not in text
    again.forget(row_ids="id 9")
    sound(again, X, y, np.setdiff1d(np.arange(N), [0, 9]))
    with pytest.raises(AlreadyForgottenError):
        again.forget(row_ids="id 0")


def test_the_exported_predictor_is_plain_scikit_learn():
    X, y = frame()
    pipe = piped(columns()).fit(X, y).forget([0])
    plain = pipe.export_predictor()
    assert type(plain) is Pipeline and type(plain[-1]) is LogisticRegression
    np.testing.assert_allclose(plain.predict_proba(X), pipe.predict_proba(X), atol=1e-12)
    pickle.dumps(plain)


def test_clone_and_grid_search():
    X, y = numbers()
    pipe = piped(StandardScaler(), PCA(), frozen={})
    assert clone(pipe).get_params()["frozen"] == {}
    search = GridSearchCV(pipe, {"b__n_components": [2, 4], "head__C": [0.1, 1.0]}, cv=2)
    best = search.fit(X, y).best_estimator_
    best.forget([0])
    sound(best, X, y, np.arange(1, N))
