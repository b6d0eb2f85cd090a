"""A model in a directory: durable, whole, and without the rows that it has forgotten."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from certunlearn import (
    AlreadyForgottenError,
    AssumptionError,
    CertifiedLogReg,
    ConfirmationNeededError,
    ForgettingPipeline,
    RowError,
    UnknownRowError,
    VerificationError,
    load_predictor,
)
from certunlearn.audit import same_noise
from certunlearn.exceptions import StoreDamagedError, StoreError, StoreLockedError
from certunlearn.store import ModelStore, files, shards, signed_receipt

N, D = 300, 4
#: Numbers that no computation brings about by itself.
MARKS = np.array([0.12345678901234567, -0.9876543210987654, 0.5550123456789, 0.777001234567])


def data(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D))
    y = (X @ [1, -1, 0.5, 0] + rng.logistic(size=N) > 0).astype(int)
    return X, y


def named(n=N):
    return [f"planted-person-{i:04}" for i in range(n)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts of forty rows, so that there are several."""
    monkeypatch.setattr(shards, "PART", 40 * D * 8)
    monkeypatch.setattr(shards, "SMALL", 1 << 10)


@pytest.fixture
def fitted():
    X, y = data()
    X[7] = MARKS
    return CertifiedLogReg().fit(X, y, row_ids=named())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.fixture
def store(path, fitted):
    with ModelStore.create(path, fitted) as out:
        yield out


def everything(path):
    """The bytes of every file, and its name."""
    return b"".join(
        p.name.encode() + p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()
    )


def traces(path):
    found = everything(path)
    spellings = [MARKS.tobytes(), MARKS.astype(np.float32).tobytes(), b"planted-person-0007"]
    spellings += [kind(v).tobytes() for v in MARKS for kind in (np.float64, np.float32)]
    spellings += [repr(v).encode()[:12] for v in MARKS.tolist()]
    return [s for s in spellings if s in found]


def test_what_is_forgotten_is_in_no_file(store, path):
    assert MARKS.tobytes() in everything(path) and b"planted-person-0007" in everything(path)
    answer = store.forget(row_ids=["planted-person-0007"], reference="case 1")
    assert (answer.state, answer.rows) == ("done", 1)
    assert answer.certificate.event == "removal"
    assert traces(path) == []
    assert b"planted-person-0008" in everything(path)
    with pytest.raises(AlreadyForgottenError):
        store.forget(row_ids=["planted-person-0007"], reference="case 2")
    store.close()
    assert traces(path) == []


def test_a_request_is_answered_once(store, path):
    first = store.forget(rows=[3], reference="case 1")
    generation = store.status()["generation"]
    again = store.forget(rows=[3], reference="case 1")
    assert again == first and store.status()["generation"] == generation
    store.close()
    with ModelStore.open(path, "w") as opened:
        assert opened.forget(rows=[4], reference="case 1") == first
        assert opened.status()["n_retained"] == N - 1


def test_reopened_it_is_the_model_it_was(store, path, fitted):
    store.forget(rows=[1, 2], reference="case 1")
    mine, theirs = fitted.forget(rows=[1, 2]), None
    store.close()
    with ModelStore.open(path) as opened:
        theirs = opened.model
        assert np.allclose(theirs._fitted.model.W, mine._fitted.model.W, rtol=0, atol=1e-12)
        assert opened.certificate == theirs.certificate_.public()
        assert (opened.predict(data()[0]) == theirs.predict(data()[0])).all()
        with pytest.raises(StoreError, match="open for reading"):
            opened.forget(rows=[5])


def test_what_is_refused_leaves_everything(store, path):
    before = store.status()
    with pytest.raises(UnknownRowError):
        store.forget(row_ids=["nobody"], reference="case 1")
    assert store.status() == before
    with pytest.raises(ConfirmationNeededError):
        store.forget(rows=np.arange(200), reference="case 1")
    after = store.status()
    assert after["counts"]["refused"] == 1 and after["generation"] == before["generation"]
    assert "confirm" in store.answer("case 1").reason
    assert store.forget(rows=np.arange(200), reference="case 1", confirm=True).rows == 200


