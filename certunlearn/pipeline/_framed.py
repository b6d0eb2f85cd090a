"""The commonest pipelines, a scaler and perhaps a rotation before a head, without a recount.

`StandardScaler`, `MinMaxScaler`, `MaxAbsScaler` and `PCA` of full rank are made of sums and
extremes of columns, which follow a change of rows exactly; a head with a free intercept behind
them is one on rows held still, with other penalties (`Frame`).  So a row leaves without a retained
row being read.  Proof: proofs/frame.md
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils import check_array

from .._common.arrays import Array, MatrixLike, Positions
from .._common.threads import blas_threads
from ..claims.frame import Frame
from ..estimators.base.linear import LinearEstimator
from ..exceptions import AssumptionError
from ..numerics.rows.extremes import Largest
from ..numerics.rows.moments import Moments
from ..requests.asked import _is_pandas
from ..requests.change import Change
from ..requests.fitted import Fitted
from ._types import Step, Steps
from .steps import SAME_STEPS, Declared, Verdict

_SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler)
_EPS = float(np.finfo(np.float64).eps)
#: What the certificate says of the steps.
EXACT_SUMS = (
    "the steps are made of exact sums and extremes of the retained rows, rounded once, and the "
    "model is that of their exact images, its penalty right to a few units in the last place"
)
#: What it says of a rotation besides.
ROTATION = (
    "a PCA of full rank is an orthogonal map, and made of the same covariances by the same "
    "floating-point program on the same machine"
)


class Statistics(NamedTuple):
    """Of a training set, kept exactly.

    Attributes
    ----------
    moments : Moments or None
        Where a step needs means or variances.
    high, low : Largest or None
        Of the rows, and of the rows negated; where a step needs extremes.
    """

    moments: Moments | None
    high: Largest | None
    low: Largest | None

    def without(self, X: Array) -> Statistics:
        """Return those of other rows than ``X``."""
        return Statistics(
            None if self.moments is None else self.moments - self._of(X),
            None if self.high is None else self.high.without(X),
            None if self.low is None else self.low.without(-X),
        )

    def including(self, X: Array) -> Statistics:
        """Return those of further rows as well."""
        return Statistics(
            None if self.moments is None else self.moments + self._of(X),
            None if self.high is None else self.high.including(X),
            None if self.low is None else self.low.including(-X),
        )

    def found(self, rows: Callable[[], Array]) -> Statistics:
        """Return these with extremes looked for in all ``rows`` where they have gone."""
        if self.high is None or self.low is None:
            return self
        # All extremes that were listed have gone: only then are the rows asked.
        lost = ~(self.high.known & self.low.known)
        if not lost.any():
            return self
        # Of these columns alone.
        X = rows()[:, lost]
        return Statistics(self.moments, self.high.refound(lost, X), self.low.refound(lost, -X))

    def _of(self, X: Array) -> Moments:
        assert self.moments is not None
        return Moments.of(X, joint=self.moments.joint)


@dataclass(frozen=True)
class Framed:
    """What a pipeline keeps of its training set in place of a copy of it.

    Attributes
    ----------
    statistics : Statistics
        Exact sums and extremes.
    count : int
        Rows.
    frame : Frame
        In which the head holds them.
    """

    statistics: Statistics
    count: int
    frame: Frame


def recognised(steps: Steps, X: MatrixLike, declared: Declared, params: bool) -> bool:
    """Whether the steps that move and the head are of this kind, for rows like those of ``X``.

    ``params`` says whether a step's fit is given anything beside the rows.
    """
    *moving, (_, head) = steps
    named = {*declared.frozen, *declared.refit}
    if params or not moving or len(moving) > 2 or any(name in named for name, _ in moving):
        return False
    kinds = [type(step) for _, step in moving]
    if not (kinds[0] in _SCALERS or kinds == [PCA]) or kinds[1:] not in ([], [PCA]):
        return False
    if not all(_plain(step) for _, step in moving):
        return False
    plain = isinstance(head, LinearEstimator) and head.fit_intercept is True
    if not (plain and head.mechanism in ("auto", "gram") and not getattr(head, "l1_ratio", 0)):
        return False
    if not _numbers(X):
        return False
    return PCA not in kinds or X.shape[0] > X.shape[1]


def _plain(step: Step) -> bool:
    """Whether a step is of the usual settings: an invertible affine map, of arrays."""
    if getattr(step, "_sklearn_output_config", {}).get("transform", "default") != "default":
        return False
    if isinstance(step, PCA):
        solvers = "auto", "full", "covariance_eigh"
        return step.n_components is None and not step.whiten and step.svd_solver in solvers
    return not getattr(step, "clip", False)


def _numbers(X: MatrixLike) -> bool:
    """Whether rows are a dense table of plain numbers."""
    if sp.issparse(X):
        return False
    if _is_pandas(X, "DataFrame"):
        return all(isinstance(t, np.dtype) and t.kind in "fiu" for t in X.dtypes)
    return isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiu"


def stated(steps: Steps, verdict: Verdict) -> Verdict:
    """Return what the certificate lists on account of steps that are not recounted."""
    rotated = any(isinstance(step, PCA) for _, step in steps)
    own = tuple(c for c in verdict.conditions if c != SAME_STEPS)
    return replace(verdict, conditions=(*own, EXACT_SUMS, *((ROTATION,) if rotated else ())))


def table(X: MatrixLike) -> Array:
    """Return finite rows as float64; raises as scikit-learn does."""
    out: Array = check_array(X, dtype=np.float64)
    return out


def begun(steps: Steps, X: MatrixLike) -> tuple[Steps, Framed, Array]:
    """Fit steps on rows; return them, what is kept, and the rows as the head holds them.

    Raises
    ------
    AssumptionError
        If the numbers of a column are too far apart.
    """
    values = table(X)
    kinds = {type(step) for _, step in steps}
    extremes: tuple[Largest, Largest] | tuple[None, None] = None, None
    if kinds & {MinMaxScaler, MaxAbsScaler}:
        # Smallest numbers as the largest of the rows negated: one rule for both ends.
        extremes = Largest.of(values), Largest.of(-values)
    sums = None
    if kinds & {StandardScaler, PCA}:
        sums = Moments.of(values, joint=PCA in kinds)
    known = Statistics(sums, *extremes)
    # Only the first step sees the names of columns.
    seen = [X, *[values] * (len(steps) - 1)]
    steps = [(name, _template(step, like)) for (name, step), like in zip(steps, seen, strict=True)]
    steps, where = _fitted(steps, known, len(values))
    frame = Frame.of(where.centre, where.spread, where.about, values, where.rotation)
    return steps, Framed(known, len(values), frame), frame.held(values)


def followed(
    steps: Steps, kept: Framed, gone: Array, come: Array, rows: Callable[[], Array]
) -> tuple[Steps, Framed]:
    """Return steps and what is kept once raw rows have gone and come.

    ``rows`` returns all there will be, which are asked for only where all of the extremes that
    were known have gone.
    """
    count = kept.count - len(gone) + len(come)
    if not count:
        raise AssumptionError("the request leaves no row of positive weight")
    known = kept.statistics
    if len(gone):
        known = known.without(gone)
    if len(come):
        known = known.including(come)
    known = known.found(rows)
    steps, where = _fitted(steps, known, count)
    return steps, Framed(known, count, kept.frame.moved(*where, come))


def follows(steps: Steps, kept: Framed, more: int) -> bool:
    """Whether steps are still of this kind with so many more rows."""
    rotated = any(isinstance(step, PCA) for _, step in steps)
    return not rotated or kept.count + more > len(kept.frame.unit)


def retained(
    fitted: Fitted, change: Change, come: Array | None, frame: Frame
) -> tuple[Array, Positions]:
    """Return raw rows of the training set after a change, and their places in the store then."""
    weight = fitted.model.members.weights.array
    live = weight > 0
    live[change.gone] = False
    places = np.flatnonzero(live)
    values = members(fitted, places, frame)
    if not len(change.codes):
        return values, places
    if come is None:
        come = frame.raw(fitted.model.held(change.gone)[0])
    new = np.flatnonzero(change.weight > 0)
    return np.vstack([values, come[new]]), np.concatenate([places, len(weight) + new])


def anew(
    fitted: Fitted, kept: Framed, change: Change, come: Array | None, before: Frame
) -> tuple[Framed, Array]:
    """Return what is kept, and the store after a change, as a fit would hold its rows.

    ``before`` is the frame that the head holds them in now.
    """
    values, places = retained(fitted, change, come, before)
    f = kept.frame
    # As a fit on these rows would choose it: `own`, so that the other world's frame is this one.
    frame = Frame.of(f.centre, f.spread, f.about, values, f.rotation)
    out = np.zeros((fitted.places + len(change.codes), values.shape[1]))
    out[places] = frame.held(values)
    return replace(kept, frame=frame), out


def members(fitted: Fitted, places: Positions, frame: Frame) -> Array:
    """Return raw rows of the head's store, of those at places the ones it trains on."""
    X, _, weight = fitted.model.held(places)
    return frame.raw(X[weight > 0])


