"""Sums by the processes of engines that exist, and processes that are lost in the middle of one."""

import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from certunlearn import CertifiedLogReg, ExecutorError
from certunlearn.numerics.rows import filed
from certunlearn.scale import Shards, write_shards

N, D = 40_000, 8
#: Workers that are killed, one a request.
KILLS = 6


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """Return a function that fits the same rows by an executor and forgets some of them."""
    monkeypatch.setattr(filed, "TOGETHER", 1 << 16)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)).astype(np.float32)
    y = (X[:, 0] + rng.logistic(size=N) > 0).astype(int)

    def fit(name, executor=None):
        path = write_shards(tmp_path / name, X, y, part=8192)
        model = CertifiedLogReg(random_state=0).fit(Shards(path, executor=executor))
        return model.forget(rows=[3, 9000]).forget(rows=np.arange(10_000, 12_000))

    return fit


def clusters():
    """Yield Dask clusters of two worker processes, one after the other."""
    distributed = pytest.importorskip("distributed")
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    while True:
        with distributed.LocalCluster(**how) as cluster, distributed.Client(cluster) as client:
            yield client.get_executor(), [worker.pid for worker in cluster.workers.values()]


def test_a_task_is_as_small_for_many_rows_as_for_few(tmp_path):
    class Watched:
        def map(self, function, tasks):
            for task in tasks:
                sent.append(len(pickle.dumps(task)))
                yield function(pickle.loads(pickle.dumps(task)))

    sizes = []
    for rows in (N, 8 * N):
        sent = []
        X = np.random.default_rng(1).normal(size=(rows, D))
        path = write_shards(tmp_path / f"of-{rows}", X, np.arange(rows) % 2)
        CertifiedLogReg().fit(Shards(path, executor=Watched()))
        sizes.append(max(sent))
    assert sizes[1] <= sizes[0] + 16 < 4000


@pytest.mark.long
def test_processes_agree_to_the_last_bit(fitted):
    wanted = fitted("one")._fitted.model.W
    loky = pytest.importorskip("joblib.externals.loky")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert np.array_equal(fitted("pool", pool)._fitted.model.W, wanted)
    assert np.array_equal(fitted("loky", loky.get_reusable_executor(2))._fitted.model.W, wanted)


@pytest.mark.long
def test_dask_agrees_and_survives_the_loss_of_a_worker(fitted):
    """A worker is killed somewhere in a pass; the pass is finished, or nothing has changed."""
    made = clusters()
    executor, _ = next(made)
    wanted, model = fitted("one"), fitted("dask", executor)
    assert np.array_equal(model._fitted.model.W, wanted._fitted.model.W)
    rng = np.random.default_rng(0)
    for k, (executor, processes) in zip(range(KILLS), made, strict=False):
        model._fitted.model.rows.executor = executor
        rows = np.arange(13_000 + 500 * k, 13_450 + 500 * k)
        wanted.forget(rows=rows)
        before = model.n_retained_, model.coef_.copy()
        kill = threading.Timer(rng.uniform(0, 0.05), os.kill, (processes[k % 2], signal.SIGKILL))
        kill.start()
        try:
            model.forget(rows=rows)
        except ExecutorError:
            assert model.n_retained_ == before[0] and np.array_equal(model.coef_, before[1])
            model.forget(rows=rows)
        kill.join()
        assert np.array_equal(model._fitted.model.W, wanted._fitted.model.W)
    made.close()
    assert model.n_retained_ == N - 2002 - 450 * KILLS


@pytest.mark.long
def test_a_pool_whose_process_is_killed_refuses_and_the_model_goes_on(fitted):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        model = fitted("pool", pool)
        rows, coef = np.arange(20_000, 30_000), model.coef_.copy()
        for process in pool._processes.values():
            process.kill()
        with pytest.raises(ExecutorError, match="start the executor again"):
            model.forget(rows=rows)
        assert np.array_equal(model.coef_, coef) and model.n_retained_ == N - 2002
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        model._fitted.model.rows.executor = pool
        model.forget(rows=rows)
    assert np.array_equal(model._fitted.model.W, fitted("one").forget(rows=rows)._fitted.model.W)
