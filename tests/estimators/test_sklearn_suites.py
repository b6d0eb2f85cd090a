"""scikit-learn's own tests, as they lie in the installed wheel, against the certified classes.

Each suite runs in a pytest of its own, whose plugin puts the certified classes, without noise, in
the place of scikit-learn's.  Every failure is on the list of deviations with its reason, and
everything on that list fails.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

from ..sklearn_suites.deviations import ABSENT, DEVIATIONS, SUITES

ROOT = Path(__file__).parents[2]
WHEEL = Path(sklearn.__file__).parent
#: Tests that pass at least, with scikit-learn 1.6 as with 1.9: that much is worth the run.
LEAST = {
    "test_logistic": 60,
    "test_ridge": 220,
    "test_glm": 90,
    "test_coordinate_descent": 20,
    "test_huber": 4,
    "test_svm": 15,
}
#: For every run: tests that pass in seconds, and one that is a deviation.
SOME = ("test_huber_equals_lr_for_high_epsilon", "test_huber_max_iter")


def run(suites, tmp_path, *options):
    """Return the names of all tests of suites, and a report of each that was run."""
    report = tmp_path / "report.jsonl"
    inside = dict(os.environ, CERTUNLEARN_REPORT=str(report), PYTHONPATH=str(ROOT))
    inside.pop("PYTEST_XDIST_WORKER", None)
    settings = ["-c", str(ROOT / "tests/sklearn_suites/pytest.ini"), "--rootdir", str(WHEEL)]
    plugin = ["-p", "tests.sklearn_suites.plugin"]
    files = [WHEEL / SUITES[suite] for suite in suites]
    command = [sys.executable, "-m", "pytest", *settings, *plugin, *options, *files]
    done = subprocess.run(command, cwd=tmp_path, env=inside, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    known, *tests = map(json.loads, report.read_text().splitlines())
    return set(known["known"]), tests


def judged(suite, known, tests):
    """Return failures nobody expects, and what was expected to fail and does not."""
    wrong, met = [], set()
    for test in tests:
        name, failed = test["test"], test["outcome"] == "failed"
        listed = [pattern for pattern, _ in DEVIATIONS[suite] if matches(pattern, name)]
        met.update(listed)
        absent = re.search(r"\bAbsent: (.*)", test["message"])
        if absent and absent[1] in ABSENT:
            continue
        if failed != bool(listed) and test["outcome"] != "skipped":
            wrong.append((name, test["outcome"], test["message"]))
    for pattern, _ in DEVIATIONS[suite]:
        # Other versions of scikit-learn have other tests.
        there = any(re.fullmatch(pattern.split(r"\[")[0], name) for name in known)
        if there and pattern not in met:
            wrong.append((pattern, "no such test was run", ""))
    return wrong


def matches(pattern, name):
    """Whether a pattern is that of a test, whatever its parameters if it names none."""
    return re.fullmatch(pattern if r"\[" in pattern else rf"{pattern}(\[.*\])?", name)


@pytest.mark.long
@pytest.mark.parametrize("suite", SUITES)
def test_every_failure_is_a_known_deviation_and_every_deviation_fails(suite, tmp_path):
    known, tests = run([suite], tmp_path)
    wrong = judged(suite, known, tests)
    passed = sum(test["outcome"] == "passed" for test in tests)
    print(f"{suite}: {passed} of {len(tests)} pass")
    assert not wrong, "\n".join(map(str, wrong))
    assert passed >= LEAST[suite]


def test_some_of_scikit_learns_tests(tmp_path):
    _, tests = run(["test_huber"], tmp_path, "-k", " or ".join(SOME))
    outcomes = {test["test"].split("[")[0]: test["outcome"] for test in tests}
    assert set(outcomes) >= set(SOME)
    assert all(v == "passed" for name, v in outcomes.items() if name != "test_huber_max_iter")
    assert not judged("test_huber", set(), tests)


def test_the_list_is_strict():
    """A failure that is not listed, and one that is listed and passes, are told."""
    suite = "test_huber"
    pattern = DEVIATIONS[suite][0][0]
    name = pattern.replace("\\", "")

    def outcome(test, outcome, message=""):
        return judged(suite, set(), [dict(test=test, outcome=outcome, message=message)])

    assert outcome("test_new", "failed") and outcome(name, "passed")
    assert not outcome("test_new", "passed") and not outcome(name, "failed")
    assert not outcome("test_new", "failed", f"adapters.Absent: {next(iter(ABSENT))}")
    assert outcome("test_new", "failed", "adapters.Absent: something else")
    assert judged(suite, {name}, [])


def test_every_deviation_has_a_reason():
    assert set(DEVIATIONS) == set(SUITES)
    for listed in DEVIATIONS.values():
        assert len({pattern for pattern, _ in listed}) == len(listed)
        assert all(len(reason) > 20 for _, reason in listed)
    assert all(len(reason) > 20 for reason in ABSENT.values())
