"""Every sum over rows is written once: dense, sparse and joined stores agree on it."""

import jax
import numpy as np
import pytest
from scipy.sparse import csr_array

from certunlearn.numerics.losses.margins import Columnwise, Logistic, Softmax
from certunlearn.numerics.losses.pointwise import Poisson, Squared
from certunlearn.numerics.objective import kernels
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.fold import ColumnMax
from certunlearn.numerics.rows.sparse import SparseRows

N, D = 150, 4
LOSSES = {
    "logistic": Logistic(),
    "softmax": Softmax(3),
    "poisson": Columnwise(Poisson()),
    "squared": Columnwise(Squared(), 2),
}


def problem(loss):
    """Rows that are mostly zeros, labels, a table of columns, weights of twelve decades."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random((N, D)) < 0.4, rng.normal(size=(N, D)), 0.0)
    K, weight = loss.columns, 10.0 ** rng.uniform(-6, 6, N)
    weight[rng.random(N) < 0.2] = 0.0
    if isinstance(loss, Softmax) or loss.coded:
        return X, rng.integers(0, max(2, K), N), np.arange(max(2, K)), weight
    return X, rng.poisson(2.0, (N, K) if K > 1 else N).astype(float), None, weight


def sums(loss, table):
    """Each kernel beside its arguments after the block."""
    rng, K, p = np.random.default_rng(1), loss.columns, D + 1
    W, V = rng.normal(size=(p, K)), rng.normal(size=(p, K))
    return {
        kernels.Measure(loss): (table, W, V, 1e-14, 1e-13),
        kernels.Risk(loss): (table, W),
        kernels.Hessian(loss): (table, W),
        kernels.HessianProduct(loss): (table, W, V),
        kernels.Couplings(loss): (table, W),
        kernels.Gram(): (),
        kernels.GramDiagonal(): (),
        kernels.Magnified(): (np.abs(W[:, :1]),),
        kernels.Leverage(2): (rng.normal(size=(3, p, p)),),
        kernels.Length(): (np.abs(W[:, 0]),),
        ColumnMax(): (),
    }


def of(X, y, weight, sparse):
    """A store, and the weights as it lays them out."""
    store = (SparseRows if sparse else DenseRows)(csr_array(X) if sparse else X, y, intercept=True)
    return store, store.blocked(weight)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_dense_sparse_and_joined_stores_agree_on_every_sum(loss):
    X, y, table, weight = problem(loss)
    with jax.enable_x64(True):
        dense, sparse = of(X, y, weight, False), of(X, y, weight, True)
        parts = [
            of(X[here], y[here], weight[here], k % 2)
            for k, here in enumerate([slice(0, 40), slice(40, 41), slice(41, N)])
        ]
        for kernel, args in sums(loss, table).items():
            want = dense[0].fold(kernel, dense[1], *args)
            joined = None
            for store, s in parts:
                part = store.fold(kernel, s, *args)
                joined = part if joined is None else kernel.join(np, joined, part)
            for got in (sparse[0].fold(kernel, sparse[1], *args), joined):
                for a, b in zip(want, got, strict=True):
                    scale = np.abs(a).max(initial=0.0)
                    np.testing.assert_allclose(
                        b, a, rtol=0, atol=1e-13 * scale, err_msg=str(kernel)
                    )


@pytest.mark.parametrize("sparse", [False, True])
def test_nothing_and_something_join_to_something(sparse):
    loss = LOSSES["softmax"]
    X, y, table, weight = problem(loss)
    with jax.enable_x64(True):
        store, s = of(X, y, weight, sparse)
        for kernel, args in sums(loss, table).items():
            some, none = store.fold(kernel, s, *args), kernel.start(np, D + 1)
            for a, b in zip(some, kernel.join(np, none, some), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_fold_counts_its_read():
    X, y, table, weight = problem(LOSSES["logistic"])
    with jax.enable_x64(True):
        for sparse in (False, True):
            store, s = of(X, y, weight, sparse)
            before = store.reads
            store.fold(kernels.Gram(), s)
            assert store.reads - before == N
