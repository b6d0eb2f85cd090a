"""Why an optimum is not reached: classes that a direction separates, told only where it is so.

A direction V with ``a . V >= 0`` for every constraint a of every row, and ``> 0`` for one of them,
lowers the loss all the way to infinity: a free objective then has no optimum (Albert & Anderson
1984).  Constraints are ``t_i x_i`` for a column of targets t = 1 or -1, and
``(e_y - e_k) (x) x_i`` for every other class k of softmax.  A direction comes from the iterate or
from a linear programme, and is believed only once its signs are shown: by a rounding bound, and
exactly in rationals where that leaves them open.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import OptimizeWarning, linprog

from ..._common.arrays import MatrixLike
from ..._common.rounding import gamma
from ...exceptions import AssumptionError, CertunlearnError, ConvergenceError
from ...numerics.losses.margins import Columnwise, endless, positive, stronger
from ...numerics.objective.objective import Measurement, Objective
from ...numerics.rows.sparse import SparseRows

Array = NDArray[np.float64]
#: Numbers of a block of rows.
_BLOCK = 4_000_000
#: Largest linear programme, in nonzeros, and seconds it may take.
_MOST, _SECONDS = 1_000_000, 5.0
#: Products in rationals that open signs may take.
_MOST_EXACT = 200_000
#: What underflow may take from a product.
_TINY = 1e-300


def separable(objective: Objective, W: Array) -> bool:
    """Whether the classes are shown to be separable: by the iterate W, else by a search.

    The search is made only where nothing is penalised, and the problem is small enough for it.

    Notes
    -----
    Guarantee: True only if a direction separates the rows of positive weight, completely or not.
    False claims nothing.
    """
    if not endless(objective.loss):
        return False
    if _separates(objective, W):
        return True
    if (objective.alpha > 0).any() or _size(objective) > _MOST:
        return False
    return any(_separates(objective, V) for V in _found(objective))


def refuse_separable(objective: Objective, W: Array) -> None:
    """Raise where nothing is penalised and the classes are shown to be separable.

    Raises
    ------
    AssumptionError
        As there is no optimum then.
    """
    if not (objective.alpha > 0).any() and separable(objective, W):
        raise AssumptionError(
            "the classes are separable: some direction puts no row on the wrong side, and without "
            "a penalty the coefficients grow along it without end, so there is no optimum: use "
            f"{positive(objective.loss)}"
        )


def no_convergence(
    objective: Objective, W: Array, m: Measurement, max_iter: int
) -> CertunlearnError:
    """Return what to raise where the steps have run out at W."""
    try:
        refuse_separable(objective, W)
    except AssumptionError as error:
        return error
    size = float(np.max(np.abs(m.gradient))) / objective.weight_sum
    far = "; the classes are separable, and the penalty alone keeps the coefficients finite"
    return ConvergenceError(
        f"no convergence in {max_iter} Newton steps (max |mean gradient| {size:.3g})"
        f"{far if separable(objective, W) else ''}: raise max_iter or {stronger(objective.loss)}"
    )


def _blocks(objective: Objective) -> Iterator[tuple[MatrixLike, NDArray[np.int64]]]:
    """Yield features (m, p) with the column of ones, dense or CSR, and columns of the labels."""
    rows, live = objective.rows, np.flatnonzero(objective.weight > 0)
    step = max(1, _BLOCK // rows.p)
    for first in range(0, len(live), step):
        at = live[first : first + step]
        if rows.sparse:
            X = rows.features(at)
            ones = sparse.csr_array(np.ones((len(at), rows.p - X.shape[1])))
            yield sparse.csr_array(sparse.hstack([X, ones])), objective.labels(at)
        else:
            yield rows.gather(at), objective.labels(at)


def _separates(objective: Objective, V: Array) -> bool:
    """Whether V (p, K) is shown to separate: all of it where coupled, else one of its columns."""
    K, coupled = objective.loss.columns, objective.loss.coupled
    valid = np.full(1 if coupled else K, np.isfinite(V).all())
    strict, unit, exact = np.zeros(len(valid), dtype=bool), gamma(objective.rows.p + 4), 0
    for X, y in _blocks(objective):
        with np.errstate(over="ignore", invalid="ignore"):
            Z, size = X @ V, abs(X) @ np.abs(V)
        if coupled:
            own = np.arange(len(y)), y
            Z, size = Z[own][:, None] - Z, size[own][:, None] + size
            Z[own], size[own] = 0.0, 0.0
        else:
            # t_i x_i . v for a column; for softmax the own class's margin less that of every other.
            Z = Z * _signs(y, K)
        # Twice gamma(p + 4)|x||V|, as two margins are subtracted; and what underflows.
        error = 2 * unit * size + _TINY * objective.rows.p
        # Surely negative for one row: V does not separate.  Surely positive for one: strictly so.
        valid &= _over(~(Z < -error), coupled)
        strict |= ~_over(~(Z > error), coupled)
        unclear = ~(np.abs(Z) > error) & valid
        if coupled:
            unclear[own] = False
        # Signs that rounding leaves open are settled in rationals, as long as that stays cheap.
        exact += int(np.count_nonzero(unclear)) * objective.rows.p
        if exact > _MOST_EXACT:
            return False
        for i, k in zip(*np.nonzero(unclear), strict=True):
            x = X[[i]].toarray()[0] if sparse.issparse(X) else X[i]
            sign = _exactly(x, V[:, y[i]], V[:, k]) if coupled else _exactly(x, V[:, k], 0 * x)
            sign = sign if coupled else sign * int(_signs(y[i : i + 1], K)[0, k])
            case = 0 if coupled else k
            valid[case] &= sign >= 0
            strict[case] |= sign > 0
        if not valid.any():
            return False
    # No row on the wrong side, and one of them strictly on the right (Albert & Anderson 1984).
    return bool((valid & strict).any())


def _over(holds: NDArray[np.bool_], coupled: bool) -> NDArray[np.bool_]:
    """Whether something holds for all rows, for each column or for all of them together."""
    each: NDArray[np.bool_] = np.asarray(holds.all(axis=0))
    return np.array([each.all()]) if coupled else each


def _signs(y: NDArray[np.int64], K: int) -> Array:
    """Return the targets 1 and -1 of each column, (m, K)."""
    return np.where(y[:, None] == (np.arange(K) if K > 1 else 1), 1.0, -1.0)


def _exactly(x: Array, v: Array, w: Array) -> int:
    """Return the sign of x . (v - w), in rationals."""
    total = Fraction(0)
    for j in np.flatnonzero((x != 0) & (v != w)):
        total += Fraction(float(x[j])) * (Fraction(float(v[j])) - Fraction(float(w[j])))
    return (total > 0) - (total < 0)


def _size(objective: Objective) -> int:
    """Nonzeros of the largest programme, at most."""
    rows, K = objective.rows, objective.loss.columns
    numbers = rows.nnz + rows.n if isinstance(rows, SparseRows) else rows.n * rows.p
    return numbers * 2 * (K - 1) if objective.loss.coupled else numbers


def _found(objective: Objective) -> Iterator[Array]:
    """Yield directions that may separate, (p, K), from linear programmes."""
    p, K = objective.rows.p, objective.loss.columns
    parts = list(_blocks(objective))
    X = sparse.csr_array(sparse.vstack([sparse.csr_array(X) for X, _ in parts]))
    y = np.concatenate([y for _, y in parts])
    # Powers of two, so that nothing is rounded on the way back.
    # Columns of size about one: the programme's tolerances are absolute.
    scale = np.exp2(-np.ceil(np.log2(np.maximum(abs(X).max(axis=0).toarray().ravel(), 1e-300))))
    X = sparse.csr_array(X @ sparse.diags_array(scale))
    if isinstance(objective.loss, Columnwise):
        signs = _signs(y, K)
        programmes = [(sparse.diags_array(signs[:, k]) @ X, [k]) for k in range(K)]
    else:
        pieces = []
        for k in range(K):
            at = np.flatnonzero(y != k)
            here, own = X[at], [sparse.diags_array(1.0 * (y[at] == j)) for j in range(K)]
            # (e_y - e_k) (x) x_i for all rows of other classes than k.
            pieces.append(sparse.hstack([-here if j == k else own[j] @ here for j in range(K)]))
        programmes = [(sparse.vstack(pieces), list(range(K)))]
    for A, columns in programmes:
        for v in _programmed(sparse.csr_array(A)):
            V = np.zeros((p, K))
            V[:, columns] = (v.reshape(len(columns), p) * scale).T
            yield V


def _programmed(A: sparse.csr_array) -> Iterator[Array]:
    """Yield v with ``A v >= 0`` and ``|v| <= 1``: of largest least entry, then of largest sum.

    The first tells complete separation; the second leaves zeros (Konis 2007), which are exact only
    where v has few digits: so it comes rounded as well.
    """
    m, q = A.shape
    box = [(-1.0, 1.0)] * q
    # A v >= t 1, t at most 1, as large as it can be: positive only if every row is strictly right.
    lowest = sparse.hstack([-A, np.ones((m, 1))])
    v = _maximised(np.append(np.zeros(q), 1.0), lowest, [*box, (None, 1.0)])
    if v is not None and v[-1] > 1e-12:
        yield v[:-1]
    v = _maximised(np.asarray(A.sum(axis=0)).ravel(), -A, box)
    if v is not None:
        yield from (np.round(v, digits) for digits in (1, 3, 6, 9, 17))


def _maximised(
    c: Array, A: sparse.csr_array, box: Sequence[tuple[float | None, float]]
) -> Array | None:
    """Maximise ``c . v`` under ``A v <= 0`` in a box; None where no solution was found in time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        out = linprog(
            -c / max(1.0, np.abs(c).max()),
            A_ub=A,
            b_ub=np.zeros(A.shape[0]),
            bounds=box,
            method="highs",
            options={"time_limit": _SECONDS},
        )
    return None if out.x is None else np.asarray(out.x)
