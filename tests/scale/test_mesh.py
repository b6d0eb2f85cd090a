"""Rows on the devices of a mesh, of one process or of two: the same model, and one release."""

import pickle
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from certunlearn import (
    AssumptionError,
    CertifiedLogReg,
    CertifiedMinNorm,
    SecretStateWarning,
    forgetting,
)
from certunlearn.scale import OnMesh

from .on_mesh import PROCESSES, data

ROOT = Path(__file__).parents[2]


def run(what, out, processes=1, expect=(0,)):
    """Run a story of `on_mesh` in so many processes and return what each has found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "tests.scale.on_mesh", what, str(out / what)]
    extra = [[]] if processes == 1 else [[port, str(k)] for k in range(processes)]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "cwd": ROOT, "text": True}
    started = [subprocess.Popen(command + more, **pipe) for more in extra]
    said = [process.communicate(timeout=600)[0] for process in started]
    for process, code, text in zip(started, expect, said, strict=True):
        assert process.returncode == code, text
    ended = [k for k, code in enumerate(expect) if code == 0]
    return [dict(np.load(f"{out / what}-{k}.npz")) for k in ended]


def check(found):
    scale = np.abs(found["memory"]).max()
    for name in ("mesh", "ambient"):
        assert np.abs(found[name] - found["memory"]).max() <= 1e-9 * scale
    assert np.abs(found["parts"] - found["whole"]).max() <= 1e-9 * scale
    assert np.abs(found["fresh"] - found["again"]).max() > 1e-6 * scale
    assert np.array_equal(found["copy"], found["original"])


@pytest.mark.long
def test_a_life_on_eight_devices_is_that_in_memory(tmp_path):
    (found,) = run("lives", tmp_path)
    check(found)
    assert np.array_equal(found["opened"], found["pickled"])
    assert np.array_equal(found["state"], found["pickled"])


@pytest.mark.long
def test_two_processes_have_one_model_and_one_release(tmp_path):
    one, other = run("lives", tmp_path, PROCESSES, expect=(0, 0))
    check(one)
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name]), name


@pytest.mark.long
def test_every_estimator_on_eight_devices(tmp_path):
    (found,) = run("estimators", tmp_path)
    for name, (mesh, memory) in found.items():
        assert np.abs(mesh - memory).max() <= 1e-9 * np.abs(memory).max(), name


@pytest.mark.long
def test_a_process_that_is_lost_stops_the_request_and_nothing_changes(tmp_path):
    (found,) = run("lost", tmp_path, PROCESSES, expect=(0, -9))
    assert found["same"]


def test_what_is_no_table_and_what_takes_arrays():
    X, y = data()
    with pytest.raises(ValueError, match="NaN or infinity"):
        OnMesh(np.where(X > 2, np.nan, X))
    with pytest.raises(ValueError, match="table of some rows"):
        OnMesh(X[0])
    rows = OnMesh(X)
    assert len(rows) == len(X) and "5001 rows, 6 columns, float32, 1 devices" in repr(rows)
    with pytest.raises(ValueError, match="pass y"):
        CertifiedLogReg().fit(rows)
    with pytest.raises(ValueError, match="inconsistent"):
        CertifiedLogReg().fit(rows, y[:-1])
    model = CertifiedLogReg(random_state=0).fit(rows, y)
    for wrong in (lambda: model.predict(rows), lambda: CertifiedMinNorm().fit(rows, X[:, 0])):
        with pytest.raises(TypeError, match="several devices"):
            wrong()
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with pytest.raises(AssumptionError, match="steps take rows in memory"):
        forgetting(make_pipeline(StandardScaler(), CertifiedLogReg())).fit(rows, y)


def test_names_of_columns_and_of_rows():
    X, y = data(400)
    table = pd.DataFrame(X, columns=list("abcdef"))
    model = CertifiedLogReg(random_state=0).fit(OnMesh(table), y, row_ids=np.arange(400) + 1000)
    assert list(model.feature_names_in_) == list("abcdef")
    model.forget(row_ids=[1003])
    other = CertifiedLogReg(random_state=0).fit(X, y).forget([3])
    assert np.allclose(model.coef_, other.coef_, rtol=1e-9, atol=0)
    assert not model._fitted.model.rows.gather(np.array([3])).any()


def test_wide_rows_without_a_gram_matrix():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(1500, 800)) / 28).astype(np.float32)
    y = X[:, 0] + 0.02 * rng.logistic(size=1500) > 0
    model = CertifiedLogReg(random_state=0).fit(OnMesh(X), y)
    other = CertifiedLogReg(random_state=0).fit(X, y)
    for verb in (lambda m: m.forget([3]), lambda m: m.forget(rows=np.arange(40, 90))):
        verb(model), verb(other)
        c = model.certificate_
        assert c.mechanism == "isotropic" and c.distance <= c.distance_target
        assert np.abs(model.coef_ - other.coef_).max() <= 1e-5 * np.abs(other.coef_).max()


def test_a_pickle_holds_the_rows_and_goes_on_alike():
    X, y = data(900)
    model = CertifiedLogReg(random_state=0).fit(OnMesh(X.astype(np.float64)), y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        opened = pickle.loads(pickle.dumps(model.forget([4, 5])))
    for verb in (lambda m: m.forget([6]), lambda m: m.learn(X[:40], y[:40]), lambda m: m.release()):
        assert np.array_equal(verb(model).coef_, verb(opened).coef_)


class Device:
    """A device that says what memory it has."""

    process_index = 0

    def __init__(self, limit):
        self.limit = limit

    def memory_stats(self):
        return {"bytes_limit": self.limit, "bytes_in_use": 100}

    def __str__(self):
        return "gpu:0"


def test_rows_that_a_device_has_no_room_for_are_refused_with_what_they_need():
    from certunlearn.numerics.rows.device import room_for

    room_for(50, np.float32, [Device(400), Device(200)])
    with pytest.raises(MemoryError, match="more devices"):
        room_for(50, np.float64, [Device(400), Device(200)])
    with pytest.raises(MemoryError, match="need 8.0 GiB on gpu:0, which has 3.7 GiB left"):
        room_for(2**31, np.float32, [Device(4 * 10**9)])
