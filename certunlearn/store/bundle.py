"""A predictor to hand out: weights and certificate, no rows, no secret state, no pickle.

A bundle is a directory: ``model.safetensors`` holds the arrays, ``predictor.json`` all the rest,
and ``model.sig``, where there is a key, a signature over both in the form of OpenSSF Model Signing
1.0: a Sigstore bundle around a DSSE envelope, ECDSA on P-256.

References
----------
OpenSSF Model Signing Specification 1.0 (2025).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._common.fields import loaded
from .._version import __version__
from ..claims.certificate import Certificate
from ..claims.fingerprint import fingerprint, weights_of
from ..exceptions import StoreDamagedError, StoreError, VerificationError
from .codec import put_together, taken_apart
from .envelope import opened, sealed, statement
from .files import digest, synced
from .keys import P256, Signer, Verifier, needed
from .log import Json

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

FORMAT, VERSION = "certunlearn predictor", 1
ARRAYS, REST, SIGNATURE = "model.safetensors", "predictor.json", "model.sig"
_PREDICATE = "https://model_signing/signature/v1.0"
_MEDIA = "application/vnd.dev.sigstore.bundle.v0.3+json"


def write_bundle(
    predictor: BaseEstimator,
    certificate: Certificate | None,
    to: str | Path,
    key: Signer | str | Path | None = None,
) -> Path:
    """Write a predictor as a bundle.

    Parameters
    ----------
    predictor : estimator
        What ``export_predictor()`` returned.
    certificate : Certificate or None
        Of its weights; the public part is written.
    to : str or Path
        A directory that is not there yet.
    key : Signer, str or Path, optional
        ECDSA P-256, to sign with.

    Raises
    ------
    StoreError
        If there is something at ``to``, the predictor holds something that cannot be written, or
        the key is of another kind.
    """
    to, state = Path(to), taken_apart(predictor)
    if to.exists():
        raise StoreError(f"{to} is there already: export to a new place")
    signer = None if key is None else Signer.of(key)
    if signer is not None and signer.public.kind != P256:
        raise StoreError(
            "bundles are signed with ECDSA P-256, which is what the OpenSSF form has: make a key "
            "with `certunlearn keys new --kind p256`"
        )
    said = {
        "format": FORMAT,
        "version": VERSION,
        "library": f"certunlearn {__version__}",
        "certificate": None if certificate is None else json.loads(certificate.public().to_json()),
        "predictor": state.values,
    }
    # Beside the goal, on the same file system, so that the rename at the end is one step.
    draft = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        draft.mkdir(parents=True)
        needed("safetensors.numpy").save_file(state.arrays, draft / ARRAYS)
        (draft / REST).write_text(json.dumps(said, indent=1, allow_nan=False) + "\n")
        if signer is not None:
            signed = json.dumps(_signed(draft, to.name, signer), indent=1)
            (draft / SIGNATURE).write_text(signed + "\n")
        synced(draft)
        draft.rename(to)
    except OSError as error:
        raise StoreError(f"{to} cannot be written: {error.strerror}. Nothing is there") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return to


def load_predictor(
    path: str | Path, *, key: Verifier | str | Path | bytes | None = None
) -> BaseEstimator:
    """Read a predictor from a bundle; JAX is not needed for it.

    Parameters
    ----------
    path : str or Path
        The directory.
    key : Verifier, str, Path or bytes, optional
        Public key, from a source that you trust: the bundle must be signed with it.

    Returns
    -------
    estimator
        Of scikit-learn, with ``certificate_``, which is None where there was none.

    Raises
    ------
    StoreError
        If there is no bundle, or it is of a newer version.
    StoreDamagedError
        If its weights are not those its certificate is of.
    VerificationError
        If there is a key and the signature does not fit it, or not what is there.
    """
    path = Path(path)
    if key is not None:
        verify_bundle(path, key)
    predictor, values = _held(path)
    try:
        certificate = None if values is None else Certificate.from_json(json.dumps(values))
    except ValueError as error:
        raise StoreDamagedError(f"{path}: {error}") from error
    # Weights and certificate are bound by the hash that the certificate states.
    if certificate is not None and not certificate.matches(predictor):
        raise StoreDamagedError(
            f"{path}: the weights are not those that the certificate is of: one of them was changed"
        )
    predictor.certificate_ = certificate
    return predictor


def weights_digest(path: str | Path) -> str:
    """Return the SHA-256 of a bundle's weights, whatever its certificate says."""
    predictor, _ = _held(Path(path))
    return fingerprint(weights_of(predictor))


