"""Which steps a pipeline can forget through, a closed list, and what each of them asks for.

A step is stateless (what it holds does not depend on the rows), recounted (scikit-learn's own fit
on the rows that stay takes its place), or declared as fitted elsewhere.  Anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..exceptions import AssumptionError
from .frozen import FrozenFeatures

# Classes are compared by identity: a subclass may fit whatever it likes.
STATELESS: tuple[type, ...] = (
    Binarizer,
    FeatureHasher,
    FunctionTransformer,
    HashingVectorizer,
    Normalizer,
    PolynomialFeatures,
)
RECOUNTED: tuple[type, ...] = (
    CountVectorizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PCA,
    RobustScaler,
    SimpleImputer,
    StandardScaler,
    TfidfTransformer,
    TfidfVectorizer,
)
COMPOSED: tuple[type, ...] = (ColumnTransformer, FeatureUnion, Pipeline)
TEXT: tuple[type, ...] = (CountVectorizer, HashingVectorizer, TfidfVectorizer)
#: What holds where steps are recounted.
SAME_STEPS = (
    "steps recounted on the same rows give every row the same numbers: the same floating-point "
    "program on the same machine"
)
#: Parameters that hold a function of the caller's.
_CALLABLES = ("func", "analyzer", "tokenizer", "preprocessor", "strategy")


@dataclass(frozen=True)
class Verdict:
    """What a step means for the pipeline it is in.

    Attributes
    ----------
    moves : bool
        Whether it holds anything that depends on the rows.
    conditions : tuple of str
        What the certificate has to list on its account.
    not_covered : tuple of str
        What it does not cover on its account.
    """

    moves: bool
    conditions: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: list[Verdict], own: tuple[str, ...] = ()) -> Verdict:
        """Join what several steps mean; ``own`` conditions come first."""
        conditions = sum((part.conditions for part in parts), own)
        not_covered = sum((part.not_covered for part in parts), ())
        return cls(any(part.moves for part in parts), conditions, not_covered)


def surveyed(steps: list[tuple[str, Any]], frozen: Mapping[str, str]) -> tuple[int, Verdict]:
    """Check all steps; return the first one that moves (their number if none), and the verdict.

    Raises
    ------
    AssumptionError
        If rows cannot be forgotten through one of them, or ``frozen`` names no step or no reason.
    """
    unknown = set(frozen) - set(paths_of(steps))
    wrong = [r for r in frozen.values() if not (isinstance(r, str) and r.strip())]
    if unknown or wrong:
        raise AssumptionError(
            "frozen= maps steps to what they were fitted on; "
            + (f"no such step: {sorted(unknown)}" if unknown else f"not a reason: {wrong}")
        )
    verdicts = [examined(name, step, frozen) for name, step in steps]
    moves, joint = [verdict.moves for verdict in verdicts], Verdict.of(verdicts)
    if not joint.moves:
        return len(moves), joint
    return moves.index(True), replace(joint, conditions=(*joint.conditions, SAME_STEPS))


def is_nothing(step: Any) -> bool:
    """Whether a step stands for none at all."""
    return step is None or (isinstance(step, str) and step in ("passthrough", "drop"))


def examined(path: str, step: Any, frozen: Mapping[str, str]) -> Verdict:
    """Say what a step means, whose name in the pipeline is ``path``.

    Parameters
    ----------
    frozen : mapping of str to str
        Paths of the steps declared as fitted elsewhere, with the reason.

    Raises
    ------
    AssumptionError
        If rows cannot be forgotten through it; the message names the step and the ways out.
    """
    if is_nothing(step):
        return Verdict(False)
    if type(step) is FrozenFeatures:
        if path in frozen:
            raise AssumptionError(
                f"step {path!r} says itself what it was trained on, by trained_on=: take it out "
                "of frozen="
            )
        return Verdict(False, *step.statements(path))
    if path in frozen:
        return _fitted_elsewhere(path, step, frozen[path])
    if type(step) is FrozenEstimator:
        raise AssumptionError(
            f"step {path!r} is frozen: say on what it was fitted, for the certificate, by "
            f"frozen={{{path!r}: '...'}}"
        )
    if type(step) in COMPOSED:
        if getattr(step, "memory", None) is not None:
            raise _refusal(path, step, "its memory= would keep what it was fitted on")
        parts = [examined(f"{path}__{name}", part, frozen) for name, part in parts_of(step)]
        return Verdict.of(parts, _callables(path, step))
    if type(step) in STATELESS or type(step) in RECOUNTED:
        _look_at_parameters(path, step)
        return Verdict(type(step) in RECOUNTED, _callables(path, step))
    raise _refusal(path, step, f"what {type(step).__name__} learns is not known to be forgettable")


def parts_of(step: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and steps inside a step of several."""
    if isinstance(step, ColumnTransformer):
        yield from ((name, part) for name, part, _ in step.transformers)
        yield "remainder", step.remainder
    elif isinstance(step, FeatureUnion):
        yield from step.transformer_list
    else:
        yield from step.steps


