"""A feature extractor that learns nothing from the rows, and what is stated about its training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import _num_samples

from .._common import validate as _validate
from .._common.arrays import ArrayLike, Label, MatrixLike, Progress, Show
from .._common.progress import shown
from ..exceptions import AssumptionError
from . import _features

Array = NDArray[np.float64]
#: What may be stated about the extractor's own training.
TRAINED_ON = ("independent", "includes_rows", "unknown")
UNKNOWN = "unknown"


class FrozenFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of each row from an extractor that stays as it is, such as a pretrained encoder.

    `fit` learns nothing.  In a `ForgettingPipeline` the step is stateless, so a request costs what
    it costs without it; what is stated here about the extractor goes into the certificate.

    Parameters
    ----------
    extractor : callable
        From a list of b rows (an array of shape (b, ...) where they are an array or sparse) to an
        array of shape (b, n_features), finite.  It is never copied, not by `clone` either.
    name : str, optional
        What the certificate calls it; by default the name of the function or class.
    fingerprint : str
        What tells this extractor from others: a version, or a hash of its weights.
    trained_on : {"independent", "includes_rows", "unknown"}
        "independent": nothing in the extractor depends on the rows, so the certificate holds from
        raw rows to release.  "includes_rows": it was trained on them, keeps what it learnt, and the
        certificate says that this is not covered; "unknown" (default): the same, as a possibility.
    batch_size : int
        Rows a call of the extractor gets, always as many: the last batch is filled up with copies
        of its first row.  So no row's features depend on how many others there are.
    checked : int
        Rows that `fit` tries the extractor on, see Notes; 0 for none.
    progress : bool or callable, optional
        True shows a line that changes, on standard error, where rich is installed; a callable gets
        the number of rows done and the share of all.

    Attributes
    ----------
    n_features_out_ : int
        Features a row, known after `fit`.

    Notes
    -----
    Assumes: the extractor gives a row the same floats every time, whatever rows come with it.
    The certificate lists this, and `fit` tries it: some rows together, again, in reverse, and each
    beside nothing but copies of itself must agree to the last bit.  Matrix products of another
    shape may round differently: if the check fails, ``batch_size=1`` shows every row alone.

    Equal rows of one call are extracted once.  Nothing is kept between calls: a cache would hold
    forgotten rows.  So might one inside the extractor (a tokenizer's), which is the caller's to
    empty.  Inside a `ColumnTransformer` beside a step that moves, or behind one, every request
    extracts all rows again; in front of such steps it extracts those that come.

    Examples
    --------
    >>> import numpy as np
    >>> lengths = FrozenFeatures(
    ...     lambda texts: np.array([[len(t), t.count(" ")] for t in texts]),
    ...     name="lengths", fingerprint="1", trained_on="independent",
    ... )
    >>> lengths.fit_transform(["a word", "two words more"])
    array([[ 6.,  1.],
           [14.,  2.]])
    """

    n_features_out_: int

    def __init__(
        self,
        extractor: Callable[[MatrixLike], ArrayLike],
        *,
        name: str | None = None,
        fingerprint: str = UNKNOWN,
        trained_on: str = UNKNOWN,
        batch_size: int = 32,
        checked: int = 4,
        progress: Show = None,
    ) -> None:
        self.extractor = extractor
        self.name = name
        self.fingerprint = fingerprint
        self.trained_on = trained_on
        self.batch_size = batch_size
        self.checked = checked
        self.progress = progress

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.string = tags.input_tags.sparse = True
        return tags

    def __sklearn_clone__(self) -> Self:
        """Share the extractor, which nothing here changes and which may be large."""
        return type(self)(**self.get_params(deep=False))

    @property
    def _n_features_out(self) -> int:
        return self.n_features_out_

    def fit(self, X: MatrixLike, y: ArrayLike | None = None) -> Self:
        """Check the parameters, and try the extractor on a few rows at equal steps.

        Raises
        ------
        AssumptionError
            If it does not give a row the same floats every time, or no table of finite numbers.
        """
        self._stated()
        few, rows = _validate.count("checked", self.checked, low=0), _rows(X)
        n = _num_samples(rows)
        if not n:
            raise ValueError("there is no row to fit on")
        at = np.unique(np.linspace(0, n - 1, max(1, few)).astype(np.int64))
        self.n_features_out_ = self._tried(rows, at, again=few > 0)
        return self

    def transform(self, X: MatrixLike) -> Array:
        """Return the features of rows, shape (n, n_features), float64.

        Raises
        ------
        AssumptionError
            If the extractor returns anything but a table of finite numbers, one line a row.
        """
        rows = _rows(X)
        first, place = _distinct(rows)
        with shown(self.progress, 0, _line) as callback:
            features = self._in_batches(rows, first, callback)
        known = getattr(self, "n_features_out_", None)
        if not len(features):
            return np.zeros((0, known or 0))
        if known not in (None, features.shape[1]):
            raise AssumptionError(
                f"the extractor makes {features.shape[1]} features now, it made {known} in the fit"
            )
        return features[place]

    def statements(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what a certificate lists for the step at ``path``: conditions, and not covered."""
        name, fingerprint = self._stated()
        which = f"{name}, fingerprint {fingerprint}"
        tried = f"tried on up to {self.checked} rows" if self.checked else "not tried"
        conditions = (
            f"the extractor of step {path!r} gives a row the same floats every time, whatever rows "
            f"come with it ({tried})",
        )
        source = f"features of step {path!r} come from {which}"
        if self.trained_on == "independent":
            return (f"{source}, stated to be trained independently of the rows", *conditions), ()
        known = "which was trained on the rows and keeps whatever it learnt of them"
        if self.trained_on == UNKNOWN:
            known = "and it is not known whether that was trained on the rows"
        return conditions, (
            f"no claim from raw rows to release: {source}, {known}; the retraining compared with "
            "has the same extractor",
        )

    def _stated(self) -> tuple[str, str]:
        """Check what is stated about the extractor; return its name and fingerprint."""
        if not callable(self.extractor):
            kind = type(self.extractor).__name__
            raise TypeError(f"extractor must be callable, got a {kind}")
        _validate.choice("trained_on", self.trained_on, TRAINED_ON)
        own = getattr(self.extractor, "__qualname__", type(self.extractor).__qualname__)
        name = own if self.name is None else self.name
        for what, text in (("name", name), ("fingerprint", self.fingerprint)):
            if not (isinstance(text, str) and text.strip()):
                raise ValueError(f"{what} must be a text that says something, got {text!r}")
        return name, self.fingerprint

    def _tried(self, rows: MatrixLike, at: NDArray[np.int64], *, again: bool) -> int:
        """Return the number of features; ``again`` to see whether rows keep theirs."""
        features = self._in_batches(rows, at)
        width: int = features.shape[1]
        if not again:
            return width
        if not np.array_equal(features, self._in_batches(rows, at)):
            raise AssumptionError(
                "the extractor gives the same rows other features the second time: it draws at "
                "random (dropout left on?) or remembers; make it deterministic"
            )
        reverse = self._in_batches(rows, at[::-1])[::-1]
        alone = np.vstack([self._in_batches(rows, at[i : i + 1]) for i in range(len(at))])
        if not (np.array_equal(features, reverse) and np.array_equal(features, alone)):
            most = max(np.abs(features - other).max() for other in (reverse, alone))
            raise AssumptionError(
                f"a row's features change by up to {most:.2g} with the rows that come with it, so "
                "rows that stay would remember those that go: use batch_size=1, or an extractor "
                "that treats every row by itself"
            )
        return width

    def _in_batches(
        self, rows: MatrixLike, at: NDArray[np.int64], callback: Progress = None
    ) -> Array:
        """Return the features of the rows at ``at``."""
        size, done = _validate.count("batch_size", self.batch_size, low=1), []
        for start in range(0, len(at), size):
            done.append(self._extracted(rows, at[start : start + size]))
            if callback is not None:
                end = min(start + size, len(at))
                callback(end, end / len(at))
        widths = sorted({part.shape[1] for part in done})
        if len(widths) > 1:
            raise AssumptionError(f"the extractor's batches differ in their features: {widths}")
        return np.concatenate(done) if done else np.zeros((0, 0))

    def _extracted(self, rows: MatrixLike, at: NDArray[np.int64]) -> Array:
        """Return features of the rows at ``at``, at most a batch, from a full batch."""
        filled = np.concatenate([at, np.repeat(at[:1], self.batch_size - len(at))])
        out = self.extractor(_at(rows, filled))
        out = out.toarray() if sp.issparse(out) else np.asarray(out)
        if out.ndim != 2 or len(out) != len(filled) or out.dtype.kind not in "fiub":
            raise AssumptionError(
                f"the extractor made an array of shape {out.shape} and type {out.dtype} of "
                f"{len(filled)} rows; a table of numbers with one line a row is needed"
            )
        out = out[: len(at)].astype(np.float64)
        if not np.isfinite(out).all():
            raise AssumptionError("the extractor made numbers that are not finite")
        return out


def _rows(X: MatrixLike) -> MatrixLike:
    """Return rows as an array of shape (n, ...), a CSR array or a list."""
    if sp.issparse(X):
        return X.tocsr()
    if isinstance(X, np.ndarray):
        if X.ndim == 0:
            raise ValueError("rows are needed, got a single value")
        # Texts in an array of objects are a list of texts; so is a column of them.
        flat = X.dtype.kind in "OUS" and (X.ndim == 1 or X.shape[1:] == (1,))
        return X.ravel().tolist() if flat else X
    if hasattr(X, "to_numpy"):
        return _rows(X.to_numpy())
    if isinstance(X, (str, bytes)):
        raise ValueError("a sequence of rows is needed, got a single text")
    _num_samples(X)
    return list(X)


def _at(rows: MatrixLike, at: NDArray[np.int64]) -> MatrixLike:
    """Return some of what `_rows` has returned, sparse rows as an array."""
    some = _features.taken(rows, at)
    return some.toarray() if sp.issparse(some) else some


def _distinct(rows: MatrixLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each row that differs occurs first, and which of these each row equals."""
    first: dict[Label, int] = {}
    place = np.empty(_num_samples(rows), dtype=np.int64)
    at: list[int] = []
    for i, key in enumerate(_keys(rows)):
        place[i] = len(at) if key is None else first.setdefault(key, len(at))
        if place[i] == len(at):
            at.append(i)
    return np.array(at, dtype=np.int64), place


def _keys(rows: MatrixLike) -> Iterator[Label]:
    """Yield what tells rows apart; None where nothing does."""
    if sp.issparse(rows):
        yield from [None] * rows.shape[0]
        return
    for row in rows:
        if isinstance(row, (str, bytes)):
            yield row
        elif isinstance(row, np.ndarray) and row.dtype.kind in "fiub":
            yield row.tobytes()
        else:
            yield None


def _line(done: int, share: float) -> str:
    return f"features of {done} rows, {share:.0%}"
