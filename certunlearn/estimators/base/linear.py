"""What every estimator with coefficients and an intercept does alike: fit, and its settings."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_y,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from ..._common import validate as _validate
from ..._common.arrays import AnyArray, ArrayLike, MatrixLike, RowsLike, Show
from ..._common.progress import shown
from ..._common.whole import verb
from ...claims.frame import Frame
from ...claims.noise import MECHANISMS
from ...engine import unlearner
from ...engine.unlearner import Settings
from ...exceptions import AssumptionError
from ...numerics.losses.pointwise import Pointwise
from ...numerics.rows.files import RowFiles
from ...numerics.rows.meshed import Spread
from ...numerics.solvers.choice import SOLVERS
from ...requests.asked import Annotations
from ...requests.fitted import Fitted, checked_weights
from ...requests.row_names import RowNames
from ...requests.targets import Encoding
from .verbs import UnlearningEstimator

Array = NDArray[np.float64]


class LinearEstimator(UnlearningEstimator):
    """Fits coefficients and an unpenalised intercept.

    A subclass says in `_encoded` what it makes of targets and in `_settings` what it minimises.
    """

    coef_: Array
    n_iter_: NDArray[np.int64]
    fit_intercept: bool
    tol: float
    max_iter: int
    mechanism: str
    solver: str

    #: How the targets are checked.
    _targets: ClassVar[dict[str, bool]] = {}

    @abstractmethod
    def _encoded(self, y: AnyArray) -> tuple[Encoding, AnyArray]:
        """Return what stands for labels or targets in the store, and that of these."""

    @abstractmethod
    def _settings(self, encoding: Encoding) -> Settings:
        """Check the parameters and state them as the unlearner wants them."""

    @verb
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        metadata: MatrixLike | None = None,
        static: ArrayLike | None = None,
        progress: Show = None,
    ) -> Self:
        """Train on the rows of positive weight and release.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features), Shards or OnMesh
            Copied, never written to; float32 is held as such and computed with as float64.  A
            DataFrame's index names the rows.  Sparse features stay so: only "newton-cg" fits them,
            and beyond 3 000 columns with isotropic noise alone.  `Shards` stay on the disk, with
            the labels, weights and names written beside them, `OnMesh` on its devices.
        y : array-like of shape (n_samples,)
            Labels or targets; a ridge regression takes (n_samples, n_targets) as well.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0; a row of weight 0 is not in the training set.
        row_ids : array-like of shape (n_samples,), optional
            Names of the rows, each its own, instead of a DataFrame's index; an index with repeats
            names none.
        groups : array-like of shape (n_samples,), optional
            Whom each row belongs to: `forget` can take all rows of a group.  None is missing.
        metadata : DataFrame of n_samples lines, optional
            What ``forget(where=...)`` looks at; the model does not.
        static : array-like of bool, shape (n_samples,), optional
            Rows that no request may remove or change, such as public ones.
        progress : bool or callable, optional
            True shows a line that changes, where rich is installed; a callable gets the number and
            the decrement of every Newton step.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        NotCertifiedError
            If the distance to the optimum that every fit promises cannot be shown.
        ConvergenceError
            If the optimum is not reached in ``max_iter`` steps.
        AssumptionError
            If there is no optimum, such as with fewer than two classes of positive weight.
        """
        known = Annotations(sample_weight, row_ids, groups, metadata, static)
        self._train(X, y, known, progress)
        return self

    def _train(
        self,
        X: MatrixLike,
        y: ArrayLike | None,
        known: Annotations,
        progress: Show,
        frame: Frame | None = None,
    ) -> None:
        """Fit, rows that are held in a ``frame`` as they are held there."""
        names_of = None
        if isinstance(X, RowFiles):
            known = self._opened(X, known)
            if y is None:
                encoding, labels = self._encoded_files(X)
            else:
                encoding, labels = self._encoded(self._beside(X, y))
            weight = _weighed(X, known.sample_weight)
        elif isinstance(X, Spread):
            encoding, labels = self._encoded(self._spread(X, y))
            weight = checked_weights(X, known.sample_weight)
        else:
            names_of, (X, y) = X, self._checked(X, y)
            encoding, labels = self._encoded(y)
            weight = checked_weights(X, known.sample_weight)
        names = RowNames.of(
            names_of, known.row_ids, known.groups, X.shape[0], known.metadata, known.static
        )
        settings = self._settings(encoding)
        with shown(progress, self.verbose) as callback:
            model = unlearner.fit(X, labels, weight, settings, frame=frame, progress=callback)
        self._adopt(Fitted.of(model, names, encoding), "fit", 0)

    def _checked(self, X: MatrixLike, y: ArrayLike | None) -> tuple[MatrixLike, AnyArray]:
        """Check rows (n, d) and their labels or targets."""
        kind = "csr" if self._takes_sparse else False
        checks = {"dtype": [np.float64, np.float32], "order": "C", "accept_sparse": kind}
        X, y = validate_data(self, X, y, **checks, **self._targets)
        return X, np.asarray(y)

    def _opened(self, files: RowFiles, known: Annotations) -> Annotations:
        """Return the names of rows in files, where they are not given."""
        if files.grown:
            raise AssumptionError(
                f"a model has put rows into {files.path}, whose labels it alone knows: go on with "
                "that model, or write all rows anew"
            )
        self._named(files)
        given = {name: value for name, value in known._asdict().items() if value is not None}
        own = {name: files.column(name) for name in ("row_ids", "groups") if name in files.columns}
        return Annotations(**(own | given))

    def _encoded_files(self, files: RowFiles) -> tuple[Encoding, AnyArray]:
        """Return what `_encoded` does of the labels beside rows in files."""
        if "labels" not in files.columns:
            raise ValueError(f"{files.path} holds no labels: pass y")
        return self._encoded(self._checked_labels(files.column("labels")))

    def _spread(self, X: Spread, y: ArrayLike | None) -> AnyArray:
        """Return labels of rows on several devices."""
        if y is None:
            raise ValueError("rows on devices carry no labels: pass y")
        return self._beside(X, y)

    def _named(self, X: RowFiles | Spread) -> None:
        """Take note of the columns of rows that are not in an array."""
        self.n_features_in_ = X.d
        self.__dict__.pop("feature_names_in_", None)
        if X.feature_names is not None:
            self.feature_names_in_ = np.array(X.feature_names, dtype=object)

    def _beside(self, X: RowFiles | Spread, y: ArrayLike) -> AnyArray:
        """Check labels of rows that are not in an array, and take note of their columns."""
        self._named(X)
        check_consistent_length(X, y)
        return self._checked_labels(y)

    def _checked_labels(self, y: ArrayLike) -> AnyArray:
        """Check labels or targets (n,) or (n, K) that come without rows."""
        out: AnyArray = _check_y(y, **self._targets)
        return out

    def _stated(
        self,
        *,
        alpha: float,
        l1: float = 0.0,
        loss: Pointwise | None = None,
        per_weight: bool = False,
        class_weight: None | str | Array = None,
    ) -> Settings:
        """Check the parameters that all estimators share and add what one has of its own."""
        _validate.count("verbose", self.verbose, low=0)
        return Settings(
            alpha=alpha,
            l1=l1,
            loss=loss,
            per_weight=per_weight,
            class_weight=class_weight,
            fit_intercept=_validate.flag("fit_intercept", self.fit_intercept),
            mechanism=_validate.choice("mechanism", self.mechanism, ("auto", *MECHANISMS)),
            tol=_validate.real("tol", self.tol, low=0, closed="low"),
            max_iter=_validate.count("max_iter", self.max_iter, low=1),
            solver=_validate.choice("solver", self.solver, SOLVERS),
            **self._promise(),
        )

    def _alpha(self, alpha: Any) -> float:
        """Check a penalty that may be zero."""
        return _validate.real("alpha", alpha, low=0, closed="low")

    def _mixed(self, total: float, l1_ratio: Any) -> tuple[float, float]:
        """Divide a penalty into L2 and L1, as scikit-learn does."""
        ratio = _validate.real("l1_ratio", l1_ratio, low=0, high=1, closed="both")
        if ratio == 1:
            raise AssumptionError(
                "l1_ratio=1 is a pure L1 penalty, which is not strongly convex: the optimum may "
                "not be unique and its distance cannot be bounded; use l1_ratio < 1"
            )
        return total * (1.0 - ratio), total * ratio

    def _arranged(self, W: Array) -> tuple[Array, Array]:
        """Return weights (p, K) as coefficients (K, d) and intercepts (K,)."""
        p = self.n_features_in_
        return np.ascontiguousarray(W[:p].T), W[p].copy() if len(W) > p else np.zeros(W.shape[1])

    def _steps(self, fitted: Fitted) -> NDArray[np.int32]:
        """Newton steps of the last fit or refresh, as scikit-learn shows them."""
        return np.array([fitted.linear.iterations], dtype=np.int32)

    def _margins(self, X: MatrixLike) -> Array:
        """Return X coef' + intercept for checked X, as coef_ is shaped."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, accept_sparse="csr", reset=False)
        out: Array = X @ self.coef_.T + self.intercept_
        return out

    def _copied_to(self, out: Any, threshold: Any = 0.0) -> Any:
        """Give a scikit-learn estimator the released weights and the names of the features.

        Coefficients smaller than ``threshold`` become zero.
        """
        threshold = _validate.real("threshold", threshold, low=0, closed="low")
        out.coef_, out.intercept_ = np.copy(self.coef_), np.copy(self.intercept_)
        if threshold:
            out.coef_[np.abs(out.coef_) < threshold] = 0.0
        if np.ndim(self.intercept_) == 0:
            out.intercept_ = np.float64(out.intercept_)
        out.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            out.feature_names_in_ = self.feature_names_in_.copy()
        return out


def _weighed(files: RowFiles, sample_weight: ArrayLike | None) -> AnyArray:
    """Return the weights of rows in files: those written beside them, or others."""
    own = files.weights()
    if sample_weight is None:
        return own
    # A row that was erased is there no more, whatever weight it is given.
    return np.where(own == 0, 0.0, checked_weights(files, sample_weight))
