"""README blocks and examples run as they stand."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_there_is_something_to_run():
    assert BLOCKS and EXAMPLES


def test_readme_blocks_run(capsys):
    namespace = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), namespace)
    assert namespace["model"].certificate_.check(1.0, 1e-6)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_run(path, capsys, tmp_path, monkeypatch):
    source = path.read_text()
    assert "assert " in source
    # Pictures go where the example is run.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
    assert len(list(tmp_path.glob("*.png"))) == source.count("savefig(")


def test_demo_prints_a_table_and_tells_the_truth(capsys):
    from certunlearn.cli import main

    assert main(["demo", "--seed", "0"]) == 0
    out = capsys.readouterr().out
    assert "certified" in out and "not covered" in out
    tiers = re.compile(r" (downdate|chord|refresh) .*\d$")
    rows = [line.split() for line in out.splitlines() if tiers.search(line)]
    assert len(rows) == 7
    for cells in rows:
        certified, true, allowed = (float(v) for v in cells[-6:-3])
        assert true <= certified * 1.05 + 1e-9 and certified <= allowed


def test_documents_speak_of_the_project_alone():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("proofs/*.md"), *EXAMPLES]:
        text = path.read_text()
        assert not re.search(r"/work/|shared/design|theory\.md|house\.md", text), path
