"""What a removal would do, worked out without doing it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from .._common.arrays import Array, Label, Position, Positions
from .._common.html import Table, fragment
from ..claims.budget import allowed
from ..claims.frame import Frame
from ..engine.editing import Edit, Foreseen, edited, foreseen, rehearsed, worn
from ..engine.state import WEIGHTLESS, State
from ..engine.training import solved
from ..engine.unlearner import Model
from ..exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from ..numerics.context import numerics
from ..numerics.rows.weights import NO_ROWS
from ..requests.confirmation import Lost, Taken
from ..requests.fitted import Fitted
from ..requests.labels import called
from .attribution import influences_of, margins, members_of, reading
from .influence import LeftOut, has_odds, standing
from .lookalikes import Neighbours, neighbours

#: Of a removal that would be tried by chord steps first.
UNDECIDED = "whether chord steps get there or a refresh must follow: full=True"
_CAPTION = "Preview of a removal: nothing has been changed."
_SHOWN = 5
_SAMPLED = 9


@dataclass(frozen=True)
class Preview:
    """What a removal would do; for the owner's eyes, as every part of it depends on the rows.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the rows asked for.
    taken : Taken
        Share of the training set, and of its classes and groups, that would go.
    tier : str
        "downdate" (as will be), "chord" or "refresh" (as will be tried first); "refused" where the
        removal would be.
    distance, target : float
        Distance that could be shown without a pass (that of the removal itself where it needs no
        pass or was carried out in full), and what must be shown; nan where unknown.
    cost : str
        In words.
    seconds : float
        What the dry run of the removal took, the same as the removal itself if it needs no pass.
    each : LeftOut or None
        Influence and memorisation of each row, in closed form.
    together : ndarray or None
        Probability of each row's own label once all of them have gone, to first order.
    neighbours : Neighbours
        Look-alikes that would stay.
    unavailable : tuple of str
        What could not be worked out, and why.
    names : tuple
        What the rows are called: their identifiers, or their positions where they have none.
    """

    rows: Positions
    taken: Taken
    tier: str
    distance: float
    target: float
    cost: str
    seconds: float
    each: LeftOut | None
    together: Array | None
    neighbours: Neighbours
    unavailable: tuple[str, ...] = ()
    names: tuple[Label, ...] = ()

    @property
    def n_retained(self) -> int:
        """Rows in the training set before."""
        return self.taken.of

    @property
    def classes(self) -> tuple[Lost, ...]:
        """Classes that lose rows."""
        return self.taken.classes

    @property
    def groups(self) -> tuple[Lost, ...]:
        """Groups that lose rows."""
        return self.taken.groups

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to think twice about."""
        out = self.taken.warnings
        if len(self.neighbours):
            out += (
                f"{len(self.neighbours)} look-alikes would stay and keep their influence: "
                'expand="near" takes them along',
            )
        return out

    @property
    def questions(self) -> tuple[str, ...]:
        """Why `forget` would ask for ``confirm=True``; empty if it would not."""
        return self.taken.questions

    def _lines(self) -> list[tuple[str, str]]:
        """Return what there is to say, as pairs of a heading and a text."""
        m = len(self.rows)
        lines = [
            ("request", f"{m} of {self.n_retained} rows"),
            ("tier", f"{self.tier}: {self.cost}"),
        ]
        if not math.isnan(self.distance):
            lines.append(("distance", self._expected()))
        if self.each is not None:
            order = np.argsort(-np.abs(self.each.memorisation), kind="stable")[:_SHOWN]
            names = self.names or self.rows.tolist()
            lines += [(f"row {names[i]}", self._owed(i)) for i in order]
            if m > _SHOWN:
                lines.append(("", f"and {m - _SHOWN} rows that are memorised less"))
        if self.together is not None and m > 1:
            middle = float(np.median(self.together))
            lines.append(("together", f"all gone, own labels have median probability {middle:.3f}"))
        copies = int((self.neighbours.multiplicity > 1).sum())
        lines.append(("look-alikes", str(self.neighbours)))
        if copies:
            occur = "row occurs" if copies == 1 else "rows occur"
            lines.append(("copies", f"{copies} {occur} more than once, feature for feature"))
        lines += [("careful", text) for text in self.warnings]
        if self.questions:
            lines.append(("asks", "forget does this with confirm=True only"))
        lines += [("not known", text) for text in self.unavailable]
        return lines

    def _expected(self) -> str:
        """Say how near the removal would come, and how near it must."""
        found = f"{self.distance:.2g} expected"
        if math.isinf(self.distance):
            found = "no bound without a pass, which the removal makes"
        return found if math.isnan(self.target) else f"{found}; {self.target:.2g} allowed"

    def _owed(self, i: int) -> str:
        """Say what the prediction for one row owes to the row."""
        e = self.each
        assert e is not None
        now, owed = e.probability[i], e.memorisation[i]
        if np.isnan(now):
            return f"left out alone its loss grows by {owed:.3g} (influence {e.influence[i]:+.3g})"
        return (
            f"own label has probability {now:.3f}, left out alone {now - owed:.3f} "
            f"(influence {e.influence[i]:+.3f} in log odds)"
        )

    def __str__(self) -> str:
        """A short statement in plain language."""
        return "\n".join([_CAPTION, *(f"  {head:<12} {text}" for head, text in self._lines())])

    def _repr_html_(self) -> str:
        return fragment(Table((), tuple(self._lines())), _CAPTION)


