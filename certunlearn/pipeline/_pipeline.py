"""The pipeline: raw rows in, steps recounted, the head certified anew."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _check_sample_weight, _num_samples

from .._common import validate as _validate
from .._common.arrays import ArrayLike, MatrixLike, RowsLike, Show
from .._common.whole import reader, verb
from ..claims.certificate import NOT_COVERED, Certificate
from ..claims.frame import StaleFrame
from ..estimators.base.linear import LinearEstimator
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import AssumptionError
from ..numerics.rows.weights import NO_ROWS
from ..requests.fitted import fitted_of
from . import _features, _kinds
from ._beside import labels_for, shared_out
from ._composed import composed_predictor
from ._framed import recognised
from ._plan import Kept
from ._predict import DensePredictions
from ._types import Predictor, Steps
from ._verbs import Verbs
from ._written import Written
from .steps import Declared, Verdict, fitted_through, is_nothing, surveyed

_ELSE = "whatever else was fitted on the removed rows"


class ForgettingPipeline(Verbs, Written, DensePredictions):
    """A scikit-learn Pipeline whose steps forget together with the model at its end.

    A scaler, an encoder or a vocabulary remembers the rows it was fitted on as well as any model
    does.  Here `forget`, `learn` and `correct` put in the place of every such step what its own
    ``fit`` gives on the raw rows as they are then, and the last step gets a certified release for
    the rows as they are then transformed.

    Parameters
    ----------
    steps : list of (str, object)
        As in `Pipeline`; the last is an estimator of this package.  The others may be whatever
        transformer of scikit-learn is a function of the rows and labels it is fitted on: those that
        draw at random need an integer ``random_state``.  What is not known is refused by `fit`.
    frozen : dict of str to str, optional
        Steps that were fitted elsewhere, by name (``outer__inner`` inside another), and on what:
        ``{"embed": "public model"}``.  They stay as they are, and the certificate says so.
    refit : set of str, optional
        Steps of other packages whose fit is a function of the rows and labels it is given, in their
        order, by name: ``{"encode"}``.  `fit` tries them: fits on the same rows must agree to the
        last bit, in results and attributes, wherever the random generators stand and whatever was
        fitted before; the certificate says that it was declared.
    transform_input, memory : None
        Refused: a cache on disk would keep forgotten rows.
    verbose : bool
        Unused.

    Attributes
    ----------
    certificate_ : Certificate
        What holds for this release and the steps before it.
    history_, n_retained_, n_forgotten_
        Those of the last step.

    Notes
    -----
    Guarantee: the steps are a function of the retained rows, the same as in a pipeline fitted on
    them alone, and the release is certified for the rows they give: so steps and release together
    are (epsilon, delta)-indistinguishable from those of that pipeline.  Proof: proofs/pipeline.md

    Steps are fitted in one thread, whatever their ``n_jobs``: sums depend on how many there are.
    Columns may come and go with rows; a budget is that of the coefficients there are.

    Rows of zero weight are not in the training set, of the steps as little as of the model.  A
    step that does not move costs what forgetting costs without it, but for the recount.

    Threads, interrupts, copies and forks: as `CertifiedLogReg` says, for steps and head together.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from certunlearn import CertifiedLogReg, ForgettingPipeline
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pipe = ForgettingPipeline(
    ...     [("scale", StandardScaler()), ("model", CertifiedLogReg(random_state=0))]
    ... )
    >>> pipe.fit(X, y).forget([17, 42]).n_retained_, int(pipe["scale"].n_samples_seen_)
    (567, 567)
    """

    steps: Steps
    _kept: Kept

    def __init__(
        self,
        steps: Steps,
        *,
        frozen: Mapping[str, str] | None = None,
        refit: Iterable[str] | None = None,
        transform_input: object = None,
        memory: object = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(steps, transform_input=transform_input, memory=memory, verbose=verbose)
        self.frozen = frozen
        self.refit = refit

    @property
    def head(self) -> UnlearningEstimator:
        """The last step."""
        head: UnlearningEstimator = self.steps[-1][1]
        return head

    @property
    @reader
    def certificate_(self) -> Certificate:
        """The head's certificate, with what the steps add to its conditions."""
        kept, c = self._known(), self._head().certificate_
        other = f"{_ELSE}, hyper-parameters included, and the steps as they were before"
        return replace(
            c,
            reference=(
                "retraining the whole pipeline, the model to within the fit distance, same "
                f"hyper-parameters, on the {c.n_retained} retained rows"
            ),
            conditions=c.conditions + kept.verdict.conditions,
            not_covered=(
                *kept.verdict.not_covered,
                *(other if t.startswith(_ELSE) else t for t in NOT_COVERED),
            ),
        )

    @property
    def history_(self) -> list[dict[str, Any]]:
        """The head's history."""
        return self.head.history_

    @property
    def n_retained_(self) -> int:
        """Rows in the training set."""
        return self.head.n_retained_

    @property
    def n_forgotten_(self) -> int:
        """Rows forgotten."""
        return self.head.n_forgotten_

    @verb
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        metadata: MatrixLike | None = None,
        static: ArrayLike | None = None,
        progress: Show = None,
        **params: object,
    ) -> Self:
        """Fit the steps on the rows of positive weight, then the head on what they make of them.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or sequence of str
            Raw rows, as the first step wants them; copied, never written to.  A DataFrame's index
            names the rows.  Their dtypes are those of the pipeline: rows learnt later are given
            them where that changes no value, and refused otherwise.  Texts are kept as wide as
            the longest of them, and columns of categories, unless these are ordered, with those
            that occur.
        y, sample_weight, row_ids, groups, metadata, static, progress
            As in `CertifiedLogReg.fit`.  Steps see y where they select or encode by it.
        **params
            What a step's fit gets besides, as ``step__parameter``: ``scale__sample_weight=``.  One
            value a row, which goes with its row; `learn` then needs the values of new rows.  Under
            scikit-learn's metadata routing every argument goes to whoever has asked for it by
            ``set_fit_request``, the head included.

        Returns
        -------
        ForgettingPipeline
            Itself, every step but the last and the frozen ones replaced by a fitted clone.

        Raises
        ------
        AssumptionError
            If a step is not known to be forgettable, or the head is none of this package's.
        NotCertifiedError, ConvergenceError
            As in `CertifiedLogReg.fit`.

        Notes
        -----
        A fit that raises leaves the pipeline as it was.
        """
        _features.refuse_files(X)
        first, verdict = self._surveyed()
        n, declared = _num_samples(X), self._declared
        named = {
            "sample_weight": sample_weight,
            "row_ids": row_ids,
            "groups": groups,
            "metadata": metadata,
            "static": static,
            "progress": progress,
        }
        given, beside = shared_out(self, named, params, n)
        if given.get("row_ids") is None and _features.index_of(X) is not None:
            given["row_ids"] = _features.index_of(X)
        weight = _check_sample_weight(
            given.get("sample_weight"), np.empty((n, 1)), ensure_non_negative=True
        )
        at = np.flatnonzero(weight > 0)
        if not len(at):
            raise AssumptionError("no row has positive weight")
        if verdict.looks:
            beside = replace(beside, y=labels_for(self.head, y, X))
        beside = beside.taken(at)
        raw, done = fitted_through(self.steps[:first], _features.taken(X, at), beside, declared)
        raw, like = _kinds.settled(raw), _kinds.settled(_features.taken(X, NO_ROWS))
        kept = Kept(first, raw, beside, at, verdict, (n, 0), "", like)
        if first < len(self.steps) - 1 and recognised(
            self.steps[first:], raw, declared, bool(beside.named())
        ):
            self._begin(kept, done, y, given)
            return self
        # A copy: a step may work in place, or hand on what it was given.
        rows = _features.taken(raw, np.arange(len(at)))
        Xt, more = fitted_through(self.steps[first:-1], rows, beside, declared, trial=True)
        full = _features.laid_out(Xt, at, n)
        raw = raw if first < len(self.steps) - 1 else None
        self.steps = [*done, *more, self.steps[-1]]
        self.head.fit(full, y, **given)
        self._kept = replace(kept, raw=raw, fit=fitted_of(self.head).id)
        return self

    def get_metadata_routing(self) -> Any:
        """Return where metadata go: to the steps, the last of them included, that ask for them.

        Raises
        ------
        AssumptionError
            If the pipeline itself has been told to ask, which nobody would hear of.
        """
        asked = getattr(self, "_metadata_request", None)
        if asked is not None and any(v is not None for v in asked.fit.requests.values()):
            raise AssumptionError(
                "a pipeline hands metadata on: call set_fit_request of the step that is to have "
                "them, pipe[-1].set_fit_request(groups=True) for the model"
            )
        return super().get_metadata_routing()

    @verb
    def release(self) -> Self:
        """Draw a fresh release of the head; the joint view counts it."""
        try:
            self._head().release()
        except StaleFrame:
            self._hold_anew()
        return self

    @reader
    def snapshot(self) -> SimpleNamespace:
        """Return the head's fitted attributes and this certificate, as of one moment.

        Read one after the other they may belong to two releases, if another thread changes the
        pipeline.  Nothing is copied: do not write to them.
        """
        certificate, out = self.certificate_, self.head.snapshot()
        out.certificate_ = certificate
        return out

    @reader
    def export_predictor(self, *, composed: bool = False) -> Predictor:
        """Return plain scikit-learn with the released weights only.

        Parameters
        ----------
        composed : bool
            False: a Pipeline with copies of the steps, which hold statistics of the retained rows:
            a `MinMaxScaler` values of some of them.  True: one linear estimator for raw rows,
            steps and model joined to a single affine map, and no step in it.

        Raises
        ------
        AssumptionError
            If ``composed`` and a step is not known to be affine: scalers without clipping, `PCA`,
            `TruncatedSVD`, selections of columns, a `FunctionTransformer` without a function,
            ``"passthrough"``, and a `Pipeline` or `ColumnTransformer` of these are.  If the head
            was changed without the pipeline.

        Notes
        -----
        Both are functions of the release and the steps, so the certificate holds for them too.
        Columns that no step takes have a coefficient of zero, and must be numbers all the same.
        Composed predictions are the same up to rounding: where columns are far from zero for their
        spread (a year, a time stamp), about 1e-16 times ``|coef| |x|``.
        """
        last = self._head().export_predictor()
        if _validate.flag("composed", composed):
            return composed_predictor(self.steps[:-1], last)
        steps = [(name, copy.deepcopy(step)) for name, step in self.steps[:-1]]
        return Pipeline([*steps, (self.steps[-1][0], last)])

    @property
    def _declared(self) -> Declared:
        if isinstance(self.refit, str):
            raise TypeError(f"refit= is a set of names, as {{{self.refit!r}}}")
        return Declared(self.frozen or {}, frozenset(self.refit or ()))

    def _known(self) -> Kept:
        kept: Kept | None = getattr(self, "_kept", None)
        if kept is None:
            raise NotFittedError("this pipeline is not fitted yet: call fit first")
        return kept

    def _head(self) -> UnlearningEstimator:
        if not self._known().known_to(fitted_of(self.head)):
            raise AssumptionError(
                "the last step was fitted, or has forgotten or learnt rows, without the pipeline: "
                "the steps before it know other rows than it does; fit the pipeline anew"
            )
        return self.head

    def _surveyed(self) -> tuple[int, Verdict]:
        """Check steps and head; return the first step that moves, and what they all mean."""
        self._validate_steps()
        name, head = self.steps[-1]
        if not isinstance(head, UnlearningEstimator):
            raise AssumptionError(
                f"the last step {name!r} is a {type(head).__name__}, which cannot forget: put an "
                "estimator of this package, such as CertifiedLogReg, at the end"
            )
        if self.memory is not None or self.transform_input is not None:
            raise AssumptionError(
                "memory= would keep fitted steps and forgotten rows where the pipeline cannot "
                "reach them, and transform_input= is not known here: leave both None"
            )
        first, verdict = surveyed(self.steps[:-1], self._declared)
        if verdict.moves and not isinstance(head, LinearEstimator):
            raise AssumptionError(
                f"{type(head).__name__} cannot go on where step {self.steps[first][0]!r} gives all "
                "rows other numbers: put steps before it that do not depend on the rows"
            )
        return first, verdict


def forgetting(
    pipe: Pipeline,
    *,
    frozen: Mapping[str, str] | None = None,
    refit: Iterable[str] | None = None,
) -> ForgettingPipeline:
    """Return an unfitted `ForgettingPipeline` with clones of the steps of a pipeline.

    Parameters
    ----------
    pipe : Pipeline
        Fitted or not, its last step an estimator of this package.
    frozen : dict of str to str, optional
        As in `ForgettingPipeline`; these steps are taken as they are, not cloned.
    refit : set of str, optional
        As in `ForgettingPipeline`.

    Returns
    -------
    ForgettingPipeline
        To be fitted.

    Raises
    ------
    TypeError
        If ``pipe`` is no Pipeline.
    """
    if not isinstance(pipe, Pipeline):
        raise TypeError(f"a Pipeline is needed, got a {type(pipe).__name__}")
    known = {} if frozen is None else frozen
    steps = [
        (name, step if name in known or is_nothing(step) else clone(step))
        for name, step in pipe.steps
    ]
    return ForgettingPipeline(
        steps,
        frozen=frozen,
        refit=refit,
        transform_input=pipe.transform_input,
        memory=pipe.memory,
        verbose=pipe.verbose,
    )
