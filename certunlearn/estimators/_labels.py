"""Labels of rows: found at once, and no longer readable once their row is forgotten."""

from __future__ import annotations

import datetime
import hashlib
import numbers
import os
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Labels:
    """Labels of n rows.

    The label of a forgotten row is replaced by a keyed digest, so that naming it again can be
    told from naming somebody unknown.  The key lies beside the digests: whoever holds both can
    still test a guess, but cannot read a label off.

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
        return self._gone.get(self._digest(label), [])

    def find(self, label: Any) -> list[int]:
        """Return the positions of a label, forgotten ones included; empty if there is none."""
        return self.live(label) + self.gone(label)

    def extended(self, values: list[Any]) -> Labels:
        """Return the labels followed by those of further rows."""
        out = Labels([*self.values, *values])
        out._key, out._gone = self._key, {k: list(v) for k, v in self._gone.items()}
        first = len(self.values)
        out.positional = self.positional and _are_positions(values, first)
        return out

    def match(self, index: list[Any]) -> bool:
        """Whether ``index`` lists the labels of all rows in order, the forgotten ones too."""
        if len(index) != len(self.values):
            return False
        return all(
            position in self._gone.get(self._digest(label), [])
            if own is _FORGOTTEN
            else _tagged(own) == _tagged(label)
            for position, (own, label) in enumerate(zip(self.values, index, strict=True))
        )

    def forget(self, positions: NDArray[np.int64]) -> None:
        """Make the labels of rows unreadable; safe to call again."""
        for position in positions.tolist():
            label = self.values[position]
            if label is not _FORGOTTEN:
                gone, tag = self._gone.setdefault(self._digest(label), []), _tagged(label)
                if position not in gone:
                    gone.append(position)
                # A key that leads to no row would still spell its label.
                left = [at for at in self._where.pop(tag, []) if at != position]
                if left:
                    self._where[tag] = left
                self.values[position] = _FORGOTTEN

    def _digest(self, label: Any) -> bytes:
        return hashlib.blake2b(_encoded(label), key=self._key, digest_size=16).digest()

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
    return all(isinstance(v, (int, np.integer)) and v == i for i, v in enumerate(values, first))


def _tagged(label: Any) -> tuple[bool, Any]:
    """True == 1 in Python, but not as a name."""
    return isinstance(label, (bool, np.bool_)), label


def _encoded(label: Any) -> bytes:
    """Bytes that are equal for equal labels: numbers by value, times by instant, the rest by repr.

    Equal labels of kinds not named here may get different bytes.  Then a forgotten row is reported
    as unknown when it is named again, never the other way round.
    """
    if isinstance(label, (bool, np.bool_)):
        return b"b%d" % bool(label)
    if isinstance(label, numbers.Integral):
        return b"i%d" % int(label)
    if isinstance(label, numbers.Real):
        value = float(label)
        return b"i%d" % int(value) if value.is_integer() else b"f" + value.hex().encode()
    if isinstance(label, str):
        return b"s" + label.encode("utf-8", "surrogatepass")
    if isinstance(label, bytes):
        return b"y" + label
    if isinstance(label, tuple):
        parts = [_encoded(part) for part in label]
        return b"t" + b"".join(b"%d:" % len(part) + part for part in parts)
    if isinstance(label, datetime.datetime):
        return b"d" + label.isoformat().encode()
    return b"r" + repr(label).encode("utf-8", "surrogatepass")
