"""Scores that compare ensembles of unlearned and retrained models, as others report them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._common.arrays import Array


def forgetting_quality(unlearned: ArrayLike, retrained: ArrayLike, *, delta: float = 0.0) -> float:
    """Forgetting quality of the NeurIPS 2023 unlearning challenge, 0 to 1.

    Each row gets the epsilon of the best single threshold between its two clouds of scores, from
    raw rates: ``max(log((1 - delta - FPR)/FNR), log((1 - delta - FNR)/FPR))``, infinite where a
    threshold divides the clouds without an error, none where one rate alone is zero.  Epsilons are
    put in bins n = 1, ..., 13 of width 0.5 and the result is the mean of ``2 / 2^n``.

    Parameters
    ----------
    unlearned, retrained : array-like of shape (models, rows)
        Scores of the forgotten rows, such as `confidence`.
    delta : float

    Notes
    -----
    A measure, no bound: raw rates of few models show an epsilon above 0 for equal laws too.

    References
    ----------
    Triantafillou et al. (2024), Are we making progress in unlearning?, section 3.
    """
    p, q = np.asarray(unlearned, dtype=np.float64), np.asarray(retrained, dtype=np.float64)
    if p.ndim != 2 or q.ndim != 2 or p.shape[1] != q.shape[1]:
        raise ValueError("scores must be (models, rows) of the same rows")
    epsilons = np.array([_row_epsilon(a, b, delta) for a, b in zip(p.T, q.T, strict=True)])
    n = np.minimum(np.floor(epsilons / 0.5), 12) + 1
    return float(np.mean(2.0 / 2.0**n))


def _row_epsilon(a: Array, b: Array, delta: float) -> float:
    """Largest epsilon of a threshold between two clouds of numbers."""
    # Every threshold that divides the two clouds differently.
    thresholds = np.unique(np.concatenate([a, b]))
    false = np.array([np.mean(b > t) for t in thresholds])
    miss = np.array([np.mean(a <= t) for t in thresholds])
    best = 0.0
    # Either cloud may be the higher one.
    for f, m in ((false, miss), (1 - false, 1 - miss)):
        if np.any((f == 0) & (m == 0)):
            return float("inf")
        # Logarithms that exist; one rate of zero alone says nothing of so few models.
        fair = (f > 0) & (m > 0) & (f < 1 - delta) & (m < 1 - delta)
        if fair.any():
            both = np.log((1 - delta - f[fair]) / m[fair]), np.log((1 - delta - m[fair]) / f[fair])
            best = max(best, float(np.max(both)))
    return best


def klom(unlearned: ArrayLike, oracles: ArrayLike, *, bins: int = 20, floor: float = 1e-5) -> Array:
    """KL divergence of margins (KLoM) of each row, of oracles from unlearned models.

    Histograms of ``bins`` cells over the range of both; cells of less than ``floor`` get it.

    Parameters
    ----------
    unlearned, oracles : array-like of shape (models, rows)
        Margins, such as `confidence`.
    bins, floor : int, float
        Figures of different settings do not compare.

    Returns
    -------
    ndarray of shape (rows,)

    References
    ----------
    Georgiev et al. (2024), Attribute-to-Delete, section E.1.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(100, 2))
    >>> klom(z, z)
    array([0., 0.])
    """
    p, q = np.asarray(unlearned, dtype=np.float64), np.asarray(oracles, dtype=np.float64)
    out = np.empty(p.shape[1])
    for j in range(p.shape[1]):
        ends = np.array([min(p[:, j].min(), q[:, j].min()), max(p[:, j].max(), q[:, j].max())])
        # A range of its own for each row: margins of different rows do not compare.
        edges = np.linspace(ends[0], max(ends[1], ends[0] + 1e-12), bins + 1)
        a, b = (np.maximum(np.histogram(v[:, j], edges)[0] / len(v), floor) for v in (p, q))
        # Floors add mass; both are distributions again before they are compared.
        a, b = a / a.sum(), b / b.sum()
        out[j] = float(np.sum(b * np.log(b / a)))
    return out
