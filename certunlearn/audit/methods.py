"""Register of removal methods: what each needs, what it guarantees, and the method itself.

All minimise ``sum_i l(x_i . w, y_i) + 1/2 sum_j alpha_j w_j^2``, l logistic, in the sum convention:
the penalty does not change with the rows.  Papers with a mean loss put ``n lambda`` for alpha and
carry a term ``lambda w`` of each removed row, which is zero here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import eigh
from scipy.special import expit

from .._common.arrays import Array, Positions
from .logistic import curvature, gradient, optimum, rate

#: What a method may ask for, and what it is.
NEEDS = {
    "retained rows": "features and labels of the rows that stay",
    "forgotten rows": "features and labels of the rows that go",
    "Hessian": "second derivatives of the training objective at the trained weights",
    "training path": "weights and gradients of every step of training",
    "certified estimator": "an estimator that carries the removal out itself",
}


@dataclass(frozen=True)
class Task:
    """A trained logistic regression, the rows to go, and what a method is allowed to see.

    Attributes
    ----------
    w : ndarray of shape (p,)
        Trained weights.
    alpha : ndarray of shape (p,)
        Penalty of each coordinate.
    rng : Generator
        Of the noise a method draws.
    retained, forgotten : (X (n, p), y (n,)), optional
        Rows with labels 0 and 1.
    hessian : ndarray of shape (p, p), optional
    path : list of (w, gradient), optional
        Of gradient descent from zero, as `descended` goes it.
    certified : callable, optional
        Carries the removal out and returns weights (p,).
    """

    w: Array
    alpha: Array
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    retained: tuple[Array, Array] | None = None
    forgotten: tuple[Array, Array] | None = None
    hessian: Array | None = None
    path: list[tuple[Array, Array]] | None = None
    certified: Callable[[], Array] | None = None

    @property
    def given(self) -> frozenset[str]:
        """Which of `NEEDS` are there."""
        # In the order of `NEEDS`.
        values = (self.retained, self.forgotten, self.hessian, self.path, self.certified)
        return frozenset(n for n, v in zip(NEEDS, values, strict=True) if v is not None)

    def rows(self, which: str) -> tuple[Array, Array]:
        """Return the rows that stay or go."""
        rows = self.retained if which == "retained" else self.forgotten
        if rows is None:
            raise ValueError(f"the {which} rows are not given")
        return rows


@dataclass(frozen=True)
class Method:
    """A removal method.

    Attributes
    ----------
    name : str
    run : callable
        From a `Task` to weights (p,), as they would be published.
    needs : frozenset of str
        Of `NEEDS`.
    guarantee : str
        What stands behind it.
    source : str
        Author, year, place.
    checked : str
        What the formula was compared with, and where it is other on purpose; empty if with nothing.
    """

    name: str
    run: Callable[[Task], Array]
    needs: frozenset[str]
    guarantee: str
    source: str
    checked: str = ""

    def __call__(self, task: Task) -> Array:
        """Return the weights after the removal.

        Raises
        ------
        ValueError
            If the task lacks what the method declares to need.
        """
        missing = self.needs - task.given
        if missing:
            said = "; ".join(f"{n} ({NEEDS[n]})" for n in sorted(missing))
            raise ValueError(f"{self.name} needs what the task does not give: {said}")
        return self.run(task)


METHODS: dict[str, Method] = {}


def register(
    name: str, *, needs: Iterable[str], guarantee: str, source: str, checked: str = ""
) -> Callable[[Callable[[Task], Array]], Callable[[Task], Array]]:
    """Enter a method; it then stands in `methods_table` and in `METHODS` with all others.

    Parameters
    ----------
    name : str
        Its own.
    needs : iterable of str
        Of `NEEDS`.
    guarantee, source, checked : str
        One line each; see `Method`.

    Raises
    ------
    ValueError
        For a name that is taken or a need that is unknown.
    """
    wanted = frozenset(needs)
    if name in METHODS:
        raise ValueError(f"there is a method {name!r} already")
    if not wanted <= set(NEEDS):
        raise ValueError(f"needs must be of {', '.join(NEEDS)}, got {sorted(wanted - set(NEEDS))}")

    def entered(run: Callable[[Task], Array]) -> Callable[[Task], Array]:
        METHODS[name] = Method(name, run, wanted, guarantee, source, checked)
        return run

    return entered


def methods_table() -> str:
    """Return the register as a table in Markdown, in the order of entry."""
    head = ("method", "needs", "guarantees", "source", "formula checked against")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for m in METHODS.values():
        needs = ", ".join(n for n in NEEDS if n in m.needs) or "nothing"
        cells = (m.name, needs, m.guarantee, m.source, m.checked or "nothing")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


# Methods

_BOTH = ("retained rows", "forgotten rows")


@register("retrain", needs=("retained rows",), guarantee="is the reference", source="by definition")
def _retrain(t: Task) -> Array:
    return optimum(t.rows("retained"), t.alpha)


@register("no-op", needs=(), guarantee="nothing", source="a baseline that must fail")
def _nothing(t: Task) -> Array:
    return t.w.copy()


@register(
    "certified removal",
    needs=("certified estimator",),
    guarantee="(epsilon, delta), proved",
    source="this package",
)
def _certified(t: Task) -> Array:
    if t.certified is None:
        raise ValueError("no certified estimator is given")
    return t.certified()


@register(
    "Newton removal",
    needs=_BOTH,
    guarantee="(epsilon, delta) with noise in training; the proof has a gap",
    source="Guo et al. 2020, section 3.1",
    checked="the authors' code (certified-removal): Hessian of the rows that stay, gradient of "
    "the others",
)
def _newton(t: Task) -> Array:
    """``w + H^{-1} Delta``, H of the rows that stay, Delta the gradient of those that go."""
    # w minimises over all rows: the gradient over those that stay, penalty included, is -Delta.
    H = curvature(t.w, t.rows("retained")) + np.diag(t.alpha)
    return np.asarray(t.w + np.linalg.solve(H, gradient(t.w, t.rows("forgotten"))))


@register(
    "influence",
    needs=("forgotten rows", "Hessian"),
    guarantee="nothing",
    source="Koh & Liang 2017, equation 1",
    checked="its restatement in Rubinstein & Hopkins 2025, section 1.1",
)
def _influence(t: Task) -> Array:
    """The same step with the Hessian of all rows."""
    return np.asarray(t.w + np.linalg.solve(_hessian(t), gradient(t.w, t.rows("forgotten"))))


@register(
    "rescaled influence",
    needs=("forgotten rows", "Hessian"),
    guarantee="nothing",
    source="Rubinstein & Hopkins 2025, arXiv 2506.06656, section 1.1",
    checked="the paper: factor 1/(1 - h), h = p (1 - p) x'H^-1 x",
)
def _rescaled(t: Task) -> Array:
    """Each row's step over ``1 - leverage``: its own Newton step; then their sum."""
    X, y = t.rows("forgotten")
    p = expit(X @ t.w)
    # Sherman & Morrison: H without the row gives the step of H over 1 - leverage.
    steps = np.linalg.solve(_hessian(t), X.T).T
    leverage = p * (1 - p) * np.sum(steps * X, axis=1)
    return np.asarray(t.w + ((p - y) / (1 - leverage)) @ steps)


