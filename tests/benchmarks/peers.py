"""Other ways to take rows out of a logistic regression, as published and as short as can be.

A method gets a `Removal` and returns the weights it arrives at and the weights it would publish,
noise included.  What each certifies is in `PEERS`; mostly it is nothing.  The noise a method is
free to choose is scaled to `NOISE` standard errors, as ours is, so that accuracies compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import eigh

from .objective import Objective

NOISE, EPSILON, DELTA = 0.1, 1.0, 1e-6


@dataclass
class Removal:
    """The model of all rows, the rows to go, and what may be prepared before a request comes."""

    full: Objective
    w: np.ndarray
    gone: np.ndarray

    @cached_property
    def kept(self):
        return self.full.without(self.gone)

    @cached_property
    def hessian(self):
        return self.full.hessian(self.w)

    @cached_property
    def inverse(self):
        return np.linalg.inv(self.hessian)

    @cached_property
    def gram(self):
        """Gram matrix of the rows that stay, for all classes."""
        return np.kron(np.eye(self.full.columns), self.kept.gram)

    @cached_property
    def radius(self):
        """Largest norm of a row."""
        return float(np.sqrt(np.einsum("ij,ij->i", self.full.X, self.full.X).max()))

    @cached_property
    def spectral(self):
        """Largest singular value of the rows."""
        return float(np.sqrt(np.linalg.eigvalsh(self.full.X.T @ self.full.X)[-1]))

    @cached_property
    def perturbation(self):
        """Scale of a linear term b'w in training that moves the optimum by `NOISE`."""
        return NOISE / self.deviation(self.inverse)

    @cached_property
    def moved(self):
        """H^{-1} b for one b."""
        return self.perturbation * (self.inverse @ self.drawn())

    def prepare(self):
        """What training leaves behind is not paid for by a removal."""
        for _ in (self.kept, self.radius, self.spectral, self.moved):
            pass

    def deviation(self, root):
        """Root mean square of noise ``root z``, z standard normal, in standard errors."""
        return float(np.sqrt(np.sum(root * (self.gram @ root)) / len(self.w)))

    def drawn(self):
        return np.random.default_rng(0).normal(size=len(self.w))


def newton(r):
    """One Newton step on the rows that stay, their Hessian formed afresh.

    Training minimised the loss plus b'w, and b stays: to first order the weights are off by
    H^{-1} b throughout, so that is added at the end.
    """
    H = r.kept.hessian(r.w)
    w = r.w + np.linalg.solve(H, r.full.share(r.gone, r.w))
    return w, w + r.moved


def influence(r):
    """A step with the Hessian of all rows, the removed ones included."""
    w = r.w + r.inverse @ r.full.share(r.gone, r.w)
    return w, w


def rescaled_influence(r):
    """Each row's own exact Newton step, its leverage taken out of the Hessian; then their sum."""
    g, U = r.full.shares(r.gone, r.w), r.full.roots(r.gone, r.w)
    steps, V = g @ r.inverse, U @ r.inverse
    leverage = np.einsum("mac,mbc->mab", V, U)
    pull = np.einsum("mac,mc->ma", U, steps)
    more = np.linalg.solve(np.eye(leverage.shape[1]) - leverage, pull[:, :, None])[:, :, 0]
    w = r.w + steps.sum(axis=0) + np.einsum("ma,mac->c", more, V)
    return w, w


def subtracted_newton(r):
    """One Newton step, the removed rows' Hessian subtracted from the one of training."""
    H = r.hessian - r.full.curvature(r.gone, r.w)
    w = r.w + np.linalg.solve(H, r.full.share(r.gone, r.w))
    return w, w + sekhari_noise(r) * r.drawn()


def fisher(r):
    """One Newton step and noise of covariance proportional to F^{-1/2}, F the Hessian left."""
    values, vectors = eigh(r.hessian - r.full.curvature(r.gone, r.w))
    step = vectors @ ((vectors.T @ r.full.share(r.gone, r.w)) / values)
    root = vectors * values**-0.25
    root *= NOISE / r.deviation(root)
    return r.w + step, r.w + step + root @ r.drawn()


