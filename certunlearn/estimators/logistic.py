"""Logistic regression that can forget, with a certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils.validation import _num_samples, check_consistent_length, check_is_fitted

from .._common import validate as _validate
from .._common.arrays import (
    AnyArray,
    ArrayLike,
    ClassWeight,
    Condition,
    MatrixLike,
    RandomState,
    RowsLike,
    Show,
)
from .._common.progress import shown
from .._common.whole import reader
from ..engine.unlearner import Settings
from ..numerics.losses import pointwise
from ..requests.asked import Asked
from ..requests.indicators import Indicators, several
from ..requests.targets import Encoding
from .base.classifier import LinearClassifier
from .base.linear import Array
from .one_vs_rest import one_vs_rest, shared_out
from .suppressed import SuppressedPredictor, maximum_entropy


class CertifiedLogReg(LinearClassifier):
    """Logistic regression, L2 or elastic net, with certified removal of training rows.

    The objective, and before noise the coefficients, are those of scikit-learn's
    `LogisticRegression`: ``sum_i s_i log-loss_i + ||coef||^2 / (2 C)``, intercept unpenalised;
    with an ``l1_ratio`` r it is ``(r ||coef||_1 + (1 - r) ||coef||^2 / 2) / C`` instead.
    ``coef_`` is a noisy release; the exact optimum is never published.

    Parameters
    ----------
    C : float
        Inverse penalty, > 0; ``inf`` for none, where an optimum exists.
    l1_ratio : float
        Share of the penalty that is L1, in [0, 1).  The secret iterate then has exact zeros and
        the release has none: noise is added to every coefficient.  See `export_predictor`.  Every
        removal minimises afresh.  A pure L1 penalty is refused: nothing bounds the distance to
        its optimum, which may not even be unique.
    multi_class : {"multinomial", "ovr"}
        What more than two classes share: one distribution (softmax), or nothing.  "ovr" tells each
        class from all others, as scikit-learn's ``OneVsRestClassifier(LogisticRegression())``
        does, with class weights of the row's own class.  Columns are then certified together, and
        solved one by one with a factor of features^2 each, or beyond 1500 coefficients side by side
        in single precision.  It also takes several labels a row: ``y`` is then an indicator matrix,
        dense or CSR, of 0 and 1, and so are predictions.
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
        sigma over a scale of the retained rows, so that it means the same in any units.  With
        "gram", the fraction of a coefficient's (Laplace) standard error that is added as noise;
        with "isotropic" half of that on average over the rows, as one standard deviation for every
        coefficient; with "objective" the standard deviation of the linear term of the perturbed
        quadratic model, over the size of one row's gradient.  0 releases the optimum and claims
        nothing.
    mechanism : {"auto", "gram", "isotropic", "objective"}
        Geometry of the noise.  "auto" is "gram", but for dense rows of more than 1 440 columns,
        where that matrix costs more than passes without it, and sparse rows of more than 3 000,
        whose Gram matrix is not formed, "isotropic"; the certificate names it.
    view : {"transcript", "release"}
        Whether epsilon and delta are meant for all releases since the oldest removal together,
        however many, or for each release alone.  Releases that are meant alone need fewer passes,
        and together they tell more: see ``joint_epsilon`` in the certificate.
    horizon : int
        Releases since the oldest removal that a transcript is planned for: they are all certified
        to one distance, which falls like ``1 / sqrt(horizon)``.  Later ones are covered as well,
        by distances that fall like 1 / t.
    solver : {"auto", "newton-cholesky", "newton-cg", "lbfgs"}
        "newton-cholesky" factors the Hessian, of size (classes x features)^2.  "newton-cg" needs
        its products with vectors only, "lbfgs" gradients; with either a removal passes over the
        retained rows unless the last pass tells enough.  "auto" goes by size, as
        docs/choose.md says: "lbfgs" beyond 750 coefficients under isotropic noise; otherwise
        beyond 3000, and "newton-cg" where there are several classes, of softmax beyond 500.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The release.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The release.  Of several labels a row it is infinite, and ``coef_`` zero, for one that all
        retained rows carry, or none: there is nothing to learn.
    classes_ : ndarray of shape (n_classes,)
        Labels among the retained rows; texts are as wide as the longest of them.  Of several labels
        a row one for each column of ``y``: its name in a DataFrame, else its number.
    n_iter_ : ndarray of shape (1,)
        Newton steps of the last fit or refresh; like ``history_``, for the owner's log only.
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
    Guarantee: see `certunlearn.engine.unlearner`.  A pickle holds the retained rows and the secret
    iterate (a warning says so); deploy `export_predictor` instead.

    Deviations from scikit-learn: a row of zero weight is not in the training set, so a class with
    only such rows is not in ``classes_``, and a ``class_weight`` of 0 is refused.  There is no
    ``sparsify``: a release has no zeros.  The exported predictor has it.

    Threads: verbs (fit, forget, learn, correct, release, previews, pickling) wait for one another;
    predictions, `export_predictor` and `snapshot` wait for none and see one release whole.
    Interrupts: a verb that is stopped at any instruction leaves the model as it was, or has been
    carried out; Ctrl-C is heeded before the next pass over the rows.  Copies, those of `copy.copy`
    too, hold rows of their own.  Forks: in a child of a process that has used JAX whatever needs a
    pass raises `ForkedError` at once; predictions, releases and removals without one go on.

    There is no probit link: the third derivative of ``-log Phi(z)`` over the second grows like z
    without end, so no constant of self-concordance bounds it, and the logistic loss is its
    substitute.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedLogReg().fit(X, y).forget([17, 42])
    >>> model.certificate_.check(epsilon=1.0, delta=1e-6), model.n_retained_
    (True, 567)
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        multi_class: str = "multinomial",
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
        self.l1_ratio = l1_ratio
        self.multi_class = multi_class
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

    @reader
    def export_predictor(
        self, *, threshold: float = 0.0
    ) -> LogisticRegression | OneVsRestClassifier:
        """Return a scikit-learn classifier with the released weights only.

        It holds no row, no identifier, no secret iterate and no certificate.  Released
        coefficients smaller than ``threshold`` become zero: post-processing, which costs nothing.
        With ``multi_class="ovr"`` and more than two classes, or several labels a row, it is a
        `OneVsRestClassifier`.
        """
        check_is_fitted(self)
        out = LogisticRegression(C=self.C, fit_intercept=self.fit_intercept)
        if self._apart:
            weights = self._copied_to(out, threshold)
            return one_vs_rest(weights, self.classes_, self._indicators)
        if self.l1_ratio:
            out.set_params(l1_ratio=self.l1_ratio, solver="saga")
        out.classes_, out.n_iter_ = self.classes_.copy(), np.array([0], dtype=np.int32)
        self._copied_to(out, threshold)
        return out

    @reader
    def suppress(
        self,
        which: RowsLike | None = None,
        /,
        *,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
        weight: float = 1.0,
        progress: Show = None,
    ) -> SuppressedPredictor:
        """Return a classifier that has no opinion on some rows: suppression, not removal.

        The rows stay in the training set, with targets that are uniform over all classes, the
        distribution of largest entropy; all else is minimised as before.  This model, its
        certificate and its state are not changed.

        Parameters
        ----------
        which, rows, row_ids, groups, where
            As in `forget`.
        weight : float
            > 0: how much a suppressed row counts beside one that is not.
        progress : bool or callable, optional
            As in `fit`.

        Returns
        -------
        SuppressedPredictor
            With a ``certificate_`` of None.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If the request does not name rows properly, or no row of positive weight.
        ConvergenceError, NotCertifiedError
            If the optimum is not reached.

        Notes
        -----
        It is an optimum on the retained rows without noise, found afresh: rows forgotten before
        have no part in it, and nothing bounds what it tells of those retained.  Should they be
        forgotten later, it is one of the releases made before, which no certificate covers.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> model = CertifiedLogReg(random_state=0).fit(X, y)
        >>> silent = model.suppress(y == 0)
        >>> said = [bool((m.predict(X)[y == 0] == 0).mean() > 0.5) for m in (model, silent)]
        >>> silent.goal_, silent.certificate_, said
        ('suppression, not removal', None, [True, False])
        """
        check_is_fitted(self)
        if self._apart:
            raise ValueError('suppress needs one distribution over the classes: "multinomial"')
        fitted = self._fitted
        places = fitted.names.store(fitted.positions(Asked(which, rows, row_ids, groups, where)))
        with shown(progress, self.verbose) as callback:
            W, suppressed = maximum_entropy(fitted.linear, places, weight, callback)
        out = SuppressedPredictor(C=self.C, fit_intercept=self.fit_intercept)
        self._copied_to(out)
        out.coef_, out.intercept_ = self._arranged(W)
        out.classes_, out.n_iter_ = self.classes_.copy(), np.array([0], dtype=np.int32)
        out.n_suppressed_ = suppressed
        return out

    @reader
    def predict_proba(self, X: MatrixLike) -> Array:
        """Return the probability of each class, or label, shape (n_samples, n_classes)."""
        margins = self.decision_function(X)
        if self._indicators is not None:
            # Of each label on its own: a row may have many, or none.
            return np.asarray(expit(margins))
        if margins.ndim == 1:
            return np.column_stack([expit(-margins), expit(margins)])
        if self._apart:
            return shared_out(expit(margins))
        out: Array = softmax(margins, axis=1)
        return out

    @reader
    def predict_log_proba(self, X: MatrixLike) -> Array:
        """Return the logarithm of `predict_proba`."""
        # Of a label that all rows have, or none, it is infinite.
        with np.errstate(divide="ignore"):
            out: Array = np.log(self.predict_proba(X))
        return out

    @property
    def _apart(self) -> bool:
        """Whether every class, or label, is told from all others by a problem of its own."""
        ovr = not self._fitted.linear.objective.loss.coupled and len(self.classes_) > 2
        return ovr or self._indicators is not None

    @property
    def _indicators(self) -> Indicators | None:
        """The labels, where a row has several."""
        encoding = self._fitted.encoding
        return encoding if isinstance(encoding, Indicators) else None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.multi_class == "ovr"
        return tags

    def _checked(self, X: MatrixLike, y: ArrayLike | None) -> tuple[MatrixLike, AnyArray]:
        if y is None or not several(y):
            return super()._checked(X, y)
        if self.multi_class != "ovr":
            raise ValueError(
                "y is an indicator matrix, with several labels a row, and softmax gives a row one: "
                'use multi_class="ovr", which fits a column for each label, or give y as one label '
                "a row"
            )
        # Its columns are looked at later: only lengths are compared here.
        check_consistent_length(X, y)
        X, _ = super()._checked(X, np.arange(_num_samples(y)))
        return X, y

    def _checked_labels(self, y: ArrayLike) -> AnyArray:
        return y if several(y) else super()._checked_labels(y)

    def _encoded(self, y: AnyArray) -> tuple[Encoding, AnyArray]:
        return Indicators.of(y) if several(y) else super()._encoded(y)

    @property
    def _takes_sparse(self) -> bool:  # type: ignore[override]
        # An L1 penalty needs a factored Hessian.
        return not self.l1_ratio

    def _settings(self, encoding: Encoding) -> Settings:
        C = _validate.real("C", self.C, low=0, closed="high")
        alpha, l1 = self._mixed(1.0 / C, self.l1_ratio)
        kind = _validate.choice("multi_class", self.multi_class, ("multinomial", "ovr"))
        if isinstance(encoding, Indicators) and self.class_weight is not None:
            raise ValueError(
                "class_weight weighs rows by their one label: leave it None where rows have "
                "several, or weigh rows by sample_weight"
            )
        return self._stated(
            alpha=alpha,
            l1=l1,
            loss=pointwise.Logistic() if kind == "ovr" else None,
            class_weight=self._class_weight(encoding),
        )
