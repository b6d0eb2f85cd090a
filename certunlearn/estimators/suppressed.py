"""The other goal: a model that no longer predicts something, though it has learnt it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from sklearn.linear_model import LogisticRegression

from .._common import validate as _validate
from .._common.arrays import Array, ArrayLike, MatrixLike, Positions, Progress
from .._common.html import Text, fragment
from ..engine import unlearner
from ..engine.unlearner import Model
from ..exceptions import AssumptionError, RowError


class SuppressedPredictor(LogisticRegression):  # type: ignore[misc]
    """A classifier that was taught to have no opinion on some rows: suppression, not removal.

    Made by `CertifiedLogReg.suppress`; it predicts as scikit-learn's `LogisticRegression` does, and
    is not fitted again.  Nothing is certified: the rows are still in the training set and have
    shaped these weights.  As a rule a few labelled rows of a suppressed class are enough for a
    probe on the margins to find it again.  To remove rows, use `forget`.

    Attributes
    ----------
    coef_, intercept_, classes_, n_features_in_, feature_names_in_
        As of `LogisticRegression`.  No row is held.
    certificate_ : None
        Nothing is claimed.
    goal_ : str
        "suppression, not removal".
    n_suppressed_ : int
        Rows of positive weight that were suppressed.
    """

    certificate_ = None
    goal_ = "suppression, not removal"
    n_suppressed_: int

    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> NoReturn:
        """Refuse: what is fitted afresh is not suppressed."""
        raise AssumptionError(
            "a SuppressedPredictor is not fitted again: call suppress of the model it came from"
        )

    def __str__(self) -> str:
        """A short statement in plain language."""
        if not hasattr(self, "coef_"):
            return f"{type(self).__name__} ({self.goal_}), not fitted"
        return (
            f"{type(self).__name__} ({self.goal_}): {len(self.classes_)} classes, rows suppressed: "
            f"{self.n_suppressed_}. No certificate: the rows are still in the training set, they "
            "have shaped these weights, and a few labelled rows bring back what is not predicted."
        )

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return fragment(Text(str(self)))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def maximum_entropy(
    model: Model, positions: Positions, weight: float = 1.0, progress: Progress = None
) -> tuple[Array, int]:
    """Fit the model's objective with the labels of some rows made uniform over all classes.

    ``sum_{i kept} s_i l(y_i, x_i) + weight sum_{i suppressed} s_i mean_c l(c, x_i) + penalty``: the
    second sum is smallest where every class is equally likely, and convex as cross entropy with
    any fixed targets is.

    Parameters
    ----------
    model : Model
        Not changed; of class codes.
    positions : ndarray of int
        Rows to suppress, in the store.
    weight : float
        > 0: how much a suppressed row counts beside one that is not.

    Returns
    -------
    W : ndarray of shape (p, K)
        The optimum, to a relative distance of 1e-9; of the retained rows alone and without noise.
    m : int
        Rows of positive weight that were suppressed.

    Raises
    ------
    RowError
        If none of the rows has positive weight.
    ConvergenceError, NotCertifiedError
        As `unlearner.fit`.

    Notes
    -----
    Each suppressed row is put in once for every class, with its weight divided among the copies: an
    ordinary fit, which costs a copy of the retained rows and of these.
    """
    weight = _validate.real("weight", weight, low=0)
    s = model.objective.weights.array
    chosen = np.zeros(len(s), dtype=bool)
    chosen[positions] = s[positions] > 0
    out = np.flatnonzero(chosen)
    if not len(out):
        raise RowError("none of these rows has weight in the training set: nothing to suppress")
    K, stay = len(model.classes), np.flatnonzero((s > 0) & ~chosen)
    at = np.concatenate([stay, np.repeat(out, K)])
    X, codes, _ = model.held(at)
    codes[len(stay) :] = np.tile(model.classes, len(out))
    share = s[at]
    share[len(stay) :] *= weight / K
    # The weights of the classes are in s already, those of the rows' own labels.
    settings = replace(model.settings, noise=0.0, class_weight=None)
    fitted = unlearner.fit(X, codes, share, settings, frame=model.frame, progress=progress)
    fitted.erase()
    return fitted.released, len(out)
