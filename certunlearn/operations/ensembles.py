"""Forgetting inside scikit-learn's meta-estimators, where a claim can be made.

A meta-estimator learns from rows in places of its own: a search from its scores, a calibrator or a
final estimator from what its members predict.  What of that is a release of this package's
estimators forgets; the certificate lists the rest, or the request is refused.
"""

from __future__ import annotations

import reprlib
import sys
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from .._common.arrays import Condition, Positions, RowsLike
from .._common.whole import together
from ..claims.budget import UNBOUNDED, composed
from ..claims.certificate import Certificate
from ..claims.fingerprint import fingerprint, weights_of
from ..estimators.base.verbs import UnlearningEstimator
from ..exceptions import AssumptionError, UnknownRowError
from ..pipeline import ForgettingPipeline
from ..requests.asked import Asked
from ..requests.fitted import Fitted, fitted_of

_SEARCHES = (GridSearchCV, RandomizedSearchCV)
_VOTING = (VotingClassifier, VotingRegressor)


def forget_in(
    meta: BaseEstimator,
    which: RowsLike | None = None,
    /,
    *,
    rows: RowsLike | None = None,
    row_ids: RowsLike | None = None,
    groups: RowsLike | None = None,
    where: Condition | None = None,
    confirm: bool = False,
) -> Certificate:
    """Forget rows in a fitted meta-estimator and certify what it has released.

    Parameters
    ----------
    meta : estimator
        Fitted: a `GridSearchCV` or `RandomizedSearchCV` with ``refit``, whose best estimator then
        forgets; a `VotingClassifier` or `VotingRegressor` of this package's estimators, all of
        which forget or none; a `ForgettingPipeline` or an estimator of this package.
    which, rows, row_ids, groups, where, confirm
        As in `CertifiedLogReg.forget`.

    Returns
    -------
    Certificate
        Of everything that ``meta`` has released for this request.  For a search it lists as not
        covered that hyper-parameters were chosen with the rows.  For a vote epsilon is that of all
        members together, at the largest delta of any of them.

    Raises
    ------
    AssumptionError
        If no claim could be made for ``meta``; the message says why and what to do instead.
    RowError
        If the request does not name rows properly.
    ConfirmationNeededError
        If it takes so much that ``confirm=True`` is needed.
    NotCertifiedError, ConvergenceError
        If a removal cannot be certified.

    Notes
    -----
    Guarantee: the releases of all members together are (epsilon, delta)-indistinguishable from
    those of members retrained on the rows that stay, each with noise of its own.
    Proof: proofs/joint_epsilon.md

    An operation that raises, or is interrupted, leaves ``meta`` as it was or has been carried out.
    No other verb of its members is carried out meanwhile.

    Names of rows reach the best estimator as arguments of the search's ``fit``, which cuts them to
    the folds: ``row_ids=`` as it is, ``groups=`` only by metadata routing, since a search keeps
    that word for its splitter::

        sklearn.set_config(enable_metadata_routing=True)
        model = CertifiedLogReg().set_fit_request(groups=True, row_ids=True)
        search = GridSearchCV(model, grid, cv=GroupKFold())
        search.fit(X, y, groups=users, row_ids=ids)  # splitter and model both get the groups
        forget_in(search, groups="user 7")

    In a `ForgettingPipeline` it is the last step whose requests are set.

    Each process of a search with ``n_jobs`` imports scikit-learn and JAX, about 2 seconds, and
    compiles for itself, about 1 second: 5 folds of 1 797 rows take 1.7 seconds of processors in
    turn, 1.7 in threads, 6.6 in 2 processes, and once compiled 0.1.  Models share nothing that they
    change, and compiled programs are shared by threads, so prefer
    ``with joblib.parallel_config(backend="threading"): search.fit(X, y)``.  Processes, and later
    runs, share what is compiled where ``JAX_COMPILATION_CACHE_DIR`` names a directory and
    ``JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0`` (0.7, 0.8 and 4.6 seconds); programs depend on
    the shape of the rows and hold none of them.  Measured by ``python -m tests.benchmarks folds``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import GridSearchCV
    >>> from certunlearn import CertifiedLogReg, forget_in
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> search = GridSearchCV(CertifiedLogReg(noise=1.0), {"C": [0.1, 1.0]}, cv=2).fit(X / 100, y)
    >>> certificate = forget_in(search, [17, 42])
    >>> certificate.n_retained, "chosen by GridSearchCV" in certificate.not_covered[0]
    (567, True)
    """
    return _forgotten(meta, Asked(which, rows, row_ids, groups, where), confirm)