@register(
    "Fisher",
    needs=_BOTH,
    guarantee="nothing",
    source="Golatkar et al. 2020, propositions 3 and 4",
    checked="the propositions as stated in a formal proof of them; the size of the noise is ours",
)
def _fisher(t: Task) -> Array:
    """Newton removal and noise of covariance in proportion to ``H^{-1/2}``, 0.1 errors long."""
    H = curvature(t.w, t.rows("retained")) + np.diag(t.alpha)
    # Covariance H^{-1/2}, so its root is H^{-1/4}.
    values, vectors = eigh(H)
    root = vectors * values**-0.25
    size = 0.1 * np.sqrt(len(t.w) / np.sum(root * (H @ root)))
    return np.asarray(_newton(t) + size * root @ t.rng.normal(size=len(t.w)))


@register(
    "replay with quasi-Newton gradients",
    needs=("forgotten rows", "retained rows", "training path"),
    guarantee="nothing",
    source="Wu et al. 2020 (DeltaGrad), algorithm 1",
    checked="the authors' code (DeltaGrad): kept gradient and BFGS product, less gradients of rows "
    "that go; no factor n/(n - r), since the loss is a sum",
)
def _replay(t: Task) -> Array:
    """Training run again without the rows; gradients of the others are exact every fifth step.

    In between ``g(w) = g(w_t) + B (w - w_t)``, B the BFGS matrix of the last two exact pairs.
    """
    kept, gone = t.rows("retained"), t.rows("forgotten")
    everything = np.vstack([kept[0], gone[0]]), np.concatenate([kept[1], gone[1]])
    step = rate(everything, t.alpha)
    pairs: list[tuple[Array, Array]] = []
    w = np.zeros(len(t.w))
    for k, (then, g) in enumerate(t.path or ()):
        # Burn-in of ten exact steps, then every fifth, as the paper's j_0 and T_0.
        if k < 10 or k % 5 == 0:
            # Exact steps are also where pairs for the BFGS matrix come from.
            full = gradient(w, everything) + t.alpha * w
            d, change = w - then, full - g
            # A pair without curvature would make the matrix indefinite.
            if d @ change > 1e-12 * (d @ d):
                pairs = [*pairs, (d, change)][-2:]
        else:
            full = g + _bfgs(pairs, w - then)
        # The full gradient less that of the rows that go, which is always exact.
        w = w - step * (full - gradient(w, gone))
    return np.asarray(w)


