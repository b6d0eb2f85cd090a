"""Extremes of columns against NumPy's."""

import numpy as np
import pytest

from certunlearn._common.columns import extremes


@pytest.mark.parametrize("n", [1, 15, 16, 17, 2047, 2049, 6000])
def test_extremes_are_those_of_every_row(n):
    rng = np.random.default_rng(n)
    for d in (1, 3):
        X = rng.normal(size=(n, d))
        # Wherever they are.
        X[rng.integers(n), 0], X[-1, -1] = -9.0, 9.0
        low, high = extremes(X)
        assert low.tolist() == X.min(axis=0).tolist()
        assert high.tolist() == X.max(axis=0).tolist()
