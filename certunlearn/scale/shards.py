"""Rows on disk that a model is fitted on and forgets from, where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .._common.arrays import AnyArray, MatrixLike
from ..numerics.rows.blocks import LARGEST_BLOCK
from ..numerics.rows.executors import Executor
from ..numerics.rows.files import TIMEOUT, RowFiles

#: Numbers that `Shards.pieces` yields at a time.
PIECE = 1 << 24


class Shards(RowFiles):
    """Rows that `write_shards` has written, to be given to ``fit`` in the place of an array.

    They are read part by part, and stay where they are: `forget` overwrites rows in their files,
    and a request without a pass touches those that it names and no others.  The model goes on with
    these files, so they are its own from then on.  A copy or a pickle of it shares them: whichever
    changes them first goes on, and any other raises StaleShardError.

    Parameters
    ----------
    path : str or Path
        Of the directory.
    executor : Executor, optional
        What sums over parts of the rows at once: of concurrent.futures, loky, MPI, or
        ``dask.distributed.Client(...).get_executor()``; anything with an ordered ``map``.  Its
        processes must see the same path.  Paths travel, never rows.  By default what joblib's
        ``parallel_config`` says wherever a pass is made, else one thread here.
    timeout : float, optional
        How many seconds to wait for a next result of an executor that has ``submit``: with all its
        workers gone an engine may wait for ever.  None does so too.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    dtype : dtype
        float32 or float64; sums are float64 either way.

    Raises
    ------
    StateError
        If there are no rows there.

    Notes
    -----
    Sums are cut and added in the same way whoever makes them: the model is the same to the last
    bit.  In memory are, besides a few blocks of rows, of each row its class, whether it has been
    overwritten, and its weight where weights differ: two bytes, and one more where they are small
    whole numbers.  A target that is a number takes eight, ``row_ids`` and ``groups`` what Python
    takes for them.  Solvers that form no matrix hold some margins of every row besides.  What a
    pickle is opened with has no executor; ``Shards`` of one's own are given it again.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from certunlearn import CertifiedLogReg
    >>> from certunlearn.scale import Shards, write_shards
    >>> X = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32)
    >>> path = write_shards(tempfile.mkdtemp() + "/rows", X, X[:, 0] > 0)
    >>> model = CertifiedLogReg(random_state=0).fit(Shards(path)).forget([17, 42])
    >>> model.n_retained_, np.load(path / "features-00000.npy")[17].tolist()
    (4998, [0.0, 0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        path: str | Path,
        *,
        executor: Executor | None = None,
        timeout: float | None = TIMEOUT,
    ) -> None:
        super().__init__(Path(path))
        self.executor, self.timeout = executor, timeout

    def pieces(self) -> Iterator[tuple[MatrixLike, AnyArray | None]]:
        """Yield features (m, d), dense or CSR, and labels (m,), some rows at a time.

        Erased rows are zeros.

        To predict or score on more rows than fit into memory.
        """
        each = max(self.entries // max(self.n, 1), 1) if self.sparse else self.d
        step = max(LARGEST_BLOCK, PIECE // each)
        known = "labels" in self.columns
        for first in range(0, self.n, step):
            last = min(first + step, self.n)
            if self.sparse:
                X = self.sparse_rows(slice(first, last)).astype(self.dtype)
            else:
                X = np.empty((last - first, self.d), dtype=self.dtype)
                self.read(first, last, X)
            yield X, self.column("labels", first, last) if known else None

    def __repr__(self) -> str:
        return f"Shards({str(self.path)!r}: {self.n} rows, {self.d} columns, {self.dtype})"

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "executor": None}
