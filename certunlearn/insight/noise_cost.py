"""What the noise of a release costs: measured for the owner, or a warning where it drowns a model.

Nothing here publishes anything, and no release is counted.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.protocol import Unlearner
from ..engine.release import drawn
from ..engine.unlearner import Model
from ..exceptions import NoiseWarning, caller
from ..linalg.diagonal import Diagonal
from ..numerics.objective.products import Products

Array = NDArray[np.float64]
#: Releases of a model have the numbers 0, 1, ..., that of a mixture -1: draws here begin below.
_APART = -2
#: Rows whose margins tell how much those of all vary.
_ENOUGH = 1 << 11


@dataclass(frozen=True)
class NoiseCost:
    """What one release costs, from draws that are thrown away.  For the owner's eyes only.

    The first number belongs to the secret iterate: neither it nor what is computed from it may be
    published.

    Attributes
    ----------
    score : float
        Of the model without noise.
    released : float
        Mean score of the draws.
    deviation : float
        Standard deviation of their scores: how much one release differs from the next.
    cost : float
        ``score - released``: what a release costs on average.
    margin_noise, margin_spread : float
        Root mean square of what the noise adds to a margin (a prediction, before any link), and
        standard deviation of the margins without it.
    draws : int
        How many.
    """

    score: float
    released: float
    deviation: float
    margin_noise: float
    margin_spread: float
    draws: int

    @property
    def cost(self) -> float:
        """What a release costs on average."""
        return self.score - self.released

    def __str__(self) -> str:
        return (
            f"A release scores {self.released:.4f} (deviation {self.deviation:.2g} over "
            f"{self.draws} draws), the model without noise {self.score:.4f}: it costs "
            f"{self.cost:.2g}.\nMargins vary by {self.margin_spread:.3g} and the noise moves them "
            f"by {self.margin_noise:.3g}.\nFor the owner's eyes only: nothing was published."
        )


def measured(
    model: Unlearner,
    score: Callable[[Array], float],
    margins: Callable[[Array], Array],
    draws: int,
) -> NoiseCost:
    """Draw releases, look at them, and throw them away.

    Parameters
    ----------
    model : Model
        Of the unlearner, or of minimum norm; not changed.
    score : callable
        The score of weights (p, K).
    margins : callable
        Their margins (n, K).
    draws : int
        How many.
    """
    # Minimum norm knows isotropic noise alone.
    colour, frame = _as_it_is, None
    if isinstance(model, Model):
        colour, frame = model.gram.geometry.noise, model.frame
    parts = model.settings, model.scale, colour
    # The very function that draws releases, with numbers no release has.
    released = [drawn(model.W, *parts, _APART - k, frame) for k in range(draws)]
    exact = model.W if frame is None else frame.released(model.W)
    scores, known = [score(W) for W in released], margins(exact)
    moved = [float(np.mean((margins(W) - known) ** 2)) for W in released]
    return NoiseCost(
        score(exact),
        float(np.mean(scores)),
        float(np.std(scores)),
        math.sqrt(np.mean(moved)),
        math.sqrt(np.mean(np.var(known, axis=0))),
        draws,
    )


def _as_it_is(Z: Array) -> Array:
    return Z


def warn_if_drowned(model: Unlearner) -> None:
    """Warn where the noise moves the margins of the training set by more than they vary.

    Both are computed from the release and the retained rows: to whoever knows these the warning
    says nothing new.
    """
    if model.budget is None:
        return
    share = _share(model) if isinstance(model, Model) else _share_of_targets(model)
    if share > 1.0:
        times = f"{math.sqrt(share):.2g} times" if share < math.inf else "far more than"
        warnings.warn(
            f"the noise moves predictions by {times} what they vary without it: this release says "
            "little. Use a smaller noise (a larger epsilon does not change it) or more rows; "
            "noise_cost(X, y) says what a release costs",
            NoiseWarning,
            stacklevel=caller(),
        )


def _share(model: Model) -> float:
    """Return the noise's variance in a margin over that of the margins, over the training set."""
    if not isinstance(model.gram.known, Diagonal):
        noise, spread = _summed(model)
    elif model.reached.tier == "downdate":
        # No row that stays is read for a warning; the last pass has had its own.
        return 0.0
    else:
        noise, spread = _swept(model)
    sigma = np.broadcast_to(model.settings.noise * np.array(model.scale), model.W.shape[1])
    noise *= float(sigma @ sigma)
    # The release varies by its own noise as well.
    return noise / (spread - noise) if spread > noise else math.inf


def _summed(model: Model) -> tuple[float, float]:
    """Return the sums over rows of unit noise's variance and of released margins about the mean."""
    R, geometry, alpha = model.released, model.gram.geometry, model.objective.alpha
    if model.frame is not None:
        R = model.frame.inside(R)
    # kappa sum s x x', from which a common factor cancels.
    # sum_i s_i m_i^2 = R'(G - diag alpha) R / kappa: spread and noise from sums that are there, no
    # row read.
    G = model.gram.curvature.matrix
    margins = G @ R - alpha[:, None] * R
    spread = float(np.sum(R * margins))
    mass = float(G[-1, -1] - alpha[-1])
    if model.rows.intercept and mass > 0:
        # About the mean: the last row of G - diag alpha sums the rows themselves.
        spread -= float(np.sum(margins[-1] ** 2)) / mass
    if geometry.mechanism == "isotropic":
        # tr((G - diag alpha) A^{-1}): the variance that noise of covariance A^{-1} gives the
        # margins, summed.
        return float(np.trace(G) - np.sum(alpha)), spread
    noise = geometry.gram.variance
    if geometry.mechanism == "gram":
        return float(len(R) - np.sum(alpha * noise)), spread
    return float(np.sum(noise) - np.sum(alpha * geometry.deviations(1.0) ** 2)), spread


def _swept(model: Model) -> tuple[float, float]:
    """Return the same from a pass over rows whose Gram matrix is not formed."""
    rows: Any = model.rows
    R, d, alpha = model.released, rows.p - int(rows.intercept), model.objective.alpha
    weight = model.objective.weight
    # The trace of kappa sum s x x'.
    length = float(np.sum(model.gram.diagonal - alpha)) / model.objective.loss.kappa
    if rows.sparse:
        margins = np.concatenate([X @ R[:d] for _, X in rows.parts()])
    else:
        products = Products.of(model.objective).some(_ENOUGH)
        margins, weight = products.margins(R), products.weight[:, 0]
        # As if every row were one of these.
        length *= float(weight.sum()) / model.objective.weight_sum
    first, total = weight @ margins, float(weight.sum())
    second = float(weight @ np.sum(margins**2, axis=1))
    return length, second - float(np.sum(first**2)) / total


def _share_of_targets(model: Unlearner) -> float:
    """Return the same for minimum norm, of the targets' variance."""
    sums = model.members.sums
    assert sums is not None
    variance = [float(b - a * a / sums.mass) for a, b in zip(sums.first, sums.second, strict=True)]
    noise = float(sums.length) * sum((model.settings.noise * unit) ** 2 for unit in model.scale)
    return noise / sum(variance) if sum(variance) > 0 else 0.0
