"""Ridge regression and classification that can forget, with a certificate."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from .._common.arrays import ClassWeight, RandomState
from .._common.whole import reader
from ..engine.unlearner import Settings
from ..numerics.losses.pointwise import Squared
from ..requests.targets import Encoding
from .base.classifier import LinearClassifier
from .base.regressor import LinearRegressor


class CertifiedRidge(LinearRegressor):
    """Ridge regression with certified removal of training rows.

    The objective, and before noise the coefficients, are those of scikit-learn's `Ridge`:
    ``sum_i s_i (x_i w + b - y_i)^2 + alpha ||w||^2``, intercept unpenalised.  The quadratic model
    is exact here, so a removal without a pass is off by rounding only, which is charged.

    Parameters
    ----------
    alpha : float
        L2 penalty, at least 0; 0 where the features have full rank.
    fit_intercept : bool
        Whether an unpenalised intercept is fitted.
    max_iter : int
        Most Newton steps of a fit or refresh.
    tol, random_state, verbose, epsilon, delta, noise, mechanism, view, horizon, solver
        As in `CertifiedLogReg`; ``noise`` is the fraction of the standard error that a coefficient
        would have if the targets' own deviation were that of the residuals, each column its own.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        The release.
    intercept_ : float or ndarray of shape (n_targets,)
        The release.
    certificate_, n_retained_, n_forgotten_, history_, n_iter_, solver_
        As in `CertifiedLogReg`.

    Notes
    -----
    Guarantee: see `certunlearn.engine.unlearner`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = CertifiedRidge(random_state=0).fit(X, y).forget([17, 42])
    >>> model.certificate_.tier, model.n_retained_
    ('downdate', 440)
    """

    _targets = {"y_numeric": True, "multi_output": True}

    def _settings(self, encoding: Encoding) -> Settings:
        return self._stated(alpha=self._alpha(self.alpha), loss=Squared())

    @reader
    def export_predictor(self) -> Ridge:
        """Return a scikit-learn regressor with the released weights only."""
        check_is_fitted(self)
        out: Ridge = self._copied_to(Ridge(alpha=self.alpha, fit_intercept=self.fit_intercept))
        return out


class CertifiedRidgeClassifier(LinearClassifier):
    """Ridge regression on labels coded 1 and -1, with certified removal of training rows.

    The objective, and before noise the coefficients, are those of scikit-learn's
    `RidgeClassifier`; several classes are told one against the rest.

    Parameters
    ----------
    alpha : float
        L2 penalty, at least 0; 0 where the features have full rank.
    fit_intercept : bool
        Whether an unpenalised intercept is fitted.
    class_weight : dict, "balanced" or None
        As in `CertifiedLogReg`.
    max_iter : int
        Most Newton steps of a fit or refresh.
    tol, random_state, verbose, epsilon, delta, noise, mechanism, view, horizon, solver
        As in `CertifiedLogReg`.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The release.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The release.
    classes_, certificate_, n_retained_, n_forgotten_, history_, n_iter_, solver_
        As in `CertifiedLogReg`.

    Notes
    -----
    Guarantee: see `certunlearn.engine.unlearner`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedRidgeClassifier(random_state=0).fit(X, y).forget([17, 42])
    >>> model.certificate_.tier, model.n_retained_
    ('downdate', 567)
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
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
        self.class_weight = class_weight
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

    def _settings(self, encoding: Encoding) -> Settings:
        weights = self._class_weight(encoding)
        return self._stated(alpha=self._alpha(self.alpha), loss=Squared(), class_weight=weights)

    @reader
    def export_predictor(self) -> RidgeClassifier:
        """Return a scikit-learn classifier with the released weights only."""
        check_is_fitted(self)
        out = RidgeClassifier(alpha=self.alpha, fit_intercept=self.fit_intercept)
        out._label_binarizer = LabelBinarizer(pos_label=1, neg_label=-1).fit(self.classes_)
        if not isinstance(getattr(RidgeClassifier, "classes_", None), property):
            # Up to scikit-learn 1.6 it is read off the binarizer.
            out.classes_ = self.classes_.copy()
        self._copied_to(out)
        out.coef_, out.intercept_ = np.atleast_2d(out.coef_), np.atleast_1d(out.intercept_)
        return out