def look_alikes(fitted: Fitted, positions: Position, threshold: float | None = None) -> Neighbours:
    """Find the rows of the training set that look like those at ``positions``."""
    model = fitted.linear
    places, among = fitted.names.store(positions), members_of(model)
    with numerics():
        found = neighbours(model.rows.view(), places, among=among, threshold=threshold)
    return found.moved(fitted.called)


def preview(
    fitted: Fitted,
    positions: Position,
    *,
    threshold: float | None = None,
    full: bool = False,
    frame: Frame | None = None,
) -> Preview:
    """Work out what the removal of rows would do; nothing is changed.

    Parameters
    ----------
    threshold : float, optional
        As in `neighbours`.
    full : bool
        Carry the removal out to its end, on a copy of the state.
    frame : Frame, optional
        Where the steps before the model would leave it.
    """
    near = look_alikes(fitted, positions, threshold)
    model, places = fitted.linear, fitted.names.store(positions)
    unavailable: list[str] = []
    with reading(model) as state:
        clock = time.perf_counter()
        seen, why = _dry_run(state, places, model.requests.since_removal + 1, full, frame)
        seconds = time.perf_counter() - clock
        try:
            each = influences_of(state, places)
        except AssumptionError as error:
            each = None
            unavailable.append(f"influence and memorisation: {error}")
        loss, W = state.objective.loss, state.reached.W
        together = None
        if has_odds(loss) and seen.W is not None and seen.W.shape == W.shape:
            y = state.objective.labels(places)
            together = expit(standing(loss, margins(state, places, seen.W), y))
    if seen.tier == "chord" and not (full or why):
        unavailable.append(UNDECIDED)
    if isinstance(state.settings.class_weight, str):
        unavailable.append('what "balanced" makes of the other rows\' weights is left out')
    return Preview(
        positions,
        fitted.taken(positions),
        seen.tier,
        seen.distance,
        seen.target,
        why or _cost(seen.tier, len(positions), model.members.weights.kept, seconds),
        seconds,
        each,
        together,
        near,
        tuple(unavailable),
        called(fitted.names.labels, positions),
    )


def capacity(model: Model, most: int = 1000) -> int:
    """Count how many single rows, drawn at random, could go before the next pass."""
    with reading(model) as state:
        since = model.requests.since_removal
        return rehearsed(state, _drawn(state, most), since=since)


def should_refresh(model: Model) -> bool:
    """Whether the state is worn: a fresh Hessian pays, or most single rows would need a pass."""
    with reading(model) as state:
        since = model.requests.since_removal
        if any(part.carryover is None for part in state.columns):
            return False
        if worn(state, t=since + 1):
            return True
        drawn = _drawn(state, _SAMPLED)
        fits = [rehearsed(state, drawn[i : i + 1], since=since) for i in range(len(drawn))]
        return 2 * sum(fits) < len(fits)


def _drawn(state: State, most: int) -> Positions:
    """Draw rows of the training set, at most half of it; not from the noise's generator."""
    kept = np.flatnonzero(state.members.weights.array > 0)
    rng = np.random.default_rng(0)
    return rng.choice(kept, size=min(most, max(1, len(kept) // 2)), replace=False)


def _dry_run(
    state: State, positions: Positions, t: int, full: bool, frame: Frame | None = None
) -> tuple[Foreseen, str]:
    """Return what would come of it, and why where it is refused or out of the ordinary."""
    # In the order a removal would take them, for the same last bits.
    gone = _weighty(state, np.sort(positions))
    members = state.members.without(state.rows, gone)
    caps = allowed(state.budget, t)
    target = math.nan if caps is None else caps.target
    edit, why = Edit(members, gone, NO_ROWS, frame), ""
    try:
        anew = not np.array_equal(members.classes, state.classes)
        if anew:
            why = "a class is lost, so the model is solved anew"
        if anew and full:
            frame = state.frame if frame is None else frame
            after = solved(state.settings, state.rows, members, before=state, t=t, frame=frame)
        elif full and len(gone):
            after = edited(state, edit, t=t)
        elif anew:
            return Foreseen("refresh", math.nan, target, None), why
        else:
            seen = foreseen(state, edit, t=t)
            if not len(gone) and seen.tier == "downdate":
                why = f"{WEIGHTLESS}, nothing is read"
            return seen, why
    except (NotCertifiedError, AssumptionError, ConvergenceError) as error:
        return Foreseen("refused", math.nan, target, None), str(error)
    return Foreseen(after.reached.tier, after.reached.distance, target, after.reached.W), why


def _weighty(state: State, positions: Positions) -> Positions:
    out: Positions = positions[state.members.weights.at(positions) > 0]
    return out


def _cost(tier: str, m: int, n: int, seconds: float) -> str:
    """Say what a tier reads."""
    rows = "1 row is" if m == 1 else f"{m} rows are"
    if tier == "downdate":
        return f"only the {rows} read, about {max(1.0, 1e3 * seconds):.0f} ms"
    if tier == "chord":
        return f"one gradient pass over {n - m} rows, or a few"
    return f"a few Hessian passes over {n - m} rows, or products with it"
