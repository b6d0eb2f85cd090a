"""Rows that look like given ones: an exact search by blocks, whatever the number of rows.

Distances are root mean squares of per-column differences in units of the column's standard
deviation over the rows searched: a copy with one per cent of noise on every column is at 0.01,
two independent Gaussian rows at about 1.4.  Columns that do not vary count for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh

from .._common.arrays import MatrixLike
from .._common.rounding import UNIT_ROUNDOFF
from .expected_pairs import default_threshold, expected_pairs
from .sparse_columns import Reduced, moments, second_moments, units

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
#: Beyond the threshold, up to so many times it, a row is listed apart.
BORDERLINE = 3.0
#: Numbers held at a time, for rows and for products.
_CHUNK = 1 << 20
_SAMPLE = 2000


class Chunked(Protocol):
    """Rows that are read chunk by chunk."""

    def chunks(self, numbers: int) -> Iterator[tuple[int, Array]]:
        """Yield (position of the first row, rows (m, d)) in order."""


@dataclass(frozen=True)
class Neighbours:
    """What looks like the rows of a request, among the rows that would stay.

    It depends on the rows, so it is for the owner's eyes.

    Attributes
    ----------
    targets : ndarray of int
        Rows of the request.
    rows, nearest, distance, equal : ndarray of shape (m,)
        Positions of look-alikes, the target each is nearest to, how far it is, and whether all its
        features are equal to a target's.
    borderline, borderline_distance : ndarray of shape (k,)
        Rows between the threshold and `BORDERLINE` times it.
    multiplicity : ndarray of shape (len(targets),)
        Rows of the training set with exactly a target's features, itself included.
    threshold : float
        In use.
    chance : float
        At least the expected number of pairs of unrelated rows within the threshold, were the data
        Gaussian with these correlations.
    """

    targets: Positions
    rows: Positions
    nearest: Positions
    distance: Array
    equal: NDArray[np.bool_]
    borderline: Positions
    borderline_distance: Array
    multiplicity: NDArray[np.int64]
    threshold: float
    chance: float

    def moved(self, names: Positions) -> Neighbours:
        """Return the same with every position replaced by ``names`` of it, in their order."""
        near, far = np.argsort(names[self.rows]), np.argsort(names[self.borderline])
        return replace(
            self,
            targets=names[self.targets],
            rows=names[self.rows][near],
            nearest=names[self.nearest][near],
            distance=self.distance[near],
            equal=self.equal[near],
            borderline=names[self.borderline][far],
            borderline_distance=self.borderline_distance[far],
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        """A line of counts."""
        text = (
            f"{len(self.rows)} look-alikes would stay, {int(self.equal.sum())} of them equal in "
            f"every feature (distance at most {self.threshold:.2g})"
        )
        if len(self.borderline):
            text += (
                f"; {len(self.borderline)} borderline (at most {BORDERLINE * self.threshold:.2g})"
            )
        return text


class Scale(NamedTuple):
    """How columns are made comparable: ``((x / unit)[used] - mean) / deviation``."""

    unit: Array
    used: NDArray[np.bool_]
    mean: Array
    deviation: Array
    #: How many columns count; these may be a part of them.
    width: int

    @classmethod
    def of(cls, unit: Array, mean: Array, deviation: Array) -> Scale:
        """Leave out columns that do not vary."""
        # A column of one value may seem to vary in its last bit.
        used = deviation > 8 * UNIT_ROUNDOFF * np.abs(mean)
        return cls(unit, used, mean[used], deviation[used], int(used.sum()))

    def differences(self, A: Array, B: Array) -> Array:
        """Return the distances of rows, pair by pair; the unit is a power of two, so exact."""
        D = (A[:, self.used] / self.unit[self.used] - B[:, self.used] / self.unit[self.used]) * (
            1.0 / self._width
        )
        out: Array = np.sqrt(np.einsum("ij,ij->i", D, D))
        return out

    def standard(self, X: Array) -> Array:
        """Return rows whose Euclidean distances are those meant."""
        out: Array = (X[:, self.used] / self.unit[self.used] - self.mean) / self._width
        return out

    @property
    def _width(self) -> Array:
        out: Array = self.deviation * math.sqrt(max(1, self.width))
        return out


class _Sliced:
    """An array as chunks."""

    def __init__(self, X: Array) -> None:
        self.X = X

    def chunks(self, numbers: int) -> Iterator[tuple[int, Array]]:
        step = max(1, numbers // max(1, self.X.shape[1]))
        for first in range(0, len(self.X), step):
            yield first, self.X[first : first + step]


def neighbours(
    X: MatrixLike,
    targets: Positions,
    *,
    among: NDArray[np.bool_] | None = None,
    threshold: float | None = None,
) -> Neighbours:
    """Find every row that looks like one of ``targets`` and would stay.

    Parameters
    ----------
    X : ndarray of shape (n, d), an object with ``chunks``, or sparse rows
        All rows.  They are read three times; no more than a chunk is held, and of sparse rows no
        column that no target has an entry in.
    targets : ndarray of int
        Positions of the rows of the request.
    among : ndarray of bool, optional
        Rows of the training set, shape (n,); all by default.
    threshold : float, optional
        Largest distance of a look-alike.  By default 0.05, five times what one per cent of noise
        makes; or less, where otherwise more than 0.01 pairs of unrelated rows were expected had the
        data been Gaussian with these correlations.  With three columns and a million rows that is a
        lot less: what is so close is close by chance.

    Notes
    -----
    Guarantee: every pair within the threshold is found, up to rounding of the distance itself.
    Products only propose pairs, with an allowance for their cancellation; differences decide.
    The search is of one step: what looks like a look-alike is not looked for.
    """
    targets = np.asarray(targets, dtype=np.int64)
    rows: Chunked
    if getattr(X, "sparse", False):
        rows, T, scale, spread, n = _among_sparse(X, targets, among)
    else:
        rows = X if hasattr(X, "chunks") else _Sliced(np.asarray(X, dtype=np.float64))
        T, sample, unit, n = _first_pass(rows, targets, among)
        scale = _scaled(rows, targets, among, unit)
        spread = _spread(scale.standard(sample))
    pairs = float(n) * len(targets)
    if threshold is None:
        threshold = default_threshold(pairs, spread)
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ValueError(f"threshold must be finite and at least 0, got {threshold!r}")
    out = _searched(rows, targets, T, among, scale, threshold)
    return replace(out, chance=expected_pairs(pairs, spread, threshold))


def _live(among: NDArray[np.bool_] | None, first: int, count: int) -> NDArray[np.bool_]:
    return np.ones(count, dtype=bool) if among is None else among[first : first + count]


def _within(targets: Positions, first: int, count: int) -> NDArray[np.bool_]:
    return (targets >= first) & (targets < first + count)


def _counted(
    rows: Chunked, targets: Positions, among: NDArray[np.bool_] | None
) -> Iterator[tuple[int, Array]]:
    """Yield the rows that count for the scale: the training set and the targets."""
    for first, X in rows.chunks(_CHUNK):
        keep = _live(among, first, len(X)).copy()
        # Targets count for the scale whether they are in the training set or not.
        keep[targets[_within(targets, first, len(X))] - first] = True
        if keep.any():
            yield first, X[keep]


def _first_pass(
    rows: Chunked, targets: Positions, among: NDArray[np.bool_] | None
) -> tuple[Array, Array, Array, int]:
    """Return the targets' rows, a sample, powers of two above the columns, and the rows' number."""
    found: list[tuple[Positions, Array]] = []
    for first, X in rows.chunks(_CHUNK):
        here = np.flatnonzero(_within(targets, first, len(X)))
        found.append((here, X[targets[here] - first]))
    T = np.zeros((len(targets), found[0][1].shape[1]))
    for here, values in found:
        T[here] = values
    largest, n, sample = np.zeros(T.shape[1]), 0, []
    stride = max(1, (len(among) if among is not None else _total(rows)) // _SAMPLE)
    for _, X in _counted(rows, targets, among):
        largest = np.maximum(largest, np.abs(X).max(axis=0))
        # Rows at equal steps, whatever the chunks.
        sample.append(X[-n % stride :: stride].copy())
        n += len(X)
    return T, np.concatenate(sample), units(largest), n


def scale_of(X: Array) -> Scale:
    """Return how the columns of rows (n, d), at least one, are made comparable."""
    nobody = np.zeros(0, dtype=np.int64)
    return _scaled(_Sliced(X), nobody, None, units(np.abs(X).max(axis=0)))


def _total(rows: Chunked) -> int:
    return sum(len(X) for _, X in rows.chunks(_CHUNK))


def _scaled(
    rows: Chunked, targets: Positions, among: NDArray[np.bool_] | None, unit: Array
) -> Scale:
    """Return means and standard deviations, chunk by chunk so that nothing cancels."""
    n, mean, squares = 0, np.zeros(len(unit)), np.zeros(len(unit))
    for _, X in _counted(rows, targets, among):
        Z = X / unit
        middle, m = Z.mean(axis=0), len(Z)
        # Chan, Golub & LeVeque (1979): sums about each chunk's own mean, joined without
        # cancellation.
        squares += ((Z - middle) ** 2).sum(axis=0) + (middle - mean) ** 2 * (n * m / (n + m))
        mean, n = mean + (middle - mean) * (m / (n + m)), n + m
    return Scale.of(unit, mean, np.sqrt(squares / n))


def _among_sparse(
    X: MatrixLike, targets: Positions, among: NDArray[np.bool_] | None
) -> tuple[Chunked, Array, Scale, Array, int]:
    """Return reduced rows and targets, their scale, the spread of all columns, and the number."""
    counts = np.ones(X.n, dtype=bool)
    if among is not None:
        counts = np.concatenate([among, np.zeros(X.n - len(among), dtype=bool)])
    counts[targets] = True
    counted = np.flatnonzero(counts)
    unit, mean, deviation = moments(X, counted)
    scale = Scale.of(unit, mean, deviation)
    factor = np.zeros(len(unit))
    factor[scale.used] = 1.0 / scale._width
    rows = Reduced(X, targets, unit, factor)
    sample = X.features(counted[:: max(1, X.n // _SAMPLE)])
    if scale.width <= sample.shape[0]:
        spread = _spread(scale.standard(sample.toarray()))
    else:
        sample.data = sample.data / unit[sample.indices] * factor[sample.indices]
        spread = np.maximum(eigvalsh(second_moments(sample, mean * factor)), 0.0)
    at, root = rows.columns, math.sqrt(max(1, scale.width))
    kept = scale.used[at]
    here = Scale(
        np.append(unit[at], 1.0),
        np.append(kept, True),
        np.append(mean[at][kept], 0.0),
        # Lengths outside are distances as they are.
        np.append(deviation[at][kept], 1.0 / root),
        scale.width,
    )
    return rows, rows.targets, here, spread, len(counted)


def _spread(Z: Array) -> Array:
    """Return the eigenvalues of the sample's second moments, as many as can differ from zero."""
    # Z'Z and Z Z' have the same eigenvalues but for zeros: the smaller one.
    A = Z if Z.shape[1] <= len(Z) else Z.T
    out: Array = np.maximum(eigvalsh(A.T @ A / max(1, len(Z))), 0.0) if Z.size else np.zeros(0)
    return out


