"""Jitted sweeps over blocks of rows: one read of every row, whatever is summed.

Arrays come blocked: X (blocks, block, p), y and s (blocks, block); real targets of several columns
are (blocks, block, K).  Padding rows have s = 0.  ``table`` maps a row's original class to its
column (0 for classes no longer there, whose rows weigh nothing); it is None for real targets.
X may be float32; all arithmetic is in float64.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ..losses.margins import Loss, Softmax
from ..losses.slopes import counted, slopes


def _wide(block: Any) -> Any:
    """Return a block with its rows as float64, which is exact."""
    return block[0].astype(jnp.float64), *block[1:]


def _label(table: Any, y: Any) -> Any:
    """Return what the loss takes as labels."""
    return y if table is None else jnp.take(table, y)


def _margins(X: Any, W: Any) -> Any:
    """Return X W, (n, K); for one column as dot products of rows, which are twice as fast."""
    return (W[:, 0] @ X.T)[:, None] if W.shape[1] == 1 else X @ W


def _combined(X: Any, c: Any) -> Any:
    """Return X' c, (p, K), with the same care."""
    return (c[:, 0] @ X)[:, None] if c.shape[1] == 1 else X.T @ c


@partial(jax.jit, static_argnums=0)
def measure(
    loss: Loss, X: Any, y: Any, table: Any, s: Any, W: Any, step: Any, units: tuple[Any, Any]
) -> Any:
    """Value, gradient, its errors, largest range of X step and of margin error.

    ``units`` are the relative errors of a margin and of a sum over rows.  The errors are (p, 2K):
    those of the sum, and of the margins pushed through the slope; and a bound on the latter in the
    norm of the inverse Hessian.
    """
    K = W.shape[1]

    def body(carry: Any, block: Any) -> Any:
        value, grad, wrong, shaken, moved, worst = carry
        Xb, yb, sb = _wide(block)
        code, absX = _label(table, yb), jnp.abs(Xb)
        Z = counted(loss, _margins(Xb, W), sb)
        found = slopes(loss, Z, code, units[0] * _margins(absX, jnp.abs(W)), units[1])
        both = jnp.concatenate([found.evaluated, found.pushed], axis=1)
        s1, alive = sb[:, None], (sb > 0).astype(W.dtype)
        value = value + jnp.sum(sb * loss.value(Z, code))
        grad = grad + _combined(Xb, s1 * found.slope)
        wrong = wrong + absX.T @ (s1 * both)
        shaken = shaken + jnp.sum(found.along(loss, sb))
        moved = jnp.maximum(moved, jnp.max(alive * loss.margin_range(_margins(Xb, step))))
        worst = jnp.maximum(worst, jnp.max(alive * found.margin_range))
        return (value, grad, wrong, shaken, moved, worst), None

    zero = jnp.zeros((), W.dtype)
    start = (zero, jnp.zeros_like(W), jnp.zeros((W.shape[0], 2 * K), W.dtype), zero, zero, zero)
    return jax.lax.scan(body, start, (X, y, s))[0]


@partial(jax.jit, static_argnums=0)
def risk(loss: Loss, X: Any, y: Any, table: Any, s: Any, W: Any) -> Any:
    """Value and gradient of the data term, without their errors."""

    def body(carry: Any, block: Any) -> Any:
        Xb, yb, sb = _wide(block)
        code, Z = _label(table, yb), counted(loss, _margins(Xb, W), sb)
        value = carry[0] + jnp.sum(sb * loss.value(Z, code))
        return (value, carry[1] + _combined(Xb, sb[:, None] * loss.slope(Z, code))), None

    start = jnp.zeros((), W.dtype), jnp.zeros_like(W)
    return jax.lax.scan(body, start, (X, y, s))[0]


@partial(jax.jit, static_argnums=0)
def hessian(loss: Loss, X: Any, y: Any, table: Any, s: Any, W: Any) -> Any:
    """Curvature sums: diagonal blocks (K, p, p), and p_k p_l x x' for all pairs of classes."""
    K, p = loss.columns, W.shape[0]

    def body(carry: Any, block: Any) -> Any:
        first, cross = carry
        Xb, yb, sb = _wide(block)
        Z = counted(loss, _margins(Xb, W), sb)
        c = loss.diagonal(Z, _label(table, yb)) * sb[:, None]
        first = first + jnp.stack([(Xb * c[:, k : k + 1]).T @ Xb for k in range(K)])
        if not isinstance(loss, Softmax):
            return (first, cross), None
        P = loss.probability(Z)
        A = (P[:, :, None] * Xb[:, None, :]).reshape(Xb.shape[0], K * p)
        return (first, cross + (A * sb[:, None]).T @ A), None

    q = K * p if loss.coupled else 1
    start = jnp.zeros((K, p, p), W.dtype), jnp.zeros((q, q), W.dtype)
    return jax.lax.scan(body, start, (X, y, s))[0]


