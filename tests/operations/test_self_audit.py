"""Self-audit of any model: honest ones are never found at fault, planted faults are."""

from dataclasses import replace

import numpy as np
import pytest

from certunlearn import AssumptionError, CertifiedLogReg, CertifiedRidge
from certunlearn.audit import SelfAudit, release_law
from certunlearn.operations import self_audit as room
from certunlearn.operations.self_audit import evidence_read, evidence_written, self_audit
from certunlearn.requests.fitted import fitted_of
from tests.store.test_replay import MODELS, X, Y, head

CLAIMED = {name: case for name, case in MODELS.items() if name != "without noise"}


@pytest.mark.parametrize("name", CLAIMED)
def test_the_law_is_that_of_the_releases(name):
    """Optimum, matrix and scale are made afresh; many releases are tested against them exactly."""
    model, features, target = CLAIMED[name]
    model.fit(features, target).forget(rows=[3])
    exact = room.Exact(model)
    # Of all later ones the first is promised to be nearest its optimum, within the widest cap.
    releases = [*exact.redrawn(30), *(room.Exact(model.release()).release for _ in range(30))]
    found = release_law(releases, exact.optimum(), exact.law(), level=1e-6, confidence=1 - 1e-6)
    assert found.passed, str(found)
    assert found.sigma_interval[0] <= 1 <= found.sigma_interval[1]
    assert found.power["noise 2 times too small"] > 0.99


@pytest.mark.parametrize("name", CLAIMED)
def test_an_honest_model_is_not_found_at_fault(name):
    model, features, target = CLAIMED[name]
    model.fit(features, target)
    evidence = SelfAudit(rate=1.0, level=1e-6)
    for row in range(5):
        evidence = self_audit(model.forget(rows=[row]), evidence)
    assert evidence.looks == 5 and evidence.finding().passed
    last = head(model).history_[-1]
    assert last["true_over_certified"] == evidence.ratios[-1] <= 1
    assert last["true_distance"] <= last["distance"] * (1 + 1e-9)


def changed(model, **fields):
    """The model with other numbers behind the same certificate."""
    fitted = fitted_of(model)
    model._fitted = replace(fitted, model=replace(fitted.model, **fields))
    return model


def test_noise_that_is_half_of_what_is_claimed_is_found():
    model, evidence = CertifiedLogReg().fit(X, Y), SelfAudit(rate=1.0)
    for row in range(60):
        known = fitted_of(model.forget(rows=[row])).model
        weak = changed(model, released=known.W + (known.released - known.W) / 2)
        evidence = self_audit(weak, evidence)
        if not evidence.finding().passed:
            break
    assert not evidence.finding().passed and evidence.looks < 60


def test_an_iterate_that_forgets_nothing_is_found_at_once():
    model = CertifiedLogReg().fit(X, Y)
    reached = fitted_of(model).model.reached
    model.forget(rows=[9])
    now = fitted_of(model).model.reached
    stale = changed(model, reached=now._replace(W=reached.W))
    found = self_audit(stale, SelfAudit(rate=1.0)).finding()
    assert not found.passed and "largest true over certified" in found.scope


def test_some_requests_are_looked_at_and_only_these_are_solved_for(monkeypatch):
    model, evidence, rng = (
        CertifiedRidge().fit(X, X[:, 0]),
        SelfAudit(rate=0.3),
        np.random.default_rng(0),
    )
    solved = []
    real = type(fitted_of(model).model).retrained

    def retrained(self):
        solved.append(self)
        return real(self)

    monkeypatch.setattr(type(fitted_of(model).model), "retrained", retrained)
    for row in range(40):
        before = len(solved)
        evidence = self_audit(model.forget(rows=[row]), evidence, rng=rng)
        assert ("true_distance" in model.history_[-1]) is (len(solved) > before)
    assert evidence.requests == 40 and len(solved) == evidence.looks and 5 < evidence.looks < 22
    known = [entry for entry in model.history_ if "true_distance" in entry]
    assert len(known) == evidence.looks
    assert evidence_read(evidence_written(evidence)) == evidence


def test_models_that_claim_nothing_or_are_too_large_are_refused(monkeypatch):
    with pytest.raises(AssumptionError, match="nothing is claimed"):
        self_audit(CertifiedLogReg(noise=0).fit(X, Y), SelfAudit())
    monkeypatch.setattr(room, "_MOST", 3)
    with pytest.raises(AssumptionError, match="too many"):
        self_audit(CertifiedLogReg().fit(X, Y), SelfAudit())
