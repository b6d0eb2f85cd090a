"""A signed receipt: certificate, request and weights in one statement, with its log entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .._common.fields import typed
from ..claims.certificate import Certificate
from ..exceptions import StoreError, VerificationError
from ..operations.receipt import Receipt
from ..requests.deadline import time_of
from . import note
from .envelope import sealed, statement, unchecked
from .keys import Signer
from .ledger import Ledger
from .log import Json

#: Names the meaning of the fields below; it is a name, and leads nowhere.
PREDICATE = "https://certunlearn.invalid/removal/v1"


def signed_receipt(
    ledger: Ledger,
    reference: str,
    key: Signer | str | Path | None = None,
    *,
    since: str | None = None,
    timestamp: Callable[[bytes], bytes] | None = None,
) -> Json:
    """Return the receipt of a request that was carried out, in a signed envelope.

    Parameters
    ----------
    ledger : Ledger
        Open.
    reference : str
        Of the request.
    key : Signer, str or Path, optional
        What signs: `Signer.of`.
    since : str, optional
        An older head of the log, as a note: the receipt then proves that nothing before it has been
        changed since.
    timestamp : callable, optional
        Takes the signature and returns a token for it (RFC 3161), which is put beside it.

    Returns
    -------
    dict
        A DSSE envelope of an in-toto statement, as JSON takes it.  It names the request and the
        number of its rows, and no row.

    Raises
    ------
    StoreError
        If the request has not been carried out, or there is no key.
    UnknownRowError
        If there is none of this reference.
    """
    case = ledger.cases[reference]
    if case.generation is None or case.entry is None:
        raise StoreError(
            f"request {reference!r} is {case.state}: there is a receipt for what has been done"
        )
    signer = Signer.of(key)
    made, entry = ledger.at(case.generation), ledger.log.entry(case.entry)
    head, origin = ledger.log.head(), ledger.fact("origin")
    log: Json = {
        "index": entry.n,
        "size": head.size,
        "path": [h.hex() for h in ledger.log.inclusion(entry.n, head.size)],
        "head": note.written(origin, head, signer),
    }
    if since is not None:
        _, old = note.read(since)
        path = [h.hex() for h in ledger.log.consistency(old.size, head.size)]
        log["since"] = {"size": old.size, "path": path}
    # The release right before is superseded whether or not it was handed out.
    before = [ledger.at(made.n - 1).weights] if made.n else []
    # Copies of earlier states: they may hold the rows, and are called back by their weights.
    handed_out = [export for export in ledger.exports if export.generation < made.n]
    predicate: Json = {
        "certificate": json.loads(made.certificate),
        "request": json.loads(entry.private),
        "entry": {"data": entry.data.decode(), "salt": entry.salt.hex()},
        "log": log,
        "derived_from": before,
        "supersedes": sorted({export.digest for export in handed_out} | set(before)),
        # Who has them is not the reader's business.
        "exports_outstanding": [
            {"id": export.n, "sha256": export.digest, "made": export.made.isoformat()}
            for export in handed_out
            if export.withdrawn is None
        ],
    }
    subject: Json = {"name": origin, "digest": {"sha256": made.weights}}
    return sealed(statement([subject], PREDICATE, predicate), signer, timestamp=timestamp)


def stated(envelope: object) -> Receipt:
    """Return what a signed receipt states, whoever has signed it; `verify_receipt` checks it.

    Positions of rows are not in it: one stands for all.

    Raises
    ------
    ValueError
        If it is no signed receipt of a removal.
    """
    try:
        said = unchecked(envelope)
        if said.get("predicateType") != PREDICATE:
            raise ValueError(f"a statement of type {said.get('predicateType')!r}")
        asked, certificate = said["predicate"]["request"], said["predicate"]["certificate"]
        due, some = asked["due"], typed("rows", asked["rows"], int, "receipt") > 0
        return Receipt(
            typed("reference", asked["reference"], str, "receipt"),
            time_of("received", asked["received"], "receipt"),
            None if due is None else time_of("due", due, "receipt"),
            time_of("done", asked["done"], "receipt"),
            (0,) if some else (),
            # Another request took its rows while it waited.
            () if some else (0,),
            Certificate.from_json(json.dumps(certificate)),
        )
    except (KeyError, TypeError, ValueError, VerificationError) as error:
        raise ValueError(f"not a signed receipt of a removal: {error}") from error