def _forgotten(meta: BaseEstimator, asked: Asked, confirm: bool) -> Certificate:
    if isinstance(meta, (UnlearningEstimator, ForgettingPipeline)):
        meta.forget(asked.which, **asked.named, confirm=confirm)
        return meta.certificate_
    if type(meta) in _SEARCHES:
        return _searched(meta, asked, confirm)
    if type(meta) in _VOTING:
        return _voted(meta, asked, confirm)
    raise _refusal(meta)


def _searched(search: BaseEstimator, asked: Asked, confirm: bool) -> Certificate:
    if not hasattr(search, "best_estimator_"):
        raise AssumptionError("the search has no best_estimator_: fit it, with refit=True")
    best = search.best_estimator_
    model = best.head if isinstance(best, ForgettingPipeline) else best
    if asked.groups is not None and isinstance(model, UnlearningEstimator):
        if fitted_of(model).names.groups is None:
            raise UnknownRowError(
                f"the rows were fitted without groups: {type(search).__name__}.fit hands groups= "
                "to its splitter and to nobody else, unless metadata is routed. Before the fit: "
                "sklearn.set_config(enable_metadata_routing=True), and the model as "
                f"{type(model).__name__}(...).set_fit_request(groups=True); or name the rows by "
                "row_ids=, which fit hands on as it is"
            )
    certificate = _forgotten(best, asked, confirm)
    chosen = ", ".join(f"{k}={reprlib.repr(v)}" for k, v in search.best_params_.items())
    line = (
        f"the hyper-parameters {chosen} were chosen by {type(search).__name__} with the forgotten "
        "rows, and its scores (cv_results_, best_score_) stay as they were: neither show them to "
        "others, and where a choice made without these rows is asked for, fit the search anew on "
        "the rows that stay; the retraining compared with has the same hyper-parameters"
    )
    return replace(certificate, not_covered=(line, *certificate.not_covered))


def _voted(vote: BaseEstimator, asked: Asked, confirm: bool) -> Certificate:
    """All members forget, or none: every new model is worked out before any is taken over."""
    members = list(getattr(vote, "estimators_", ()))
    for member in members:
        if not isinstance(member, UnlearningEstimator):
            raise AssumptionError(
                f"a {type(member).__name__} in a {type(vote).__name__} cannot forget together with "
                "the others: take estimators of this package, with steps that hold nothing of the "
                "rows before the vote and not inside it"
            )
    if not members:
        raise AssumptionError(f"the {type(vote).__name__} has no members: fit it")
    return together(members, lambda drafts: _jointly(vote, drafts, asked, confirm))


def _jointly(
    vote: BaseEstimator, members: list[UnlearningEstimator], asked: Asked, confirm: bool
) -> Certificate:
    fits = [fitted_of(member) for member in members]
    positions = [fitted.positions(asked) for fitted in fits]
    known = [_known(fitted) for fitted in fits]
    if not all(np.array_equal(a, b[0]) for b in (positions, known) for a in b):
        raise AssumptionError(
            "the members know different rows, as some of them have forgotten, learnt or corrected "
            "rows without the others: fit the vote anew, or make up for it in the others"
        )
    taken = fits[0].taken(positions[0])
    taken.confirmed(confirm)
    seeds = [s for s in (fitted.model.settings.seed for fitted in fits) if s is not None]
    if len(set(seeds)) < len(seeds):
        raise AssumptionError(
            "members with the same random_state draw the same noise, which their difference is "
            "free of: leave random_state=None"
        )
    if isinstance(vote, VotingClassifier) and not all(lost.left for lost in taken.classes):
        raise AssumptionError(
            "no retained row would have one of the labels, which the VotingClassifier itself "
            "keeps a list of: fit it anew on the rows that stay"
        )
    for member, rows in zip(members, positions, strict=True):
        member.forget(rows=rows, confirm=True)
    return _joint(members)


