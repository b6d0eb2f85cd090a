"""Proof pages: the code they cover has not moved, and links and pages are the same set.

After re-reading a proof whose code has moved: ``python -m tests.test_proofs``.
"""

import ast
import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(p for p in (ROOT / "proofs").glob("*.md") if p.stem != "README")
STAMP = re.compile(r"^covers: (\S+)::(\S+)(?: (\w+))?$", re.M)
SECTIONS = ("Preconditions", "Statement", "Proof", "Where the code differs", "References")
#: Counter-examples are executed by tests and covered by no function of the package.
COUNTEREXAMPLES = {"textbook_objective_perturbation"}


def digest(path, name):
    """Hash of a function or class without its docstrings."""
    node = ast.parse((ROOT / path).read_text())
    for part in name.split("."):
        node = next(n for n in node.body if getattr(n, "name", None) == part)
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner):
            inner.body = inner.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(node).encode()).hexdigest()[:12]


def links():
    """Stems of the pages that docstrings link to."""
    text = "".join(p.read_text() for p in (ROOT / "certunlearn").rglob("*.py"))
    return set(re.findall(r"proofs/(\w+)\.md", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_code_is_the_code_that_was_proved(page):
    stamps = STAMP.findall(page.read_text())
    assert stamps or page.stem in COUNTEREXAMPLES
    for path, name, stamp in stamps:
        assert stamp == digest(path, name), (
            f"{path}::{name} has moved: re-read {page.name}, mend it, then run "
            "python -m tests.test_proofs"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_page_is_complete(page):
    heads = re.findall(r"^## (.*)$", page.read_text(), re.M)
    for section in SECTIONS:
        assert any(h.startswith(section) for h in heads), section


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_lines_are_short(page):
    # Tables and stamps cannot be broken.
    fixed = ("|", "covers: ", "checked: ")
    lines = page.read_text().splitlines()
    assert not [line for line in lines if len(line) > 120 and not line.startswith(fixed)]


def test_links_and_pages_are_the_same_set():
    assert links() == {p.stem for p in PAGES} - COUNTEREXAMPLES


def test_the_index_lists_every_page():
    index = (ROOT / "proofs" / "README.md").read_text()
    assert set(re.findall(r"\((\w+)\.md\)", index)) == {p.stem for p in PAGES}


def test_a_stamp_notices_a_changed_constant(tmp_path, monkeypatch):
    source = (ROOT / "certunlearn" / "claims" / "bounds.py").read_text()
    target = tmp_path / "certunlearn" / "claims"
    target.mkdir(parents=True)
    (target / "bounds.py").write_text(source.replace("t / 2 + t * t / 6", "t / 2 + t * t / 7"))
    before = digest("certunlearn/claims/bounds.py", "gsc_remainder")
    monkeypatch.setattr("tests.test_proofs.ROOT", tmp_path)
    assert digest("certunlearn/claims/bounds.py", "gsc_remainder") != before


if __name__ == "__main__":
    for page in PAGES:
        text = page.read_text()
        page.write_text(STAMP.sub(lambda m: f"covers: {m[1]}::{m[2]} {digest(m[1], m[2])}", text))
