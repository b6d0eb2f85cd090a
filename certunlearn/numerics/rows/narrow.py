"""Numbers in the narrowest kind that holds each of them exactly: a byte a row rather than eight."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..._common.arrays import AnyArray

_KINDS = (np.uint8, np.float32, np.float64)


def narrowed(parts: Callable[[], Iterable[AnyArray]]) -> AnyArray:
    """Return numbers (n,), which ``parts`` yields some at a time, whenever it is called.

    Where all are alike they are one number in memory, and the array is not to be written to.

    Examples
    --------
    >>> [narrowed(lambda x=x: [np.array(x)]).dtype.name for x in ([1.0, 0], [0.5, 0], [0.1, 0])]
    ['uint8', 'float32', 'float64']
    >>> narrowed(lambda: [np.ones(3), np.ones(2)]).strides
    (0,)
    """
    count, kind, alike, first = 0, 0, True, np.float64(0.0)
    for part in parts():
        first = part[0] if not count and len(part) else first
        alike = alike and bool((part == first).all())
        count += len(part)
        while not _exact(part, kind):
            kind += 1
    if alike:
        return np.broadcast_to(np.array(first, dtype=_KINDS[kind]), (count,))
    out, at = np.empty(count, dtype=_KINDS[kind]), 0
    for part in parts():
        out[at : at + len(part)] = part
        at += len(part)
    return out


def _exact(part: AnyArray, kind: int) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):
        return bool((part.astype(_KINDS[kind]) == part).all())
