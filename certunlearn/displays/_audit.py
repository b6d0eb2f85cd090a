"""Audits drawn: gaps to retrained models, noise, a membership test's curve, epsilon shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from ._axes import BEST, GREY, INK, TIERS, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from .._common.arrays import Array
    from ..audit.epsilon import EpsilonBound
    from ..audit.law import ReleaseLaw
    from ..audit.lira import Bits, Lira
    from ..audit.report import Axis, Evaluation

FAULT = TIERS["refresh"][0]


class AuditDisplay:
    """An evaluation and its audits: gaps, noise, and each membership test and bound on epsilon.

    Made by `from_evaluation`.

    Parameters
    ----------
    evaluation : Evaluation
        What is drawn.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        Gaps first, then what the findings hold.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from certunlearn import AuditDisplay, audit
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = LogisticRegression(solver="newton-cholesky", C=1e-3).fit(X[20:300], y[20:300])
    >>> found = audit.evaluate(
    ...     model, X[300:], y[300:], retained=(X[20:300], y[20:300]), forgotten=(X[:20], y[:20])
    ... )
    >>> AuditDisplay.from_evaluation(found).axes_[0].get_xlabel()
    'gap to retrained models, in units of their band'
    """

    axes_: list[Axes]
    figure_: Figure

    def __init__(self, *, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    @classmethod
    def from_evaluation(cls, evaluation: Evaluation) -> Self:
        """Draw an evaluation on a figure of its own."""
        return cls(evaluation=evaluation).plot()

    def plot(self) -> Self:
        """Draw on a new figure, one panel beside the other."""
        # Here and not above: no import of the package waits for the audits.
        from ..audit.epsilon import EpsilonBound
        from ..audit.law import ReleaseLaw
        from ..audit.lira import Lira

        first = axes_of(None, type(self).__name__, (1.0, 1.0))
        figure = first.figure
        figure.clear()
        found, axes = self.evaluation.findings, self.evaluation.axes
        drawn = [f for f in found if isinstance(f, (Lira, EpsilonBound))]
        laws = [f for f in found if isinstance(f, ReleaseLaw)]
        count = bool(laws) + len(drawn)
        if not axes and not count:
            raise ValueError("nothing to draw: neither axes nor audits that have a picture")
        grid = _laid_out(figure, len(axes), count)
        self.axes_ = [axes_of(ax, type(self).__name__, (0.0, 0.0)) for ax in grid]
        left = list(self.axes_)
        if axes:
            _gaps(left.pop(0), axes)
        if laws:
            _noise(left.pop(0), laws)
        for ax, finding in zip(left, drawn, strict=True):
            if isinstance(finding, Lira):
                _curve(ax, finding)
            else:
                _epsilon(ax, finding)
        self.figure_ = figure  # type: ignore[assignment]
        return self


def _laid_out(figure: Figure | SubFigure, axes: int, count: int) -> list[Axes]:
    """Return a panel for ``axes`` figures, if there are any, and ``count`` others."""
    tall = max(3.6, 0.8 + 0.27 * axes)
    if axes and count > 1:
        # Gaps on top and the others below: beside one another they would be too small to read.
        figure.set_size_inches(3.5 * count, tall + 3.6)  # type: ignore[union-attr]
        grid = figure.add_gridspec(2, count, height_ratios=[tall, 3.6])
        below = [figure.add_subplot(grid[1, i]) for i in range(count)]
        return [figure.add_subplot(grid[0, :]), *below]
    ratios = ([1.55] if axes else []) + [1.0] * count
    figure.set_size_inches((2.4 if axes else 0.0) + 4.2 * sum(ratios), tall)  # type: ignore[union-attr]
    return list(np.atleast_1d(figure.subplots(1, len(ratios), width_ratios=ratios)))


def _gaps(ax: Axes, axes: tuple[Axis, ...]) -> None:
    """A line for each figure: its gap in units of the band, the band as what is grey."""
    shown = axes[::-1]
    # In units of the half-width of each band, so that axes of all kinds share one scale.
    ratios = [axis.gap / max(axis.band[1] - axis.oracle, 1e-300) for axis in shown]
    for i, (axis, ratio) in enumerate(zip(shown, ratios, strict=True)):
        x = float(np.clip(ratio, -8.0, 8.0))
        colour = FAULT if axis.flagged else BEST
        ax.plot([0, x], [i, i], color=colour, linewidth=1.6, zorder=2)
        beyond = abs(ratio) > 8.0
        marker = (">" if x > 0 else "<") if beyond else "o"
        ax.plot(x, i, marker=marker, color=colour, markersize=5.5, zorder=3)
        ax.annotate(
            f"{axis.value:.3g}",
            (1.01, i),
            xycoords=("axes fraction", "data"),
            va="center",
            color=FAULT if axis.flagged else GREY,
            fontsize=8,
        )
    ax.axvspan(-1, 1, color=GREY, alpha=0.16, linewidth=0, zorder=0)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    reach = max(2.0, *(min(8.0, abs(ratio)) for ratio in ratios))
    ax.set_xlim(-1.08 * reach, 1.08 * reach)
    ax.set_ylim(-0.7, len(axes) - 0.3)
    ax.set_yticks(range(len(axes)), [a.name for a in shown])
    ax.tick_params(axis="y", length=0, labelsize=8.5)
    for label, axis in zip(ax.get_yticklabels(), shown, strict=True):
        label.set_color(FAULT if axis.flagged else INK)
    # A rule between the kinds.
    for i in range(len(shown) - 1):
        if shown[i].kind != shown[i + 1].kind:
            ax.axhline(i + 0.5, color=GREY, linewidth=0.5, alpha=0.5)
    ax.set_xlabel("gap to retrained models, in units of their band")
    ax.set_title("Another retraining?", loc="left", color=INK)


def _noise(ax: Axes, laws: list[ReleaseLaw]) -> None:
    """Noise there is over noise claimed, with its confidence interval, a line a law."""
    for i, law in enumerate(laws[::-1]):
        colour = BEST if law.passed else FAULT
        ax.plot(law.sigma_interval, [i, i], color=colour, linewidth=2.0)
        ax.plot(law.sigma_ratio, i, "o", color=colour, markersize=6)
        said = "1 release" if law.releases == 1 else f"{law.releases} releases"
        ax.annotate(
            f"{said}: {law.sigma_ratio:.3g}",
            (law.sigma_ratio, i),
            (0, 7),
            color=colour,
            textcoords="offset points",
            ha="center",
        )
    ax.axvline(1.0, color=GREY, linewidth=1.2)
    low = min(0.4, *(0.9 * law.sigma_interval[0] for law in laws), 1.0)
    high = max(1.6, *(1.1 * law.sigma_interval[1] for law in laws), 1.0)
    ax.axvspan(low, 1.0, color=FAULT, alpha=0.06, linewidth=0, zorder=0)
    ax.annotate(
        "less noise than claimed", (0.04, 0.05), xycoords="axes fraction", color=GREY, fontsize=8
    )
    ax.set(xlim=(low, high), ylim=(-0.7, len(laws) - 0.2), yticks=[])
    ax.set_xlabel("noise there is over noise claimed")
    ax.set_title("As much noise as claimed?", loc="left", color=INK)


def _curve(ax: Axes, finding: Lira) -> None:
    """ROC of a membership test on logarithmic axes, and where coins drawn anew put it."""
    ratios, coins = finding.log_ratios.ravel(), finding.coins
    order = np.argsort(-ratios, kind="stable")
    # From one false alarm among all non-members up: below that nothing can be seen.
    levels = np.geomspace(1.0 / max(int((~coins).sum()), 2), 1.0, 80)

    def power(bits: Bits) -> Array:
        member = bits.ravel()[order]
        false = np.cumsum(~member) / max(int((~member).sum()), 1)
        true = np.cumsum(member) / max(int(member.sum()), 1)
        at = np.searchsorted(false, levels, side="right") - 1
        return np.asarray(np.where(at >= 0, true[np.maximum(at, 0)], 0.0))

    rng = np.random.default_rng(0)
    # The same curve for coins that have nothing to do with the release: what chance looks like.
    null = np.array([power(rng.random(coins.shape) < 0.5) for _ in range(100)])
    low, high = np.quantile(null, [finding.level / 2, 1 - finding.level / 2], axis=0)
    floor = float(levels[0])
    ax.fill_between(
        levels, np.maximum(low, floor), np.maximum(high, floor), color=GREY, alpha=0.2, linewidth=0
    )
    ax.plot(levels, levels, color=GREY, linestyle=(0, (4, 3)), linewidth=1.2)
    colour = BEST if finding.passed else FAULT
    ax.plot(levels, np.maximum(power(coins), floor), color=colour, linewidth=2.2)
    ax.set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1.1))
    ax.set(xlabel="False positive rate", ylabel="True positive rate")
    said = f"AUC {finding.auc:.3f}"
    ax.annotate(said, (0.04, 0.95), xycoords="axes fraction", va="top", color=colour)
    ax.annotate(
        "grey: coins drawn anew", (0.96, 0.05), xycoords="axes fraction", ha="right", color=GREY
    )
    ax.set_title("Was it ever there?", loc="left", color=INK)


def _epsilon(ax: Axes, finding: EpsilonBound) -> None:
    """What is claimed, what an attack has shown, and what it could have shown at most."""
    claimed, shown = finding.null[1], finding.statistic
    colour = BEST if finding.passed else FAULT
    top = max(finding.ceiling, claimed, shown) * 1.15
    ax.axhspan(0, claimed, color=GREY, alpha=0.16, linewidth=0)
    ax.bar([0], [shown], width=0.5, color=colour)
    ax.axhline(claimed, color=GREY, linewidth=1.2)
    ax.axhline(finding.ceiling, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
    # In the bar while there is room: above it the ceiling may stand.
    inside = shown > 0.15 * top
    ax.annotate(
        f"shown\n{shown:.2g}",
        (0, shown),
        (0, -5 if inside else 4),
        textcoords="offset points",
        ha="center",
        va="top" if inside else "bottom",
        color="white" if inside else INK,
    )
    for y, text in ((claimed, f"claimed {claimed:.3g}"), (finding.ceiling, "most that could show")):
        ax.annotate(text, (0.97, y), (0, 3), textcoords="offset points", ha="right", color=GREY)
    ax.set(xlim=(-1, 1), ylim=(0, top), ylabel=f"epsilon, confidence {finding.confidence:g}")
    ax.set_xticks([])
    ax.set_title("Epsilon, from below", loc="left", color=INK)
