"""How long a request takes as the number of rows grows, against a warm refit to 1e-8."""

from __future__ import annotations

import time

import numpy as np
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

from . import data
from .report import Report, axes, ratio, shown, spread

FEATURES = 100


def measured(n, d, requests, refits):
    """Seconds of single requests that read no retained row, and of warm refits after each."""
    X, y = data.synthetic(n, d)
    model = CertifiedLogReg().fit(X, y)
    peer = LogisticRegression(tol=1e-8, max_iter=2000, warm_start=True).fit(X, y)
    for row in range(3):
        model.forget([row])
    forget, refit = [], []
    for row in range(3, 3 + requests):
        clock = time.perf_counter()
        model.forget([row])
        spent = time.perf_counter() - clock
        if model.certificate_.tier == "downdate":
            forget.append(spent)
    for row in range(refits):
        kept = X[row + 1 :], y[row + 1 :]
        clock = time.perf_counter()
        peer.fit(*kept)
        refit.append(time.perf_counter() - clock)
    return forget, refit, requests


def main(small=False, out="tests/benchmarks/results"):
    report = Report("latency", out, small=small)
    sizes, d = ((1_000, 4_000), 5) if small else ((10**4, 10**5, 10**6), FEATURES)
    rows, series = [], {}
    for n in sizes:
        forget, refit, asked = measured(n, d, 40, 5)
        series[n] = forget, refit
        middle = [float(np.median(forget))] * len(refit)
        rows.append(
            {
                "rows": n,
                "features": d,
                "without a pass": f"{len(forget)} of {asked}",
                "warm refit over request": ratio(refit, middle),
                "request over its median": spread([t / middle[0] for t in forget]),
            }
        )
    first, last = (float(np.median(series[n][0])) for n in (sizes[0], sizes[-1]))
    report.table("A single request without a pass, against a warm refit (lbfgs, tol 1e-8)", rows)
    growth = {"rows": f"{sizes[-1]} over {sizes[0]}", "latency": last / first}
    report.table("Growth of the latency with the number of rows", [growth])
    report.picture(picture(series, first))
    report.save()


def picture(series, unit):
    """Latency against n, both scales logarithmic, in units of a request at the smallest n."""
    figure, ax = axes()
    sizes = list(series)
    for i, label in enumerate(("forget, no retained row read", "warm refit to 1e-8")):
        values = np.array([spread([t / unit for t in series[n][i]])["median"] for n in sizes])
        ax.plot(sizes, values, marker="o", label=label)
        for n, v in zip(sizes, values, strict=True):
            ax.annotate(
                shown(float(v)), (n, v), textcoords="offset points", xytext=(0, 7), ha="center"
            )
    ax.set(
        xscale="log", yscale="log", xlabel="rows kept", ylabel="time (one request at the left = 1)"
    )
    ax.margins(y=0.2)
    ax.legend(frameon=False, loc="upper left")
    ax.spines[["top", "right"]].set_visible(False)
    return figure
