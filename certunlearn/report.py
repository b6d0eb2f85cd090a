"""A certificate as a page that can be filed: self-contained HTML, or Markdown.

What is written is made from `Certificate.public` alone, never from the realised figures, which
depend on the removed rows.  The words are here; how they are set is in `_pages`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from datetime import date, datetime

from . import _validate
from ._pages import FORMATS, Curve, Facts, Items, Page, Part, Table, Text, percent, upwards
from ._version import __version__
from .certificate import SEEDED, Certificate
from .power import Promise, all_releases, one_release

#: False positive rates that are put into words.
LEVELS = (0.01, 0.05)
#: An advantage over guessing from which on the promise is called weak.
_WEAK = 0.5
_UNSAID = "not stated"
_NOTHING = (
    "Nothing is certified. The weights were released without noise (noise=0), so this certificate "
    "says nothing about what they reveal of the removed rows."
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


def certificate_report(
    certificate: Certificate,
    *,
    format: str = "html",
    title: str | None = None,
    who: str | None = None,
    when: str | date | None = None,
    request: str | None = None,
) -> str:
    """Set the public part of a certificate as a page for people who file such things.

    Parameters
    ----------
    certificate : Certificate
        Its realised figures are dropped before anything is written.
    format : {"html", "markdown"}
        HTML is one file without outside resources, for screen (light and dark) and print.
    title : str, optional
        Heading of the page.
    who : str, optional
        Who carried the removal out.
    when : str or date, optional
        When the removal was carried out.
    request : str, optional
        What was asked, such as a case number.  It is shown to every reader: no names.

    Returns
    -------
    str
        The page.  The same arguments give the same page.

    Raises
    ------
    ValueError
        If the format or the kind of certificate is unknown.

    Notes
    -----
    Rates are rounded up, so are epsilon and delta.  The page shows what a certificate says; it
    does not check that the certificate is genuine.

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
    if certificate.kind not in ("gaussian", "none"):
        raise ValueError(f"a certificate of unknown kind {certificate.kind!r}")
    public = certificate.public()
    default = "No certificate" if public.kind == "none" else "Certificate of removal"
    if isinstance(when, date):
        when = when.isoformat(" ", "minutes") if isinstance(when, datetime) else when.isoformat()
    asked = (
        ("Request", request or _UNSAID),
        ("Carried out by", who or _UNSAID),
        ("Carried out on", when or _UNSAID),
    )
    return setter(_page(public, title or default, asked))


def _page(c: Certificate, title: str, asked: tuple[tuple[str, str], ...]) -> Page:
    """Write the page for the public part of a certificate."""
    warning = _WARNING if SEEDED in c.conditions else None
    if c.kind == "none":
        parts = [Part("What is not covered", [Text(_VOID), Items(c.not_covered)], "not")]
        return Page(title, _NOTHING, asked, [*parts, _record(c), _original(c)], void=True)
    promise, joint = one_release(c), all_releases(c)
    parts = [
        Part("What holds", list(_holds(c, promise)), "holds"),
        Part("What is not covered", [Text(_LIMITS), Items(c.not_covered)], "not"),
        Part("What an attacker can gain", list(_gain(c, promise, joint))),
        Part("Compared with which retraining", [Text(_sentence(c.reference) + ".")]),
        Part("Under which conditions", [Items(c.conditions)]),
        _record(c),
        _original(c),
    ]
    verdict = (
        f"Certified removal with epsilon = {upwards(c.epsilon)} and delta = {upwards(c.delta)}, "
        f"for {_subject(c)}."
    )
    return Page(title, verdict, asked, parts, warning)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _subject(c: Certificate) -> str:
    if c.view == "transcript":
        return "all releases since the oldest removal together"
    return "this release"


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
    """List the figures and the versions."""
    facts = [("Rows the model is trained on", f"{c.n_retained}"), ("Goal", c.goal)]
    if c.kind != "none":
        low, middle, high = (f"{v:.2g}" for v in c.coefficient_deviation)
        facts += [
            ("epsilon", upwards(c.epsilon)),
            ("delta", upwards(c.delta)),
            (
                "Joint epsilon",
                f"{upwards(c.joint_epsilon, 4)}, all releases since the oldest removal",
            ),
            ("mu", f"{upwards(c.mu, 4)}, largest distance of the means over sigma"),
            ("Noise", f"Gaussian, {c.mechanism}, sigma = {c.sigma:g}"),
            ("Noise per coefficient", f"standard deviation {low} to {high}, median {middle}"),
            ("Distance target", f"{upwards(c.distance_target, 4)}, to exact retraining"),
            ("Fit distance", f"{upwards(c.fit_distance, 4)}, promised by the retraining"),
        ]
    facts += [
        ("Issued by", c.library),
        ("Certificate format", f"version {c.version}"),
        ("Page made by", f"certunlearn {__version__}"),
    ]
    return Part("Record", [Facts(tuple(facts))])


def _original(c: Certificate) -> Part:
    """Give the certificate itself, so that the page can be checked against it."""
    text = c.to_json()
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    about = Text(f"The public part of the certificate as issued; SHA-256 {digest}.")
    return Part("Certificate, machine-readable", [about, Text(text, code=True)])
