"""The certificate: what is promised, what was realised, and what is not covered."""

from __future__ import annotations

import json
import math
import reprlib
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, get_args, get_origin, get_type_hints

NOT_COVERED = (
    "releases made before the removal: one before and one after reveal the row",
    "which requests were made after somebody saw such an earlier release",
    "the secret state and its pickles, backups and copies of the data",
    "whatever else was fitted on the removed rows: feature extractors, scalers, hyper-parameters",
    "what the model can still infer: similar rows that remain keep their influence",
)
CONDITIONS = (
    "ideal Gaussian sampler",
    "IEEE 754 double precision, rounding to nearest",
)
SAME_PROGRAM = "the reference run executes the same floating-point program on the same machine"
SEEDED = "reproducible noise: not private"
VERSION = 1
_SUBJECT = {
    "release": "this one release can tell it",
    "transcript": "all releases since the oldest removal together can tell them",
}
#: What a certificate that is read back may say.
_ALLOWED = {"kind": ("gaussian", "none"), "view": tuple(_SUBJECT), "goal": ("untraining",)}


def _read(name: str, value: Any, kind: Any) -> Any:
    """Return a JSON value as the type ``kind``; numbers are finite or "inf", and not negative."""
    options = get_args(kind) if type(None) in get_args(kind) else (kind,)
    if value is None and type(None) in options:
        return None
    kind = options[0]
    if get_origin(kind) is tuple and isinstance(value, list):
        inner = get_args(kind)
        inner = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
        if len(inner) == len(value):
            return tuple(_read(name, v, k) for v, k in zip(value, inner, strict=True))
    number = kind in (int, float) and isinstance(value, (int, kind)) and not isinstance(value, bool)
    # An integer may be finite and beyond what a float can hold.
    if number and 0 <= value <= sys.float_info.max:
        return kind(value)
    if kind is float and value == "inf":
        return math.inf
    if kind is str and isinstance(value, str):
        return value
    raise ValueError(f"{name} of a certificate cannot be {reprlib.repr(value)}")


