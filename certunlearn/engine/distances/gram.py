"""The Gram matrix of the retained rows: accumulated, downdated, and when to start afresh."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._common.replaced import replace
from ..._common.rounding import UNIT_ROUNDOFF
from ...claims.budget import Caps
from ...claims.frame import Frame
from ...claims.noise import Geometry
from ...exceptions import AssumptionError, NotCertifiedError
from ...linalg.cholesky import Factor, downdated, factorise
from ...linalg.diagonal import Diagonal
from ...numerics.losses.margins import positive, stronger
from ...numerics.objective.by_rows import gram_factor
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.curvature import Curvature, within, without
from ...numerics.objective.diagonal_gram import MOST_FORMED, diagonal_of
from ...numerics.objective.diagonal_gram import regrouped as diagonal_regrouped
from ...numerics.objective.objective import Objective
from ...numerics.rows.stored import Rows
from ...numerics.rows.weights import Weights
from ...numerics.solvers.choice import MOST_FACTORED

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gram:
    """The Gram matrix of the retained rows and how it came about.

    ``known`` is the matrix, or its diagonal where forming it does not pay.  ``drift`` bounds the
    whitened difference to what a fit on the retained rows alone would have; ``edited`` says that
    the diagonal is still that of rows some of which may have gone.
    """

    known: Curvature | Diagonal
    geometry: Geometry
    same_program: bool
    drift: float = 0.0
    edited: bool = False

    @property
    def curvature(self) -> Curvature:
        """The matrix, where there is one."""
        if isinstance(self.known, Diagonal):
            raise RuntimeError("of this Gram matrix only the diagonal is known")
        return self.known

    @property
    def diagonal(self) -> Array:
        """The diagonal of G as it is now, shape (p,)."""
        if isinstance(self.known, Diagonal):
            return self.known.diagonal
        return np.diag(self.known.matrix)

    def squares(self, objective: Objective) -> Array:
        """Return ``sum s x x'``, (p, p), as it is known or else from a pass: to propose by."""
        known = objective.gram() if isinstance(self.known, Diagonal) else self.known
        return (known.matrix - np.diag(objective.alpha)) / objective.loss.kappa


def mechanism_for(mechanism: str, rows: Rows, *, framed: bool = False) -> str:
    """Return the geometry of the noise: what was asked for, or what "auto" means for these rows.

    A function of their number of columns and of whether they are sparse.  Rows that are held in a
    frame keep "gram", which means the same in any.
    """
    if mechanism != "auto":
        return mechanism
    return "isotropic" if _large(rows) and not framed else "gram"


def _large(rows: Rows) -> bool:
    """Whether forming G, or factoring it, does not pay."""
    return rows.p > (MOST_FORMED if rows.sparse else MOST_FACTORED)


class Downdated(NamedTuple):
    """G after an edit, and where only rows have gone what its factor follows from.

    ``gone`` (p, m) is a matrix with ``gone gone'`` the share of these rows in G, and ``factor``
    that of G before.
    """

    curvature: Curvature
    factor: Factor | None = None
    gone: Array | None = None

    def factors(self) -> Iterator[Factor]:
        """Yield factors: with bounds that refer to the one before, then with its own."""
        c = self.curvature
        if self.factor is not None and self.gone is not None:
            yield downdated(self.factor, c.matrix, c.diagonal, c.error, self.gone)
        yield factorise(c.matrix, c.diagonal, c.error)


def regrouped(
    gram: Gram,
    alpha: Array,
    removed: Contribution,
    added: Contribution | None,
    penalty: Array | None,
) -> Downdated | Diagonal:
    """Return the Gram matrix after an edit: added first, so that no diagonal shrinks before."""
    if isinstance(gram.known, Diagonal):
        return diagonal_regrouped(gram.known, alpha, added, penalty)
    was = gram.curvature
    if penalty is not None:
        # 4u: the change is a difference of two floats, and is put in by a sum.
        was = within(was, np.diag(penalty), np.maximum(penalty, 0.0), 1, 4 * UNIT_ROUNDOFF)
    if added is not None:
        diagonal = np.diag(added.gram).copy()
        # 16u: weight, kappa and the products of a row's outer product.
        was = within(was, added.gram, diagonal, len(added.X), 16 * UNIT_ROUNDOFF)
    # g stays that of the diagonal before any subtraction: it bounds all that was ever summed.
    left = without(was, removed.gram, len(removed.X), 16 * UNIT_ROUNDOFF)
    if was is gram.curvature:
        # Only rows have gone: the factor before tells what is left of it (proofs/downdated.md).
        return Downdated(left, gram.geometry.gram, removed.scaled.T)
    return Downdated(left)


