"""Files of predictions, the command, and the picture and page that come of them."""

import csv
import json

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from sklearn.base import clone  # noqa: E402

from certunlearn import AuditDisplay  # noqa: E402
from certunlearn.audit import effective_epsilon, evaluate_files  # noqa: E402
from certunlearn.cli.main import main  # noqa: E402

from .test_evaluate import BASE, GONE, GROUPS, KEPT, TEST, X, Y, judged  # noqa: E402

SETS = {"test": TEST, "retained": KEPT, "forgotten": GONE}


def write(path, model, drop=None):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["set", "label", "p_0", "p_1", "group"])
        for name, (features, labels) in SETS.items():
            if name == drop:
                continue
            groups = GROUPS if name == "test" else ["" for _ in labels]
            for p, label, group in zip(model.predict_proba(features), labels, groups, strict=True):
                out.writerow([name, label, *p, group])
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    oracle = clone(BASE).fit(*KEPT)
    return {
        "oracles": [write(folder / f"oracle{i}.csv", oracle) for i in range(19)],
        "good": write(folder / "good.csv", oracle),
        "bad": write(folder / "bad.csv", clone(BASE).fit(X, Y)),
        "short": write(folder / "short.csv", oracle, drop="forgotten"),
    }


def test_files_say_what_the_models_say(files):
    found = evaluate_files(files["bad"], files["oracles"])
    direct = judged(clone(BASE).fit(X, Y), oracles=[clone(BASE).fit(*KEPT)] * 19)
    # Files hold no weights.
    names = {a.name: a.value for a in direct.axes if not a.name.startswith("weights")}
    assert {a.name for a in found.axes} == set(names)
    for a in found.axes:
        assert a.value == pytest.approx(names[a.name], abs=1e-6)
    assert evaluate_files(files["good"], files["oracles"]).passed


def test_the_command_says_so_by_its_exit_status(files, capsys, tmp_path):
    oracles = [str(p) for p in files["oracles"]]
    page = tmp_path / "audit.html"
    assert main(["audit", str(files["good"]), *oracles]) == 0
    assert "No different" in capsys.readouterr().out
    assert main(["audit", str(files["bad"]), *oracles, "--json", "-o", str(page)]) == 7
    assert json.loads(capsys.readouterr().out)["passed"] is False
    text = page.read_text()
    assert "<svg" in text and 'role="img"' in text and "<script" not in text
    assert "http-equiv" in text and text.count("<!DOCTYPE") == 1
    assert main(["audit", str(files["short"]), *oracles]) == 1
    assert "retained and forgotten" in capsys.readouterr().err
    assert main(["audit", str(tmp_path / "none.csv"), *oracles]) == 1
    assert main(["audit", str(files["good"]), *oracles[:18]]) == 1


@pytest.mark.parametrize(
    "text, said",
    [
        ("set,label,p_0\ntest,0,1\n", "p_<class>"),
        ("set,label,p_0,p_1\ntest,0,x,1\n", "no number"),
        ("set,label,p_0,p_1\ntest,0,0.9,0.9\n", "sum to 1"),
        ("set,label,p_0,p_1\n", "needs a line"),
    ],
)
def test_files_that_hold_something_else_are_refused(files, tmp_path, text, said):
    path = tmp_path / "odd.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        evaluate_files(path, files["oracles"])


def test_lines_must_be_the_same(files, tmp_path):
    lines = files["good"].read_text().splitlines(keepends=True)
    path = tmp_path / "fewer.csv"
    path.write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(ValueError, match="must be those of"):
        evaluate_files(path, files["oracles"])


def test_the_picture_has_a_panel_for_each_audit():
    rng = np.random.default_rng(0)
    shown = effective_epsilon(
        rng.normal(size=(400, 2)) / 5, rng.normal(size=(400, 2)), delta=0.0, claimed=0.5
    )
    found = judged(clone(BASE).fit(X, Y), findings=[shown])
    display = AuditDisplay.from_evaluation(found)
    gaps, epsilon = display.axes_
    labels = [t.get_text() for t in gaps.get_yticklabels()]
    assert labels == [a.name for a in found.axes][::-1]
    colours = {t.get_text(): t.get_color() for t in gaps.get_yticklabels()}
    assert len({colours[a.name] for a in found.flags}) == 1
    assert any(f"claimed {0.5:.3g}" in t.get_text() for t in epsilon.texts)
    pyplot.close("all")
