"""Which rows are in the training set, and how much they count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import AnyArray, Array, MatrixLike, Positions
from .._common.interrupts import steady
from .._common.replaced import replace
from ..exceptions import AssumptionError
from ..numerics.losses.pointwise import Logistic
from ..numerics.rows.dense import CHUNK
from ..numerics.rows.sparse import SparseRows
from ..numerics.rows.stored import Rows
from ..numerics.rows.units import Sums, wanted
from ..numerics.rows.weights import Weights, exact_sum
from .settings import Settings

#: Rows that are read at a time for what they add to a sum.
_SOME = 1 << 16


def _parts(
    rows: Rows, sums: Sums, weights: Weights
) -> Iterable[tuple[MatrixLike, AnyArray, Array]]:
    """Yield (features, labels, weights) of all rows; features only where they are needed."""
    if not sums.lengths:
        for here, weight in weights.slices():
            yield None, rows.labels[here], weight
    elif isinstance(rows, SparseRows):
        rows.reads += rows.n
        for here, X in rows.parts():
            yield X, rows.labels[here], weights.part(here)
    else:
        for at, X in rows.chunks(CHUNK):
            here = slice(at, at + len(X))
            yield X, rows.labels[here], weights.part(here)


def _counts(
    rows: Rows, positions: Positions | NDArray[np.bool_], marked: bool, least: int = 0
) -> NDArray[np.int64]:
    """Count the rows of each class code, or that carry each label; else all together."""
    labels = rows.labels[positions]
    if rows.classed:
        return np.bincount(labels, minlength=least)
    return np.count_nonzero(labels > 0, axis=0) if marked else np.array([len(labels)])


def _counted(rows: Rows, weights: Weights, marked: bool) -> NDArray[np.int64]:
    """Count the rows of positive weight as `_counts` does."""
    if not (rows.classed or marked):
        return np.array([weights.kept])
    # Codes by the largest there is, so that all slices count alike.
    least = int(rows.labels.max(initial=0)) + 1 if rows.classed else 0
    counts = np.zeros(rows.labels.shape[1] if marked else least, dtype=np.int64)
    for here, weight in weights.slices():
        counts += _counts(rows, here.start + np.flatnonzero(weight > 0), marked, least)
    # No code beyond the last one of positive weight.
    return counts if marked else counts[: int(np.flatnonzero(counts).max(initial=-1)) + 1]


@dataclass(frozen=True)
class Members:
    """The training set: which rows of the store, with what weight, of which classes.

    Attributes
    ----------
    weights : Weights
        Sample weights; 0 for rows outside the training set.
    counts : ndarray of int
        Rows of positive weight of each class code, or that carry each of several labels; of all
        where labels are targets.
    mass : Fraction or None
        The sum of the weights, exactly: the same whatever was removed on the way.  None where no
        penalty depends on it.
    classed : bool
        Whether labels are class codes.
    sums : Sums or None
        Exact sums that the unit of the noise is made of; None where it is one, or without noise.
    """

    weights: Weights
    counts: NDArray[np.int64]
    mass: Fraction | None = None
    classed: bool = True
    sums: Sums | None = None

    @classmethod
    def of(cls, settings: Settings, rows: Rows, weight: AnyArray) -> Members:
        """Count an array of weights (n,), which must not be written to afterwards."""
        # Signs in several columns are what a logistic loss makes of several labels a row.
        marked = isinstance(settings.loss, Logistic) and rows.labels.ndim == 2
        weights, sums = Weights.of(weight), None
        counts = _counted(rows, weights, marked)
        mass = exact_sum(weight) if settings.per_weight else None
        if settings.noise > 0:
            sums = wanted(settings.loss, settings.mechanism, rows.classed, rows.intercept)
            # Exact rational sums: what a row adds now is what it takes with it later.
            sums = sums.over(_parts(rows, sums, weights)) if sums.needed else None
        return cls(weights, counts, mass, rows.classed, sums)

    @property
    def marked(self) -> bool:
        """Whether a row has several labels: 1 or -1 in a column each."""
        return not self.classed and len(self.counts) > 1

    @property
    def constant(self) -> Array:
        """Of each of several labels infinity where every row of positive weight carries it, minus
        infinity where none does, and else zero; shape (L,)."""
        all_or_none = np.where(self.counts == 0, -np.inf, np.inf)
        return np.where(self._told, 0.0, all_or_none)

    @property
    def _told(self) -> NDArray[np.bool_]:
        """Which labels some rows of positive weight carry, and some do not."""
        told: NDArray[np.bool_] = (self.counts > 0) & (self.counts < self.weights.kept)
        return told

    @property
    def classes(self) -> NDArray[np.int64]:
        """Class codes among the training set; a single 0 where labels are targets.

        Of several labels a row those that some rows carry and some do not: nothing else is to be
        learned.

        Raises
        ------
        AssumptionError
            If there are fewer than two classes, no such label, or no rows.
        """
        if self.marked:
            told = np.flatnonzero(self._told)
            if not len(told):
                raise AssumptionError(
                    "every label is that of all rows of positive weight or of none: there is "
                    "nothing to tell apart"
                )
            return told
        # Counts of the training set alone: a class is there as long as one of its rows has weight.
        live = np.flatnonzero(self.counts)
        if not self.classed:
            if not len(live):
                raise AssumptionError("no row has positive weight: there is nothing to train on")
            return live
        if len(live) < 2:
            raise AssumptionError(
                f"the rows of positive weight hold {len(live)} class"
                f"{'' if len(live) == 1 else 'es'}:"
                " this classifier needs samples of at least 2 classes"
            )
        return live

    def carried(self, rows: Rows, positions: Positions) -> NDArray[np.int64]:
        """Count rows as `counts` does, whatever they weigh."""
        return _counts(rows, positions, self.marked, len(self.counts))

    def without(self, rows: Rows, gone: Positions) -> Members:
        """Return the training set without rows that have positive weight in it."""
        lost = self.carried(rows, gone)
        # Before they are set to zero: the sums lose what the rows had.
        weight = self.weights.at(gone)
        return replace(
            self,
            weights=self.weights.without(gone),
            counts=self.counts - lost,
            mass=None if self.mass is None else self.mass - exact_sum(weight),
            sums=None if self.sums is None else self.sums - self._share(rows, gone, weight),
        )

    def extended(self, rows: Rows, weight: Array) -> Members:
        """Return the training set with the store's last rows in it, weighted so."""
        # Rows of no weight are in the store and not in the training set: they add to no sum.
        new = len(self.weights) + np.flatnonzero(weight > 0)
        counts = self.carried(rows, new)
        counts[: len(self.counts)] += self.counts
        return replace(
            self,
            weights=self.weights.extended(weight),
            counts=counts,
            mass=None if self.mass is None else self.mass + exact_sum(weight),
            sums=None
            if self.sums is None
            else self.sums + self._share(rows, new, weight[weight > 0]),
        )

    def _share(self, rows: Rows, positions: Positions, weight: Array) -> Sums:
        """Return the sums over a few rows."""
        assert self.sums is not None
        lengths = self.sums.lengths
        return self.sums.over(
            (rows.features(at) if lengths else None, rows.labels[at], weight[k : k + len(at)])
            for k in range(0, len(positions), _SOME)
            for at in (positions[k : k + _SOME],)
        )


