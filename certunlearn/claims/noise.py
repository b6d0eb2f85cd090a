"""Gaussian noise: the geometry of its covariance.

``Sigma = sigma^2 A^{-1}`` with A a function of the features and weights of retained rows alone:
``gram`` A = G, ``isotropic`` A = I, ``objective`` A = G^2 (the minimiser of the quadratic model
perturbed by a linear term b ~ N(0, sigma^2 I)).  With several classes every column has the same A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .._common.cached import cached_property
from .._common.rounding import GUARD, gamma, up
from ..linalg.cholesky import Factor
from ..linalg.diagonal import Diagonal
from ..linalg.norms import norm, spectral_norm
from .frame import Frame

Array = NDArray[np.float64]
MECHANISMS = ("gram", "isotropic", "objective")


@dataclass(frozen=True)
class Geometry:
    """The norm ||d||_A in which distances are certified, and the noise that goes with it.

    Parameters
    ----------
    mechanism : {"gram", "isotropic", "objective"}
        Which A.
    known : Factor or Diagonal
        Of G, shape (p, p); A is made of its computed factor, exactly.  Its diagonal is enough for
        "isotropic".
    frame : Frame, optional
        Where the rows are held, if not where the model is; "gram" alone is the same there.
    """

    mechanism: str
    known: Factor | Diagonal
    frame: Frame | None = None

    @property
    def gram(self) -> Factor:
        """The factor of G, where there is one."""
        if isinstance(self.known, Diagonal):
            raise RuntimeError("of this Gram matrix only the diagonal is known")
        return self.known

    @property
    def half(self) -> Array:
        """A matrix M with ``||d||_A = ||M d||_2``, shape (p, p)."""
        if self.mechanism == "isotropic":
            return np.eye(self.known.size)
        lower = self.gram.lower
        if self.mechanism == "gram":
            return np.ascontiguousarray(lower.T)
        out: Array = lower @ lower.T
        return out

    @property
    def half_size(self) -> Array:
        """|half|, or |L||L'| where it is a product: the scale of its rounding, shape (p, p)."""
        if self.mechanism == "objective":
            size = np.abs(self.gram.lower)
            out: Array = size @ size.T
            return out
        return np.abs(self.half)

    def norm(self, V: Array) -> float:
        """Return ||V||_A of a (p, K) array, to float64 accuracy."""
        if self.mechanism == "isotropic":
            return norm(V)
        if self.mechanism == "gram":
            return self.gram_norm(V)
        return norm(self.gram.lower @ (self.gram.lower.T @ V))

    def gram_norm(self, V: Array) -> float:
        """Return ||V||_G of a (p, K) array, rounded up."""
        lower = self.gram.lower
        # |fl(L'V) - L'V| <= gamma |L'||V| entrywise (Higham 2002, (3.13)).
        # No row of L is longer than g: || |L'||v| || <= g'|v|.
        # Two units more than the inner length for the rounding of the difference V that is given.
        wrong = gamma(len(V) + 2) * norm(self.gram.diagonal_root @ np.abs(V))
        return up(norm(lower.T @ V) + wrong)

    def noise(self, Z: Array) -> Array:
        """Return A^{-1/2} Z for standard normal Z of shape (p, K)."""
        if self.mechanism == "isotropic":
            return Z
        lower = self.gram.lower
        if self.mechanism == "objective":
            # A = G^2 = (L L')^2, so that A^{-1/2} = L^{-T} L^{-1}: one more solve than for G.
            Z = lapack.dtrtrs(lower, Z, lower=1)[0]
        out: Array = lapack.dtrtrs(lower, Z, lower=1, trans=1)[0]
        return out

    def deviations(self, sigma: float) -> Array:
        """Return the standard deviation of the noise in each released coefficient, shape (p,)."""
        if self.frame is not None:
            return sigma * self.frame.deviations(self.gram)
        if self.mechanism == "isotropic":
            return np.full(self.known.size, sigma)
        if self.mechanism == "gram":
            return sigma * np.sqrt(self.gram.variance)
        # Row j of A^{-1/2}: its length is what a standard normal vector moves coefficient j by.
        columns = self.gram.inverse.T @ self.gram.inverse
        out: Array = sigma * np.sqrt(np.sum(columns**2, axis=1))
        return out

    def drift(self, other: float) -> float:
        """Upper bound on the whitened difference between A here and A in the other world.

        Parameters
        ----------
        other : float
            ``|L_o L_o' - G| <= other * g g'``, L_o the other world's factor.

        Notes
        -----
        Guarantee: ``||A^{-1/2} A_other A^{-1/2} - I||_2`` is at most the return value.
        Proof: proofs/drift.md
        """
        if self.mechanism == "isotropic":
            return 0.0
        f = self.gram
        # The other world's factorisation rounds as well.
        other = up(other + gamma(len(f.lower) + 8))
        # E = L_o L_o' - L L', |E| <= (error + other) g g'.
        both = up(f.error + other)
        if self.frame is not None:
            there = self.frame.spread_of(f)
            # In a frame the other world's part is charged in its own coordinates, (g_o'|x_o|)^2 <=
            # spread_of^2 ||L'x||^2.
            return up(f.error * f.spread * f.spread + other * there * there)
        if self.mechanism == "gram":
            # A = L L': |v'E v| <= e (g'|v|)^2 <= e spread^2 ||L'v||^2.
            return up(both * f.spread * f.spread)
        if not f.slack < 0.5:
            return math.inf
        # A = G^2: the difference is squared, and |G^{-1}| takes the place of |L^{-1}|.
        g = f.diagonal_root
        # X = (I + E) L^{-1} with ||E|| <= slack: |L^{-1}| g is off |X| g by at most s of its size.
        s = f.slack / (1.0 - f.slack)
        # |L^{-1}| g <= v + s ||v|| 1, entrywise, and once more for the transpose.
        v = np.abs(f.inverse) @ g
        v = v + s * norm(v)
        v = np.abs(f.inverse.T) @ (v + s * norm(v))
        # S = E M^{-1}: ||S|| <= e ||g|| || |M^{-1}| g ||, and (I + S)'(I + S) is within 2||S|| +
        # ||S||^2 of I.
        zeta = up(both * norm(g) * norm(v))
        # The diagonal's g is not smaller than the other world's: that of rows before any
        # subtraction.
        return up(2 * zeta + zeta * zeta)


