"""Commands on a model in a directory."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from .._common.arrays import RowsLike
from .._common.fields import loaded
from ..requests.deadline import MONTH
from .tables import Columns, read
from .told import Said, cell, table

if TYPE_CHECKING:
    from ..store import ModelStore
    from ..store.log import Json
    from ..store.status import Watched


class Term(TypedDict, total=False):
    """When a request came in, and how long it may wait."""

    within: timedelta | str
    received: datetime


def opened(given: argparse.Namespace, mode: str = "w") -> ModelStore:
    """Open the directory that a command names."""
    from ..store import ModelStore

    return ModelStore.open(given.dir, mode)


def rows_named(given: argparse.Namespace) -> dict[str, RowsLike]:
    """Return how a request names its rows, as a verb takes it."""
    ids = list(given.id or ())
    if given.ids is not None:
        ids += [line.strip() for line in given.ids.read_text().splitlines() if line.strip()]
        if not ids:
            raise ValueError(f"{given.ids} is empty: it names no row")
    found = {
        "row_ids": ids or None,
        "rows": given.row,
        "groups": given.group,
        "where": given.where,
    }
    named = {name: value for name, value in found.items() if value}
    # A request that named rows in two ways would mean the union or the intersection: nobody guesses
    # which.
    if len(named) != 1:
        raise ValueError("name the rows in one way: --id or --ids, --row, --group, or --where")
    return named


def term_of(given: argparse.Namespace) -> Term:
    """Return when a request came in, and how long it may wait."""
    out: Term = {"within": MONTH if given.days is None else timedelta(days=given.days)}
    if given.received is not None:
        received = datetime.fromisoformat(given.received)
        # A time without a zone is one of this machine.
        out["received"] = received if received.tzinfo else received.astimezone()
    return out


def forget(given: argparse.Namespace) -> Said:
    """Remove rows; done only after the effect is durable."""
    named = rows_named(given)
    if given.dry_run:
        return previewed(given, named)
    with opened(given) as store:
        answer = store.forget(
            reference=given.reference, confirm=given.confirm, **named, **term_of(given)
        )
        return answer.values, str(answer)


def previewed(given: argparse.Namespace, named: dict[str, RowsLike]) -> Said:
    """Say what a removal would do; nothing is changed."""
    with opened(given, "r") as store:
        seen = store.preview(**named)
    values = {
        "dry_run": True,
        "rows": len(seen.rows),
        "n_retained": seen.n_retained,
        "tier": seen.tier,
        "cost": seen.cost,
        "look_alikes": len(seen.neighbours),
        "needs_confirm": list(seen.questions),
    }
    return values, str(seen)


def request_add(given: argparse.Namespace) -> Said:
    """Take a request in."""
    named = rows_named(given)
    if given.dry_run:
        return previewed(given, named)
    with opened(given) as store:
        answer = store.add(reference=given.reference, **named, **term_of(given))
        return answer.values, str(answer)


def request_list(given: argparse.Namespace) -> Said:
    """List requests."""
    with opened(given, "r") as store:
        requests = store.status(given.limit)["requests"]
    return requests, requests_table(requests)


def requests_table(requests: list[Json]) -> str:
    """Return requests in columns."""
    head = "reference", "state", "rows", "asked", "due", "done"
    return table(head, [tuple(cell(k, r[k]) for k in head) for r in requests])


def request_withdraw(given: argparse.Namespace) -> Said:
    """Take a request back."""
    with opened(given) as store:
        answer = store.withdraw(given.reference)
        return answer.values, str(answer)


def request_extend(given: argparse.Namespace) -> Said:
    """Put a deadline off, as art. 12(3) GDPR allows."""
    with opened(given) as store:
        answer = store.extend(given.reference, reason=given.reason)
        return answer.values, str(answer)


def request_run(given: argparse.Namespace) -> Said:
    """Carry out all requests that wait."""
    if given.dry_run:
        with opened(given, "r") as store:
            waiting = [store.answer(case.reference) for case in store.ledger.cases.pending()]
        values = [answer.values for answer in waiting]
        return {"dry_run": True, "requests": values}, "\n".join(map(str, waiting)) or "none waits"
    with opened(given) as store:
        answers = store.run(confirm=given.confirm)
    return [a.values for a in answers], "\n".join(map(str, answers)) or "none waits"


def letter(given: argparse.Namespace) -> Said:
    """Write the reply to whoever asked."""
    with opened(given, "r") as store:
        text = store.answer(given.reference).letter(given.who)
    return {"letter": text}, text.rstrip("\n")


def learn(given: argparse.Namespace) -> Said:
    """Add rows."""
    with opened(given, "r" if given.dry_run else "w") as store:
        columns = columns_of(given, store, "target", "ids", "groups", "metadata")
        found = read(given.data, columns, features(store.predictor))
        if found.y is None:
            raise ValueError("say with --target which column is to be predicted")
        if given.dry_run:
            n = len(found.X)
            return {"dry_run": True, "rows": n}, f"{n} rows would be added; nothing was changed"
        store.learn(found.X, found.y, again=given.again, **found.named)
        return changed(store, f"{len(found.X)} rows added")


def correct(given: argparse.Namespace) -> Said:
    """Replace features, and labels where the table has them, of rows by their identifiers."""
    with opened(given, "r" if given.dry_run else "w") as store:
        columns = columns_of(given, store, "target", "ids")
        # The target of the fit where it is there; one that was asked for has to be.
        optional = ("target",) if given.target is None else ()
        found = read(given.data, columns, features(store.predictor), optional=optional)
        if found.row_ids is None:
            raise ValueError("say with --ids which column names the rows")
        n, what = len(found.X), "features alone" if found.y is None else "features and labels"
        if given.dry_run:
            text = f"{n} rows would be corrected, {what}; none was"
            return {"dry_run": True, "rows": n, "labels": found.y is not None}, text
        store.correct(row_ids=found.row_ids, X=found.X, y=found.y)
        return changed(store, f"{n} rows corrected, {what}")


def columns_of(given: argparse.Namespace, store: ModelStore, *names: str) -> Columns:
    """Return names of columns: as given now, else as the fit was given them, with its texts."""
    known = fitted_columns(store)
    found = {name: getattr(given, name) or known.get(name) for name in names}
    return {**found, "texts": known.get("texts")}


def fitted_columns(store: ModelStore) -> Columns:
    """Return the names of columns that the fit was given, by what they are for."""
    known = store.about.get("columns")
    return known if isinstance(known, dict) else {}


def features(predictor: object) -> list[str] | None:
    """Return the names of columns that a model was fitted on."""
    names = getattr(predictor, "feature_names_in_", None)
    return None if names is None else list(map(str, names))


def changed(store: ModelStore, what: str) -> Said:
    """Say what was done, and what holds now."""
    c = store.certificate
    text = f"{what}; {c.n_retained} rows, epsilon = {c.epsilon:g}, delta = {c.delta:g}"
    return store.status(), text


def release(given: argparse.Namespace) -> Said:
    """Draw a fresh release."""
    with opened(given) as store:
        store.release(given.receiver)
        return changed(store, "released anew")


def unrecognise(given: argparse.Namespace) -> Said:
    """Erase what forgotten identifiers are recognised by."""
    with opened(given) as store:
        store.unrecognise()
        return changed(store, "forgotten identifiers are not recognised any more")


def status(given: argparse.Namespace) -> Said:
    """Say what there is."""
    with opened(given, "r") as store:
        values = store.status(given.limit)
    counts, head = values["counts"], values["head"]
    facts = {
        "estimator": values["estimator"],
        "rows": f"{values['n_retained']}, {values['n_forgotten']} forgotten",
        "epsilon": f"{values['epsilon']}, together {values['joint_epsilon']}",
        "delta": values["delta"],
        "releases": values["releases"],
        "requests": ", ".join(f"{n} {state}" for state, n in counts.items() if n),
        "log": f"{head['size']} entries, root {head['root'][:16]}...",
    }
    if values["self_audit"] is not None:
        facts["self-audit"] = watched(values["self_audit"])
    lines = [f"{name:<10} {value}" for name, value in facts.items()]
    requests = values["requests"]
    return values, "\n".join([*lines, *([requests_table(requests)] if requests else [])])


def watched(found: Watched) -> str:
    """Say what the audit of some of the releases has found so far."""
    worst = found["true_over_certified"]
    verdict = "the claims hold so far" if found["passed"] else "THE CLAIMS DO NOT HOLD"
    e_value = "infinite" if found["e_value"] is None else f"{found['e_value']:.3g}"
    return (
        f"{verdict}: {found['looks']} of {found['requests']} releases solved for exactly, "
        f"e-value {e_value} (fails at {1 / found['level']:g}), largest true over certified "
        f"distance {'unknown' if worst is None else f'{worst:.3g}'}"
    )


def predict(given: argparse.Namespace) -> Said:
    """Predict with the released weights."""
    with opened(given, "r") as store:
        predictor, columns = store.predictor, columns_of(given, store)
    names = features(predictor)
    found = read(given.data, columns, names).X
    if names is None and hasattr(found, "to_numpy"):
        found = found.to_numpy()
    labels = predictor.predict(found)
    return labels.tolist(), "\n".join(map(str, labels.tolist()))


def certificate(given: argparse.Namespace) -> Said:
    """Show the certificate of the present release."""
    from ..operations.certificate_page import certificate_report

    with opened(given, "r") as store:
        found = store.certificate
    if given.format == "json" or given.json:
        return json.loads(found.to_json()), found.to_json()
    return None, certificate_report(found) if given.format == "html" else str(found)


def export(given: argparse.Namespace) -> Said:
    """Write a bundle of the predictor."""
    with opened(given) as store:
        made = store.export(given.output, receiver=given.receiver, key=given.key)
    text = f"{given.output}: export {made.n}, given to {made.receiver}"
    return made.values, text


def acknowledge(given: argparse.Namespace) -> Said:
    """Write down that an export is no longer used."""
    with opened(given) as store:
        made = store.acknowledge(given.export)
    return made.values, f"export {made.n} is withdrawn"


def receipt(given: argparse.Namespace) -> Said:
    """Write the signed receipt of a request."""
    since = None if given.since is None else given.since.read_text("utf-8")
    with opened(given, "r") as store:
        envelope = store.receipt(given.reference, given.key, since=since)
    given.output.write_text(json.dumps(envelope, indent=1) + "\n")
    return envelope, f"{given.output}: signed receipt of {given.reference}"


def head(given: argparse.Namespace) -> Said:
    """Show the head of the log as a note."""
    with opened(given, "r") as store:
        note = store.head(given.key)
        size = store.ledger.log.head().size
    return {"note": note, "size": size}, note.rstrip("\n")


def verify(given: argparse.Namespace) -> Said:
    """Check a receipt: with the store too where there is one."""
    from ..store import ModelStore, verify_receipt

    envelope = loaded(given.file.read_text("utf-8"), "a receipt")
    older = None if given.head is None else given.head.read_text("utf-8")
    seen = verify_receipt(envelope, given.key, head=older, bundle=given.bundle)
    if given.store is not None:
        gone = {"row_ids": given.id} if given.id else {}
        with ModelStore.open(given.store) as store:
            owned = store.verify(envelope, given.key, replay=given.replay, **gone)
        seen = replace(seen, checks=tuple(dict.fromkeys((*seen.checks, *owned.checks))))
    elif given.id or given.replay:
        raise ValueError("that only the owner can see: give --store too")
    values = {
        "verified": True,
        "reference": seen.reference,
        "weights": seen.weights,
        "origin": seen.origin,
        "checks": list(seen.checks),
        "outstanding": seen.outstanding,
    }
    return values, str(seen)


def keys_new(given: argparse.Namespace) -> Said:
    """Make a pair of keys."""
    from ..store import new_key

    public = new_key(given.output, given.kind)
    values = {"private": str(given.output), "public": f"{given.output}.pub", "id": public.id}
    return values, f"{given.output} is secret, {given.output}.pub is for others"


Command = Callable[[argparse.Namespace], Said]
