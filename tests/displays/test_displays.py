"""The pictures: what they hold, where they are drawn, and what they need."""

import builtins

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from certunlearn import (
    CertificateDisplay,
    CertifiedLogReg,
    ForgettingCurveDisplay,
    InfluenceDisplay,
)

from ..pipeline.test_pipeline import numbers, piped  # noqa: E402

DISPLAYS = [CertificateDisplay, ForgettingCurveDisplay, InfluenceDisplay]


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def fitted(**params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
    model = CertifiedLogReg(**params).fit(X, y)
    model.release()
    for i in range(8):
        model.forget([i])
    model.forget(np.arange(20, 90)).release().learn(X[:2], y[:2])
    return model.correct([200], X=X[:1]).forget([201])


@pytest.fixture(scope="module")
def model():
    return fitted()


def texts(ax):
    return [t.get_text() for t in ax.texts]


@pytest.mark.parametrize("kind", DISPLAYS)
def test_axes_are_made_or_taken(kind, model):
    display = kind.from_estimator(model)
    assert display.figure_ is display.ax_.figure
    figure, (left, right) = pyplot.subplots(1, 2)
    assert kind.from_estimator(model, ax=right).ax_ is right
    again = display.plot(ax=left)
    assert again is display and display.ax_ is left and display.figure_ is figure
    assert display.plot().ax_ not in (left, right)
    figure.canvas.draw()


@pytest.mark.parametrize("kind", DISPLAYS)
def test_every_axis_is_labelled_and_no_text_leaves_the_picture(kind, model):
    display = kind.from_estimator(model)
    ax = display.ax_
    assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left")
    assert ax.get_legend() is None and len(ax.texts) >= 2
    display.figure_.canvas.draw()
    frame = display.figure_.bbox
    for text in [*ax.texts, ax.xaxis.label, ax.yaxis.label]:
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1, text
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1, text


@pytest.mark.parametrize("epsilon", [0.3, 1.0, 5.0, 20.0])
def test_certificate_display_shows_the_promise(epsilon):
    c = fitted(epsilon=epsilon).certificate_
    display = CertificateDisplay.from_certificate(c)
    a, b = display.false_positive_rate, display.true_positive_rate
    assert a[0] == 0 and a[-1] == b[-1] == 1 and (np.diff(a) > 0).all()
    assert (b >= a).all() and (b - a).max() <= c.promise.advantage + 1e-11
    assert b[50] == c.promise.true_positive_rate(a[50])
    assert any(f"ε = {epsilon:g}" in t for t in texts(display.ax_))
    assert "guessing" in texts(display.ax_)


def test_certificate_display_is_public(model):
    c = model.certificate_
    a, b = (CertificateDisplay.from_certificate(v) for v in (c, c.public()))
    assert np.array_equal(a.true_positive_rate, b.true_positive_rate)
    assert texts(a.ax_) == texts(b.ax_)


@pytest.mark.parametrize("view", ["release", "transcript"])
def test_forgetting_curve_follows_the_history(view):
    model = fitted(view=view, horizon=1)
    display = ForgettingCurveDisplay.from_estimator(model)
    history = model.history_
    assert display.tier == [entry["tier"] for entry in history]
    assert display.distance.tolist() == [entry["distance"] for entry in history]
    assert (display.distance <= display.target).all()
    assert display.target[-1] == model.certificate_.distance_target
    falls = np.diff(display.target)
    assert (falls[2:] < 0).all() if view == "transcript" else (falls == 0).all()
    assert (falls[:2] == 0).all()


def test_forgetting_curve_targets_are_those_of_each_certificate():
    model = CertifiedLogReg(view="transcript").fit(np.eye(6)[:, :2] + 1, [0, 1, 0, 1, 0, 1])
    targets = [model.certificate_.distance_target]
    for act in (model.release, lambda: model.forget([0]), model.release, lambda: model.forget([1])):
        act()
        targets.append(model.certificate_.distance_target)
    display = ForgettingCurveDisplay.from_estimator(model)
    assert display.target.tolist() == targets


def test_every_tier_is_labelled_once_with_its_count(model):
    display = ForgettingCurveDisplay.from_estimator(model)
    said = texts(display.ax_)
    assert "target" in said
    for name in set(display.tier):
        assert f"{name} ({display.tier.count(name)})" in said
    assert len(said) == 1 + len(set(display.tier)) >= 4
    display.figure_.canvas.draw()
    boxes = sorted((t.get_window_extent() for t in display.ax_.texts), key=lambda b: b.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in zip(boxes, boxes[1:], strict=False))


def test_tiers_have_colours_of_their_own():
    from certunlearn.displays._axes import OTHER, TIERS

    looks = [*TIERS.values(), OTHER]
    assert len({c for c, _ in looks}) == len({m for _, m in looks}) == len(looks)


def test_odd_histories_are_drawn():
    for distance in ([0.0], [0.0, 1e-3], [1e-3] * 3000):
        n = len(distance)
        display = ForgettingCurveDisplay(
            distance=np.array(distance), target=np.full(n, 2e-3), tier=["new kind"] * n
        ).plot()
        display.figure_.canvas.draw()
        assert f"new kind ({n})" in texts(display.ax_)


def test_without_noise_there_is_nothing_to_draw():
    model = CertifiedLogReg(noise=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    with pytest.raises(ValueError, match="promises nothing"):
        CertificateDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="nothing is certified"):
        ForgettingCurveDisplay.from_estimator(model)


def test_a_pipeline_is_drawn_as_its_last_step():
    X, y = numbers()
    pipe = piped(StandardScaler()).fit(X, y).forget([3]).forget([4])
    for kind, names in (
        (CertificateDisplay, ["true_positive_rate"]),
        (ForgettingCurveDisplay, ["distance", "target", "tier"]),
    ):
        ours, theirs = kind.from_estimator(pipe), kind.from_estimator(pipe[-1])
        for name in names:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("kind", DISPLAYS)
def test_an_unfitted_model_is_refused(kind):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        kind.from_estimator(CertifiedLogReg())


@pytest.mark.parametrize("kind", DISPLAYS)
def test_matplotlib_is_asked_for_by_name(kind, model, monkeypatch):
    loaded = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return loaded(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=rf"{kind.__name__}.*certunlearn\[plot\]"):
        kind.from_estimator(model)
