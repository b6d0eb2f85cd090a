"""Run a benchmark: ``python -m tests.benchmarks fit``."""

import argparse

from . import fit, matrix_free

BENCHMARKS = {"fit": fit.main, "matrix_free": matrix_free.main}

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
parser.add_argument("name", choices=BENCHMARKS)
BENCHMARKS[parser.parse_args().name]()
