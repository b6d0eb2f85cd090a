"""Every transformer of scikit-learn as a step: taken, and the same in both worlds, or refused."""

import functools
import random
import time
from inspect import signature

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_selection import (
    RFECV,
    SelectFromModel,
    SelectKBest,
    VarianceThreshold,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
)
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_info, threadpool_limits

from certunlearn import CertifiedLogReg, CertifiedRidge, ForgettingPipeline, forgetting
from certunlearn.exceptions import AssumptionError
from certunlearn.pipeline._classes import REFUSED
from certunlearn.pipeline._parameters import callables
from certunlearn.pipeline._trial import differences

from ..pipeline_sequences import Truth
from .test_pipeline import N, numbers, photograph, piped, rows, sound, texts

MT = np.random.RandomState(0)
TRANSFORMERS = dict(all_estimators(type_filter="transformer"))
TAKEN = [name for name, kind in TRANSFORMERS.items() if kind not in REFUSED and name != "TSNE"]
#: What those need that cannot be made from nothing, and what keeps others small.
MADE = {
    "BernoulliRBM": {"n_components": 3, "n_iter": 2},
    "ColumnTransformer": {"transformers": [("a", StandardScaler(), [0, 1])]},
    "DictionaryLearning": {"n_components": 3, "max_iter": 3},
    "FeatureHasher": {"n_features": 8},
    "HashingVectorizer": {"n_features": 8},
    "FeatureUnion": {"transformer_list": [("a", StandardScaler()), ("b", SelectKBest(k=2))]},
    "GaussianRandomProjection": {"n_components": 3},
    "LatentDirichletAllocation": {"n_components": 3, "max_iter": 2},
    "MiniBatchDictionaryLearning": {"n_components": 3, "max_iter": 3},
    "MiniBatchNMF": {"n_components": 3},
    "MiniBatchSparsePCA": {"n_components": 3, "max_iter": 3},
    "NMF": {"n_components": 3},
    "Nystroem": {"n_components": 10},
    "RandomTreesEmbedding": {"n_estimators": 3},
    "RFE": {"estimator": LogisticRegression()},
    "RFECV": {"estimator": ExtraTreesClassifier(3, random_state=0, n_jobs=3), "cv": 2},
    "SelectFromModel": {"estimator": LinearSVC(random_state=0)},
    "SequentialFeatureSelector": {"estimator": LogisticRegression(), "cv": 2},
    "SparseCoder": {"dictionary": np.eye(4)},
    "SparsePCA": {"n_components": 3, "max_iter": 3},
    "SparseRandomProjection": {"n_components": 3},
    **{
        f"{kind}{name}": {"estimators": [("a", Lasso())]}
        for kind in ("Stacking", "Voting")
        for name in ("Classifier", "Regressor")
    },
}


def positive(seed=0):
    X, y = numbers(seed)
    X = np.abs(X) / X.std(axis=0) + 0.1
    # A column that tells the labels, and what only some rows lack.
    X[:, 0] += 0.5 * y
    return X, y


def given(name, seed=0):
    """Rows of the kind a transformer takes."""
    X, y = positive(seed)
    if name in ("CountVectorizer", "HashingVectorizer", "TfidfVectorizer"):
        return texts(seed)
    if name in ("DictVectorizer", "FeatureHasher"):
        return [dict(zip("pqrs", row.tolist(), strict=True)) for row in X], y
    if name in ("MissingIndicator", "KNNImputer", "SimpleImputer"):
        X[2::7, 1] = X[0, 2] = np.nan
    if name in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"):
        X = X.round()
    return X, y


