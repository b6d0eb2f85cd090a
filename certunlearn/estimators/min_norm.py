"""Least squares of minimum norm that can forget, with a certificate."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.utils.validation import check_is_fitted, validate_data

from .._common.arrays import ArrayLike, MatrixLike, RandomState, RowsLike, Show
from .._common.progress import shown
from .._common.whole import reader, verb
from ..engine.min_norm import unlearner as interpolation
from ..engine.settings import Settings
from ..exceptions import AssumptionError
from ..requests.fitted import Fitted, checked_weights
from ..requests.row_names import RowNames
from ..requests.targets import Targets
from .base.verbs import UnlearningEstimator

Array = NDArray[np.float64]


class CertifiedMinNorm(MultiOutputMixin, RegressorMixin, UnlearningEstimator):  # type: ignore[misc]
    """Least squares of minimum norm without an intercept, with certified removal of training rows.

    Before noise the coefficients are ``pinv(X) @ y``.  With fewer distinct rows than features the
    model interpolates, and forgetting projects the coefficients on the span of the rows that stay;
    otherwise it is ordinary least squares, solved afresh at every request.  ``coef_`` is a noisy
    release; the exact optimum is never published.

    Parameters
    ----------
    epsilon, delta : float
        What every removal is certified for; 0 < epsilon <= 700, 0 < delta < 1.
    view : {"transcript", "release"}
        Whether epsilon and delta are meant for all releases since the oldest removal together,
        however many, or for each release alone.  Releases that are meant alone need fewer passes,
        and together they tell more: see ``joint_epsilon`` in the certificate.
    horizon : int
        Releases since the oldest removal that a transcript is planned for: they are all certified
        to one distance, which falls like ``1 / sqrt(horizon)``.  Later ones are covered as well,
        by distances that fall like 1 / t.
    noise : float
        Twice what one release adds to the predictions of the retained rows, as a share of the
        targets' standard deviation: it costs at most noise^2 / 4 of R^2 there.  Every coefficient
        gets the same noise, the only geometry there is: the Gram matrix is singular.  0 releases
        the optimum and claims nothing.
    random_state : int, RandomState or None
        None draws noise from the operating system's generator.  A seed makes releases
        reproducible, hence not private; the certificate says so.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        The release.
    intercept_ : float
        0: centring depends on the rows and would have to be forgotten as well.
    solver_ : str
        "interpolation" or "least squares".
    certificate_ : Certificate
        What holds for this release.
    n_retained_, n_forgotten_ : int
        Rows in the training set (of positive weight), and rows forgotten.
    history_ : list of dict
        One entry an operation; depends on the removed rows, for the owner's log only.

    Notes
    -----
    Guarantee: see `certunlearn.engine.min_norm.unlearner`.  A pickle holds the retained rows and
    the secret iterate (a warning says so); deploy `export_predictor` instead.

    Weights of rows matter only where equal rows have different targets, which count as one row
    with their weighted mean, and with more rows than features.  Rows that are linearly dependent
    otherwise are refused, since the optimum jumps there: use CertifiedRidge.

    References
    ----------
    Block, Mokhtari & Shakkottai (2025), Theorem 2.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 60))
    >>> model = CertifiedMinNorm().fit(X, X[:, 0]).forget([3, 5])
    >>> model.certificate_.check(epsilon=1.0, delta=1e-6), model.n_retained_
    (True, 18)
    """

    coef_: Array
    intercept_: np.float64
    verbose: int = 0
    _takes_sparse = False

    def __init__(
        self,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        view: str = "transcript",
        horizon: int = 1_000,
        noise: float = 0.1,
        random_state: RandomState = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.view = view
        self.horizon = horizon
        self.noise = noise
        self.random_state = random_state

    @verb
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        progress: Show = None,
    ) -> Self:
        """Train on the rows of positive weight and release.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Copied as float64, never written to.  A DataFrame's index names the rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0; a row of weight 0 is not in the training set.
        row_ids : array-like of shape (n_samples,), optional
            Names of the rows, instead of a DataFrame's index.
        groups : array-like of shape (n_samples,), optional
            Whom each row belongs to: `forget` can take all rows of a group.
        progress : bool or callable, optional
            True shows a line that changes, where rich is installed; a callable gets a number and
            the distance shown.

        Returns
        -------
        CertifiedMinNorm
            Itself.

        Raises
        ------
        NotCertifiedError
            If the distance to the optimum that every fit promises cannot be shown.
        AssumptionError
            If the distinct rows are linearly dependent, or no row has positive weight.
        """
        names_of = X
        X, y = validate_data(
            self, X, y, dtype=np.float64, order="C", multi_output=True, y_numeric=True
        )
        encoding, targets = Targets.of(y, several=True)
        weight = checked_weights(X, sample_weight)
        names = RowNames.of(names_of, row_ids, groups, len(X))
        settings = self._settings()
        if not (weight > 0).any():
            raise AssumptionError("no row has positive weight: there is nothing to train on")
        with shown(progress, self.verbose) as callback:
            model = interpolation.fit(X, targets, weight, settings, progress=callback)
        self._adopt(Fitted.of(model, names, encoding), "fit", 0)
        return self

    @reader
    def export_predictor(self) -> LinearRegression:
        """Return a scikit-learn regressor with the released weights only.

        It holds no row, no identifier, no secret iterate and no certificate.
        """
        check_is_fitted(self)
        out = LinearRegression(fit_intercept=False)
        out.coef_, out.intercept_ = self.coef_.copy(), self.intercept_
        out.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            out.feature_names_in_ = self.feature_names_in_.copy()
        return out

    @reader
    def predict(self, X: MatrixLike) -> Array:
        """Return the predictions, shape (n_samples,) or (n_samples, n_targets)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        out: Array = X @ self.coef_.T
        return out

    def _settings(self) -> Settings:
        """Check every parameter; nothing but an epsilon, a delta and a noise matters here."""
        return Settings(
            alpha=0.0,
            fit_intercept=False,
            class_weight=None,
            mechanism="isotropic",
            tol=math.inf,
            max_iter=1,
            **self._promise(),
        )

    def _attributes(self, fitted: Fitted, released: Array) -> dict[str, Any]:
        assert isinstance(fitted.encoding, Targets)
        flat = fitted.encoding.columns is None
        coef = released[:, 0].copy() if flat else np.ascontiguousarray(released.T)
        return {"coef_": coef, "intercept_": np.float64(0.0)}
