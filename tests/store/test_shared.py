"""A store in the hands of several threads, and one that is closed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from certunlearn.exceptions import StoreError
from certunlearn.store import ModelStore
from tests.store.test_model_store import N, data, fitted, path, store  # noqa: F401


def test_threads_share_a_store(store, path):  # noqa: F811
    begin, X = threading.Barrier(4), data()[0]

    def work(first):
        begin.wait()
        for row in range(first, first + 3):
            assert store.forget(rows=[row], reference=f"case {row}").state == "done"
            assert store.predict(X).shape == (N,)
            assert store.answer(f"case {row}").certificate is not None
            assert store.answer(f"case {row}").rows == 1
        store.add(rows=[first + 3], reference=f"case {first + 3}")
        return [a.state for a in store.run()], store.status()["n_retained"]

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(work, [0, 10, 20, 30]))
    assert {state for states, _ in done for state in states} == {"done"}
    assert min(left for _, left in done) == N - 16 == store.status()["n_retained"]
    store.ledger.check()
    store.close()
    with ModelStore.open(path) as opened:
        opened.ledger.check()
        assert opened.model.n_forgotten_ == 16 and opened.model.n_retained_ == N - 16
        gone = [first + i for first in (0, 10, 20, 30) for i in range(4)]
        assert all(opened.answer(f"case {row}").state == "done" for row in gone)
        assert not opened.interrupted


def test_a_closed_store_says_so(store):  # noqa: F811
    assert store.model is not None
    store.close()
    store.close()
    X, y = data()
    for use in (
        lambda: store.forget(rows=[3]),
        lambda: store.add(rows=[3], reference="a"),
        lambda: store.run(),
        lambda: store.learn(X[:1], y[:1]),
        lambda: store.predict(X),
        lambda: store.model,
        lambda: store.certificate,
        lambda: store.status(),
        lambda: store.release(),
        lambda: store.acknowledge(1),
        lambda: store.unrecognise(),
        lambda: store.ledger.check(),
        lambda: store.head(),
    ):
        with pytest.raises(StoreError, match="closed"):
            use()
