"""The membership test: the oracle at its level, faults caught, rows of a person pooled."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression, Ridge

from certunlearn import CertifiedLogReg
from certunlearn.audit import confidence, lira_forget, logistic_heads

from .worlds import SIGMA, World, head, newton

M, LEVEL = 24, 0.05
W = World(d=6, n=100, seed=3, far=3.0)
D = np.c_[W.X, np.ones(len(W.X))]
ROWS = np.arange(M)
KEPT = newton(D[M:], W.y[M:], 1.0)
ENOUGH = {"shadows": 256, "victims": 200}


class Remover:
    """Trains, and leaves a share of what the forgotten rows had moved; noise of 0.1 errors."""

    def __init__(self, left, seed):
        self.left, self.rng = left, np.random.default_rng(seed)

    def __call__(self, there, gone):
        w = KEPT
        if self.left:
            w = w + self.left * (newton(D, W.y, 1.0, there.astype(float)) - KEPT)
        return head(w + 0.3 * SIGMA * self.rng.normal(size=len(w)))


def shadow(masks):
    """Heads by the hundred, in one batch, with the noise of a release."""
    heads = logistic_heads(D, W.y, masks, 1.0)
    heads = heads + 0.3 * SIGMA * np.random.default_rng(7).normal(size=heads.shape)
    # For two classes the logit of a confidence is the margin, signed by the label.
    return (heads @ D[ROWS].T) * (2 * W.y[ROWS] - 1)


def tried(left, seed, **more):
    return lira_forget(
        Remover(left, seed), W.X, W.y, ROWS, shadow=shadow, seed=seed, level=LEVEL, **ENOUGH, **more
    )


def test_the_oracle_passes_at_its_level():
    found = [tried(0.0, s) for s in range(4)]
    alarms = sum(not f.passed for f in found)
    assert alarms <= binom.ppf(1 - 1e-4, 4, LEVEL)
    assert all(abs(f.auc - 0.5) < 0.05 for f in found)
    assert all(0 <= f.false_positive_rates[0] <= 0.01 for f in found)
    # Intervals of the rates hold the rate that an equal law has.
    assert all(f.intervals[0][0] <= 0.012 for f in found)


def test_a_removal_that_does_nothing_or_half_is_caught():
    for s in range(2):
        nothing, half = tried(1.0, s), tried(0.5, s)
        assert not nothing.passed and not half.passed
        assert nothing.auc > half.auc > 0.55
        assert nothing.true_positive_rates[0] > nothing.null_true_positive_rates[0]
        low, high = nothing.intervals[0]
        assert low <= nothing.true_positive_rates[0] <= high
        assert nothing.power["scores 1 deviations off"] > 0.9


@pytest.mark.long
def test_over_20_seeds_the_oracle_passes_and_a_removal_that_does_nothing_does_not():
    alarms = sum(not tried(0.0, s).passed for s in range(20))
    assert alarms <= binom.ppf(1 - 1e-4, 20, LEVEL)
    assert not any(tried(1.0, s).passed for s in range(20))
    assert sum(tried(0.25, s).passed for s in range(20)) <= 4


def test_rows_of_a_person_share_a_coin_and_their_ratios_add_up():
    people = ROWS // 2
    more = {"victims": 350, "shadows": 128}
    found = lira_forget(
        Remover(1.0, 0), W.X, W.y, ROWS, groups=people, shadow=shadow, seed=0, **more
    )
    assert found.targets == M // 2 and not found.passed
    assert found.advantage.shape == (M // 2,)
    calm = lira_forget(
        Remover(0.0, 0), W.X, W.y, ROWS, groups=people, shadow=shadow, seed=0, **more
    )
    assert calm.passed
    with pytest.raises(ValueError, match="owner"):
        lira_forget(Remover(1.0, 0), W.X, W.y, ROWS, groups=people[:-1])


WORLDS = itertools.count()


def certified(there, gone):
    # A seed for each world: what is tested is not that chance is kind today.
    model = CertifiedLogReg(C=1.0, random_state=next(WORLDS)).fit(W.X, W.y, there.astype(float))
    return model.forget(rows=gone, confirm=True) if len(gone) else model


def test_certified_removals_pass(monkeypatch):
    monkeypatch.setattr("certunlearn.audit.lira.LEVELS", (0.05, 0.02))
    found = lira_forget(
        certified, W.X, W.y, ROWS, shadow=shadow, shadows=128, victims=40, level=0.001, effect=3.0
    )
    assert found.passed


@pytest.mark.long
def test_certified_removals_pass_with_shadows_that_are_removals():
    found = lira_forget(certified, W.X, W.y, ROWS, **ENOUGH, level=0.001)
    assert found.passed


def test_worlds_too_few_are_refused():
    for more, said in (
        ({"shadows": 63}, "want 64 shadows"),
        ({"victims": 30}, "with a chance of"),
        ({"victims": 100, "effect": 2.0}, "product must be"),
    ):
        with pytest.raises(ValueError, match=said):
            lira_forget(Remover(0.0, 0), W.X, W.y, ROWS, **{**ENOUGH, **more})


def test_heads_trained_together_are_those_trained_alone():
    rng = np.random.default_rng(0)
    masks = (rng.random((30, len(D))) < 0.7).astype(float)
    heads = logistic_heads(D, W.y, masks, 0.5)
    for w, s in zip(heads, masks, strict=True):
        p = 1 / (1 + np.exp(-D @ w))
        assert np.abs(D.T @ (s * (p - W.y)) + 0.5 * w).max() < 1e-8
    with pytest.raises(ValueError, match="did not converge"):
        logistic_heads(D, W.y, masks, 0.5, max_iter=2)


def test_confidences_of_classifiers_and_regressors():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    model = LogisticRegression().fit(X, y)
    p = model.predict_proba(X)[np.arange(60), y]
    assert confidence(model, X, y) == pytest.approx(np.log(p / (1 - p)))
    assert confidence(model, X[:1], [9]) == -50
    ridge = Ridge().fit(X, X[:, 0])
    assert confidence(ridge, X, X[:, 0]) == pytest.approx(X[:, 0] - ridge.predict(X))
