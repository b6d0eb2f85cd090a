"""How much a request would take, and whether it is carried out without a second word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._common import validate as _validate
from .._common.arrays import Label
from ..engine.members import Members
from ..exceptions import AssumptionError, ConfirmationNeededError

#: A request beyond this share of the training set deserves a second look.
LARGE = 0.2
#: Of a class or group beyond this share lost, the same.
NEARLY = 0.5
#: Beyond this share of the training set `forget` asks.
TOO_LARGE = 0.5
#: Of a class beyond this share lost, and of a group that would not lose all, the same.
EMPTIED = 0.9


class Lost(NamedTuple):
    """How many rows a class or group loses, and how many it keeps."""

    name: Label
    lost: int
    left: int

    @property
    def share(self) -> float:
        """Lost out of what there was."""
        return self.lost / (self.lost + self.left)

    def __str__(self) -> str:
        """Say it in words."""
        if not self.left:
            its = "its only row" if self.lost == 1 else f"all of its {self.lost} rows"
            return f"{self.name!r} loses {its}"
        return f"{self.name!r} loses {self.lost} of its {self.lost + self.left} rows"


@dataclass(frozen=True)
class Taken:
    """What a request takes of the training set, of its classes and of groups.

    Attributes
    ----------
    rows, of : int
        Rows of positive weight that would go, and that there are.
    classes, groups : tuple of Lost
        Those that would lose rows.  A group counts its rows whatever their weight.
    kinds : int
        Classes that would be left; 2 where targets are numbers.
    """

    rows: int
    of: int
    classes: tuple[Lost, ...] = ()
    groups: tuple[Lost, ...] = ()
    kinds: int = 2

    @classmethod
    def by(
        cls,
        members: Members,
        rows: int,
        lost: NDArray[np.int64] | None,
        labels: Mapping[int, Label],
        groups: tuple[Lost, ...] = (),
    ) -> Taken:
        """Count what goes, in O(m + number of classes) for m rows.

        Parameters
        ----------
        members : Members
            The training set before.
        rows : int
            Rows of positive weight that would go.
        lost : ndarray of int, shape (K,), or None
            How many of them have each class code, or carry each label; None where targets are
            numbers.
        labels : mapping of int
            Label of each class code.
        groups : tuple of Lost
            Groups that would lose rows.
        """
        of = members.weights.kept
        if lost is None:
            return cls(rows, of, (), groups)
        left = members.counts - lost
        classes = tuple(
            Lost(labels[code], int(lost[code]), int(left[code]))
            for code in np.flatnonzero(lost).tolist()
        )
        # Of several labels a row a single one is a problem of its own.
        kinds = 2 if members.marked else int(np.count_nonzero(left))
        return cls(rows, of, classes, groups, kinds)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to think twice about."""
        return self._beyond(LARGE, NEARLY)

    @property
    def questions(self) -> tuple[str, ...]:
        """Why `forget` would ask for ``confirm=True``; empty if it would not.

        Nothing is asked where too little would be left to train on: that is refused anyway.
        """
        if self.kinds < 2 or self.rows >= self.of:
            return ()
        return self._beyond(TOO_LARGE, EMPTIED)

    def _beyond(self, total: float, part: float) -> tuple[str, ...]:
        """Say what is lost beyond shares; a group that goes as a whole was meant to."""
        out, share = [], self.rows / max(1, self.of)
        if share > total:
            out.append(f"the request takes {share:.0%} of the training set")
        out += [f"class {lost}" for lost in self.classes if lost.share > part]
        out += [f"group {lost}" for lost in self.groups if lost.left and lost.share > part]
        return tuple(out)

    def confirmed(self, confirm: object) -> None:
        """Refuse what takes too much to be done without a second word.

        Raises
        ------
        ConfirmationNeededError
            If there are questions and ``confirm`` is False.
        AssumptionError
            If rows of a single class would be left.
        """
        if self.kinds == 1:
            emptied = ", ".join(repr(lost.name) for lost in self.classes if not lost.left)
            raise AssumptionError(
                f"the request takes every row of class {emptied}, and those left hold 1 class: "
                "this classifier needs samples of at least 2 classes. Nothing has been changed: "
                "learn() other rows of that class first, or delete the model with its exports and "
                "answer with the class that is left"
            )
        if not _validate.flag("confirm", confirm) and self.questions:
            raise ConfirmationNeededError(self.questions)
