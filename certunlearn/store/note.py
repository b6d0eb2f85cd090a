"""A head of the log as a note that anybody can read, and any witness can sign as well.

The text is a checkpoint (C2SP tlog-checkpoint): the origin of the log, its size, the root in
base64, a line each.  Signatures follow after an empty line (C2SP signed-note): a dash, the name of
who signs, and the base64 of four bytes that tell the key and the signature.
"""

from __future__ import annotations

import base64
import hashlib
import re

from ..exceptions import VerificationError
from .keys import Signer, Verifier
from .log import Head

_ED25519 = b"\x01"
_MARK = "— "


def written(origin: str, head: Head, signer: Signer | None = None) -> str:
    """Write a head as a note, signed if there is a signer.

    Raises
    ------
    ValueError
        If the origin is none that a note can name.
    """
    if not re.fullmatch(r"[^\s+]+", origin):
        raise ValueError(f"an origin has neither spaces nor a plus sign, got {origin!r}")
    text = f"{origin}\n{head.size}\n{base64.b64encode(head.root).decode()}\n"
    if signer is None:
        return text
    # Four bytes to find the key by; the signature is over the text alone.
    signature = _key_hash(origin, signer.public) + signer.sign(text.encode())
    return f"{text}\n{_MARK}{origin} {base64.b64encode(signature).decode()}\n"


def read(note: str) -> tuple[str, Head]:
    """Return the origin and the head that a note says, whoever has signed it.

    Raises
    ------
    VerificationError
        If it is no checkpoint.
    """
    # Further lines are extensions, which the form allows and nobody here reads.
    lines = note.split("\n\n")[0].removesuffix("\n").split("\n")
    try:
        origin, size, root = lines[:3]
        digest = base64.b64decode(root, validate=True)
        if not re.fullmatch("0|[1-9][0-9]*", size) or len(digest) != 32 or not origin:
            raise ValueError
    except ValueError:
        raise VerificationError("not the head of a log", check="head") from None
    return origin, Head(int(size), digest)


def verified(note: str, key: Verifier) -> tuple[str, Head]:
    """Return the origin and the head of a note that the log's own key has signed.

    Raises
    ------
    VerificationError
        If it is no checkpoint, or not signed by this key in the log's name.
    """
    origin, head = read(note)
    text, _, signatures = note.partition("\n\n")
    data = f"{text}\n".encode()
    for line in signatures.splitlines():
        name, _, coded = line.removeprefix(_MARK).partition(" ")
        try:
            signature = base64.b64decode(coded, validate=True)
        except ValueError:
            continue
        # Lines of witnesses, and of keys unknown here, are passed over, as C2SP signed-note has it.
        if name == origin and signature[:4] == _key_hash(origin, key):
            try:
                key.verify(signature[4:], data)
            except VerificationError:
                break
            return origin, head
    raise VerificationError("the head of the log is not signed by this key", check="head")


def vkey(origin: str, key: Verifier) -> str:
    """Return the line that tells other tools the key of a log."""
    data = base64.b64encode(_ED25519 + key.raw).decode()
    return f"{origin}+{_key_hash(origin, key).hex()}+{data}"


def _key_hash(name: str, key: Verifier) -> bytes:
    """SHA-256(name | 0x0A | 0x01 | public key), four bytes: they tell keys apart, no more."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:4]
