"""Requests phrased in metadata, and rows that no request may name."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from certunlearn import CertifiedLogReg, CertifiedRidge
from certunlearn.exceptions import RowError, SecretStateWarning, UnknownRowError

N = 120


def problem(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    y = (X[:, 0] + rng.normal(size=N) > 0).astype(int)
    table = pd.DataFrame(
        {"country": rng.choice(["DE", "FR", "NL"], N), "year": rng.integers(2015, 2025, N)},
        index=rng.permutation(N) + 1000,
    )
    return X, y, table


def fit(**more):
    X, y, table = problem()
    return CertifiedLogReg(random_state=0).fit(X, y, metadata=table, **more), table


QUERY = "country == 'FR' and year < 2020"


def test_a_query_and_a_function_name_the_same_rows_as_their_positions():
    table = fit()[1]
    mask = ((table["country"] == "FR") & (table["year"] < 2020)).to_numpy()
    assert 3 < mask.sum() < 60
    by_rows = fit()[0].forget(rows=mask)
    by_query = fit()[0].forget(where=QUERY)
    by_function = fit()[0].forget(where=lambda t: (t.country == "FR") & (t.year < 2020))
    for model in (by_query, by_function):
        np.testing.assert_array_equal(model.coef_, by_rows.coef_)
        assert model.n_forgotten_ == mask.sum()


def test_the_table_is_forgotten_with_its_rows():
    model, table = fit()
    secret = "a very particular country"
    X, y, _ = problem(1)
    new = pd.DataFrame({"country": [secret, "DE"], "year": [1999, 2024]})
    model.learn(X[:2], y[:2], metadata=new)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        assert secret.encode() in pickle.dumps(model)
        model.forget(where="year == 1999")
        assert model.n_retained_ == N + 1
        assert secret.encode() not in pickle.dumps(model)
    with pytest.raises(RowError, match="names no row"):
        model.forget(where="year == 1999")
    # The caller's own table is left alone.
    assert len(table) == N and table.index[0] >= 1000
    preview = model.preview(where="country == 'NL'")
    assert len(preview.rows) == (table["country"] == "NL").sum()


def test_a_store_that_closes_up_over_a_batch_that_has_gone_forgets_on():
    rng = np.random.default_rng(3)
    X, year = rng.normal(size=(1202, 3)), np.full(1202, 2000)
    y, year[1200:] = (X[:, 0] + rng.normal(size=1202) > 0).astype(int), 1999
    table = pd.DataFrame({"year": year})
    model = CertifiedLogReg(random_state=0).fit(X[:1200], y[:1200], metadata=table[:1200])
    model.learn(X[1200:], y[1200:], metadata=table[1200:])
    model.forget(where="year == 1999").forget(rows=np.arange(300))
    # The store closes up before this one: no line of the batch is left to lie in it.
    model.forget(rows=[700]).forget(rows=[701])
    assert model._fitted.model.rows.n < 1200 and model.n_retained_ == 898
    with pytest.raises(RowError, match="names no row"):
        model.forget(where="year == 1999")


def test_categories_of_forgotten_lines_are_forgotten_and_scales_are_not():
    X, y, _ = problem()
    table = pd.DataFrame(
        {
            "name": pd.Categorical([f"person {i}." for i in range(N)]),
            "level": pd.Categorical(np.arange(N) % 4, ordered=True),
        }
    )
    model = CertifiedLogReg(random_state=0).fit(X, y, metadata=table)
    model.forget(where="name == 'person 7.'").forget(where="level == 3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        data = pickle.dumps(model)
    assert b"person 8." in data and b"person 7." not in data
    model.forget(where="level > 1 and name != 'person 7.'")
    assert model.n_retained_ == N // 2


@pytest.mark.parametrize(
    "where, message",
    [
        ("colour == 3", "no query"),
        ("country ==", "no query"),
        (3, "query or a function"),
        (lambda t: np.ones(3, bool), "booleans"),
        (lambda t: t["year"], "booleans"),
        ("year < 1000", "names no row"),
    ],
)
def test_bad_conditions_change_nothing(where, message):
    model = fit()[0]
    state, coef = model._fitted.model, model.coef_.copy()
    with pytest.raises(RowError, match=message):
        model.forget(where=where)
    assert model._fitted.model is state and np.array_equal(model.coef_, coef)


def test_metadata_has_to_fit_the_rows():
    X, y, table = problem()
    with pytest.raises(RowError, match="lines for"):
        CertifiedLogReg().fit(X, y, metadata=table[:-1])
    with pytest.raises(RowError, match="DataFrame"):
        CertifiedLogReg().fit(X, y, metadata=table["year"].to_numpy())
    model = CertifiedLogReg(random_state=0).fit(X, y)
    with pytest.raises(UnknownRowError, match="without metadata"):
        model.forget(where="year < 2020")
    with pytest.raises(RowError, match="if, and only if"):
        model.learn(X[:1], y[:1], metadata=table[:1])
    with pytest.raises(RowError, match="columns"):
        fit()[0].learn(X[:1], y[:1], metadata=table[["year"]][:1])


def test_static_rows_stay_whatever_is_asked():
    X, y, _ = problem()
    static = np.zeros(N, bool)
    static[:40] = True
    X[50] = X[3]
    model = CertifiedRidge(random_state=0).fit(X, y, static=static)
    state = model._fitted.model
    for request in (dict(rows=[3]), dict(rows=[3, 60])):
        with pytest.raises(RowError, match="static"):
            model.forget(**request)
    with pytest.raises(RowError, match="static"):
        model.correct(rows=[3], y=[1])
    assert model._fitted.model is state
    # A look-alike that is static stays as well.
    model.forget(rows=[50], expand="near")
    assert model.n_forgotten_ == 1
    model.learn(X[:2], y[:2], static=[True, False]).forget(rows=[N + 1])
    with pytest.raises(RowError, match="static"):
        model.forget(rows=[N])
    with pytest.raises(RowError, match="booleans"):
        CertifiedRidge().fit(X, y, static=static[:5])
