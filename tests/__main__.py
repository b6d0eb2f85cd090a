"""Everything that must pass: linter, formatter, type checker, tests, doctests, README, examples.

``--long`` runs the tests marked ``long`` instead: heavy adversarial budgets, interrupts, threads.
"""

import argparse
import os
import subprocess
import sys
import tempfile

TESTS = ["pytest", "-n", str(min(2, os.cpu_count() or 1)), "--dist"]
CHECKS = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], [*TESTS, "loadfile"])
# A few heavy tests in one file would keep one process busy and the other idle.
LONG = ([*TESTS, "load", "-m", "long", "tests"],)

parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
parser.add_argument("--long", action="store_true", help="run the tests marked long, and no others")
commands = LONG if parser.parse_args().long else CHECKS

# Two test processes on two cores: threads of their own would only fight each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What one of them has compiled the other need not: compiling is half of the work.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

with tempfile.TemporaryDirectory() as compiled:
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", compiled)
    for command in commands:
        code = subprocess.call([sys.executable, "-m", *command])
        if code:
            sys.exit(code)
