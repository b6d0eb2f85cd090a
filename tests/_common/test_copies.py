"""Copies are whole: of models, pipelines and queues, by every way there is."""

import copy
import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from certunlearn import CertifiedLogReg, CertifiedMinNorm, ForgetQueue, ForgettingPipeline
from certunlearn.exceptions import SecretStateWarning

from .. import reference

N, D = 300, 4


def data(seed=0, n=N, d=D):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(int)


def dense():
    return CertifiedLogReg(random_state=1).fit(*data(), groups=np.arange(N) // 3)


def sparse():
    X, y = data()
    return CertifiedLogReg(random_state=1, solver="newton-cg").fit(sp.csr_array(X), y)


def min_norm():
    X, _ = data(n=20, d=50)
    return CertifiedMinNorm(random_state=1).fit(X, X[:, 0])


def piped():
    steps = [("scale", StandardScaler()), ("model", CertifiedLogReg(random_state=1))]
    return ForgettingPipeline(steps).fit(*data())


def joblibbed(model):
    with io.BytesIO() as file:
        joblib.dump(model, file)
        file.seek(0)
        return joblib.load(file)


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "joblib": joblibbed,
}
MODELS = {"dense": dense, "sparse": sparse, "min_norm": min_norm, "pipeline": piped}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        yield


def arrays(value, seen):
    """The memory of every array that can be reached from an object."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, np.ndarray):
        if value.size and value.flags.writeable:
            yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from arrays(v, seen)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from arrays(v, seen)
    elif hasattr(value, "__dict__") and type(value).__module__.startswith("certunlearn"):
        yield from arrays(vars(value), seen)


def shown(model):
    head = getattr(model, "head", model)
    return head.coef_.tobytes(), head.certificate_, len(head.history_), head.n_forgotten_


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", MODELS)
def test_a_copy_and_its_model_know_nothing_of_each_other(kind, how):
    model = MODELS[kind]().forget([3])
    other = COPIES[how](model)
    assert shown(other) == shown(model) and type(other) is type(model)
    a, b = (getattr(m, "head", m)._fitted.model.rows for m in (model, other))
    assert a is not b
    # No memory that a verb writes to is shared.
    own = list(arrays(a, {}))
    assert own or kind in ("dense", "pipeline")
    assert not any(np.shares_memory(u, v) for u in own for v in arrays(b, {}))
    before = shown(model)
    other.forget([5, 6]).release()
    assert shown(model) == before
    model.forget([7])
    assert (model.n_forgotten_, other.n_forgotten_) == (2, 3)
    X = model.head if kind == "pipeline" else model
    held = X._fitted.model.held(np.array([5]))[0]
    assert np.abs(held.toarray() if kind == "sparse" else held).sum() > 0
    # Locks are their own.
    assert model._guard is not other._guard


@pytest.mark.parametrize("how", COPIES)
def test_what_a_copy_forgets_does_not_falsify_what_the_model_certifies(how):
    X, y = data()
    model = CertifiedLogReg(noise=1.0).fit(X, y)
    other = COPIES[how](model)
    other.forget(np.arange(40))
    model.forget(np.arange(100, 140))
    for m, gone in ((other, np.arange(40)), (model, np.arange(100, 140))):
        keep = np.delete(np.arange(N), gone)
        weight = np.ones(len(keep))
        found = reference.optimum(X[keep], y[keep], weight, 1.0, True, start=m._fitted.model.W)
        half = reference.half_of(reference.gram(X[keep], weight, 1.0, True, 0.25), "gram")
        assert (
            reference.norm_of(half, m._fitted.model.W - found.W) <= m.certificate_.distance + 1e-12
        )


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("make", [dense, piped])
def test_a_copy_of_a_queue_has_a_model_of_its_own(make, how):
    queue = ForgetQueue(make())
    queue.add([1], reference="a")
    other = COPIES[how](queue)
    assert [r.reference for r in other] == ["a"] and other.model is not queue.model
    other.add([2], reference="b")
    assert len(other.run()) == 2 and len(other) == 0
    assert len(queue) == 1 and queue.model.n_forgotten_ == 0
    (receipt,) = queue.run()
    assert receipt.rows == (1,) and queue.model.n_forgotten_ == 1


@pytest.mark.parametrize("make", [dense, piped])
def test_a_model_and_its_queue_copied_together_stay_together(make):
    model = make()
    queue = ForgetQueue(model)
    queue.add([1], reference="a")
    for how in ("deepcopy", "pickle", "joblib"):
        again, its_queue = COPIES[how]([model, queue])
        assert its_queue.model is again
        its_queue.run()
        assert again.n_forgotten_ == 1 and model.n_forgotten_ == 0


@pytest.mark.parametrize("make", MODELS.values())
def test_a_clone_is_not_fitted(make):
    other = clone(make())
    with pytest.raises(NotFittedError):
        other.predict(np.zeros((1, D)))
