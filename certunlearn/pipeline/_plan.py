"""What a request makes of the steps and of the rows the head holds, before anything changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .._common.arrays import Array, MatrixLike, Positions
from ..exceptions import AssumptionError
from ..requests.change import Change
from ..requests.fitted import Fitted, fitted_of
from . import _features, _framed, _kinds
from ._beside import Beside
from ._framed import Framed
from ._types import Steps
from .steps import Declared, Verdict, fitted_through, is_nothing


@dataclass(frozen=True)
class Kept:
    """What a fitted pipeline keeps for recounting its steps.

    Attributes
    ----------
    first : int
        The first step that depends on the rows; the number of steps if none does.
    raw : array-like
        The training rows as that step is given them, a copy; None if no step depends on them.
    beside : Beside
        Labels and weights of these rows, as the steps are given them.
    at : ndarray of int
        Their positions in the fit, ascending.
    verdict : Verdict
        What the certificate lists on account of the steps.
    mark : tuple of int
        Rows ever given to the head, and rows that requests have named, as the pipeline knows it.
    fit : str
        The id of the head's fit.
    like : array-like
        No row of the fit: its kind and dtypes, which rows that come are given.
    framed : Framed or None
        What the steps are made of, where they need no recount; then ``raw`` is None and ``at``
        not kept up.
    """

    first: int
    raw: MatrixLike
    beside: Beside
    at: Positions
    verdict: Verdict
    mark: tuple[int, int]
    fit: str
    like: MatrixLike
    framed: Framed | None = None

    def recountable(self, fitted: Fitted) -> Kept:
        """Return this with its rows written out, as the first step is given them."""
        framed = self.framed
        assert framed is not None
        places = np.flatnonzero(fitted.model.members.weights.array > 0)
        at = fitted.called[places]
        # In the order of positions, as a fit on them would meet them.
        order = np.argsort(at)
        raw: MatrixLike = _framed.members(fitted, places[order], framed.frame)
        if hasattr(self.like, "columns"):
            raw = type(self.like)(raw, columns=self.like.columns)
        raw = _kinds.alike(raw, self.like)
        return replace(self, at=at[order], raw=raw, framed=None)

    def known_to(self, fitted: Fitted) -> bool:
        """Whether the head has seen this fit's rows and requests, and no others."""
        return fitted.id == self.fit and fitted.mark == self.mark


class Rows(NamedTuple):
    """The training set after a request.

    Attributes
    ----------
    at : ndarray of int
        Positions, ascending.
    order : ndarray of int
        Where each row is found: among the kept ones, followed by those of ``new`` that are live.
    beside : Beside
        Labels and weights of the rows, as the steps are given them.
    new : array-like
        Rows that come (m), as the first step that moves is given them; None if none come.
    live : ndarray of int
        Which of them have positive weight.
    """

    at: Positions
    order: Positions
    beside: Beside
    new: MatrixLike = None
    live: Positions = np.zeros(0, dtype=np.int64)


class Plan(NamedTuple):
    """What is to be done.

    Attributes
    ----------
    steps, kept : list, Kept
        Afterwards.
    features : array-like
        Of all rows of the head's store, those that come last, if others have changed; else None.
    new : array-like
        Otherwise those of the rows that come (m, n_features); None where they are as they were.
    raw : array-like
        Rows that come, as float64, where steps are not recounted.
    """

    steps: Steps
    kept: Kept
    features: MatrixLike = None
    new: MatrixLike = None
    raw: MatrixLike = None


def followed(steps: Steps, kept: Kept, change: Change, new: MatrixLike) -> Plan | None:
    """Let the steps follow a change without a recount; None where they have to be recounted.

    ``new`` are the rows that come, as the first step that moves is given them; None where those
    that come have the features of those that go.
    """
    framed, fitted, m = kept.framed, fitted_of(steps[-1][1]), len(change.codes)
    assert framed is not None
    n, named = kept.mark
    after = replace(kept, mark=(n + m, named + len(change.gone)))
    raw = None if new is None else _framed.table(new)
    if not (raw is None and m):
        come = np.zeros((0, len(framed.frame.unit))) if raw is None else raw[change.weight > 0]
        gone = _framed.members(fitted, change.gone, framed.frame)
        if not len(gone) and not len(come):
            return Plan(steps, after, raw=raw)
        moving, frame = steps[kept.first : -1], framed.frame
        if not _framed.follows(moving, framed, len(come) - len(gone)):
            return None

        def rows() -> Array:
            return _framed.retained(fitted, change, raw, frame)[0]

        moved, framed = _framed.followed(moving, framed, gone, come, rows)
        steps, after = [*steps[: kept.first], *moved, steps[-1]], replace(after, framed=framed)
    return Plan(steps, after, raw=raw)


def through(steps: Steps, X: MatrixLike) -> MatrixLike:
    """Return what fitted steps make of rows."""
    for _, step in steps:
        if not is_nothing(step):
            X = step.transform(X)
    return X


def planned(steps: Steps, declared: Declared, kept: Kept, change: Change, rows: Rows) -> Plan:
    """Recount the steps on the training set as it will be, and see what that makes of the rows.

    Raises
    ------
    AssumptionError, ValueError
        If a step cannot be fitted on the rows as they would be, its fit cannot be repeated, or the
        rows that come are not of the kind of the fit's.
    """
    head, last = steps[-1][1], len(steps) - 1
    ever, named = kept.mark
    n, come = fitted_of(head).places, len(change.weight)
    mark = ever + come, named + len(change.gone)
    after = replace(kept, at=rows.at, mark=mark, beside=rows.beside)
    # The same rows in the same order: the steps are what they are.
    same = np.array_equal(rows.order, np.arange(len(kept.at)))
    if kept.first == last or (same and not kept.beside.relabels(rows.beside)):
        # No step moves, or none sees a difference.
        new = None if rows.new is None else through(steps[kept.first : last], rows.new)
        return Plan(steps, after, new=_features.written_out(new))
    raw = kept.raw
    if rows.new is not None:
        raw = _kinds.joined(raw, _features.taken(rows.new, rows.live))
    # Widths of texts and categories are those of the rows that stay, as at a fit.
    raw = _kinds.settled(_features.taken(raw, rows.order))
    # A copy: a step may work in place, or hand on what it was given.
    given = _features.taken(raw, np.arange(len(rows.at)))
    try:
        Xt, moved = fitted_through(steps[kept.first : last], given, rows.beside, declared)
    except AssumptionError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise AssumptionError(
            f"the steps cannot be fitted on the rows as they would be: {error}"
        ) from error
    # Rows lie where they lie: only their features may have changed.
    places = change.names.store(rows.at)
    full = _features.laid_out(Xt, places, n + come)
    steps, after = [*steps[: kept.first], *moved, steps[-1]], replace(after, raw=raw)
    # Bit for bit: the slightest other feature is another problem for the head.
    if not _features.held(head, places[places < n], full):
        return Plan(steps, after, features=full)
    if rows.new is None:
        return Plan(steps, after)
    return Plan(steps, after, new=full[n:] if isinstance(full, np.ndarray) else full.iloc[n:])
