"""The same code on an accelerator: bandwidth of a pass, batch removal, and what fits.

Prints nothing worth reading on a machine without one; there it measures the CPU against itself.
"""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np

from certunlearn import CertifiedLogReg

from .report import Report, spread
from .sums import proposed

SIZES = {"full": (10**7, 256), "small": (20_000, 10)}
CPU_SHARE = 20


def seconds(action, repeats=5):
    """Seconds of each run after the first, which compiles."""
    action()
    out = []
    for _ in range(repeats):
        clock = time.perf_counter()
        action()
        out.append(time.perf_counter() - clock)
    return out


def bandwidth(model):
    """A gradient pass and a certified pass, as shares of a device copy's bandwidth."""
    inner = model._fitted.model
    objective, W = inner.objective, inner.W
    from certunlearn.numerics.objective.products import Products

    with jax.enable_x64(True):
        X, _ = objective.rows.sweep()
        # A copy reads and writes; a pass only reads.
        moved = 2 / np.median(seconds(copying(X)))
        products = Products.of(objective)
        plain = seconds(lambda: proposed(products, objective.loss, W))
        certified = seconds(lambda: objective.measure(W, W))
    return [float(1 / np.median(t) / moved) for t in (plain, certified)]


def copying(X):
    """A function that copies X on its device, on the CPU into memory that is there already."""
    if isinstance(X, np.ndarray) or X.devices().pop().platform == "cpu":
        source, target = np.asarray(X).copy(), np.empty(X.shape)
        return lambda: np.copyto(target, source)
    copy = jax.jit(lambda a: a + 0.0)
    return lambda: copy(X).block_until_ready()


def removal(n, d, device):
    """Seconds to forget one row in a hundred, and the model."""
    with jax.default_device(device):
        key = jax.random.key(0)
        X = np.asarray(jax.random.normal(key, (n, d), dtype=jnp.float32), dtype=np.float64)
        y = (X[:, 0] + X[:, 1] + np.random.default_rng(0).logistic(size=n) > 0).astype(int)
        model = CertifiedLogReg(random_state=0).fit(X, y)
        model.forget(rows=np.arange(n // 100))
        clock = time.perf_counter()
        model.forget(rows=np.arange(n // 100, 2 * (n // 100)))
        return time.perf_counter() - clock, model


def main(small=False, out="tests/benchmarks/results"):
    report = Report("gpu", out, small=small)
    device, cpu = jax.devices()[0], jax.devices("cpu")[0]
    n, d = SIZES["small" if small else "full"]
    if device.platform == "cpu" and not small:
        n //= CPU_SHARE
    _, model = removal(n, d, device)
    plain, certified = bandwidth(model)
    here, _ = removal(n // CPU_SHARE, d, device)
    there, _ = removal(n // CPU_SHARE, d, cpu)
    row = {
        "device": device.device_kind,
        "platform": device.platform,
        "rows": n,
        "features": d,
        "tier": model.certificate_.tier,
        "gradient pass over copy's bandwidth": plain,
        "certified pass over copy's bandwidth": certified,
        f"CPU over device, a batch of {n // CPU_SHARE // 100}": spread([there / here]),
        "passes": model.certificate_.passes,
    }
    report.table("One device", [row])
    report.save()
