"""The longest row in the norms of H and G, kept from one refresh to the next."""

from __future__ import annotations

from dataclasses import dataclass

from ..._common.replaced import replace
from ..._common.rounding import up
from ...linalg.cholesky import Factor
from ...numerics.objective.contribution import Contribution
from ...numerics.objective.objective import Objective

#: Where ||.||_G <= CLOSE ||.||_H a leverage in H is taken from that in G.
CLOSE = 8.0


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
        # in_gram = R max ||a||_{G^{-1}}: for a = (e_k - e_l) (x) x_i the factor sqrt(2) is inside.
        if in_gram is None:
            in_gram = objective.leverage(gram.inverse, gram.slack)
        # ||x||_{B^{-1}} by each column's largest |x_ij|: one product with B^{-1}, no row read.
        box = objective.box_leverage(hessian.inverse, hessian.slack)
        # ||v||_G <= c ||v||_B gives ||a||_{B^{-1}} <= c ||a||_{G^{-1}} by duality (Leverages.of in
        # proofs/edited.md).
        swept = c * in_gram
        if c > CLOSE:
            swept = min(swept, objective.leverage(hessian.inverse, hessian.slack))
        # Each of the three is an upper bound, so the smallest is one.
        return cls(hessian, gram, up(min(box, swept)), in_gram)

    def including(self, share: Contribution) -> Leverages:
        """Return these with further rows counted."""
        # A maximum over more rows; those that have gone may stay in it, which only makes it larger.
        return replace(
            self,
            in_hessian=max(self.in_hessian, share.leverage(self.hessian)),
            in_gram=max(self.in_gram, share.leverage(self.gram)),
        )
