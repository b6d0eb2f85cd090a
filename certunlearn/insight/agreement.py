"""What a request takes once look-alikes have been looked for and the owner has been asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._common import validate as _validate
from .._common.arrays import Position
from ..requests.asked import Asked
from ..requests.fitted import Fitted
from .preview import look_alikes


class LookAlikes(NamedTuple):
    """How many look-alikes of a request go along with it, and how many stay."""

    along: int
    left: int


def agreed(
    fitted: Fitted, asked: Asked, expand: str | None, confirm: bool
) -> tuple[Position, LookAlikes | None]:
    """Return what is to be forgotten, and what that makes of look-alikes.

    These are None where nobody wants to know.

    Parameters
    ----------
    expand : {"near", "count"}, optional
        Whether look-alikes go along, or are counted and stay.
    confirm : bool
        Whether much may be taken.

    Raises
    ------
    UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
        If the request does not name rows properly.
    ConfirmationNeededError
        If it takes so much that it has to be confirmed.
    """
    positions, counts = fitted.positions(asked), None
    if expand is not None:
        _validate.choice("expand", expand, ("near", "count"))
        near = look_alikes(fitted, positions).rows
        taken = near[:0]
        if expand == "near":
            taken = near[~fitted.names.fixed(near)]
            # Checked as if the request had named them.
            rows = np.concatenate([positions, taken])
            positions = fitted.positions(Asked(rows=rows))
        counts = LookAlikes(len(taken), len(near) - len(taken))
    fitted.taken(positions).confirmed(confirm)
    return positions, counts
