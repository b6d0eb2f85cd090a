"""Labels of the classes: those that rows still carry, with the codes that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from .._common.arrays import AnyArray, ArrayLike, Label

Codes = NDArray[np.int64]


def _narrow(labels: AnyArray) -> AnyArray:
    """Return labels in an array that says nothing of any others: no wider than they are."""
    if labels.dtype.kind in "US":
        return np.array(labels.tolist(), dtype=labels.dtype.kind)
    out = labels.copy()
    if labels.dtype == object:
        # Of equal labels of different types the first row's would be kept.
        out[:] = [v.item() if isinstance(v, np.generic) else v for v in labels]
    return out


@dataclass(frozen=True)
class Classes:
    """Labels that rows carry which are not forgotten, whatever these rows weigh.

    A label goes with the last of its rows: whoever asks for it afterwards is told the same as
    about one that never was.  The other labels keep their codes.

    Attributes
    ----------
    labels : ndarray of shape (K,)
        Sorted; texts are as wide as the longest of them, otherwise of the dtype given to fit.
    codes : ndarray of int, shape (K,)
        Increasing: what stands for them in the store.
    """

    labels: AnyArray
    codes: Codes

    @classmethod
    def of(cls, y: AnyArray) -> tuple[Self, Codes]:
        """Return the classes of checked labels (n,), and the code of each."""
        labels, codes = np.unique(y, return_inverse=True)
        return cls(_narrow(labels), np.arange(len(labels))), codes.astype(np.int64)

    def named(self, codes: Codes) -> AnyArray:
        """Return the labels that codes stand for."""
        return _narrow(self.labels[np.searchsorted(self.codes, codes)])

    @property
    def names(self) -> Mapping[int, Label]:
        """Label of each code, as Python's own number, truth value or text."""
        return dict(zip(self.codes.tolist(), self.labels.tolist(), strict=True))

    def encoded(self, y: ArrayLike) -> Codes:
        """Return the codes of labels (m,), of whatever kind: compared as Python compares them.

        Raises
        ------
        ValueError
            If no row carries one of them.
        """
        values = np.asarray(column_or_1d(y, dtype=None)).tolist()
        known = {label: code for code, label in self.names.items()}
        try:
            new = {v for v in values if v not in known}
        except TypeError as error:
            raise ValueError(f"a label cannot be looked up: {error}") from None
        if new:
            shown = sorted(new, key=lambda v: (str(type(v)), repr(v)))
            raise ValueError(
                f"labels that did not occur in the fit: {shown}; fit anew to add classes (one whose"
                " last row has been forgotten counts as one that never was)"
            )
        return np.array([known[v] for v in values], dtype=np.int64)

    def without(self, codes: Codes) -> Classes:
        """Return the classes but for those that codes stand for."""
        stay = ~np.isin(self.codes, codes)
        if stay.all():
            return self
        return Classes(_narrow(self.labels[stay]), self.codes[stay])
