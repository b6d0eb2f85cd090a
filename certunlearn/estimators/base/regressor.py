"""Linear regressors: real targets, one column or several."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin

from ..._common.arrays import AnyArray, MatrixLike, RandomState
from ..._common.whole import reader
from ...requests.fitted import Fitted
from ...requests.targets import Domain, Encoding, Targets
from .linear import Array, LinearEstimator


class LinearRegressor(RegressorMixin, LinearEstimator):  # type: ignore[misc]
    """A linear estimator whose targets are numbers."""

    alpha: float
    intercept_: np.float64 | Array
    _targets = {"y_numeric": True}
    #: The targets that the loss takes, if not every number.
    _domain: ClassVar[Domain | None] = None

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

    def _encoded(self, y: AnyArray) -> tuple[Encoding, AnyArray]:
        several = self._targets.get("multi_output", False)
        return Targets.of(y, several=several, domain=self._domain)

    def _attributes(self, fitted: Fitted, released: Array) -> dict[str, Any]:
        coef, intercept = self._arranged(released)
        assert isinstance(fitted.encoding, Targets)
        return {
            # One column of targets has one row of coefficients and yet an array of intercepts.
            "coef_": coef if len(coef) > 1 else coef[0],
            "intercept_": intercept[0] if fitted.encoding.columns is None else intercept,
            "n_iter_": self._steps(fitted),
        }

    @reader
    def predict(self, X: MatrixLike) -> Array:
        """Return the predicted target of each row, shape (n_samples,) or (n_samples, K)."""
        return self._margins(X)
