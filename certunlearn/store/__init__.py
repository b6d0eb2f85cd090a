"""Models that outlive the process: a ledger of requests, receipts that others can check, bundles.

What signs and what is exported needs ``pip install certunlearn[store]``.
"""

from .answers import Answer
from .bundle import load_predictor, verify_bundle, write_bundle
from .cases import Case
from .exports import Export
from .keys import Signer, Verifier, new_key
from .ledger import Generation, Ledger
from .model_store import ModelStore
from .receipts import signed_receipt
from .verify import Verified, verify_receipt

__all__ = [
    "Answer",
    "Case",
    "Export",
    "Generation",
    "Ledger",
    "ModelStore",
    "Signer",
    "Verified",
    "Verifier",
    "load_predictor",
    "new_key",
    "signed_receipt",
    "verify_bundle",
    "verify_receipt",
    "write_bundle",
]
