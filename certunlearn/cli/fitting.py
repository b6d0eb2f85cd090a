"""``certunlearn fit``: from a table to a model in a directory."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .tables import Given, read

if TYPE_CHECKING:
    from .._common.plain import Json
    from ..claims.certificate import Certificate
    from ..estimators.base.verbs import UnlearningEstimator
    from ..store.codec import Model
    from ..store.status import Status

#: Names on the command line, and where the class is.
ESTIMATORS = {
    "logistic": ("logistic", "CertifiedLogReg"),
    "ridge": ("ridge", "CertifiedRidge"),
    "ridge-classifier": ("ridge", "CertifiedRidgeClassifier"),
    "elastic-net": ("elastic", "CertifiedElasticNet"),
    "huber": ("huber", "CertifiedHuberRegressor"),
    "svc": ("svm", "CertifiedLinearSVC"),
    "poisson": ("glm", "CertifiedPoissonRegressor"),
    "gamma": ("glm", "CertifiedGammaRegressor"),
    "min-norm": ("min_norm", "CertifiedMinNorm"),
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to a parser."""
    fit = commands.add_parser("fit", help="fit a model on a table and keep it in a directory")
    fit.add_argument("data", type=Path, help="table: .csv, .parquet or .npz with X and y")
    fit.add_argument("--target", help="column to predict")
    fit.add_argument("--ids", help="column that names the rows")
    fit.add_argument("--groups", help="column that says whom a row belongs to")
    fit.add_argument(
        "--metadata", action="append", metavar="COL", help="column for --where, not a feature"
    )
    fit.add_argument("--estimator", choices=ESTIMATORS, default="logistic")
    fit.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="parameter, as C=0.1"
    )
    fit.add_argument(
        "--pipeline",
        choices=["scaler", "one-hot"],
        help="a step that forgets with the model: numbers are scaled; one-hot takes texts as well",
    )
    fit.add_argument("--store", type=Path, required=True, metavar="DIR", help="not there yet")
    fit.add_argument(
        "--unrecognised",
        action="store_true",
        help="keep nothing by which a forgotten identifier could be recognised",
    )
    fit.add_argument(
        "--audit-rate",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="solve exactly for so many of the releases, and say in the status what was found",
    )
    fit.add_argument("--origin", help="name of the log, as example.org/churn")
    return fit


def run(given: argparse.Namespace) -> tuple[Status, str]:
    """Fit and keep; the answer is the status."""
    from ..store import ModelStore

    if given.store.exists():
        raise ValueError(f"{given.store} is there already: choose another --store")
    columns = {name: getattr(given, name) for name in ("target", "ids", "groups", "metadata")}
    table = read(given.data, columns, texts=given.pipeline == "one-hot")
    columns["texts"] = table.texts
    if table.y is None:
        raise ValueError("say with --target which column is to be predicted")
    model = estimator(given.estimator, dict(map(parameter, given.set)))
    if given.pipeline is not None:
        model = behind_steps(model, table)
    model.fit(table.X, table.y, **table.named)
    about: dict[str, object] = {"columns": columns}
    with ModelStore.create(
        given.store,
        model,
        origin=given.origin,
        about=about,
        recognise=not given.unrecognised,
        audit_rate=given.audit_rate,
    ) as store:
        c = store.certificate
        text = f"{given.store}: {type(model).__name__} on {c.n_retained} rows, {promised(c)}"
        return store.status(), text


def promised(c: Certificate) -> str:
    """Say what a certificate holds for, once a row is removed."""
    if c.kind == "none":
        return "nothing is certified: it is released without noise"
    what = {
        "release": "each release after a removal",
        "transcript": "all releases after a removal together",
    }[c.view]
    return f"epsilon = {c.epsilon:g} and delta = {c.delta:g} for {what}"


def parameter(text: str) -> tuple[str, Json]:
    """Return a name and a value: JSON where it is some, else a text."""
    name, mark, value = text.partition("=")
    if not mark:
        raise ValueError(f"--set takes NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def estimator(name: str, parameters: dict[str, Json]) -> Model:
    """Return an estimator that is not fitted."""
    from importlib import import_module

    module, kind = ESTIMATORS[name]
    package = __package__.rpartition(".")[0]
    made: UnlearningEstimator = getattr(import_module(f"{package}.estimators.{module}"), kind)()
    known = made.get_params()
    odd = [key for key in parameters if key not in known]
    if odd:
        raise ValueError(f"{name} has no parameter {odd[0]!r}: {', '.join(sorted(known))}")
    made.set_params(**parameters)
    return made


def behind_steps(model: Model, table: Given) -> Model:
    """Return a pipeline that scales numbers and makes indicators of texts, if there are any."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from ..pipeline import ForgettingPipeline

    if not table.texts:
        return ForgettingPipeline([("scaler", StandardScaler()), ("model", model)])
    numbers = [name for name in table.X if name not in table.texts]
    # A text that is met later is none of those that were there.
    indicators = OneHotEncoder(handle_unknown="ignore")
    parts = [("scaler", StandardScaler(), numbers), ("one-hot", indicators, table.texts)]
    encoder = ColumnTransformer([part for part in parts if part[2]])
    return ForgettingPipeline([("columns", encoder), ("model", model)])
