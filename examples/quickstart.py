"""Quick start
===========

Fit on real data, forget some people, and read the certificate.

Run: ``python examples/quickstart.py``
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from certunlearn import CertifiedLogReg

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

model = CertifiedLogReg(epsilon=1.0, delta=1e-6).fit(X_train, y_train)
before = model.score(X_test, y_test)

# The rows kept their labels through the split, so people are named by label, not by position.
people = X_train.index[[3, 141, 59]]
model.forget(people)
after = model.score(X_test, y_test)

print(model.certificate_)
print(f"\naccuracy before {before:.3f}, after {after:.3f}; rows kept {model.n_retained_}")

# What leaves the building: weights alone, and the public half of the certificate.
predictor = model.export_predictor()
statement = model.certificate_.public().to_json()

assert model.certificate_.check(epsilon=1.0, delta=1e-6)
assert model.n_retained_ == len(X_train) - 3
assert np.array_equal(predictor.predict(X_test), model.predict(X_test))
assert '"distance": null' in statement
assert after > 0.9
