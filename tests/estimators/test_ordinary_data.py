"""The matrix of ordinary data: every verb, estimator, kind of labels and container of features.

All containers hold the same 64 rows, so whatever the kind, the release must be that of the plain
arrays, to the bit.  What cannot work raises a typed error; `refusal` is the list of what that is.
The ordinary suite runs a part in which every two values that can meet do; ``long`` runs all.
"""

import itertools
from functools import cache, partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from certunlearn import (
    CertifiedElasticNet,
    CertifiedGammaRegressor,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
    ForgetQueue,
    forgetting,
)
from certunlearn.exceptions import AssumptionError

N = 64
RNG = np.random.default_rng(0)
#: Quarters, whole numbers, zeros and ones: what every dtype below holds exactly.
X = np.c_[RNG.integers(-9, 9, N) / 4, RNG.integers(-5, 5, N), RNG.integers(0, 2, N)].astype(float)
CODE = np.arange(N) % 2
WORDS = np.array(["no", "yes"])[CODE]


def piped(head):
    # Without centring, which no sparse rows have.
    return forgetting(make_pipeline(StandardScaler(with_mean=False), head))


ESTIMATORS = {
    "LogReg": lambda: CertifiedLogReg(random_state=0),
    "LinearSVC": lambda: CertifiedLinearSVC(random_state=0),
    "RidgeClassifier": lambda: CertifiedRidgeClassifier(random_state=0),
    "Ridge": lambda: CertifiedRidge(random_state=0),
    "Poisson": lambda: CertifiedPoissonRegressor(random_state=0),
    "Gamma": lambda: CertifiedGammaRegressor(random_state=0),
    "ElasticNet": lambda: CertifiedElasticNet(alpha=0.1, random_state=0),
    "Huber": lambda: CertifiedHuberRegressor(random_state=0),
    "MinNorm": lambda: CertifiedMinNorm(random_state=0, noise=100.0),
    "pipe LogReg": lambda: piped(CertifiedLogReg(random_state=0)),
    "pipe Ridge": lambda: piped(CertifiedRidge(random_state=0)),
}
CLASSIFIERS = {"LogReg", "LinearSVC", "RidgeClassifier", "pipe LogReg"}
SEVERAL_TARGETS = {"Ridge", "ElasticNet", "MinNorm", "pipe Ridge"}
DENSE_ONLY = {"ElasticNet", "MinNorm"}


def columns(a, b, c):
    return {"a": a, "b": b, "c": c}


def strided():
    out = np.zeros((2 * N, 2 * X.shape[1]))
    out[::2, ::2] = X
    return out[::2, ::2]


def read_only():
    out = X.copy()
    out.setflags(write=False)
    return out


CONTAINERS = {
    "C": X.copy,
    "F": lambda: np.asfortranarray(X),
    "strided": strided,
    "read-only": read_only,
    "float32": lambda: X.astype(np.float32),
    "list": X.tolist,
    "frame": lambda: pd.DataFrame(
        columns(X[:, 0], X[:, 1].astype(np.float32), X[:, 2].astype(bool))
    ),
    "nullable": lambda: pd.DataFrame(
        columns(
            pd.array(X[:, 0], dtype="Float64"),
            pd.array(X[:, 1].astype(int), dtype="Int64"),
            pd.array(X[:, 2] > 0, dtype="boolean"),
        )
    ),
    "polars": lambda: pl.DataFrame(columns(X[:, 0], X[:, 1].astype(np.int32), X[:, 2] > 0)),
    "csr_array": lambda: sp.csr_array(X),
    "csr_matrix": lambda: sp.csr_matrix(X),
}
SPARSE = {"csr_array", "csr_matrix"}
LABELS = {
    "int": lambda: CODE + 1,
    "bool": lambda: CODE > 0,
    "str": WORDS.copy,
    "object": lambda: WORDS.astype(object),
    "list": WORDS.tolist,
    "category": lambda: pd.Series(pd.Categorical(WORDS, ["yes", "no", "never"])),
    "string": lambda: pd.Series(WORDS, dtype="string"),
    "Int64": lambda: pd.Series(CODE + 1, dtype="Int64"),
    "boolean": lambda: pd.Series(CODE > 0, dtype="boolean"),
    "polars str": lambda: pl.Series(WORDS),
    "float class": lambda: CODE + 1.0,
    "float": lambda: 0.75 * (CODE + 1) + np.arange(N) % 3,
    "float32": lambda: (0.75 * (CODE + 1) + np.arange(N) % 3).astype(np.float32),
    "polars float": lambda: pl.Series(0.75 * (CODE + 1) + np.arange(N) % 3),
    "indicator": lambda: np.c_[CODE, 1 - CODE],
}
TEXTS = {"str", "object", "list", "category", "string", "polars str"}
FLOATS = {"float", "float32", "polars float"}


def part(values, at):
    """Some of the rows or labels, in the same container."""
    if isinstance(values, list):
        return [values[i] for i in at]
    return values.iloc[at] if hasattr(values, "iloc") else values[at]


def queued(m, X, y):
    queue = ForgetQueue(m)
    queue.add([10, 11], reference="case 1")
    assert [r.rows for r in queue.run()] == [(10, 11)]


