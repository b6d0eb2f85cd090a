"""Proofs checked by Coq and Gappa: pages name theorems that exist, and nothing is assumed in them.

The formulas are compared with the Python source here, in the ordinary tests; that the proofs check,
that wrong ones do not, and what ball arithmetic says of the formulas is for the long ones.
"""

import ast
import fcntl
import importlib
import math
import os
import random
import re
import shutil
import subprocess
import sys
import types
from fractions import Fraction

import pytest

from certunlearn._common import rounding as _rounding
from certunlearn.claims import bounds, tradeoff
from certunlearn.numerics.losses import pointwise
from tests.test_proofs import PAGES, ROOT

FORMAL = ROOT / "proofs" / "formal"
CHECKED = re.compile(r"^checked: proofs/formal/(\S+)::(\S+)$", re.M)
NAMED = {page.stem: CHECKED.findall(page.read_text()) for page in PAGES}
COVERED = [stem for stem, names in NAMED.items() if names]
#: Pages without which "certified" would not be machine-checked at all.
CORE = {
    "certified_removal",
    "distance_from_decrement",
    "gsc_remainder",
    "gsc_constants",
    "distance_remainder",
    "delta_from_epsilon",
    "edited",
    "composite_distance",
}
#: Classical real numbers, as Coq's library has them.
AXIOMS = {
    "ClassicalDedekindReals.sig_forall_dec",
    "ClassicalDedekindReals.sig_not_dec",
    "Classical_Prop.classic",
    "FunctionalExtensionality.functional_extensionality_dep",
}
#: Theorems that also compute with machine integers and floats, by the interval tactic.
COMPUTED = {"series_above_phi"}
MACHINE = ("PrimInt63.", "Uint63.", "PrimFloat.", "FloatAxioms.")


def modules(*names):
    """Import scripts of proofs/formal, which is no package."""
    sys.path.insert(0, str(FORMAL))
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(FORMAL))


bridge, false = modules("bridge", "false")


def uncommented(text):
    while (shorter := re.sub(r"\(\*(?:(?!\(\*|\*\)).)*\*\)", " ", text, flags=re.S)) != text:
        text = shorter
    return text


# What pages and files say


def test_pages_name_theorems_that_exist():
    assert len(COVERED) >= 12 and CORE <= set(COVERED)
    for page in COVERED:
        assert f"proofs/{page}.md" not in NAMED[page]
        for file, name in NAMED[page]:
            text = uncommented((FORMAL / file).read_text())
            assert re.search(rf"^ *(?:Theorem|Lemma|Definition) {name}\b", text, re.M), (page, name)


def test_the_table_is_the_pages():
    table, page = {}, None
    for line in (FORMAL / "README.md").read_text().splitlines():
        if line.startswith("|") and "::" in line:
            first = re.match(r"\| \[(\w+)\]\(\.\./\1\.md\)", line)
            page = first[1] if first else page
            table.setdefault(page, []).extend(re.findall(r"`([\w.]+)::(\w+)`", line))
    assert table == {page: NAMED[page] for page in COVERED}
    scripts = {path.stem for path in (FORMAL / "gappa").glob("*.g")}
    said = (FORMAL / "README.md").read_text().split("## Gappa")[1].split("## False")[0]
    assert scripts == set(bridge.SCRIPTS)
    assert all(re.search(rf"\b{name}\b", said) for name in scripts)


def assumptions(text):
    """Return what a Coq file takes for granted outside of sections, and unfinished proofs."""
    found, depth = [], 0
    for sentence in re.split(r"\.\s", uncommented(text)):
        words = sentence.replace("#[local]", "").split()
        if not words:
            continue
        if words[0] == "Section":
            depth += 1
        elif words[0] == "End":
            depth -= 1
        elif words[0] in ("Axiom", "Axioms", "Parameter", "Parameters", "Conjecture", "Admitted"):
            found.append(sentence)
        elif words[0] in ("Hypothesis", "Variable", "Variables", "Context", "Hypotheses"):
            found += [sentence] * (depth == 0)
        found += [sentence] * bool({"admit", "admit.", "Admitted", "Unset"} & set(words))
    return found


def test_no_file_assumes_what_it_should_prove():
    files = sorted(FORMAL.glob("*.v"))
    assert len(files) > 20
    for path in files:
        assert assumptions(path.read_text()) == [], path
    assert assumptions("Axiom a : False. Section S. Variable b : R. End S. ") == ["Axiom a : False"]
    assert assumptions("Hypothesis c : False. ") and assumptions("Proof. admit. Qed. ")


# Bridge from code to proof


