"""Values that JSON does not know, as values that it does."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
import zoneinfo
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn import feature_selection

from ..exceptions import StateError

if TYPE_CHECKING:
    from .plain import Json

COLLECTIONS: tuple[type, ...] = (list, tuple, set, frozenset)
#: Integers that every reader of JSON takes as they are.
_SAFE = 1 << 53
_TEXT, _INT, _OTHER = 0, 1, 2


def simple(value: object, at: str) -> tuple[bool, Json]:
    """Return whether a value has no parts, and how it is written if so."""
    kind = type(value)
    if isinstance(value, np.generic):
        return True, _numpy(value, at)
    if value is None or isinstance(value, bool | str) and kind in (bool, str):
        return True, value
    if isinstance(value, int) and kind is int:
        # Beyond 2^53 some readers of JSON round: as hexadecimal digits.
        return True, value if abs(value) < _SAFE else {"int": hex(value)}
    if isinstance(value, float) and kind is float:
        # JSON has no infinities and no NaN; all other floats are read back to the last bit.
        return True, value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, bytes) and kind is bytes:
        return True, {"bytes": value.hex()}
    if isinstance(value, Fraction) and kind is Fraction:
        return True, {"fraction": [hex(value.numerator), hex(value.denominator)]}
    if kind is decimal.Decimal or kind is uuid.UUID:
        return True, {kind.__name__: str(value)}
    if isinstance(value, np.dtype):
        return True, {"dtype": value.str}
    if isinstance(value, type) and issubclass(value, np.generic):
        return True, {"type": np.dtype(value).str}
    if kind in (datetime.datetime, datetime.date, datetime.timedelta):
        return True, _time(value, at)
    if isinstance(value, np.ufunc | FunctionType):
        return _function(value)
    if kind.__module__.partition(".")[0] == "pandas":
        return _pandas_scalar(value, at)
    return False, None


def _numpy(value: np.generic, at: str) -> Json:
    """Numbers of NumPy keep their type: it decides what is made of them."""
    kind = value.dtype.kind
    if kind in "mM":
        return {"scalar": value.dtype.str, "value": int(value.view(np.int64))}
    if kind not in "biufUS" or value.dtype.itemsize > 8 and kind in "iuf":
        raise StateError(f"{at} is a {value.dtype}, which cannot be written")
    return {"scalar": value.dtype.str, "value": simple(value.item(), at)[1]}


def _function(value: np.ufunc | FunctionType) -> tuple[bool, Json]:
    """Functions of NumPy's, and scores of scikit-learn's: of these alone a state holds the name."""
    name = value.__name__
    if isinstance(value, np.ufunc) and getattr(np, name, None) is value:
        return True, {"ufunc": name}
    if getattr(feature_selection, name, None) is value:
        return True, {"score": name}
    return False, None


def _time(value: object, at: str) -> Json:
    if isinstance(value, datetime.timedelta):
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if not isinstance(value, datetime.datetime):
        return {"date": str(value)}
    zone = value.tzinfo
    if zone is None or isinstance(zone, datetime.timezone):
        return {"datetime": value.isoformat(), "fold": value.fold}
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key:
        # Wall time and the name of the zone: rules of zones change, and the moment with them.
        wall = value.replace(tzinfo=None).isoformat()
        return {"datetime": wall, "fold": value.fold, "zone": zone.key}
    raise StateError(f"{at} has a time zone {zone!r}, which cannot be written: use zoneinfo's")


def _pandas_scalar(value: object, at: str) -> tuple[bool, Json]:
    import pandas as pd

    if value is pd.NA or value is pd.NaT:
        return True, {"missing": "NA" if value is pd.NA else "NaT"}
    if isinstance(value, pd.Timestamp) and value.tzinfo is None:
        return True, {"timestamp": int(value.value), "unit": value.unit}
    if isinstance(value, pd.Timestamp):
        zone = str(value.tzinfo)
        out: dict[str, Json] = {"timestamp": int(value.value), "unit": value.unit, "zone": zone}
        # Tried at once: a zone that cannot be read back is refused while the model is still there.
        if _time_read("timestamp", out["timestamp"], out) != value:
            raise StateError(f"{at} has a time zone {zone}, which cannot be written")
        return True, out
    if isinstance(value, pd.Timedelta):
        return True, {"pandas timedelta": int(value.value), "unit": value.unit}
    return False, None


def complicated(node: Mapping[str, Json]) -> object:
    """Return the value that `simple` wrote as a dictionary."""
    name, content = next(iter(node.items()))
    if name == "int":
        return int(str(content), 16)
    if name == "float":
        return float(str(content))
    if name == "scalar":
        dtype = np.dtype(str(content))
        given = node["value"]
        value = complicated(given) if isinstance(given, dict) else given
        if dtype.kind in "mM":
            return np.array(value, dtype=np.int64).view(dtype)[()]
        return dtype.type(value)
    if name == "bytes":
        return bytes.fromhex(str(content))
    if name == "fraction":
        top, bottom = cast("list[str]", content)
        return Fraction(int(top, 16), int(bottom, 16))
    if name == "Decimal":
        return decimal.Decimal(str(content))
    if name == "UUID":
        return uuid.UUID(str(content))
    if name in ("ufunc", "score"):
        found = getattr(np if name == "ufunc" else feature_selection, str(content), None)
        if isinstance(found, np.ufunc if name == "ufunc" else FunctionType):
            return found
    if name in ("dtype", "type"):
        return np.dtype(str(content)) if name == "dtype" else np.dtype(str(content)).type
    return _time_read(name, content, node)


def _time_read(name: str, content: Json, node: Mapping[str, Json]) -> object:
    if name == "timedelta":
        return datetime.timedelta(*cast("list[int]", content))
    if name == "date":
        return datetime.date.fromisoformat(str(content))
    if name == "datetime":
        out = datetime.datetime.fromisoformat(str(content)).replace(fold=int(str(node["fold"])))
        return out.replace(tzinfo=zoneinfo.ZoneInfo(str(node["zone"]))) if "zone" in node else out
    import pandas as pd

    if name == "missing":
        return pd.NA if content == "NA" else pd.NaT
    unit = str(node.get("unit"))
    if name == "pandas timedelta":
        return pd.Timedelta(int(str(content)), unit="ns").as_unit(unit)
    if name == "timestamp":
        zone = node.get("zone")
        at = pd.Timestamp(int(str(content)), unit="ns", tz=None if zone is None else "UTC")
        return (at if zone is None else at.tz_convert(str(zone))).as_unit(unit)
    raise StateError(f"a state holds no {name!r}")


def packed(
    values: list[object],
) -> tuple[dict[str, NDArray[np.generic]], list[tuple[int, object]]]:
    """Return texts and integers of a list as arrays, and the others with where they stand."""
    kinds = np.full(len(values), _OTHER, dtype=np.uint8)
    texts: list[bytes] = []
    whole: list[int] = []
    rest: list[tuple[int, object]] = []
    for i, value in enumerate(values):
        if type(value) is str:
            kinds[i] = _TEXT
            # Lone surrogates are legal in Python's texts, and must come back as they were.
            texts.append(value.encode("utf-8", "surrogatepass"))
        elif type(value) is int and -(1 << 63) <= value < 1 << 63:
            kinds[i] = _INT
            whole.append(value)
        else:
            rest.append((i, value))
    ends = np.cumsum([len(t) for t in texts], dtype=np.int64)
    arrays: dict[str, NDArray[np.generic]] = {"kinds": kinds}
    if texts:
        arrays["text"] = np.frombuffer(b"".join(texts), dtype=np.uint8)
        arrays["ends"] = ends
    if whole:
        arrays["whole"] = np.array(whole, dtype=np.int64)
    return arrays, rest


def unpacked(arrays: Mapping[str, NDArray[np.generic]], rest: list[object]) -> list[object]:
    """Return the list that `packed` was given."""
    kinds = np.asarray(arrays["kinds"]).tolist()
    ends = np.asarray(arrays["ends"]).tolist() if "ends" in arrays else []
    text = np.asarray(arrays["text"]).tobytes() if "text" in arrays else b""
    starts = [0, *ends[:-1]]
    spans = zip(starts, ends, strict=False)
    texts = iter([text[a:b].decode("utf-8", "surrogatepass") for a, b in spans])
    whole, others = iter(np.asarray(arrays.get("whole", ())).tolist()), iter(rest)
    # In the order of _TEXT, _INT and _OTHER.
    sources: tuple[Iterator[object], ...] = texts, whole, others
    return [next(sources[kind]) for kind in kinds]


def parts(value: object) -> tuple[str, object] | None:
    """Return a table or a matrix as a name and what it is made of; None where it cannot be."""
    kind = type(value)
    if isinstance(value, slice):
        return "slice", (value.start, value.stop, value.step)
    if kind.__module__.partition(".")[0] == "scipy" and hasattr(value, "tocsr"):
        if kind.__name__ in ("csr_array", "csr_matrix"):
            return kind.__name__, (value.data, value.indices, value.indptr, value.shape)  # type: ignore[attr-defined]
        return None
    if kind.__module__.partition(".")[0] == "pandas":
        return _pandas_parts(value)
    return None


def joined(name: str, content: object) -> object:
    """Return the table or matrix that `parts` took apart."""
    if name == "slice":
        return slice(*cast("tuple[object, ...]", content))
    if name in ("csr_array", "csr_matrix"):
        from scipy import sparse

        *held, shape = cast("tuple[object, ...]", content)
        return getattr(sparse, name)(tuple(held), shape=shape)
    return _pandas_joined(name, content)


def _pandas_parts(value: object) -> tuple[str, object] | None:
    """Return what a pandas object is made of, if it can be made of that again."""
    import pandas as pd

    if isinstance(value, pd.CategoricalDtype):
        return "categories", (value.categories, value.ordered)
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        return "pandas dtype", str(value)
    if isinstance(value, pd.Categorical):
        return "categorical", (value.codes, value.dtype)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        held: tuple[str, object] = "extension", (value.to_numpy(object), value.dtype)
        return held if _same(value, _pandas_joined(*held)) else None
    if isinstance(value, pd.RangeIndex):
        return "range", (value.start, value.stop, value.step, value.name)
    if isinstance(value, pd.MultiIndex):
        return None
    if isinstance(value, pd.Index | pd.Series):
        plain = isinstance(value.dtype, np.dtype)
        inner = value.to_numpy() if plain else value.array
        if isinstance(value, pd.Index):
            return "index", (inner, value.name)
        return "series", (inner, value.index, value.name)
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, k].array for k in range(value.shape[1])]
        columns = [c.to_numpy() if isinstance(c.dtype, np.dtype) else c for c in columns]
        return "frame", (columns, value.index, value.columns, dict(value.attrs))
    return None


def _pandas_joined(name: str, content: object) -> object:
    import pandas as pd

    if name == "pandas dtype":
        return pd.api.types.pandas_dtype(str(content))
    # Arrays, indices and dtypes of pandas' own, which has no types of them.
    first, *more = cast("tuple[Any, ...]", content)
    if name == "categories":
        return pd.CategoricalDtype(first, more[0])
    if name == "categorical":
        return pd.Categorical.from_codes(first, dtype=more[0])
    if name == "extension":
        return pd.array(first, dtype=more[0])
    if name == "range":
        return pd.RangeIndex(first, more[0], more[1], name=more[2])
    if name == "index":
        return pd.Index(first, name=more[0], dtype=first.dtype)
    if name == "series":
        return pd.Series(first, index=more[0], name=more[1], dtype=first.dtype)
    if name == "frame":
        out = pd.DataFrame(dict(enumerate(first)), index=more[0])
        out.columns, out.attrs = more[1], more[2]
        return out
    raise StateError(f"a state holds no {name!r}")


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and bool(one.equals(other))  # type: ignore[attr-defined]
