"""A naive oracle for elastic nets in long double; nothing of certunlearn is imported here.

Coordinate descent on quadratic models finds the support, Newton steps on it polish; at the end the
conditions of optimality are checked strictly, so the support is that of the exact optimum, and the
last Newton step on it and the rounding of the gradient bound how far off the coefficients are.
"""

from __future__ import annotations

import numpy as np

from .reference import LD, UNIT, Logistic, Margin, _factored


def risk(kind, X, y, weight, alpha, intercept):
    """The smooth part: ``kind`` is "logistic" (any number of classes) or "squared"."""
    if kind == "squared":
        return Margin("squared", None, X, y, weight, alpha, intercept)
    f = Logistic(X, y, weight, 1.0, intercept)
    f.alpha = np.full(f.p, LD(alpha))
    if intercept:
        f.alpha[-1] = 0
    return f


def shrunk(v, lam):
    return np.where(v > lam, v - lam, np.where(v < -lam, v + lam, 0 * v))


def solved_on(H, parts, on, rhs, n):
    """Solve with H on a support; returns the solution and the inverse factor."""
    inverse, sound = _factored(H[np.ix_(on, on)], parts[on], n, UNIT)
    return inverse.T @ (inverse @ rhs), inverse, sound


def quadratic(H, parts, g, w, lam, n, sweeps=30):
    """Minimise g'(z - w) + (z - w)'H(z - w)/2 + lam'|z|."""
    z = w.copy()
    for change in range(100):
        for _ in range(sweeps if change == 0 else 1):
            for j in range(len(z)):
                slope = g[j] + H[j] @ (z - w) - H[j, j] * z[j]
                z[j] = -shrunk(slope, lam[j]) / H[j, j]
        on = np.flatnonzero((z != 0) | (lam == 0))
        if not len(on):
            return z
        for _ in range(len(z) + 1):
            slope = (g + H @ (z - w) + lam * np.sign(z))[on]
            step = -solved_on(H, parts, on, slope, n)[0]
            crosses = (lam[on] > 0) & ((z[on] + step) * np.sign(z[on]) <= 0)
            if not crosses.any():
                z[on] += step
                break
            share = np.array(
                [-z[i] / s if c else 2 for i, s, c in zip(on, step, crosses, strict=True)]
            )
            z[on] += share.min() * step
            z[on[share == share.min()]] = 0
            on = np.flatnonzero((z != 0) | (lam == 0))
            if not len(on):
                break
        slope = g + H @ (z - w)
        tiny = 2000 * UNIT * (np.abs(g) + np.abs(H) @ np.abs(z - w) + lam)
        if not ((z == 0) & (np.abs(slope) > lam + tiny)).any():
            break
    return z


class SparseOptimum:
    """The optimum W (p, K) of f + sum lam |W|, whether it is sure, and its error in a norm."""

    def __init__(self, f, lam, max_iter=150):
        self.f, K = f, f.K
        lam = np.full(f.p, LD(lam))
        if (f.alpha == 0).any():
            lam[-1] = 0
        self.lam = lam = np.tile(lam, K)
        n, w, polish = len(f.A), np.zeros(f.p * K, LD), 0
        fold = lambda v: v.reshape(K, f.p).T  # noqa: E731
        total = lambda v: f.value(fold(v)) + lam @ np.abs(v)  # noqa: E731
        for _ in range(max_iter):
            g, _ = f.gradient(fold(w))
            H, parts = f.hessian(fold(w))
            z = quadratic(H, parts, g, w, lam, n)
            size = np.sqrt(parts)
            small = np.abs(size * (z - w)).max() <= 1e-12 * np.abs(size * z).max()
            length, now = LD(1), total(w)
            while not small and total(w + length * (z - w)) > now and length > 1e-12:
                length /= 2
            w = z if length == 1 else w + length * (z - w)
            polish += small
            if polish == 3:
                break
        self.W = fold(w)
        g, error = f.gradient(self.W)
        H, parts = f.hessian(self.W)
        zero = (w == 0) & (lam > 0)
        strict = bool((np.abs(g)[zero] + error[zero] < lam[zero]).all())
        self.on = on = np.flatnonzero(~zero)
        v = (g + lam * np.sign(w))[on]
        self.error_of_v = error[on] + 2 * UNIT * (np.abs(g) + lam)[on]
        self.step, self.inverse, sound = (
            solved_on(H, parts, on, v, n) if len(on) else (v, np.zeros((0, 0), LD), True)
        )
        self.sound = sound and strict and polish == 3

    def error(self, half):
        """Bound on how far W is from the exact optimum in the norm ||half v||."""
        K = self.f.K
        big = np.kron(np.eye(K, dtype=LD), half)[:, self.on]
        spread = np.abs(big @ self.inverse.T @ self.inverse) @ self.error_of_v
        return float(1.1 * (np.sqrt(np.sum((big @ self.step) ** 2)) + np.sqrt(np.sum(spread**2))))