def test_requests_wait_and_are_answered_together(store, path):
    now = datetime.now(UTC)
    store.add(rows=[1, 2], reference="a", received=now - timedelta(days=40))
    store.add(row_ids=["planted-person-0002", "planted-person-0007"], reference="b")
    store.add(rows=[9], reference="c")
    assert store.withdraw("c").state == "withdrawn"
    assert store.answer("a").state == "overdue"
    assert store.extend("b", reason="many requests").extension.reason == "many requests"
    store.close()
    with ModelStore.open(path, "w") as opened:
        answers = opened.run()
        assert [(a.reference, a.state, a.rows) for a in answers] == [
            ("a", "done", 2),
            ("b", "done", 2),
        ]
        assert answers[0].certificate == answers[1].certificate
        assert opened.run() == ()
        status = opened.status()
    assert status["n_retained"] == N - 3 and status["releases"] == 1
    assert {r["reference"]: r["state"] for r in status["requests"]} == {
        "a": "done",
        "b": "done",
        "c": "withdrawn",
    }
    assert traces(path) == []


def test_learnt_rows_come_and_forgotten_ones_do_not_come_back_unseen(store):
    store.forget(row_ids=["planted-person-0007"])
    X, y = data(1)
    store.learn(X[:2], y[:2], row_ids=["new-1", "new-2"])
    with pytest.raises(RowError, match="again=True"):
        store.learn(X[2:3], y[2:3], row_ids=["planted-person-0007"])
    store.learn(X[2:3], y[2:3], row_ids=["planted-person-0007"], again=True)
    logged = [store.ledger.log.entry(n).values for n in range(len(store.ledger.log))]
    assert [e.get("relearned") for e in logged if e["event"] == "addition"] == [None, 1]
    store.correct(row_ids=["new-1"], X=X[5:6])
    assert store.release().event == "release"
    assert store.status()["n_retained"] == N + 2


def test_the_recall_list(store, path, tmp_path, keys):
    first = store.export(tmp_path / "a", receiver="shop A", key=keys / "p256")
    store.release("shop B")
    store.export(tmp_path / "c", receiver="shop C")
    store.acknowledge(3)
    answer = store.forget(rows=[3], reference="case 1")
    assert [e.receiver for e in answer.recall] == ["shop A", "shop B"]
    store.acknowledge(first.n)
    assert [e.receiver for e in store.answer("case 1").recall] == ["shop B"]
    assert [e["withdrawn"] is None for e in store.status()["exports"]] == [False, True, False]
    read = load_predictor(tmp_path / "a", key=keys / "p256.pub")
    assert read.certificate_.event == "fit"
    envelope = store.receipt("case 1", keys / "ed25519")
    assert store.verify(envelope, keys / "ed25519.pub").outstanding == 1


def test_copies_of_rows_that_went_for_another_request_are_called_back_as_well(store):
    X, y = data(1)
    store.ledger.export("export", "shop A")
    store.learn(X[:1], y[:1], row_ids=["new"])
    store.add(rows=[3, N], reference="both")
    store.forget(rows=[3], reference="one")
    (answer,) = store.run()
    # Shop A still sees row 3, which was asked for here too.
    assert answer.rows == 1 and [e.receiver for e in answer.recall] == ["shop A"]
    assert "1 copy of the model" in answer.letter("The shop")


def test_receipts_of_another_store_are_not_its_own(store, fitted, tmp_path, keys):
    store.forget(rows=[3], reference="case 1")
    with ModelStore.create(tmp_path / "other", fitted) as other:
        other.forget(rows=[3], reference="case 1")
        envelope = other.receipt("case 1", keys / "ed25519")
        assert other.verify(envelope, keys / "ed25519.pub", rows=[3]).reference == "case 1"
        with pytest.raises(VerificationError, match="1 of the rows are still") as caught:
            other.verify(envelope, keys / "ed25519.pub", rows=[3, 4])
        assert caught.value.check == "row"
    with pytest.raises(VerificationError, match="of another model"):
        store.verify(envelope, keys / "ed25519.pub")
    origin = json.loads(store.head().join(['"', '"']).replace("\n", "|")).split("|")[0]
    assert origin == store.status()["origin"]


