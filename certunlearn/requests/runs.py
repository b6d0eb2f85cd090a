"""Sequences that grow by a few entries at a time, and are never changed by growing."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TypeVar

R = TypeVar("R", bound=Sized)


def followed_by(runs: tuple[R, ...], new: R, joined: Callable[[R, R], R]) -> tuple[R, ...]:
    """Return ``runs`` and one more, the last ones joined with it while not over twice as long.

    So every run is more than twice as long as the next: n entries lie in at most ``log2(n) + 1`` of
    them, and each is copied O(log n) times, however few come at a time.  No run is changed: whoever
    holds the runs as they were before still has them, and what grew in vain is just dropped.

    References
    ----------
    O'Neil, Cheng, Gawlick and O'Neil (1996), The log-structured merge-tree.

    Examples
    --------
    >>> runs = ()
    >>> for letter in "abcdefg":
    ...     runs = followed_by(runs, letter, str.__add__)
    >>> runs
    ('abcde', 'fg')
    """
    while runs and len(runs[-1]) <= 2 * len(new):
        runs, new = runs[:-1], joined(runs[-1], new)
    return (*runs, new)
