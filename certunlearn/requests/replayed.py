"""A training from the retained rows alone, held against a secret iterate."""

from __future__ import annotations

from typing import NamedTuple, Self

from ..engine.protocol import Unlearner


class Replayed(NamedTuple):
    """How far a secret iterate is from a training of its rows, and what is certified of both.

    Attributes
    ----------
    apart : float
        At least the distance of the two, in the norm of the noise.
    shown : float
        Certified distance of the secret iterate to the optimum of the retained rows.
    own : float
        The same of the training.
    """

    apart: float
    shown: float
    own: float

    @classmethod
    def of(cls, model: Unlearner, afresh: Unlearner) -> Self:
        """Compare a model with what its ``retrained`` returned."""
        shown, own = model.certificate.distance, afresh.certificate.distance
        assert shown is not None and own is not None
        return cls(model.apart(afresh.W), shown, own)

    @property
    def allowed(self) -> float:
        """How far apart the certified distances to one optimum allow the two to be."""
        # The norms of the two differ by the rounding of their factors.
        return (self.shown + self.own) * (1 + 1e-6)

    @property
    def holds(self) -> bool:
        """Whether they are as near as that."""
        return self.apart <= self.allowed
