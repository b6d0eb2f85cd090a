"""Objects as plain arrays and JSON-able values, and back: nothing that is read is ever run.

An object of this package is its class and its attributes, one of scikit-learn's as well; objects
that hang together are written once and found again as one.  Whatever else is no array, number, text
or collection of these is refused by the name of the attribute that holds it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..exceptions import StateError
from . import derived, plain_values
from .whole import Whole

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
Arrays: TypeAlias = "dict[str, NDArray[np.generic]]"

FORMAT, VERSION = "certunlearn fitted state", 1
#: Where classes are looked up that a state may name; they are made, but never called.
_HOME = __name__.partition(".")[0]
_HOMES = (f"{_HOME}.", "sklearn.")


@dataclass(frozen=True)
class FittedState:
    """A fitted model as plain arrays and values: to be written wherever, and read again.

    It holds the retained rows and the secret iterate: keep it as you keep the data.

    Attributes
    ----------
    arrays : dict of ndarray
        By name: of booleans and numbers alone, in C order.  Those of the rows have a row, or a
        block of rows, at every step of the first axis, and names that stay as long as the fit does.
    values : dict
        As JSON takes it: ``format``, ``version``, ``library``, ``kind`` (the class), ``arrays``
        (dtype, shape and SHA-256 of each), ``sha256`` of the other values, ``root`` and
        ``objects``.
    """

    arrays: Arrays
    values: dict[str, Json]

    @property
    def kind(self) -> str:
        """Name of the class of the model."""
        return str(self.values.get("kind"))

    def __repr__(self) -> str:
        size = sum(array.nbytes for array in self.arrays.values())
        return f"<FittedState: {self.kind}, {len(self.arrays)} arrays, {size} bytes>"


def written(thing: object) -> FittedState:
    """Return an object of this package as a state.

    Raises
    ------
    StateError
        If it holds something that cannot be written; the message names it.
    """
    writer = _Writer()
    root = writer.node(thing, "")
    values: dict[str, Json] = {
        "format": FORMAT,
        "version": VERSION,
        "library": __version__,
        "kind": type(thing).__name__,
        "root": root,
        "objects": writer.objects,
        "arrays": {name: _described(array) for name, array in writer.arrays.items()},
    }
    values["sha256"] = _digest(values)
    return FittedState(writer.arrays, values)


def read(state: FittedState) -> object:
    """Return the object that a state was made of, with arrays of its own.

    Raises
    ------
    StateError
        If the state is of another version, or not as it was written.
    """
    values = _checked(state)
    reader = _Reader(state.arrays, cast("list[Json]", values["objects"]))
    try:
        return reader.made(values["root"])
    except (
        ArithmeticError,
        AttributeError,
        ImportError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise StateError(f"the state cannot be read: {error!r}") from error


class Restorable(Whole):
    """An object whose ``to_state`` writes it."""

    @classmethod
    def from_state(cls, state: FittedState) -> Self:
        """Return the model that `to_state` wrote: its release, its requests and its noise go on.

        Parameters
        ----------
        state : FittedState
            Of a model of this class.

        Raises
        ------
        StateError
            If the state is of another class or version, or not as it was written.
        """
        out = read(state)
        if not isinstance(out, cls):
            raise StateError(f"this is the state of a {state.kind}, not of a {cls.__name__}")
        return out


def _checked(state: FittedState) -> dict[str, Json]:
    """Refuse what is of another version, or not as it was written."""
    values = state.values
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise StateError("this is no fitted state of certunlearn")
    if values.get("version") != VERSION:
        raise StateError(
            f"the state is of version {values.get('version')!r}, this certunlearn ({__version__}) "
            f"reads version {VERSION}: read it with certunlearn {values.get('library')}"
        )
    try:
        intact = values.get("sha256") == _digest(values)
        known = values["arrays"]
        if not intact or not isinstance(known, dict) or not isinstance(values["objects"], list):
            raise StateError("the values of the state are not as they were written")
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"the values of the state are not as they were written: {error}") from None
    if set(known) != set(state.arrays):
        odd = sorted(set(known) ^ set(state.arrays))
        raise StateError(f"arrays of the state are missing, or not its own: {', '.join(odd[:5])}")
    for name, array in state.arrays.items():
        if known[name] != _described(np.asarray(array)):
            raise StateError(f"the array {name!r} of the state is not as it was written")
    return values


def _described(array: NDArray[np.generic]) -> Json:
    """Return what tells an array from any other."""
    flat = np.ascontiguousarray(array)
    # Zero rows have no bytes that a view could be taken of.
    content = flat.reshape(-1).view(np.uint8).data if flat.size else b""
    return {
        "dtype": flat.dtype.str,
        "shape": list(array.shape),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _digest(values: dict[str, Json]) -> str:
    rest = {name: value for name, value in values.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _class_name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _class_of(name: str) -> type:
    """Return a class of this package, or an estimator of scikit-learn's, by its name."""
    module, _, path = name.partition(":")
    if not module.startswith(_HOMES):
        raise StateError(f"{name} is no class of this package or of scikit-learn")
    # Only modules of this package and scikit-learn, and of their classes those that `_known` says.
    found: object = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    # An alias, or something imported from elsewhere, has another name.
    if not isinstance(found, type) or _class_name(found) != name or not _known(found):
        raise StateError(f"{name} is no class that a state may hold")
    return found


