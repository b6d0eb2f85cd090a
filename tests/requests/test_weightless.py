"""Rows of weight zero go by the first tier: nothing is read, and nothing changes."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array

from certunlearn import CertifiedElasticNet, CertifiedLogReg, CertifiedMinNorm, CertifiedRidge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
TWO = (X[:, 0] + RNG.normal(size=120) > 0).astype(np.int64)
THREE = TWO + (X[:, 1] > 0)
WEIGHT = np.where(np.arange(120) < 10, 0.0, 1.0)
MODELS = {
    "gram": (CertifiedLogReg(random_state=0), X, TWO),
    "three classes": (CertifiedLogReg(random_state=0), X, THREE),
    "one by one": (CertifiedLogReg(multi_class="ovr", random_state=0), X, THREE),
    "isotropic": (CertifiedLogReg(mechanism="isotropic", random_state=0), X, TWO),
    "no factor": (CertifiedLogReg(solver="newton-cg", random_state=0), X, TWO),
    "sparse": (CertifiedLogReg(random_state=0), csr_array(X), TWO),
    "balanced": (CertifiedLogReg(class_weight="balanced", random_state=0), X, TWO),
    "ridge": (CertifiedRidge(random_state=0), X, X[:, 0]),
    "elastic net": (CertifiedElasticNet(alpha=0.01, random_state=0), X, X[:, 0]),
    "interpolation": (CertifiedMinNorm(random_state=0), RNG.normal(size=(120, 200)), X[:, 0]),
    "least squares": (CertifiedMinNorm(random_state=0), X, X[:, 0]),
}


def said(model):
    return {k: model.history_[-1][k] for k in ("tier", "plan", "passes")}


@pytest.mark.filterwarnings("ignore::certunlearn.exceptions.SecretStateWarning")
@pytest.mark.parametrize("name", MODELS)
def test_rows_of_weight_zero_are_recorded_as_a_downdate(name):
    model, features, y = MODELS[name]
    model.fit(features, y, sample_weight=WEIGHT)
    before = model._fitted.model.W.copy()
    for rows in ([1, 2], [3]):
        model.forget(rows)
        assert said(model) == {"tier": "downdate", "plan": "the rows weigh nothing", "passes": 0}
        assert "realised     tier downdate" in str(model.certificate_)
        assert np.array_equal(model._fitted.model.W, before)
    assert model.n_forgotten_ == 3 and model.n_retained_ == 110
    others = [pickle.loads(pickle.dumps(model)), type(model).from_state(model.to_state())]
    for other in others:
        assert other.history_ == model.history_ and other.certificate_ == model.certificate_
        assert other._fitted.model.plan == model._fitted.model.plan
    # Rows that weigh something go as before, and there say so.
    for one in (model, *others):
        one.forget([50])
        assert "weigh nothing" not in one.history_[-1]["plan"] and one.n_retained_ == 109
    assert np.array_equal(others[1].coef_, model.coef_)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", ["gram", "isotropic", "no factor", "one by one"])
def test_a_preview_of_rows_of_weight_zero_is_what_comes(name, full):
    model, features, y = MODELS[name]
    model.fit(features, y, sample_weight=WEIGHT)
    seen = model.preview([1, 2], full=full)
    assert (seen.tier, seen.cost) == ("downdate", "the rows weigh nothing, nothing is read")
    model.forget([1, 2])
    assert (seen.tier, seen.distance) == (
        model.history_[-1]["tier"],
        model.history_[-1]["distance"],
    )
    # Beside a row that weighs something they are nothing out of the ordinary.
    assert "weigh nothing" not in model.preview([3, 50]).cost
