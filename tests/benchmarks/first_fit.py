"""Import and first fit in a fresh process, and calls on few rows: CPU seconds beside scikit-learn.

Every turn starts a process for each side; what it cost is what the system says.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from .report import Report, ratio, spread, turns

OURS = {"breast_cancer": "CertifiedLogReg", "diabetes": "CertifiedRidge"}
THEIRS = {"breast_cancer": "LogisticRegression", "diabetes": "Ridge"}
START = "import time, sys, warnings; warnings.simplefilter('ignore')\n"
DATA = "X, y = __import__('sklearn.datasets').datasets.load_{name}(return_X_y=True)\n"
SCALED = "X = (X - X.mean(axis=0)) / X.std(axis=0)\n"
FIT = "from {module} import {kind}\nm = {kind}().fit(X, y)\n"
#: Medians of calls once everything is loaded, and whether JAX is.
CALLS = """
def median(act, times=9):
    spent = []
    for k in range(times):
        clock = time.process_time()
        act(k)
        spent.append(time.process_time() - clock)
    return sorted(spent)[times // 2]
again = median(lambda k: {kind}().fit(X, y))
forget = median(lambda k: m.forget([k]))
print(again, forget, int("jax" in sys.modules))
"""


def process(code):
    """CPU seconds of a fresh process, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds, done.stdout


def row(name, repeats):
    start = START + DATA.format(name=name) + SCALED
    ours = start + FIT.format(module="certunlearn", kind=OURS[name])
    theirs = start + FIT.format(module="sklearn.linear_model", kind=THEIRS[name])
    took = turns({"ours": lambda: process(ours)[0], "theirs": lambda: process(theirs)[0]}, repeats)
    _, said = process(ours + CALLS.format(kind=OURS[name]))
    again, forget, loaded = said.split()
    return {
        "data": name,
        "import and first fit, ours": spread(took["ours"]),
        "scikit-learn's": spread(took["theirs"]),
        "ratio": ratio(took["ours"], took["theirs"]),
        "a further fit": float(again),
        "forget one row": float(forget),
        "JAX is imported": "yes" if int(loaded) else "no",
    }


def main(small=False, out="tests/benchmarks/results"):
    report = Report("first_fit", out, small=small)
    names = list(OURS)[:1] if small else list(OURS)
    rows = [row(name, 1 if small else 7) for name in names]
    report.table("A first fit in a fresh process, CPU seconds", rows)
    report.save()