class Store(Protocol):
    """What every store of rows does, whatever is computed over them."""

    sparse: bool
    closes_up: bool

    @property
    def n(self) -> int:
        """Rows held, overwritten ones included."""

    @property
    def scrubbed(self) -> NDArray[np.bool_]:
        """Rows that have been overwritten, shape (n,); not to be written to."""

    def append(self, X: MatrixLike, labels: AnyArray, /) -> None:
        """Put rows after those there are."""

    def withdraw(self, count: int) -> None:
        """Overwrite and drop the last ``count`` rows."""

    def scrub(self, positions: Positions, /) -> None:
        """Overwrite rows."""

    def still(self) -> Self:
        """Return the same rows, as they are now whatever happens to these."""


@contextmanager
def appended(rows: Store, known: int, X: MatrixLike, labels: AnyArray) -> Iterator[None]:
    """Put rows into a store behind the ``known`` ones; if the body raises they are overwritten."""
    with steady():
        unappended(rows, known)
        # Inside `steady`: a fork between the two would copy a store that is neither the old nor the
        # new one.
        rows.append(X, labels)
    try:
        yield
    except GeneratorExit:
        # Whoever drops this does so at any time: the next verb overwrites them.
        raise
    except BaseException:
        unappended(rows, known)
        raise


def unappended(rows: Store, known: int) -> None:
    """Overwrite and drop all rows behind the ``known`` ones: those of an edit not taken over."""
    with steady():
        if rows.n > known:
            rows.withdraw(rows.n - known)
