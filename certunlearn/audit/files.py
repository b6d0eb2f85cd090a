"""Evaluation from files of predictions, for models that cannot be loaded here."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from .._common.arrays import Array
from .evaluation import evaluate
from .report import Evaluation

SETS = ("test", "retained", "forgotten")


class Predictions(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What a model said of some rows, as a classifier whose features are the numbers of the lines.

    Attributes
    ----------
    classes_ : ndarray of str
    label, part, group : ndarray of str, shape (n,)
        Label of each line, which set it is of, and its subgroup.
    """

    def __init__(
        self,
        classes: NDArray[np.str_],
        probability: Array,
        label: NDArray[np.str_],
        part: NDArray[np.str_],
        group: NDArray[np.str_] | None,
    ) -> None:
        self.classes_, self.probability = classes, probability
        self.label, self.part, self.group = label, part, group

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a CSV file of one line a row.

        Columns: ``set`` (test, retained or forgotten), ``label``, a probability ``p_<class>`` for
        every class, and, if there are subgroups, ``group``.

        Raises
        ------
        ValueError
            If that is not what the file holds.
        """
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            lines, names = list(reader), list(reader.fieldnames or ())
        classes = [n[2:] for n in names if n.startswith("p_")]
        if not {"set", "label"} <= set(names) or len(classes) < 2 or not lines:
            raise ValueError(
                f"{path}: needs a line of names with set, label and p_<class> for every class"
            )
        try:
            p = np.array([[float(line[f"p_{c}"]) for c in classes] for line in lines])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: a probability is no number: {error}") from None
        # A thousandth for probabilities that were printed with few digits.
        if not (np.isfinite(p).all() and (p >= 0).all() and np.abs(p.sum(axis=1) - 1).max() < 1e-3):
            raise ValueError(f"{path}: probabilities of a line must be at least 0 and sum to 1")
        part, label = (np.array([line[k] for line in lines]) for k in ("set", "label"))
        if set(part) != set(SETS):
            raise ValueError(f"{path}: set must name test, retained and forgotten lines")
        group = np.array([line["group"] for line in lines]) if "group" in names else None
        return cls(np.array(classes), p, label, part, group)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probabilities of lines (n, 1)."""
        return np.asarray(self.probability[np.asarray(X, dtype=np.int64)[:, 0]])

    def predict(self, X: ArrayLike) -> NDArray[np.str_]:
        """Return the most likely class of lines (n, 1)."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def evaluate_files(
    unlearned: Path, oracles: Sequence[Path], *, level: float = 0.05, tolerance: float = 0.002
) -> Evaluation:
    """Hold a file of an unlearned model's predictions against files of retrained models'.

    Parameters
    ----------
    unlearned : Path
        As `Predictions.read` takes it.
    oracles : sequence of Path
        At least 4, with the same lines.

    Raises
    ------
    ValueError
        If lines differ between the files.
    """
    model, others = Predictions.read(unlearned), [Predictions.read(p) for p in oracles]
    for path, other in zip(oracles, others, strict=True):
        if not all(
            np.array_equal(getattr(model, k), getattr(other, k))
            for k in ("label", "part", "classes_")
        ):
            raise ValueError(f"{path}: lines, labels and classes must be those of {unlearned}")
    # A line's number stands for its features: all models are asked about the same lines.
    lines = {s: np.flatnonzero(model.part == s) for s in SETS}

    def rows(name: str) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
        return lines[name][:, None], model.label[lines[name]]

    return evaluate(
        model,
        *rows("test"),
        groups=None if model.group is None else model.group[lines["test"]],
        retained=rows("retained"),
        forgotten=rows("forgotten"),
        oracles=others,
        level=level,
        tolerance=tolerance,
    )
