"""Every estimator of the package in a directory, alone and behind steps that forget."""

import copy

import numpy as np
import pytest
from sklearn.preprocessing import Normalizer, StandardScaler

from certunlearn import ForgettingPipeline, load_predictor
from certunlearn.store import ModelStore
from certunlearn.store.codec import differing
from tests.estimators.test_state import MODELS, RNG, N, X


def fitted(name, steps):
    model, y = copy.copy(MODELS[name][0]), MODELS[name][1]
    features = RNG.normal(size=(N, 2 * N)) if name == "min norm" else X
    if steps:
        # Behind steps that depend on rows there is no least squares of minimum norm.
        step = Normalizer() if name == "min norm" else StandardScaler()
        model = ForgettingPipeline([("step", step), ("model", model)])
    return model.fit(features, y, row_ids=[f"u{i}" for i in range(N)]), features


@pytest.mark.parametrize("steps", [False, True], ids=["bare", "pipeline"])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_predicts_to_the_bit(name, steps, tmp_path):
    model, features = fitted(name, steps)
    path, bundle = tmp_path / "model", tmp_path / "bundle"
    with ModelStore.create(path, model) as store:
        store.forget(row_ids=["u3", "u9"])
        predictions = store.model.predict(features)
        store.export(bundle, receiver="ward 7")
    with ModelStore.open(path) as store:
        for reader in (store, store.export_predictor(), load_predictor(bundle)):
            assert np.array_equal(reader.predict(features), predictions)


@pytest.mark.parametrize("steps", [False, True], ids=["bare", "pipeline"])
@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_held_against_the_training_set(name, steps):
    model, features = fitted(name, steps)
    y, ids = MODELS[name][1], np.array([f"u{i}" for i in range(N)])
    model.forget(row_ids=["u3", "u9"])
    assert differing(model, features, y, ids) == (0, 0)
    other = int(np.flatnonzero((y != y[12]).reshape(N, -1).all(axis=1))[0])
    model.correct(row_ids=["u11"], X=features[:1])
    model.correct(row_ids=["u12"], y=y[other : other + 1])
    model.learn(features[:1], y[:1], row_ids=["new"])
    assert differing(model, features, y, ids) == (1, 2)