def _known(kind: type) -> bool:
    """Whether objects of a class are written by their attributes."""
    if kind.__module__.startswith(f"{_HOME}."):
        return not issubclass(kind, BaseException)
    if not kind.__module__.startswith("sklearn."):
        return False
    from sklearn.base import BaseEstimator

    return issubclass(kind, BaseEstimator)


def _attributes(thing: object) -> dict[str, object]:
    """Return the attributes of an object that make it what it is."""
    kind = type(thing)
    if isinstance(thing, tuple):
        return dict(zip(kind._fields, thing, strict=True))  # type: ignore[attr-defined]
    own = not kind.__module__.startswith("sklearn.")
    if own and (isinstance(thing, Whole) or kind.__getstate__ is object.__getstate__):
        if dataclasses.is_dataclass(thing):  # What a cached property holds follows from the fields.
            return {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)}
        return {name: value for name, value in vars(thing).items() if name != "_seen"}
    # What it leaves out of a pickle does not belong into a state; scikit-learn adds its version.
    return derived.without(kind, cast("dict[str, object]", thing.__getstate__()))


class _Writer:
    """Objects become nodes; one that is met again becomes the number of its node."""

    def __init__(self) -> None:
        self.objects: list[Json] = []
        self.arrays: Arrays = {}
        # By address: what hangs together is written once and found again as one.
        self._numbers: dict[int, int] = {}
        #: What is numbered by its address must not be freed meanwhile.
        self._alive: list[object] = []

    def node(self, value: object, at: str) -> Json:
        """Return what stands for a value found ``at`` a path of attributes."""
        simple, node = plain_values.simple(value, at)
        if simple:
            return node
        number = self._numbers.get(id(value))
        # Whether two arrays of nothing are one and the same means nothing.
        if number is None or isinstance(value, np.ndarray) and not value.size:
            number = self._numbers[id(value)] = len(self.objects)
            self._alive.append(value)
            # Its place first, as its attributes may lead back to it.
            self.objects.append(None)
            self.objects[number] = self._content(value, at)
        return {"object": number}

    def _content(self, value: object, at: str) -> Json:
        if isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "jaxlib":
            return self._array(np.asarray(value), at)
        kind = type(value)
        if kind in plain_values.COLLECTIONS:
            items = cast("Iterable[object]", value)
            if kind in (set, frozenset):
                # In an order that does not depend on hashes of texts.
                items = sorted(items, key=repr)
            return {kind.__name__: self._items(items, at)}
        if kind is dict:
            return {"dict": self._pairs(cast("dict[object, object]", value), at)}
        if _known(kind):
            refusal = getattr(value, "not_written", None)
            if refusal is not None:
                raise StateError(f"{at or 'the model'} cannot be written: {refusal}")
            return self._object(value, at)
        parts = plain_values.parts(value)
        if parts is None:
            raise StateError(
                f"{at or 'the model'} is a {kind.__module__}.{kind.__qualname__}, which cannot be "
                "written: a state holds arrays, numbers and texts, and no code"
            )
        name, content = parts
        return {name: self.node(content, at)}

    def _items(self, values: Iterable[object], at: str) -> list[Json]:
        return [self.node(v, f"{at}.{i}") for i, v in enumerate(values)]

    def _pairs(self, values: dict[object, object], at: str) -> list[Json]:
        """Keys and values in turn; arrays are called by their keys."""
        out: list[Json] = []
        for i, (key, value) in enumerate(values.items()):
            name = key if isinstance(key, str) else i
            out += self.node(key, f"{at}.{i}.key"), self.node(value, f"{at}.{name}")
        return out

    def _object(self, value: object, at: str) -> Json:
        # An object there is one of says so by returning its name in its module.
        reduced = type(value).__reduce__ is not object.__reduce__ and value.__reduce__()
        if isinstance(reduced, str):
            return {"one": f"{type(value).__module__}:{reduced}"}
        content = {
            name: self.node(v, f"{at}.{name.strip('_')}" if at else name.strip("_"))
            for name, v in _attributes(value).items()
        }
        return {"class": _class_name(type(value)), "attributes": content}

    def _array(self, value: NDArray[np.generic], at: str) -> Json:
        kind = value.dtype.kind
        if kind in "biufc" and value.dtype.itemsize <= 16:
            turned = value.flags.f_contiguous and not value.flags.c_contiguous
            # Fortran order as the transpose in C order: the same bytes, and read back alike.
            plain = value.T if turned else value
            # JAX's arrays are never written to; others are, when rows go.
            self.arrays[at] = np.array(plain, order="C", copy=plain.flags.writeable or None)
            return {"array": at, "order": "F" if turned else "C"}
        if kind in "mM":
            self.arrays[at] = np.array(value, order="C").view(np.int64)
            return {"array": at, "order": "C", "dtype": value.dtype.str}
        if kind not in "UO":
            raise StateError(f"{at} is an array of {value.dtype}, which cannot be written")
        # Texts and integers as arrays of bytes: a million names are no million nodes.
        packed, rest = plain_values.packed(value.ravel().tolist())
        names: dict[str, Json] = {name: f"{at}.{name}" for name in packed}
        self.arrays.update({f"{at}.{name}": array for name, array in packed.items()})
        others = [self.node(v, f"{at}.{i}") for i, v in rest]
        shape: list[Json] = list(value.shape)
        return {"texts": names, "others": others, "shape": shape, "dtype": value.dtype.str}