class _Where(NamedTuple):
    """Where the model lives, as `Frame` has it."""

    centre: Array
    spread: Array
    about: Array
    rotation: Array | None


def _template(step: Step, X: MatrixLike) -> Step:
    """Return a fitted clone that knows its columns and nothing of the rows."""
    # A fit on one row of zeros sets names and shapes; all numbers are replaced by exact statistics.
    blank: MatrixLike = np.zeros((1, X.shape[1]))
    if _is_pandas(X, "DataFrame"):
        blank = type(X)(blank, columns=X.columns)
    if not isinstance(step, PCA):
        return clone(step).fit(blank)
    out, like = clone(step), StandardScaler().fit(blank)
    out.n_features_in_ = like.n_features_in_
    if hasattr(like, "feature_names_in_"):
        out.feature_names_in_ = like.feature_names_in_
    return out


def _fitted(steps: Steps, known: Statistics, count: int) -> tuple[Steps, _Where]:
    """Return copies of steps with the statistics of a training set, and the map they are."""
    out: Steps = []
    where: _Where | None = None
    for name, step in steps:
        step = copy.copy(step)
        if isinstance(step, PCA):
            where = _rotated(step, known, where)
        else:
            where = _RULES[type(step)](step, known)
            step.n_samples_seen_ = count
        out.append((name, step))
    assert where is not None
    return out, where


