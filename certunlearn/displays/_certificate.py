"""What a certificate leaves to an attacker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._common.html import percent, upwards
from ..claims.certificate import Certificate
from ..claims.power import Promise
from ._axes import BEST, GREY, INK, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


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
    def from_estimator(cls, estimator: BaseEstimator, *, ax: Axes | None = None) -> Self:
        """Draw what the certificate of a fitted estimator, or pipeline, promises.

        Raises
        ------
        ValueError
            If it promises nothing.
        """
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
        promise = certificate.promise
        # Denser at both ends, where the curve bends.
        levels = np.sin(0.5 * np.pi * np.linspace(0.0, 1.0, 201)) ** 2
        power = np.array([promise.true_positive_rate(a) for a in levels])
        display = cls(false_positive_rate=levels, true_positive_rate=power, promise=promise)
        return display.plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on ``ax``, or on axes of a new figure."""
        ax = axes_of(ax, type(self).__name__, (5.0, 5.0))
        x, y, promise = self.false_positive_rate, self.true_positive_rate, self.promise
        ax.fill_between(x, x, y, color=BEST, alpha=0.15, linewidth=0)
        ax.plot([0, 1], [0, 1], color=GREY, linestyle=(0, (4, 3)), linewidth=1.2)
        # A test that never rejects has power 0: delta makes the curve leave the axis above it.
        ax.plot(np.append(0.0, x), np.append(0.0, y), color=BEST, linewidth=2.2)
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
            color=BEST,
            linespacing=1.4,
        )
        ax.annotate("guessing", (0.56, 0.5), ha="left", va="center", color=GREY)
        ticks = np.linspace(0.0, 1.0, 5)
        labels = [f"{100 * t:.0f}%" for t in ticks]
        ax.set_xticks(ticks, labels)
        ax.set_yticks(ticks, labels)
        ax.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
        ax.set(xlabel="False positive rate", ylabel="True positive rate")
        ax.set_title("Removed, or never there?", loc="left", color=INK)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self
