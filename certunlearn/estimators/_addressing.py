"""Which rows a request means.  Rows are named, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import AlreadyForgottenError, AmbiguousRowError, RowError, UnknownRowError
from ._labels import Labels

_SHOWN = 5


def _some(values: Any) -> str:
    """Return the first few of ``values`` for a message."""
    values = [v.item() if isinstance(v, np.generic) else v for v in list(values)]
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(repr(v) for v in values[:_SHOWN]) + more


def _is_pandas(value: Any, name: str) -> bool:
    """Whether ``value`` is a pandas object whose class or base is called ``name``."""
    return any(
        c.__name__ == name and c.__module__.split(".")[0] == "pandas" for c in type(value).__mro__
    )


@dataclass(frozen=True)
class RowNames:
    """Names of the rows of a fit: their number and, where they have any, their identifiers.

    Parameters
    ----------
    n : int
        Rows given to fit, of zero weight or not.
    labels : Labels or None
        From a DataFrame's index or ``row_ids``.
    """

    n: int
    labels: Labels | None

    @classmethod
    def of(cls, X: Any, row_ids: Any, n: int) -> RowNames:
        """Name the rows by ``row_ids``, else by a DataFrame's index, else by position alone."""
        ids = row_ids
        if ids is None and _is_pandas(X, "DataFrame"):
            ids = X.index
        if ids is None:
            return cls(n, None)
        if isinstance(ids, (str, bytes)) or not hasattr(ids, "__iter__"):
            raise RowError(f"row_ids must be a sequence of {n} labels, got {ids!r}")
        ids = list(ids)
        if len(ids) != n:
            raise RowError(f"row_ids has {len(ids)} entries for {n} rows")
        try:
            set(ids)
        except TypeError as error:
            raise RowError(f"row_ids must be hashable: {error}") from None
        return cls(n, Labels(ids))

    @property
    def positional(self) -> bool:
        """Whether every row's identifier is its position, so that integers mean one thing."""
        return self.labels is None or self.labels.positional

    def forget(self, positions: NDArray[np.int64]) -> None:
        """Make the labels of forgotten rows unreadable."""
        if self.labels is not None:
            self.labels.forget(positions)

    def positions(
        self, forgotten: NDArray[np.bool_], left: int, which: Any, rows: Any, row_ids: Any
    ) -> NDArray[np.int64]:
        """Return the sorted positions that a request names, of ``left`` rows not forgotten.

        Raises
        ------
        RowError, UnknownRowError, AlreadyForgottenError, AmbiguousRowError
            If it does not name rows properly; the message names the offenders.
        """
        given = [v is not None for v in (which, rows, row_ids)]
        if sum(given) != 1:
            raise RowError("name the rows in exactly one way: forget(which), rows= or row_ids=")
        if row_ids is not None:
            found = self._labelled(row_ids)
        elif rows is not None:
            aligned = _is_pandas(rows, "Series") and rows.dtype == bool
            found = self._aligned(rows) if aligned else self._numbered(rows)
        else:
            found = self._meant(which)
        if not len(found):
            raise RowError("the request names no row")
        values, counts = np.unique(found, return_counts=True)
        if (counts > 1).any():
            raise RowError(f"rows named more than once: {_some(values[counts > 1])}")
        if forgotten[values].any():
            gone = values[forgotten[values]]
            raise AlreadyForgottenError(f"rows already forgotten: {_some(gone)}")
        if not left > len(values):
            raise RowError(
                "the request names every row that is left: a model of no rows is no model, "
                "delete the estimator instead"
            )
        return values

    def _meant(self, which: Any) -> NDArray[np.int64]:
        if _is_pandas(which, "Index"):
            return self._labelled(which)
        if _is_pandas(which, "Series"):
            if which.dtype != bool:
                raise AmbiguousRowError(
                    "a Series of values could be labels or positions: pass series.index or "
                    "row_ids= for labels, rows= for positions"
                )
            return self._aligned(which)
        array = np.asarray(which)
        if array.dtype.kind in "iu" and array.size and not self.positional:
            raise AmbiguousRowError(
                f"integers {_some(np.atleast_1d(array))} could be labels or positions: the rows "
                "were fitted with labels of their own. Pass rows= for positions in the fit, "
                "row_ids= (or a pandas Index) for labels"
            )
        return self._numbered(which)

    def _aligned(self, mask: Any) -> NDArray[np.int64]:
        """Return where a boolean Series over the index given to fit is True."""
        index = list(mask.index)
        same = index == list(range(self.n)) if self.labels is None else self.labels.match(index)
        if not same:
            raise AmbiguousRowError(
                "the boolean Series' index is not the index given to fit: align it, or pass "
                "a boolean array as rows="
            )
        return np.flatnonzero(mask.to_numpy())

    def _numbered(self, rows: Any) -> NDArray[np.int64]:
        array = np.atleast_1d(np.asarray(rows))
        if array.ndim != 1:
            raise RowError(f"rows must be one-dimensional, got shape {array.shape}")
        if array.dtype == bool:
            if len(array) != self.n:
                raise RowError(f"the mask has {len(array)} entries, the fit had {self.n} rows")
            return np.flatnonzero(array)
        if array.size == 0:
            return np.zeros(0, dtype=np.int64)
        if array.dtype.kind not in "iu":
            raise RowError(
                f"rows must be integer positions or a boolean mask, got {_some(array)}: for "
                "labels use row_ids="
            )
        out = (array < 0) | (array >= self.n)
        if out.any():
            raise UnknownRowError(
                f"no such position in a fit of {self.n} rows: {_some(array[out])}"
            )
        return array.astype(np.int64)

    def _labelled(self, labels: Any) -> NDArray[np.int64]:
        if self.labels is None:
            raise UnknownRowError(
                "the rows were fitted without identifiers: pass row_ids= to fit, or name the "
                "rows by position"
            )
        if isinstance(labels, (str, bytes)) or not hasattr(labels, "__iter__"):
            labels = [labels]
        labels = list(labels)
        try:
            found = [(label, self.labels.find(label)) for label in labels]
        except TypeError as error:
            raise RowError(f"labels must be hashable: {error}") from None
        unknown = [label for label, at in found if not at]
        if unknown:
            raise UnknownRowError(f"no row was fitted with label {_some(unknown)}")
        twice = [label for label, at in found if len(at) > 1]
        if twice:
            raise AmbiguousRowError(
                f"labels that several rows share: {_some(twice)}; name the rows by rows="
            )
        return np.array([at[0] for _, at in found], dtype=np.int64)
