"""SHA-256 of released weights: what ties a certificate to the predictor it comes with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from scipy.sparse import issparse

from .._common.arrays import ArrayLike, MatrixLike


def fingerprint(weights: Iterable[tuple[MatrixLike, ArrayLike]]) -> str:
    """Return the SHA-256 of coefficients and intercepts, as 64 hexadecimal digits.

    Of each pair these bytes are hashed, one pair after another: the number of rows of ``coef_`` and
    of its columns in decimal ASCII digits, with a space between them and a line feed at the end;
    the entries of ``coef_``, row by row; those of ``intercept_``, one a row.  An entry is an IEEE
    754 double, least significant byte first.  Coefficients of one dimension are one row; an
    intercept that is one number stands for all rows.

    Parameters
    ----------
    weights : iterable of (array-like, array-like)
        ``coef_`` of shape (K, d) or (d,) and ``intercept_`` of shape (K,) or (), of one model or of
        the members of a vote in their order.

    Examples
    --------
    Anybody can do the same with NumPy alone:

    >>> from hashlib import sha256
    >>> coef, intercept = np.array([[0.5, -2.0]]), np.array([0.25])
    >>> data = b"1 2\\n" + coef.astype("<f8").tobytes() + intercept.astype("<f8").tobytes()
    >>> fingerprint([(coef, intercept)]) == sha256(data).hexdigest()
    True
    """
    digest = hashlib.sha256()
    for coef, intercept in weights:
        rows = np.atleast_2d(np.asarray(coef.toarray() if issparse(coef) else coef, dtype="<f8"))
        # An intercept that is one number stands for all rows: the same bytes either way.
        one_each = np.broadcast_to(np.asarray(intercept, dtype="<f8"), len(rows))
        # The shape first: bytes of two by three numbers are not those of three by two.
        digest.update(f"{rows.shape[0]} {rows.shape[1]}\n".encode("ascii"))
        digest.update(rows.tobytes())
        digest.update(one_each.tobytes())
    return digest.hexdigest()


def weights_of(predictor: object) -> list[tuple[MatrixLike, ArrayLike]]:
    """Return coefficients and intercepts of a fitted predictor, for `fingerprint`.

    Of a pipeline they are those of its last step, of a search those of its best estimator, of a
    vote those of all members.

    Raises
    ------
    TypeError
        If there are none.
    """
    # From the outside in: a search, a pipeline, a vote, and the model at last.
    best = getattr(predictor, "best_estimator_", None)
    if best is not None:
        return weights_of(best)
    steps = getattr(predictor, "steps", None)
    if steps:
        return weights_of(steps[-1][1])
    members = getattr(predictor, "estimators_", None)
    if members is not None and hasattr(predictor, "label_binarizer_"):
        # One model, each class against the rest: the rows of one matrix.
        pairs = [pair for member in members for pair in weights_of(member)]
        return [(np.vstack([c for c, _ in pairs]), np.concatenate([b for _, b in pairs]))]
    if members is not None:
        return [pair for member in members for pair in weights_of(member)]
    coef, intercept = getattr(predictor, "coef_", None), getattr(predictor, "intercept_", None)
    if coef is None or intercept is None:
        raise TypeError(
            f"a {type(predictor).__name__} has no coef_ and intercept_ to compare: give a fitted "
            "estimator of this package, what export_predictor() returned, or a pipeline that ends "
            "with one"
        )
    return [(coef, intercept)]
