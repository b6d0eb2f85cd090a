"""Expressions that the code rounds up, as scripts for Gappa in double precision."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from translate import OPERATORS, Translation, Unreadable


@dataclass(frozen=True)
class Script:
    """One rounded-up expression in double precision.

    Attributes
    ----------
    function : str
        Where it stands.
    call : int
        Which of the function's calls of ``up``, in the order of the source.
    ranges : str
        Of the inputs, in Gappa's words.
    lets : tuple of str
        Local variables that it is made of, computed with rounding as well.
    wrong : dict
        Inputs that are themselves right only to so many units: what libm and scipy return.
    """

    function: str
    call: int
    ranges: str
    lets: tuple[str, ...] = ()
    wrong: dict[str, int] = field(default_factory=dict)


WIDE = "[1b-400, 1b400]"
SCRIPTS = {
    "gamma": Script("gamma", 0, "nu in [1b-53, 0.5]"),
    "gsc_remainder": Script(
        "gsc_remainder",
        0,
        "t in [1b-200, 0.01] /\\ e_t3 in [1b-601, 1e-6] /\\ e_t4 in [1b-801, 1e-8]"
        " /\\ e_t5 in [1b-1001, 1e-10]",
        wrong={"t3": 2, "t4": 2, "t5": 2},
    ),
    "decrement_product": Script("distance_from_decrement", 0, f"nu in {WIDE} /\\ L in {WIDE}"),
    "decrement_small": Script(
        "distance_from_decrement",
        1,
        f"nu in {WIDE} /\\ product in [1b-900, 1e-8]",
        lets=("grown",),
    ),
    "decrement_range": Script(
        "distance_from_decrement",
        2,
        "product in [1b-900, 1e-8]",
        lets=("grown",),
    ),
    "decrement_quotient": Script("distance_from_decrement", 3, f"t in {WIDE} /\\ L in {WIDE}"),
    "remainder_decrement": Script("distance_remainder", 0, f"nu in {WIDE} /\\ half in [1, 1b80]"),
    "remainder_distance": Script("distance_remainder", 2, f"half in [1, 1b80] /\\ r_H in {WIDE}"),
    "remainder_left": Script(
        "distance_remainder",
        3,
        f"stale in [1b-400, 1b200] /\\ remainder in [1b-400, 1b200] /\\ r in {WIDE}",
    ),
    "measured_after": Script("distance_measured", 0, f"c in {WIDE} /\\ q in {WIDE}"),
    "measured_here": Script("distance_measured", 1, f"step in {WIDE} /\\ after in {WIDE}"),
    "drift_e": Script("covariance_drift", 0, "eta in [1b-400, 0.25]"),
    "drift_f": Script("covariance_drift", 1, "e in [1b-400, 0.34]"),
    "drift_spread": Script("covariance_drift", 2, "dimension in [1, 1b60] /\\ f in [1b-300, 0.6]"),
    "joint_drift": Script(
        "joint_drift",
        0,
        "spread in [1b-300, 1b60] /\\ largest in [1b-300, 1] /\\ x in [0.5, 1b20]",
    ),
    "power_level": Script(
        "Promise._from_epsilon",
        0,
        "e_exp_epsilon in [1, 1b1011] /\\ a in [1b-300, 1] /\\ delta in [1b-300, 1]",
        wrong={"exp_epsilon": 2},
    ),
}


class Gappa(Translation):
    """Expressions as Gappa has them: exact, or every operation rounded."""

    def ups(self, body: ast.AST) -> list[ast.Call]:
        """Return the calls of up, in the order of the source, outermost first."""
        return sorted(
            (
                n
                for n in ast.walk(body)
                if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "up"
            ),
            key=lambda n: (n.lineno, n.col_offset),
        )

    def term(self, e: ast.expr, exact: bool, names: dict[str, None]) -> str:
        match e:
            case ast.Constant(value=value):
                whole = value == int(value)
                return str(int(value)) if whole else float(value).hex()
            case ast.Name(id=name):
                return self.named(name, exact, names)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self.named(name, exact, names)
            case ast.BinOp(left=ast.Name(id=name), op=ast.Pow(), right=ast.Constant(value=power)):
                return self.named(f"{name}{power}", exact, names)
            case ast.BinOp(left=a, op=op, right=b) if type(op) in OPERATORS:
                x, y = self.term(a, exact, names), self.term(b, exact, names)
                return f"({x} {OPERATORS[type(op)]} {y})"
            case ast.Call(func=ast.Attribute(attr="sqrt"), args=[x]):
                return f"sqrt({self.term(x, exact, names)})"
            case ast.Call(func=ast.Attribute(attr="exp"), args=[x]):
                name = "exp_" + ast.unparse(x).replace("self.", "")
                return self.named(name, exact, names)
            case ast.Call(func=ast.Name(id="gsc_remainder")):
                return self.named("remainder", exact, names)
        raise Unreadable(ast.unparse(e))

    def named(self, name: str, exact: bool, names: dict[str, None]) -> str:
        names.setdefault(name, None)
        return f"e_{name}" if exact and name in self.inexact else name

    def script(self, wanted: Script) -> str:
        owner, _, part = wanted.function.rpartition(".")
        node = self.node(part, self.node(owner).body if owner else None)
        call = self.ups(node)[wanted.call]
        # up(x, k) pays for k - 3/2 units (rounding.v, up_covers).
        units = 2 * (call.args[1].value if len(call.args) > 1 else 4) - 3
        self.inexact = {*wanted.lets, *wanted.wrong}
        names: dict[str, None] = {}
        lines = []
        for let in wanted.lets:
            value = next(
                s.value
                for s in ast.walk(node)
                if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) == let
            )
            lines.append(f"{let} d= {self.term(value, False, names)};")
            lines.append(f"e_{let} = {self.term(value, True, names)};")
        lines.append(f"result d= {self.term(call.args[0], False, names)};")
        lines.append(f"e_result = {self.term(call.args[0], True, names)};")
        inputs = [n for n in names if n not in wanted.lets]
        head = [f"# {wanted.function}: up({ast.unparse(call.args[0])})"]
        head += ["# written by bridge.py: do not edit", "@d = float<ieee_64, ne>;"]
        for name in inputs:
            head.append(f"{name} = d({name}_);")
        given = [wanted.ranges]
        given += [f"{n} -/ e_{n} in [-{k}b-53, {k}b-53]" for n, k in wanted.wrong.items()]
        goal = f"result -/ e_result in [-{units}b-54, {units}b-54]"
        lines.append("{ " + " /\\ ".join(given) + f"\n  -> {goal} }}")
        return "\n".join([*head, *lines]) + "\n"
