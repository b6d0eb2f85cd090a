"""What a certificate says, what it keeps to itself, and whether its figures agree with others'."""

import json
import math
from dataclasses import FrozenInstanceError, asdict, fields, replace
from typing import get_args, get_type_hints

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as pld

from certunlearn import Certificate, CertifiedLogReg, __version__
from certunlearn.claims.budget import calibrate
from certunlearn.claims.certificate import CONDITIONS
from certunlearn.claims.tradeoff import (
    delta_from_epsilon,
    epsilon_from_delta,
    mu_from_epsilon_delta,
)

REALISED = {"distance", "tier", "n_forgotten", "passes", "seconds", "look_alikes"}


def fitted(**params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 2))
    y = (X[:, 0] + rng.normal(size=70) > 0).astype(int)
    return CertifiedLogReg(**({"random_state": 1} | params)).fit(X, y).forget([3, 8])


@pytest.fixture(scope="module")
def certificate():
    return replace(fitted().certificate_, look_alikes=4)


@pytest.fixture(scope="module")
def claimless():
    return fitted(noise=0).certificate_


def test_json_round_trip(certificate, claimless):
    for c in (certificate, claimless, certificate.public(), claimless.public()):
        again = Certificate.from_json(c.to_json())
        assert again == c and hash(again) == hash(c)
        assert {f.name: type(getattr(again, f.name)) for f in fields(c)} == {
            f.name: type(getattr(c, f.name)) for f in fields(c)
        }
    assert claimless.epsilon == math.inf
    assert '"epsilon": "inf"' in claimless.to_json()


def test_json_is_standard_json(claimless):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    values = json.loads(claimless.to_json(), parse_constant=refuse)
    assert set(values) == {f.name for f in fields(Certificate)}
    assert values["version"] == 2


def test_numbers_survive_the_round_trip_to_the_last_bit(certificate):
    budget = calibrate(0.1 + 0.2, 1 / 3 * 1e-9, 0.1, dimension=3, drifts=True)
    odd = replace(
        certificate,
        epsilon=budget.epsilon,
        delta=budget.delta,
        mu=budget.mu,
        drift=budget.drift,
        joint_epsilon=budget.epsilon,
        joint_mu=budget.mu,
        joint_drift=budget.drift,
        sigma=1e3 / 3,
        noise=1e3 / 3,
        scale=(1.0,),
        distance=2.0**-60,
    )
    again = Certificate.from_json(odd.to_json())
    assert again == odd and again.epsilon == 0.1 + 0.2 and again.distance == 2.0**-60


def altered(certificate, **changes):
    values = json.loads(certificate.to_json()) | changes
    return json.dumps({k: v for k, v in values.items() if v is not ...})


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(version=3), "not a certificate of version 1 or 2"),
        (dict(version=0), "not a certificate of version 1"),
        (dict(version="1"), "not a certificate of version 1"),
        (dict(version=None), "not a certificate of version 1"),
        (dict(version=...), "not a certificate of version 1"),
        (dict(strength="very"), r"fields do not match: \['strength'\]"),
        (dict(delta=...), r"fields do not match: \['delta'\]"),
        (dict(distance=...), r"fields do not match: \['distance'\]"),
        (dict(delta=..., Delta=0.1), r"fields do not match: \['Delta', 'delta'\]"),
    ],
)
def test_other_versions_and_fields_are_refused(certificate, changes, message):
    with pytest.raises(ValueError, match=message):
        Certificate.from_json(altered(certificate, **changes))
    assert Certificate.from_json(altered(certificate)) == certificate


@pytest.mark.parametrize(
    "changes", [dict(kind="total"), dict(view="all"), dict(goal="suppression"), dict(delta=1.5)]
)
def test_claims_of_another_kind_are_refused(certificate, changes):
    (field,) = changes
    with pytest.raises(ValueError, match=f"^{field} of a certificate cannot be"):
        Certificate.from_json(altered(certificate, **changes))


