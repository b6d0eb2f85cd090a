"""Everything that must pass: linter, formatter, type checker, tests, doctests, README, examples.

``--long`` runs the tests marked ``long`` instead: heavy adversarial budgets, interrupts, threads.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

TESTS = ["pytest", "-n", str(min(2, os.cpu_count() or 1)), "--dist"]
CHECKS = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])


def called(command, **how):
    """Run a module of this Python."""
    return subprocess.run([sys.executable, "-m", *command], **how)


def checked():
    """Run what reads the source alone; return whether all of it passes, and what it says."""
    done = [called(c, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for c in CHECKS]
    return not any(one.returncode for one in done), "".join(one.stdout for one in done)


parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
parser.add_argument("--long", action="store_true", help="run the tests marked long, and no others")
long = parser.parse_args().long

# Two test processes on two cores: threads of their own would only fight each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What one of them has compiled the other need not: compiling is half of the work.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

with tempfile.TemporaryDirectory() as compiled, ThreadPoolExecutor(1) as beside:
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", compiled)
    if long:
        # A few heavy tests in one file would keep one process busy and the other idle.
        sys.exit(called([*TESTS, "load", "-m", "long", "tests"]).returncode)
    # Meanwhile, as one of these alone would leave a core idle.
    source = beside.submit(checked)
    code = called([*TESTS, "loadfile"]).returncode
    passed, said = source.result()
    print(said, end="")
    sys.exit(code or not passed)
