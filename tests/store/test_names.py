"""Identifiers of forgotten rows: recognised by digests, or by nothing that is left of them."""

import time

import numpy as np
import pytest

from certunlearn import (
    AlreadyForgottenError,
    CertifiedLogReg,
    RowError,
    UnknownRowError,
    VerificationError,
)
from certunlearn.audit import same_noise
from certunlearn.claims import certificate
from certunlearn.store import ModelStore
from tests.store.test_ledger import Clock
from tests.store.test_model_store import data, everything

WHO, WARD = "planted-person-0007", "planted-ward-3"


def fitted(who=WHO, ward=WARD):
    """A model of which row 7 has a name of its own, and a ward that nobody else is in."""
    X, y = data()
    names = [f"person-{i:04}" for i in range(len(X))]
    wards = [f"ward-{i // 10}" for i in range(len(X))]
    names[7], wards[7] = who, ward
    return CertifiedLogReg().fit(X, y, row_ids=names, groups=wards)


def guessed(path, who, ward):
    """Whether somebody who holds the directory can tell that a guess is right."""
    with ModelStore.open(path) as store:
        names = store.model._fitted.names
        return bool(names.labels.gone(who)), bool(names.groups.gone(ward))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.mark.parametrize("recognise", [True, False])
def test_a_guess_can_be_tested_only_where_names_are_recognised(path, recognise):
    with ModelStore.create(path, fitted(), recognise=recognise) as store:
        assert store.status()["recognises"] is recognise
        assert WHO.encode() in everything(path) and WARD.encode() in everything(path)
        store.forget(row_ids=[WHO], reference="case 1")
        for again, unknown in ({"row_ids": [WHO]}, UnknownRowError), ({"groups": [WARD]}, RowError):
            with pytest.raises(AlreadyForgottenError if recognise else unknown):
                store.forget(**again)
        assert store.forget(rows=[3], reference="case 1").rows == 1
    assert WHO.encode() not in everything(path) and WARD.encode() not in everything(path)
    assert guessed(path, WHO, WARD) == (recognise, recognise)
    # Who stays is known either way.
    with ModelStore.open(path, "w") as store:
        assert store.forget(row_ids=["person-0008"]).rows == 1


def test_rows_that_come_back_are_told_only_where_names_are_recognised(path):
    X, y = data(1)
    back = {"row_ids": [WHO], "groups": ["ward-3"]}
    with ModelStore.create(path, fitted(), recognise=False) as store:
        store.forget(row_ids=[WHO])
        store.learn(X[:1], y[:1], **back)
        assert store.forget(row_ids=[WHO]).rows == 1
    assert guessed(path, WHO, WARD) == (False, False)
    with ModelStore.create(path.with_name("other"), fitted()) as store:
        store.forget(row_ids=[WHO])
        with pytest.raises(RowError, match="again=True"):
            store.learn(X[:1], y[:1], **back)
        store.unrecognise()
        store.learn(X[:1], y[:1], **back)


def test_requests_that_wait_name_positions_where_names_are_not_recognised(path):
    """One names what another takes meanwhile: it is answered all the same."""
    with ModelStore.create(path, fitted(), recognise=False) as store:
        store.add(row_ids=[WHO, "person-0008"], reference="both")
        store.add(groups=[WARD], reference="ward")
        store.forget(row_ids=[WHO], reference="one")
        assert WHO.encode() not in everything(path) and WARD.encode() not in everything(path)
        both, ward = store.run()
        assert (both.state, both.rows) == ("done", 1) and (ward.state, ward.rows) == ("done", 0)
        assert store.status()["n_forgotten"] == 2


def test_names_that_were_recognised_are_erased_on_demand(path):
    with ModelStore.create(path, fitted()) as store:
        store.forget(row_ids=[WHO], reference="case 1")
        weights, generation = store.status()["weights"], store.status()["generation"]
        store.add(rows=[5], reference="waits")
        with pytest.raises(RowError, match="run or withdraw them first"):
            store.unrecognise()
        store.withdraw("waits")
        store.unrecognise()
        status = store.status()
        assert (status["weights"], status["recognises"]) == (weights, False)
        assert status["generation"] == generation + 1 and status["n_forgotten"] == 1
        log = store.ledger.log
        assert log.entry(len(log) - 1).values["event"] == "names erased"
        assert store.answer("case 1").state == "done"
    assert guessed(path, WHO, WARD) == (False, False)


def whole(path, monkeypatch, who, ward, **how):
    """A directory after a removal, made with the noise and the clocks of every other."""
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(certificate, "now", lambda: "2026-03-01T12:00:00+00:00")
    with same_noise(3):
        store = ModelStore.create(path, fitted(who, ward), origin="a/b", clock=Clock(), **how)
        with store:
            store.add(row_ids=[who, "person-0009"], reference="waits")
            store.forget(row_ids=[who], reference="case 1")
            store.run()
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_two_worlds_leave_the_same_directory_whoever_was_forgotten(tmp_path, monkeypatch):
    """With noise, time and random names held fixed no byte of any file tells who it was."""
    worlds = {
        recognise: [
            whole(tmp_path / f"{recognise}{i}", monkeypatch, who, ward, recognise=recognise)
            for i, (who, ward) in enumerate(
                [(WHO, WARD), ("planted-person-9999", "planted-ward-9")]
            )
        ]
        for recognise in (False, True)
    }
    mine, other = worlds[False]
    assert len(mine) > 3 and mine.keys() == other.keys()
    assert [name for name in mine if mine[name] != other[name]] == []
    # Digests tell them apart: the comparison would have seen it.
    mine, other = worlds[True]
    assert mine != other


def test_an_owner_verifies_that_a_name_is_gone_which_nobody_recognises(path, keys):
    with ModelStore.create(path, fitted(), recognise=False) as store:
        store.forget(row_ids=[WHO], reference="case 1")
        envelope, public = store.receipt("case 1", keys / "ed25519"), keys / "ed25519.pub"
        for gone in {"row_ids": [WHO]}, {"groups": [WARD]}, {"rows": [7]}:
            assert "row" in store.verify(envelope, public, **gone).checks
        for there in {"row_ids": [WHO, "person-0008"]}, {"groups": [WARD, "ward-1"]}:
            with pytest.raises(VerificationError, match="still in the training set"):
                store.verify(envelope, public, **there)


def test_the_model_that_is_given_keeps_what_it_had(path):
    model = fitted().forget(row_ids=[WHO])
    ModelStore.create(path, model, recognise=False).close()
    with pytest.raises(AlreadyForgottenError):
        model.forget(row_ids=[WHO])
    assert guessed(path, WHO, WARD) == (False, False)
    assert np.array_equal(model.coef_, ModelStore.open(path).model.coef_)
