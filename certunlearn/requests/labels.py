"""Labels of rows: found at once, and no longer readable once their row is forgotten."""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import numbers
import os
import uuid
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Labels:
    """Labels of n rows.

    The label of a forgotten row is replaced by a keyed digest, so that naming it again can be
    told from naming somebody unknown.  The key lies beside the digests: whoever holds both can
    still test a guess, but cannot read a label off.  Only kinds of label that `_encoded` knows have
    a digest; a forgotten label of any other kind is as unknown as one that never was.

    Parameters
    ----------
    values : sequence of hashable
        One a row; several rows may share one.
    """

    def __init__(self, values: list[Any]) -> None:
        self.values: NDArray[Any] = np.empty(len(values), dtype=object)
        self.values[:] = values
        self._key = os.urandom(32)
        self._gone: dict[bytes, list[int]] = {}
        self.positional = _are_positions(values, 0)
        #: Whether rows share labels, so that these name none.
        self.shared = not self.positional and len(set(map(_tagged, values))) < len(values)

    @cached_property
    def _where(self) -> dict[Any, list[int]]:
        where: dict[Any, list[int]] = {}
        for position, label in enumerate(self.values):
            if label is not _FORGOTTEN:
                where.setdefault(_tagged(label), []).append(position)
        return where

    def live(self, label: Any) -> list[int]:
        """Return the positions of rows with a label that are not forgotten."""
        return self._where.get(_tagged(label), [])

    def gone(self, label: Any) -> list[int]:
        """Return the positions of forgotten rows that had a label."""
        digest = self._digest(label)
        return [] if digest is None else self._gone.get(digest, [])

    def find(self, label: Any) -> list[int]:
        """Return the positions of a label, forgotten ones included; empty if there is none."""
        return self.live(label) + self.gone(label)

    def extended(self, values: list[Any]) -> Labels:
        """Return the labels followed by those of further rows."""
        out = Labels([*self.values, *values])
        out._key, out._gone = self._key, {k: list(v) for k, v in self._gone.items()}
        first = len(self.values)
        out.positional = self.positional and _are_positions(values, first)
        # Labels of forgotten rows are not told apart any more.
        twice = len(set(map(_tagged, values))) < len(values)
        out.shared = self.shared or twice or any(self.live(label) for label in values)
        return out

    def match(self, index: list[Any]) -> bool:
        """Whether ``index`` lists the labels of all rows in order, the forgotten ones too."""
        if len(index) != len(self.values):
            return False
        return all(
            position in self.gone(label) if own is _FORGOTTEN else _tagged(own) == _tagged(label)
            for position, (own, label) in enumerate(zip(self.values, index, strict=True))
        )

    def forget(self, positions: NDArray[np.int64]) -> None:
        """Make the labels of rows unreadable; safe to call again."""
        for position in positions.tolist():
            label = self.values[position]
            if label is not _FORGOTTEN:
                digest, tag = self._digest(label), _tagged(label)
                if digest is not None:
                    gone = self._gone.setdefault(digest, [])
                    if position not in gone:
                        gone.append(position)
                # A key that leads to no row would still spell its label.
                left = [at for at in self._where.pop(tag, []) if at != position]
                if left:
                    self._where[tag] = left
                self.values[position] = _FORGOTTEN

    def _digest(self, label: Any) -> bytes | None:
        code = _encoded(label)
        if code is None:
            return None
        return hashlib.blake2b(code, key=self._key, digest_size=16).digest()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_where"}


class _Forgotten:
    """Stands where a label was; one object, also after pickling."""

    def __reduce__(self) -> str:
        return "_FORGOTTEN"

    def __repr__(self) -> str:
        return "<forgotten>"


_FORGOTTEN = _Forgotten()


def _are_positions(values: list[Any], first: int) -> bool:
    return all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v == i
        for i, v in enumerate(values, first)
    )


def _tagged(label: Any) -> tuple[bool, Any]:
    """True == 1 in Python, but not as a name, nor as part of one."""
    if isinstance(label, tuple):
        return False, tuple(map(_tagged, label))
    return isinstance(label, (bool, np.bool_)), label


def _encoded(label: Any) -> bytes | None:
    """Bytes that are equal for equal labels and for no others; None for kinds not known here.

    The repr of an unknown kind will not do: it may be the same for different labels, or other in
    another process.
    """
    if isinstance(label, (bool, np.bool_)):
        return b"b%d" % bool(label)
    if label is None:
        return b"n"
    if isinstance(label, str):
        return b"s" + label.encode("utf-8", "surrogatepass")
    if isinstance(label, bytes):
        return b"y" + label
    if isinstance(label, tuple):
        return _joined(b"t", [_encoded(part) for part in label])
    if isinstance(label, frozenset):
        parts = [_encoded(part) for part in label]
        return None if None in parts else _joined(b"z", sorted(parts, key=lambda part: part or b""))
    if isinstance(label, uuid.UUID):
        return b"u" + label.bytes
    if isinstance(label, numbers.Number):
        return _number(label)
    if isinstance(label, enum.Enum):
        return b"e" + f"{type(label).__module__}.{type(label).__qualname__}.{label.name}".encode()
    return _time(label)


def _joined(kind: bytes, parts: list[bytes | None]) -> bytes | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return kind + b"".join(b"%d:" % len(part) + part for part in known)


def _number(label: Any) -> bytes | None:
    """By exact value, as Python compares them."""
    if isinstance(label, numbers.Rational):
        return b"q%x/%x" % (int(label.numerator), int(label.denominator))
    # The ratio of Decimal("1e999999") would not fit in memory.
    far = isinstance(label, decimal.Decimal) and label.is_finite() and abs(label.adjusted()) > 400
    if far or not hasattr(label, "as_integer_ratio"):
        return None
    try:
        return b"q%x/%x" % tuple(map(int, label.as_integer_ratio()))
    except (OverflowError, ValueError):
        # Infinite, or not a number.
        return b"f" + repr(float(label)).encode()


def _time(label: Any) -> bytes | None:
    """Instants by UTC where they have a zone, to the nanosecond that pandas counts."""
    extra = b"%d" % getattr(label, "nanosecond", 0) if label == label else b""
    if isinstance(label, datetime.datetime) and label == label:
        away = label.utcoffset()
        if away is None:
            return b"d" + label.isoformat(timespec="microseconds").encode() + b"+" + extra
        try:
            # Wall times of a zone say nothing by themselves: what is compared is UTC.
            here = label.replace(tzinfo=None) - away
        except (OverflowError, ValueError):
            return None
        return b"a" + here.isoformat(timespec="microseconds").encode() + b"+" + extra
    if isinstance(label, datetime.date) and label == label:
        return b"c" + label.isoformat().encode()
    return None