@dataclass(frozen=True)
class Certificate:
    """What may be said about the weights just released.

    The first group of fields is promised: fixed before any request, fit for outsiders
    (`public`).  The second is realised: each is a function of the removed rows and belongs to
    the owner's log only.

    Attributes
    ----------
    kind : {"gaussian", "none"}
        "none" (no noise was asked for) claims nothing.
    epsilon, delta : float
        For every set of outcomes, this release and the reference are equally likely up to a
        factor exp(epsilon) and an addition delta, in both directions.
    mu, sigma, mechanism, view : float, float, str, str
        Cap on the distance of the two means over sigma; noise scale; geometry; what is counted.
    noise, scale : float, tuple of float
        As asked for, and its unit: a function of the retained rows alone, one number for each
        column of coefficients or for all.  sigma is their product, for the smallest unit.
    distance_target, fit_distance : float
        Distance to the exact optimum a removal must certify and every fit promises, in the norm
        of the noise.
    joint_epsilon : float
        All releases since the oldest removal together, at the same delta.
    coefficient_deviation : tuple of float
        Smallest, median and largest standard deviation that the noise gives a coefficient.
    reference, goal, conditions, not_covered : str or tuple of str
        Against what, and under which provisos.
    n_retained : int
        Rows the reference would be trained on.
    library : str
        Version that issued this.
    distance, tier, n_forgotten, passes, seconds : float, str, int, int, float
        Realised: certified bound on the distance to the exact optimum, how it was reached, rows
        removed so far, sweeps over the retained rows, time.
    look_alikes : int
        Realised: rows of the training set that look like those the last request named; None where
        they were not counted (``forget(expand=...)`` counts them).
    """

    kind: str
    epsilon: float
    delta: float
    mu: float
    sigma: float
    mechanism: str
    view: str
    distance_target: float
    fit_distance: float
    joint_epsilon: float
    coefficient_deviation: tuple[float, float, float]
    reference: str
    n_retained: int
    library: str
    noise: float
    scale: tuple[float, ...]
    goal: str = "untraining"
    conditions: tuple[str, ...] = CONDITIONS
    not_covered: tuple[str, ...] = NOT_COVERED
    version: int = VERSION
    distance: float | None = field(default=None, metadata={"realised": True})
    tier: str | None = field(default=None, metadata={"realised": True})
    n_forgotten: int | None = field(default=None, metadata={"realised": True})
    passes: int | None = field(default=None, metadata={"realised": True})
    seconds: float | None = field(default=None, metadata={"realised": True})
    look_alikes: int | None = field(default=None, metadata={"realised": True})

    def public(self) -> Certificate:
        """Return the promised part alone: nothing in it depends on the removed rows."""
        gone: dict[str, Any] = {f.name: None for f in fields(self) if f.metadata.get("realised")}
        return replace(self, **gone)

    def check(self, epsilon: float, delta: float) -> bool:
        """Whether this certificate implies (epsilon, delta)-certified removal."""
        return self.kind != "none" and self.epsilon <= epsilon and self.delta <= delta

    def to_json(self) -> str:
        """Serialise; infinities are written as the string "inf"."""
        values = {k: "inf" if v == math.inf else v for k, v in asdict(self).items()}
        return json.dumps(values, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            If it is of another version, or a field is missing, unknown or of no possible value.
        """
        try:
            values: dict[str, Any] = json.loads(text)
        except RecursionError:
            raise ValueError("not a certificate: nested too deeply") from None
        if not isinstance(values, dict) or values.get("version") != VERSION:
            raise ValueError(f"not a certificate of version {VERSION}")
        names = {f.name for f in fields(cls)}
        if set(values) != names:
            raise ValueError(f"fields do not match: {sorted(set(values) ^ names)}")
        hints = get_type_hints(cls)
        for key, value in values.items():
            values[key] = _read(key, value, hints[key])
            if key in _ALLOWED and value not in _ALLOWED[key]:
                raise ValueError(f"{key} of a certificate cannot be {reprlib.repr(value)}")
        if values["delta"] > 1:
            raise ValueError(f"delta of a certificate cannot be {values['delta']}")
        return cls(**values)

    @property
    def _unit(self) -> list[str]:
        """What sigma is made of, where that is not the noise asked for alone."""
        if self.scale == (1.0,):
            return []
        least, most = f"{min(self.scale):.3g}", f"{max(self.scale):.3g}"
        unit = least if least == most else f"{least} to {most} by column"
        return [f"               sigma is {self.noise:g} times {unit}, the retained rows' scale"]

    def __str__(self) -> str:
        """A short statement in plain language."""
        if self.kind == "none":
            return (
                "No certificate: the weights were released without noise (noise=0), so nothing "
                "is claimed about what they reveal."
            )
        low, middle, high = self.coefficient_deviation
        lines = [
            f"Certified removal, epsilon = {self.epsilon:g}, delta = {self.delta:g}.",
            f"Better than these two numbers allow, no test on {_SUBJECT[self.view]} from",
            f"{self.reference}.",
            f"  noise        {self.mechanism}, sigma = {self.sigma:g}; standard deviation per "
            f"coefficient {low:.2g} to {high:.2g} (median {middle:.2g})",
            *self._unit,
            f"  joint view   all releases since the oldest removal: epsilon = "
            f"{self.joint_epsilon:.4g} at the same delta",
        ]
        if self.distance is not None:
            lines.append(
                f"  realised     tier {self.tier}: distance to exact retraining at most "
                f"{self.distance:.2g} of the {self.distance_target:.2g} allowed "
                f"(owner's log, not for publication)"
            )
        if self.look_alikes:
            lines.append(
                f"  careful      {self.look_alikes} rows that look like the removed ones stay and "
                f"keep their influence (owner's log, not for publication)"
            )
        lines += ["  holds under  " + "; ".join(self.conditions), "  not covered"]
        return "\n".join(lines + [f"    - {text}" for text in self.not_covered])
