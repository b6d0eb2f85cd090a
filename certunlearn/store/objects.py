"""Fitted scikit-learn objects as plain values and arrays: nothing that is read is ever run.

An estimator is its class, its parameters and its fitted attributes.  Only classes of scikit-learn
are made, by their own constructor; whatever is no array, number, text, list or such an estimator is
refused by name.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

from ..exceptions import StoreDamagedError, StoreError

Arrays = dict[str, NDArray[Any]]
_WAY_OUT = (
    "a store holds arrays, numbers and texts, and no code: leave the step out, use one of "
    "scikit-learn's own without functions in it, or apply it before fit"
)


def written(value: object, arrays: Arrays, at: str = "model") -> object:
    """Return an object as JSON takes it; its arrays of numbers go into ``arrays``.

    Raises
    ------
    StoreError
        If it holds something that cannot be written; the message names it.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.bool_, np.integer, float, np.floating)):
        return _scalar(value, at)
    if isinstance(value, np.ndarray):
        return _array(value, arrays, at)
    if sparse.issparse(value):
        csr = sparse.csr_matrix(value)
        parts = {k: written(getattr(csr, k), arrays, f"{at}.{k}") for k in _CSR}
        return {"csr": parts, "shape": list(csr.shape)}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return {
            type(value).__name__: [written(v, arrays, f"{at}[{i}]") for i, v in enumerate(items)]
        }
    if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return {"dict": {k: written(v, arrays, f"{at}[{k!r}]") for k, v in value.items()}}
    if isinstance(value, slice):
        return {"slice": [written(v, arrays, at) for v in (value.start, value.stop, value.step)]}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {"dtype": np.dtype(value).str, "type": isinstance(value, type)}
    if isinstance(value, np.random.RandomState | np.random.Generator):
        raise StoreError(f"{at} is a random generator: set random_state to an integer or None")
    return _estimator(value, arrays, at)


def read(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the object that `written` wrote.

    Raises
    ------
    StoreDamagedError
        If it is nothing of the kind.
    """
    if value is None or isinstance(value, (bool, str, int, float)):
        return value
    try:
        return _read(value, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise StoreDamagedError(f"not an object as it was written: {error!r}") from error


_CSR = ("data", "indices", "indptr")
_SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def _scalar(value: Any, at: str) -> object:
    """Numbers of NumPy keep their type: some of scikit-learn's code asks for it."""
    if isinstance(value, np.generic) and not isinstance(value, float):
        return {"number": value.item(), "dtype": value.dtype.str}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    return float(value) if isinstance(value, float) else value


def _array(value: NDArray[Any], arrays: Arrays, at: str) -> object:
    if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        arrays[at] = np.ascontiguousarray(value)
        # A safetensors file has no arrays without dimensions of some libraries' making.
        return {"array": at, "shape": list(value.shape)}
    items = [written(v, arrays, f"{at}[{i}]") for i, v in enumerate(value.ravel().tolist())]
    if value.dtype.kind not in "OU":
        raise StoreError(f"{at} is an array of {value.dtype}, which cannot be written; {_WAY_OUT}")
    return {"texts": items, "shape": list(value.shape), "dtype": value.dtype.str}


def _estimator(value: object, arrays: Arrays, at: str) -> object:
    kind = type(value)
    if not (isinstance(value, BaseEstimator) and kind.__module__.startswith("sklearn.")):
        raise StoreError(
            f"{at} is a {kind.__module__}.{kind.__qualname__}, which cannot be written: {_WAY_OUT}"
        )
    known = value.get_params(deep=False)
    params = {k: written(v, arrays, f"{at}.{k}") for k, v in known.items()}
    rest = {k: v for k, v in vars(value).items() if k not in known}
    fitted = {k: written(v, arrays, f"{at}.{k}") for k, v in rest.items()}
    return {
        "estimator": f"{kind.__module__}:{kind.__qualname__}",
        "params": params,
        "fitted": fitted,
    }


def _read(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(value, dict) or not value:
        raise TypeError(f"no values by name: {value!r}")
    kind = next(iter(value))
    content = value[kind]
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](read(v, arrays) for v in content)
    if kind == "dict":
        return {k: read(v, arrays) for k, v in content.items()}
    if kind == "slice":
        return slice(*(read(v, arrays) for v in content))
    if kind == "number":
        return np.dtype(value["dtype"]).type(content)
    if kind == "float":
        return float(content)
    if kind == "dtype":
        return np.dtype(content).type if value["type"] else np.dtype(content)
    if kind == "array":
        return arrays[content].reshape(value["shape"])
    if kind == "texts":
        out = np.empty(len(content), dtype=value["dtype"])
        out[:] = [read(v, arrays) for v in content]
        return out.reshape(value["shape"])
    if kind == "csr":
        parts = tuple(read(content[k], arrays) for k in _CSR)
        return sparse.csr_matrix(parts, shape=value["shape"])
    if kind != "estimator":
        raise ValueError(f"no such kind: {kind!r}")
    return _made(content, value, arrays)


def _made(name: str, value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    module, _, qualified = name.partition(":")
    # What a file names is looked up nowhere else, and never called unless it is an estimator.
    if not module.startswith("sklearn.") or not qualified.isidentifier():
        raise ValueError(f"{name} is not one of scikit-learn's classes")
    kind = getattr(importlib.import_module(module), qualified)
    if not (isinstance(kind, type) and issubclass(kind, BaseEstimator)):
        raise ValueError(f"{name} is no estimator")
    made = kind(**{k: read(v, arrays) for k, v in value["params"].items()})
    for attribute, content in value["fitted"].items():
        setattr(made, attribute, read(content, arrays))
    return made
