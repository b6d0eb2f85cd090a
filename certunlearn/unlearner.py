"""The unlearner: joins numerics and claims, and states what they guarantee together.

Guarantee
---------
Let S be the retained rows and A(S) the training mechanism: any point within ``fit_distance`` of
the exact optimum of F_S in the norm of the noise, plus ``sigma A^{-1/2} z``.  Every `Model`
returned by `fit`, `forget` or `release` was released by ``W + sigma A^{-1/2} z`` with z fresh and
independent of W, where ``||W - W*_S||_A <= distance_target`` was shown on the data at hand.
So for every measurable set T of outcomes, in both directions,

    P(release in T) <= exp(epsilon) P(A(S) in T) + delta.

Assumes: the conditions listed in the certificate.  Proof: proofs/certified_removal.md
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from . import certificate as claims
from ._version import __version__
from .certificate import Certificate
from .noise import OperatingSystem, Source, Stream, rounded, standard_normal
from .rows import DenseRows
from .state import (
    Array,
    Positions,
    Progress,
    Settings,
    State,
    classes_of,
    removed,
    solved,
    tightened,
)

__all__ = ["Model", "Settings", "fit", "forget", "release"]


@dataclass(frozen=True)
class Model(State):
    """A state and the release drawn from it.

    ``W`` must never leave the process; ``released`` and ``certificate.public()`` may.

    Attributes
    ----------
    forgotten : ndarray of bool, shape (n,)
        Rows that a request has named.
    releases, since_removal : int
        Releases drawn so far, and since the oldest removal.
    released : ndarray of shape (p, K)
        The noisy weights.
    certificate : Certificate
        What holds for them.
    """

    forgotten: NDArray[np.bool_] = field(kw_only=True)
    releases: int = field(kw_only=True)
    since_removal: int = field(kw_only=True)
    released: Array = field(kw_only=True)
    certificate: Certificate = field(kw_only=True)

    @property
    def W(self) -> Array:
        """The secret iterate, shape (p, K)."""
        return self.reached.W

    @property
    def state(self) -> State:
        """The state alone."""
        names = State.__dataclass_fields__
        return State(**{name: getattr(self, name) for name in names})

    def scrub(self) -> None:
        """Overwrite whatever rows this model no longer holds; safe to call again."""
        import jax

        with jax.enable_x64(True):
            self.rows.scrub(np.flatnonzero(self.forgotten & ~self.rows.scrubbed))


def fit(
    X: Array,
    codes: NDArray[np.int64],
    sample_weight: Array,
    settings: Settings,
    *,
    progress: Progress = None,
) -> Model:
    """Train on the rows of positive weight and release.

    Raises
    ------
    NotCertifiedError
        If the promised distance cannot be reached.
    ConvergenceError, AssumptionError
        If there is nothing to converge to.
    """
    import jax

    clock = time.perf_counter()
    with jax.enable_x64(True):
        rows = DenseRows(X, codes, intercept=settings.fit_intercept)
        weight = np.array(sample_weight, dtype=np.float64)
        state = solved(settings, rows, weight, progress=progress)
        return _released(state, np.zeros(rows.n, dtype=bool), 0, 0, clock, 0)


def forget(model: Model, positions: Positions, *, progress: Progress = None) -> Model:
    """Return the model without the rows at ``positions``; ``model`` itself is not changed.

    The rows are still in the store: call `Model.scrub` once the new model has been taken over.

    Raises
    ------
    NotCertifiedError
        If the distance target cannot be reached.
    """
    import jax

    clock, reads = time.perf_counter(), model.rows.reads
    with jax.enable_x64(True):
        weight, forgotten = model.sample_weight.copy(), model.forgotten.copy()
        gone = positions[weight[positions] > 0]
        weight[positions], forgotten[positions] = 0.0, True
        since = model.since_removal + 1
        if len(gone) == 0:
            state = tightened(model.state, t=since, progress=progress)
        elif np.array_equal(classes_of(model.rows, weight), model.classes):
            state = removed(model.state, weight, gone, t=since, progress=progress)
        else:
            state = solved(
                model.settings, model.rows, weight, before=model.state, t=since, progress=progress
            )
        return _released(state, forgotten, model.releases, since, clock, reads)


def release(model: Model) -> Model:
    """Return the same model with a fresh release of the same secret iterate."""
    import jax

    since = model.since_removal + int(model.forgotten.any())
    clock, reads = time.perf_counter(), model.rows.reads
    with jax.enable_x64(True):
        state = tightened(model.state, t=since) if since else model.state
    return _released(state, model.forgotten, model.releases, since, clock, reads)


def _released(
    state: State,
    forgotten: NDArray[np.bool_],
    index: int,
    since: int,
    clock: float,
    reads: int,
) -> Model:
    """Draw a release and write its certificate."""
    settings, W = state.settings, state.reached.W
    source: Source = OperatingSystem()
    if settings.seed is not None:
        source = Stream(settings.seed, index)
    weights = W
    if settings.noise > 0:
        noise = state.gram.geometry.noise(standard_normal(source, W.shape))
        weights = rounded(W + settings.noise * noise)
    certificate = replace(
        _promise(state, since),
        distance=state.reached.distance,
        tier=state.reached.tier,
        n_forgotten=int(forgotten.sum()),
        passes=round((state.rows.reads - reads) / state.rows.n),
        seconds=time.perf_counter() - clock,
    )
    values = {name: getattr(state, name) for name in State.__dataclass_fields__}
    return Model(
        **values,
        forgotten=forgotten,
        releases=index + 1,
        since_removal=since,
        released=weights,
        certificate=certificate,
    )


def _promise(state: State, since: int) -> Certificate:
    """Write the part of the certificate that does not depend on the removed rows."""
    settings, budget = state.settings, state.budget
    caps = None if budget is None else budget.caps(since)
    kept = int(np.count_nonzero(state.sample_weight > 0))
    conditions: tuple[str, ...] = claims.CONDITIONS
    if state.gram.same_program:
        conditions += (claims.SAME_PROGRAM,)
    if settings.seed is not None:
        conditions += (claims.SEEDED,)
    spread = state.gram.geometry.deviations(settings.noise)
    return Certificate(
        kind="none" if budget is None else "gaussian",
        epsilon=math.inf if budget is None else budget.epsilon,
        delta=1.0 if budget is None else budget.delta,
        mu=math.inf if budget is None else budget.mu,
        sigma=settings.noise,
        mechanism=settings.mechanism,
        view=settings.view,
        distance_target=0.0 if caps is None else caps.target,
        fit_distance=0.0 if caps is None else caps.fit,
        joint_epsilon=math.inf if budget is None else budget.joint_epsilon(since),
        # Two digits: the last bits of a downdated matrix would tell which world it is.
        coefficient_deviation=(
            float(f"{spread.min():.1e}"),
            float(f"{np.median(spread):.1e}"),
            float(f"{spread.max():.1e}"),
        ),
        reference=(
            "retraining by the same estimator to within the fit distance, same "
            f"hyper-parameters, on the {kept} retained rows"
        ),
        n_retained=kept,
        library=f"certunlearn {__version__}",
        conditions=conditions,
    )
