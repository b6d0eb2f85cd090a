"""The walls of the house, what only one room may do, and how long files and functions may be."""

import ast
import re
import subprocess
import sys

import pytest

from certunlearn._common import whole

from . import architecture

ROOT = architecture.ROOT
DOCUMENT = (ROOT.parent / "docs" / "architecture.md").read_text()


def users(pattern):
    """Wings and rooms of files that hold a pattern."""
    return {
        ".".join(architecture.parts(path))
        for path in architecture.files()
        if re.search(pattern, path.read_text())
    }


def test_no_import_goes_up():
    assert architecture.upward() == []
    assert len(architecture.arrows()) > 30


def test_a_wing_that_is_imported_against_the_walls_is_found(monkeypatch):
    monkeypatch.setitem(architecture.MAY, "claims", {"_common"})
    assert architecture.upward() == ["claims imports linalg"]
    floors = [{"solvers"}, {"context", "losses"}, {"rows"}, {"objective"}]
    monkeypatch.setitem(architecture.FLOORS, "numerics", floors)
    assert any(line.startswith("numerics.solvers imports") for line in architecture.upward())


def test_the_walls_name_every_wing_and_no_other():
    there = {p.parent.name for p in ROOT.glob("*/__init__.py")}
    assert there == set(architecture.MAY)
    rooms = re.findall(r"^\| `(\w+)/` \|", DOCUMENT, re.M)
    assert sorted(rooms) == sorted(there)


def test_few_rooms_on_few_floors():
    assert architecture.measures()["rooms at the root"] <= 20
    assert len(architecture.floors()) <= 11


def test_only_the_engine_draws_noise():
    drawing = users(r"\bstandard_normal\(|OperatingSystem\(|Stream\(")
    assert drawing == {"claims.sampler", "engine.release"}
    assert users(r"\bsampler import") == {"engine.release"}


def test_what_promises_nothing_is_written_in_one_place():
    assert users(r"\bJoint\(math\.inf") == {"claims.budget"}


def test_public_arguments_have_types():
    assert [at for at, annotated in architecture.arguments() if not annotated] == []


def test_only_numerics_use_jax_and_enter_float64():
    assert {name.split(".")[0] for name in users(r"\b(import|from) jax\b")} == {"numerics"}
    entered = users(r"enable_x64\(")
    assert "numerics.context" in entered
    assert {name.split(".")[0] for name in entered} == {"numerics"}
    assert users("jax_enable_x64") == set()


def test_importing_the_package_loads_no_compiler_no_database_and_no_plots():
    code = "import sys, certunlearn; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    assert not {"jax", "sqlite3", "matplotlib"} & set(done.stdout.split())
    assert "certunlearn" in done.stdout.split()


@pytest.mark.parametrize("store", ["dense", "sparse"])
def test_few_rooms_know_which_store_they_have(store):
    assert {n.split(".")[0] for n in users(rf"rows\.{store} import|rows import {store}")} <= {
        "numerics",
        "engine",
    }


def test_files_and_functions_stay_readable():
    for path in architecture.files():
        assert len(path.read_text().splitlines()) <= 400, path
        for node in ast.walk(architecture.tree(path)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body:
                    length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                    assert length <= 50, f"{path}: {node.name} has {length} lines"


def test_the_command_prints_the_floors(capsys):
    assert architecture.main() == 0
    out = capsys.readouterr().out
    assert "floors" in out and "rooms at the root" in out


#: What objects with verbs do to one another: the pipeline and the queue are such objects too.
WHOLE = {name for name in vars(whole.Whole) if re.match("_[^_]", name)}


def test_nobody_uses_a_private_name_of_an_estimator():
    # The fit is handed out by `fitted_of`, and by nobody else.
    found = architecture.intrusions("estimators", WHOLE)
    assert {line.split(":")[0] for line in found} == {"requests/fitted.py"}
    assert [line.split()[-1] for line in found] == ["'_fitted'"]
    assert {"_fitted", "_adopt", "_attributes"} <= architecture.private_names("estimators")


def test_an_intrusion_is_found(monkeypatch, tmp_path):
    page = tmp_path / "operations" / "page.py"
    page.parent.mkdir()
    page.write_text("def page(model):\n    return model._adopt, getattr(model, '_fitted')\n")
    seen = [page, *architecture.files()]
    names = architecture.private_names("estimators")
    monkeypatch.setattr(architecture, "files", lambda: seen[:1])
    monkeypatch.setattr(architecture, "private_names", lambda wing: names)
    monkeypatch.setattr(architecture, "ROOT", tmp_path)
    assert architecture.intrusions("estimators") == [
        "operations/page.py:2 model._adopt",
        "operations/page.py:2 '_fitted'",
    ]
