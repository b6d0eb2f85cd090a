"""Tier 1: rows are taken out, or put in, without touching a row that stays.

The gradient measured in the last pass, less what the removed rows contributed to it, *is* the
gradient of the smaller problem at the point where it was measured.  So one Newton step from that
point with the downdated Hessian is a chord step whose pass has already been paid for.  A pass only
puts a new gradient in the place of the old: every bound lives in the norm of B_0, the factor of
the last refresh, and no matrix is factored before the next one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._common.rounding import UNIT_ROUNDOFF, gamma, up
from ...claims.bounds import distance_from_decrement, inverse_range
from ...claims.noise import Geometry, Transfer
from ...linalg.cholesky import Factor
from ...linalg.norms import norm
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.objective import Measurement, Objective, flat, folded
from ...numerics.objective.quadratic import QuadraticModel
from .present import Present
from .reached import Reached

Array = NDArray[np.float64]
#: Edits since the last refresh may have removed at most this share of B_0 in any direction.
MOST_REMOVED = 0.995
#: Where ||.||_G <= CLOSE ||.||_H a leverage in H is taken from that in G.
CLOSE = 8.0
#: Beyond such gradients squares would overflow.
_LARGEST = 1e100


@dataclass(frozen=True)
class Leverages:
    """Factors of H and G, and R max_i ||x_i|| in the norms of their inverses.

    Of the last refresh.  The maxima are over all rows since then, over pairs of classes where they
    are coupled (so that ``R margin_range(x_i V) <= in_gram ||V||_G``).
    """

    hessian: Factor
    gram: Factor
    in_hessian: float
    in_gram: float

    @classmethod
    def of(
        cls,
        objective: Objective,
        hessian: Factor,
        gram: Factor,
        c: float,
        in_gram: float | None = None,
    ) -> Leverages:
        """Sweep the rows for ``in_gram``, if it is not known; for H only where that does not do."""
        if in_gram is None:
            in_gram = objective.leverage(gram.inverse, gram.slack)
        box = objective.box_leverage(hessian.inverse, hessian.slack)
        swept = c * in_gram
        if c > CLOSE:
            swept = min(swept, objective.leverage(hessian.inverse, hessian.slack))
        return cls(hessian, gram, up(min(box, swept)), in_gram)

    def including(self, share: Contribution) -> Leverages:
        """Return these with further rows counted."""
        return replace(
            self,
            in_hessian=max(self.in_hessian, share.leverage(self.hessian)),
            in_gram=max(self.in_gram, share.leverage(self.gram)),
        )


@dataclass(frozen=True)
class Carryover:
    """What the last refresh left behind and what has been done since; every edit returns the next.

    Attributes
    ----------
    origin : QuadraticModel
        B_0 is its factor; W_ref is where its Hessian was taken.
    now : Leverages
        In the norms of B_0 and of G_0, the Gram matrix of the last refresh.
    c, c_gram : float
        ``||v||_A <= c ||v||_{B_0}`` for the noise of the last refresh, and the same for its G.
    base : ndarray of shape (p, K)
        Where the gradient is known: by the last pass.
    gradient, allowance : ndarray of shape (q,)
        Of the present objective at ``base``.
    moved : float
        At least R max_i margin_range(x_i (base - W_ref)).
    present : Present or None
        B, the Hessian at W_ref of the present rows; None where so many have gone that it would
        cost more than a pass.
    removed, gram_removed, trace_removed : float
        At least the largest eigenvalue of what has been taken out of B relative to B_0, out of G
        relative to G_0, and out of G in itself.
    added, gram_added, trace_added : float
        At least the largest eigenvalue of what has been put into B and into G, both relative to
        B_0, and into G in itself.
    spent : int
        Passes made since the last refresh.
    """

    origin: QuadraticModel
    now: Leverages
    c: float
    c_gram: float
    base: Array
    gradient: Array
    allowance: Array
    moved: float
    present: Present | None
    removed: float = 0.0
    gram_removed: float = 0.0
    trace_removed: float = 0.0
    added: float = 0.0
    gram_added: float = 0.0
    trace_added: float = 0.0
    spent: int = 0

    @classmethod
    def opened(
        cls,
        objective: Objective,
        geometry: Geometry,
        reached: Reached,
        in_gram: float | None = None,
    ) -> Carryover:
        """Open a carryover after a refresh; ``in_gram`` is known from another column."""
        model, gram, m = reached.model, geometry.gram, reached.measurement
        c = c_gram = Transfer.between(replace(geometry, mechanism="gram"), model.factor).c
        if geometry.mechanism != "gram":
            c = Transfer.between(geometry, model.factor).c
        X = model.factor.inverse
        return cls(
            model,
            Leverages.of(objective, model.factor, gram, c_gram, in_gram),
            c,
            c_gram,
            reached.measured,
            flat(m.gradient),
            flat(m.allowance),
            m.moved,
            Present.of(model.curvature, X.T @ X),
        )

    def measured(self, W: Array, m: Measurement, passes: int) -> Carryover:
        """Take over what so many passes measured at W, the step's range that of ``W - W_ref``."""
        return replace(
            self,
            base=W,
            gradient=flat(m.gradient),
            allowance=flat(m.allowance),
            moved=m.moved,
            spent=self.spent + passes,
        )

    def edited(
        self,
        removed: Contribution | None = None,
        added: Contribution | None = None,
        penalty: Array | None = None,
    ) -> Carryover:
        """Take rows out, put others in, change the penalty by ``penalty`` (p,); any of the three.

        Both shares are taken at ``base`` and W_ref.

        Notes
        -----
        Guarantee: the attributes hold for the edited objective.  Proof: proofs/edited.md
        """
        carryover = self if penalty is None else self._repenalised(penalty)
        if added is not None:
            carryover = carryover._with(added)
        return carryover if removed is None else carryover._without(removed)

    def alike(self, other: Carryover | None) -> bool:
        """Whether this is of another column with the same Hessian, by one and the same matrix."""
        if other is None or self.present is None or other.present is None:
            return False
        return self.present is other.present and self.origin.factor is other.origin.factor

    def beside(
        self, other: Carryover, removed: Contribution, added: Contribution | None
    ) -> Carryover:
        """Return the edit of this column whose matrices, and their bounds, are those of ``other``.

        That is another column, alike before the edit and now after it; the penalty stays.
        """
        own = self if added is None else self._pulled(added, 1.0)
        own = own._pulled(removed, -1.0)
        return replace(
            other,
            base=own.base,
            gradient=own.gradient,
            allowance=own.allowance,
            moved=own.moved,
            spent=own.spent,
        )

    def step(self, geometry: Geometry, target: float = math.inf) -> tuple[Array, float]:
        """Return one step from ``base`` and its certified distance to the exact optimum.

        The step is Newton's with B, or with B_0 where B is not known, of the length that is right
        for the middle of what the Hessian on the way to the optimum may be.

        Parameters
        ----------
        geometry : Geometry
            Of the present rows.
        target : float
            No step is worked out where the range of the Hessian alone makes it miss this.

        Returns
        -------
        W, distance : ndarray of shape (p, K), float
            The distance is in the norm of the noise; ``inf`` where no bound follows.

        Notes
        -----
        Guarantee: ``||W - W*||_A <= distance``, for every mechanism.
        Proof: proofs/edited.md
        """
        f, g = self.origin.factor, self.gradient
        left = math.exp(-f.theta) * (1 - 1e-12) - self.removed
        T = (self.moved + self.origin.margin_error) * (1 + 1e-12)
        if not np.abs(g).max() < _LARGEST:
            return self.base, math.inf
        if not (left > 1 - MOST_REMOVED and T < 100):
            return self.base - folded(self.solve(g), len(self.base)), math.inf
        # The Hessian at the base is at least left e^{-T} B_0.
        inner = (1 + 1e-12) / math.sqrt(left)
        nu, root = f.whitened(g, self.allowance), math.exp(T / 2) * inner
        t = distance_from_decrement(up(nu * root), up(self.now.in_hessian * root))[1]
        if not t < 100:
            return self.base - folded(self.solve(g), len(self.base)), math.inf
        # lower N <= M <= upper N for what the step is made with; ||v||_{B_0} <= carried ||v||_N.
        lower, upper, carried = 1.0, 1.0, inner
        if self.present is None:
            lower, upper, carried = left, math.exp(f.theta) * (1 + 1e-12) + self.added, 1.0
        low, high = inverse_range(lower, upper, T, t)
        c, nu = self._transfer(geometry) * carried, nu * carried
        if c * nu * (math.exp(T) / lower - math.exp(-T) / upper) > 2 * target:
            return self.base, math.inf
        omega = 0.5 * (low + high)
        W = self.base - folded(omega * self.solve(g), len(self.base))
        short = max(high - omega, omega - low) * nu
        unsolved = self._unsolved(flat(W - self.base), omega, short) * carried
        # ||d - v||_N <= short + unsolved: a second bound on the margins, and a last one on d - v.
        c_gram = self._gram_transfer(geometry.gram) * carried
        size = up(geometry.gram_norm(W - self.base) + up(c_gram * up(short + unsolved)))
        t = min(t, up(self.in_gram(geometry.gram) * size))
        low, high = inverse_range(lower, upper, T, t)
        short = max(high - omega, omega - low) * nu * (1 + 1e-12)
        return W, up(c * up(short + unsolved), 8)

    def _unsolved(self, v: Array, omega: float, against: float) -> float:
        """Bound ``||N v + omega g||_{B_0^{-1}}``, N = B or B_0, for the step v as it was made.

        Up to half a unit in every coordinate of v, and with the allowance of g.
        """
        f, g, present = self.origin.factor, self.gradient, self.present
        if present is None:
            product, size = f.lower @ (f.lower.T @ v), f.diagonal_root
            error = 2 * gamma(len(v) + 4) + 4 * UNIT_ROUNDOFF
        else:
            product, error = present.times(v), present.error
            size = np.sqrt(present.curvature.diagonal) * (1 + 1e-9)
        wrong = omega * (self.allowance + 2 * UNIT_ROUNDOFF * np.abs(g))
        wrong = wrong + error * float(size @ np.abs(v)) * size
        return f.whitened(product + omega * g, wrong, against)

    def solve(self, v: Array) -> Array:
        """Return nearly ``B^{-1} v``, or with B_0 where B is not known."""
        return self.origin.factor.solve(v) if self.present is None else self.present.solve(v)

    def in_gram(self, present: Factor) -> float:
        """R max_i ||x_i|| in the norm of the present G's inverse, which has lost rows only."""
        left = 1.0 - self.gram_removed - 2.0 * self.now.gram.error * self.now.gram.spread**2
        wrong = present.error * present.spread**2
        if not (left > 0.1 and wrong < 0.5):
            return math.inf
        return up(self.now.in_gram * math.sqrt((1.0 + wrong) / left) * (1 + 1e-9))

    def capacity(self, target: float) -> float:
        """Return how much longer a refresh now would make the step that meets ``target``.

        With margins moved by T a step of length nu leaves about ``c (T + L nu / 2) nu``.  The
        ratio of the nu that meet the target at T = 0 and at the present T, squared, is the ratio
        of the single removals that fit before the next pass: their steps add up like a random
        walk.
        """
        room, L, T = 2.0 * target / self.c, max(self.now.in_hessian, 1e-12), self.moved
        fresh = math.sqrt(L * room) / L
        stale = (math.sqrt(T * T + L * room) - T) / L
        return (fresh / max(stale, 1e-300)) ** 2

    def _gram_transfer(self, present: Factor) -> float:
        """Bound ``max ||v||_G / ||v||_{B_0}`` for the present G, whose factor has its own error."""
        was, wrong = self.now.gram, present.error * present.spread**2
        if not wrong < 0.5:
            return math.inf
        drift = (1.0 + was.error * was.spread**2) / (1.0 - wrong)
        return up(math.sqrt((self.c_gram**2 + self.gram_added) * drift) * (1 + 1e-9))

    def _transfer(self, geometry: Geometry) -> float:
        """Bound ``max ||v||_A / ||v||_{B_0}`` for the present A."""
        if geometry.mechanism == "isotropic":
            return self.c
        present, was = geometry.gram, self.now.gram
        c_gram = self._gram_transfer(present)
        if geometry.mechanism == "gram":
            return c_gram
        # ||G d|| <= ||G_0 d|| + ||E d|| with ||E d||^2 <= lambda_max(E) ||d||_E^2.
        lost = math.sqrt(self.trace_removed * self.gram_removed) * c_gram * 2.0
        gained = math.sqrt(self.trace_added * self.gram_added)
        # Entrywise errors of both factors, through g'|d| <= spread ||d||.
        g = np.maximum(present.diagonal_root, was.diagonal_root)
        reach = present.spread * float(np.max(g / present.diagonal_root))
        both = (present.error + was.error) * norm(g) * reach * c_gram
        return up((self.c + lost + gained + both) * (1 + 1e-9))

    def _with(self, share: Contribution) -> Carryover:
        """Put rows into B and the gradient; the leverages, margins and Gram bounds follow."""
        moved = share.range_of(self.base - self.origin.W)
        return replace(
            self._pulled(share, 1.0),
            now=self.now.including(share),
            moved=max(self.moved, moved),
            present=self._present(share, 1.0),
            added=up(
                self.added + share.hessian_share(self.origin.factor) * (1.0 + 2 * share.error)
            ),
            gram_added=up(self.gram_added + share.gram_share(self.origin.factor)),
            trace_added=up(self.trace_added + share.gram_size),
        )

    def _without(self, share: Contribution) -> Carryover:
        """Take rows out of B and the gradient; what went with them is counted."""
        gone = share.hessian_share(self.origin.factor)
        return replace(
            self._pulled(share, -1.0),
            present=self._present(share, -1.0),
            removed=up(self.removed + gone * (1.0 + 2 * share.error)),
            gram_removed=up(self.gram_removed + share.gram_share(self.now.gram)),
            trace_removed=up(self.trace_removed + share.gram_size),
        )

    def _repenalised(self, change: Array) -> Carryover:
        """Add ``diag(change)`` to the penalty of every class; the inverse is left as it is."""
        f, K = self.origin.factor, self.base.shape[1]
        more, less = np.maximum(change, 0.0), np.maximum(-change, 0.0)
        pull = flat(change[:, None] * self.base)
        size = np.abs(self.gradient) + 3 * np.abs(pull)
        return replace(
            self,
            gradient=self.gradient + pull,
            allowance=self.allowance + 2 * UNIT_ROUNDOFF * size,
            present=None if self.present is None else self.present.repenalised(np.tile(change, K)),
            removed=up(self.removed + _trace(f, np.tile(less, K))),
            gram_removed=up(self.gram_removed + _trace(self.now.gram, less)),
            trace_removed=up(self.trace_removed + float(less.max())),
            added=up(self.added + _trace(f, np.tile(more, K))),
            gram_added=up(self.gram_added + _trace(f, np.tile(more, K))),
            trace_added=up(self.trace_added + float(more.max())),
        )

    def _present(self, share: Contribution, sign: float) -> Present | None:
        if self.present is None:
            return None
        return self.present.changed(share, sign, len(self.origin.weights))

    def _pulled(self, share: Contribution, sign: float) -> Carryover:
        """Put a share into the gradient (1) or take it out (-1).

        Allowances add up, with half a unit of either gradient for the sum itself.
        """
        size = np.abs(self.gradient) + np.abs(flat(share.gradient))
        return replace(
            self,
            gradient=self.gradient + sign * flat(share.gradient),
            allowance=self.allowance + flat(share.allowance) + 2 * UNIT_ROUNDOFF * size,
        )


def _trace(factor: Factor, diagonal: Array) -> float:
    """Trace of ``diag(diagonal)``, nonnegative, relative to M = L L'; rounded up."""
    size = norm(factor.inverse * np.sqrt(diagonal)) / (1.0 - factor.slack)
    return size**2 * (1 + 1e-9)
