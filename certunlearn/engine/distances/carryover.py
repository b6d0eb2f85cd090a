"""Tier 1: rows are taken out, or put in, without touching a row that stays.

The gradient measured in the last pass, less what the removed rows contributed to it, *is* the
gradient of the smaller problem at the point where it was measured.  So one Newton step from that
point with the downdated Hessian is a chord step whose pass has already been paid for.  Between
passes every bound lives in the norm of B_0, the factor of the last pass, so nothing compounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._common.rounding import UNIT_ROUNDOFF, gamma, up
from ...claims.bounds import distance_measured
from ...claims.noise import Geometry, Transfer
from ...linalg.cholesky import Factor, factorise, growth, whitened_norm
from ...linalg.norms import norm
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.curvature import Curvature, within, without
from ...numerics.objective.objective import Objective, flat, folded
from ...numerics.objective.quadratic import QuadraticModel
from .reached import Reached

Array = NDArray[np.float64]
#: Edits since the last pass may have removed at most this share of B_0 in any direction.
MOST_REMOVED = 0.5
#: Where ||.||_G <= CLOSE ||.||_H a leverage in H is taken from that in G.
CLOSE = 8.0
#: Beyond such gradients squares would overflow.
_LARGEST = 1e100


@dataclass(frozen=True)
class Leverages:
    """Factors of H and G, and R max_i ||x_i|| in the norms of their inverses.

    The maxima are over all rows since the factors were made, over pairs of classes where they
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

    def towards(self, objective: Objective, hessian: Factor, gram: Factor) -> Leverages:
        """Return bounds in the norms of later factors, without a row; for use, not to keep."""
        box = objective.box_leverage(hessian.inverse, hessian.slack)
        in_hessian = min(box, up(self.in_hessian * growth(self.hessian, hessian)))
        in_gram = up(self.in_gram * growth(self.gram, gram))
        return Leverages(hessian, gram, in_hessian, in_gram)


