"""What `test_mesh` runs in processes of its own: devices are simulated before JAX is loaded.

Usage: on_mesh.py WHAT OUT [PORT PROCESS]
"""

import contextlib
import copy
import os
import pickle
import signal
import sys
import warnings

DEVICES, PROCESSES = 8, 2
N, D = 5001, 6


def started(port, process):
    """Load JAX on simulated devices, of this process or of two."""
    many = port is not None
    each = DEVICES // PROCESSES if many else DEVICES
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={each}"
    import jax

    if many:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        where = f"127.0.0.1:{port}"
        # Long enough for whoever is left to find out by itself: JAX would end that process, too.
        jax.distributed.initialize(where, PROCESSES, process, heartbeat_timeout_seconds=300)
    return jax


def data(n=N):
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, D)).astype(np.float32)
    return X, np.where(X[:, 0] + rng.logistic(size=n) > 0, "yes", "no")


def wordy(model, X, y):
    """Every verb, tiers with and without a pass, numbers that float32 does not hold, growth."""
    import numpy as np

    model.forget(rows=[3, 4, 2000])
    model.forget(rows=np.arange(100, 700))
    model.learn(X[:7] * 1.1, y[:7])
    model.correct(rows=[900, 901], X=X[7:9])
    model.forget(rows=[len(X) + 2])
    for k in range(20):
        model.learn(X[:60], y[:60])
        model.forget(rows=np.arange(2100 + 60 * k, 2160 + 60 * k))
    return model.release()


def lives(jax, process):
    """Coefficients after a life in memory, on a mesh, and of rows that no process has whole."""
    from jax.sharding import NamedSharding, PartitionSpec

    from certunlearn import CertifiedLogReg
    from certunlearn.scale import OnMesh

    X, y = data()
    mesh = jax.make_mesh((jax.device_count(),), ("anything",))
    n = N // jax.device_count() * jax.device_count()
    part = n // jax.process_count()
    own = X[part * process : part * (process + 1)]
    parts = jax.make_array_from_process_local_data(
        NamedSharding(mesh, PartitionSpec("anything")), own
    )
    out = {"memory": wordy(CertifiedLogReg(random_state=0).fit(X, y), X, y).coef_}
    for name, ambient in (("mesh", contextlib.nullcontext()), ("ambient", jax.set_mesh(mesh))):
        with ambient:
            model = wordy(CertifiedLogReg(random_state=0).fit(OnMesh(X), y), X, y)
            out[name] = model.coef_
    out["parts"] = (
        CertifiedLogReg(random_state=0).fit(OnMesh(parts), y[:n]).forget([5, n - 1]).coef_
    )
    out["whole"] = CertifiedLogReg(random_state=0).fit(X[:n], y[:n]).forget([5, n - 1]).coef_
    # No seed: the noise is drawn by one process for all.
    fresh = CertifiedLogReg().fit(OnMesh(X), y)
    out["fresh"], out["again"] = fresh.coef_, fresh.release().coef_
    out["copy"] = copy.deepcopy(model).forget([20]).coef_
    out["original"] = model.forget([20]).coef_
    if jax.process_count() == 1:
        opened = pickle.loads(pickle.dumps(model))
        out["opened"] = opened.forget([21]).coef_
        state = model.to_state()
        out["state"] = CertifiedLogReg.from_state(state).forget([21]).coef_
        out["pickled"] = model.forget([21]).coef_
    else:
        from certunlearn import AssumptionError

        try:
            pickle.dumps(model)
        except AssumptionError as error:
            assert "several processes" in str(error)
        else:
            raise RuntimeError("a pickle of rows in several processes")
    return out


def estimators(jax, process):
    """Coefficients of every estimator after a life on a mesh, over those in memory."""
    import numpy as np

    import certunlearn as cu
    from certunlearn.scale import OnMesh

    X, _ = data()
    t = X @ np.arange(D) + X[:, 0] ** 2
    few = np.digitize(t, [-3, 0, 4])
    cases = {
        "softmax": (cu.CertifiedLogReg(random_state=0), few),
        "ovr": (cu.CertifiedLogReg(random_state=0, multi_class="ovr"), few),
        "cg": (cu.CertifiedLogReg(random_state=0, solver="newton-cg"), t > 0),
        "objective": (cu.CertifiedLogReg(random_state=0, mechanism="objective"), t > 0),
        "ridge": (cu.CertifiedRidge(random_state=0), np.stack([t, X[:, 1]], axis=1)),
        "poisson": (cu.CertifiedPoissonRegressor(random_state=0), np.floor(np.exp(X[:, 0]))),
        "svc": (cu.CertifiedLinearSVC(random_state=0), t > 0),
        "elastic": (cu.CertifiedElasticNet(random_state=0), t),
        "huber": (cu.CertifiedHuberRegressor(random_state=0), t),
    }
    out = {}
    for name, (model, y) in cases.items():
        other = wordy(copy.deepcopy(model).fit(X, y), X, y)
        wordy(model.fit(OnMesh(X), y), X, y)
        out[name] = np.stack([np.ravel(model.coef_), np.ravel(other.coef_)])
    return out


def lost(jax, process):
    """The other process is killed in the middle of a request: an error, and the model as it was."""
    import numpy as np

    from certunlearn import CertifiedLogReg, ExecutorError
    from certunlearn.scale import OnMesh

    X, y = data(20_000)
    model = CertifiedLogReg(random_state=0).fit(OnMesh(X), y)
    before = model.coef_.copy()
    if process == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        model.forget(rows=np.arange(4000))
    except ExecutorError as error:
        assert "start them all again" in str(error)
        same = np.array_equal(model.coef_, before) and model.n_retained_ == len(X)
        return {"same": np.array(same)}
    raise RuntimeError("a pass without the other process")


def main(what, out, port=None, process="0"):
    warnings.simplefilter("ignore")
    jax = started(port, int(process))
    import numpy as np

    found = {"lives": lives, "estimators": estimators, "lost": lost}[what](jax, int(process))
    np.savez(f"{out}-{process}.npz", **found)
    sys.stdout.flush()
    # Without waiting for processes that are not there any more.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
