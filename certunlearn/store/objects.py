"""Objects as plain values and arrays, and back: nothing that is read is ever run.

An object is the name of its class and its state, what ``__getstate__`` returns.  Classes are those
of scikit-learn's estimators and, where the reader allows it, of this package; whatever else is no
array, number, text, time or collection of these is refused by name.  Objects that were one are one
again: where two parts of a model share an array, they still do.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

from .._version import __version__
from ..exceptions import SecretStateWarning, StoreDamagedError, StoreError

Arrays = dict[str, NDArray[Any]]
OURS, THEIRS = f"{__package__.partition('.')[0]}.", "sklearn."
_WAY_OUT = (
    "a store holds arrays, numbers and texts, and no code: leave the step out, use one of "
    "scikit-learn's own without functions in it, or apply it before fit"
)
_SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
#: Values that a text gives back.
_TEXTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], object]]] = {
    "fraction": (Fraction, str, Fraction),
    "decimal": (Decimal, str, Decimal),
    "uuid": (UUID, str, UUID),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "time": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
}
_CSR = ("data", "indices", "indptr")


def written(value: object, arrays: Arrays, at: str = "model") -> object:
    """Return an object as JSON takes it; its arrays of numbers go into ``arrays``.

    Raises
    ------
    StoreError
        If it holds something that cannot be written; the message names it.
    """
    with warnings.catch_warnings():
        # That a state holds rows is what a store is for.
        warnings.simplefilter("ignore", SecretStateWarning)
        return _Writer(arrays).write(value, at)


def read(value: Any, arrays: Mapping[str, NDArray[Any]], *, ours: bool = False) -> Any:
    """Return the object that `written` wrote; ``ours`` allows classes of this package.

    Raises
    ------
    StoreDamagedError
        If it is nothing of the kind.
    StoreError
        If another version of this package wrote it, whose classes are other ones.
    """
    try:
        return _Reader(arrays, ours).read(value)
    except (LookupError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise StoreDamagedError(f"not an object as it was written: {error!r}") from error


class _Writer:
    """Writes one object; each part of it once."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._numbers: dict[int, int] = {}
        # Held on to: the identity of what is gone may be given to another object.
        self._held: list[object] = []

    def write(self, value: Any, at: str) -> object:
        if value is None or isinstance(value, (bool, str)):
            return str(value) if type(value) is not str and isinstance(value, str) else value
        if isinstance(value, (int, np.bool_, np.integer, float, np.floating)):
            return _scalar(value)
        for kind, (of, spelled, _) in _TEXTS.items():
            if type(value) is of:
                return {kind: spelled(value)}
        if id(value) in self._numbers:
            return {"same": self._numbers[id(value)]}
        number = self._numbers[id(value)] = len(self._held)
        self._held.append(value)
        return {**self._compound(value, at), "number": number}

    def _compound(self, value: Any, at: str) -> dict[str, object]:
        if isinstance(value, np.ndarray):
            return self._array(value, at)
        if sparse.issparse(value):
            csr = sparse.csr_matrix(value)
            parts = {k: self.write(getattr(csr, k), f"{at}.{k}") for k in _CSR}
            return {"csr": parts, "shape": list(csr.shape)}
        name = type(value).__name__
        if name in _SEQUENCES and type(value) is _SEQUENCES[name]:
            items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
            return {name: self._all(items, at)}
        if isinstance(value, Mapping):
            pairs = [[self.write(k, at), self.write(v, f"{at}[{k!r}]")] for k, v in value.items()]
            return {"dict": pairs}
        if isinstance(value, slice):
            return {"slice": self._all((value.start, value.stop, value.step), at)}
        if isinstance(value, np.dtype) or (
            isinstance(value, type) and issubclass(value, np.generic)
        ):
            return {"dtype": np.dtype(value).str, "type": isinstance(value, type)}
        if type(value).__module__.partition(".")[0] == "pandas":
            return self._frame(value, at)
        if isinstance(value, np.random.RandomState | np.random.Generator):
            raise StoreError(f"{at} is a random generator: set random_state to an integer or None")
        return self._object(value, at)

    def _all(self, items: Any, at: str) -> list[object]:
        return [self.write(item, f"{at}[{i}]") for i, item in enumerate(items)]

    def _array(self, value: NDArray[Any], at: str) -> dict[str, object]:
        shape = list(value.shape)
        if value.dtype.kind in "biufmM" and value.dtype.itemsize <= 8:
            # In the order it lies in, which some products depend on to the last bit.
            turned = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
            laid = np.ascontiguousarray(value.T if turned else value).reshape(
                shape[::-1] if turned else shape
            )
            self._arrays[at] = laid.view(np.int64) if value.dtype.kind in "mM" else laid
            return {"array": at, "dtype": value.dtype.str, "turned": turned, "shape": shape}
        if value.dtype.kind == "U":
            return {"texts": value.ravel().tolist(), "shape": shape, "dtype": value.dtype.str}
        if value.dtype.kind != "O":
            raise StoreError(f"{at} is an array of {value.dtype}, which cannot be written")
        flat = value.ravel().tolist()
        if len(flat) > 64 and all(type(v) is str for v in flat):
            # As bytes: a million names make slow JSON.
            coded = [v.encode("utf-8", "surrogatepass") for v in flat]
            self._arrays[f"{at}.bytes"] = np.frombuffer(b"".join(coded), dtype=np.uint8)
            self._arrays[f"{at}.ends"] = np.cumsum([len(c) for c in coded])
            return {"strings": at, "shape": shape}
        return {"objects": self._all(flat, at), "shape": shape}

    def _frame(self, value: Any, at: str) -> dict[str, object]:
        """Tables and indices of pandas, column by column."""
        if type(value).__name__ == "DataFrame":
            columns = [
                [self.write(name, at), self._column(value.iloc[:, i], f"{at}[{name!r}]")]
                for i, name in enumerate(value.columns)
            ]
            return {"frame": columns, "index": self._column(value.index, f"{at}.index")}
        name, pandas = type(value).__name__, _pandas()
        if name == "Timestamp":
            return {"timestamp": value.isoformat()}
        if isinstance(value, pandas.Index):
            return {"index": self._column(value.to_series(), at)}
        if isinstance(value, pandas.CategoricalDtype):
            categories = self.write(value.categories.to_numpy(), at)
            return {"category": categories, "ordered": bool(value.ordered)}
        if isinstance(value, pandas.api.extensions.ExtensionDtype):
            return {"pandas": str(value)}
        if isinstance(value, pandas.api.extensions.ExtensionArray):
            return {"column": self._column(pandas.Series(value), at)}
        return self._unwritable(value, at)

    def _column(self, column: Any, at: str) -> dict[str, object]:
        kind = str(column.dtype)
        if kind == "category":
            values = self.write(column.cat.categories.to_numpy(), f"{at}.categories")
            codes = self.write(column.cat.codes.to_numpy(), f"{at}.codes")
            return {"categories": values, "codes": codes, "ordered": bool(column.cat.ordered)}
        if isinstance(column.dtype, np.dtype) and kind != "object":
            array = column.to_numpy()
        else:
            array = np.empty(len(column), dtype=object)
            missing = column.isna().to_numpy()
            array[:] = [None if m else v for v, m in zip(column, missing, strict=True)]
        return {"values": self.write(array, at), "dtype": kind}

    def _object(self, value: Any, at: str) -> dict[str, object]:
        kind = type(value)
        name = f"{kind.__module__}:{kind.__qualname__}"
        if kind.__module__.startswith(OURS):
            known = value.__reduce__() if "__reduce__" in vars(kind) else None
            if isinstance(known, str):
                return {"constant": f"{kind.__module__}:{known}"}
            if isinstance(value, tuple):
                return {"record": name, "items": self._all(value, at)}
            return {"object": name, "state": self._state(value.__getstate__(), at)}
        if not (isinstance(value, BaseEstimator) and kind.__module__.startswith(THEIRS)):
            return self._unwritable(value, at)
        params = value.get_params(deep=False)
        rest = {k: v for k, v in vars(value).items() if k not in params}
        return {
            "estimator": name,
            "params": self._state(params, at),
            "fitted": self._state(rest, at),
        }

    def _state(self, state: Any, at: str) -> dict[str, object]:
        if not isinstance(state, dict):
            raise StoreError(f"{at} has a state that is no dictionary and cannot be written")
        return {k: self.write(v, f"{at}.{k}") for k, v in state.items()}

    def _unwritable(self, value: object, at: str) -> dict[str, object]:
        kind = type(value)
        raise StoreError(
            f"{at} is a {kind.__module__}.{kind.__qualname__}, which cannot be written: {_WAY_OUT}"
        )


