"""A day of requests
=================

A day of requests: people ask all day, one removal in the evening answers them.

Run: ``python examples/day_of_requests.py [folder]`` after
``pip install 'certunlearn[plot]' pandas``

A model tells odd from even handwritten digits; blocks of 30 pictures stand for users.
"""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from certunlearn import CertifiedLogReg, ForgetQueue
from certunlearn.exceptions import ConfirmationNeededError

X, digit = load_digits(return_X_y=True)
y = np.where(digit % 2, "odd", "even")
users = [f"user {i // 30:02}" for i in range(len(X))]
names = [f"{user}/{i % 30}" for i, user in enumerate(users)]
about = pd.DataFrame({"user": users, "sent": 2022 + np.arange(len(X)) // 450})


def trained():
    model = CertifiedLogReg(C=0.1, epsilon=1.0, delta=1e-6, view="release")
    return model.fit(X / 16, y, row_ids=names, groups=users, metadata=about)


model, one_by_one = trained(), trained()
before = model.score(X / 16, y)
time = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
queue = ForgetQueue(model, within=timedelta(days=28), now=lambda: time)
waiting, together, alone = [(8.0, 0)], [(8.0, 0.0)], [(8.0, 0.0)]


def at(hour, minute, what):
    """Let the clock come to a time and say what happens then."""
    global time
    time = time.replace(hour=hour, minute=minute)
    print(f"{time:%H:%M}  {what}")
    return hour + minute / 60


def ask(hour, minute, reference, **rows):
    moment = at(hour, minute, f"case {reference}: {rows}")
    queue.add(reference=reference, **rows)
    waiting.append((moment, len(queue.rows)))
    if reference not in ("103", "107"):  # These two will not stand.
        one_by_one.forget(**rows)
        alone.append((moment, one_by_one.certificate_.joint_epsilon))


ask(8, 40, "101", groups="user 07")
ask(9, 15, "102", row_ids=["user 21/3", "user 21/4"])
ask(10, 5, "103", groups="user 33")
ask(11, 0, "104", row_ids=["user 12/0", "user 12/1"])
ask(11, 50, "105", groups="user 12")
ask(13, 10, "106", groups="user 40")

moment = at(13, 40, "user 40 cannot wait and is forgotten at once, past the queue")
model.forget(groups="user 40")
waiting.append((moment, len(queue.rows)))
together.append((moment, model.certificate_.joint_epsilon))

ask(14, 30, "107", where="sent >= 2023")
moment = at(14, 50, "somebody tries to run the queue")
try:
    queue.run()
except ConfirmationNeededError as question:
    print("       it asks:", question.reasons[0])
    mistaken = len(queue.withdraw("107").rows)
assert len(model.history_) == 2 and mistaken > 0.5 * len(X)
waiting.append((moment, len(queue.rows)))

# Only the requests are written, not the model: a process that dies loses none.
queue = ForgetQueue.from_json(queue.to_json(), model, now=lambda: time)
ask(15, 45, "108", where="user == 'user 55' and sent == 2025")
moment = at(16, 40, "case 103 is withdrawn: user 33 would rather stay")
queue.withdraw("103")
waiting.append((moment, len(queue.rows)))

rows = len(queue.rows)
moment = at(18, 0, f"the queue is run: {rows} pictures")
receipts = queue.run()
waiting.append((moment, len(queue.rows)))
together.append((moment, model.certificate_.joint_epsilon))
for receipt in receipts:
    print("      ", receipt)

after = model.score(X / 16, y)
print(f"\nall releases of the day: epsilon {together[-1][1]:.2f}, one by one {alone[-1][1]:.2f}")
print(f"accuracy {before:.3f} in the morning, {after:.3f} in the evening")
removed = {receipt.reference: len(receipt.rows) for receipt in receipts}
assert removed == {"101": 30, "102": 2, "104": 2, "105": 30, "106": 0, "108": 30}
assert all(r.certificate.check(epsilon=1.0, delta=1e-6) and not r.late for r in receipts)
assert all(r.certificate.tier is None for r in receipts)  # The public part alone.
assert model.n_retained_ == one_by_one.n_retained_ == len(X) - rows - 30
assert together[-1][1] < 0.7 * alone[-1][1] and abs(after - before) < 0.02

# The picture: above what waits, below what all releases together may tell.
figure = Figure(figsize=(8.0, 6.0), layout="constrained")
top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#59626c"


def steps(ax, points, colour, said):
    """Draw what holds from each moment on; what it comes to stands at the right edge."""
    x, heights = zip(*points, strict=True)
    ax.step([*x, 18.6], [*heights, heights[-1]], where="post", color=colour, linewidth=2)
    ax.plot(x[1:], heights[1:], "o", color=colour, markersize=4)
    ax.annotate(said, (18.7, heights[-1]), va="center", color=colour, annotation_clip=False)


def note(hour, height, text, below=False):
    where = dict(xytext=(-2, 5), ha="right")
    if below:
        where = dict(xytext=(0, -6), va="top", ha="center")
    top.annotate(text, (hour, height), textcoords="offset points", color=GREY, fontsize=8, **where)


steps(top, waiting, BLUE, "all answered:\none certificate")
told = [*map(str, range(101, 107)), "user 40\nat once", "", "", "108", "103\nwithdrawn"]
for (hour, height), text in zip(waiting[1:-1], told, strict=True):
    note(hour, height, text, below="\n" in text)
note(14.45, 150, f"107 takes {mistaken} pictures:\nthe queue asks, it is withdrawn")
top.set(ylabel="Pictures waiting", ylim=(-3, 175))
top.set_title("A day of requests, answered in the evening (owner's view)", loc="left")
steps(bottom, alone, ORANGE, f"one by one:\n{len(alone) - 1} releases")
steps(bottom, together, BLUE, f"with the queue:\n{len(together) - 1} releases")
bottom.set(ylabel="Joint epsilon of all\nreleases of the day", ylim=(-0.05, 3))
bottom.set(xlabel="Hour", xticks=range(8, 19, 2), xlim=(7.8, 18.6))
for ax in (top, bottom):
    ax.spines[["top", "right"]].set_visible(False)
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
path = folder / "day_of_requests.png"
figure.savefig(path, dpi=120)
print("picture:", path)
