"""What the user chose, and the budget that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from .._common.arrays import Array
from ..claims.budget import Budget, calibrate
from ..numerics.losses.pointwise import Pointwise

#: Relative distance to the optimum aimed at when there is no noise and nothing is claimed.
UNNOISED = 1e-9


@dataclass(frozen=True)
class Settings:
    """What the user chose.

    ``alpha`` is the L2 penalty of every coefficient and ``l1`` the L1 penalty, for each unit of
    weight in the training set if ``per_weight``.  ``loss`` is that of each margin; None stands for
    the logistic loss, or softmax where there are more than two classes.  ``class_weight`` is None,
    "balanced" or one number a class code.  ``noise`` is sigma over its unit (`units`), and
    ``mechanism`` may be "auto" until the rows are known.
    """

    alpha: float
    fit_intercept: bool
    class_weight: None | str | Array
    epsilon: float
    delta: float
    noise: float
    mechanism: str
    tol: float
    max_iter: int
    seed: int | None
    view: str = "release"
    horizon: int = 1
    solver: str = "auto"
    loss: Pointwise | None = None
    per_weight: bool = False
    l1: float = 0.0

    def penalty(self, p: int, mass: Fraction | None) -> Array:
        """Return the L2 penalty of each coordinate, (p,): a function of the training set alone."""
        return self._spread(self.alpha, p, mass)

    def lasso(self, p: int, mass: Fraction | None) -> Array | None:
        """Return the L1 penalty of each coordinate, (p,); None if there is none."""
        return self._spread(self.l1, p, mass) if self.l1 else None

    def _spread(self, size: float, p: int, mass: Fraction | None) -> Array:
        # One rounding of an exact sum: the same float in both worlds.
        out = np.full(p, size if mass is None else size * float(mass))
        if self.fit_intercept:
            out[-1] = 0.0
        return out


@lru_cache(maxsize=8)
def _calibrated(
    epsilon: float,
    delta: float,
    noise: float,
    dimension: int,
    drifts: bool,
    view: str,
    horizon: int,
) -> Budget:
    return calibrate(
        epsilon,
        delta,
        noise,
        dimension=dimension,
        drifts=drifts,
        view=view,
        horizon=horizon,
    )


def budget_of(settings: Settings, dimension: int, scale: tuple[float, ...]) -> Budget | None:
    """Return the budget of a release of ``dimension`` coordinates; None without noise.

    The noise of column k has the standard deviation ``noise scale_k``: a distance in the norm
    of the noise over the least of them is at least that of all columns.
    """
    if settings.noise == 0:
        return None
    s, drifts = settings, settings.mechanism != "isotropic"
    # A function of public constants alone: one search for mu serves all releases.
    shared = _calibrated(s.epsilon, s.delta, s.noise, dimension, drifts, s.view, s.horizon)
    return replace(shared, sigma=s.noise * min(scale))
