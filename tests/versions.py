"""Oldest and newest versions of what certunlearn depends on: the suites that scikit-learn decides.

``python -m tests.versions`` makes two virtual environments, one with the oldest version that
`pyproject.toml` allows of every dependency and one with the registry's newest, and runs the
estimator and the scikit-learn suites in each.  ``--python`` names the interpreter of the newest,
``--long`` adds tests marked long.  Nothing is installed outside a temporary folder.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUITES = (
    "tests/estimators/test_sklearn.py",
    "tests/estimators/test_estimator.py",
    "tests/estimators/test_models.py",
    "tests/engine/test_elastic.py",
    "tests/engine/test_min_norm.py",
    "tests/requests/test_asked.py",
    "tests/engine/test_refusals.py",
    "tests/numerics/test_sparse.py",
    "tests/estimators/test_sklearn_suites.py",
)
#: What the suites need besides.
TOOLS = ("pytest>=8", "pytest-xdist", "hypothesis", "mpmath", "pandas", "matplotlib", "rich")


def oldest(requirement):
    """The oldest that a requirement allows, mended or not.

    >>> oldest("numpy>=2.0")
    'numpy==2.0.*'
    """
    return re.sub(r">=\s*([\d.]+)$", r"==\1.*", requirement)


def run(folder, python, requirements, options):
    """Make an environment, say what is in it, and run the suites there; return the exit status."""
    subprocess.check_call([python, "-m", "venv", folder])
    here = str(Path(folder) / "bin" / "python")
    quiet = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.check_call([here, *quiet, *requirements, *TOOLS])
    names = "|".join(re.split(r"[=>]", requirement)[0] for requirement in requirements)
    listed = subprocess.check_output([here, "-m", "pip", "list", "--format=freeze"], text=True)
    version = subprocess.check_output([here, "--version"], text=True).strip()
    print(version, *re.findall(rf"(?m)^(?:{names})==\S+$", listed), flush=True)
    return subprocess.call([here, "-m", "pytest", *options], cwd=ROOT)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__)
    parser.add_argument("which", nargs="*", help="oldest, newest; both if left out")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the newest")
    parser.add_argument("--long", action="store_true", help="the whole of scikit-learn's own tests")
    parser.add_argument("--suite", action="append", help="a file of tests, in place of all these")
    given = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    # The oldest interpreter that is supported, or the one that runs this.
    made = {
        "oldest": (sys.executable, [oldest(requirement) for requirement in project]),
        "newest": (given.python, project),
    }
    options = ["-p", "no:cacheprovider", *(["-m", ""] if given.long else [])]
    # scikit-learn 1.6 hands its checks on as a generator, which pytest 9 deprecates.
    options += ["-W", "ignore:Passing a non-Collection iterable"]
    options += given.suite or SUITES
    failed = []
    for which in given.which or made:
        with tempfile.TemporaryDirectory() as folder:
            if run(folder, *made[which], options):
                failed.append(which)
    print("failed:", ", ".join(failed) or "none")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
