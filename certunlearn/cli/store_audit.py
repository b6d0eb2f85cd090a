"""``certunlearn audit DIR``: everything that can be tried against a model in a directory."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._common.arrays import AnyArray, Array, MatrixLike
from .tables import Columns, Given, read

if TYPE_CHECKING:
    from ..audit import Evaluation, Finding
    from ..audit.scores import Predictor
    from ..operations.self_audit import Exact
    from ..store import ModelStore
    from ..store.codec import Model

#: Releases drawn anew for the law, and for the bound on epsilon.
_DRAWS, _RUNS = 200, 400
#: Worlds of the membership test, its targets, and rows that it plays with at most.
_SHADOWS, _VICTIMS, _TARGETS, _ROWS = 128, 150, 30, 2_000


@dataclass(frozen=True)
class Parts:
    """A table divided by what is in the training set now."""

    X: MatrixLike
    y: AnyArray
    #: Which rows are forgotten.
    gone: AnyArray
    #: Rows of the training set that the table lacks, and that it has otherwise.
    lacking: int = 0
    other: int = 0

    @property
    def retained(self) -> tuple[MatrixLike, AnyArray]:
        """Features and labels of the rows that stay."""
        return self.at(np.flatnonzero(~self.gone))

    @property
    def forgotten(self) -> tuple[MatrixLike, AnyArray]:
        """Features and labels of the others."""
        return self.at(np.flatnonzero(self.gone))

    def at(self, rows: AnyArray) -> tuple[MatrixLike, AnyArray]:
        """Features, in the form that they came in, and labels of some rows."""
        from sklearn.utils import _safe_indexing

        return _safe_indexing(self.X, rows), self.y[rows]


def audited(given: argparse.Namespace) -> Evaluation:
    """Audit a model in a directory: by itself, and with the tables that are given."""
    from ..audit import Evaluation, evaluate
    from ..operations.self_audit import Exact
    from ..store import ModelStore

    if given.test is not None and given.data is None:
        raise ValueError("--test needs --data too: the rows that stay, and those forgotten")
    with ModelStore.open(given.unlearned) as store:
        model, evidence = store.model, store.self_audit
        # What is wrong with the tables is said before anything that takes minutes.
        parts = None if given.data is None else divided(store, given.data)
        test = None
        if given.test is not None:
            test = table(store, given.test, subgroups=given.subgroups)
            complete(store, given.data, parts)
        exact = Exact(model)
        # Half of the level for all audits together, half for the evaluation, where there is one; of
        # the audits at most six can fail by chance, with a sixth each.
        level = given.level / (2 if test is not None else 1)
        findings = by_itself(exact, level / 6)
        if evidence is not None:
            findings.append(replace(evidence, level=level / 6).finding())
        if parts is not None:
            findings += residue(model, exact, parts, level / 6)
            findings.append(membership(model, parts, level / 6))
        if parts is None or test is None:
            return Evaluation(
                axes=(), findings=tuple(findings), certified=_certified(store), level=level
            )
        groups = None if test.metadata is None else test.metadata.iloc[:, 0].to_numpy()
        return evaluate(
            model,
            test.X,
            np.asarray(test.y),
            groups,
            retained=parts.retained,
            forgotten=parts.forgotten,
            findings=findings,
            true_distance=exact.replayed.apart,
            level=level,
        )


def by_itself(exact: Exact, level: float) -> list[Finding]:
    """Return what can be found out with nothing but the directory."""
    from ..audit import Finding, effective_epsilon, release_law

    replayed = exact.replayed
    c, law, optimum = exact.model.certificate, exact.law(), exact.optimum()
    found: list[Finding] = [
        Finding(
            audit="trained again on the rows that stay",
            statistic=replayed.apart,
            null=(0.0, replayed.allowed),
            level=0.0,
            scope="distance of the secret iterate to the training, in the norm of the noise; the "
            "band is what both are certified to be within",
        ),
        replace(
            release_law(exact.release, optimum, law, level=level),
            audit="law of the release that was published",
        ),
    ]
    if exact.model.settings.seed is None:
        again = release_law(exact.redrawn(_DRAWS), optimum, law, level=level)
        found.append(replace(again, audit="law of releases drawn anew, and published nowhere"))
        drawn = law.draw(optimum, _RUNS, np.random.default_rng())
        bound = effective_epsilon(
            exact.redrawn(_RUNS), drawn, delta=c.delta, claimed=c.epsilon, confidence=1.0 - level
        )
        found.append(bound)
    return found


def residue(model: Model, exact: Exact, parts: Parts, level: float) -> list[Finding]:
    """Return what is left of the forgotten rows' influence; nothing where that cannot be told.

    Behind steps that have changed too the weights before are weights of other features, and rows
    learnt or corrected since the fit are not in the table as they are now.
    """
    from sklearn.base import clone

    from ..audit import influence_residue
    from ..requests.fitted import fitted_of

    if hasattr(model, "head") or parts.lacking or parts.other:
        return []
    full = clone(model).set_params(noise=0.0).fit(parts.X, parts.y)
    before, optimum = fitted_of(full).model.W, exact.optimum()
    return [influence_residue(exact.release, optimum, before, exact.law(), level=level)]


def membership(model: Model, parts: Parts, level: float) -> Finding:
    """Play removals of these rows over and over: can they be told from rows that never were there?

    The forgotten ones are tried, and of those that stay as many more as are wanted.
    """
    from sklearn.base import clone

    from ..audit import lira_forget
    from ..audit.scores import confidence

    rng = np.random.default_rng(0)
    gone, kept = np.flatnonzero(parts.gone), rng.permutation(np.flatnonzero(~parts.gone))
    chosen = np.concatenate([gone, kept])[:_ROWS]
    (tried, _), y = parts.at(chosen[:_TARGETS]), parts.y[chosen]

    def unlearn(there: AnyArray, rows: AnyArray) -> Model:
        # Positions among the rows that are there: others never were.
        place = np.cumsum(there) - 1
        out: Model = clone(model).fit(*parts.at(chosen[there]))
        return out.forget(rows=place[rows], confirm=True) if len(rows) else out

    def score(model: Predictor, _: object, y: ArrayLike) -> Array:
        # Of the targets as they are, in a table that may have columns of texts.
        return confidence(model, tried, y)

    return lira_forget(
        unlearn,
        chosen[:, None],
        y,
        np.arange(min(_TARGETS, len(chosen))),
        score=score,
        shadows=_SHADOWS,
        victims=_VICTIMS,
        level=level,
        effect=1.5,
    )


def divided(store: ModelStore, path: Path) -> Parts:
    """Read the rows of the fit, and see by their identifiers which are still there."""
    from ..store.codec import differing, still_named

    found = table(store, path, "ids")
    if found.row_ids is None:
        raise ValueError(f"{path} does not name its rows: the model was fitted without --ids")
    gone = ~still_named(store.model, found.row_ids)
    if not gone.any() or gone.all():
        share = "all" if gone.all() else "none"
        raise ValueError(f"of the rows of {path} {share} are forgotten: give the table of the fit")
    y = np.asarray(found.y)
    return Parts(found.X, y, gone, *differing(store.model, found.X, y, found.row_ids))


def complete(store: ModelStore, path: Path, parts: Parts | None) -> None:
    """Refuse a table that is not of the rows that stay, as oracles are to be trained on them.

    Raises
    ------
    ValueError
        If it is not; the message says which table is wanted.
    """
    if parts is None or not (parts.lacking or parts.other):
        return
    n = store.certificate.n_retained
    raise ValueError(
        f"{path} does not hold the {n} rows that the model is trained on now: it lacks "
        f"{parts.lacking}, and {parts.other} have other features or labels in it. After learn or "
        "correct --data takes a table of these rows as they are now, with the forgotten rows as "
        "they were"
    )


def table(store: ModelStore, path: Path, *more: str, subgroups: str | None = None) -> Given:
    """Read a table with the features of the fit, its labels, and ``more`` of its columns."""
    from .durable import features, fitted_columns

    known = fitted_columns(store)
    columns: Columns = {name: known.get(name) for name in ("target", "texts", *more)}
    columns["metadata"] = None if subgroups is None else [subgroups]
    found = read(path, columns, features(store.predictor))
    if found.y is None:
        raise ValueError(f"{path} has no labels: the model was fitted without a --target known")
    return found


def _certified(store: ModelStore) -> dict[str, float]:
    c = store.certificate
    return {"epsilon": c.epsilon, "delta": c.delta, "releases": float(c.releases)}
