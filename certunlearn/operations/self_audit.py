"""Continuous self-audit: some requests are solved for exactly and held against what is claimed."""

from __future__ import annotations

import dataclasses
import json
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .._common.arrays import Array
from .._common.validate import real
from ..engine.protocol import Unlearner
from ..exceptions import AssumptionError
from ..requests.fitted import fitted_of
from ..requests.replayed import Replayed

if TYPE_CHECKING:
    from ..audit.law import Law
    from ..audit.sequential import SelfAudit

#: The matrix of the noise is formed up to so many coefficients.
_MOST = 5_000


class Exact:
    """A training from the retained rows alone, made when it is first asked for.

    Parameters
    ----------
    model : estimator of this package or ForgettingPipeline
        Fitted, and released with noise.
    """

    def __init__(self, model: object) -> None:
        auditable(model)
        fitted = fitted_of(model)
        self.model, self._frame = fitted.model, fitted.frame

    @property
    def release(self) -> Array:
        """The release there is (p, K), where the rows are held."""
        return self._inside(self.model.released)

    def redrawn(self, count: int) -> Array:
        """Draw more releases (count, p, K) of the same iterate; they are published nowhere.

        Raises
        ------
        AssumptionError
            If the noise comes from a seed: all would be the same.
        """
        if self.model.settings.seed is not None:
            raise AssumptionError("the noise comes from a seed: it is the same in every release")
        return np.array([self._inside(self.model.release().released) for _ in range(count)])

    def _inside(self, W: Array) -> Array:
        return W if self._frame is None else self._frame.inside(W)

    @property
    def replayed(self) -> Replayed:
        """The training held against the iterate."""
        return Replayed.of(self.model, self.afresh)

    @cached_property
    def afresh(self) -> Unlearner:
        """The training: without noise, as far as float64 goes."""
        return self.model.retrained()

    def optimum(self) -> Array:
        """Return the optimum (p, K), where the rows are held."""
        return self.afresh.W

    def law(self) -> Law:
        """Return the law that the certificate claims for these rows, where they are held."""
        from ..audit.law import Law

        c = self.model.certificate
        gram = getattr(self.afresh, "gram", None)
        if c.mechanism == "isotropic" or gram is None:
            half = np.eye(len(self.model.W))
        else:
            half = gram.geometry.half
        return Law(half.T @ half, c.noise * np.array(c.scale), c.distance_target)


def auditable(model: object) -> None:
    """Refuse a model whose claims cannot be audited.

    Raises
    ------
    AssumptionError
        If nothing is claimed, since there is no noise, or there are too many coefficients.
    """
    known = fitted_of(model).model
    if known.certificate.kind == "none":
        raise AssumptionError("without noise nothing is claimed, so there is nothing to audit")
    if len(known.W) > _MOST:
        raise AssumptionError(
            f"a self-audit forms the matrix of the noise, for up to {_MOST} coefficients: "
            f"{len(known.W)} are too many"
        )


def self_audit(
    model: object, evidence: SelfAudit, *, rng: np.random.Generator | None = None
) -> SelfAudit:
    """Look at the last release of a model, with the chance that the evidence says.

    The rows that stay are solved for exactly, and the release is held against the law that its
    certificate claims for them, the secret iterate against its certified distance.  What was found
    is in the last entry of ``history_``: ``true_distance`` and ``true_over_certified``.

    Parameters
    ----------
    model : estimator of this package or ForgettingPipeline
        After a request.
    evidence : SelfAudit
        Gathered so far; ``SelfAudit(rate=0.01)`` before the first request.
    rng : Generator, optional
        Of the choice whether to look, which must not depend on the noise.

    Returns
    -------
    SelfAudit
        With one more request; ``finding()`` says whether the claims hold so far.

    Raises
    ------
    AssumptionError
        If nothing is claimed, since there is no noise, or there are too many coefficients.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from certunlearn import CertifiedLogReg, self_audit
    >>> from certunlearn.audit import SelfAudit
    >>> model = CertifiedLogReg().fit(*load_breast_cancer(return_X_y=True))
    >>> evidence = SelfAudit(rate=1.0)
    >>> for row in range(3):
    ...     evidence = self_audit(model.forget([row]), evidence)
    >>> evidence.looks, max(evidence.ratios) <= 1, evidence.finding().passed
    (3, True, True)
    """
    exact = Exact(model)
    known = exact.model
    out = evidence.after(
        exact.release,
        exact.law,
        exact.optimum,
        rng=rng,
        iterate=known.W,
        distance=known.certificate.distance,
    )
    if out.looks > evidence.looks:
        found = {"true_distance": exact.replayed.apart}
        if len(out.ratios) > len(evidence.ratios):
            found["true_over_certified"] = out.ratios[-1]
        getattr(model, "history_")[-1].update(found)  # noqa: B009
    return out


def evidence_for(model: object, rate: float) -> SelfAudit:
    """Return evidence of nothing yet, for audits with the chance ``rate``.

    Raises
    ------
    ValueError
        If that is no chance in (0, 1].
    AssumptionError
        If the model cannot be audited: said now, and not in the middle of a request.
    """
    from ..audit.sequential import SelfAudit

    real("audit_rate", rate, low=0, high=1, closed="high")
    auditable(model)
    return SelfAudit(rate=rate)


def evidence_written(evidence: SelfAudit) -> str:
    """Return evidence as JSON."""
    return json.dumps(dataclasses.asdict(evidence))


def evidence_read(text: str) -> SelfAudit:
    """Return what `evidence_written` wrote."""
    from ..audit.sequential import SelfAudit

    values = json.loads(text)
    for name in ("fortunes", "ratios"):
        values[name] = tuple(values[name])
    return SelfAudit(**values)
