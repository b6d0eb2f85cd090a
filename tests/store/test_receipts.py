"""Receipts: what an outsider can check, and that every tamper fails by its own check."""

import base64
import copy
import json
import os
import pickle
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import json_format
from in_toto_attestation.v1 import statement as in_toto
from in_toto_attestation.v1 import statement_pb2
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from sklearn.datasets import load_breast_cancer

from certunlearn import CertifiedLogReg, Receipt, VerificationError
from certunlearn.exceptions import StoreError, UnknownRowError
from certunlearn.store import note
from certunlearn.store.bundle import write_bundle
from certunlearn.store.cases import Case
from certunlearn.store.envelope import encoded, opened, sealed, statement
from certunlearn.store.keys import P256, VARIABLE, Signer, Verifier, new_key
from certunlearn.store.ledger import Ledger, Went
from certunlearn.store.receipts import PREDICATE, signed_receipt
from certunlearn.store.verify import CHECKS, verify_receipt

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def committed(ledger, verb, model, *references):
    action = ledger.begin(verb, references)
    c = model.certificate_.public()
    answered = dict.fromkeys(references, Went(1, 0))
    return ledger.commit(
        action, verb, rows=569, weights=c.weights, certificate=c.to_json(), answered=answered
    )


def make(folder, origin, seed):
    model = CertifiedLogReg().fit(*load_breast_cancer(return_X_y=True))
    ledger = Ledger.create(folder / f"{origin[-1]}.sqlite", origin=origin, clock=lambda: NOW)
    committed(ledger, "fit", model)
    ledger.export("export", "planted-receiver")
    for i in (1, 2):
        due = NOW + timedelta(days=30)
        ledger.add(Case(f"case {i}", "rows", [seed + i], NOW, due))
        model.forget([seed + i])
        committed(ledger, "removal", model, f"case {i}")
    return ledger, model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("receipts")


@pytest.fixture(scope="module")
def made(folder, keys):
    signer = Signer.of(keys / "ed25519")
    ledger, model = make(folder, "example.org/a", 0)
    old = note.written("example.org/a", ledger.log.head(3), signer)
    receipt = json.loads(json.dumps(signed_receipt(ledger, "case 2", signer, since=old)))
    other, _ = make(folder, "example.org/b", 10)
    yield ledger, model, receipt, old, signed_receipt(other, "case 2", signer)
    ledger.close()
    other.close()


@pytest.fixture(scope="module")
def bundle(made, folder, keys):
    _, model, *_ = made
    return write_bundle(
        model.export_predictor(), model.certificate_, folder / "bundle", keys / P256
    )


def test_a_receipt_is_verified_by_who_has_no_rows(made, bundle, keys):
    _, model, receipt, old, _ = made
    seen = verify_receipt(receipt, keys / "ed25519.pub", head=old, bundle=bundle)
    assert seen.reference == "case 2" and set(seen.checks) == set(CHECKS)
    assert seen.certificate == model.certificate_.public() and seen.outstanding == 1
    assert all(line in str(seen) for line in CHECKS.values()) and "careful" in str(seen)
    said = json.dumps(opened(receipt, Verifier.read(keys / "ed25519.pub")))
    assert "planted-receiver" not in said and '"rows": 1' in said


def test_an_independent_implementation_accepts_the_envelope(made, keys):
    receipt = made[2]
    key = SSlibKey(
        receipt["signatures"][0]["keyid"],
        "ed25519",
        "ed25519",
        {"public": Verifier.read(keys / "ed25519.pub").raw.hex()},
    )
    envelope = Envelope.from_dict(copy.deepcopy(receipt))
    assert list(envelope.verify([key], 1))
    parsed = json.loads(envelope.payload)
    message = json_format.ParseDict(parsed, statement_pb2.Statement())
    in_toto.Statement.copy_from_pb(message).validate()
    assert parsed["_type"] == in_toto.STATEMENT_TYPE_URI
    assert envelope.pae() == encoded(envelope.payload_type, envelope.payload)


def resealed(receipt, keys, change):
    """The same receipt after a change, signed again: the signer itself lies."""
    signer = Signer.of(keys / "ed25519")
    said = opened(receipt, signer.public)
    change(said, said["predicate"])
    return sealed(said, signer)


def set_(*path):
    *path, value = path

    def change(said, predicate):
        for name in path[:-1]:
            predicate = predicate[name]
        predicate[path[-1]] = value

    return change


def _flip(text):
    return ("0" if text[0] != "0" else "1") + text[1:]


def _other_path(said, predicate):
    predicate["log"]["path"][0] = _flip(predicate["log"]["path"][0])


def _other_entry(said, predicate):
    entry = json.loads(predicate["entry"]["data"])
    predicate["entry"]["data"] = json.dumps(entry | {"time": "2025-01-01T00:00:00+00:00"})


