"""What is written is read as it was: every estimator, and what it goes on to do."""

import json
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler

import certunlearn as c
from certunlearn.exceptions import StoreDamagedError, StoreError
from certunlearn.store import objects

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
SIGN, REAL = (X[:, 0] > 0).astype(int), X[:, 0] + 0.1 * RNG.normal(size=80)
NAMES = {
    "row_ids": [f"a{i}" for i in range(80)],
    "groups": np.arange(80) // 4,
    "metadata": pd.DataFrame({"q": range(80), "s": ["u", "v"] * 40}),
}
MODELS = {
    "names": lambda: c.CertifiedLogReg().fit(X, SIGN, **NAMES),
    "sparse": lambda: c.CertifiedLogReg().fit(sp.csr_matrix(X), SIGN),
    "texts": lambda: c.CertifiedLogReg().fit(X, np.array(["x", "y"])[SIGN]),
    "softmax": lambda: c.CertifiedLogReg().fit(X, np.arange(80) % 3),
    "transcript": lambda: c.CertifiedRidge(view="transcript").fit(X, REAL),
    "elastic": lambda: c.CertifiedElasticNet().fit(X, REAL),
    "huber": lambda: c.CertifiedHuberRegressor().fit(X, REAL),
    "poisson": lambda: c.CertifiedPoissonRegressor().fit(X, np.abs(REAL)),
    "gamma": lambda: c.CertifiedGammaRegressor().fit(X, np.abs(REAL)),
    "min_norm": lambda: c.CertifiedMinNorm().fit(RNG.normal(size=(10, 30)), REAL[:10]),
    "svc": lambda: c.CertifiedLinearSVC().fit(X, SIGN),
    "ridge_classifier": lambda: c.CertifiedRidgeClassifier().fit(X, SIGN),
    "pipeline": lambda: c.ForgettingPipeline(
        [("s", StandardScaler()), ("m", c.CertifiedLogReg())]
    ).fit(X, SIGN),
}


def taken_apart(value):
    arrays = {}
    return json.loads(json.dumps(objects.written(value, arrays), allow_nan=False)), arrays


def there_and_back(value):
    said, arrays = taken_apart(value)
    return objects.read(said, {k: a.copy() for k, a in arrays.items()}, ours=True)


def secret(model):
    return getattr(model, "head", model)._model.W


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_read_as_it_was(name):
    model = MODELS[name]().forget(rows=[1])
    back = there_and_back(model)
    said, arrays = taken_apart(model)
    again, same = taken_apart(back)
    assert said == again and arrays.keys() == same.keys()
    for key, array in arrays.items():
        assert array.dtype == same[key].dtype and np.array_equal(array, same[key]), key
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", c.NoiseWarning)
        for kept in (model, back):
            kept.forget(rows=[2, 5])
    assert np.allclose(secret(model), secret(back), rtol=0, atol=1e-12)
    first, second = (
        {k: v for k, v in json.loads(kept.certificate_.to_json()).items() if k not in DRAWN}
        for kept in (model, back)
    )
    assert first == second
    with pytest.raises(c.AlreadyForgottenError):
        back.forget(rows=[1])


#: What differs by chance, by the clock, or by what was computed before and not kept.
DRAWN = {"weights", "issued", "seconds", "passes"}

VALUES = [
    *(None, True, 3, 2.5, float("inf"), "text", b"\x00\xff", Fraction(1, 3), Decimal("1.10")),
    *(UUID(int=7), date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC), slice(1, None, 2)),
    *([1, "a"], (1, (2,)), {3, 4}, frozenset({"a"}), {1: "a", "b": [None], (1, 2): b"x"}),
    *(np.float64("nan"), np.float32(1.5), np.int8(3), np.bool_(True), np.dtype("<f4"), np.int64),
    *(np.str_("t"), pd.Timestamp("2026-03-01T00:00:00.123456789")),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values(value):
    back = there_and_back(value)
    assert repr(back) == repr(value if type(value) is not np.str_ else "t")
    assert type(back) is type(value) or isinstance(value, np.str_)


ARRAYS = [
    *(np.zeros((0, 3)), np.array(2.0), np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    *(np.array(["a", "bcd"]), np.array(["2026-03-01"], "M8[D]"), np.array([True, False])),
    *(np.array([1, "a", None], object), np.array([f"ä{i}" for i in range(99)], object)),
    np.arange(6, dtype=np.int32).reshape(2, 3)[:, ::2],
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays(array):
    back = there_and_back(array)
    assert back.dtype == array.dtype and back.shape == array.shape
    assert back.tolist() == array.tolist()
    assert back.flags.f_contiguous or not array.flags.f_contiguous


def test_tables():
    frame = pd.DataFrame(
        {
            "a": [1.5, None],
            "b": ["u", None],
            "c": pd.Categorical(["y", "x"], ["x", "y"], ordered=True),
            "d": pd.to_datetime(["2026-03-01", "2027-03-01"]),
            "e": pd.to_datetime(["2026-03-01", "2027-03-01"]).tz_localize("Europe/Berlin"),
            "f": pd.array([1, None], dtype="Int64"),
            7: [True, False],
        },
        index=[3, 9],
    )
    pd.testing.assert_frame_equal(there_and_back(frame), frame)
    for column in "bcef":
        array = frame[column].array
        again = there_and_back(array)
        assert again.dtype == array.dtype == there_and_back(frame[column].dtype)
        pd.testing.assert_series_equal(pd.Series(again), pd.Series(array))
    pd.testing.assert_index_equal(there_and_back(frame.columns), frame.columns)
    with pytest.raises(StoreError, match="pandas.*cannot be written"):
        there_and_back(frame.assign(g=pd.period_range("2026-03", periods=2, freq="M")))


def test_what_was_one_is_one_again():
    shared = np.arange(3.0)
    loop = [shared, {"again": shared}]
    loop.append(loop)
    back = there_and_back(loop)
    assert back[0] is back[1]["again"] and back[2] is back


def test_a_state_of_other_classes_is_refused():
    said, arrays = taken_apart(c.CertifiedLogReg().fit(X, SIGN).certificate_)
    del said["state"]["mu"]
    with pytest.raises(StoreError, match="without mu, by another version"):
        objects.read(said, arrays, ours=True)
    with pytest.raises(StoreDamagedError, match="not one of certunlearn's classes"):
        objects.read(said, arrays)


def test_generators_are_refused_by_name():
    model = c.CertifiedLogReg(random_state=np.random.RandomState(0)).fit(X, SIGN)
    with pytest.raises(StoreError, match="model.random_state is a random generator"):
        taken_apart(model)
