"""Audits that could prove a removal wrong: from arrays, scores, certificates and models alone.

Nothing here imports what it audits.  Every audit returns a `Finding`: its statistic beside the null
band in which a retrained model lies, the level of a false alarm, and the power against named
faults.
"""

from .finding import Finding
from .law import Law, ReleaseLaw, release_law
from .replay import Replay, replay, same_noise, visible
from .weights import weights

__all__ = [
    "Finding",
    "Law",
    "ReleaseLaw",
    "Replay",
    "release_law",
    "replay",
    "same_noise",
    "visible",
    "weights",
]
