"""A Cholesky factor that knows how wrong it is.

The matrices here are sums of outer products (Gram matrices, Hessians, either with rows taken out
again), so by Cauchy-Schwarz every rounding error E met on the way obeys
``|E_ij| <= error * g_i g_j`` with ``g_i^2`` the i-th diagonal entry before any subtraction.
Whitened, that is at most ``error * || |L^{-1}| g ||^2``: no norm of the matrix enters, so the
bound does not see how columns are scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from .._common.cached import cached_property
from .._common.replaced import replace
from .._common.rounding import GUARD, gamma, up
from .norms import norm, spectral_norm

Array = NDArray[np.float64]
#: A slack below this is not worth a matrix product.
_NEGLIGIBLE = 1e-10
#: An error that is so small a part of a length may be bounded crudely.
_SLIGHT = 1e-4
#: What a factor loses may leave so little of it; below, the new one is inverted and measured.
_LEAST = 0.02
_BOUNDS = ("spread", "error", "theta")


@dataclass(frozen=True)
class Factor:
    """Lower factor L, for an exact matrix M known up to rounding.

    Attributes
    ----------
    lower : ndarray of shape (q, q)
        L.
    spread : float
        ``g'|v| <= spread ||L'v||_2`` for every v.
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
    spread: float
    error: float
    theta: float
    diagonal_root: Array

    @property
    def size(self) -> int:
        """q."""
        return len(self.lower)

    def __getstate__(self) -> dict[str, object]:
        """Return the attributes alone: what follows from them is made again where it is asked."""
        return {f.name: self.__dict__[f.name] for f in fields(self)}

    @property
    def inverse(self) -> Array:
        """X close to L^{-1}, shape (q, q); made once, where it is first asked for."""
        return self._inverse[0]

    @property
    def slack(self) -> float:
        """A bound on ``||X L - I||_F``."""
        return self._inverse[1]

    @cached_property
    def _inverse(self) -> tuple[Array, float]:
        return _inverted(self.lower)

    @cached_property
    def variance(self) -> Array:
        """The diagonal of ``(L L')^{-1}``, to some digits, shape (q,)."""
        out: Array = np.sum(self.inverse**2, axis=0)
        return out

    @cached_property
    def reach(self) -> Array:
        """Lengths of the columns of X, shape (q,)."""
        # reach_j = ||X e_j||, for || |X| a || <= sum_j a_j ||X e_j||.
        out: Array = np.sqrt(np.einsum("ij,ij->j", self.inverse, self.inverse)) * GUARD
        return out

    def white(self, V: Array) -> Array:
        """Return an approximation of L^{-1} V."""
        out: Array = self.inverse @ V
        return out

    def white_size(self, V: Array) -> Array:
        """Return |X| V, for V >= 0 whose signs are not known."""
        out: Array = np.abs(self.inverse) @ V
        return out

    def whitened(self, v: Array, allowance: Array | float = 0.0, against: float = 0.0) -> float:
        """Upper bound on ``||L^{-1} u||_2`` over all u with ``|u - v| <= allowance``.

        Parameters
        ----------
        against : float
            A length of which a ten-thousandth does not matter to the caller.

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/factorise.md
        """
        # X u is off the computed X v by at most |X| (a + gamma(q + 2) |v|).
        size, allowance = norm(self.inverse @ v), allowance + gamma(len(v) + 2) * np.abs(v)
        # || |X| a || <= sum_j a_j ||X e_j||: no matrix is read, unless it would matter.
        tail = float(self.reach @ allowance) * GUARD
        if not tail <= _SLIGHT * max(size, against):
            tail = norm(np.abs(self.inverse) @ allowance)
        # L^{-1} = (I + F)^{-1} X with ||F|| <= slack.
        return up((size + tail) / (1.0 - self.slack) * GUARD)

    def solve(self, v: Array) -> Array:
        """Return an approximation of ``(L L')^{-1} v``."""
        out: Array = self.inverse.T @ (self.inverse @ v)
        return out

    def _spread_by(self, spread: float) -> Factor:
        """Return this with its spread known, and what follows from it."""
        # |v'(L L' - M) v| <= error (g'|v|)^2 <= error spread^2 ||L'v||^2 = x ||L'v||^2.
        whitened = up(self.error * spread * spread)
        # (1 - x) L L' <= M <= (1 + x) L L', and -log(1 - x) >= log(1 + x).
        theta = -math.log1p(-whitened) * GUARD if whitened < 0.9 else math.inf
        return self._with(spread, self.error, theta)

    def _with(self, spread: float, error: float, theta: float) -> Factor:
        """Return the same L, what is known of it kept, under other bounds."""
        out = replace(self, spread=spread, error=error, theta=theta)
        out.__dict__.update({k: v for k, v in self.__dict__.items() if k not in _BOUNDS})
        return out


