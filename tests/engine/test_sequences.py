"""Many requests in a row, additions and changes of penalty among them, against the truth."""

from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest

from certunlearn.engine import unlearner
from certunlearn.engine.distances.gram import Downdated, gram_of
from certunlearn.exceptions import NotCertifiedError
from certunlearn.numerics.objective.curvature import Curvature
from certunlearn.numerics.rows.weights import Weights

from .. import problems, reference, sequences, strategies

PARTS = [0, *(pytest.param(part, marks=pytest.mark.long) for part in range(1, 25))]


@pytest.mark.parametrize("part", PARTS)
def test_every_request_of_a_hundred_sequences(part):
    tiers, reasons = Counter(), Counter()
    for number in range(4 * part, 4 * part + 4):
        more, _, why = sequences.run(number, 30)
        tiers, reasons[why] = tiers + more, reasons[why] + 1
    print(f"\n{dict(tiers)} {dict(reasons)}")
    assert sum(tiers.values()) >= 60 and reasons["done"] >= 2
    assert tiers["downdate"] and tiers["chord"]


@pytest.mark.long
@pytest.mark.parametrize("number", [0, 3])
def test_every_request_of_a_thousand(number):
    tiers, tightest, why = sequences.run(number, 500)
    assert why == "done" and sum(tiers.values()) == 500 and tightest >= 1 - 1e-9


def opened(regime, mechanism, seed, C=1.0, K=2):
    """A model with a carryover, its rows, and a few rows more that it has not met."""
    rng = np.random.default_rng(seed)
    X, codes, weight = strategies.REGIMES[regime](rng, 220, 3, K)
    codes[: 2 * K] = np.tile(np.arange(K), 2)
    settings = problems.settings(C=C, mechanism=mechanism)
    model = unlearner.fit(X[:200], codes[:200], weight[:200], settings)
    return rng, model, X, codes, weight


def distance(model, carryover, alpha, data, C):
    """Certified and true distance of one step from the carryover's base, and the oracle's error."""
    X, codes, weight = data
    rows = replace(model.objective, alpha=alpha, weights=Weights.of(np.zeros(200)))
    with jax.enable_x64(True):
        A = np.hstack([X, np.ones((len(X), 1))])
        G = rows.loss.kappa * (A * weight[:, None]).T @ A + np.diag(alpha)
        curvature = Curvature(G, np.diag(G).copy(), rows.gram_error)
        geometry = gram_of(model.settings.mechanism, rows, None, Downdated(curvature)).geometry
        W, claimed = carryover.step(geometry)
    found = reference.optimum(X, codes, weight, C, True)
    if not found.sound:
        found = reference.optimum(X, codes, weight, C, True, found.W, dtype=object)
    return claimed, *found.apart(W, problems.half_of(geometry))


def changed(model, C):
    """The penalty of another C, and what it adds to the present one."""
    alpha = np.where(model.objective.alpha > 0, 1.0 / C, 0.0)
    return alpha, alpha - model.objective.alpha


@pytest.mark.parametrize("mechanism", strategies.MECHANISMS)
@pytest.mark.parametrize("regime", ["plain", "collinear_columns", "raw", "weights", "huge_row"])
def test_a_penalty_that_changes_with_the_rows(regime, mechanism):
    finite = 0
    for seed in range(12):
        K = 2 + seed % 2
        C = 10.0 ** (seed / 4 - 1)
        try:
            rng, model, X, codes, weight = opened(regime, mechanism, seed, C, K)
        except NotCertifiedError:
            continue
        gone = np.sort(rng.choice(np.arange(2 * K, 200), 1 + seed % 3, replace=False))
        keep = np.setdiff1d(np.arange(200), gone)
        C_new = C * (1 + rng.uniform(-1, 1) * 0.02 * 10.0 ** -(seed % 5))
        alpha, change = changed(model, C_new)
        base = model.carryover.base, model.carryover.origin.W
        with jax.enable_x64(True):
            removed = model.objective.contribution(gone, *base)
        carryover = model.carryover.edited(removed, None, change)
        data = X[keep], codes[keep], weight[keep]
        claimed, true, error = distance(model, carryover, alpha, data, C_new)
        if claimed < np.inf and error <= 0.05 * claimed:
            finite += 1
            assert true <= claimed + error
    assert finite >= (3 if regime == "huge_row" else 6)


def test_a_penalty_that_changes_unnoticed_breaks_the_bound():
    _, model, X, codes, weight = opened("plain", "gram", 0)
    data = X[:200], codes[:200], weight[:200]
    alpha, change = changed(model, 0.9)
    claimed, true, error = distance(
        model, model.carryover.edited(None, None, change), alpha, data, 0.9
    )
    assert true <= claimed + error and claimed < np.inf
    # The gradient alone left as it was, as an unchanged penalty would have it.
    stale = replace(model.carryover.edited(None, None, change), gradient=model.carryover.gradient)
    claimed, true, error = distance(model, stale, alpha, data, 0.9)
    assert true > claimed + error


def far_out(model, seed):
    """A row that the model gets wrong by eight in the margin, far across the direction of W.

    One Newton step from here overshoots, as the curvature the row has now says nothing of the
    curvature it will meet; its weight makes that step about 0.3 in the Hessian's norm.
    """
    w, rng = model.W[:3, 0], np.random.default_rng(seed)
    across = np.linalg.qr(np.column_stack([w, rng.normal(size=3)]))[0][:, 1]
    new = 10.0 ** rng.uniform(2, 3.3) * across + w * (-8 - model.W[3, 0]) / (w @ w)
    white = model.carryover.origin.factor.inverse @ np.r_[new, 1.0]
    return new[None], np.array([1]), np.array([0.3 / np.linalg.norm(white)])


def test_added_rows_that_are_not_counted_break_the_bound():
    sound, forgetful = [], []
    for seed in range(40):
        _, model, X, codes, weight = opened("plain", "gram", seed)
        new = far_out(model, seed)
        shape, before = model.objective, model.carryover
        with jax.enable_x64(True):
            model.rows.append(*new[:2])
            after = replace(shape, weights=shape.weights.extended(new[2]))
            added = after.contribution(np.array([200]), before.base, before.origin.W)
        counted = before.edited(None, added)
        # The leverage of the new row and the move of its margin, as if removal's sign had turned.
        uncounted = replace(counted, now=before.now, moved=before.moved)
        data = [
            np.concatenate(pair)
            for pair in zip((X[:200], codes[:200], weight[:200]), new, strict=True)
        ]
        for carryover, ratios in ((counted, sound), (uncounted, forgetful)):
            claimed, true, error = distance(model, carryover, shape.alpha, data, 1.0)
            assert error <= 0.01 * true
            ratios.append(claimed / true)
    assert min(sound) >= 1 and min(forgetful) < 1
