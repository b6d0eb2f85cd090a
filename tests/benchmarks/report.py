"""Timing in turns, and what a benchmark leaves behind: JSON, a Markdown table, pictures."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info


def cpu(action, *arguments, **more):
    """CPU seconds of a call, of all threads of this process."""
    clock = time.process_time()
    action(*arguments, **more)
    return time.process_time() - clock


def turns(actions, repeats, patience=np.inf):
    """Run every action ``repeats`` times, taking turns; seconds of each, by name.

    An action may return seconds of its own; otherwise the whole call counts.  One that has had
    more than ``patience`` seconds sits out the turns left.
    """
    seconds, total = {name: [] for name in actions}, dict.fromkeys(actions, 0.0)
    for _ in range(repeats):
        for name, action in actions.items():
            if total[name] > patience:
                continue
            clock = time.perf_counter()
            own = action()
            spent = time.perf_counter() - clock
            total[name] += spent
            seconds[name].append(own if isinstance(own, float) else spent)
    return seconds


def spread(values):
    """Minimum, median and maximum."""
    return {"min": min(values), "median": float(np.median(values)), "max": max(values)}


def ratio(slow, fast):
    """Spread of the ratios of two series taken in turns; one may have sat out the last ones."""
    return spread([a / b for a, b in zip(slow, fast, strict=False)])


def shown(value):
    """A cell of a table."""
    if isinstance(value, dict) and set(value) == {"min", "median", "max"}:
        return f"{value['median']:.3g} ({value['min']:.3g} to {value['max']:.3g})"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)


def environment():
    """Versions, processor and threads."""
    packages = ("certunlearn", "jax", "numpy", "scipy", "scikit-learn")
    return {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "blas threads": max(
            (pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"),
            default=1,
        ),
        **{name: importlib.metadata.version(name) for name in packages},
    }


def said(about):
    """An environment in one line."""
    return ", ".join(f"{k} {v}" for k, v in about.items())


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


class Report:
    """Tables of one benchmark; written where results go, and printed.

    To ``add`` is to keep the tables of an earlier run, and to say which ones are of this one.
    """

    def __init__(self, name, out, *, small=False, add=False):
        self.name, self.out, self.add = name, Path(out), add
        self.contents = {"name": name, "small": small, "environment": environment(), "tables": {}}
        self.out.mkdir(parents=True, exist_ok=True)
        if add:
            self.contents = json.loads((self.out / f"{name}.json").read_text())

    def table(self, title, rows):
        """Add a table: one dictionary a row, all with the same keys."""
        self.contents["tables"][title] = rows
        if self.add:
            self.contents.setdefault("added", {})[title] = environment()
        print(f"\n{self._markdown(title, rows)}", flush=True)
        # A run that is cut short leaves what it had found.
        self.save()

    def save(self):
        """Write JSON and Markdown."""
        path = self.out / f"{self.name}.json"
        path.write_text(json.dumps(self.contents, indent=1) + "\n")
        tables = [self._markdown(*item) for item in self.contents["tables"].items()]
        about = [said(self.contents["environment"])]
        about += [f"{title}: {said(e)}" for title, e in self.contents.get("added", {}).items()]
        text = "\n\n".join([f"# {self.name}", *tables, *about]) + "\n"
        (self.out / f"{self.name}.md").write_text(text)
        return path

    def picture(self, figure):
        """Write a figure as PNG."""
        path = self.out / f"{self.name}.png"
        figure.savefig(path, dpi=130, bbox_inches="tight")
        return path

    @staticmethod
    def _markdown(title, rows):
        head = list(rows[0])
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(shown(row[k]) for k in head) + " |" for row in rows]
        return "\n".join([f"**{title}**", "", *lines])


def axes(width=6.4, height=4.0, columns=1, rows=1):
    """A figure and its axes, drawn without a display."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (width * columns, height * rows)
    return pyplot.subplots(rows, columns, figsize=size, layout="constrained")
