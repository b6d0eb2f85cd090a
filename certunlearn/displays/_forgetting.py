"""How close each request came to exact retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..requests.fitted import fitted_of
from ._axes import INK, OTHER, TIERS, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


class ForgettingCurveDisplay:
    """How close each request came to exact retraining, against what was allowed.

    Made by `from_estimator`.  The distances depend on the removed rows: for the owner's log only.

    Parameters
    ----------
    distance : ndarray of shape (n_entries,)
        Certified distance to the exact optimum after each entry of ``history_``.
    target : ndarray of shape (n_entries,)
        What was allowed.
    tier : list of str
        How each was reached.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from certunlearn import CertifiedLogReg, ForgettingCurveDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedLogReg().fit(X, y).forget([17]).forget([42, 43])
    >>> display = ForgettingCurveDisplay.from_estimator(model)
    >>> display.tier[0], bool((display.distance <= display.target).all())
    ('fit', True)
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, *, distance: Array, target: Array, tier: list[str]) -> None:
        self.distance = distance
        self.target = target
        self.tier = tier

    @classmethod
    def from_estimator(cls, estimator: BaseEstimator, *, ax: Axes | None = None) -> Self:
        """Draw the history of a fitted estimator, or of a pipeline's last step.

        Raises
        ------
        ValueError
            If it was fitted without noise: then no distance was asked for.
        """
        check_is_fitted(estimator)
        if fitted_of(estimator).model.budget is None:
            raise ValueError("nothing is certified without noise, so there is no target to show")
        # The noise, and so what it allows, is relative to a scale of the rows there were then.
        target = [entry["target"] for entry in estimator.history_]
        distance = np.array([entry["distance"] for entry in estimator.history_])
        tier = [str(entry["tier"]) for entry in estimator.history_]
        return cls(distance=distance, target=np.array(target), tier=tier).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on ``ax``, or on axes of a new figure."""
        ax = axes_of(ax, type(self).__name__, (7.5, 4.2))
        from matplotlib.ticker import MaxNLocator

        step = np.arange(len(self.distance))
        # A distance of zero has no logarithm.
        floor = 1e-6 * float(self.target.min())
        height, tier = np.maximum(self.distance, floor), np.array(self.tier)
        size = float(np.clip(3000 / len(step), 6, 36))
        ax.plot(step, self.target, color=INK, linewidth=1.2, drawstyle="steps-mid")
        names = [n for n in TIERS if n in self.tier] + sorted(set(self.tier) - set(TIERS))
        for name in names:
            colour, marker = TIERS.get(name, OTHER)
            here = tier == name
            ax.scatter(step[here], height[here], s=size, color=colour, marker=marker, label=name)
        ax.set_yscale("log")
        ax.margins(x=0.02, y=0.1)
        self._label(ax, names)
        ax.set(xlabel="Request (0 is the fit)")
        ax.set(ylabel="Certified distance to exact retraining")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.set_title("How close each request came (owner's view)", loc="left", color=INK)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _label(self, ax: Axes, names: list[str]) -> None:
        """Write the target and the tiers at the right edge, at the height of their last point."""
        from matplotlib.lines import Line2D

        last = {name: max(i for i, t in enumerate(self.tier) if t == name) for name in names}
        at = [(np.log10(self.target[-1]), "target", INK, "_")]
        for name in names:
            height = max(float(self.distance[last[name]]), 1e-300)
            text = f"{name} ({self.tier.count(name)})"
            at.append((np.log10(height), text, *TIERS.get(name, OTHER)))
        low, high = np.log10(ax.get_ylim())
        # Labels closer than a line of text would cover one another: pushed down, then up.
        room, free = 0.065 * (high - low), high
        placed = []
        for height, *label in sorted(at, reverse=True):
            height = min(height, free)
            placed.append((height, *label))
            free = height - room
        floor = low
        for height, text, colour, marker in reversed(placed):
            height = max(height, floor)
            floor = height + room
            y = (height - low) / (high - low)
            key = Line2D([1.025], [y], marker=marker, color=colour, markersize=6, clip_on=False)
            key.set_transform(ax.transAxes)
            ax.add_artist(key)
            # The text itself stays dark: yellow on white cannot be read.
            ax.annotate(text, (1.045, y), xycoords="axes fraction", va="center", color=INK)
