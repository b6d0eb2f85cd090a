"""Pointwise convex losses in the margins, with the constants their certificates need.

Margins ``Z`` have shape (n, K); labels are integer columns of shape (n,).  ``K`` is 1 for the
binary logistic loss (labels 0, 1) and the number of classes for softmax.  A loss is generalised
self-concordant with constant R: |l'''| <= R l'' along every direction, measured by the range of
the direction over the columns.  kappa bounds its curvature.  Proof: proofs/gsc_constants.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Loss(Protocol):
    """What the objective needs to know of a loss (slope = first derivative in the margin)."""

    @property
    def columns(self) -> int: ...

    @property
    def R(self) -> float: ...

    @property
    def kappa(self) -> float: ...

    def value(self, Z: Any, y: Any) -> Any: ...

    def slope(self, Z: Any, y: Any) -> Any: ...

    def diagonal(self, Z: Any) -> Any: ...

    def curve(self, Z: Any, U: Any) -> Any: ...


@dataclass(frozen=True)
class Logistic:
    """Binary logistic loss ``log(1 + exp(-(2y-1) z))``: |l'''| <= l'', l'' <= 1/4."""

    columns: int = 1
    R: float = 1.0
    kappa: float = 0.25

    def value(self, Z: Any, y: Any) -> Any:
        """Loss of each row, shape (n,)."""
        import jax.numpy as jnp

        return jnp.logaddexp(0.0, (1.0 - 2.0 * y) * Z[:, 0])

    def slope(self, Z: Any, y: Any) -> Any:
        """Derivative in the margin, shape (n, 1), accurate to a few units relatively."""
        import jax

        sign = (1.0 - 2.0 * y)[:, None]
        return sign * jax.nn.sigmoid(sign * Z)

    def diagonal(self, Z: Any) -> Any:
        """Second derivative in the margin, shape (n, 1)."""
        import jax

        return jax.nn.sigmoid(Z) * jax.nn.sigmoid(-Z)

    def curve(self, Z: Any, U: Any) -> Any:
        """Second derivative applied to a direction U of shape (n, 1)."""
        return self.diagonal(Z) * U


@dataclass(frozen=True)
class Softmax:
    """Multinomial logistic loss over ``columns`` classes.

    The curvature matrix is ``diag(p) - p p'`` (at most 1/2: Boehning 1992); its third
    derivative is bounded by the range of the direction over the classes, so R = 1.
    """

    columns: int
    R: float = 1.0
    kappa: float = 0.5

    def value(self, Z: Any, y: Any) -> Any:
        """Loss of each row, shape (n,)."""
        import jax.numpy as jnp
        from jax.scipy.special import logsumexp

        own = jnp.take_along_axis(Z, y[:, None], axis=1)[:, 0]
        return logsumexp(Z, axis=1) - own

    def probability(self, Z: Any) -> Any:
        """Probabilities of the classes, shape (n, K)."""
        import jax

        return jax.nn.softmax(Z, axis=1)

    def slope(self, Z: Any, y: Any) -> Any:
        """Probabilities minus the one-hot label, shape (n, K), without cancellation."""
        import jax
        import jax.numpy as jnp

        p = self.probability(Z)
        own = jax.nn.one_hot(y, self.columns, dtype=Z.dtype)
        others = jnp.sum(p * (1.0 - own), axis=1, keepdims=True)
        return p * (1.0 - own) - own * others

    def diagonal(self, Z: Any) -> Any:
        """Diagonal ``p (1 - p)`` of the curvature, shape (n, K), without cancellation."""
        import jax
        import jax.numpy as jnp

        p = self.probability(Z)
        top = jax.nn.one_hot(jnp.argmax(p, axis=1), self.columns, dtype=Z.dtype)
        # 1 - p of the likeliest class is what the others hold; elsewhere p is at most 1/2.
        others = jnp.sum(p * (1.0 - top), axis=1, keepdims=True)
        return p * jnp.where(top > 0, others, 1.0 - p)

    def curve(self, Z: Any, U: Any) -> Any:
        """Curvature applied to a direction U of shape (n, K)."""
        import jax.numpy as jnp

        p = self.probability(Z)
        return p * (U - jnp.sum(p * U, axis=1, keepdims=True))
