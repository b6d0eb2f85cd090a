"""A certificate or a receipt as a page that can be filed: self-contained HTML, or Markdown.

What is written is made from `Certificate.public` alone, never from the realised figures, which
depend on the removed rows.  The words are here; how they are set is in `_pages`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from .._common import validate as _validate
from .._common.html import FORMATS, Curve, Facts, Items, Page, Part, Table, Text, percent, upwards
from .._version import __version__
from ..claims.certificate import Certificate
from ..claims.consistency import REMOVING
from ..claims.glossary import figures
from ..claims.power import Promise
from ..requests.deadline import Extension
from .receipt import Receipt

#: False positive rates that are put into words.
LEVELS = (0.01, 0.05)
#: An advantage over guessing from which on the promise is called weak.
_WEAK = 0.5
_UNSAID = "not stated"
_NOTHING = (
    "Nothing is certified. The weights were released without noise (noise=0), so this says nothing "
    "about what they reveal of removed rows."
)
_VOID = "Anything about the removal. What follows would not be covered even with noise:"
_WARNING = (
    "The noise of this release came from a seed. To whoever knows or guesses the seed none of the "
    "figures below apply. Release again with random_state=None before relying on them."
)
_LIMITS = (
    "Certified is closeness to a retraining without the rows, not that the model knows nothing "
    "of the kind of person they describe."
)
#: Whether an event took anything out, and what.
_ANSWERS = {
    "fit": "No. This is the release of a fit; no row has been removed from this model.",
    "removal": "Yes. The rows are no longer in the training data, and the model was released anew.",
    "correction": "Yes: what the corrected rows were before. As corrected they are trained on.",
    "addition": "No, not by this release: rows were added.",
    "release": "No, not by this release: the same model with fresh noise.",
    None: "Not stated: a certificate of version 1 does not say what it is of.",
}
_REMOVED, _PUT_OFF = "Was anything removed?", "Deadline put off"
_WEIGHTS, _SIGNATURE = "Weights of the model, SHA-256", "Signature"
#: Answers that want a line of their own.
_WIDE = (_REMOVED, _PUT_OFF, _SIGNATURE, _WEIGHTS)
_OLDER = (
    "Every copy of this model that was released before the removal was trained with the rows, and "
    "this certificate does not cover it: whoever has one copy from before and one from after can "
    "work out what was removed. Call them back or destroy them: files handed out, services still "
    "running, backups."
)
_OLDER_OF_FIT = (
    "Nothing has been removed yet, so no release is out of date. Once a row is removed this one "
    "will be, and still show it: keep a list of who was given it."
)

_BYTES = (
    "The SHA-256 of the weights is that of these bytes: the number of rows and of columns of coef_ "
    "in decimal digits, with a space between and a line feed after them; coef_, row by row; "
    "intercept_, one number a row. Each number is an IEEE 754 double, least significant byte first."
)

Time = str | date


@dataclass(frozen=True)
class _Asked:
    """What the page says beside the certificate."""

    request: str | None = None
    received: Time | None = None
    due: Time | None = None
    done: Time | None = None
    who: str | None = None
    older: str | None = None
    extension: Extension | None = None
    signature: str | None = None
    #: What a receipt knows better than the certificate, which is that of a whole batch.
    removed: str | None = None


def certificate_report(
    certificate: Certificate | Receipt,
    *,
    format: str = "html",
    title: str | None = None,
    who: str | None = None,
    when: Time | None = None,
    request: str | None = None,
    received: Time | None = None,
    due: Time | None = None,
    older: str | None = None,
    signature: str | None = None,
) -> str:
    """Set a receipt, or a certificate's public part, as a page for people who file such things.

    Parameters
    ----------
    certificate : Certificate or Receipt
        Realised figures are dropped before anything is written, and positions of rows.
    format : {"html", "markdown"}
        HTML is one file without outside resources, for screen (light and dark) and print.
    title : str, optional
        Heading of the page; by default what the certificate is of.
    who : str, optional
        Who carried the request out.
    when : str or date, optional
        When it was carried out.
    request : str, optional
        What was asked, such as a case number.  It is shown to every reader: no names.
    received, due : str or date, optional
        When the request came in, and until when it had to be carried out.  A receipt knows these,
        ``when`` and ``request`` itself.
    older : str, optional
        What has become of releases made before, such as "withdrawn on 2025-03-20, one copy handed
        to the auditor destroyed".
    signature : str, optional
        What is known of a signature, such as which command checks it.

    Returns
    -------
    str
        The page.  The same arguments give the same page.

    Raises
    ------
    TypeError
        If it is given anything else, such as a model.
    ValueError
        If the format or the kind of certificate is unknown, fields of the certificate contradict
        one another, or something is given that the receipt says.

    Notes
    -----
    Rates are rounded up, so are epsilon and delta.  That a certificate agrees with itself does not
    make it genuine: `Certificate.matches` compares it with a predictor.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from certunlearn import CertifiedLogReg
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = CertifiedLogReg().fit(X, y).forget([17, 42])
    >>> page = certificate_report(model.certificate_, format="markdown", request="case 12")
    >>> print(page.splitlines()[0])
    # Certificate of removal
    """
    setter = FORMATS[_validate.choice("format", format, tuple(FORMATS))]
    given = {"request": request, "received": received, "due": due, "when": when}
    if isinstance(certificate, Receipt):
        twice = [name for name, value in given.items() if value is not None]
        if twice:
            raise ValueError(f"the receipt says {', '.join(twice)} itself")
        asked = replace(_of_receipt(certificate, who, older), signature=signature)
        certificate = certificate.certificate
    elif isinstance(certificate, Certificate):
        asked = _Asked(request, received, due, when, who, older, signature=signature)
    else:
        has = hasattr(certificate, "certificate_")
        raise TypeError(
            "certificate_report takes a Certificate or a Receipt, got a "
            f"{type(certificate).__name__}{': pass its certificate_' if has else ''}"
        )
    if certificate.kind not in ("gaussian", "none"):
        raise ValueError(f"a certificate of unknown kind {certificate.kind!r}")
    if certificate.contradictions:
        said = "; ".join(certificate.contradictions)
        raise ValueError(f"the certificate is not as it was issued: {said}")
    public = certificate.public()
    return setter(_page(public, title or public.title, asked))


def _of_receipt(receipt: Receipt, who: str | None, older: str | None) -> _Asked:
    removed = None
    if receipt.gone and receipt.rows:
        removed = f"{_ANSWERS['removal']} Some rows of this request had been removed before."
    elif not receipt.rows:
        removed = (
            "Not for this request: its rows had been removed before."
            if receipt.gone
            else ("Not for this request: it named no row that was there.")
        )
    return _Asked(
        receipt.reference,
        receipt.received,
        receipt.deadline,
        receipt.done,
        who,
        older,
        extension=receipt.extension,
        removed=removed,
    )


def _page(c: Certificate, title: str, asked: _Asked) -> Page:
    """Write the page for the public part of a certificate."""
    warning = _WARNING if c.seeded else None
    answers, caveat = Facts(tuple(_answers(c, asked)), _WIDE), _older(c, asked)
    verdict = _verdict(c, asked)
    if c.kind == "none":
        parts = [Part("What is not covered", [Text(_VOID), Items(c.not_covered)], "not")]
        parts += [_record(c), _original(c)]
        return Page(title, verdict, answers, parts, caveat, void=True)
    promise, joint = c.promise, c.joint_promise
    holds = "What holds" if _covers(c) else "What would hold after a removal"
    parts = [
        Part(holds, list(_holds(c, promise)), "holds"),
        Part("What is not covered", [Text(_LIMITS), Items(c.not_covered)], "not"),
        Part("What an attacker can gain", list(_gain(c, promise, joint))),
        Part("Compared with which retraining", [Text(_sentence(c.reference) + ".")]),
        Part("Under which conditions", [Items(c.conditions)]),
        _record(c),
        _original(c),
    ]
    return Page(title, verdict, answers, parts, caveat, warning, void=not _covers(c))


def _covers(c: Certificate) -> bool:
    """Whether something had been removed by the time of this release, as far as it says."""
    return c.removals is None or c.removals > 0


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verdict(c: Certificate, asked: _Asked) -> str:
    """Answer, in a sentence or two, what everybody asks first."""
    if c.kind == "none":
        return _NOTHING
    if asked.removed is not None:
        what = asked.removed
    elif c.event in REMOVING:
        what = "Rows were removed" if c.event == "removal" else "Rows were corrected"
        what += "" if asked.request is None else f" for request {asked.request}"
        when = _said(asked.done) if asked.done else _released(c)
        what += f" on {when}{_punctual(asked.due, asked.done)}."
    elif not _covers(c):
        return "Nothing was removed: this is no evidence that a request to erase was carried out."
    else:
        what = "Nothing was removed by this release." if c.event else ""
    figures = f"epsilon = {upwards(c.epsilon)} and delta = {upwards(c.delta)}, for {_subject(c)}"
    return f"{what} Certified with {figures}.".strip()


def _answers(c: Certificate, asked: _Asked) -> Iterator[tuple[str, str]]:
    """Answer what a reader comes for."""
    answer = asked.removed or _ANSWERS[c.event]
    if c.event in ("addition", "release") and c.removals:
        requests = "one request" if c.removals == 1 else f"{c.removals} requests"
        answer += f" What {requests} removed before stays removed, and this release is covered."
    yield _REMOVED, answer
    yield "Request", asked.request or _UNSAID
    yield "Asked", _said(asked.received)
    yield "Due", _said(asked.due)
    yield "Done", _said(asked.done) + _punctual(asked.due, asked.done)
    if asked.extension is not None:
        told = asked.extension
        yield (
            _PUT_OFF,
            f"from {_said(told.instead_of)}; notice given {_said(told.notified)}: {told.reason}",
        )
    yield "Carried out by", asked.who or _UNSAID
    if asked.signature is not None:
        yield _SIGNATURE, asked.signature
    yield "Model released", _released(c)
    yield "Trained on now", "1 row" if c.n_retained == 1 else f"{c.n_retained} rows"
    yield "Software", c.library
    yield _WEIGHTS, c.weights or _UNSAID


def _released(c: Certificate) -> str:
    return _UNSAID if c.issued is None else _said(datetime.fromisoformat(c.issued))


def _older(c: Certificate, asked: _Asked) -> Part:
    """Lead with what no certificate covers."""
    if not _covers(c):
        return Part("Older releases", [Text(_OLDER_OF_FIT)])
    done = asked.older or "This page does not say whether that has been done."
    return Part("Are older releases still about?", [Text(_OLDER), Text(_sentence(done))])


def _said(time: Time | None) -> str:
    """Write a time to the minute, or as it was given."""
    if isinstance(time, datetime):
        return time.isoformat(" ", "minutes").replace("+00:00", " UTC")
    return time.isoformat() if isinstance(time, date) else time or _UNSAID


def _punctual(due: Time | None, done: Time | None) -> str:
    """Say whether a deadline was kept, where both are times."""
    if not (isinstance(due, date) and isinstance(done, date)):
        return ""
    zoned = [t.utcoffset() for t in (due, done) if isinstance(t, datetime)]
    if len(zoned) == 2 and None not in zoned:
        kept = done <= due
    else:
        # By the calendar, where one is a day or does not say where its clock is.
        days = [t.date() if isinstance(t, datetime) else t for t in (due, done)]
        kept = days[1] <= days[0]
    return ", in time" if kept else ", late"


def _subject(c: Certificate) -> str:
    if c.view == "transcript":
        return "all releases since the oldest removal together"
    return "this release" if _covers(c) else "a release made after a removal"


def _holds(c: Certificate, promise: Promise) -> Iterator[Text]:
    """Say what is certified, in words first."""
    yield Text(
        f"Anybody who sees {_subject(c)} may ask: were the rows removed, or had they never been in "
        "the training data? The certificate limits how often any answer can be right."
    )
    level = LEVELS[-1]
    yield Text(
        f"At even odds the best answer is right in at most {percent(promise.even_odds)} of cases; "
        f"tossing a coin is right in 50%. An answer “removed” that is wrong in at most "
        f"{percent(level)} of the cases without a removal is right in at most "
        f"{percent(promise.true_positive_rate(level))} of the cases with one; given at random it "
        f"is right in {percent(level)}."
    )
    if promise.advantage > _WEAK:
        yield Text("This is a weak promise: these figures are far from those of guessing.")
    factor = upwards(math.exp(c.epsilon), 4) if c.epsilon <= 700 else "over 1e304"
    yield Text(
        "Formally: the probabilities of every set of outcomes, after the removal and after the "
        f"retraining, differ by at most a factor exp(epsilon) = {factor} and an addition "
        f"delta = {upwards(c.delta)}, in both directions."
    )


def _gain(c: Certificate, promise: Promise, joint: Promise) -> Iterator[Curve | Table | Text]:
    """Show the best test against guessing."""
    several = joint != promise
    head = ["Test", "Guessing", "Best test, " + _subject(c)]
    head += ["Best test, all releases since the oldest removal"] if several else []
    columns = [promise, joint] if several else [promise]
    rows = []
    for level in LEVELS:
        cells = [percent(p.true_positive_rate(level)) for p in columns]
        label = f"True positives at {percent(level)} false positives"
        rows.append((label, percent(level), *cells))
    cells = [percent(p.even_odds) for p in columns]
    rows.append(("Right answers at even odds", "50%", *cells))
    yield Curve(promise.true_positive_rate, promise.advantage)
    yield Table(tuple(head), tuple(rows))
    yield Text(
        "Upper bounds, rounded up, for every test, whatever its author knows of the data. A false "
        "positive takes a retrained model for one after a removal; with the two exchanged the "
        "same bounds hold."
    )
    if several:
        yield Text(
            "Somebody who collects all releases since the oldest removal learns more than from "
            f"one: epsilon = {upwards(c.joint_epsilon, 4)} at the same delta."
        )


def _record(c: Certificate) -> Part:
    """List the figures, with what each means."""
    facts = (
        ("Certificate format", f"version {c.version}"),
        ("Page made by", f"certunlearn {__version__}"),
    )
    head = "Figure", "Value", "In plain words"
    return Part("Figures", [Table(head, tuple(figures(c)), words=True), Facts(facts)])


def _original(c: Certificate) -> Part:
    """Give the certificate itself, so that the page can be checked against it."""
    text = c.to_json()
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    about = Text(
        f"The public part of the certificate as issued; SHA-256 {digest}. Certificate.from_json "
        "reads it and refuses fields that contradict one another; its matches(predictor) says "
        "whether a model at hand has these weights."
    )
    weights = [] if c.weights is None else [Text(_BYTES)]
    return Part("Certificate, machine-readable", [about, *weights, Text(text, code=True)])
