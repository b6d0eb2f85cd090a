"""Run benchmarks: ``python -m tests.benchmarks`` for all, or by name."""

import argparse

from . import (
    biased,
    columns,
    durable,
    first_fit,
    fit,
    folds,
    gpu,
    guo,
    latency,
    matrix_free,
    memory,
    removal,
    scaled,
    sequence,
    softmax,
    sparse,
    sums,
    utility,
    views,
    wide,
    wide_removal,
    window,
)

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
    sparse,
    utility,
    wide_removal,
    columns,
    scaled,
    durable,
)
BENCHMARKS = {module.__name__.rsplit(".", 1)[1]: module for module in MODULES}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "name", nargs="*", help=f"from {', '.join(BENCHMARKS)}; all if none is given"
    )
    parser.add_argument("--small", action="store_true", help="sizes that take seconds")
    parser.add_argument("--out", default="tests/benchmarks/results", help="where results go")
    given = parser.parse_args(arguments)
    names = given.name or list(BENCHMARKS)
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    for name in names:
        BENCHMARKS[name].main(small=given.small, out=given.out)


if __name__ == "__main__":
    main()