def paths_of(steps: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield the path of every step, those inside others too."""
    for name, step in steps:
        yield name
        if type(step) in COMPOSED:
            yield from (f"{name}__{path}" for path in paths_of(list(parts_of(step))))


def _fitted_elsewhere(path: str, step: Any, reason: str) -> Verdict:
    if "__" in path and type(step) is not FrozenEstimator:
        raise AssumptionError(
            f"step {path!r} is inside another, which would fit it: put it into a "
            "sklearn.frozen.FrozenEstimator"
        )
    try:
        check_is_fitted(step)
    except NotFittedError:
        raise AssumptionError(
            f"step {path!r} is declared as fitted elsewhere, but is not fitted: fit it, and put it "
            "into a sklearn.frozen.FrozenEstimator where the pipeline will be cloned"
        ) from None
    return Verdict(False, (f"step {path!r} was fitted elsewhere, as declared: {reason}",))


def _callables(path: str, step: Any) -> tuple[str, ...]:
    params = step.get_params(deep=False)
    if not any(callable(params.get(name)) for name in _CALLABLES):
        return ()
    same = "the same rows the same result"
    if type(step) in STATELESS:
        same = "a row the same result, whatever rows come with it"
    return (
        f"the caller's function in step {path!r} gives {same}, and holds nothing that was fitted "
        "on the rows",
    )


def _look_at_parameters(path: str, step: Any) -> None:
    """Refuse parameters by which a fit is no function of the rows it is given."""
    if type(step) in TEXT and step.input != "content":
        raise _refusal(path, step, f"with input={step.input!r} the rows are not what it is given")
    if isinstance(step, PCA) and not isinstance(step.random_state, (int, np.integer)):
        if step.svd_solver in ("randomized", "arpack"):
            raise _refusal(path, step, f"svd_solver={step.svd_solver!r} draws at random")


def settle(path: str, step: Any) -> None:
    """Refuse a fitted step whose fit cannot be repeated.

    Raises
    ------
    AssumptionError
        If it has drawn at random without a seed.
    """
    if type(step) is ColumnTransformer:
        # What it was given is cloned; what it fitted lies elsewhere.
        for name, part, _ in step.transformers_:
            settle(f"{path}__{name}", part)
    elif type(step) in COMPOSED:
        for name, part in parts_of(step):
            settle(f"{path}__{name}", part)
    elif type(step) is PCA and not isinstance(step.random_state, (int, np.integer)):
        if step._fit_svd_solver in ("randomized", "arpack"):
            raise _refusal(
                path,
                step,
                f"svd_solver={step.svd_solver!r} came to {step._fit_svd_solver!r} for rows of this "
                "shape, which draws at random (svd_solver='full' does not)",
            )


def fitted_through(
    steps: list[tuple[str, Any]], X: Any, frozen: Mapping[str, str]
) -> tuple[Any, list[tuple[str, Any]]]:
    """Return what fitted clones of steps, frozen ones as they are, make of rows; and the steps.

    ``X`` may be written to.

    Raises
    ------
    AssumptionError
        If a step's fit cannot be repeated, or it makes more or fewer rows than it is given.
    """
    done: list[tuple[str, Any]] = []
    for name, step in steps:
        if not is_nothing(step):
            n = _num_samples(X)
            if name in frozen:
                X = step.transform(X)
            else:
                step = clone(step)
                X = step.fit_transform(X)
                settle(name, step)
            if _num_samples(X) != n:
                raise AssumptionError(f"step {name!r} makes {_num_samples(X)} rows of {n}")
        done.append((name, step))
    return X, done


def _refusal(path: str, step: Any, why: str) -> AssumptionError:
    classes = *STATELESS, *RECOUNTED, *COMPOSED, FrozenFeatures
    known = ", ".join(sorted(c.__name__ for c in classes))
    return AssumptionError(
        f"rows cannot be forgotten through step {path!r}, a {type(step).__name__}: {why}. "
        f"(1) Put a step there that can: {known}. "
        "(2) Fit it on data that no request will concern, and declare that by "
        f"frozen={{{path!r}: 'fitted on ...'}}. "
        "(3) Take it out of the pipeline and fit the model on its output: the certificate then "
        "says that what else was fitted is not covered."
    )
