"""Linear classifiers: labels, class weights and decisions."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y

from ..._common import validate as _validate
from ..._common.arrays import AnyArray, ClassWeight, MatrixLike
from ..._common.whole import reader
from ...exceptions import ClassForgottenWarning, caller
from ...numerics.rows.files import RowFiles
from ...requests.classes import Classes
from ...requests.fitted import Fitted
from ...requests.indicators import Indicators
from ...requests.targets import Encoding
from .linear import Array, LinearEstimator


class LinearClassifier(ClassifierMixin, LinearEstimator):  # type: ignore[misc]
    """A linear estimator whose targets are labels."""

    classes_: AnyArray
    intercept_: Array
    class_weight: ClassWeight

    def _encoded(self, y: AnyArray) -> tuple[Encoding, AnyArray]:
        check_classification_targets(y)
        return Classes.of(y)

    def _encoded_files(self, files: RowFiles) -> tuple[Encoding, AnyArray]:
        if "labels" not in files.columns or files.column("labels", 0, 1).ndim > 1:
            return super()._encoded_files(files)
        # A part at a time: first the classes there are, then the code of each row.
        found = [np.unique(_check_y(part)) for part in files.column_parts("labels")]
        # Each of them more than once, as among many rows: scikit-learn warns of rare classes.
        encoding, _ = self._encoded(np.tile(np.unique(np.concatenate(found)), 3))
        assert isinstance(encoding, Classes)
        codes = np.empty(len(files), dtype=np.min_scalar_type(len(encoding.labels)))
        at = 0
        for part in files.column_parts("labels"):
            codes[at : at + len(part)] = np.searchsorted(encoding.labels, _check_y(part))
            at += len(part)
        return encoding, codes

    @reader
    def decision_function(self, X: MatrixLike) -> Array:
        """Return the margins, shape (n_samples,) or (n_samples, n_classes)."""
        margins = self._margins(X)
        return margins[:, 0] if margins.shape[1] == 1 else margins

    @reader
    def predict(self, X: MatrixLike) -> AnyArray:
        """Return the likeliest label of each row, shape (n_samples,).

        Of several labels a row, whether each is likelier than not, (n_samples, n_classes): 1 or 0,
        in CSR if ``y`` was so in the fit.
        """
        margins = self.decision_function(X)
        if isinstance(self._fitted.encoding, Indicators):
            shown: AnyArray = self._fitted.encoding.shown((margins > 0).astype(np.int64))
            return shown
        code = (margins > 0).astype(int) if margins.ndim == 1 else margins.argmax(axis=1)
        out: AnyArray = self.classes_[code]
        return out

    def _class_weight(self, encoding: Encoding) -> None | str | Array:
        """Check the weights of the classes; one number a label where they are given."""
        labels = list(encoding.names.values())
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

    def _attributes(self, fitted: Fitted, released: Array) -> dict[str, Any]:
        coef, intercept = self._arranged(released)
        encoding, told = fitted.encoding, fitted.linear.classes
        assert isinstance(encoding, Classes | Indicators)
        classes = encoding.named(told)
        if isinstance(encoding, Indicators):
            # A column for each label, those that tell no rows apart included.
            classes, few = encoding.labels.copy(), (coef, intercept)
            coef, intercept = (
                np.zeros((len(classes), coef.shape[1])),
                fitted.linear.members.constant,
            )
            coef[told], intercept[told] = few
        return {
            "coef_": coef,
            "intercept_": intercept,
            "classes_": classes,
            "n_iter_": self._steps(fitted),
        }

    def _notice(self, before: Fitted, after: Fitted) -> None:
        was, now = before.linear.classes, after.linear.classes
        if np.array_equal(was, now):
            return
        encoding = before.encoding
        assert isinstance(encoding, Classes | Indicators)
        lost = ", ".join(map(repr, encoding.named(np.setdiff1d(was, now)).tolist()))
        if not lost:
            return
        said = f"no retained row is labelled {lost}: classes_ and coef_ change shape"
        if isinstance(encoding, Indicators):
            said = f"all retained rows or none are labelled {lost}: that is predicted for every row"
        warnings.warn(
            f"{said}, as retraining would have it", ClassForgottenWarning, stacklevel=caller()
        )