def _other_order(said, predicate):
    predicate["log"]["index"] -= 1


def _other_weights(said, predicate):
    said["subject"][0]["digest"]["sha256"] = _flip(said["subject"][0]["digest"]["sha256"])


def _other_certificate(said, predicate):
    predicate["certificate"]["issued"] = "2020-01-01T00:00:00+00:00"


def _head_of_another_log(said, predicate):
    said["subject"][0]["name"] = "example.org/c"


def _unsigned_head(said, predicate):
    predicate["log"]["head"] = predicate["log"]["head"].split("\n\n")[0] + "\n"


#: What the holder of the key changes and signs again: the check that finds it, and its words.
TAMPERS = {
    "epsilon": (set_("certificate", "epsilon", 0.1), "certificate", "does not add up.*epsilon"),
    "mu": (set_("certificate", "mu", 0.1), "certificate", "does not add up"),
    "certificate": (_other_certificate, "certificate", "another certificate"),
    "weights": (_other_weights, "weights", "not of the same weights"),
    "reference": (set_("request", "reference", "case 9"), "request", "committed to"),
    "rows": (set_("request", "rows", 7), "request", "committed to"),
    "done": (set_("request", "done", "2020-01-01T00:00:00+00:00"), "request", "committed to"),
    "salt": (set_("entry", "salt", "00" * 32), "request", "committed to"),
    "entry": (_other_entry, "inclusion", "changed or moved"),
    "order": (_other_order, "inclusion", "place is"),
    "path": (_other_path, "inclusion", "changed or moved"),
    "size": (set_("log", "size", 4), "head", "another log"),
    "origin": (_head_of_another_log, "head", "another log"),
    "unsigned head": (_unsigned_head, "head", "not signed"),
    "no entry": (set_("entry", "data", "[]"), "envelope", "lacks"),
    "no hash": (set_("entry", "salt", "xyz"), "envelope", "hash"),
    "no log": (set_("log", None), "envelope", "lacks.*log"),
    "since": (set_("log", "since", "path", []), "consistency", "does not begin with"),
    "no since": (set_("log", "since", "size", 2), "consistency", "does not lead on"),
}


@pytest.mark.parametrize("name", TAMPERS)
def test_who_signs_a_lie_is_found_out(made, keys, name):
    change, check, said = TAMPERS[name]
    lie = resealed(made[2], keys, change)
    with pytest.raises(VerificationError, match=said) as caught:
        verify_receipt(lie, keys / "ed25519.pub", head=made[3])
    assert caught.value.check == check
    assert pickle.loads(pickle.dumps(caught.value)).check == check


def test_who_has_no_key_changes_nothing(made, keys):
    receipt = made[2]
    payload = json.loads(base64.b64decode(receipt["payload"]))
    payload["predicate"]["certificate"]["epsilon"] = 0.1
    edited = receipt | {"payload": base64.b64encode(json.dumps(payload).encode()).decode()}
    flipped = copy.deepcopy(receipt)
    sig = bytearray(base64.b64decode(flipped["signatures"][0]["sig"]))
    sig[5] ^= 1
    flipped["signatures"][0]["sig"] = base64.b64encode(sig).decode()
    for lie, key in (edited, "ed25519"), (flipped, "ed25519"), (receipt, "other"):
        with pytest.raises(VerificationError, match="another key has signed") as caught:
            verify_receipt(lie, keys / f"{key}.pub")
        assert caught.value.check == "signature"
    odd = [receipt | {"payload": text} for text in ("?", "\u00e9")]
    for nothing in (None, [], {}, *odd, receipt | {"payloadType": "x"}):
        with pytest.raises(VerificationError, match="not a DSSE envelope"):
            verify_receipt(nothing, keys / "ed25519.pub")
    with pytest.raises(VerificationError, match="is not signed"):
        verify_receipt(receipt | {"signatures": []}, keys / "ed25519.pub")
    other = sealed(statement([], "https://example.org", {}), Signer.of(keys / "ed25519"))
    with pytest.raises(VerificationError, match="another kind"):
        verify_receipt(other, keys / "ed25519.pub")


def test_receipts_are_not_exchanged_between_models(made, bundle, keys):
    *_, old, elsewhere = made
    public = keys / "ed25519.pub"
    assert verify_receipt(elsewhere, public).reference == "case 2"
    with pytest.raises(VerificationError, match="of another release") as caught:
        verify_receipt(elsewhere, public, bundle=bundle)
    assert caught.value.check == "bundle"
    edited = shutil.copytree(bundle, bundle.with_name("edited"))
    arrays = (edited / "model.safetensors").read_bytes()
    (edited / "model.safetensors").write_bytes(arrays[:-3] + b"xyz")
    with pytest.raises(VerificationError, match="not as it was written") as caught:
        verify_receipt(made[2], public, bundle=edited)
    assert caught.value.check == "bundle"
    (edited / "model.safetensors").write_bytes(b"\xff" * 8 + arrays[8:])
    with pytest.raises(VerificationError, match="not as it was written") as caught:
        verify_receipt(made[2], public, bundle=edited)
    assert caught.value.check == "bundle"
    with pytest.raises(VerificationError, match="older head is that of another log"):
        verify_receipt(elsewhere, public, head=old)


