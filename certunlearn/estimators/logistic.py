"""Logistic regression that can forget, with a certificate."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _validate, unlearner
from ..exceptions import ClassForgottenWarning
from ..noise import MECHANISMS
from ..solvers.choice import SOLVERS
from ..tradeoff import VIEWS
from ..unlearner import Model, Settings
from ._addressing import RowNames
from ._base import UnlearningEstimator
from ._progress import shown

Array = NDArray[np.float64]


class CertifiedLogReg(ClassifierMixin, UnlearningEstimator):  # type: ignore[misc]
    """L2-regularised logistic regression with certified removal of training rows.

    The objective, and before noise the coefficients, are those of scikit-learn's
    `LogisticRegression`: ``sum_i s_i log-loss_i + ||coef||^2 / (2 C)``, intercept unpenalised.
    ``coef_`` is a noisy release; the exact optimum is never published.

    Parameters
    ----------
    C : float
        Inverse L2 penalty, > 0; ``inf`` for none, where an optimum exists.
    fit_intercept : bool
        Whether an unpenalised intercept is fitted.
    class_weight : dict, "balanced" or None
        Weights of the classes, > 0; "balanced" is recomputed on the retained rows.
    tol : float
        Largest absolute entry of the mean gradient after a fit or refresh.  It can only tighten
        what the certificate needs.
    max_iter : int
        Most Newton steps of a fit or refresh.
    random_state : int, RandomState or None
        None draws noise from the operating system's generator.  A seed makes releases
        reproducible, hence not private; the certificate says so.
    verbose : int
        Print a line per Newton step to standard error if positive.
    epsilon, delta : float
        What every removal is certified for; 0 < epsilon <= 700, 0 < delta < 1.
    noise : float
        sigma.  With "gram", the fraction of a coefficient's (Laplace) standard error that is
        added as noise; with "isotropic" the standard deviation of every coefficient; with
        "objective" that of the linear term of the perturbed quadratic model.  0 releases the
        optimum and claims nothing.
    mechanism : {"gram", "isotropic", "objective"}
        Geometry of the noise.
    view : {"release", "transcript"}
        Whether epsilon and delta are meant for each release alone, or for all releases since the
        oldest removal together, however many: release t is then certified to a distance that
        falls like 1 / t.
    solver : {"auto", "newton-cholesky", "newton-cg", "lbfgs"}
        "newton-cholesky" factors the Hessian, of size (classes x features)^2.  "newton-cg" needs
        its products with vectors only, "lbfgs" starts with gradients only; with either every
        removal passes over the retained rows.  "auto": "newton-cg" beyond 3000 coefficients.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The release.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The release.
    classes_ : ndarray of shape (n_classes,)
        Labels among the retained rows.
    n_iter_ : ndarray of shape (1,)
        Newton steps of the last fit or refresh.
    solver_ : str
        Solver in use.
    certificate_ : Certificate
        What holds for this release.
    n_retained_, n_forgotten_ : int
        Rows in the training set (of positive weight), and rows forgotten.
    history_ : list of dict
        One entry an operation; depends on the removed rows, for the owner's log only.

    Notes
    -----
    Guarantee: see `certunlearn.unlearner`.  A pickle holds the retained rows and the secret
    iterate (a warning says so); deploy `export_predictor` instead.

    Deviations from scikit-learn: a row of zero weight is not in the training set, so a class with
    only such rows is not in ``classes_``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedLogReg(random_state=0).fit(X, y).forget([17, 42])
    >>> model.certificate_.check(epsilon=1.0, delta=1e-6), model.n_retained_
    (True, 567)
    """

    coef_: Array
    intercept_: Array
    classes_: NDArray[Any]
    n_iter_: NDArray[np.int64]
    _labels: NDArray[Any]

    def __init__(
        self,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-4,
        max_iter: int = 100,
        random_state: Any = None,
        verbose: int = 0,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        noise: float = 0.1,
        mechanism: str = "gram",
        view: str = "release",
        solver: str = "auto",
    ) -> None:
        self.C = C
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
        self.solver = solver

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        row_ids: Any = None,
        groups: Any = None,
        progress: Any = None,
    ) -> Self:
        """Train on the rows of positive weight and release.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Copied as float64, never written to.  A DataFrame's index names the rows.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0; a row of weight 0 is not in the training set.
        row_ids : array-like of shape (n_samples,), optional
            Names of the rows, instead of a DataFrame's index.
        groups : array-like of shape (n_samples,), optional
            Whom each row belongs to: `forget` can take all rows of a group.
        progress : bool or callable, optional
            True shows a line that changes, where rich is installed; a callable gets the number and
            the decrement of every Newton step.

        Returns
        -------
        CertifiedLogReg
            Itself.

        Raises
        ------
        NotCertifiedError
            If the distance to the optimum that every fit promises cannot be shown.
        ConvergenceError
            If the optimum is not reached in ``max_iter`` steps.
        AssumptionError
            If fewer than two classes have positive weight.
        """
        with self._unchanged_on_error():
            names_of = X
            X, y = validate_data(self, X, y, dtype=np.float64, order="C")
            check_classification_targets(y)
            weight = self._weights(X, sample_weight)
            labels, codes = np.unique(y, return_inverse=True)
            names = RowNames.of(names_of, row_ids, groups, len(X))
            settings = self._settings(labels)
            with shown(progress, self.verbose) as callback:
                model = unlearner.fit(
                    X, codes.astype(np.int64), weight, settings, progress=callback
                )
            self._adopt(model, "fit", 0, _labels=labels, _names=names, history_=[])
        return self

    def export_predictor(self) -> LogisticRegression:
        """Return a scikit-learn classifier with the released weights only.

        It holds no row, no identifier, no secret iterate and no certificate.
        """
        check_is_fitted(self)
        out = LogisticRegression(C=self.C, fit_intercept=self.fit_intercept)
        out.classes_, out.n_iter_ = self.classes_.copy(), np.array([0], dtype=np.int32)
        out.coef_, out.intercept_ = self.coef_.copy(), self.intercept_.copy()
        out.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            out.feature_names_in_ = self.feature_names_in_.copy()
        return out

    def decision_function(self, X: Any) -> Array:
        """Return the margins, shape (n_samples,) or (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        margins: Array = X @ self.coef_.T + self.intercept_
        return margins[:, 0] if margins.shape[1] == 1 else margins

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest label of each row, shape (n_samples,)."""
        margins = self.decision_function(X)
        code = (margins > 0).astype(int) if margins.ndim == 1 else margins.argmax(axis=1)
        out: NDArray[Any] = self.classes_[code]
        return out

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (n_samples, n_classes)."""
        margins = self.decision_function(X)
        if margins.ndim == 1:
            return np.column_stack([expit(-margins), expit(margins)])
        out: Array = softmax(margins, axis=1)
        return out

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`."""
        out: Array = np.log(self.predict_proba(X))
        return out

    def _settings(self, labels: NDArray[Any]) -> Settings:
        """Check the parameters and state them as the unlearner wants them."""
        seed = None
        if self.random_state is not None:
            seed = self.random_state
            if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
                seed = check_random_state(self.random_state).randint(2**63 - 1, dtype=np.int64)
            seed = _validate.count("random_state", seed, low=0)
        _validate.count("verbose", self.verbose, low=0)
        return Settings(
            C=_validate.real("C", self.C, low=0, closed="high"),
            fit_intercept=_validate.flag("fit_intercept", self.fit_intercept),
            class_weight=self._class_weight(labels),
            epsilon=_validate.real("epsilon", self.epsilon, low=0, high=700, closed="high"),
            delta=_validate.real("delta", self.delta, low=0, high=1),
            noise=_validate.real("noise", self.noise, low=0, closed="low"),
            mechanism=_validate.choice("mechanism", self.mechanism, MECHANISMS),
            tol=_validate.real("tol", self.tol, low=0, closed="low"),
            max_iter=_validate.count("max_iter", self.max_iter, low=1),
            seed=seed,
            view=_validate.choice("view", self.view, VIEWS),
            solver=_validate.choice("solver", self.solver, SOLVERS),
        )

    def _class_weight(self, labels: NDArray[Any]) -> None | str | Array:
        given = self.class_weight
        if given is None or isinstance(given, str):
            if given not in (None, "balanced"):
                raise ValueError(f'class_weight must be "balanced", a dict or None, got {given!r}')
            return given
        if not isinstance(given, dict):
            raise ValueError(f'class_weight must be "balanced", a dict or None, got {given!r}')
        unknown = [key for key in given if key not in labels.tolist()]
        if unknown:
            raise ValueError(f"class_weight names labels that y does not hold: {unknown}")
        return np.array(
            [_validate.real("class_weight", given.get(v, 1.0), low=0) for v in labels.tolist()]
        )

    def _attributes(self, model: Model, **more: Any) -> dict[str, Any]:
        p = model.rows.p - int(model.settings.fit_intercept)
        W, labels = model.released, more.get("_labels", getattr(self, "_labels", np.zeros(0)))
        return {
            "coef_": np.ascontiguousarray(W[:p].T),
            "intercept_": W[p].copy() if len(W) > p else np.zeros(W.shape[1]),
            "classes_": labels[model.classes],
            "n_iter_": np.array([model.iterations], dtype=np.int32),
        }

    def _codes(self, y: Any) -> NDArray[np.int64]:
        y = column_or_1d(y, dtype=None)
        code = np.searchsorted(self._labels, y) if len(y) else np.zeros(0, dtype=np.int64)
        known = self._labels[np.minimum(code, len(self._labels) - 1)] == y
        if not known.all():
            new = np.unique(np.asarray(y)[~known]).tolist()
            raise ValueError(
                f"labels that did not occur in the fit: {new}; fit anew to add classes"
            )
        return code.astype(np.int64)

    def _notice(self, before: Model, after: Model) -> None:
        lost = self._labels[np.setdiff1d(before.classes, after.classes)]
        if len(lost):
            warnings.warn(
                f"no retained row is labelled {', '.join(map(repr, lost.tolist()))}: "
                "classes_ and coef_ change shape, as retraining would have it",
                ClassForgottenWarning,
                stacklevel=4,
            )
