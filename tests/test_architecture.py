"""The table of rooms against the imports, those inside functions included."""

import ast
import re
from pathlib import Path

import certunlearn

ROOT = Path(certunlearn.__file__).parent
README = (ROOT.parent / "README.md").read_text()
# Rooms of one layer do not import one another.
LAYERS = [
    {"_version", "_validate", "exceptions", "_rounding", "_style", "_interrupts", "_json"},
    {"_threads", "_whole"},
    {
        "pointwise",
        "rows",
        "scaled",
        "weights",
        "bounds",
        "factor",
        "diagonal",
        "fingerprint",
        "_pages",
        "chance",
    },
    {"losses", "sparse_rows", "sparse_columns"},
    {"units"},
    {"sweeps", "host_sweeps", "tradeoff", "noise", "share", "lookalikes", "influence", "rank"},
    {"objective", "power", "substitutes"},
    {"orthogonal", "unfactored", "consistency"},
    {"model", "gram", "certificate"},
    {"solvers", "removal.distance"},
    {"removal"},
    {"state"},
    {"training", "confirmation"},
    {"editing", "refitting"},
    {"release"},
    {"unlearner"},
    {"attribution", "noise_cost"},
    {"preview", "interpolation", "suppression"},
    {"estimators"},
    {"pipeline", "mixing"},
    {"glossary", "displays", "meta", "requested"},
    {"receipt", "waiting"},
    {"report", "queue"},
    {"demo", "__init__"},
    {"cli"},
    {"__main__"},
]
# The row store scrubs and sums through the sweeps; they know nothing of it.
ALLOWED = {("rows", "sweeps"), ("sparse_rows", "host_sweeps")}
CLAIMS = {"bounds", "factor", "rank", "tradeoff", "power", "consistency", "certificate", "noise"}


def room(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts)
    if any(name in layer for layer in LAYERS):
        return name
    return parts[0]


def layer(name):
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imports(path):
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)]
            if node.module:
                yield (*base, *node.module.split("."))
            else:
                for alias in node.names:
                    yield (*base, alias.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not any((n or "").startswith("certunlearn") for n in names), path


def target(parts):
    name = ".".join(parts)
    return name if any(name in names for names in LAYERS) else parts[0]


def test_every_import_goes_to_a_lower_room():
    seen = 0
    for path in sorted(ROOT.rglob("*.py")):
        here = room(path)
        for parts in imports(path):
            there = target(parts)
            if there == here or (here, there) in ALLOWED:
                continue
            seen += 1
            assert layer(there) < layer(here), f"{here} imports {there}"
    assert seen > 40


def test_the_readme_lists_every_room_in_this_order():
    table = README[README.index("## The rooms") :]
    lines = [re.findall(r"`(\w+)/?`", line) for line in re.findall(r"^\| (`.*?) \|", table, re.M)]
    names = [name for line in lines for name in line]
    unlisted = {"__init__", "__main__", "removal.distance"}
    assert sorted(names) == sorted(set().union(*LAYERS) - unlisted)
    places = [sorted(map(layer, line)) for line in lines]
    assert all(above[-1] <= below[0] for above, below in zip(places, places[1:], strict=False))


def test_claims_do_no_numerics_and_no_room_sets_the_global_flag():
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text()
        assert "jax_enable_x64" not in text, path
        if room(path) in CLAIMS:
            assert "import jax" not in text, path


def test_files_and_functions_stay_readable():
    for path in sorted(ROOT.rglob("*.py")):
        assert len(path.read_text().splitlines()) <= 400, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body:
                    length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                    assert length <= 50, f"{path}: {node.name} has {length} lines"
