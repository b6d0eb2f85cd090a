"""Extremes of the columns of a table, at the speed at which memory is read."""

from __future__ import annotations

import numpy as np

from .arrays import Array

#: Rows of a block, which fits a cache, and rows that are compared side by side.
_BLOCK, _BESIDE = 1 << 11, 16


def extremes(X: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest number of each column of X (n, d), n > 0.

    Examples
    --------
    >>> low, high = extremes(np.array([[1.0, 5.0], [3.0, -2.0]]))
    >>> low.tolist(), high.tolist()
    ([1.0, -2.0], [3.0, 5.0])
    """
    low, high = X[0].copy(), X[0].copy()
    for start in range(0, len(X), _BLOCK):
        part = X[start : start + _BLOCK]
        together = len(part) // _BESIDE * _BESIDE
        # Long rows are compared with long rows: short ones would cost a call each.
        for rows in (part[:together].reshape(-1, _BESIDE * X.shape[1]), part[together:]):
            if len(rows):
                least, most = rows.min(axis=0), rows.max(axis=0)
                low = np.minimum(low, least.reshape(-1, X.shape[1]).min(axis=0))
                high = np.maximum(high, most.reshape(-1, X.shape[1]).max(axis=0))
    return low, high