def _bfgs(pairs: list[tuple[Array, Array]], v: Array) -> Array:
    """The BFGS matrix of (step, change of gradient) pairs applied to v."""
    if not pairs:
        return 0.0 * v
    d, c = pairs[-1]
    B = (c @ d) / (d @ d) * np.eye(len(v))
    for d, c in pairs:
        Bd = B @ d
        B = B - np.outer(Bd, Bd) / (d @ Bd) + np.outer(c, c) / (c @ d)
    return np.asarray(B @ v)


@register(
    "Langevin",
    needs=("retained rows",),
    guarantee="Renyi unlearning if training was noisy too, and weights were projected",
    source="Chien et al. 2024, section 3",
    checked="the authors' code (SGD_unlearning): step and noise; without clipping and projection",
)
def _langevin(t: Task) -> Array:
    """``w - eta grad + sqrt(2 eta) s z``, 50 times, at the temperature of 0.1 errors."""
    rows, w = t.rows("retained"), t.w.copy()
    eta = rate(rows, t.alpha)
    for _ in range(50):
        # Unadjusted Langevin: the step of gradient descent and a draw of variance 2 eta s^2.
        noise = np.sqrt(2 * eta) * 0.1 * t.rng.normal(size=len(w))
        w = w - eta * (gradient(w, rows) + t.alpha * w) + noise
    return np.asarray(w)


@register(
    "stochastic descent-to-delete",
    needs=("retained rows",),
    guarantee="(epsilon, delta) for strongly convex losses, with noise from their constants",
    source="Mu & Klabjan 2025, arXiv 2511.15983; Neel et al. 2021",
    checked="the abstract: descent from the trained weights on the rows that stay, Gaussian noise "
    "at the end; its size is ours, not from their constants",
)
def _stochastic(t: Task) -> Array:
    """Ten passes of mini-batch descent on the rows that stay, and Gaussian noise at the end."""
    X, y = t.rows("retained")
    n, w, batch = len(X), t.w.copy(), min(32, len(X))
    eta = rate((X, y), t.alpha)
    for _ in range(10 * (n // batch)):
        at: Positions = t.rng.integers(0, n, batch)
        g = gradient(w, (X[at], y[at])) * (n / batch) + t.alpha * w
        # Below the full step: a batch's curvature may exceed that of the whole.
        w = w - 0.3 * eta * g
    spread = 0.1 / np.sqrt(np.diag(curvature(w, (X, y))) + t.alpha)
    return np.asarray(w + spread * t.rng.normal(size=len(w)))


@register(
    "gradient ascent",
    needs=("forgotten rows",),
    guarantee="nothing",
    source="a baseline that must fail: Graves et al. 2021, Jang et al. 2023",
)
def _ascent(t: Task) -> Array:
    """Twenty steps up the loss of the rows that go."""
    rows, w = t.rows("forgotten"), t.w.copy()
    # One over the largest curvature of these rows: larger steps could overshoot even uphill.
    eta = 1.0 / (0.25 * float(np.linalg.norm(rows[0], 2)) ** 2)
    for _ in range(20):
        w = w + eta * gradient(w, rows)
    return np.asarray(w)


def _hessian(t: Task) -> Array:
    if t.hessian is None:
        raise ValueError("the Hessian is not given")
    return t.hessian
