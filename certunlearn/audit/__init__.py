"""Audits that could prove a removal wrong: from arrays, scores, certificates and models alone.

Nothing here imports what it audits.  Every audit returns a `Finding`: its statistic beside the null
band in which a retrained model lies, the level of a false alarm, and the power against named
faults.
"""

from .epsilon import EpsilonBound, effective_epsilon
from .finding import Finding
from .law import Law, ReleaseLaw, release_law
from .one_run import one_run_epsilon
from .replay import Replay, replay, same_noise, visible
from .weights import weights

__all__ = [
    "EpsilonBound",
    "Finding",
    "Law",
    "ReleaseLaw",
    "Replay",
    "effective_epsilon",
    "one_run_epsilon",
    "release_law",
    "replay",
    "same_noise",
    "visible",
    "weights",
]
