"""Run benchmarks: ``python -m tests.benchmarks`` for all, or by name."""

import argparse

from . import (
    biased,
    capacity,
    columns,
    durable,
    first_fit,
    fit,
    floors,
    folds,
    gpu,
    guo,
    latency,
    matrix_free,
    memory,
    removal,
    scale,
    scaled,
    sequence,
    softmax,
    sparse,
    sums,
    thousand,
    utility,
    views,
    wide,
    wide_removal,
    window,
    words,
)
from .report import Report

MODULES = (
    sums,
    first_fit,
    fit,
    removal,
    latency,
    sequence,
    biased,
    guo,
    views,
    wide,
    folds,
    memory,
    window,
    gpu,
    matrix_free,
    softmax,
    floors,
    thousand,
    sparse,
    utility,
    wide_removal,
    columns,
    scaled,
    durable,
    scale,
    words,
    capacity,
)
BENCHMARKS = {module.__name__.rsplit(".", 1)[1]: module for module in MODULES}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "name", nargs="*", help=f"from {', '.join(BENCHMARKS)}; all if none is given"
    )
    parser.add_argument("--small", action="store_true", help="sizes that take seconds")
    parser.add_argument("--out", default="tests/benchmarks/results", help="where results go")
    parser.add_argument(
        "--by-kind",
        action="store_true",
        help="add to the results of removal and sequence what they say by which rows go, no more",
    )
    parser.add_argument(
        "--quick", action="store_true", help="add a shorter sequence to its results, no more"
    )
    given = parser.parse_args(arguments)
    if given.quick:
        return sequence.quick(given.out, given.small)
    if given.by_kind:
        return by_kind(given)
    names = given.name or list(BENCHMARKS)
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    for name in names:
        BENCHMARKS[name].main(small=given.small, out=given.out)


def by_kind(given):
    """Run the parts of removal and sequence that are about biased deletions."""
    for module, problems in ((removal, ()), (sequence, (sequence.sets(given.small),))):
        name = module.__name__.rpartition(".")[2]
        report = Report(name, given.out, small=given.small, add=True)
        module.by_kind(report, *problems, given.small)


if __name__ == "__main__":
    main()
