"""The ``certunlearn`` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from .._common.fields import loaded
from .._version import __version__
from . import audit
from .commands import add as add_durable
from .told import STATUSES_SAID, Said, carried_out

_SAID = {
    "title": "heading of the page",
    "who": "who carried the request out",
    "when": "when it was carried out",
    "request": "what was asked, such as a case number",
    "received": "when it came in",
    "due": "until when it had to be carried out",
    "older": "what has become of releases made before",
}
#: What the page of a signed receipt says of the signature.
_UNCHECKED = (
    "not checked by this page: certunlearn verify checks the file, with the public key of who "
    "signed it"
)


class _Parser(argparse.ArgumentParser):
    """A parser that refuses what it does not know itself: the usage shown is the command's own."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def main(argv: Sequence[str] | None = None) -> int:
    """Parse ``argv`` and run the command it names; return the exit status."""
    parser: argparse.ArgumentParser = _Parser(
        prog="certunlearn", description="Certified unlearning.", epilog=STATUSES_SAID
    )
    parser.add_argument("--version", action="version", version=f"certunlearn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo", help="fit, forget and compare with refits on three data sets"
    )
    demo.add_argument("--seed", type=int, help="reproducible (not private) noise")
    report = commands.add_parser(
        "report", help="set a certificate, a receipt or a model's requests as a page to file"
    )
    report.add_argument(
        "certificate",
        type=Path,
        help="what to_json wrote of a Certificate or a Receipt, or a signed receipt, whose "
        "signature `certunlearn verify` checks; or the directory of a model",
    )
    report.add_argument("-o", "--output", type=Path, help="file to write; standard output if none")
    report.add_argument("--format", choices=("html", "markdown"), default="html")
    report.add_argument("--json", action="store_true", help="answer as JSON")
    for name, text in _SAID.items():
        report.add_argument(f"--{name}", help=text)
    audit.add(commands)
    add_durable(commands)
    arguments = parser.parse_args(argv)
    if arguments.command == "report":
        return _report(arguments)
    if arguments.command == "audit":
        return audit.run(arguments)
    if arguments.command == "demo":
        from . import demo as story

        return story.main(arguments.seed)
    part = getattr(arguments, "part", None)
    name = arguments.command if part is None else f"{arguments.command} {part}"
    return carried_out(name, lambda: arguments.action(arguments), arguments.json)


def _report(arguments: argparse.Namespace) -> int:
    """Write the page of a model in a directory, or of a certificate or a receipt in a file."""

    def action() -> Said:
        make = _page_of_directory if arguments.certificate.is_dir() else _page_of_file
        page = make(arguments)
        if arguments.output is None:
            return {"page": page}, page.rstrip("\n")
        arguments.output.write_text(page, "utf-8")
        return {"page": str(arguments.output)}, f"{arguments.output}: the page to file"

    return carried_out("report", action, arguments.json)


def _page_of_directory(arguments: argparse.Namespace) -> str:
    from ..store import ModelStore
    from .page import written

    with ModelStore.open(arguments.certificate) as store:
        return written(store, arguments.title, arguments.who, arguments.format)


def _page_of_file(arguments: argparse.Namespace) -> str:
    from ..operations.certificate_page import certificate_report
    from ..operations.receipt import certificate_or_receipt

    said = {name: getattr(arguments, name) for name in _SAID}
    said |= {name: _day(said[name]) for name in ("when", "received", "due")}
    try:
        text = arguments.certificate.read_text("utf-8")
        values = loaded(text, "a certificate or a receipt")
        if isinstance(values, dict) and "payload" in values:
            from ..store.receipts import stated

            said["signature"] = _UNCHECKED
            return certificate_report(stated(values), format=arguments.format, **said)
        read = certificate_or_receipt(text)
        return certificate_report(read, format=arguments.format, **said)
    except ValueError as error:
        raise ValueError(f"{arguments.certificate}: {error}") from error


def _day(text: str | None) -> str | date | None:
    """Return a time where the text is one by ISO 8601, so that a deadline can be compared."""
    # A date where the text is one, else a moment: the two do not compare with one another.
    for kind in (date, datetime):
        try:
            return None if text is None else kind.fromisoformat(text)
        except ValueError:
            continue
    return text