def test_a_head_of_a_rewritten_log_is_found(made, keys):
    ledger, _, receipt, old, _ = made
    signer = Signer.of(keys / "ed25519")
    forged = note.written("example.org/a", replace(ledger.log.head(3), root=bytes(32)), signer)
    with pytest.raises(VerificationError, match="does not begin with") as caught:
        verify_receipt(receipt, signer.public, head=forged)
    assert caught.value.check == "consistency"
    with pytest.raises(VerificationError, match="not signed by this key"):
        verify_receipt(receipt, signer.public, head=old.replace("\n3\n", "\n4\n"))


def test_notes_are_signed_as_c2sp_has_it(made, keys):
    """A note of which each part is taken apart by hand; a witness adds a line of its own."""
    signer, old = Signer.of(keys / "ed25519"), made[3]
    text, _, line = old.partition("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, size, len(base64.b64decode(root))) == ("example.org/a", "3", 32)
    dash, name, coded = line.rstrip("\n").split(" ")
    assert (dash, name) == ("—", origin)
    # <name>+<hash>+<key>, the hash being that of the first four bytes of the signature.
    vkey = note.vkey(origin, signer.public).split("+")
    assert vkey[1] == base64.b64decode(coded)[:4].hex()
    signer.public.verify(base64.b64decode(coded)[4:], f"{text}\n".encode())
    cosigned = old + f"— witness.example {base64.b64encode(bytes(76)).decode()}\n"
    assert note.verified(cosigned, signer.public) == note.verified(old, signer.public)
    for odd in ("?", "\u00e9"):
        cosigned = f"{text}\n\n— witness.example {odd}\n{line}"
        assert note.verified(cosigned, signer.public) == note.verified(old, signer.public)
    for bad in ("", "a\nb\n", "a\n-1\nAAAA\n", f"a\n01\n{root}\n"):
        with pytest.raises(VerificationError, match="not the head of a log"):
            note.read(bad)
    with pytest.raises(ValueError, match="neither spaces"):
        note.written("my model", made[0].log.head())


def test_keys_come_from_files_the_environment_or_elsewhere(keys, tmp_path, monkeypatch):
    path = keys / "ed25519"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    data, signer = b"text", Signer.of(path)
    for held in (str(path), path.read_text()):
        monkeypatch.setenv(VARIABLE, held)
        signer.public.verify(Signer.of().sign(data), data)
    elsewhere = Signer(signer.public, lambda given: signer.sign(given))
    assert Signer.of(elsewhere) is elsewhere
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(StoreError, match="keys new"):
        Signer.of()
    with pytest.raises(StoreError, match="no key at"):
        Signer.of(tmp_path / "none")
    with pytest.raises(StoreError, match="no private key in PEM"):
        Signer.of(keys / "ed25519.pub")
    with pytest.raises(StoreError, match="no public key in PEM"):
        Verifier.read(path)
    with pytest.raises(StoreError, match="is not overwritten"):
        new_key(path)


def test_keys_of_bundles_do_not_sign_receipts(made, keys):
    head = made[0].log.head()
    with pytest.raises(StoreError, match="signed with Ed25519, and this key is ECDSA"):
        signed_receipt(made[0], "case 1", keys / P256)
    with pytest.raises(StoreError, match="keys new"):
        note.written("example.org/a", head, Signer.of(keys / P256))
    with pytest.raises(StoreError, match="keys new"):
        note.verified(made[3], Verifier.read(keys / f"{P256}.pub"))


def test_a_receipt_is_of_what_was_done(made, keys):
    ledger = made[0]
    ledger.add(Case("case 3", "rows", [5], NOW, None))
    with pytest.raises(StoreError, match="is pending"):
        signed_receipt(ledger, "case 3", keys / "ed25519")
    with pytest.raises(UnknownRowError):
        signed_receipt(ledger, "case 4", keys / "ed25519")
    stamped = signed_receipt(ledger, "case 1", keys / "ed25519", timestamp=lambda sig: sig[:4])
    token = base64.b64decode(stamped["signatures"][0]["timestamp"])
    assert token == base64.b64decode(stamped["signatures"][0]["sig"])[:4]
    assert verify_receipt(stamped, keys / "ed25519.pub").reference == "case 1"
    said = opened(stamped, Verifier.read(keys / "ed25519.pub"))
    assert said["predicateType"] == PREDICATE
    assert said["predicate"]["derived_from"] == [ledger.at(0).weights]
    assert not isinstance(said["predicate"], Receipt)
