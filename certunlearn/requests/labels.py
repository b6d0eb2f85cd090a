"""Labels of rows: found at once, and no longer readable once their row is forgotten."""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import numbers
import os
import uuid
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import AnyArray, Label, Position
from .._common.cached import cached_property
from .runs import followed_by


class _Run:
    """Labels of the rows at ascending positions, those forgotten meanwhile included.

    Parameters
    ----------
    positions : ndarray of int, shape (m,)
        Ascending.
    values : ndarray of object, shape (m,)
        A label each.
    """

    def __init__(self, positions: NDArray[np.int64], values: AnyArray) -> None:
        self.positions, self.values = positions, values
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self.positions) - self.forgotten

    @cached_property
    def where(self) -> dict[Label, int | list[int]]:
        """Position of every label, or the positions where there are several."""
        keys, at = _tagged_all(self.values.tolist()), self.positions.tolist()
        out: dict[Label, int | list[int]] = dict(zip(keys, at, strict=True))
        # Only where labels are shared: a list for each costs more than a number.
        if len(out) < len(keys):
            every: dict[Label, list[int]] = {}
            for key, position in zip(keys, at, strict=True):
                every.setdefault(key, []).append(position)
            out = {key: at if len(at) > 1 else at[0] for key, at in every.items()}
        out.pop(_FORGOTTEN, None)
        return out

    def live(self, tag: Label) -> list[int]:
        """Return where rows with a label lie."""
        found = self.where.get(tag, [])
        return [found] if isinstance(found, int) else found

    def at(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.bool_], AnyArray]:
        """Return which of ``positions`` lie here, and the labels of those."""
        at = np.minimum(np.searchsorted(self.positions, positions), len(self.positions) - 1)
        here = self.positions[at] == positions
        return here, self.values[at[here]]

    @property
    def first(self) -> int:
        """The first position."""
        return int(self.positions[0])

    def forget(self, position: int) -> None:
        """Overwrite the label of a row that lies here."""
        at = int(np.searchsorted(self.positions, position))
        tag = _tagged(self.values[at])
        # A key that leads to no row would still spell its label.
        # Other rows of the same person keep the label.
        left = [other for other in self.live(tag) if other != position]
        self.where.pop(tag, None)
        if left:
            self.where[tag] = left if len(left) > 1 else left[0]
        self.values[at] = _FORGOTTEN
        self.forgotten += 1

    def condensed(self) -> _Run:
        """Return the run without its forgotten rows."""
        if not self.forgotten:
            return self
        live = np.array([label is not _FORGOTTEN for label in self.values], dtype=bool)
        out = _Run(self.positions[live], self.values[live])
        # A copy: a dictionary never gives back what it has grown to.
        out.where = dict(self.where)
        return out

    def followed(self, other: _Run) -> _Run:
        """Return this run and one of later positions as one, without what was forgotten."""
        first, second = self.condensed(), other.condensed()
        out = _Run(
            np.concatenate([first.positions, second.positions]),
            np.concatenate([first.values, second.values]),
        )
        out.where = first.where | second.where
        if len(out.where) < len(first.where) + len(second.where):
            for key in first.where.keys() & second.where.keys():
                out.where[key] = [*first.live(key), *second.live(key)]
        return out

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "where"}


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

    Attributes
    ----------
    n : int
        Rows that ever were.
    positional : bool
        Whether every label is its row's position.
    shared : bool
        Whether rows share labels, so that these name none.
    """

    def __init__(self, values: list[Label]) -> None:
        self.n = len(values)
        self._runs: tuple[_Run, ...] = ()
        # A key of its own for each fit: digests of two models cannot be compared.
        self._key = os.urandom(32)
        self._gone: dict[bytes, list[int]] = {}
        self.positional, self.shared = _are_positions(values, 0), False
        if values:
            run = _Run(np.arange(self.n), _as_objects(values))
            self._runs = (run,)
            self.shared = not self.positional and len(run.where) < self.n

    def live(self, label: Label) -> list[int]:
        """Return the positions of rows with a label that are not forgotten."""
        tag, runs = _tagged(label), self._runs
        return [position for run in runs for position in run.live(tag)]

    def gone(self, label: Label) -> list[int]:
        """Return the positions of forgotten rows that had a label."""
        digest = self._digest(label)
        return [] if digest is None else self._gone.get(digest, [])

    def find(self, label: Label) -> list[int]:
        """Return the positions of a label, forgotten ones included; empty if there is none."""
        return self.live(label) + self.gone(label)

    def at(self, positions: Position) -> list[Label]:
        """Return the labels of rows; something that is no label for forgotten ones."""
        out = np.full(len(positions), _FORGOTTEN, dtype=object)
        for run in self._runs:
            here, labels = run.at(positions)
            out[here] = labels
        return out.tolist()

    def extended(self, values: list[Label]) -> Labels:
        """Return the labels followed by those of further rows."""
        out = object.__new__(Labels)
        # What is forgotten here is forgotten there.
        out._key, out._gone = self._key, self._gone
        out.n, out._runs = self.n + len(values), self._runs
        out.positional = self.positional and _are_positions(values, self.n)
        out.shared = self.shared
        if values:
            run = _Run(np.arange(self.n, out.n), _as_objects(values))
            # Labels of forgotten rows are not told apart any more.
            twice = len(run.where) < len(values)
            out.shared = self.shared or twice or any(self.live(label) for label in values)
            out._runs = followed_by(self._runs, run, _Run.followed)
        return out

    def condensed(self) -> Labels:
        """Return the same labels without room for forgotten ones."""
        out = object.__new__(Labels)
        out.__dict__.update(self.__dict__)
        out._runs = tuple(run.condensed() for run in self._runs if len(run))
        return out

    def match(self, index: list[Label]) -> bool:
        """Whether ``index`` lists the labels of all rows in order, the forgotten ones too."""
        if len(index) != self.n:
            return False
        return all(
            position in self.gone(label) if own is _FORGOTTEN else _tagged(own) == _tagged(label)
            for position, (own, label) in enumerate(
                zip(self.at(Position(np.arange(self.n))), index, strict=True)
            )
        )

    def forget(self, positions: NDArray[np.int64]) -> None:
        """Make the labels of rows unreadable; safe to call again."""
        for position in positions.tolist():
            run = next((run for run in reversed(self._runs) if run.first <= position), None)
            known = [] if run is None else run.at(np.array([position]))[1].tolist()
            if run is None or not known or known[0] is _FORGOTTEN:
                continue
            # The digest before the label goes: interrupted in between, the row is still found by
            # either.
            digest = self._digest(known[0])
            if digest is not None:
                gone = self._gone.setdefault(digest, [])
                if position not in gone:
                    gone.append(position)
            run.forget(position)

    def disown(self) -> None:
        """Erase the digests of forgotten labels and their key: no guess can be tested any more."""
        self._key, self._gone = os.urandom(32), {}

    def _digest(self, label: Label) -> bytes | None:
        code = _encoded(label)
        if code is None:
            return None
        # 128 bits: no two labels of any table collide by chance, and a guess costs one hash.
        return hashlib.blake2b(code, key=self._key, digest_size=16).digest()


def called(labels: Labels | None, positions: Position) -> tuple[Label, ...]:
    """Return what rows are called: by their identifiers, where they have any of their own."""
    if labels is None or labels.positional or labels.shared:
        return tuple(int(position) for position in positions)
    return tuple(labels.at(positions))


class _Forgotten:
    """Stands where a label was; one object, also after pickling."""

    def __reduce__(self) -> str:
        return "_FORGOTTEN"

    def __repr__(self) -> str:
        return "<forgotten>"


_FORGOTTEN = _Forgotten()


def _are_positions(values: list[Label], first: int) -> bool:
    return all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v == i
        for i, v in enumerate(values, first)
    )


def _tagged(label: Label) -> Label:
    """Return what labels are looked up by: True == 1 in Python, but not as a name, nor in a tuple.

    A label itself, but for truth values and tuples: no other label equals a tuple.
    """
    if isinstance(label, tuple):
        return False, tuple((isinstance(v, tuple), _tagged(v)) for v in label)
    return (True, bool(label)) if isinstance(label, (bool, np.bool_)) else label


def _tagged_all(labels: list[Label]) -> list[Label]:
    """Return every label `_tagged`, at no cost where none has to be."""
    special = any(issubclass(kind, (tuple, bool, np.bool_)) for kind in set(map(type, labels)))
    return list(map(_tagged, labels)) if special else labels


def _as_objects(values: list[Label]) -> AnyArray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _encoded(label: Label) -> bytes | None:
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
    # Lengths before parts: ("ab", "c") and ("a", "bc") differ.
    return kind + b"".join(b"%d:" % len(part) + part for part in known)


def _number(label: numbers.Number) -> bytes | None:
    """By exact value, as Python compares them."""
    if isinstance(label, numbers.Rational):
        return b"q%x/%x" % (int(label.numerator), int(label.denominator))
    # The ratio of Decimal("1e999999") would not fit in memory.
    far = isinstance(label, decimal.Decimal) and label.is_finite() and abs(label.adjusted()) > 400
    if far or not (hasattr(label, "as_integer_ratio") and isinstance(label, SupportsFloat)):
        return None
    try:
        return b"q%x/%x" % tuple(map(int, label.as_integer_ratio()))
    except (OverflowError, ValueError):
        # Infinite, or not a number.
        return b"f" + repr(float(label)).encode()


def _time(label: Label) -> bytes | None:
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
