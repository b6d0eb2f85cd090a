"""What JAX does with rows on a device: fold a kernel over them, read and overwrite some."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from ..._common.arrays import AnyArray
from ..losses.namespace import Namespace
from .fold import DenseBlock, Kernel


class DeviceBlock(DenseBlock[jax.Array]):
    """Rows on a device."""

    def grams(self, c: jax.Array) -> jax.Array:
        # One product is compiled, however many columns there are.
        out: jax.Array = jax.lax.map(lambda s: (self.X * s[:, None]).T @ self.X, c.T)
        return out


def folded_on(
    kernel: Kernel, X: jax.Array, y: jax.Array, s: jax.Array, args: tuple[jax.Array, ...]
) -> tuple[jax.Array, ...]:
    """Fold a kernel over blocks of rows, each read once.

    Parameters
    ----------
    X, y, s : array of shape (blocks, block, ...)
        Rows, labels, weights; rows of padding weigh nothing.  X may be float32: it is widened
        block by block, which is exact.
    """

    xp = cast("Namespace[jax.Array]", jnp)

    def body(
        carry: tuple[jax.Array, ...], part: tuple[jax.Array, ...]
    ) -> tuple[tuple[jax.Array, ...], None]:
        # Block by block: all of them widened at once would be a second copy of the rows.
        block = DeviceBlock(xp, part[0].astype(jnp.float64), *part[1:])
        return kernel.join(xp, carry, kernel(xp, block, *args)), None

    start: tuple[jax.Array, ...] = kernel.start(xp, X.shape[2])
    return jax.lax.scan(body, start, (X, y, s))[0]


#: The same on one device.
scan = jax.jit(folded_on, static_argnums=0)


@partial(jax.jit, donate_argnums=0)
def put(X: jax.Array, part: jax.Array, first: int) -> jax.Array:
    """Write blocks from ``first`` on, in place where the backend allows."""
    return jax.lax.dynamic_update_slice_in_dim(X, part, first, axis=0)


@jax.jit
def gather(X: jax.Array, where: jax.Array) -> jax.Array:
    """Rows at flat positions ``where``, shape (m, p)."""
    block = X.shape[1]
    return X[where // block, where % block]


def write(
    X: jax.Array, y: jax.Array, where: jax.Array, rows: jax.Array, labels: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return X and y with rows (m, p) and labels at flat positions ``where``."""
    # Flat positions as block and place in it.
    at = where // X.shape[1], where % X.shape[1]
    return X.at[at].set(rows), y.at[at].set(labels)


#: The same in place, where the backend allows: X and y are destroyed, so that nothing may come
#: between the call and the assignment of what it returns.
overwrite = jax.jit(write, donate_argnums=(0, 1))


def room_for(numbers: int, kind: type, devices: Iterable[jax.Device] = ()) -> None:
    """Refuse rows that one of the devices they are shared by has no room for.

    Raises
    ------
    MemoryError
        Before anything is put there, where the device says what it has.
    """
    devices = list(devices) or jax.devices()[:1]
    needed = numbers * np.dtype(kind).itemsize / len(devices)
    for device in devices:
        # None of a CPU, whose memory is the host's, and of devices of other processes.
        has = device.memory_stats() if device.process_index == jax.process_index() else None
        left = math.inf if has is None else has["bytes_limit"] - has["bytes_in_use"]
        if needed > left:
            raise MemoryError(
                f"the rows need {needed / 2**30:.1f} GiB on {device}, which has "
                f"{left / 2**30:.1f} GiB left: give them as float32, spread them over more devices "
                "(certunlearn.scale.OnMesh), or leave them in files (certunlearn.scale.Shards)"
            )


def zeros(shape: tuple[int, ...], kind: type) -> jax.Array:
    """Zeros on the device."""
    return jnp.zeros(shape, kind)


def copied(values: AnyArray | jax.Array) -> jax.Array:
    """A copy on the device."""
    return jnp.array(values, copy=True)


def lent(values: AnyArray | jax.Array) -> jax.Array:
    """The same memory in JAX's hands, where that is the host's: to be read during one pass."""
    out: jax.Array = jax.device_put(values, may_alias=True)
    return out


def grown(X: jax.Array, blocks: int) -> jax.Array:
    """The blocks of X, and zeros after them up to so many."""
    return jnp.pad(X, ((0, blocks - X.shape[0]), *((0, 0),) * (X.ndim - 1)))


def cut(X: jax.Array, first: int, count: int) -> jax.Array:
    """So many blocks from ``first`` on."""
    return jax.lax.dynamic_slice_in_dim(X, first, count)


def begun(X: jax.Array, rows: int) -> jax.Array:
    """The first rows of every block."""
    return X[:, :rows]


def retyped(X: jax.Array, kind: type) -> jax.Array:
    """The same numbers in another precision."""
    return X.astype(kind)
