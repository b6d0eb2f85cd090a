"""Types that every room shares."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Indices of rows: in the engine and below always places in the store.
Positions = NDArray[np.int64]
#: Numbers of rows in the order they were given to fit and learn: what requests mean; never shift.
Position = NewType("Position", NDArray[np.int64])
#: Where rows lie in the store: they close up when forgotten rows are dropped from it.
Place = NewType("Place", NDArray[np.int64])

Progress = Callable[[int, float], object] | None

#: What scikit-learn takes, and checks: an array, a list, a DataFrame, a sparse matrix.
MatrixLike: TypeAlias = Any
#: One value a row, or several: an array, a list, a Series.
ArrayLike: TypeAlias = Any
#: Rows as a request names them: one or many positions or labels, a mask, an Index.
RowsLike: TypeAlias = Any
#: A pandas query, or a function of a DataFrame that returns one boolean a line.
Condition: TypeAlias = str | Callable[[MatrixLike], ArrayLike]
#: Labels or targets of whatever type the user has.
AnyArray: TypeAlias = NDArray[Any]
#: A label of a class, or the name of a row or group: whatever can be looked up.
Label: TypeAlias = Hashable
#: Whether and how work is shown that takes long.
Show: TypeAlias = bool | Callable[[int, float], object] | None
RandomState: TypeAlias = int | np.random.RandomState | None
#: One number a label, "balanced" or none.
ClassWeight: TypeAlias = str | dict[Any, float] | None
