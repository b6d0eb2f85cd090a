"""A scaler, and perhaps a full PCA, before the model: fit and requests against the whole pipeline.

CPU seconds in turns; scikit-learn fits its pipeline on the rows as they are, to the tolerance it
has by default and to 1e-8.  Start it with one thread of linear algebra, and none beside it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from certunlearn import CertifiedLogReg, forgetting

from . import data
from .report import Report, cpu, ratio, turns

STEPS = {"StandardScaler": (StandardScaler,), "StandardScaler, PCA": (StandardScaler, PCA)}


class Ours:
    """A pipeline that is fitted anew, and one that forgets and forgets."""

    def __init__(self, steps, X, y, requests):
        self.make = lambda: forgetting(
            make_pipeline(*(step() for step in steps), CertifiedLogReg())
        )
        self.X, self.y, self.requests = X, y, requests
        self.left = np.random.default_rng(0).permutation(len(X)).tolist()
        self.pipe = self.make().fit(X, y)
        self.tiers = []
        # The first requests refresh the Hessian where a fit ends with one of few rows.
        for _ in range(10):
            self.forget(1)

    def fit(self):
        """CPU seconds of a fit."""
        return cpu(lambda: self.make().fit(self.X, self.y))

    def forget(self, count):
        """CPU seconds of one request for so many rows."""
        gone, self.left = self.left[:count], self.left[count:]
        seconds = cpu(self.pipe.forget, rows=gone)
        self.tiers.append(self.pipe.certificate_.tier)
        return seconds

    def one(self):
        """Median CPU seconds of a request for one row, of several."""
        return float(np.median([self.forget(1) for _ in range(self.requests)]))


def compared(name, steps, X, y, repeats, requests):
    """One row of the table."""
    ours, many = Ours(steps, X, y, requests), max(2, len(X) // 100)

    def theirs(**params):
        pipe = make_pipeline(*(step() for step in steps), LogisticRegression(**params))
        return cpu(pipe.fit, X, y)

    spent = turns(
        {
            "theirs": theirs,
            "to 1e-8": partial(theirs, tol=1e-8, max_iter=2000),
            "fit": ours.fit,
            "one row": ours.one,
            "1%": partial(ours.forget, many),
        },
        repeats,
    )
    single = ours.tiers[10:]
    return {
        "steps": name,
        "rows": len(X),
        "features": X.shape[1],
        "CPU seconds of scikit-learn's fit": float(np.median(spent["theirs"])),
        "to 1e-8": float(np.median(spent["to 1e-8"])),
        "our fit over theirs": ratio(spent["fit"], spent["theirs"]),
        "over theirs to 1e-8": ratio(spent["fit"], spent["to 1e-8"]),
        "theirs over one row": ratio(spent["theirs"], spent["one row"]),
        "theirs to 1e-8 over one row": ratio(spent["to 1e-8"], spent["one row"]),
        "theirs over 1%": ratio(spent["theirs"], spent["1%"]),
        "theirs to 1e-8 over 1%": ratio(spent["to 1e-8"], spent["1%"]),
        "requests without a pass": f"{single.count('downdate')} of {len(single)}",
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("scaled", out, small=small)
    X, y = data.synthetic(*((2_000, 5) if small else (200_000, 50)))
    rng = np.random.default_rng(1)
    X = X * np.exp(rng.normal(size=X.shape[1])) + 3 * rng.normal(size=X.shape[1])
    repeats, requests = (2, 3) if small else (7, 9)
    rows = [compared(name, steps, X, y, repeats, requests) for name, steps in STEPS.items()]
    report.table("fit and requests of a pipeline, in turns", rows)
    report.save()
