"""States: plain arrays and values that a model goes on from, to the last bit."""

import copy
import datetime
import decimal
import json
import uuid

import numpy as np
import pytest
from scipy import sparse

from certunlearn import (
    CertifiedElasticNet,
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
    StateError,
    UnknownRowError,
)
from certunlearn._common import plain
from certunlearn._common.plain import FittedState

from ..states import same, stored

N = 90
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, 4))
TWO = (X[:, 0] + RNG.normal(size=N) > 0).astype(int)
THREE = np.array(["a", "bb", "ccc"])[np.digitize(X[:, 0] + RNG.normal(size=N), [-0.5, 0.5])]
REAL = X @ [1.0, 2.0, 0.0, -1.0] + RNG.normal(size=N)
COUNTS = RNG.poisson(np.exp(X[:, 0] / 2))
MODELS = {
    "logistic": (CertifiedLogReg(random_state=3), TWO),
    "softmax": (CertifiedLogReg(random_state=3, mechanism="objective"), THREE),
    "lasso": (CertifiedLogReg(random_state=3, l1_ratio=0.5), TWO),
    "balanced": (CertifiedLogReg(random_state=3, class_weight="balanced", view="release"), TWO),
    "weighted": (CertifiedLogReg(random_state=3, class_weight={0: 1.0, 1: 2.5}), TWO),
    "large": (CertifiedLogReg(random_state=3, solver="newton-cg"), TWO),
    "svm": (CertifiedLinearSVC(random_state=3), THREE),
    "ridge": (CertifiedRidge(random_state=3), np.c_[REAL, REAL**2]),
    "ridge labels": (CertifiedRidgeClassifier(random_state=3, mechanism="isotropic"), THREE),
    "elastic": (CertifiedElasticNet(random_state=3, alpha=0.01), REAL),
    "huber": (CertifiedHuberRegressor(random_state=3), REAL),
    "poisson": (CertifiedPoissonRegressor(random_state=3), COUNTS),
    "gamma": (CertifiedGammaRegressor(random_state=3), 0.1 + COUNTS),
    "min norm": (CertifiedMinNorm(random_state=3), REAL),
    "unnoised": (CertifiedLogReg(noise=0.0), TWO),
}


def fitted(name="logistic", **more):
    model, y = copy.copy(MODELS[name][0]), MODELS[name][1]
    features = RNG.normal(size=(N, 2 * N)) if name == "min norm" else X
    ids = [f"u{i}" for i in range(N)]
    return model.fit(features, y, row_ids=ids, groups=np.arange(N) // 3, **more), features, y


@pytest.mark.parametrize("name", MODELS)
def test_a_state_goes_on_as_the_model_does(name):
    model, features, y = fitted(name)
    model.forget(row_ids=["u3", "u9"]).forget(rows=[20]).learn(
        features[:2], y[:2], row_ids=["n1", "n2"], groups=[90, 91]
    )
    state = stored(model.to_state())
    again = type(model).from_state(state)
    assert vars(again).keys() == vars(model).keys()
    assert again.get_params() == model.get_params() and again.history_ == model.history_
    assert np.array_equal(again.coef_, model.coef_) and again.certificate_ == model.certificate_
    for go in (
        lambda m: m.forget(row_ids=["u5", "n1"]),
        lambda m: m.learn(features[3:5], y[3:5], row_ids=["n3", "n4"], groups=[1, 92]),
        lambda m: m.correct(rows=[50], X=features[60:61]),
        lambda m: m.forget(groups=[1]),
        lambda m: m.release(),
    ):
        assert same(go(model), go(again))
    with pytest.raises(ValueError, match="forgotten"):
        again.forget(row_ids=["u9"])


def test_a_state_that_is_read_is_written_alike():
    model = fitted("softmax")[0].forget(rows=[1, 2])
    state = model.to_state()
    second = CertifiedLogReg.from_state(state).to_state()
    assert second.values == state.values
    assert {k: a.tobytes() for k, a in second.arrays.items()} == {
        k: a.tobytes() for k, a in state.arrays.items()
    }


def test_a_state_is_of_one_moment_and_its_readers_are_models_of_their_own():
    model = fitted()[0]
    state = model.to_state()
    one, other = (CertifiedLogReg.from_state(state) for _ in range(2))
    one.forget(rows=[3])
    model.forget(rows=[4])
    assert np.array_equal(other.coef_, CertifiedLogReg.from_state(state).coef_)
    assert other.n_forgotten_ == 0 and one.n_forgotten_ == model.n_forgotten_ == 1


def test_nothing_of_a_forgotten_row_is_in_a_state():
    """Neither its numbers nor its name; and two worlds differ in what a request leaves alone."""
    model, features, _ = fitted()
    model.forget(row_ids=["u31"])
    state = model.to_state()
    text = json.dumps(state.values) + "".join(map(str, state.arrays))
    held = b"".join(a.tobytes() for a in state.arrays.values())
    assert all(number.tobytes() not in held for number in features[31])
    assert b"u31" not in held and '"u31"' not in text
    assert all(number.tobytes() in held for number in features[30])


@pytest.mark.parametrize(
    "change", ["values", "version", "format", "array", "dtype", "less", "more"]
)
def test_a_state_that_was_edited_is_refused(change):
    state = fitted()[0].to_state()
    values, arrays = copy.deepcopy(state.values), dict(state.arrays)
    name = next(k for k, a in arrays.items() if k.endswith("rows.X"))
    if change == "values":
        values["objects"][0]["attributes"]["epsilon"] = 50.0
    elif change == "version":
        values["version"] = 99
    elif change == "format":
        values["format"] = "another"
    elif change == "array":
        arrays[name] = arrays[name] * np.float64(1 + 2**-52)
    elif change == "dtype":
        arrays[name] = arrays[name].view(np.int64)
    elif change == "less":
        del arrays[name]
    else:
        arrays["more"] = np.zeros(3)
    said = {"version": "version 99", "format": "no fitted state", "less": "missing"}
    with pytest.raises(
        StateError, match=said.get(change, "not as it was|not as they were|not its")
    ):
        CertifiedLogReg.from_state(FittedState(arrays, values))


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:eval",
        "subprocess:Popen",
        "certunlearn._common.plain:written",
        "certunlearn._common.plain:json.JSONDecoder",
        "sklearn.utils:Bunch",
        "certunlearn.exceptions:RowError",
        "certunlearn.nowhere:Thing",
    ],
)
def test_a_state_names_no_code(name):
    """Also where somebody has computed the hash anew."""
    state = fitted()[0].to_state()
    for node in (
        {"class": name, "attributes": {}},
        {"one": name},
    ):
        values = copy.deepcopy(state.values)
        values["objects"][0] = node
        values["sha256"] = plain._digest(values)
        with pytest.raises(StateError):
            CertifiedLogReg.from_state(FittedState(state.arrays, values))


