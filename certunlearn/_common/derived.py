"""Attributes of scikit-learn's estimators that follow from their parameters: made, not written."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor

_GENERALISED = PoissonRegressor, GammaRegressor, TweedieRegressor
#: The loss of a generalised linear model: an object of Cython, which follows from its class.
_LOSS = "_base_loss"


def without(kind: type, attributes: Mapping[str, object]) -> dict[str, object]:
    """Return the attributes of an object that are to be written."""
    left_out = {_LOSS} if issubclass(kind, _GENERALISED) else set()
    return {name: value for name, value in attributes.items() if name not in left_out}


def complete(thing: object) -> None:
    """Make what `without` has left out, for an object that has its other attributes."""
    if isinstance(thing, _GENERALISED) and hasattr(thing, "coef_"):
        setattr(thing, _LOSS, thing._get_loss())
