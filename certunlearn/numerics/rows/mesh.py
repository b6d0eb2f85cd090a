"""What JAX does with rows that are spread over several devices: each sums its own blocks.

Devices of one process or of several make no difference here: every process asks for the same, and
gets the same back.  As `device` in what it offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import Mesh as JaxMesh
from jax.sharding import PartitionSpec as P

from ..._common.arrays import AnyArray, Array
from ...exceptions import ExecutorError
from .device import folded_on, room_for
from .fold import Argument, Kernel, Sums

Arrays: TypeAlias = tuple[jax.Array, ...]
#: The axis of the mesh, and the first axis of what is spread: blocks.
AXIS = "rows"
SPREAD, WHOLE = P(AXIS), P()  # type: ignore[no-untyped-call]


def mesh_of(mesh: JaxMesh | None) -> JaxMesh:
    """Return the same devices in one line: by default those of `jax.set_mesh`, else all there are.

    Its axis is of the kind whose layout XLA works out, whatever kind the caller works with.
    """
    if mesh is None:
        ambient = jax.sharding.get_mesh()
        devices = np.array(jax.devices()) if ambient.empty else ambient.devices
    else:
        devices = mesh.devices
    return JaxMesh(devices.reshape(-1), (AXIS,), axis_types=(AxisType.Auto,))


def unnamed(X: jax.Array) -> jax.Array:
    """Return the same shards of a mesh whose layout XLA works out; they do not move."""
    sharding = X.sharding
    if not isinstance(sharding, NamedSharding):
        return X
    axes = sharding.mesh.axis_names
    mesh = JaxMesh(sharding.mesh.devices, axes, axis_types=(AxisType.Auto,) * len(axes))
    parts = [shard.data for shard in X.addressable_shards]
    how = NamedSharding(mesh, sharding.spec)
    return jax.make_array_from_single_device_arrays(X.shape, how, parts)


class Mesh:
    """The devices that rows are spread over, in one line.

    Parameters
    ----------
    mesh : jax.sharding.Mesh
        Of one axis.
    """

    def __init__(self, mesh: JaxMesh) -> None:
        self.mesh = mesh
        self.size = int(mesh.devices.size)
        self.spread = NamedSharding(mesh, SPREAD)
        self.everywhere = NamedSharding(mesh, WHOLE)

    @property
    def one_process(self) -> bool:
        """Whether this process has all of the devices."""
        return bool(self.spread.is_fully_addressable)

    def room_for(self, numbers: int, kind: type) -> None:
        """Refuse rows that a device has no room for, as `device.room_for`."""
        room_for(numbers, kind, self.mesh.devices.flat)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Work on these devices, whatever mesh the caller works on."""
        try:
            with jax.set_mesh(self.mesh):
                yield
        except jax.errors.JaxRuntimeError as error:
            raise ExecutorError(
                f"a device or process has not done its part: {error}. Nothing has been changed; "
                "where a process is lost start them all again, fit, and repeat the request"
            ) from error

    def made(self, shape: tuple[int, ...], part: Callable[[Any], AnyArray]) -> jax.Array:
        """Make an array of which ``part`` returns what each device of this process holds."""
        return jax.make_array_from_callback(shape, self.spread, part)

    def placed(self, values: AnyArray) -> jax.Array:
        """Spread what every process has whole: each device takes its part, and nothing travels."""
        return self.made(values.shape, lambda at: values[at])

    def copied(self, values: AnyArray | jax.Array) -> jax.Array:
        """Spread, or copy where it lies."""
        if isinstance(values, np.ndarray):
            return self.placed(values)
        with self._inside():
            out: jax.Array = _copy(values)
            return out

    def lent(self, values: jax.Array) -> jax.Array:
        """The same: it lies on the devices."""
        return values

    def relaid(self, X: jax.Array, blocks: int, block: int, ones: bool) -> jax.Array:
        """Lay rows (n, d) out in blocks, with a column of ones or without."""
        shape = blocks, block, ones
        with self._inside():
            out: jax.Array = jax.jit(_relaid, static_argnums=1, out_shardings=self.spread)(X, shape)
            return out

    def finite(self, X: jax.Array) -> bool:
        """Whether all numbers of an array are."""
        with self._inside():
            return bool(jax.jit(_finite, out_shardings=self.everywhere)(X))

    def scan(
        self, kernel: Kernel, X: jax.Array, y: jax.Array, s: Array, args: tuple[Argument, ...]
    ) -> Sums:
        """Fold a kernel over all blocks: as `device.scan`, and the same to every process."""
        with self._inside():
            # Waited for in here: JAX says what was lost where a result is asked for.
            return tuple(map(np.asarray, _scan(self.mesh, kernel, X, y, self.placed(s), args)))

    def gather(self, X: jax.Array, where: AnyArray) -> AnyArray:
        """Rows at flat positions ``where``, shape (m, p), to every process."""
        with self._inside():
            return np.asarray(_gather(self.mesh, X, where))

    def cut(self, X: jax.Array, first: int, count: int) -> AnyArray:
        """So many blocks from ``first`` on, to every process."""
        block = X.shape[1]
        where = np.arange(first * block, (first + count) * block)
        return self.gather(X, where).reshape(count, block, -1)

    def overwrite(
        self,
        X: jax.Array,
        y: jax.Array,
        where: AnyArray,
        rows: AnyArray | float,
        labels: AnyArray | int,
    ) -> Arrays:
        """Return X and y with rows and labels at flat positions; those given are destroyed."""
        with self._inside():
            # Numbers are laid out here: inside, they would be of another type than the rows.
            new = np.broadcast_to(np.asarray(rows, X.dtype), (len(where), *X.shape[2:]))
            named = np.broadcast_to(np.asarray(labels, y.dtype), (len(where), *y.shape[2:]))
            out: Arrays = _overwrite(self.mesh, X, y, where, new, named)
            return out

    def grown(self, X: jax.Array, blocks: int) -> jax.Array:
        """The blocks of X, and zeros after them up to so many; the devices share anew."""
        with self._inside():
            out: jax.Array = jax.jit(_grown, static_argnums=1, out_shardings=self.spread)(X, blocks)
            return out

    def begun(self, X: jax.Array, rows: int) -> jax.Array:
        """The first rows of every block."""
        with self._inside():
            return X[:, :rows]

    def retyped(self, X: jax.Array, kind: type) -> jax.Array:
        """The same numbers in another precision."""
        with self._inside():
            return X.astype(kind)

    def product(self, X: jax.Array, V: AnyArray, turned: bool) -> AnyArray:
        """Return X V over all rows of all blocks, or X' V where ``turned``."""
        with self._inside():
            W = self.placed(V.reshape(*X.shape[:2], *V.shape[1:])) if turned else V
            how = jax.jit(_product, static_argnums=2, out_shardings=self.everywhere)
            return np.asarray(how(X, W, turned))

    def agreed(self, values: Array) -> Array:
        """Return what the first process has."""
        from jax.experimental import multihost_utils

        with self._inside():
            return np.asarray(multihost_utils.broadcast_one_to_all(values))


