"""Factors of H and G straight from the weighted rows, for small problems of large condition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...linalg.cholesky import Factor, factorise_rows
from .objective import Objective

Array = NDArray[np.float64]
#: Most multiplications worth spending before giving up on a problem.
MOST_WORK = 2e9


def hessian_factor(objective: Objective, W: Array) -> Factor | None:
    """Factor the Hessian at W by its rows; None where that is too much work.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the rows are numerically rank deficient.
    """
    p, K = objective.rows.p, objective.loss.columns
    positions = np.flatnonzero(objective.weight > 0)
    if (len(positions) * K + p * K) * (p * K) ** 2 > MOST_WORK:
        return None
    # Penalty and gauge as rows of their own: A'A = H, and A has at least as many rows as columns.
    penalty = np.diag(np.sqrt(np.tile(objective.alpha, K)))
    pinned = np.tile(np.diag(np.sqrt(objective.gauge)), (1, K))
    root = objective.contribution(positions, W, W).root
    return factorise_rows(np.vstack([root, penalty, pinned]))


def gram_factor(objective: Objective) -> Factor | None:
    """Factor G by its rows; None where that is too much work.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the rows are numerically rank deficient.
    """
    positions = np.flatnonzero(objective.weight > 0)
    if (len(positions) + objective.rows.p) * objective.rows.p**2 > MOST_WORK:
        return None
    X = objective.rows.gather(positions)
    scaled = X * np.sqrt(objective.loss.kappa * objective.weight[positions])[:, None]
    return factorise_rows(np.vstack([scaled, np.diag(np.sqrt(objective.alpha))]))
