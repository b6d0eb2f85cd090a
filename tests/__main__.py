"""Everything that must pass: linter, formatter, tests."""

import subprocess
import sys

for command in (["ruff", "check"], ["ruff", "format", "--check"], ["pytest"]):
    code = subprocess.call([sys.executable, "-m", *command])
    if code:
        sys.exit(code)
