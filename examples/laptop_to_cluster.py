"""From a laptop to a cluster
==========================

The same ten lines fit and forget rows in files by one thread, by two, by whatever joblib is told,
or by the workers of a Dask cluster, and end with the same model to the last bit.

Run: ``python examples/laptop_to_cluster.py [tcp://scheduler:8786]``; the workers of a cluster must
see the folder that the rows are written to, see TMPDIR.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
from scipy.special import expit

from certunlearn import CertifiedLogReg
from certunlearn.scale import Shards, write_shards

ROWS, COLUMNS, PIECE = 400_000, 20, 100_000


def pieces():
    """Rows and labels, made piece by piece: never all of them in memory."""
    effect = np.linspace(-1, 1, COLUMNS, dtype=np.float32)
    for k in range(ROWS // PIECE):
        rng = np.random.default_rng(k)
        X = rng.standard_normal((PIECE, COLUMNS), dtype=np.float32)
        yield X, rng.random(PIECE) < expit(X @ effect)


def ten_lines(name, executor=None):
    """Write, fit, forget one row and one in a hundred; say what it took."""
    where = Path(tempfile.mkdtemp()) / "rows"
    path = write_shards(where, (X for X, _ in pieces()), (y for _, y in pieces()), part=102_400)
    model = CertifiedLogReg(random_state=0).fit(Shards(path, executor=executor))
    fit = model.certificate_.passes
    model.forget(rows=[17])
    model.forget(rows=np.arange(1000, 1000 + ROWS // 100))
    told = model.certificate_
    # A seed makes the runs alike; for a release leave it out, so that nobody knows the noise.
    assert told.check(epsilon=1.0, delta=1e-6, allow_seeded=True)
    assert not np.load(path / "features-00000.npy")[17].any()
    print(f"{name:24} {fit} passes to fit, {told.passes} to forget 1%, {told.n_retained} rows left")
    return model


alone = ten_lines("one thread")
others = [ten_lines("two threads", ThreadPoolExecutor(2))]
with joblib.parallel_config(backend="threading", n_jobs=2):
    # Whatever joblib is told sums: loky, Dask, Ray or Spark as well.
    others.append(ten_lines("joblib, two threads"))
if sys.argv[1:] and "://" in sys.argv[1]:
    from distributed import Client

    with Client(sys.argv[1]) as client:
        others.append(ten_lines("Dask", client.get_executor()))
for other in others:
    assert np.array_equal(other.coef_, alone.coef_)
print("the same coefficients to the last bit:", np.round(alone.coef_[0, :3], 3), "...")
