"""Several labels a row: a column each, 1 and -1 in the store for 1 and 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.utils.multiclass import is_multilabel
from sklearn.utils.validation import check_array

from .._common.arrays import AnyArray, Array, ArrayLike, Label, MatrixLike


@dataclass(frozen=True)
class Indicators:
    """The labels of a fit that takes several a row.

    There are as many of them as ``y`` has columns, whoever carries them: no request changes that.

    Attributes
    ----------
    labels : ndarray of shape (L,)
        Names of the columns where ``y`` was a DataFrame with texts for them, else 0 to L - 1.
    sparse : bool
        Whether ``y`` came in CSR, as predictions go out then.
    """

    labels: AnyArray
    sparse: bool

    @classmethod
    def of(cls, y: MatrixLike) -> tuple[Self, Array]:
        """Return what is known of an indicator matrix (n, L), and it as 1 and -1.

        Raises
        ------
        ValueError
            If an entry is neither 0 nor 1.
        """
        names = np.asarray(getattr(y, "columns", ()), dtype=object)
        signs = _signs(y)
        if len(names) != signs.shape[1] or not all(isinstance(name, str) for name in names):
            names = np.arange(signs.shape[1])
        return cls(names, bool(issparse(y))), signs

    @property
    def names(self) -> Mapping[int, Label]:
        """Label of each column."""
        return dict(enumerate(self.labels.tolist()))

    def encoded(self, y: ArrayLike) -> Array:
        """Return the labels of further rows, (m, L), as 1 and -1.

        Raises
        ------
        ValueError
            If they are no indicator matrix of as many columns, or its columns have other names.
        """
        signs, L = _signs(y), len(self.labels)
        if signs.shape[1] != L:
            raise ValueError(f"y must be of shape (m, {L}) as in the fit, got {signs.shape}")
        columns = getattr(y, "columns", None)
        if self.labels.dtype == object and columns is not None:
            if not np.array_equal(np.asarray(columns, dtype=object), self.labels):
                raise ValueError(
                    f"the columns of y must be those of the fit, {self.labels.tolist()}, got "
                    f"{list(columns)}"
                )
        return signs

    def named(self, columns: AnyArray) -> AnyArray:
        """Return the labels of columns."""
        out: AnyArray = self.labels[columns]
        return out

    def shown(self, indicator: AnyArray) -> MatrixLike:
        """Return an indicator matrix (m, L) in the form that ``y`` came in."""
        # A matrix, as scikit-learn's label binarizer has it.
        return csr_matrix(indicator) if self.sparse else indicator


def several(y: object) -> bool:
    """Whether ``y`` is a matrix with a column of 0 and 1 for each of several labels."""
    return y is not None and bool(is_multilabel(y))


def _signs(y: ArrayLike | MatrixLike) -> Array:
    """Return 1 for 1 and -1 for 0, (m, L)."""
    dense = check_array(
        y, accept_sparse="csr", dtype=np.float64, input_name="y", ensure_min_samples=0
    )
    dense = np.asarray(dense.todense() if issparse(dense) else dense)
    if not np.isin(dense, (0.0, 1.0)).all():
        raise ValueError("y must be an indicator matrix: 1 where a row has a label, else 0")
    return np.where(dense == 1.0, 1.0, -1.0)