def _standard(step: StandardScaler, known: Statistics) -> _Where:
    assert known.moments is not None
    n, means, variances = known.moments.count, known.moments.means, known.moments.variances
    d = len(means)
    if step.with_mean or step.with_std:
        step.mean_, step.var_ = means, variances
    spread = np.ones(d)
    if step.with_std:
        spread = np.sqrt(variances)
        # As in scikit-learn: what may be rounding is no variance.
        with np.errstate(over="ignore", under="ignore"):
            # scikit-learn's own rule for columns that are constant but for rounding.
            least = n * _EPS * variances + (n * means * _EPS) ** 2
        spread[variances <= least] = 1.0
        step.scale_ = spread.copy()
    else:
        step.var_ = None
    return _Where(means if step.with_mean else np.zeros(d), spread, means, None)


def _max_abs(step: MaxAbsScaler, known: Statistics) -> _Where:
    assert known.high is not None and known.low is not None
    high, low = known.high.values, -known.low.values
    step.max_abs_ = np.maximum(np.abs(high), np.abs(low))
    step.scale_ = _nonzero(step.max_abs_)
    return _Where(np.zeros(len(high)), step.scale_.copy(), high / 2 + low / 2, None)


def _min_max(step: MinMaxScaler, known: Statistics) -> _Where:
    assert known.high is not None and known.low is not None
    high, low, (a, b) = known.high.values, -known.low.values, step.feature_range
    step.data_min_, step.data_max_, step.data_range_ = low, high, high - low
    step.scale_ = (b - a) / _nonzero(step.data_range_)
    step.min_ = a - low * step.scale_
    # x' = x scale_ + min_
    # x scale + min = (x - m) / t with t = 1 / scale and m = -min / scale, as proofs/frame.md has
    # it.
    return _Where(-step.min_ / step.scale_, 1.0 / step.scale_, high / 2 + low / 2, None)


def _nonzero(scale: Array) -> Array:
    """Return scales with ones for zeros, and for what is as small as their rounding."""
    return np.where(scale < 10 * _EPS, 1.0, scale)


def _rotated(step: PCA, known: Statistics, before: _Where | None) -> _Where:
    """Give a PCA what it makes of rows already scaled."""
    assert known.moments is not None
    n, means, covariances = known.moments.count, known.moments.means, known.moments.covariances
    d = len(means)
    if not n > d:
        raise AssumptionError(
            f"{n} rows leave a PCA fewer than {d} components, so that not only its numbers would "
            "change: choose n_components"
        )
    if before is None:
        before = _Where(np.zeros(d), np.ones(d), means, None)
    centre, spread = before.centre, before.spread
    with blas_threads(1):
        # One thread: the same matrix gives the same eigenvectors to the bit, which the certificate
        # assumes.
        variance, vectors = np.linalg.eigh(covariances / spread[:, None] / spread)
    variance, R = np.maximum(variance[::-1], 0.0), np.ascontiguousarray(vectors.T[::-1])
    # As in scikit-learn: the largest entry of each component is positive.
    R *= np.sign(R[np.arange(d), np.argmax(np.abs(R), axis=1)])[:, None]
    step.components_, step.mean_ = R, (means - centre) / spread
    step.explained_variance_ = variance * (n / (n - 1))
    total = float(variance.sum())
    step.explained_variance_ratio_ = variance / total if total > 0 else np.full(d, np.nan)
    step.singular_values_ = np.sqrt(variance * n)
    step.n_components_, step.n_samples_, step.noise_variance_ = d, n, 0.0
    return _Where(means, spread, before.about, R)


_RULES: dict[type, Callable[[Step, Statistics], _Where]] = {
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
}