def test_a_state_is_read_by_its_own_class():
    state = fitted()[0].to_state()
    with pytest.raises(StateError, match="CertifiedLogReg, not of a CertifiedRidge"):
        CertifiedRidge.from_state(state)


class Own(CertifiedLogReg):
    """A user's subclass: reading its state would take the user's code."""


def test_what_cannot_be_written_is_refused_by_name():
    seeded = CertifiedLogReg(random_state=np.random.RandomState(0)).fit(X, TWO)
    with pytest.raises(StateError, match="random_state is a .*RandomState"):
        seeded.to_state()
    with pytest.raises(StateError, match="Own"):
        Own().fit(X, TWO).to_state()
    odd = CertifiedLogReg().fit(X, TWO, row_ids=[complex(i) for i in range(N)])
    with pytest.raises(StateError, match="labels.* is a builtins.complex"):
        odd.to_state()
    assert odd.forget(row_ids=[complex(3)]).n_forgotten_ == 1


@pytest.mark.parametrize(
    "label",
    [
        str,
        lambda i: i - 3,
        lambda i: 10**30 + i,
        lambda i: (i, "x", None),
        lambda i: uuid.UUID(int=i),
        lambda i: bytes([i]),
        lambda i: decimal.Decimal(i) / 8,
        lambda i: float(i) + 0.1,
        lambda i: frozenset((i, "a")),
        lambda i: np.int32(i + 7),
        lambda i: "\udcff" + "é" * i,
        lambda i: datetime.date(2020, 1, 1) + datetime.timedelta(i),
        lambda i: datetime.datetime(2020, 1, 1 + i % 28, i // 28, tzinfo=datetime.UTC),
    ],
)
def test_names_of_every_kind(label):
    ids = [label(i) for i in range(N)]
    model = CertifiedLogReg(random_state=0).fit(X, TWO, row_ids=ids).forget(row_ids=[ids[7]])
    again = CertifiedLogReg.from_state(stored(model.to_state()))
    assert same(model.forget(row_ids=ids[9:11]), again.forget(row_ids=ids[9:11]))
    with pytest.raises(ValueError, match="forgotten"):
        again.forget(row_ids=[ids[7]])
    with pytest.raises(UnknownRowError):
        again.forget(row_ids=["nobody"])


def test_tables_beside_the_rows():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(
        {
            "age": np.arange(N),
            "name": [f"n{i}" for i in range(N)],
            "when": pd.date_range("2020-01-01", periods=N, tz="Europe/Berlin"),
            "day": pd.date_range("2020-01-01", periods=N),
            "kind": pd.Categorical(np.arange(N) % 3),
            "some": pd.array([None if i % 5 == 0 else i for i in range(N)], dtype="Int64"),
            "text": pd.array(["x"] * N, dtype="string"),
        }
    )
    frame = pd.DataFrame(X, columns=list("abcd"), index=[f"r{i}" for i in range(N)])
    model = CertifiedLogReg(random_state=0).fit(frame, TWO, metadata=table)
    model.forget(where="age == 7")
    again = CertifiedLogReg.from_state(stored(model.to_state()))
    assert list(again.feature_names_in_) == list("abcd")
    for condition in ("age < 9", "name == 'n50'", "kind == 2 and age > 80", "some == 11"):
        assert same(model.forget(where=condition), again.forget(where=condition))
    early = pd.Timestamp("2020-01-15", tz="Europe/Berlin")
    before = [m.forget(where=lambda t: t["when"] < early).n_retained_ for m in (model, again)]
    assert before[0] == before[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_and_narrow_rows(dtype):
    thin = sparse.random(N, 30, 0.2, random_state=0, format="csr", dtype=dtype)
    for features in (thin, X.astype(dtype)):
        model = CertifiedLogReg(random_state=0).fit(features, TWO).forget([3, 8])
        again = CertifiedLogReg.from_state(stored(model.to_state()))
        more = features[:1].astype(np.float64) * 1.1
        for m in (model, again):
            m.learn(more, TWO[:1]).forget([4])
        assert same(model, again)
        assert again._fitted.model.rows.sparse == model._fitted.model.rows.sparse


def test_a_state_shows_what_it_is_of_and_no_numbers():
    state = CertifiedLogReg(random_state=0).fit(X, TWO).to_state()
    said = f"<FittedState: CertifiedLogReg, {len(state.arrays)} arrays, "
    assert repr(state) == f"{said}{sum(a.nbytes for a in state.arrays.values())} bytes>"
