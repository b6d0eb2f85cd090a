"""A model in a directory: what a ledger of many requests costs, and a removal that lasts.

Opening must not take longer for more rows, and little longer for more requests: below 2 s and, for
a status, 100 ms with 100 000 of them.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from certunlearn import CertifiedRidge
from certunlearn.store import Case, Ledger, ModelStore
from certunlearn.store.ledger import Went

from .report import Report, spread

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def ledger(path, n):
    """Make a ledger of n requests, half of them done."""
    with Ledger.create(path, origin="bench/ledger") as out:
        out.commit(out.begin("fit"), "fit", rows=n, weights="a", certificate="{}")
        clock = time.perf_counter()
        for i in range(n):
            due = NOW + timedelta(days=30, seconds=i)
            out.add(Case(f"case {i}", "row_ids", [f"person {i}"], NOW, due))
        seconds = (time.perf_counter() - clock) / n
        done = {f"case {i}": Went(1, i) for i in range(n // 2)}
        action = out.begin("removal", tuple(done))
        more = {"rows": n, "weights": "b", "certificate": "{}"}
        out.commit(action, "removal", **more, answered=done)
    return seconds


def timed(action, clock=time.perf_counter):
    """Seconds of an action, and what it returns; of flushes the waiting counts."""
    start = clock()
    out = action()
    return clock() - start, out


def computed(action):
    """Seconds of the processor, where nothing is waited for."""
    return timed(action, time.process_time)


def requests(folder, n):
    """One line on a ledger: opening, a status, after a crash."""
    path = folder / f"{n}.sqlite"
    each = ledger(path, n)
    opening, opened = computed(lambda: Ledger.open(path))
    status, _ = computed(
        lambda: (opened.cases.counts(NOW), opened.cases.listed(100), opened.log.head())
    )
    opened.close()
    Path(f"{path}.sha256").unlink()
    crashed, opened = computed(lambda: Ledger.open(path))
    opened.close()
    return {
        "requests": n,
        "ms to take one in": 1e3 * each,
        "s to open (at most 2)": opening,
        "s to open after a crash": crashed,
        "ms for a status (at most 100)": 1e3 * status,
        "MB": path.stat().st_size / 1e6,
    }


def rows(folder, n, d, repeats, batch):
    """One line on a store: opening without rows, removals that last, singly and in a batch."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = X[:, 0] + rng.normal(size=n)
    fitting, model = timed(lambda: CertifiedRidge().fit(X, y))
    creating, store = timed(lambda: ModelStore.create(folder / f"{n}", model))
    store.close()
    opening, store = computed(lambda: ModelStore.open(folder / f"{n}", "w"))
    status, _ = computed(store.status)
    predicting, _ = computed(lambda: store.predict(X[:1]))
    reading, _ = timed(lambda: store.model)
    seconds = [timed(lambda i=i: store.forget(rows=[i]))[0] for i in range(repeats)]
    for i in range(batch):
        store.ledger.add(Case(f"waits {i}", "rows", [repeats + i], NOW, None))
    together, answers = timed(store.run)
    assert {answer.state for answer in answers} == {"done"}
    store.close()
    memory = [timed(lambda i=i: model.forget(rows=[i]))[0] for i in range(repeats)]
    return {
        "n": n,
        "d": d,
        "s to create": creating,
        "s to open": opening,
        "ms for a status": 1e3 * status,
        "s to predict": predicting,
        "s to read the rows": reading,
        "s to forget, lasting": spread(seconds),
        "s in memory": spread(memory),
        "lasting over a fit": spread([s / fitting for s in seconds]),
        "requests a second, one by one": 1 / float(np.median(seconds)),
        f"requests a second, {batch} together": batch / together,
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("durable", out, small=small)
    with tempfile.TemporaryDirectory() as folder:
        sizes = (200, 400) if small else (1_000, 100_000)
        report.table("requests", [requests(Path(folder), n) for n in sizes])
        shapes = ((500, 4),) if small else ((10_000, 100), (1_000_000, 100))
        repeats, batch = (3, 20) if small else (10, 1000)
        report.table("rows", [rows(Path(folder), n, d, repeats, batch) for n, d in shapes])
