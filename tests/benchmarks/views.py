"""What it costs that epsilon covers all releases: the transcript view beside the release view."""

from __future__ import annotations

import time

import numpy as np

from certunlearn import CertifiedLogReg

from . import data
from .report import Report


def main(small=False, out="tests/benchmarks/results"):
    report = Report("views", out, small=small)
    problems = {"synthetic": data.synthetic(*((2_000, 5) if small else (100_000, 50)))}
    if not small:
        problems["digits, even or odd"] = data.digits()
    for name, (X, y) in problems.items():
        requests = 60 if small else 1_000
        title = f"{name}, {X.shape[0]} x {X.shape[1]}: {requests} single requests, then 1% at once"
        report.table(title, compared(X, y, requests))
    report.save()


def compared(X, y, requests):
    """One row a view: what single requests and a batch take beside the release view's."""
    order = np.random.default_rng(0).permutation(len(X))
    rows, units = [], None
    for view in ("release", "transcript"):
        seconds, passes = [], []
        model = CertifiedLogReg(view=view, random_state=0).fit(X, y)
        for row in order[:requests]:
            clock = time.process_time()
            model.forget(rows=[int(row)])
            seconds.append(time.process_time() - clock)
            passes.append(model.certificate_.passes)
        joint = model.certificate_.joint_epsilon
        model.forget(rows=order[requests : requests + len(X) // 100])
        units = units or (float(np.median(seconds)), float(np.mean(seconds)))
        rows.append(
            {
                "view": view,
                "joint epsilon of all": joint,
                "without a pass": passes.count(0),
                "passes of all": sum(passes),
                "median over the release view's": float(np.median(seconds)) / units[0],
                "mean over the release view's": float(np.mean(seconds)) / units[1],
                "passes of a 1% batch": model.certificate_.passes,
            }
        )
    return rows
