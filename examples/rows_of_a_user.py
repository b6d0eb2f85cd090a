"""Everything of one user
======================

Everything one user contributed, looked at first, forgotten with its copies, and filed.

Run: ``python examples/rows_of_a_user.py [folder]`` after ``pip install 'certunlearn[plot]'``;
the page that is filed goes beside the picture.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from certunlearn import CertificateDisplay, CertifiedLogReg, InfluenceDisplay, certificate_report

# Scanned digits, even or odd.  Who wrote them is not known: sixty in a row stand for a user.
X, digit = load_digits(return_X_y=True)
X, users = X / 16, np.array([f"user-{i // 60:02d}" for i in range(len(X))])

# Ten of one user's scans also came in by another way, with a little noise of their own.
user = "user-07"
copied = np.flatnonzero(users == user)[:10]
rng = np.random.default_rng(0)
again = X[copied] + 0.01 * X.std(axis=0) * rng.normal(size=(10, X.shape[1]))
X, digit = np.vstack([X, again]), np.append(digit, digit[copied])
users = np.append(users, np.repeat("import-2019", 10))
y = digit % 2
names = [f"scan {i}" for i in range(len(X))]

model = CertifiedLogReg(epsilon=1.0, delta=1e-6).fit(X, y, row_ids=names, groups=users)

# Before: what hangs on these rows, what the removal would cost, and what would stay behind.
preview = model.preview(groups=user)
print(preview)
figure = Figure(figsize=(13, 5), layout="constrained")
left, right = figure.subplots(1, 2)
picture = InfluenceDisplay.from_estimator(model, groups=user, ax=left)

assert len(preview.rows) == 60
assert preview.neighbours.rows.tolist() == list(range(1797, 1807))
heaviest = int(np.argmax(preview.each.influence))
assert picture.names[heaviest] in {text.get_text() for text in left.texts}

# The user's rows and their copies go: one request, one release, one certificate.
model.forget(groups=user, expand="near")
certificate = model.certificate_
print(f"\n{certificate}")
CertificateDisplay.from_estimator(model, ax=right)
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
path = folder / "rows_of_a_user.png"
figure.savefig(path, dpi=120)

assert model.n_retained_ == len(X) - 70 and certificate.look_alikes == 0
assert certificate.check(epsilon=1.0, delta=1e-6)

# Against the retraining it stands for: nothing is left but the noise that was asked for.
kept = (users != user) & (users != "import-2019")
retrained = LogisticRegression(tol=1e-10, max_iter=10_000).fit(X[kept], y[kept])
released = model.export_predictor()
off = np.abs(released.coef_ - retrained.coef_).max()
largest = certificate.coefficient_deviation[2]
agree = np.mean(released.predict(X[kept]) == retrained.predict(X[kept]))
print(f"\nlargest difference to retraining {off:.3f}, largest standard deviation {largest:.3f}")
print(f"predictions that agree with retraining: {agree:.1%}")
assert off < 6 * largest and agree > 0.98

# What is filed with the request names no row and none of the figures that depend on them.
page = certificate_report(certificate, request=f"all rows of {user}", who="data office")
path.with_suffix(".html").write_text(page, encoding="utf-8")
print("picture:", path, "and page:", path.with_suffix(".html"))
assert "What is not covered" in page and "scan " not in page
assert certificate.public().look_alikes is None