@partial(jax.jit, static_argnums=(0, 1))
def _scan(
    mesh: JaxMesh, kernel: Kernel, X: jax.Array, y: jax.Array, s: jax.Array, args: Arrays
) -> Arrays:
    def own(X: jax.Array, y: jax.Array, s: jax.Array, args: Arrays) -> Arrays:
        parts = folded_on(kernel, X, y, s, args)
        added = len(parts) - kernel.maxima
        return (*_added(parts[:added]), *_largest(parts[added:]))

    out: Arrays = _on_each(own, mesh, (SPREAD, SPREAD, SPREAD, WHOLE), WHOLE)(X, y, s, args)
    return out


@partial(jax.jit, static_argnums=0)
def _gather(mesh: JaxMesh, X: jax.Array, where: jax.Array) -> jax.Array:
    def own(X: jax.Array, where: jax.Array) -> Arrays:
        mine, at = _here(X, where)
        found = X.reshape(-1, X.shape[2])[at]
        # One device has the row and all others add zeros, which is exact.
        return _added((jnp.where(mine[:, None], found, 0),))

    out: Arrays = _on_each(own, mesh, (SPREAD, WHOLE), WHOLE)(X, where)
    return out[0]


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def _overwrite(
    mesh: JaxMesh, X: jax.Array, y: jax.Array, where: jax.Array, rows: jax.Array, labels: jax.Array
) -> Arrays:
    def own(
        X: jax.Array, y: jax.Array, where: jax.Array, rows: jax.Array, labels: jax.Array
    ) -> Arrays:
        mine, at = _here(X, where)
        count = X.shape[0] * X.shape[1]
        # What lies elsewhere is beyond the end here, and dropped.
        at = jnp.where(mine, at, count)
        flat = X.reshape(count, -1).at[at].set(rows, mode="drop")
        named = y.reshape(count, *y.shape[2:]).at[at].set(labels, mode="drop")
        return flat.reshape(X.shape), named.reshape(y.shape)

    into = SPREAD, SPREAD, WHOLE, WHOLE, WHOLE
    out: Arrays = _on_each(own, mesh, into, (SPREAD, SPREAD))(X, y, where, rows, labels)
    return out


def _added(parts: Arrays) -> Arrays:
    out: Arrays = jax.lax.psum(parts, AXIS)  # type: ignore[no-untyped-call]
    return out


def _largest(parts: Arrays) -> Arrays:
    out: Arrays = jax.lax.pmax(parts, AXIS)  # type: ignore[no-untyped-call]
    return out


def _here(X: jax.Array, where: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return which flat positions lie on this device, and where; 0 for those that do not."""
    count = X.shape[0] * X.shape[1]
    at = where - jax.lax.axis_index(AXIS) * count
    mine = (at >= 0) & (at < count)
    return mine, jnp.where(mine, at, 0)


def _on_each(
    function: Callable[..., Arrays], mesh: JaxMesh, into: tuple[P, ...], out: P | tuple[P, ...]
) -> Callable[..., Arrays]:
    # JAX does not see that what a sum over the devices leaves is everywhere the same.
    return jax.shard_map(function, mesh=mesh, in_specs=into, out_specs=out, check_vma=False)


@jax.jit
def _copy(X: jax.Array) -> jax.Array:
    return jnp.copy(X)


def _finite(X: jax.Array) -> jax.Array:
    return jnp.isfinite(X).all()


def _relaid(X: jax.Array, shape: tuple[int, int, bool]) -> jax.Array:
    blocks, block, ones = shape
    if ones:
        X = jnp.pad(X, ((0, 0), (0, 1)), constant_values=1)
    X = jnp.pad(X, ((0, blocks * block - X.shape[0]), (0, 0)))
    return X.reshape(blocks, block, -1)


def _grown(X: jax.Array, blocks: int) -> jax.Array:
    return jnp.pad(X, ((0, blocks - X.shape[0]), *((0, 0),) * (X.ndim - 1)))


def _product(X: jax.Array, V: jax.Array, turned: bool) -> jax.Array:
    if turned:
        return jnp.einsum("bip,bi...->p...", X, V)
    out = X @ V
    return out.reshape(-1, *out.shape[2:])
