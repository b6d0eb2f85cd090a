"""Robust regression that can forget, with a certificate."""

from __future__ import annotations

import warnings

from sklearn.linear_model import HuberRegressor
from sklearn.utils.validation import check_is_fitted

from .._common import validate as _validate
from .._common.arrays import RandomState
from .._common.whole import reader
from ..engine.unlearner import Settings
from ..exceptions import caller
from ..numerics.losses.pointwise import LogCosh, Pointwise, PseudoHuber
from ..requests.targets import Encoding
from .base.regressor import LinearRegressor

LOSSES = ("pseudo-huber", "log-cosh")
#: What has no certificate, and what to take instead.
_REFUSED = {
    "huber": "its curvature jumps: use loss='pseudo-huber' with the same threshold",
    "absolute_error": "it has no curvature: use loss='log-cosh', or a small threshold",
    "quantile": "it has no curvature: use loss='log-cosh' for the median",
}
#: Where thresholds of Huber's loss are looked for, and few epsilons of certificates.
_MEANT = (1.0, 2.0)


class CertifiedHuberRegressor(LinearRegressor):
    """Robust regression with a smooth Huber loss and certified removal of training rows.

    ``sum_i s_i b^2 (sqrt(1 + (r_i / b)^2) - 1) + alpha ||w||^2 / 2`` with residuals
    r_i = x_i w + c - y_i and b the threshold, intercept unpenalised: quadratic for small residuals,
    linear for large ones.  scikit-learn's `HuberRegressor` estimates the residuals' scale as well;
    here it is 1, so choose b in the units of y.

    Parameters
    ----------
    threshold : float
        b > 0: residuals much larger have bounded influence.  scikit-learn calls it epsilon, which
        here is that of the certificate: a fit that seems to mix them up warns.
    loss : {"pseudo-huber", "log-cosh"}
        "log-cosh" has no threshold: ``sum_i s_i log cosh r_i``.
    alpha : float
        L2 penalty, at least 0; 0 where the features have full rank.
    fit_intercept : bool
        Whether an unpenalised intercept is fitted.
    max_iter : int
        Most Newton steps of a fit or refresh.
    tol, random_state, verbose, epsilon, delta, noise, mechanism, view, horizon, solver
        As in `CertifiedLogReg`; ``noise`` is the fraction of the standard error that a coefficient
        would have if the residuals' deviation were the targets' own, or the threshold (1 for
        "log-cosh") where that is smaller: no outlier can make the noise larger.

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

    References
    ----------
    Charbonnier et al. (1994), Two deterministic half-quadratic regularization algorithms.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = CertifiedHuberRegressor(threshold=50.0).fit(X, y)
    >>> model.forget([17, 42]).certificate_.check(epsilon=1.0, delta=1e-6)
    True
    """

    def __init__(
        self,
        *,
        threshold: float = 1.35,
        loss: str = "pseudo-huber",
        alpha: float = 0.0001,
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
        self.threshold = threshold
        self.loss = loss
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

    def _settings(self, encoding: Encoding) -> Settings:
        if self.loss in _REFUSED:
            raise ValueError(f"loss={self.loss!r} cannot be certified: {_REFUSED[self.loss]}")
        _validate.choice("loss", self.loss, LOSSES)
        threshold = _validate.real("threshold", self.threshold, low=0)
        loss: Pointwise = PseudoHuber(threshold) if self.loss == LOSSES[0] else LogCosh()
        settings = self._stated(alpha=self._alpha(self.alpha), loss=loss)
        if self.loss == LOSSES[0] and threshold == 1.35 and _MEANT[0] < self.epsilon < _MEANT[1]:
            warnings.warn(
                f"epsilon={self.epsilon:g} is what the certificate promises here, while "
                "scikit-learn's HuberRegressor calls its threshold epsilon: if that is meant, pass "
                f"threshold={self.epsilon:g}",
                UserWarning,
                stacklevel=caller(),
            )
        return settings

    @reader
    def export_predictor(self) -> HuberRegressor:
        """Return a scikit-learn regressor with the released weights only."""
        check_is_fitted(self)
        out = HuberRegressor(alpha=self.alpha, fit_intercept=self.fit_intercept)
        out.n_iter_, out.scale_ = 0, 1.0
        self._copied_to(out)
        return out
