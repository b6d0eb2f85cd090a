"""Linear classifiers: labels, class weights and decisions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from ..._common import validate as _validate
from ..._common.arrays import AnyArray, ArrayLike, ClassWeight, MatrixLike
from ..._common.whole import reader
from ...engine.unlearner import Model
from ...exceptions import ClassForgottenWarning, caller
from ...requests.change import Change
from ...requests.classes import Classes
from .linear import Array, LinearEstimator


class LinearClassifier(ClassifierMixin, LinearEstimator):  # type: ignore[misc]
    """A linear estimator whose targets are labels."""

    classes_: AnyArray
    intercept_: Array
    class_weight: ClassWeight
    _labels: Classes

    def _encoded(self, y: AnyArray) -> tuple[AnyArray, dict[str, object]]:
        check_classification_targets(y)
        classes, codes = Classes.of(y)
        return codes, {"_labels": classes}

    @reader
    def decision_function(self, X: MatrixLike) -> Array:
        """Return the margins, shape (n_samples,) or (n_samples, n_classes)."""
        margins = self._margins(X)
        return margins[:, 0] if margins.shape[1] == 1 else margins

    @reader
    def predict(self, X: MatrixLike) -> AnyArray:
        """Return the likeliest label of each row, shape (n_samples,)."""
        margins = self.decision_function(X)
        code = (margins > 0).astype(int) if margins.ndim == 1 else margins.argmax(axis=1)
        out: AnyArray = self.classes_[code]
        return out

    def _class_weight(self, classes: object) -> None | str | Array:
        """Check the weights of the classes; one number a label where they are given."""
        assert isinstance(classes, Classes)
        labels = classes.labels.tolist()
        given = self.class_weight
        if given is None or isinstance(given, str):
            if given not in (None, "balanced"):
                raise ValueError(f'class_weight must be "balanced", a dict or None, got {given!r}')
            return given
        if not isinstance(given, dict):
            raise ValueError(f'class_weight must be "balanced", a dict or None, got {given!r}')
        unknown = [key for key in given if key not in labels]
        if unknown and any(v not in given for v in labels):
            raise ValueError(f"class_weight names labels that y does not hold: {unknown}")
        none = [key for key, weight in given.items() if isinstance(weight, Real) and weight == 0]
        if none:
            raise ValueError(
                f"class_weight gives no weight to {none}: a class without weight has no place in "
                "the training set, so leave its rows out or give them sample_weight 0"
            )
        return np.array([_validate.real("class_weight", given.get(v, 1.0), low=0) for v in labels])

    def _attributes(self, model: Model, **more: Any) -> dict[str, Any]:
        coef, intercept = self._released(model)
        classes: Classes = more["_labels"] if "_labels" in more else self._labels
        return {
            "coef_": coef,
            "intercept_": intercept,
            "classes_": classes.named(model.classes),
            "n_iter_": self._steps(model),
        }

    def _codes(self, y: ArrayLike) -> NDArray[np.int64]:
        return self._labels.encoded(y)

    def _class_names(self) -> Mapping[int, Any]:
        return self._labels.names

    def _remembered(self, change: Change, after: Model) -> dict[str, Any]:
        gone = self._model.rows.labels[change.gone]
        # Codes that no row of the training set ever had are not counted.
        counts = after.members.counts
        lost = gone[(gone >= len(counts)) | (counts.take(gone, mode="clip") == 0)]
        if not len(lost):
            return {}
        # Rows of weight zero carry labels as well.
        live = ~after.forgotten
        lost = np.setdiff1d(lost, after.rows.labels[: len(live)][live])
        return {"_labels": self._labels.without(lost)}

    def _notice(self, before: Model, after: Model) -> None:
        if np.array_equal(before.classes, after.classes):
            return
        lost = self._labels.named(np.setdiff1d(before.classes, after.classes))
        if len(lost):
            warnings.warn(
                f"no retained row is labelled {', '.join(map(repr, lost.tolist()))}: "
                "classes_ and coef_ change shape, as retraining would have it",
                ClassForgottenWarning,
                stacklevel=caller(),
            )