def test_the_committed_formulas_are_those_of_the_code():
    assert (FORMAL / "Code.v").read_text() == bridge.coq(), "run python proofs/formal/bridge.py"
    for name, text in bridge.gappa().items():
        assert (FORMAL / "gappa" / f"{name}.g").read_text() == text, name


#: Wrong constants: what the package says, what it must not, which proof fails.
PLANTED = (
    ("t**5 / 700", "t**5 / 800", "gsc_remainder.vo"),
    ("up(half * r_H)", "up(r_H)", "distance_remainder.vo"),
    ("kappa: float = 0.25", "kappa: float = 0.2", "gsc_constants.vo"),
    ("2.0 * self.now.gram.error", "0.5 * self.now.gram.error", "edited.vo"),
    ("mu * mu <= 2 * epsilon", "mu * mu <= 4 * epsilon", "delta_from_epsilon.vo"),
    ("0.999 * delta", "0.9995 * delta", "calibrate.vo"),
    ("= 0.9, 0.1", "= 0.9, 0.2", "calibrate.vo"),
    ("+ largest * x, 32)", "+ largest * x, 4)", "gappa/joint_drift.checked"),
)


def planted(tmp_path, true, wrong):
    """Return a copy of the package with a wrong constant in it."""
    package = tmp_path / "package"
    shutil.copytree(
        ROOT / "certunlearn", package, ignore=lambda _, names: {n for n in names if "__py" in n}
    )
    at = [path for path in package.rglob("*.py") if true in path.read_text()]
    assert len(at) == 1, true
    at[0].write_text(at[0].read_text().replace(true, wrong))
    return package


@pytest.mark.parametrize("true, wrong, target", PLANTED)
def test_a_wrong_constant_changes_the_formulas(tmp_path, true, wrong, target):
    package = planted(tmp_path, true, wrong)
    if target.endswith(".vo"):
        assert bridge.coq(package) != (FORMAL / "Code.v").read_text()
    else:
        script = FORMAL / target.replace(".checked", ".g")
        assert bridge.gappa(package)[script.stem] != script.read_text()


def test_the_guard_is_what_the_proofs_take_it_for():
    guard, unit = Fraction(bounds._GUARD), Fraction(_rounding.UNIT_ROUNDOFF)
    assert guard >= (1 + Fraction(1, 10**13)) * (1 - unit)
    assert Fraction(1, 2**53) == unit


@pytest.mark.parametrize(
    "line", ["x = list(t)", "while t: t = 1", "t, x = 1, t", "return f'{t}'", "t += 'a'"]
)
def test_what_the_bridge_cannot_read_it_refuses(line):
    source = f"def gsc_remainder(t):\n    {line}\n    return t\n"
    with pytest.raises(bridge.Unreadable):
        bridge.Translation(source).definition("gsc_remainder")


# Coq and Gappa

SHORT = (
    "coqc, gappa and make are needed: apt-get install coq libcoq-coquelicot libcoq-interval gappa"
)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """The proofs, copied and made from nothing, once for all test processes."""
    if not all(map(shutil.which, ("coqc", "gappa", "make"))):
        pytest.fail(SHORT) if os.environ.get("CI") else pytest.skip(SHORT)
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, done = base / "formal", base / "formal.done"
    with (base / "formal.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.copytree(
                FORMAL, folder, ignore=shutil.ignore_patterns("*.vo*", ".*", "*.glob", "*.checked")
            )
            run = subprocess.run(
                ["make", "-s", "-j2", "-C", str(folder)], capture_output=True, text=True
            )
            done.write_text(run.stdout + run.stderr if run.returncode else "")
    assert done.read_text() == ""
    return folder


