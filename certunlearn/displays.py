"""Pictures in scikit-learn's style; matplotlib is loaded when one is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ._pages import percent, upwards
from .certificate import Certificate
from .power import Promise, one_release

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_INK, _GREY, _LINE = "#1c2126", "#59626c", "#d9dee3"
#: Colours of Okabe & Ito, and a marker each: neither eyes nor a printer need tell the hues apart.
TIERS = {
    "fit": ("#000000", "D"),
    "downdate": ("#0072B2", "o"),
    "chord": ("#E69F00", "s"),
    "refresh": ("#D55E00", "^"),
    "release": ("#56B4E9", "x"),
}
_OTHER = ("#CC79A7", "P")
_BEST = TIERS["downdate"][0]


def _axes(ax: Axes | None, name: str, size: tuple[float, float]) -> Axes:
    """Return axes to draw on, made where none are given, and clear of what is not needed."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{name}.plot needs matplotlib: pip install 'certunlearn[plot]'"
        ) from error
    if ax is None:
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(_GREY)
    ax.tick_params(color=_GREY, labelcolor=_GREY)
    ax.xaxis.label.set_color(_INK)
    ax.yaxis.label.set_color(_INK)
    return ax


class CertificateDisplay:
    """What a certificate leaves to an attacker: the best test against guessing.

    Made by `from_estimator` or `from_certificate`.  Everything in it is public.

    Parameters
    ----------
    false_positive_rate : ndarray of shape (n_levels,)
        Levels of a test of "removed" against "never there", increasing.
    true_positive_rate : ndarray of shape (n_levels,)
        Upper bound on the power of every test of that level.
    promise : Promise
        What the bounds come from.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from certunlearn import CertificateDisplay, CertifiedLogReg
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedLogReg().fit(X, y).forget([17, 42])
    >>> display = CertificateDisplay.from_estimator(model)
    >>> display.ax_.get_ylabel()
    'True positive rate'
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self, *, false_positive_rate: Array, true_positive_rate: Array, promise: Promise
    ) -> None:
        self.false_positive_rate = false_positive_rate
        self.true_positive_rate = true_positive_rate
        self.promise = promise

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> Self:
        """Draw what the certificate of a fitted estimator promises."""
        check_is_fitted(estimator)
        return cls.from_certificate(estimator.certificate_, ax=ax)

    @classmethod
    def from_certificate(cls, certificate: Certificate, *, ax: Axes | None = None) -> Self:
        """Draw what a certificate promises about the release it comes with.

        Raises
        ------
        ValueError
            If it promises nothing.
        """
        promise = one_release(certificate)
        # Denser at both ends, where the curve bends.
        levels = np.sin(0.5 * np.pi * np.linspace(0.0, 1.0, 201)) ** 2
        power = np.array([promise.true_positive_rate(a) for a in levels])
        display = cls(false_positive_rate=levels, true_positive_rate=power, promise=promise)
        return display.plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on ``ax``, or on axes of a new figure."""
        ax = _axes(ax, type(self).__name__, (5.0, 5.0))
        x, y, promise = self.false_positive_rate, self.true_positive_rate, self.promise
        ax.fill_between(x, x, y, color=_BEST, alpha=0.15, linewidth=0)
        ax.plot([0, 1], [0, 1], color=_GREY, linestyle=(0, (4, 3)), linewidth=1.2)
        ax.plot(np.append(0.0, x), np.append(0.0, y), color=_BEST, linewidth=2.2)
        gain = percent(promise.advantage).rstrip("%")
        said = f"best test:\nat most {gain} points\nover guessing\n"
        said += f"ε = {upwards(promise.epsilon, 4)}, δ = {upwards(promise.delta, 4)}"
        # Above the curve while there is room, in the area below it otherwise.
        low = bool(np.interp(0.4, x, y) > 0.65)
        ax.annotate(
            said,
            (0.97, 0.34) if low else (0.03, 0.97),
            ha="right" if low else "left",
            va="top",
            color=_BEST,
            linespacing=1.4,
        )
        ax.annotate("guessing", (0.56, 0.5), ha="left", va="center", color=_GREY)
        ticks = np.linspace(0.0, 1.0, 5)
        labels = [f"{100 * t:.0f}%" for t in ticks]
        ax.set_xticks(ticks, labels)
        ax.set_yticks(ticks, labels)
        ax.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
        ax.set(xlabel="False positive rate", ylabel="True positive rate")
        ax.set_title("Removed, or never there?", loc="left", color=_INK)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self


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
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> Self:
        """Draw the history of a fitted estimator.

        Raises
        ------
        ValueError
            If it was fitted without noise: then no distance was asked for.
        """
        check_is_fitted(estimator)
        budget = estimator._model.budget
        if budget is None:
            raise ValueError("nothing is certified without noise, so there is no target to show")
        target, since = [], 0
        for entry in estimator.history_:
            # A release counts once there has been a removal; every request counts.
            since += int(entry["event"] not in ("fit", "release") or since > 0)
            target.append(budget.caps(since).target)
        distance = np.array([entry["distance"] for entry in estimator.history_])
        tier = [str(entry["tier"]) for entry in estimator.history_]
        return cls(distance=distance, target=np.array(target), tier=tier).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on ``ax``, or on axes of a new figure."""
        ax = _axes(ax, type(self).__name__, (7.5, 4.2))
        from matplotlib.ticker import MaxNLocator

        step = np.arange(len(self.distance))
        # A distance of zero has no logarithm.
        floor = 1e-6 * float(self.target.min())
        height, tier = np.maximum(self.distance, floor), np.array(self.tier)
        size = float(np.clip(3000 / len(step), 6, 36))
        ax.plot(step, self.target, color=_INK, linewidth=1.2, drawstyle="steps-mid")
        names = [n for n in TIERS if n in self.tier] + sorted(set(self.tier) - set(TIERS))
        for name in names:
            colour, marker = TIERS.get(name, _OTHER)
            here = tier == name
            ax.scatter(step[here], height[here], s=size, color=colour, marker=marker, label=name)
        ax.set_yscale("log")
        ax.margins(x=0.02, y=0.1)
        self._label(ax, names)
        ax.set(xlabel="Request (0 is the fit)")
        ax.set(ylabel="Certified distance to exact retraining")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.set_title("How close each request came (owner's view)", loc="left", color=_INK)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _label(self, ax: Axes, names: list[str]) -> None:
        """Write the target and the tiers at the right edge, at the height of their last point."""
        from matplotlib.lines import Line2D

        last = {name: max(i for i, t in enumerate(self.tier) if t == name) for name in names}
        at = [(np.log10(self.target[-1]), "target", _INK, "_")]
        for name in names:
            height = max(float(self.distance[last[name]]), 1e-300)
            text = f"{name} ({self.tier.count(name)})"
            at.append((np.log10(height), text, *TIERS.get(name, _OTHER)))
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
            ax.annotate(text, (1.045, y), xycoords="axes fraction", va="center", color=_INK)
