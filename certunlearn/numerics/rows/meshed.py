"""Dense rows spread over several devices, of one process or of many.

Nothing here loads JAX before rows are spread.  Labels and weights are in every process whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np

from ..._common.arrays import AnyArray, Array
from ..._common.interrupts import checkpoint
from ..._common.threads import refuse_forked
from ...exceptions import AssumptionError
from ..context import float64
from .beside import Matrix
from .blocks import block_shape
from .dense import DenseRows

if TYPE_CHECKING:
    import jax

    from .mesh import Mesh

#: JAX's, without JAX being loaded to name them.
DeviceArray: TypeAlias = "jax.Array"
DeviceMesh: TypeAlias = "jax.sharding.Mesh"


class Spread:
    """Features that are to be spread over the devices of a mesh, or lie there by now.

    Parameters
    ----------
    X : ndarray or jax.Array of shape (n, d)
        Finite, float32 or float64.
    mesh : jax.sharding.Mesh, optional
        By default where a `jax.Array` lies, else that of `jax.set_mesh`, else all devices.
    feature_names : tuple of str, optional
        Of the columns.
    """

    def __init__(
        self,
        X: AnyArray | DeviceArray,
        mesh: DeviceMesh | None = None,
        feature_names: tuple[str, ...] | None = None,
    ) -> None:
        refuse_forked()
        from . import mesh as meshes

        if not isinstance(X, np.ndarray):
            mesh = mesh or getattr(X.sharding, "mesh", None)
            X = meshes.unnamed(X)
        self.mesh: Mesh = meshes.Mesh(meshes.mesh_of(mesh))
        self.X, self.feature_names = X, feature_names
        self.n, self.d = (int(size) for size in X.shape)
        self.shape, self.dtype = (self.n, self.d), np.dtype(X.dtype)

    @property
    def finite(self) -> bool:
        """Whether all numbers are."""
        if isinstance(self.X, np.ndarray):
            return bool(np.isfinite(self.X).all())
        with float64():
            return self.mesh.finite(self.X)

    def __len__(self) -> int:
        return self.n

    def __array__(self, dtype: object = None, copy: object = None) -> AnyArray:
        """Refuse: there would be no need of devices."""
        raise TypeError(
            "these rows lie on several devices: give them to fit of an estimator with coefficients "
            "and an intercept, and arrays to everything else"
        )


class MeshRows(DenseRows):
    """Rows spread over the devices of a mesh, block by block.

    Every sum is made of those of the devices, joined by all-reduce: to rounding the same as on one
    device, and the same to every process.

    Parameters
    ----------
    given : Spread
        The features.
    labels : ndarray of shape (n,) or (n, K)
        Integer class codes, or real targets.
    intercept : bool
        Whether a column of ones is appended.
    """

    _X: jax.Array
    _y: jax.Array

    def __init__(self, given: Spread, labels: AnyArray, *, intercept: bool) -> None:
        self._mesh, self._given = given.mesh, given.X
        self.dtype = np.float32 if given.dtype == np.float32 else np.float64
        self.intercept = intercept
        #: Rows of other processes cannot be read one after the other by one of them alone.
        self.closes_up = given.mesh.one_process
        self._lay_out(given.shape, labels, lambda first, last: np.asarray(given.X[first:last]))
        del self._given

    @property
    def _shape(self) -> tuple[int, int]:
        blocks, block = block_shape(self.n)
        # As many to every device.
        return -(-blocks // self._mesh.size) * self._mesh.size, block

    @property
    def chain(self) -> int:
        """Longest chain of additions of a sum over rows, here or in a fit on any part of them."""
        return super().chain + self._mesh.size

    @property
    def _away(self) -> bool:
        return True

    def _device(self) -> Mesh:  # type: ignore[override]
        refuse_forked()
        return self._mesh

    def _store(self, rows: Callable[[int, int], Array]) -> None:
        mesh, shape = self._device(), (self.blocks, self.block, self.p)
        given = self.__dict__.get("_given")
        labels = self._labels.reshape(*shape[:2], *self._labels.shape[1:])

        def part(at: tuple[slice, ...]) -> AnyArray:
            first, last, _ = at[0].indices(self.blocks)
            checkpoint()
            of = min(first * self.block, self.n), min(last * self.block, self.n)
            return self._padded(rows(*of), last - first)

        mesh.room_for(math.prod(shape), self.dtype)
        with float64():
            self._y = mesh.placed(labels)
            if given is None or isinstance(given, np.ndarray):
                self._X = mesh.made(shape, part)
            else:
                self._X = mesh.relaid(given, self.blocks, self.block, self.intercept)
        self._extent = None

    def sweep(self, times: int = 1) -> tuple[MeshMatrix, AnyArray]:  # type: ignore[override]
        """Return (X, labels) for products, labels blocked, counting so many reads of every row."""
        refuse_forked()
        checkpoint()
        self.reads += times * self.n
        shape = self.blocks, self.block, *self._labels.shape[1:]
        return MeshMatrix(self), self._labels.reshape(shape)

    def product(self, V: AnyArray, turned: bool) -> AnyArray:
        """Return X V, or X' V, in the precision of the rows; padding is in both."""
        return self._device().product(self._X, V, turned)

    def _grow(self, blocks: int) -> None:
        super()._grow(-(-blocks // self._mesh.size) * self._mesh.size)

    def agreed(self, values: Array) -> Array:
        """Return what the first of the processes has, to all of them."""
        return values if self._mesh.one_process else self._mesh.agreed(values)

    def _empty(self) -> Self:
        out = super()._empty()
        out._mesh, out.closes_up = self._mesh, self.closes_up
        return out

    def still(self) -> DenseRows:
        """Return the same rows in the host's memory, as they are now: to be pickled alone."""
        self._refuse_many()
        return super().still()

    def __getstate__(self) -> dict[str, object]:
        self._refuse_many()
        return {**super().__getstate__(), "_mesh": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        from . import mesh as meshes

        # Devices do not travel: the rows are spread over those there are.
        self.__dict__.update(state, _mesh=meshes.Mesh(meshes.mesh_of(None)))
        X, y = np.asarray(self._X), np.asarray(self._y)
        more = -self.blocks % self._mesh.size
        self.blocks, self.closes_up = self.blocks + more, True
        self._labels = self._on_host(self._labels[: self.n])
        self._scrubbed = self._on_host(self._scrubbed[: self.n])
        X, y = (np.pad(a, ((0, more), *((0, 0),) * (a.ndim - 1))) for a in (X, y))
        self._hold(X, y, hosted=False)

    def _refuse_many(self) -> None:
        if not self._mesh.one_process:
            raise AssumptionError(
                "a pickle or a state of rows that lie in several processes would gather them in "
                "each: keep the data and the requests, or export_predictor()"
            )


class MeshMatrix(Matrix[MeshRows]):
    """Rows on several devices beside one another."""

    def __getitem__(self, here: slice) -> AnyArray:
        return self.rows.gather(np.arange(len(self))[here]).astype(self.dtype)

    def __matmul__(self, V: AnyArray) -> AnyArray:
        with float64():
            return self.rows.product(V, self.turned)
