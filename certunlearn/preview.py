"""What a removal would do, worked out without doing it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from .attribution import influences_of, margins, members_of, reading
from .editing import Edit, Foreseen, edited, foreseen, rehearsed, worn
from .exceptions import AssumptionError, ConvergenceError, NotCertifiedError
from .influence import LeftOut, has_odds, standing
from .lookalikes import Neighbours, neighbours
from .state import Array, Members, Positions, State
from .training import solved
from .unlearner import Model
from .weights import NO_ROWS

#: A request beyond this share of the training set deserves a second look.
LARGE = 0.2
#: Of a class or group beyond this share lost, the same.
NEARLY = 0.5
_SHOWN = 5
_SAMPLED = 9


class Lost(NamedTuple):
    """How many rows a class or group loses, and how many it keeps."""

    name: Any
    lost: int
    left: int

    @property
    def share(self) -> float:
        """Lost out of what there was."""
        return self.lost / (self.lost + self.left)


@dataclass(frozen=True)
class Preview:
    """What a removal would do; for the owner's eyes, as every part of it depends on the rows.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the rows asked for.
    n_retained : int
        Rows in the training set before.
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
    classes, groups : tuple of Lost
        Those that lose rows.
    neighbours : Neighbours
        Look-alikes that would stay.
    unavailable : tuple of str
        What could not be worked out, and why.
    """

    rows: Positions
    n_retained: int
    tier: str
    distance: float
    target: float
    cost: str
    seconds: float
    each: LeftOut | None
    together: Array | None
    classes: tuple[Lost, ...]
    groups: tuple[Lost, ...]
    neighbours: Neighbours
    unavailable: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to think twice about."""
        out, share = [], len(self.rows) / max(1, self.n_retained)
        if share > LARGE:
            out.append(f"the request takes {share:.0%} of the training set")
        for kind, some in (("class", self.classes), ("group", self.groups)):
            out += [
                f"{kind} {lost.name!r} loses {lost.lost} of its {lost.lost + lost.left} rows"
                for lost in some
                if lost.share > NEARLY and (kind == "class" or lost.left)
            ]
        if len(self.neighbours):
            out.append(
                f"{len(self.neighbours)} look-alikes would stay and keep their influence: "
                'expand="near" takes them along'
            )
        return tuple(out)

    def _lines(self) -> list[tuple[str, str]]:
        """Return what there is to say, as pairs of a heading and a text."""
        m = len(self.rows)
        lines = [
            ("request", f"{m} of {self.n_retained} rows"),
            ("tier", f"{self.tier}: {self.cost}"),
        ]
        if not math.isnan(self.distance):
            lines.append(("distance", f"{self.distance:.2g} expected, {self.target:.2g} allowed"))
        if self.each is not None:
            order = np.argsort(-np.abs(self.each.memorisation), kind="stable")[:_SHOWN]
            lines += [(f"row {self.rows[i]}", self._owed(i)) for i in order]
            if m > _SHOWN:
                lines.append(("", f"and {m - _SHOWN} rows that are memorised less"))
        if self.together is not None and m > 1:
            middle = float(np.median(self.together))
            lines.append(("together", f"all gone, own labels have median probability {middle:.3f}"))
        copies = int((self.neighbours.multiplicity > 1).sum())
        lines.append(("look-alikes", str(self.neighbours)))
        if copies:
            lines.append(("copies", f"{copies} rows occur more than once, feature for feature"))
        lines += [("careful", text) for text in self.warnings]
        lines += [("not known", text) for text in self.unavailable]
        return lines

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
        lines = [f"  {head:<13}{text}" for head, text in self._lines()]
        return "\n".join(["Preview of a removal: nothing has been changed.", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(head)}</th>'
            f'<td style="text-align:left">{escape(text)}</td></tr>'
            for head, text in self._lines()
        )
        return (
            "<table><caption>Preview of a removal: nothing has been changed.</caption>"
            f"<tbody>{rows}</tbody></table>"
        )


def look_alikes(model: Model, positions: Positions, threshold: float | None) -> Neighbours:
    """Find the rows of the training set that look like those at ``positions`` in the store."""
    import jax

    among = members_of(model)
    with jax.enable_x64(True):
        return neighbours(model.rows.view(), positions, among=among, threshold=threshold)


