"""Rows to train on in place of rows that may be revoked: nothing is learnt, nothing to forget."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.utils import check_array

from .._common import validate as _validate
from .._common.arrays import ArrayLike, MatrixLike
from ..exceptions import AssumptionError
from .lookalikes import Scale, scale_of

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
#: Distances of which an assignment holds a table, 0.4 GB.
MOST_PAIRS = 50_000_000


@dataclass(frozen=True)
class Substitutes:
    """Which auxiliary rows stand in for which revocable ones; for the owner's eyes.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
        Positions of the auxiliary rows chosen, ascending, each once: what to train on.
    weights : ndarray of int, shape (k,)
        How many revocable rows each stands in for; a sample weight.
    chosen : ndarray of int, shape (m,)
        The auxiliary row of each revocable one; -1 for none.
    distance : ndarray of shape (m,)
        How far it is, as a root mean square over columns in units of their standard deviation;
        where there is none, how far the nearest that may be chosen is, ``inf`` without any.
    missing : ndarray of int
        Revocable rows without a substitute.
    threshold : float
        Largest distance allowed.
    """

    rows: Positions
    weights: Positions
    chosen: Positions
    distance: Array
    missing: Positions
    threshold: float

    @property
    def largest(self) -> float:
        """The largest distance of a revocable row to its substitute; 0 if none has one."""
        return float(self.distance[self.chosen >= 0].max(initial=0.0))

    def __str__(self) -> str:
        """A line of counts, and what the choice itself tells."""
        m, found = len(self.chosen), int((self.chosen >= 0).sum())
        return (
            f"{len(self.rows)} auxiliary rows stand in for {found} of {m} revocable rows, at "
            f"a distance of at most {self.largest:.3g}; which rows these are depends on the "
            "revocable rows, and no certificate covers that"
        )


def select_substitutes(
    X_revocable: MatrixLike,
    X_aux: MatrixLike,
    *,
    y_revocable: ArrayLike | None = None,
    y_aux: ArrayLike | None = None,
    threshold: float | None = None,
    one_to_one: bool = False,
) -> Substitutes:
    """Choose, among rows that stay for ever, those that best stand in for rows that may not.

    A model trained on auxiliary rows alone has nothing to forget when a revocable row is
    withdrawn: ``fit(X_aux[chosen.rows], y_aux[chosen.rows], static=np.ones(k, bool))``.

    Parameters
    ----------
    X_revocable : array-like of shape (m, d)
        Rows that somebody may ask back.  They are read here and never trained on.
    X_aux : array-like of shape (n, d)
        Public or permanent rows, in the same columns.
    y_revocable, y_aux : array-like of shape (m,) and (n,), optional
        Labels, both or none; a substitute then has the label of the row it stands in for.
    threshold : float, optional
        Largest distance of a substitute; any by default.
    one_to_one : bool
        Whether an auxiliary row stands in for one revocable row at most.  Then as many as
        possible get one within the threshold, at the smallest sum of distances (Kuhn 1955), for
        m x n up to 5e7; otherwise each gets the nearest.

    Returns
    -------
    Substitutes
        Positions in ``X_aux``, distances, and the revocable rows left without.

    Raises
    ------
    ValueError
        If the arrays do not fit each other or are not finite, or only one has labels.
    AssumptionError
        If an assignment one to one is too large.

    Notes
    -----
    **The choice is not forgotten.**  Which auxiliary rows are chosen depends on the revocable
    rows, and so does a model trained on them: whoever sees the choice, or guesses it from the
    model, learns that somebody like the chosen rows was among the revocable ones.  No certificate
    of this package covers that.  When a row is withdrawn, choose and train anew without it if that
    matters; where all of ``X_aux`` can be trained on, no choice is made and nothing is told.

    Distances are in columns standardised over both sets of rows; a column that does not vary
    counts for nothing.

    References
    ----------
    Kuhn (1955), The Hungarian method for the assignment problem.

    Examples
    --------
    >>> found = select_substitutes([[0.0], [9.0]], [[8.0], [0.5], [30.0]], threshold=0.2)
    >>> found.rows.tolist(), found.chosen.tolist(), found.missing.tolist()
    ([0, 1], [1, 0], [])
    """
    R, A = (check_array(X, dtype=np.float64) for X in (X_revocable, X_aux))
    if R.shape[1] != A.shape[1]:
        raise ValueError(f"X_revocable has {R.shape[1]} columns, X_aux {A.shape[1]}")
    most = math.inf
    if threshold is not None:
        most = _validate.real("threshold", threshold, low=0, closed="low")
    groups = _alike(y_revocable, y_aux, len(R), len(A))
    scale = scale_of(np.vstack([R, A]))
    chosen, distance = np.full(len(R), -1, dtype=np.int64), np.full(len(R), math.inf)
    for r, a in groups:
        if len(r) and len(a):
            rule = _assigned if _validate.flag("one_to_one", one_to_one) else _nearest
            found, far = rule(scale, R[r], A[a], most)
            chosen[r], distance[r] = np.where(found < 0, -1, a[found]), far
    rows, weights = np.unique(chosen[chosen >= 0], return_counts=True)
    return Substitutes(rows, weights, chosen, distance, np.flatnonzero(chosen < 0), most)


def _alike(
    y: ArrayLike | None, y_aux: ArrayLike | None, m: int, n: int
) -> list[tuple[Positions, Positions]]:
    """Return the rows of either set that may be matched with one another."""
    if (y is None) != (y_aux is None):
        raise ValueError("give y_revocable and y_aux, or neither")
    if y is None:
        return [(np.arange(m), np.arange(n))]
    y, y_aux = np.asarray(y), np.asarray(y_aux)
    for name, labels, size in (("y_revocable", y, m), ("y_aux", y_aux, n)):
        if labels.shape != (size,):
            raise ValueError(f"{name} must have shape ({size},), got {labels.shape}")
    return [(np.flatnonzero(y == v), np.flatnonzero(y_aux == v)) for v in np.unique(y)]


def _nearest(scale: Scale, R: Array, A: Array, most: float) -> tuple[Positions, Array]:
    """Return the nearest row of A for each of R, -1 beyond ``most``, and its distance."""
    if not scale.used.any():
        return np.zeros(len(R), dtype=np.int64), np.zeros(len(R))
    # Products propose the nearest; its distance is worked out from differences.
    at, _ = pairwise_distances_argmin_min(scale.standard(R), scale.standard(A))
    # Differences, not products, say how far it is.
    distance = scale.differences(R, A[at])
    return np.where(distance <= most, at, -1), distance


def _assigned(scale: Scale, R: Array, A: Array, most: float) -> tuple[Positions, Array]:
    """Return a row of A for as many of R as possible, each at most once."""
    m, n = len(R), len(A)
    if m * n > MOST_PAIRS:
        raise AssumptionError(
            f"one_to_one compares {m} x {n} rows of a label, more than {MOST_PAIRS:.0e}: take a "
            "part of X_aux, or one_to_one=False"
        )
    table = np.array([scale.differences(np.broadcast_to(row, A.shape), A) for row in R])
    _, distance = _nearest(scale, R, A, most)
    # One match more outweighs all distances together.
    allowed = table <= most
    beyond = 1.0 + min(m, n) * float(table[allowed].max(initial=0.0))
    # Kuhn (1955), on distances: what is beyond the threshold is cut off afterwards.
    r, a = linear_sum_assignment(np.where(allowed, table, beyond))
    r, a = r[allowed[r, a]], a[allowed[r, a]]
    found = np.full(m, -1, dtype=np.int64)
    found[r], distance[r] = a, table[r, a]
    return found, distance
