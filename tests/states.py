"""States as a disk gives them back, and models that go on from them alike."""

import io
import json
from dataclasses import replace

import numpy as np

from certunlearn._common.plain import FittedState


def stored(state):
    """What a disk would give back."""
    file = io.BytesIO()
    np.savez(file, **state.arrays)
    file.seek(0)
    arrays = dict(np.load(file, allow_pickle=False))
    return FittedState(arrays, json.loads(json.dumps(state.values, allow_nan=False)))


def same(one, other):
    """Two models or pipelines alike in all that a request looks at, but for the clock."""
    first, second = (replace(m.certificate_, seconds=0.0, issued="") for m in (one, other))
    assert first == second
    one, other = (getattr(m, "head", m) for m in (one, other))
    assert np.array_equal(one.coef_, other.coef_)
    assert np.array_equal(one.intercept_, other.intercept_)
    return True
