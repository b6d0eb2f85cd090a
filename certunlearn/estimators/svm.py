"""Linear support vector machines with a smooth hinge that can forget, with a certificate."""

from __future__ import annotations

import numpy as np
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from .._common import validate as _validate
from .._common.arrays import ClassWeight, RandomState
from .._common.whole import reader
from ..engine.unlearner import Settings
from ..numerics.losses.pointwise import SoftplusHinge
from ..requests.targets import Encoding
from .base.classifier import LinearClassifier

#: The one loss there is, and why not scikit-learn's.
LOSS = "softplus_hinge"
_REFUSED = {
    "hinge": "it has no curvature",
    "squared_hinge": "its curvature jumps at the margin, so no quadratic model bounds it",
}


class CertifiedLinearSVC(LinearClassifier):
    """Linear support vector classification with certified removal of training rows.

    ``sum_i s_i T log(1 + exp((1 - t_i (x_i w + b)) / T)) + ||w||^2 / (2 C)`` with t_i = 1 or -1 and
    T the temperature: at most ``T log 2`` a row above the hinge loss, which has no curvature and
    so no certificate.  Several classes are told one against the rest, as by `LinearSVC`; unlike
    there the intercept is not penalised.

    Parameters
    ----------
    C : float
        Inverse L2 penalty, > 0; ``inf`` for none, where an optimum exists.
    temperature : float
        T > 0: how smooth the hinge is.  A small one is close to it, and harder to certify.
    loss : {"softplus_hinge"}
        "hinge" and "squared_hinge" are refused, with the reason.
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
    >>> model = CertifiedLinearSVC().fit(X, y).forget([17, 42])
    >>> model.certificate_.check(epsilon=1.0, delta=1e-6), model.n_retained_
    (True, 567)
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        temperature: float = 0.5,
        loss: str = LOSS,
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
        self.C = C
        self.temperature = temperature
        self.loss = loss
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
        C = _validate.real("C", self.C, low=0, closed="high")
        temperature = _validate.real("temperature", self.temperature, low=0)
        if self.loss in _REFUSED:
            raise ValueError(
                f"loss={self.loss!r} cannot be certified: {_REFUSED[self.loss]}; use "
                f'loss="{LOSS}", which comes near the hinge at a small temperature'
            )
        _validate.choice("loss", self.loss, (LOSS,))
        weights = self._class_weight(encoding)
        return self._stated(alpha=1.0 / C, loss=SoftplusHinge(temperature), class_weight=weights)

    @reader
    def export_predictor(self) -> LinearSVC:
        """Return a scikit-learn classifier with the released weights only."""
        check_is_fitted(self)
        out = LinearSVC(C=self.C, fit_intercept=self.fit_intercept)
        out.classes_, out.n_iter_ = self.classes_.copy(), np.int32(0)
        self._copied_to(out)
        return out