VERBS = {
    "predict": lambda m, X, y: m.predict(X),
    "score": lambda m, X, y: m.score(X, y),
    "forget": lambda m, X, y: m.forget([3, 4]).forget([5]),
    "preview": lambda m, X, y: m.preview([14, 15]),
    "neighbours": lambda m, X, y: m.neighbours([16]),
    "learn": lambda m, X, y: m.learn(part(X, [0, 1, 2]), part(y, [0, 1, 2])),
    "correct features": lambda m, X, y: m.correct([6], X=part(X, [7])),
    "correct labels": lambda m, X, y: m.correct([8], y=part(y, [9])),
    "release": lambda m, X, y: m.release(),
    "export": lambda m, X, y: m.export_predictor().predict(X),
    "queue": queued,
}
FACTORS = ESTIMATORS, LABELS, CONTAINERS, VERBS


def refusal(estimator, labels, container, verb):
    """Which error a verb, or `fit`, raises, and what that says; None if it works."""
    if verb != "fit":
        if estimator == "MinNorm" and verb in ("preview", "neighbours"):
            return AssumptionError, "not offered for least squares of minimum norm"
        return None
    if container in SPARSE and estimator in DENSE_ONLY:
        return TypeError, "dense data is required"
    if labels == "indicator" and estimator not in SEVERAL_TARGETS:
        # Softmax gives a row one label, and says what gives it several.
        return ValueError, 'multi_class="ovr"' if "LogReg" in estimator else "1d array"
    if estimator in CLASSIFIERS and labels in FLOATS:
        return ValueError, "continuous"
    if estimator not in CLASSIFIERS and labels in TEXTS:
        return ValueError, "could not convert string to float"
    if estimator == "Gamma" and labels in ("bool", "boolean"):
        return ValueError, "takes positive y"
    return None


@cache
def plain(estimator, numbers, width, verbs):
    """What plain arrays of float64, and of codes or numbers, come to."""
    y = np.array(numbers).reshape((-1, width) if width else -1)
    model = ESTIMATORS[estimator]().fit(X, y)
    for verb in verbs:
        VERBS[verb](model, X, y)
    return head(model)


def head(model):
    return getattr(model, "head", model)


def check(estimator, labels, container, verbs):
    """Carry verbs out one after the other, and compare what they come to."""
    given, y = CONTAINERS[container](), LABELS[labels]()
    model, done = ESTIMATORS[estimator](), []
    for verb in ("fit", *verbs):
        refused = refusal(estimator, labels, container, verb)
        act = model.fit if verb == "fit" else partial(VERBS[verb], model)
        if refused is None:
            act(given, y)
            done.append(verb)
            continue
        with pytest.raises(refused[0], match=refused[1]):
            act(given, y)
        if verb == "fit":
            return
    numbers = CODE if estimator in CLASSIFIERS else np.asarray(y, dtype=float)
    width = 0 if numbers.ndim == 1 else numbers.shape[1]
    wanted = plain(estimator, tuple(numbers.ravel().tolist()), width, tuple(done[1:]))
    found, pipe = head(model), estimator.startswith("pipe")
    assert found.n_retained_ == wanted.n_retained_
    assert found.certificate_.kind == wanted.certificate_.kind == "gaussian"
    if container in SPARSE and not pipe:
        # Another solver: both are close to the one optimum.
        np.testing.assert_allclose(
            found._fitted.model.W, wanted._fitted.model.W, rtol=0.02, atol=0.02
        )
    elif container == "float32" and pipe:
        # So is the scaler's result.
        np.testing.assert_allclose(found.coef_, wanted.coef_, rtol=1e-5, atol=1e-7)
    elif pipe:
        # Steps made of exact sums and steps that are recounted meet near one optimum.
        np.testing.assert_allclose(found.coef_, wanted.coef_, rtol=1e-4, atol=1e-6)
    else:
        np.testing.assert_array_equal(found.coef_, wanted.coef_)
    if estimator in CLASSIFIERS:
        assert found.classes_.tolist() == np.unique(np.asarray(y)).tolist()
        assert set(model.predict(given)) <= set(found.classes_)


@cache
def pairwise():
    """Few combinations: two values of two factors that can meet do, in one that works."""
    rng = np.random.default_rng(1)
    every = list(itertools.product(*FACTORS))
    works = [c for c in every if refusal(*c[:3], "fit") is refusal(*c) is None]
    pairs = {p for c in works for p in itertools.combinations(enumerate(c), 2)}
    known, out, left = set(works), [], sorted(pairs)
    covered = set()
    for pair in left:
        if pair in covered:
            continue
        best = set()
        for _ in range(40):
            combination = [list(f)[rng.integers(len(f))] for f in FACTORS]
            for at, value in pair:
                combination[at] = value
            new = set(itertools.combinations(enumerate(combination), 2)) - covered
            if tuple(combination) in known and len(new) > len(best):
                best, chosen = new, tuple(combination)
        covered |= best
        out.append(chosen)
    # And one for every two values that refuse each other.
    seen = set()
    for c in every:
        refused = {p for p in itertools.combinations(enumerate(c), 2)} - pairs - seen
        if refused:
            seen |= refused
            out.append(c)
    return out


def test_the_part_covers_every_two_values():
    for (i, a), (j, b) in itertools.combinations(enumerate(FACTORS), 2):
        met = {(c[i], c[j]) for c in pairwise()}
        assert met == set(itertools.product(a, b))


@pytest.mark.parametrize("combination", pairwise(), ids="/".join)
def test_ordinary_data(combination):
    *kinds, verb = combination
    check(*kinds, (verb,))


@pytest.mark.long
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_all_ordinary_data(estimator, labels):
    for container in CONTAINERS:
        try:
            check(estimator, labels, container, tuple(VERBS))
        except BaseException as error:
            error.add_note(f"{estimator}, {labels}, {container}")
            raise
