"""Rows that come get the dtypes of a pipeline's fit, exactly, or are refused."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, StandardScaler

from certunlearn import CertifiedLogReg, CertifiedRidge, forgetting
from certunlearn.exceptions import AssumptionError, SecretStateWarning
from certunlearn.pipeline._kinds import alike, joined, settled

N = 60
Y = np.arange(N) % 2
FINE = 100 + np.random.default_rng(0).normal(size=(N, 4))
ROUGH = FINE.astype(np.float32)


def single(values):
    return np.asarray(values, dtype=np.float32)


EXACT = [
    (single([1]), np.array([0.5]), single([0.5])),
    (np.array([0.5]), single([0.1]), single([0.1]).astype(float)),
    (np.array([0.5]), np.array([3]), np.array([3.0])),
    (np.array([1]), np.array([3.0]), np.array([3])),
    (np.array([True]), np.array([0, 1]), np.array([False, True])),
    (np.array([0.5]), np.array([2, np.nan], dtype=object), np.array([2.0, np.nan])),
    (np.array([0.5]), [np.inf], np.array([np.inf])),
    (np.array([0.5]), np.array([None]), np.array([np.nan])),
    (np.array(["a"]), np.array(["bcd", "e"]), np.array(["bcd", "e"])),
    (np.array(["a"]), np.array(["bcd", "e"], dtype=object), np.array(["bcd", "e"])),
    (np.array(["a", 1], dtype=object), np.array([2.5]), np.array([2.5], dtype=object)),
]


@pytest.mark.parametrize("fit, more, expected", EXACT)
def test_values_that_the_dtype_of_the_fit_holds_get_it(fit, more, expected):
    for like, given in ((fit, more), (fit[:, None], np.asarray(more)[:, None])):
        out = alike(given, settled(like[:0]))
        assert out.dtype == expected.dtype
        np.testing.assert_array_equal(out.ravel(), expected)
        assert joined(like, given).dtype.kind == like.dtype.kind


INEXACT = [
    (single([1]), np.array([0.1])),
    (single([1]), np.array([1e300])),
    (single([1]), np.array([2**24 + 1])),
    (np.array([0.5]), np.array([2**53 + 1])),
    (np.array([0.5]), np.array([2**63 - 1])),
    (np.array([1]), np.array([1.5])),
    (np.array([1]), np.array([np.nan])),
    (np.array([1]), np.array([1e300])),
    (np.array([1]), np.array([2.0**63])),
    (np.array([True]), np.array([2])),
    (np.array([0.5]), np.array(["0.5"])),
    (np.array(["a"]), np.array([1])),
    (np.array(["a"]), np.array(["b", 1], dtype=object)),
    (np.array(["a"]), np.array([b"a"])),
]


@pytest.mark.parametrize("fit, more", INEXACT)
def test_values_that_it_does_not_hold_are_refused(fit, more):
    with pytest.raises(AssumptionError, match="convert them yourself"):
        alike(more, fit)


SERIES = [
    (pd.Series([1.5]), pd.Series([2]), True),
    (pd.Series([1]), pd.Series([2.0]), True),
    (pd.Series([1]), pd.Series([2.5]), False),
    (pd.Series([1], dtype="Int64"), pd.Series([2.0, np.nan]), True),
    (pd.Series([1], dtype="Int64"), pd.Series([2.5]), False),
    (pd.Series([True], dtype="boolean"), pd.Series([True]), True),
    (pd.Series([1.5], dtype="float32"), pd.Series([0.1]), False),
    (pd.Series(["a"]), pd.Series(["b"], dtype=object), True),
    (pd.Series(["a"], dtype="string"), pd.Series(["b", None], dtype=object), True),
    (pd.Series(["a"], dtype="string"), pd.Series([1]), False),
    (pd.Series(["a"], dtype=object), pd.Series([1]), True),
    (pd.Series(["a"], dtype="category"), pd.Series(["b"]), True),
    (pd.Series(["a"], dtype="category"), pd.Series(["b"], dtype="category"), True),
    (pd.Series(["a"], dtype="category"), pd.Series([1], dtype="category"), False),
    (pd.Series([1], dtype="category"), pd.Series([2.0]), True),
    (pd.Series([1], dtype="category"), pd.Series([2.5]), False),
    (pd.Series(pd.Categorical(["a"], ["a", "b"], ordered=True)), pd.Series(["b"]), True),
    (pd.Series(pd.Categorical(["a"], ["a", "b"], ordered=True)), pd.Series(["c"]), False),
    (pd.Series(pd.to_datetime(["2020-01-01"])), pd.Series(pd.to_datetime(["2021-01-01"])), True),
    (pd.Series(pd.to_datetime(["2020-01-01"])), pd.Series(["soon"]), False),
]


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("fit, more, exact", SERIES)
def test_columns_of_pandas(fit, more, exact, table):
    if table:
        fit, more = fit.to_frame("c"), more.to_frame("c")
    if not exact:
        with pytest.raises(AssumptionError, match="convert them yourself"):
            joined(fit, more)
        return
    both = joined(fit, more)
    first, last, own = (v["c"] if table else v for v in (both[:1], both[1:], fit))
    values = (more["c"] if table else more).astype(object)
    assert own.dtype == "category" or both[:0].equals(fit[:0])
    assert first.tolist() == own.tolist()
    assert last.isna().tolist() == values.isna().tolist()
    assert last.dropna().tolist() == values.dropna().tolist()
    # Without the rows that came everything is as it was, categories included.
    again = settled(both[:1])
    assert again.equals(settled(fit)) and settled(fit).equals(fit)
    if own.dtype == "category" and not own.cat.ordered:
        there = (again["c"] if table else again).cat.categories
        assert there.equals(own.cat.categories) and there.dtype == own.cat.categories.dtype


def test_other_containers():
    fit = pl.DataFrame({"a": [1.5], "b": ["x"]}, schema={"a": pl.Float32, "b": pl.String})
    both = joined(fit, pl.DataFrame({"a": [2], "b": ["long"]}))
    assert both.schema == fit.schema and both.to_dict(as_series=False)["a"] == [1.5, 2.0]
    for bad in ({"a": [0.1], "b": ["x"]}, {"a": ["much"], "b": ["x"]}):
        with pytest.raises(AssumptionError, match="column 'a'.*convert them yourself"):
            joined(fit, pl.DataFrame(bad))
    S = sp.csr_matrix(ROUGH[:2])
    for more in (S, sp.csr_array(ROUGH[:2].astype(float)), ROUGH[:2], sp.coo_array(ROUGH[:2])):
        both = joined(S, more)
        assert type(both) is sp.csr_matrix and both.dtype == np.float32 and both.shape == (4, 4)
    assert joined(["a"], pd.Series(["b"])) == joined(["a"], ("b",)) == ["a", "b"]
    assert joined(pd.Series(["a"]), ["b"]).tolist() == ["a", "b"]
    for X, more in (
        (S, np.array([["a"] * 4])),
        (["a"], "b"),
        (["a"], fit),
        (fit, pl.DataFrame({"b": ["x"], "a": [1.0]})),
        (fit, pd.DataFrame({"a": [1.0], "b": ["x"]})),
    ):
        with pytest.raises(AssumptionError, match="rows of the fit were"):
            joined(X, more)


def scaled(scaler=MinMaxScaler, head=CertifiedLogReg):
    return forgetting(make_pipeline(scaler(), head(random_state=0)))


def same_step(a, b):
    for name, value in vars(a).items():
        other = getattr(b, name)
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype, name
        np.testing.assert_array_equal(value, other, err_msg=name)


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize("scaler", [MinMaxScaler, StandardScaler, Normalizer])
def test_a_pipeline_of_single_precision_stays_one(scaler, frame):
    def rows(X):
        return pd.DataFrame(X, columns=list("abcd")) if frame else X

    pipe = scaled(scaler).fit(rows(ROUGH), Y)
    before = pickle.dumps([pipe.certificate_, vars(pipe[0])])
    for refused in (
        lambda: pipe.learn(rows(FINE[:1]), [1]),
        lambda: pipe.correct([3], X=rows(FINE[:1])),
    ):
        with pytest.raises(AssumptionError, match=r"float32.*float64.*convert them yourself"):
            refused()
    assert pickle.dumps([pipe.certificate_, vars(pipe[0])]) == before
    # The same numbers in double precision are the same row.
    pipe.learn(rows(ROUGH[:1].astype(float) + 1), [1]).correct([4], X=rows(ROUGH[4:5] * 2.0))
    pipe.forget(rows=[N]).forget(rows=[0])
    kept = np.where(np.arange(N)[:, None] == 4, ROUGH * np.float32(2), ROUGH)[1:]
    fresh = scaled(scaler).fit(rows(kept), Y[1:])
    same_step(pipe[0], fresh[0])
    same_step(pipe.export_predictor()[0], fresh.export_predictor()[0])
    for query in (FINE, ROUGH):
        assert pipe[0].transform(rows(query)).dtype == fresh[0].transform(rows(query)).dtype


def test_a_learnt_row_cannot_make_the_certificate_of_a_pipeline_false():
    rng, n = np.random.default_rng(0), 2000
    X = (rng.normal(size=(n, 3)) + 3e4).astype(np.float32)
    y = (X[:, 0] - 3e4) * 2.0 + rng.normal(size=n)
    pipe = scaled(StandardScaler, CertifiedRidge).fit(X, y)
    with pytest.raises(AssumptionError, match="convert them yourself"):
        pipe.learn(np.array([[3e4 + 0.1234567, 3e4, 3e4]]), [0.0])
    pipe.learn(np.array([[3e4 + 0.125, 3e4, 3e4]]), [0.0]).forget(rows=[n])
    fresh = scaled(StandardScaler, CertifiedRidge).fit(X, y)
    # The rows of the model are the exact images, which transform rounds to single precision.
    F = (X.astype(np.longdouble) - fresh[0].mean_) / fresh[0].scale_
    A, P = np.c_[F, np.ones(n)], np.r_[np.ones(3), 0]
    H = (A.T @ A).astype(float) + np.diag(P)
    W = np.zeros(4, dtype=np.longdouble)
    for _ in range(8):
        W = W - np.linalg.solve(H, (A.T @ (A @ W - y) + P * W).astype(float))
    model = pipe.head._fitted.model
    e = model.frame.released(model.W)[:, 0] - W
    assert np.sqrt((A @ e) @ (A @ e) + (P * e) @ e) <= pipe.certificate_.distance


LONG = "a name that is much longer than the others"


def test_words_are_as_wide_as_the_longest_that_stays():
    S = np.array([["x"], ["yy"], ["z"]])[np.arange(N) % 3].astype("<U50")
    S[7] = LONG
    pipe = scaled(lambda: OneHotEncoder(handle_unknown="ignore")).fit(S, Y)
    assert pipe[0].categories_[0].dtype == f"<U{len(LONG)}"
    pipe.forget(rows=[7])
    assert pipe[0].categories_[0].dtype == "<U2"
    pipe.learn(np.array([[LONG]]), [1])
    assert LONG in pipe[0].categories_[0]
    pipe.correct([N], X=np.array([["z"]], dtype=object))
    assert pipe.export_predictor()[0].categories_[0].dtype == "<U2"
    assert pipe._kept.raw.dtype == "<U2"


def test_categories_are_those_of_the_rows_that_stay():
    words = np.array(["x", "yy", "z"])[np.arange(N) % 3].tolist()
    words[7] = LONG
    frame = pd.DataFrame({"c": pd.Categorical(words), "v": FINE[:, 0]})
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["c"]), remainder=StandardScaler()
    )
    pipe = forgetting(make_pipeline(encoder, CertifiedLogReg(random_state=0)))
    pipe.fit(frame, Y).learn(pd.DataFrame({"c": ["new"], "v": [1]}), [0])
    raw = pipe._kept.raw
    assert set(raw["c"].cat.categories) == {*words, "new"} and raw["v"].dtype == np.float64
    pipe.forget(rows=[7]).forget(rows=[N])
    assert set(pipe._kept.raw["c"].cat.categories) == {"x", "yy", "z"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        assert LONG.encode() not in pickle.dumps(pipe)
    # The caller's own frame is as it was.
    assert LONG in frame["c"].cat.categories
