"""Which rows of a request, or of the training set, weigh most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._common.arrays import Condition, Position, RowsLike
from .._common.whole import serially
from ..exceptions import AssumptionError
from ..insight.attribution import owed
from ..insight.influence import LeftOut
from ..requests.asked import Asked
from ..requests.fitted import fitted_of
from ..requests.labels import called
from ._axes import GREY, INK, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
#: About so many rows of the training set are drawn behind those of a request, and in what colour.
_BEHIND, _PALE = 2000, "#b4bcc4"
#: Letters of a name, and height of a line of text in points.
_LONGEST, _LINE = 24, 11.0


class InfluenceDisplay:
    """Leverage against residual of rows, with lines of equal influence.

    Made by `from_estimator`.  A row pulls its own prediction by ``residual h / (1 - h)``, h being
    its leverage: the lines join what pulls alike.  Everything in it depends on the rows: for the
    owner's eyes.

    Parameters
    ----------
    rows : ndarray of int, shape (m,)
        Positions in the fit.
    names : list of str
        What the rows are called.
    leverage : ndarray of shape (m,)
        On the row's own prediction, between 0 and 1.
    residual : ndarray of shape (m,)
        Slope over curvature of the row's loss; one over the probability of its own label where
        there are probabilities.
    shift : ndarray of shape (m,)
        How far the row pulls its own prediction, in ``unit``.
    memorisation : ndarray of shape (m,)
        Probability that the row adds to its own label, or loss that it saves itself.
    unit : str
        Of the shift.
    probabilities : bool
        Whether the model has any.
    behind : tuple of ndarray, optional
        Leverage and residual of other rows of the training set.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    References
    ----------
    Cook (1977), Detection of influential observation in linear regression; Pregibon (1981),
    Logistic regression diagnostics.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from certunlearn import CertifiedLogReg, InfluenceDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedLogReg().fit(X, y)
    >>> display = InfluenceDisplay.from_estimator(model, [297, 364])
    >>> display.rows.tolist(), display.unit
    ([297, 364], 'log odds')
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        rows: NDArray[np.int64],
        names: list[str],
        leverage: Array,
        residual: Array,
        shift: Array,
        memorisation: Array,
        unit: str,
        probabilities: bool,
        behind: tuple[Array, Array] | None = None,
    ) -> None:
        self.rows = rows
        self.names = names
        self.leverage = leverage
        self.residual = residual
        self.shift = shift
        self.memorisation = memorisation
        self.unit = unit
        self.probabilities = probabilities
        self.behind = behind

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        which: RowsLike | None = None,
        /,
        *,
        rows: RowsLike | None = None,
        row_ids: RowsLike | None = None,
        groups: RowsLike | None = None,
        where: Condition | None = None,
        top: int = 5,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the rows of a request before other rows, or all rows of the training set.

        Parameters
        ----------
        which, rows, row_ids, groups, where
            As in `forget`; all rows if none is given.
        top : int
            How many of the rows that pull most are called by name.
        ax : matplotlib Axes, optional
            Where to draw; axes of a new figure by default.

        Returns
        -------
        InfluenceDisplay
            Drawn.

        Raises
        ------
        AssumptionError
            If influence has no closed form (an L1 penalty, least squares of minimum norm), or
            takes a system of equations a row (no factor of the Hessian: sparse features,
            ``solver="newton-cg"``) and too many rows are asked for.
        RowError
            If the request does not name rows properly.
        TypeError
            If the estimator is not a model of this package, but a pipeline, say.
        ValueError
            If none of the rows weighs anything.
        """
        check_is_fitted(estimator)
        if hasattr(estimator, "head") or not hasattr(estimator, "neighbours"):
            raise TypeError(
                f"{type(estimator).__name__} keeps no rows of its own to leave out: pass a model "
                "of this package, of a pipeline its last step (pipe[-1])"
            )
        asked = Asked(which, rows, row_ids, groups, where)
        found, each, unit = _owed(estimator, asked)
        behind = None
        if any(v is not None for v in asked):
            behind = _behind(estimator, found)
        names = called(fitted_of(estimator).names.labels, found)
        return cls(
            rows=found,
            names=[_short(str(name)) for name in names],
            leverage=each.own_leverage,
            residual=each.residual,
            shift=each.shift,
            memorisation=each.memorisation,
            unit=unit,
            probabilities=not np.isnan(each.probability).any(),
            behind=behind,
        ).plot(ax=ax, top=top)

    def plot(self, ax: Axes | None = None, *, top: int = 5) -> Self:
        """Draw on ``ax``, or on axes of a new figure; the ``top`` rows are called by name.

        Raises
        ------
        ValueError
            If none of the rows weighs anything.
        """
        ax = axes_of(ax, type(self).__name__, (7.5, 5.0))
        shown = _drawable(self.leverage, self.residual)
        if not shown.any():
            raise ValueError("none of these rows weighs anything: there is nothing to draw")
        if self.behind is not None:
            h, residual = self.behind
            ax.scatter(h, self._height(residual), s=10, color=_PALE, linewidths=0, zorder=1)
        order = np.flatnonzero(shown)[np.argsort(self.memorisation[shown], kind="stable")]
        points = ax.scatter(
            self.leverage[order],
            self._height(self.residual[order]),
            c=self.memorisation[order],
            s=float(np.clip(6000 / len(order), 12, 44)),
            cmap="viridis_r",
            vmin=min(0.0, float(self.memorisation[order[0]])),
            # What is next to nothing shall not look like a lot.
            vmax=max(0.1 * self.probabilities, float(self.memorisation[order[-1]])),
            edgecolors=INK,
            linewidths=0.4,
            zorder=3,
        )
        if self._least:
            ax.set_yscale("log")
        ax.margins(0.08)
        ax.autoscale_view()
        ax.set(xlim=(0.0, min(1.0, ax.get_xlim()[1])), ylim=(0.8 * self._least, ax.get_ylim()[1]))
        self._lines(ax)
        self._say(ax, points)
        self._call(ax, order[np.argsort(-self.shift[order], kind="stable")][:top])
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    @property
    def _least(self) -> float:
        """Residual at the lower end of a logarithmic axis; 0 for a linear one."""
        if self.probabilities:
            return 1.0
        middle = float(np.median(self.residual))
        return middle / 10 if middle < self.residual.max() / 30 else 0.0

    def _height(self, residual: Array) -> Array:
        """Return where residuals are drawn: those below the axis on its edge."""
        return np.maximum(residual, self._least)

    def _say(self, ax: Axes, points: PathCollection) -> None:
        """Write what axes, colours and lines are."""
        from matplotlib.ticker import NullFormatter

        bar = ax.figure.colorbar(points, ax=ax, pad=0.02, fraction=0.06)
        bar.outline.set_visible(False)
        bar.ax.tick_params(color=GREY, labelcolor=GREY)
        ax.set_xlabel("Leverage on the row's own prediction")
        if self.probabilities:
            bar.set_label("Memorisation: probability its own label owes to the row", color=INK)
            ax.set_ylabel("Probability of the row's own label")
            ax.yaxis.set_major_formatter(lambda v, _: f"{100.0 / v:.3g}%")
            ticks = [1, 2, 5, 10, 20, 50] if ax.get_ylim()[1] < 100 else 10.0 ** np.arange(300)
            ax.set_yticks([t for t in ticks if t <= ax.get_ylim()[1]])
            ax.yaxis.set_minor_formatter(NullFormatter())
        else:
            bar.set_label("Memorisation: loss the row saves itself", color=INK)
            ax.set_ylabel(f"Residual (slope over curvature, {self.unit})")
        said = f"dashed: pulls its own prediction alike ({self.unit})"
        said += "; grey: other rows" if self.behind is not None else ""
        ax.annotate(
            said,
            (0, 1),
            (0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            color=GREY,
            fontsize="small",
        )
        ax.set_title("Which rows weigh most (owner's view)", loc="left", color=INK, pad=20)

    def _lines(self, ax: Axes) -> None:
        """Draw lines of equal shift, each with its value, up to about the largest there is."""
        right, (low, high) = ax.get_xlim()[1], ax.get_ylim()
        most = float(np.max(self.shift[_drawable(self.leverage, self.residual)]))
        # Round numbers: 1 and 3 in every decade.
        levels = [m * 10.0**k for k in range(-300, 300) for m in (1, 3)]
        for level in [v for v in levels if v < 2 * most][-4:]:
            # Where residual = level (1 - h) / h enters at the top, and leaves below or right.
            last = min(right, level / (level + low))
            h = np.linspace(level / (level + high), last, 400)
            if not h[0] < right:
                continue
            residual = level * (1.0 - h) / h
            ax.plot(h, residual, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
            below = last < right
            ax.annotate(
                f"{level:g}",
                (last, max(residual[-1], low)),
                (3, 2) if below else (-2, 2),
                textcoords="offset points",
                ha="left" if below else "right",
                va="bottom",
                color=GREY,
                fontsize="small",
            )

    def _call(self, ax: Axes, top: NDArray[np.int64]) -> None:
        """Write the names of rows beside their points, pushed apart where they would meet."""
        from matplotlib.patheffects import withStroke

        # The layout must have been worked out, whatever canvas there is.
        ax.figure.canvas.figure.draw_without_rendering()
        points = np.column_stack([self.leverage[top], self._height(self.residual[top])])
        pixels, frame = ax.transData.transform(points), ax.get_window_extent()
        line = _LINE * ax.figure.dpi / 72.0
        order, height = np.argsort(pixels[:, 1], kind="stable"), pixels[:, 1].copy()
        for below, i in zip(order, order[1:], strict=False):
            # Upwards first, each at least a line above the one below, then down from the ceiling.
            height[i] = max(height[i], height[below] + line)
        ceiling = frame.y1 - line
        for i in order[::-1]:
            height[i] = min(height[i], ceiling)
            ceiling = height[i] - line
        thread = {"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkB": 3}
        for i, (x, y) in enumerate(pixels):
            left = x > frame.x0 + 0.8 * frame.width
            ax.annotate(
                self.names[top[i]],
                points[i],
                (-9 if left else 9, (height[i] - y) * 72.0 / ax.figure.dpi),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                color=INK,
                fontsize="small",
                zorder=4,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                arrowprops=thread if abs(height[i] - y) > 2 else None,
            )


def _owed(
    estimator: BaseEstimator, asked: Asked, most: int | None = None
) -> tuple[Position, LeftOut, str]:
    """Return what rows owe to themselves, while no verb changes the model."""
    return serially([estimator], lambda: owed(fitted_of(estimator), asked, most))


def _behind(estimator: BaseEstimator, found: NDArray[np.int64]) -> tuple[Array, Array] | None:
    """Return leverage and residual of rows outside a request, where they come in closed form."""
    try:
        rows, each, _ = _owed(estimator, Asked(), _BEHIND)
    except AssumptionError:
        return None
    leverage = each.own_leverage
    # The request's own rows are drawn in front, once.
    keep = ~np.isin(rows, found) & _drawable(leverage, each.residual)
    return leverage[keep], each.residual[keep]


def _drawable(leverage: Array, residual: Array) -> NDArray[np.bool_]:
    """Whether rows have a place on logarithmic axes."""
    out = (leverage > 0) & (leverage < 1) & (residual > 0) & np.isfinite(residual)
    return np.asarray(out)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
