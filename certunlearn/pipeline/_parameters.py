"""Parameters of steps, by which a fit may or may not be a function of the rows it is given."""

from __future__ import annotations

from inspect import signature
from numbers import Integral
from typing import Any

from sklearn.decomposition import PCA

from ..exceptions import AssumptionError
from ._classes import ADVISERS, DRAWING, SELECTING, SOMETIMES, STATELESS, SUPERVISED, TEXT
from ._types import Step

#: Parameters that hold a function of the caller's.
_CALLABLES = (
    "analyzer",
    "cv",
    "func",
    "fun",
    "importance_getter",
    "kernel",
    "metric",
    "pooling_func",
    "preprocessor",
    "score_func",
    "scoring",
    "strategy",
    "tokenizer",
)


def callables(path: str, step: Step) -> tuple[str, ...]:
    """Return what a certificate lists where a step is given a function of the caller's."""
    params = step.get_params(deep=False)
    if not any(_own(type(step), name, params.get(name)) for name in _CALLABLES):
        return ()
    same = "the same rows the same result"
    if type(step) in STATELESS:
        same = "a row the same result, whatever rows come with it"
    return (
        f"the caller's function in step {path!r} gives {same}, and holds nothing that was fitted "
        "on the rows",
    )


def _own(kind: type, name: str, value: object) -> bool:
    """Whether a parameter holds a function of the caller's."""
    if not callable(value) or value is signature(kind).parameters[name].default:
        return False
    return not str(getattr(value, "__module__", "")).startswith("sklearn.")


def may_draw(path: str, step: Step) -> bool:
    """Whether a step's fit may draw at random without a seed, which is then seen as it does.

    Raises
    ------
    AssumptionError
        If by its parameters the fit is no function of the rows it is given.
    """
    kind = type(step)
    if kind in TEXT and step.input != "content":
        raise refusal(path, step, f"with input={step.input!r} the rows are not what it is given")
    if any(isinstance(v, str) and v == "precomputed" for v in step.get_params(False).values()):
        raise refusal(path, step, "its columns are rows too, which would not go with theirs")
    if kind in SELECTING:
        _look_at_adviser(path, step)
    folds: Any = getattr(step, "cv", None)
    if not (folds is None or isinstance(folds, Integral) or hasattr(folds, "split")):
        raise refusal(path, step, "its cv= lists rows by number, which forgetting changes")
    seeds = {k: v for k, v in step.get_params().items() if k.rpartition("__")[2] == "random_state"}
    if hasattr(folds, "random_state"):
        seeds["cv.random_state"] = folds.random_state
    # As scikit-learn says of a parameter that it takes no more.
    seeds = {name: seed for name, seed in seeds.items() if not isinstance(seed, str)}
    for name, seed in seeds.items():
        if seed is not None and not isinstance(seed, Integral):
            raise refusal(path, step, f"its {name} goes on with every draw: set it to 0")
    drawing = kind in DRAWING
    if kind is PCA:
        drawing = step.svd_solver in ("randomized", "arpack")
    if drawing and None in seeds.values():
        raise refusal(path, step, "its fit draws at random: set random_state=0")
    return kind in (*SOMETIMES, *SUPERVISED) and (None in seeds.values() or not seeds)


def _look_at_adviser(path: str, step: Step) -> None:
    """Check the model that a step selects columns by."""
    adviser = step.estimator
    if getattr(step, "prefit", False):
        raise refusal(path, step, "with prefit=True its model was fitted elsewhere")
    if type(adviser) not in ADVISERS:
        raise refusal(
            path, step, f"its {type(adviser).__name__} is not known to be a function of rows"
        )


def refusal(path: str, step: Step, why: str) -> AssumptionError:
    """Return the refusal of a step, with the ways out."""
    return AssumptionError(
        f"rows cannot be forgotten through step {path!r}, a {type(step).__name__}: {why}. "
        "(1) Put a transformer of scikit-learn there that is a function of the rows it is fitted "
        "on, seeded where it draws; nearly all are. "
        "(2) Say that this one is, whatever its class, by "
        f"refit={{{path!r}}}: fit then tries it. "
        "(3) Fit it on data that no request will concern, and declare that by "
        f"frozen={{{path!r}: 'fitted on ...'}}. "
        "(4) Take it out of the pipeline and fit the model on its output: the certificate then "
        "says that what else was fitted is not covered."
    )