@pytest.mark.long
def test_every_theorem_rests_on_classical_reals_alone(compiled, tmp_path):
    names = sorted({item for page in COVERED for item in NAMED[page]})
    modules = sorted({file.removesuffix(".v") for file, _ in names})
    lines = [f"Require Formal.{name}." for name in modules]
    # Asked of all at once: every question would go through the whole library again.
    for which in (False, True):
        terms = [
            f"@Formal.{file.removesuffix('.v')}.{name}"
            for file, name in names
            if (name in COMPUTED) == which
        ]
        lines += [
            f"Definition all_{which} := ({', '.join(terms)}, 0).",
            f"Print Assumptions all_{which}.",
        ]
    (tmp_path / "Assumptions.v").write_text("\n".join(lines))
    command = ["coqc", "-w", "-all", "-Q", ".", "Formal", str(tmp_path / "Assumptions.v")]
    run = subprocess.run(command, cwd=compiled, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    answers = run.stdout.split("Axioms:\n")[1:]
    found = [set(re.findall(r"^([^\s:]+)", answer, re.M)) for answer in answers]
    print(f"{len(names) - len(COMPUTED)} theorems rest on {sorted(found[0])}")
    assert found[0] <= AXIOMS
    assert {a for a in found[1] if not a.startswith(MACHINE)} <= AXIOMS


@pytest.mark.long
@pytest.mark.parametrize("page", COVERED)
def test_false_variants_do_not_check(compiled, page):
    assert len(false.VARIANTS[page]) == 3
    for file, true, wrong in false.VARIANTS[page]:
        assert file in {f for f, _ in NAMED[page]} | {f"gappa/{s}.g" for s in bridge.SCRIPTS}
        assert false.refused(compiled, file, true, wrong), (file, wrong)


@pytest.mark.long
@pytest.mark.parametrize("true, wrong, target", PLANTED)
def test_a_wrong_constant_in_the_code_fails_the_proof(compiled, tmp_path, true, wrong, target):
    package, folder = planted(tmp_path, true, wrong), tmp_path / "formal"
    shutil.copytree(compiled, folder)
    code = (folder / "Code.v").read_text()
    (folder / "Code.v").write_text(bridge.coq(package))
    for name, text in bridge.gappa(package).items():
        path = folder / "gappa" / f"{name}.g"
        if path.read_text() != text:
            path.write_text(text)
    if target.endswith(".vo"):
        assert (folder / "Code.v").read_text() != code
    run = subprocess.run(
        ["make", "-C", str(folder), target], capture_output=True, text=True, timeout=300
    )
    assert run.returncode
    assert target.removesuffix("o") in run.stdout + run.stderr
    assert not any(words in run.stderr for words in false.BESIDE), run.stderr


# Ball arithmetic

POINTS = 100_000
FEW = 300


class Exact:
    """A function of the package with `math` and rounding replaced by exact ball arithmetic."""

    def __init__(self, *names):
        self.flint = pytest.importorskip("flint")
        self.flint.ctx.prec = 160
        find = bridge.located(bridge.PACKAGE)
        tree = ast.parse("\n".join(dict.fromkeys(map(find, names))).replace("from __future__", "#"))
        tree.body = [
            n
            for n in tree.body
            if getattr(n, "name", None) in names
            or isinstance(n, ast.Assign)
            and isinstance(n.value, ast.Constant | ast.BinOp)
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.returns = None
                for arg in node.args.args:
                    arg.annotation = None
        arb = self.flint.arb
        self.space = {
            "math": types.SimpleNamespace(
                inf=math.inf,
                pi=arb.pi(),
                isfinite=lambda x: not (isinstance(x, float) and math.isinf(x)),
                isinf=lambda x: isinstance(x, float) and math.isinf(x),
                **{f: self._of(f) for f in ("exp", "expm1", "log", "log1p", "sqrt")},
            ),
            "sys": sys,
            "UNIT_ROUNDOFF": _rounding.UNIT_ROUNDOFF,
            "up": lambda x, ulps=4: x,
            "erfcx": lambda x: (x * x).exp() * x.erfc(),
            "ndtr": lambda x: (-x / arb(2).sqrt()).erfc() / 2,
            "float": lambda x: math.inf if x == "inf" else x,
        }
        exec(compile(ast.fix_missing_locations(tree), "exact", "exec"), self.space)

    def _of(self, name):
        arb = self.flint.arb
        return lambda x: getattr(arb(x), name)()

    def __call__(self, name, *args):
        return self.space[name](*(self.flint.arb(a) for a in args))


def above(code, exact, slack):
    """Whether a float is at least an exact value, and at most a factor 1 + slack above it."""
    return code >= exact and code <= exact * (1 + slack)


def close(code, exact, slack):
    """Whether a float is an exact value up to a factor 1 + slack, either way."""
    return abs(code - exact) <= exact * slack


def logarithmic(rng, low, high):
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def check_gsc_remainder(rng, count):
    exact = Exact("gsc_remainder")
    arb = exact.flint.arb
    for _ in range(count):
        t = logarithmic(rng, 1e-12, 690.0)
        code, x = bounds.gsc_remainder(t), arb(t)
        assert above(code, (x.exp() - 1 - x) / x, 1e-12), t
        assert close(code, exact("gsc_remainder", t), 1e-13), t


def check_distance_from_decrement(rng, count):
    exact = Exact("distance_from_decrement")
    arb = exact.flint.arb
    for _ in range(count):
        L, product = logarithmic(rng, 1e-6, 1e6), logarithmic(rng, 1e-14, 0.999)
        nu = product / L
        code = bounds.distance_from_decrement(nu, L)
        t = -(1 - arb(nu) * arb(L)).log()
        assert above(code[0], t / arb(L), 1e-9) and above(code[1], t, 1e-9), (nu, L)
        for value, formula in zip(code, exact("distance_from_decrement", nu, L), strict=True):
            assert close(value, formula, 1e-12), (nu, L)


def check_distance_remainder(rng, count):
    names = ("gsc_remainder", "distance_from_decrement", "distance_remainder")
    exact = Exact(*names)
    for _ in range(count):
        nu, L, T = (logarithmic(rng, low, high) for low, high in ((1e-9, 1), (1e-3, 1), (1e-9, 1)))
        code = bounds.distance_remainder(nu, L, T)
        formula = exact("distance_remainder", nu, L, T)
        if math.isinf(code[1]) or isinstance(formula[1], float):
            assert math.isinf(code[1])
            continue
        for value, truth in zip(code, formula, strict=True):
            assert close(value, truth, 1e-12), (nu, L, T)


def check_covariance_drift(rng, count):
    exact = Exact("covariance_drift", "joint_drift")
    for _ in range(count):
        eta, x = logarithmic(rng, 1e-12, 0.249), logarithmic(rng, 0.7, 1e4)
        N = float(rng.randint(1, 10**6))
        code = bounds.covariance_drift(eta, N, x)
        assert above(code, exact("covariance_drift", eta, N, x), 1e-13), (eta, N, x)


def check_delta_from_epsilon(rng, count):
    exact = Exact("delta_from_epsilon")
    flint = exact.flint
    flint.ctx.prec = 400
    arb = flint.arb
    for _ in range(count):
        epsilon, mu = logarithmic(rng, 1e-3, 60.0), logarithmic(rng, 1e-3, 20.0)
        code, e, m = tradeoff.delta_from_epsilon(epsilon, mu), arb(epsilon), arb(mu)
        root2 = arb(2).sqrt()
        x1, x2 = (e / m - m / 2) / root2, (e / m + m / 2) / root2
        truth = x1.erfc() / 2 - e.exp() * x2.erfc() / 2
        assert code >= truth, (epsilon, mu)
        if truth > 1e-300:
            formula = exact("delta_from_epsilon", epsilon, mu)
            assert abs(arb(code) / formula - 1) < 1e-3 and formula >= truth, (epsilon, mu)


def check_gamma(rng, count):
    arb = Exact().flint.arb
    for _ in range(count):
        n = int(logarithmic(rng, 1, 1e15))
        nu = arb(n) * arb(_rounding.UNIT_ROUNDOFF)
        assert above(_rounding.gamma(n), nu / (1 - nu), 1e-15), n


def check_curvatures(rng, count):
    """Curvatures as computed are within kappa, and right to `ulps` units, as the page says."""
    arb = Exact().flint.arb

    def sigmoid(x):
        return 1 / (1 + (-x).exp())

    b = 0.75
    cases = (
        (pointwise.Logistic(), 1.0, lambda z: sigmoid(z) * sigmoid(-z)),
        (pointwise.PseudoHuber(b), 0.0, lambda z: 1 / (1 + (z / b) ** 2).sqrt() ** 3),
        (pointwise.LogCosh(), 0.0, lambda z: 4 / (z.exp() + (-z).exp()) ** 2),
        (
            pointwise.SoftplusHinge(b),
            1.0,
            lambda z: sigmoid((1 - z) / b) * sigmoid((z - 1) / b) / b,
        ),
        (pointwise.Poisson(), 1.0, lambda z: z.exp()),
    )
    for _ in range(count // len(cases)):
        z = rng.uniform(-300.0, 300.0)
        for loss, t, truth in cases:
            code, exact = arb(float(loss.curvature(z, t))), truth(arb(z))
            unit = arb(loss.ulps) * _rounding.UNIT_ROUNDOFF
            assert abs(code - exact) <= exact * unit, (loss, z)
            assert code <= arb(loss.kappa) * (1 + unit) or not loss.bounded, (loss, z)


CHECKS = [
    check_gsc_remainder,
    check_distance_from_decrement,
    check_distance_remainder,
    check_covariance_drift,
    check_delta_from_epsilon,
    check_gamma,
    check_curvatures,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_ball_arithmetic_agrees(check):
    check(random.Random(0), FEW)


@pytest.mark.long
@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_ball_arithmetic_agrees_at_many_points(check):
    check(random.Random(1), POINTS)