class Replay:
    """Gradient descent whose path is kept and replayed, gradients of rows that stay approximated.

    At the first steps and then at every fifth the exact gradient is taken and gives a pair for the
    quasi-Newton Hessian; in between it stands for the change of the gradient along the way.  Two
    more pairs than published bring it nearer at no cost.
    """

    STEPS, BURN, EVERY, PAIRS = 100, 10, 5, 4

    def __init__(self, r):
        kappa = 0.25 if r.full.columns == 1 else 0.5
        self.rate = 1 / (kappa * r.spectral**2 + r.full.alpha.max())
        self.path, w = [], np.zeros(len(r.w))
        for _ in range(self.STEPS):
            g = r.full.gradient(w)
            self.path.append((w, g))
            w = w - self.rate * g

    def __call__(self, r):
        w, pairs = self.path[0][0].copy(), []
        for t, (then, g) in enumerate(self.path):
            if t < self.BURN or t % self.EVERY == 0:
                full = r.full.gradient(w)
                d, change = w - then, full - g
                if d @ change > 1e-12 * (d @ d):
                    pairs = [*pairs, (d, change)][-self.PAIRS :]
            else:
                full = g + _quasi_hessian(pairs, w - then)
            w = w - self.rate * (full - r.full.share(r.gone, w))
        return w, w

    def descent(self, r):
        """What the replay approximates: the same descent on the rows that stay."""
        w = self.path[0][0]
        for _ in range(self.STEPS):
            w = w - self.rate * r.kept.gradient(w)
        return w, w


def _quasi_hessian(pairs, v):
    """The BFGS matrix of (step, change of gradient) pairs applied to v."""
    if not pairs:
        return 0 * v
    d, c = pairs[-1]
    size, terms = (c @ d) / (d @ d), []
    for d, c in pairs:
        Bd = size * d + sum(s * u * (u @ d) for s, u in terms)
        terms += [(1.0, c / np.sqrt(c @ d)), (-1.0, Bd / np.sqrt(d @ Bd))]
    return size * v + sum(s * u * (u @ v) for s, u in terms)


def newton_epsilon(r):
    """The published epsilon of one Newton removal, or None for many classes.

    Guo et al. (2020), Corollary 2 bounds the gradient that is left, for rows of norm at most one:
    longer rows put their norm in front.  Theorem 3 turns that into epsilon; its proof treats the
    gradient that is left as if it did not depend on b.
    """
    if r.full.columns > 1:
        return None
    step = newton(r)[0] - r.w
    left = 0.25 * r.radius * r.spectral * np.linalg.norm(step) * np.linalg.norm(r.kept.X @ step)
    return left * np.sqrt(2 * np.log(1.5 / DELTA)) / r.perturbation


def sekhari_noise(r):
    """Standard deviation that Sekhari et al. (2021), Algorithm 1, adds to every coefficient.

    sigma = 2 M m^2 L^2 / (lambda^3 n^2) sqrt(2 log(1.25 / delta)) / epsilon for the mean loss with
    gradients below L, Hessians M-Lipschitz and strong convexity lambda.  Free intercepts have no
    strong convexity, so the theorem does not hold here; the slopes' lambda is taken, in its favour.
    """
    n, m, x = len(r.full.X), len(r.gone), r.radius
    strong = r.full.alpha.max() / n
    if r.full.columns == 1:
        slope, third = x, x**3 / (6 * np.sqrt(3))
    else:
        slope, third = np.sqrt(2) * x, x**3 / np.sqrt(2)
    # Within reach of an optimum the penalty's gradient is no longer than the loss's.
    shift = 2 * third * m**2 * (2 * slope) ** 2 / (strong**3 * n**2)
    return shift * np.sqrt(2 * np.log(1.25 / DELTA)) / EPSILON


@dataclass(frozen=True)
class Peer:
    """A method: what it does, where it is from, what it certifies, and its epsilon and noise."""

    run: Callable
    source: str
    certifies: str
    epsilon: Callable = lambda r: None
    noise: Callable = lambda r: 0.0


PEERS = {
    "Newton removal": Peer(
        newton,
        "Guo et al. 2020, Thm 3",
        "(epsilon, delta), proof has a gap",
        newton_epsilon,
        lambda r: NOISE,
    ),
    "influence": Peer(influence, "Koh & Liang 2017, Eq. 1", "nothing"),
    "rescaled influence": Peer(rescaled_influence, "Rubinstein & Hopkins 2025", "nothing"),
    "Newton, noise by constants": Peer(
        subtracted_newton,
        "Sekhari et al. 2021, Alg. 1",
        "(epsilon, delta) if intercepts were penalised",
        lambda r: EPSILON,
        lambda r: sekhari_noise(r) * r.deviation(np.eye(len(r.w))),
    ),
    "Newton and Fisher noise": Peer(
        fisher, "Golatkar et al. 2020", "nothing", noise=lambda r: NOISE
    ),
    "replay": Peer(Replay, "Wu et al. 2020, Alg. 1", "nothing"),
    "descent it replays": Peer(Replay.descent, "gradient descent, kept rows", "retraining"),
}