@dataclass(frozen=True)
class Transfer:
    """How the norm of the noise follows from the norm of a factor B = L L' of the Hessian.

    Attributes
    ----------
    c : float
        ``||v||_A <= c ||v||_B`` for every v.
    N : ndarray of shape (q, q)
        ``A^{1/2}' L^{-T}``, computed; ``wrong`` bounds its rounding in the Frobenius norm.
    """

    geometry: Geometry
    factor: Factor
    c: float
    N: Array
    wrong: float

    @classmethod
    def between(cls, geometry: Geometry, factor: Factor) -> Transfer:
        """Measure the transfer constant of two factors.

        Notes
        -----
        Guarantee: c is an upper bound.  Proof: proofs/transfer.md
        """
        half, X = geometry.half, factor.inverse
        p = len(half)
        # Columns of W one below the other: B^{-T} a block of p coordinates a class.
        blocks = range(0, len(X), p)
        N = np.vstack([half @ X[:, k : k + p].T for k in blocks])
        if not factor.theta < math.inf:
            return cls(geometry, factor, math.inf, N, math.inf)
        size = np.vstack([geometry.half_size @ np.abs(X[:, k : k + p].T) for k in blocks])
        # gamma(p) for the product, as much again for half = L_G L_G', four to spare.
        wrong = gamma(2 * p + 4) * norm(size)
        # ||M L^{-T}|| <= ||M X'|| / (1 - f), f = slack: X L = I + F.
        c = up((spectral_norm(N) + wrong) / (1.0 - factor.slack) * GUARD)
        return cls(geometry, factor, c, N, wrong)

    @cached_property
    def _solution(self) -> Array:
        """|A^{1/2}' B^{-1}|, computed: how an error in each coordinate reaches the norm."""
        return np.abs(self.N @ self.factor.inverse)

    def solved(self, white: Array, tail: float) -> float:
        """At least ``||B^{-1} u||_A`` for every u with ``||X u - white|| <= tail``.

        X (p, p) is the factor's computed inverse; u has one or more columns, as ``white`` (p, K).

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/transfer.md
        """
        slack, N = self.factor.slack, self.N
        known = norm(N @ white) + (self.wrong + gamma(len(white) + 2) * norm(N)) * norm(white)
        return up((known + self.c * (2 * slack * norm(white) + tail) / (1.0 - slack)) * GUARD)

    def step(self, v: Array, allowance: Array | float = 0.0) -> tuple[Array, float, float]:
        """Solve with B and bound the solution and its error in the norm of the noise.

        Returns
        -------
        s : ndarray of shape (q,)
            The computed ``B^{-1} v``.
        size, error : float
            ``||B^{-1} u||_A <= size`` and ``||B^{-1} u - s||_A <= error`` for every u with
            ``|u - v| <= allowance``.

        Notes
        -----
        Guarantee: as stated.  Proof: proofs/transfer.md
        """
        f, half = self.factor, self.geometry.half
        p, u = len(half), gamma(len(v) + 2)
        # s = X'X v: `lost` charges what X differs from L^{-1} by, the rest what products round.
        # white = fl(X v), e its error: |e| <= |X|(a + u |v|).
        white = f.inverse @ v
        s = f.inverse.T @ white
        size = norm(half @ s.reshape(-1, p).T)
        around = (np.abs(f.inverse.T) @ np.abs(white)).reshape(-1, p).T
        # |s - X'white| <= u |X'||white| seen through half; in size the product with half and half
        # itself round too: three times, four are charged.
        rounding = 4 * u * norm(self.geometry.half_size @ around)
        # (I + F)^{-1} - (I + F'): f / (1 - f) + f, at most 2f / (1 - f).
        lost = 2 * f.slack / (1.0 - f.slack)
        allowance = allowance + u * np.abs(v)
        tail = norm(np.abs(f.inverse) @ allowance)
        # The error in white through M L^{-T} (I + F)^{-1}: c tail / (1 - f).
        reach = self.c * tail / (1.0 - f.slack)
        if reach > 0.01 * size:
            # Worth a matrix product: the coordinates' errors through B^{-1} itself.
            crude = self.c * lost + self.wrong + u * norm(self.N)
            reach = min(reach, norm(self._solution @ allowance) + crude * tail)
        # The rounding of X v itself does not pass through B^{-1}.
        # It is not of the form X (an error in v).
        own = self.c * norm(np.abs(f.inverse) @ (u * np.abs(v))) / (1.0 - f.slack)
        error = up((rounding + reach + own + self.c * lost * norm(white)) * GUARD)
        return s, up(size + error), error
