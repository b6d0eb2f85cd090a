"""Pipelines that forget
=====================

Forget through a scaler and a vocabulary, and see what they tell where nobody makes them forget.

The rows describe functions of SciPy: the first paragraph of their documentation, and how long and
how wide they are.  Somebody who knows all rows but one looks at the steps in front of the model.

Run: ``python examples/pipeline.py [folder]`` after ``pip install 'certunlearn[plot]' pandas``
"""

import importlib
import inspect
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from certunlearn import CertifiedLogReg, forgetting

NUMBERS = ["lines", "longest"]


def described(name):
    """A line for everything public in a module of SciPy."""
    module = importlib.import_module(f"scipy.{name}")
    for key in module.__all__:
        text = inspect.getdoc(vars(module).get(key)) if callable(vars(module).get(key)) else None
        if text:
            lines = text.splitlines()
            first = " ".join(text.split("\n\n")[0].split())
            yield f"{name}.{key}", first, len(lines), max(map(len, lines)), name == "interpolate"


rows = [row for name in ("interpolate", "integrate", "fft") for row in described(name)]
data = pd.DataFrame(rows, columns=["function", "text", *NUMBERS, "y"]).set_index("function")
X, y = data[["text", *NUMBERS]], data["y"].to_numpy()

steps = ColumnTransformer(
    [("numbers", StandardScaler(), NUMBERS), ("words", TfidfVectorizer(), "text")]
)
plain = Pipeline([("columns", steps), ("model", CertifiedLogReg())])
pipe = forgetting(plain).fit(X, y)
first = pipe["columns"]


def seen(columns, n):
    """What the steps show: the sums behind the scaler's means, and the vocabulary."""
    scaler, words = columns.named_transformers_["numbers"], columns.named_transformers_["words"]
    return scaler.mean_ * n, set(words.vocabulary_)


# Six functions are withdrawn, those with most words that no other text has.
analysed = X["text"].map(TfidfVectorizer().build_analyzer()).map(set)
counts = analysed.explode().value_counts()
rare = analysed.map(lambda own: sum(counts[word] == 1 for word in own))
withdrawn = rare.sort_values(kind="stable").index[-6:]
truth = X.loc[withdrawn, NUMBERS].to_numpy(dtype=float)


def told(columns, known, rest):
    """What steps fitted on ``known`` rows tell somebody who has the ``rest`` of them."""
    sums, words = seen(columns, len(known))
    own_sums, own_words = seen(clone(steps).fit(rest), len(rest))
    return sums - own_sums, words ^ own_words


# Steps that are left as they were give each row away to whoever knows the others ...
read = [told(first, X, X.drop(index=function)) for function in withdrawn]
numbers, words = np.array([sums for sums, _ in read]), [sorted(own) for _, own in read]
# ... and here they are recounted: what they tell is what the others told already.
pipe.forget(row_ids=withdrawn)
rest = X.drop(index=withdrawn)
left, left_words = told(pipe["columns"], rest, rest)

print(pipe.certificate_)
print("\nread off steps that were left as they were:")
for function, (lines, longest), own in zip(withdrawn, numbers.round(6), words, strict=True):
    print(f"  {function}: lines {lines:g}, longest {longest:g}, {own}")
print(f"read off those of ForgettingPipeline: {np.abs(left).max():g}, and {len(left_words)} words")

np.testing.assert_allclose(numbers, truth, rtol=1e-7)
assert all(words) and np.abs(left).max() < 1e-8 and not left_words
assert pipe.certificate_.check(epsilon=1.0, delta=1e-6)
assert pipe.n_retained_ == len(rest) and first is not pipe["columns"]

BLUE, ORANGE = "#0072B2", "#D55E00"
figure = Figure(figsize=(9, 4.2), layout="constrained")
axes, texts = figure.subplots(1, 2, width_ratios=[1, 1.25])
axes.axline((0, 0), slope=1, color="0.8", linewidth=1)
axes.scatter(truth, numbers, color=ORANGE, label="steps left as they were")
axes.scatter(truth, 0 * truth + left, color=BLUE, label="ForgettingPipeline")
axes.set_xlabel("numbers of the rows that were withdrawn")
axes.set_ylabel("read off the scaler")
axes.legend(loc="upper left", frameon=False)
texts.axis("off")
texts.set_title("Read off the vocabulary left as it was", loc="left", fontsize=10)
for i, (function, some) in enumerate(zip(withdrawn, words, strict=True)):
    texts.text(0, 0.9 - i / 6, function, fontsize=8, weight="bold", transform=texts.transAxes)
    shown = ", ".join(some)[:75]
    texts.text(0, 0.84 - i / 6, shown, fontsize=8, color=ORANGE, transform=texts.transAxes)
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
path = folder / "pipeline.png"
figure.savefig(path, dpi=120)
print("picture:", path)
