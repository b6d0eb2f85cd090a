"""The ``certunlearn`` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ._version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Parse ``argv`` and run the command it names; return the exit status."""
    parser = argparse.ArgumentParser(prog="certunlearn", description="Certified unlearning.")
    parser.add_argument("--version", action="version", version=f"certunlearn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="fit, forget and check on two real data sets")
    demo.add_argument("--seed", type=int, help="reproducible (not private) noise")
    arguments = parser.parse_args(argv)
    from . import demo as story

    return story.main(arguments.seed)
