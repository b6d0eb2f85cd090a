"""Run a benchmark: ``python -m tests.benchmarks fit``."""

import argparse

from . import fit

BENCHMARKS = {"fit": fit.main}

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
parser.add_argument("name", choices=BENCHMARKS)
BENCHMARKS[parser.parse_args().name]()
