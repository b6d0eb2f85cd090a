"""Memory of a life over rows in files: a few bytes a row, by the operating system's own figure."""

import json
import subprocess
import sys

import numpy as np
import pytest

from certunlearn.scale import write_shards

LIFE = """
import json, sys
import numpy as np
from certunlearn import CertifiedLogReg
from certunlearn.numerics.rows import filed, files, weights
from certunlearn.scale import Shards

# Blocks and starts that do not grow with the rows, and are small beside these.
filed.TOGETHER, filed.MOST_THINNED = 1 << 18, 1 << 18
files.SOME, weights._SLICE = 1 << 16, 1 << 16
CertifiedLogReg().fit(np.random.default_rng(0).normal(size=(2000, 2)), np.arange(2000) % 2)
rows = Shards(sys.argv[1])
model = CertifiedLogReg(random_state=0).fit(rows).forget(rows=[3])
model.forget(rows=np.arange(4, 5000, 3))
assert model.n_retained_ == len(rows) - 1 - 1666
with open("/proc/self/status") as lines:
    print(json.dumps(next(1024 * int(x.split()[1]) for x in lines if x.startswith("VmHWM"))))
"""


def pieces(n, many=1 << 18):
    for k, first in enumerate(range(0, n, many)):
        rng = np.random.default_rng(k)
        X = rng.standard_normal((min(many, n - first), 2), dtype=np.float32)
        yield X, X[:, 0] + rng.logistic(size=len(X)) > 0


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of a process")
def test_a_life_takes_a_few_bytes_a_row(tmp_path):
    peaks, sizes = [], (1 << 18, 1 << 21)
    for n in sizes:
        X, y = (X for X, _ in pieces(n)), (y for _, y in pieces(n))
        path = write_shards(tmp_path / str(n), X, y)
        done = subprocess.run(
            [sys.executable, "-c", LIFE, str(path)], capture_output=True, text=True, check=True
        )
        peaks.append(json.loads(done.stdout))
    # A byte for the class, one for the mark, and more for a moment where rows are counted.
    assert (peaks[1] - peaks[0]) / (sizes[1] - sizes[0]) < 6
