"""A table beside the rows that requests can be phrased in, forgotten with them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..exceptions import RowError


class Metadata:
    """One line of a pandas DataFrame for each row that is still there, under its position.

    Parameters
    ----------
    frame : DataFrame of n lines
        Copied; its index does not matter.
    """

    def __init__(self, frame: Any) -> None:
        self.frame = frame.reset_index(drop=True).copy()

    @classmethod
    def of(cls, frame: Any, n: int) -> Self | None:
        """Check a table of ``n`` lines; None where there is none."""
        if frame is None:
            return None
        if not (hasattr(frame, "query") and hasattr(frame, "reset_index")):
            raise RowError(f"metadata must be a pandas DataFrame, got {type(frame).__name__}")
        if len(frame) != n:
            raise RowError(f"metadata has {len(frame)} lines for {n} rows")
        return cls(frame)

    def extended(self, more: Self, first: int) -> Self:
        """Return the table with lines for the rows from position ``first`` on."""
        import pandas as pd

        if list(more.frame.columns) != list(self.frame.columns):
            raise RowError(
                f"metadata has columns {list(more.frame.columns)}, the fit had "
                f"{list(self.frame.columns)}"
            )
        new = more.frame.set_axis(range(first, first + len(more.frame)))
        out = object.__new__(type(self))
        out.frame = pd.concat([self.frame, new])
        return out

    def forget(self, positions: NDArray[np.int64]) -> None:
        """Drop the lines of rows; safe to call again."""
        gone = self.frame.index.intersection(positions)
        if len(gone):
            left = self.frame.drop(index=gone)
            for at, kind in enumerate(left.dtypes):
                # A column of categories lists them whether a line has them or not; ordered ones are
                # a scale, which comparisons need the whole of.
                if kind == "category" and not kind.ordered:
                    column = left.iloc[:, at].cat.remove_unused_categories()
                    left.isetitem(at, column)
            self.frame = left

    def where(self, condition: Any) -> NDArray[np.int64]:
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
        mask = np.asarray(condition(frame.copy()))
        if mask.dtype != bool or mask.shape != (len(frame),):
            raise RowError(
                f"where must return {len(frame)} booleans, one a row that is left; got "
                f"{mask.dtype} of shape {mask.shape}"
            )
        return np.asarray(frame.index[mask], dtype=np.int64)