def test_pipelines(path):
    X, y = data()
    X[7] = 100 * MARKS
    model = ForgettingPipeline([("s", StandardScaler()), ("m", CertifiedLogReg())]).fit(X, y)
    with ModelStore.create(path, model) as store:
        store.forget(rows=[7])
        kept = np.delete(X, 7, axis=0)
        assert np.allclose(store.predictor.steps[0][1].mean_, kept.mean(axis=0))
    assert (100 * MARKS).tobytes() not in everything(path)
    with ModelStore.open(path) as store:
        assert (store.predict(X) == store.model.predict(X)).all()


def test_there_is_one_writer_and_many_readers(store, path):
    with pytest.raises(StoreLockedError, match=f"process {os.getpid()}"):
        ModelStore.open(path, "w")
    reader = ModelStore.open(path)
    store.forget(rows=[3])
    assert reader.status()["n_retained"] == N - 1
    assert reader.model.n_retained_ == N - 1
    reader.close()
    with pytest.raises(StoreError, match="is there already"):
        ModelStore.create(path, store.model)
    with pytest.raises(StoreError, match="no model at"):
        ModelStore.open(path.parent)
    with pytest.raises(ValueError, match="mode"):
        ModelStore.open(path, "a")


def test_a_reader_leaves_what_a_writer_has_not_committed(store, path):
    store.forget(rows=[3], reference="case 1")
    written = path / "state" / "begun.npy"
    written.write_bytes(MARKS.tobytes())
    with ModelStore.open(path) as reader:
        assert reader.answer("case 1").state == "done"
        with pytest.raises(StoreError, match="open for reading"):
            reader.forget(rows=[3], reference="case 1")
    assert written.read_bytes() == MARKS.tobytes()
    assert store.forget(rows=[3], reference="case 1").state == "done" and not written.exists()


def test_a_directory_that_is_changed_while_it_is_opened(store, path, monkeypatch):
    """What the ledger said is replaced and swept before the reader has looked at it."""
    manifest, seen = shards.Shards.manifest, []

    def late(self, state):
        seen.append(state)
        if len(seen) == 1:
            store.forget(rows=[3], reference="case 1")
        return manifest(self, state)

    monkeypatch.setattr(shards.Shards, "manifest", late)
    with ModelStore.open(path) as reader:
        assert reader.status()["n_retained"] == N - 1


def test_a_stale_lock_is_told_and_taken(store, path):
    store.close()
    (path / "lock").write_text('{"owner": "ann", "host": "h", "pid": 1, "since": "yesterday"}')
    with files.one_writer(path / "lock") as left:
        assert left == "ann on h, process 1, yesterday"
    ModelStore.open(path, "w").close()


def test_network_file_systems_are_refused(path):
    mounts = "/dev/sda / ext4 rw 0 0\nserver:/x {} nfs4 rw 0 0\n"
    files.local(path, mounts.format("/elsewhere"))
    with pytest.raises(StoreError, match="network file system .nfs4."):
        files.local(path, mounts.format(str(path.parent).replace(" ", "\\040")))


@pytest.mark.parametrize("point", ["write", "commit"])
def test_what_fails_in_the_middle_has_not_happened(store, path, monkeypatch, point):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    before, weights = store.status(), store.model._fitted.model.W.copy()
    monkeypatch.setattr(
        *((shards.Shards, "_kept") if point == "write" else (store.ledger, "commit")), full
    )
    with pytest.raises(StoreError, match="No space left.*make room"):
        store.forget(rows=[3], reference="case 1")
    monkeypatch.undo()
    monkeypatch.setattr(shards, "PART", 40 * D * 8)
    monkeypatch.setattr(shards, "SMALL", 1 << 10)
    after = store.status()
    assert after["generation"] == before["generation"] and after["counts"]["pending"] == 1
    assert np.array_equal(store.model._fitted.model.W, weights)
    states = set(os.listdir(path / "state"))
    assert store.run()[0].state == "done" and not states <= set(os.listdir(path / "state"))


