"""Which rows a request means.  Rows are named, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import ArrayLike, Condition, Label, MatrixLike, Place, Position, RowsLike
from ..exceptions import AlreadyForgottenError, AmbiguousRowError, RowError, UnknownRowError
from ..numerics.rows.weights import NO_ROWS
from .asked import GROUP, Asked, _is_pandas, _some, listed
from .labels import Labels
from .layout import Layout
from .metadata import Metadata


def _looked_up(
    name: str, asked: RowsLike, find: Callable[[Label], list[int]]
) -> list[tuple[Label, list[int]]]:
    """Return every label asked for with what is found for it."""
    try:
        return [(label, find(label)) for label in listed(asked)]
    except TypeError as error:
        raise RowError(f"{name} must be hashable: {error}") from None


def _static(mask: ArrayLike, first: int, n: int) -> NDArray[np.int64]:
    """Check which of n rows, from position ``first`` on, may never be asked for."""
    if mask is None:
        return NO_ROWS
    array = np.asarray(mask)
    if array.dtype != bool or array.shape != (n,):
        raise RowError(f"static must be {n} booleans, got {array.dtype} of shape {array.shape}")
    return first + np.flatnonzero(array)


def _labels(
    name: str, values: RowsLike, n: int, *, index: bool = False, after: Labels | None = None
) -> Labels | None:
    """Check one label a row and put them behind others; None where there are none.

    Those of an ``index`` may be missing.
    """
    if values is None:
        return None
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise RowError(f"{name} must be a sequence of {n} labels, got {values!r}")
    values = list(values)
    if len(values) != n:
        raise RowError(f"{name} has {len(values)} entries for {n} rows")
    try:
        missing = [i for i, v in enumerate(values) if v is None or _is_missing(v)]
        labels = Labels(values) if after is None else after.extended(values)
    except TypeError as error:
        raise RowError(f"{name} must be hashable: {error}") from None
    if missing and not index:
        raise RowError(f"{name} has missing values, at positions {_some(missing)}")
    return labels


def _is_missing(label: Label) -> bool:
    """Whether a label is NaN, NaT or pandas' NA, by which nothing can be found again."""
    same = label == label
    return not same if isinstance(same, bool | np.bool_) else type(same).__name__ == "NAType"


def _unshared(labels: Labels | None, first: int = 0) -> None:
    """Refuse identifiers, new from position ``first`` on, that two rows share."""
    if labels is not None and labels.shared:
        new = labels.at(Position(np.arange(first, labels.n)))
        twice = dict.fromkeys(label for label in new if len(labels.live(label)) > 1)
        raise RowError(
            f"identifiers that rows share: {_some(twice)}; each row needs its own row_ids=, and "
            "groups= names all rows of a person"
        )


