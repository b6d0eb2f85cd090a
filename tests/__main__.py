"""Everything that must pass: linter, formatter, type checker, tests, doctests, README, examples."""

import os
import subprocess
import sys

CHECKS = (
    ["ruff", "check"],
    ["ruff", "format", "--check"],
    ["mypy"],
    ["pytest", "-n", str(min(2, os.cpu_count() or 1)), "--dist", "loadfile"],
)

# Two test processes on two cores: threads of their own would only fight each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

for command in CHECKS:
    code = subprocess.call([sys.executable, "-m", *command])
    if code:
        sys.exit(code)
