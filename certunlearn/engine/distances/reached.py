"""What was reached: an iterate, the distance shown for it, and with which model."""

from __future__ import annotations

import sys
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...claims.noise import Geometry
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.objective import Measurement
from ...numerics.objective.quadratic import QuadraticModel
from ...numerics.solvers.class_blocks import ClassMetric
from ...numerics.solvers.column_blocks import ColumnMetric
from ...numerics.solvers.metric import Metric

Array = NDArray[np.float64]
#: What steps are proposed with, of one column or of many.
AnyMetric: TypeAlias = Metric | ClassMetric | ColumnMetric


class Reached(NamedTuple):
    """An iterate, its certified distance, and what that was shown with.

    ``measurement`` was taken at ``measured``: the iterate itself, or where it stepped from;
    ``quadratic`` is None where no Hessian was ever formed; ``shift`` is then what
    `intercept_curvature` tells of the iterate, if the distance rests on it; ``metric`` is what
    steps were proposed with there.
    """

    W: Array
    distance: float
    quadratic: QuadraticModel | None
    tier: str
    measured: Array
    measurement: Measurement
    shift: tuple[float, float] | None = None
    metric: AnyMetric | None = None

    def without(self, share: Contribution) -> Reached:
        """Return the same, steps proposed as if these rows had gone."""
        if not isinstance(self.metric, Metric):
            return self
        return self._replace(metric=self.metric.without(share))

    @property
    def stale(self) -> bool:
        """Whether blocks of classes may be of rows that have gone."""
        return isinstance(self.metric, ClassMetric | ColumnMetric) and not self.metric.fresh

    @property
    def model(self) -> QuadraticModel:
        """The model of the curvature, where there is one."""
        if self.quadratic is None:
            raise RuntimeError("this distance was shown without a model of the curvature")
        return self.quadratic


class Goal(NamedTuple):
    """What to reach: a certified distance (relative to ||W||_A if so) and a gradient norm."""

    distance: float
    relative: bool
    tol: float

    def allowed(self, geometry: Geometry, W: Array) -> float:
        """Return the distance that may be certified at W, which is positive."""
        if not self.relative:
            return self.distance
        # Relative to an iterate of zero nothing but the optimum itself is left.
        return max(self.distance * geometry.norm(W), sys.float_info.min)
