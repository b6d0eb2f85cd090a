"""Rows that are in nobody's hands as one array, as a matrix for products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Self, TypeVar

from ..._common.arrays import AnyArray
from .dense import DenseRows

R = TypeVar("R", bound=DenseRows)


class Matrix(ABC, Generic[R]):
    """Rows beside one another, padding included: what `Products` asks of an array.

    Parameters
    ----------
    rows : DenseRows
        Whose.
    turned : bool
        Whether it is their transpose.
    """

    def __init__(self, rows: R, turned: bool = False) -> None:
        self.rows, self.turned, self.dtype = rows, turned, rows.dtype

    def __len__(self) -> int:
        return self.rows.blocks * self.rows.block

    def reshape(self, *shape: int) -> Self:
        """Return the same: it is (blocks * block, p) already."""
        return self

    @property
    def T(self) -> Self:
        """Columns beside one another."""
        return type(self)(self.rows, not self.turned)

    @abstractmethod
    def __getitem__(self, here: slice) -> AnyArray:
        """Return every so manieth row, written out."""

    @abstractmethod
    def __matmul__(self, V: AnyArray) -> AnyArray:
        """Return X V, or X' V where they are turned."""
