"""States of pipelines: steps, raw rows and head go on together, to the last bit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from certunlearn import CertifiedLogReg, CertifiedRidge, ForgettingPipeline, StateError

from ..states import same, stored

N = 80
RNG = np.random.default_rng(2)
X = RNG.normal(size=(N, 4))
Y = (X[:, 0] + RNG.normal(size=N) > 0).astype(int)
WORDS = [" ".join(RNG.choice(["red", "green", "blue", "sky", "sea", "tree"], 4)) for _ in range(N)]


@pytest.mark.parametrize(
    "steps, rows",
    [
        ([("scale", StandardScaler())], X),
        ([("fill", SimpleImputer()), ("scale", StandardScaler()), ("pca", PCA(2))], X),
        ([("best", SelectKBest(k=2))], X),
        ([("words", TfidfVectorizer())], WORDS),
        ([("inner", Pipeline([("a", StandardScaler()), ("b", "passthrough")]))], X),
        (
            [
                (
                    "columns",
                    ColumnTransformer(
                        [
                            ("bins", KBinsDiscretizer(3, encode="ordinal"), [0]),
                            ("rest", "drop", [3]),
                        ],
                        remainder=StandardScaler(),
                    ),
                )
            ],
            X,
        ),
        ([("logs", FunctionTransformer(np.sinh))], X),
    ],
    ids=lambda v: "+".join(name for name, _ in v) if isinstance(v, list) and v is not WORDS else "",
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_state_goes_on_as_the_pipeline_does(steps, rows):
    taken = (lambda i: [rows[k] for k in i]) if rows is WORDS else lambda i: rows[i]
    pipe = ForgettingPipeline([*steps, ("model", CertifiedLogReg(random_state=0))])
    pipe.fit(rows, Y).forget([3, 4])
    again = ForgettingPipeline.from_state(stored(pipe.to_state()))
    assert again.history_ == pipe.history_ and again.certificate_ == pipe.certificate_
    for go in (
        lambda p: p.forget([7]),
        lambda p: p.learn(taken([10, 11]), Y[10:12]),
        lambda p: p.correct([20], X=taken([21])),
        lambda p: p.forget([N]).release(),
    ):
        assert same(go(pipe), go(again))
    one, other = (p.export_predictor().predict(rows) for p in (pipe, again))
    assert np.array_equal(one, other)


def test_tables_and_categories():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X, columns=list("abcd"), index=[f"r{i}" for i in range(N)])
    table["kind"] = pd.Categorical(RNG.choice(["u", "v", "w"], N))
    table["town"] = RNG.choice(["x", "y"], N)
    columns = ColumnTransformer(
        [
            ("one", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"]),
            ("two", OrdinalEncoder(), ["town"]),
        ],
        remainder=StandardScaler(),
    )
    pipe = ForgettingPipeline([("columns", columns), ("model", CertifiedRidge(random_state=0))])
    pipe.fit(table, X[:, 1], groups=np.arange(N) // 2).forget(row_ids=["r5"])
    again = ForgettingPipeline.from_state(stored(pipe.to_state()))
    for p in (pipe, again):
        p.forget(groups=[12])
        p.learn(table.iloc[:2].set_axis(["s0", "s1"]), X[:2, 1], groups=[90, 91])
    assert same(pipe, again)


def logarithm(features):
    return np.log1p(np.abs(features))


def test_a_step_that_cannot_be_written_is_refused_by_name():
    pipe = ForgettingPipeline(
        [
            ("scale", StandardScaler()),
            ("logs", FunctionTransformer(logarithm)),
            ("model", CertifiedLogReg(random_state=0)),
        ]
    )
    pipe.fit(X, Y)
    with pytest.raises(StateError, match="step 'logs' cannot be written: func is a builtins.func"):
        pipe.to_state()
    assert pipe.forget([3]).n_forgotten_ == 1


def test_columns_chosen_by_code_are_to_be_named():
    numbers = ColumnTransformer([("scale", StandardScaler(), make_column_selector("x"))])
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    pipe = ForgettingPipeline([("numbers", numbers), ("model", CertifiedLogReg(random_state=0))])
    with pytest.raises(StateError, match="'numbers' cannot .* name the columns in a list instead"):
        pipe.fit(frame, Y).to_state()


def test_a_state_of_another_class_is_refused():
    pipe = ForgettingPipeline([("model", CertifiedLogReg(random_state=0))]).fit(X, Y)
    with pytest.raises(StateError, match="ForgettingPipeline, not of a CertifiedLogReg"):
        CertifiedLogReg.from_state(pipe.to_state())


def test_nothing_of_a_forgotten_row_is_in_a_state():
    pipe = ForgettingPipeline([("fill", SimpleImputer()), ("model", CertifiedLogReg())])
    pipe.fit(X, Y).forget([31])
    held = b"".join(a.tobytes() for a in pipe.to_state().arrays.values())
    assert all(number.tobytes() not in held for number in X[31])
    assert all(number.tobytes() in held for number in X[30])
