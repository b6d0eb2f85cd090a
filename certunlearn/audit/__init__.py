"""Audits that could prove a removal wrong: from arrays, scores, certificates and models alone.

Nothing here imports what it audits.  Every audit returns a `Finding`: its statistic beside the null
band in which a retrained model lies, the level of a false alarm, and the power against named
faults.
"""

from .canaries import Canaries, CanaryScore, plant
from .ensembles import forgetting_quality, klom
from .epsilon import EpsilonBound, effective_epsilon
from .evaluation import evaluate
from .files import Predictions, evaluate_files
from .finding import Finding, Measured
from .law import Law, ReleaseLaw, release_law
from .lira import Lira, lira_forget
from .methods import METHODS, NEEDS, Method, Task, methods_table, register
from .one_run import one_run_epsilon
from .replay import Replay, replay, same_noise, visible
from .report import Axis, Evaluation
from .representation import Representation, linear_cka, representation
from .residue import (
    Difference,
    NullSpace,
    Residue,
    difference_attack,
    influence_residue,
    null_space,
)
from .scores import confidence, logistic_heads
from .sequential import SelfAudit
from .weights import weights

__all__ = [
    "Axis",
    "Canaries",
    "CanaryScore",
    "Difference",
    "EpsilonBound",
    "Evaluation",
    "Finding",
    "Law",
    "Lira",
    "METHODS",
    "Measured",
    "Method",
    "NEEDS",
    "NullSpace",
    "Predictions",
    "ReleaseLaw",
    "Replay",
    "Representation",
    "Residue",
    "SelfAudit",
    "Task",
    "confidence",
    "difference_attack",
    "effective_epsilon",
    "evaluate",
    "evaluate_files",
    "forgetting_quality",
    "influence_residue",
    "klom",
    "linear_cka",
    "lira_forget",
    "logistic_heads",
    "methods_table",
    "null_space",
    "one_run_epsilon",
    "plant",
    "register",
    "release_law",
    "replay",
    "representation",
    "same_noise",
    "visible",
    "weights",
]