def _searched(
    rows: Chunked,
    targets: Positions,
    T: Array,
    among: NDArray[np.bool_] | None,
    scale: Scale,
    threshold: float,
) -> Neighbours:
    far, found = BORDERLINE * threshold, []
    multiplicity = np.zeros(len(targets), dtype=np.int64)
    for first, X in rows.chunks(_CHUNK):
        keep = np.flatnonzero(_live(among, first, len(X)))
        at, X = first + keep, X[keep]
        best, who = np.full(len(X), math.inf), np.zeros(len(X), dtype=np.int64)
        equal = np.zeros(len(X), dtype=bool)
        for i, j in _candidates(scale.standard(X), scale.standard(T), far):
            distance, same = scale.differences(X[i], T[j]), (X[i] == T[j]).all(axis=1)
            np.add.at(multiplicity, j[same], 1)
            equal[i[same]] = True
            # A row may be near several targets: the nearest counts, the first of equal ones.
            np.minimum.at(best, i, distance)
            won = distance == best[i]
            who[i[won]] = j[won]
        near = np.flatnonzero((best <= far) & ~np.isin(at, targets))
        found.append((at[near], targets[who[near]], best[near], equal[near]))
    where, nearest, distance, equal = (np.concatenate(part) for part in zip(*found, strict=True))
    close = distance <= threshold
    return Neighbours(
        targets,
        where[close],
        nearest[close],
        distance[close],
        equal[close],
        where[~close],
        distance[~close],
        multiplicity,
        threshold,
        math.nan,
    )


def _candidates(Z: Array, T: Array, far: float) -> Iterator[tuple[Positions, Positions]]:
    """Yield pairs of rows of Z and T that may be within ``far``, a limited number at a time."""
    size, goal = np.einsum("ij,ij->i", Z, Z), np.einsum("ij,ij->i", T, T)
    # As many targets at a time as their products with the chunk fit.
    wide = max(1, _CHUNK // max(1, len(Z)))
    unit = 8 * (Z.shape[1] + 8) * UNIT_ROUNDOFF
    few = max(1, _CHUNK // max(1, Z.shape[1]))
    for first in range(0, len(T), wide):
        some = slice(first, first + wide)
        # ||z||^2 + ||t||^2 - 2 z't <= far^2, off by at most unit (||z||^2 + ||t||^2).
        D = Z @ T[some].T
        D *= -2.0
        D += (1.0 - unit) * size[:, None]
        D += (1.0 - unit) * goal[some]
        i, j = np.nonzero(far * far * (1 + 1e-9) >= D)
        for start in range(0, len(i), few):
            yield i[start : start + few], j[start : start + few] + first
