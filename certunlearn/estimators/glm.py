"""Poisson and Gamma regression that can forget, with a certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import GammaRegressor, PoissonRegressor
from sklearn.metrics import d2_tweedie_score
from sklearn.utils.validation import check_is_fitted

from .._common.arrays import ArrayLike, MatrixLike
from .._common.whole import reader
from ..engine.unlearner import Settings
from ..numerics.losses.pointwise import Gamma, Pointwise, Poisson
from ..requests.targets import Domain, Encoding
from .base.linear import Array
from .base.regressor import LinearRegressor


class _LogLink(LinearRegressor):
    """A regression whose prediction is the exponential of the margin."""

    _loss: Pointwise
    _power: int
    _twin: Any

    def _settings(self, encoding: Encoding) -> Settings:
        # scikit-learn's loss is a mean: times the rows' weight, so is its penalty.
        return self._stated(alpha=self._alpha(self.alpha), loss=self._loss, per_weight=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    @reader
    def predict(self, X: MatrixLike) -> Array:
        """Return the expected target of each row, shape (n_samples,)."""
        return np.exp(self._margins(X))

    @reader
    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return D^2, the share of the deviance explained."""
        prediction = self.predict(X)
        return float(
            d2_tweedie_score(y, prediction, sample_weight=sample_weight, power=self._power)
        )

    @reader
    def export_predictor(self) -> Any:
        """Return a scikit-learn regressor with the released weights only."""
        check_is_fitted(self)
        out = self._twin(alpha=self.alpha, fit_intercept=self.fit_intercept)
        out._base_loss, out.n_iter_ = out._get_loss(), 0
        return self._copied_to(out)


class CertifiedPoissonRegressor(_LogLink):
    """Poisson regression with a log link and certified removal of training rows.

    The objective, and before noise the coefficients, are those of scikit-learn's
    `PoissonRegressor`:
    ``sum_i s_i (exp(z_i) - y_i z_i) / sum_i s_i + alpha ||w||^2 / 2``, z_i = x_i w + b, intercept
    unpenalised.  The penalty of the sum shrinks with the rows, and a removal accounts for it.

    Parameters
    ----------
    alpha : float
        L2 penalty of the mean loss, at least 0; 0 where the features have full rank.
    fit_intercept : bool
        Whether an unpenalised intercept is fitted.
    max_iter : int
        Most Newton steps of a fit or refresh.
    tol, random_state, verbose, epsilon, delta, noise, mechanism, view, horizon, solver
        As in `CertifiedLogReg`; the noise is scaled by (mean y)^{-1/2} and
        G = sum s x x' + penalty, together about the inverse root of the Fisher information.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        The release.
    intercept_ : float
        The release.
    certificate_, n_retained_, n_forgotten_, history_, n_iter_, solver_
        As in `CertifiedLogReg`.

    Notes
    -----
    Guarantee: see `certunlearn.engine.unlearner`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = np.random.default_rng(1).poisson(np.exp(X[:, 0]))
    >>> model = CertifiedPoissonRegressor().fit(X, y).forget([17, 42])
    >>> model.certificate_.check(epsilon=1.0, delta=1e-6), model.n_retained_
    (True, 498)
    """

    _loss, _power, _twin = Poisson(), 1, PoissonRegressor
    _domain = Domain("Poisson regression", zero=True)


class CertifiedGammaRegressor(_LogLink):
    """Gamma regression with a log link and certified removal of training rows.

    The objective, and before noise the coefficients, are those of scikit-learn's
    `GammaRegressor`:
    ``sum_i s_i (z_i + y_i exp(-z_i)) / sum_i s_i + alpha ||w||^2 / 2``, z_i = x_i w + b, intercept
    unpenalised.  The penalty of the sum shrinks with the rows, and a removal accounts for it.

    Parameters
    ----------
    alpha : float
        L2 penalty of the mean loss, at least 0; 0 where the features have full rank.
    fit_intercept : bool
        Whether an unpenalised intercept is fitted.
    max_iter : int
        Most Newton steps of a fit or refresh.
    tol, random_state, verbose, epsilon, delta, noise, mechanism, view, horizon, solver
        As in `CertifiedLogReg`; the noise is scaled by
        G = sum s x x' + penalty, the Fisher information.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        The release.
    intercept_ : float
        The release.
    certificate_, n_retained_, n_forgotten_, history_, n_iter_, solver_
        As in `CertifiedLogReg`.

    Notes
    -----
    Guarantee: see `certunlearn.engine.unlearner`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = np.random.default_rng(1).gamma(2.0, np.exp(X[:, 0]) / 2.0)
    >>> model = CertifiedGammaRegressor().fit(X, y).forget([17, 42])
    >>> model.certificate_.check(epsilon=1.0, delta=1e-6), model.n_retained_
    (True, 498)
    """

    _loss, _power, _twin = Gamma(), 2, GammaRegressor
    _domain = Domain("Gamma regression", zero=False)
