"""A Cholesky factor that knows how wrong it is.

The matrices here are sums of outer products (Gram matrices, Hessians, either with rows taken out
again), so by Cauchy-Schwarz every rounding error E met on the way obeys
``|E_ij| <= error * g_i g_j`` with ``g_i^2`` the i-th diagonal entry before any subtraction.
Whitened, that is at most ``error * || |L^{-1}| g ||^2``: no norm of the matrix enters, so the
bound does not see how columns are scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from .._common.rounding import gamma, up
from .norms import _GUARD, norm, spectral_norm

Array = NDArray[np.float64]
#: A slack below this is not worth a matrix product.
_NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Factor:
    """Lower factor L with computed inverse, for an exact matrix M known up to rounding.

    Attributes
    ----------
    lower, inverse : ndarray of shape (q, q)
        L, and X close to L^{-1}.
    slack : float
        ``||X L - I||_F <= slack``.
    spread : float
        ``|| |L^{-1}| g ||_2 <= spread``.
    error : float
        ``|L L' - M| <= error * g g'`` entrywise, the factorisation included.
    theta : float
        ``exp(-theta) L L' <= M <= exp(theta) L L'``; ``inf`` if that cannot be shown.
    diagonal_root : ndarray of shape (q,)
        g, rounded up.

    Notes
    -----
    Guarantee: as the attributes say.  Proof: proofs/factorise.md
    """

    lower: Array
    inverse: Array
    slack: float
    spread: float
    error: float
    theta: float
    diagonal_root: Array

    @property
    def size(self) -> int:
        """q."""
        return len(self.lower)

    def white(self, V: Array) -> Array:
        """Return an approximation of L^{-1} V."""
        out: Array = self.inverse @ V
        return out

    def white_size(self, V: Array) -> Array:
        """Return |X| V, for V >= 0 whose signs are not known."""
        out: Array = np.abs(self.inverse) @ V
        return out

    def whitened(self, v: Array, allowance: Array | float = 0.0) -> float:
        """Upper bound on ``||L^{-1} u||_2`` over all u with ``|u - v| <= allowance``.

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/factorise.md
        """
        tail = np.abs(self.inverse) @ (allowance + gamma(len(v) + 2) * np.abs(v))
        return up((norm(self.inverse @ v) + norm(tail)) / (1.0 - self.slack) * _GUARD)

    def solve(self, v: Array) -> Array:
        """Return an approximation of ``(L L')^{-1} v``."""
        out: Array = self.inverse.T @ (self.inverse @ v)
        return out


def factorise(matrix: Array, diagonal: Array, error: float) -> Factor:
    """Factor a symmetric matrix that stands for an exact one.

    Parameters
    ----------
    matrix : ndarray of shape (q, q)
        Computed matrix; only its lower triangle is read.
    diagonal : ndarray of shape (q,)
        g^2: the diagonal before any subtraction, up to the same relative error.
    error : float
        ``|matrix - M| <= error * g g'`` entrywise.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the computed matrix is not numerically positive definite.

    Notes
    -----
    Guarantee: the attributes of `Factor` hold.  Proof: proofs/factorise.md

    References
    ----------
    Higham (2002), Accuracy and Stability of Numerical Algorithms, Theorems 10.3 and 8.10.
    """
    q = len(matrix)
    lower, info = lapack.dpotrf(matrix, lower=1, clean=1)
    if info != 0 or not np.isfinite(lower).all():
        raise np.linalg.LinAlgError("the matrix is not numerically positive definite")
    inverse, slack = _inverted(lower)
    g = np.sqrt(np.maximum(diagonal, np.diag(matrix))) * _GUARD
    error = up((error + gamma(q + 8)) * _GUARD)
    if not slack < 0.5:
        return Factor(lower, inverse, slack, math.inf, error, math.inf, g)
    spread = norm(np.abs(inverse) @ g) / (1.0 - slack) * _GUARD
    whitened = up(error * spread * spread)
    theta = -math.log1p(-whitened) * _GUARD if whitened < 0.9 else math.inf
    return Factor(lower, inverse, slack, spread, error, theta, g)


def factorise_rows(A: Array) -> Factor:
    """Factor ``M = A' A`` by an orthogonal factorisation of A, without forming it.

    The rounding of A' A costs the square of A's condition number, that of this the number itself.

    Parameters
    ----------
    A : ndarray of shape (m, q)
        Weighted rows, m >= q, known to a few units in every entry.

    Raises
    ------
    numpy.linalg.LinAlgError
        If A is numerically rank deficient.

    Notes
    -----
    Guarantee: the attributes of `Factor` hold, ``error`` only in the sense that
    ``error * spread^2`` bounds the whitened difference of L L' and M.
    Proof: proofs/factorise_rows.md

    References
    ----------
    Higham (2002), Accuracy and Stability of Numerical Algorithms, Theorem 19.4.
    """
    m, q = A.shape
    R: Array = np.asarray(np.linalg.qr(A, mode="r"))
    lower: Array = np.ascontiguousarray((R * np.where(np.diag(R) < 0, -1.0, 1.0)[:, None]).T)
    if not (np.isfinite(lower).all() and (np.diag(lower) > 0).all()):
        raise np.linalg.LinAlgError("the rows are numerically rank deficient")
    inverse, slack = _inverted(lower)
    g = np.sqrt(np.sum(A * A, axis=0)) * _GUARD
    if not slack < 0.5:
        return Factor(lower, inverse, slack, math.inf, math.inf, math.inf, g)
    spread = norm(np.abs(inverse) @ g) / (1.0 - slack) * _GUARD
    # Every column of A is off by at most gamma(10 m q) of its length; diag(g) L^{-T} whitens.
    reach = norm(inverse * g[None, :]) / (1.0 - slack)
    zeta = up(gamma(10 * m * q + 64) * math.sqrt(q) * reach)
    if not zeta < 0.25:
        return Factor(lower, inverse, slack, spread, math.inf, math.inf, g)
    whitened = up(2 * zeta + zeta * zeta)
    return Factor(
        lower, inverse, slack, spread, whitened / spread**2, -math.log1p(-whitened) * _GUARD, g
    )


def _inverted(lower: Array) -> tuple[Array, float]:
    """Return the computed inverse X of a triangular L, and a bound on ``||X L - I||``."""
    q = len(lower)
    inverse, info = lapack.dtrtri(lower, lower=1)
    if info != 0 or not np.isfinite(inverse).all():
        raise np.linalg.LinAlgError("the factor cannot be inverted")
    residual = blas.dtrmm(1.0, inverse, lower, lower=1)
    residual[np.diag_indices(q)] -= 1.0
    # Squares that underflow are paid for by the last term.
    slack = float(np.linalg.norm(residual)) * _GUARD + q * 1e-150
    # |X| |L| = (|X| D) (D^{-1} |L|) with D the rows' largest entries: no product is needed ...
    reach = inverse * np.max(np.abs(lower), axis=1)
    rounding = gamma(q + 2) * q * float(np.linalg.norm(reach)) * _GUARD
    if not rounding < _NEGLIGIBLE:
        # ... unless it would matter.
        rounding = gamma(q + 2) * norm(np.abs(inverse) @ np.abs(lower))
    return inverse, slack + rounding


def whitened_norm(factor: Factor, A: Array, spare: int = 4) -> float:
    """Upper bound on ``||L^{-1} A||_2`` for a matrix A (q, m) known to ``spare - 4`` units.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/largest_eigenvalue.md
    """
    N, wrong = factor.inverse @ A, gamma(len(A) + spare)
    largest = norm(N) if min(N.shape) <= 1 else spectral_norm(N)
    rounding = wrong * norm(np.abs(factor.inverse) @ np.abs(A))
    return up((largest + rounding) / (1.0 - factor.slack) * (1 + 1e-9))


def growth(old: Factor, new: Factor) -> float:
    """Upper bound on ``max ||u||_{new^{-1}} / ||u||_{old^{-1}}``, both as their L L'.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/growth.md
    """
    if not new.slack < 0.5:
        return math.inf
    N = new.inverse @ old.lower
    wrong = gamma(len(N) + 2) * norm(np.abs(new.inverse) @ np.abs(old.lower))
    return up((spectral_norm(N) + wrong) / (1.0 - new.slack) * (1 + 1e-9))