class _Reader:
    """Reads what a `_Writer` wrote."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], ours: bool) -> None:
        self._arrays, self._ours = arrays, ours
        self._known: dict[int, Any] = {}

    def read(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, str, int, float)):
            return value
        if not isinstance(value, dict) or not value:
            raise TypeError(f"no values by name: {value!r}")
        kind = next(iter(value))
        if kind == "same":
            return self._known[value["same"]]
        number = value.get("number", -1)
        if kind in ("object", "list", "dict"):
            return self._filled(kind, value, number)
        out = self._made(kind, value[kind], value)
        self._known[number] = out
        return out

    def _filled(self, kind: str, value: Any, number: int) -> Any:
        """Make what may hold itself: known before it is filled."""
        if kind == "list":
            items: list[Any] = []
            self._known[number] = items
            items.extend(map(self.read, value["list"]))
            return items
        if kind == "dict":
            pairs: dict[Any, Any] = {}
            self._known[number] = pairs
            pairs.update((self.read(k), self.read(v)) for k, v in value["dict"])
            return pairs
        cls = self._class(value["object"], OURS)
        out = self._known[number] = object.__new__(cls)
        state = {k: self.read(v) for k, v in value["state"].items()}
        lacking = set(getattr(cls, "__dataclass_fields__", ())) - set(state)
        if lacking:
            raise StoreError(
                f"{cls.__name__} was written without {', '.join(sorted(lacking))}, by another "
                f"version of certunlearn than {__version__}: open it with that one"
            )
        if "__setstate__" in dir(cls) and not issubclass(cls, BaseEstimator):
            out.__setstate__(state)
        else:
            out.__dict__.update(state)
        return out

    def _made(self, kind: str, content: Any, value: Any) -> Any:
        if kind in _TEXTS:
            return _TEXTS[kind][2](content)
        if kind in _SEQUENCES:
            return _SEQUENCES[kind](map(self.read, content))
        simple: dict[str, Callable[[], Any]] = {
            "slice": lambda: slice(*map(self.read, content)),
            "scalar": lambda: np.dtype(value["dtype"]).type(content),
            "float": lambda: float(content),
            "dtype": lambda: np.dtype(content).type if value["type"] else np.dtype(content),
            "csr": lambda: sparse.csr_matrix(
                tuple(self.read(content[k]) for k in _CSR), shape=value["shape"]
            ),
            "record": lambda: self._class(content, OURS)._make(map(self.read, value["items"])),
            "constant": lambda: self._constant(content),
            "estimator": lambda: self._estimator(content, value),
            "frame": lambda: self._frame(content, value["index"]),
            "index": lambda: _pandas().Index(self._column(content)),
            "category": lambda: _pandas().CategoricalDtype(self.read(content), value["ordered"]),
            "pandas": lambda: _pandas().api.types.pandas_dtype(content),
            "column": lambda: self._column(content),
            "timestamp": lambda: _pandas().Timestamp(content),
        }
        if kind in simple:
            return simple[kind]()
        return self._array(kind, content, value)

    def _array(self, kind: str, content: Any, value: Any) -> NDArray[Any]:
        shape = value.get("shape")
        if kind == "array":
            laid: NDArray[Any] = self._arrays[content].view(value["dtype"])
            return laid.reshape(shape[::-1]).T if value["turned"] else laid.reshape(shape)
        if kind == "texts":
            texts: NDArray[Any] = np.array(content, dtype=value["dtype"])
            return texts.reshape(shape)
        if kind == "strings":
            data, ends = self._arrays[f"{content}.bytes"].tobytes(), self._arrays[f"{content}.ends"]
            edges = [0, *ends.tolist()]
            items = [
                data[a:b].decode("utf-8", "surrogatepass")
                for a, b in zip(edges[:-1], edges[1:], strict=True)
            ]
        elif kind == "objects":
            items = list(map(self.read, content))
        else:
            raise ValueError(f"no such kind: {kind!r}")
        out = np.empty(len(items), dtype=object)
        out[:] = items
        return out.reshape(shape)

    def _class(self, name: str, package: str) -> Any:
        """Return a class by its name: of the package, defined there, and nothing else."""
        module, _, qualified = name.partition(":")
        if not module.startswith(package) or not (package == THEIRS or self._ours):
            raise ValueError(f"{name} is not one of {package.rstrip('.')}'s classes")
        found = getattr(importlib.import_module(module), qualified)
        if not isinstance(found, type) or found.__module__ != module:
            raise ValueError(f"{name} is no class")
        return found

    def _constant(self, name: str) -> Any:
        module, _, constant = name.partition(":")
        if not (self._ours and module.startswith(OURS)):
            raise ValueError(f"{name} is not one of certunlearn's constants")
        found = getattr(importlib.import_module(module), constant)
        self._class(f"{type(found).__module__}:{type(found).__qualname__}", OURS)
        return found

    def _estimator(self, name: str, value: Any) -> Any:
        kind = self._class(name, THEIRS)
        if not issubclass(kind, BaseEstimator):
            raise ValueError(f"{name} is no estimator")
        made = kind(**{k: self.read(v) for k, v in value["params"].items()})
        for attribute, content in value["fitted"].items():
            setattr(made, attribute, self.read(content))
        return made

    def _frame(self, columns: Any, index: Any) -> Any:
        pandas = _pandas()
        names = [self.read(name) for name, _ in columns]
        at = pandas.Index(self._column(index))
        series = {
            i: pandas.Series(self._column(said), index=at) for i, (_, said) in enumerate(columns)
        }
        return pandas.DataFrame(series, index=at).set_axis(names, axis=1)

    def _column(self, said: Any) -> Any:
        pandas = _pandas()
        if "codes" in said:
            categories = self.read(said["categories"])
            return pandas.Categorical.from_codes(
                self.read(said["codes"]), categories, ordered=said["ordered"]
            )
        return pandas.array(self.read(said["values"]), dtype=said["dtype"])


def _scalar(value: Any) -> object:
    """Numbers of NumPy keep their type: some code asks for it."""
    if isinstance(value, np.generic):
        content = value.item()
        odd = isinstance(content, float) and not math.isfinite(content)
        return {"scalar": repr(content) if odd else content, "dtype": value.dtype.str}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        raise StoreError("pandas is needed to read this: pip install pandas") from error
