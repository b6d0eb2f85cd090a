"""Which steps a pipeline can forget through, and their fit on the rows that stay.

A step is stateless (what it holds does not depend on the rows), recounted (its own fit on the rows
that stay takes its place: scikit-learn's where that is a function of the rows, others by
declaration), or declared as fitted elsewhere.  Anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from joblib import parallel_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion
from sklearn.utils.validation import _num_samples, check_is_fitted
from threadpoolctl import threadpool_limits

from .._common.arrays import MatrixLike
from .._common.interrupts import deferred
from .._common.threads import blas_threads
from ..exceptions import AssumptionError
from ._beside import Beside
from ._classes import COMPOSED, RECOUNTED, REFUSED, STATELESS, SUPERVISED
from ._parameters import callables, may_draw, refusal
from ._trial import differences, fit_transform, tried
from ._types import Step, Steps
from .frozen import FrozenFeatures

#: What holds where steps are recounted.
SAME_STEPS = (
    "steps recounted on the same rows give every row the same numbers: the same floating-point "
    "program on the same machine"
)


class Declared(NamedTuple):
    """What the owner says of steps, by their paths.

    Attributes
    ----------
    frozen : mapping of str to str
        Steps fitted elsewhere, and on what.
    refit : frozenset of str
        Steps whose fit is a function of the rows it is given.
    """

    frozen: Mapping[str, str] = MappingProxyType({})
    refit: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """What a step means for the pipeline it is in.

    Attributes
    ----------
    moves : bool
        Whether it holds anything that depends on the rows.
    looks : bool
        Whether its fit looks at labels.
    watched : bool
        Whether its fit may draw at random without a seed, which is then seen only as it does.
    conditions : tuple of str
        What the certificate has to list on its account.
    not_covered : tuple of str
        What it does not cover on its account.
    """

    moves: bool
    looks: bool = False
    watched: bool = False
    conditions: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: list[Verdict], own: tuple[str, ...] = ()) -> Verdict:
        """Join what several steps mean; ``own`` conditions come first."""
        conditions = sum((part.conditions for part in parts), own)
        not_covered = sum((part.not_covered for part in parts), ())
        return cls(
            any(part.moves for part in parts),
            any(part.looks for part in parts),
            any(part.watched for part in parts),
            conditions,
            not_covered,
        )


def surveyed(steps: Steps, declared: Declared) -> tuple[int, Verdict]:
    """Check all steps; return the first one that moves (their number if none), and the verdict.

    Raises
    ------
    AssumptionError
        If rows cannot be forgotten through one of them, or what is declared names no step.
    """
    known, frozen = set(paths_of(steps)), declared.frozen
    for name, paths in (("frozen", set(frozen)), ("refit", set(declared.refit))):
        if paths - known:
            raise AssumptionError(
                f"{name}= names steps; no such step: {sorted(paths - known)}; "
                f"there are {sorted(known)}"
            )
    wrong = [r for r in frozen.values() if not (isinstance(r, str) and r.strip())]
    if wrong:
        raise AssumptionError(f"frozen= says what steps were fitted on; not a reason: {wrong}")
    verdicts = [examined(name, step, declared) for name, step in steps]
    moves, joint = [verdict.moves for verdict in verdicts], Verdict.of(verdicts)
    if not joint.moves:
        return len(moves), joint
    return moves.index(True), replace(joint, conditions=(*joint.conditions, SAME_STEPS))


def is_nothing(step: Step) -> bool:
    """Whether a step stands for none at all."""
    return step is None or (isinstance(step, str) and step in ("passthrough", "drop"))


def examined(path: str, step: Step, declared: Declared) -> Verdict:
    """Say what a step means, whose name in the pipeline is ``path``.

    Raises
    ------
    AssumptionError
        If rows cannot be forgotten through it; the message names the step and the ways out.
    """
    if is_nothing(step):
        return Verdict(False)
    if path in declared.refit:
        return _declared(path, step, declared)
    if type(step) is FrozenFeatures:
        if path in declared.frozen:
            raise AssumptionError(
                f"step {path!r} says itself what it was trained on, by trained_on=: take it out "
                "of frozen="
            )
        conditions, not_covered = step.statements(path)
        return Verdict(False, conditions=conditions, not_covered=not_covered)
    if path in declared.frozen:
        return _fitted_elsewhere(path, step, declared.frozen[path])
    if type(step) is FrozenEstimator:
        raise AssumptionError(
            f"step {path!r} is frozen: say on what it was fitted, for the certificate, by "
            f"frozen={{{path!r}: '...'}}"
        )
    if type(step) in COMPOSED:
        if getattr(step, "memory", None) is not None:
            raise refusal(path, step, "its memory= would keep what it was fitted on")
        parts = [examined(f"{path}__{name}", part, declared) for name, part in parts_of(step)]
        return Verdict.of(parts, callables(path, step))
    if type(step) in STATELESS or type(step) in RECOUNTED:
        watched = may_draw(path, step)
        looks = type(step) in SUPERVISED
        return Verdict(type(step) in RECOUNTED, looks, watched, callables(path, step))
    why = f"what {type(step).__name__} learns is not known to be forgettable"
    raise refusal(path, step, REFUSED.get(type(step), why))


def parts_of(step: Step) -> Iterator[tuple[str, Step]]:
    """Yield the names and steps inside a step of several."""
    if isinstance(step, ColumnTransformer):
        yield from ((name, part) for name, part, _ in step.transformers)
        yield "remainder", step.remainder
    elif isinstance(step, FeatureUnion):
        yield from step.transformer_list
    else:
        yield from step.steps


def paths_of(steps: Steps) -> Iterator[str]:
    """Yield the path of every step, those inside others too."""
    for name, step in steps:
        yield name
        if type(step) in COMPOSED:
            yield from (f"{name}__{path}" for path in paths_of(list(parts_of(step))))


def _fitted_elsewhere(path: str, step: Step, reason: str) -> Verdict:
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
    return Verdict(
        False, conditions=(f"step {path!r} was fitted elsewhere, as declared: {reason}",)
    )


def _declared(path: str, step: Step, declared: Declared) -> Verdict:
    inside = [name for name in (*declared.frozen, *declared.refit) if name.startswith(f"{path}__")]
    if path in declared.frozen or inside:
        raise AssumptionError(
            f"step {path!r} is declared twice: " + ", ".join(sorted({path, *inside}))
        )
    kind = f"{type(step).__module__}.{type(step).__qualname__}"
    return Verdict(
        True,
        looks=True,
        conditions=(
            f"step {path!r}, a {kind}, makes of the rows and labels it is fitted on the same every "
            "time, and remembers no others, as declared by refit= and tried on the rows of the fit",
        ),
    )


def fitted_through(
    steps: Steps, X: MatrixLike, beside: Beside, declared: Declared, *, trial: bool = False
) -> tuple[MatrixLike, Steps]:
    """Return what fitted clones of steps, frozen ones as they are, make of rows; and the steps.

    ``X`` may be written to.

    Parameters
    ----------
    beside : Beside
        Labels and parameters that the fits get with the rows.
    trial : bool
        Whether steps declared by refit= are tried first.

    Raises
    ------
    AssumptionError
        If a step's fit cannot be repeated, or it makes more or fewer rows than it is given.
    """
    done: Steps = []
    for name, step in steps:
        if not is_nothing(step):
            n, given = _num_samples(X), beside.given.get(name, {})
            if name in declared.frozen:
                if given:
                    raise AssumptionError(
                        f"step {name!r} is not fitted here: it takes no {[*given]}"
                    )
                X = step.transform(X)
            else:
                step, X = _fitted(name, step, X, beside, declared, trial)
            if _num_samples(X) != n:
                raise AssumptionError(f"step {name!r} makes {_num_samples(X)} rows of {n}")
        done.append((name, step))
    return X, done


def _fitted(
    name: str, step: Step, X: MatrixLike, beside: Beside, declared: Declared, trial: bool
) -> tuple[Step, MatrixLike]:
    """Return a fitted clone of a step, and what it makes of the rows."""
    verdict, given = examined(name, step, declared), beside.given.get(name, {})
    with _settings(beside, alone=verdict.moves):
        if trial and any(path.split("__")[0] == name for path in declared.refit):
            tried(name, step, X, beside.y, given)
        step = clone(step)
        with _watched(name, step) if verdict.watched else nullcontext():
            return step, fit_transform(step, X, beside.y, given)


@contextmanager
def _settings(beside: Beside, *, alone: bool) -> Iterator[None]:
    """Route metadata as in the fit of the pipeline; ``alone``, in one thread and process.

    Sums depend on how many threads there are, and who comes first; and what another process draws
    would not be seen.  A step that learns nothing, such as an encoder, has all there are.
    """
    limits = ExitStack()
    try:
        # Interrupts come to the fit itself, and neither on the way in nor on the way out.
        with deferred():
            limits.enter_context(beside.configured())
            if alone:
                limits.enter_context(blas_threads(1))
                limits.enter_context(threadpool_limits(limits=1, user_api="openmp"))
                limits.enter_context(parallel_config(backend="sequential"))
        yield
    finally:
        with deferred():
            limits.close()


@contextmanager
def _watched(path: str, step: Step) -> Iterator[None]:
    """Refuse a fit that draws from NumPy's global generator, where that is not known before."""
    before = np.random.get_state(legacy=False)
    yield
    after = np.random.get_state(legacy=False)
    if next(differences("", before, after), None) is not None:
        raise refusal(
            path,
            step,
            "its fit on these rows draws from NumPy's global generator: set random_state=0, where "
            "it has none that of its cv= or of the function it is given (functools.partial); or "
            "choose a solver that does not draw, as svd_solver='full' of PCA",
        )
