"""What a request names, as it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Set, ValuesView
from typing import NamedTuple, Self

import numpy as np

from .._common.arrays import ArrayLike, Condition, Label, MatrixLike, RowsLike
from ..exceptions import RowError

#: A tuple is one group, as pandas would name it.
GROUP = (str, bytes, tuple)


_SHOWN = 5


def _some(values: RowsLike) -> str:
    """Return the first few of ``values`` for a message."""
    values = [v.item() if isinstance(v, np.generic) else v for v in list(values)]
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(repr(v) for v in values[:_SHOWN]) + more


def _is_pandas(value: object, name: str) -> bool:
    """Whether ``value`` is a pandas object whose class or base is called ``name``."""
    return any(
        c.__name__ == name and c.__module__.split(".")[0] == "pandas" for c in type(value).__mro__
    )


def listed(asked: RowsLike, single: tuple[type, ...] = (str, bytes)) -> list[Label]:
    """Return the labels asked for, of which there may be just one: what is of a ``single`` type."""
    one = isinstance(asked, single) or not hasattr(asked, "__iter__")
    return [asked] if one else list(asked)


def checked_reference(reference: object) -> None:
    """Refuse a reference that names no request.

    Raises
    ------
    RowError
        If it is no text, or a blank one.
    """
    if not (isinstance(reference, str) and reference.strip()):
        raise RowError(
            f"reference must be a text that says who asked, or a case number, got {reference!r}"
        )


def _written_out(asked: RowsLike) -> RowsLike:
    """Return a set, a view of a dictionary or an iterator as a list, to be read more than once."""
    return list(asked) if isinstance(asked, Set | ValuesView | Iterator) else asked


class _Ways(NamedTuple):
    which: RowsLike | None
    rows: RowsLike | None
    row_ids: RowsLike | None
    groups: RowsLike | None
    where: Condition | None


class Asked(_Ways):
    """The ways of naming rows, of which a request uses one."""

    __slots__ = ()

    def __new__(
        cls,
        which: RowsLike | None = None,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
    ) -> Self:
        which, rows, row_ids, groups = map(_written_out, (which, rows, row_ids, groups))
        return super().__new__(cls, which, rows, row_ids, groups, where)

    @classmethod
    def in_order(
        cls, which: RowsLike | None, rows: RowsLike | None, row_ids: RowsLike | None
    ) -> Self:
        """Return rows that something else is given for, one by one.

        Raises
        ------
        RowError
            If they are a set, which has no order.
        """
        if any(isinstance(asked, set | frozenset) for asked in (which, rows, row_ids)):
            raise RowError(
                "a set has no order, and X and y are taken in the order of the request: name the "
                "rows in a list"
            )
        return cls(which, rows, row_ids)

    @property
    def named(self) -> dict[str, RowsLike]:
        """The ways that are keywords of a request, with what they are given."""
        return {name: value for name, value in self._asdict().items() if name != "which"}


class Annotations(NamedTuple):
    """What comes with new rows: weights, names, and what `forget` can look at."""

    sample_weight: ArrayLike | None = None
    row_ids: RowsLike | None = None
    groups: RowsLike | None = None
    metadata: MatrixLike | None = None
    static: ArrayLike | None = None
