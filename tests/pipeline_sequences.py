"""Random requests to pipelines against scikit-learn: ``python -m tests.pipeline_sequences 100``.

Every sequence draws its steps, mechanism, view, classes and weights; after every request each step
must be scikit-learn's fit on the rows as they are then, and the secret iterate as near to the
optimum there as certified.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from certunlearn.exceptions import ClassForgottenWarning
from certunlearn.pipeline import _kinds

from .pipeline.test_pipeline import N, columns, frame, numbers, own, piped, rows, same_state, sound

#: What precedes the model; every other time nothing else, so that some requests move no step.
STEPS = (
    (StandardScaler(), PCA()),
    (MinMaxScaler(),),
    (SelectKBest(k=3), StandardScaler()),
    (MinMaxScaler(), PCA()),
    (RobustScaler(),),
    (
        KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
        StandardScaler(),
    ),
    (LinearDiscriminantAnalysis(n_components=1), StandardScaler()),
)
VERBS = ("forget", "learn", "correct", "relabel", "both")


class Truth:
    """The training set as the requests leave it, rows in the order of their positions."""

    def __init__(self, X, y, weight=None):
        self.X, self.y = X, np.array(y)
        self.weight = np.ones(len(y)) if weight is None else np.array(weight)
        self.alive = self.weight > 0

    @property
    def at(self):
        return np.flatnonzero(self.alive)

    def learn(self, X, y, weight=None):
        weight = np.ones(len(y)) if weight is None else np.array(weight)
        self.X = _kinds.joined(self.X, X)
        self.y, self.weight = np.append(self.y, y), np.append(self.weight, weight)
        self.alive = np.append(self.alive, weight > 0)

    def correct(self, at, X=None, y=None):
        if X is not None:
            n = len(self.y)
            order = np.arange(n)
            order[at] = n + np.arange(len(at))
            self.X = rows(_kinds.joined(self.X, X), order)
        if y is not None:
            self.y[at] = y

    def check(self, pipe):
        """Steps are scikit-learn's fits on these rows; the head is as near as it says."""
        kept = pipe._kept
        kept = kept if kept.framed is None else kept.recountable(pipe.head._fitted)
        assert kept.at.tolist() == self.at.tolist()
        X = rows(self.X, self.at)
        for _, step in pipe.steps[:-1]:
            peer = own(step)
            X = peer.fit_transform(X, self.y[self.at])
            same_state(step, peer)
        sound(pipe, self.X, self.y, self.at, self.weight)
        assert pipe.certificate_.check(1.0, 1e-6, allow_seeded=True)


def run(number, requests=8):
    """Tiers of the requests of one sequence, each of which was checked."""
    rng = np.random.default_rng(number)
    data, steps = (numbers, STEPS[number % len(STEPS)]) if number % 5 else (frame, (columns(),))
    (X, _), (spare, _) = data(number), data(number + 1000)
    classes, tiers = int(rng.integers(2, 4)) if requests > 4 else 2, Counter()
    y, codes = (rng.integers(0, classes, size=N) for _ in "ab")
    weight = rng.uniform(0.5, 2, size=N) if number % 2 else np.ones(N)
    weight[rng.choice(N, size=int(rng.integers(0, 5)), replace=False)] = 0
    pipe = piped(
        *steps,
        mechanism=str(rng.choice(["gram", "isotropic", "objective"])),
        view=str(rng.choice(["release", "transcript"])),
        class_weight=rng.choice([None, "balanced"]),
    ).fit(X, y, sample_weight=weight)
    truth = Truth(X, y, weight)
    for _ in range(requests):
        verb, m = rng.choice(VERBS), int(rng.integers(1, 6))
        at = rng.choice(truth.at, size=m, replace=False)
        new = rng.choice(N, size=m, replace=False)
        if verb == "forget":
            pipe.forget(rows=at)
            truth.alive[at] = False
        elif verb == "learn":
            more = rng.uniform(0.5, 2, size=m)
            pipe.learn(rows(spare, new), codes[new], sample_weight=more)
            truth.learn(rows(spare, new), codes[new], more)
        else:
            changed = rows(spare, new) if verb != "relabel" else None
            labelled = codes[new] if verb != "correct" else None
            pipe.correct(rows=at, X=changed, y=labelled)
            truth.correct(at, changed, labelled)
        truth.check(pipe)
        tiers[pipe.certificate_.tier] += 1
    return tiers


def main():
    tiers, count = Counter(), int(sys.argv[1])
    warnings.simplefilter("ignore", ClassForgottenWarning)
    for number in range(count):
        tiers += run(number)
    print(f"{count} sequences, {sum(tiers.values())} requests, each as certified: {dict(tiers)}")


if __name__ == "__main__":
    main()
