"""pytest plugin: substitutes the certified classes, keeps the tests about them, and reports.

Loaded with ``-p`` before any test module is imported.  The report is a JSON line a test, in the
file that the environment variable CERTUNLEARN_REPORT names.
"""

import inspect
import json
import os
import re

from .adapters import ADAPTED, OTHER_SOLVERS, substitute

_NAMES = re.compile(rf"\b({'|'.join(ADAPTED)})\b")
_REPORT = os.environ.get("CERTUNLEARN_REPORT")
if _REPORT:
    substitute()


def _concerned(item):
    """Whether a test is about a class that there is here, and a solver."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    told = " ".join(f"{value!r} {getattr(value, '__name__', '')}" for value in params.values())
    # Classes that choose a parameter by cross validation are others.
    if "cv" in item.originalname.lower() or re.search(r"\bSV[CR]\b|CV\b", told):
        return False
    if any(isinstance(value, str) and value in OTHER_SOLVERS for value in params.values()):
        return False
    classes = {value.__name__ for value in params.values() if isinstance(value, type)}
    if any(hasattr(value, "fit") for value in params.values()) and classes.isdisjoint(ADAPTED):
        return bool(_NAMES.search(told))
    return bool(_NAMES.search(inspect.getsource(item.function)) or _NAMES.search(told))


def pytest_configure(config):
    kind = "certunlearn.exceptions.SecretStateWarning"
    config.addinivalue_line("filterwarnings", f"ignore::{kind}")


def _written(entry):
    with open(_REPORT, "a") as file:
        file.write(json.dumps(entry) + "\n")


def pytest_collection_modifyitems(config, items):
    kept = [item for item in items if _concerned(item)]
    _written({"known": sorted({item.originalname for item in items})})
    items[:] = kept


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        crash = getattr(report.longrepr, "reprcrash", None)
        _written(
            {
                "test": report.nodeid.split("::", 1)[1],
                "when": report.when,
                "outcome": report.outcome,
                "message": "" if crash is None else crash.message[:400],
                "seconds": round(report.duration, 2),
            }
        )
