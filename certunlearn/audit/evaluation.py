"""An unlearned model against retrained oracles: on every axis, with the oracles' own spread.

A gap counts where it is outside of what the oracles show among themselves.  Too good on forgotten
rows says that they are still known, too bad that more was forgotten than retraining would: both
are failures.

The level is exact, whatever the law of the figures.  Each model's score is its largest deviation on
any axis from the mean of all others, in their standard deviations.  Of models that are drawn alike
each is as likely as any other to have the largest score, so with n oracles the model has one of the
``k`` largest with probability ``k / (n + 1)``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from .._common.arrays import Array
from .._common.validate import real, seed
from .ensembles import forgetting_quality, klom
from .epsilon import EpsilonBound
from .figures import Labelled, Rows, figures
from .finding import Finding
from .report import Axis, Evaluation
from .scores import Predictor, confidence


def evaluate(
    model: Predictor,
    X_test: ArrayLike,
    y_test: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    retained: Rows,
    forgotten: Rows,
    oracles: Sequence[Predictor] | int | None = None,
    seconds: float | None = None,
    ensemble: Sequence[Predictor] | None = None,
    findings: Sequence[Finding] = (),
    true_distance: float | None = None,
    tolerance: float = 0.002,
    level: float = 0.05,
) -> Evaluation:
    """Hold an unlearned model against retrained oracles.

    Parameters
    ----------
    model : estimator
        After the removal: any fitted classifier or regressor.
    X_test, y_test : array-like or DataFrame of shape (n, d), (n,)
        Rows that nobody trained on, in the form that the models take.
    groups : array-like of shape (n,), optional
        Subgroup of each test row: a gap in one of them counts by itself.
    retained, forgotten : (X, y)
        Rows that stay, and rows that were removed.
    oracles : sequence of fitted estimators, or int
        Models retrained without the forgotten rows; a number fits so many clones of ``model`` on
        the retained rows, each with a ``random_state`` of its own.  ``1 / level - 1`` or more: 19
        for a level of 0.05, which is how many are fitted by default.
    seconds : float, optional
        What the removal took.
    ensemble : sequence of fitted estimators, optional
        Several unlearned models: for forgetting quality and KLoM against as many oracles.
    findings : sequence of Finding
        Audits to be shown, and to be passed.
    true_distance : float, optional
        Distance of the secret iterate to the exact optimum, to hold the certified one against.
    tolerance : float
        Gaps this small never count: they are below what oracles that draw no noise can show.
    level : float
        Largest chance that a retrained model is flagged on any axis.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If there are fewer oracles than the level needs.

    Notes
    -----
    Guarantee: if model and oracles are drawn independently of one law, the model is flagged on any
    axis with probability at most ``level``.  If the model's law is (epsilon, delta)-close to
    theirs, with probability at most ``exp(epsilon) level + delta``.  Proof: proofs/evaluation.md
    """
    real("level", level, low=0, high=1)
    needed = math.ceil(1.0 / level - 1e-9) - 1
    oracles = max(needed, 2) if oracles is None else oracles
    efficiency: dict[str, float] = {} if seconds is None else {"seconds_of_removal": seconds}
    if isinstance(oracles, int):
        _enough(oracles, needed, level)
        # Seconds of this machine, beside one another: only their ratio says anything.
        clock = time.perf_counter()
        oracles = [_retrained(model, retained, k) for k in range(1, oracles + 1)]
        efficiency["seconds_of_refit"] = (time.perf_counter() - clock) / len(oracles)
        if seconds is not None:
            efficiency["refit_over_removal"] = efficiency["seconds_of_refit"] / max(seconds, 1e-12)
    _enough(len(oracles), needed, level)
    # Features as they are given: a pipeline may ask for columns by their names.
    test = (X_test, np.asarray(y_test))
    # One number for each model and axis, the audited one first.
    found, left = figures([model, *oracles], test, groups, retained, forgotten)
    away = np.array([_deviations(v, tolerance, further=not said[1]) for *_, v, said in found])
    limit, p_value = _limit(away.max(axis=0), level)
    axes = tuple(_axis(*f, limit, tolerance) for f in found)
    return Evaluation(
        axes=axes,
        efficiency=efficiency,
        certified=_certified(model, true_distance, findings),
        ensembles={} if ensemble is None else _ensembles(ensemble, oracles, forgotten, test),
        findings=tuple(findings),
        oracles=len(oracles),
        level=level,
        p_value=p_value,
        left_out=left,
    )


def _enough(oracles: int, needed: int, level: float) -> None:
    """Refuse a level that so many oracles cannot hold."""
    if oracles < max(needed, 2):
        raise ValueError(
            f"a level of {level:g} needs {max(needed, 2)} oracles or more, got {oracles}: retrain "
            f"more, or say level={math.ceil(100 / (max(oracles, 2) + 1)) / 100:g}"
        )


def _deviations(values: Array, tolerance: float, *, further: bool) -> Array:
    """Return how far each value is from the mean of all others, in their standard deviations.

    Or in units of ``tolerance``, where these are smaller: counts of few rows are often the same for
    all but one.  Within it they are not far; nor, if only ``further`` counts, below.  One that is
    undefined is farthest.
    """
    out = np.zeros(len(values))
    for i, own in enumerate(values):
        centre, spread = _others(np.delete(values, i))
        off = own - centre if further else abs(own - centre)
        unit = max(spread, tolerance)
        if not off <= tolerance:
            out[i] = abs(off) / unit if unit > 0 and np.isfinite(off) else math.inf
    return out


def _others(values: Array) -> tuple[float, float]:
    """Return mean and standard deviation of values, without those that are undefined."""
    known = values[np.isfinite(values)]
    centre = float(known.mean()) if len(known) else math.nan
    return centre, float(known.std(ddof=1)) if len(known) > 1 else 0.0


def _limit(scores: Array, level: float) -> tuple[float, float]:
    """Return what the first score has to exceed to be flagged, and its p-value."""
    own, others = float(scores[0]), np.sort(scores[1:])[::-1]
    k = math.floor(level * len(scores) * (1 + 1e-12))
    return float(others[k - 1]), (1 + int(np.sum(others >= own))) / len(scores)


def _retrained(model: Predictor, retained: Rows, k: int) -> Predictor:
    """Fit the k-th clone of a model, with a seed of its own where the model has one."""
    out: BaseEstimator = clone(model)
    given = {n: seed(n, v) for n, v in out.get_params().items() if n.endswith("random_state")}
    # One seed for all would give all the same noise: no oracle would differ from another.
    out.set_params(**{n: (v + k) % 2**32 for n, v in given.items() if v is not None})
    return out.fit(*retained)  # type: ignore[no-any-return]


def _axis(
    kind: str, name: str, values: Array, said: tuple[str, str], limit: float, tolerance: float
) -> Axis:
    own = float(values[0])
    centre, spread = _others(values[1:])
    # Oracles that draw no noise agree to the last bit: a band of no width would flag rounding.
    unit = max(spread, tolerance)
    reach = max(limit * unit if unit > 0 else 0.0, tolerance)
    # Without a word for less, less is no fault.
    band = (centre - reach if said[1] else -np.inf, centre + reach)
    return Axis(kind, name, own, centre, band, said[0] if own > band[1] else said[1])


def _certified(
    model: Predictor, true_distance: float | None, findings: Sequence[Finding]
) -> dict[str, float]:
    """Figures of the model's certificate, read as JSON, and of the audits that bound epsilon."""
    out: dict[str, float] = {}
    # Through JSON, so that nothing of the package that wrote it is needed.
    certificate = getattr(model, "certificate_", None)
    write: Callable[[], str] | None = getattr(certificate, "to_json", None)
    if write is not None:
        said = json.loads(write())
        out = {k: float(said[k]) for k in ("epsilon", "delta", "distance") if said.get(k)}
        if true_distance is not None and "distance" in out:
            out["bound_over_true_distance"] = out["distance"] / max(true_distance, 1e-300)
    shown = [f.statistic for f in findings if isinstance(f, EpsilonBound)]
    return out | ({"audited_epsilon_at_least": max(shown)} if shown else {})


def _ensembles(
    ensemble: Sequence[Predictor],
    oracles: Sequence[Predictor],
    forgotten: Rows,
    test: Labelled,
) -> dict[str, float]:
    own = np.array([confidence(m, *forgotten) for m in ensemble])
    theirs = np.array([confidence(m, *forgotten) for m in oracles])
    on_test = [np.array([confidence(m, *test) for m in group]) for group in (ensemble, oracles)]
    return {
        "forgetting_quality": forgetting_quality(own, theirs),
        "KLoM_on_forgotten_rows": float(klom(own, theirs).mean()),
        "KLoM_on_test_rows": float(klom(*on_test).mean()),
    }
