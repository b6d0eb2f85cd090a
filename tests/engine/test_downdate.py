"""Removal without a retained row: what is read, how often it suffices, what is left behind."""

import pickle
import warnings

import jax
import numpy as np
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.engine import unlearner
from certunlearn.engine.distances.gram import gram_of
from certunlearn.exceptions import SecretStateWarning
from certunlearn.numerics.rows.dense import DenseRows

from .. import problems


@pytest.fixture
def reads(monkeypatch):
    """What the store hands out: whole sweeps, and the positions gathered."""
    seen = {"sweeps": 0, "positions": set()}
    sweep, gather = DenseRows.sweep, DenseRows.gather

    def counted_sweep(self):
        seen["sweeps"] += 1
        return sweep(self)

    def counted_gather(self, positions):
        seen["positions"] |= set(positions.tolist())
        return gather(self, positions)

    monkeypatch.setattr(DenseRows, "sweep", counted_sweep)
    monkeypatch.setattr(DenseRows, "gather", counted_gather)
    return seen


def data(n, d, K=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, (X @ rng.normal(size=(d, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)


@pytest.mark.parametrize("mechanism, least", [("gram", 180), ("isotropic", 170), ("objective", 0)])
def test_single_requests_read_no_retained_row(reads, mechanism, least):
    X, y = data(20_000, 20)
    view = {"view": "release"}
    model = CertifiedLogReg(noise=0.1, mechanism=mechanism, random_state=0, **view).fit(X, y)
    store, tiers = model._fitted.model.rows, []
    for row in range(200):
        reads["sweeps"], reads["positions"] = 0, set()
        before = store.reads
        model.forget([row])
        tier, passes = model.certificate_.tier, model.certificate_.passes
        tiers.append(tier)
        assert reads["positions"] <= {row}
        if tier == "downdate":
            # The removed row: its share, and its part of the unit of the noise.
            assert reads["sweeps"] == 0 and store.reads - before <= 2 and passes == 0
        if tier == "chord":
            assert reads["sweeps"] == passes >= 1
            assert store.reads - before - reads["sweeps"] * store.n <= 2
    assert tiers.count("downdate") >= least and "downdate" in tiers


def test_many_classes_and_batches_read_no_retained_row(reads):
    X, y = data(20_000, 6, K=3)
    model = CertifiedLogReg(view="release", random_state=0).fit(X, y)
    reads["sweeps"], reads["positions"] = 0, set()
    model.forget(np.arange(8))
    assert model.certificate_.tier == "downdate"
    assert reads["sweeps"] == 0 and reads["positions"] == set(range(8))


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("mechanism", ["gram", "isotropic", "objective"])
def test_a_pickle_holds_no_difference_that_tells_a_row(K, mechanism):
    X, y = data(3_000, 4, K)
    model = CertifiedLogReg(mechanism=mechanism, view="release", random_state=0).fit(X, y)
    tiers = [model.forget([row]).certificate_.tier for row in range(3)]
    assert {"downdate", "chord"} & set(tiers)
    before = model._fitted.model.gram.curvature
    assert not np.array_equal(before.diagonal, np.diag(before.matrix))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        inner = pickle.loads(pickle.dumps(model))._fitted.model
    rows = CertifiedLogReg(mechanism=mechanism, random_state=0).fit(X[3:], y[3:])._fitted.model
    np.testing.assert_array_equal(inner.gram.curvature.matrix, rows.gram.curvature.matrix)
    np.testing.assert_array_equal(inner.gram.curvature.diagonal, rows.gram.curvature.diagonal)
    carryover = inner.carryover
    assert carryover.removed == 0 and carryover.origin.weights is inner.objective.weights
    np.testing.assert_array_equal(
        carryover.present.curvature.matrix, carryover.origin.curvature.matrix
    )
    assert not inner.objective.weights.base[:3].any() and not len(inner.objective.weights.gone)
    assert inner.reached.distance <= inner.certificate.distance_target


def test_without_a_request_a_pickle_changes_nothing():
    X, y = data(500, 3)
    model = CertifiedLogReg(random_state=0).fit(X, y)
    assert model._fitted.model.rebased().reached is model._fitted.model.reached


def test_additions_within_the_last_block_copy_nothing():
    X, y = data(100, 3)
    with jax.enable_x64(True):
        rows = DenseRows(X, y, intercept=True)
        assert rows.blocks * rows.block == 128
        rows.append(X[:28], y[:28])
        assert (rows.n, rows.blocks) == (128, 2) and rows.reads == 0
        rows.append(X[:1], y[:1])
        assert (rows.n, rows.blocks) == (129, 3) and rows.reads == 0
        held = np.asarray(rows._X).reshape(-1, 4)
        np.testing.assert_array_equal(held[:129, :3], np.vstack([X, X[:28], X[:1]]))
        np.testing.assert_array_equal(rows.labels, np.r_[y, y[:28], y[:1]])
        assert not held[129:].any() and (held[:129, 3] == 1).all()
        rows.withdraw(29)
        held = np.asarray(rows._X).reshape(-1, 4)
        assert rows.n == 100 and not held[100:].any() and len(rows.scrubbed) == 100


def test_a_failed_edit_leaves_no_row_behind(monkeypatch):
    X, y = data(200, 3)
    model = unlearner.fit(X, y, np.ones(200), problems.settings())
    marker = np.full((1, 3), 1234.5)

    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(unlearner, "edited", broken)
    with pytest.raises(KeyboardInterrupt):
        model.edit(np.arange(2), marker, np.array([1]), np.ones(1))
    monkeypatch.undo()
    assert model.rows.n == 200 and not (np.asarray(model.rows._X) == 1234.5).any()
    assert model.forget(np.arange(2)).certificate.n_retained == 198


def test_rows_of_no_weight_change_no_sum():
    X, y = data(200, 3)
    model = unlearner.fit(X[:90], y[:90], np.ones(90), problems.settings())
    none = np.zeros(0, dtype=np.int64)
    after = model.edit(none, X[90:], y[90:], np.zeros(110))
    assert after.rows.n == 200 and after.certificate.n_retained == 90
    with jax.enable_x64(True):
        again = gram_of("gram", after.objective, None, None).curvature
    np.testing.assert_array_equal(again.matrix, model.gram.curvature.matrix)
    assert after.forget(np.array([3, 150])).certificate.n_retained == 89
