"""A certificate as a page: what it says, that it is escaped, and that it keeps secrets."""

import datetime
import html
import math
import os
import re
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from certunlearn import CertifiedLogReg, ForgetQueue, Receipt, __version__, certificate_report
from certunlearn._common.html import _marked, percent, upwards
from certunlearn.claims import noise
from certunlearn.claims.budget import calibrate
from certunlearn.claims.certificate import Certificate
from certunlearn.claims.glossary import MECHANISMS
from certunlearn.cli.main import main

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><svg onload=alert(1)>",
    "a & b &lt; c 'quoted'",
    "one\n\n# two\n- three\n```",
    "[click](https://example.org) ![x](https://example.org/x.png) www.example.org",
    "\u202egnp.exe\u2066 \x00\x1b[31m",
    "\ud800 lone",
    "| a | b |\n|---|---|",
]
FORMATS = ["html", "markdown"]
VOID = {"meta", "path", "polygon", "polyline"}


def fitted(removals=1, **params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 2))
    y = (X[:, 0] + rng.normal(size=70) > 0).astype(int)
    model = CertifiedLogReg(**{"view": "release"} | params).fit(X, y)
    for i in range(removals):
        model.forget([3 + i])
    return model


@pytest.fixture(scope="module")
def certificate():
    return fitted().certificate_


@pytest.fixture(scope="module")
def several():
    return fitted(removals=4).certificate_


