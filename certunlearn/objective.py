"""The regularised empirical risk over rows, swept block by block under jit in float64.

The one convention, stated once::

    F(W) = sum_i s_i loss(x_i W, y_i) + 1/2 sum_j alpha_j ||W_j||^2 + 1/2 rho (sum_k W_{b,k})^2

``W`` has shape (p, K), the intercept (if any) in its last row b.  Vectors of length p K are
class-major: ``W.T.ravel()``.  The gauge term (rho > 0, softmax with an intercept only) pins the
direction in which adding one number to every intercept changes nothing; the optimum with
intercepts summing to zero is the optimum without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._rounding import UNIT_ROUNDOFF, gamma
from .losses import Logistic, Loss
from .rows import DenseRows

Array = NDArray[np.float64]
_TINY = 1e-290


class Measurement(NamedTuple):
    """One pass at W: objective, gradient, its rounding allowance, and the two margin figures.

    ``allowance`` bounds |computed - exact| gradient componentwise; ``moved`` bounds
    R max_i range(x_i (W - W_ref)); ``margin_error`` bounds the rounding of any margin's range.
    """

    value: float
    gradient: Array
    allowance: Array
    moved: float
    margin_error: float


def _jitted() -> Any:
    """Compile the sweeps once, on first use, so that importing the package stays light."""
    import jax
    import jax.numpy as jnp

    def margin_range(Z: Any) -> Any:
        if Z.shape[1] == 1:
            return jnp.abs(Z[:, 0])
        return jnp.max(Z, axis=1) - jnp.min(Z, axis=1)

    @partial(jax.jit, static_argnums=0)
    def measure(loss: Loss, X: Any, y: Any, s: Any, W: Any, step: Any, unit: Any) -> Any:
        def body(carry: Any, block: Any) -> Any:
            value, grad, size, moved, worst = carry
            Xb, yb, sb = block
            Z, absX = Xb @ W, jnp.abs(Xb)
            slope = loss.slope(Z, yb)
            curv = loss.curvature(Z) if loss.columns == 1 else jax.nn.softmax(Z, axis=1)
            if loss.columns > 1:
                curv = curv * (1.0 - curv)
            error = unit * (absX @ jnp.abs(W))
            rho = error if loss.columns == 1 else 2 * jnp.max(error, axis=1, keepdims=True)
            dslope = jnp.exp(rho) * rho * (curv + _TINY) + 64 * loss.columns * 2.0**-53 * jnp.abs(
                slope
            )
            sb1 = sb[:, None]
            alive = (sb > 0).astype(W.dtype)
            value = value + jnp.sum(sb * loss.value(Z, yb))
            grad = grad + Xb.T @ (sb1 * slope)
            size = size + jnp.stack([absX.T @ (sb1 * jnp.abs(slope)), absX.T @ (sb1 * dslope)])
            shift = margin_range(Xb @ step)
            moved = jnp.maximum(moved, jnp.max(alive * shift))
            worst = jnp.maximum(worst, jnp.max(alive * jnp.max(rho, axis=1)))
            return (value, grad, size, moved, worst), None

        zero = jnp.zeros((), W.dtype)
        start = (zero, jnp.zeros_like(W), jnp.zeros((2, *W.shape), W.dtype), zero, zero)
        return jax.lax.scan(body, start, (X, y, s))[0]

    @partial(jax.jit, static_argnums=0)
    def hessian(loss: Loss, X: Any, s: Any, W: Any) -> Any:
        K, p = loss.columns, W.shape[0]

        def body(carry: Any, block: Any) -> Any:
            first, cross = carry
            Xb, sb = block
            c = loss.curvature(Xb @ W) * sb[:, None]
            first = first + jnp.stack([(Xb * c[:, k : k + 1]).T @ Xb for k in range(K)])
            if K > 1:
                prob = loss.curvature(Xb @ W)
                A = (prob[:, :, None] * Xb[:, None, :]).reshape(Xb.shape[0], K * p)
                cross = cross + (A * sb[:, None]).T @ A
            return (first, cross), None

        q = K * p if K > 1 else 1
        start = jnp.zeros((K, p, p), W.dtype), jnp.zeros((q, q), W.dtype)
        return jax.lax.scan(body, start, (X, s))[0]

    @jax.jit
    def gram(X: Any, s: Any) -> Any:
        def body(carry: Any, block: Any) -> Any:
            Xb, sb = block
            return carry + (Xb * sb[:, None]).T @ Xb, None

        p = X.shape[2]
        return jax.lax.scan(body, jnp.zeros((p, p), X.dtype), (X, s))[0]

    @jax.jit
    def leverage(X: Any, s: Any, inverses: Any) -> Any:
        def body(carry: Any, block: Any) -> Any:
            Xb, sb = block
            alive = (sb > 0).astype(Xb.dtype)
            sq = [alive * jnp.sum((Xb @ inverses[k].T) ** 2, axis=1) for k in range(len(inverses))]
            top = jnp.sort(jnp.stack(sq), axis=0)[-2:]
            return jnp.maximum(carry, jnp.max(jnp.sum(top, axis=0))), None

        return jax.lax.scan(body, jnp.zeros((), X.dtype), (X, s))[0]

    return measure, hessian, gram, leverage


_SWEEPS: list[Any] = []


def _sweeps() -> Any:
    if not _SWEEPS:
        _SWEEPS.extend(_jitted())
    return _SWEEPS


@dataclass
class Objective:
    """The risk over ``rows`` under ``weight``; call its methods inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    rows : DenseRows
        Where the rows live.
    loss : Logistic or Softmax
        The pointwise loss.
    weight : ndarray of shape (n,)
        Effective weights s_i of this training set (0 for rows outside it).
    alpha : ndarray of shape (p,)
        L2 penalty of each coordinate.
    gauge : float
        rho, zero unless softmax has an unpenalised intercept.
    """

    rows: DenseRows
    loss: Loss
    weight: Array
    alpha: Array
    gauge: float = 0.0

    def __post_init__(self) -> None:
        self._padded = self.rows.padded(self.weight)

    @property
    def sum_length(self) -> int:
        """Longest chain of additions a sum over rows may form (any order inside a block)."""
        return self.rows.block + self.rows.blocks + 8

    def measure(self, W: Array, W_ref: Array) -> Measurement:
        """Sweep the rows once at ``W``; see `Measurement`.

        Notes
        -----
        Guarantee: |gradient - exact gradient at W| <= allowance, componentwise.
        """
        X, y = self.rows.on_device()
        step = W - W_ref
        unit = gamma(self.rows.p + 4)
        out = _sweeps()[0](self.loss, X, y, self._padded, W, step, unit)
        value, grad, (size, spread), moved, worst = (np.asarray(a, dtype=np.float64) for a in out)
        if not np.isfinite(grad).all():
            raise FloatingPointError("the gradient is not finite")
        ridge = self.alpha[:, None] * W
        total = grad + ridge
        parts = size + np.abs(ridge)
        regular = 0.5 * float(np.sum(ridge * W))
        if self.gauge:
            gauge = self.gauge * float(np.sum(W[-1]))
            total[-1] += gauge
            parts[-1] += abs(gauge) + self.gauge * float(np.sum(np.abs(W[-1])))
            regular += 0.5 * gauge * float(np.sum(W[-1]))
        allowance = 1.001 * (gamma(self.sum_length + 8) * parts + spread) + _TINY
        # The exact W - W_ref differs from the computed one by half a unit a coordinate.
        slack = 2 * unit * self.radius_bound(np.abs(W) + np.abs(W_ref)) if step.any() else 0.0
        return Measurement(
            float(value) + regular,
            total,
            allowance,
            self.loss.R * float(moved) * (1 + 1e-12) + self.loss.R * slack,
            1.001 * float(worst),
        )

    def radius_bound(self, absW: Array) -> float:
        """Upper bound on max_i max_k |x_i| absW_k over the rows, from column maxima alone."""
        if not hasattr(self, "_column_max"):
            self._column_max = np.max(np.abs(self.rows.X), axis=0)
        return float(np.max(self._column_max @ absW)) * (1 + 1e-12)

    def gram(self, kappa: float) -> Array:
        """Return G = kappa sum s x x' + diag(alpha), shape (p, p), intercept included."""
        X, _ = self.rows.on_device()
        G = kappa * np.asarray(_sweeps()[2](X, self._padded)) + np.diag(self.alpha)
        return 0.5 * (G + G.T)

    def hessian(self, W: Array) -> tuple[Array, Array]:
        """Return (H, diagonal before subtraction): shapes (pK, pK) and (pK,), gauge included."""
        X, _ = self.rows.on_device()
        first, cross = (np.asarray(a) for a in _sweeps()[1](self.loss, X, self._padded, W))
        return self._assemble(first, cross)

    def row_hessian(self, W: Array, positions: NDArray[np.int64], weight: Array) -> Array:
        """Return the Hessian at ``W`` of the rows at ``positions`` alone, without any penalty."""
        X, s, K = self.rows.X[positions], weight, self.loss.columns
        Z = X @ W
        if isinstance(self.loss, Logistic):
            t = np.exp(-np.abs(Z[:, 0]))
            return (X * (s * t / (1 + t) ** 2)[:, None]).T @ X
        P = np.exp(Z - Z.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        A = (P[:, :, None] * X[:, None, :]).reshape(len(X), -1)
        H = -(A * s[:, None]).T @ A
        p = self.rows.p
        for k in range(K):
            H[k * p : (k + 1) * p, k * p : (k + 1) * p] += (X * (s * P[:, k])[:, None]).T @ X
        return H

    def hessian_at_zero(self, gram: Array, kappa: float) -> tuple[Array, Array]:
        """Return the Hessian at W = 0 from the Gram already at hand: no sweep."""
        K, p = self.loss.columns, self.rows.p
        raw = (gram - np.diag(self.alpha)) / kappa
        if K == 1:
            return self._assemble(0.25 * raw[None], np.zeros((1, 1)))
        return self._assemble(
            np.stack([raw / K] * K), np.kron(np.ones((K, K)) / K**2, raw).reshape(K * p, K * p)
        )

    def _assemble(self, first: Array, cross: Array) -> tuple[Array, Array]:
        K, p = self.loss.columns, self.rows.p
        H = -cross if K > 1 else np.zeros((p, p))
        for k in range(K):
            H[k * p : (k + 1) * p, k * p : (k + 1) * p] += first[k]
        diagonal = np.concatenate([np.diag(f) + self.alpha for f in first])
        H[np.diag_indices(K * p)] += np.tile(self.alpha, K)
        if self.gauge:
            last = np.arange(p - 1, K * p, p)
            H[np.ix_(last, last)] += self.gauge
            diagonal[last] += self.gauge
        if not np.isfinite(H).all():
            raise FloatingPointError("the Hessian is not finite")
        return 0.5 * (H + H.T), diagonal

    def largest_leverage(self, inverse: Array) -> float:
        """Upper bound on R max over rows (and pairs of classes) of ||(e_k - e_l) (x) x||_{M^{-1}}.

        ``inverse`` is X = L^{-1}, M = L L'.  With K classes ||a - b||^2 <= 2 (||a||^2 + ||b||^2).
        """
        X, _ = self.rows.on_device()
        K, p = self.loss.columns, self.rows.p
        pieces = [np.linalg.qr(inverse[:, k * p : (k + 1) * p], mode="r") for k in range(K)]
        square = float(_sweeps()[3](X, self._padded, np.stack(pieces)))
        factor = 1.0 if K == 1 else 2.0
        return self.loss.R * float(np.sqrt(factor * square)) * (1 + 1e-9) + 1e3 * UNIT_ROUNDOFF
