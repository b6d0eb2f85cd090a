"""The pipeline: raw rows in, steps recounted, the head certified anew."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _check_sample_weight, _num_samples

from ..certificate import NOT_COVERED, Certificate
from ..estimators._addressing import Asked
from ..estimators._base import UnlearningEstimator
from ..exceptions import AssumptionError
from . import _features
from ._predict import DensePredictions
from .steps import examined, fitted_through, is_nothing, paths_of

Positions = NDArray[np.int64]

SAME_STEPS = (
    "steps recounted on the same rows give every row the same numbers: the same floating-point "
    "program on the same machine"
)
_ELSE = "whatever else was fitted on the removed rows"


@dataclass(frozen=True)
class Kept:
    """What a fitted pipeline keeps for recounting its steps.

    Attributes
    ----------
    first : int
        The first step that depends on the rows; the number of steps if none does.
    raw : Any
        The training rows as that step is given them, a copy; None if no step depends on them.
    at : ndarray of int
        Their positions in the fit.
    conditions : tuple of str
        What the certificate lists on account of the steps.
    mark : tuple of int
        Rows ever given to the head, and rows forgotten, as the pipeline knows it.
    """

    first: int
    raw: Any
    at: Positions
    conditions: tuple[str, ...]
    mark: tuple[int, int]


class ForgettingPipeline(DensePredictions):
    """A scikit-learn Pipeline whose steps forget together with the model at its end.

    A scaler, an encoder or a vocabulary remembers the rows it was fitted on as well as any model
    does.  Here `forget` puts in the place of every such step what its own ``fit`` gives on the raw
    rows that stay, and the last step gets a certified release for the rows as they are then
    transformed.

    Parameters
    ----------
    steps : list of (str, object)
        As in `Pipeline`; the last is an estimator of this package.  Steps may be stateless
        (`Normalizer`, `FunctionTransformer`, `HashingVectorizer`, ...), fitted on the rows
        (`StandardScaler`, `OneHotEncoder`, `TfidfVectorizer`, `PCA`, ...), or made of such
        (`ColumnTransformer`, `FeatureUnion`, `Pipeline`).  What is not known is refused by `fit`.
    frozen : dict of str to str, optional
        Steps that were fitted elsewhere, by name (``outer__inner`` inside another), and on what:
        ``{"embed": "public model"}``.  They stay as they are, and the certificate says so.
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

    Rows of zero weight are not in the training set, of the steps as little as of the model.  A
    step that does not move costs what forgetting costs without it, but for the recount.

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

    steps: list[tuple[str, Any]]
    _kept: Kept

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        *,
        frozen: Mapping[str, str] | None = None,
        transform_input: Any = None,
        memory: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(steps, transform_input=transform_input, memory=memory, verbose=verbose)
        self.frozen = frozen

    @property
    def head(self) -> UnlearningEstimator:
        """The last step."""
        head: UnlearningEstimator = self.steps[-1][1]
        return head

    @property
    def certificate_(self) -> Certificate:
        """The head's certificate, with what the steps add to its conditions."""
        kept, c = self._fitted(), self.head.certificate_
        other = f"{_ELSE}, hyper-parameters included, and the steps as they were before"
        return replace(
            c,
            reference=(
                "retraining the whole pipeline, the model to within the fit distance, same "
                f"hyper-parameters, on the {c.n_retained} retained rows"
            ),
            conditions=c.conditions + kept.conditions,
            not_covered=tuple(other if t.startswith(_ELSE) else t for t in NOT_COVERED),
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
        """Fit the steps on the rows of positive weight, then the head on what they make of them.

        Parameters
        ----------
        X : array-like, DataFrame, sparse matrix or sequence of str
            Raw rows, as the first step wants them; copied, never written to.  A DataFrame's index
            names the rows.
        y, sample_weight, row_ids, groups, progress
            As in `CertifiedLogReg.fit`; the steps do not see them.

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
        first, conditions = self._examined()
        n, frozen = _num_samples(X), self._frozen
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        weight = _check_sample_weight(sample_weight, np.empty((n, 1)), ensure_non_negative=True)
        at = np.flatnonzero(weight > 0)
        if not len(at):
            raise AssumptionError("no row has positive weight")
        raw, done = fitted_through(self.steps[:first], _features.taken(X, at), frozen)
        # A copy: a step may work in place, or hand on what it was given.
        Xt, more = fitted_through(
            self.steps[first:-1], _features.taken(raw, np.arange(len(at))), frozen
        )
        full = _features.laid_out(Xt, at, n)
        row_ids = _features.index_of(X) if row_ids is None else row_ids
        raw = raw if first < len(self.steps) - 1 else None
        with self._unchanged_unless_taken():
            self._kept = Kept(first, raw, at, conditions, (n, 0))
            self.steps = [*done, *more, self.steps[-1]]
            self.head.fit(full, y, row_ids=row_ids, groups=groups, progress=progress, **given)
        return self

    def forget(
        self,
        which: Any = None,
        /,
        *,
        rows: Any = None,
        row_ids: Any = None,
        groups: Any = None,
        confirm: bool = False,
        progress: Any = None,
    ) -> Self:
        """Remove rows from the training set of every step and of the head, and release anew.

        Parameters
        ----------
        which, rows, row_ids, groups, confirm, progress
            As in `CertifiedLogReg.forget`.

        Returns
        -------
        ForgettingPipeline
            Itself, with recounted steps, a fresh release in the head and a new certificate.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If the request does not name rows properly.
        ConfirmationNeededError
            If it takes so much that ``confirm=True`` is needed.
        NotCertifiedError, ConvergenceError
            If the removal cannot be certified.
        AssumptionError
            If what is left has no optimum, or the head was changed without the pipeline.

        Notes
        -----
        An operation that raises leaves the pipeline as it was.
        """
        kept, head = self._fitted(), self.head
        if kept.mark != _mark(head):
            raise AssumptionError(
                "the last step was fitted, or has forgotten or learnt rows, without the pipeline: "
                "the steps before it know other rows than it does; fit the pipeline anew"
            )
        positions = head._positions(Asked(which, rows, row_ids, groups))
        head._taken(positions).confirmed(confirm)
        stay = np.flatnonzero(~np.isin(kept.at, positions))
        if not len(stay):
            raise AssumptionError("the request leaves no row of positive weight")
        last, steps, full = len(self.steps) - 1, self.steps, None
        n, forgotten = kept.mark
        left = replace(kept, at=kept.at[stay], mark=(n, forgotten + len(positions)))
        if kept.first < last and len(stay) < len(kept.at):
            left = replace(left, raw=_features.taken(kept.raw, stay))
            given = _features.taken(left.raw, np.arange(len(stay)))
            Xt, moved = fitted_through(steps[kept.first : last], given, self._frozen)
            full = _features.laid_out(Xt, left.at, n)
            steps = [*steps[: kept.first], *moved, steps[-1]]
            if _features.held(head, left.at, full):
                full = None
        with self._unchanged_unless_taken():
            self.steps, self._kept = steps, left
            if full is None:
                head.forget(rows=positions, confirm=True, progress=progress)
            else:
                head._refit(positions, full, progress)
        if left.raw is not kept.raw:
            _features.overwrite(kept.raw)
        return self

    def release(self) -> Self:
        """Draw a fresh release of the head; the joint view counts it."""
        self._fitted()
        self.head.release()
        return self

    def export_predictor(self) -> Pipeline:
        """Return a scikit-learn Pipeline with copies of the steps and the released weights only."""
        self._fitted()
        steps = [(name, copy.deepcopy(step)) for name, step in self.steps[:-1]]
        return Pipeline([*steps, (self.steps[-1][0], self.head.export_predictor())])

    @property
    def _frozen(self) -> Mapping[str, str]:
        return {} if self.frozen is None else self.frozen

    def _fitted(self) -> Kept:
        kept: Kept | None = getattr(self, "_kept", None)
        if kept is None:
            raise NotFittedError("this pipeline is not fitted yet: call fit first")
        return kept

    def _examined(self) -> tuple[int, tuple[str, ...]]:
        """Check the steps; return the first one that moves, and what they add to conditions."""
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
        unknown = set(self._frozen) - set(paths_of(self.steps[:-1]))
        wrong = [r for r in self._frozen.values() if not (isinstance(r, str) and r.strip())]
        if unknown or wrong:
            raise AssumptionError(
                "frozen= maps steps to what they were fitted on; "
                + (f"no such step: {sorted(unknown)}" if unknown else f"not a reason: {wrong}")
            )
        verdicts = [examined(name, step, self._frozen) for name, step in self.steps[:-1]]
        moves = [verdict.moves for verdict in verdicts]
        conditions = sum((verdict.conditions for verdict in verdicts), ())
        if any(moves):
            return moves.index(True), (*conditions, SAME_STEPS)
        return len(moves), conditions

    @contextmanager
    def _unchanged_unless_taken(self) -> Iterator[None]:
        """Put everything back if the body raises before the head has taken a new model over."""
        before, model = dict(self.__dict__), getattr(self.head, "_model", None)
        try:
            yield
        except BaseException:
            if getattr(self.head, "_model", None) is model:
                self.__dict__.clear()
                self.__dict__.update(before)
            raise


def forgetting(pipe: Pipeline, *, frozen: Mapping[str, str] | None = None) -> ForgettingPipeline:
    """Return an unfitted `ForgettingPipeline` with clones of the steps of a pipeline.

    Parameters
    ----------
    pipe : Pipeline
        Fitted or not, its last step an estimator of this package.
    frozen : dict of str to str, optional
        As in `ForgettingPipeline`; these steps are taken as they are, not cloned.

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
        transform_input=pipe.transform_input,
        memory=pipe.memory,
        verbose=pipe.verbose,
    )


def _mark(head: UnlearningEstimator) -> tuple[int, int]:
    """Rows ever given to the head, and rows forgotten, as the head knows it."""
    return len(head._model.members.weights), head._model.requests.forgotten
