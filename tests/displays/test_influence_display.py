"""The picture of what rows owe to themselves: what it holds, and that it says so."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib.use("Agg")

from matplotlib import image, pyplot  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from certunlearn import (
    CertifiedElasticNet,
    CertifiedHuberRegressor,
    CertifiedLinearSVC,
    CertifiedLogReg,
    CertifiedMinNorm,
    CertifiedPoissonRegressor,
    CertifiedRidge,
    CertifiedRidgeClassifier,
    InfluenceDisplay,
    forgetting,
)
from certunlearn.exceptions import AssumptionError, RowError  # noqa: E402
from certunlearn.insight.attribution import MOST_SOLVED  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def data(classes=2, n=120):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    scores = X @ rng.normal(size=(4, classes)) + rng.gumbel(size=(n, classes))
    y = scores.argmax(axis=1)
    # One row twice as far out as others, and with the wrong label.
    X[3] *= 2
    y[3] = (scores[3].argmax() + 1) % classes
    return X, y


@pytest.fixture(scope="module")
def model():
    X, y = data()
    names = pd.DataFrame(X, index=[f"person {i}" for i in range(len(X))])
    names.columns = list("abcd")
    return CertifiedLogReg(random_state=0).fit(names, y, groups=np.arange(len(X)) // 10)


def texts(ax):
    return [t.get_text() for t in ax.texts]


def drawn(display):
    """Return where the coloured points lie."""
    return display.ax_.collections[-1].get_offsets().data


def lines(display):
    """Return each line with the number written at it."""
    found = display.ax_.lines
    return list(zip(found, map(float, texts(display.ax_)[: len(found)]), strict=True))


def test_a_request_is_drawn_before_the_others(model):
    display = InfluenceDisplay.from_estimator(model, groups=0)
    each = model.preview(groups=0).each
    assert display.rows.tolist() == list(range(10)) and display.unit == "log odds"
    np.testing.assert_array_equal(display.shift, each.influence)
    np.testing.assert_array_equal(display.memorisation, each.memorisation)
    np.testing.assert_allclose(display.leverage, each.leverage, rtol=1e-9)
    assert len(drawn(display)) == 10 and len(display.behind[0]) == 110
    assert np.array_equal(np.sort(drawn(display)[:, 0]), np.sort(display.leverage))
    assert any("grey: other rows" in t for t in texts(display.ax_))


def test_all_rows_of_the_training_set_are_drawn_where_none_is_named():
    X, y = data()
    weight = np.ones(len(X))
    weight[5] = 0.0
    model = CertifiedLogReg(random_state=0).fit(X, y, weight).forget([1, 2])
    display = InfluenceDisplay.from_estimator(model)
    assert display.rows.tolist() == [0, 3, 4, *range(6, 120)] and display.behind is None
    assert not any("grey" in t for t in texts(display.ax_))


@pytest.mark.parametrize("top", [0, 3, 5])
def test_rows_that_weigh_most_are_called_by_name(model, top):
    display = InfluenceDisplay.from_estimator(model, top=top)
    called = {t for t in texts(display.ax_) if t.startswith("person")}
    most = np.argsort(-display.shift)[:top]
    assert called == {f"person {i}" for i in most}
    assert top == 0 or "person 3" in called


def test_positions_and_long_names():
    X, y = data()
    ids = [("x" * 60) + str(i) for i in range(len(X))]
    display = InfluenceDisplay.from_estimator(CertifiedLogReg().fit(X, y, row_ids=ids), rows=[3])
    assert display.names == ["x" * 23 + "…"]
    assert InfluenceDisplay.from_estimator(CertifiedLogReg().fit(X, y), [3]).names == ["3"]


def test_rows_are_called_as_a_preview_calls_them():
    X, y = data()
    for index in (np.arange(len(X)) // 2 + 7, np.arange(len(X)) + 7):
        frame = pd.DataFrame(X, columns=list("abcd"), index=index)
        model = CertifiedLogReg(random_state=0).fit(frame, y)
        shown = InfluenceDisplay.from_estimator(model, rows=[3]).names
        # Labels that rows share name none.
        assert shown == [str(model.preview(rows=[3]).names[0])]
        assert shown == (["10"] if len(set(index)) == len(X) else ["3"])


def test_lines_join_equal_influence(model):
    display = InfluenceDisplay.from_estimator(model)
    found = lines(display)
    assert len(found) >= 3
    for line, value in found:
        h, residual = line.get_data()
        np.testing.assert_allclose(residual * h / (1 - h), value, rtol=1e-9)
    # Whatever lies above a line pulls more.
    at = display.residual * display.leverage / (1 - display.leverage)
    np.testing.assert_allclose(at, display.shift, rtol=1e-9)
    assert max(v for _, v in found) > display.shift.max() / 3


@pytest.mark.parametrize(
    "estimator, unit",
    [
        (CertifiedRidge(), "units of y"),
        (CertifiedHuberRegressor(), "units of y"),
        (CertifiedPoissonRegressor(), "log of the mean"),
        (CertifiedLinearSVC(), "margin"),
        (CertifiedRidgeClassifier(), "margin"),
        (CertifiedLogReg(solver="newton-cholesky"), "log odds"),
    ],
)
def test_every_estimator_with_a_closed_form_is_drawn(estimator, unit):
    classes = 3 if getattr(estimator, "solver", "") == "newton-cholesky" else 2
    X, y = data(classes)
    model = estimator.fit(X, y)
    display = InfluenceDisplay.from_estimator(model, np.arange(50))
    ax = display.ax_
    assert display.unit == unit and any(f"({unit})" in t for t in texts(ax))
    assert display.probabilities == (unit == "log odds")
    assert ("Probability" in ax.get_ylabel()) == display.probabilities
    assert len(drawn(display)) == 50 and len(lines(display)) >= 2
    at = display.residual * display.leverage / (1 - display.leverage)
    np.testing.assert_allclose(at, display.shift, rtol=1e-9, atol=1e-12)
    display.figure_.canvas.draw()


def test_labels_do_not_cover_one_another_nor_leave_the_picture(model, tmp_path):
    for rows in (None, [3], np.arange(12)):
        display = InfluenceDisplay.from_estimator(model, rows=rows, top=8)
        display.figure_.canvas.draw()
        frame = display.figure_.bbox
        named = [t for t in display.ax_.texts if t.get_text().startswith("person")]
        boxes = sorted((Text.get_window_extent(t) for t in named), key=lambda b: b.y0)
        assert all(low.y1 <= high.y0 + 2 for low, high in zip(boxes, boxes[1:], strict=False))
        assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 and b.y1 <= frame.y1 for b in boxes)
    path = tmp_path / "influence.png"
    display.figure_.savefig(path)
    pixels = image.imread(path)[:, :, :3]
    assert 0.02 < (np.abs(pixels - 1.0).max(axis=2) > 0.02).mean() < 0.5


def test_names_are_placed_alike_on_a_figure_without_a_canvas_of_its_own(model):
    axes = Figure(figsize=(7.5, 5.0), layout="constrained").subplots()
    bare = InfluenceDisplay.from_estimator(model, rows=np.arange(12), top=8, ax=axes)
    usual = InfluenceDisplay.from_estimator(model, rows=np.arange(12), top=8)
    placed = [[t.xyann for t in d.ax_.texts if t.get_text()[:6] == "person"] for d in (bare, usual)]
    assert len(placed[0]) == 8
    np.testing.assert_allclose(*placed, atol=1e-9)


def test_sparse_rows_are_drawn_few_at_a_time():
    X, y = data()
    model = CertifiedLogReg(random_state=0).fit(csr_array(X), y)
    display = InfluenceDisplay.from_estimator(model, [3, 7])
    dense = InfluenceDisplay.from_estimator(CertifiedLogReg(random_state=0).fit(X, y), [3, 7])
    np.testing.assert_allclose(display.shift, dense.shift, rtol=0.05)
    assert display.behind is None and dense.behind is not None
    with pytest.raises(AssumptionError, match=f"at most {MOST_SOLVED} rows at a time"):
        InfluenceDisplay.from_estimator(model)


def test_where_there_is_no_closed_form_the_way_out_is_told():
    X, y = data()
    with pytest.raises(AssumptionError, match="l1_ratio=0"):
        InfluenceDisplay.from_estimator(CertifiedElasticNet(alpha=0.01).fit(X, y), [3])
    wide = np.random.default_rng(0).normal(size=(5, 20))
    with pytest.raises(AssumptionError, match="minimum norm"):
        InfluenceDisplay.from_estimator(CertifiedMinNorm().fit(wide, np.arange(5.0)), [3])


def test_of_a_pipeline_the_last_step_is_drawn():
    X, y = data()
    pipe = forgetting(make_pipeline(StandardScaler(), CertifiedLogReg(random_state=0))).fit(X, y)
    with pytest.raises(TypeError, match=r"pipe\[-1\]"):
        InfluenceDisplay.from_estimator(pipe, [3])
    assert InfluenceDisplay.from_estimator(pipe[-1], [3]).rows.tolist() == [3]


def test_requests_are_checked_and_nothing_is_changed(model):
    coef, history = model.coef_.copy(), list(model.history_)
    with pytest.raises(RowError):
        InfluenceDisplay.from_estimator(model, rows=[3], groups=0)
    InfluenceDisplay.from_estimator(model, groups=[0, 4])
    np.testing.assert_array_equal(model.coef_, coef)
    assert model.history_ == history


def test_rows_that_weigh_nothing_cannot_be_drawn():
    X, y = data()
    weight = np.ones(len(X))
    weight[5] = 0.0
    model = CertifiedLogReg(random_state=0).fit(X, y, weight)
    with pytest.raises(ValueError, match="nothing to draw"):
        InfluenceDisplay.from_estimator(model, [5])
    assert len(drawn(InfluenceDisplay.from_estimator(model, [5, 6]))) == 1
