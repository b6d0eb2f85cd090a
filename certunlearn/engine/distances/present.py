"""The Hessian of the present rows, by the one of the last refresh: nothing is factored anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ..._common.cached import cached_property
from ..._common.replaced import replace
from ..._common.rounding import UNIT_ROUNDOFF, gamma
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.curvature import Curvature, within

Array = NDArray[np.float64]
#: Rows that are kept apart, as a share of q, before they are put into the matrix.
_APART = 4
#: Multiplications that a matrix product does while a pass over the rows does one.
_FASTER = 16


@dataclass(frozen=True)
class Present:
    """B = ``curvature.matrix + root' diag(sign) root``: the Hessian at W_ref of the present rows.

    Attributes
    ----------
    curvature : Curvature
        A matrix, and the diagonal and the entrywise error of B as a whole.
    inverse : ndarray of shape (q, q)
        Near the inverse of that matrix; how near is measured at each use of `solve`.
    root, sign : ndarray of shape (r, q), (r,)
        What has come (1) or gone (-1) since the matrix was put together.
    solved : ndarray of shape (q, r)
        ``inverse root'``.
    inner : ndarray of shape (r, r)
        ``diag(sign) + root inverse root'``.
    """

    curvature: Curvature
    inverse: Array
    root: Array
    sign: Array
    solved: Array
    inner: Array

    @classmethod
    def of(cls, curvature: Curvature, inverse: Array) -> Present:
        """Return B as its matrix alone."""
        q = len(inverse)
        none = np.zeros((0, 0))
        return cls(curvature, inverse, np.zeros((0, q)), np.zeros(0), np.zeros((q, 0)), none)

    @property
    def error(self) -> float:
        """Entrywise error of `times`, relative to the diagonal's roots.

        Rows that came and rows that went each have at most the diagonal for their squares.
        """
        q, r = self.root.shape
        # gamma(q + 4): the product with the matrix. 2 d d' by Cauchy-Schwarz for the rows that came
        # and those that went, and one for the sum: three times gamma(q + r + 8).
        return self.curvature.error + gamma(q + 4) + 3 * gamma(q + r + 8) + 4 * UNIT_ROUNDOFF

    def times(self, v: Array) -> Array:
        """Return B v."""
        out: Array = self.curvature.matrix @ v
        if len(self.root):
            # The rows' product is kept apart, root' diag(sign) (root v): r q numbers instead of
            # q^2.
            out = out + self.root.T @ (self.sign * (self.root @ v))
        return out

    def solve(self, v: Array) -> Array:
        """Return nearly ``B^{-1} v``: Woodbury's formula, and one refinement."""
        # One step of refinement squares the relative residual of `near`; what is left is measured
        # by whoever uses it.
        s = self.near(v)
        return s - self.near(self.times(s) - v)

    def near(self, v: Array) -> Array:
        """Return the same without the refinement."""
        out: Array = self.inverse @ v
        if not len(self.root):
            return out
        lu, pivots, singular = self._factored
        if singular:
            return out
        # (M + U'SU)^{-1} v = M^{-1} v - M^{-1}U' (S + U M^{-1} U')^{-1} U M^{-1} v, where
        # S^{-1} = S as its entries are 1 and -1 (Hager 1989).
        inside: Array = lapack.dgetrs(lu, pivots, self.solved.T @ v)[0]
        return out - self.solved @ inside

    @cached_property
    def _factored(self) -> tuple[Array, NDArray[np.int32], int]:
        """LU of ``inner``: both products of `solve` are divided by it."""
        lu, pivots, singular = lapack.dgetrf(self.inner)
        return lu, pivots, singular

    def changed(self, share: Contribution, sign: float, n: int) -> Present | None:
        """Put rows in (1) or take them out (-1); None where a pass over n rows would cost less.

        Notes
        -----
        Guarantee: ``error`` bounds B against the exact Hessian.  Proof: proofs/edited.md
        """
        count, q = len(share.X) * share.loss.columns, len(self.inverse)
        most = max(q // _APART, 1)
        # The larger part of them has to be put into the matrix, which is inverted then.
        if count > 2 * most and q * (count + q) > _FASTER * n:
            return None
        # As `without` and `within` would charge for the matrix.
        c = self.curvature._replace(error=self.curvature.error + gamma(count + 10) + share.error)
        # The diagonal is that before any subtraction: rows that go leave it, those that come
        # enlarge it.
        if sign > 0:
            c = c._replace(diagonal=c.diagonal + share.diagonal)
        out = replace(
            self,
            curvature=c,
            root=np.vstack([self.root, share.root]),
            sign=np.concatenate([self.sign, np.full(count, sign)]),
        )
        if count > 2 * most:
            return out._together(None)
        # Only the new rows are multiplied with the inverse: r q^2 operations.
        new = self.inverse @ share.root.T
        solved, r = np.hstack([self.solved, new]), len(self.root)
        inner = np.empty((r + count, r + count))
        inner[:r, :r] = self.inner
        inner[:, r:] = out.root @ new
        inner[r:, :r] = share.root @ self.solved
        inner[r:, r:] += sign * np.eye(count)
        out = replace(out, solved=solved, inner=inner)
        # Past that many each solve would cost more than the matrix's own product.
        return out.together() if len(out.root) > 2 * most else out

    def repenalised(self, change: Array) -> Present:
        """Add ``diag(change)``, the inverse left as it is."""
        more = np.maximum(change, 0.0)
        # C is a difference of floats, off by half a unit of itself; 4u of the diagonal, with the
        # sum.
        c = within(self.curvature, np.diag(change), more, 1, 4 * UNIT_ROUNDOFF)
        return replace(self, curvature=c)

    def together(self) -> Present:
        """Return the same B as its matrix alone."""
        return self._together(self.solved) if len(self.root) else self

    def _together(self, solved: Array | None) -> Present:
        """Put what is apart into the matrix, and its inverse by Woodbury or afresh."""
        c = self.curvature
        matrix = c.matrix + (self.root.T * self.sign) @ self.root
        try:
            if solved is None:
                # More than Woodbury's formula pays for: inverted afresh.
                inverse = np.asarray(np.linalg.inv(matrix), np.float64)
            else:
                inverse = self.inverse - solved @ np.linalg.solve(self.inner, solved.T)
        except np.linalg.LinAlgError:
            inverse = self.inverse
        # A poor inverse only lengthens residuals: no bound rests on it.
        return Present.of(c._replace(matrix=matrix), inverse)
