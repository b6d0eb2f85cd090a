"""Rows on several devices, of one process or of many, that a model is fitted on where they lie."""

from __future__ import annotations

import numpy as np

from .._common.arrays import MatrixLike
from ..exceptions import AssumptionError
from ..numerics.rows.meshed import DeviceArray, DeviceMesh, Spread


class OnMesh(Spread):
    """Rows spread over the devices of a JAX mesh, to be given to ``fit`` in the place of an array.

    Each device holds a part of the rows and sums over it; what is sent from one to the other a
    pass is as large as the sums, however many rows there are.  Labels, weights and names are given
    to ``fit`` whole.

    With several processes (``jax.distributed.initialize()``) every one of them runs the same
    program and has the same model; what is released is what the first of them has drawn.

    Parameters
    ----------
    X : array-like or jax.Array of shape (n, d)
        Finite numbers; float32 is held so, anything else as float64.  A `jax.Array` lies where it
        lies, such as one made by ``jax.make_array_from_process_local_data`` of rows that no
        process has all of; anything else every process has whole.  A DataFrame names the columns.
    mesh : jax.sharding.Mesh, optional
        Whose devices hold the rows; by default those of `jax.set_mesh`, else all there are.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    dtype : dtype
        float32 or float64; sums are float64 either way.

    Raises
    ------
    ValueError
        If X is no table of finite numbers.

    Notes
    -----
    Sums over another number of devices are added in another order: models agree to rounding, which
    the certificate charges, not to the last bit.  Processes have to run on machines of one kind,
    since each works out the small matrices for itself.  One that is lost stops them all
    (ExecutorError, then JAX ends them): start them again, fit, and repeat the requests.  A pickle
    or a state is made where one process has all of the devices, and opened on those there are then.

    Examples
    --------
    >>> import numpy as np
    >>> from certunlearn import CertifiedLogReg
    >>> from certunlearn.scale import OnMesh
    >>> X = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32)
    >>> model = CertifiedLogReg(random_state=0).fit(OnMesh(X), X[:, 0] > 0)
    >>> model.forget([17, 42]).n_retained_
    4998
    """

    def __init__(self, X: MatrixLike | DeviceArray, *, mesh: DeviceMesh | None = None) -> None:
        names = getattr(X, "columns", None)
        super().__init__(_table(X), mesh, None if names is None else tuple(map(str, names)))
        if not self.finite:
            raise ValueError("X holds NaN or infinity: fill or drop these rows first")

    def __repr__(self) -> str:
        return f"OnMesh({self.n} rows, {self.d} columns, {self.dtype}, {self.mesh.size} devices)"


def _table(X: MatrixLike | DeviceArray) -> MatrixLike | DeviceArray:
    """Return a table of float32 or float64."""
    if not hasattr(X, "sharding"):
        X = np.asarray(X)
        if X.dtype != np.float32:
            X = X.astype(np.float64)
    elif X.dtype not in (np.float32, np.float64):
        raise AssumptionError(f"a jax.Array of {X.dtype} is not summed: make it float32 or float64")
    if X.ndim != 2 or not len(X):
        raise ValueError(f"X must be a table of some rows, got shape {X.shape}")
    return X
