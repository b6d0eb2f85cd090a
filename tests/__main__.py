"""Everything that must pass: linter, formatter, type checker, tests, doctests, README, examples."""

import os
import subprocess
import sys
import tempfile

CHECKS = (
    ["ruff", "check"],
    ["ruff", "format", "--check"],
    ["mypy"],
    ["pytest", "-n", str(min(2, os.cpu_count() or 1)), "--dist", "loadfile"],
)

# Two test processes on two cores: threads of their own would only fight each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What one of them has compiled the other need not: compiling is half of the work.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

with tempfile.TemporaryDirectory() as compiled:
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", compiled)
    for command in CHECKS:
        code = subprocess.call([sys.executable, "-m", *command])
        if code:
            sys.exit(code)