@dataclass(frozen=True)
class Carryover:
    """What the last pass left behind and what has been done since; every edit returns the next.

    Attributes
    ----------
    origin : QuadraticModel
        B_0 is its factor; W_ref is where its Hessian was taken.
    refreshed : Leverages
        At the last refresh: what ``now`` has grown from.
    now : Leverages
        In the norms of B_0 and of G_0, the Gram matrix of the last pass.
    c, c_gram : float
        ``||v||_A <= c ||v||_{B_0}`` for the noise of the last pass, and the same for its G.
    base : ndarray of shape (p, K)
        Where the gradient is known.
    gradient, allowance : ndarray of shape (q,)
        Of the present objective at ``base``.
    moved : float
        At least R max_i margin_range(x_i (base - W_ref)).
    curvature : Curvature
        B, the Hessian at W_ref of the present rows; ``inverse`` is near B^{-1}, and how near is
        measured at each use.
    removed, gram_removed, trace_removed : float
        At least the largest eigenvalue of what has been taken out of B relative to B_0, out of G
        relative to G_0, and out of G in itself.
    gram_added, trace_added : float
        At least the largest eigenvalue of what has been put into G, relative to B_0 and in itself.
    spent : int
        Passes made since the last refresh.
    """

    origin: QuadraticModel
    refreshed: Leverages
    now: Leverages
    c: float
    c_gram: float
    base: Array
    gradient: Array
    allowance: Array
    moved: float
    curvature: Curvature
    inverse: Array
    removed: float = 0.0
    gram_removed: float = 0.0
    trace_removed: float = 0.0
    gram_added: float = 0.0
    trace_added: float = 0.0
    spent: int = 0

    @classmethod
    def opened(
        cls,
        objective: Objective,
        geometry: Geometry,
        reached: Reached,
        refreshed: Leverages | None,
        spent: int = 0,
        in_gram: float | None = None,
    ) -> Carryover:
        """Open a carryover after a pass; ``refreshed`` is None where the Hessian is new."""
        model, gram, m = reached.model, geometry.gram, reached.measurement
        c = c_gram = Transfer.between(replace(geometry, mechanism="gram"), model.factor).c
        if geometry.mechanism != "gram":
            c = Transfer.between(geometry, model.factor).c
        if refreshed is None:
            refreshed = Leverages.of(objective, model.factor, gram, c_gram, in_gram)
            now = refreshed
        else:
            now = refreshed.towards(objective, model.factor, gram)
        X = model.factor.inverse
        return cls(
            model,
            refreshed,
            now,
            c,
            c_gram,
            reached.measured,
            flat(m.gradient),
            flat(m.allowance),
            m.moved,
            model.curvature,
            X.T @ X,
            spent=spent,
        )

    def model(self, objective: Objective) -> QuadraticModel:
        """Factor B as it stands, for chord steps on the rows of ``objective``.

        Raises
        ------
        numpy.linalg.LinAlgError
            If B is no longer numerically positive definite.
        """
        c = self.curvature
        factor = factorise(c.matrix, c.diagonal, c.error)
        return replace(self.origin, weights=objective.weights, curvature=c, factor=factor)

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

    def beside(
        self, other: Carryover, removed: Contribution, added: Contribution | None
    ) -> Carryover:
        """Return the edit of this column whose matrices, and their bounds, are those of ``other``.

        That is another column with the same Hessian, after the edit; the penalty stays.
        """
        out = other._at(self.base, self.gradient, self.allowance, self.moved)
        if added is not None:
            out = replace(
                out,
                gradient=out.gradient + flat(added.gradient),
                allowance=out._allowance(added),
            )
        return replace(
            out,
            gradient=out.gradient - flat(removed.gradient),
            allowance=out._allowance(removed),
        )

    def of_column(self, reached: Reached) -> Carryover:
        """Return this of another column with the same Hessian, measured as ``reached`` says."""
        m = reached.measurement
        return self._at(reached.measured, flat(m.gradient), flat(m.allowance), m.moved)

    def _at(self, base: Array, gradient: Array, allowance: Array, moved: float) -> Carryover:
        return replace(self, base=base, gradient=gradient, allowance=allowance, moved=moved)

    def step(self, geometry: Geometry) -> tuple[Array, float]:
        """Return one Newton step from ``base`` and its certified distance to the exact optimum.

        Parameters
        ----------
        geometry : Geometry
            Of the present rows.

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
        if not np.abs(g).max() < _LARGEST:
            return self.base, math.inf
        s = self.inverse @ g
        # The inverse has drifted a little: one refinement leaves what rounding leaves.
        s = s - self.inverse @ (self.curvature.matrix @ s - g)
        W = self.base - folded(s, len(self.base))
        left = math.exp(-f.theta) * (1 - 1e-12) - self.removed
        if not left > 1 - MOST_REMOVED:
            return W, math.inf
        inner = (1 + 1e-12) / math.sqrt(left)
        c, c_gram = self._transfer(geometry) * inner, self._gram_transfer(geometry.gram) * inner
        nu = f.whitened(g, self.allowance) * inner
        T = (self.moved + self.origin.margin_error) * (1 + 1e-12)
        # The step that was made, up to half a unit, and what it leaves of B v + g = 0.
        v = flat(W - self.base)
        diagonal = np.sqrt(self.curvature.diagonal) * (1 + 1e-9)
        error = self.curvature.error + gamma(len(v) + 4) + 4 * UNIT_ROUNDOFF
        wrong = self.allowance + error * float(diagonal @ np.abs(v)) * diagonal
        unsolved = f.whitened(self.curvature.matrix @ v + g, wrong) * inner
        size = up(geometry.gram_norm(W - self.base) + up(c_gram * unsolved))
        spread = (self.in_gram(geometry.gram), size, c_gram)
        _, after = distance_measured(0.0, c, nu, self.now.in_hessian * inner, T, spread)
        return W, up(after + up(c * unsolved), 8)

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
        reach = norm(np.abs(present.inverse) @ g) / (1.0 - present.slack)
        both = (present.error + was.error) * norm(g) * reach * c_gram
        return up((self.c + lost + gained + both) * (1 + 1e-9))

    def _with(self, share: Contribution) -> Carryover:
        """Put rows into B and the gradient; the leverages, margins and Gram bounds follow."""
        count = len(share.root)
        curvature = within(self.curvature, share.hessian, share.diagonal, count, share.error)
        moved = share.range_of(self.base - self.origin.W)
        return replace(
            self,
            refreshed=self.refreshed.including(share),
            now=self.now.including(share),
            gradient=self.gradient + flat(share.gradient),
            allowance=self._allowance(share),
            moved=max(self.moved, moved),
            curvature=curvature,
            inverse=_inverse(self.inverse, share.root, 1.0, curvature.matrix),
            gram_added=up(self.gram_added + share.gram_share(self.origin.factor)),
            trace_added=up(self.trace_added + share.gram_size),
        )

    def _without(self, share: Contribution) -> Carryover:
        """Take rows out of B and the gradient; what went with them is counted."""
        f, root = self.origin.factor, share.root
        white = whitened_norm(f, root.T, 4 * share.loss.columns + 32)
        removed = up(self.removed + white**2 * (1.0 + 2 * share.error))
        curvature = without(self.curvature, share.hessian, len(root), share.error)
        inverse = self.inverse
        if removed < MOST_REMOVED:
            inverse = _inverse(inverse, root, -1.0, curvature.matrix)
        return replace(
            self,
            gradient=self.gradient - flat(share.gradient),
            allowance=self._allowance(share),
            curvature=curvature,
            inverse=inverse,
            removed=removed,
            gram_removed=up(self.gram_removed + share.gram_share(self.now.gram)),
            trace_removed=up(self.trace_removed + share.gram_size),
        )

    def _repenalised(self, change: Array) -> Carryover:
        """Add ``diag(change)`` to the penalty of every class; the inverse is left as it is."""
        f, c, K = self.origin.factor, self.curvature, self.base.shape[1]
        more, less = np.maximum(change, 0.0), np.maximum(-change, 0.0)
        pull = flat(change[:, None] * self.base)
        size = np.abs(self.gradient) + 3 * np.abs(pull)
        return replace(
            self,
            gradient=self.gradient + pull,
            allowance=self.allowance + 2 * UNIT_ROUNDOFF * size,
            curvature=within(
                c, np.diag(np.tile(change, K)), np.tile(more, K), 1, 4 * UNIT_ROUNDOFF
            ),
            removed=up(self.removed + _trace(f, np.tile(less, K))),
            gram_removed=up(self.gram_removed + _trace(self.now.gram, less)),
            trace_removed=up(self.trace_removed + float(less.max())),
            gram_added=up(self.gram_added + _trace(f, np.tile(more, K))),
            trace_added=up(self.trace_added + float(more.max())),
        )

    def _allowance(self, share: Contribution) -> Array:
        """Allowances add up, with half a unit of either gradient for the sum itself."""
        size = np.abs(self.gradient) + np.abs(flat(share.gradient))
        return self.allowance + flat(share.allowance) + 2 * UNIT_ROUNDOFF * size


def _trace(factor: Factor, diagonal: Array) -> float:
    """Trace of ``diag(diagonal)``, nonnegative, relative to M = L L'; rounded up."""
    size = norm(factor.inverse * np.sqrt(diagonal)) / (1.0 - factor.slack)
    return size**2 * (1 + 1e-9)


def _inverse(inverse: Array, root: Array, sign: float, matrix: Array) -> Array:
    """Return the inverse after ``sign * root' root`` has come: by Woodbury where rows are few.

    Nothing is claimed for it: how far off it is shows in the residual of the step.
    """
    if 4 * len(root) > len(matrix):
        try:
            return np.asarray(np.linalg.inv(matrix), dtype=np.float64)
        except np.linalg.LinAlgError:
            return inverse
    U = inverse @ root.T
    inner = np.eye(len(root)) + sign * (root @ U)
    return inverse - sign * (U @ np.linalg.solve(inner, U.T))