def factorise(matrix: Array, diagonal: Array, error: float) -> Factor:
    """Factor a symmetric matrix that stands for an exact one.

    Parameters
    ----------
    matrix : ndarray of shape (q, q)
        Computed matrix; only its upper triangle is read.
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
    f = _bare(matrix, diagonal, error)
    if not f.slack < 0.5:
        return f
    # g'|v| = g'|L^{-T} (L'v)| <= || |L^{-1}| g || ||L'v||, |L^{-1}| g <= |(I + F)^{-1}| |X| g.
    spread = norm(np.abs(f.inverse) @ f.diagonal_root) / (1.0 - f.slack) * GUARD
    return f._spread_by(spread)


def downdated(old: Factor, matrix: Array, diagonal: Array, error: float, gone: Array) -> Factor:
    """Factor what is left of a matrix after a few rows have gone: nothing is inverted.

    Parameters
    ----------
    old : Factor
        Of M.
    matrix, diagonal, error
        As in `factorise`, of ``M - gone gone'``.
    gone : ndarray of shape (q, m)
        Each entry right to four units, no row longer than g.

    Returns
    -------
    Factor
        Its ``spread`` is bounded by the old one and the share that has gone, or measured as
        `factorise` does where hardly anything would be left.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the computed matrix is not numerically positive definite.

    Notes
    -----
    Guarantee: the attributes of `Factor` hold.  Proof: proofs/downdated.md
    """
    new = _bare(matrix, diagonal, error)
    q, m = gone.shape
    if not math.isfinite(old.spread) or m > q // 2:
        return factorise(matrix, diagonal, error)
    # ratio >= g / g_o in every coordinate: rows put in before may have raised it.
    g = float(np.max(new.diagonal_root / old.diagonal_root)) * GUARD
    # V = L_o^{-1} Z; (L_o + Delta) v = z with |Delta| <= gamma(q) |L_o| (Higham 8.5).
    V, _ = lapack.dtrtrs(old.lower, gone, lower=1)
    # gamma(q) spread_o sqrt(q) ||v|| a column, and Z's own four units: 4u spread_o sqrt(m).
    wrong = old.spread * (gamma(q + 4) * math.sqrt(q) * norm(V) + 4 * gamma(1) * math.sqrt(m))
    share = (spectral_norm(V) + wrong * GUARD) ** 2
    # v'L L'v >= (1 - share - error_o spread_o^2 - error' ratio^2 spread_o^2) ||L_o'v||^2.
    left = 1.0 - share - (old.error + new.error * g * g) * old.spread**2
    if not left > _LEAST:
        return factorise(matrix, diagonal, error)
    # g'|v| <= ratio spread_o ||L_o'v|| <= ratio spread_o left^{-1/2} ||L'v||.
    new = new._spread_by(up(g * old.spread / math.sqrt(left) * GUARD))
    if "variance" in old.__dict__:
        # Woodbury: (M - Z Z')^{-1} = M^{-1} + U (I - V'V)^{-1} U', U = L_o^{-T} V; nothing is
        # claimed.
        # V'V <= share < 1: what is left of the unit matrix is positive definite.
        U, _ = lapack.dtrtrs(old.lower, V, lower=1, trans=1)
        _, inner, _ = lapack.dposv(np.eye(m) - V.T @ V, U.T)
        new.__dict__["variance"] = old.variance + np.sum(U * inner.T, axis=1)
    return new


def _bare(matrix: Array, diagonal: Array, error: float) -> Factor:
    """Factor a matrix, its spread not known yet."""
    q = len(matrix)
    # Transposed a matrix of rows is one of columns, which need not be copied into another order.
    lower, info = lapack.dpotrf(matrix.T, lower=1, clean=1)
    # What is not finite leaves the pivot of its row neither finite nor positive.
    if info != 0 or not np.isfinite(np.diag(lower)).all():
        raise np.linalg.LinAlgError("the matrix is not numerically positive definite")
    # The larger of both diagonals: ||L_i||^2 <= matrix_ii / (1 - gamma) bounds |L||L'|.
    g = np.sqrt(np.maximum(diagonal, np.diag(matrix))) * GUARD
    # |L L' - matrix| <= gamma(q + 1)|L||L'| (Higham 10.3); q + 8 with 1 / (1 - gamma) and to spare.
    return Factor(lower, math.inf, up((error + gamma(q + 8)) * GUARD), math.inf, g)


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
    g = np.sqrt(np.sum(A * A, axis=0)) * GUARD
    f = Factor(lower, math.inf, math.inf, math.inf, g)
    if not f.slack < 0.5:
        return f
    spread = norm(np.abs(f.inverse) @ g) / (1.0 - f.slack) * GUARD
    # Every column of A is off by at most gamma(10 m q) of its length; diag(g) L^{-T} whitens.
    reach = norm(f.inverse * g[None, :]) / (1.0 - f.slack)
    # ||dA D^{-1}||_F <= gamma sqrt(q) with D = diag ||a_j||, 10 m q for Householder's steps.
    zeta = up(gamma(10 * m * q + 64) * math.sqrt(q) * reach)
    if not zeta < 0.25:
        return f._with(spread, math.inf, math.inf)
    # A R^{-1} = Q - Z: ||R^{-T} A'A R^{-1} - I|| <= 2 ||Z|| + ||Z||^2.
    whitened = up(2 * zeta + zeta * zeta)
    # `error` so that error spread^2 gives the whitened bound back.
    return f._with(spread, whitened / spread**2, -math.log1p(-whitened) * GUARD)


def _inverted(lower: Array) -> tuple[Array, float]:
    """Return the computed inverse X of a triangular L, and a bound on ``||X L - I||``."""
    q = len(lower)
    inverse, info = lapack.dtrtri(lower, lower=1)
    if info != 0 or not np.isfinite(inverse).all():
        raise np.linalg.LinAlgError("the factor cannot be inverted")
    # X L - I as computed: off by gamma(q + 2)|X||L| and a unit of the difference.
    residual = blas.dtrmm(1.0, inverse, lower, lower=1)
    residual[np.diag_indices(q)] -= 1.0
    # Squares that underflow are paid for by the last term.
    slack = norm(residual) * GUARD + q * 1e-150
    # What overflows is an infinite slack, with which nothing is claimed.
    with np.errstate(over="ignore", invalid="ignore"):
        # |X| |L| = (|X| D) (D^{-1} |L|) with D the rows' largest entries: no product is needed ...
        reach = inverse * np.max(np.abs(lower), axis=1)
        rounding = gamma(q + 2) * q * norm(reach) * GUARD
        if not rounding < _NEGLIGIBLE:
            # ... unless it would matter.
            rounding = gamma(q + 2) * norm(np.abs(inverse) @ np.abs(lower))
    return np.ascontiguousarray(inverse), slack + rounding


def whitened_norm(factor: Factor, A: Array, spare: int = 4, first: int = 0) -> float:
    """Upper bound on ``||L^{-1} A||_2`` for a matrix A (q, m) known to ``spare - 4`` units.

    A matrix of fewer rows is meant to stand from row ``first`` on, among zeros.

    Notes
    -----
    Guarantee: as stated.  Proof: proofs/largest_eigenvalue.md
    """
    # Rows of zeros meet columns of X that are left out.
    X, wrong = factor.inverse[:, first : first + len(A)], gamma(len(A) + spare)
    N, reach = X @ A, factor.reach[first : first + len(A)]
    largest = norm(N) if min(N.shape) <= 1 else spectral_norm(N)
    # Column by column of A as in `whitened`, before |X||A| is formed.
    rounding = wrong * norm(reach @ np.abs(A))
    if not rounding <= _SLIGHT * largest:
        rounding = wrong * norm(np.abs(X) @ np.abs(A))
    return up((largest + rounding) / (1.0 - factor.slack) * GUARD)
