"""Targets that are numbers: what stands in the store for what users give, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
from sklearn.utils.validation import check_array, column_or_1d

from .._common.arrays import AnyArray, Array, ArrayLike, Label
from ..exceptions import AssumptionError


class Encoding(Protocol):
    """What stands in the store for labels or targets: `Classes`, `Indicators` or `Targets`."""

    @property
    def names(self) -> Mapping[int, Label]:
        """Label of each class code or column; none where targets are numbers."""

    def encoded(self, y: ArrayLike) -> AnyArray:
        """Check labels or targets (m,) or (m, K) against those of the fit and encode them."""


class Domain(NamedTuple):
    """The numbers that a loss takes: positive ones, zero among them or not."""

    loss: str
    zero: bool

    def check(self, y: Array) -> None:
        """Refuse targets outside.

        Raises
        ------
        ValueError
            If an entry is outside.
        AssumptionError
            If all entries are zero: a free intercept has no finite optimum then.
        """
        if (y < 0).any() or (not self.zero and (y == 0).any()):
            where = "at least 0" if self.zero else "positive"
            raise ValueError(
                f"Some value(s) of y are out of the valid range of the loss: {self.loss} takes "
                f"{where} y"
            )
        if len(y) and not y.any():
            raise AssumptionError(f"all y are zero: {self.loss} has no finite optimum")


@dataclass(frozen=True)
class Targets:
    """Real targets of a fit.

    Attributes
    ----------
    columns : int or None
        Targets of a row, where they were given as a table; None where as one number a row.
    several : bool
        Whether a table may be given at all.
    domain : Domain or None
        What the loss takes; None for every number.
    """

    columns: int | None
    several: bool
    domain: Domain | None = None

    @classmethod
    def of(
        cls, y: ArrayLike, *, several: bool = False, domain: Domain | None = None
    ) -> tuple[Self, Array]:
        """Return what is known of targets, and these as finite float64, (n,) or (n, K).

        Raises
        ------
        ValueError, AssumptionError
            If they are no such numbers.
        """
        numbers = _numbers(y, several, domain)
        return cls(numbers.shape[1] if numbers.ndim == 2 else None, several, domain), numbers

    @property
    def names(self) -> Mapping[int, Label]:
        """None: targets are numbers."""
        return {}

    def encoded(self, y: ArrayLike) -> Array:
        """Return targets of further rows, shaped as those of the fit.

        Raises
        ------
        ValueError, AssumptionError
            If they are no such numbers.
        """
        numbers = _numbers(y, self.several, self.domain)
        if numbers.shape[1:] != (() if self.columns is None else (self.columns,)):
            shape = "(m,)" if self.columns is None else f"(m, {self.columns})"
            raise ValueError(f"y must be of shape {shape} as in the fit, got {numbers.shape}")
        return numbers


def _numbers(y: ArrayLike, several: bool, domain: Domain | None) -> Array:
    if np.ndim(y) == 1 or not several:
        y = column_or_1d(y, dtype=np.float64, warn=True)
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", ensure_min_samples=0)
    out: Array = np.ascontiguousarray(y)
    if domain is not None:
        domain.check(out)
    return out