def gram_of(
    mechanism: str,
    objective: Objective,
    caps: Caps | None,
    was: Downdated | Diagonal | None,
    frame: Frame | None = None,
    solver: str = "newton-cholesky",
) -> Gram:
    """Factor G; ``was`` is a downdated matrix, or None to accumulate as a fit would.

    Neither isotropic noise nor a distance without a factored Hessian needs G: where forming it is
    dear its diagonal does, and ``was`` is one.

    Bounds on a downdated factor refer to the factor before, as long as its drift, so bounded, is
    within the cap; then they are measured anew.  A downdated G that has drifted past the cap is
    accumulated afresh, row for row as a fit on the retained rows would; only if that alone cannot
    be charged is the same program assumed, which so is a function of the retained rows.
    """
    most = math.inf if caps is None else caps.drift
    rows = objective.rows
    if isinstance(was, Diagonal):
        return Gram(was, Geometry(mechanism, was), False, edited=True)
    if mechanism == "isotropic" and (solver == "lbfgs" or solver == "newton-cg" and _large(rows)):
        diagonal = diagonal_of(objective)
        return Gram(diagonal, Geometry(mechanism, diagonal), False)
    if rows.sparse and rows.p > MOST_FORMED:
        raise AssumptionError(
            f'mechanism="{mechanism}" needs the Gram matrix, which for sparse rows is formed '
            f'up to {MOST_FORMED} coefficients, not {rows.p}: use mechanism="auto" or '
            '"isotropic"'
        )
    if was is not None:
        try:
            # First with bounds that compound from removal to removal, then measured on this factor
            # itself.
            for factor in was.factors():
                geometry = Geometry(mechanism, factor, frame)
                # Against any other summation of the same rows, the retraining's too
                # (proofs/drift.md).
                drift = geometry.drift(objective.gram_error)
                if math.isfinite(factor.spread) and drift <= most:
                    return Gram(was.curvature, geometry, False, drift)
        except np.linalg.LinAlgError:
            pass
    # From here on a function of the retained rows alone, laid out as a fit would lay them out.
    alone, as_fitted = _alone(objective)
    fresh = alone.gram()
    afresh = Geometry(mechanism, _factor(alone, fresh), frame)
    drift = afresh.drift(alone.gram_error)
    if not (drift <= most or as_fitted):
        raise NotCertifiedError(
            "the Gram matrix is known too inexactly, and rows in files cannot be laid out as a fit "
            f"on those that stay would have them: rescale the features, {stronger(objective.loss)}"
            ', or fit with mechanism="isotropic"',
            reason="drift",
        )
    # More than the cap: what a fit computes is then assumed to be computed by the same program.
    return Gram(fresh, afresh, not drift <= most, drift)


def _factor(objective: Objective, fresh: Curvature) -> Factor:
    """Factor a fresh G, by the rows themselves where rounding leaves it indefinite."""
    try:
        factor = factorise(fresh.matrix, fresh.diagonal, fresh.error)
        if factor.slack < 0.5:
            return factor
    except np.linalg.LinAlgError:
        pass
    try:
        by_rows = gram_factor(objective)
        if by_rows is not None and by_rows.slack < 0.5:
            # No entrywise error is known, so nothing is charged: the same program is assumed.
            return replace(by_rows, error=math.inf)
    except np.linalg.LinAlgError:
        pass
    kept, free = objective.weights.kept, int(np.count_nonzero(objective.alpha == 0))
    # Fewer rows than unpenalised coordinates: singular whatever the rounding.
    if kept < free:
        raise AssumptionError(
            f"{kept} rows leave {free} unpenalised coefficients undetermined, so the optimum is "
            "not unique: the gradient of an interpolating model is zero with any of its rows taken "
            "out, and gradient and Newton steps from it do nothing, hence forget nothing; use "
            f"{positive(objective.loss)}, or CertifiedMinNorm for least squares"
        )
    raise NotCertifiedError(
        "the Gram matrix of the retained rows is not numerically positive definite, so "
        "neither are the coefficients determined nor can noise be drawn: rescale the features, "
        f"{stronger(objective.loss)}, or drop collinear columns",
        reason="gram",
    )


def _alone(objective: Objective) -> tuple[Objective, bool]:
    """Return the objective on the retained rows alone, and whether it lies as a fit on them would.

    It does, but for rows in files, which stay where they are.
    """
    keep = objective.weights.live
    if len(keep) == objective.rows.n and keep.all() and objective.rows.as_fitted:
        return objective, True
    if not objective.rows.closes_up:
        return objective, False
    rows = objective.rows.compact(keep)
    return replace(objective, rows=rows, weights=Weights.of(objective.weight[keep])), True
