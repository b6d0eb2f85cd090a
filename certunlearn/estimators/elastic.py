"""Elastic net regression that can forget, with a certificate."""

from __future__ import annotations

from sklearn.linear_model import ElasticNet
from sklearn.utils.validation import check_is_fitted

from .._common.arrays import RandomState
from .._common.whole import reader
from ..engine.unlearner import Settings
from ..numerics.losses.pointwise import Squared
from ..requests.targets import Encoding
from .base.regressor import LinearRegressor


class CertifiedElasticNet(LinearRegressor):
    """Linear regression with an L1 and an L2 penalty, and certified removal of training rows.

    The objective, and before noise the coefficients, are those of scikit-learn's `ElasticNet`:
    ``sum_i s_i (x_i w + b - y_i)^2 / (2 sum_i s_i) + alpha (r ||w||_1 + (1 - r) ||w||^2 / 2)`` with
    ``r = l1_ratio``, intercept unpenalised.  The penalty of the sum shrinks with the rows, and a
    removal accounts for it.  Every removal minimises afresh from where the iterate stands.

    The secret iterate has exact zeros.  The release has none: noise is added to every coefficient.
    `export_predictor` sets small ones to zero if asked.

    Parameters
    ----------
    alpha : float
        Penalty of the mean loss, at least 0; 0 where the features have full rank.
    l1_ratio : float
        Share of the penalty that is L1, in [0, 1).  A pure L1 penalty is refused: nothing bounds
        the distance to its optimum, which may not even be unique.
    fit_intercept : bool
        Whether an unpenalised intercept is fitted.
    max_iter : int
        Most proximal Newton steps of a fit or refresh.
    tol, random_state, verbose, epsilon, delta, noise, mechanism, view, horizon, solver
        As in `CertifiedLogReg`; ``noise`` is the fraction of the standard error that a coefficient
        would have if the targets' own deviation were that of the residuals.  Only a solver that
        factors the Hessian knows L1 penalties.

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
    >>> model = CertifiedElasticNet(alpha=0.01, random_state=0).fit(X, y).forget([17, 42])
    >>> model.certificate_.tier, model.n_retained_
    ('refresh', 440)
    """

    _targets = {"y_numeric": True, "multi_output": True}

    _takes_sparse = False

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        l1_ratio: float = 0.5,
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
        self.l1_ratio = l1_ratio
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

    def _settings(self, encoding: Encoding) -> Settings:
        # scikit-learn's loss is a mean: times the rows' weight, so are its penalties.
        alpha, l1 = self._mixed(self._alpha(self.alpha), self.l1_ratio)
        return self._stated(alpha=alpha, l1=l1, loss=Squared(), per_weight=True)

    @reader
    def export_predictor(self, *, threshold: float = 0.0) -> ElasticNet:
        """Return a scikit-learn regressor with the released weights only.

        Coefficients smaller than ``threshold`` become zero: post-processing, which costs nothing.
        """
        check_is_fitted(self)
        out = ElasticNet(alpha=self.alpha, l1_ratio=self.l1_ratio, fit_intercept=self.fit_intercept)
        copied: ElasticNet = self._copied_to(out, threshold)
        return copied
