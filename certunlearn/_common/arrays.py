"""Types that every room shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Indices of rows: in the engine and below always places in the store.
Positions = NDArray[np.int64]
#: Numbers of rows in the order they were given to fit and learn: what requests mean; never shift.
Position = NewType("Position", NDArray[np.int64])
#: Where rows lie in the store: they close up when forgotten rows are dropped from it.
Place = NewType("Place", NDArray[np.int64])

Progress = Callable[[int, float], None] | None