@dataclass(frozen=True)
class RowNames:
    """Names of the rows of a fit: their number and, where they have any, their identifiers.

    Once a row is forgotten neither this object nor its pickle spells its identifier; a digest is
    kept, which a request for the row can be compared with.  What that hides, and what not, is said
    in `Labels`.

    Parameters
    ----------
    n : int
        Rows given to fit and learnt since, of zero weight or not: as many positions there are.
    labels, groups : Labels or None
        Identifiers, from a DataFrame's index or ``row_ids``; and whom a row belongs to.
    layout : Layout or None
        Where the row of each position lies in the store; None where at the position itself.
    metadata : Metadata or None
        A table that ``where=`` looks at.
    static : ndarray of int
        Positions of rows that no request may name, ascending.
    """

    n: int
    labels: Labels | None
    groups: Labels | None = None
    layout: Layout | None = None
    metadata: Metadata | None = None
    static: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)

    @classmethod
    def of(
        cls,
        X: MatrixLike,
        row_ids: RowsLike,
        groups: RowsLike,
        n: int,
        metadata: MatrixLike = None,
        static: ArrayLike = None,
    ) -> RowNames:
        """Name the rows by ``row_ids``, else by a DataFrame's index, else by position alone."""
        index = row_ids is None and _is_pandas(X, "DataFrame")
        labels = _labels("row_ids", X.index if index else row_ids, n, index=index)
        if not index:
            _unshared(labels)
        return cls(
            n,
            labels,
            _labels("groups", groups, n),
            metadata=Metadata.of(metadata, n),
            static=_static(static, 0, n),
        )

    @property
    def positional(self) -> bool:
        """Whether every row's identifier is its position, so that integers mean one thing."""
        return self.labels is None or self.labels.positional

    def store(self, positions: NDArray[np.int64]) -> Place:
        """Return where rows lie in the store; -1 for forgotten ones that it has dropped."""
        return Place(positions) if self.layout is None else self.layout.places(Position(positions))

    def called(self, n: int) -> Position:
        """Return the position of the row at each of ``n`` places in the store."""
        places = Place(np.arange(n))
        return Position(places) if self.layout is None else self.layout.positions(places)

    def lost(self, positions: NDArray[np.int64], forgotten: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows a request has named before; ``forgotten`` says so of every place."""
        # A place that the store has given up is that of a row named before.
        places = self.store(positions)
        return (places < 0) | forgotten[places]

    def fixed(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows are static."""
        if not len(self.static):
            return np.zeros(len(positions), dtype=bool)
        at = np.minimum(np.searchsorted(self.static, positions), len(self.static) - 1)
        return np.asarray(self.static[at] == positions)

    def forget(self, named: NDArray[np.int64]) -> None:
        """Make what named the rows that lay at ``named`` in the store unreadable."""
        if self.layout is not None and len(named):
            named = self.layout.positions(Place(named))
            # Places that a correction has left have no position, and what lay there has none.
            named = named[named >= 0]
        for known in (self.labels, self.groups, self.metadata):
            if known is not None:
                known.forget(named)

    def disown(self) -> None:
        """Erase what the names of forgotten rows could be recognised by; see `Labels.disown`."""
        for known in (self.labels, self.groups):
            if known is not None:
                known.disown()

    def extended(
        self,
        X: MatrixLike,
        row_ids: RowsLike,
        groups: RowsLike,
        places: Place,
        metadata: MatrixLike = None,
        static: ArrayLike = None,
    ) -> RowNames:
        """Return the names with those of rows that come, which lie at ``places``.

        These are behind all others in the store.
        """
        m, ids = len(places), row_ids
        if ids is None and self.labels is not None:
            if self.labels.positional:
                ids = range(self.n, self.n + m)
            elif _is_pandas(X, "DataFrame"):
                ids = X.index
            else:
                raise RowError("the rows of the fit have identifiers: give the new ones row_ids=")
        if ids is not None and self.labels is None:
            raise RowError("the rows were fitted without identifiers: these can have none either")
        if (groups is None) != (self.groups is None):
            raise RowError("give groups= to learn if, and only if, fit was given groups=")
        table, fixed = Metadata.of(metadata, m, self.n), _static(static, self.n, m)
        if (table is None) != (self.metadata is None):
            raise RowError("give metadata= to learn if, and only if, fit was given metadata=")
        if table is not None and self.metadata is not None:
            table = self.metadata.extended(table)
        labels = _labels("row_ids", ids, m, index=True, after=self.labels)
        if not (self.labels is None or self.labels.shared):
            _unshared(labels, self.n)
        layout, new = self.layout, Position(np.arange(self.n, self.n + m))
        return RowNames(
            self.n + m,
            labels,
            _labels("groups", groups, m, after=self.groups),
            None if layout is None else layout.followed(new),
            table,
            np.concatenate([self.static, fixed]) if len(fixed) else self.static,
        )

    def moved(self, positions: NDArray[np.int64], behind: int) -> RowNames:
        """Return the names with rows moved behind the first ``behind`` places of the store."""
        layout = Layout.of(np.arange(behind)) if self.layout is None else self.layout
        return replace(self, layout=layout.followed(Position(positions)))

    def condensed(self, keep: NDArray[np.bool_]) -> RowNames:
        """Return the names once the store holds the rows at the places ``keep`` (n,) alone."""
        places = Place(np.flatnonzero(keep))
        positions = places if self.layout is None else self.layout.positions(places)
        return replace(
            self,
            labels=None if self.labels is None else self.labels.condensed(),
            groups=None if self.groups is None else self.groups.condensed(),
            layout=Layout.of(positions),
            metadata=None if self.metadata is None else self.metadata.condensed(),
        )

    def positions(self, forgotten: NDArray[np.bool_], left: int, asked: Asked) -> Position:
        """Return the positions that a request names, in its order; ``left`` are not forgotten.

        Raises
        ------
        RowError, UnknownRowError, AlreadyForgottenError, AmbiguousRowError
            If it does not name rows properly; the message names the offenders.
        """
        if sum(v is not None for v in asked) != 1:
            raise RowError(
                "name the rows in exactly one way: forget(which), rows=, row_ids=, groups= or "
                "where="
            )
        if asked.where is not None:
            found = self._met(asked.where)
        elif asked.groups is not None:
            found = self._grouped(asked.groups)
        elif asked.row_ids is not None:
            found = self._labelled(asked.row_ids)
        elif asked.rows is not None:
            aligned = _is_pandas(asked.rows, "Series") and asked.rows.dtype == bool
            found = self._aligned(asked.rows) if aligned else self._numbered(asked.rows)
        else:
            found = self._meant(asked.which)
        if not len(found):
            raise RowError("the request names no row")
        # Sorted once: doubles are neighbours, and every check below is a search.
        values = np.sort(found)
        twice = values[1:] == values[:-1]
        if twice.any():
            raise RowError(f"rows named more than once: {_some(np.unique(values[1:][twice]))}")
        lost = self.lost(values, forgotten)
        if lost.any():
            said = _said(asked, found, set(values[lost].tolist()))
            raise AlreadyForgottenError(f"rows already forgotten: {_some(said)}")
        fixed = self.fixed(values)
        if fixed.any():
            raise RowError(
                f"rows fitted as static, which are never to be removed or changed: "
                f"{_some(values[fixed])}"
            )
        if not left > len(values):
            raise RowError(
                "the request names every row that is left: a model of no rows is no model, "
                "delete the estimator instead"
            )
        return Position(found)

    def known(self, asked: Asked) -> Position:
        """Return the positions that ``rows``, ``row_ids``, ``groups`` or ``where`` mean by now.

        Unlike `positions` it may return none, and forgotten rows as far as names still tell them.
        """
        if asked.where is not None:
            return Position(self._met(asked.where))
        if asked.groups is not None:
            return Position(self._grouped(asked.groups, gone=True))
        if asked.row_ids is not None:
            return Position(self._labelled(asked.row_ids))
        return Position(self._numbered(asked.rows))

    def _met(self, condition: Condition) -> NDArray[np.int64]:
        if self.metadata is None:
            raise UnknownRowError("the rows were fitted without metadata: pass it to fit")
        return self.metadata.where(condition)

    def _grouped(self, groups: RowsLike, *, gone: bool = False) -> NDArray[np.int64]:
        if self.groups is None:
            raise UnknownRowError("the rows were fitted without groups: pass groups= to fit")
        find = self.groups.find if gone else self.groups.live
        found = _looked_up("groups", listed(groups, GROUP), find)
        empty = [group for group, rows in found if not rows]
        unknown = [group for group in empty if not self.groups.gone(group)]
        if unknown:
            raise UnknownRowError(f"no row was fitted in group {_some(unknown)}")
        if empty:
            raise AlreadyForgottenError(f"groups already forgotten: {_some(empty)}")
        return np.array([row for _, rows in found for row in rows], dtype=np.int64)

    def _meant(self, which: RowsLike) -> NDArray[np.int64]:
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

    def _aligned(self, mask: ArrayLike) -> NDArray[np.int64]:
        """Return where a boolean Series over the index given to fit is True."""
        index = list(mask.index)
        # A mask is aligned by its index, never by its order alone.
        same = index == list(range(self.n)) if self.labels is None else self.labels.match(index)
        if not same:
            raise AmbiguousRowError(
                "the boolean Series' index is not the index given to fit: align it, or pass "
                "a boolean array as rows="
            )
        return np.flatnonzero(mask.to_numpy())

    def _numbered(self, rows: RowsLike) -> NDArray[np.int64]:
        listed = rows if isinstance(rows, list | tuple) else ()
        if len({isinstance(v, bool | np.bool_) for v in listed}) > 1:
            # As an array they would all be integers.
            raise RowError("rows mixes positions with True or False: pass one or the other")
        array = np.atleast_1d(np.asarray(rows))
        if array.ndim != 1:
            raise RowError(f"rows must be one-dimensional, got shape {array.shape}")
        if array.dtype == bool:
            if len(array) != self.n:
                raise RowError(f"the mask has {len(array)} entries, for {self.n} rows so far")
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
            raise UnknownRowError(f"no such position in {self.n} rows so far: {_some(array[out])}")
        return array.astype(np.int64)

    def _labelled(self, labels: RowsLike) -> NDArray[np.int64]:
        if self.labels is None:
            raise UnknownRowError(
                "the rows were fitted without identifiers: pass row_ids= to fit, or name the "
                "rows by position"
            )
        if self.labels.shared:
            raise AmbiguousRowError(
                "the DataFrame's index has labels that several rows share, so it is not taken for "
                "names of rows: pass rows= for positions in the fit, or fit with row_ids= (or "
                "groups=, where rows belong to people)"
            )
        known = self.labels
        # A live row before forgotten ones: an identifier may have come back with another row.
        found = _looked_up("labels", labels, lambda v: known.live(v) or known.gone(v)[-1:])
        unknown = [label for label, at in found if not at]
        if unknown:
            raise UnknownRowError(f"no row was fitted with label {_some(unknown)}")
        return np.array([at[0] for _, at in found], dtype=np.int64)


def _said(asked: Asked, found: NDArray[np.int64], lost: set[int]) -> list[Label]:
    """Return what was said for rows that are ``lost``: their labels where it was labels."""
    names = asked.row_ids if asked.row_ids is not None else asked.which
    said: list[Label] = [] if names is None else listed(names)
    if len(said) != len(found):
        # Conditions, groups and masks name many rows at a time.
        return [*sorted(lost)]
    return [name for name, at in zip(said, found.tolist(), strict=True) if at in lost]
