"""What a store says of itself, as JSON takes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypedDict

from .log import Json

if TYPE_CHECKING:
    from ..audit.sequential import SelfAudit


class Size(TypedDict):
    """How long the log is, and the root of the tree over it, in hexadecimal digits."""

    size: int
    root: str


class Watched(TypedDict):
    """What the audit of some of the requests has found so far."""

    rate: float
    requests: int
    looks: int
    #: Evidence against the claims; the claims hold while it is below ``1 / level``.
    e_value: float | None
    level: float
    #: Largest true over certified distance, none before the first look.
    true_over_certified: float | None
    passed: bool


class Status(TypedDict):
    """What `ModelStore.status` returns; infinite epsilons are None."""

    estimator: str
    origin: str
    generation: int
    recognises: bool
    n_retained: int
    n_forgotten: int
    epsilon: float | None
    delta: float
    joint_epsilon: float | None
    releases: int
    self_audit: Watched | None
    weights: str
    counts: dict[str, int]
    requests: list[Json]
    exports: list[Json]
    head: Size


def shown(evidence: SelfAudit | None) -> Watched | None:
    """Return evidence as a status has it."""
    if evidence is None:
        return None
    found = evidence.finding()
    return {
        "rate": evidence.rate,
        "requests": evidence.requests,
        "looks": evidence.looks,
        "e_value": None if math.isinf(found.statistic) else found.statistic,
        "level": evidence.level,
        "true_over_certified": max(evidence.ratios, default=None),
        "passed": found.passed,
    }
