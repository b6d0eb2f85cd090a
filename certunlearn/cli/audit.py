"""``certunlearn audit``: files of predictions held against those of retrained models."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from .told import MISTAKEN, UNVERIFIED


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    audit = commands.add_parser(
        "audit",
        help="hold an unlearned model's predictions against those of retrained models",
        description="Each file is CSV: set (test, retained, forgotten), label, p_<class> for every "
        "class, and group where there are subgroups. Exit status 0: no different from the "
        "retrained models; 7: different; 1: a file cannot be used.",
    )
    audit.add_argument("unlearned", type=Path, help="predictions after the removal")
    audit.add_argument(
        "retrained",
        type=Path,
        nargs="+",
        help="predictions of models retrained without the forgotten rows, 19 files or more at the "
        "usual level: 1 / level - 1",
    )
    audit.add_argument("-o", "--output", type=Path, help="page of HTML to write, with pictures")
    audit.add_argument("--json", action="store_true", help="print JSON instead of a table")
    audit.add_argument("--level", type=float, default=0.05, help="chance of a false alarm")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate the files, print or write what was found, and return the exit status."""
    from ..audit import evaluate_files

    try:
        found = evaluate_files(arguments.unlearned, arguments.retrained, level=arguments.level)
        if arguments.output is not None:
            arguments.output.write_text(found.page(picture=_picture(found)), "utf-8")
    except (OSError, ValueError) as error:
        print(f"certunlearn audit: {error}", file=sys.stderr)
        return MISTAKEN
    print(found.to_json() if arguments.json else found)
    return 0 if found.passed else UNVERIFIED


def _picture(found: object) -> str | None:
    """Draw the evaluation as SVG; None where matplotlib is not installed."""
    from ..displays import AuditDisplay

    try:
        display = AuditDisplay.from_evaluation(found)  # type: ignore[arg-type]
    except ImportError:
        return None
    from matplotlib import pyplot

    file = io.StringIO()
    display.figure_.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(display.figure_)
    text = file.getvalue()
    return text[text.index("<svg") :]
