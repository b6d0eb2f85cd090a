"""Figures that tell an unlearned model from retrained ones: one number for each model and axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier

from .._common.arrays import Array
from .scores import Predictor, confidence

Rows = tuple[ArrayLike, ArrayLike]
Labelled = tuple[ArrayLike, NDArray[np.generic]]
#: Kind, name, a number for each model, and what more and less of it mean.
Figure = tuple[str, str, Array, tuple[str, str]]
#: A number for each row: of a model, features and labels.
Measure = Callable[[Predictor, ArrayLike, ArrayLike], Array]
_BETTER = ("better than retrained", "worse than retrained")
_FORGOTTEN = ("forgotten rows are still known", "over-forgetting: worse than a retrained model")
_FAR = ("further off than another retraining", "")


def figures(
    models: Sequence[Predictor],
    test: Labelled,
    groups: ArrayLike | None,
    retained: Rows,
    forgotten: Rows,
) -> tuple[list[Figure], tuple[str, ...]]:
    """Return every figure of the models, and what is left out because they cannot tell it.

    Who the models are does not matter: in another order the numbers are the same in that order.
    So the figures of models that are drawn alike are exchangeable, as `evaluate` needs them.
    """
    out: list[Figure] = []
    measures, left = _measures(models)
    tested = {k: np.array([f(m, *test) for m in models]) for k, f in measures.items()}
    for readout, values in tested.items():
        out.append(("effectiveness", f"test rows, {readout}", values.mean(axis=1), _BETTER))
    for name, rows, said in (
        ("retained", retained, _BETTER),
        ("forgotten", forgotten, _FORGOTTEN),
    ):
        for readout, measure in measures.items():
            values = np.array([measure(m, *rows).mean() for m in models])
            out.append(("effectiveness", f"{name} rows, {readout}", values, said))
    out += _consistency(models, test, calibrated="soft" in measures)
    sets: list[tuple[str, str, NDArray[np.bool_]]] = []
    if groups is not None:
        names = np.asarray(groups)
        sets += [("subgroup", f"group {g}", names == g) for g in np.unique(names)]
    # How sure the models are of a row on average says how hard it is: terciles, hardest first.
    sure = tested["soft"] if "soft" in tested else np.array([confidence(m, *test) for m in models])
    ranks = np.argsort(np.argsort(sure.mean(axis=0), kind="stable"), kind="stable")
    thirds = (3 * ranks) // len(ranks)
    names3 = ("hard third", "middle third", "easy third")
    sets += [("difficulty", n, thirds == k) for k, n in enumerate(names3)]
    for kind, name, at in sets:
        for readout, values in tested.items():
            if at.any():
                out.append((kind, f"{name}, {readout}", values[:, at].mean(axis=1), _BETTER))
    return out, left


def _measures(models: Sequence[Predictor]) -> tuple[dict[str, Measure], tuple[str, ...]]:
    """Return how rows are read out, and what is left out."""
    # A softmax of margins is no probability where no model has said so: of a support vector
    # machine, or of classes told one from the rest.
    if is_classifier(models[0]) and not all(hasattr(m, "predict_proba") for m in models):
        why = "not all models have predict_proba"
        return {"hard": _hard}, (f"soft readouts and calibration: {why}",)
    return {"hard": _hard, "soft": _soft}, ()


def _hard(model: Predictor, X: ArrayLike, y: ArrayLike) -> Array:
    """Right or wrong of each row; of a regressor, less the squared error over the variance."""
    target = np.asarray(y)
    guess = np.asarray(model.predict(X))
    if is_classifier(model):
        return np.asarray(guess == target, dtype=np.float64)
    # In units of the targets' variance, so that figures of different targets compare.
    spread = float(np.var(np.asarray(target, dtype=np.float64)))
    return np.asarray(1.0 - (guess - target) ** 2 / max(spread, 1e-300), dtype=np.float64)


def _soft(model: Predictor, X: ArrayLike, y: ArrayLike) -> Array:
    """Probability of each row's label; of a regressor, less the absolute error in deviations."""
    target = np.asarray(y)
    if is_classifier(model):
        p, classes = _probabilities(model, X)
        # A label that the model does not know has none.
        return np.asarray(np.sum(p * (target[:, None] == classes), axis=1))
    spread = float(np.std(np.asarray(target, dtype=np.float64)))
    return np.asarray(-np.abs(np.asarray(model.predict(X)) - target) / max(spread, 1e-300))


def _probabilities(model: Predictor, X: ArrayLike) -> tuple[Array, NDArray[np.generic]]:
    """Return probabilities (n, K) as a model says them, and its classes."""
    p = np.asarray(model.predict_proba(X), dtype=np.float64)  # type: ignore[attr-defined]
    return p, np.asarray(model.classes_)  # type: ignore[attr-defined]


def _consistency(models: Sequence[Predictor], test: Labelled, *, calibrated: bool) -> list[Figure]:
    """How far each model is from the mean of the others: weights, predictions, calibration."""
    out: list[Figure] = []
    # Labels need not be numbers: agreement is counted, no distance taken.
    guesses = [np.asarray(m.predict(test[0])) for m in models]
    if all(hasattr(m, "coef_") for m in models):
        flat = [_flat(m) for m in models]
        if len({v.shape for v in flat}) == 1:
            scale = max(float(np.linalg.norm(np.mean(flat, axis=0))), 1e-300)
            away = _away(np.array(flat)) / scale
            out.append(("consistency", "weights, relative distance", away, _FAR))
        else:
            # A class more or less changes the shape: no distance is taken then.
            alike = np.array([[v.shape == w.shape for w in flat] for v in flat]).sum(axis=1)
            gone = 1.0 - (alike - 1) / (len(flat) - 1)
            out.append(("consistency", "shape of the weights differs", gone, _FAR))
    if is_classifier(models[0]):
        differs = np.array([[np.mean(g != v) for v in guesses] for g in guesses])
        others = differs.sum(axis=1) / (len(guesses) - 1)
        out.append(("consistency", "predictions that differ", others, _FAR))
        if calibrated:
            error = np.array([_calibration(m, *test) for m in models])
            out.append(("consistency", "calibration error", error, _FAR))
    else:
        spread = max(float(np.std(guesses)), 1e-300)
        away = _away(np.array(guesses, dtype=np.float64)) / np.sqrt(len(test[1])) / spread
        out.append(("consistency", "predictions, relative distance", away, _FAR))
    return out


def _flat(model: Predictor) -> Array:
    parts = (model.coef_, model.intercept_)  # type: ignore[attr-defined]
    return np.concatenate([np.asarray(v, dtype=np.float64).ravel() for v in parts])


def _away(values: Array) -> Array:
    """Distance of each row to the mean of all others."""
    n = len(values)
    # v - (total - v)/(n - 1) = (v - mean) n/(n - 1)
    return np.asarray(np.linalg.norm(values - values.mean(axis=0), axis=1) * n / (n - 1))


def _calibration(model: Predictor, X: ArrayLike, y: ArrayLike) -> float:
    """Expected calibration error over ten bins of equal width (Guo et al. 2017)."""
    p, classes = _probabilities(model, X)
    sure, right = p.max(axis=1), classes[p.argmax(axis=1)] == np.asarray(y)
    cell = np.minimum((sure * 10).astype(int), 9)
    # Counts times gaps, summed and divided by all rows at the end: empty bins add nothing.
    gaps = [abs(float(np.sum(right[cell == b] - sure[cell == b]))) for b in range(10)]
    return sum(gaps) / len(p)
