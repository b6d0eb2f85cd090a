"""How a page is set: its parts, and the two setters.  All text is escaped here, and only here."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from .style import STYLE


@dataclass(frozen=True)
class Text:
    """A paragraph, or a piece of code."""

    text: str
    code: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Pairs of a label and what it stands for; ``wide`` labels want a line of their own."""

    pairs: tuple[tuple[str, str], ...]
    wide: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell of each says what the row is about.

    ``words`` says that cells hold sentences rather than figures.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: bool = False


@dataclass(frozen=True)
class Curve:
    """Largest true positive rate as a function of the false positive rate, and its advantage."""

    rate: Callable[[float], float]
    advantage: float


@dataclass(frozen=True)
class Drawing:
    """A picture that this package has drawn, as SVG, and what it shows.

    Only ``said`` is escaped: never what came from outside.
    """

    svg: str
    said: str


Block = Text | Items | Facts | Table | Curve | Drawing


@dataclass(frozen=True)
class Part:
    """A section; ``tone`` is "holds", "not" or nothing."""

    heading: str
    blocks: list[Block]
    tone: str = ""


@dataclass(frozen=True)
class Page:
    """A page: heading, verdict, answers, what to know before all else, and its parts."""

    title: str
    verdict: str
    answers: Facts
    parts: list[Part]
    caveat: Part
    warning: str | None = None
    void: bool = False


def upwards(x: float, digits: int = 6) -> str:
    """Write a number that is at least ``x`` with so many digits, or as it is where it has fewer.

    Examples
    --------
    >>> upwards(4.750679953730862, 4), upwards(1e-6), upwards(0.1), upwards(float("inf"))
    ('4.751', '1e-06', '0.1', 'infinity')
    """
    if not math.isfinite(x):
        return "infinity"
    # The shortest decimal that reads back as x stands for x; what is longer is rounded up.
    value = Decimal(repr(x))
    if value and len(value.normalize().as_tuple().digits) > digits:
        value = value.quantize(Decimal(1).scaleb(value.adjusted() - digits + 1), ROUND_CEILING)
    return f"{float(value):.{digits}g}"


