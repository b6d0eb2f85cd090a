"""Keys that sign: Ed25519 for receipts and heads, ECDSA on P-256 for exported models.

Made and used through ``cryptography``, which comes with ``pip install certunlearn[store]``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from ..exceptions import StoreError, VerificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    Public = Ed25519PublicKey | EllipticCurvePublicKey

ED25519, P256 = KINDS = ("ed25519", "p256")
#: The environment variable that may hold a private key in PEM.
VARIABLE = "CERTUNLEARN_KEY"


def needed(name: str) -> ModuleType:
    """Import a package of the extra ``store``.

    Raises
    ------
    StoreError
        If it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{name.partition('.')[0]} is needed: pip install 'certunlearn[store]'"
        ) from error


@dataclass(frozen=True)
class Verifier:
    """A public key.

    Attributes
    ----------
    kind : {"ed25519", "p256"}
    pem : bytes
        SubjectPublicKeyInfo, as OpenSSL writes it.
    """

    kind: str
    pem: bytes

    @classmethod
    def read(cls, source: str | Path | bytes) -> Self:
        """Read a public key in PEM from a file, or from bytes.

        Raises
        ------
        StoreError
            If there is none, or it is of another kind.
        """
        pem = source if isinstance(source, bytes) else _file(source)
        serialization = needed("cryptography.hazmat.primitives.serialization")
        try:
            key = serialization.load_pem_public_key(pem)
        except ValueError as error:
            raise StoreError(f"{_named(source)} is no public key in PEM") from error
        return cls(_kind(key), _public_pem(key))

    @property
    def _key(self) -> Any:
        # Of one kind or of the other, as `kind` says: their methods take different arguments.
        return needed("cryptography.hazmat.primitives.serialization").load_pem_public_key(self.pem)

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key.

        Raises
        ------
        StoreError
            If it is of another kind.
        """
        if self.kind != ED25519:
            raise StoreError(
                "receipts and heads of logs are signed with Ed25519, and this key is ECDSA P-256: "
                "make one with `certunlearn keys new`"
            )
        return bytes(self._key.public_bytes_raw())

    @property
    def id(self) -> str:
        """SHA-256 of the key in PEM, as 64 hexadecimal digits."""
        return hashlib.sha256(self.pem).hexdigest()

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check a signature.

        Raises
        ------
        VerificationError
            If it is not one of this key over this data.
        """
        invalid = needed("cryptography.exceptions").InvalidSignature
        try:
            if self.kind == ED25519:
                self._key.verify(signature, data)
            else:
                self._key.verify(signature, data, _ecdsa())
        except invalid:
            raise VerificationError(
                "the signature is not one of this key over this content: either was changed, or "
                "another key has signed",
                check="signature",
            ) from None


@dataclass(frozen=True)
class Signer:
    """Something that signs: a private key, or a callable in front of a key kept elsewhere.

    Attributes
    ----------
    public : Verifier
    sign : callable
        Takes the data as bytes and returns the signature (Ed25519: 64 bytes; P-256: DER).
    """

    public: Verifier
    sign: Callable[[bytes], bytes]

    @classmethod
    def of(cls, key: Signer | str | Path | None = None) -> Signer:
        """Return what signs.

        Parameters
        ----------
        key : Signer, str or Path, optional
            A file with a private key in PEM; by default the environment variable
            ``CERTUNLEARN_KEY`` holds the PEM, or the path of such a file.

        Raises
        ------
        StoreError
            If there is no key there.
        """
        if isinstance(key, Signer):
            return key
        pem = os.environ.get(VARIABLE, "") if key is None else ""
        if key is None and not pem:
            raise StoreError(
                f"a key is needed to sign: give key=, or set {VARIABLE} to one in PEM or to its "
                "file; `certunlearn keys new` makes one"
            )
        # The variable may hold the key itself, or the path of a file with it.
        data = pem.encode() if "PRIVATE KEY" in pem else _file(key or pem)
        serialization = needed("cryptography.hazmat.primitives.serialization")
        try:
            private = serialization.load_pem_private_key(data, None)
        except (TypeError, ValueError) as error:
            where = VARIABLE if key is None else _named(key)
            raise StoreError(
                f"{where} is no private key in PEM without a password: for any other kind pass "
                "Signer(public, sign)"
            ) from error
        return cls._of_private(private)

    @classmethod
    def _of_private(cls, private: Any) -> Signer:
        public = private.public_key()
        verifier = Verifier(_kind(public), _public_pem(public))
        if verifier.kind == ED25519:
            return cls(verifier, private.sign)
        return cls(verifier, lambda data: bytes(private.sign(data, _ecdsa())))


def new_key(path: str | Path, kind: str = ED25519) -> Verifier:
    """Make a private key in a file that its owner alone can read, and ``path.pub`` beside it.

    Raises
    ------
    StoreError
        If there is a file already.
    """
    serialization = needed("cryptography.hazmat.primitives.serialization")
    if kind == ED25519:
        private = needed("cryptography.hazmat.primitives.asymmetric.ed25519")
        private = private.Ed25519PrivateKey.generate()
    else:
        curves = needed("cryptography.hazmat.primitives.asymmetric.ec")
        private = curves.generate_private_key(curves.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = Signer._of_private(private).public
    for name, content, mode in ((f"{path}", pem, 0o600), (f"{path}.pub", public.pem, 0o644)):
        try:
            # Never readable by others, not even between being made and being filled.
            with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
                out.write(content)
        except FileExistsError:
            raise StoreError(f"{name} is there already: a key is not overwritten") from None
        except OSError as error:
            raise StoreError(f"{name} cannot be written: {error.strerror}") from error
    return public


def _ecdsa() -> ECDSA:
    curves = needed("cryptography.hazmat.primitives.asymmetric.ec")
    out: ECDSA = curves.ECDSA(needed("cryptography.hazmat.primitives.hashes").SHA256())
    return out


def _kind(public: object) -> str:
    ed25519 = needed("cryptography.hazmat.primitives.asymmetric.ed25519")
    if isinstance(public, ed25519.Ed25519PublicKey):
        return ED25519
    if getattr(getattr(public, "curve", None), "name", None) == "secp256r1":
        return P256
    raise StoreError(f"a key of Ed25519 or ECDSA P-256 is needed, got a {type(public).__name__}")


def _public_pem(public: Public) -> bytes:
    serialization = needed("cryptography.hazmat.primitives.serialization")
    return bytes(
        public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def _file(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StoreError(f"no key at {path}: {error.strerror}") from error


def _named(source: str | Path | bytes) -> str:
    return "this" if isinstance(source, bytes) else str(source)