@partial(jax.jit, static_argnums=0)
def hvp(loss: Loss, X: Any, y: Any, table: Any, s: Any, W: Any, V: Any) -> Any:
    """Hessian-vector product of the data term, shape of V."""

    def body(carry: Any, block: Any) -> Any:
        Xb, yb, sb = _wide(block)
        U = loss.curve(counted(loss, _margins(Xb, W), sb), _label(table, yb), _margins(Xb, V))
        return carry + _combined(Xb, sb[:, None] * U), None

    return jax.lax.scan(body, jnp.zeros_like(V), (X, y, s))[0]


@partial(jax.jit, static_argnums=0)
def couplings(loss: Loss, X: Any, y: Any, table: Any, s: Any, W: Any) -> Any:
    """Sum of s p p', (K, K), p the probabilities at W, and 1/2; or else of s times the curvature
    of each column, as a diagonal, and the largest curvature of a row."""
    K = loss.columns

    def body(carry: Any, block: Any) -> Any:
        total, largest = carry
        Xb, yb, sb = _wide(block)
        Z = counted(loss, _margins(Xb, W), sb)
        if isinstance(loss, Softmax):
            P = loss.probability(Z)
            return (total + (P * sb[:, None]).T @ P, largest), None
        c = loss.diagonal(Z, _label(table, yb))
        largest = jnp.maximum(largest, jnp.max(jnp.where(sb[:, None] > 0, c, 0.0)))
        return (total + jnp.diag(jnp.sum(sb[:, None] * c, axis=0)), largest), None

    first = jnp.full((), loss.kappa if loss.coupled else 0.0, W.dtype)
    return jax.lax.scan(body, (jnp.zeros((K, K), W.dtype), first), (X, y, s))[0]


@jax.jit
def gram(X: Any, s: Any) -> Any:
    """Sum of s x x', shape (p, p)."""

    def body(carry: Any, block: Any) -> Any:
        Xb, sb = _wide(block)
        return carry + (Xb * sb[:, None]).T @ Xb, None

    p = X.shape[2]
    return jax.lax.scan(body, jnp.zeros((p, p), s.dtype), (X, s))[0]


@partial(jax.jit, static_argnums=0)
def leverage(pairs: int, X: Any, s: Any, inverses: Any) -> Any:
    """Largest sum over rows of the ``pairs`` largest ||inverses[k] x||^2."""

    def body(carry: Any, block: Any) -> Any:
        Xb, sb = _wide(block)
        alive = (sb > 0).astype(Xb.dtype)
        squares = [alive * jnp.sum((Xb @ inverses[k].T) ** 2, axis=1) for k in range(len(inverses))]
        top = jnp.sort(jnp.stack(squares), axis=0)[-pairs:]
        return jnp.maximum(carry, jnp.max(jnp.sum(top, axis=0))), None

    return jax.lax.scan(body, jnp.zeros((), s.dtype), (X, s))[0]


@jax.jit
def length(X: Any, s: Any, root: Any) -> Any:
    """Largest sum of (x_j root_j)^2 of a row of positive weight."""

    def body(carry: Any, block: Any) -> Any:
        Xb, sb = _wide(block)
        squares = jnp.sum((Xb * root) ** 2, axis=1)
        return jnp.maximum(carry, jnp.max(jnp.where(sb > 0, squares, 0.0))), None

    return jax.lax.scan(body, jnp.zeros((), s.dtype), (X, s))[0]


@jax.jit
def column_max(X: Any) -> Any:
    """Largest |x_ij| of each column, shape (p,)."""
    return jnp.max(jnp.abs(X), axis=(0, 1))


@partial(jax.jit, donate_argnums=0)
def put(X: Any, part: Any, first: Any) -> Any:
    """Write blocks from ``first`` on, in place where the backend allows."""
    return jax.lax.dynamic_update_slice_in_dim(X, part, first, axis=0)


@jax.jit
def gather(X: Any, where: Any) -> Any:
    """Rows at flat positions ``where``, shape (m, p)."""
    block = X.shape[1]
    return X[where // block, where % block]


def write(X: Any, y: Any, where: Any, rows: Any, labels: Any) -> Any:
    """Return X and y with rows (m, p) and labels at flat positions ``where``."""
    at = where // X.shape[1], where % X.shape[1]
    return X.at[at].set(rows), y.at[at].set(labels)


#: The same in place, where the backend allows: X and y are destroyed, so that nothing may come
#: between the call and the assignment of what it returns.
overwrite = jax.jit(write, donate_argnums=(0, 1))