def percent(rate: float) -> str:
    """Write a rate in per cent, rounded up: two decimals below ten per cent, one above.

    Examples
    --------
    >>> percent(0.01), percent(0.018311), percent(0.5478), percent(0.99999)
    ('1%', '1.84%', '54.8%', '100%')
    """
    # 0.01 as a float is a little more than a hundredth, and is meant to be one.
    value = 100 * Decimal(repr(rate))
    step = Decimal("0.01") if value < 10 else Decimal("0.1")
    text = f"{value.quantize(step, ROUND_CEILING):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def _plain(text: str) -> str:
    """Take out what could change the direction or the lines of the text around it."""
    text = re.sub(r"\s+", " ", text).strip()
    # Control characters, and the marks that turn the direction of writing: a name could make a
    # figure read backwards.
    text = re.sub("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text)
    # Lone surrogates have no UTF-8: a page with one could not be written.
    return text.encode("utf-8", "replace").decode("utf-8")


# HTML


def _safe(text: str) -> str:
    return html.escape(_plain(text), quote=True)


def _html_block(block: Block) -> str:
    if isinstance(block, Text):
        if block.code:
            return f"<pre>{html.escape(block.text)}</pre>"
        return f"<p>{_safe(block.text)}</p>"
    if isinstance(block, Items):
        return "<ul>" + "".join(f"<li>{_safe(v)}</li>" for v in block.items) + "</ul>"
    if isinstance(block, Facts):
        return _html_facts(block.pairs)
    if isinstance(block, Curve):
        return f"<figure>{_svg(block)}</figure>"
    if isinstance(block, Drawing):
        said = f'role="img" aria-label="{_safe(block.said)}"'
        return f'<figure class="drawing" {said}>{block.svg}</figure>'
    return _html_table(block)


def _html_table(table: Table, caption: str = "", style: str = "") -> str:
    """Set a table; ``caption`` and ``style``, an attribute of every cell, are not escaped."""
    head = "".join(f'<th scope="col"{style}>{_safe(v)}</th>' for v in table.head)
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    rows = (
        f'<tr><th scope="row"{style}>{_safe(first)}</th>'
        + "".join(f"<td{style}>{_safe(v)}</td>" for v in rest)
        + "</tr>"
        for first, *rest in table.rows
    )
    kind = ' class="words"' if table.words else ""
    return f"<table{kind}>{caption}{head}<tbody>{''.join(rows)}</tbody></table>"


def fragment(block: Text | Table, caption: str = "") -> str:
    """Set a block for a notebook, whose own style sheet would move cells to the right."""
    if isinstance(block, Text):
        return _html_block(block)
    return _html_table(block, f"<caption>{_safe(caption)}</caption>", ' style="text-align:left"')


def _html_facts(pairs: tuple[tuple[str, str], ...]) -> str:
    rows = (f"<div><dt>{_safe(k)}</dt><dd>{_safe(v)}</dd></div>" for k, v in pairs)
    return f"<dl>{''.join(rows)}</dl>"


def _html_answers(facts: Facts) -> str:
    """Set short answers side by side, wide ones in a line of their own."""
    cells = []
    for label, value in facts.pairs:
        wide = ' class="wide"' if label in facts.wide else ""
        digest = ' class="digest"' if label.endswith("SHA-256") else ""
        cells.append(f"<div{wide}><dt>{_safe(label)}</dt><dd{digest}>{_safe(value)}</dd></div>")
    return f'<dl class="answers">{"".join(cells)}</dl>'


def _html_part(part: Part) -> str:
    drawn = any(isinstance(b, Curve) for b in part.blocks)
    kind = part.tone or ("drawn" if drawn else "")
    blocks = [_html_block(b) for b in part.blocks]
    if drawn:
        blocks = [blocks[0], "<div>", *blocks[1:], "</div>"]
    body = "\n".join(blocks)
    return f'<section class="{kind}"><h2>{_safe(part.heading)}</h2>\n{body}\n</section>'


def _html(page: Page) -> str:
    title = _safe(page.title)
    toned = [_html_part(p) for p in page.parts if p.tone]
    other = [_html_part(p) for p in page.parts if not p.tone]
    warning = ""
    if page.warning:
        warning = f'<p class="warning" role="note">{_safe(page.warning)}</p>\n'
    verdict = "verdict void" if page.void else "verdict"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        # Nothing is fetched and nothing runs, whatever a title may hold.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n"
        f'<h1><bdi>{title}</bdi></h1>\n<p class="{verdict}">{_safe(page.verdict)}</p>\n'
        f"{warning}{_html_part(replace(page.caveat, tone='caveat'))}\n"
        f"{_html_answers(page.answers)}\n</header>\n"
        f'<div class="pair">\n{"".join(toned)}\n</div>\n' + "\n".join(other) + "\n"
        "</main>\n</body>\n</html>\n"
    )


# The curve, in a square of 320 units whose corner is at (56, 16)

_LEFT, _TOP, _SIDE = 56.0, 16.0, 320.0


def _at(a: float, b: float) -> str:
    return f"{_LEFT + _SIDE * a:.2f},{_TOP + _SIDE * (1.0 - b):.2f}"


