"""One check per rule; every message says what was given and what is expected."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state


def real(
    name: str, value: object, *, low: float, high: float = math.inf, closed: str = ""
) -> float:
    """Return ``value`` as float if it is a number between the limits.

    ``closed`` names the limits that are allowed themselves: "", "low", "high" or "both".
    """
    # Not a number compares as False with every limit: it is refused like one beyond them.
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
    above = number >= low if closed in ("low", "both") else number > low
    below = number <= high if closed in ("high", "both") else number < high
    if not (above and below):
        left = "[" if closed in ("low", "both") else "("
        right = "]" if closed in ("high", "both") else ")"
        raise ValueError(
            f"{name} must be a number in {left}{low:g}, {high:g}{right}, got {value!r}"
        )
    return number


def count(name: str, value: object, *, low: int) -> int:
    """Return ``value`` as int if it is an integer of at least ``low``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low:
        raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}")
    return int(value)


def flag(name: str, value: object) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def choice(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of the names allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return str(value)


def seed(name: str, value: object) -> int | None:
    """Return a seed of at least 0, None, or one drawn from a RandomState."""
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool):
        # Of a RandomState one number is drawn, so that what it is used for here can be repeated.
        value = check_random_state(value).randint(2**63 - 1, dtype=np.int64)
    return count(name, value, low=0)
