"""What an operator sees before a request: look-alikes, previews, and how worn the state is."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._common import validate as _validate
from ..._common.arrays import Array, ArrayLike, Condition, MatrixLike, RowsLike
from ..._common.whole import serialised
from ...insight import preview
from ...insight.lookalikes import Neighbours
from ...insight.noise_cost import NoiseCost, measured
from ...insight.preview import Preview
from ...requests.asked import Asked
from ...requests.fitted import Fitted
from ..one_vs_rest import rewritten


def predictor_of(model: Foresight, W: Array) -> Any:
    """Return what ``export_predictor()`` does, with weights W (p, K) in place of those released."""
    out, shown = model.export_predictor(), model._attributes(model._fitted, W)
    if hasattr(out, "estimators_"):
        return rewritten(out, shown["coef_"], shown["intercept_"])
    out.coef_, out.intercept_ = shown["coef_"], shown["intercept_"]
    return out


class Foresight:
    """Verbs that change nothing; what they return depends on the rows and is for the owner."""

    _fitted: Fitted

    @abstractmethod
    def export_predictor(self) -> Any:
        """Return a scikit-learn estimator with the released weights only."""

    @abstractmethod
    def _attributes(self, fitted: Fitted, released: Array) -> dict[str, Any]:
        """Return what shows weights (p, K) of a fit."""

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
        check_is_fitted(self)
        positions = self._fitted.positions(Asked(which, rows, row_ids, groups, where))
        return preview.look_alikes(self._fitted, positions, threshold)

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
        check_is_fitted(self)
        positions = self._fitted.positions(Asked(which, rows, row_ids, groups, where))
        full = _validate.flag("full", full)
        return preview.preview(self._fitted, positions, threshold=threshold, full=full)

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

        def score(W: Array) -> float:
            return float(predictor_of(self, W).score(X, y, sample_weight=sample_weight))

        def margins(W: Array) -> Array:
            d = checked.shape[1]
            return np.asarray(checked @ W[:d] + (W[d] if len(W) > d else 0.0))

        return measured(self._fitted.model, score, margins, draws)

    @serialised
    def capacity(self, *, most: int = 1000) -> int:
        """Return how many typical single removals fit before the next pass over the rows.

        Retained rows, drawn always alike, are taken out one after the other of a copy of the
        state's sums until the distance can no longer be shown; at most ``most`` of them, and at
        most half of all.  0 where every removal makes a pass.
        """
        check_is_fitted(self)
        return preview.capacity(self._fitted.linear, _validate.count("most", most, low=1))

    @property
    @serialised
    def should_refresh(self) -> bool:
        """Whether most single removals would need a pass now, or a fresh Hessian pays by now."""
        check_is_fitted(self)
        return preview.should_refresh(self._fitted.linear)
