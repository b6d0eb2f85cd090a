"""Statements that are signed: in-toto Statement v1 in a DSSE envelope.

References
----------
in-toto attestation framework, Statement v1; Dead Simple Signing Envelope 1.0 (Secure Systems Lab).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from ..exceptions import VerificationError
from .keys import Signer, Verifier
from .log import Json, canonical

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"


def encoded(kind: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature is over: PAE(type, payload)."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def statement(subjects: list[Json], predicate_type: str, predicate: Json) -> Json:
    """Return an in-toto Statement v1."""
    return {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def sealed(
    said: Json,
    signer: Signer,
    *,
    keyid: bool = True,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> Json:
    """Return a statement in an envelope; ``timestamp`` returns a token for the signature."""
    # Signed are these very bytes, which travel along: no reader has to serialise alike.
    payload = canonical(said)
    signature = signer.sign(encoded(PAYLOAD, payload))
    signed = {
        "keyid": signer.public.id if keyid else "",
        "sig": base64.b64encode(signature).decode(),
    }
    if timestamp is not None:
        # A field of ours: DSSE lets readers pass over those that they do not know.
        signed["timestamp"] = base64.b64encode(timestamp(signature)).decode()
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD,
        "signatures": [signed],
    }


def opened(envelope: object, key: Verifier) -> Json:
    """Return the statement in an envelope, if one of its signatures is of this key.

    Raises
    ------
    VerificationError
        If it is none, or is not signed by this key.
    """
    payload, signatures = _parts(envelope)
    # Whose an envelope is its signature tells, not the name that it gives the key.
    for i, signature in enumerate(signatures):
        try:
            key.verify(signature, encoded(PAYLOAD, payload))
            break
        except VerificationError:
            # Any one of them will do; the last failure is told.
            if i == len(signatures) - 1:
                raise
    return _statement(payload)


def unchecked(envelope: object) -> Any:
    """Return the statement in an envelope, whoever has signed it.

    Raises
    ------
    VerificationError
        If it is none.
    """
    return _statement(_parts(envelope)[0])


def _statement(payload: bytes) -> Json:
    try:
        said = json.loads(payload)
    except ValueError:
        said = None
    if not isinstance(said, dict) or said.get("_type") != STATEMENT:
        raise VerificationError("the envelope holds no in-toto Statement v1", check="envelope")
    return said


def _parts(envelope: object) -> tuple[bytes, list[bytes]]:
    try:
        if not isinstance(envelope, dict) or envelope["payloadType"] != PAYLOAD:
            raise TypeError
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(s["sig"], validate=True) for s in envelope["signatures"]]
    except (KeyError, TypeError, ValueError):
        raise VerificationError("not a DSSE envelope of a statement", check="envelope") from None
    if not signatures:
        raise VerificationError("the envelope is not signed", check="signature")
    return payload, signatures
