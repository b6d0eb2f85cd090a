"""What commands on a directory are called, and what they take."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from . import durable, fitting

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands: TypeAlias = _SubParsersAction[ArgumentParser]


def add(commands: Commands) -> None:
    """Add all of them to a parser."""
    _answering(fitting.add(commands), fitting.run)
    _requests(commands)
    _changes(commands)
    _views(commands)
    _proofs(commands)


def _command(commands: Commands, name: str, action: durable.Command, text: str) -> ArgumentParser:
    made = commands.add_parser(name, help=text, description=text)
    made.add_argument("dir", type=Path, metavar="DIR", help="where the model is kept")
    return _answering(made, action)


def _answering(made: ArgumentParser, action: durable.Command) -> ArgumentParser:
    made.add_argument("--json", action="store_true", help="answer as JSON")
    # The function that carries the command out travels with what was typed.
    made.set_defaults(action=action)
    return made


def _rows(made: ArgumentParser) -> None:
    made.add_argument("--id", action="append", metavar="X", help="identifier; again for more")
    made.add_argument("--ids", type=Path, metavar="FILE", help="identifiers, one a line")
    made.add_argument("--row", action="append", type=int, metavar="N", help="position in the fit")
    made.add_argument("--group", action="append", metavar="G", help="all rows of a group")
    made.add_argument("--where", metavar="QUERY", help="pandas query on the metadata")
    made.add_argument("--received", metavar="TIME", help="when it came in, ISO 8601; now")
    made.add_argument("--days", type=int, help="how long it may wait; a month by default")


def _dry(made: ArgumentParser) -> None:
    made.add_argument("--dry-run", action="store_true", help="say what would be done; do nothing")


def _requests(commands: Commands) -> None:
    forget = _command(commands, "forget", durable.forget, "remove rows and release anew")
    _rows(forget)
    forget.add_argument("--reference", metavar="R", help="who asked, or a case number")
    forget.add_argument("--confirm", action="store_true", help="even if it takes much")
    _dry(forget)
    request = commands.add_parser("request", help="requests that wait for one another")
    parts = request.add_subparsers(dest="part", required=True)
    add_ = _command(parts, "add", durable.request_add, "take a request in")
    _rows(add_)
    add_.add_argument("--reference", metavar="R", required=True)
    _dry(add_)
    _limit(_command(parts, "list", durable.request_list, "list requests, the most urgent first"))
    withdraw = _command(parts, "withdraw", durable.request_withdraw, "take a request back")
    withdraw.add_argument("--reference", metavar="R", required=True)
    extend = _command(
        parts, "extend", durable.request_extend, "put a deadline off once, by two months"
    )
    extend.add_argument("--reference", metavar="R", required=True)
    extend.add_argument("--reason", required=True, help="as whoever asked was told")
    run = _command(parts, "run", durable.request_run, "carry out all that wait, as one removal")
    run.add_argument("--confirm", action="store_true", help="even if they take much")
    _dry(run)
    letter = _command(parts, "letter", durable.letter, "write the reply to whoever asked")
    letter.add_argument("--reference", metavar="R", required=True)
    letter.add_argument("--who", required=True, help="who answers for the model")


def _changes(commands: Commands) -> None:
    learn = _command(commands, "learn", durable.learn, "add rows and release anew")
    learn.add_argument("data", type=Path)
    for name in ("target", "ids", "groups"):
        learn.add_argument(f"--{name}", metavar="COL", help="as in fit")
    learn.add_argument("--metadata", action="append", metavar="COL", help="as in fit")
    learn.add_argument("--again", action="store_true", help="let forgotten identifiers come back")
    correct = _command(commands, "correct", durable.correct, "replace features and labels of rows")
    correct.add_argument("data", type=Path, help="rows as they should be")
    correct.add_argument("--ids", metavar="COL", help="column that names the rows")
    correct.add_argument(
        "--target", metavar="COL", help="column of new labels; that of the fit, if it is there"
    )
    for made in (learn, correct):
        _dry(made)
    _command(
        commands,
        "unrecognise",
        durable.unrecognise,
        "erase the digests by which forgotten identifiers are recognised",
    )
    release = _command(commands, "release", durable.release, "draw a fresh release")
    release.add_argument("--receiver", help="who is given it")
    export = _command(commands, "export", durable.export, "write a bundle of the predictor")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="BUNDLE")
    export.add_argument("--receiver", required=True, help="who is given it")
    export.add_argument("--key", type=Path, help="ECDSA P-256, to sign with")
    acknowledge = _command(
        commands, "acknowledge", durable.acknowledge, "write down that an export is withdrawn"
    )
    acknowledge.add_argument("export", type=int, help="its number in the status")


def _limit(made: ArgumentParser) -> None:
    made.add_argument("--limit", type=int, default=100, help="how many requests to list")


def _views(commands: Commands) -> None:
    _limit(_command(commands, "status", durable.status, "say what there is"))
    predict = _command(commands, "predict", durable.predict, "predict with the released weights")
    predict.add_argument("data", type=Path)
    certificate = _command(
        commands, "certificate", durable.certificate, "show what holds for the present release"
    )
    certificate.add_argument("--format", choices=("text", "json", "html"), default="text")


def _proofs(commands: Commands) -> None:
    receipt = _command(commands, "receipt", durable.receipt, "write a signed receipt")
    receipt.add_argument("--reference", metavar="R", required=True)
    receipt.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    receipt.add_argument("--key", type=Path, help="private key; CERTUNLEARN_KEY by default")
    receipt.add_argument("--since", type=Path, metavar="NOTE", help="an older head")
    head = _command(commands, "head", durable.head, "show the head of the log, signed by a key")
    head.add_argument("--key", type=Path)
    verify = commands.add_parser("verify", help="check a receipt, without rows")
    verify.add_argument("file", type=Path)
    verify.add_argument("--key", type=Path, required=True, help="public key of who answered")
    verify.add_argument("--head", type=Path, metavar="NOTE", help="a head that you have kept")
    verify.add_argument("--bundle", type=Path, help="a predictor that you were given")
    verify.add_argument("--store", type=Path, metavar="DIR", help="as the owner: with the ledger")
    verify.add_argument("--id", action="append", metavar="X", help="must be gone from the store")
    verify.add_argument(
        "--replay", action="store_true", help="train again on the rows that stay, and compare"
    )
    _answering(verify, durable.verify)
    keys = commands.add_parser("keys", help="keys that sign")
    new = keys.add_subparsers(dest="part", required=True).add_parser(
        "new", help="make a private key, and FILE.pub beside it"
    )
    new.add_argument("-o", "--output", type=Path, default=Path("key.pem"), metavar="FILE")
    new.add_argument("--kind", choices=("ed25519", "p256"), default="ed25519")
    _answering(new, durable.keys_new)
