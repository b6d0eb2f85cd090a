"""What steps are given beside the rows: labels, and weights or whatever else has a value a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import process_routing

from .._common.arrays import AnyArray, ArrayLike, MatrixLike, Positions
from ..exceptions import AssumptionError
from ._kinds import joined, settled
from ._types import Arguments

Values = AnyArray
#: Parameters of ``fit`` by step.
Given = Mapping[str, Mapping[str, Values]]


@dataclass(frozen=True)
class Beside:
    """Labels and fit parameters of the rows of a training set, in the order of the rows.

    Attributes
    ----------
    y : ndarray or None
        Labels; None where no step looks at them.
    given : mapping
        By the name of a step, the parameters its fit gets, one value a row each.
    routed : bool
        Whether steps hand them on by scikit-learn's metadata routing.
    """

    y: Values | None = None
    given: Given = field(default_factory=dict)
    routed: bool = False

    def taken(self, at: Positions) -> Self:
        """Return those of the rows at positions, a copy."""
        y = None if self.y is None else settled(self.y[at])
        given = {
            step: {name: settled(values[at]) for name, values in own.items()}
            for step, own in self.given.items()
        }
        return replace(self, y=y, given=given)

    def joined(self, more: Self) -> Self:
        """Return these followed by those of other rows, of the types these have.

        Raises
        ------
        AssumptionError
            If one was given and the other was not, or a value is not of the type.
        """
        ours, theirs = self.named(), more.named()
        if ours != theirs:
            lacking, new = (sorted(a - b) for a, b in ((ours, theirs), (theirs, ours)))
            raise AssumptionError(
                "the steps are fitted anew on old rows and new ones together: "
                + (f"give {', '.join(lacking)} for the new rows too, as fit was" if lacking else "")
                + (f"fit was not given {', '.join(new)}, so leave it out" if new else "")
            )
        y = None if self.y is None else joined(self.y, more.y)
        given = {
            step: {name: joined(v, more.given[step][name]) for name, v in own.items()}
            for step, own in self.given.items()
        }
        return replace(self, y=y, given=given)

    def labelled(self, at: Positions, y: ArrayLike) -> Self:
        """Return these with other labels at positions."""
        if self.y is None:
            return self
        every = joined(self.y, np.asarray(y))
        order = np.arange(len(self.y))
        order[at] = len(self.y) + np.arange(len(at))
        return replace(self, y=settled(every[order]))

    def named(self) -> set[str]:
        """Return the names of the fit parameters, as ``step__parameter``."""
        return {f"{step}__{name}" for step, own in self.given.items() for name in own}

    def relabels(self, other: Self) -> bool:
        """Whether the same rows have other labels in ``other``."""
        return not (self.y is None or other.y is None or np.array_equal(self.y, other.y))

    @contextmanager
    def configured(self) -> Iterator[None]:
        """Set metadata routing as it was when the fit was given these."""
        with config_context(enable_metadata_routing=self.routed):
            yield

    def overwrite(self) -> None:
        """Overwrite what is left of a copy."""
        arrays = [values for own in self.given.values() for values in own.values()]
        for values in arrays if self.y is None else [self.y, *arrays]:
            values.fill(values.dtype.type())


class Shared(NamedTuple):
    """The arguments of a fit, shared out.

    Attributes
    ----------
    head : dict
        What the head's fit gets.
    steps : Beside
        What the steps' fits get, without labels.
    """

    head: Arguments
    steps: Beside


def shared_out(pipe: Pipeline, named: Arguments, params: Mapping[str, object], n: int) -> Shared:
    """Share the arguments of a fit on ``n`` rows out, as scikit-learn's Pipeline does.

    Parameters
    ----------
    named : dict
        Arguments of the head by name, None where there is none.
    params : mapping
        Further ones: ``step__parameter``, or with metadata routing whatever a step has asked for.

    Raises
    ------
    TypeError
        If a parameter is nobody's.
    AssumptionError
        If one of a step has not one value a row.
    """
    routed = bool(get_config().get("enable_metadata_routing"))
    head, steps = (_routed if routed else _addressed)(pipe, named, params)
    given = {
        step: {name: _per_row(f"{step}__{name}", values, n) for name, values in own.items()}
        for step, own in steps.items()
        if own
    }
    return Shared(head, Beside(None, given, routed))


def labels_for(head: BaseEstimator, y: ArrayLike, X: MatrixLike) -> Values:
    """Return labels as the steps get them: targets as float64, whatever they were given as."""
    check_consistent_length(X, y)
    # Several labels a row may come in CSR, and no step wants them so.
    y = y.toarray() if issparse(y) else y
    out = np.asarray(y) if is_classifier(head) else np.asarray(y, dtype=np.float64)
    return out.ravel() if out.shape[1:] == (1,) else out


def _addressed(
    pipe: Pipeline, named: Arguments, params: Mapping[str, object]
) -> tuple[Arguments, dict[str, Arguments]]:
    """By the step that a parameter's name begins with."""
    last = pipe.steps[-1][0]
    head = {name: value for name, value in named.items() if value is not None}
    steps: dict[str, Arguments] = {name: {} for name, _ in pipe.steps[:-1]}
    for key, value in params.items():
        step, _, name = key.partition("__")
        if step == last and name in named:
            if name in head:
                raise TypeError(f"{key}= and {name}= are the same: give one of them")
            if value is not None:
                head[name] = value
        elif name and step in steps:
            if value is not None:
                steps[step][name] = value
        else:
            known = ", ".join([*named, *(f"{step}__..." for step, _ in pipe.steps)])
            raise TypeError(f"unexpected argument {key}=; known: {known}")
    return head, steps


def _routed(
    pipe: Pipeline, named: Arguments, params: Mapping[str, object]
) -> tuple[Arguments, dict[str, Arguments]]:
    """By what every step has asked for with ``set_fit_request``."""
    asked = {k: v for k, v in named.items() if v is not None and k != "progress"} | dict(params)
    out = process_routing(Pipeline(pipe.steps), "fit", **asked)
    head = dict(out[pipe.steps[-1][0]].fit)
    if named.get("progress") is not None:
        head["progress"] = named["progress"]
    steps = {name: out.get(name, {}) for name, _ in pipe.steps[:-1]}
    # Under the method that a step has.
    return head, {k: dict(v.get("fit_transform") or v.get("fit", {})) for k, v in steps.items()}


def _per_row(key: str, values: ArrayLike, n: int) -> Values:
    whole = isinstance(values, (str, bytes)) or not hasattr(values, "__len__")
    if whole or np.ndim(values) == 0 or len(values) != n:
        raise AssumptionError(
            f"{key}= has not one value a row ({n} rows), and what a fit is given must go and come "
            "with the rows: set it as a parameter of the step"
        )
    weights = key.rpartition("__")[2] == "sample_weight"
    return np.array(values, dtype=np.float64 if weights else None)
