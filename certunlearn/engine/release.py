"""A release and its certificate: the noise that is drawn, and what is promised for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .._common.arrays import Array
from .._version import __version__
from ..claims import certificate as claims
from ..claims.budget import NO_DRIFT, UNBOUNDED, Budget, allowed
from ..claims.certificate import Certificate
from ..claims.consistency import SEEDED
from ..claims.frame import Frame
from ..claims.sampler import OperatingSystem, Source, Stream, rounded, standard_normal
from .settings import Settings


def drawn(
    W: Array,
    settings: Settings,
    scale: tuple[float, ...],
    colour: Callable[[Array], Array],
    index: int,
    frame: Frame | None = None,
) -> Array:
    """Return W with fresh noise, rounded: release ``index`` of a model, and all that may leave it.

    ``colour`` turns standard normal numbers of W's shape into noise of unit scale, which is
    multiplied by ``noise`` and the ``scale`` of its column.  What leaves is in coordinates of the
    model, wherever its rows are held.
    """
    if settings.noise == 0:
        return W if frame is None else frame.released(W)
    source: Source = OperatingSystem()
    if settings.seed is not None:
        # Release `index` of a seed's stream: no two releases of a model share their noise.
        source = Stream(settings.seed, index)
    sigma = settings.noise * np.array(scale)
    noisy = W + sigma * colour(standard_normal(source, W.shape))
    # Post-processing: a fixed function of the released value (proofs/rounded.md).
    return rounded(noisy if frame is None else frame.released(noisy))


def promised(
    settings: Settings,
    budget: Budget | None,
    since: int,
    kept: int,
    scale: tuple[float, ...],
    spread: Array,
    *,
    same_program: bool = False,
) -> Certificate:
    """Write the part of the certificate that does not depend on the removed rows.

    ``since`` releases have been made since the oldest removal, ``kept`` rows are in the training
    set, ``scale`` holds the unit of each column's noise, ``spread`` the standard deviations of
    noise of unit scale.
    """
    # One deviation a coefficient: columns differ in the unit of their noise alone.
    spread = np.sort(np.outer(spread, settings.noise * np.array(scale)), axis=None)
    half = len(spread) // 2
    # What is stated are the caps, which are fixed before any request, and not the distances
    # reached, which depend on the rows.
    caps = allowed(budget, since)
    joint = UNBOUNDED if budget is None else budget.joint(since)
    conditions: tuple[str, ...] = claims.CONDITIONS
    if same_program:
        conditions += (claims.SAME_PROGRAM,)
    if settings.seed is not None:
        conditions += (SEEDED,)
    return Certificate(
        kind="none" if budget is None else "gaussian",
        epsilon=math.inf if budget is None else budget.epsilon,
        delta=1.0 if budget is None else budget.delta,
        mu=math.inf if budget is None else budget.mu,
        sigma=settings.noise * min(scale),
        noise=settings.noise,
        scale=scale,
        mechanism=settings.mechanism,
        view=settings.view,
        drift=NO_DRIFT if budget is None else budget.drift,
        distance_target=0.0 if caps is None else caps.target,
        fit_distance=0.0 if caps is None else caps.fit,
        joint_epsilon=joint.epsilon,
        joint_mu=joint.mu,
        joint_drift=joint.drift,
        releases=since,
        horizon=settings.horizon if settings.view == "transcript" else None,
        # Two digits: the last bits of a downdated matrix would tell which world it is.
        coefficient_deviation=(
            float(f"{spread[0]:.1e}"),
            float(f"{(spread[half] + spread[~half]) / 2:.1e}"),
            float(f"{spread[-1]:.1e}"),
        ),
        reference=(
            "retraining by the same estimator to within the fit distance, same "
            f"hyper-parameters, on the {kept} retained rows"
        ),
        n_retained=kept,
        library=f"certunlearn {__version__}",
        conditions=conditions,
        seeded=settings.seed is not None,
    )
