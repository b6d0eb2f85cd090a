"""Linear regressors: real targets, one column or several."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, column_or_1d

from ..._common.arrays import AnyArray, ArrayLike, MatrixLike, RandomState
from ..._common.whole import reader
from ...engine.unlearner import Model
from ...exceptions import AssumptionError
from .linear import Array, LinearEstimator


class LinearRegressor(RegressorMixin, LinearEstimator):  # type: ignore[misc]
    """A linear estimator whose targets are numbers."""

    alpha: float
    intercept_: np.float64 | Array
    _targets = {"y_numeric": True}
    _several: bool = False

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        tol: float = 1e-4,
        max_iter: int = 100,
        random_state: RandomState = None,
        verbose: int = 0,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        noise: float = 0.1,
        mechanism: str = "auto",
        view: str = "transcript",
        horizon: int = 1_000,
        solver: str = "auto",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.epsilon = epsilon
        self.delta = delta
        self.noise = noise
        self.mechanism = mechanism
        self.view = view
        self.horizon = horizon
        self.solver = solver

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self._targets.get("multi_output", False)
        return tags

    def _checked(self, y: Array) -> Array:
        """Refuse targets outside the loss's domain."""
        return y

    def _numbers(self, y: ArrayLike) -> Array:
        """Return finite targets as float64, (m,) or (m, K)."""
        if np.ndim(y) == 1 or not self._targets.get("multi_output"):
            y = column_or_1d(y, dtype=np.float64, warn=True)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", ensure_min_samples=0)
        return self._checked(np.ascontiguousarray(y))

    def _encoded(self, y: AnyArray) -> tuple[AnyArray, dict[str, object]]:
        targets = self._numbers(y)
        return targets, {"_several": targets.ndim == 2}

    def _codes(self, y: ArrayLike) -> Array:
        targets = self._numbers(y)
        width = self._model.rows.labels.shape[1:]
        if targets.shape[1:] != width:
            raise ValueError(f"y has {targets.shape[1:]} targets a row, the fit had {width}")
        return targets

    def _attributes(self, model: Model, **more: Any) -> dict[str, Any]:
        coef, intercept = self._released(model)
        several = more.get("_several", self._several)
        return {
            # One column of targets has one row of coefficients and yet an array of intercepts.
            "coef_": coef if len(coef) > 1 else coef[0],
            "intercept_": intercept if several else intercept[0],
            "n_iter_": self._steps(model),
        }

    @reader
    def predict(self, X: MatrixLike) -> Array:
        """Return the predicted target of each row, shape (n_samples,) or (n_samples, K)."""
        return self._margins(X)


def refuse_negative(y: Array, *, zero: bool, loss: str) -> Array:
    """Return y if its entries are positive, or at least 0 if ``zero``.

    Raises
    ------
    ValueError
        If an entry is outside.
    AssumptionError
        If all entries are zero: a free intercept has no finite optimum then.
    """
    if (y < 0).any() or (not zero and (y == 0).any()):
        where = "at least 0" if zero else "positive"
        raise ValueError(
            f"Some value(s) of y are out of the valid range of the loss: {loss} takes {where} y"
        )
    if len(y) and not y.any():
        raise AssumptionError(f"all y are zero: {loss} has no finite optimum")
    return y
