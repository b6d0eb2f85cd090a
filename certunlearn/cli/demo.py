"""The main job: fit, forget, and set it beside the retraining that one would run instead."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from .._common.arrays import AnyArray
from ..estimators.logistic import CertifiedLogReg
from ..exceptions import ClassForgottenWarning
from ..requests.fitted import fitted_of

Array = NDArray[np.float64]
Labels = AnyArray
_COLUMNS = "{:<29}{:>5}  {:<9}{:>10}{:>8}{:>8}{:>8}  {:>8}{:>8}{:>8}"
_HEADS = "certified", "true", "refit", "warm", "forget", "refit", "warm"
_LEGEND = """\
Distance of the secret weights to exact retraining without the rows, in units of what is allowed.
  certified  what the certificate rests on: a proven bound, at most 1, or the request is refused
  true       the same, measured against a solution to 1e-12
  refit      scikit-learn's LogisticRegression() as it comes, fitted on the rows that stay
  warm       the same with warm_start=True: near its start it may stop at once, forgetting nothing
Neither refit says how far off it is.  Compile time is not counted.
"""


class Line(NamedTuple):
    """One request; distances to exact retraining, in units of what is allowed; and times.

    ``refit`` is scikit-learn's `LogisticRegression` as it comes, fitted on the rows that stay, and
    ``warm`` the same from where it stood.
    """

    request: str
    rows: int
    tier: str
    certified: float
    true: float
    refit: float
    warm: float
    seconds: float
    refit_seconds: float
    warm_seconds: float


def breast_cancer() -> tuple[Array, Labels]:
    """Tumours, benign or malignant: two classes, few rows."""
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), y


def digits() -> tuple[Array, Labels]:
    """Scanned digits: ten classes, so 650 coefficients."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def many_rows() -> tuple[Array, Labels]:
    """Drawn from a logistic model, as nothing large comes with scikit-learn."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100_000, 40))
    return X, (rng.logistic(size=len(X)) < X @ rng.normal(size=40) / 4).astype(int)


def _requests(y: Labels) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield requests on a fresh fit: position lists in the order they are made."""
    order = np.random.default_rng(0).permutation(len(y))
    yield "one person", order[:1]
    yield "twenty people at once", order[1:21]
    if len(np.unique(y)) > 2:
        left = np.setdiff1d(np.arange(len(y)), order[:21])
        yield "everybody of the last class", left[y[left] == y.max()]
    else:
        yield "one row in a hundred", order[21 : 21 + len(y) // 100]


def _timed(job: Callable[[], object]) -> float:
    clock = time.perf_counter()
    with warnings.catch_warnings():
        # A class may go, and scikit-learn may stop before it has converged: the table shows it.
        warnings.simplefilter("ignore", ClassForgottenWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        job()
    return time.perf_counter() - clock


def _weights(fitted: LogisticRegression) -> Array:
    """Return weights (p, K), intercepts centred where there are several."""
    intercept = fitted.intercept_
    if len(intercept) > 1:
        # Adding one number to every class changes no prediction; the package's own sum to zero.
        intercept = intercept - intercept.mean()
    return np.vstack([fitted.coef_.T, intercept])


def story(X: Array, y: Labels, seed: int | None = None) -> tuple[CertifiedLogReg, list[Line]]:
    """Fit, make the requests one after another, and set each beside refits and the optimum."""
    model = CertifiedLogReg(random_state=seed).fit(X, y)
    kept, lines = np.ones(len(y), dtype=bool), []
    warm = LogisticRegression(warm_start=True)
    _timed(lambda: warm.fit(X, y))
    for request, positions in _requests(y):
        seconds = _timed(lambda gone=positions: model.forget(gone, confirm=True))  # type: ignore[misc]
        kept[positions] = False
        rest = X[kept], y[kept]
        refit = LogisticRegression()
        refit_seconds = _timed(lambda: refit.fit(*rest))  # noqa: B023
        if len(np.unique(rest[1])) < len(warm.classes_):
            # Other classes, other shapes: there is nothing to start from.
            warm = clone(warm)
        warm_seconds = _timed(lambda: warm.fit(*rest))  # noqa: B023
        # To 1e-12: what certified and true distances are held against.
        exact = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(*rest)
        inner, c = fitted_of(model).linear, model.certificate_
        true, refit_off, warm_off = (
            inner.gram.geometry.norm(W - _weights(exact)) / c.distance_target
            for W in (inner.W, _weights(refit), _weights(warm))
        )
        certified = float(c.distance or 0.0) / c.distance_target
        lines.append(
            Line(
                request,
                len(positions),
                str(c.tier),
                certified,
                true,
                refit_off,
                warm_off,
                seconds,
                refit_seconds,
                warm_seconds,
            )
        )
    return model, lines


def table(title: str, lines: list[Line]) -> str:
    """Render the lines for a terminal."""
    over = f"{title:<45}{'distance, 1 is allowed':>34}  {'seconds':>24}"
    head = _COLUMNS.format("  request", "rows", "tier", *_HEADS)
    body = [
        _COLUMNS.format(
            "  " + v.request,
            v.rows,
            v.tier,
            *(f"{d:.1g}" if d < 10 else f"{d:.0f}" for d in v[3:7]),
            *(f"{s:.3f}" for s in v[7:]),
        )
        for v in lines
    ]
    return "\n".join([over, head, "-" * len(head), *body])


def main(seed: int | None = None) -> int:
    """Run the demo; return 0 if every certified distance was at least the true one."""
    good = True
    for load in (breast_cancer, digits, many_rows):
        X, y = load()
        # Compiles, so that the second run is the one that is timed.
        first = CertifiedLogReg(random_state=seed).fit(X, y)
        for _, positions in _requests(y):
            _timed(lambda gone=positions: first.forget(gone, confirm=True))  # type: ignore[misc]  # noqa: B023
        model, lines = story(X, y, seed)
        good = good and all(v.true <= v.certified * (1 + 1e-6) + 1e-6 for v in lines)
        shape = f"{X.shape[0]} x {X.shape[1]}, {len(np.unique(y))} classes"
        print(table(f"{load.__name__.replace('_', ' ')}: {shape}", lines) + "\n")
    print(_LEGEND)
    print(f"The certificate of the last request ({lines[-1].rows} rows of {len(y)}):\n")
    print(model.certificate_)
    return 0 if good else 1