def two_columns(X):
    """Two bounded columns of whatever there is, so that one model fits all."""
    X = X.toarray() if sp.issparse(X) else np.asarray(X, dtype=float)
    X = np.nan_to_num(np.column_stack([X, X]))
    return np.tanh(np.column_stack([X[:, : X.shape[1] // 2].sum(axis=1), X[:, 0]]))


def behind(step, **params):
    """A pipeline of a step and a small model."""
    head = CertifiedLogReg(random_state=0, noise=1.0)
    narrow = FunctionTransformer(two_columns)
    return ForgettingPipeline([("a", step), ("narrow", narrow), ("head", head)], **params)


def made(name, seed=0):
    kind = TRANSFORMERS[name]
    params = dict(MADE.get(name, {}))
    if "random_state" in signature(kind).parameters:
        params["random_state"] = seed
    return kind(**params)


def equal(ours, theirs):
    """Two fitted steps, to the last bit of everything they hold."""
    assert list(differences("", ours, theirs)) == []


def alike(ours, theirs, n):
    """Two pipelines: steps to the last bit, and the rows of the head."""
    for (_, a), (_, b) in zip(ours.steps[:-1], theirs.steps[:-1], strict=True):
        equal(a, b)
    at = ours._kept.at
    held = ours[-1]._fitted.model.held(ours[-1]._fitted.names.store(at))[0]
    np.testing.assert_array_equal(held, theirs[-1]._fitted.model.held(np.arange(n))[0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_every_transformer_is_taken_or_refused(name):
    kind, (X, y) = TRANSFORMERS[name], given(name)
    step = made(name)
    if name == "TSNE":
        # scikit-learn's own refusal: it has no transform.
        with pytest.raises(TypeError, match="transform.*TSNE"):
            behind(step).fit(X, y)
        return
    if kind in REFUSED:
        with pytest.raises(AssumptionError, match=f"step 'a', a {name}: {REFUSED[kind]}"):
            behind(step).fit(X, y)
        return
    gone, keep = [0, 5, 9], np.setdiff1d(np.arange(N), [0, 5, 9])
    np.random.seed(1)
    ours = behind(step).fit(X, y)
    before = np.random.get_state()[1].copy()
    ours.forget(rows=gone)
    # Nothing was drawn from the global generator, and where it stands makes no difference.
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    alike(ours, behind(step).fit(rows(X, keep), y[keep]), len(keep))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", sorted(set(TRANSFORMERS) - {k.__name__ for k in REFUSED} - {"TSNE"})
)
def test_every_transformer_after_any_requests(name):
    (X, y), (spare, codes) = given(name), given(name, 1)
    rng = np.random.default_rng(len(name))
    pipe, truth = behind(made(name)).fit(X, y), Truth(X, y)
    for verb in rng.permutation(["forget", "learn", "correct", "relabel", "forget", "both"]):
        at = rng.choice(truth.at, size=3, replace=False)
        new = rng.choice(N, size=3, replace=False)
        changed = rows(spare, new) if verb in ("correct", "both") else None
        labelled = codes[new] if verb in ("relabel", "both") else None
        if verb == "forget":
            pipe.forget(rows=at)
            truth.alive[at] = False
        elif verb == "learn":
            pipe.learn(rows(spare, new), codes[new])
            truth.learn(rows(spare, new), codes[new])
        else:
            pipe.correct(rows=at, X=changed, y=labelled)
            truth.correct(at, changed, labelled)
        fresh = behind(made(name)).fit(rows(truth.X, truth.at), truth.y[truth.at])
        alike(pipe, fresh, len(truth.at))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_without_a_seed_nothing_is_drawn_or_it_is_refused(name):
    kind, (X, y) = TRANSFORMERS[name], given(name)
    if kind in REFUSED or name == "TSNE" or "random_state" not in signature(kind).parameters:
        return
    with pytest.raises(AssumptionError, match="goes on with every draw"):
        behind(made(name, np.random.RandomState(0))).fit(X, y)
    pipe, before = behind(made(name, None)), np.random.get_state()[1].copy()
    try:
        pipe.fit(X, y)
    except AssumptionError as error:
        assert "random_state=0" in str(error) and "'a'" in str(error)
    else:
        assert np.array_equal(np.random.get_state()[1], before)


def test_subclasses_are_not_what_they_are_of():
    class Mine(StandardScaler):
        pass

    with pytest.raises(AssumptionError, match="'a', a Mine: what Mine learns"):
        behind(Mine()).fit(*positive())


def test_steps_are_fitted_by_one_thread():
    seen = []

    def threads():
        return {p["user_api"]: p["num_threads"] for p in threadpool_info()}

    def looked(X):
        seen.append(threads())
        return X

    looking = FunctionTransformer(looked)
    both = FeatureUnion([("l", looking), ("s", StandardScaler())])
    with threadpool_limits(2):
        outside = threads()
        piped(looking, both).fit(*numbers())
        assert threads() == outside
    # What learns nothing of the rows, such as an encoder, has all threads.
    assert seen[0] == outside and set(seen[1].values()) == {1} and "blas" in seen[1]


@pytest.mark.parametrize(
    "step, reason",
    [
        (SelectKBest(mutual_info_classif, k=2), "draws from NumPy's global generator"),
        (KernelPCA(2, kernel="precomputed"), "columns are rows too"),
        (KNeighborsTransformer(metric="precomputed"), "columns are rows too"),
        (KBinsDiscretizer(subsample=50), "global"),
        (QuantileTransformer(n_quantiles=10, subsample=50), "global"),
        (RFECV(LogisticRegression(), cv=KFold(2, shuffle=True)), "global"),
        (
            RFECV(LogisticRegression(), cv=KFold(2, shuffle=True, random_state=MT)),
            "its cv.random_state goes on",
        ),
        (
            RFECV(LogisticRegression(), cv=[(np.arange(9), np.arange(9, 20))]),
            "lists rows by number",
        ),
        (ColumnTransformer([("k", KBinsDiscretizer(subsample=50), [0])], n_jobs=2), "global"),
        (SelectFromModel(LinearSVC()), "global"),
        (SelectFromModel(LogisticRegression(), prefit=True), "fitted elsewhere"),
        (SelectFromModel(CertifiedLogReg()), "CertifiedLogReg is not known"),
        (FeatureUnion([("s", SelectFromModel(LinearSVC()))]), "global"),
        (make_pipeline(PCA(2, svd_solver="arpack")), "'a__pca', a PCA: its fit draws at random"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_fits_that_draw_or_depend_on_more_than_the_rows(step, reason):
    with pytest.raises(AssumptionError, match=reason) as caught:
        behind(step).fit(*positive())
    assert "'a" in str(caught.value)


def test_a_function_of_the_callers_is_listed_and_scikit_learns_own_is_not():
    X, y = positive()
    seeded = functools.partial(mutual_info_classif, random_state=0)
    for score, listed in ((seeded, True), (mutual_info_regression, False)):
        step = SelectKBest(score, k=2)
        assert any("caller's function" in text for text in callables("a", step)) == listed
    pipe = behind(SelectKBest(seeded, k=2)).fit(X, y).forget(rows=[3])
    assert any("caller's function in step 'a'" in text for text in pipe.certificate_.conditions)


def informative(n=N):
    """Rows of which ``y`` alone says which column is selected."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 3)), np.arange(n) % 2
    X[:, 0] += y
    X[:30, 1] += 9.0 * y[:30]
    return X, y


@pytest.mark.filterwarnings("ignore:.*random_state.* deprecated", "ignore:The least populated")
@pytest.mark.parametrize("kind", ["str", "object", "int"])
def test_a_step_that_looks_at_labels_follows_them(kind):
    X, y = informative()
    if kind != "int":
        y = np.array(["no", "yes"], dtype={"str": "<U20"}.get(kind, object))[y]
        y[7] = "a very long label"
    steps = SelectKBest(k=1), TargetEncoder(cv=2, random_state=0)
    pipe = behind(make_pipeline(*steps) if kind != "int" else steps[0]).fit(X, y)
    picked = lambda p: (p["a"] if kind == "int" else p["a"][0]).get_support().tolist()  # noqa: E731
    first = picked(pipe)
    if kind != "int":
        with pytest.warns(UserWarning, match="a very long label"):
            pipe.forget(rows=[7], confirm=True)
    # Relabelling alone moves it, as taking rows out does.
    at = np.arange(0, 30, 2)
    y[at] = y[1]
    pipe.correct(rows=at, y=y[at])
    keep = np.setdiff1d(np.arange(N), [7] if kind != "int" else [])
    alike(pipe, behind(clone(pipe["a"])).fit(X[keep], y[keep]), len(keep))
    pipe.learn(X[:5] + 1, y[:5]).forget(rows=np.arange(10, 40))
    keep = np.append(np.setdiff1d(keep, np.arange(10, 40)), np.arange(5))
    shifted = np.concatenate([X[keep[:-5]], X[:5] + 1])
    fresh = behind(clone(pipe["a"])).fit(shifted, y[keep])
    for (_, a), (_, b) in zip(pipe.steps[:-1], fresh.steps[:-1], strict=True):
        equal(a, b)
    assert first != picked(pipe)
    if kind == "str":
        assert pipe._kept.beside.y.dtype == "<U3" and pipe["a"][1].classes_.dtype == "<U3"


def test_targets_are_kept_as_numbers_whatever_they_were_given_as():
    X, _ = numbers()
    z = X[:, 0].round().astype(int)
    head = CertifiedRidge(noise=1.0, random_state=0)
    pipe = piped(SelectKBest(f_regression, k=2), head=head).fit(X, z)
    pipe.learn(X[:2], [0.5, 2.25]).forget(rows=[4])
    X2, z2 = np.concatenate([np.delete(X, 4, 0), X[:2]]), np.append(np.delete(z, 4), [0.5, 2.25])
    fresh = piped(SelectKBest(f_regression, k=2), head=head).fit(X2, z2)
    equal(pipe["a"], fresh["a"])


def test_columns_that_come_and_go():
    X, y = numbers()
    X[:, 3] = X[:, 1] = 1.0
    X[3, 3] = 2.0
    wide = np.hstack([X, np.ones((N, 4))])
    pipe = piped(VarianceThreshold()).fit(wide, y)
    assert pipe[-1].coef_.shape == (1, 3)
    pipe.forget(rows=[3])
    assert pipe[-1].coef_.shape == (1, 2) and pipe[-1].n_features_in_ == 2
    equal(pipe["a"], VarianceThreshold().fit(np.delete(wide, 3, 0)))
    pipe.predict(wide)
    # A row that comes makes all columns vary; the certificate is that of a fit with them.
    pipe.learn(np.full((1, 8), 3.0), y[:1])
    every = np.concatenate([np.delete(wide, 3, 0), np.full((1, 8), 3.0)])
    assert pipe[-1].coef_.shape == (1, 8)
    equal(pipe["a"], VarianceThreshold().fit(every))
    sound(
        pipe, np.concatenate([wide, every[-1:]]), np.append(y, y[0]), np.delete(np.arange(N + 1), 3)
    )
    # What cannot be fitted on the rows that would stay is said so.
    still = piped(VarianceThreshold()).fit(np.hstack([wide[:, 3:4], wide[:, 4:]]), y)
    with pytest.raises(AssumptionError, match="cannot be fitted on the rows as they would be"):
        still.forget(rows=[3])


class Ranks(TransformerMixin, BaseEstimator):
    """A step of somebody else's, by turns honest and not."""

    memory = []

    def __init__(self, how="honest"):
        self.how = how

    def fit(self, X, y=None):
        self.middle_ = np.median(X, axis=0)
        self.by_label_ = {int(v): X[y == v].mean(axis=0) for v in np.unique(y)}
        if self.how == "draws":
            self.middle_ = self.middle_ + np.random.normal()
        elif self.how == "draws, plainly":
            self.middle_ = self.middle_ + random.random()
        elif self.how == "remembers":
            self.memory.append(X.max(axis=0))
            self.middle_ = np.max(self.memory, axis=0)
        elif self.how == "tells the time":
            self.seconds_ = time.perf_counter()
        elif self.how == "cannot be compared":
            self.lines_ = (line for line in "ab")
        return self

    def transform(self, X):
        return X - self.middle_ + (np.random.normal() if self.how == "transforms" else 0.0)


def test_a_declared_step_is_recounted():
    X, y = numbers()
    with pytest.raises(AssumptionError, match="refit={'a'}"):
        piped(Ranks()).fit(X, y)
    state, told = np.random.get_state()[1].copy(), random.getstate()
    pipe = piped(Ranks()).set_params(refit={"a"}).fit(X, y).forget(rows=[0])
    # The trial puts the generators back.
    assert np.array_equal(state, np.random.get_state()[1]) and told == random.getstate()
    fresh = piped(Ranks()).set_params(refit={"a"}).fit(X[1:], y[1:])
    alike(pipe, fresh, N - 1)
    stated = [text for text in pipe.certificate_.conditions if "as declared by refit=" in text]
    assert len(stated) == 1 and "test_steps.Ranks" in stated[0] and "'a'" in stated[0]
    inner = ColumnTransformer([("r", Ranks(), [0, 1])], remainder="passthrough")
    inside = forgetting(make_pipeline(inner, CertifiedLogReg()), refit=["columntransformer__r"])
    inside.fit(X, y).forget(rows=[0])
    equal(inside[0].transformers_[0][1], Ranks().fit(X[1:, :2], y[1:]))


@pytest.mark.parametrize(
    "how, where",
    [
        ("draws", "most of the rows differ in step.middle_"),
        ("draws, plainly", "differ in step.middle_"),
        ("remembers", "differ in step.middle_"),
        ("tells the time", "differ in step.seconds_"),
        ("transforms", "differ in fitted"),
        ("cannot be compared", "step.lines_ cannot be compared"),
    ],
)
def test_a_declaration_that_does_not_hold_is_found_out(how, where, monkeypatch):
    X, y = numbers()
    monkeypatch.setattr(Ranks, "memory", [])
    for step, path in ((Ranks(how), "a"), (FeatureUnion([("r", Ranks(how))]), "a__r")):
        Ranks.memory.clear()
        with pytest.raises(AssumptionError, match=where.split("step.")[-1]):
            piped(step).set_params(refit={path}).fit(X, y)


def test_declarations_that_make_no_sense():
    X, y = numbers()
    for refit, frozen, reason in (
        ({"b"}, None, "no such step: \\['b'\\]"),
        ({"a"}, {"a": "public"}, "declared twice"),
    ):
        with pytest.raises(AssumptionError, match=reason):
            piped(Ranks(), frozen=frozen).set_params(refit=refit).fit(X, y)
    with pytest.raises(TypeError, match="a set of names"):
        piped(Ranks()).set_params(refit="a").fit(X, y)


def weighted(X, y, w, keep, head=None):
    """scikit-learn's own pipeline, its scaler weighted, on the rows that stay."""
    return StandardScaler().fit(X[keep], sample_weight=w[keep])


def test_parameters_of_a_step_go_with_their_rows():
    X, y = numbers()
    rng = np.random.default_rng(0)
    w, u = rng.uniform(0.5, 2, size=N), rng.uniform(0.5, 2, size=N)
    u[[3, 20]] = 0
    pipe = piped(StandardScaler()).fit(X, y, a__sample_weight=w.tolist(), head__sample_weight=u)
    keep = np.flatnonzero(u)
    equal(pipe["a"], weighted(X, y, w, keep))
    new = np.array([3.0, 0.25])
    pipe.forget(rows=[0, 9]).learn(X[:2] + 1, y[:2], a__sample_weight=new)
    pipe.correct(rows=[5, 4], X=X[[5, 4]] * 2).forget(rows=[N])
    X[[4, 5]] *= 2
    X, w = np.concatenate([X, X[:2] + 1]), np.append(w, new)
    keep = np.append(np.setdiff1d(keep, [0, 9]), N + 1)
    equal(pipe["a"], weighted(X, y, w, keep))
    for call, kind, reason in (
        (lambda: pipe.learn(X[:1], y[:1]), AssumptionError, "give a__sample_weight for the new"),
        (
            lambda: piped(StandardScaler()).fit(X[:N], y).learn(X[:1], y[:1], a__sample_weight=[1]),
            AssumptionError,
            "fit was not given a__sample_weight",
        ),
        (lambda: pipe.fit(X[:N], y, a__sample_weight=2.0), AssumptionError, "not one value a row"),
        (lambda: pipe.fit(X[:N], y, a__sample_weight=w), AssumptionError, "not one value a row"),
        (lambda: pipe.fit(X[:N], y, b__sample_weight=w), TypeError, "unexpected argument b__s"),
        (lambda: pipe.fit(X[:N], y, weight=w), TypeError, "known: sample_weight, row_ids"),
        (lambda: pipe.fit(X[:N], y, head__weights=w), TypeError, "head__weights"),
        (lambda: pipe.fit(X[:N], y, groups=y, head__groups=y), TypeError, "are the same"),
    ):
        before = photograph(pipe)
        with pytest.raises(kind, match=reason):
            call()
        assert photograph(pipe) == before


def test_arguments_of_the_head_by_the_name_of_its_step():
    X, y = numbers()
    named = {"groups": np.arange(N) // 4, "row_ids": [f"p{i}" for i in range(N)]}
    pipe = piped(StandardScaler()).fit(X, y, **{f"head__{k}": v for k, v in named.items()})
    pipe.forget(groups=2).forget(row_ids="p3")
    pipe.learn(X[:1], y[:1], head__row_ids=["p500"], head__groups=[77]).forget(groups=77)
    assert pipe.n_retained_ == N - 5
    inside = make_pipeline(StandardScaler())
    nested = piped(inside).fit(X, y, a__standardscaler__sample_weight=np.arange(1.0, N + 1))
    nested.forget(rows=[0])
    want = StandardScaler().fit(X[1:], sample_weight=np.arange(2.0, N + 1))
    equal(nested["a"][0], want)


def test_metadata_is_routed_to_whoever_has_asked_for_it():
    X, y = numbers()
    w, ids = np.random.default_rng(0).uniform(0.5, 2, size=N), [f"p{i}" for i in range(N)]
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        head = CertifiedLogReg(random_state=0).set_fit_request(sample_weight=False, row_ids=True)
        columns = ColumnTransformer([("s", scaler, [0, 1])], remainder="passthrough")
        pipe = ForgettingPipeline([("a", columns), ("head", head)])
        pipe.fit(X, y, sample_weight=w, row_ids=ids)
        pipe.learn(X[:1], y[:1], sample_weight=[2.0], row_ids=["new"])
    # Steps hand metadata on as they did in the fit, whatever is set now.
    pipe.forget(row_ids="p0")
    want = weighted(np.append(X, X[:1], 0)[:, :2], y, np.append(w, 2.0), np.arange(1, N + 1))
    inner = pipe["a"].transformers_[0][1]
    np.testing.assert_allclose([inner.mean_, inner.var_], [want.mean_, want.var_], rtol=1e-12)
    assert set(np.unique(pipe[-1]._fitted.model.sample_weight)) == {0.0, 1.0}
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="groups"):
            pipe.fit(X, y, groups=y)
        # What the pipeline itself is told would go unheard.
        deaf = clone(pipe).set_fit_request(groups=True)
        with pytest.raises(AssumptionError, match=r"pipe\[-1\].set_fit_request"):
            GridSearchCV(deaf, {}, cv=GroupKFold(2)).fit(X, y, groups=y)


def test_scores_of_cross_validation_are_those_of_scikit_learn():
    X, y = positive()
    steps = SelectKBest(k=2), StandardScaler()
    ours = cross_val_score(piped(*steps, noise=0), X, y, cv=3)
    theirs = cross_val_score(make_pipeline(*steps, LogisticRegression(C=0.1)), X, y, cv=3)
    np.testing.assert_allclose(ours, theirs)
