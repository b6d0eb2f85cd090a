"""``certunlearn audit``: a model in a directory, or files of predictions, put to the test."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .told import DONE, UNVERIFIED, Said, carried_out

if TYPE_CHECKING:
    from ..audit import Evaluation


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    audit = commands.add_parser(
        "audit",
        help="try to prove a removal wrong: of a model in a directory, or by files of predictions",
        description="Of a directory: is the model where its rows put it, has its release as much "
        "noise as claimed, what epsilon can be shown; with --data, the table of the fit, whether "
        "forgotten rows can be recognised; with --test too, whether the model does as retrained "
        "ones do. Of files of predictions, each CSV with set (test, retained, forgotten), label, "
        "p_<class> for every class, and group where there are subgroups: whether the first is no "
        "different from the others. Exit status 0: nothing found; 7: something; 1: a file that "
        "cannot be used.",
    )
    audit.add_argument(
        "unlearned", type=Path, help="directory of a model; or predictions after the removal"
    )
    audit.add_argument(
        "retrained",
        type=Path,
        nargs="*",
        help="predictions of models retrained without the forgotten rows, 19 files or more at the "
        "usual level: 1 / level - 1",
    )
    audit.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="table that the fit was given; after learn or correct --test needs in it the rows as "
        "they are now, and the forgotten ones",
    )
    audit.add_argument("--test", type=Path, metavar="FILE", help="rows that nobody trained on")
    audit.add_argument("--subgroups", metavar="COL", help="column of the test rows, no feature")
    audit.add_argument("-o", "--output", type=Path, help="page of HTML to write, with pictures")
    audit.add_argument("--json", action="store_true", help="print JSON instead of a table")
    audit.add_argument("--level", type=float, default=0.05, help="chance of a false alarm")


def run(arguments: argparse.Namespace) -> int:
    """Audit, print or write what was found, and return the exit status."""
    found: list[Evaluation] = []

    def action() -> Said:
        found.append(_found(arguments))
        if arguments.output is not None:
            arguments.output.write_text(_page(found[0]), "utf-8")
        return json.loads(found[0].to_json()), str(found[0])

    status = carried_out("audit", action, arguments.json)
    return UNVERIFIED if status == DONE and not found[0].passed else status


def _found(arguments: argparse.Namespace) -> Evaluation:
    if arguments.unlearned.is_dir():
        from .store_audit import audited

        if arguments.retrained:
            raise ValueError("a directory is audited by itself: give no files of predictions")
        return audited(arguments)
    from ..audit import evaluate_files

    if not arguments.retrained:
        raise ValueError(
            f"{arguments.unlearned} is no directory of a model, and by itself a file of "
            "predictions says nothing: give those of retrained models too"
        )
    return evaluate_files(arguments.unlearned, arguments.retrained, level=arguments.level)


def _page(found: Evaluation) -> str:
    title = "An unlearned model beside retrained ones" if found.axes else "A model put to the test"
    return found.page(title, _picture(found))


def _picture(found: Evaluation) -> str | None:
    """Draw the evaluation as SVG; None where matplotlib is not installed."""
    from ..displays import AuditDisplay

    try:
        display = AuditDisplay.from_evaluation(found)
    except ImportError:
        return None
    from matplotlib import pyplot

    file = io.StringIO()
    display.figure_.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(display.figure_)
    text = file.getvalue()
    return text[text.index("<svg") :]
