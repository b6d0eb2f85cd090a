"""Gaussian canaries: rows planted before the fit, whose trace has an exact null once forgotten.

Of n rows in d columns m canaries leave a trace of up to about ``sqrt(m d / n)`` deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from .._common.arrays import Array
from .._common.validate import count, real
from .finding import Finding
from .weights import Linear


@dataclass(frozen=True, kw_only=True)
class CanaryScore(Finding):
    """Whether a release still knows the canaries; see `Canaries.score`.

    Attributes
    ----------
    before : float
        The statistic of the release in which they still were.
    canaries : int
    """

    before: float
    canaries: int


@dataclass(frozen=True)
class Canaries:
    """Rows to train on and to forget again; made by `plant`.

    Attributes
    ----------
    X, y : ndarray of shape (m, d), (m,)
        To be appended to the training set.
    spread : ndarray of shape (d,)
        Deviation of each column.
    side : ndarray of shape (m,)
        Column of coefficients that a canary pulls at, or -1: the single one, downwards.
    """

    X: Array
    y: NDArray[np.generic]
    spread: Array = field(repr=False)
    side: NDArray[np.int64] = field(repr=False)

    def score(
        self, after: Linear, before: Linear, *, level: float = 0.05, least_power: float = 0.5
    ) -> CanaryScore:
        """Test a release made after the canaries were forgotten.

        Canary c was drawn as ``x = spread * g`` with g standard normal, so for coefficients v that
        do not depend on it ``<x, v> / ||spread * v||`` is standard normal, and so is the sum over
        the m canaries, signed by their labels, over ``sqrt(m)``: exactly, whatever v is.

        Parameters
        ----------
        after, before : linear estimator
            Releases without and with the canaries.
        level : float
            Chance of a false alarm.
        least_power : float
            Refuse to judge where a removal that did nothing would be caught more rarely.

        Raises
        ------
        ValueError
            If the canaries left too little in ``before`` for their absence to mean anything: with
            far fewer columns than rows nothing remembers a single row.

        Notes
        -----
        Guarantee: coefficients independent of the canaries fail with probability at most ``level``.
        """
        level = real("level", level, low=0, high=1)
        planted, limit = self._trace(before), float(norm.isf(level))
        # A removal that does nothing has the trace from before, and one more draw of noise.
        power = float(norm.cdf(planted - limit))
        if power < least_power:
            raise ValueError(
                f"the canaries left a trace of {planted:.2f} deviations before they were "
                f"forgotten, so that forgetting nothing would be caught with a chance of "
                f"{power:.2f} only: plant more of them, larger ones, or into fewer rows"
            )
        return CanaryScore(
            audit="Gaussian canaries",
            statistic=self._trace(after),
            null=(-np.inf, limit),
            level=level,
            power={"nothing forgotten": power},
            scope="these canaries and no other rows; linear weights",
            before=planted,
            canaries=len(self.X),
        )

    def _trace(self, model: Linear) -> float:
        coef = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
        if len(coef) == 1:
            # A single column of coefficients: label 1 pulls upwards, label 0 downwards.
            pull = np.where(self.side == 0, -1.0, 1.0)[:, None] * coef
        else:
            # Against the mean of the other classes, as labels pull at differences of columns.
            centred = coef - coef.mean(axis=0)
            pull = centred[self.side]
        # Given the coefficients <x, pull> has just this deviation, as x = spread * g.
        length = np.linalg.norm(self.spread * pull, axis=1)
        if not np.all(length > 0):
            return 0.0
        return float(np.sum(np.sum(self.X * pull, axis=1) / length) / np.sqrt(len(self.X)))


def plant(X: ArrayLike, y: ArrayLike, m: int, *, size: float = 1.0, seed: int = 0) -> Canaries:
    """Draw m canaries: normal rows with the columns' deviations and random labels.

    Parameters
    ----------
    X, y : array-like of shape (n, d), (n,)
        Training rows.  Numbers that are no classes get canaries three deviations from their mean.
    m : int
        How many.
    size : float
        Deviations of a canary's column in those of the column.
    seed : int
        Keep it from whoever trains.

    Returns
    -------
    Canaries
        ``np.vstack([X, c.X])`` and ``np.append(y, c.y)`` are the training set.
    """
    features, labels = np.asarray(X, dtype=np.float64), np.asarray(y)
    m, size = count("m", m, low=2), real("size", size, low=0)
    rng = np.random.default_rng(seed)
    spread = features.std(axis=0)
    # A constant column would leave a canary nothing to be told by.
    spread = size * np.where(spread > 0, spread, 1.0)
    # Deviations of the columns, so that scaling a column scales its canaries: the null does not
    # depend on units.
    rows = spread * rng.normal(size=(m, features.shape[1]))
    if labels.dtype.kind == "f":
        side = rng.integers(0, 2, m)
        centre, step = float(labels.mean()), 3.0 * float(labels.std())
        return Canaries(rows, np.where(side == 0, centre - step, centre + step), spread, side)
    classes = np.unique(labels)
    side = rng.integers(0, len(classes), m)
    return Canaries(rows, classes[side], spread, side)