def test_every_file_is_watched(store, path):
    store.forget(rows=[3])
    store.close()
    for file in [p for p in sorted(path.rglob("*")) if p.is_file() and p.name != "lock"]:
        good = file.read_bytes()
        for bad in (good[: len(good) // 2], _flipped(good, len(good) // 2), _flipped(good, -1)):
            file.write_bytes(bad)
            with pytest.raises((StoreDamagedError, StoreError)):
                with ModelStore.open(path) as opened:
                    opened.model  # noqa: B018
            file.write_bytes(good)
        file.unlink()
        if file.suffix != ".sha256":
            with pytest.raises(StoreError):
                with ModelStore.open(path) as opened:
                    opened.model  # noqa: B018
        file.write_bytes(good)
    with ModelStore.open(path, "w") as opened:
        opened.forget(rows=[4])


def _flipped(data, at):
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


def test_what_is_created_is_there_as_a_whole(path, fitted, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards.Shards, "_kept", fail)
    with pytest.raises(StoreError, match="No space left"):
        ModelStore.create(path, fitted)
    monkeypatch.undo()
    assert list(path.parent.iterdir()) in ([], [path.parent / ".model.lock"])
    left = path.with_name(".model.creating")
    left.mkdir()
    (left / "rows").write_bytes(MARKS.tobytes())
    ModelStore.create(path, fitted).close()
    assert [p.name for p in path.parent.iterdir()] == ["model"]


def test_a_copy_of_a_directory_is_a_model(store, path, tmp_path):
    store.close()
    shutil.copytree(path, tmp_path / "copy")
    with ModelStore.open(tmp_path / "copy", "w") as copy:
        copy.forget(rows=[3])
    with ModelStore.open(path) as store:
        assert store.status()["n_retained"] == N


def test_letters(store, tmp_path):
    store.export(tmp_path / "a", receiver="planted-shop")
    store.add(rows=[3], reference="A-1")
    assert "will be carried out by" in store.answer("A-1").letter("The shop")
    store.run()
    letter = store.answer("A-1").letter("The shop")
    assert "1 data set was removed" in letter and "1 copy of the model" in letter
    assert letter.endswith("The shop\n") and "planted-shop" not in letter
    store.add(rows=[4], reference="A-2")
    store.withdraw("A-2")
    assert "You have withdrawn it" in store.answer("A-2").letter("The shop")
    assert signed_receipt and "Backups" in letter


def test_some_requests_are_audited_and_what_was_found_is_kept(path, fitted):
    # The noise of a seed, so that chance has no say in whether this passes.
    with same_noise(1), ModelStore.create(path, fitted, audit_rate=1.0) as store:
        assert store.status()["self_audit"]["looks"] == 0
        store.forget(rows=[3], reference="case 1")
        store.forget(rows=[3], reference="case 1")
        store.add(rows=[4], reference="case 2")
        store.run()
        with pytest.raises(ConfirmationNeededError):
            store.forget(rows=np.arange(50, 250))
        store.unrecognise()
    with ModelStore.open(path, "w") as store:
        found = store.status()["self_audit"]
        # One a release: neither for what was answered before nor for what was refused.
        assert (found["requests"], found["looks"], found["passed"]) == (2, 2, True)
        assert 0 < found["true_over_certified"] <= 1 and 0 < found["e_value"] < 1 / found["level"]
        assert "true_over_certified" in store.model.history_[-1]
        store.release()
        assert store.self_audit.looks == 3
        json.dumps(store.status(), allow_nan=False)


def test_an_audit_of_nothing_is_refused_when_it_is_agreed(path):
    with pytest.raises(AssumptionError, match="nothing is claimed"):
        ModelStore.create(path, CertifiedLogReg(noise=0).fit(*data()), audit_rate=0.1)
    with pytest.raises(ValueError, match="audit_rate"):
        ModelStore.create(path, CertifiedLogReg().fit(*data()), audit_rate=2.0)
    assert not path.exists()