def _known(fitted: Fitted) -> Positions:
    """Return how many rows there ever were and were named, and what is left, in the store's order.

    Rows that were corrected lie behind those that were there before.
    """
    left = fitted.called[~fitted.model.forgotten]
    return np.concatenate([[fitted.names.n, fitted.model.requests.forgotten], left])


def _distances(own: list[Certificate]) -> tuple[float, float, float]:
    """Return the smallest sigma, and the largest target and fit distance in units of it."""
    sigma = min(c.sigma for c in own)
    target, fit = (
        max((getattr(c, name) * (sigma / c.sigma) if c.sigma else 0.0) for c in own)
        for name in ("distance_target", "fit_distance")
    )
    return sigma, target, fit


def _joint(members: list[UnlearningEstimator]) -> Certificate:
    """Return the certificate of the members' releases together."""
    own, first = [m.certificate_ for m in members], members[0].certificate_
    # Where all are in the transcript view, one epsilon is for all releases that there may ever be.
    ever = sys.maxsize if all(c.view == "transcript" for c in own) else 0
    models = [fitted_of(m).model for m in members]
    parts = [(m.budget, ever or m.requests.since_removal) for m in models if m.budget is not None]
    one = [(budget, ever or 1) for budget, _ in parts]
    delta, claims = max(c.delta for c in own), len(parts) == len(own)
    alone, joint = (composed(p, delta) if claims else UNBOUNDED for p in (one, parts))
    sigma, target, fit = _distances(own)
    low, middle, high = zip(*(c.coefficient_deviation for c in own), strict=True)
    mechanisms, names = {c.mechanism for c in own}, [type(m).__name__ for m in members]
    return replace(
        first.public(),
        kind="gaussian" if claims else "none",
        epsilon=alone.epsilon,
        delta=delta,
        mu=alone.mu,
        drift=alone.drift,
        sigma=sigma,
        noise=min(c.noise for c in own),
        scale=tuple(sorted({unit for c in own for unit in c.scale})),
        mechanism=first.mechanism if len(mechanisms) == 1 else "several",
        view=first.view if len({c.view for c in own}) == 1 else "release",
        distance_target=target,
        fit_distance=fit,
        joint_epsilon=joint.epsilon,
        joint_mu=joint.mu,
        joint_drift=joint.drift,
        releases=max(c.releases for c in own),
        horizon=min((c.horizon for c in own if c.horizon), default=None) if ever else None,
        coefficient_deviation=(min(low), float(np.median(middle)), max(high)),
        reference=(
            f"retraining the {len(own)} members ({', '.join(names)}) to within their fit "
            f"distances, same hyper-parameters, on the {first.n_retained} retained rows"
        ),
        conditions=tuple(dict.fromkeys(text for c in own for text in c.conditions)),
        not_covered=tuple(dict.fromkeys(text for c in own for text in c.not_covered)),
        seeded=any(c.seeded for c in own),
        weights=fingerprint(pair for m in members for pair in weights_of(m)),
        n_forgotten=first.n_forgotten,
        passes=sum(c.passes or 0 for c in own),
        seconds=sum(c.seconds or 0.0 for c in own),
    )


def _refusal(meta: BaseEstimator) -> AssumptionError:
    name = type(meta).__name__
    if isinstance(meta, CalibratedClassifierCV):
        return AssumptionError(
            f"{name} fits its calibrators on rows, and on what a model that knew the forgotten "
            "ones said of them: nothing certifies those. Forget in the model itself, then "
            "calibrate its new release on rows that no request will concern: "
            "CalibratedClassifierCV(FrozenEstimator(model)).fit(X_permanent, y_permanent)"
        )
    known = ", ".join(c.__name__ for c in (*_SEARCHES, *_VOTING))
    return AssumptionError(
        f"a {name} cannot forget: what it learns of the rows beside its members is not known to be "
        f"forgettable. Known: {known} (exactly these classes), ForgettingPipeline, and the "
        "estimators of this package; a Pipeline becomes one by forgetting(pipe)"
    )
