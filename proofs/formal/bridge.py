"""From the Python source of a claim to the formula that Coq and Gappa check.

``python proofs/formal/bridge.py`` writes ``Code.v`` and ``gappa/*.g``: the bodies of the functions
below, read with `ast` and written as real-number definitions and as scripts in double precision.
Nothing in them is typed by hand, so a constant that changes in the package changes what is checked.
A test compares the committed files with what the sources say now.

How Python is read: ``up(x, k)`` is any function that never lowers x, ``down`` any that never
raises it (`Rounded.v`); float literals are the decimals they are written as; `math.inf` is None,
and nothing is claimed there; ``math.isfinite`` of a parameter is an unknown predicate; checks that
raise are left out, they are preconditions. Anything else is refused.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import SCRIPTS, Gappa
from translate import Translation, Unreadable

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "certunlearn"

#: What is translated: of a module functions, or of a class in it constants and methods; after a
#: colon the last value that a variable is given, after a dot an argument of the call that gives it.
HELPERS = {"PseudoHuber": ("_root",), "SoftplusHinge": ("_lack",)}
FUNCTIONS = (
    "gamma",
    "sigmoid",
    "_softplus",
    "_bell",
    *(
        f"{loss}.{part}"
        for loss in (
            "Logistic",
            "Squared",
            "Poisson",
            "Gamma",
            "PseudoHuber",
            "LogCosh",
            "SoftplusHinge",
        )
        for part in ("R", "kappa", *HELPERS.get(loss, ()), "value", "slope", "curvature")
    ),
    "Softmax.R",
    "Softmax.kappa",
    "gsc_remainder",
    "distance_from_decrement",
    "distance_remainder",
    "distance_measured",
    "joint_drift",
    "covariance_drift",
    "delta_from_epsilon",
    "_log_tail",
    "share",
    "drift_shares",
    "calibrate:reserve",
    "calibrate:left",
    "calibrate:f",
    "calibrate:cap",
    "composed:left",
    "Promise.advantage:gap",
    "soft",
    "least_subgradient",
    "subgradient_within:beyond",
    "subgradient_within:wrong",
    "Carryover.step:left",
    "Carryover.step:inner",
    "Carryover.step:T",
    "Carryover.step:size",
    "Carryover.step:return.1",
    "Carryover.in_gram:left",
    "Carryover.in_gram:return",
    "Carryover._gram_transfer:drift",
    "Carryover._gram_transfer:return",
    "appended_floor:half",
    "appended_floor:largest",
)


def located(package: Path) -> Callable[[str], str]:
    """Return what finds the source of a definition, in whatever file of the package it stands."""
    sources = [path.read_text() for path in sorted(package.rglob("*.py"))]

    def find(name: str) -> str:
        owner, _, part = name.partition(":")[0].rpartition(".")
        head = re.compile(rf"^{'class' if owner else 'def'} {owner or part}\b", re.M)
        found = [s for s in sources if head.search(s)]
        if owner:
            found = [s for s in found if defines(Translation(s).node(owner), part)]
        if len(found) != 1:
            raise Unreadable(f"{name} is defined {len(found)} times in the package")
        return found[0]

    return find


def defines(owner: ast.ClassDef, part: str) -> bool:
    """Whether a class has a method, property or annotated constant."""
    names = {getattr(n, "name", getattr(getattr(n, "target", None), "id", "")) for n in owner.body}
    return part in names


HEAD = """(* Written by bridge.py from certunlearn/*.py: do not edit. *)
From Coq Require Import Reals.
From Coquelicot Require Import Rcomplements.
From Formal Require Import Rounded Gaussian.
Local Open Scope R_scope.

Section Code.
Variables (o : outward) (finite : R -> bool).
"""


def coq(package: Path = PACKAGE) -> str:
    """Return the text of Code.v."""
    find, parts = located(package), [HEAD]
    for name in FUNCTIONS:
        parts.append(Translation(find(name)).definition(name) + "\n")
    return "\n".join([*parts, "End Code.\n"])


def gappa(package: Path = PACKAGE) -> dict[str, str]:
    """Return the Gappa scripts by name."""
    find = located(package)
    return {name: Gappa(find(wanted.function)).script(wanted) for name, wanted in SCRIPTS.items()}


def main() -> None:
    package = Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE
    (target / "Code.v").write_text(coq(package))
    (target / "gappa").mkdir(exist_ok=True)
    for name, text in gappa(package).items():
        (target / "gappa" / f"{name}.g").write_text(text)


if __name__ == "__main__":
    main()
