"""The house: which wing may import which; ``python -m tests.architecture`` prints it by floors."""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path

import certunlearn

ROOT = Path(certunlearn.__file__).parent
#: What each wing may import; `exceptions` and `_version` are open to all.
MAY = {
    "_common": set(),
    "linalg": {"_common"},
    "claims": {"_common", "linalg"},
    "numerics": {"_common", "linalg"},
    "engine": {"_common", "linalg", "claims", "numerics"},
    "requests": {"_common", "claims", "numerics", "engine"},
    "insight": {"_common", "linalg", "claims", "numerics", "engine", "requests"},
    "estimators": {"_common", "claims", "numerics", "engine", "requests", "insight"},
    "displays": {"_common", "claims", "requests", "insight", "audit"},
    "pipeline": {"_common", "claims", "numerics", "requests", "insight", "estimators"},
    "operations": {
        "_common",
        "claims",
        "numerics",
        "engine",
        "requests",
        "insight",
        "estimators",
        "pipeline",
        "audit",
    },
    "store": {"_common", "claims", "requests", "estimators", "pipeline", "operations", "audit"},
    "scale": {"_common", "numerics"},
    "audit": {"_common"},
    "cli": {
        "_common",
        "claims",
        "requests",
        "estimators",
        "pipeline",
        "operations",
        "store",
        "audit",
        "displays",
    },
}
OPEN = {"exceptions", "_version"}
EDGES = OPEN | {"__init__", "__main__"}
#: Inside a wing: rooms of one floor do not import one another, and lower ones no higher ones.
FLOORS = {
    "numerics": [{"context", "losses"}, {"rows"}, {"objective"}, {"solvers"}],
    "engine": [
        {"distances", "settings", "request_count"},
        {"removal", "members"},
        {"state"},
        {"columns"},
        {"worth"},
        {"training"},
        {"condensing", "editing", "refitting"},
        {"protocol", "release"},
        {"unlearner"},
        {"min_norm", "mixture"},
    ],
}


def files():
    return sorted(ROOT.rglob("*.py"))


def parts(path):
    return path.relative_to(ROOT).with_suffix("").parts


@cache
def tree(path):
    """Return what Python makes of a file; not to be changed."""
    return ast.parse(path.read_text())


@cache
def imports(path):
    """What a file imports of the package, as parts of dotted names; inside functions too."""
    package, found = parts(path)[:-1], []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*package[: len(package) - (node.level - 1)], *(node.module or "").split("."))
            base = tuple(p for p in base if p)
            if (ROOT / "/".join(base)).is_dir():
                found += [(*base, alias.name) for alias in node.names]
            else:
                found.append(base)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not any((n or "").startswith("certunlearn") for n in names), path
    return found


def arrows():
    """Count the imports between wings: {(here, there): how many}."""
    found = Counter()
    for path in files():
        here = parts(path)[0]
        for target in imports(path):
            if here not in EDGES and target[0] not in EDGES | {here}:
                found[here, target[0]] += 1
    return found


def upward():
    """List the imports that the walls forbid."""
    out = [f"{a} imports {b}" for a, b in arrows() if b not in MAY.get(a, set())]
    for path in files():
        wing, *rest = parts(path)
        for target in imports(path) if wing in FLOORS else ():
            here, there = rest[0], ".".join(target[1:3])
            if target[0] != wing or there.split(".")[0] == here:
                continue
            floor = {room: i for i, rooms in enumerate(FLOORS[wing]) for room in rooms}
            if not floor[there.split(".")[0]] < floor[here]:
                out.append(f"{wing}.{here} imports {wing}.{there}")
    return sorted(out)


def private_names(wing):
    """Return the private names that classes of a wing define, methods and attributes."""
    found = set()
    for path in sorted((ROOT / wing).rglob("*.py")):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.FunctionDef):
                        found.add(inner.name)
                    elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                        found.add(inner.attr)
                    elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                        found.add(inner.target.id)
    return {name for name in found if re.match("_[^_]", name)}


def intrusions(wing, shared=frozenset()):
    """List where other wings use private names of a wing's classes, but for ``shared`` ones."""
    names, out = private_names(wing) - shared, []
    for path in files():
        if parts(path)[0] == wing:
            continue
        whole = tree(path)
        own = {n.name for n in ast.walk(whole) if isinstance(n, ast.FunctionDef)}
        for node in ast.walk(whole):
            if isinstance(node, ast.Attribute) and node.attr in names - own:
                if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                    out.append(f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}")
            # Spelt as a text, by getattr or hasattr.
            texts = node.args[1:2] if isinstance(node, ast.Call) else ()
            for text in texts:
                if isinstance(text, ast.Constant) and text.value in names - own:
                    out.append(f"{path.relative_to(ROOT)}:{node.lineno} {text.value!r}")
    return out


def floors():
    """Lay each wing on the floor above all that it imports: [[wing, ...], ...] from below."""
    level, known = {}, {a: {b for x, b in arrows() if x == a} for a in MAY}
    while len(level) < len(known):
        ready = [w for w in known if w not in level and known[w] <= set(level)]
        if not ready:
            raise ValueError(f"wings import one another: {sorted(set(known) - set(level))}")
        level |= {w: 1 + max((level[b] for b in known[w]), default=-1) for w in ready}
    return [[w for w in level if level[w] == i] for i in range(1 + max(level.values()))]


def arguments():
    """Yield (where, whether annotated) for every argument of a public function or method."""
    for path in files():
        public = [tree(path)]
        while public:
            node = public.pop()
            for inner in node.body:
                kind = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
                if not isinstance(inner, kind) or (
                    inner.name.startswith("_") and inner.name not in ("__init__", "__call__")
                ):
                    continue
                if isinstance(inner, ast.ClassDef):
                    public.append(inner)
                    continue
                a = inner.args
                every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
                for argument in every:
                    if argument is not None and argument.arg not in ("self", "cls"):
                        at = f"{path.relative_to(ROOT)}:{inner.lineno} {argument.arg}"
                        yield at, argument.annotation is not None


def measures():
    """Lines, comments, uses of Any and public arguments with a type, in the package."""
    texts = [path.read_text() for path in files()]
    lines = sum(len(text.splitlines()) for text in texts)
    comments = sum(
        token.type == tokenize.COMMENT
        for text in texts
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
    )
    uses = sum(len(re.findall(r"\bAny\b", text)) for text in texts)
    typed = [annotated for _, annotated in arguments()]
    rooms = sum(1 for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists())
    return {
        "files": len(texts),
        "lines": lines,
        "rooms at the root": rooms,
        "longest file": max(len(text.splitlines()) for text in texts),
        "% of public arguments annotated": round(100 * sum(typed) / len(typed), 1),
        "comments per 100 lines": round(100 * comments / lines, 1),
        "Any per 1000 lines": round(1000 * uses / lines, 1),
    }


def main():
    """Print the floors from the top down, and return whether an import goes up."""
    found = arrows()
    for i, wings in reversed(list(enumerate(floors()))):
        for wing in wings:
            below = ", ".join(f"{b} {n}" for (a, b), n in sorted(found.items()) if a == wing)
            print(f"{i:2}  {wing:<11} imports {below or 'nothing'}")
    print(f"\n{len(floors())} floors, {len(found)} arrows, {sum(found.values())} imports on them")
    for name, value in measures().items():
        print(f"{value:>7} {name}")
    for fault in upward():
        print(f"UP: {fault}")
    return bool(upward())


if __name__ == "__main__":
    sys.exit(main())
