"""The certificate: what it is of, what is promised, what was realised, and what is not covered."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, get_type_hints

from .._common.arrays import ArrayLike, MatrixLike
from .._common.fields import loaded, plain, typed
from .._common.html import Table, Text, fragment
from .consistency import REMOVING, SEEDED, Consistency
from .fingerprint import fingerprint, weights_of

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
VERSION = 2
_SUBJECT = {
    "release": "this one release can tell it",
    "transcript": "all releases since the oldest removal together can tell them",
}
#: What a certificate that is read back may say.
_ALLOWED = {"kind": ("gaussian", "none"), "view": tuple(_SUBJECT), "goal": ("untraining",)}
#: What a certificate may be of, and its title then.
TITLES = {
    "fit": "Certificate of a fit, nothing removed",
    "removal": "Certificate of removal",
    "correction": "Certificate of correction",
    "addition": "Certificate of an addition",
    "release": "Certificate of a release",
}
#: What the verbs of a model are called here.
_OF_VERB = {"forget": "removal", "correct": "correction", "learn": "addition"}


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


_REALISED: dict[str, bool] = {"realised": True}
#: The event itself: all that may differ between two worlds in which the same was asked.
_OF: dict[str, bool] = {"event": True}


@dataclass(frozen=True)
class Certificate(Consistency):
    """What may be said about the weights just released.

    The first group of fields is promised: fixed before any request, fit for outsiders
    (`public`).  The second says what the certificate is of, and is fit for them too.  The third is
    realised: each is a function of the removed rows and belongs to the owner's log only.

    Attributes
    ----------
    kind : {"gaussian", "none"}
        "none" (no noise was asked for) claims nothing.
    epsilon, delta : float
        For every set of outcomes, this release and the reference are equally likely up to a
        factor exp(epsilon) and an addition delta, in both directions.
    mu, sigma, mechanism, view : float, float, str, str
        Cap on the distance of the two means over sigma; noise scale; geometry; what is counted.
    drift : (float, float)
        What of these a difference of the two covariances may cost: an epsilon, and log(1 / delta).
    noise, scale : float, tuple of float
        As asked for, and its unit: a function of the retained rows alone, one number for each
        column of coefficients or for all.  sigma is their product, for the smallest unit.
    distance_target, fit_distance : float
        Distance to the exact optimum a removal must certify and every fit promises, in the norm
        of the noise.
    joint_epsilon, joint_mu, joint_drift : float, float, (float, float)
        The same of all releases since the oldest removal together, at the same delta.
    releases, horizon : int, int
        How many these are, this one included (0: nothing has been removed); in the transcript
        view, how many have the same distance target (None in the release view).
    coefficient_deviation : tuple of float
        Smallest, median and largest standard deviation that the noise gives a coefficient.
    reference, goal, conditions, not_covered : str or tuple of str
        Against what, and under which provisos.
    seeded : bool
        Whether the noise came from a seed: to whoever knows it nothing is hidden.
    n_retained : int
        Rows the reference would be trained on.
    library : str
        Version that issued this.
    version : int
        Of this list of fields; meanings that were once stored do not change.
    event : {"fit", "removal", "correction", "addition", "release"}
        What the release was made for.  A correction takes out what the rows were before.
    removals : int
        Removals and corrections since the fit, this one included.
    weights : str
        SHA-256 of the released weights; `certunlearn.claims.fingerprint.fingerprint` says of which
        bytes.
    issued : str
        When the release was made: UTC, ISO 8601.
    distance, tier, n_forgotten, passes, seconds : float, str, int, int, float
        Realised: certified bound on the distance to the exact optimum, how it was reached, rows
        removed so far, sweeps over the retained rows, time.
    look_alikes : int
        Realised: rows of the training set that look like those the last request named; None where
        they were not counted (``forget(expand=...)`` counts them).

    Notes
    -----
    A certificate of version 1 does not say what it is of: ``event``, ``removals``, ``weights`` and
    ``issued`` are None.
    """

    kind: str
    epsilon: float
    delta: float
    mu: float
    sigma: float
    mechanism: str
    view: str
    drift: tuple[float, float]
    distance_target: float
    fit_distance: float
    joint_epsilon: float
    joint_mu: float
    joint_drift: tuple[float, float]
    coefficient_deviation: tuple[float, float, float]
    reference: str
    n_retained: int
    library: str
    noise: float
    scale: tuple[float, ...]
    releases: int = 0
    horizon: int | None = None
    goal: str = "untraining"
    conditions: tuple[str, ...] = CONDITIONS
    not_covered: tuple[str, ...] = NOT_COVERED
    seeded: bool = False
    version: int = VERSION
    event: str | None = field(default=None, metadata=_OF)
    removals: int | None = field(default=None, metadata=_OF)
    weights: str | None = field(default=None, metadata=_OF)
    issued: str | None = field(default=None, metadata=_OF)
    distance: float | None = field(default=None, metadata=_REALISED)
    tier: str | None = field(default=None, metadata=_REALISED)
    n_forgotten: int | None = field(default=None, metadata=_REALISED)
    passes: int | None = field(default=None, metadata=_REALISED)
    seconds: float | None = field(default=None, metadata=_REALISED)
    look_alikes: int | None = field(default=None, metadata=_REALISED)

    def public(self) -> Certificate:
        """Return what is promised and what it is of: nothing here depends on the removed rows."""
        # The metadata of a field says where it belongs: a new one cannot be forgotten here.
        gone: dict[str, Any] = {f.name: None for f in fields(self) if f.metadata.get("realised")}
        return replace(self, **gone)

    def of(
        self, verb: str, coef: MatrixLike, intercept: ArrayLike, before: Certificate | None
    ) -> Certificate:
        """Return this certificate as one of the release with these weights, made now.

        ``verb`` is what was done, "fit", "forget", "correct", "learn" or "release"; ``before`` the
        certificate of the release before, if there was one since the fit.
        """
        event = _OF_VERB.get(verb, verb)
        earlier = 0 if before is None else before.removals or 0
        return replace(
            self,
            event=event,
            removals=earlier + int(event in REMOVING),
            weights=fingerprint([(coef, intercept)]),
            issued=now(),
        )

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        if self.kind == "none":
            return "No certificate"
        return TITLES.get(self.event or "", "Certificate")

    def matches(self, predictor: object) -> bool:
        """Whether this is a certificate of the weights of ``predictor``, by their SHA-256.

        Parameters
        ----------
        predictor : estimator
            Fitted: of this package, what ``export_predictor()`` returned, a pipeline that ends with
            one, a search or a vote.  What was made of the released weights afterwards (small ones
            set to zero, steps joined with the model) has other weights.  Labels and the steps of a
            pipeline are not compared.

        Raises
        ------
        ValueError
            If the certificate does not say which weights it is of: version 1 did not.
        TypeError
            If the predictor has no weights.
        """
        if self.weights is None:
            raise ValueError("this certificate does not say which weights it is of")
        return fingerprint(weights_of(predictor)) == self.weights

    def to_json(self) -> str:
        """Serialise, in its own version; infinities are written as the string "inf"."""
        # A stored version keeps its list of fields: what it did not have is not written into it.
        later = _SINCE_2 if self.version == 1 else frozenset()
        values = {k: plain(v) for k, v in asdict(self).items() if k not in later}
        return json.dumps(values, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read what `to_json` wrote, in this version or an earlier one.

        Raises
        ------
        ValueError
            If it is of another version, a field is missing, unknown or of no possible value, or
            fields contradict one another.
        """
        values: dict[str, Any] = loaded(text, "a certificate")
        version = values.get("version") if isinstance(values, dict) else None
        if version not in (1, VERSION) or isinstance(version, bool):
            raise ValueError(f"not a certificate of version 1 or {VERSION}")
        # Fields of a stored version never change: what is missing or unknown was edited.
        names = {f.name for f in fields(cls)} - (_SINCE_2 if version == 1 else frozenset())
        if set(values) != names:
            raise ValueError(f"fields do not match: {sorted(set(values) ^ names)}")
        # Each value by the type its field is declared with: no second list of types to keep in
        # step.
        hints = get_type_hints(cls)
        for key, value in values.items():
            values[key] = typed(key, value, hints[key], "certificate")
            if key in _ALLOWED and values[key] not in _ALLOWED[key]:
                raise ValueError(f"{key} of a certificate cannot be {reprlib.repr(value)}")
        # A probability; every other figure is tied to others by `contradictions`.
        if values["delta"] > 1:
            raise ValueError(f"delta of a certificate cannot be {values['delta']}")
        read = cls(**(_of_version_1(values) if version == 1 else values))
        # Recomputed from mu and drift: an edit of one figure does not pass (proofs/check.md).
        if read.contradictions:
            raise ValueError("not a certificate as issued: " + "; ".join(read.contradictions))
        return read

    @property
    def _counted(self) -> str:
        """Say how many releases there have been, and how many are planned."""
        if not self.releases:
            return "nothing has been removed so far"
        said = f"{self.releases} since the oldest removal"
        if self.horizon is None:
            return said
        left = self.horizon - self.releases
        if left < 0:
            return f"{said}, beyond the {self.horizon} planned: certified to falling distances"
        return f"{said}, {left} of {self.horizon} planned ones left"

    def _epsilons(self) -> str:
        """Lead with both: what a single release tells, and what all of them do."""
        if self.view == "transcript":
            all_of_them = "all releases since the oldest removal, however many"
            return f"epsilon = {self.epsilon:g} for {all_of_them}"
        return (
            f"epsilon = {self.epsilon:g} for this release by itself and "
            f"{self.joint_epsilon:.4g} for all since the oldest removal together"
        )

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
            f"{self.title}, {self._epsilons()}; delta = {self.delta:g}.",
            f"Better than these two numbers allow, no test on {_SUBJECT[self.view]} from",
            f"{self.reference}.",
        ]
        if self.weights is not None:
            lines.append(
                f"  is of        weights {self.weights[:16]}..., released {self.issued}, "
                f"{self.library}"
            )
        lines += [
            f"  noise        {self.mechanism}, sigma = {self.sigma:g}; standard deviation per "
            f"coefficient {low:.2g} to {high:.2g} (median {middle:.2g})",
            *self._unit,
            f"  releases     {self._counted}",
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

    def _repr_html_(self) -> str:
        if self.kind == "none":
            return fragment(Text(str(self)))
        rows = [
            ("epsilon, delta", f"{self.epsilon:g}, {self.delta:g}"),
            ("joint epsilon", f"{self.joint_epsilon:.4g}, all releases since the oldest removal"),
            ("compared with", self.reference),
            ("noise", f"{self.mechanism}, sigma = {self.sigma:g}"),
            ("weights, SHA-256", self.weights or "not stated"),
            ("released", self.issued or "not stated"),
            ("issued by", self.library),
            ("holds under", "; ".join(self.conditions)),
            ("not covered", "; ".join(self.not_covered)),
        ]
        return fragment(Table((), tuple(rows)), self.title)


_SINCE_2 = frozenset(
    (
        *("drift", "joint_mu", "joint_drift", "releases", "horizon", "noise", "scale"),
        *("seeded", "event", "removals", "weights", "issued"),
    )
)


def _of_version_1(values: dict[str, Any]) -> dict[str, Any]:
    """Add the fields that version 1 left to a rule, or did not state."""
    epsilon, delta, drift = values["epsilon"], values["delta"], (0.0, math.inf)
    # Of a vote it stated a mu where no covariance drifts, and none otherwise.
    drifts = values["mechanism"] != "isotropic" and " members (" not in values["reference"]
    if drifts and values["kind"] != "none":
        # The reserve and the tail that version 1 was calibrated with.
        drift = min(1e-3 * epsilon, 1e-3), epsilon - math.log(delta) + math.log(1e3)
    one = values["joint_epsilon"] <= epsilon
    return values | {
        "drift": drift,
        "noise": values["sigma"],
        "scale": (1.0,),
        "joint_mu": values["mu"] if one else math.inf,
        "joint_drift": drift if one else (0.0, math.inf),
        "seeded": SEEDED in values["conditions"],
    }
