"""Sums by the processes of engines that exist, and processes that are lost in the middle of one."""

import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager

import joblib
import numpy as np
import pytest

from certunlearn import CertifiedLogReg, ExecutorError
from certunlearn.numerics.rows import executors, filed
from certunlearn.scale import Shards, write_shards

N, D = 40_000, 8
#: Workers that are killed, one a request.
KILLS = 50


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


@contextmanager
def cluster():
    """A Dask cluster of two worker processes."""
    distributed = pytest.importorskip("distributed")
    # Any port: another cluster may be at work beside it.
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**how) as there, distributed.Client(there) as client:
        yield client.get_executor(), there


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
def test_dask_agrees_and_survives_the_loss_of_workers(fitted):
    """A worker is killed somewhere in a pass; the pass is finished, or nothing has changed."""
    with cluster() as (executor, _):
        wanted, model = fitted("one"), fitted("dask", executor)
    assert np.array_equal(model._fitted.model.W, wanted._fitted.model.W)
    rng, refused = np.random.default_rng(0), 0
    for k in range(KILLS):
        rows = np.arange(13_000 + 500 * k, 13_450 + 500 * k)
        wanted.forget(rows=rows)
        before = model.n_retained_, model.coef_.copy()
        # One of its own for each: what is killed while it starts is not started again.
        with cluster() as (model._fitted.model.rows.executor, there):
            process = there.workers[k % 2].pid
            kill = threading.Timer(rng.uniform(0, 0.1), os.kill, (process, signal.SIGKILL))
            kill.start()
            try:
                model.forget(rows=rows)
            except ExecutorError:
                refused += 1
                assert model.n_retained_ == before[0] and np.array_equal(model.coef_, before[1])
                model.forget(rows=rows)
            kill.join()
        assert np.array_equal(model._fitted.model.W, wanted._fitted.model.W)
    assert model.n_retained_ == N - 2002 - 450 * KILLS
    print(f"{KILLS} workers killed, {refused} requests refused and asked again")


@pytest.mark.long
def test_a_cluster_without_workers_is_not_waited_for(fitted):
    with cluster() as (executor, there):
        model = fitted("dask", executor)
        rows, coef = np.arange(20_000, 30_000), model.coef_.copy()
        model._fitted.model.rows.timeout = 3.0
        there.scale(0)
        with pytest.raises(ExecutorError, match="no result came for 3.0 seconds"):
            model.forget(rows=rows)
        assert np.array_equal(model.coef_, coef) and model.n_retained_ == N - 2002
        there.scale(2)
        model._fitted.model.rows.timeout = 600.0
        model.forget(rows=rows)
    assert model.n_retained_ == N - 12_002


def test_an_executor_that_gives_no_result_is_not_waited_for(fitted):
    class Stuck:
        def submit(self, function, task):
            made.append(Future())
            return made[-1]

    made = []
    model = fitted("one")
    coef = model.coef_.copy()
    model._fitted.model.rows.executor, model._fitted.model.rows.timeout = Stuck(), 0.05
    with pytest.raises(ExecutorError, match="no result came for 0.05 seconds"):
        model.forget(rows=np.arange(20_000, 30_000))
    assert made and all(future.cancelled() for future in made)
    assert np.array_equal(model.coef_, coef)
    model._fitted.model.rows.executor = None
    assert model.forget(rows=np.arange(20_000, 30_000)).n_retained_ == N - 12_002


def test_joblib_says_who_sums_where_nobody_else_does(fitted, monkeypatch):
    wanted, sizes = fitted("one")._fitted.model.W, []
    was = executors._Joblib.map
    monkeypatch.setattr(
        executors._Joblib,
        "map",
        lambda self, f, tasks: sizes.append(len(tasks)) or was(self, f, tasks),
    )
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert np.array_equal(fitted("joblib")._fitted.model.W, wanted)
    assert sizes and max(sizes) > 1


# Ray forks to start itself; nothing of JAX is used there.
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.long
def test_ray_agrees(fitted):
    ray = pytest.importorskip("ray")
    from ray.util.multiprocessing import Pool

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        with Pool(2) as pool:
            model = fitted("ray", pool)
        assert np.array_equal(model._fitted.model.W, fitted("one")._fitted.model.W)
    finally:
        ray.shutdown()


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
