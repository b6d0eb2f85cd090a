"""Blocks of the README and of docs, and examples, run as they stand; links lead somewhere."""

import os
import re
import runpy
import sys
import tempfile
from pathlib import Path

import pytest

import certunlearn

from .store.conftest import LACKING

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.S)


def test_there_is_something_to_run():
    assert EXAMPLES and sum(map(len, map(blocks, PAGES))) >= 6


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.stem)
def test_blocks_of_a_page_run(page, capsys):
    if page.stem == "store" and LACKING and not os.environ.get("CI"):
        pytest.skip(f"needs {', '.join(LACKING)}")
    namespace = {}
    for block in blocks(page):
        exec(compile(block, page.name, "exec"), namespace)
    assert page.stem == "noise" or namespace["model"].certificate_.check(1.0, 1e-6)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([\w-]+))?\)", page.read_text()):
        there = (page.parent / target) if target else page
        assert there.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in heads}


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    assert all(f"](docs/{page.name})" in text for page in PAGES[1:] if page.stem != "index")


def test_the_reference_lists_what_is_public():
    listed = re.findall(r"^   (\w+)$", (ROOT / "docs" / "api.md").read_text(), re.M)
    assert set(listed) == {name for name in certunlearn.__all__ if name != "__version__"}


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
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("proofs/**/*.md"),
        *EXAMPLES,
    ]:
        text = path.read_text()
        assert not re.search(r"/work/|shared/design|theory\.md|house\.md", text), path