class Strict(HTMLParser):
    """Collects text and tags, and fails where tags do not match."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.words, self.attributes = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def read(page, format):
    """Text of a page as a reader sees it."""
    return Strict(page).text if format == "html" else re.sub(r"\\(?=[^\w\s])", "", page)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_filed_is_on_the_page(certificate, format):
    page = certificate_report(
        certificate,
        format=format,
        title="Model 7",
        who="data office",
        when=datetime.date(2025, 3, 14),
        request="case 2025-0192",
    )
    text = read(page, format)
    for part in ("Model 7", "data office", "2025-03-14", "case 2025-0192"):
        assert part in text
    for part in certificate.conditions + certificate.not_covered:
        assert part in text
    assert certificate.reference[1:] in text and "retained rows" in text
    assert f"certunlearn {__version__}" in text and "SHA-256" in text
    assert "epsilon = 1 and delta = 1e-06" in text
    for heading in ("What holds", "What is not covered", "What an attacker can gain"):
        assert heading in text


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("view", ["release", "transcript"])
def test_the_figures_are_those_of_the_best_test(format, view):
    c = fitted(removals=3, view=view).certificate_
    text = read(certificate_report(c, format=format), format)
    promises = [c.promise] + ([c.joint_promise] if view == "release" else [])
    for promise in promises:
        for level in (0.01, 0.05):
            assert percent(promise.true_positive_rate(level)) in text
        assert percent(promise.even_odds) in text
    assert ("all releases since the oldest removal learns more" in text) is (view == "release")
    assert ("this release" in text) is (view == "release")


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_not_said_is_shown_as_not_said(certificate, format):
    text = read(certificate_report(certificate, format=format), format)
    # Request, asked, due, done, by whom; and whether older releases have been withdrawn.
    assert text.count("not stated") == 5 and "does not say whether that has been done" in text


def test_dates_and_times(certificate):
    when = datetime.datetime(2025, 3, 14, 15, 9, tzinfo=datetime.UTC)
    assert "2025-03-14 15:09 UTC" in certificate_report(certificate, when=when)
    assert "spring" in certificate_report(certificate, when="spring")


@pytest.mark.parametrize("format", FORMATS)
def test_realised_figures_never_appear(format):
    for removals in (1, 4):
        c = fitted(removals=removals).certificate_
        odd = replace(
            c,
            distance=0.0123456789,
            tier="odd-tier",
            n_forgotten=918273,
            passes=8642,
            seconds=77.25,
            look_alikes=615243,
        )
        page = certificate_report(odd, format=format)
        for secret in (
            "0.0123",
            "0.01235",
            "1.2%",
            "odd-tier",
            "918273",
            "8642",
            "77.25",
            "615243",
        ):
            assert secret not in page
        assert page == certificate_report(c.public(), format=format)


@pytest.mark.parametrize("format", FORMATS)
def test_a_certificate_that_claims_nothing_says_so(format):
    c = fitted(noise=0).certificate_
    text = read(certificate_report(c, format=format), format)
    assert "Nothing is certified." in text and "No certificate" in text
    for word in ("What holds", "Certificate of removal", "Best test", "epsilon =", "attacker"):
        assert word not in text
    assert all(part in text for part in c.not_covered)


@pytest.mark.parametrize("format", FORMATS)
def test_a_seed_is_warned_of_first(format):
    text = read(certificate_report(fitted(random_state=0).certificate_, format=format), format)
    assert text.index("came from a seed") < text.index("What holds")
    assert "came from a seed" not in certificate_report(fitted().certificate_, format=format)


@pytest.mark.parametrize("format", FORMATS)
def test_a_weak_promise_is_called_weak(format):
    for epsilon, weak in ((0.5, False), (12.0, True)):
        page = certificate_report(fitted(epsilon=epsilon).certificate_, format=format)
        assert ("weak promise" in page) is weak


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("where", ["title", "who", "when", "request"])
def test_hostile_text_stays_text_in_html(certificate, hostile, where):
    plain = Strict(certificate_report(certificate, **{where: "quiet"}))
    page = certificate_report(certificate, **{where: hostile})
    found = Strict(page)
    assert found.tags == plain.tags and found.attributes == plain.attributes
    page.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page)
    if hostile.isascii() and hostile.isprintable():
        assert html.escape(hostile) in page and hostile in found.text


def test_hostile_certificates_stay_text(certificate):
    for text in HOSTILE:
        odd = replace(
            certificate,
            reference=f"{text} on the {certificate.n_retained} retained rows",
            library=text,
            goal=text,
            mechanism=text,
            view=text,
            conditions=(text,),
            not_covered=(text,) * len(certificate.not_covered),
        )
        one = replace(odd, conditions=("x",), not_covered=("x",) * len(certificate.not_covered))
        assert Strict(certificate_report(odd)).tags == Strict(certificate_report(one)).tags
        markdown = certificate_report(odd, format="markdown")
        code = markdown.splitlines()[-1]
        rest = markdown.replace(code, "")
        assert not re.search(r"(?<!\\)[<\[`]", rest)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text_in_markdown(certificate, hostile):
    from markdown_it import MarkdownIt

    page = certificate_report(certificate, format="markdown", title=hostile, who=hostile)
    quiet = certificate_report(certificate, format="markdown", title="a", who="a")
    reader = MarkdownIt("gfm-like", {"linkify": False, "html": True})

    def kinds(text):
        out = []
        for token in reader.parse(text):
            out.append(token.type)
            out += [t.type for t in token.children or () if t.type not in ("text", "text_special")]
        return out

    assert kinds(page) == kinds(quiet)
    assert not re.search(r"(?<!\\)://|www\.", page)


@pytest.mark.parametrize("text", ["- a", "+ a", "= a", "1. a", "12) a", "# a", "> a", "* a", "-"])
def test_no_text_starts_a_block_in_markdown(text):
    from markdown_it import MarkdownIt

    types = [t.type for t in MarkdownIt("gfm-like", {"linkify": False}).parse(_marked(text))]
    assert types == ["paragraph_open", "inline", "paragraph_close"]
    assert _marked("0.25 and 1.84%") == "0.25 and 1.84%"


def test_nothing_is_fetched(several):
    page = certificate_report(several)
    assert not re.search(
        r"(?i)https?:|//|url\(|@import|<script|<link|<img|<iframe|src=|href=", page
    )
    assert "default-src 'none'" in page
    assert page.isascii() or "charset" in page
    assert page == certificate_report(several)


def test_the_page_holds_the_certificate_itself(several):
    page = certificate_report(several)
    text = html.unescape(re.search("<pre>(.*?)</pre>", page, re.S)[1])
    assert Certificate.from_json(text) == several.public()
    lines = certificate_report(several, format="markdown").splitlines()
    assert Certificate.from_json(lines[-1].strip()) == several.public()


def test_the_curve_lies_above_guessing(certificate):
    points = re.search('<polyline class="best" points="(.*?)"', certificate_report(certificate))[1]
    at = np.array([p.split(",") for p in points.split()], dtype=float)
    a, b = (at[:, 0] - 56) / 320, 1 - (at[:, 1] - 16) / 320
    assert (np.diff(a) >= 0).all() and (np.diff(b) >= 0).all()
    assert (b >= a - 1e-9).all() and (b - a).max() <= certificate.promise.advantage + 1e-4
    assert a[-1] == b[-1] == 1 and len(a) > 50


def test_unknown_formats_and_kinds_are_refused(certificate):
    with pytest.raises(ValueError, match="format must be one of html, markdown"):
        certificate_report(certificate, format="pdf")
    with pytest.raises(ValueError, match="unknown kind 'exact'"):
        certificate_report(replace(certificate, kind="exact"))


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.01, 0.0183101, 0.09999, 0.1, 0.5475576, 0.9999, 1.0])
def test_rates_are_rounded_up(rate):
    shown = Decimal(percent(rate).rstrip("%")) / 100
    assert Decimal(repr(rate)) <= shown <= Decimal(repr(rate)) + Decimal("0.001")


@pytest.mark.parametrize("x", [0.0, 5e-324, 1e-300, 0.1, 1 / 3, 2 / 3, 1.0, 12345678.9, 1e300])
def test_figures_are_rounded_up(x):
    for digits in (3, 4, 6):
        shown = float(upwards(x, digits))
        assert x <= shown <= x * (1 + 10.0 ** (1 - digits)) + 5e-324
    assert upwards(math.inf) == "infinity"


@pytest.mark.parametrize("epsilon, delta", [(1e-6, 1e-30), (700.0, 0.5), (1e-3, 1e-3)])
def test_extreme_certificates_have_a_page(certificate, epsilon, delta):
    budget = calibrate(epsilon, delta, 1e9, dimension=3, drifts=True)
    issued = {"epsilon": epsilon, "delta": delta, "mu": budget.mu, "drift": budget.drift}
    issued |= {
        "sigma": 1e9,
        "noise": 1e9,
        "scale": (1.0,),
        "joint_epsilon": math.inf,
        "joint_mu": math.inf,
        "view": "release",
        "horizon": None,
    }
    c = replace(certificate, **issued)
    for format in FORMATS:
        assert "infinity" in certificate_report(c, format=format)
    assert "100%" in certificate_report(replace(c, epsilon=math.inf, mu=math.inf))


@pytest.mark.parametrize("format", FORMATS)
def test_a_certificate_that_contradicts_itself_has_no_page(certificate, format):
    for odd in (dict(epsilon=1e-3), dict(event="fit"), dict(seeded=True)):
        with pytest.raises(ValueError, match="is not as it was issued"):
            certificate_report(replace(certificate, **odd), format=format)


# What an officer asks


def top(text):
    """What stands above the details."""
    return text[: text.index("What holds" if "What holds" in text else "What would hold")]


@pytest.mark.parametrize("format", FORMATS)
def test_the_top_of_the_page_answers_what_is_asked(certificate, format):
    page = certificate_report(
        certificate,
        format=format,
        request="case 2025-0192",
        received=datetime.date(2025, 3, 1),
        due=datetime.date(2025, 4, 1),
        when=datetime.date(2025, 3, 14),
        who="data office",
        older="Withdrawn on 2025-03-15.",
    )
    text = read(page, format)
    head = top(text)
    assert "Rows were removed for request case 2025-0192 on 2025-03-14, in time." in head
    for part in ("Was anything removed?", "Yes.", "Request", "Asked", "2025-03-01", "Due"):
        assert part in head
    for part in ("2025-04-01", "Done", "2025-03-14, in time", "data office"):
        assert part in head
    assert certificate.weights in head and certificate.library in head
    assert certificate.issued[:10] in head
    # The caveat stands before the answers, and what was done about it beside it.
    assert head.index("Are older releases still about?") < head.index("Was anything removed?")
    assert "Withdrawn on 2025-03-15." in head and "work out what was removed" in head


@pytest.mark.parametrize("format", FORMATS)
def test_a_fit_that_removed_nothing_is_no_certificate_of_removal(format):
    c = fitted(removals=0).certificate_
    text = read(certificate_report(c, format=format, request="case 99"), format)
    assert "Certificate of a fit, nothing removed" in text and c.title in str(c)
    assert "Certificate of removal" not in text and "Rows were removed" not in text
    head = top(text)
    assert (
        "Nothing was removed: this is no evidence that a request to erase was carried out" in head
    )
    assert "No. This is the release of a fit" in head and "case 99" in head
    assert "What would hold after a removal" in text and "keep a list of who was given it" in head


EVENTS = {
    "release": ("Certificate of a release", "No, not by this release"),
    "correction": ("Certificate of correction", "what the corrected rows were before"),
    "addition": ("Certificate of an addition", "No, not by this release: rows were added"),
    "removal": ("Certificate of removal", "Yes. The rows are no longer in the training data"),
}


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_a_title_and_an_answer(event):
    model = fitted(removals=1)
    X, y = np.zeros((1, 2)), [1]
    verbs = {
        "release": model.release,
        "correction": lambda: model.correct([9], X=X),
        "addition": lambda: model.learn(X, y),
        "removal": lambda: model.forget([9]),
    }
    c = verbs[event]().certificate_
    title, answer = EVENTS[event]
    text = read(certificate_report(c), "html")
    assert c.event == event and title in text and answer in text
    told = "What one request removed before stays removed, and this release is covered" in text
    assert told is (event in ("release", "addition"))
    assert "Are older releases still about?" in text


def test_what_version_1_did_not_say_is_not_made_up():
    old = Path(__file__).parent.parent / "golden" / "certificate_1_removal.json"
    text = read(certificate_report(Certificate.from_json(old.read_text())), "html")
    assert "a certificate of version 1 does not say what it is of" in text
    assert "Certificate of removal" not in text and "Are older releases still about?" in text


@pytest.mark.parametrize(
    "due, done, said",
    [
        ("2025-04-01", "2025-04-01", ", in time"),
        ("2025-04-01", "2025-04-02", ", late"),
        ("2025-04-01T12:00+00:00", "2025-04-01T14:01+02:00", ", late"),
        ("2025-04-01T12:00+00:00", "2025-04-01T13:59+02:00", ", in time"),
        ("2025-04-01", "2025-04-01T23:59+00:00", ", in time"),
        ("2025-04-01T12:00", "2025-04-01T13:00+00:00", ", in time"),
        ("2025-03-31T12:00", "2025-04-01T01:00+00:00", ", late"),
    ],
)
def test_whether_a_deadline_was_kept(certificate, due, done, said):
    kinds = [datetime.datetime if "T" in t else datetime.date for t in (due, done)]
    times = [kind.fromisoformat(t) for kind, t in zip(kinds, (due, done), strict=True)]
    text = read(certificate_report(certificate, due=times[0], when=times[1]), "markdown")
    assert said in text and (", late" in text) is (said == ", late")
    # Words are shown and not judged.
    words = certificate_report(certificate, due="spring", when=times[1])
    assert ", late" not in words and ", in time" not in words


@pytest.mark.parametrize("format", FORMATS)
def test_every_figure_is_said_in_plain_words(certificate, format):
    text = read(certificate_report(certificate, format=format), format)
    for part in ("untraining", "as if it had been trained without the rows", "units of the noise"):
        assert part in text
    assert "at 1 the best guess is right in 69.1% of cases, at 3 in 93.3%" in text
    assert all(
        words in MECHANISMS[c] for c, words in (("gram", "more where"), ("isotropic", "same"))
    )
    assert set(MECHANISMS) == {*noise.MECHANISMS, "several"}
    assert MECHANISMS["gram"] in text


@pytest.fixture(scope="module")
def receipts():
    """Of a request in time with its deadline put off, one that is late, and one that was empty."""
    clock = [datetime.datetime(2026, 1, 31, 9, tzinfo=datetime.UTC)]
    model = fitted(removals=0)
    queue = ForgetQueue(model, now=lambda: clock[0])
    queue.add([3, 4], reference="case <1>")
    queue.add([5], reference="case 2")
    queue.add([60], reference="case 3")
    model.forget([60])
    queue.extend("case <1>", reason="many requests & more")
    clock[0] = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)
    return queue.run()


@pytest.mark.parametrize("format", FORMATS)
def test_a_receipt_has_a_page(receipts, format):
    first, late, empty = (
        read(certificate_report(r, format=format, who="me"), format) for r in receipts
    )
    assert "Rows were removed for request case <1> on 2026-03-02 09:00 UTC, in time." in first
    for part in (
        "Asked",
        "2026-01-31 09:00 UTC",
        "Due",
        "2026-04-28 09:00 UTC",
        "Deadline put off",
    ):
        assert part in first
    assert "from 2026-02-28 09:00 UTC; notice given 2026-01-31 09:00 UTC: many requests & more" in (
        first
    )
    assert "2026-03-02 09:00 UTC, late" in late and "Deadline put off" not in late
    assert "Not for this request: its rows had been removed before." in top(empty)
    assert "Rows were removed for request" not in empty
    for receipt in receipts:
        page = certificate_report(receipt, format=format)
        assert page == certificate_report(Receipt.from_json(receipt.to_json()), format=format)
        with pytest.raises(ValueError, match="the receipt says request, when itself"):
            certificate_report(receipt, request="other", when="today")


def test_positions_of_rows_are_not_on_the_page():
    clock = datetime.datetime(2026, 1, 31, 9, tzinfo=datetime.UTC)
    pages = []
    for rows in ([3, 4], [7, 8, 9]):
        model = fitted(removals=0)
        queue = ForgetQueue(model, now=lambda: clock)
        queue.add(rows, reference="case")
        receipt = queue.run()[0]
        odd = replace(receipt, rows=tuple(918273 + r for r in rows))
        pages.append(certificate_report(odd))
        assert "918273" not in pages[-1] and "91828" not in pages[-1]


# The command


def test_command_writes_a_page(certificate, tmp_path, capsys):
    source, target = tmp_path / "certificate.json", tmp_path / "page.html"
    source.write_text(certificate.to_json())
    assert main(["report", str(source), "-o", str(target), "--who", "me", "--title", "T"]) == 0
    expected = certificate_report(certificate, who="me", title="T")
    assert target.read_text("utf-8") == expected
    assert capsys.readouterr().out == f"{target}: the page to file\n"
    assert main(["report", str(source), "--format", "markdown", "--request", "r"]) == 0
    out = capsys.readouterr().out
    assert out == certificate_report(certificate, format="markdown", request="r")


def test_command_takes_a_receipt(receipts, tmp_path, capsys):
    source = tmp_path / "receipt.json"
    source.write_text(receipts[0].to_json())
    assert main(["report", str(source), "--who", "me", "--older", "Withdrawn."]) == 0
    assert capsys.readouterr().out == certificate_report(receipts[0], who="me", older="Withdrawn.")
    assert main(["report", str(source), "--when", "2026-03-01"]) == 1
    assert "the receipt says when itself" in capsys.readouterr().err


def test_command_compares_dates_and_leaves_words_alone(certificate, tmp_path, capsys):
    source = tmp_path / "certificate.json"
    source.write_text(certificate.to_json())
    command = ["report", str(source), "--format", "markdown", "--received", "in spring"]
    assert main([*command, "--due", "2026-03-01", "--when", "2026-03-02"]) == 0
    said = capsys.readouterr().out
    assert "in spring" in said and "2026-03-02, late" in said
    assert main([*command, "--due", "soon", "--when", "2026-03-02T09:00+00:00"]) == 0
    said = capsys.readouterr().out
    assert "2026-03-02 09:00 UTC" in said and ", late" not in said and "soon" in said


def test_command_refuses_an_edited_certificate(certificate, tmp_path, capsys):
    source = tmp_path / "certificate.json"
    source.write_text(certificate.to_json().replace('"epsilon": 1.0', '"epsilon": 0.01', 1))
    assert main(["report", str(source)]) == 1
    said = capsys.readouterr()
    assert "epsilon = 0.01 and delta = 1e-06 do not follow from mu" in said.err and not said.out


@pytest.mark.parametrize("text", [None, "{}", "\udcff", "# no JSON"])
def test_command_says_what_is_wrong(text, tmp_path, capsys):
    source = tmp_path / "certificate.json"
    if text is not None:
        source.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main(["report", str(source)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("certunlearn report: ") and not said.out
    assert str(source) in said.err
    assert ("not a certificate or a receipt: no JSON" in said.err) == (text == "# no JSON")


# In a browser


@pytest.fixture(scope="module")
def browser():
    """Where there is none a user is spared, and a machine that tests for others is not."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI is set and chromium is not on PATH: .ci/run installs it")
        pytest.skip("needs chromium on PATH")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_draws_the_page(several, scheme, tmp_path, browser):
    from matplotlib import image

    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(certificate_report(several, title=HOSTILE[0]), "utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--disable-quic", "--no-first-run", "--disable-background-networking"]
    command += ["--disable-component-update", "--disable-sync", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,1400"]
    command += ["--force-dark-mode"] if scheme == "dark" else []
    command += [f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    drawn = image.imread(picture)[:, :, :3]
    assert drawn.shape[:2] == (1400, 1000)
    corner = drawn[2, 2].mean()
    assert corner > 0.95 if scheme == "light" else corner < 0.2
    # Two boxes side by side, a curve and text: not an empty page.
    assert 0.05 < (np.abs(drawn - drawn[2, 2]).max(axis=2) > 0.02).mean() < 0.6


def test_a_model_in_the_place_of_its_certificate_is_told():
    model = CertifiedLogReg().fit(np.arange(40.0)[:, None], np.arange(40) % 3 > 0)
    with pytest.raises(TypeError, match="a CertifiedLogReg: pass its certificate_"):
        certificate_report(model)
    with pytest.raises(TypeError, match="takes a Certificate or a Receipt, got a dict$"):
        certificate_report({})
