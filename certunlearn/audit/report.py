"""What an evaluation found: in words, as JSON, and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._common.html import FORMATS, Drawing, Facts, Page, Part, Table, Text, fragment
from .finding import Finding, plain


@dataclass(frozen=True)
class Axis:
    """One figure of the model beside the oracles'.

    Attributes
    ----------
    kind : str
        "effectiveness", "consistency", "subgroup" or "difficulty".
    name : str
    value, oracle : float
        The model's, and the mean of the oracles.
    band : (float, float)
        Where another oracle's figure would lie.
    said : str
        What a gap means; empty without one.
    """

    kind: str
    name: str
    value: float
    oracle: float
    band: tuple[float, float]
    said: str = ""

    @property
    def gap(self) -> float:
        """Value less the oracles' mean."""
        return self.value - self.oracle

    @property
    def flagged(self) -> bool:
        """Whether the value is outside the band; an undefined one is."""
        return not self.band[0] <= self.value <= self.band[1]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    axes : tuple of Axis
        Every figure beside the oracles'.
    efficiency : dict
        Seconds of the removal and of a retraining, and their ratio, as far as known.
    certified : dict
        What the model's certificate says, as far as it has one.
    ensembles : dict
        Forgetting quality and KLoM, where ensembles were given.
    findings : tuple of Finding
        Audits to show beside.
    oracles : int
    level : float
        Largest chance that one more oracle is flagged on any axis.
    p_value : float
        Share of all models whose score is at least the model's.
    left_out : tuple of str
        What the models cannot be asked, and why.
    """

    axes: tuple[Axis, ...]
    efficiency: Mapping[str, float] = field(default_factory=dict)
    certified: Mapping[str, float] = field(default_factory=dict)
    ensembles: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    oracles: int = 1
    level: float = 0.05
    p_value: float = 1.0
    left_out: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[Axis, ...]:
        """Axes on which the model is no oracle."""
        return tuple(a for a in self.axes if a.flagged)

    @property
    def passed(self) -> bool:
        """Whether no axis is flagged and all audits are passed."""
        return not self.flags and all(f.passed for f in self.findings)

    def table(self) -> list[tuple[str, ...]]:
        """Return lines of kind, name, value, oracle, band and what a gap means."""
        return [
            (
                *(a.kind, a.name, f"{a.value:.4g}", f"{a.oracle:.4g}"),
                f"{a.band[0]:.4g} to {a.band[1]:.4g}",
                a.said if a.flagged else "",
            )
            for a in self.axes
        ]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Labels and values of everything that has no oracle beside it."""
        groups = (self.efficiency, self.certified, self.ensembles)
        out = [(k.replace("_", " "), f"{v:.4g}") for group in groups for k, v in group.items()]
        return [*out, *(("left out", text) for text in self.left_out)]

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.passed and not self.axes:
            return f"{len(self.findings)} audits found nothing that the certificate does not allow."
        if self.passed:
            return f"No different from {self.oracles} retrained oracles on {len(self.axes)} axes."
        said = [f"{a.name}: {a.said}" for a in self.flags]
        said += [f"{f.audit}: outside its null band" for f in self.findings if not f.passed]
        what = "Not as retrained" if self.axes else "Not as certified"
        return f"{what}: {'; '.join(said)}."

    def __str__(self) -> str:
        head = ("", "", "model", "oracle", "band", "")
        lines = [head, *self.table()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = [
            "  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        text = text if self.axes else []
        more = [f"{k}: {v}" for k, v in self.facts]
        return "\n".join([self.verdict, *text, *more, *map(str, self.findings)])

    def to_json(self) -> str:
        """Return everything as JSON."""
        axes = [{**vars(a), "gap": a.gap, "flagged": a.flagged} for a in self.axes]
        rest = {k: v for k, v in vars(self).items() if k not in ("axes", "findings")}
        findings = [json.loads(f.to_json()) for f in self.findings]
        return json.dumps(
            plain({"passed": self.passed, **rest, "axes": axes, "findings": findings})
        )

    @property
    def _head(self) -> tuple[str, ...]:
        return ("axis", "figure", "model", "oracle", "where oracles lie", "what it means")

    def _repr_html_(self) -> str:
        return fragment(Table(self._head, tuple(self.table()), words=True), self.verdict)

    def page(
        self, title: str = "An unlearned model beside retrained ones", picture: str | None = None
    ) -> str:
        """Return a page of HTML that stands alone, with a picture (SVG) if there is one."""
        drawn = [] if picture is None else [Part("At a glance", [Drawing(picture, self.verdict)])]
        table = Table(self._head, tuple(self.table()), words=True)
        parts = [
            *drawn,
            *([Part("Every axis", [table])] if self.axes else []),
            *(Part(f.audit.capitalize(), [Facts(tuple(f.lines()))]) for f in self.findings),
        ]
        said = [_BANDS] if self.findings else []
        said += [_CAVEAT.format(level=self.level)] if self.axes else []
        caveat = Part("How to read it", [Text(text) for text in said])
        bad = sum(not f.passed for f in self.findings)
        counts = [("Axes flagged", f"{len(self.flags)} of {len(self.axes)}")] if self.axes else []
        counts += [("Audits failed", f"{bad} of {len(self.findings)}")] if self.findings else []
        answers = Facts((*counts, *self.facts))
        return FORMATS["html"](
            Page(title, self.verdict, answers, parts, caveat, void=not self.passed)
        )


_BANDS = (
    "Each audit has a statistic and the null band in which it lies, but for a chance of its level, "
    "where nothing is wrong; and its power, the chance that a fault of the size named is found. An "
    "audit that finds nothing says so of what it has looked for."
)
_CAVEAT = (
    "Each figure stands beside those of models retrained without the forgotten rows. Outside their "
    "band is a failure in either direction: a model that is worse than they are on forgotten rows "
    "has forgotten too much. One more retrained model would be flagged on any axis with a chance "
    "of at most {level:g}, whatever the law of the figures."
)
