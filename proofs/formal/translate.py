"""Python expressions and functions, read with `ast`, as Coq writes them."""

from __future__ import annotations

import ast
import functools
from fractions import Fraction

#: Functions of numbers that other formulas call.
PURE = {
    "sigmoid": "R",
    "_softplus": "R",
    "_bell": "R",
    "soft": "R",
    "joint_drift": "R",
    "drift_shares": "R * R",
}
#: Functions that may return infinity: an option.
PARTIAL = {
    "gamma": "R",
    "gsc_remainder": "R",
    "distance_from_decrement": "R * R",
    "distance_remainder": "R * R",
    "distance_measured": "R * R",
    "covariance_drift": "R",
}
#: Arguments that are tuples.
TUPLES = {
    "distance_remainder:spread": "R * R * R",
    "distance_measured:spread": "R * R * R",
}
#: Fields that a caller chooses.
FIELDS = ("threshold", "temperature", "epsilon", "delta")
#: Calls whose value is taken as it is.
UNKNOWN = ("geometry.gram_norm", "budget.share")
#: Variables that are true or false.
FLAGS = ("drifts",)
CALLS = {
    "exp": "exp {0}",
    "expm1": "exp {0} - 1",
    "log": "ln {0}",
    "log1p": "ln (1 + {0})",
    "sqrt": "sqrt {0}",
    "tanh": "tanh {0}",
    "abs": "Rabs {0}",
    "min": "Rmin {0} {1}",
    "max": "Rmax {0} {1}",
    "minimum": "Rmin {0} {1}",
    "maximum": "Rmax {0} {1}",
    "sign": "sign {0}",
    "hypot": "sqrt ({0} ^ 2 + {1} ^ 2)",
    "logaddexp": "ln (exp {0} + exp {1})",
    "erfcx": "erfcx {0}",
    "ndtr": "Phi {0}",
    "ones_like": "1",
}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Unreadable(ValueError):
    """The source has something that the translation does not know."""


def rational(value: float | int) -> str:
    """Write a literal as the fraction of its decimal digits."""
    exact = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    if exact.denominator == 1:
        return str(exact.numerator)
    if exact.denominator < 10**20:
        return f"({exact.numerator} / {exact.denominator})"
    digits = repr(value)
    mantissa, exponent = digits.split("e-")
    return f"({mantissa} / 10 ^ {exponent})"


def flattened(e: ast.expr) -> str:
    """Name of an attribute of an attribute: ``self.now.gram.error`` is now_gram_error."""
    return ast.unparse(e).removeprefix("self.").replace(".", "_")


def inputs(e: ast.expr) -> list[str]:
    """Return the variables and attributes that an expression is made of."""
    match e:
        case ast.Call(func=ast.Attribute(), args=args):
            kept = [flattened(e.func)] if ast.unparse(e.func) in UNKNOWN else []
            return kept or [n for a in args for n in inputs(a)]
        case ast.Attribute(value=ast.Name(id="math")):
            return []
        case ast.Attribute():
            return [flattened(e)]
        case ast.Name(id=name):
            return [name]
        case ast.Call(args=args):
            return [n for a in args for n in inputs(a)]
    return [n for child in ast.iter_child_nodes(e) for n in inputs(child)]


@functools.cache
def parsed(source: str) -> ast.Module:
    """Parse a module, once."""
    return ast.parse(source)


