"""Keys; and what a user who lacks the extra need not collect."""

import importlib.util
import os

import pytest

NEEDED = "cryptography", "safetensors", "securesystemslib", "in_toto_attestation", "model_signing"
LACKING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
# In CI they are installed, or collecting fails for want of them.
collect_ignore_glob = ["test_*.py"] if LACKING and not os.environ.get("CI") else []


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Paths of private keys; the public ones end in .pub."""
    from certunlearn.store.keys import KINDS, new_key

    folder = tmp_path_factory.mktemp("keys")
    for name, kind in [(k, k) for k in KINDS] + [("other", KINDS[0])]:
        new_key(folder / name, kind)
    return folder
