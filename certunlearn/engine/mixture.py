"""A mean of several models' secret iterates: its distance, its release and its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._common import validate as _validate
from .._common.arrays import RandomState
from .._common.rounding import GUARD, gamma, up
from ..claims.budget import Joint, composed
from ..claims.certificate import Certificate
from ..claims.consistency import SEEDED
from ..claims.noise import Geometry, Transfer
from ..exceptions import AssumptionError, NotCertifiedError
from ..linalg.norms import norm
from ..numerics.context import numerics
from .release import drawn, promised
from .unlearner import Model

Array = NDArray[np.float64]


#: Releases of a model have the numbers 0, 1, ...: that of a mixture differs from them all.
_APART = -1


CHOSEN = "the weights of the mixture and its models were chosen without the removed rows"


COUNTED = "the joint epsilon counts this mixture and its models' releases, no other mixture"


def _mixture(
    models: Sequence[Model], shares: Array, random_state: RandomState
) -> tuple[Array, Certificate]:
    """Return the mixed release (p, K) and its certificate."""
    # The flattest norm, by hyper-parameters and order alone: that of the same model in both worlds.
    base = min(models, key=lambda model: (model.settings.alpha, model.settings.l1))
    seed = _validate.seed("random_state", random_state)
    settings, geometry = replace(base.settings, seed=seed), base.gram.geometry
    with numerics(base.W.size):
        W, distance = _mean(_comparable(models), shares, geometry)
        removals = [m.requests.since_removal for m in models]
        since = sum(removals) + 1 if any(removals) else 0
        if base.budget is not None:
            caps = base.budget.caps(since)
            most = caps.target if since else caps.fit
            if not distance <= most:
                raise NotCertifiedError(
                    f"the mixture was shown to lie within {distance:.3g} of the mean of the "
                    f"optima, {most:.3g} are promised: fit the models with a smaller tol, or "
                    "with more noise",
                    distance=distance,
                    target=most,
                )
        released = drawn(W, settings, base.scale, geometry.noise, _APART)
        spread = geometry.deviations(1.0)
    # The joint epsilon counts the models' releases: what they assume is assumed.
    kept, same = base.members.weights.kept, any(m.gram.same_program for m in models)
    c = promised(settings, base.budget, since, kept, base.scale, spread, same_program=same)
    joint = Joint(c.joint_epsilon, c.joint_mu, c.joint_drift)
    if base.budget is not None and since:
        parts = [(m.budget, m.requests.since_removal) for m in models]
        counted = [(b, k) for b, k in (*parts, (base.budget, 1)) if b is not None and k]
        joint = composed(counted, base.budget.delta)
    seeded = c.conditions + (SEEDED,) * any(m.settings.seed is not None for m in models)
    listed = ", ".join(f"{share:.6g}" for share in shares)
    certificate = replace(
        c,
        reference=(
            f"retraining each of {len(models)} models, same hyper-parameters, on the {kept} "
            f"retained rows and mixing them with weights {listed}, to within the fit distance"
        ),
        conditions=(*dict.fromkeys(seeded), CHOSEN, COUNTED),
        seeded=SEEDED in seeded,
        # Its epsilon is that of one release; all of them together are in the joint epsilon.
        view="release",
        horizon=None,
        joint_epsilon=joint.epsilon,
        joint_mu=joint.mu,
        joint_drift=joint.drift,
        removals=max(m.certificate.removals or 0 for m in models),
        distance=distance,
        tier="mixture",
        n_forgotten=max(m.requests.forgotten for m in models),
    )
    return released, certificate


def _comparable(models: Sequence[Model]) -> Sequence[Model]:
    """Return models if all are of the features that they were fitted on."""
    if any(model.frame is not None for model in models):
        raise AssumptionError(
            "a model behind the steps of a pipeline is one of rows that these make, each its own: "
            "mix models that were fitted on the same features without a pipeline"
        )
    return models


def _mean(models: Sequence[Model], shares: Array, geometry: Geometry) -> tuple[Array, float]:
    """Return the mean of the secret iterates and its distance to the mean of the exact optima.

    Parameters
    ----------
    shares : ndarray of shape (n_models,)
        Not negative; whatever they sum to, the optimum meant is ``sum_i shares_i W_i^*``.
    geometry : Geometry
        The norm.

    Notes
    -----
    Guarantee: the distance is an upper bound.  Proof: proofs/mixture.md
    """
    W, size, distance = np.zeros_like(models[0].W), np.zeros_like(models[0].W), 0.0
    for model, share in zip(models, shares, strict=True):
        W = W + share * model.W
        size = size + share * np.abs(model.W)
        # ||v||_A <= c_i ||v||_{A_i}: each distance in the norm of the base's noise.
        carried = _carried(geometry, model.gram.geometry) * model.reached.distance
        distance = up(distance + share * carried, 4)
    # A product and at most as many sums as there are models, for each coefficient.
    size = gamma(len(models) + 1) * size * (1 + 1e-12)
    flat = geometry.mechanism == "isotropic"
    # ||e||_A <= || half_size |e| ||, as |half| <= half_size.
    rounding = norm(size) if flat else norm(geometry.half_size @ size)
    return W, up(distance + rounding * GUARD)


def _carried(to: Geometry, of: Geometry) -> float:
    """Return c such that a distance in one norm is at most c times that in the other."""
    if to.mechanism == "isotropic" or to is of:
        return 1.0
    return Transfer.between(to, of.gram).c
