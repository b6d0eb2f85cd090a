"""The sums of `sweeps` over sparse rows, by products of CSR blocks on the host.

Functions of the same names take the same arguments and return the same sums; X is the store
itself, whose ``parts`` are CSR blocks without the column of ones.  Weights and labels are (n,) or
(n, K).  Proof of the errors: proofs/sparse_sums.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, dia_array

from ..losses.margins import TINY, Loss, Softmax
from ..losses.slopes import counted, slopes

Array = NDArray[np.float64]


def _blocks(X: Any, y: Any, table: Any, s: Array) -> Iterator[tuple[Any, Any, Array]]:
    """Yield each block's features, what the loss takes as labels, and weights."""
    for here, part in X.parts():
        yield part, y[here] if table is None else table[y[here]], s[here]


def _magnitudes(part: Any) -> Any:
    """Return |X| on the same pattern."""
    return csr_array((np.abs(part.data), part.indices, part.indptr), shape=part.shape)


def _margins(X: Any, part: Any, W: Array) -> Array:
    """Return X W, (m, K), the intercept included."""
    Z: Array = part @ W[: X.d]
    return Z + W[-1] if X.intercept else Z


def _combined(X: Any, part: Any, c: Array) -> Array:
    """Return X' c, (p, K), the column of ones included."""
    out: Array = part.T @ c
    return np.vstack([out, c.sum(axis=0)]) if X.intercept else out


def _largest(values: Array, s: Array) -> float:
    """Return the largest value of a row of positive weight, at least 0."""
    return float(np.max(values[s > 0], initial=0.0))


@np.errstate(all="ignore")
def measure(
    loss: Loss, X: Any, y: Any, table: Any, s: Array, W: Array, step: Array, units: Any
) -> tuple[Any, ...]:
    """Value, gradient, its errors, largest range of X step and of margin error.

    Notes
    -----
    Guarantee: as in `Objective.measure`.  Proof: proofs/sparse_sums.md
    """
    K, moving = W.shape[1], bool(step.any())
    value, shaken, moved, worst = (np.zeros(()) for _ in range(4))
    grad, wrong = np.zeros_like(W), np.zeros((len(W), 2 * K))
    for part, code, sb in _blocks(X, y, table, s):
        absX, s1 = _magnitudes(part), sb[:, None]
        Z = counted(loss, _margins(X, part, W), sb)
        found = slopes(loss, Z, code, units[0] * _margins(X, absX, np.abs(W)), units[1])
        both = np.concatenate([found.evaluated, found.pushed], axis=1)
        value = value + np.sum(sb * loss.value(Z, code))
        grad += _combined(X, part, s1 * found.slope)
        wrong += _combined(X, absX, s1 * both)
        shaken = shaken + np.sum(found.along(loss, sb))
        worst = np.maximum(worst, _largest(found.margin_range, sb))
        if moving:
            moved = np.maximum(moved, _largest(loss.margin_range(_margins(X, part, step)), sb))
    return value, grad, wrong, shaken, moved, worst


@np.errstate(all="ignore")
def hvp(loss: Loss, X: Any, y: Any, table: Any, s: Array, W: Array, V: Array) -> Array:
    """Hessian-vector product of the data term, shape of V."""
    out = np.zeros_like(V)
    for part, code, sb in _blocks(X, y, table, s):
        Z = counted(loss, _margins(X, part, W), sb)
        U = loss.curve(Z, code, _margins(X, part, V))
        out += _combined(X, part, sb[:, None] * U)
    return out


@np.errstate(all="ignore")
def couplings(loss: Loss, X: Any, y: Any, table: Any, s: Array, W: Array) -> tuple[Array, float]:
    """Sum of s p p', (K, K), and kappa; or of s times each column's curvature, and the largest.

    Notes
    -----
    Guarantee: as in `Objective.couplings`.  Proof: proofs/intercept_curvature.md
    """
    total = np.zeros((loss.columns, loss.columns))
    largest = loss.kappa if loss.coupled else 0.0
    for part, code, sb in _blocks(X, y, table, s):
        Z = counted(loss, _margins(X, part, W), sb)
        if isinstance(loss, Softmax):
            P = loss.probability(Z)
            total += (P * sb[:, None]).T @ P
            continue
        c = loss.diagonal(Z, code)
        total += np.diag(np.sum(sb[:, None] * c, axis=0))
        largest = max(largest, _largest(c.max(axis=1), sb))
    return total, largest


@np.errstate(all="ignore")
def gram(X: Any, s: Array) -> Array:
    """Sum of s x x', (p, p): only where so many numbers may be written out."""
    total, d = np.zeros((X.p, X.p)), X.d
    for here, part in X.parts():
        sb = s[here]
        weighted = dia_array((sb[None], [0]), shape=(len(sb), len(sb))).tocsr() @ part
        block = (weighted.T @ part).tocoo()
        # Every entry occurs once, so that nothing is lost by assignment.
        total[block.row, block.col] += block.data
        if X.intercept:
            total[:d, d] += part.T @ sb
            total[d, d] += sb.sum()
    if X.intercept:
        total[d, :d] = total[:d, d]
    return total


@np.errstate(all="ignore")
def gram_diagonal(X: Any, s: Array) -> Array:
    """Sum of s x_j^2, shape (p,)."""
    total = np.zeros((X.p, 1))
    for here, part in X.parts():
        squares = csr_array((part.data**2, part.indices, part.indptr), shape=part.shape)
        total += _combined(X, squares, s[here][:, None])
    return total[:, 0]


@np.errstate(all="ignore")
def magnified(X: Any, s: Array, u: Array) -> Array:
    """At least ``sum_i s_i |x_ij| (sum_k |x_ik| u_k)`` but for relative rounding, for u >= 0, (d,).

    The column of ones is left out.  Underflow is paid for upwards at every product.
    """
    total = np.zeros(X.d)
    for here, part in X.parts():
        absX = _magnitudes(part)
        total += absX.T @ (s[here] * (absX @ u + TINY) + TINY)
    return total + TINY


@np.errstate(all="ignore")
def length(X: Any, s: Array, root: Array) -> float:
    """Largest sum of (x_j root_j)^2 of a row of positive weight."""
    top = 0.0
    for here, part in X.parts():
        scaled = part.data * root[part.indices]
        squares = csr_array((scaled * scaled, part.indices, part.indptr), shape=part.shape)
        own = float(root[-1]) ** 2 if X.intercept else 0.0
        top = max(top, _largest(squares @ np.ones(X.d) + own, s[here]))
    return top


def column_max(X: Any) -> Array:
    """Largest |x_ij| of each column, without that of ones, shape (d,)."""
    out = np.zeros(X.d)
    for _, part in X.parts():
        np.maximum.at(out, part.indices, np.abs(part.data))
    return out
