"""Auditing a removal
==================

Thirty patients are forgotten, and everything is tried to show that they are not: is there as much
noise as the certificate says, can a patient be told from one that never was there, and is the model
one that retraining could have given?  The same attacks on a model that forgot nothing find it out.

Run: ``python examples/audit_a_removal.py [folder]`` after ``pip install 'certunlearn[plot]'``.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from certunlearn import AuditDisplay, CertifiedLogReg, audit

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)[:, :10]
n, rows = 300, np.arange(30)
train, test = (X[:n], y[:n]), (X[n:], y[n:])
kept, gone = (X[30:n], y[30:n]), (X[rows], y[rows])


def forgets(there, which):
    """Train on some rows and forget others: what is to be audited."""
    model = CertifiedLogReg(C=0.1).fit(*train, there.astype(float))
    return model.forget(which, confirm=True) if len(which) else model


def keeps(there, which):
    """Train on the same rows and forget nothing."""
    return CertifiedLogReg(C=0.1).fit(*train, there.astype(float))


def shadow(masks):
    """Heads trained all at once: the attacker's picture of a row that is still there."""
    D = np.c_[train[0], np.ones(n)]
    margins = audit.logistic_heads(D, train[1], masks, 10.0) @ D[rows].T
    return margins * (2 * train[1][rows] - 1)


def audited(unlearn):
    """All audits of one way to forget, on one page."""
    everything = np.ones(n, dtype=bool)
    model = unlearn(everything, rows)
    law = audit.Law.claimed(model.certificate_.to_json(), kept[0], kappa="logistic", alpha=10.0)
    exact = audit.weights(CertifiedLogReg(C=0.1, noise=0).fit(*kept))
    reference = law.draw(exact, 400, np.random.default_rng())
    released = [audit.weights(model.release()) for _ in range(400)]
    findings = [
        audit.release_law(released, exact, law, level=0.001),
        audit.effective_epsilon(released, reference, delta=1e-6, claimed=1.0),
        audit.lira_forget(unlearn, *train, rows, shadow=shadow, shadows=500, victims=140),
    ]
    more = {"retained": kept, "forgotten": gone, "findings": findings}
    return audit.evaluate(model, *test, test[0][:, 0] > 0, **more)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = {}
    for name, unlearn in (("forgotten", forgets), ("kept", keeps)):
        found = verdicts[name] = audited(unlearn)
        print(f"{name}: {found.verdict}\n")
    print(*verdicts["forgotten"].findings, sep="\n\n")
    path = folder / "audit.png"
    AuditDisplay.from_evaluation(verdicts["kept"]).figure_.savefig(path, dpi=80)
    print(f"\nthe model that kept them: {path}")
    # Chance fails an honest removal once in a while, and never saves one that did nothing.
    assert not verdicts["kept"].passed