def verify_bundle(path: str | Path, key: Verifier | str | Path | bytes) -> None:
    """Check the signature over all files of a bundle.

    Raises
    ------
    VerificationError
        If there is none of this key, or a file was changed, added or taken away.
    """
    path, key = Path(path), key if isinstance(key, Verifier) else Verifier.read(key)
    try:
        signature: Any = loaded((path / SIGNATURE).read_text(), "a signature")
        envelope = signature["dsseEnvelope"]
    except FileNotFoundError:
        raise VerificationError(f"{path} is not signed", check="signature") from None
    except (KeyError, TypeError, ValueError):
        raise VerificationError(
            f"{path / SIGNATURE} is no signature of a model", check="signature"
        ) from None
    predicate: Any = opened(envelope, key).get("predicate", {})
    said = {r["name"]: r["digest"] for r in predicate.get("resources", ())}
    found = {name: digest(path / name) for name in _files(path)}
    # Both ways: files that are missing, and files that were added.
    changed = sorted(name for name in said | found if said.get(name) != found.get(name))
    if changed:
        raise VerificationError(
            f"{path}: not as it was signed: {', '.join(changed)}", check="bundle"
        )


def _held(path: Path) -> tuple[BaseEstimator, Json | None]:
    """Return the predictor of a bundle, and its certificate as JSON reads it."""
    try:
        said = loaded((path / REST).read_text(), "a predictor")
    except OSError as error:
        raise StoreError(f"{path} is no bundle of a predictor: {error.strerror}") from error
    except ValueError as error:
        raise StoreDamagedError(f"{path / REST} is not as it was written: {error}") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise StoreError(f"{path} is no bundle of a predictor")
    if not isinstance(said.get("version"), int) or said["version"] > VERSION:
        raise StoreError(f"{path} is of a newer version: upgrade certunlearn")
    safetensors = needed("safetensors.numpy")
    try:
        arrays = safetensors.load_file(path / ARRAYS)
    except OSError as error:
        raise StoreError(f"{path} is no bundle of a predictor: {error}") from error
    except needed("safetensors").SafetensorError as error:
        raise StoreDamagedError(f"{path / ARRAYS} is not as it was written: {error}") from error
    return put_together(arrays, said.get("predictor", {})), said.get("certificate")


def _files(path: Path) -> list[str]:
    names = (p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return sorted(name for name in names if name != SIGNATURE)


def _signed(path: Path, name: str, signer: Signer) -> Json:
    """Return what `model.sig` holds: the manifest of all files, signed."""
    digests = {file: digest(path / file) for file in _files(path)}
    # One digest for the subject of the statement: that of all files' digests in the order of their
    # names.
    whole = hashlib.sha256(b"".join(bytes.fromhex(d) for d in digests.values())).hexdigest()
    predicate: Json = {
        "serialization": {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": [SIGNATURE],
        },
        "resources": [
            {"name": file, "algorithm": "sha256", "digest": sha256}
            for file, sha256 in digests.items()
        ],
    }
    said = statement([{"name": name, "digest": {"sha256": whole}}], _PREDICATE, predicate)
    return {
        "mediaType": _MEDIA,
        "verificationMaterial": {"publicKey": {"hint": signer.public.id}, "tlogEntries": []},
        "dsseEnvelope": sealed(said, signer, keyid=False),
    }
