"""Naive oracles in extended precision; nothing of certunlearn is imported here.

The optimum of

    F(W) = sum_i s_i loss(x_i W, y_i) + 1/(2C) ||W without its intercept row||^2

is found by damped Newton steps in long double (64-bit significand, unit roundoff 5e-20), loops
over columns only.  It comes with its own error: the last Newton step and what the rounding of the
gradient can move it by, in whatever norm is asked for.  Where that is too coarse, the same steps
are taken in decimal arithmetic of fifty digits.
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass

import numpy as np

LD = np.longdouble
UNIT = LD(2) ** -64
DIGITS = decimal.Context(prec=50, Emin=-(10**12), Emax=10**12, traps=[])
_exact = np.frompyfunc(lambda v: decimal.Decimal(float(v)), 1, 1)
_ln = np.frompyfunc(lambda v: v.ln(), 1, 1)
assert np.finfo(LD).eps <= 2.0**-63, "these oracles need an 80-bit long double"


def cholesky(A):
    """Lower Cholesky factor in long double; raises LinAlgError."""
    L = np.zeros_like(A)
    for j in range(len(A)):
        row = L[j, :j]
        pivot = A[j, j] - row @ row
        if not pivot > 0:
            raise np.linalg.LinAlgError("not positive definite")
        L[j, j] = np.sqrt(pivot)
        L[j + 1 :, j] = (A[j + 1 :, j] - L[j + 1 :, :j] @ row) / L[j, j]
    return L


def lower_inverse(L):
    """Inverse of a lower triangular matrix in long double."""
    X = np.zeros_like(L)
    for i in range(len(L)):
        X[i, :i] = -(L[i, :i] @ X[:i, :i]) / L[i, i]
        X[i, i] = 1 / L[i, i]
    return X


def converted(a, dtype):
    """A float64 array in another precision; ``object`` stands for decimals."""
    a = np.asarray(a, np.float64)
    return _exact(a) if dtype is object else a.astype(dtype)


def rounded(a):
    """Decimals to the nearest long double, nearly: the float64 below and what it leaves."""
    if a.dtype != object:
        return a
    high = a.astype(np.float64)
    return high.astype(LD) + (a - _exact(high)).astype(np.float64)


def with_intercept(X, intercept):
    """The design matrix in long double, its column of ones last."""
    X = np.asarray(X, dtype=LD)
    return np.hstack([X, np.ones((len(X), 1), LD)]) if intercept else X


def penalty(p, C, intercept):
    """alpha_j of every coordinate; the float64 number 1/C is the penalty meant."""
    alpha = np.full(p, LD(1.0 / C))
    if intercept:
        alpha[-1] = 0
    return alpha


def gram(X, weight, C, intercept, kappa):
    """kappa sum s x x' + diag(alpha) in long double."""
    live = weight > 0
    A = with_intercept(X[live], intercept)
    s = np.asarray(weight[live], LD)
    return kappa * (A * s[:, None]).T @ A + np.diag(penalty(A.shape[1], C, intercept))


def half_of(G, mechanism):
    """M with ||d||_A = ||M d||_2 for the norm of a mechanism, from an exact Gram matrix."""
    if mechanism == "gram":
        return cholesky(G).T
    return np.eye(len(G), dtype=LD) if mechanism == "isotropic" else G


def norm_of(half, V):
    """||V||_A of a (p, K) array."""
    return float(np.sqrt(np.sum((half @ V) ** 2)))


@dataclass
class Optimum:
    """An exact optimum up to a known error.

    ``exact`` is (p, K), K = 1 for two classes, in the precision it was found in and ``W`` the same
    in long double; ``classes`` are the codes left; ``inverse`` is the inverse of the Cholesky
    factor of the Hessian there.
    """

    exact: np.ndarray
    classes: np.ndarray
    last_step: np.ndarray
    gradient_error: np.ndarray
    inverse: np.ndarray
    sound: bool
    iterations: int

    @property
    def W(self):
        return rounded(self.exact)

    def error(self, half):
        """Bound on ||exact - exact optimum||_A for the norm ||v||_A = ||half v||_2, per column."""
        if not self.sound:
            return float("inf")
        p, K = self.exact.shape
        half = half.astype(self.inverse.dtype)
        step, columns = self.last_step.reshape(K, p), self.inverse.T.reshape(K, p, -1)
        if K > 1:
            # The optimum was centred, and so is every error in it.
            step, columns = step - step.mean(axis=0), columns - columns.mean(axis=0)
        through = np.abs((half @ columns).reshape(K * p, -1) @ self.inverse)
        moved = np.sqrt(np.sum((through @ self.gradient_error) ** 2))
        # A tenth more for the Hessian's own rounding, which `sound` caps.
        return float(1.1 * (norm_of(half, step.T) + moved))

    def apart(self, W, half):
        """||W - exact||_A of a float64 W, and a bound on how far off the optimum's distance is."""
        if self.exact.dtype == object:
            with decimal.localcontext(DIGITS):
                away = rounded(_exact(W) - self.exact)
        else:
            away = W - self.exact
        rounding = 8 * len(half) * UNIT * norm_of(np.abs(half), np.abs(away))
        return norm_of(half, away), self.error(half) + float(rounding)


