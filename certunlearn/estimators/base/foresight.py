"""What an operator sees before a request: look-alikes, previews, and how worn the state is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._common import validate as _validate
from ..._common.arrays import ArrayLike, Condition, MatrixLike, Position, RowsLike
from ..._common.whole import serialised
from ...claims.frame import Frame
from ...engine.unlearner import Model
from ...insight import attribution, preview
from ...insight.influence import LeftOut, unit_of
from ...insight.lookalikes import Neighbours
from ...insight.noise_cost import NoiseCost, measured
from ...insight.preview import Preview
from ...requests.asked import Asked
from ...requests.confirmation import Lost, Taken
from ...requests.row_names import RowNames


class Foresight:
    """Verbs that change nothing; what they return depends on the rows and is for the owner."""

    _model: Model
    _names: RowNames

    def _class_names(self) -> Mapping[int, Any]:
        """Return the label of each class code; none where targets are numbers."""
        return {}

    def _foreseeable(self) -> None:
        """Refuse where nothing can be foreseen."""
        check_is_fitted(self)

    @abstractmethod
    def export_predictor(self) -> Any:
        """Return a scikit-learn estimator with the released weights only."""

    @abstractmethod
    def _attributes(self, model: Model, **more: Any) -> dict[str, Any]:
        """Return what shows a release."""

    @abstractmethod
    def _positions(self, asked: Asked, *, staying: bool = False) -> Position:
        """Return the positions a request names."""

    @serialised
    def neighbours(
        self,
        which: RowsLike | None = None,
        /,
        *,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
        threshold: float | None = None,
    ) -> Neighbours:
        """Find the rows that look like those of a request and would stay.  Changes nothing.

        Parameters
        ----------
        which, rows, row_ids, groups, where
            As in `forget`.
        threshold : float, optional
            Largest distance of a look-alike, as a root mean square over columns in units of their
            standard deviation; 0 for equal rows alone.  By default 0.05, or less where chance would
            bring unrelated rows so close.

        Returns
        -------
        Neighbours
            Positions and distances; labels are not compared.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If the request does not name rows properly.
        AssumptionError
            For least squares of minimum norm.

        Notes
        -----
        The search is exact and costs a product of all rows with those of the request.
        """
        self._foreseeable()
        positions = self._positions(Asked(which, rows, row_ids, groups, where))
        return self._near(positions, threshold)

    @serialised
    def preview(
        self,
        which: RowsLike | None = None,
        /,
        *,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
        threshold: float | None = None,
        full: bool = False,
    ) -> Preview:
        """Say what forgetting rows would do, without doing it.

        Parameters
        ----------
        which, rows, row_ids, groups, where
            As in `forget`.
        threshold : float, optional
            As in `neighbours`.
        full : bool
            Carry the removal out to its end on a copy of the state, at what it costs: then tier and
            distance are its own.  Otherwise no row that stays is read but by the search for
            look-alikes, and "downdate" alone is certain.

        Returns
        -------
        Preview
            Influence and memorisation of each row, tier, distance and cost, classes and groups
            that are nearly emptied, and look-alikes that would stay.

        Raises
        ------
        UnknownRowError, AlreadyForgottenError, AmbiguousRowError, RowError
            If the request does not name rows properly.
        AssumptionError
            For least squares of minimum norm.
        """
        self._foreseeable()
        positions = self._positions(Asked(which, rows, row_ids, groups, where))
        return self._previewed(positions, threshold, _validate.flag("full", full))

    def _previewed(
        self,
        positions: Position,
        threshold: float | None,
        full: bool,
        frame: Frame | None = None,
    ) -> Preview:
        """Preview the removal of rows; ``frame`` is where steps before the model would leave it."""
        return preview.preview(
            self._model,
            self._names.store(positions),
            names=self._names.called(len(self._model.members.weights)),
            labels=self._class_names(),
            groups=self._groups_lost(positions),
            threshold=threshold,
            full=full,
            frame=frame,
        )

    @serialised
    def noise_cost(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        draws: int = 20,
    ) -> NoiseCost:
        """Measure what a release costs in score and margins, without making one.

        Releases are drawn in private and thrown away: none is counted or published, and nothing
        changes.  What is returned depends on the secret iterate and is for the owner's eyes only.

        Parameters
        ----------
        X : array-like or sparse of shape (n_samples, n_features)
            Rows to score on: held out ones, or those of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their labels or targets.
        sample_weight : array-like of shape (n_samples,), optional
            For the score.
        draws : int
            How many releases are drawn.

        Returns
        -------
        NoiseCost
            The score with and without noise, and what the noise does to margins.
        """
        check_is_fitted(self)
        draws = _validate.count("draws", draws, low=1)
        checked = validate_data(self, X, dtype=np.float64, accept_sparse="csr", reset=False)

        def shown(W: Any) -> Any:
            out = self.export_predictor()
            known = self._attributes(replace(self._model, released=W))
            out.coef_, out.intercept_ = known["coef_"], known["intercept_"]
            return out

        def score(W: Any) -> float:
            return float(shown(W).score(X, y, sample_weight=sample_weight))

        def margins(W: Any) -> NDArray[np.float64]:
            d = checked.shape[1]
            return np.asarray(checked @ W[:d] + (W[d] if len(W) > d else 0.0))

        return measured(self._model, score, margins, draws)

    @serialised
    def capacity(self, *, most: int = 1000) -> int:
        """Return how many typical single removals fit before the next pass over the rows.

        Retained rows, drawn always alike, are taken out one after the other of a copy of the
        state's sums until the distance can no longer be shown; at most ``most`` of them, and at
        most half of all.  0 where every removal makes a pass.
        """
        self._foreseeable()
        return preview.capacity(self._model, _validate.count("most", most, low=1))

    @property
    @serialised
    def should_refresh(self) -> bool:
        """Whether most single removals would need a pass now, or a fresh Hessian pays by now."""
        self._foreseeable()
        return preview.should_refresh(self._model)

    @serialised
    def _owed(
        self, asked: Asked, most: int | None = None
    ) -> tuple[NDArray[np.int64], LeftOut, str]:
        """Return positions of rows, what they owe to themselves, and what in.

        Of all rows where none is named, or of about ``most`` of them at equal steps.
        """
        self._foreseeable()
        model = self._model
        if all(v is None for v in asked):
            named = np.flatnonzero(attribution.members_of(model))
            named = named if most is None else named[:: max(1, len(named) // most)]
        else:
            named = self._names.store(self._positions(asked))
        each = attribution.influences(model, named)
        names = self._names.called(len(model.members.weights))
        return names[named], each, unit_of(model.objective.loss)

    def _near(self, positions: Position, threshold: float | None = None) -> Neighbours:
        names = self._names.called(len(self._model.members.weights))
        found = preview.look_alikes(self._model, self._names.store(positions), threshold)
        return found.moved(names)

    def _expanded(self, positions: Position, expand: str | None) -> tuple[Position, int]:
        """Return what a request takes, checked as if it had named it, and the look-alikes left."""
        _validate.choice("expand", expand, ("near", "count"))
        self._foreseeable()
        near = self._near(positions).rows
        if expand == "count":
            return positions, len(near)
        taken = near[~self._names.fixed(near)]
        rows = np.concatenate([positions, taken])
        return self._positions(Asked(rows=rows)), len(near) - len(taken)

    def _agreed(
        self, asked: Asked, expand: str | None, confirm: bool
    ) -> tuple[Position, tuple[int, int] | None]:
        """Return what is to be forgotten, and how many look-alikes that takes along and leaves.

        These are None where nobody wants to know.  What takes very much is refused unless
        confirmed.
        """
        positions, counts = self._positions(asked), None
        if expand is not None:
            named = len(positions)
            positions, left = self._expanded(positions, expand)
            counts = len(positions) - named, left
        self._taken(positions).confirmed(confirm)
        return positions, counts

    def _taken(self, positions: Position) -> Taken:
        """Count what a request takes; costs nothing that grows with the rows that stay."""
        groups = self._groups_lost(positions)
        return Taken.by(self._model, self._names.store(positions), self._class_names(), groups)

    def _groups_lost(self, positions: Position) -> tuple[Lost, ...]:
        groups = self._names.groups
        if groups is None:
            return ()
        lost: dict[Any, int] = {}
        for name in groups.at(positions):
            lost[name] = lost.get(name, 0) + 1
        return tuple(
            Lost(
                name.item() if isinstance(name, np.generic) else name,
                m,
                len(groups.live(name)) - m,
            )
            for name, m in lost.items()
        )
