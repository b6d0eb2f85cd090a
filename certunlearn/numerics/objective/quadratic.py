"""The quadratic model of the objective: a factored reference Hessian and where it was taken."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...exceptions import ConvergenceError
from ...linalg.cholesky import Factor, factorise
from ..losses.margins import stronger
from ..rows.weights import Weights
from .by_rows import hessian_factor
from .curvature import Curvature, without
from .objective import Objective

Array = NDArray[np.float64]
#: A factor whose error moves the Hessian by more than this is worth a second look.
SPOILT = 1e-3
_JITTERS = (0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7)


@dataclass(frozen=True)
class QuadraticModel:
    """B = L L', a factored Hessian of some rows at some iterate.

    Parameters
    ----------
    W : ndarray of shape (p, K)
        Where the Hessian was taken.
    weights : Weights
        Those it was taken under.
    margin_error : float
        R times the rounding of any margin's range there.
    curvature : Curvature
        The computed matrix and its error.
    factor : Factor
        Its Cholesky factor.
    """

    W: Array
    weights: Weights
    margin_error: float
    curvature: Curvature
    factor: Factor

    def mismatch(self, objective: Objective, moved: float) -> float:
        """Return T with ``exp(-T) B <= H(w) <= exp(T) B`` for the Hessian H of ``objective``.

        Parameters
        ----------
        moved : float
            At least R max_i margin_range(x_i (w - W)) over the rows of ``objective``.

        Notes
        -----
        Guarantee: as stated.  Assumes: ``objective`` has the rows of this model.
        Proof: proofs/mismatch.md
        """
        # L L' to the Hessian at the computed margins, to that at W, to that at w: exponents add up.
        T = self.factor.theta + self.margin_error + moved
        if objective.weights is not self.weights:
            # Another set of rows has another Hessian altogether: nothing follows.
            if len(objective.weights) != len(self.weights):
                return math.inf
            most, least = 1.0, 1.0
            for here, now in objective.weights.slices():
                then, live = self.weights.part(here), now > 0
                if ((then > 0) != live).any():
                    return math.inf
                ratio = now[live] / then[live]
                most = max(most, float(ratio.max(initial=1.0)))
                least = min(least, float(ratio.min(initial=1.0)))
            # min(s'/s) H <= H' <= max(s'/s) H, the penalty counting with ratio 1.
            T += max(math.log(most), -math.log(least)) + 1e-15
        return T * (1 + 1e-12)

    def without(self, objective: Objective, positions: NDArray[np.int64]) -> QuadraticModel:
        """Return the model with the rows at ``positions`` (of ``objective``) taken out.

        Raises
        ------
        numpy.linalg.LinAlgError
            If what is left is not numerically positive definite.
        """
        share = replace(objective, weights=self.weights).contribution(positions, self.W, self.W)
        # A row contributes as many outer products as its root has rows.
        curvature = without(self.curvature, share.hessian, len(share.root), share.error)
        factor = factorise(curvature.matrix, curvature.diagonal, curvature.error)
        weights = self.weights.without(positions)
        return replace(self, weights=weights, curvature=curvature, factor=factor)


def model_of(
    objective: Objective, W: Array, margin_error: float, curvature: Curvature
) -> QuadraticModel:
    """Factor a Hessian; where rounding left it indefinite, a relative ridge is added and charged.

    The ridge is ``tau diag(g^2)``, an error of at most ``tau g g'`` entrywise like any other.

    Raises
    ------
    numpy.linalg.LinAlgError
        If even the largest ridge does not help.
    """
    for tau in _JITTERS:
        matrix = curvature.matrix + tau * np.diag(curvature.diagonal)
        try:
            factor = factorise(matrix, curvature.diagonal, curvature.error + tau)
        except np.linalg.LinAlgError:
            continue
        return QuadraticModel(W, objective.weights, margin_error, curvature, factor)
    raise np.linalg.LinAlgError("the Hessian is not numerically positive definite")


def model_at(objective: Objective, W: Array, margin_error: float) -> QuadraticModel:
    """Sweep the rows for the Hessian at W and factor it, by its rows if rounding spoils it."""
    curvature = objective.hessian(W)
    model: QuadraticModel | None = None
    try:
        model = model_of(objective, W, margin_error, curvature)
        # The rounding of a formed matrix costs the square of the condition number, the rows
        # themselves cost it once.
        if model.factor.theta <= SPOILT:
            return model
    except np.linalg.LinAlgError:
        pass
    try:
        factor = hessian_factor(objective, W)
    except np.linalg.LinAlgError:
        factor = None
    if factor is not None and (model is None or factor.theta < model.factor.theta):
        return QuadraticModel(W, objective.weights, margin_error, curvature, factor)
    if model is None:
        raise np.linalg.LinAlgError("the Hessian is not numerically positive definite")
    return model


def unfactored(objective: Objective, error: np.linalg.LinAlgError) -> ConvergenceError:
    """Return what to raise where no Hessian can be factored."""
    advice = f"rescale the features or {stronger(objective.loss)}"
    return ConvergenceError(f"the Hessian cannot be factored ({error}): {advice}")
