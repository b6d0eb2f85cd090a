"""An unlearned model against retrained oracles: on every axis, with the oracles' own spread.

A gap counts where it is outside of what the oracles show among themselves.  Too good on forgotten
rows says that they are still known, too bad that more was forgotten than retraining would: both
are failures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student
from sklearn.base import BaseEstimator, clone

from .._common.arrays import Array
from .._common.html import FORMATS, Drawing, Facts, Page, Part, Table, Text, fragment
from .._common.validate import count, real, seed
from .ensembles import forgetting_quality, klom
from .epsilon import EpsilonBound
from .figures import Labelled, Rows, figures
from .finding import Finding, plain
from .scores import Predictor, confidence


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
        Chance that an oracle is flagged on any axis.
    """

    axes: tuple[Axis, ...]
    efficiency: Mapping[str, float] = field(default_factory=dict)
    certified: Mapping[str, float] = field(default_factory=dict)
    ensembles: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    oracles: int = 1
    level: float = 0.05

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
        return [(k.replace("_", " "), f"{v:.4g}") for group in groups for k, v in group.items()]

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.passed:
            return f"No different from {self.oracles} retrained oracles on {len(self.axes)} axes."
        said = [f"{a.name}: {a.said}" for a in self.flags]
        said += [f"{f.audit}: outside its null band" for f in self.findings if not f.passed]
        return "Not as retrained: " + "; ".join(said) + "."

    def __str__(self) -> str:
        head = ("", "", "model", "oracle", "band", "")
        lines = [head, *self.table()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = [
            "  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
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
        drawn = [] if picture is None else [Part("Gaps", [Drawing(picture, self.verdict)])]
        parts = [
            *drawn,
            Part("Every axis", [Table(self._head, tuple(self.table()), words=True)]),
            *(Part(f.audit.capitalize(), [Facts(tuple(f.lines()))]) for f in self.findings),
        ]
        caveat = Part("How to read it", [Text(_CAVEAT.format(level=self.level))])
        flagged = ("Axes flagged", f"{len(self.flags)} of {len(self.axes)}")
        answers = Facts((flagged, *self.facts))
        return FORMATS["html"](
            Page(title, self.verdict, answers, parts, caveat, void=not self.passed)
        )


_CAVEAT = (
    "Each figure stands beside those of models retrained without the forgotten rows. Outside their "
    "band is a failure in either direction: a model that is worse than they are on forgotten rows "
    "has forgotten too much. An oracle is flagged on any axis with a chance of {level:g}, where "
    "the figures of oracles are normal."
)


def evaluate(
    model: Predictor,
    X_test: ArrayLike,
    y_test: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    retained: Rows,
    forgotten: Rows,
    oracles: Sequence[Predictor] | int = 8,
    seconds: float | None = None,
    ensemble: Sequence[Predictor] | None = None,
    findings: Sequence[Finding] = (),
    true_distance: float | None = None,
    tolerance: float = 0.002,
    level: float = 0.05,
) -> Evaluation:
    """Hold an unlearned model against retrained oracles.

    Parameters
    ----------
    model : estimator
        After the removal: any fitted classifier or regressor.
    X_test, y_test : array-like or DataFrame of shape (n, d), (n,)
        Rows that nobody trained on, in the form that the models take.
    groups : array-like of shape (n,), optional
        Subgroup of each test row: a gap in one of them counts by itself.
    retained, forgotten : (X, y)
        Rows that stay, and rows that were removed.
    oracles : sequence of fitted estimators, or int
        Models retrained without the forgotten rows; a number fits so many clones of ``model`` on
        the retained rows, each with a ``random_state`` of its own.  At least 4.
    seconds : float, optional
        What the removal took.
    ensemble : sequence of fitted estimators, optional
        Several unlearned models: for forgetting quality and KLoM against as many oracles.
    findings : sequence of Finding
        Audits to be shown, and to be passed.
    true_distance : float, optional
        Distance of the secret iterate to the exact optimum, to hold the certified one against.
    tolerance : float
        Gaps this small never count: they are below what oracles that draw no noise can show.
    level : float
        Chance that an oracle is flagged at all, divided among the axes.

    Returns
    -------
    Evaluation

    Notes
    -----
    Bands are prediction intervals of Student's t over the oracles; those of figures far from
    normal hold their level only roughly.
    """
    real("level", level, low=0, high=1)
    efficiency: dict[str, float] = {} if seconds is None else {"seconds_of_removal": seconds}
    if isinstance(oracles, int):
        count("oracles", oracles, low=4)
        # Seconds of this machine, beside one another: only their ratio says anything.
        clock = time.perf_counter()
        oracles = [_retrained(model, retained, k) for k in range(1, oracles + 1)]
        efficiency["seconds_of_refit"] = (time.perf_counter() - clock) / len(oracles)
        if seconds is not None:
            efficiency["refit_over_removal"] = efficiency["seconds_of_refit"] / max(seconds, 1e-12)
    if len(oracles) < 4:
        raise ValueError("at least 4 oracles are needed to see how they differ among themselves")
    # Features as they are given: a pipeline may ask for columns by their names.
    test = (X_test, np.asarray(y_test))
    # One number for each model and axis, the audited one first.
    found = figures([model, *oracles], test, groups, retained, forgotten)
    # Bonferroni: an oracle is flagged on any axis with probability at most level.
    axes = tuple(_axis(*f, level / len(found), tolerance) for f in found)
    return Evaluation(
        axes=axes,
        efficiency=efficiency,
        certified=_certified(model, true_distance, findings),
        ensembles={} if ensemble is None else _ensembles(ensemble, oracles, forgotten, test),
        findings=tuple(findings),
        oracles=len(oracles),
        level=level,
    )


def _retrained(model: Predictor, retained: Rows, k: int) -> Predictor:
    """Fit the k-th clone of a model, with a seed of its own where the model has one."""
    out: BaseEstimator = clone(model)
    given = {n: seed(n, v) for n, v in out.get_params().items() if n.endswith("random_state")}
    # One seed for all would give all the same noise: no oracle would differ from another.
    out.set_params(**{n: (v + k) % 2**32 for n, v in given.items() if v is not None})
    return out.fit(*retained)  # type: ignore[no-any-return]


def _axis(
    kind: str, name: str, values: Array, said: tuple[str, str], outside: float, tolerance: float
) -> Axis:
    own, others = float(values[0]), values[1:]
    # A new draw beside n old ones: the prediction interval, not that of the mean.
    centre, n = float(others.mean()), len(others)
    reach = float(student.isf(outside / 2, n - 1)) * float(others.std(ddof=1)) * (1 + 1 / n) ** 0.5
    # Oracles that draw no noise agree to the last bit: a band of no width would flag rounding.
    reach = max(reach, tolerance)
    # Without a word for less, less is no fault.
    band = (centre - reach if said[1] else -np.inf, centre + reach)
    return Axis(kind, name, own, centre, band, said[0] if own > band[1] else said[1])


def _certified(
    model: Predictor, true_distance: float | None, findings: Sequence[Finding]
) -> dict[str, float]:
    """Figures of the model's certificate, read as JSON, and of the audits that bound epsilon."""
    out: dict[str, float] = {}
    # Through JSON, so that nothing of the package that wrote it is needed.
    certificate = getattr(model, "certificate_", None)
    write: Callable[[], str] | None = getattr(certificate, "to_json", None)
    if write is not None:
        said = json.loads(write())
        out = {k: float(said[k]) for k in ("epsilon", "delta", "distance") if said.get(k)}
        if true_distance is not None and "distance" in out:
            out["bound_over_true_distance"] = out["distance"] / max(true_distance, 1e-300)
    shown = [f.statistic for f in findings if isinstance(f, EpsilonBound)]
    return out | ({"audited_epsilon_at_least": max(shown)} if shown else {})


def _ensembles(
    ensemble: Sequence[Predictor],
    oracles: Sequence[Predictor],
    forgotten: Rows,
    test: Labelled,
) -> dict[str, float]:
    own = np.array([confidence(m, *forgotten) for m in ensemble])
    theirs = np.array([confidence(m, *forgotten) for m in oracles])
    on_test = [np.array([confidence(m, *test) for m in group]) for group in (ensemble, oracles)]
    return {
        "forgetting_quality": forgetting_quality(own, theirs),
        "KLoM_on_forgotten_rows": float(klom(own, theirs).mean()),
        "KLoM_on_test_rows": float(klom(*on_test).mean()),
    }
