"""Forked processes: what needs JAX's threads is refused at once, all else goes on."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import certunlearn

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

SETUP = """
import os, pickle, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler
from certunlearn import CertifiedLogReg, CertifiedMinNorm, ForgettingPipeline, ForgetQueue
from certunlearn.exceptions import ForkedError
from certunlearn.numerics.rows import host

rng = np.random.default_rng(0)
X = rng.normal(size=(3000, 8))
y = (X[:, 0] + rng.normal(size=3000) > 0).astype(int)

# Few rows, summed by JAX as many are.
host.COMPILED = 0

def child(action, seconds=40):
    "Run in a forked process; return what it returns, or the name of what it raises."
    out, end = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            said = action()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(end, pickle.dumps(said))
        os._exit(0)
    os.close(end)
    until = time.monotonic() + seconds
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "hangs"
        time.sleep(0.005)
    with open(out, "rb") as file:
        return pickle.loads(file.read())
"""


def run(script):
    """Run a script in a process of its own, which may not hang."""
    code = SETUP + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_passes_are_refused_and_everything_else_goes_on():
    run("""
        model = CertifiedLogReg(view="release").fit(X, y).forget([1])
        p = model.predict_proba(X)
        assert np.array_equal(child(lambda: model.predict_proba(X)), p)
        assert child(lambda: model.release().certificate_.n_forgotten) == 1
        # Two children draw noise of their own.
        a, b = (child(lambda: model.release().coef_) for _ in range(2))
        assert not np.array_equal(a, b) and not np.array_equal(a, model.coef_)
        # Removals without a pass, of numbers of rows whose shapes were never compiled here.
        for rows in ([7], [7, 8, 9], list(range(20, 27))):
            def forget():
                m = model.forget(rows)
                held = m._fitted.model.held(np.array(rows + [2000]))[0]
                return m.certificate_.tier, m.n_forgotten_, held
            tier, gone, held = child(forget)
            assert tier == "downdate" and gone == 1 + len(rows), (tier, gone)
            assert not held[:-1].any() and np.array_equal(held[-1], X[2000])
        before = model.coef_.tobytes(), model.n_forgotten_, len(model.history_)
        said = child(lambda: model.learn(X[:2], y[:2]).n_retained_)
        assert said == 3001 or "ForkedError" in said
        for action in (
            lambda: model.forget(np.arange(100, 900), confirm=True),
            lambda: CertifiedLogReg().fit(X, y),
            lambda: model.fit(X, y),
            lambda: pickle.loads(pickle.dumps(CertifiedLogReg())).fit(X, y),
        ):
            def refused():
                try:
                    action()
                except ForkedError as error:
                    after = model.coef_.tobytes(), model.n_forgotten_, len(model.history_)
                    assert after == before
                    # And goes on afterwards.
                    return str(error), model.forget([12]).n_forgotten_
                return "done", 0
            said, gone = child(refused)
            assert "spawn" in said and "load" in said and gone == 2, said
        # The parent does not notice.
        assert model.forget(np.arange(100, 900), confirm=True).n_forgotten_ == 801
    """)


@pytest.mark.long
def test_pickles_pipelines_and_queues_in_children():
    run("""
        model = CertifiedLogReg(view="release").fit(X, y)
        data = pickle.dumps(model)
        assert child(lambda: pickle.loads(data).forget([7, 9]).n_forgotten_) == 2
        assert "ForkedError" in child(lambda: pickle.loads(data).fit(X, y) and "fitted")
        pipe = ForgettingPipeline([("s", StandardScaler()), ("m", CertifiedLogReg())]).fit(X, y)
        p = pipe.predict(X)
        assert np.array_equal(child(lambda: pipe.predict(X)), p)
        # Steps made of exact sums are not fitted anew; the model may need a pass.
        said = child(lambda: pipe.forget([3]).head.n_forgotten_)
        assert said == 1 or "ForkedError" in said, said
        queue = ForgetQueue(model)
        queue.add([3], reference="a")
        assert child(lambda: queue.run()[0].rows) == (3,)
        assert len(queue) == 1 and queue.model.n_forgotten_ == 0
    """)


@pytest.mark.long
def test_a_child_of_a_process_that_never_used_jax_just_works():
    run("""
        def work():
            model = CertifiedLogReg().fit(X, y)
            model.forget(np.arange(100, 900), confirm=True).learn(X[:3], y[:3])
            return model.n_retained_
        assert child(work) == 2203
    """)


@pytest.mark.long
def test_models_without_jax_work_in_children():
    run("""
        A = rng.normal(size=(30, 80))
        model = CertifiedMinNorm().fit(A, A[:, 0])
        assert child(lambda: model.forget([3]).n_retained_) == 29
        assert child(lambda: CertifiedMinNorm().fit(A, A[:, 0]).n_retained_) == 30
    """)


@pytest.mark.long
def test_sparse_models_in_children_work_or_refuse():
    run("""
        S = sp.csr_array(X * (rng.random(X.shape) < 0.5))
        model = CertifiedLogReg(solver="newton-cg").fit(S, y)
        for action in (lambda: model.forget([3]).n_retained_, lambda: model.predict(S).shape):
            said = child(action)
            assert said in (2999, (3000,)) or "ForkedError" in said, said
    """)


@pytest.mark.long
def test_a_fork_while_another_thread_is_at_work():
    run("""
        model = CertifiedLogReg().fit(X, y)
        stop = threading.Event()
        def work():
            row = 0
            while not stop.is_set() and row < 2500:
                model.forget([row], confirm=True)
                row += 1
        thread = threading.Thread(target=work)
        thread.start()
        for _ in range(25):
            def look():
                # Whatever the other thread was at, the model is whole and its locks are free.
                gone, n = model.n_forgotten_, model.n_retained_
                model.predict(X[:5])
                model.release()
                rows = np.arange(gone + 1, 3000)
                places = model._fitted.names.store(rows)
                held = model._fitted.model.held(places)[0]
                assert np.array_equal(held, X[rows]) and n == 3000 - gone, (gone, n)
                try:
                    model.forget([2999])
                except ForkedError:
                    return model.n_forgotten_ == gone
                return model.n_forgotten_ == gone + 1
            said = child(look)
            assert said is True, said
        stop.set()
        thread.join()
        assert model.n_forgotten_ + model.n_retained_ == 3000
    """)


@pytest.mark.long
def test_multiprocessing_names_the_way_out_and_the_way_out_works(tmp_path):
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing, warnings
        import numpy as np
        from certunlearn import CertifiedLogReg
        from certunlearn.exceptions import ForkedError
        from certunlearn.numerics.rows import host

        host.COMPILED = 0
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 3))
        y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)

        def fitted(k):
            return float(CertifiedLogReg(C=k).fit(X, y).coef_[0, 0])

        if __name__ == "__main__":
            warnings.simplefilter("ignore")
            CertifiedLogReg().fit(X, y)
            with multiprocessing.get_context("fork").Pool(1) as pool:
                try:
                    pool.map_async(fitted, [1.0]).get(60)
                    raise SystemExit("not refused")
                except ForkedError as error:
                    assert "spawn" in str(error)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                assert len(pool.map_async(fitted, [1.0]).get(120)) == 1
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=200,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr


def environment():
    """Where the script finds the package."""
    return os.environ | {"PYTHONPATH": str(Path(certunlearn.__file__).parent.parent)}