def preview(
    model: Model,
    positions: Positions,
    *,
    names: Positions,
    labels: NDArray[Any],
    groups: tuple[Lost, ...] = (),
    threshold: float | None = None,
    full: bool = False,
) -> Preview:
    """Work out what the removal of the rows at ``positions`` would do; ``model`` stays as it is.

    Parameters
    ----------
    positions : ndarray of int
        In the store.
    names : ndarray of int
        What each row of the store is called in the fit.
    labels : ndarray
        Label of each class code.
    groups : tuple of Lost
        Groups that lose rows.
    threshold : float, optional
        As in `neighbours`.
    full : bool
        Carry the removal out to its end, on a copy of the state.
    """
    near = look_alikes(model, positions, threshold).moved(names)
    unavailable: list[str] = []
    with reading(model) as state:
        clock = time.perf_counter()
        seen, why = _dry_run(state, positions, model.requests.since_removal + 1, full)
        seconds = time.perf_counter() - clock
        try:
            each = influences_of(state, positions)
        except AssumptionError as error:
            each = None
            unavailable.append(f"influence and memorisation: {error}")
        loss, W = state.objective.loss, state.reached.W
        together = None
        if has_odds(loss) and seen.W is not None and seen.W.shape == W.shape:
            y = state.objective.labels(positions)
            together = expit(standing(loss, margins(state, positions, seen.W), y))
    if seen.tier == "chord" and not full:
        unavailable.append("whether chord steps get there or a refresh must follow: full=True")
    if isinstance(state.settings.class_weight, str):
        unavailable.append('what "balanced" makes of the other rows\' weights is left out')
    return Preview(
        names[positions],
        model.members.weights.kept,
        seen.tier,
        seen.distance,
        seen.target,
        why or _cost(seen.tier, len(positions), model.members.weights.kept, seconds),
        seconds,
        each,
        together,
        _classes(state.members, state.rows.labels[_weighty(state, positions)], labels),
        groups,
        near,
        tuple(unavailable),
    )


def capacity(model: Model, most: int) -> int:
    """Count how many single rows, drawn at random, could go before the next pass."""
    with reading(model) as state:
        since = model.requests.since_removal
        return rehearsed(state, _drawn(state, most), since=since)


def should_refresh(model: Model) -> bool:
    """Whether the state is worn: a fresh Hessian pays, or most single rows would need a pass."""
    with reading(model) as state:
        since = model.requests.since_removal
        if state.ledger is None:
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


def _dry_run(state: State, positions: Positions, t: int, full: bool) -> tuple[Foreseen, str]:
    """Return what would come of it, and why where it is refused or out of the ordinary."""
    # In the order a removal would take them, for the same last bits.
    gone = _weighty(state, np.sort(positions))
    members = state.members.without(state.rows, gone)
    target = math.nan if state.budget is None else state.budget.caps(t).target
    edit, why = Edit(members, gone, NO_ROWS), ""
    try:
        anew = not np.array_equal(members.classes, state.classes)
        if anew:
            why = "a class is lost, so the model is solved anew"
        if anew and full:
            after = solved(state.settings, state.rows, members, before=state, t=t)
        elif full and len(gone):
            after = edited(state, edit, t=t)
        elif anew:
            return Foreseen("refresh", math.nan, target, None), why
        else:
            return foreseen(state, edit, t=t), ""
    except (NotCertifiedError, AssumptionError, ConvergenceError) as error:
        return Foreseen("refused", math.nan, target, None), str(error)
    return Foreseen(after.reached.tier, after.reached.distance, target, after.reached.W), why


def _weighty(state: State, positions: Positions) -> Positions:
    out: Positions = positions[state.members.weights.at(positions) > 0]
    return out


def _classes(members: Members, codes: NDArray[np.int64], labels: NDArray[Any]) -> tuple[Lost, ...]:
    if not members.classed:
        return ()
    lost = np.bincount(codes, minlength=len(members.counts))
    return tuple(
        Lost(labels[code].item(), int(lost[code]), int(members.counts[code] - lost[code]))
        for code in np.flatnonzero(lost)
    )


def _cost(tier: str, m: int, n: int, seconds: float) -> str:
    """Say what a tier reads."""
    rows = "1 row is" if m == 1 else f"{m} rows are"
    if tier == "downdate":
        return f"only the {rows} read, about {max(1.0, 1e3 * seconds):.0f} ms"
    if tier == "chord":
        return f"one gradient pass over {n - m} rows, or a few"
    if tier == "refresh":
        return f"a few Hessian passes over {n - m} rows, or products with it"
    return "nothing to do"
