"""Steps from one schema of a directory to the next: what an older version wrote is brought up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ..exceptions import StoreError


class Facts(Protocol):
    """A ledger inside a transaction."""

    def set(self, name: str, value: str) -> None:
        """Write a fact."""


#: Schema that this version writes.
VERSION = 2


def _beside_the_model(ledger: Facts) -> None:
    """Schema 2 says what a store was told beside the model, what it recognises, and audits."""
    ledger.set("about", "{}")
    ledger.set("recognises", "yes")
    ledger.set("audit", "")


#: From a schema to the one after it.
STEPS: Mapping[int, Callable[[Facts], None]] = {1: _beside_the_model}


def migrate(ledger: Facts, schema: int) -> None:
    """Bring a ledger from an older schema to `VERSION`, inside one transaction.

    Raises
    ------
    StoreError
        If no step leads on from it.
    """
    # One step after the other, in one transaction: an interrupted one leaves the old schema.
    for version in range(schema, VERSION):
        if version not in STEPS:
            raise StoreError(
                f"schema {version} is older than any that this version of certunlearn can read: "
                "open the store with an older one first; nothing was changed"
            )
        STEPS[version](ledger)
    ledger.set("schema", str(VERSION))


def newer(schema: int) -> None:
    """Refuse what a newer version of this package has written.

    Raises
    ------
    StoreError
        If it has.
    """
    if schema > VERSION:
        raise StoreError(
            f"the store has schema {schema}, this version of certunlearn knows {VERSION}: upgrade "
            "certunlearn; nothing was changed"
        )
