"""What somebody who has no rows can check of a receipt: everything that it says but the rows.

Guarantee: a receipt that passes was signed by the key; its certificate's figures follow from one
another; the request and the certificate are those of one entry of the log whose head the key has
signed.  Given an older head, no entry under that head has been changed since.  Given a bundle, its
weights are those that the certificate is of.

Assumes: Ed25519 and SHA-256 are not broken, and the key is whose the reader thinks.  It does not
show that the rows were removed: that is what the signer states, and what a court may hold them to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from ..claims.certificate import Certificate
from ..exceptions import StoreDamagedError, VerificationError
from . import merkle, note
from .bundle import weights_digest
from .envelope import opened
from .keys import Verifier
from .ledger import certificate_digest
from .log import Json, canonical, commitment
from .receipts import PREDICATE

T = TypeVar("T")
#: What each check is about, in the order they are made.
CHECKS = {
    "signature": "the key has signed it",
    "certificate": "epsilon and delta follow from mu, and all figures from one another",
    "weights": "statement, certificate and log entry are of the same weights",
    "request": "the request is the one that the log has committed to",
    "head": "the key has signed the head of this log",
    "inclusion": "the log of this head holds the entry",
    "consistency": "the log begins with that of the older head",
    "bundle": "the exported weights are those of the certificate",
}
#: What the owner can check beside.
OWNED = {
    "store": "the ledger says that it was done so",
    "row": "the rows named are not in the training set",
    "replay": "trained again on the rows that stay, the model is where it was",
}


@dataclass(frozen=True)
class Verified:
    """A receipt that has passed.

    Attributes
    ----------
    reference : str
        The request.
    certificate : Certificate
    weights : str
        SHA-256 of the weights.
    origin : str
        Name of the log.
    checks : tuple of str
        What was checked, names in `CHECKS` and `OWNED`.
    outstanding : int
        Copies handed out before that are not known to be withdrawn, when it was written.
    """

    reference: str
    certificate: Certificate
    weights: str
    origin: str
    checks: tuple[str, ...]
    outstanding: int

    def __str__(self) -> str:
        c = self.certificate
        lines = [
            f"{self.reference}: verified. epsilon = {c.epsilon:g}, delta = {c.delta:g}, weights "
            f"{self.weights[:16]}..., log {self.origin}"
        ]
        lines += [f"  {name:<12} {(CHECKS | OWNED)[name]}" for name in self.checks]
        if self.outstanding:
            lines.append(f"  careful      copies that may still hold the rows: {self.outstanding}")
        return "\n".join(lines)


def verify_receipt(
    envelope: object,
    key: Verifier | str | Path | bytes,
    *,
    head: str | None = None,
    bundle: str | Path | None = None,
) -> Verified:
    """Check a receipt, without rows and without the store.

    Parameters
    ----------
    envelope : dict
        What `signed_receipt` returned, as JSON reads it.
    key : Verifier, str, Path or bytes
        Public key of whoever answered, from a source that you trust.
    head : str, optional
        A head of the same log that you have kept, as a note; older than the receipt.
    bundle : str or Path, optional
        A predictor that you were given.

    Returns
    -------
    Verified

    Raises
    ------
    VerificationError
        By the first check that fails; ``check`` names it.
    """
    key = key if isinstance(key, Verifier) else Verifier.read(key)
    said = opened(envelope, key)
    if said.get("predicateType") != PREDICATE:
        _fail("envelope", f"a statement of another kind: {said.get('predicateType')}")
    checks = ["signature", "certificate", "weights", "request", "head", "inclusion"]
    subject, predicate = _object(_first(said, "subject")), _object(said, "predicate")
    origin, weights = _text(subject, "name"), _text(_object(subject, "digest"), "sha256")
    stated, entry, log = (_object(predicate, k) for k in ("certificate", "entry", "log"))
    # From the figures to the log: each check rests on those before it.
    certificate, data = _certificate(stated), _data(entry)
    _same_weights(certificate, weights, stated, data)
    request = _object(predicate, "request")
    _committed(request, _text(data, "commitment"), _bytes(_text(entry, "salt")))
    _in_log(_text(entry, "data").encode(), _number(data, "n"), log, origin, key)
    if head is not None:
        _begins_with(log, head, origin, key)
        checks.append("consistency")
    if bundle is not None:
        try:
            same = weights_digest(bundle) == weights
        except StoreDamagedError as error:
            raise VerificationError(f"{bundle}: {error}", check="bundle") from error
        if not same:
            _fail(
                "bundle",
                f"the weights in {bundle} are not those that the receipt is about: they were "
                "changed, or are of another release",
            )
        checks.append("bundle")
    reference, left = _text(request, "reference"), _list(predicate, "exports_outstanding")
    return Verified(reference, certificate, weights, origin, tuple(checks), len(left))


def _fail(check: str, message: str) -> NoReturn:
    raise VerificationError(message, check=check)


def _certificate(values: Json) -> Certificate:
    """Read the certificate, which recomputes epsilon from mu and drift."""
    try:
        return Certificate.from_json(json.dumps(values))
    except ValueError as error:
        raise VerificationError(
            f"the certificate does not add up: {error}", check="certificate"
        ) from None


def _same_weights(certificate: Certificate, weights: str, stated: Json, entry: Json) -> None:
    if certificate.weights != weights or _text(entry, "weights") != weights:
        _fail(
            "weights",
            "the statement, its certificate and its entry in the log are not of the same weights: "
            "it was put together from the receipts of different models",
        )
    # The log has committed to the certificate too, so none can be exchanged afterwards.
    if _text(entry, "certificate") != certificate_digest(stated):
        _fail("certificate", "the log has committed to another certificate than the one stated")


def _committed(request: Json, said: str, salt: bytes) -> None:
    if said != commitment(salt, canonical(request)):
        _fail("request", "the request stated is not the one that the log has committed to")


def _in_log(data: bytes, place: int, log: Json, origin: str, key: Verifier) -> None:
    name, head = note.verified(_text(log, "head"), key)
    if name != origin or head.size != _number(log, "size"):
        _fail("head", f"the head is that of another log, {name} of size {head.size}")
    index, path = _number(log, "index"), _hashes(log, "path")
    # The place is inside of the entry's own bytes: a proof for another place does not carry over.
    if place != index:
        _fail("inclusion", f"the entry says that its place is {place}, not {index}")
    if not merkle.included(merkle.leaf_hash(data), index, head.size, path, head.root):
        _fail("inclusion", "the entry is not in the log of this head: it was changed or moved")


def _begins_with(log: Json, older: str, origin: str, key: Verifier) -> None:
    name, old = note.verified(older, key)
    _, new = note.read(_text(log, "head"))
    if name != origin:
        _fail("consistency", f"the older head is that of another log, {name}")
    proof: Json = _object(log, "since") if "since" in log else {"size": -1}
    if _number(proof, "size") != old.size:
        _fail(
            "consistency",
            f"the receipt does not lead on from a log of {old.size} entries: ask for one made with "
            "that head",
        )
    if not merkle.consistent(old.size, old.root, new.size, new.root, _hashes(proof, "path")):
        _fail(
            "consistency",
            "the log does not begin with that of the older head: an entry was changed, moved or "
            "taken out since",
        )


def _of_kind(values: object, name: str, kind: type[T]) -> T:
    value = values.get(name) if isinstance(values, dict) else None
    # True is an int to Python, and none in a receipt.
    if not isinstance(value, kind) or isinstance(value, bool):
        _fail("envelope", f"the statement lacks what a receipt says: {name}")
    return value


def _object(values: object, name: str | None = None) -> Json:
    return _of_kind({"": values} if name is None else values, name or "", dict)


def _text(values: Json, name: str) -> str:
    return _of_kind(values, name, str)


def _number(values: Json, name: str) -> int:
    return _of_kind(values, name, int)


def _list(values: Json, name: str) -> list[object]:
    return _of_kind(values, name, list)


def _first(values: Json, name: str) -> object:
    return next(iter(_list(values, name)), None)


def _bytes(text: object) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        _fail("envelope", f"the statement has {text!r} where a receipt has a hash")


def _hashes(values: Json, name: str) -> list[bytes]:
    return [_bytes(text) for text in _list(values, name)]


def _data(entry: Json) -> Json:
    try:
        return _object(json.loads(_text(entry, "data")))
    except ValueError as error:
        if isinstance(error, VerificationError):
            raise
        _fail("envelope", "the statement lacks what a receipt says: an entry of the log")