class Logistic:
    """The binary or multinomial risk and its derivatives, in the precision of its arrays."""

    def __init__(self, X, codes, weight, C, intercept, dtype=LD):
        live = weight > 0
        self.classes, y = np.unique(codes[live], return_inverse=True)
        self.A = converted(with_intercept(X[live], intercept), dtype)
        self.s = converted(weight[live], dtype)
        self.K = 1 if len(self.classes) == 2 else len(self.classes)
        self.p = self.A.shape[1]
        self.alpha = converted(penalty(self.p, C, intercept), dtype)
        self.unit = {object: decimal.Decimal(10) ** -49, LD: UNIT}.get(dtype, LD(2) ** -53)
        self.dtype = dtype
        self.zero, self.one = converted(0.0, dtype), converted(1.0, dtype)
        if self.K == 1:
            self.sign = converted(1 - 2 * y, dtype)[:, None]
        else:
            self.own = converted(np.eye(self.K), dtype)[y]
        self.gauge = self.s.sum() / self.K**2 if intercept and self.K > 1 else self.zero

    def _log(self, v):
        return _ln(v) if v.dtype == object else np.log(v)

    def _pieces(self, W):
        Z = self.A @ W
        if self.K == 1:
            e = np.exp(-np.abs(Z))
            small, large = e / (1 + e), 1 / (1 + e)
            wrong = np.where(self.sign * Z > 0, large, small)
            value = self._log(1 + e) + np.maximum(self.sign * Z, self.zero)
            return value[:, 0], self.sign * wrong, small * large, None
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        P = E / E.sum(axis=1, keepdims=True)
        others = ((1 - self.own) * P).sum(axis=1, keepdims=True)
        slope = P * (1 - self.own) - self.own * others
        value = self._log(E.sum(axis=1)) + Z.max(axis=1) - (self.own * Z).sum(axis=1)
        # 1 - P without cancellation: |slope| for the row's own class, P (1 - P) otherwise.
        curvature = np.where(self.own > 0, P * others, P * (1 - P))
        return value, slope, curvature, P

    def value(self, W):
        """F(W)."""
        ridge = (self.alpha[:, None] * W**2).sum() / 2 + self.gauge * W[-1].sum() ** 2 / 2
        return (self.s * self._pieces(W)[0]).sum() + ridge

    def gradient(self, W):
        """Class-major gradient and a bound on its rounding, from Higham's inner-product lemma."""
        _, slope, curvature, _ = self._pieces(W)
        g = self.A.T @ (self.s[:, None] * slope) + self.alpha[:, None] * W
        g[-1] += self.gauge * W[-1].sum()
        unit, absA, n = self.unit, np.abs(self.A), len(self.A)
        margin = (self.p + 4) * unit * (absA @ np.abs(W)).max(axis=1, keepdims=True)
        moved = 3 * margin * curvature + (16 + 2 * self.K) * unit * np.abs(slope)
        error = absA.T @ (self.s[:, None] * (moved + (n + 8) * unit * np.abs(slope)))
        error += 8 * unit * self.alpha[:, None] * np.abs(W)
        error[-1] += (self.K + 4) * unit * self.gauge * np.abs(W[-1]).sum()
        return g.T.ravel(), error.T.ravel()

    def hessian(self, W):
        """Class-major Hessian, the gauge of free intercepts included, and its diagonal parts."""
        _, _, curvature, P = self._pieces(W)
        p, K = self.p, self.K
        if K == 1:
            H = (self.A * (self.s[:, None] * curvature)).T @ self.A
            H[np.diag_indices(p)] += self.alpha
            return H, np.diag(H).copy()
        B = (P[:, :, None] * self.A[:, None, :]).reshape(len(self.A), K * p)
        H = -(B * self.s[:, None]).T @ B
        parts = np.tile(self.alpha, K)
        for k in range(K):
            # p (1 - p) itself: p less p^2 would cancel where p is near one.
            block = slice(k * p, (k + 1) * p)
            own = (self.A * (self.s * curvature[:, k])[:, None]).T @ self.A
            H[block, block] = own
            parts[block] = parts[block] + np.diag(own)
        H[np.diag_indices(K * p)] += np.tile(self.alpha, K)
        if self.gauge > 0:
            last = np.arange(p - 1, K * p, p)
            H[np.ix_(last, last)] += self.gauge
            parts[last] += self.gauge
        return H, parts