@pytest.mark.parametrize("text", ["[]", "1", '"certificate"', "null", "{}", "", "{"])
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises(ValueError):
        Certificate.from_json(text)


def test_public_drops_what_depends_on_the_removed_rows(certificate):
    public = certificate.public()
    kept, all_values = asdict(public), asdict(certificate)
    assert {k for k in all_values if kept[k] != all_values[k]} == REALISED
    assert all(kept[k] is None for k in REALISED)
    assert all(all_values[k] is not None for k in REALISED)
    assert public.public() == public
    text = public.to_json()
    for name in ("distance", "seconds"):
        assert repr(all_values[name]) not in text and repr(all_values[name])[:8] not in str(public)
    assert repr(all_values["distance"]) in certificate.to_json()
    assert "owner's log" in str(certificate) and "owner's log" not in str(public)
    assert certificate.tier in str(certificate) and "realised" not in str(public)


def test_public_is_the_same_whichever_rows_were_removed():
    rng = np.random.default_rng(0)
    X = np.tile(rng.normal(size=(40, 2)), (2, 1))
    y = np.tile((rng.random(40) > 0.5).astype(int), 2)
    a = CertifiedLogReg(random_state=1).fit(X, y).forget([3]).certificate_
    b = CertifiedLogReg(random_state=1).fit(X, y).forget([5]).certificate_
    differ = {k for k, v in asdict(a.public()).items() if asdict(b.public())[k] != v}
    assert differ <= {"coefficient_deviation", "weights", "issued"}
    assert a.distance != b.distance


def test_check_asks_for_both_numbers(certificate, claimless):
    certificate, e, d = replace(certificate, seeded=False), certificate.epsilon, certificate.delta
    certificate = replace(certificate, conditions=CONDITIONS)
    assert certificate.check(e, d) and certificate.check(2 * e, 2 * d)
    assert certificate.public().check(e, d)
    assert not certificate.check(np.nextafter(e, 0), d)
    assert not certificate.check(e, np.nextafter(d, 0))
    assert not certificate.check(math.nan, d) and not certificate.check(e, math.nan)
    assert not claimless.check(math.inf, 1.0)
    assert not replace(claimless, epsilon=0.0, delta=0.0).check(1.0, 1.0)


def test_frozen(certificate):
    for name in ("epsilon", "delta", "kind", "distance"):
        with pytest.raises(FrozenInstanceError):
            setattr(certificate, name, 0)
    assert isinstance(certificate.conditions, tuple) and isinstance(certificate.not_covered, tuple)
    assert isinstance(certificate.coefficient_deviation, tuple)


