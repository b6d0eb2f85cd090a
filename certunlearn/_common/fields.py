"""JSON of frozen records: fields to values and back, each by the type it is declared with."""

from __future__ import annotations

import json
import math
import reprlib
import sys
from typing import Any, get_args, get_origin


def loaded(text: str, what: str) -> Any:
    """Return what a text of JSON says.

    Raises
    ------
    ValueError
        If it is none, or nested deeper than can be read.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not {what}: no JSON, {error}") from None
    except RecursionError:
        raise ValueError(f"not {what}: nested too deeply") from None


def plain(value: object) -> object:
    """Return a field as JSON takes it; an infinity is the string "inf"."""
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return "inf" if value == math.inf else value


def typed(name: str, value: Any, kind: Any, what: str) -> Any:
    """Return a JSON value as the type ``kind``; numbers are finite or "inf", and not negative."""
    options = get_args(kind) if type(None) in get_args(kind) else (kind,)
    if value is None and type(None) in options:
        return None
    kind = options[0]
    if get_origin(kind) is tuple and isinstance(value, list):
        inner = get_args(kind)
        # tuple[T, ...] is as long as it comes; other tuples have their length.
        inner = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
        if len(inner) == len(value):
            return tuple(typed(name, v, k, what) for v, k in zip(value, inner, strict=True))
    if kind is bool and isinstance(value, bool):
        return value
    number = kind in (int, float) and isinstance(value, (int, kind)) and not isinstance(value, bool)
    # An integer may be finite and beyond what a float can hold.
    if number and 0 <= value <= sys.float_info.max:
        return kind(value)
    if kind is float and value == "inf":
        return math.inf
    if kind is str and isinstance(value, str):
        return value
    raise ValueError(f"{name} of a {what} cannot be {reprlib.repr(value)}")
