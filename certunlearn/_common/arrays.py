"""Types that every room shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


Positions = NDArray[np.int64]


Progress = Callable[[int, float], None] | None
