"""Tier 1: rows are taken out, or put in, without touching a row that stays.

The gradient measured in the last pass, less what the removed rows contributed to it, *is* the
gradient of the smaller problem at the point where it was measured.  So one Newton step from that
point with the downdated Hessian is a chord step whose pass has already been paid for.  A pass only
puts a new gradient in the place of the old: every bound lives in the norm of B_0, the factor of
the last refresh, and no matrix is factored before the next one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._common.replaced import replace
from ..._common.rounding import UNIT_ROUNDOFF, gamma, up
from ...claims.bounds import distance_from_decrement, inverse_range
from ...claims.noise import Geometry, Transfer
from ...linalg.cholesky import Factor
from ...linalg.norms import norm
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.objective import Measurement, Objective, flat, folded
from ...numerics.objective.quadratic import QuadraticModel
from .leverages import Leverages
from .present import Present
from .reached import Reached

Array = NDArray[np.float64]
#: Edits since the last refresh may have removed at most this share of B_0 in any direction.
MOST_REMOVED = 0.995
#: Beyond such gradients squares would overflow.
_LARGEST = 1e100


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
        # c of the page: ||v||_A <= c ||v||_{B_0}, and the same for G_0, both of the refresh's
        # factors.
        c = c_gram = Transfer.between(replace(geometry, mechanism="gram"), model.factor).c
        if geometry.mechanism != "gram":
            c = Transfer.between(geometry, model.factor).c
        # X close to L_0^{-1}, so X'X is close to B_0^{-1}: how close shows in each step's residual.
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
        # In this order no diagonal shrinks before a matrix is put in, and the errors are relative
        # to the larger one.
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
        # base, gradient, allowance and moved are this column's own; all else is a function of the
        # Hessian and G, hence the other's too ((iii) of proofs/columns.md).
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
        # left B_0 <= M with left = e^{-theta} - removed: additions only enlarge M. theta is the
        # factor's own error.
        f, g = self.origin.factor, self.gradient
        left = math.exp(-f.theta) * (1 - 1e-12) - self.removed
        # (4a): the Hessian at base is within e^{+-T} of M, T = moved + margin_error.
        T = (self.moved + self.origin.margin_error) * (1 + 1e-12)
        if not np.abs(g).max() < _LARGEST:
            return self.base, math.inf
        if not (left > 1 - MOST_REMOVED and T < 100):
            return self.base - folded(self.solve(g), len(self.base)), math.inf
        # The Hessian at the base is at least left e^{-T} B_0.
        inner = (1 + 1e-12) / math.sqrt(left)
        # nu >= ||g||_{B_0^{-1}} with its allowance; root turns B_0^{-1} into H^{-1}, for g and
        # rows.
        nu, root = f.whitened(g, self.allowance), math.exp(T / 2) * inner
        # t >= R max_i range(x_i . d), d = W* - base: the first way to the margins.
        t = distance_from_decrement(up(nu * root), up(self.now.in_hessian * root))[1]
        if not t < 100:
            return self.base - folded(self.solve(g), len(self.base)), math.inf
        # lower N <= M <= upper N for what the step is made with; ||v||_{B_0} <= carried ||v||_N.
        lower, upper, carried = 1.0, 1.0, inner
        if self.present is None:
            # N = B_0: M <= (e^theta + added) B_0, as taking rows out only makes M smaller.
            lower, upper, carried = left, math.exp(f.theta) * (1 + 1e-12) + self.added, 1.0
        low, high = inverse_range(lower, upper, T, t)
        # ||v||_A <= c ||v||_N and ||g||_{N^{-1}} <= nu: by way of B_0 in both.
        c, nu = self._transfer(geometry) * carried, nu * carried
        # high - low >= e^T / lower - e^{-T} / upper for every t: `short` is at least half of it
        # times nu, whatever omega is.
        if c * nu * (math.exp(T) / lower - math.exp(-T) / upper) > 2 * target:
            return self.base, math.inf
        # d = -Hbar^{-1} g with low N^{-1} <= Hbar^{-1} <= high N^{-1}: the middle leaves the least.
        omega = 0.5 * (low + high)
        W = self.base - folded(omega * self.solve(g), len(self.base))
        # short >= ||d + omega N^{-1} g||_N (proofs/inverse_range.md).
        short = max(high - omega, omega - low) * nu
        # unsolved >= ||v + omega N^{-1} g||_N for the v that was made: how it was solved for does
        # not matter.
        unsolved = self._unsolved(flat(W - self.base), omega, short) * carried
        # ||d - v||_N <= short + unsolved: a second bound on the margins, and a last one on d - v.
        c_gram = self._gram_transfer(geometry.gram) * carried
        size = up(geometry.gram_norm(W - self.base) + up(c_gram * up(short + unsolved)))
        # R max range(x_i . d) <= in_gram ||d||_G, ||d||_G <= size: the smaller t narrows the range,
        # omega stays.
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
            # Two products with L_0, |L_0||L_0'| <= g g'; 4u: half a unit in v = W - base, and
            # spare.
            product, size = f.lower @ (f.lower.T @ v), f.diagonal_root
            error = 2 * gamma(len(v) + 4) + 4 * UNIT_ROUNDOFF
        else:
            # |B| <= (1 + error) d d', d the root of the diagonal.
            product, error = present.times(v), present.error
            size = np.sqrt(present.curvature.diagonal) * (1 + 1e-9)
        # 2u |omega g|: the product omega g and the addition to N v.
        wrong = omega * (self.allowance + 2 * UNIT_ROUNDOFF * np.abs(g))
        wrong = wrong + error * float(size @ np.abs(v)) * size
        return f.whitened(product + omega * g, wrong, against)

    def solve(self, v: Array) -> Array:
        """Return nearly ``B^{-1} v``, or with B_0 where B is not known."""
        return self.origin.factor.solve(v) if self.present is None else self.present.solve(v)

    def in_gram(self, present: Factor) -> float:
        """R max_i ||x_i|| in the norm of the present G's inverse, which has lost rows only."""
        # G >= G_0 - gone >= (1 - w_0 - gram_removed) L_G0 L_G0', w_0 = error spread^2 (twice, to
        # spare).
        left = 1.0 - self.gram_removed - 2.0 * self.now.gram.error * self.now.gram.spread**2
        wrong = present.error * present.spread**2
        if not (left > 0.1 and wrong < 0.5):
            return math.inf
        # L_G L_G' >= G / (1 + w) at the upper end.
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
        # G <= G_0 + added; from L_G0 L_G0' to G_0 by 1 + w_0, from G to L_G L_G' by 1 / (1 - w).
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
        # ||gone v||^2 <= lambda_max(gone) v' gone v <= trace_removed gram_removed ||v||_{G_0}^2.
        lost = math.sqrt(self.trace_removed * self.gram_removed) * c_gram * 2.0
        # gram_added is relative to B_0 already.
        gained = math.sqrt(self.trace_added * self.gram_added)
        # Entrywise errors of both factors, through g'|d| <= spread ||d||.
        # |E| <= (error + error_0) g g' with g the larger root of each coordinate.
        g = np.maximum(present.diagonal_root, was.diagonal_root)
        reach = present.spread * float(np.max(g / present.diagonal_root))
        both = (present.error + was.error) * norm(g) * reach * c_gram
        return up((self.c + lost + gained + both) * (1 + 1e-9))

    def _with(self, share: Contribution) -> Carryover:
        """Put rows into B and the gradient; the leverages, margins and Gram bounds follow."""
        # Added rows' own margins between W_ref and base, exactly: moved bounds those of all rows.
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
        # alpha + C adds C W to the gradient and C to M and G; no third derivative, so T stays.
        pull = flat(change[:, None] * self.base)
        # 6u |C W|: C off by a unit of itself, the product, the sum; 2u |g| for the sum.
        size = np.abs(self.gradient) + 3 * np.abs(pull)
        return replace(
            self,
            gradient=self.gradient + pull,
            allowance=self.allowance + 2 * UNIT_ROUNDOFF * size,
            present=None if self.present is None else self.present.repenalised(np.tile(change, K)),
            # A trace bounds the largest eigenvalue: C- counts as taken out, C+ as put in.
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
    # trace(L^{-1} D L^{-T}) = ||L^{-1} D^{1/2}||_F^2, and ||L^{-1} M|| <= ||X M|| / (1 - slack).
    size = norm(factor.inverse * np.sqrt(diagonal)) / (1.0 - factor.slack)
    return size**2 * (1 + 1e-9)
