"""Every sum over rows is written once: dense, sparse and joined stores agree on it."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array

from certunlearn._common.rounding import gamma
from certunlearn.numerics.context import float64
from certunlearn.numerics.losses.margins import Columnwise, Logistic, Softmax
from certunlearn.numerics.losses.pointwise import Poisson, Squared
from certunlearn.numerics.objective import kernels
from certunlearn.numerics.rows import device, host
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.numerics.rows.fold import Extent
from certunlearn.numerics.rows.sparse import SparseRows
from certunlearn.numerics.rows.weights import exact_sum

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
    # One of them a triangle, as the inverse of a factor is.
    inverses = rng.normal(size=(3, p, p))
    return {
        kernels.Measure(loss): (table, W, V, 1e-14, 1e-13),
        kernels.Hessian(loss): (table, W),
        kernels.HessianProduct(loss): (table, W, V),
        kernels.Couplings(loss): (table, W),
        kernels.Gram(): (),
        kernels.GramDiagonal(): (),
        kernels.Magnified(): (np.abs(W[:, :1]),),
        kernels.Leverage(2): (np.stack([np.tril(inverses[0]), *inverses[1:]]),),
        kernels.Length(): (np.abs(W[:, 0]),),
        Extent(): (),
    }


def of(X, y, weight, sparse):
    """A store, and the weights as it lays them out."""
    store = (SparseRows if sparse else DenseRows)(csr_array(X) if sparse else X, y, intercept=True)
    return store, store.blocked(weight)


@pytest.mark.parametrize("kind", [np.float64, pytest.param(np.float32, marks=pytest.mark.long)])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_blas_jax_sparse_and_joined_stores_agree_on_every_sum(loss, kind):
    X, y, table, weight = problem(loss)
    X = X.astype(kind)
    dense, sparse = of(X, y, weight, False), of(X, y, weight, True)
    parts = [
        of(X[here], y[here], weight[here], k % 2)
        for k, here in enumerate([slice(0, 40), slice(40, 41), slice(41, N)])
    ]
    for kernel, args in sums(loss, table).items():
        want = dense[0].fold(kernel, dense[1], *args)
        with float64():
            # What an accelerator does.
            compiled = device.scan(kernel, *dense[0].sweep(), dense[1], args)
        joined = None
        for store, s in parts:
            part = store.fold(kernel, s, *args)
            joined = part if joined is None else kernel.join(np, joined, part)
        for got in (compiled, sparse[0].fold(kernel, sparse[1], *args), joined):
            for a, b in zip(want, got, strict=True):
                scale = np.abs(a).max(initial=0.0)
                np.testing.assert_allclose(b, a, rtol=0, atol=1e-13 * scale, err_msg=str(kernel))


@pytest.mark.parametrize("sparse", [False, True])
def test_nothing_and_something_join_to_something(sparse):
    loss = LOSSES["softmax"]
    X, y, table, weight = problem(loss)
    store, s = of(X, y, weight, sparse)
    for kernel, args in sums(loss, table).items():
        some, none = store.fold(kernel, s, *args), kernel.start(np, D + 1)
        for a, b in zip(some, kernel.join(np, none, some), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_fold_counts_its_read_and_fits_do_not_load_jax_for_a_few_rows():
    X, y, table, weight = problem(LOSSES["logistic"])
    for sparse in (False, True):
        store, s = of(X, y, weight, sparse)
        before = store.reads
        store.fold(kernels.Gram(), s)
        assert store.reads - before == N
    code = (
        "import sys, numpy as np, certunlearn as c;"
        "X = np.random.default_rng(0).normal(size=(90, 3));"
        "m = c.CertifiedLogReg(view='release').fit(X, (X[:, 0] > 0).astype(int));"
        "m.forget([3]).release();"
        "m.learn(X[:2], [0, 1]).predict(X); c.CertifiedRidge().fit(X, X[:, 0]).forget([1, 2]);"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code]).returncode == 0


def test_many_rows_that_are_short_are_summed_by_compiled_code(monkeypatch):
    loss = LOSSES["softmax"]
    measure, gram = kernels.Measure(loss), kernels.Gram()
    assert host.compiled(measure, 200_000, 50) and not host.compiled(measure, 20_000, 1536)
    assert not host.compiled(measure, 569, 30) and not host.compiled(gram, 200_000, 50)
    X, y, table, weight = problem(loss)
    store, s = of(X, y, weight, False)
    args = sums(loss, table)[measure]
    small = store.fold(measure, s, *args)
    monkeypatch.setattr(host, "COMPILED", 0)
    for a, b in zip(small, store.fold(measure, s, *args), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-13 * np.abs(a).max())
    # Lent for one pass, and still written to in place.
    store.scrub(np.arange(N))
    assert not store.fold(gram, s)[0][:, :D].any()


def test_every_order_of_additions_is_within_the_claim_and_a_chain_of_none_is_not():
    """The claimed error of a Gram sum covers BLAS's; one that forgets the additions would not."""
    rng = np.random.default_rng(3)
    X = rng.uniform(1.0, 2.0, (4000, 3))
    store, s = of(X, np.zeros(4000, dtype=int), np.full(4000, 1 / 3), False)
    G = store.fold(kernels.Gram(), s)[0][0]
    A = np.hstack([X, np.ones((4000, 1))])
    exact = np.array([[float(exact_sum(s.ravel()[:4000], a, b)) for a in A.T] for b in A.T])
    error = np.abs(G - exact) / np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert error.max() <= gamma(store.chain + 16)
    assert error.max() > gamma(1) / 4