class Translation:
    """One module: its constants, functions and classes."""

    def __init__(self, source: str) -> None:
        self.tree = parsed(source)
        self.constants: dict[str, ast.expr] = {}
        for node in self.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.constants[name] = value
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    pairs = zip(names, values, strict=True)
                    self.constants |= {ast.unparse(n): v for n, v in pairs}
        self.owner: ast.ClassDef | None = None
        self.locals: set[str] = set()
        self.binds: list[tuple[str, str]] = []

    def node(self, name: str, body: list[ast.stmt] | None = None) -> ast.stmt:
        """Find a definition or an annotated constant."""
        for node in self.tree.body if body is None else body:
            if getattr(node, "name", None) == name:
                return node
            target = getattr(node, "target", None)
            if isinstance(node, ast.AnnAssign) and getattr(target, "id", None) == name:
                return node
        raise KeyError(name)

    # Expressions

    def expression(self, e: ast.expr) -> str:
        match e:
            case ast.Constant(value=bool()) | ast.Constant(value=str()):
                raise Unreadable(ast.unparse(e))
            case ast.Constant(value=int() | float() as value):
                return rational(value)
            case ast.Name(id=name) if name in self.locals:
                return name
            case ast.Name(id=name) if name in self.constants:
                return self.expression(self.constants[name])
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in FIELDS:
                return name
            case ast.Attribute() if ast.unparse(e) == "sys.float_info.epsilon":
                return "(/ 2 ^ 52)"
            case ast.Attribute() if ast.unparse(e) == "math.pi":
                return "PI"
            case ast.Attribute() if flattened(e) in self.locals:
                return flattened(e)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return f"(- {self.expression(inner)})"
            case ast.BinOp(left=base, op=ast.Pow(), right=power):
                return self.power(base, power)
            case ast.BinOp(left=a, op=op, right=b) if type(op) in OPERATORS:
                return f"({self.expression(a)} {OPERATORS[type(op)]} {self.expression(b)})"
            case ast.IfExp(test=test, body=yes, orelse=no):
                return f"({self.choice(test, self.expression(yes), self.expression(no))})"
            case ast.Call():
                return self.call(e)
        raise Unreadable(ast.unparse(e))

    def power(self, base: ast.expr, power: ast.expr) -> str:
        value = ast.literal_eval(power)
        if value != int(value):
            raise Unreadable(ast.unparse(power))
        text = f"{self.expression(base)} ^ {abs(int(value))}"
        return f"({text})" if value >= 0 else f"(/ ({text}))"

    def call(self, e: ast.Call) -> str:
        name = e.func.attr if isinstance(e.func, ast.Attribute) else getattr(e.func, "id", "")
        if name == "float":
            return self.expression(e.args[0])
        if name == "where":
            test, yes, no = e.args
            return f"({self.choice(test, self.expression(yes), self.expression(no))})"
        if ast.unparse(e.func) in UNKNOWN:
            return flattened(e.func)
        args = [self.expression(a) for a in e.args]
        if isinstance(e.func, ast.Attribute) and ast.unparse(e.func.value) == "self":
            return f"({self.owner.name}_{name.strip('_')} {' '.join(self.fields(name) + args)})"
        if name in ("up", "down"):
            return f"({name} o {args[0]} {args[1] if len(args) > 1 else 4})"
        if name == "min" and len(args) == 3:
            return f"(Rmin (Rmin {args[0]} {args[1]}) {args[2]})"
        if name in CALLS:
            return f"({CALLS[name].format(*args)})"
        if name in PURE:
            return f"({name.strip('_')} {' '.join(args)})"
        if name in PARTIAL:
            self.binds.append((f"v{len(self.binds)}", f"{name} {' '.join(args)}"))
            return self.binds[-1][0]
        raise Unreadable(ast.unparse(e))

    def choice(self, test: ast.expr, yes: str, no: str) -> str:
        """Write ``if test then yes else no``."""
        match test:
            case ast.Name(id=name) if name in FLAGS:
                return f"if {name} then {yes} else {no}"
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return self.choice(inner, no, yes)
            case ast.BoolOp(op=ast.And(), values=values):
                for value in reversed(values):
                    yes = self.choice(value, yes, no)
                return yes
            case ast.Compare(left=a, ops=[op], comparators=[b]):
                x, y = self.expression(a), self.expression(b)
                decide = {
                    ast.Lt: f"Rlt_dec {x} {y}",
                    ast.Gt: f"Rlt_dec {y} {x}",
                    ast.LtE: f"Rle_dec {x} {y}",
                    ast.GtE: f"Rle_dec {y} {x}",
                    ast.Eq: f"Req_EM_T {x} {y}",
                    ast.NotEq: f"Req_EM_T {x} {y}",
                }[type(op)]
                if isinstance(op, ast.NotEq):
                    yes, no = no, yes
                return f"if {decide} then {yes} else {no}"
            case ast.Call(func=ast.Attribute(attr="isfinite"), args=[x]):
                return f"if finite {self.expression(x)} then {yes} else {no}"
            case ast.Call(func=ast.Attribute(attr="isinf"), args=[x]):
                return f"if finite {self.expression(x)} then {no} else {yes}"
        raise Unreadable(ast.unparse(test))

    # Statements

    def asked(self) -> list[tuple[str, str]]:
        """Calls of partial functions in what was translated last."""
        calls, self.binds = self.binds, []
        return calls

    def bound(self, text: str, calls: list[tuple[str, str]]) -> str:
        """Put calls of partial functions in front of what uses their values."""
        for name, call in reversed(calls):
            text = f"bind ({call}) (fun {name} =>\n  {text})"
        return text

    def statements(self, body: list[ast.stmt], end: str | None, partial: bool) -> str:
        """Write statements; ``end`` is what follows the last, None after a return."""
        if not body:
            if end is None:
                raise Unreadable("a path without a return")
            return end
        first, rest = body[0], body[1:]

        def later() -> str:
            return self.statements(rest, end, partial)

        match first:
            case ast.Expr(value=ast.Constant()) | ast.Raise():
                return later()
            case ast.If(body=[ast.Raise()], orelse=[]):
                return later()
            case ast.Return(value=value):
                return self.returned(value, partial)
            case ast.AnnAssign(target=target, value=value):
                assigned = ast.Assign(targets=[target], value=value)
                return self.statements([assigned, *rest], end, partial)
            case ast.AugAssign(target=target, op=op, value=value):
                value = ast.BinOp(left=target, op=op, right=value)
                return self.statements(
                    [ast.Assign(targets=[target], value=value), *rest], end, partial
                )
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                given = {n.id for v in values for n in ast.walk(v) if isinstance(n, ast.Name)}
                if given & {n.id for n in names[:-1]}:
                    raise Unreadable(ast.unparse(first))
                pairs = zip(names, values, strict=True)
                parts = [ast.Assign(targets=[n], value=v) for n, v in pairs if n.id != "xp"]
                return self.statements([*parts, *rest], end, partial)
            case ast.Assign(targets=[ast.Name(id="xp")]):
                return later()
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                text, calls = self.expression(value), self.asked()
                self.locals.add(name)
                return self.bound(f"let {name} := {text} in\n  {later()}", calls)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                names = [n.id for n in names]
                text, calls = self.expression(value), self.asked()
                self.locals.update(names)
                return self.bound(f"let '({', '.join(names)}) := {text} in\n  {later()}", calls)
            case ast.If(test=test, body=[ast.Return(value=value)], orelse=[]):
                return self.choice(test, self.returned(value, partial), later())
            case ast.If(test=test, body=inner, orelse=[]) if isinstance(inner[-1], ast.Return):
                return self.choice(test, self.statements(inner, None, partial), later())
            case ast.If(test=test, body=inner, orelse=[]):
                return self.conditional(test, inner, later, partial)
        raise Unreadable(ast.unparse(first))

    def conditional(self, test, inner, later, partial):
        """An if that assigns: the variables it changes are carried on."""
        names = []
        for s in inner:
            target = s.target if isinstance(s, ast.AugAssign) else s.targets[0]
            names += [target.id] if target.id not in names else []
        carried = f"({', '.join(names)})" if len(names) > 1 else names[0]
        pattern = f"'{carried}" if len(names) > 1 else carried
        if not partial:
            changed = self.statements(inner, carried, partial)
            return f"let {pattern} := {self.choice(test, changed, carried)} in\n  {later()}"
        changed = self.statements(inner, f"Some {carried}", partial)
        chosen = self.choice(test, changed, f"Some {carried}")
        return f"bind ({chosen}) (fun {pattern} =>\n  {later()})"

    def returned(self, value: ast.expr, partial: bool) -> str:
        parts = value.elts if isinstance(value, ast.Tuple) else [value]
        if any(ast.unparse(p) in ("math.inf", "float('inf')") for p in parts):
            if not partial:
                raise Unreadable("infinity from a function that is not partial")
            return "None"
        text = ", ".join(self.expression(p) for p in parts)
        text = f"({text})" if len(parts) > 1 else text
        return self.bound(f"Some {text}" if partial else text, self.asked())

    # Definitions

    def fields(self, name: str) -> list[str]:
        """Fields that a method of the present class reads, itself or through others."""
        text = ast.unparse(self.node(name, self.owner.body))
        found = [f for f in FIELDS if f"self.{f}" in text]
        for other in self.owner.body:
            if isinstance(other, ast.FunctionDef) and f"self.{other.name}" in text:
                found += [f for f in self.fields(other.name) if f not in found]
        return found

    def given(self, node: ast.stmt, wanted: str) -> ast.expr:
        """Return the last value of a variable, or what is returned."""
        found = []
        for s in ast.walk(node):
            match s:
                case ast.Return(value=value) if wanted == "return":
                    found.append((s.lineno, value))
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    pairs = zip(names, values, strict=True)
                    found += [(s.lineno, v) for n, v in pairs if ast.unparse(n) == wanted]
                case ast.Assign(targets=[target], value=value) if ast.unparse(target) == wanted:
                    found.append((s.lineno, value))
                case ast.NamedExpr(target=target, value=value) if target.id == wanted:
                    found.append((s.lineno, value))
        if not found:
            raise Unreadable(f"{wanted} is given no value any more")
        return max(found, key=lambda pair: pair[0])[1]

    def variable(self, name: str) -> str:
        """Write the definition of a value inside a function, in terms of what it is made of."""
        place, _, wanted = name.partition(":")
        wanted, _, argument = wanted.partition(".")
        owner, _, part = place.rpartition(".")
        self.owner = self.node(owner) if owner else None
        node = self.node(part, self.owner.body if owner else None)
        given = self.given(node, wanted)
        if isinstance(given, ast.Tuple):
            given = given.elts[int(argument)]
        elif argument:
            while not isinstance(given, ast.Call) or not given.keywords and len(given.args) == 1:
                given = given.args[0]
            given = given.args[int(argument)]
        free = sorted({n for n in inputs(given) if n not in self.constants})
        self.locals, self.binds = set(free), []
        typed = "".join(f" ({n} : {'bool' if n in FLAGS else 'R'})" for n in free)
        title = f"{owner + '_' if owner else ''}{part.strip('_')}_{wanted}"
        return f"Definition {title}{typed} : R :=\n  {self.expression(given)}."

    def definition(self, name: str) -> str:
        """Write the Coq definition of a function, or of a class's method or constant."""
        if ":" in name:
            return self.variable(name)
        owner, _, part = name.rpartition(".")
        self.owner = self.node(owner) if owner else None
        node = self.node(part, self.owner.body if owner else None)
        title = f"{owner}_{part.strip('_')}" if owner else name.strip("_")
        if isinstance(node, ast.AnnAssign):
            return f"Definition {title} : R := {self.expression(node.value)}."
        arguments = [a.arg for a in node.args.args if a.arg != "self"]
        fields = self.fields(part) if owner else []
        self.locals, self.binds = {*arguments, *fields}, []
        typed = "".join(
            f" ({a} : {TUPLES.get(name + ':' + a, 'R')})" for a in [*fields, *arguments]
        )
        kind = f"option ({PARTIAL[name]})" if name in PARTIAL else PURE.get(name, "R")
        body = self.statements(node.body, None, name in PARTIAL)
        return f"Definition {title}{typed} : {kind} :=\n  {body}."
