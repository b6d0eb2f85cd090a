"""Whether the figures of a certificate follow from one another."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime

from .._common.rounding import up
from .budget import share
from .power import Promise

SEEDED = "reproducible noise: not private"
#: What a certificate may be of.
EVENTS = ("fit", "removal", "correction", "addition", "release")
#: Events that take something out of the training set.
REMOVING = ("removal", "correction")


def _is_time(text: str) -> bool:
    try:
        offset = datetime.fromisoformat(text).utcoffset()
    except ValueError:
        return False
    return offset is not None and not offset


class Consistency:
    """Recomputes what a certificate states, from what else it states."""

    kind: str
    epsilon: float
    delta: float
    mu: float
    sigma: float
    noise: float
    scale: tuple[float, ...]
    view: str
    drift: tuple[float, float]
    distance_target: float
    fit_distance: float
    joint_epsilon: float
    joint_mu: float
    joint_drift: tuple[float, float]
    releases: int
    horizon: int | None
    reference: str
    n_retained: int
    conditions: tuple[str, ...]
    seeded: bool
    version: int
    event: str | None
    removals: int | None
    weights: str | None
    issued: str | None

    @property
    def promise(self) -> Promise:
        """What is promised about this release; in the transcript view, about all together.

        Raises
        ------
        ValueError
            If nothing is.
        """
        if self.kind != "gaussian":
            raise ValueError(f"a certificate of kind {self.kind!r} promises nothing")
        return Promise(self.epsilon, self.delta, self.mu, *self.drift)

    @property
    def joint_promise(self) -> Promise:
        """What is promised about all releases since the oldest removal together."""
        # One release, or a view in which epsilon is for all of them.
        if self.joint_epsilon <= self.epsilon:
            return self.promise
        return Promise(self.joint_epsilon, self.delta, self.joint_mu, *self.joint_drift)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """In what the fields contradict one another, a sentence each; empty if they do not.

        Recomputed are epsilon and delta, and the joint epsilon, from mu and drift, which in turn
        must be large enough for the distances over sigma; compared are what is said twice.

        Notes
        -----
        Guarantee: where there is none and kind is "gaussian", the stated distances, noise and drift
        of covariances imply (epsilon, delta).  Proof: proofs/check.md

        This finds edits that do not fit together.  It is no signature: who changes all that hangs
        together can write whatever certificate they like.
        """
        return tuple(self._contradictions())

    def _contradictions(self) -> Iterator[str]:
        one = " members (" not in self.reference
        if self.kind == "none":
            if min(self.epsilon, self.joint_epsilon) < math.inf:
                yield f"kind none claims nothing, but epsilon = {self.epsilon:.6g} is stated"
        # Of a vote version 1 stated no mu as a rule, and distances in units of several sigmas; of
        # several releases no joint mu.
        elif self.version > 1 or self.mu < math.inf:
            yield from filter(None, [self.promise.contradiction()])
            # Members of a vote may differ in horizons and in how often they were released.
            shared = share(self.horizon, max(self.releases, 1)) if self.horizon and one else 1.0
            # What `Budget.caps` guarantees of the two distances.
            far = self.fit_distance + self.distance_target > up(
                self.sigma * self.mu * math.sqrt(shared), 8
            )
            if far and (self.version > 1 or one):
                yield "fit_distance and distance_target add up to more than sigma times mu allows"
        if self.kind != "none" and (self.version > 1 or self.joint_mu < math.inf):
            yield from self._joint_contradictions()
        if self.seeded != (SEEDED in self.conditions):
            yield "seeded and the conditions disagree on whether the noise came from a seed"
        if f"on the {self.n_retained} retained rows" not in self.reference:
            yield f"the reference is not on the {self.n_retained} rows that n_retained says"
        if self.version > 1:
            if one and self.sigma != self.noise * min(self.scale, default=math.nan):
                yield "sigma is not the noise times the smallest scale"
            if (self.view == "transcript") != bool(self.horizon):
                yield "a horizon is of the transcript view, and of it alone"
            yield from self._identity_contradictions()

    def _joint_contradictions(self) -> Iterator[str]:
        if self.joint_epsilon < self.epsilon or self.joint_mu < self.mu:
            yield "all releases together are said to tell less than this one"
        elif self.view == "transcript" and self.joint_epsilon > self.epsilon:
            yield "in the transcript view epsilon is for all releases, and not another one"
        # The same recomputation for the product of all releases' laws.
        found = Promise(self.joint_epsilon, self.delta, self.joint_mu, *self.joint_drift)
        said = found.contradiction()
        if said:
            yield f"of all releases together {said}"

    def _identity_contradictions(self) -> Iterator[str]:
        if self.event not in EVENTS or self.removals is None:
            yield f"it does not say what it is of: event = {self.event!r}"
        elif self.event == "fit" and self.removals:
            yield f"a fit comes before every removal, and removals = {self.removals}"
        elif self.event in REMOVING and not self.removals:
            yield f"a {self.event} with removals = 0"
        elif self.event in REMOVING and not self.releases:
            yield f"a {self.event} with releases = 0"
        if self.weights is None or not re.fullmatch("[0-9a-f]{64}", self.weights):
            yield "weights is no SHA-256"
        if self.issued is None or not _is_time(self.issued):
            yield "issued is no time in UTC"

    def check(self, epsilon: float, delta: float, *, allow_seeded: bool = False) -> bool:
        """Whether this certificate implies (epsilon, delta)-certified removal.

        False where its fields contradict one another (`contradictions` says in what), and for noise
        from a seed, which hides nothing from whoever knows it, unless ``allow_seeded``.  Whether it
        is a certificate of the predictor at hand is what `matches` tells, and whether anything has
        been removed ``removals``: a fit passes as well.

        Notes
        -----
        Guarantee: as `contradictions`.  Proof: proofs/check.md
        """
        claims = self.kind == "gaussian" and self.epsilon <= epsilon and self.delta <= delta
        private = not self.seeded or allow_seeded
        return claims and private and self.mu < math.inf and not self.contradictions