def _svg(curve: Curve) -> str:
    """Draw the best test against guessing."""
    # Denser at both ends, where the curve bends.
    levels = [math.sin(0.5 * math.pi * i / 80) ** 2 for i in range(81)]
    points = " ".join(_at(a, curve.rate(a)) for a in levels)
    points = f"{_at(0, 0)} {points}"
    gain = percent(curve.advantage).rstrip("%")
    said = (
        "True positives of the best test against false positives. It is never more than "
        f"{gain} points above guessing."
    )
    ticks = []
    for v in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _LEFT + _SIDE * v, _TOP + _SIDE * (1.0 - v)
        text = f"{100 * v:.0f}%"
        ticks.append(
            f'<path class="grid" d="M{x:g} {_TOP:g}v{_SIDE:g}M{_LEFT:g} {y:g}h{_SIDE:g}"/>'
            f'<text x="{x:g}" y="{_TOP + _SIDE + 18:g}" text-anchor="middle">{text}</text>'
            f'<text x="{_LEFT - 8:g}" y="{y + 4:g}" text-anchor="end">{text}</text>'
        )
    middle, bottom = _LEFT + _SIDE / 2, _TOP + _SIDE
    # Above the curve while there is room, in the area below it otherwise.
    if curve.rate(0.4) < 0.62:
        x, y, anchor = _LEFT + 12, _TOP + 24, "start"
    else:
        x, y, anchor = _LEFT + _SIDE - 12, bottom - 92, "end"
    return (
        '<svg viewBox="0 0 400 384" role="img" aria-labelledby="curve-title">'
        f'<title id="curve-title">{_safe(said)}</title>{"".join(ticks)}'
        f'<polygon class="gain" points="{points}"/>'
        f'<path class="guess" d="M{_LEFT:g} {bottom:g}L{_LEFT + _SIDE:g} {_TOP:g}"/>'
        f'<polyline class="best" points="{points}"/>'
        f'<text class="best" x="{x:g}" y="{y:g}" text-anchor="{anchor}">Best test'
        f'<tspan x="{x:g}" dy="17">at most {gain} points</tspan>'
        f'<tspan x="{x:g}" dy="17">over guessing</tspan></text>'
        f'<text class="guess" x="{_LEFT + 0.58 * _SIDE:g}" y="{bottom - 0.5 * _SIDE:g}">'
        "Guessing</text>"
        f'<text x="{middle:g}" y="{bottom + 42:g}" text-anchor="middle">False positives</text>'
        f'<text transform="translate(14 {_TOP + _SIDE / 2:g}) rotate(-90)" '
        'text-anchor="middle">True positives</text></svg>'
    )


# Markdown


def _marked(text: str) -> str:
    """Escape what Markdown, or the HTML in it, would take for markup or a link."""
    # Backslashes before all punctuation that Markdown gives a meaning to.
    text = re.sub(r"([\\`*_\[\]<>#|~&$])", r"\\\1", _plain(text))
    # Addresses that some renderers would turn into links by themselves.
    text = re.sub(r"(?i)://|(?<=www)\.", lambda m: "\\" + m[0], text)
    # What begins a list, a heading or a rule at the start of a line.
    return re.sub(r"^(\d*)([-+=]|[.)](?=\s|$))", r"\1\\\2", text)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_marked(c) for c in cells) + " |"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Text):
        if not block.code:
            return _marked(block.text)
        # Indented, not fenced: nothing in a line can end it.
        return "\n".join("    " + line for line in block.text.splitlines())
    if isinstance(block, Items):
        return "\n".join(f"- {_marked(v)}" for v in block.items)
    if isinstance(block, Facts):
        # A question asks for no colon.
        labels = (k if k.endswith("?") else f"{k}:" for k, _ in block.pairs)
        pairs = zip(labels, block.pairs, strict=True)
        return "\n".join(f"- **{_marked(label)}** {_marked(v)}" for label, (_, v) in pairs)
    if isinstance(block, Table):
        lines = [_row(block.head), "|" + "---|" * len(block.head)]
        return "\n".join(lines + [_row(r) for r in block.rows])
    return ""


def _quoted(part: Part) -> str:
    return " ".join(_marked(b.text) for b in part.blocks if isinstance(b, Text))


def _markdown(page: Page) -> str:
    blocks = [f"# {_marked(page.title)}", f"**{_marked(page.verdict)}**"]
    blocks += [f"> **Warning:** {_marked(page.warning)}"] if page.warning else []
    blocks += [f"> **{_marked(page.caveat.heading)}** {_quoted(page.caveat)}"]
    blocks.append(_markdown_block(page.answers))
    for part in page.parts:
        blocks += [f"## {_marked(part.heading)}", *map(_markdown_block, part.blocks)]
    return "\n\n".join(b for b in blocks if b) + "\n"


FORMATS: dict[str, Callable[[Page], str]] = {"html": _html, "markdown": _markdown}
