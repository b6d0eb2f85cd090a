"""What a request does to the rows of a model, worked out before anything is carried out."""

from __future__ import annotations

from typing import NamedTuple

from .._common.arrays import AnyArray, Array, Place
from .row_names import RowNames


class Change(NamedTuple):
    """Rows that go and rows that come: forgetting, learning and correcting alike.

    Attributes
    ----------
    event : str
        What the history calls it.
    asked : int
        Rows the request is about.
    gone : ndarray of int
        Places in the store of the rows that go.
    codes, weight : ndarray of shape (m,) or (m, K), and (m,)
        Labels and weights of the rows that come, which lie after all others in the store.
    names : RowNames
        Those of all rows afterwards.
    """

    event: str
    asked: int
    gone: Place
    codes: AnyArray
    weight: Array
    names: RowNames
