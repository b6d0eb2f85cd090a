"""What a frozen extractor still knows of rows that a head in front of it has forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NearestNeighbors

from .._common.arrays import Array
from .finding import Measured
from .rates import rate_interval


@dataclass(frozen=True, kw_only=True)
class Representation(Measured):
    """What features still tell; see `representation`.

    Attributes
    ----------
    cka_forgotten, cka_fresh : float
        Linear CKA between the extractor and one that never saw the rows, on forgotten rows and on
        fresh ones; NaN without a second extractor.
    agreement_forgotten, agreement_fresh : float
        Share of rows whose label the nearest retained features give.
    intervals : tuple of (float, float)
        Of the two shares.
    neighbours : int
    """

    cka_forgotten: float
    cka_fresh: float
    agreement_forgotten: float
    agreement_fresh: float
    intervals: tuple[tuple[float, float], ...]
    neighbours: int


def linear_cka(A: ArrayLike, B: ArrayLike) -> float:
    """Linear centred kernel alignment of two representations of the same rows, 0 to 1.

    ``||B'A||_F^2 / (||A'A||_F ||B'B||_F)`` with centred columns.

    Parameters
    ----------
    A, B : array-like of shape (n, d), (n, e)

    References
    ----------
    Kornblith et al. (2019), Similarity of neural network representations revisited, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.random.default_rng(0).normal(size=(50, 3))
    >>> Q = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    >>> round(linear_cka(A, 5 * A @ Q), 12)
    1.0
    """
    a, b = (np.asarray(v, dtype=np.float64) for v in (A, B))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    # Columns by columns, not rows by rows: d x d products where n is large.
    size = float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return float(np.linalg.norm(b.T @ a) ** 2) / size if size > 0 else float("nan")


def representation(
    retained: tuple[ArrayLike, ArrayLike],
    forgotten: tuple[ArrayLike, ArrayLike],
    fresh: tuple[ArrayLike, ArrayLike],
    *,
    never: tuple[ArrayLike, ArrayLike] | None = None,
    neighbours: int = 5,
    confidence: float = 0.95,
) -> Representation:
    """Measure what an extractor's features tell of forgotten rows beyond what they tell of others.

    Parameters
    ----------
    retained, forgotten, fresh : (features, labels)
        Of shape (n, d), (n,) each; fresh rows were in nobody's training set.
    never : (forgotten features, fresh features), optional
        Of an extractor that never saw the forgotten rows.
    neighbours : int
        Of the vote among retained rows.

    Notes
    -----
    Never a pass: forgetting in a head does not reach what is in front of it.
    """
    index = NearestNeighbors(n_neighbors=neighbours).fit(np.asarray(retained[0]))
    labels = np.asarray(retained[1])

    # Neighbours among retained rows only: a forgotten row must not vote for itself.
    def right(rows: tuple[ArrayLike, ArrayLike]) -> Array:
        near = labels[index.kneighbors(np.asarray(rows[0]), return_distance=False)]
        return np.array([_vote(v) == y for v, y in zip(near, np.asarray(rows[1]), strict=True)])

    hits = [right(rows) for rows in (forgotten, fresh)]
    # A second extractor is needed to say what alignment is usual.
    cka = [float("nan")] * 2
    if never is not None:
        mine = (forgotten[0], fresh[0])
        cka = [linear_cka(a, b) for a, b in zip(mine, never, strict=True)]
    return Representation(
        audit="what the frozen extractor still knows",
        scope="never a pass: the extractor is outside of what the head has forgotten",
        cka_forgotten=cka[0],
        cka_fresh=cka[1],
        agreement_forgotten=float(hits[0].mean()),
        agreement_fresh=float(hits[1].mean()),
        intervals=tuple(rate_interval(int(h.sum()), len(h), confidence) for h in hits),
        neighbours=neighbours,
    )


def _vote(labels: Array) -> object:
    values, counts = np.unique(labels, return_counts=True)
    # Ties go to the smallest label, the same in both comparisons.
    return values[counts.argmax()]