def test_statement_names_the_numbers_and_what_is_not_covered():
    c = fitted(epsilon=0.375, delta=3e-5, noise=0.25, mechanism="isotropic").certificate_
    text = str(c)
    assert c.sigma == 0.25 * c.scale[0]
    sigma = f"sigma = {c.sigma:g};", f"0.25 times {c.scale[0]:.3g}, the retained rows' scale"
    epsilon = "epsilon = 0.375 for all releases since the oldest removal, however many"
    for part in (epsilon, "delta = 3e-05", "isotropic", *sigma):
        assert part in text
    assert "retraining by the same estimator to within the fit distance" in text
    assert f"on the {c.n_retained} retained rows" in text and c.n_retained == 68
    assert len(c.not_covered) >= 5
    for part in c.not_covered + c.conditions:
        assert part in text
    for word in ("before the removal", "pickles", "scalers", "similar rows"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 130


def test_statement_without_noise_claims_nothing(claimless):
    text = str(claimless)
    assert text.startswith("No certificate") and "nothing is claimed" in text
    assert "epsilon" not in text


def test_statement_follows_the_view():
    assert "this one release" in str(fitted(view="release").certificate_)
    joint = fitted().certificate_
    assert "all releases since the oldest removal together" in str(joint)
    assert joint.joint_epsilon == joint.epsilon == 1.0


@pytest.mark.parametrize("seed, private", [(None, True), (0, False), (7, False)])
def test_reproducible_noise_is_said_not_to_be_private(seed, private):
    c = fitted(random_state=seed).certificate_
    assert ("reproducible noise: not private" in str(c.public())) is not private
    assert ("not private" in c.to_json()) is not private
    assert "ideal Gaussian sampler" in c.conditions


def test_what_the_model_fills_in(certificate):
    model = fitted()
    assert certificate.kind == "gaussian" and certificate.view == "transcript"
    assert certificate.goal == "untraining" and certificate.version == 2
    assert certificate.library == f"certunlearn {__version__}"
    assert 0 < certificate.fit_distance < certificate.distance_target
    # A thousand equal parts of nine tenths.
    allowed = 0.1 * certificate.mu * (0.9 / 1000) ** 0.5
    assert 0.999 * allowed < certificate.fit_distance + certificate.distance_target <= allowed
    assert certificate.mu <= mu_from_epsilon_delta(1.0, 1e-6)
    assert certificate.mu >= 0.99 * mu_from_epsilon_delta(1.0, 1e-6)
    low, middle, high = certificate.coefficient_deviation
    assert 0 < low <= middle <= high
    entry = model.history_[-1]
    assert entry["event"] == "forget" and entry["rows"] == 2
    assert entry["distance"] == model.certificate_.distance


def test_the_printed_deviation_is_sigma_standard_errors():
    # scikit-learn's objective at the optimum of pure noise: G is the Hessian at 0.
    model = fitted(noise=0.5)
    rng = np.random.default_rng(0)
    X = np.delete(rng.normal(size=(70, 2)), [3, 8], axis=0)
    A = np.column_stack([X, np.ones(68)])
    G = A.T @ A / 4 + np.diag([1.0, 1.0, 0.0])
    expected = 0.5 * np.sqrt(np.diag(np.linalg.inv(G)))
    found = model.certificate_.coefficient_deviation
    np.testing.assert_allclose(
        found, [expected.min(), np.median(expected), expected.max()], rtol=0.05
    )


# Figures against dp_accounting


def composed(mu, count):
    """Privacy loss of ``count`` Gaussian mechanisms with means mu apart."""
    return pld.from_gaussian_mechanism(
        1.0 / mu, value_discretization_interval=1e-4 * max(1.0, 5 * mu), pessimistic_estimate=True
    ).self_compose(count)


@pytest.mark.parametrize("mu", [0.05, 0.2261, 1.0, 3.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-6, 1e-3])
def test_epsilon_from_delta_is_there_and_back_and_agrees(mu, delta):
    epsilon = epsilon_from_delta(delta, mu)
    assert delta_from_epsilon(epsilon, mu) <= delta
    assert delta_from_epsilon(0.999 * epsilon, mu) > delta
    back = mu_from_epsilon_delta(epsilon, delta)
    assert abs(back - mu) <= 1e-6 * mu
    theirs = composed(mu, 1).get_epsilon_for_delta(delta)
    assert abs(epsilon - theirs) <= 3e-4 + 1e-3 * epsilon
    theirs = composed(mu, 1).get_delta_for_epsilon(epsilon)
    assert abs(theirs - delta) <= 0.03 * delta


@pytest.mark.parametrize("mechanism", ["gram", "isotropic"])
def test_joint_epsilon_grows_with_the_releases_as_the_composition_does(mechanism):
    model = fitted(mechanism=mechanism, view="release")
    joint, mu = [model.certificate_.joint_epsilon], model.certificate_.mu
    for _ in range(15):
        joint.append(model.release().certificate_.joint_epsilon)
        assert model.certificate_.epsilon == 1.0
    assert joint[0] == 1.0 and (np.diff(joint) > 0).all()
    for count in (2, 5, 16):
        truth = composed(mu, count).get_epsilon_for_delta(1e-6)
        assert truth - 5e-4 <= joint[count - 1] <= 1.03 * truth
    # Composing the epsilons themselves would be far worse.
    assert joint[-1] < 6.0


@pytest.mark.parametrize("drifts", [True, False])
@pytest.mark.parametrize("epsilon, delta", [(0.1, 1e-8), (1.0, 1e-6), (10.0, 1e-3)])
def test_one_release_costs_what_was_asked_and_no_less(epsilon, delta, drifts):
    budget = calibrate(epsilon, delta, 0.1, dimension=5, drifts=drifts)
    assert budget.joint_epsilon(0) == budget.joint_epsilon(1) == epsilon
    joint = [budget.joint_epsilon(k) for k in range(1, 40)]
    assert (np.diff(joint) > 0).all()
    spent = composed(budget.mu, 1).get_delta_for_epsilon(epsilon)
    assert 0.9 * delta <= spent <= 1.01 * delta


def test_joint_epsilon_of_endless_releases_is_not_made_up():
    budget = calibrate(1.0, 1e-6, 0.1, dimension=5, drifts=True)
    assert budget.joint_epsilon(10**12) == math.inf


@pytest.mark.parametrize(
    "field, value",
    [
        ("epsilon", "1"),
        ("epsilon", -1.0),
        ("epsilon", True),
        ("epsilon", None),
        ("mu", [1.0]),
        ("n_retained", 3.5),
        ("n_retained", "inf"),
        ("mechanism", 1),
        ("conditions", "text"),
        ("conditions", [1]),
        ("coefficient_deviation", [0.1, 0.1]),
        ("coefficient_deviation", [0.1, 0.1, "x"]),
        ("distance", "far"),
        ("tier", 2),
    ],
)
def test_json_of_the_wrong_type_is_refused(field, value):
    model = CertifiedLogReg(random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    values = json.loads(model.certificate_.to_json())
    values[field] = value
    with pytest.raises(ValueError, match=field):
        Certificate.from_json(json.dumps(values))


def test_json_with_a_number_that_is_none_is_refused():
    model = CertifiedLogReg(random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    text = model.certificate_.to_json().replace('"epsilon": 1.0', '"epsilon": NaN')
    with pytest.raises(ValueError, match="epsilon"):
        Certificate.from_json(text)


KINDS = {f.name: get_type_hints(Certificate)[f.name] for f in fields(Certificate)}


@pytest.mark.parametrize("field", KINDS)
def test_every_field_refuses_what_it_cannot_hold(certificate, field):
    kind = KINDS[field]
    options = get_args(kind) if type(None) in get_args(kind) else (kind,)
    wrong = [{}, {"a": 1}, [{}], [["a"]], [None], [True], [-1.0]]
    wrong += [] if kind is bool else [True]
    wrong += [-1, -0.5, 10**400, 1 - 2**70, math.nan, -math.inf, math.inf]
    wrong += [] if str in options else ["", "1", "NaN", "-inf"]
    wrong += [] if type(None) in options else [None]
    for value in wrong:
        with pytest.raises(ValueError, match=f"^{field} of|version 1 or 2$"):
            Certificate.from_json(altered(certificate, **{field: value}))


def test_json_nested_without_end_is_refused(certificate):
    deep = "[" * 200_000
    damaged = certificate.to_json().replace('"mu": ', '"mu": ' + deep)
    for text in (deep, damaged, altered(certificate, mu=0).replace('"mu": 0', '"mu": ' + deep)):
        with pytest.raises(ValueError, match="nested"):
            Certificate.from_json(text)


def test_a_refusal_is_short_whatever_the_value(certificate):
    for value in ("x" * 10**6, list(range(10**5)), 10**300 * -7):
        with pytest.raises(ValueError, match="^sigma of") as caught:
            Certificate.from_json(altered(certificate, sigma=value))
        assert len(str(caught.value)) < 200
