"""Trained again on the rows that stay: an honest model is where it was, any other is not."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler

from certunlearn import (
    CertifiedElasticNet,
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    ForgettingPipeline,
    VerificationError,
)
from certunlearn.store import ModelStore
from certunlearn.store.codec import replayed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
Z = X @ [1, -1, 0.5, 0, 0.2]
Y = (Z + RNG.logistic(size=len(Z)) > 0).astype(int)
THREE = np.digitize(Z + RNG.logistic(size=len(Z)), [-1, 1])
COUNTS = RNG.poisson(np.exp(0.3 * Z))
MODELS = {
    "logistic": (CertifiedLogReg(), X, Y),
    "softmax": (CertifiedLogReg(view="release"), X, THREE),
    "one against the rest": (CertifiedLogReg(multi_class="ovr"), X, THREE),
    "objective": (CertifiedLogReg(mechanism="objective"), X, Y),
    "isotropic": (CertifiedLogReg(mechanism="isotropic"), X, Y),
    "without noise": (CertifiedLogReg(noise=0), X, Y),
    "sparse": (CertifiedLogReg(), sp.csr_array(X * (np.abs(X) > 0.5)), Y),
    "svc": (CertifiedLinearSVC(), X, Y),
    "ridge": (CertifiedRidge(), X, Z),
    "elastic net": (CertifiedElasticNet(), X, Z),
    "huber": (CertifiedHuberRegressor(), X, Z),
    "poisson": (CertifiedPoissonRegressor(), X, COUNTS),
    "gamma": (CertifiedGammaRegressor(), X, COUNTS + 0.5),
    "minimum norm": (CertifiedMinNorm(), RNG.normal(size=(12, 30)), RNG.normal(size=12)),
    "pipeline": (ForgettingPipeline([("s", StandardScaler()), ("m", CertifiedLogReg())]), X, Y),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_where_training_again_puts_it(name):
    model, features, target = MODELS[name]
    model.fit(features, target)
    for row in 3, 5:
        model.forget(rows=[row])
    model.learn(features[:1], target[:1])
    weights = [np.copy(v) for v in (head(model)._fitted.model.W, head(model).coef_)]
    found = replayed(model)
    assert found.holds and found.shown == model.certificate_.distance and found.apart > 0
    # Nothing is changed by looking.
    assert np.array_equal(head(model)._fitted.model.W, weights[0])
    assert np.array_equal(head(model).coef_, weights[1])


def head(model):
    return getattr(model, "head", model)


def moved(model, W):
    """The model with another secret iterate, and the same claim."""
    held = model._fitted.model
    changed = replace(held, reached=held.reached._replace(W=W))
    model._fitted = replace(model._fitted, model=changed)
    return model


def fitted():
    return CertifiedLogReg().fit(X, Y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


def receipt(store, keys):
    store.forget(rows=[9], reference="case 1")
    return store.receipt("case 1", keys / "ed25519")


def test_the_owner_trains_again_and_sees_the_same(path, keys):
    with ModelStore.create(path, fitted()) as store:
        envelope = receipt(store, keys)
        seen = store.verify(envelope, keys / "ed25519.pub", replay=True, rows=[9])
        assert seen.checks[-3:] == ("store", "row", "replay")
        assert "trained again on the rows that stay" in str(seen)
        assert "replay" not in store.verify(envelope, keys / "ed25519.pub").checks


def caught(path, keys, change):
    """What an owner is told of a directory in which another iterate has been put."""
    with ModelStore.create(path, fitted()) as store:
        envelope = receipt(store, keys)
        store._carry_out("release", lambda model: change(model) and {})
        with pytest.raises(VerificationError) as error:
            store.verify(envelope, keys / "ed25519.pub", replay=True)
        # What is not trained again passes all other checks.
        store.verify(envelope, keys / "ed25519.pub")
    assert error.value.check == "replay"
    return str(error.value)


def test_an_iterate_that_has_forgotten_nothing_is_found_out(path, keys):
    stale = fitted()._fitted.model.W
    assert "no model of these rows" in caught(path, keys, lambda model: moved(model, stale))


def test_a_distance_that_is_larger_than_stated_is_found_out(path, keys):
    def claimed(model):
        certificate = replace(model._fitted.model.certificate, distance=1.0)
        model._fitted = model._fitted.certified(certificate)
        return model

    assert "its certificate states" in caught(path, keys, claimed)


@pytest.mark.parametrize("times, holds", [(0.99, True), (1.01, False)])
def test_what_is_allowed_is_the_sum_of_both_distances_and_no_more(times, holds):
    model = fitted().forget(rows=[9])
    honest, norm = replayed(model), model._fitted.model.gram.geometry.norm
    optimum = CertifiedLogReg(noise=0).fit(np.delete(X, 9, axis=0), np.delete(Y, 9))._fitted.model.W
    for direction in (*np.eye(len(optimum))[:, :, None], RNG.normal(size=optimum.shape)):
        step = times * (honest.shown + honest.own) / norm(direction)
        assert replayed(moved(model, optimum + step * direction)).holds is holds