def _factored(H, parts, n, unit):
    """Inverse Cholesky factor and whether rounding leaves the Hessian known to 5 percent."""
    scale = 1 / np.sqrt(parts)
    H, ridge = H * np.outer(scale, scale), 0
    while True:
        try:
            inverse = lower_inverse(cholesky(H + np.diag(np.diag(H)) * ridge))
            break
        except np.linalg.LinAlgError:
            # Good enough for a step, not for a claim.
            ridge = 16 * max(ridge, unit)
    if ridge:
        return inverse * scale[None, :], False
    spread = (np.abs(inverse).sum(axis=1) ** 2).sum()
    return inverse * scale[None, :], bool((n + len(H) + 32) * unit * spread < 0.05)


def optimum(X, codes, weight, C, intercept, start=None, dtype=LD, max_iter=200):
    """The optimum by damped Newton steps; `Optimum.sound` says if its error may be relied on.

    ``start`` (p, K) only saves steps: the problem is strictly convex (gauge included), and the
    error is measured at the end, wherever the steps began.  ``dtype=object`` takes decimals.
    """
    with decimal.localcontext(DIGITS):
        return _optimum(Logistic(X, codes, weight, C, intercept, dtype), start, max_iter)


def _optimum(f, start, max_iter):
    W = converted(np.zeros((f.p, f.K)) if start is None else start, f.dtype)
    if f.gauge > 0:
        W[-1] -= W[-1].sum() / f.K
    g, error = f.gradient(W)
    iteration, polish = 0, 0
    while True:
        inverse, sound = _factored(*f.hessian(W), len(f.A), f.unit)
        white = inverse @ g
        step, size = -(inverse.T @ white), np.sqrt(white @ white)
        floor = np.sqrt(np.sum((np.abs(inverse) @ error) ** 2))
        # Two more steps after the rounding level is reached, then stop.
        polish += size <= floor
        if polish >= 2 or iteration >= max_iter:
            break
        iteration += 1
        direction, length, value = step.reshape(f.K, f.p).T, f.one, f.value(W)
        while length > 1e-12:
            trial = W + length * direction
            g_trial, error_trial = f.gradient(trial)
            white = inverse @ g_trial
            lower = f.value(trial) <= value - length * size**2 / 10_000
            if lower or 10 * np.sqrt(white @ white) <= 9 * size or size <= floor:
                break
            length = length / 2
        W, g, error = trial, g_trial, error_trial
    if f.K > 1:
        # Where slopes are penalised the gradient's sum over classes is alpha times theirs: zero.
        W = W - W.sum(axis=1, keepdims=True) / f.K
    # Theorem 1 with L from the rows: only then does a small step prove a near optimum.
    pieces = [f.A @ inverse[:, k * f.p : (k + 1) * f.p].T for k in range(f.K)]
    leverage = max(np.sqrt((piece**2).sum(axis=1).max()) for piece in pieces)
    near = 2 * max(1, getattr(f, "R", 1)) * leverage * (size + floor) < 0.05
    parts = (rounded(a) for a in (step, error, inverse))
    return Optimum(W, f.classes, *parts, bool(sound and near), iteration)


def polished(X, codes, weight, C, intercept, start, inverse=None, most=80):
    """`optimum` for large problems: long double gradients, steps with a float64 Hessian.

    ``inverse`` is the factor of an earlier, nearby optimum; the Hessian is taken afresh when the
    steps shrink too slowly.  They go on until the gradient is rounding only, which is what makes
    the result sound: a factor that is too wrong would not get there.
    """
    f = Logistic(X, codes, weight, C, intercept)
    W, best, fresh = np.asarray(start, LD).copy(), np.inf, False
    if f.K > 1:
        W -= W.mean(axis=1, keepdims=True)
    for iteration in range(most):  # noqa: B007 - the count is part of the result
        g, error = (v.astype(np.float64) for v in f.gradient(W))
        if inverse is not None:
            size = np.linalg.norm(inverse @ g)
            floor = np.linalg.norm(np.abs(inverse) @ error)
            if size <= floor:
                break
        if inverse is None or (size > 0.3 * best and not fresh):
            H, parts = Logistic(X, codes, weight, C, intercept, np.float64).hessian(
                W.astype(np.float64)
            )
            scale = 1 / np.sqrt(parts)
            L = np.linalg.cholesky(H * np.outer(scale, scale))
            inverse, fresh = np.linalg.solve(L, np.diag(scale)), True
        else:
            fresh = False
        best = np.linalg.norm(inverse @ g)
        W = W - (inverse.T @ (inverse @ g)).reshape(f.K, f.p).T
    if f.K > 1:
        W -= W.mean(axis=1, keepdims=True)
    step = -(inverse.T @ (inverse @ g))
    return Optimum(W, f.classes, step, error, inverse, bool(size <= floor), iteration)


