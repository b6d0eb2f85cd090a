"""Tables; and what a user who lacks the extra need not collect."""

import os

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tests.store.conftest import LACKING, keys  # noqa: F401

collect_ignore_glob = ["test_*.py"] if LACKING and not os.environ.get("CI") else []


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """A folder with people.csv and more.csv."""
    pandas = pytest.importorskip("pandas")
    X, y = load_breast_cancer(return_X_y=True)
    frame = pandas.DataFrame(X[:, :6], columns=[f"f{i}" for i in range(6)])
    frame["ill"] = y
    frame["person"] = [f"p{i:03}" for i in range(len(frame))]
    frame["ward"] = np.arange(len(frame)) // 5
    folder = tmp_path_factory.mktemp("tables")
    frame[:500].to_csv(folder / "people.csv", index=False)
    frame[500:].to_csv(folder / "more.csv", index=False)
    return folder