class _Reader:
    """Nodes become objects again, each of them once."""

    def __init__(self, arrays: Arrays, objects: list[Json]) -> None:
        self._arrays, self._objects = arrays, objects
        self._made: dict[int, object] = {}

    def made(self, node: Json) -> object:
        """Return the value that a node stands for."""
        if not isinstance(node, dict):
            return node
        if "object" not in node:
            return plain_values.complicated(node)
        number = cast(int, node["object"])
        # Each object once, whatever leads to it.
        if number not in self._made:
            self._made[number] = self._content(number)
        return self._made[number]

    def _content(self, number: int) -> object:
        node = self._objects[number]
        if not isinstance(node, dict) or not node:
            raise StateError("an object of the state is not as it was written")
        if "class" in node:
            return self._object(number, node)
        if "one" in node:
            return _one(str(node["one"]))
        if "array" in node:
            return self._array(node)
        if "texts" in node:
            return self._texts(node)
        ((name, content),) = node.items()
        if name == "dict":
            flat = [self.made(v) for v in cast("list[Json]", content)]
            return dict(zip(flat[::2], flat[1::2], strict=True))
        for kind in plain_values.COLLECTIONS:
            if kind.__name__ == name:
                return kind(self.made(v) for v in cast("list[Json]", content))
        return plain_values.joined(name, self.made(content))

    def _object(self, number: int, node: dict[str, Json]) -> object:
        kind = _class_of(str(node["class"]))
        content = cast("dict[str, Json]", node["attributes"])
        if issubclass(kind, tuple):
            return kind(**{name: self.made(v) for name, v in content.items()})
        # Known before its attributes are: one of them may lead back here.
        out = self._made[number] = object.__new__(kind)
        attributes = {name: self.made(v) for name, v in content.items()}
        if dataclasses.is_dataclass(kind):
            if set(attributes) != {f.name for f in dataclasses.fields(kind)}:
                raise StateError(f"{kind.__name__} has other attributes in this version")
        if hasattr(kind, "__setstate__") and not issubclass(kind, Whole):
            out.__setstate__(attributes)  # type: ignore[attr-defined]
            derived.complete(out)
        else:
            out.__dict__.update({sys.intern(name): v for name, v in attributes.items()})
        return out

    def _array(self, node: dict[str, Json]) -> NDArray[np.generic]:
        held = np.asarray(self._arrays[str(node["array"])])
        out = np.array(held.T if node["order"] == "F" else held, order="K", copy=True)
        return out.view(str(node["dtype"])) if "dtype" in node else out

    def _texts(self, node: dict[str, Json]) -> NDArray[np.generic]:
        names = cast("dict[str, str]", node["texts"])
        others = [self.made(v) for v in cast("list[Json]", node["others"])]
        flat = plain_values.unpacked({k: self._arrays[v] for k, v in names.items()}, others)
        out = np.empty(len(flat), dtype=str(node["dtype"]))
        out[:] = flat
        return out.reshape(cast("list[int]", node["shape"]))


def _one(name: str) -> object:
    """Return an object there is one of, by its name in a module of this package."""
    module, _, variable = name.partition(":")
    if not module.startswith(f"{_HOME}."):
        raise StateError(f"{name} is no object of this package")
    found = getattr(importlib.import_module(module), variable)
    if _class_name(type(found)).partition(":")[0] != module:
        raise StateError(f"{name} is no object that a state may hold")
    return found
