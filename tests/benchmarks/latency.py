"""How long a request takes as the number of rows grows, against a warm refit to 1e-8.

All sizes are held at once and take turns: some single requests, one refit after another deletion,
then the next size.  Ratios are taken within a round.
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.linear_model import LogisticRegression

from certunlearn import CertifiedLogReg

from . import data
from .report import Report, axes, shown, spread

FEATURES = 100


class Size:
    """Ours and a peer on n rows; both forget one row after the other."""

    def __init__(self, n, d):
        self.X, self.y = data.synthetic(n, d)
        self.model = CertifiedLogReg().fit(self.X, self.y)
        self.peer = LogisticRegression(tol=1e-8, max_iter=2000, warm_start=True)
        self.peer.fit(self.X, self.y)
        self.asked = self.refitted = 0
        self.rounds, self.iterations = [], []

    def forget(self):
        """Seconds and tier of the next single request."""
        clock = time.perf_counter()
        self.model.forget([self.asked])
        spent = time.perf_counter() - clock
        self.asked += 1
        return spent, self.model.certificate_.tier

    def refit(self):
        """Seconds of a warm refit after one more deletion."""
        self.refitted += 1
        kept = self.X[self.refitted :], self.y[self.refitted :]
        clock = time.perf_counter()
        self.peer.fit(*kept)
        spent = time.perf_counter() - clock
        self.iterations.append(int(self.peer.n_iter_[0]))
        return spent

    def turn(self, requests):
        """Requests and a refit: seconds without a pass, of all requests, and of the refit."""
        found = [self.forget() for _ in range(requests)]
        quiet = [seconds for seconds, tier in found if tier == "downdate"]
        self.rounds.append((quiet, [seconds for seconds, _ in found], self.refit()))

    def middle(self, round_):
        """Median seconds of the requests of a round that read no retained row."""
        return float(np.median(self.rounds[round_][0]))


def main(small=False, out="tests/benchmarks/results"):
    report = Report("latency", out, small=small)
    sizes, d = ((1_000, 4_000), 5) if small else ((10**4, 10**5, 10**6), FEATURES)
    rounds, requests = (3, 5) if small else (7, 8)
    measured = {n: Size(n, d) for n in sizes}
    for size in measured.values():
        # What compiles does so before it is timed.
        for _ in range(3):
            size.forget()
    for _ in range(rounds):
        for size in measured.values():
            size.turn(requests)
    title = "A single request without a pass, against a warm refit (lbfgs, tol 1e-8)"
    report.table(title, [row(n, d, size) for n, size in measured.items()])
    report.table("Growth of the latency with the number of rows", [growth(measured)])
    report.picture(picture(measured))
    report.save()


def usable(*sizes):
    """Rounds in which each of the sizes had a request without a pass."""
    return [i for i in range(len(sizes[0].rounds)) if all(s.rounds[i][0] for s in sizes)]


def row(n, d, size):
    """One row of the table."""
    quiet = [seconds for r in size.rounds for seconds in r[0]]
    unit = float(np.median(quiet))
    return {
        "rows": n,
        "features": d,
        "without a pass": f"{len(quiet)} of {sum(len(r[1]) for r in size.rounds)}",
        "refit over request": spread([size.rounds[i][2] / size.middle(i) for i in usable(size)]),
        "refit over mean of all requests": spread(
            [r[2] / float(np.mean(r[1])) for r in size.rounds]
        ),
        "request over its median": spread([seconds / unit for seconds in quiet]),
        "iterations of a refit": spread(size.iterations),
    }


def growth(measured):
    """A request at the largest size over one at the smallest, in the same round."""
    first, last = measured[min(measured)], measured[max(measured)]
    ratios = [last.middle(i) / first.middle(i) for i in usable(first, last)]
    return {"rows": f"{max(measured)} over {min(measured)}", "latency": spread(ratios)}


def picture(measured):
    """Latency against n, both scales logarithmic, in units of a request at the smallest n."""
    figure, ax = axes()
    first = measured[min(measured)]
    unit = float(np.median([s for r in first.rounds for s in r[0]]))
    for label, part in (("forget, no retained row read", 0), ("warm refit to 1e-8", 2)):
        middles, spans = [], []
        for size in measured.values():
            found = spread(np.hstack([r[part] for r in size.rounds]) / unit)
            middles.append(found["median"])
            spans.append((found["median"] - found["min"], found["max"] - found["median"]))
        bars = np.array(spans).T
        ax.errorbar(list(measured), middles, yerr=bars, marker="o", capsize=3, label=label)
        for n, v in zip(measured, middles, strict=True):
            ax.annotate(shown(v), (n, v), textcoords="offset points", xytext=(8, 6))
    ax.set(xscale="log", yscale="log", xlabel="rows", ylabel="time (one request at the left = 1)")
    ax.margins(x=0.15, y=0.25)
    ax.legend(frameon=False, loc="upper left")
    ax.spines[["top", "right"]].set_visible(False)
    return figure
