"""Figures that tell an unlearned model from retrained ones: one number for each model and axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import is_classifier

from .._common.arrays import Array
from .scores import Predictor, confidence, margins

Rows = tuple[ArrayLike, ArrayLike]
Labelled = tuple[ArrayLike, NDArray[np.generic]]
#: Kind, name, a number for each model, and what more and less of it mean.
Figure = tuple[str, str, Array, tuple[str, str]]
_BETTER = ("better than retrained", "worse than retrained")
_FORGOTTEN = ("forgotten rows are still known", "over-forgetting: worse than a retrained model")
_FAR = ("further off than another retraining", "")


def figures(
    models: Sequence[Predictor],
    test: Labelled,
    groups: ArrayLike | None,
    retained: Rows,
    forgotten: Rows,
) -> list[Figure]:
    """Return every figure of the models, of which all but the first are oracles."""
    out: list[Figure] = []
    measures = {"hard": _hard, "soft": _soft}
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
    out += _consistency(models, test)
    sets: list[tuple[str, str, NDArray[np.bool_], slice]] = []
    if groups is not None:
        names = np.asarray(groups)
        sets += [("subgroup", f"group {g}", names == g, slice(0)) for g in np.unique(names)]
    # How sure a model is of a row says how hard it is: terciles, hardest first.  The first oracle
    # decides and is then left out: rows that all of them find easy are partly luck of theirs.
    ranks = np.argsort(np.argsort(tested["soft"][1], kind="stable"), kind="stable")
    thirds = (3 * ranks) // len(ranks)
    names3 = ("hard third", "middle third", "easy third")
    sets += [("difficulty", n, thirds == k, slice(1, 2)) for k, n in enumerate(names3)]
    for kind, name, at, left in sets:
        for readout, values in tested.items():
            if at.any():
                means = np.delete(values[:, at].mean(axis=1), left)
                out.append((kind, f"{name}, {readout}", means, _BETTER))
    return out


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
        return np.asarray(1.0 / (1.0 + np.exp(-confidence(model, X, target))))
    spread = float(np.std(np.asarray(target, dtype=np.float64)))
    return np.asarray(-np.abs(np.asarray(model.predict(X)) - target) / max(spread, 1e-300))


def _consistency(models: Sequence[Predictor], test: Labelled) -> list[Figure]:
    """How far each model is from the mean of the other oracles: weights, predictions, odds."""
    out: list[Figure] = []
    # Labels need not be numbers: agreement is counted, no distance taken.
    guesses = [np.asarray(m.predict(test[0])) for m in models]
    if all(hasattr(m, "coef_") for m in models):
        flat = [_flat(m) for m in models]
        if len({v.shape for v in flat}) == 1:
            scale = max(float(np.linalg.norm(np.mean(flat[1:], axis=0))), 1e-300)
            away = _away(np.array(flat)) / scale
            out.append(("consistency", "weights, relative distance", away, _FAR))
        else:
            # A class more or less changes the shape: no distance is taken then.
            gone = np.array([v.shape != flat[1].shape for v in flat], dtype=np.float64)
            out.append(("consistency", "shape of the weights differs", gone, _FAR))
    if is_classifier(models[0]):
        codes = np.array([[g == v for v in guesses[1:]] for g in guesses]).mean(axis=2)
        # An oracle is compared with the others alone: it agrees with itself.
        others = [np.delete(c, i - 1).mean() if i else c.mean() for i, c in enumerate(codes)]
        out.append(("consistency", "predictions that differ", 1.0 - np.array(others), _FAR))
        error = np.array([_calibration(m, *test) for m in models])
        out.append(("consistency", "calibration error", error, _FAR))
    else:
        spread = max(float(np.std(guesses[1:])), 1e-300)
        away = _away(np.array(guesses, dtype=np.float64)) / np.sqrt(len(test[1])) / spread
        out.append(("consistency", "predictions, relative distance", away, _FAR))
    return out


def _flat(model: Predictor) -> Array:
    parts = (model.coef_, model.intercept_)  # type: ignore[attr-defined]
    return np.concatenate([np.asarray(v, dtype=np.float64).ravel() for v in parts])


def _away(values: Array) -> Array:
    """Distance of each row to the mean of the oracles, which are all rows but the first."""
    total, n = values[1:].sum(axis=0), len(values) - 1
    # The mean over n - 1 others is noisier than that over n, by n/(n - 1) against (n + 1)/n.
    fair = np.sqrt((n + 1) * (n - 1)) / n
    own = [np.linalg.norm(values[0] - total / n)]
    rest = [np.linalg.norm(v - (total - v) / (n - 1)) * fair for v in values[1:]]
    return np.array([*own, *rest])


def _calibration(model: Predictor, X: ArrayLike, y: ArrayLike) -> float:
    """Expected calibration error over ten bins of equal width (Guo et al. 2017)."""
    p = softmax(margins(model, X), axis=1)
    classes = np.asarray(model.classes_)  # type: ignore[attr-defined]
    sure, right = p.max(axis=1), classes[p.argmax(axis=1)] == np.asarray(y)
    cell = np.minimum((sure * 10).astype(int), 9)
    # Counts times gaps, summed and divided by all rows at the end: empty bins add nothing.
    gaps = [abs(float(np.sum(right[cell == b] - sure[cell == b]))) for b in range(10)]
    return sum(gaps) / len(p)
