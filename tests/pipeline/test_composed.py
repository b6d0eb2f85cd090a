"""Steps and model exported as one linear estimator."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from certunlearn import (
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
)
from certunlearn.exceptions import AssumptionError

from .test_pipeline import N, numbers, piped

CHAINS = {
    "StandardScaler": (StandardScaler(),),
    "no mean": (StandardScaler(with_mean=False),),
    "no deviation": (StandardScaler(with_std=False),),
    "MinMaxScaler": (MinMaxScaler((-3, 5)),),
    "MaxAbsScaler": (MaxAbsScaler(),),
    "RobustScaler": (RobustScaler(),),
    "no centre": (RobustScaler(with_centering=False, unit_variance=True),),
    "no scale": (RobustScaler(with_scaling=False),),
    "PCA": (PCA(),),
    "whitened": (PCA(whiten=True),),
    "nothing": ("passthrough", None, FunctionTransformer()),
    "many": (MinMaxScaler(), "passthrough", PCA(), FunctionTransformer(), StandardScaler()),
    "nested": (Pipeline([("a", RobustScaler()), ("b", Pipeline([("c", PCA(2))]))]),),
    "few of many": (VarianceThreshold(), SelectKBest(k=3), TruncatedSVD(2, random_state=0)),
    "side by side": (
        ColumnTransformer(
            [
                ("s", StandardScaler(), [3, 0]),
                ("p", Pipeline([("m", MinMaxScaler()), ("p", PCA(2))]), [0, 1, 2]),
                ("d", "drop", [1]),
                ("n", RobustScaler(), []),
                ("twice", MaxAbsScaler(), [1, 1]),
            ],
            remainder="passthrough",
            transformer_weights={"s": 0.5},
        ),
        StandardScaler(),
    ),
    "a column that does not vary": (StandardScaler(), MinMaxScaler()),
}
HEADS = {
    "binary": (CertifiedLogReg(C=0.5), LogisticRegression),
    "three classes": (CertifiedLogReg(C=0.5), LogisticRegression),
    "ridge": (CertifiedRidge(), Ridge),
    "targets": (CertifiedRidge(fit_intercept=False), Ridge),
    "classifier": (CertifiedRidgeClassifier(), RidgeClassifier),
}


def agree(plain, pipe, X):
    for name in ("predict", "decision_function", "predict_proba", "predict_log_proba"):
        assert hasattr(plain, name) == hasattr(pipe, name)
        if hasattr(plain, name):
            ours, theirs = getattr(plain, name)(X), getattr(pipe, name)(X)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)
def test_one_map_predicts_what_the_pipeline_does(steps):
    X, y = numbers()
    if steps is CHAINS["a column that does not vary"]:
        X[:, 2] = 7.0
    pipe = piped(*steps).fit(X, y).forget([0, 3])
    plain = pipe.export_predictor(composed=True)
    assert type(plain) is LogisticRegression
    assert plain.coef_.shape == (1, 4) and plain.n_features_in_ == 4
    agree(plain, pipe, numbers(1)[0])
    agree(plain, pipe, X * 3 - 1)
    # The pipeline itself goes on as it was.
    agree(pipe.export_predictor(), pipe, X)


@pytest.mark.parametrize("name", HEADS)
def test_every_head(name):
    X, y = numbers()
    head, kind = HEADS[name]
    if name == "three classes":
        y = np.arange(N) % 3
    if name in ("ridge", "targets"):
        y = X @ np.arange(4.0) if name == "ridge" else np.column_stack([X[:, 0], X[:, 1] ** 2])
    pipe = piped(StandardScaler(), PCA(), head=head).fit(X, y).forget([5])
    plain = pipe.export_predictor(composed=True)
    assert type(plain) is kind and np.shape(plain.coef_)[:-1] == np.shape(pipe[-1].coef_)[:-1]
    assert np.shape(plain.intercept_) == np.shape(pipe[-1].intercept_)
    agree(plain, pipe, X)
    assert plain.get_params()["fit_intercept"]


def test_heads_with_a_link_and_without_an_intercept():
    X, y = numbers()
    pipe = piped(MaxAbsScaler(), head=CertifiedPoissonRegressor()).fit(X, y + 0.0)
    agree(pipe.export_predictor(composed=True), pipe, X)
    rng = np.random.default_rng(0)
    wide, z = rng.normal(size=(12, 30)), rng.normal(size=12)
    pipe = piped(FunctionTransformer(), head=CertifiedMinNorm()).fit(wide, z)
    plain = pipe.export_predictor(composed=True)
    assert type(plain) is LinearRegression
    agree(plain, pipe, wide)


def test_names_of_the_raw_columns():
    X, y = numbers()
    X = pd.DataFrame(X, columns=list("pqrs"))
    pipe = piped("passthrough", StandardScaler(), PCA(2)).fit(X, y)
    plain = pipe.export_predictor(composed=True)
    assert plain.feature_names_in_.tolist() == list("pqrs")
    agree(plain, pipe, X)
    with pytest.raises(ValueError, match="feature names"):
        plain.predict(X[list("qprs")])
    unnamed = piped(StandardScaler().set_output(transform="pandas")).fit(X.to_numpy(), y)
    plain = unnamed.export_predictor(composed=True)
    assert not hasattr(plain, "feature_names_in_")
    agree(plain, unnamed, X.to_numpy())


def test_columns_of_a_frame_by_name():
    X, y = numbers()
    X = pd.DataFrame(X, columns=list("pqrs"))
    inner = ColumnTransformer([("x", StandardScaler(), ["s"])], remainder="passthrough")
    step = ColumnTransformer(
        [
            ("n", StandardScaler(), ["r", "p"]),
            ("i", inner, ["p", "s"]),
            ("by kind", PCA(2), make_column_selector(dtype_include=float)),
        ],
        remainder="drop",
    )
    pipe = piped(step).fit(X, y).forget([3])
    plain = pipe.export_predictor(composed=True)
    assert type(plain) is LogisticRegression
    assert plain.feature_names_in_.tolist() == list("pqrs") and plain.coef_.shape == (1, 4)
    agree(plain, pipe, X)
    left = piped(ColumnTransformer([("n", StandardScaler(), ["r"])])).fit(X, y)
    alone = left.export_predictor(composed=True)
    assert np.flatnonzero(alone.coef_).tolist() == [2]
    agree(alone, left, X)
    encoded = ColumnTransformer([("n", StandardScaler(), ["r"]), ("o", OneHotEncoder(), ["p"])])
    with pytest.raises(AssumptionError, match="step 'a__o', a OneHotEncoder"):
        piped(encoded).fit(X.round(), y).export_predictor(composed=True)


def test_declared_steps():
    X, y = numbers()
    scaler = FrozenEstimator(StandardScaler().fit(X[:10]))
    pipe = piped(scaler, frozen={"a": "ten public rows"}).fit(X, y)
    agree(pipe.export_predictor(composed=True), pipe, X)


@pytest.mark.parametrize(
    "step, reason",
    [
        (MinMaxScaler(clip=True), "'b' clips"),
        (SimpleImputer(), "'b', a SimpleImputer"),
        (Normalizer(), "'b', a Normalizer"),
        (FunctionTransformer(np.tanh), "'b' applies a function"),
        (make_pipeline(StandardScaler(), Normalizer()), "'b__normalizer', a Normalizer"),
    ],
    ids=str,
)
def test_what_is_no_affine_map_is_refused_by_name(step, reason):
    X, y = numbers()
    pipe = piped(StandardScaler(), step).fit(X, y)
    with pytest.raises(AssumptionError, match=reason):
        pipe.export_predictor(composed=True)
    with pytest.raises(ValueError, match="composed"):
        pipe.export_predictor(composed=1)


def test_nothing_but_the_release_is_in_it():
    X, y = numbers()
    X[0], X[1] = [9.25, 31.0625, 2.125, 181.5], [-8.75, -30.1875, -4.875, -17.25]
    ids = [f"person {i}" for i in range(N)]
    pipe = piped(MinMaxScaler(), PCA()).fit(X, y, row_ids=ids).forget(row_ids="person 5")
    steps = pickle.dumps(pipe.export_predictor())
    text = pickle.dumps(pipe.export_predictor(composed=True))
    # A scaler's bounds are values of rows that stay: they are in a copy of the steps alone.
    assert np.float64(181.5).tobytes() in steps
    secret = pipe[-1]._fitted.model.W
    held = [*X.ravel(), *pipe[:-1].transform(X).ravel(), *secret.ravel()]
    held += [v for step in pipe.steps[:-1] for v in vars(step[1]).values() if np.ndim(v)]
    for value in held:
        assert np.asarray(value).astype(float).tobytes() not in text
    assert b"person" not in text and b"certunlearn" not in text
    assert len(text) < 2000
    for value in pipe.export_predictor(composed=True).coef_.ravel():
        assert value.tobytes() in text
