"""What every audit returns: a statistic, the band it lies in without a fault, and the power."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from .._common.html import Table, fragment


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Figures that an audit found, without a verdict.

    Attributes
    ----------
    audit : str
        What was looked at.
    scope : str
        What the figures say, and what they do not.
    """

    audit: str
    scope: str = ""

    def lines(self) -> list[tuple[str, str]]:
        """Labels and values of what a reader wants to see, in order."""
        # Fields that every finding has are set out by `Finding.lines`.
        known = {f.name for f in fields(Finding)}
        out = [
            (f.name.replace("_", " "), _shown(getattr(self, f.name)))
            for f in fields(self)
            if f.name not in known and f.repr
        ]
        return [*out, ("scope", self.scope)] if self.scope else out

    def __str__(self) -> str:
        lines = self.lines()
        width = max(len(label) for label, _ in lines)
        return "\n".join([self.audit, *(f"  {label:<{width}}  {value}" for label, value in lines)])

    def to_json(self) -> str:
        """Return all fields as JSON; what is not finite is a string, arrays are lists."""
        return json.dumps({f.name: plain(getattr(self, f.name)) for f in fields(self)})

    def _repr_html_(self) -> str:
        return fragment(Table((), tuple(self.lines())), self.audit)


@dataclass(frozen=True, kw_only=True)
class Finding(Measured):
    """A statistic beside the band where it lies when nothing is wrong.

    Attributes
    ----------
    statistic : float
        What was found.
    null : (float, float)
        The null band: without a fault the statistic is outside with probability at most ``level``.
    level : float
        Largest chance of a false alarm.
    power : dict of str to float
        Chance that a fault of this name and size is caught.
    """

    statistic: float
    null: tuple[float, float]
    level: float
    power: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the statistic is in the null band; an undefined one is not."""
        # NaN compares as False: what could not be computed does not pass.
        return self.null[0] <= self.statistic <= self.null[1]

    def lines(self) -> list[tuple[str, str]]:
        """Labels and values of what a reader wants to see, the verdict first."""
        first = [
            ("verdict", "in the null band" if self.passed else "OUTSIDE the null band"),
            ("statistic", f"{self.statistic:.6g}"),
            ("null band", f"{self.null[0]:.6g} to {self.null[1]:.6g}, level {self.level:g}"),
        ]
        power = [(f"power, {fault}", f"{chance:.3g}") for fault, chance in self.power.items()]
        rest = super().lines()
        return first + rest[:-1] + power + rest[-1:] if self.scope else first + rest + power

    def to_json(self) -> str:
        """Return all fields and the verdict as JSON."""
        return json.dumps(json.loads(super().to_json()) | {"passed": self.passed})


def _shown(value: object) -> str:
    """Write a field of a result for people."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        # Two numbers are an interval.
        numbers = all(isinstance(v, float) for v in value)
        return (" to " if numbers and len(value) == 2 else ", ").join(map(_shown, value))
    if isinstance(value, np.ndarray):
        shape = " x ".join(map(str, value.shape))
        return f"{shape} numbers, {value.min():.4g} to {value.max():.4g}" if value.size else "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_shown(v)}" for k, v in value.items())
    return str(value)


def plain(value: object) -> object:
    """Return a value as JSON takes it."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Measured):
        return json.loads(value.to_json())
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
