"""The figures of a certificate, and what each means in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from .._common.html import percent, upwards
from .certificate import Certificate
from .power import Promise

GOALS = {
    "untraining": "The model is as if it had been trained without the rows. It was not taught to "
    "answer differently about them.",
}
MECHANISMS = {
    "gram": "Random noise on the weights: more where the data say little about a coefficient, "
    "less where they say much.",
    "isotropic": "Random noise on the weights: the same on every coefficient.",
    "objective": "Random noise as if the goal of the training had been shaken a little.",
    "several": "Several models, each with random noise of its own kind.",
}


def figures(c: Certificate) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and meaning of every figure of a certificate's public part."""
    yield "Goal", c.goal, GOALS.get(c.goal, "")
    yield "Rows", f"{c.n_retained}", "Rows the model is trained on now."
    if c.kind == "none":
        return
    low, middle, high = (f"{v:.2g}" for v in c.coefficient_deviation)
    yield (
        "epsilon",
        upwards(c.epsilon),
        "No outcome becomes more likely by a larger factor than exp(epsilon). At 0 there is no "
        "difference to be seen.",
    )
    yield (
        "delta",
        upwards(c.delta),
        "The probability that is left out of account: what may come on top of that factor.",
    )
    yield (
        "Joint epsilon",
        upwards(c.joint_epsilon, 4),
        "The same against somebody who has collected all releases since the oldest removal.",
    )
    yield (
        "mu",
        upwards(c.mu, 4),
        "How far removal and retraining can lie apart, in units of the noise. At 0 they cannot be "
        f"told apart; at 1 the best guess is right in {_right(1.0)} of cases, at 3 in "
        f"{_right(3.0)}.",
    )
    yield "Mechanism", c.mechanism, MECHANISMS.get(c.mechanism, "Random noise on the weights.")
    yield "sigma", f"{c.sigma:g}", "Scale of that noise, in the units of the mechanism."
    yield (
        "Noise per coefficient",
        f"{low} to {high}",
        f"Smallest and largest standard deviation of the noise; the median is {middle}.",
    )
    yield (
        "Distance target",
        upwards(c.distance_target, 4),
        "How close to exact retraining the model has to be shown to lie, before noise, or a "
        "removal is not released.",
    )
    yield (
        "Fit distance",
        upwards(c.fit_distance, 4),
        "How close to its exact optimum the retraining comes that all this is compared with.",
    )


def _right(mu: float) -> str:
    """Say how often the best guess at even odds is right."""
    return percent(round(Promise(700.0, 1.0, mu).even_odds, 3))
