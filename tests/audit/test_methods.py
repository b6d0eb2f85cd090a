"""The register: declared needs are enforced, formulas right, and evaluation tells them apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.audit import METHODS, NEEDS, Task, evaluate, methods_table, register, weights
from certunlearn.audit.logistic import curvature, descended, gradient, optimum

from .worlds import head

RNG = np.random.default_rng(0)
N, D, M = 400, 6, 8
X = np.c_[RNG.normal(size=(N, D)), np.ones(N)]
TRUE = RNG.normal(size=D + 1)
Y = (X @ TRUE + RNG.logistic(size=N) > 0).astype(float)
Y[:M] = X[:M] @ TRUE < 0
ALPHA = np.r_[np.ones(D), 1e-9]
FULL, KEPT, GONE = (X, Y), (X[M:], Y[M:]), (X[:M], Y[:M])
W = optimum(FULL, ALPHA)
EXACT = optimum(KEPT, ALPHA)


def certified():
    model = CertifiedLogReg(noise=1e-3, random_state=0).fit(X[:, :D], Y)
    return weights(model.forget(np.arange(M), confirm=True))[:, 0]


TASK = Task(
    W,
    ALPHA,
    np.random.default_rng(0),
    KEPT,
    GONE,
    curvature(W, FULL) + np.diag(ALPHA),
    descended(FULL, ALPHA),
    certified,
)


def off(name):
    return np.linalg.norm(METHODS[name](TASK) - EXACT) / np.linalg.norm(W - EXACT)


def test_a_method_without_what_it_declares_raises():
    assert TASK.given == set(NEEDS)
    for method in METHODS.values():
        bare = Task(W, ALPHA)
        if method.needs:
            with pytest.raises(ValueError, match="needs what the task does not give"):
                method(bare)
        # What is declared is enough: nothing else is looked at.
        fields = dict(
            zip(NEEDS, ("retained", "forgotten", "hessian", "path", "certified"), strict=True)
        )
        only = {fields[n]: getattr(TASK, fields[n]) for n in method.needs}
        assert method(replace(bare, **only)).shape == W.shape


def test_methods_come_as_near_as_their_papers_say():
    assert off("retrain") < 1e-9 and off("no-op") == 1.0
    # The order of the papers: one Newton step, rescaled and plain influence.
    assert off("Newton removal") < off("influence") < 0.5
    assert off("rescaled influence") < off("influence")
    assert off("replay with quasi-Newton gradients") < 0.2
    assert off("certified removal") < 0.05
    assert off("gradient ascent") > 1.0


def test_one_row_of_rescaled_influence_is_its_own_newton_step():
    one = replace(TASK, retained=(X[1:], Y[1:]), forgotten=(X[:1], Y[:1]))
    # A row's Newton step without itself, by Sherman and Morrison.
    H = curvature(W, (X[1:], Y[1:])) + np.diag(ALPHA)
    exact = W + np.linalg.solve(H, gradient(W, (X[:1], Y[:1])))
    assert METHODS["rescaled influence"](one) == pytest.approx(exact, rel=1e-9)
    assert METHODS["Newton removal"](one) == pytest.approx(exact, rel=1e-9)


def test_derivatives_are_those_of_the_loss():
    def loss(w):
        return np.sum(np.logaddexp(0, X @ w) - Y * (X @ w))

    h, e = 1e-5, np.eye(D + 1)
    slope = [(loss(W + h * v) - loss(W - h * v)) / (2 * h) for v in e]
    assert gradient(W, FULL) == pytest.approx(slope, abs=1e-5)
    bend = [(gradient(W + h * v, FULL) - gradient(W - h * v, FULL)) / (2 * h) for v in e]
    assert curvature(W, FULL) == pytest.approx(np.array(bend), abs=1e-6)


def test_evaluation_passes_the_retrained_and_fails_no_op_and_ascent():
    test = X[:, :D] + 0.1, Y
    args = {"retained": (KEPT[0][:, :D], KEPT[1]), "forgotten": (GONE[0][:, :D], GONE[1])}
    verdicts = {
        name: evaluate(head(METHODS[name](TASK)), *test, oracles=[head(EXACT)] * 19, **args)
        for name in ("retrain", "certified removal", "no-op", "gradient ascent")
    }
    assert all(a.gap == pytest.approx(0, abs=1e-9) for a in verdicts["retrain"].axes)
    assert verdicts["retrain"].passed and verdicts["certified removal"].passed
    assert not verdicts["no-op"].passed and not verdicts["gradient ascent"].passed
    assert any("over-forgetting" in a.said for a in verdicts["gradient ascent"].flags)


def test_methods_of_users_come_out_in_the_same_table(monkeypatch):
    monkeypatch.setattr("certunlearn.audit.methods.METHODS", dict(METHODS))

    @register("mine", needs=["forgotten rows"], guarantee="nothing", source="me")
    def mine(task):
        return task.w * 0

    assert "| mine | forgotten rows | nothing | me | nothing |" in methods_table()
    for name, needs, said in (("mine", [], "already"), ("other", ["luck"], "needs must be of")):
        with pytest.raises(ValueError, match=said):
            register(name, needs=needs, guarantee="", source="")


def test_the_table_in_the_docs_is_the_register():
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    assert methods_table() in page
