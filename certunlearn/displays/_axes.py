"""What every picture shares: colours, and axes that are made where none are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GREY = "#1c2126", "#59626c"
#: Colours of Okabe & Ito, and a marker each: neither eyes nor a printer need tell the hues apart.
TIERS = {
    "fit": ("#000000", "D"),
    "downdate": ("#0072B2", "o"),
    "chord": ("#E69F00", "s"),
    "refresh": ("#D55E00", "^"),
    "release": ("#56B4E9", "x"),
}
OTHER = ("#CC79A7", "P")
BEST = TIERS["downdate"][0]


def axes_of(ax: Axes | None, name: str, size: tuple[float, float]) -> Axes:
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
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(color=GREY, labelcolor=GREY)
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    return ax
