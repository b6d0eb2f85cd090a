"""README blocks and examples run as they stand."""

import re
import runpy
import sys
import tempfile
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
    # Pictures go into the folder that is named, or a temporary one, and never where it is run.
    here, named, temporary = (tmp_path / name for name in ("here", "named", "temporary"))
    for folder in (here, temporary):
        folder.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    # One run of each, as they take a while: by turns with a folder and without.
    by_name = EXAMPLES.index(path) % 2 == 1
    monkeypatch.setattr(sys, "argv", [str(path), *([str(named)] if by_name else [])])
    runpy.run_path(str(path), run_name="__main__")
    out, folder = capsys.readouterr().out, named if by_name else temporary
    pictures = list(folder.rglob("*.png")) if folder.exists() else []
    assert len(pictures) == source.count("savefig(") and not list(here.iterdir())
    assert out and all(str(picture) in out for picture in pictures)


def test_demo_prints_a_table_and_tells_the_truth(capsys):
    from certunlearn.cli.main import main

    assert main(["demo", "--seed", "0"]) == 0
    out = capsys.readouterr().out
    assert "certified" in out and "not covered" in out
    tiers = re.compile(r" (downdate|chord|refresh) .*\d$")
    rows = [line.split() for line in out.splitlines() if tiers.search(line)]
    assert len(rows) == 9
    for cells in rows:
        certified, true, refit, _ = (float(v) for v in cells[-7:-3])
        # Of one digit each.
        assert true <= certified * 1.2 and certified <= 1 and refit >= 0


def test_documents_speak_of_the_project_alone():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("proofs/*.md"), *EXAMPLES]:
        text = path.read_text()
        assert not re.search(r"/work/|shared/design|theory\.md|house\.md", text), path
