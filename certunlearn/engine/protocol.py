"""The joint between the engine and the rooms above: a model that goes on without some of its rows.

Two classes implement `Unlearner`: `unlearner.Model`, of a penalised loss, and
`min_norm.unlearner.Model`, of least squares of minimum norm.  Both are immutable: a verb returns
another model over the same store, and what went is overwritten once that one has been taken over.
"""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .._common.arrays import AnyArray, Array, MatrixLike, Positions, Progress
from .._common.interrupts import steady
from ..claims.budget import Budget
from ..claims.certificate import Certificate
from ..numerics.context import numerics
from . import condensing
from .members import Members, Store, unappended
from .request_count import RequestCount
from .settings import Settings


class Unlearner(Protocol):
    """A model, the release drawn from it, and how it goes on with other rows.

    Positions are places in the store throughout.  A verb raises NotCertifiedError if the distance
    that its release is promised cannot be shown; nothing has changed then.
    """

    @property
    def settings(self) -> Settings:
        """What the user chose."""

    @property
    def rows(self) -> Store:
        """The store, which later and earlier models share."""

    @property
    def members(self) -> Members:
        """The training set."""

    @property
    def budget(self) -> Budget | None:
        """None without noise."""

    @property
    def scale(self) -> tuple[float, ...]:
        """Unit of the noise of each column, or of all."""

    @property
    def requests(self) -> RequestCount:
        """What has been asked so far."""

    @property
    def released(self) -> Array:
        """The noisy weights, shape (p, K): they may leave the process."""

    @property
    def certificate(self) -> Certificate:
        """What holds for them."""

    @property
    def W(self) -> Array:
        """The secret iterate, shape (p, K)."""

    @property
    def plan(self) -> str:
        """Why the tier that reached the iterate was chosen."""

    @property
    def solver(self) -> str:
        """What solves for the training set."""

    @property
    def left(self) -> int:
        """Rows that no request has named, whatever they weigh."""

    @property
    def forgotten(self) -> NDArray[np.bool_]:
        """Rows that a request has named, shape (n,); not to be written to."""

    @property
    def settled(self) -> bool:
        """Whether the store holds this model's rows and no others."""

    def held(self, positions: Positions) -> tuple[MatrixLike, AnyArray, Array]:
        """Return copies of the features (m, d), labels or targets, and weights of rows."""

    def forget(self, positions: Positions, *, progress: Progress = None) -> Self:
        """Return the model without rows, released anew."""

    def edit(
        self,
        positions: Positions,
        X: MatrixLike,
        labels: AnyArray,
        sample_weight: Array,
        *,
        progress: Progress = None,
    ) -> Self:
        """Return the model without rows and with others behind all there are, released anew."""

    def release(self) -> Self:
        """Return the model with a fresh release of the same secret iterate."""

    def certified(self, certificate: Certificate) -> Self:
        """Return the same release with the certificate of what has left the process."""

    def rebased(self) -> Self:
        """Return the same release over a state made of the retained rows alone."""

    def retrained(self) -> Self:
        """Return a model trained on the retained rows alone, without noise.

        Of this one nothing but rows, labels, weights and settings is used.
        """

    def apart(self, W: Array) -> float:
        """Return how far weights (p, K) are from the secret iterate, in the norm of the noise."""

    def condensed(self) -> tuple[Self, NDArray[np.bool_]] | None:
        """Return the same release over a store that has closed up, and the places kept, (n,).

        None where that would not pay.  Once the new model has been taken over `erase` this one.
        """

    def scrub(self) -> None:
        """Overwrite whatever rows this model does not hold; safe to call again."""

    def erase(self) -> None:
        """Overwrite all rows of a model that one over another store has taken the place of."""


class Holding:
    """What both models do alike with the rows of their store."""

    @property
    def left(self: Unlearner) -> int:
        """Rows that no request has named, whatever they weigh."""
        return len(self.members.weights) - self.requests.stale

    @property
    def forgotten(self: Unlearner) -> NDArray[np.bool_]:
        """Rows that a request has named, shape (n,); not to be written to."""
        scrubbed = self.rows.scrubbed
        if not len(self.requests.pending(scrubbed)):
            return scrubbed
        out = scrubbed.copy()
        out[self.requests.named] = True
        return out

    @property
    def settled(self: Unlearner) -> bool:
        """Whether the store holds this model's rows and no others."""
        pending = self.requests.pending(self.rows.scrubbed)
        return not len(pending) and self.rows.n == len(self.members.weights)

    def scrub(self: Unlearner) -> None:
        """Overwrite whatever rows this model does not hold; safe to call again."""
        with numerics(), steady():
            unappended(self.rows, len(self.members.weights))
            self.rows.scrub(self.requests.pending(self.rows.scrubbed))

    def erase(self: Unlearner) -> None:
        """Overwrite all rows of a model that one over another store has taken the place of."""
        with numerics(), steady():
            self.rows.scrub(np.arange(self.rows.n))


def closing(model: Unlearner) -> NDArray[np.bool_] | None:
    """Return the places (n,) to keep where closing up the store pays; else None."""
    if not (
        model.rows.closes_up and model.settled and condensing.is_due(model.rows.n, model.requests)
    ):
        return None
    return ~model.rows.scrubbed