def _softplus(v):
    return np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))


def _expit(v):
    e = np.exp(-np.abs(v))
    return np.where(v >= 0, 1, e) / (1 + e)


def _pseudo_huber(z, t, b):
    r, b = z - t, LD(b)
    q = np.sqrt(1 + (r / b) ** 2)
    return b * b * (q - 1), r / q, 1 / q**3, np.abs(r) / q


def _log_cosh(z, t, _):
    r = z - t
    return np.log(np.cosh(r)), np.tanh(r), 1 / np.cosh(r) ** 2, np.abs(np.tanh(r))


def _hinge(z, t, T):
    a, T = (1 - t * z) / LD(T), LD(T)
    p, q = _expit(a), _expit(-a)
    return T * _softplus(a), -t * p, p * q / T, p * (1 + np.abs(a) * q)


#: Value, slope, curvature, and the size of what the slope is computed from, of margin z, target t.
MARGIN = {
    "squared": lambda z, t, _: ((z - t) ** 2 / 2, z - t, np.ones_like(z), np.abs(z) + np.abs(t)),
    "poisson": lambda z, t, _: (np.exp(z) - t * z, np.exp(z) - t, np.exp(z), np.exp(z) + t),
    "gamma": lambda z, t, _: (
        z + t * np.exp(-z),
        1 - t * np.exp(-z),
        t * np.exp(-z),
        1 + t * np.exp(-z),
    ),
    "pseudo-huber": _pseudo_huber,
    "log-cosh": _log_cosh,
    "hinge": _hinge,
}
#: |l'''| <= R l'', as a function of the loss's parameter.
SELF_CONCORDANT = {
    "squared": lambda c: 0.0,
    "poisson": lambda c: 1.0,
    "gamma": lambda c: 1.0,
    "pseudo-huber": lambda c: 1.5 / c,
    "log-cosh": lambda c: 2.0,
    "hinge": lambda c: 1.0 / c,
}


class Margin:
    """The risk of a loss of one margin, with the interface of `Logistic`, in long double."""

    K, gauge, dtype, unit = 1, LD(0), LD, UNIT
    zero, one = LD(0), LD(1)

    def __init__(self, kind, parameter, X, y, weight, alpha, intercept):
        live = weight > 0
        self.classes = np.zeros(1, np.int64)
        self.A, self.s = with_intercept(X[live], intercept), np.asarray(weight[live], LD)
        self.p = self.A.shape[1]
        self.alpha = np.full(self.p, LD(alpha))
        if intercept:
            self.alpha[-1] = 0
        self.t = np.asarray(y[live], LD)
        self._loss, self._c = MARGIN[kind], parameter
        self.R = SELF_CONCORDANT[kind](parameter)

    def _pieces(self, W):
        return self._loss((self.A @ W)[:, 0], self.t, self._c)

    def value(self, W):
        """F(W)."""
        return (self.s * self._pieces(W)[0]).sum() + (self.alpha[:, None] * W**2).sum() / 2

    def gradient(self, W):
        """Gradient and a bound on its rounding."""
        _, slope, curvature, size = self._pieces(W)
        g = self.A.T @ (self.s * slope) + self.alpha * W[:, 0]
        absA, n = np.abs(self.A), len(self.A)
        margin = (self.p + 4) * UNIT * (absA @ np.abs(W))[:, 0]
        error = 3 * margin * curvature + UNIT * ((n + 8) * np.abs(slope) + 32 * size)
        return g, absA.T @ (self.s * error) + 8 * UNIT * self.alpha * np.abs(W[:, 0])

    def hessian(self, W):
        """Hessian and its diagonal."""
        c = self._pieces(W)[2]
        H = (self.A * (self.s * c)[:, None]).T @ self.A
        H[np.diag_indices(self.p)] += self.alpha
        return H, np.diag(H).copy()


def optimum_of(kind, parameter, X, y, weight, alpha, intercept, start=None):
    """The optimum under a loss of one margin; as `optimum`, in long double."""
    f = Margin(kind, parameter, X, y, weight, alpha, intercept)
    if start is None:
        start = np.zeros((f.p, 1))
        if kind in ("poisson", "gamma") and intercept:
            start[-1] = np.log(float((f.s * f.t).sum() / f.s.sum()))
    with np.errstate(over="ignore", invalid="ignore"):
        return _optimum(f, start, 300)
