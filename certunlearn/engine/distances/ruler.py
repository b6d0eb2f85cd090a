"""From one measurement to a certified distance: the place where numbers meet the bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._common.rounding import UNIT_ROUNDOFF, up
from ...claims.bounds import distance_measured
from ...claims.noise import Geometry, Transfer
from ...linalg.norms import norm
from ...numerics.objective.objective import Measurement, Objective, flat, folded
from ...numerics.objective.quadratic import QuadraticModel

Array = NDArray[np.float64]


class Distance(NamedTuple):
    """Certified distances to the exact optimum, in the norm of the noise.

    ``here`` is for the measured iterate, ``after`` for ``stepped``, the iterate one chord step
    on; ``loose`` is the part of ``here`` that is not the measured step itself, and ``floor`` says
    that the step's own error is as large as the step: measuring better is not possible.
    """

    here: float
    after: float
    stepped: Array
    loose: float
    floor: bool


@dataclass(frozen=True)
class Ruler:
    """Measures certified distances with one model of the curvature.

    Parameters
    ----------
    objective : Objective
        The rows whose optimum is meant.
    geometry : Geometry
        The norm.
    model : QuadraticModel
        Of these rows.
    """

    objective: Objective
    geometry: Geometry
    model: QuadraticModel
    transfer: Transfer
    leverage: float
    in_gram: float

    @classmethod
    def of(
        cls,
        objective: Objective,
        geometry: Geometry,
        model: QuadraticModel,
        *,
        leverages: tuple[float, float] = (math.inf, math.inf),
        sweep: bool = False,
    ) -> Ruler:
        """Prepare the constants; with ``sweep`` the leverage is measured over the rows.

        ``leverages`` are known bounds on the leverage in the norms of the model and of G.
        """
        factor = model.factor
        # c: ||v||_A <= c ||v||_B, B = L L' of the model's factor.
        transfer = Transfer.between(geometry, factor)
        # L >= R max_i ||x_i||_{B^{-1}}: known, or the box of the columns' maxima, or a sweep.
        L = min(leverages[0], objective.box_leverage(factor.inverse, factor.slack))
        if sweep:
            L = min(L, objective.leverage(factor.inverse, factor.slack))
        return cls(objective, geometry, model, transfer, L, leverages[1])

    def along(self, T: float, m: Measurement) -> float:
        """Length, in the norm of the model's inverse, of what the margins' errors do to a gradient.

        They push along rows, where the Hessian has those rows' curvature.
        """
        # slope_error is a length in the norm of H^{-1}; H >= e^{-T} B makes it e^{T/2} times as
        # long in that of B^{-1}.
        return up(math.exp(min(T, 100.0) / 2) * m.slope_error * (1 + 1e-12))

    def distance(self, W: Array, m: Measurement) -> Distance:
        """Bound the distance of W, and of the next chord step, to the exact optimum.

        Notes
        -----
        Guarantee: as `Distance` says, for every mechanism.  Proof: proofs/distance.md
        """
        # e^{-T} B <= H(W) <= e^T B (proofs/mismatch.md).
        T = self.model.mismatch(self.objective, m.moved)
        if not (T < math.inf and self.transfer.c < math.inf):
            return Distance(math.inf, math.inf, W, math.inf, True)
        f, c, g = self.model.factor, self.transfer.c, flat(m.gradient)
        # s = fl(B^{-1} g), size >= ||B^{-1} g||_A and error >= ||B^{-1} g - s||_A for the exact g
        # within its allowance.
        s, size, error = self.transfer.step(g, flat(m.allowance))
        nu = f.whitened(g, flat(m.allowance))
        along = self.along(T, m)
        # The exact gradient is also within `rounding` of g up to a vector of length `along`: the
        # smaller nu decides.
        shaken = up(f.whitened(g, flat(m.rounding)) + along)
        if shaken < nu:
            nu = shaken
            s, size, error = self.transfer.step(g, flat(m.rounding))
            # That vector is c times as long in the norm of the noise, in step and error alike.
            size, error = up(size + c * along), up(error + c * along)
        spread = (math.inf, 0.0, 0.0)
        if self.geometry.mechanism == "gram":
            # A = G: the step's size is ||B^{-1} g||_G, which bounds margins a second way
            # (proofs/distance_remainder.md).
            spread = (self.in_gram, size, self.transfer.c)
        # `after` is that of the exact step: the computed one's error and rounding come on top.
        here, after = distance_measured(size, self.transfer.c, nu, self.leverage, T, spread)
        stepped = W - folded(s, W.shape[0])
        # fl(W - s) is off by half a unit of itself in every coordinate.
        rounding = 2 * UNIT_ROUNDOFF * norm(self.geometry.half_size @ np.abs(stepped))
        return Distance(
            here,
            up(after + error + rounding),
            stepped,
            # For the stopping rule alone: no claim rests on it.
            up(here - (size - error), 8),
            size <= 2 * error,
        )


@dataclass
class Rulers:
    """The ruler of the model in use; a new model, or a sweep for the leverage, makes a new one."""

    objective: Objective
    geometry: Geometry
    last: Ruler | None = None

    def of(self, model: QuadraticModel, *, sweep: bool = False) -> Ruler:
        """Return a ruler with ``model``; with ``sweep`` the leverage is measured over the rows."""
        if self.last is None or self.last.model is not model or sweep:
            self.last = Ruler.of(self.objective, self.geometry, model, sweep=sweep)
        return self.last
