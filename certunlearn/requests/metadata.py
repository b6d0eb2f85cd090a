"""A table beside the rows that requests can be phrased in, forgotten with them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import Condition, Label, MatrixLike
from ..exceptions import RowError
from .runs import followed_by


class _Column:
    """The values of one column: what its rows say can be overwritten where it stands.

    Parameters
    ----------
    series : Series
        Copied.
    """

    def __init__(self, series: MatrixLike) -> None:
        import pandas as pd

        self.dtype, known = series.dtype, series.array
        settable = pd.CategoricalDtype, pd.DatetimeTZDtype, pd.PeriodDtype
        masked = pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray
        #: Lines of each category, -1 for none; None where there are no categories, or all matter.
        self._left: NDArray[np.int64] | None = None
        if isinstance(self.dtype, np.dtype):
            self.values = series.to_numpy(copy=True)
        elif isinstance(known, masked) or isinstance(self.dtype, settable):
            self.values = known.copy()
        else:
            # Arrays that cannot be written to, or only as a whole.
            self.values = series.to_numpy(dtype=object, copy=True)

    @property
    def _blank(self) -> Any:
        """What takes the place of a value."""
        if self.values.dtype == object:
            return None
        if isinstance(self.dtype, np.dtype):
            return np.zeros((), self.dtype)[()]
        # Numbers with a mask not as missing: that would leave the number behind the mask.
        masked = hasattr(self.dtype, "numpy_dtype")
        return self.dtype.type(0) if masked else self.dtype.na_value

    def taken(self, live: NDArray[np.bool_], index: NDArray[np.int64]) -> MatrixLike:
        """Return the values of some lines under an index, as the column was given."""
        import pandas as pd

        return pd.Series(self.values[live], index=index, dtype=self.dtype)

    def forget(self, at: NDArray[np.int64]) -> None:
        """Overwrite the values of lines that have not been forgotten before."""
        categories = getattr(self.dtype, "ordered", None) is False
        if categories and self._left is None:
            # A column of categories lists them whether a line has them or not; ordered ones are
            # a scale, which comparisons need the whole of.
            self._count()
        # Before they are overwritten: which categories lose a line.
        codes = self.values.codes[at] if categories else None
        self.values[at] = self._blank
        if codes is not None and self._left is not None:
            np.subtract.at(self._left, codes[codes >= 0], 1)
            # A category that no line has any more would still be listed by name.
            if not self._left.all():
                self._count()

    def _count(self) -> None:
        self.values = self.values.remove_unused_categories()
        self.dtype, codes = self.values.dtype, self.values.codes
        self._left = np.bincount(codes[codes >= 0], minlength=len(self.values.categories))


class _Run:
    """Lines of the rows at ascending positions, those forgotten meanwhile included.

    Parameters
    ----------
    frame : DataFrame
        Copied; its index holds the positions.
    """

    def __init__(self, frame: MatrixLike) -> None:
        self.positions = np.array(frame.index, dtype=np.int64)
        self.live = np.ones(len(frame), dtype=bool)
        self.left = len(frame)
        self._names, self._attrs = frame.columns, dict(frame.attrs)
        self._columns = [_Column(frame.iloc[:, k]) for k in range(frame.shape[1])]

    def __len__(self) -> int:
        return self.left

    @property
    def names(self) -> list[Label]:
        """What the columns are called."""
        return list(self._names)

    @property
    def frame(self) -> MatrixLike:
        """The lines that are left, a copy."""
        import pandas as pd

        index = self.positions[self.live]
        columns = {k: c.taken(self.live, index) for k, c in enumerate(self._columns)}
        out = pd.DataFrame(columns, index=index)
        out.columns, out.attrs = self._names, dict(self._attrs)
        return out

    def forget(self, positions: NDArray[np.int64]) -> None:
        """Overwrite the lines of rows, as far as they lie here; safe to call again."""
        at = np.searchsorted(self.positions, positions)
        inside = at < len(self.positions)
        at = at[inside]
        at = at[self.positions[at] == positions[inside]]
        # Lines forgotten before keep what was put in their place: it must not be counted twice.
        at = at[self.live[at]]
        if len(at):
            for column in self._columns:
                column.forget(at)
            self.live[at] = False
            self.left -= len(at)

    def followed(self, other: _Run) -> _Run:
        """Return this run and one of later positions as one, without what was forgotten."""
        import pandas as pd

        return _Run(pd.concat([run.frame for run in (self, other) if len(run)]))


class Metadata:
    """One line of a pandas DataFrame for each row that is still there, under its position.

    Parameters
    ----------
    frame : DataFrame of n lines
        Copied; its index holds the positions of the rows.
    """

    def __init__(self, frame: MatrixLike) -> None:
        self._runs: tuple[_Run, ...] = (_Run(frame),)

    @classmethod
    def of(cls, frame: MatrixLike, n: int, first: int = 0) -> Self | None:
        """Check a table of ``n`` lines for rows from position ``first`` on; None without one."""
        if frame is None:
            return None
        if not (hasattr(frame, "query") and hasattr(frame, "reset_index")):
            raise RowError(f"metadata must be a pandas DataFrame, got {type(frame).__name__}")
        if len(frame) != n:
            raise RowError(f"metadata has {len(frame)} lines for {n} rows")
        return cls(frame.set_axis(range(first, first + n)))

    def extended(self, more: Self) -> Self:
        """Return the table with the lines of further rows behind it."""
        ours, theirs = self._runs[0].names, more._runs[0].names
        if ours != theirs:
            raise RowError(f"metadata has columns {theirs}, the fit had {ours}")
        out = object.__new__(type(self))
        out._runs = followed_by(self._runs, more._runs[0], _Run.followed)
        return out

    def condensed(self) -> Self:
        """Return the table without room for forgotten lines."""
        out = object.__new__(type(self))
        kept = tuple(run for run in self._runs if len(run)) or self._runs[:1]
        out._runs = tuple(run if run.live.all() else _Run(run.frame) for run in kept)
        return out

    @property
    def frame(self) -> MatrixLike:
        """All lines that are left, a copy."""
        import pandas as pd

        frames = [run.frame for run in self._runs if len(run)] or [self._runs[0].frame]
        return frames[0] if len(frames) == 1 else pd.concat(frames)

    def forget(self, positions: NDArray[np.int64]) -> None:
        """Overwrite the lines of rows; safe to call again."""
        for run in self._runs:
            run.forget(positions)

    def where(self, condition: Condition) -> NDArray[np.int64]:
        """Return the positions of rows that meet a condition.

        Parameters
        ----------
        condition : str or callable
            A pandas query, or a function of the DataFrame that returns one boolean a line.

        Raises
        ------
        RowError
            If it is neither, or does not return one boolean a line.
        """
        frame = self.frame
        if isinstance(condition, str):
            try:
                return np.asarray(frame.query(condition).index, dtype=np.int64)
            except Exception as error:
                raise RowError(f"where={condition!r} is no query on metadata: {error}") from error
        if not callable(condition):
            raise RowError(f"where must be a query or a function, got {type(condition).__name__}")
        index = frame.index
        # A copy of the lines that are left: a condition cannot see, or change, what has gone.
        mask = np.asarray(condition(frame))
        if mask.dtype != bool or mask.shape != (len(index),):
            raise RowError(
                f"where must return {len(index)} booleans, one a row that is left; got "
                f"{mask.dtype} of shape {mask.shape}"
            )
        return np.asarray(index[mask], dtype=np.int64)
